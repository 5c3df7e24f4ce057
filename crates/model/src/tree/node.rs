//! One node: what was called here, and what follows.
//!
//! What a node holds is a function of what was learned, whatever its order and parts:
//! * Texts that name one thing (`42`, a UUID) stay apart while a node has few of a class, else their class is all
//!   that is kept of them.
//! * Texts of which routes can be made stay apart up to a bound; once there were more, a sample of them does: those
//!   with the smallest hash, words that are usual in routes first. The subtrees of the others are one.
//! * Endings (`.json`, `:cancel`) of texts that name one thing are told apart while there are few.
//!
//! All of it only ever goes one way. A text pushed out ranks above all that stay, so it never comes back. The one
//! bound that goes by order is the room that all trees share: when it is used up nothing new is kept apart.

use super::{Bounds, place::Place, smallest::Smallest};
use crate::{
    Endpoint,
    route::{ValueClass, segment::Segment, word::Look},
};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Node {
    /// Calls of this path and of those below it.
    pub(crate) requests: u64,
    /// Of those, whose answer gave this segment's text as the value of a member that names things.
    pub(crate) echoed: u64,
    /// By method, ascending.
    pub(crate) places: Vec<Place>,
    /// Children whose text is kept apart, by its hash.
    pub(crate) named: FxHashMap<u64, Child>,
    /// The others, ascending by class and suffix.
    pub(crate) folded: Vec<Folded>,
    /// Rank of the last word that stays, once there were more than bounds allow.
    pub(crate) sampled: Option<Rank>,
    /// There were too many suffixes to tell them apart.
    pub(crate) unsuffixed: bool,
}

/// Which words stay: those of routes first, then by hash.
pub(crate) type Rank = (bool, u64);
/// After all of them: while fewer than the bound are there.
const NO_LAST: Rank = (true, u64::MAX);

/// What follows one text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Child {
    pub(crate) look: Look,
    /// Absent where it was not written to disk.
    pub(crate) text: Option<Arc<str>>,
    pub(crate) suffix: Arc<str>,
    /// Of a number its value, of other texts their length in characters.
    pub(crate) measure: f64,
    pub(crate) node: Node,
}

/// What follows the texts of one class.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Folded {
    pub(crate) class: ValueClass,
    pub(crate) suffix: Arc<str>,
    /// A sample of their hashes, with how often each came.
    pub(crate) values: Smallest<u64, 32>,
    /// Least and greatest measure of them.
    pub(crate) range: (f64, f64),
    pub(crate) node: Node,
}

/// Suffixes of one node that are told apart.
const MAX_SUFFIXES: usize = 16;

impl Node {
    /// Where a method is counted; `None` when there is no room for it.
    pub(crate) fn place_mut(&mut self, bounds: &mut Bounds, method: &str) -> Option<&mut Place> {
        let at = match self.places.binary_search_by(|place| (*place.method).cmp(method)) {
            Ok(at) => at,
            Err(at) => {
                bounds.room = bounds.room.checked_sub(1)?;
                self.places.insert(at, Place::new(method));
                at
            }
        };
        self.places.get_mut(at)
    }

    /// What follows a segment; `None` when there is no room for it.
    pub(crate) fn child_mut(&mut self, bounds: &mut Bounds, segment: &Segment<'_>) -> Option<&mut Self> {
        // Looked up twice because a reference from the first would be held over the insertion.
        if self.named.contains_key(&segment.hash) {
            return self.named.get_mut(&segment.hash).map(|child| &mut child.node);
        }
        let (class, mut suffix) = (segment.look.class(), segment.suffix);
        if class == ValueClass::Literal || self.find_folded(class, suffix).is_err() {
            suffix = self.suffix(bounds, segment.look, suffix);
        }
        if self.admits(bounds, segment.hash, segment.look, suffix) {
            bounds.room -= 1;
            let child = Child {
                look: segment.look,
                text: Some(segment.text.as_ref().into()),
                suffix: suffix.into(),
                measure: segment.measure(),
                node: Self::default(),
            };
            return Some(&mut self.named.entry(segment.hash).or_insert(child).node);
        }
        let folded = self.folded_mut(bounds, class, suffix)?;
        folded.add(segment.hash, 1, segment.measure());
        Some(&mut folded.node)
    }

    /// What follows a segment, if that is there.
    pub(crate) fn find_child_mut(&mut self, segment: &Segment<'_>) -> Option<&mut Self> {
        if self.named.contains_key(&segment.hash) {
            return self.named.get_mut(&segment.hash).map(|child| &mut child.node);
        }
        let class = segment.look.class();
        let suffix = if class == ValueClass::Literal { "" } else { segment.suffix };
        let at = self.find_folded(class, suffix).or_else(|_| self.find_folded(class, "")).ok()?;
        self.folded.get_mut(at).map(|folded| &mut folded.node)
    }

    /// Adds all of another node. What there is no room for is added to `lost`.
    pub(crate) fn merge(&mut self, bounds: &mut Bounds, more: &Self, lost: &mut Endpoint) {
        self.requests = self.requests.saturating_add(more.requests);
        self.echoed = self.echoed.saturating_add(more.echoed);
        for place in &more.places {
            match self.place_mut(bounds, &place.method) {
                Some(mine) => mine.merge(bounds.key, place),
                None => lost.merge(bounds.key, &place.endpoint),
            }
        }
        if more.unsuffixed {
            self.forget_suffixes(bounds, lost);
        }
        if more.sampled.is_some() {
            self.sample(bounds, lost);
        }
        for folded in &more.folded {
            self.adopt_folded(bounds, folded, lost);
        }
        // By hash, so that where room ends does not depend on how a map is laid out.
        let mut named: Vec<_> = more.named.iter().collect();
        named.sort_unstable_by_key(|(hash, _)| **hash);
        for (hash, child) in named {
            self.adopt(bounds, *hash, child, lost);
        }
    }

    /// Adds the calls of this node and of all below it.
    pub(crate) fn total(&self, key: u64, sum: &mut Endpoint) {
        for place in &self.places {
            sum.merge(key, &place.endpoint);
        }
        self.below().for_each(|node| node.total(key, sum));
    }

    /// Calls of this node and of all below it that have a place.
    pub(crate) fn calls(&self) -> u64 {
        let own = self.places.iter().map(|place| place.endpoint.requests);
        own.chain(self.below().map(Self::calls)).fold(0, u64::saturating_add)
    }

    /// Places and nodes below.
    pub(crate) fn size(&self) -> usize {
        self.places.len() + self.below().map(|node| 1 + node.size()).sum::<usize>()
    }

    /// In no particular order.
    pub(crate) fn below(&self) -> impl Iterator<Item = &Self> {
        self.named.values().map(|child| &child.node).chain(self.folded.iter().map(|folded| &folded.node))
    }

    fn adopt(&mut self, bounds: &mut Bounds, hash: u64, child: &Child, lost: &mut Endpoint) {
        if let Some(mine) = self.named.get_mut(&hash) {
            if mine.text.is_none() {
                mine.text.clone_from(&child.text);
            }
            return mine.node.merge(bounds, &child.node, lost);
        }
        let suffix = self.suffix(bounds, child.look, &child.suffix);
        if !self.admits(bounds, hash, child.look, suffix) {
            return self.fold(bounds, hash, child, lost);
        }
        bounds.room -= 1;
        let mut node = Self::default();
        node.merge(bounds, &child.node, lost);
        let child = Child { text: child.text.clone(), suffix: suffix.into(), node, ..*child };
        self.named.insert(hash, child);
    }

    fn adopt_folded(&mut self, bounds: &mut Bounds, more: &Folded, lost: &mut Endpoint) {
        let suffix = self.suffix(bounds, Look::Value(more.class), &more.suffix);
        if more.class != ValueClass::Literal {
            self.fold_values(bounds, more.class, suffix, lost);
        }
        match self.folded_mut(bounds, more.class, suffix) {
            Some(folded) => {
                folded.values.merge(&more.values);
                folded.widen(more.range);
                folded.node.merge(bounds, &more.node, lost);
            }
            None => more.node.total(bounds.key, lost),
        }
    }

    /// Whether a new text may stay apart. Makes the room for it that bounds allow, by folding others.
    fn admits(&mut self, bounds: &mut Bounds, hash: u64, look: Look, suffix: &str) -> bool {
        if bounds.room == 0 {
            return false;
        }
        // Folding gives back more room than it takes, so nothing is lost by it.
        let lost = &mut Endpoint::default();
        let Some(word) = look.word() else {
            let class = look.class();
            if self.find_folded(class, suffix).is_ok() {
                return false;
            }
            let few = self.values(class, suffix).count() < bounds.values;
            if !few {
                self.fold_values(bounds, class, suffix, lost);
            }
            return few;
        };
        if self.sampled.is_none() {
            if self.named.values().filter(|child| child.look.word().is_some()).count() < bounds.words {
                return true;
            }
            self.sample(bounds, lost);
        }
        let (rank, last) = ((!word.is_fixed(), hash), self.sampled.unwrap_or_default());
        if rank > last || bounds.sampled == 0 {
            return false;
        }
        if last != NO_LAST {
            self.fold_named(bounds, &[last.1], lost);
        }
        if self.words().count() + 1 >= bounds.sampled {
            self.sampled = Some(self.words().fold(rank, Rank::max));
        }
        true
    }

    fn words(&self) -> impl Iterator<Item = Rank> {
        self.named.iter().filter_map(|(hash, child)| Some((!child.look.word()?.is_fixed(), *hash)))
    }

    fn values(&self, class: ValueClass, suffix: &str) -> impl Iterator<Item = u64> {
        let fits = move |child: &Child| child.look == Look::Value(class) && *child.suffix == *suffix;
        self.named.iter().filter(move |(_, child)| fits(child)).map(|(hash, _)| *hash)
    }

    /// From now on only a sample of the words stays apart.
    fn sample(&mut self, bounds: &mut Bounds, lost: &mut Endpoint) {
        if self.sampled.is_some() {
            return;
        }
        let mut ranked: Vec<_> = self.words().collect();
        ranked.sort_unstable();
        let evicted: Vec<u64> = ranked.iter().skip(bounds.sampled).map(|(_, hash)| *hash).collect();
        let last = bounds.sampled.checked_sub(1).and_then(|at| ranked.get(at).copied());
        self.sampled = Some(last.unwrap_or(NO_LAST));
        self.fold_named(bounds, &evicted, lost);
    }

    /// From now on only the class of texts of this kind is kept.
    fn fold_values(&mut self, bounds: &mut Bounds, class: ValueClass, suffix: &str, lost: &mut Endpoint) {
        let hashes: Vec<u64> = self.values(class, suffix).collect();
        self.fold_named(bounds, &hashes, lost);
    }

    fn fold_named(&mut self, bounds: &mut Bounds, hashes: &[u64], lost: &mut Endpoint) {
        for hash in hashes {
            if let Some(child) = self.named.remove(hash) {
                bounds.room += 1 + child.node.size();
                self.fold(bounds, *hash, &child, lost);
            }
        }
    }

    fn fold(&mut self, bounds: &mut Bounds, hash: u64, child: &Child, lost: &mut Endpoint) {
        let suffix = self.suffix(bounds, child.look, &child.suffix);
        match self.folded_mut(bounds, child.look.class(), suffix) {
            Some(folded) => {
                folded.add(hash, u32::try_from(child.node.requests).unwrap_or(u32::MAX), child.measure);
                folded.node.merge(bounds, &child.node, lost);
            }
            None => child.node.total(bounds.key, lost),
        }
    }

    fn find_folded(&self, class: ValueClass, suffix: &str) -> Result<usize, usize> {
        self.folded.binary_search_by(|folded| (folded.class, &*folded.suffix).cmp(&(class, suffix)))
    }

    fn folded_mut(&mut self, bounds: &mut Bounds, class: ValueClass, suffix: &str) -> Option<&mut Folded> {
        let suffix = if class == ValueClass::Literal { "" } else { suffix };
        let at = match self.find_folded(class, suffix) {
            Ok(at) => at,
            Err(at) => {
                bounds.room = bounds.room.checked_sub(1)?;
                self.folded.insert(at, Folded::new(class, suffix.into()));
                at
            }
        };
        self.folded.get_mut(at)
    }

    /// The suffix as far as this node tells suffixes apart.
    fn suffix<'a>(&mut self, bounds: &mut Bounds, look: Look, suffix: &'a str) -> &'a str {
        if suffix.is_empty() || self.unsuffixed {
            return "";
        }
        // Words are bounded already.
        if look.word().is_some() {
            return suffix;
        }
        let values = self.named.values().filter(|child| child.look.word().is_none());
        let named = values.map(|child| &*child.suffix);
        let known: FxHashSet<&str> =
            named.chain(self.folded.iter().map(|f| &*f.suffix)).filter(|s| !s.is_empty()).collect();
        if known.contains(suffix) || known.len() < MAX_SUFFIXES {
            return suffix;
        }
        self.forget_suffixes(bounds, &mut Endpoint::default());
        ""
    }

    fn forget_suffixes(&mut self, bounds: &mut Bounds, lost: &mut Endpoint) {
        if self.unsuffixed {
            return;
        }
        self.unsuffixed = true;
        for child in self.named.values_mut() {
            child.suffix = "".into();
        }
        let (plain, suffixed) =
            std::mem::take(&mut self.folded).into_iter().partition(|f| f.suffix.is_empty());
        self.folded = plain;
        for folded in suffixed {
            bounds.room += 1 + folded.node.size();
            self.adopt_folded(bounds, &Folded { suffix: "".into(), ..folded }, lost);
        }
        // Of one class there may now be more texts than stay apart.
        let classes: FxHashSet<ValueClass> =
            self.named.values().filter(|c| c.look.word().is_none()).map(|c| c.look.class()).collect();
        for class in classes {
            if self.values(class, "").count() > bounds.values || self.find_folded(class, "").is_ok() {
                self.fold_values(bounds, class, "", lost);
            }
        }
    }
}

impl Folded {
    pub(crate) fn new(class: ValueClass, suffix: Arc<str>) -> Self {
        let range = (f64::INFINITY, f64::NEG_INFINITY);
        Self { class, suffix, values: Smallest::default(), range, node: Node::default() }
    }

    fn add(&mut self, hash: u64, count: u32, measure: f64) {
        self.values.add(hash, count);
        self.widen((measure, measure));
    }

    fn widen(&mut self, range: (f64, f64)) {
        self.range = (self.range.0.min(range.0), self.range.1.max(range.1));
    }
}
