//! Bodies that are told while they come: server-sent events, lines of JSON, and whatever takes long.
//!
//! What frames the body (chunks, DATA frames, the end of the connection) is its protocol's business: a [`Streaming`] is
//! given content, and says when there is something to tell.

mod decoder;
mod events;
mod lines;
mod teller;

pub(crate) use teller::{EVERY, LongBody, Said, Teller};

use crate::gen_ai::Follower;
use decoder::Decoder;
use events::Events;
use lines::Lines;
use overhear_exchange::{ContentCoding, Headers, Method, Sender, Stage, Stream, StreamKind, Timestamp};

/// The body of a response that is made of messages.
#[derive(Debug)]
pub(crate) struct Streaming {
    reader: Reader,
    decoder: Decoder,
    teller: Teller,
    model: Option<Box<Follower>>,
}

#[derive(Debug)]
enum Reader {
    Events(Events),
    Lines(Lines),
}

/// The request that a response answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
}

impl Streaming {
    /// For a response with these fields; nothing where its body is not made of messages. `limit`: bytes kept of one.
    pub(crate) fn of(
        asked: Asked<'_>,
        headers: &Headers,
        codings: &[ContentCoding],
        limit: usize,
    ) -> Option<Box<Self>> {
        let media = headers.get("content-type")?;
        let media = media.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        let reader = if media.eq_ignore_ascii_case(b"text/event-stream") {
            Reader::Events(Events::new(limit))
        } else if is_lines(media) {
            Reader::Lines(Lines::new(limit))
        } else {
            return None;
        };
        let model = Follower::of(asked.method, asked.path).map(Box::new);
        Some(Box::new(Self { reader, decoder: Decoder::new(codings), teller: Teller::default(), model }))
    }

    /// More of the body.
    pub(crate) fn content(&mut self, time: Timestamp, content: &[u8]) {
        let Self { reader, decoder, teller, model } = self;
        let mut each = |name: Option<&[u8]>, text: &[u8], complete: bool, size: u64| {
            if let Some(model) = model {
                model.event(time, text);
            }
            let sender = Sender::Server;
            teller.message(time, Said { sender, name, is_text: true, content: text, complete, size });
        };
        let was_readable = !matches!(decoder, Decoder::Unreadable);
        let read = decoder.push(content, &mut |bytes| match reader {
            Reader::Events(events) => {
                events.push(bytes, &mut |e| each(Some(e.name), e.data, e.complete, e.size));
            }
            Reader::Lines(lines) => {
                lines.push(bytes, &mut |line| each(None, line.text, line.complete, line.size))
            }
        });
        if read.is_err() && (was_readable || !teller.has_gaps()) {
            teller.gap(Sender::Server);
        }
    }

    /// Some of the body was not seen.
    pub(crate) fn gap(&mut self) {
        self.teller.gap(Sender::Server);
        self.decoder.survives_gap();
        match &mut self.reader {
            Reader::Events(events) => events.lose(),
            Reader::Lines(lines) => lines.lose(),
        }
    }

    /// The body is over.
    pub(crate) fn finish(&mut self, time: Timestamp) {
        let Self { reader: Reader::Lines(lines), teller, model, .. } = self else { return };
        lines.finish(&mut |line| {
            if let Some(model) = model {
                model.event(time, line.text);
            }
            let (content, complete, size) = (line.text, line.complete, line.size);
            let said = Said { sender: Sender::Server, name: None, is_text: true, content, complete, size };
            teller.message(time, said);
        });
    }

    /// There is something to tell.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.teller.is_due(now)
    }

    /// What is new. `asked`: when the last byte of the request came.
    pub(crate) fn tell(&mut self, stage: Stage, asked: Timestamp, now: Timestamp) -> Stream {
        let kind = match self.reader {
            Reader::Events(_) => StreamKind::Events,
            Reader::Lines(_) => StreamKind::Lines,
        };
        self.teller.tell(kind, stage, asked, now)
    }

    /// What the events said, where the request may be a call of a model.
    pub(crate) fn model(&self) -> Option<&Follower> {
        self.model.as_deref()
    }

    /// Heap bytes held, about.
    pub(crate) fn retained(&self) -> usize {
        let reader = match &self.reader {
            Reader::Events(events) => events.retained(),
            Reader::Lines(lines) => lines.retained(),
        };
        size_of::<Self>() + reader + self.decoder.retained() + self.teller.retained()
    }
}

/// Media types of JSON values one after the other.
fn is_lines(media: &[u8]) -> bool {
    let Some((kind, subtype)) = memchr::memchr(b'/', media).and_then(|at| media.split_at_checked(at)) else {
        return false;
    };
    let names: [&[u8]; 9] = [
        b"/x-ndjson",
        b"/ndjson",
        b"/jsonl",
        b"/x-jsonl",
        b"/jsonlines",
        b"/x-jsonlines",
        b"/json-seq",
        b"/stream+json",
        b"/x-json-stream",
    ];
    kind.eq_ignore_ascii_case(b"application") && names.iter().any(|name| name.eq_ignore_ascii_case(subtype))
}
