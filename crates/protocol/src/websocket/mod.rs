//! WebSockets (RFC 6455) with compressed messages (RFC 7692), heard from outside.
//!
//! A WebSocket is one exchange: that of its handshake, which is over when the connection is. What goes over it meanwhile is
//! counted by direction, and told in between.

mod detect;
mod frame;
mod handshake;
mod inflate;
mod message;
mod resync;

pub(crate) use detect::looks_like;

use crate::{
    Limits, Skipped,
    observer::{Handover, Handshake, Observer},
    stream::{Said, Teller},
};
use handshake::Agreement;
use message::{Direction, Heard};
use overhear_exchange::{
    Detail, ErrorType, Sender, Side, Stage, StreamKind, Timestamp, observation::Observation, wire::CloseCause,
};

/// What became a WebSocket: a connection, or a stream of one (RFC 8441).
pub(crate) struct WebSocket {
    client_side: Side,
    /// The exchange it began with; gone when it was told.
    handshake: Option<Handshake>,
    told: overhear_exchange::WebSocket,
    client: Direction,
    server: Direction,
    teller: Teller,
    /// When the last byte came.
    last: Timestamp,
    skipped: Skipped,
}

/// How what a WebSocket goes over has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Both ends left.
    Quiet,
    Broken(ErrorType),
    /// That was not seen.
    Unseen,
}

impl WebSocket {
    /// Goes on after the handshake. That it is open is told at once.
    pub(crate) fn new(limits: Limits, handshake: Handshake, out: &mut Vec<Observation>) -> Self {
        let Detail::Http(http) = &handshake.exchange.detail;
        let Agreement { told, client, server, is_opaque } = Agreement::of(&http.response_headers);
        let took = handshake.exchange.duration.unwrap_or_default();
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let now = Timestamp::from_nanos(handshake.asked.as_nanos().saturating_add(took));
        let mut new = Self {
            client_side: handshake.exchange.client,
            handshake: Some(handshake),
            told,
            client: Direction::new(true, client, is_opaque, limits.body),
            server: Direction::new(false, server, is_opaque, limits.body),
            teller: Teller::default(),
            last: now,
            skipped: Skipped::default(),
        };
        new.tell(now, out);
        new
    }

    /// Reads on, or passes over what was not seen.
    fn hear(
        &mut self,
        from: Side,
        time: Timestamp,
        act: impl FnOnce(&mut Direction, &mut dyn FnMut(Heard<'_>)),
    ) {
        let Self { client_side, told, client, server, teller, skipped, .. } = self;
        let (sender, direction) =
            if from == *client_side { (Sender::Client, client) } else { (Sender::Server, server) };
        act(direction, &mut |heard| match heard {
            Heard::Message { is_text, content, complete, size } => {
                teller.message(time, Said { sender, name: None, is_text, content, complete, size });
            }
            Heard::Close(code) => told.close_code = told.close_code.or(code),
            Heard::Lost => {
                skipped.desyncs = skipped.desyncs.saturating_add(1);
                teller.gap(sender);
            }
        });
        self.last = self.last.max(time);
    }

    /// Tells how far it is, where there is something to tell.
    fn tell(&mut self, now: Timestamp, out: &mut Vec<Observation>) {
        let Some(handshake) = self.handshake.as_ref().filter(|_| self.teller.is_due(now)) else { return };
        let mut so_far = handshake.exchange.clone();
        so_far.duration = None;
        let kind = StreamKind::WebSocket(self.told.clone());
        let stream = self.teller.tell(kind, Stage::Underway, handshake.asked, now);
        let Detail::Http(http) = &mut so_far.detail;
        http.stream = Some(Box::new(stream));
        out.push(so_far);
    }

    /// What it goes over has ended: so has the exchange. `cause` is why, where the two ends did not say so themselves.
    pub(crate) fn finish(&mut self, cause: Ending, out: &mut Vec<Observation>) {
        let Some(Handshake { mut exchange, asked }) = self.handshake.take() else { return };
        let parted = self.told.close_code;
        let known = cause != Ending::Unseen;
        exchange.duration = known.then(|| self.last.since(asked));
        exchange.error = match (cause, parted) {
            (_, Some(code)) => is_failure(code).then_some(ErrorType::WebSocketClose(code)),
            (Ending::Broken(error), None) => Some(error),
            (Ending::Quiet | Ending::Unseen, None) => None,
        };
        // RFC 6455 §7.1.5: without a Close frame it is 1006.
        self.told.close_code = parted.or(known.then_some(1006));
        let kind = StreamKind::WebSocket(self.told.clone());
        let Detail::Http(http) = &mut exchange.detail;
        http.stream = Some(Box::new(self.teller.tell(kind, Stage::Over, asked, self.last)));
        out.push(exchange);
    }
}

impl Observer for WebSocket {
    fn name(&self) -> &'static str {
        "websocket"
    }

    fn data(
        &mut self,
        from: Side,
        time: Timestamp,
        bytes: &[u8],
        out: &mut Vec<Observation>,
    ) -> Option<Handover> {
        self.hear(from, time, |direction, heard| direction.read(bytes, heard));
        self.tell(time, out);
        None
    }

    fn gap(&mut self, from: Side, time: Timestamp, length: Option<u64>, out: &mut Vec<Observation>) {
        self.hear(from, time, |direction, heard| direction.gap(length, heard));
        self.tell(time, out);
    }

    fn end(&mut self, _from: Side, _time: Timestamp, _out: &mut Vec<Observation>) {}

    fn close(&mut self, _time: Timestamp, cause: CloseCause, out: &mut Vec<Observation>) {
        let ending = match cause {
            CloseCause::Finished | CloseCause::Refused => Ending::Quiet,
            CloseCause::Reset(_) => Ending::Broken(ErrorType::ConnectionReset),
            CloseCause::TimedOut => Ending::Broken(ErrorType::Timeout),
            CloseCause::Unreachable => Ending::Broken(ErrorType::HostUnreachable),
            CloseCause::Unknown => Ending::Unseen,
        };
        self.finish(ending, out);
    }

    fn skipped(&self) -> Skipped {
        self.skipped
    }

    fn retained(&self) -> usize {
        let handshake = self.handshake.as_ref().map_or(0, |handshake| {
            let Detail::Http(http) = &handshake.exchange.detail;
            let fields = http.request_headers.iter().chain(http.response_headers.iter());
            let fields: usize = fields.map(|(name, value)| name.len() + value.len() + 16).sum();
            let target = http.path.len() + http.query.as_deref().map_or(0, str::len);
            size_of_val(&**http) + fields + target + http.request_body.captured.expose().len()
        });
        handshake + self.client.retained() + self.server.retained() + self.teller.retained()
    }
}

/// Codes that say that something was wrong, with what was sent or with the server (RFC 6455 §7.4.1 and its registry):
/// not that somebody left, nor that somebody was not let in.
const fn is_failure(code: u16) -> bool {
    matches!(code, 1002 | 1003 | 1007 | 1009 | 1010 | 1011 | 1013 | 1014)
}
