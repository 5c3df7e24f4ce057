//! What goes over streams: messages by direction and kind, what they are made of, and how streams end.
//!
//! The kind of a message is the name of an event, or the member at the top of an object that tells kinds apart (`type`,
//! `event`, `op`, …). Which member that is depends on the message alone, so that the order of messages does not count.

use super::{
    call, derive,
    firsts::Moment,
    json::{self, Ending},
    payloads::Bodies,
    scalar::hash,
    schema::{Messages, Payload, Said},
    scratch::Scratch,
    tape::{Kind, Tape},
    tree::{Effort, How, Message, Tree},
    words,
};
use crate::OTHER;
use overhear_exchange::{self as exchange, Sender, Stage, StreamKind};
use std::fmt::Write;

/// What one endpoint's streams carried.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Talk {
    pub(super) client: Side,
    pub(super) server: Side,
    /// Streams that are over, by what was agreed on: a subprotocol.
    pub(super) subprotocols: Vec<(Box<str>, u64)>,
    /// Those by the code they were closed with, ascending.
    pub(super) closed: Vec<(u16, u64)>,
}

/// What one end said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Side {
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) unread: u64,
    pub(super) gaps: u64,
    /// By kind, ascending by rank: those whose keyed hash is smallest.
    pub(super) kinds: Vec<Bodies>,
    /// The others, of which only the number is kept.
    pub(super) other: u64,
}

/// Kinds of messages that are told apart, in one direction.
const MOST_KINDS: usize = 24;
/// Subprotocols and close codes that are told apart.
const MOST_NAMES: usize = 16;
/// Nodes of one kind of message…
const MOST_NODES: usize = 1_500;
/// …and of all that one end says, about.
const MOST_NODES_TOGETHER: usize = 6_000;
/// Kinds of messages that nothing tells apart.
const TEXT: &str = "text";
const BINARY: &str = "binary";

/// Members that tell the kind of a message, the surest first.
const TAGS: [&[u8]; 18] = [
    b"type",
    b"event",
    b"op",
    b"method",
    b"action",
    b"kind",
    b"cmd",
    b"command",
    b"messageType",
    b"message_type",
    b"msg_type",
    b"@type",
    b"__typename",
    b"topic",
    b"channel",
    b"status",
    b"t",
    b"e",
];

impl Talk {
    /// Learns what is new of a stream.
    pub(super) fn learn(
        &mut self,
        key: u64,
        stream: &exchange::Stream,
        (effort, at): (call::Effort, Moment),
        scratch: &mut Scratch,
    ) {
        self.client.count(stream.client.fresh);
        self.server.count(stream.server.fresh);
        for (number, message) in stream.fresh.iter().enumerate() {
            let how = of_message(effort, number as u64).map(|effort| How { effort, at });
            match message.sender {
                Sender::Client => self.client.learn(key, message, how, scratch),
                Sender::Server => self.server.learn(key, message, how, scratch),
            }
        }
        if let (Stage::Over, StreamKind::WebSocket(agreed)) = (stream.stage, &stream.kind) {
            if let Some(name) = &agreed.subprotocol {
                add_name(&mut self.subprotocols, key, name, 1);
            }
            if let Some(code) = agreed.close_code {
                add_code(&mut self.closed, code, 1);
            }
        }
    }

    pub(super) fn merge(&mut self, key: u64, other: &Self) {
        self.client.merge(&other.client);
        self.server.merge(&other.server);
        for (name, count) in &other.subprotocols {
            add_name(&mut self.subprotocols, key, name, *count);
        }
        for (code, count) in &other.closed {
            add_code(&mut self.closed, *code, *count);
        }
    }

    pub(super) fn trees(&self) -> impl Iterator<Item = &Tree> {
        self.client.kinds.iter().chain(&self.server.kinds).map(|kind| &kind.tree)
    }

    pub(super) fn trees_mut(&mut self) -> impl Iterator<Item = &mut Tree> {
        let Self { client, server, .. } = self;
        client.kinds.iter_mut().chain(&mut server.kinds).map(|kind| &mut kind.tree)
    }

    pub(super) fn messages(&self) -> Messages {
        let mut subprotocols: Vec<_> =
            self.subprotocols.iter().map(|(name, count)| (name.to_string(), *count)).collect();
        subprotocols.sort_unstable();
        Messages {
            client: self.client.said(),
            server: self.server.said(),
            subprotocols,
            closed: self.closed.clone(),
        }
    }
}

/// One in so many messages is learned whole where only structure is wanted.
fn of_message(effort: call::Effort, at: u64) -> Option<Effort> {
    const SAMPLE: u64 = 64;
    match effort {
        call::Effort::Whole => Some(Effort::Whole),
        call::Effort::Adaptive(hash) => {
            let spread = hash.wrapping_add(at).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
            Some(if spread.is_multiple_of(SAMPLE) { Effort::Whole } else { Effort::Structure })
        }
        call::Effort::Nothing => None,
    }
}

impl Side {
    fn count(&mut self, fresh: exchange::Counts) {
        self.messages = self.messages.saturating_add(fresh.messages);
        self.bytes = self.bytes.saturating_add(fresh.bytes);
        self.unread = self.unread.saturating_add(fresh.unread);
        self.gaps = self.gaps.saturating_add(fresh.gaps);
    }

    fn learn(&mut self, key: u64, message: &exchange::Message, how: Option<How>, scratch: &mut Scratch) {
        let Some(how) = how else { return };
        let Scratch { tape, segments, kind, .. } = scratch;
        let source = message.content.expose();
        let is_json = message.is_text && matches!(source.trim_ascii_start().first(), Some(b'{' | b'['));
        let ending =
            if is_json { json::read(tape, source, message.complete, false) } else { Ending::Malformed };
        let structured = is_json && ending != Ending::Malformed;
        kind.clear();
        name_of(message, structured.then_some((&*tape, &source[..])), kind);
        let limit = self.limit();
        let Some(bodies) = self.kind(key, kind) else {
            self.other = self.other.saturating_add(1);
            return;
        };
        bodies.seen = bodies.seen.saturating_add(1);
        bodies.first = bodies.first.min(how.at);
        let partial = !message.complete || (structured && ending != Ending::Whole);
        bodies.partial = bodies.partial.saturating_add(u64::from(partial));
        if structured {
            bodies.structured = bodies.structured.saturating_add(1);
            let message = Message { tape, source, ending, how, private: false, limit };
            bodies.tree.learn(key, message, segments);
        }
    }

    fn kind(&mut self, key: u64, name: &str) -> Option<&mut Bodies> {
        match self.kinds.iter().position(|kind| *kind.media == *name) {
            Some(at) => self.kinds.get_mut(at),
            None => self.insert(Bodies::new(hash(key, name.as_bytes()), name)),
        }
    }

    /// Lets a kind in, if it is among the first; whoever makes room for it is counted with the others.
    fn insert(&mut self, kind: Bodies) -> Option<&mut Bodies> {
        let at = self.kinds.partition_point(|known| (known.rank, &known.media) < (kind.rank, &kind.media));
        if at >= MOST_KINDS {
            return None;
        }
        self.kinds.insert(at, kind);
        if self.kinds.len() > MOST_KINDS
            && let Some(last) = self.kinds.pop()
        {
            self.other = self.other.saturating_add(last.seen);
        }
        self.kinds.get_mut(at)
    }

    fn merge(&mut self, other: &Self) {
        self.count(exchange::Counts {
            messages: other.messages,
            bytes: other.bytes,
            unread: other.unread,
            gaps: other.gaps,
        });
        self.other = self.other.saturating_add(other.other);
        let limit = self.limit();
        for more in &other.kinds {
            let at = self.kinds.iter().position(|kind| kind.media == more.media);
            let kind = match at {
                Some(at) => self.kinds.get_mut(at),
                None => self.insert(Bodies::new(more.rank, &more.media)),
            };
            match kind {
                Some(kind) => kind.merge(more, limit),
                None => self.other = self.other.saturating_add(more.seen),
            }
        }
    }

    /// Nodes that each kind may have: fewer where there are many.
    fn limit(&self) -> usize {
        (MOST_NODES_TOGETHER / self.kinds.len().max(1)).min(MOST_NODES)
    }

    fn said(&self) -> Said {
        let mut kinds: Vec<Payload> = self.kinds.iter().map(payload).collect();
        // The most frequent first; the name settles what is equal.
        kinds.sort_unstable_by(|a, b| (b.seen, &a.media_type).cmp(&(a.seen, &b.media_type)));
        Said {
            messages: self.messages,
            bytes: self.bytes,
            unread: self.unread,
            gaps: self.gaps,
            kinds,
            other: self.other,
        }
    }
}

fn payload(kind: &Bodies) -> Payload {
    let root = &kind.tree.root;
    let schema = (root.seen() > 0).then(|| derive::schema(root, "", 0));
    Payload { media_type: kind.media.to_string(), seen: kind.seen, partial: kind.partial, schema }
}

/// What the kind of a message is called: `price` (an event), `type = tick`, `text`, `binary`.
fn name_of(message: &exchange::Message, json: Option<(&Tape, &[u8])>, out: &mut String) {
    let event = message.name.as_deref().filter(|name| words::enum_word(name.as_bytes()).is_some());
    // Every event is a `message` that has no name of its own.
    match (event.filter(|name| *name != "message"), json.and_then(|(tape, source)| tag(tape, source))) {
        (Some(name), _) => out.push_str(name),
        (None, Some((tag, value))) => {
            // Writing to a String does not fail.
            let _ = write!(out, "{tag} = {value}");
        }
        (None, None) => out.push_str(if message.is_text { TEXT } else { BINARY }),
    }
}

/// The first member at the top that tells kinds apart, and its value: a word, or a small number.
fn tag<'a>(tape: &'a Tape, source: &'a [u8]) -> Option<(&'static str, &'a str)> {
    let (at, top) = tape.roots().next()?;
    if top.kind != Kind::Object {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    for (key, (_, value)) in tape.members(at).take(64) {
        let place = TAGS.iter().position(|tag| *tag == tape.text(source, key));
        let Some(place) = place.filter(|place| best.is_none_or(|(known, _)| *place < known)) else {
            continue;
        };
        let text = tape.text(source, value);
        let word = match value.kind {
            Kind::String => words::enum_word(text).filter(|word| !word.is_empty()),
            Kind::Integer if text.len() <= 3 => std::str::from_utf8(text).ok(),
            Kind::Null
            | Kind::Boolean
            | Kind::Integer
            | Kind::Number
            | Kind::Text
            | Kind::File
            | Kind::Array
            | Kind::Object
            | Kind::Key => None,
        };
        if let Some(word) = word {
            best = Some((place, word));
        }
    }
    let (place, word) = best?;
    let name = TAGS.get(place).and_then(|name| std::str::from_utf8(name).ok())?;
    Some((name, word))
}

fn add_code(codes: &mut Vec<(u16, u64)>, code: u16, count: u64) {
    match codes.binary_search_by_key(&code, |(known, _)| *known) {
        Ok(at) => {
            if let Some((_, known)) = codes.get_mut(at) {
                *known = known.saturating_add(count);
            }
        }
        // Codes that nobody registered are for applications: there may be thousands of them.
        Err(at) if codes.len() < MOST_NAMES || code < 3000 => codes.insert(at, (code, count)),
        Err(_) => {}
    }
}

/// Keeps the names whose keyed hash is smallest; the others are one. Ascending by name.
fn add_name(names: &mut Vec<(Box<str>, u64)>, key: u64, name: &str, count: u64) {
    match names.binary_search_by(|(known, _)| (**known).cmp(name)) {
        Ok(at) => {
            if let Some((_, known)) = names.get_mut(at) {
                *known = known.saturating_add(count);
            }
        }
        Err(at) => names.insert(at, (name.into(), count)),
    }
    let ranked = |(at, (name, _)): (usize, &(Box<str>, u64))| (hash(key, name.as_bytes()), at);
    let apart = names.iter().enumerate().filter(|(_, (name, _))| **name != *OTHER);
    if apart.clone().count() > MOST_NAMES
        && let Some((_, last)) = apart.map(ranked).max()
    {
        let (_, evicted) = names.remove(last);
        add_name(names, key, OTHER, evicted);
    }
}
