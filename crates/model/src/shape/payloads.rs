//! Evidence about bodies, by media type.

use super::{
    call::Content,
    derive,
    firsts::Moment,
    json::Ending,
    known::Segment,
    read::{Read, is_guess},
    scalar::hash,
    schema::Payload,
    tree::{How, Message, Tree},
};

/// Bodies by media type: at most [`Payloads::MOST`] types, those whose keyed hash is smallest.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Payloads {
    /// Ascending by rank.
    pub(super) kinds: Vec<Bodies>,
}

/// Bodies of one media type.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bodies {
    /// Keyed hash of the media type.
    pub(super) rank: u64,
    pub(super) media: Box<str>,
    pub(super) seen: u64,
    pub(super) partial: u64,
    /// Those that were JSON, a form or the like.
    pub(super) structured: u64,
    /// When the first came.
    pub(super) first: Moment,
    pub(super) tree: Tree,
}

impl Payloads {
    const MOST: usize = 6;

    /// Learns a body that was read. `limit`: nodes that may be kept of its kind.
    pub(super) fn learn(
        &mut self,
        key: u64,
        (read, body): (&Read, Content<'_>),
        (how, limit): (How, usize),
        segments: &mut Vec<Segment>,
    ) {
        if body.bytes.is_empty() && body.complete {
            return;
        }
        let Some(bodies) = self.kind(key, &read.media) else { return };
        bodies.seen = bodies.seen.saturating_add(1);
        bodies.first = bodies.first.min(how.at);
        let Some(ending) = read.ending else {
            bodies.partial = bodies.partial.saturating_add(u64::from(!body.complete));
            return;
        };
        bodies.partial = bodies.partial.saturating_add(u64::from(ending != Ending::Whole));
        bodies.structured = bodies.structured.saturating_add(1);
        let message = Message { tape: &read.tape, source: body.bytes, ending, how, private: false, limit };
        bodies.tree.learn(key, message, segments);
    }

    fn kind(&mut self, key: u64, media: &str) -> Option<&mut Bodies> {
        // Nearly always there is one, and it is the one.
        let at = self.kinds.iter().position(|kind| *kind.media == *media);
        match at {
            Some(at) => self.kinds.get_mut(at),
            None => self.insert(Bodies::new(hash(key, media.as_bytes()), media)),
        }
    }

    fn insert(&mut self, bodies: Bodies) -> Option<&mut Bodies> {
        let at = self.kinds.partition_point(|kind| (kind.rank, &kind.media) < (bodies.rank, &bodies.media));
        if at >= Self::MOST {
            return None;
        }
        self.kinds.insert(at, bodies);
        self.kinds.truncate(Self::MOST);
        self.kinds.get_mut(at)
    }

    pub(super) fn merge(&mut self, other: &Self, limit: usize) {
        for more in &other.kinds {
            let at = self.kinds.iter().position(|kind| kind.media == more.media);
            let kind = match at {
                Some(at) => self.kinds.get_mut(at),
                None => self.insert(Bodies::new(more.rank, &more.media)),
            };
            if let Some(kind) = kind {
                kind.merge(more, limit);
            }
        }
    }

    pub(super) fn trees_mut(&mut self) -> impl Iterator<Item = &mut Tree> {
        self.kinds.iter_mut().map(|kind| &mut kind.tree)
    }

    pub(super) fn trees(&self) -> impl Iterator<Item = &Tree> {
        self.kinds.iter().map(|kind| &kind.tree)
    }

    /// By media type.
    pub(super) fn payloads(&self) -> Vec<Payload> {
        let mut payloads: Vec<_> = self.kinds.iter().map(Bodies::payload).collect();
        payloads.sort_unstable_by(|a, b| a.media_type.cmp(&b.media_type));
        payloads
    }
}

impl Bodies {
    pub(super) fn new(rank: u64, media: &str) -> Self {
        Self {
            rank,
            media: media.into(),
            seen: 0,
            partial: 0,
            structured: 0,
            first: Moment::MAX,
            tree: Tree::default(),
        }
    }

    pub(super) fn merge(&mut self, other: &Self, limit: usize) {
        self.seen = self.seen.saturating_add(other.seen);
        self.partial = self.partial.saturating_add(other.partial);
        self.structured = self.structured.saturating_add(other.structured);
        self.first = self.first.min(other.first);
        self.tree.merge(&other.tree, limit);
    }

    fn payload(&self) -> Payload {
        let sure = !is_guess(&self.media) || self.structured.saturating_add(self.partial) >= self.seen;
        let root = &self.tree.root;
        let schema = (sure && root.seen() > 0).then(|| derive::schema(root, "", 0));
        Payload { media_type: self.media.to_string(), seen: self.seen, partial: self.partial, schema }
    }
}
