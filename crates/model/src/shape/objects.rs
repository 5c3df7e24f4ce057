//! Evidence about objects: which keys they had, and what stood under them.
//!
//! Only so many keys are kept apart: those whose keyed hash is smallest, which is a fair sample of all of them
//! whatever their order. The others are folded whole into one [`Rest`].

use super::{aside::Aside, node::Node, scalar::Strings, tags::Tags, words};
use crate::bytes::same;

/// Objects.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Objects {
    pub(super) seen: u64,
    /// Of those, the ones that were not read to their end, so that an absent key may have been there.
    pub(super) cut: u64,
    /// Ascending by hash.
    pub(super) children: Vec<Child>,
    /// Keys with this hash or a larger one are not kept apart.
    pub(super) limit: u64,
    pub(super) rest: Option<Box<Rest>>,
    pub(super) tags: Tags,
    /// The key that came first the last time.
    pub(super) first: Aside<u32>,
    /// When shown: these are like the objects so many objects above. 0 in evidence.
    pub(super) above: usize,
}

/// A key and what stood under it.
#[derive(Clone, Debug)]
pub(super) struct Child {
    pub(super) hash: u64,
    /// Absent where it was not fit to be written down.
    pub(super) name: Option<Box<str>>,
    /// Its values are secrets.
    pub(super) secret: bool,
    /// Objects that had it…
    pub(super) present: u64,
    /// …of those, the ones not read to their end.
    pub(super) cut: u64,
    /// The object in which it was seen last: a second time in the same one is no second presence.
    pub(super) stamp: u64,
    /// The key that came next the last time.
    pub(super) next: Aside<u32>,
    pub(super) node: Node,
}

impl PartialEq for Child {
    fn eq(&self, other: &Self) -> bool {
        let counts = |child: &Self| (child.hash, child.present, child.cut);
        counts(self) == counts(other) && self.name == other.name && self.node == other.node
    }
}

/// Keys that are not kept apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rest {
    pub(super) keys: Strings,
    pub(super) values: Node,
}

impl Default for Rest {
    fn default() -> Self {
        Self { keys: Strings::keys(), values: Node::default() }
    }
}

impl Default for Objects {
    fn default() -> Self {
        Self {
            seen: 0,
            cut: 0,
            children: Vec::new(),
            limit: u64::MAX,
            rest: None,
            tags: Tags::default(),
            first: Aside(0),
            above: 0,
        }
    }
}

/// Where a key is counted.
pub(super) enum Slot {
    Child(usize),
    Rest,
}

/// Keys kept apart, by depth: records are wide near the top.
pub(super) fn capacity(depth: usize) -> usize {
    match depth {
        0..=2 => 320,
        3..=6 => 128,
        _ => 48,
    }
}

impl Objects {
    /// Where the key is counted; makes room for a new one. True when a node was added.
    pub(super) fn slot(&mut self, hash: u64, name: &[u8], depth: usize) -> (Slot, bool) {
        let at = match self.children.binary_search_by_key(&hash, |child| child.hash) {
            Ok(at) => {
                if let Some(child) = self.children.get_mut(at).filter(|child| child.name.is_none()) {
                    *child = Child { node: std::mem::take(&mut child.node), ..child.named(name) };
                }
                return (Slot::Child(at), false);
            }
            Err(at) => at,
        };
        let is_field = name.len() <= 128 && std::str::from_utf8(name).is_ok() && !words::is_data(name);
        if hash >= self.limit || at >= capacity(depth) || !is_field {
            let new = self.rest.is_none();
            self.rest.get_or_insert_default();
            return (Slot::Rest, new);
        }
        self.children.insert(at, Child::new(hash).named(name));
        self.evict(depth);
        (Slot::Child(at), true)
    }

    /// The child of this name, if it is the one that came next the last time. Programs write the keys of a record in
    /// the same order every time, so that hardly a key has to be hashed and searched for.
    #[inline]
    pub(super) fn guess(&self, before: Option<usize>, name: &[u8]) -> Option<usize> {
        let Aside(at) = match before {
            Some(before) => self.children.get(before)?.next,
            None => self.first,
        };
        let at = at as usize;
        let known = self.children.get(at)?.name.as_deref()?;
        same(known.as_bytes(), name).then_some(at)
    }

    /// Remembers what [`Self::guess`] is to say.
    pub(super) fn follows(&mut self, before: Option<usize>, at: usize) {
        let hint = match before {
            Some(before) => self.children.get_mut(before).map(|child| &mut child.next),
            None => Some(&mut self.first),
        };
        if let (Some(hint), Ok(at)) = (hint, u32::try_from(at)) {
            *hint = Aside(at);
        }
    }

    /// Where a key that was learned before is counted now.
    pub(super) fn known(&mut self, hash: u64) -> Option<&mut Child> {
        let at = self.children.binary_search_by_key(&hash, |child| child.hash).ok()?;
        self.children.get_mut(at)
    }

    /// Keys that had every object that was read to its end.
    pub(super) fn always(&self, child: &Child) -> bool {
        let whole = self.seen.saturating_sub(self.cut);
        whole > 0 && child.present.saturating_sub(child.cut) >= whole
    }

    fn evict(&mut self, depth: usize) {
        while self.children.len() > capacity(depth)
            || self.children.last().is_some_and(|child| child.hash >= self.limit)
        {
            let Some(child) = self.children.pop() else { return };
            self.fold(&child, depth);
        }
    }

    fn fold(&mut self, child: &Child, depth: usize) {
        let rest = self.rest.get_or_insert_default();
        let seen = child.node.seen();
        match &child.name {
            Some(name) => rest.keys.learn(|| child.hash, name.as_bytes(), seen, true),
            None => rest.keys.learn_unknown(child.hash, seen),
        }
        rest.keys.sketch.insert(child.hash);
        rest.values.merge(&child.node, depth + 1);
    }

    /// Keeps no key apart whose hash is as large.
    pub(super) fn lower_limit(&mut self, limit: u64, depth: usize) {
        self.limit = self.limit.min(limit);
        self.evict(depth);
    }

    pub(super) fn merge(&mut self, other: &Self, depth: usize) {
        self.seen = self.seen.saturating_add(other.seen);
        self.cut = self.cut.saturating_add(other.cut);
        self.limit = self.limit.min(other.limit);
        if let Some(more) = &other.rest {
            let rest = self.rest.get_or_insert_default();
            rest.keys.merge(&more.keys);
            rest.values.merge(&more.values, depth + 1);
        }
        self.tags.merge(&other.tags);
        for child in &other.children {
            self.merge_child(child, depth);
        }
        self.evict(depth);
    }

    fn merge_child(&mut self, more: &Child, depth: usize) {
        let at = match self.children.binary_search_by_key(&more.hash, |child| child.hash) {
            Ok(at) => at,
            Err(at) if at >= capacity(depth) || more.hash >= self.limit => return self.fold(more, depth),
            Err(at) => {
                self.children.insert(at, Child::new(more.hash));
                at
            }
        };
        if let Some(child) = self.children.get_mut(at) {
            child.merge(more, depth);
        }
    }

    pub(super) fn nodes_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        let rest = self.rest.iter_mut().map(|rest| &mut rest.values);
        self.children.iter_mut().map(|child| &mut child.node).chain(rest)
    }

    pub(super) fn size(&self) -> usize {
        let rest = self.rest.iter().map(|rest| &rest.values);
        self.children.iter().map(|child| &child.node).chain(rest).map(Node::size).sum()
    }
}

impl Child {
    pub(super) fn new(hash: u64) -> Self {
        Self {
            hash,
            name: None,
            secret: true,
            present: 0,
            cut: 0,
            stamp: 0,
            next: Aside(0),
            node: Node::default(),
        }
    }

    /// All but the node.
    fn named(&self, name: &[u8]) -> Self {
        let text = String::from_utf8_lossy(name).into_owned().into();
        Self { name: Some(text), secret: words::is_secret(name), node: Node::default(), ..*self }
    }

    fn merge(&mut self, other: &Self, depth: usize) {
        if self.name.is_none() {
            self.name.clone_from(&other.name);
            self.secret = other.secret;
        }
        self.present = self.present.saturating_add(other.present);
        self.cut = self.cut.saturating_add(other.cut);
        self.node.merge(&other.node, depth + 1);
    }
}
