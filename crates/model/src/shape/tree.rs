//! All that was seen in one place of messages, and how it is kept within its bounds.

use super::{
    firsts::Moment,
    json::Ending,
    known::{Fingerprints, Known, Segment},
    learn::Learner,
    maps,
    node::Node,
    tape::Tape,
};

/// How much of a message is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// All of it.
    Whole,
    /// Its structure if that is settled, else all of it.
    Structure,
}

/// How and when a message is learned.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    pub(super) effort: Effort,
    pub(super) at: Moment,
}

/// Evidence about messages of one kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    pub(super) root: Node,
    /// Number of the last object learned.
    stamp: u64,
    /// Nodes, about: never less than there are.
    size: usize,
    known: Option<Box<Known>>,
}

impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        self.root == other.root
    }
}

impl Tree {
    pub(super) fn of(root: Node) -> Self {
        let size = root.size();
        Self { root, size, ..Self::default() }
    }

    /// Learns a message. `private`: nothing is kept of its values but what they look like.
    pub(super) fn learn(&mut self, key: u64, message: Message<'_>, segments: &mut Vec<Segment>) {
        let Message { tape, source, ending, how: How { effort, at }, private, limit } = message;
        let adaptive = effort == Effort::Structure && ending == Ending::Whole;
        if adaptive {
            Fingerprints { seed: key, tape, source, segments }.all();
            if self.known.get_or_insert_default().note(segments) {
                return;
            }
        }
        let mut learner = Learner { key, tape, source, at, stamp: self.stamp, added: 0 };
        for value in tape.roots() {
            learner.value(&mut self.root, value, 0, private);
        }
        self.stamp = learner.stamp;
        self.size += learner.added;
        if let (true, Some(known)) = (adaptive, &mut self.known) {
            known.remember(key, tape, source, segments);
        }
        self.bound(limit);
    }

    pub(super) fn merge(&mut self, other: &Self, limit: usize) {
        if other.has_pending() {
            let mut other = other.clone();
            other.settle();
            return self.merge(&other, limit);
        }
        self.root.merge(&other.root, 0);
        self.size = self.root.size();
        self.bound(limit);
    }

    pub(super) fn has_pending(&self) -> bool {
        self.known.as_ref().is_some_and(|known| known.has_pending())
    }

    /// Adds to the evidence what was only noted.
    pub(super) fn settle(&mut self) {
        if let Some(known) = &mut self.known {
            known.settle(&mut self.root);
        }
    }

    /// Folds keys until the tree is small enough: first those of maps, then everywhere those whose hashes are largest.
    fn bound(&mut self, limit: usize) {
        if self.size <= limit {
            return;
        }
        self.size = self.root.size();
        if self.size > limit {
            self.root.each_objects(0, &mut |objects, depth| {
                if maps::is_map(objects) {
                    objects.lower_limit(0, depth);
                }
            });
            self.size = self.root.size();
        }
        let mut keep = u64::MAX;
        while self.size > limit && keep > 0 {
            keep /= 2;
            self.root.each_objects(0, &mut |objects, depth| objects.lower_limit(keep, depth));
            self.size = self.root.size();
        }
    }
}

/// A message, read.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) tape: &'a Tape,
    pub(super) source: &'a [u8],
    pub(super) ending: Ending,
    pub(super) how: How,
    pub(super) private: bool,
    /// Nodes that may be kept.
    pub(super) limit: usize,
}
