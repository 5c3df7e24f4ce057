//! Learns the tokens of a message, value by value.

use super::{
    firsts::Moment,
    node::{ARRAY, BOOLEAN, INTEGER, NULL, NUMBER, Node, OBJECT, STRING, Texts, Types},
    objects::{Objects, Slot},
    scalar::hash,
    tags::{Member, Tags, Text},
    tape::{Kind, Tape, Token},
    words,
};
use smallvec::SmallVec;

/// The type of the values that such a token stands for.
pub(super) fn types(kind: Kind) -> Types {
    match kind {
        Kind::Null => NULL,
        Kind::Boolean => BOOLEAN,
        Kind::Integer => INTEGER,
        Kind::Number => NUMBER,
        Kind::String | Kind::Text | Kind::File | Kind::Key => STRING,
        Kind::Array => ARRAY,
        Kind::Object => OBJECT,
    }
}

/// What an untyped value reads as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Boolean,
    Integer,
    Number,
    /// Parts with commas between.
    List,
    /// A text with a comma in it.
    Comma,
    Plain,
}

impl Reading {
    pub(super) fn of(text: &[u8]) -> Self {
        match text {
            b"true" | b"false" => Self::Boolean,
            [b'-' | b'0'..=b'9', ..] if super::format::is_integer(text) => Self::Integer,
            [b'-' | b'0'..=b'9', ..] if is_number(text) => Self::Number,
            _ if memchr::memchr(b',', text).is_none() => Self::Plain,
            _ if is_list(text) => Self::List,
            _ => Self::Comma,
        }
    }
}

/// Digits, a point, digits.
fn is_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let mut parts = text.split(|b| *b == b'.');
    let (whole, fraction) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    parts.next().is_none()
        && super::format::is_integer(whole)
        && !whole.starts_with(b"-")
        && (1..=18).contains(&fraction.len())
        && fraction.iter().all(u8::is_ascii_digit)
}

fn is_list(text: &[u8]) -> bool {
    let is_part = |part: &[u8]| {
        (1..=64).contains(&part.len()) && part.iter().all(|b| b.is_ascii_graphic() && *b != b';')
    };
    text.len() <= 4096 && text.split(|b| *b == b',').all(is_part)
}

/// One message and where it is learned.
pub(super) struct Learner<'a> {
    pub(super) key: u64,
    pub(super) tape: &'a Tape,
    pub(super) source: &'a [u8],
    /// When it was said.
    pub(super) at: Moment,
    /// Number of the last object learned here.
    pub(super) stamp: u64,
    /// Nodes added.
    pub(super) added: usize,
}

/// The object that a member is in.
#[derive(Clone, Copy)]
struct Within {
    depth: usize,
    stamp: u64,
    /// It was not read to its end.
    cut: bool,
    secret: bool,
}

impl Learner<'_> {
    /// Learns the value at a place of the tape. The depth is that of the tape, and so bounded.
    #[inline(always)]
    pub(super) fn value(&mut self, node: &mut Node, (at, token): (usize, Token), depth: usize, secret: bool) {
        let text = self.tape.text(self.source, token);
        node.firsts.see(types(token.kind), self.at);
        match token.kind {
            Kind::Null => node.nulls = node.nulls.saturating_add(1),
            Kind::Boolean => node.booleans = node.booleans.saturating_add(1),
            Kind::Integer | Kind::Number => {
                node.numbers.get_or_insert_default().learn(text, token.kind == Kind::Integer);
            }
            Kind::String | Kind::Key => self.string(node, text, secret),
            Kind::Text => self.text(node, text, secret),
            Kind::File => {
                let strings = node.strings.get_or_insert_default();
                strings.count(1);
                strings.tally.close();
            }
            Kind::Array => self.array(node, at, token, depth, secret),
            Kind::Object => {
                let objects = node.objects.get_or_insert_default();
                self.object(objects, at, token, depth, secret);
            }
        }
    }

    fn string(&self, node: &mut Node, text: &[u8], secret: bool) {
        node.strings.get_or_insert_default().learn(|| hash(self.key, text), text, 1, secret);
    }

    #[inline(never)]
    fn text(&self, node: &mut Node, text: &[u8], secret: bool) {
        self.string(node, text, secret);
        let texts = node.texts.get_or_insert_default();
        texts.learn(Reading::of(text), 1);
        match Reading::of(text) {
            Reading::Integer => texts.numbers.learn(text, true),
            Reading::Number => texts.numbers.learn(text, false),
            Reading::List => {
                let items = texts.lists.items.get_or_insert_default();
                let mut length = 0;
                for part in text.split(|b| *b == b',') {
                    length += 1;
                    items.firsts.see(STRING, self.at);
                    self.text(items, part, secret);
                }
                texts.lists.learn(length, false);
            }
            Reading::Boolean | Reading::Comma | Reading::Plain => {}
        }
    }

    #[inline(never)]
    fn array(&mut self, node: &mut Node, at: usize, token: Token, depth: usize, secret: bool) {
        let arrays = node.arrays.get_or_insert_default();
        arrays.seen = arrays.seen.saturating_add(1);
        let mut count = 0;
        let mut items = self.tape.within(at).peekable();
        if items.peek().is_some() {
            self.added += usize::from(arrays.items.is_none());
            let node = arrays.items.get_or_insert_default();
            for item in items {
                count += 1;
                self.value(node, item, depth + 1, secret);
            }
        }
        arrays.learn(count, token.cut);
    }

    #[inline(never)]
    fn object(&mut self, objects: &mut Objects, at: usize, token: Token, depth: usize, secret: bool) {
        objects.seen = objects.seen.saturating_add(1);
        objects.cut = objects.cut.saturating_add(u64::from(token.cut));
        self.stamp += 1;
        let within = Within { depth, stamp: self.stamp, cut: token.cut, secret };
        let mut members = Members::new();
        let mut before = None;
        for (name, value) in self.tape.members(at) {
            let name = self.tape.text(self.source, name);
            let (hash, slot) = self.slot(objects, before, name, depth);
            let repeated = match slot {
                Slot::Child(at) => {
                    before = Some(at);
                    self.member(objects, (at, name), value, within)
                }
                Slot::Rest => {
                    self.in_rest(objects, (hash, name), value, within);
                    false
                }
            };
            let types = types(value.1.kind);
            if repeated {
                repeat(&mut members, hash, types);
            } else if members.len() <= Tags::MEMBERS {
                members.push(Member { hash, types, at: u32::try_from(value.0).unwrap_or(u32::MAX) });
            }
        }
        if !token.cut && objects.tags.is_active() {
            self.tags(&mut objects.tags, &members);
        }
    }

    /// Where a key is counted, and its hash. `before`: the child before it in the same object.
    #[inline]
    fn slot(
        &mut self,
        objects: &mut Objects,
        before: Option<usize>,
        name: &[u8],
        depth: usize,
    ) -> (u64, Slot) {
        if let Some(at) = objects.guess(before, name)
            && let Some(child) = objects.children.get(at)
        {
            return (child.hash, Slot::Child(at));
        }
        let hash = hash(self.key, name);
        let (slot, added) = objects.slot(hash, name, depth);
        self.added += usize::from(added);
        if let Slot::Child(at) = slot {
            objects.follows(before, at);
        }
        (hash, slot)
    }

    /// Learns a member that is kept apart; true where its key was in the same object before.
    fn member(
        &mut self,
        objects: &mut Objects,
        (at, name): (usize, &[u8]),
        value: (usize, Token),
        within: Within,
    ) -> bool {
        let Within { depth, stamp, cut, secret } = within;
        let is_string = value.1.kind == Kind::String;
        let Some(child) = objects.children.get_mut(at) else { return false };
        if is_string && child.node.strings.is_none() && !child.secret && !secret {
            objects.tags.consider(child.hash, || u8::from(!words::is_tag_name(name)));
        }
        let repeated = child.stamp == stamp;
        child.stamp = stamp;
        child.present = child.present.saturating_add(u64::from(!repeated));
        child.cut = child.cut.saturating_add(u64::from(!repeated && cut));
        let secret = secret || child.secret;
        self.value(&mut child.node, value, depth + 1, secret);
        repeated
    }

    #[inline(never)]
    fn in_rest(
        &mut self,
        objects: &mut Objects,
        (hash, name): (u64, &[u8]),
        value: (usize, Token),
        within: Within,
    ) {
        let rest = objects.rest.get_or_insert_default();
        rest.keys.learn(|| hash, name, 1, true);
        rest.keys.sketch.insert(hash);
        let secret = within.secret || words::is_secret(name);
        self.value(&mut rest.values, value, within.depth + 1, secret);
    }

    fn tags(&self, tags: &mut Tags, members: &[Member]) {
        tags.learn(self.key, members, 1, |at| {
            Some(Text::Read(self.tape.text(self.source, self.tape.get(at as usize)?)))
        });
    }
}

/// The members of an object, as far as they tell its kind.
type Members = SmallVec<[Member; 16]>;

/// A key that comes again has the types of all its values.
fn repeat(members: &mut Members, hash: u64, types: Types) {
    if let Some(member) = members.iter_mut().find(|member| member.hash == hash) {
        member.types |= types;
    }
}

impl Texts {
    /// Counts what so many values read as; the range of numbers is learned apart.
    pub(super) fn learn(&mut self, reading: Reading, seen: u64) {
        let count = match reading {
            Reading::Boolean => &mut self.booleans,
            Reading::List => &mut self.lists.seen,
            Reading::Comma => &mut self.commas,
            Reading::Integer | Reading::Number | Reading::Plain => return,
        };
        *count = count.saturating_add(seen);
    }
}
