//! Reads a body by its media type.

use super::{
    call::Content,
    fields::{Pairs, split},
    json::{self, Ending},
    multipart,
    tape::Tape,
};

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
        // Scripts that forget to say what they answer say HTML.
        "plain" | "html" | "octet-stream" | "javascript" | "x-javascript" => Reading::Sniff,
        "json" | "x-json" => Reading::Json,
        other if other.ends_with("+json") || other.ends_with("-json") => Reading::Json,
        other if other.ends_with("+json-seq") => Reading::Lines,
        _ => Reading::Opaque,
    }
}

/// Whether a body of this media type is JSON only if it begins like it.
pub(super) fn is_guess(media: &str) -> bool {
    reading(media) == Reading::Sniff
}

/// A body that was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Read {
    /// Its media type.
    pub(super) media: String,
    pub(super) tape: Tape,
    /// Absent where there is no structure in it.
    pub(super) ending: Option<Ending>,
}

impl Read {
    /// Reads a body onto the tape.
    pub(super) fn read(&mut self, content_type: Option<&[u8]>, body: Option<Content<'_>>, pairs: &mut Pairs) {
        self.media.clear();
        self.tape.clear();
        self.ending = None;
        let content_type = content_type.unwrap_or_default();
        if let Some(body) = body {
            media_type(content_type, &mut self.media);
            self.ending = self.content(content_type, body, pairs);
        }
    }

    fn content(&mut self, content_type: &[u8], body: Content<'_>, pairs: &mut Pairs) -> Option<Ending> {
        let how = reading(&self.media);
        let ending = match how {
            Reading::Json | Reading::Lines => {
                json::read(&mut self.tape, body.bytes, body.complete, how == Reading::Lines)
            }
            Reading::Sniff => {
                let first = body.bytes.trim_ascii_start().first();
                if !matches!(first, Some(b'{' | b'[')) {
                    return None;
                }
                json::read(&mut self.tape, body.bytes, body.complete, false)
            }
            Reading::Form => {
                pairs.clear();
                pairs.read_form(body.bytes, body.complete);
                pairs.write(&mut self.tape)
            }
            Reading::Multipart => {
                pairs.clear();
                multipart::read(pairs, content_type, body.bytes);
                pairs.write(&mut self.tape)
            }
            Reading::Opaque => return None,
        };
        if how == Reading::Sniff && ending == Ending::Malformed {
            return None;
        }
        Some(if body.complete || ending != Ending::Whole { ending } else { Ending::Cut })
    }
}
