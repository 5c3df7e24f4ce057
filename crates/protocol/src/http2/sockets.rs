//! Streams that became WebSockets (RFC 8441): what is sent on them is what is sent over a connection after its handshake.

use crate::{
    Limits, Skipped,
    observer::{Handshake, Observer as _},
    parting::Cut,
    stream::EVERY,
    websocket::{Ending, WebSocket},
};
use overhear_exchange::{Body, ErrorType, Side, Timestamp, observation::Observation};
use std::collections::BTreeMap;

/// The WebSockets of a connection, by the number of their stream.
#[derive(Default)]
pub(super) struct Sockets {
    open: BTreeMap<u32, Socket>,
    /// Of those that are over.
    skipped: Skipped,
}

struct Socket {
    web_socket: Box<WebSocket>,
    /// Who sends no more.
    ended: Option<Side>,
    /// Its end may have been missed then.
    doubt: Option<Timestamp>,
}

impl Sockets {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// A stream becomes one. `said` is what its ends said before it was known to be one: the client, then the server.
    pub(super) fn open(
        &mut self,
        (stream, limits): (u32, Limits),
        handshake: Handshake,
        said: [Body; 2],
        time: Timestamp,
        out: &mut Vec<Observation>,
    ) {
        let client = handshake.exchange.client;
        let mut web_socket = Box::new(WebSocket::new(limits, handshake, out));
        for (from, early) in [client, client.other()].into_iter().zip(said) {
            if early.size > 0 {
                web_socket.data(from, time, early.captured.expose(), out);
            }
            if !early.complete {
                web_socket.gap(from, time, None, out);
            }
        }
        self.open.insert(stream, Socket { web_socket, ended: None, doubt: None });
    }

    pub(super) fn content(
        &mut self,
        (from, stream): (Side, u32),
        time: Timestamp,
        content: &[u8],
        out: &mut Vec<Observation>,
    ) {
        let Some(socket) = self.open.get_mut(&stream) else { return };
        socket.web_socket.data(from, time, content, out);
        // What was on its way when the stream ended comes no later than this.
        socket.doubt.take_if(|doubt| time.since(*doubt) >= EVERY);
    }

    /// So much content was not seen.
    pub(super) fn gap(
        &mut self,
        (from, stream): (Side, u32),
        time: Timestamp,
        length: u64,
        out: &mut Vec<Observation>,
    ) {
        if let Some(socket) = self.open.get_mut(&stream) {
            socket.web_socket.gap(from, time, Some(length), out);
        }
    }

    /// Something that one end sent was missed, on any stream.
    pub(super) fn lose(&mut self, from: Side, time: Timestamp, out: &mut Vec<Observation>) {
        for socket in self.open.values_mut() {
            socket.web_socket.gap(from, time, None, out);
        }
    }

    /// Every stream may have ended otherwise than was seen.
    pub(super) fn doubt(&mut self, time: Timestamp) {
        self.open.values_mut().for_each(|socket| socket.doubt = Some(time));
    }

    /// Gives up those that are in doubt since then or for longer.
    pub(super) fn give_up(&mut self, missed: Timestamp, out: &mut Vec<Observation>) {
        let doubtful =
            self.open.iter().filter(|(_, socket)| socket.doubt.is_some_and(|doubt| doubt <= missed));
        for stream in doubtful.map(|(stream, _)| *stream).collect::<Vec<_>>() {
            self.finish(stream, Ending::Unseen, out);
        }
    }

    /// One end is done with a stream. It is over when both are.
    pub(super) fn ended(&mut self, from: Side, stream: u32, out: &mut Vec<Observation>) {
        let Some(socket) = self.open.get_mut(&stream) else { return };
        if *socket.ended.get_or_insert(from) != from {
            self.finish(stream, Ending::Quiet, out);
        }
    }

    /// A stream is given up.
    pub(super) fn reset(&mut self, stream: u32, error: Option<ErrorType>, out: &mut Vec<Observation>) {
        self.finish(stream, error.map_or(Ending::Quiet, Ending::Broken), out);
    }

    /// The connection is over.
    pub(super) fn cut(&mut self, cut: Cut, out: &mut Vec<Observation>) {
        let ending = match cut {
            Cut::Error { error: ErrorType::ClientClosed | ErrorType::ServerClosed, .. } => Ending::Quiet,
            Cut::Error { error, .. } => Ending::Broken(error),
            Cut::Unknown => Ending::Unseen,
        };
        for stream in self.open.keys().copied().collect::<Vec<_>>() {
            let doubted = self.open.get(&stream).is_some_and(|socket| socket.doubt.is_some());
            self.finish(stream, if doubted { Ending::Unseen } else { ending }, out);
        }
    }

    pub(super) fn skipped(&self) -> Skipped {
        let mut sum = self.skipped;
        self.open.values().for_each(|socket| sum.add(socket.web_socket.skipped()));
        sum
    }

    pub(super) fn retained(&self) -> usize {
        let each =
            |socket: &Socket| 2 * size_of::<Socket>() + size_of::<WebSocket>() + socket.web_socket.retained();
        self.open.values().map(each).sum()
    }

    fn finish(&mut self, stream: u32, ending: Ending, out: &mut Vec<Observation>) {
        if let Some(mut socket) = self.open.remove(&stream) {
            socket.web_socket.finish(ending, out);
            self.skipped.add(socket.web_socket.skipped());
        }
    }
}
