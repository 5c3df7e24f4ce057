use crate::{
    detect::{ENOUGH, signature},
    held::Held,
    http1::{self, Detected, Http1},
    http2::{self, Http2},
    observer::{Handover, Observer, Skipped, Start, Upgrade},
    websocket::WebSocket,
};
use overhear_exchange::{Side, Timestamp, observation::Observation, wire::CloseCause};

/// Joined mid-stream, this many arrivals without the start of a message are enough to give up.
const MAX_STRIKES: u16 = 256;

/// Servers of HTTP/2 may speak before their clients (RFC 9113 §3.4). What is shorter waits for the preface, which shows that the
/// connection begins here: without it no field could be trusted.
const FIRST_FLIGHT: usize = 256;

/// How much one connection may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one message head; of a longer one only the first line and what came within are used.
    pub head: usize,
    /// Bytes kept of one body.
    pub body: usize,
    /// Pipelined requests awaiting an answer; with more, pairing starts over.
    pub pending: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head: 64 * 1024, body: 64 * 1024, pending: 128 }
    }
}

/// What is known of a connection before its first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// The connection was seen to open, by [`Side::A`]: what comes first is the first there is.
    pub opener_known: bool,
    /// The bytes are the plaintext of TLS: the scheme is `https`.
    pub tls: bool,
}

/// What a connection speaks, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Too little was seen.
    Undecided,
    /// A protocol that is read: `http`, `websocket`.
    Speaks(&'static str),
    /// Nothing here is an API call that could be read. Further bytes cost nothing and need not be delivered.
    NotAnApi(&'static str),
}

/// One observed connection, both directions.
pub struct Connection {
    limits: Limits,
    hint: Hint,
    skipped: Skipped,
    state: State,
}

enum State {
    Detecting(Option<Box<Detecting>>),
    Speaking(Box<dyn Observer>),
    Ignored(&'static str),
}

/// What is held of a connection until it is known what it speaks.
#[derive(Default)]
struct Detecting {
    held: Held,
    /// How far each side's first line was searched for its end.
    scanned: [usize; 2],
    strikes: u16,
    /// Who sent something that was not seen, while the other end was not heard since.
    missed: Option<Side>,
}

impl Connection {
    /// A connection of which nothing was seen yet.
    pub fn new(limits: Limits, hint: Hint) -> Self {
        Self { limits, hint, skipped: Skipped::default(), state: State::Detecting(None) }
    }

    /// Bytes that `from` sent, following directly on those before.
    pub fn data(&mut self, from: Side, time: Timestamp, bytes: &[u8], out: &mut Vec<Observation>) {
        match &mut self.state {
            State::Ignored(_) => {}
            State::Speaking(observer) => {
                if let Some(handover) = observer.data(from, time, bytes, out) {
                    self.hand_over(handover, out);
                }
            }
            State::Detecting(_) => self.detect(from, time, bytes, out),
        }
    }

    /// Bytes that `from` sent and that were not seen: how many, if that is known.
    pub fn gap(&mut self, from: Side, time: Timestamp, length: Option<u64>, out: &mut Vec<Observation>) {
        if length == Some(0) {
            return;
        }
        match &mut self.state {
            State::Ignored(_) => {}
            State::Speaking(observer) => observer.gap(from, time, length, out),
            State::Detecting(detecting) => {
                self.hint.opener_known = false;
                let detecting = detecting.get_or_insert_default();
                detecting.forget(from);
                detecting.missed = Some(from);
            }
        }
    }

    /// `from` sends no more.
    pub fn end(&mut self, from: Side, time: Timestamp, out: &mut Vec<Observation>) {
        if let State::Speaking(observer) = &mut self.state {
            observer.end(from, time, out);
        }
    }

    /// The connection is over. What still waits for an answer is reported without one.
    pub fn close(&mut self, time: Timestamp, cause: CloseCause, out: &mut Vec<Observation>) {
        match &mut self.state {
            State::Ignored(_) => {}
            State::Speaking(observer) => observer.close(time, cause, out),
            State::Detecting(detecting) => *detecting = None,
        }
    }

    /// What it speaks. Decided within the first bytes, or, joined mid-stream, at the first message.
    pub fn verdict(&self) -> Verdict {
        match &self.state {
            State::Detecting(_) => Verdict::Undecided,
            State::Speaking(observer) => Verdict::Speaks(observer.name()),
            State::Ignored(name) => Verdict::NotAnApi(name),
        }
    }

    /// What was seen but did not become an exchange.
    pub fn skipped(&self) -> Skipped {
        let mut sum = self.skipped;
        if let State::Speaking(observer) = &self.state {
            sum.add(observer.skipped());
        }
        sum
    }

    /// Heap bytes this connection holds, about.
    pub fn retained(&self) -> usize {
        match &self.state {
            State::Ignored(_) | State::Detecting(None) => 0,
            State::Detecting(Some(detecting)) => size_of::<Detecting>() + detecting.held.retained(),
            State::Speaking(observer) => size_of_val(&**observer) + observer.retained(),
        }
    }

    fn detect(&mut self, from: Side, time: Timestamp, bytes: &[u8], out: &mut Vec<Observation>) {
        let State::Detecting(slot) = &mut self.state else { return };
        if let Some(detecting) = slot {
            detecting.missed.take_if(|missed| *missed != from);
        }
        let mut fresh = slot.as_ref().is_none_or(|detecting| detecting.held.side(from).is_empty());
        let mut decision = if fresh {
            look(bytes, &mut 0, self.hint)
        } else {
            let detecting = slot.get_or_insert_default();
            detecting.look_again(from, time, bytes, (self.limits.head, self.hint))
        };
        if matches!(decision, Look::Other(None)) && !fresh && !self.hint.opener_known {
            // What was held was the middle of something; these bytes may yet be the start of a message.
            slot.get_or_insert_default().forget(from);
            decision = look(bytes, &mut 0, self.hint);
            fresh = true;
        }
        match decision {
            Look::Speaks(spoken) => {
                let client = if spoken.is_client() { from } else { from.other() };
                // Held bytes are in the box already unless these are the first of their side.
                let mut held = slot.take().unwrap_or_default();
                let direct = held.held.is_empty();
                if !direct && fresh && !held.held.push(from, time, bytes, usize::MAX) {
                    held.held.forget(from.other());
                }
                let start = held.start(self.hint, client);
                self.start(spoken, start, client);
                if direct {
                    self.data(from, time, bytes, out);
                } else {
                    self.replay(&held.held, out);
                }
            }
            Look::More => {
                let detecting = slot.get_or_insert_default();
                if fresh && !detecting.held.push(from, time, bytes, self.limits.head) {
                    self.strike(from, None);
                }
            }
            Look::Other(name) => self.strike(from, name),
        }
    }

    fn start(&mut self, spoken: Spoken, start: Start, client: Side) {
        let (limits, tls) = (self.limits, self.hint.tls);
        let observer: Box<dyn Observer> = match spoken {
            Spoken::Http1(_) => Box::new(Http1::new(limits, start, tls, client)),
            Spoken::Preface if start == Start::Joined => Box::new(Http2::from_preface(limits, tls, client)),
            Spoken::Preface | Spoken::Http2(Some(_)) => {
                Box::new(Http2::new(limits, start, tls, client, true))
            }
            Spoken::Http2(None) => Box::new(Http2::new(limits, start, tls, client, false)),
        };
        self.state = State::Speaking(observer);
    }

    /// These bytes start no message we read. From the start of a connection that settles it; joined mid-stream they
    /// may be the middle of one.
    fn strike(&mut self, from: Side, name: Option<&'static str>) {
        let State::Detecting(slot) = &mut self.state else { return };
        let detecting = slot.get_or_insert_default();
        detecting.strikes += 1;
        if name.is_some() || self.hint.opener_known || detecting.strikes >= MAX_STRIKES {
            self.state = State::Ignored(name.unwrap_or("unknown"));
        } else {
            detecting.forget(from);
        }
    }

    fn hand_over(&mut self, handover: Handover, out: &mut Vec<Observation>) {
        self.skipped = self.skipped();
        match handover.to {
            Upgrade::Protocol(name) => self.state = State::Ignored(name),
            Upgrade::WebSocket(handshake) => {
                self.state = State::Speaking(Box::new(WebSocket::new(self.limits, *handshake, out)));
                self.replay(&handover.rest, out);
            }
            Upgrade::Http2(request) => {
                let client = request.observation.client;
                let observer = Http2::upgraded(self.limits, self.hint.tls, client, *request);
                self.state = State::Speaking(Box::new(observer));
                self.replay(&handover.rest, out);
            }
            Upgrade::Tunnel => {
                self.state = State::Detecting(None);
                self.hint.opener_known = true;
                self.replay(&handover.rest, out);
            }
        }
    }

    fn replay(&mut self, held: &Held, out: &mut Vec<Observation>) {
        for (from, time, bytes) in held.iter() {
            self.data(from, time, bytes, out);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Client,
    Server,
}

/// What is spoken, and by whom as far as it shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spoken {
    Http1(Role),
    /// HTTP/2, by a client from its first byte on.
    Preface,
    /// HTTP/2; joined among frames that either end may send, it shows later who is who.
    Http2(Option<Role>),
}

impl Spoken {
    /// Most is sent by servers.
    fn is_client(self) -> bool {
        matches!(self, Self::Http1(Role::Client) | Self::Preface | Self::Http2(Some(Role::Client)))
    }
}

enum Look {
    Speaks(Spoken),
    More,
    Other(Option<&'static str>),
}

impl Detecting {
    fn start(&self, hint: Hint, client: Side) -> Start {
        if hint.opener_known {
            Start::Beginning
        } else if self.missed == Some(client) {
            Start::AfterGap
        } else {
            Start::Joined
        }
    }

    /// Bytes of a side that has some waiting already.
    fn look_again(
        &mut self,
        from: Side,
        time: Timestamp,
        bytes: &[u8],
        (limit, hint): (usize, Hint),
    ) -> Look {
        if !self.held.push(from, time, bytes, limit) {
            return Look::Other(None);
        }
        match self.scanned.get_mut(from.index()) {
            Some(scanned) => look(self.held.side(from), scanned, hint),
            None => Look::Other(None),
        }
    }

    fn forget(&mut self, from: Side) {
        self.held.forget(from);
        if let Some(scanned) = self.scanned.get_mut(from.index()) {
            *scanned = 0;
        }
    }
}

fn look(first: &[u8], scanned: &mut usize, hint: Hint) -> Look {
    let mut detected = http2::detect(first);
    if detected == http2::Detected::Server && !hint.opener_known && first.len() < FIRST_FLIGHT {
        return Look::More;
    }
    if detected == http2::Detected::No && !hint.opener_known {
        detected = http2::detect_joined(first);
    }
    if detected != http2::Detected::No {
        return look_http2(detected);
    }
    match http1::detect(first, scanned) {
        Detected::Request => Look::Speaks(Spoken::Http1(Role::Client)),
        Detected::Response => Look::Speaks(Spoken::Http1(Role::Server)),
        Detected::NeedMore => Look::More,
        Detected::No => match signature(first) {
            None if first.len() < ENOUGH => Look::More,
            name => Look::Other(name),
        },
    }
}

fn look_http2(detected: http2::Detected) -> Look {
    Look::Speaks(match detected {
        http2::Detected::Preface => Spoken::Preface,
        http2::Detected::Client => Spoken::Http2(Some(Role::Client)),
        http2::Detected::Server => Spoken::Http2(Some(Role::Server)),
        http2::Detected::Either => Spoken::Http2(None),
        http2::Detected::NeedMore => return Look::More,
        http2::Detected::No => return Look::Other(None),
    })
}

#[cfg(test)]
mod tests {
    use super::{Connection, Hint, Limits};
    use overhear_exchange::{Detail, Side, Timestamp};

    /// It was not seen to open, and the server's SETTINGS come before the client's preface: nothing is missing all the same.
    #[test]
    fn http2_begins_with_its_preface_whoever_speaks_first() {
        let settings = b"\0\0\x06\x04\0\0\0\0\0\0\x08\0\0\0\x01";
        let update = b"\0\0\x04\x08\0\0\0\0\0\0\x01\0\0";
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        // GET https://a/, with an authority that is put into the table; then the same out of it (RFC 7541 §6.1, §6.2.1).
        let asks = [
            &b"\0\0\x06\x01\x05\0\0\0\x01\x82\x87\x84\x41\x01a"[..],
            b"\0\0\x04\x01\x05\0\0\0\x03\x82\x87\x84\xbe",
        ];
        let (now, mut out) = (Timestamp::default(), Vec::new());
        let mut connection = Connection::new(Limits::default(), Hint { opener_known: false, tls: true });
        connection.data(Side::B, now, settings, &mut out);
        connection.data(Side::B, now, update, &mut out);
        connection.data(Side::A, now, preface, &mut out);
        for (stream, asked) in [1, 3].into_iter().zip(asks) {
            connection.data(Side::A, now, asked, &mut out);
            connection.data(Side::B, now, &[0, 0, 1, 1, 5, 0, 0, 0, stream, 0x89], &mut out);
        }
        let authorities: Vec<_> = out
            .iter()
            .map(|told| {
                let Detail::Http(http) = &told.detail;
                (told.client, http.authority.as_deref(), http.status)
            })
            .collect();
        assert_eq!(authorities, [(Side::A, Some("a"), Some(204)); 2]);
    }

    #[test]
    fn is_small_when_idle() {
        assert!(size_of::<Connection>() <= 72, "{}", size_of::<Connection>());
        let mut connection = Connection::new(Limits::default(), Hint { opener_known: true, tls: false });
        let (now, mut out) = (Timestamp::default(), Vec::new());
        for _ in 0..100 {
            connection.data(Side::A, now, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &mut out);
        }
        connection.data(Side::B, now, &b"HTTP/1.1 204 No Content\r\n\r\n".repeat(100), &mut out);
        assert_eq!(out.len(), 100);
        assert!(connection.retained() <= 512, "{}", connection.retained());
    }
}
