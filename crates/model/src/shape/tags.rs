//! Evidence for tagged unions: which keys objects had, by the value of a field that may tell their kind.

use super::{
    aside::Aside,
    node::{STRING, Types},
    scalar::hash,
    words,
};
use crate::bytes::same;
use serde::{Deserialize, Serialize};

/// Fields that may tell the kind of an object: the first few by what they are called, then by hash.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Tags(Vec<Tag>);

/// One such field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tag {
    /// 0 for what is called like a tag, else 1.
    #[serde(rename = "c")]
    class: u8,
    /// Of the key.
    #[serde(rename = "h")]
    pub(super) hash: u64,
    /// Ascending by hash; absent once they were too many or no words.
    #[serde(rename = "v")]
    pub(super) values: Option<Vec<TagValue>>,
}

/// One value of such a field and the objects that had it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TagValue {
    #[serde(rename = "h")]
    hash: u64,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<Box<str>>,
    #[serde(rename = "n")]
    pub(super) seen: u64,
    /// Keys of those objects, ascending by hash: how many had it, and the types of its values.
    #[serde(rename = "k")]
    pub(super) fields: Vec<(u64, u64, Types)>,
    /// Where in the fields the members of the last object were.
    #[serde(skip)]
    order: Aside<Vec<u8>>,
}

/// The string of a member.
#[derive(Clone, Copy, Debug)]
pub(super) enum Text<'a> {
    Read(&'a [u8]),
    /// It was read before, and has this hash.
    Known(u64),
}

/// A member of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// Of its key.
    pub(super) hash: u64,
    /// Of its value.
    pub(super) types: Types,
    /// Where the value is, for who asked.
    pub(super) at: u32,
}

impl Tags {
    const FIELDS: usize = 3;
    const VALUES: usize = 10;
    /// Objects with more members, and kinds with more fields, are not told apart.
    pub(super) const MEMBERS: usize = 96;

    /// Takes a key that had a string for a tag, if it is among the first.
    pub(super) fn consider(&mut self, hash: u64, class: impl FnOnce() -> u8) {
        if self.0.iter().any(|tag| tag.hash == hash) {
            return;
        }
        let class = class();
        let at = self.0.partition_point(|tag| (tag.class, tag.hash) < (class, hash));
        if at < Self::FIELDS {
            self.0.insert(at, Tag { class, hash, values: Some(Vec::new()) });
            self.0.truncate(Self::FIELDS);
        }
    }

    /// True while some field may tell something.
    pub(super) fn is_active(&self) -> bool {
        self.0.iter().any(|tag| tag.values.is_some())
    }

    /// Counts objects of these members. `value` gives the string that is somewhere; nothing where it is not known.
    pub(super) fn learn<'a>(
        &mut self,
        key: u64,
        members: &[Member],
        seen: u64,
        value: impl Fn(u32) -> Option<Text<'a>>,
    ) {
        for tag in &mut self.0 {
            let Some(values) = &mut tag.values else { continue };
            let is_tag = |member: &&Member| member.hash == tag.hash && member.types == STRING;
            if let Some(member) = members.iter().find(is_tag) {
                let counted = value(member.at)
                    .and_then(|text| entry(key, values, text))
                    .is_some_and(|value| value.count(members, seen));
                if !counted {
                    tag.values = None;
                }
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for more in &other.0 {
            self.consider(more.hash, || more.class);
            if let Some(tag) = self.0.iter_mut().find(|tag| tag.hash == more.hash) {
                tag.merge(more);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Tag> {
        self.0.iter()
    }

    /// Forgets the texts that must not be written to disk.
    pub(super) fn strip(&mut self) {
        for value in self.0.iter_mut().filter_map(|tag| tag.values.as_mut()).flatten() {
            if value.seen < super::sketch::Tally::PUBLIC {
                value.text = None;
            }
        }
    }
}

impl Tag {
    fn merge(&mut self, other: &Self) {
        let (Some(values), Some(more)) = (&mut self.values, &other.values) else {
            self.values = None;
            return;
        };
        for more in more {
            let text = more.text.as_deref();
            let value = match values.binary_search_by_key(&more.hash, |value| value.hash) {
                Ok(at) => values.get_mut(at),
                Err(at) => new(values, at, more.hash, text),
            };
            if !value.is_some_and(|value| value.merge(more)) {
                self.values = None;
                return;
            }
        }
    }
}

/// The value of this text; a new one only where it is a plain word.
fn entry<'a>(key: u64, values: &'a mut Vec<TagValue>, text: Text<'_>) -> Option<&'a mut TagValue> {
    let is_it =
        |value: &TagValue, text| value.text.as_ref().is_some_and(|known| same(known.as_bytes(), text));
    let (hash, text) = match text {
        Text::Known(hash) => (hash, None),
        Text::Read(text) => match values.iter().position(|value| is_it(value, text)) {
            Some(at) => return values.get_mut(at),
            None => (hash(key, text), Some(text)),
        },
    };
    match values.binary_search_by_key(&hash, |value| value.hash) {
        Ok(at) => values.get_mut(at),
        Err(at) => text.and_then(words::enum_word).and_then(|text| new(values, at, hash, Some(text))),
    }
}

fn new<'a>(
    values: &'a mut Vec<TagValue>,
    at: usize,
    hash: u64,
    text: Option<&str>,
) -> Option<&'a mut TagValue> {
    if values.len() >= Tags::VALUES {
        return None;
    }
    values.insert(
        at,
        TagValue { hash, text: text.map(Into::into), seen: 0, fields: Vec::new(), order: Aside(Vec::new()) },
    );
    values.get_mut(at)
}

impl TagValue {
    /// False where there are too many keys.
    fn count(&mut self, members: &[Member], seen: u64) -> bool {
        self.seen = self.seen.saturating_add(seen);
        members.len() <= Tags::MEMBERS
            && members
                .iter()
                .enumerate()
                .all(|(at, member)| self.again(at, *member, seen) || self.add_member(at, *member, seen))
    }

    fn merge(&mut self, other: &Self) -> bool {
        self.seen = self.seen.saturating_add(other.seen);
        if self.text.is_none() {
            self.text.clone_from(&other.text);
        }
        other.fields.iter().all(|(hash, seen, types)| self.add(*hash, *seen, *types).is_some())
    }

    /// Counts a member where the last object had the same one in the same place; else false.
    #[inline]
    fn again(&mut self, at: usize, member: Member, seen: u64) -> bool {
        let field = self.order.0.get(at).and_then(|field| self.fields.get_mut(usize::from(*field)));
        let Some((_, count, all)) = field.filter(|(known, ..)| *known == member.hash) else { return false };
        *count = count.saturating_add(seen);
        *all |= member.types;
        true
    }

    fn add_member(&mut self, at: usize, member: Member, seen: u64) -> bool {
        let Some(field) =
            self.add(member.hash, seen, member.types).and_then(|field| u8::try_from(field).ok())
        else {
            return false;
        };
        self.order.0.resize(self.order.0.len().max(at + 1), u8::MAX);
        if let Some(slot) = self.order.0.get_mut(at) {
            *slot = field;
        }
        true
    }

    /// Where the field is; nothing when there are too many.
    fn add(&mut self, hash: u64, seen: u64, types: Types) -> Option<usize> {
        match self.fields.binary_search_by_key(&hash, |(hash, ..)| *hash) {
            Ok(at) => {
                if let Some((_, count, all)) = self.fields.get_mut(at) {
                    *count = count.saturating_add(seen);
                    *all |= types;
                }
                Some(at)
            }
            Err(_) if self.fields.len() >= Tags::MEMBERS => None,
            Err(at) => {
                self.fields.insert(at, (hash, seen, types));
                Some(at)
            }
        }
    }
}
