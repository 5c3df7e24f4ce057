//! HTTP/1.0 and HTTP/1.1 (RFC 9110, RFC 9112), heard from outside.

mod body;
mod detect;
mod frame;
mod head;
mod pair;
mod resync;

pub(crate) use body::Capture;
pub(crate) use detect::{Detected, detect};
pub(crate) use head::content_codings;
pub(crate) use pair::Upgraded;

use crate::{
    Limits, Skipped,
    held::Held,
    observer::{Handover, Observer, Start, Upgrade},
    parting::{Cut, Parting},
};
use body::Defect;
use frame::{Frame, Head, Kind, Lane, Skip};
use head::{RequestHead, ResponseHead};
use overhear_exchange::{Side, Timestamp, observation::Observation, wire::CloseCause};
use pair::{Admission, Answer, Pair};

/// One connection that speaks HTTP/1.
pub(crate) struct Http1 {
    limits: Limits,
    client_side: Side,
    client: Lane,
    server: Lane,
    pair: Pair,
    /// What cannot be read yet: a response whose request was not delivered so far, or what follows a request that may
    /// end HTTP. Only one of the two can be.
    parked: Option<Box<Held>>,
    parting: Parting,
}

impl Observer for Http1 {
    fn name(&self) -> &'static str {
        "http"
    }

    fn data(
        &mut self,
        from: Side,
        time: Timestamp,
        bytes: &[u8],
        out: &mut Vec<Observation>,
    ) -> Option<Handover> {
        if let Some(mut handover) = self.unpark(out) {
            handover.rest.push(from, time, bytes, usize::MAX);
            return Some(handover);
        }
        let handover = self.read(from, time, bytes, out).or_else(|| self.unpark(out));
        self.pair.active(time);
        self.pair.tell(time, out);
        handover
    }

    fn gap(&mut self, from: Side, time: Timestamp, length: Option<u64>, out: &mut Vec<Observation>) {
        if self.parked.take_if(|parked| !parked.side(from).is_empty()).is_some() {
            self.lose(from, time, true, out);
        } else if from == self.client_side {
            self.client_gap(time, length, out);
        } else {
            self.server_gap(time, length, out);
        }
        self.drop_doubtful();
        self.pair.active(time);
    }

    fn end(&mut self, from: Side, _time: Timestamp, out: &mut Vec<Observation>) {
        self.parting.end(from);
        if from != self.client_side && self.parked.is_none() {
            self.server_ended(out);
        }
    }

    fn close(&mut self, _time: Timestamp, cause: CloseCause, out: &mut Vec<Observation>) {
        let cut = self.parting.cut(self.client_side, cause);
        if cause == CloseCause::Finished && self.parting.first().is_none() && self.server.is_until_close() {
            self.pair.response_ended(None, out);
        }
        self.drop_unsolicited();
        self.pair.cut(cut, out);
    }

    fn skipped(&self) -> Skipped {
        self.pair.skipped
    }

    fn retained(&self) -> usize {
        let parked = self.parked.as_ref().map_or(0, |parked| size_of::<Held>() + parked.retained());
        self.client.retained() + self.server.retained() + self.pair.retained() + parked
    }
}

impl Http1 {
    pub(crate) fn new(limits: Limits, start: Start, tls: bool, client_side: Side) -> Self {
        let (mut client, mut server) = (Lane::new(Kind::Requests), Lane::new(Kind::Responses));
        if start != Start::Beginning {
            client.lose();
            server.lose();
        }
        Self {
            limits,
            client_side,
            client,
            server,
            pair: Pair::new(limits, start, tls, client_side),
            parked: None,
            parting: Parting::default(),
        }
    }

    fn read(
        &mut self,
        from: Side,
        time: Timestamp,
        bytes: &[u8],
        out: &mut Vec<Observation>,
    ) -> Option<Handover> {
        if from == self.client_side {
            self.read_client(time, bytes, out);
            None
        } else {
            self.read_server(time, bytes, out)
        }
    }

    fn read_client(&mut self, time: Timestamp, bytes: &[u8], out: &mut Vec<Observation>) {
        let mut input = bytes;
        let mut arrival = true;
        self.pair.client_heard(time, self.client.is_lost());
        loop {
            if self.client.is_at_boundary() && self.pair.may_switch() {
                self.park(self.client_side, time, input, out);
                return;
            }
            let frame = self.client.next(time, &mut input, arrival, self.limits.head);
            arrival = false;
            match frame {
                Frame::NeedMore => return,
                Frame::Head { head: Head::Request(head), started } => self.request(*head, started, time, out),
                Frame::LongHead { head: Head::Request(head), started } => {
                    self.pair.skipped.oversized_heads = self.pair.skipped.oversized_heads.saturating_add(1);
                    self.admit(*head, started, time, out);
                    self.pair.lose_client(time, false, out);
                }
                Frame::Content(content) => self.pair.request_content(time, content),
                Frame::End => self.pair.request_ended(time, out),
                Frame::Broken(Defect::Ambiguous) => self.pair.ambiguous_request(time, out),
                Frame::Broken(Defect::Invalid) => self.pair.lose_client(time, false, out),
                Frame::Head { head: Head::Response(_), .. }
                | Frame::LongHead { head: Head::Response(_), .. }
                | Frame::Junk => self.pair.lose_client(time, true, out),
            }
        }
    }

    fn request(
        &mut self,
        head: RequestHead,
        started: Timestamp,
        time: Timestamp,
        out: &mut Vec<Observation>,
    ) {
        let framing = head.framing;
        self.admit(head, started, time, out);
        match framing {
            Ok(framing) => self.client.expect(framing),
            Err(head::Ambiguous) => {
                self.client.lose();
                self.pair.ambiguous_request(time, out);
            }
        }
    }

    fn admit(&mut self, head: RequestHead, started: Timestamp, time: Timestamp, out: &mut Vec<Observation>) {
        match self.pair.request(head, started, time) {
            Admission::Taken | Admission::Anchor => {}
            Admission::Replaces => self.pair.replace_anchor(out),
        }
        if self.pair.is_full() {
            self.server.lose();
            self.pair.start_over(out);
        }
    }

    fn read_server(&mut self, time: Timestamp, bytes: &[u8], out: &mut Vec<Observation>) -> Option<Handover> {
        let mut input = bytes;
        let mut arrival = true;
        loop {
            if self.may_come_early(input) {
                self.park(self.client_side.other(), time, input, out);
                return None;
            }
            let frame = self.server.next(time, &mut input, arrival, self.limits.head);
            let searching = self.server.is_lost();
            arrival = false;
            match frame {
                Frame::NeedMore => {
                    if searching {
                        self.pair.server_heard();
                    }
                    return None;
                }
                Frame::Head { head: Head::Response(head), started } => {
                    if let Some(upgrade) = self.response(*head, started, time, out) {
                        return Some(self.hand_over(upgrade, time, input, out));
                    }
                }
                Frame::LongHead { head: Head::Response(head), started } => {
                    self.pair.skipped.oversized_heads = self.pair.skipped.oversized_heads.saturating_add(1);
                    self.pair.response(*head, started, time);
                    self.pair.lose_server(out);
                }
                Frame::Content(content) => self.pair.response_content(time, content),
                Frame::End => self.pair.response_ended(Some(time), out),
                Frame::Junk | Frame::Broken(Defect::Invalid) => {
                    self.pair.invalid_response(out);
                    self.pair.lose_server(out);
                }
                Frame::Broken(Defect::Ambiguous)
                | Frame::Head { head: Head::Request(_), .. }
                | Frame::LongHead { head: Head::Request(_), .. } => self.pair.lose_server(out),
            }
        }
    }

    /// Is this a response to a request that was not delivered yet?
    fn may_come_early(&self, input: &[u8]) -> bool {
        self.server.is_at_boundary()
            && self.pair.awaits_nothing()
            && self.pair.is_certain()
            && (self.parked.is_some() || resync::may_start_response(input.trim_ascii_start()))
    }

    fn response(
        &mut self,
        head: ResponseHead,
        started: Timestamp,
        time: Timestamp,
        out: &mut Vec<Observation>,
    ) -> Option<Upgrade> {
        match self.pair.response(head, started, time) {
            Answer::Final(framing) => self.server.expect(framing),
            Answer::Interim => self.server = Lane::new(Kind::Responses),
            Answer::Unsolicited => {
                self.server.lose();
                self.pair.server_heard();
            }
            Answer::Ambiguous => {
                self.server.lose();
                self.pair.lose_server(out);
            }
            Answer::Tunnel => {
                self.pair.response_ended(Some(time), out);
                return Some(Upgrade::Tunnel);
            }
            Answer::Switch("websocket") => {
                return Some(
                    self.pair.take_handshake(time).map_or(Upgrade::Protocol("websocket"), |handshake| {
                        Upgrade::WebSocket(Box::new(handshake))
                    }),
                );
            }
            Answer::Switch("http2") => {
                return self.pair.take_upgraded().map(|request| Upgrade::Http2(Box::new(request)));
            }
            Answer::Switch(protocol) => {
                self.pair.response_ended(Some(time), out);
                return Some(Upgrade::Protocol(protocol));
            }
        }
        None
    }

    /// The rest of the connection is not HTTP/1: what came of it goes along.
    fn hand_over(
        &mut self,
        to: Upgrade,
        time: Timestamp,
        input: &[u8],
        out: &mut Vec<Observation>,
    ) -> Handover {
        self.pair.cut(Cut::Unknown, out);
        let mut rest = self.parked.take().map_or_else(Held::default, |parked| *parked);
        if !rest.push(self.client_side.other(), time, input, usize::MAX) {
            rest = Held::default();
        }
        Handover { to, rest }
    }

    /// Keeps what cannot be read yet, within the bound of a head.
    fn park(&mut self, from: Side, time: Timestamp, input: &[u8], out: &mut Vec<Observation>) {
        if input.is_empty() {
            return;
        }
        let parked = self.parked.get_or_insert_default();
        if parked.push(from, time, input, self.limits.head) {
            return;
        }
        self.parked = None;
        if from != self.client_side {
            self.pair.skipped.unsolicited = self.pair.skipped.unsolicited.saturating_add(1);
        }
        self.lose(from, time, true, out);
    }

    /// Reads what was parked, once it can be.
    fn unpark(&mut self, out: &mut Vec<Observation>) -> Option<Handover> {
        loop {
            self.drop_doubtful();
            let parked = self.parked.as_ref()?;
            let client = !parked.side(self.client_side).is_empty();
            let wait = if client { self.pair.may_switch() } else { self.pair.awaits_nothing() };
            if wait {
                return None;
            }
            let parked = self.parked.take()?;
            for (from, time, bytes) in parked.iter() {
                if let Some(handover) = self.read(from, time, bytes, out) {
                    return Some(handover);
                }
            }
            if self.parked.is_none() && self.parting.has_ended(self.client_side.other()) {
                self.server_ended(out);
            }
        }
    }

    /// A response waits only for a request that is certain to be its own.
    fn drop_doubtful(&mut self) {
        if !self.pair.is_certain() && self.drop_unsolicited() {
            self.server.lose();
            self.pair.server_heard();
        }
    }

    fn drop_unsolicited(&mut self) -> bool {
        let server = self.client_side.other();
        let dropped = self.parked.take_if(|parked| !parked.side(server).is_empty()).is_some();
        if dropped {
            self.pair.skipped.unsolicited = self.pair.skipped.unsolicited.saturating_add(1);
        }
        dropped
    }

    fn client_gap(&mut self, time: Timestamp, length: Option<u64>, out: &mut Vec<Observation>) {
        match self.client.skip(length) {
            Skip::Content(length) => {
                self.pair.request_gap(time, length);
                if self.client.is_complete() {
                    self.read_client(time, &[], out);
                }
            }
            Skip::PastEnd(length) => {
                self.pair.request_gap(time, length);
                self.pair.request_ended(time, out);
                self.lose(self.client_side, time, true, out);
            }
            Skip::Lost { within } => self.lose(self.client_side, time, !within, out),
            Skip::SomeContent => self.lose(self.client_side, time, false, out),
        }
    }

    fn server_gap(&mut self, time: Timestamp, length: Option<u64>, out: &mut Vec<Observation>) {
        match self.server.skip(length) {
            Skip::Content(length) => {
                self.pair.response_gap(time, Some(length));
                if self.server.is_complete() {
                    self.read_server(time, &[], out);
                }
            }
            Skip::SomeContent => self.pair.response_gap(time, None),
            Skip::PastEnd(length) => {
                self.pair.response_gap(time, Some(length));
                self.pair.response_ended(Some(time), out);
                self.lose(self.client_side.other(), time, true, out);
            }
            Skip::Lost { .. } => self.lose(self.client_side.other(), time, true, out),
        }
    }

    fn lose(&mut self, from: Side, time: Timestamp, owes: bool, out: &mut Vec<Observation>) {
        if from == self.client_side {
            self.client.lose();
            self.pair.lose_client(time, owes, out);
        } else if self.server.is_lost() && self.pair.awaits_nothing() {
            // Nothing more can be lost of it, but it was heard.
            self.pair.server_heard();
        } else {
            self.server.lose();
            self.pair.lose_server(out);
        }
    }

    /// The server sends no more: a body without another end is over, everything else is cut off.
    fn server_ended(&mut self, out: &mut Vec<Observation>) {
        if self.server.is_until_close() {
            self.pair.response_ended(None, out);
        }
        self.pair.cut(self.parting.finished(self.client_side), out);
    }
}
