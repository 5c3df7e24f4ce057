use overhear_exchange::{Counts, Flow, Message, Redacted, Sender, Stage, Stream, StreamKind, Timestamp};
use std::time::Duration;

/// While a stream goes on it is told at most so often, ...
pub(crate) const EVERY: Duration = Duration::from_secs(1);
/// ... unless so many messages wait to be told, ...
const MOST_MESSAGES: usize = 64;
/// ... or so many bytes of them.
const MOST_BYTES: usize = 64 * 1024;
/// One delivery may hold more than that. Beyond so much of it messages are only counted.
const SLACK: usize = 4;

/// Counts the messages of a stream and says when there is something to tell.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    client: Flow,
    server: Flow,
    fresh: Vec<Message>,
    bytes: usize,
    /// When the first message of the server was whole.
    first: Option<Timestamp>,
    told: Option<Timestamp>,
}

/// One message as it was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said<'a> {
    pub(crate) sender: Sender,
    pub(crate) name: Option<&'a [u8]>,
    pub(crate) is_text: bool,
    /// As much of it as was kept.
    pub(crate) content: &'a [u8],
    /// All of it was kept.
    pub(crate) complete: bool,
    /// How long it is where it is counted.
    pub(crate) size: u64,
}

/// Longest name of an event that is kept, in bytes.
const LONGEST_NAME: usize = 64;

impl Teller {
    /// Takes in a message.
    pub(crate) fn message(&mut self, time: Timestamp, said: Said<'_>) {
        if said.sender == Sender::Server {
            self.first.get_or_insert(time);
        }
        let room = self.fresh.len() < SLACK * MOST_MESSAGES && self.bytes < SLACK * MOST_BYTES;
        let read = room && said.complete;
        let counts = Counts { messages: 1, bytes: said.size, unread: u64::from(!read), ..Counts::default() };
        self.flow(said.sender).add(counts);
        if !room {
            return;
        }
        let name =
            said.name.and_then(|name| std::str::from_utf8(name.get(..LONGEST_NAME).unwrap_or(name)).ok());
        self.bytes += said.content.len();
        self.fresh.push(Message {
            sender: said.sender,
            name: name.filter(|name| !name.is_empty()).map(Into::into),
            is_text: said.is_text,
            content: Redacted::new(said.content.to_vec().into()),
            complete: said.complete,
        });
    }

    /// Something of what `sender` said was not seen.
    pub(crate) fn gap(&mut self, sender: Sender) {
        self.flow(sender).add(Counts { gaps: 1, ..Counts::default() });
    }

    /// Something of what the server said was not seen.
    pub(crate) const fn has_gaps(&self) -> bool {
        self.server.total.gaps > 0
    }

    /// It is time to tell what is new. True at the beginning.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        let Some(told) = self.told else { return true };
        let new = self.client.fresh != Counts::default() || self.server.fresh != Counts::default();
        let full = self.fresh.len() >= MOST_MESSAGES || self.bytes >= MOST_BYTES;
        new && (full || now.since(told) >= EVERY)
    }

    /// What is new; from now on it is not any more. `asked`: when the last byte of the request came.
    pub(crate) fn tell(
        &mut self,
        kind: StreamKind,
        stage: Stage,
        asked: Timestamp,
        now: Timestamp,
    ) -> Stream {
        self.told = Some(now);
        self.bytes = 0;
        let stream = Stream {
            kind,
            stage,
            client: self.client,
            server: self.server,
            time_to_first_message: self.first.map(|first| first.since(asked)),
            fresh: std::mem::take(&mut self.fresh),
        };
        self.client.fresh = Counts::default();
        self.server.fresh = Counts::default();
        stream
    }

    /// Heap bytes held, about.
    pub(crate) fn retained(&self) -> usize {
        self.bytes + self.fresh.capacity() * size_of::<Message>()
    }

    fn flow(&mut self, sender: Sender) -> &mut Flow {
        match sender {
            Sender::Client => &mut self.client,
            Sender::Server => &mut self.server,
        }
    }
}

/// Says how far a body without parts is, once it takes long.
#[derive(Debug, Default)]
pub(crate) struct LongBody {
    told: Option<Timestamp>,
}

impl LongBody {
    /// It is time to tell how far it is. `begun`: when its first byte came.
    pub(crate) fn is_due(&self, begun: Timestamp, now: Timestamp) -> bool {
        now.since(self.told.unwrap_or(begun)) >= EVERY
    }

    /// Tells it. `size`: bytes on the wire so far.
    pub(crate) fn tell(&mut self, size: u64, now: Timestamp) -> Stream {
        self.told = Some(now);
        let counts = Counts { bytes: size, ..Counts::default() };
        Stream {
            kind: StreamKind::Body,
            stage: Stage::Underway,
            client: Flow::default(),
            server: Flow { total: counts, fresh: Counts::default() },
            time_to_first_message: None,
            fresh: Vec::new(),
        }
    }
}
