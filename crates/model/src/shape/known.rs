//! Structures that were seen before: of a settled one only the number of times is noted, and what it says about keys
//! and types is stored once and multiplied later.
//!
//! A message is cut into segments: what stands outside of arrays, and each item of an array by itself. Otherwise
//! a list of records with optional fields would hardly ever be seen twice.

use super::{
    learn::{Reading, types},
    node::{Node, STRING, Types},
    objects::Objects,
    scalar::hash,
    tags::{Member, Text},
    tape::{Kind, Tape, Token},
    words,
};
use crate::bytes::{mix, quick_hash};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// What is known of the structures in one place.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    entries: FxHashMap<u64, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    /// Times it was seen and not learned.
    pending: u64,
    /// Times it was learned whole.
    learned: u32,
    /// From the top to the segment.
    path: Box<[Edge]>,
    steps: Box<[Step]>,
}

/// From a value to one within it.
#[derive(Clone, Copy, Debug)]
enum Edge {
    Key(u64),
    Items,
}

/// One token of a segment: as much of it as presence and types need.
#[derive(Clone, Copy, Debug)]
enum Step {
    Value(Kind),
    Text(Reading),
    /// A string that may tell the kind of its object, by the hash of its text.
    Tag(u64),
    /// With so many members, a key and a value each.
    Object(usize),
    Key(u64),
}

/// A part of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    fingerprint: u64,
    /// Its first token.
    at: u32,
    /// How many alike: of scalars in an array.
    count: u32,
}

/// Learned so many times, a structure is settled.
const SETTLED: u32 = 24;
/// Structures kept; more are no structures but data.
const MOST_ENTRIES: usize = 256;
/// Larger segments are always learned.
const MOST_STEPS: usize = 1024;

impl Known {
    /// True where every segment is settled; then they are noted, and there is nothing more to do.
    pub(super) fn note(&mut self, segments: &[Segment]) -> bool {
        for (at, segment) in segments.iter().enumerate() {
            match self.entries.get_mut(&segment.fingerprint).filter(|entry| entry.learned >= SETTLED) {
                Some(entry) => entry.pending += u64::from(segment.count),
                None => {
                    self.take_back(segments.get(..at).unwrap_or_default());
                    return false;
                }
            }
        }
        true
    }

    fn take_back(&mut self, segments: &[Segment]) {
        for segment in segments {
            if let Some(entry) = self.entries.get_mut(&segment.fingerprint) {
                entry.pending -= u64::from(segment.count);
            }
        }
    }

    /// Remembers segments that were just learned.
    pub(super) fn remember(&mut self, key: u64, tape: &Tape, source: &[u8], segments: &[Segment]) {
        for segment in segments {
            if let Some(entry) = self.entries.get_mut(&segment.fingerprint) {
                entry.learned = entry.learned.saturating_add(1);
            } else if self.entries.len() < MOST_ENTRIES {
                let witness = Witness { key, tape, source };
                if let Some(entry) = witness.entry(segment.at as usize) {
                    self.entries.insert(segment.fingerprint, entry);
                }
            } else {
                self.entries.retain(|_, entry| entry.pending > 0 || entry.learned >= SETTLED / 4);
                if self.entries.len() >= MOST_ENTRIES {
                    return;
                }
            }
        }
    }

    pub(super) fn has_pending(&self) -> bool {
        self.entries.values().any(|entry| entry.pending > 0)
    }

    /// Adds what was noted to the evidence.
    pub(super) fn settle(&mut self, root: &mut Node) {
        for entry in self.entries.values_mut().filter(|entry| entry.pending > 0) {
            let seen = std::mem::take(&mut entry.pending);
            if let Some(node) = walk(root, &entry.path) {
                replay(node, &mut entry.steps.iter().copied(), seen);
            }
        }
    }
}

/// The place that the path leads to. All of it was learned before, so what is not kept apart is in the rest.
fn walk<'a>(root: &'a mut Node, path: &[Edge]) -> Option<&'a mut Node> {
    path.iter().try_fold(root, |node, edge| match edge {
        Edge::Items => node.arrays.as_mut()?.items.as_deref_mut(),
        Edge::Key(hash) => {
            let objects = node.objects.as_mut()?;
            match objects.children.binary_search_by_key(hash, |child| child.hash) {
                Ok(at) => objects.children.get_mut(at).map(|child| &mut child.node),
                Err(_) => objects.rest.as_mut().map(|rest| &mut rest.values),
            }
        }
    })
}

/// Adds a segment so many times; gives its type, and the hash of its text where it is a tag.
fn replay(node: &mut Node, steps: &mut impl Iterator<Item = Step>, seen: u64) -> (Types, Option<u64>) {
    let add = |count: &mut u64| *count = count.saturating_add(seen);
    match steps.next() {
        Some(Step::Value(kind)) => {
            match kind {
                Kind::Null => add(&mut node.nulls),
                Kind::Boolean => add(&mut node.booleans),
                Kind::Integer | Kind::Number => {
                    node.numbers.get_or_insert_default().count(seen, kind == Kind::Integer);
                }
                Kind::String | Kind::Text | Kind::File | Kind::Key => {
                    node.strings.get_or_insert_default().count(seen)
                }
                Kind::Array => add(&mut node.arrays.get_or_insert_default().seen),
                Kind::Object => {}
            }
            (types(kind), None)
        }
        Some(Step::Text(reading)) => {
            node.strings.get_or_insert_default().count(seen);
            let texts = node.texts.get_or_insert_default();
            texts.learn(reading, seen);
            if matches!(reading, Reading::Integer | Reading::Number) {
                texts.numbers.count(seen, reading == Reading::Integer);
            }
            (STRING, None)
        }
        Some(Step::Tag(hash)) => {
            node.strings.get_or_insert_default().count(seen);
            (STRING, Some(hash))
        }
        Some(Step::Object(members)) => {
            replay_object(node.objects.get_or_insert_default(), members, steps, seen);
            (types(Kind::Object), None)
        }
        Some(Step::Key(_)) | None => (0, None),
    }
}

fn replay_object(objects: &mut Objects, count: usize, steps: &mut impl Iterator<Item = Step>, seen: u64) {
    objects.seen = objects.seen.saturating_add(seen);
    let mut members: SmallVec<[Member; 16]> = SmallVec::new();
    let mut tags: SmallVec<[Option<u64>; 16]> = SmallVec::new();
    for _ in 0..count {
        let Some(Step::Key(hash)) = steps.next() else { return };
        let (types, tag) = match objects.known(hash) {
            Some(child) => {
                child.present = child.present.saturating_add(seen);
                replay(&mut child.node, steps, seen)
            }
            None => {
                let rest = objects.rest.get_or_insert_default();
                rest.keys.count(seen);
                replay(&mut rest.values, steps, seen)
            }
        };
        members.push(Member { hash, types, at: u32::try_from(tags.len()).unwrap_or(u32::MAX) });
        tags.push(tag);
    }
    objects.tags.learn(0, &members, seen, |at| tags.get(at as usize).copied().flatten().map(Text::Known));
}

/// Makes of a segment what is stored of it.
struct Witness<'a> {
    key: u64,
    tape: &'a Tape,
    source: &'a [u8],
}

impl Witness<'_> {
    /// Nothing where the segment is too large, or says more than steps can tell.
    fn entry(&self, at: usize) -> Option<Entry> {
        let mut steps = Vec::new();
        self.steps(&mut steps, at, false)?;
        Some(Entry { pending: 0, learned: 1, path: self.path(at).into(), steps: steps.into() })
    }

    fn steps(&self, steps: &mut Vec<Step>, at: usize, is_tag: bool) -> Option<()> {
        if steps.len() >= MOST_STEPS {
            return None;
        }
        let token = self.tape.get(at)?;
        let text = self.tape.text(self.source, token);
        steps.push(match token.kind {
            Kind::Object => return self.object_steps(steps, at),
            Kind::Text => match Reading::of(text) {
                Reading::List => return None,
                reading @ (Reading::Boolean
                | Reading::Integer
                | Reading::Number
                | Reading::Comma
                | Reading::Plain) => Step::Text(reading),
            },
            Kind::String if is_tag && is_tag_value(text) && words::enum_word(text).is_some() => {
                Step::Tag(hash(self.key, text))
            }
            kind @ (Kind::Null
            | Kind::Boolean
            | Kind::Integer
            | Kind::Number
            | Kind::String
            | Kind::File
            | Kind::Array
            | Kind::Key) => Step::Value(kind),
        });
        Some(())
    }

    fn object_steps(&self, steps: &mut Vec<Step>, at: usize) -> Option<()> {
        steps.push(Step::Object(self.tape.within(at).count()));
        let mut hashes: SmallVec<[u64; 16]> = SmallVec::new();
        for (place, name) in self.tape.within(at) {
            let name = self.tape.text(self.source, name);
            let hash = hash(self.key, name);
            hashes.push(hash);
            steps.push(Step::Key(hash));
            self.steps(steps, place + 1, words::is_tag_name(name))?;
        }
        hashes.sort_unstable();
        // A key that comes twice is present once, which steps can not tell.
        hashes.windows(2).all(|pair| pair.first() != pair.last()).then_some(())
    }

    fn path(&self, target: usize) -> Vec<Edge> {
        let mut path = Vec::new();
        let holds = |at: usize, token: Token| (at..token.next(at)).contains(&target);
        let Some((mut at, _)) = self.tape.roots().find(|(at, token)| holds(*at, *token)) else { return path };
        while at != target {
            let next = self.tape.within(at).find_map(|(place, token)| {
                if token.kind != Kind::Key {
                    return holds(place, token).then_some((place, Edge::Items));
                }
                let value = self.tape.get(place + 1)?;
                let edge = Edge::Key(hash(self.key, self.tape.text(self.source, token)));
                holds(place + 1, value).then_some((place + 1, edge))
            });
            let Some((place, edge)) = next else { break };
            path.push(edge);
            at = place;
        }
        path
    }
}

/// Cuts a message into segments with their fingerprints.
pub(super) struct Fingerprints<'a> {
    pub(super) seed: u64,
    pub(super) tape: &'a Tape,
    pub(super) source: &'a [u8],
    pub(super) segments: &'a mut Vec<Segment>,
}

impl Fingerprints<'_> {
    pub(super) fn all(mut self) {
        self.segments.clear();
        for (at, _) in self.tape.roots() {
            self.segment(at, self.seed | 1);
        }
    }

    fn segment(&mut self, at: usize, place: u64) {
        let fingerprint = self.value(at, place, false);
        self.segments.push(Segment { fingerprint, at: u32::try_from(at).unwrap_or(u32::MAX), count: 1 });
    }

    /// A sum over the tokens, so that the order of keys does not count.
    fn value(&mut self, at: usize, place: u64, is_tag: bool) -> u64 {
        let Some(token) = self.tape.get(at) else { return 0 };
        let own = mix(place, 0x9e37_79b9_7f4a_7c15 ^ ((token.kind as u64) << 8));
        match token.kind {
            Kind::Object => {
                let mut sum = own;
                for (at, name) in self.tape.within(at) {
                    let name = self.tape.text(self.source, name);
                    let place = quick_hash(place, name);
                    sum = sum.wrapping_add(self.value(at + 1, place, words::is_tag_name(name)));
                }
                sum
            }
            Kind::Array => {
                self.items(at, mix(place, 0xd6e8_feb8_6659_fd93));
                own
            }
            Kind::Text => mix(own, (1 + Reading::of(self.tape.text(self.source, token)) as u64) << 8),
            Kind::String if is_tag => match self.tape.text(self.source, token) {
                text if is_tag_value(text) => quick_hash(own, text),
                _ => own,
            },
            Kind::Null
            | Kind::Boolean
            | Kind::Integer
            | Kind::Number
            | Kind::String
            | Kind::File
            | Kind::Key => own,
        }
    }

    /// Scalars of one type make one segment together.
    fn items(&mut self, at: usize, place: u64) {
        let mut scalars = [(0u32, 0u32); Kind::Key as usize + 1];
        for (item, token) in self.tape.within(at) {
            match (token.kind, scalars.get_mut(token.kind as usize)) {
                (Kind::Array | Kind::Object | Kind::Text, _) | (_, None) => self.segment(item, place),
                (_, Some((count, first))) => {
                    *count += 1;
                    *first = u32::try_from(item).unwrap_or(u32::MAX);
                }
            }
        }
        for (count, at) in scalars.into_iter().filter(|(count, _)| *count > 0) {
            let fingerprint = self.value(at as usize, place, false);
            self.segments.push(Segment { fingerprint, at, count });
        }
    }
}

/// Cheaper than to ask whether it is a word of an enum. Hardly any digits, or texts with numbers in them would
/// keep a structure from ever being settled; a tag with more of them is told only where all is learned whole.
fn is_tag_value(text: &[u8]) -> bool {
    text.len() <= 40
        && text.iter().all(|b| b.is_ascii_alphanumeric() || b"_-. /:".contains(b))
        && text.iter().filter(|b| b.is_ascii_digit()).count() <= 1
}
