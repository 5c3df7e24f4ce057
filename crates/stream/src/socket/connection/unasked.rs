//! Answers over TLS whose request this end was not heard to read.

use super::{Connection, Layer};
use overhear_exchange::{Side, wire::EventSink};
use overhear_probe::record::Role;

impl Connection {
    /// What is answered here was not seen to arrive: the call that read it was under way when its library was probed. The
    /// other end saw it leave.
    pub(super) fn missed_the_request(&self, side: Side) -> bool {
        let asked = &self.directions[side.other().index()];
        matches!(self.layer, Layer::Opened { .. })
            && asked.carrier == Some(side)
            && !asked.begun
            && self.may_change(side.other(), side)
            && self.spares.iter().any(|spare| spare.from == side.other() && spare.data.is_some())
    }

    /// The same, and the other end has not yet told that it left: a call is told of when it returns, which on a busy machine
    /// may be after the answer.
    pub(super) fn may_be_asked_yet(&self, side: Side) -> bool {
        let [asked, answered] = [side.other(), side].map(|side| &self.directions[side.index()]);
        let vantage = self.places[side.index()].vantage;
        matches!(self.layer, Layer::Opened { .. })
            && !self.late
            && vantage.is_some_and(|vantage| vantage.role == Role::Server && !vantage.from_start)
            && self.twin_expected
            && asked.carrier == Some(side)
            && !asked.begun
            && !answered.begun
            && !self.missed_the_request(side)
    }

    /// What was asked left before the answer did, whenever its call was told of.
    pub(super) fn asked_before(&mut self, from: Side) {
        let answers = self.spares.iter().filter(|spare| spare.from != from);
        let Some(answered) = answers.map(|spare| spare.time).min() else { return };
        for spare in self.spares.iter_mut().filter(|spare| spare.from == from) {
            spare.time = spare.time.min(answered);
        }
    }

    /// Tells the answer that was held back.
    pub(super) fn answer(&mut self, sink: &mut impl EventSink) {
        if !std::mem::take(&mut self.unasked) {
            return;
        }
        self.late = true;
        let (held, others) = std::mem::take(&mut self.spares)
            .into_iter()
            .partition(|spare| self.directions[spare.from.index()].carrier == Some(spare.vantage));
        self.spares = others;
        self.replay(held, sink);
    }
}
