//! A session and the socket under it, which may be known late, and not for good.

use super::{Connection, End, Held, Layer, Spare, Under};
use overhear_exchange::{Side, Timestamp};
use overhear_probe::record::{Cookie, Role, Verdict, Way};

impl Connection {
    /// This end asked and is answered, and the other has not shown: it would have been seen to read what was asked before it
    /// could answer. So nobody hears it; or it was reading when its library was probed, and shows too late to tell what was
    /// asked next in its order.
    pub(in crate::socket) fn is_answered_unheard(&self, side: Side) -> bool {
        let [here, there] = [side, side.other()].map(|side| self.places[side.index()].vantage);
        let said = || self.spares.iter().any(|spare| spare.from == side && spare.data.is_some());
        let asked = here.is_some_and(|here| here.role == Role::Client && (here.from_start || said()));
        asked && there.is_none() && self.twin_expected
    }

    /// The other end is not waited for.
    pub(in crate::socket) fn expect_nobody(&mut self) {
        self.twin_expected = false;
    }

    /// What was said first from this end, of what is held.
    pub(in crate::socket) fn held_from(&self, side: Side) -> Option<&[u8]> {
        let first = self.spares.iter().find(|spare| spare.from == side)?;
        first.data.as_ref().map(|(_, _, bytes, _)| &**bytes)
    }

    /// The end whose session this is, where it is one session alone.
    pub(in crate::socket) fn own_side(&self) -> Side {
        if self.places[0].vantage.is_some() { Side::A } else { Side::B }
    }

    /// What is held of a connection that was not told, in order.
    pub(in crate::socket) fn into_spares(self) -> Vec<(Way, Timestamp, Held)> {
        let held = |spare: Spare| {
            let way = if spare.from == spare.vantage { Way::Sent } else { Way::Received };
            (way, spare.time, Held(spare.data))
        };
        self.spares.into_iter().map(held).collect()
    }

    /// What is under a session shows late.
    pub(in crate::socket) fn explain(&mut self, under: Under) {
        let side = self.own_side();
        let [a, b] = under.ends;
        let [mine, others] = if under.side == Side::A { [a, b] } else { [b, a] };
        for (side, end) in [(side, mine), (side.other(), others)] {
            let place = &mut self.places[side.index()];
            let owner = place.end.owner.take().or(end.owner);
            place.end = End { owner, ..end };
        }
        self.layer = Layer::Opened { of: Some(under.id) };
    }

    /// The session at `side` has another name from now on, and counts anew. Gives the name before.
    pub(in crate::socket) fn moves(&mut self, side: Side, session: Cookie) -> Option<Cookie> {
        let place = &mut self.places[side.index()];
        let vantage = place.vantage.as_mut().filter(|vantage| vantage.cookie.moves())?;
        let before = std::mem::replace(&mut vantage.cookie, session);
        place.before = [self.directions[0].next, self.directions[1].next];
        Some(before)
    }

    /// What was said of the session at `side`, if anything.
    pub(in crate::socket) fn verdict_of(&self, side: Side) -> Option<Verdict> {
        let superfluous = self.silenced && self.directions[0].carrier != Some(side);
        let full = self.judged.then_some(Verdict::Full);
        if superfluous { Some(Verdict::Ignore) } else { full }
    }
}
