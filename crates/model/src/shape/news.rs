//! What messages hold that earlier ones did not: fields, types, media types, with when each came first.
//!
//! Only the topmost new thing is told: of a new object not its fields, of a new status not its body.

use super::{
    firsts::{Moment, bits, moment},
    maps,
    node::{ARRAY, BOOLEAN, INTEGER, NULL, NUMBER, Node, OBJECT, STRING, Types},
    objects::Objects,
    payloads::Payloads,
    recursion,
    shapes::{Evidence, Shapes},
    tree::Tree,
    words,
};
use overhear_exchange::Timestamp;

/// Something that messages of an endpoint did not hold before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct New {
    /// When it came first, to the second.
    pub at: Timestamp,
    /// In which part of the messages.
    pub spot: Spot,
    /// Which: `items[].price`; of values of maps `prices.*`; a media type.
    pub name: String,
    /// What is new about it.
    pub what: News,
}

/// A part of the messages of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Spot {
    /// Query of the target.
    Query,
    /// Request header.
    Header,
    /// Request cookie.
    Cookie,
    /// Request body.
    Request,
    /// Header of responses of this status.
    ResponseHeader(u16),
    /// Body of responses of this status.
    Response(u16),
}

/// What is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum News {
    /// A field or parameter.
    Field,
    /// A field has values of this type (JSON Schema's name), too.
    Type(&'static str),
    /// Bodies of this media type.
    Media,
}

impl Shapes {
    /// What is new from `since` on until `until`, in no particular order. What was learned before times were kept is
    /// never new.
    pub fn news(&self, since: Timestamp, until: Timestamp) -> Vec<New> {
        let within = Within { since: moment(since), until: moment(until), out: Vec::new() };
        self.settled().map(|evidence| within.all(&evidence)).unwrap_or_default()
    }

    /// Whether there may be any; fast.
    pub(crate) fn may_have_news(&self, since: Timestamp) -> bool {
        let since = moment(since);
        let parts = self.whole.iter().chain(self.recent.iter().map(|(_, evidence)| evidence));
        let of = |payloads: &Payloads| payloads.kinds.iter().any(|kind| kind.first >= since);
        let mut parts = parts.map(|evidence| {
            of(&evidence.bodies)
                || evidence.replies.iter().any(|reply| of(&reply.bodies))
                || evidence.trees().any(|tree| has_news(&tree.root, since))
        });
        parts.any(|has_news| has_news)
    }
}

struct Within {
    since: Moment,
    until: Moment,
    out: Vec<New>,
}

impl Within {
    fn all(mut self, evidence: &Evidence) -> Vec<New> {
        let Evidence { query, headers, cookies, bodies, replies, .. } = evidence;
        for (spot, tree) in [(Spot::Query, query), (Spot::Header, headers), (Spot::Cookie, cookies)] {
            self.fields(spot, tree);
        }
        self.bodies(Spot::Request, bodies);
        let since = self.since;
        for reply in replies.iter().filter(|reply| reply.first < since) {
            self.fields(Spot::ResponseHeader(reply.status), &reply.headers);
            self.bodies(Spot::Response(reply.status), &reply.bodies);
        }
        self.out
    }

    /// Named values are one object that is always there.
    fn fields(&mut self, spot: Spot, tree: &Tree) {
        if let Some(objects) = tree.root.objects.as_deref().filter(|_| has_news(&tree.root, self.since)) {
            self.members(spot, "", objects, 0);
        }
    }

    fn bodies(&mut self, spot: Spot, payloads: &Payloads) {
        for kind in &payloads.kinds {
            if kind.first >= self.since {
                self.tell(kind.first, spot, &kind.media, News::Media);
            } else if has_news(&kind.tree.root, self.since) {
                self.value(spot, "", &kind.tree.root, 0);
            }
        }
    }

    /// A value that was there before.
    fn value(&mut self, spot: Spot, name: &str, node: &Node, depth: usize) {
        for bit in bits(node.types()) {
            let Some(first) = node.firsts.of(bit) else { continue };
            if first >= self.since {
                // What was an integer first and a number later is told, the other way about it is nothing new.
                let told = bit != INTEGER || node.firsts.of(NUMBER).is_none_or(|number| number >= self.since);
                if told {
                    self.tell(
                        first,
                        spot,
                        if name.is_empty() { "body" } else { name },
                        News::Type(type_name(bit)),
                    );
                }
                continue;
            }
            match bit {
                ARRAY => {
                    let items = node.arrays.as_ref().and_then(|arrays| arrays.items.as_deref());
                    // The first items of what was always empty are new themselves.
                    if let Some(items) = items.filter(|items| self.was_there(items)) {
                        self.value(spot, &format!("{name}[]"), items, depth + 1);
                    }
                }
                OBJECT => self.objects(spot, name, node.objects.as_deref(), depth),
                _ => {}
            }
        }
    }

    fn objects(&mut self, spot: Spot, name: &str, objects: Option<&Objects>, depth: usize) {
        let Some(objects) = objects.filter(|objects| objects.above == 0) else { return };
        if maps::is_map(objects) {
            let (_, values) = maps::fold(objects, depth);
            if self.was_there(&values) {
                self.value(spot, &join(name, "*"), &values, depth + 1);
            }
            return;
        }
        let mut folded = objects.clone();
        recursion::fold(&mut folded, depth);
        self.members(spot, name, &folded, depth);
    }

    fn members(&mut self, spot: Spot, name: &str, objects: &Objects, depth: usize) {
        for child in &objects.children {
            let Some(text) = child.name.as_deref().filter(|text| words::is_public_name(text.as_bytes()))
            else {
                continue;
            };
            match child.node.firsts.first() {
                Some(first) if first >= self.since => self.tell(first, spot, &join(name, text), News::Field),
                Some(_) if has_news(&child.node, self.since) => {
                    self.value(spot, &join(name, text), &child.node, depth + 1);
                }
                Some(_) | None => {}
            }
        }
    }

    fn was_there(&self, node: &Node) -> bool {
        node.firsts.first().is_some_and(|first| first < self.since)
    }

    fn tell(&mut self, first: Moment, spot: Spot, name: &str, what: News) {
        if first < self.until {
            let at = Timestamp::from_nanos(u64::from(first) * 1_000_000_000);
            self.out.push(New { at, spot, name: name.to_owned(), what });
        }
    }
}

/// Whether anything here or below came first from then on; so that what is old is not copied.
fn has_news(node: &Node, since: Moment) -> bool {
    let is_new = |bit| node.firsts.of(bit).is_some_and(|first| first >= since);
    let items = node.arrays.as_ref().and_then(|arrays| arrays.items.as_deref());
    let within = |objects: &Objects| {
        let rest = objects.rest.as_ref().map(|rest| &rest.values);
        objects.children.iter().map(|child| &child.node).chain(rest).any(|node| has_news(node, since))
    };
    bits(node.types()).any(is_new)
        || items.is_some_and(|items| has_news(items, since))
        || node.objects.as_deref().is_some_and(within)
}

fn join(name: &str, more: &str) -> String {
    if name.is_empty() { more.to_owned() } else { format!("{name}.{more}") }
}

/// JSON Schema 2020-12 §6.1.1.
fn type_name(bit: Types) -> &'static str {
    match bit {
        NULL => "null",
        BOOLEAN => "boolean",
        INTEGER => "integer",
        NUMBER => "number",
        STRING => "string",
        ARRAY => "array",
        _ => "object",
    }
}
