//! Evidence about the values in one place: counts, ranges and bounded sketches, so that a merge is exact.

use super::{
    firsts::Firsts,
    objects::Objects,
    scalar::{Numbers, Strings},
};

/// All that was seen in one place.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Node {
    pub(super) nulls: u64,
    pub(super) booleans: u64,
    pub(super) numbers: Option<Box<Numbers>>,
    pub(super) strings: Option<Box<Strings>>,
    /// What the strings read as, where they are values without a type of their own.
    pub(super) texts: Option<Box<Texts>>,
    pub(super) arrays: Option<Box<Arrays>>,
    pub(super) objects: Option<Box<Objects>>,
    /// When values of each type came first.
    pub(super) firsts: Firsts,
}

/// Values of a query or form, read as more than strings.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Texts {
    pub(super) booleans: u64,
    pub(super) numbers: Numbers,
    /// Those that read as lists: parts with commas between.
    pub(super) lists: Arrays,
    /// Those where the comma is part of a text.
    pub(super) commas: u64,
}

/// Arrays. `examined` is how many of them the lengths are of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Arrays {
    pub(super) seen: u64,
    pub(super) fewest: u64,
    pub(super) most: u64,
    pub(super) items: Option<Box<Node>>,
}

impl Default for Arrays {
    fn default() -> Self {
        Self { seen: 0, fewest: u64::MAX, most: 0, items: None }
    }
}

/// Types as bits: which of them values had.
pub(super) type Types = u8;
pub(super) const NULL: Types = 1;
pub(super) const BOOLEAN: Types = 2;
pub(super) const INTEGER: Types = 4;
pub(super) const NUMBER: Types = 8;
pub(super) const STRING: Types = 16;
pub(super) const ARRAY: Types = 32;
pub(super) const OBJECT: Types = 64;

impl Node {
    pub(super) fn merge(&mut self, other: &Self, depth: usize) {
        self.nulls = self.nulls.saturating_add(other.nulls);
        self.booleans = self.booleans.saturating_add(other.booleans);
        if let Some(more) = &other.numbers {
            self.numbers.get_or_insert_default().merge(more);
        }
        if let Some(more) = &other.strings {
            self.strings.get_or_insert_default().merge(more);
        }
        if let Some(more) = &other.texts {
            self.texts.get_or_insert_default().merge(more, depth);
        }
        if let Some(more) = &other.arrays {
            self.arrays.get_or_insert_default().merge(more, depth);
        }
        if let Some(more) = &other.objects {
            self.objects.get_or_insert_default().merge(more, depth);
        }
        self.firsts.merge(&other.firsts);
    }

    /// Values seen.
    pub(super) fn seen(&self) -> u64 {
        let parts = [
            self.nulls,
            self.booleans,
            self.numbers.as_ref().map_or(0, |n| n.seen),
            self.strings.as_ref().map_or(0, |s| s.seen),
            self.arrays.as_ref().map_or(0, |a| a.seen),
            self.objects.as_ref().map_or(0, |o| o.seen),
        ];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    /// The types its values had.
    pub(super) fn types(&self) -> Types {
        let numbers = self.numbers.as_ref();
        let bits = [
            (self.nulls > 0, NULL),
            (self.booleans > 0, BOOLEAN),
            (numbers.is_some_and(|n| n.integers > 0), INTEGER),
            (numbers.is_some_and(|n| n.seen > n.integers), NUMBER),
            (self.strings.is_some(), STRING),
            (self.arrays.is_some(), ARRAY),
            (self.objects.is_some(), OBJECT),
        ];
        bits.into_iter().filter(|(holds, _)| *holds).fold(0, |types, (_, bit)| types | bit)
    }

    /// This node and all below it.
    pub(super) fn size(&self) -> usize {
        let items = self.arrays.as_ref().and_then(|arrays| arrays.items.as_ref());
        1 + items.map_or(0, |items| items.size()) + self.objects.as_ref().map_or(0, |objects| objects.size())
    }

    /// Calls for each set of objects here and below with its depth, innermost first.
    pub(super) fn each_objects(&mut self, depth: usize, change: &mut impl FnMut(&mut Objects, usize)) {
        if let Some(items) = self.arrays.as_mut().and_then(|arrays| arrays.items.as_mut()) {
            items.each_objects(depth + 1, change);
        }
        if let Some(objects) = &mut self.objects {
            objects.nodes_mut().for_each(|node| node.each_objects(depth + 1, change));
            change(objects, depth);
        }
    }
}

impl Texts {
    fn merge(&mut self, other: &Self, depth: usize) {
        self.booleans = self.booleans.saturating_add(other.booleans);
        self.numbers.merge(&other.numbers);
        self.lists.merge(&other.lists, depth);
        self.commas = self.commas.saturating_add(other.commas);
    }
}

impl Arrays {
    /// Learns the length of an array.
    pub(super) fn learn(&mut self, items: u64, cut: bool) {
        self.most = self.most.max(items);
        if !cut {
            self.fewest = self.fewest.min(items);
        }
    }

    fn merge(&mut self, other: &Self, depth: usize) {
        self.seen = self.seen.saturating_add(other.seen);
        self.fewest = self.fewest.min(other.fewest);
        self.most = self.most.max(other.most);
        if let Some(items) = &other.items {
            self.items.get_or_insert_default().merge(items, depth + 1);
        }
    }
}
