//! The evidence of one endpoint: what its calls were made of.

use super::{
    call::{self, Call},
    derive,
    firsts::{Moment, moment},
    headers,
    json::Ending,
    models::Models,
    payloads::Payloads,
    proto::Calls,
    scalar::hash,
    schema::{Operation, Parameter, Place, Response, Scheme, Security},
    scratch::Scratch,
    security::{Doors, Presented},
    talk::Talk,
    tree::{Effort, How, Message, Tree},
};
use crate::tally::Slot;
use overhear_exchange::{Headers, StreamKind};
use std::borrow::Cow;

/// What the calls of an endpoint look like: counts and bounded sketches. The sum of two equals one that learned both,
/// below the bounds; nothing is decided before [`Self::operation`] is asked for.
#[derive(Clone, Debug, Default)]
pub struct Shapes {
    pub(super) whole: Option<Box<Evidence>>,
    /// What was learned since it was last taken in, by the hour in which calls ended, ascending: no part of `whole` yet.
    pub(super) recent: Vec<(Slot, Box<Evidence>)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Evidence {
    pub(super) requests: u64,
    pub(super) query: Tree,
    pub(super) headers: Tree,
    pub(super) cookies: Tree,
    pub(super) with_body: u64,
    pub(super) bodies: Payloads,
    /// By keyed hash of the status.
    pub(super) replies: Vec<Reply>,
    pub(super) doors: Doors,
    /// What went over it in messages.
    pub(super) talk: Option<Box<Talk>>,
    pub(super) models: Models,
    pub(super) procedure: Option<Box<Calls>>,
}

/// Responses of one status.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reply {
    pub(super) rank: u64,
    pub(super) status: u16,
    pub(super) seen: u64,
    /// When the first came.
    pub(super) first: Moment,
    pub(super) headers: Tree,
    pub(super) bodies: Payloads,
}

/// Statuses kept apart; the others are not told.
const MOST_STATUSES: usize = 32;
/// Values of one place beside the body.
const MOST_FIELDS: usize = 512;
/// Hours that are open at once; what is older is taken in.
const MOST_HOURS: usize = 4;
/// Nodes of one kind of body.
const MOST_NODES: usize = 6_000;
/// Nodes of all bodies together, about.
const MOST_NODES_TOGETHER: usize = 18_000;

impl Shapes {
    /// Learns a call. `key` is the model's: it decides, with the names, what is kept beyond the bounds.
    pub fn learn(&mut self, key: u64, call: &Call<'_>, scratch: &mut Scratch) {
        scratch.read_response(call.response_headers.get("content-type"), call.response_body);
        self.learn_read(key, call, None, scratch);
    }

    /// Learns a call whose response the scratch has read; apart from those of other hours where one is given.
    pub(crate) fn learn_read(
        &mut self,
        key: u64,
        call: &Call<'_>,
        hour: Option<Slot>,
        scratch: &mut Scratch,
    ) {
        if call.effort == call::Effort::Nothing {
            return;
        }
        self.of_hour(key, hour).learn(key, call, scratch);
    }

    /// Learns what is new of a stream that goes on.
    pub(crate) fn learn_messages(
        &mut self,
        key: u64,
        call: &Call<'_>,
        hour: Option<Slot>,
        scratch: &mut Scratch,
    ) {
        if call.effort != call::Effort::Nothing {
            self.of_hour(key, hour).learn_messages(key, call, scratch);
        }
    }

    fn of_hour(&mut self, key: u64, hour: Option<Slot>) -> &mut Evidence {
        match hour {
            None => self.whole.get_or_insert_default(),
            Some(hour) => self.hour_mut(key, hour),
        }
    }

    /// Adds what was learned elsewhere, with the same key.
    pub fn merge(&mut self, key: u64, other: &Self) {
        if let Some(more) = &other.whole {
            self.whole.get_or_insert_default().merge(key, more);
        }
        for (hour, more) in &other.recent {
            self.hour_mut(key, *hour).merge(key, more);
        }
    }

    /// True before the first call.
    pub fn is_empty(&self) -> bool {
        self.whole.is_none() && self.recent.is_empty()
    }

    /// What was learned of calls of single hours since it was last taken in.
    pub(crate) fn recent(&self) -> impl Iterator<Item = (Slot, Self)> {
        self.recent.iter().map(|(hour, evidence)| {
            (*hour, Self { whole: Some(settled(evidence).into_owned().into()), recent: Vec::new() })
        })
    }

    /// Hours are no longer kept apart.
    pub(crate) fn take_in(&mut self, key: u64) {
        for (_, evidence) in std::mem::take(&mut self.recent) {
            self.add(key, evidence);
        }
    }

    fn add(&mut self, key: u64, evidence: Box<Evidence>) {
        match &mut self.whole {
            Some(whole) => whole.merge(key, &evidence),
            None => self.whole = Some(evidence),
        }
    }

    fn hour_mut(&mut self, key: u64, hour: Slot) -> &mut Evidence {
        let at = match self.recent.binary_search_by_key(&hour, |(known, _)| *known) {
            Ok(at) => at,
            Err(at) => {
                self.recent.insert(at, (hour, Box::default()));
                at
            }
        };
        if self.recent.len() > MOST_HOURS {
            let (_, oldest) = self.recent.remove(usize::from(at == 0));
            self.add(key, oldest);
            return self.hour_mut(key, hour);
        }
        // Just found or inserted.
        #[expect(clippy::indexing_slicing, reason = "at is where it was found or put")]
        let (_, evidence) = &mut self.recent[at];
        evidence
    }

    /// What the calls look like.
    pub fn operation(&self) -> Operation {
        self.settled().map(|evidence| evidence.operation()).unwrap_or_default()
    }

    /// The evidence, with what was only noted added to it.
    pub(super) fn settled(&self) -> Option<Cow<'_, Evidence>> {
        let mut parts = self.whole.iter().chain(self.recent.iter().map(|(_, evidence)| evidence));
        let mut sum = settled(parts.next()?);
        for part in parts {
            // The key decides nothing within the bounds.
            sum.to_mut().merge(0, part);
        }
        Some(sum)
    }
}

fn settled(evidence: &Evidence) -> Cow<'_, Evidence> {
    if evidence.trees().all(|tree| !tree.has_pending()) {
        return Cow::Borrowed(evidence);
    }
    let mut evidence = evidence.clone();
    evidence.trees_mut().for_each(Tree::settle);
    Cow::Owned(evidence)
}

impl PartialEq for Shapes {
    fn eq(&self, other: &Self) -> bool {
        self.settled() == other.settled()
    }
}

impl Evidence {
    fn learn(&mut self, key: u64, call: &Call<'_>, scratch: &mut Scratch) {
        let effort = if call.is_light() { Effort::Structure } else { Effort::Whole };
        let how = How { effort, at: moment(call.at) };
        let mut presented = Presented::default();
        self.requests = self.requests.saturating_add(1);
        self.learn_query(key, call, how, &mut presented, scratch);
        self.learn_request_headers(key, call.request_headers, how, &mut presented, scratch);
        let limit = self.limit();
        if let Some(body) = call.request_body {
            self.with_body = self.with_body.saturating_add(1);
            let Scratch { request, pairs, segments, .. } = &mut *scratch;
            request.read(call.request_headers.get("content-type"), Some(body), pairs);
            self.bodies.learn(key, (request, body), (how, limit), segments);
        }
        if let Some(rpc) = call.rpc {
            self.procedure.get_or_insert_default().learn(rpc, call.request_body, call.response_body);
        }
        self.doors.learn(key, &presented, call.status);
        self.learn_messages(key, call, scratch);
        if let Some(model) = call.gen_ai {
            self.models.learn(key, model);
        }
        if let Some(reply) = call.status.and_then(|status| self.reply(key, status)) {
            reply.learn(key, call, how, limit, scratch);
        }
    }

    fn learn_query(
        &mut self,
        key: u64,
        call: &Call<'_>,
        how: How,
        presented: &mut Presented,
        scratch: &mut Scratch,
    ) {
        let Some(query) = call.query.filter(|query| !query.is_empty()) else { return };
        presented.query(query.as_bytes());
        scratch.pairs.clear();
        scratch.pairs.read_form(query.as_bytes(), true);
        learn_pairs(&mut self.query, key, how, false, scratch);
    }

    fn learn_request_headers(
        &mut self,
        key: u64,
        fields: &Headers,
        how: How,
        presented: &mut Presented,
        scratch: &mut Scratch,
    ) {
        let Scratch { pairs, name, .. } = &mut *scratch;
        pairs.clear();
        for (field, value) in fields.iter() {
            lower(field, name);
            match name.as_slice() {
                b"authorization" => presented.authorization(value),
                b"cookie" => presented.cookies(value),
                name if headers::is_custom(name) && !presented.header(name, value) => {
                    pairs.push(name, value, false)
                }
                _ => {}
            }
        }
        learn_pairs(&mut self.headers, key, how, false, scratch);
        if let Some(cookies) = fields.get("cookie") {
            scratch.pairs.clear();
            scratch.pairs.read_cookies(cookies);
            learn_pairs(&mut self.cookies, key, how, true, scratch);
        }
    }

    fn learn_messages(&mut self, key: u64, call: &Call<'_>, scratch: &mut Scratch) {
        let is_read = |kind: &StreamKind| match kind {
            StreamKind::WebSocket(_) | StreamKind::Events | StreamKind::Lines => true,
            // Only counted while it goes on; what it said is learned from the bodies.
            StreamKind::Messages | StreamKind::Body => false,
        };
        if let Some(stream) = call.stream.filter(|stream| is_read(&stream.kind)) {
            self.talk.get_or_insert_default().learn(key, stream, (call.effort, moment(call.at)), scratch);
        }
    }

    fn reply(&mut self, key: u64, status: u16) -> Option<&mut Reply> {
        if let Some(at) = self.replies.iter().position(|reply| reply.status == status) {
            return self.replies.get_mut(at);
        }
        self.insert(hash(key, &status.to_le_bytes()), status)
    }

    fn insert(&mut self, rank: u64, status: u16) -> Option<&mut Reply> {
        let at = self.replies.partition_point(|reply| (reply.rank, reply.status) < (rank, status));
        if at >= MOST_STATUSES {
            return None;
        }
        self.replies.insert(at, Reply { rank, status, first: Moment::MAX, ..Reply::default() });
        self.replies.truncate(MOST_STATUSES);
        self.replies.get_mut(at)
    }

    /// Nodes that each kind of body may have: fewer where there are many kinds.
    fn limit(&self) -> usize {
        let kinds = self.bodies.kinds.len()
            + self.replies.iter().map(|reply| reply.bodies.kinds.len()).sum::<usize>();
        (MOST_NODES_TOGETHER / kinds.max(1)).clamp(256, MOST_NODES)
    }

    pub(super) fn merge(&mut self, key: u64, other: &Self) {
        if let Some(talk) = &other.talk {
            self.talk.get_or_insert_default().merge(key, talk);
        }
        self.models.merge(key, &other.models);
        self.requests = self.requests.saturating_add(other.requests);
        self.with_body = self.with_body.saturating_add(other.with_body);
        self.query.merge(&other.query, MOST_FIELDS);
        self.headers.merge(&other.headers, MOST_FIELDS);
        self.cookies.merge(&other.cookies, MOST_FIELDS);
        self.doors.merge(&other.doors);
        if let Some(more) = &other.procedure {
            self.procedure.get_or_insert_default().merge(more);
        }
        let limit = self.limit();
        self.bodies.merge(&other.bodies, limit);
        for more in &other.replies {
            let at = self.replies.iter().position(|reply| reply.status == more.status);
            let reply = match at {
                Some(at) => self.replies.get_mut(at),
                None => self.insert(more.rank, more.status),
            };
            if let Some(reply) = reply {
                reply.seen = reply.seen.saturating_add(more.seen);
                reply.first = reply.first.min(more.first);
                reply.headers.merge(&more.headers, MOST_FIELDS);
                reply.bodies.merge(&more.bodies, limit);
            }
        }
    }

    pub(super) fn trees(&self) -> impl Iterator<Item = &Tree> {
        let replies = self.replies.iter().flat_map(|reply| reply.bodies.trees().chain([&reply.headers]));
        let talk = self.talk.iter().flat_map(|talk| talk.trees());
        let own = [&self.query, &self.headers, &self.cookies];
        own.into_iter().chain(self.bodies.trees()).chain(replies).chain(talk)
    }

    pub(super) fn trees_mut(&mut self) -> impl Iterator<Item = &mut Tree> {
        let replies =
            self.replies.iter_mut().flat_map(|reply| reply.bodies.trees_mut().chain([&mut reply.headers]));
        [&mut self.query, &mut self.headers, &mut self.cookies]
            .into_iter()
            .chain(self.bodies.trees_mut())
            .chain(replies)
            .chain(self.talk.iter_mut().flat_map(|talk| talk.trees_mut()))
    }

    fn operation(&self) -> Operation {
        let places =
            [(&self.query, Place::Query), (&self.headers, Place::Header), (&self.cookies, Place::Cookie)];
        let all =
            places.into_iter().flat_map(|(tree, place)| derive::parameters(&tree.root, place, self.requests));
        let (parameters, security) = tell_apart(all.collect(), self.doors.security());
        let mut responses: Vec<_> = self.replies.iter().map(Reply::response).collect();
        responses.sort_unstable_by_key(|response| response.status);
        Operation {
            requests: self.requests,
            parameters,
            with_request_body: self.with_body,
            request: self.bodies.payloads(),
            responses,
            security,
            messages: self.talk.as_ref().map(|talk| talk.messages()),
            models: self.models.told(),
            procedure: self.procedure.as_ref().map(|calls| calls.procedure()),
        }
    }
}

/// What is at times a credential and mostly is not is a parameter, else it is none.
fn tell_apart(mut parameters: Vec<Parameter>, mut security: Security) -> (Vec<Parameter>, Security) {
    security.schemes.retain(|used| {
        let Scheme::ApiKey { place, name } = &used.scheme else { return true };
        let at = parameters.iter().position(|parameter| (parameter.place, &parameter.name) == (*place, name));
        let Some(at) = at else { return true };
        let is_credential = parameters.get(at).is_some_and(|parameter| used.seen > parameter.seen / 2);
        if is_credential {
            parameters.remove(at);
        }
        is_credential
    });
    (parameters, security)
}

impl Reply {
    fn learn(&mut self, key: u64, call: &Call<'_>, how: How, limit: usize, scratch: &mut Scratch) {
        self.seen = self.seen.saturating_add(1);
        self.first = self.first.min(how.at);
        let Scratch { pairs, name, .. } = &mut *scratch;
        pairs.clear();
        for (field, value) in call.response_headers.iter() {
            lower(field, name);
            if headers::is_custom(name) {
                pairs.push(name, value, false);
            }
        }
        learn_pairs(&mut self.headers, key, how, false, scratch);
        if let Some(body) = call.response_body {
            self.bodies.learn(key, (&scratch.response, body), (how, limit), &mut scratch.segments);
        }
    }

    fn response(&self) -> Response {
        Response {
            status: self.status,
            seen: self.seen,
            headers: derive::parameters(&self.headers.root, Place::Header, self.seen),
            payloads: self.bodies.payloads(),
        }
    }
}

/// Learns the named values that were read last.
fn learn_pairs(tree: &mut Tree, key: u64, how: How, private: bool, scratch: &mut Scratch) {
    if scratch.pairs.is_empty() {
        return;
    }
    let Scratch { tape, pairs, segments, .. } = scratch;
    let ending = pairs.write(tape);
    debug_assert!(ending != Ending::Malformed);
    tree.learn(key, Message { tape, source: &[], ending, how, private, limit: MOST_FIELDS }, segments);
}

fn lower(name: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend(name.iter().take(128).map(u8::to_ascii_lowercase));
}
