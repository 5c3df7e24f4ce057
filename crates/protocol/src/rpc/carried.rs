//! The messages of a call, counted as they go by, and told while it goes on.

use super::{Flavor, envelope::Envelopes};
use crate::stream::EVERY;
use overhear_exchange::{Counts, Flow, Headers, Sender, Stage, Stream, StreamKind, Timestamp};

/// What is carried of a call that is made of enveloped messages.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    /// Nothing where what goes this way has no envelopes.
    pub(super) sent: Option<Envelopes>,
    pub(super) received: Option<Envelopes>,
    /// When the first message of the server was whole.
    first: Option<Timestamp>,
    told: Option<Told>,
}

/// How far it was when that was told last.
#[derive(Clone, Copy, Debug)]
struct Told {
    at: Timestamp,
    client: Counts,
    server: Counts,
}

impl Carried {
    /// For a request with these fields; nothing where it has no envelopes.
    pub(crate) fn asked(headers: &Headers) -> Option<Box<Self>> {
        has_envelopes(headers).then(|| Box::new(Self { sent: Some(Envelopes::default()), ..Self::default() }))
    }

    /// The answer has these fields. That it is a call may show here first: of the request some may not be known.
    pub(crate) fn answered(carried: &mut Option<Box<Self>>, headers: &Headers) {
        if has_envelopes(headers) {
            carried.get_or_insert_default().received = Some(Envelopes::default());
        }
    }

    /// The same request, of which the answer began before it was seen.
    pub(crate) fn with_answer(self, answer: Self) -> Self {
        Self { sent: self.sent, ..answer }
    }

    /// More of what `sender` says.
    pub(crate) fn push(&mut self, sender: Sender, time: Timestamp, content: &[u8]) {
        let Some(envelopes) = self.way(sender) else { return };
        envelopes.push(content);
        let is_answer = sender == Sender::Server && envelopes.whole() > 0;
        if is_answer && self.first.is_none() {
            self.first = Some(time);
        }
    }

    /// Some of it was not seen: so many bytes, if that is known.
    pub(crate) const fn lose(&mut self, sender: Sender, length: Option<u64>) {
        match (self.way(sender), length) {
            (Some(envelopes), Some(length)) => envelopes.lose(length),
            (Some(envelopes), None) => envelopes.lost = true,
            (None, _) => {}
        }
    }

    /// What there is to tell of a call that goes on: once it takes long, and then what is new. `begun` is when its request
    /// began, `asked` when the last byte of that came.
    pub(crate) fn tell(&mut self, begun: Timestamp, asked: Timestamp, now: Timestamp) -> Option<Stream> {
        let (client, server) = (counts(self.sent.as_ref()), counts(self.received.as_ref()));
        let last =
            self.told.unwrap_or(Told { at: begun, client: Counts::default(), server: Counts::default() });
        let is_new = self.told.is_none() || (client, server) != (last.client, last.server);
        if !is_new || now.since(last.at) < EVERY {
            return None;
        }
        self.told = Some(Told { at: now, client, server });
        Some(Stream {
            kind: StreamKind::Messages,
            stage: Stage::Underway,
            client: Flow { total: client, fresh: more(client, last.client) },
            server: Flow { total: server, fresh: more(server, last.server) },
            time_to_first_message: self.first.map(|first| first.since(asked)),
            fresh: Vec::new(),
        })
    }

    const fn way(&mut self, sender: Sender) -> Option<&mut Envelopes> {
        match sender {
            Sender::Client => self.sent.as_mut(),
            Sender::Server => self.received.as_mut(),
        }
    }
}

/// Asked of every message: most are something else, and telling that must cost next to nothing.
fn has_envelopes(headers: &Headers) -> bool {
    const BEGINNINGS: [&[u8]; 2] = [b"application/grpc", b"application/connect+"];
    let Some(media) = headers.get("content-type") else { return false };
    let begins = |start: &&[u8]| media.get(..start.len()).is_some_and(|it| it.eq_ignore_ascii_case(start));
    BEGINNINGS.iter().any(begins) && Flavor::of(media).is_some_and(Flavor::is_enveloped)
}

fn counts(envelopes: Option<&Envelopes>) -> Counts {
    envelopes.map_or(Counts::default(), |envelopes| Counts {
        messages: envelopes.count,
        bytes: envelopes.bytes,
        unread: 0,
        gaps: u64::from(envelopes.lost),
    })
}

/// What came since.
const fn more(now: Counts, before: Counts) -> Counts {
    Counts {
        messages: now.messages.saturating_sub(before.messages),
        bytes: now.bytes.saturating_sub(before.bytes),
        unread: now.unread.saturating_sub(before.unread),
        gaps: now.gaps.saturating_sub(before.gaps),
    }
}
