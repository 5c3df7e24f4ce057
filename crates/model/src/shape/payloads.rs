//! Evidence about bodies, by media type.

use super::{
    call::Content,
    derive,
    fields::split,
    json::{self, Ending},
    multipart,
    scalar::hash,
    schema::Payload,
    scratch::Scratch,
    tree::{Effort, Message, Tree},
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
    pub(super) tree: Tree,
}

/// How bodies of a media type are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Json,
    Lines,
    Form,
    Multipart,
    /// JSON, if it begins like it.
    Sniff,
    Opaque,
}

/// Told for bodies without a media type.
const UNTOLD: &str = "application/octet-stream";

impl Payloads {
    const MOST: usize = 6;

    /// Learns a body. `limit`: nodes that may be kept of its kind.
    pub(super) fn learn(
        &mut self,
        key: u64,
        content_type: Option<&[u8]>,
        body: Content<'_>,
        (effort, limit): (Effort, usize),
        scratch: &mut Scratch,
    ) {
        if body.bytes.is_empty() && body.complete {
            return;
        }
        scratch.media.clear();
        media_type(content_type.unwrap_or_default(), &mut scratch.media);
        let Some(bodies) = self.kind(key, &scratch.media) else { return };
        bodies.seen = bodies.seen.saturating_add(1);
        let Some(ending) = read(content_type.unwrap_or_default(), body, scratch) else {
            bodies.partial = bodies.partial.saturating_add(u64::from(!body.complete));
            return;
        };
        bodies.partial = bodies.partial.saturating_add(u64::from(ending != Ending::Whole));
        bodies.structured = bodies.structured.saturating_add(1);
        let Scratch { tape, segments, .. } = scratch;
        let message = Message { tape, source: body.bytes, ending, effort, private: false, limit };
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
        Self { rank, media: media.into(), seen: 0, partial: 0, structured: 0, tree: Tree::default() }
    }

    fn merge(&mut self, other: &Self, limit: usize) {
        self.seen = self.seen.saturating_add(other.seen);
        self.partial = self.partial.saturating_add(other.partial);
        self.structured = self.structured.saturating_add(other.structured);
        self.tree.merge(&other.tree, limit);
    }

    fn payload(&self) -> Payload {
        let sure = reading(&self.media) != Reading::Sniff
            || self.structured.saturating_add(self.partial) >= self.seen;
        let root = &self.tree.root;
        let schema = (sure && root.seen() > 0).then(|| derive::schema(root, "", 0));
        Payload { media_type: self.media.to_string(), seen: self.seen, partial: self.partial, schema }
    }
}

/// Type and subtype, lower case.
fn media_type(value: &[u8], out: &mut String) {
    let media = split(value, b';').0.trim_ascii();
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$&^_.+-/".contains(b);
    let usual =
        media.len() <= 100 && media.iter().all(is_token) && memchr::memchr_iter(b'/', media).count() == 1;
    match std::str::from_utf8(media) {
        Ok(media) if usual => {
            out.push_str(media);
            out.make_ascii_lowercase();
        }
        _ => out.push_str(UNTOLD),
    }
}

fn reading(media: &str) -> Reading {
    let subtype = media.split_once('/').map_or("", |(_, subtype)| subtype);
    match subtype {
        "x-ndjson" | "ndjson" | "jsonl" | "x-jsonl" | "jsonlines" | "x-jsonlines" | "json-seq"
        | "stream+json" | "x-json-stream" | "json-lines" => Reading::Lines,
        "x-www-form-urlencoded" => Reading::Form,
        "form-data" => Reading::Multipart,
        "plain" | "octet-stream" | "javascript" | "x-javascript" => Reading::Sniff,
        "json" | "x-json" => Reading::Json,
        other if other.ends_with("+json") || other.ends_with("-json") => Reading::Json,
        other if other.ends_with("+json-seq") => Reading::Lines,
        _ => Reading::Opaque,
    }
}

/// Reads a body onto the tape; nothing where there is no structure in it.
fn read(content_type: &[u8], body: Content<'_>, scratch: &mut Scratch) -> Option<Ending> {
    let Scratch { tape, pairs, media, .. } = scratch;
    let how = reading(media);
    let ending = match how {
        Reading::Json | Reading::Lines => json::read(tape, body.bytes, body.complete, how == Reading::Lines),
        Reading::Sniff => {
            let first = body.bytes.trim_ascii_start().first();
            if !matches!(first, Some(b'{' | b'[')) {
                return None;
            }
            json::read(tape, body.bytes, body.complete, false)
        }
        Reading::Form => {
            pairs.clear();
            pairs.read_form(body.bytes, body.complete);
            pairs.write(tape)
        }
        Reading::Multipart => {
            pairs.clear();
            multipart::read(pairs, content_type, body.bytes);
            pairs.write(tape)
        }
        Reading::Opaque => return None,
    };
    if how == Reading::Sniff && ending == Ending::Malformed {
        return None;
    }
    let ending = if body.complete || ending != Ending::Whole { ending } else { Ending::Cut };
    Some(ending)
}
