use overhear_exchange::{
    observation::Observation,
    wire::{ConnectionId, Event, EventSink},
};
use overhear_protocol::{Connection, Hint, Limits, Verdict};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// What every connection speaks, and what was said: events in, observations out.
#[derive(Default)]
pub struct Table {
    limits: Limits,
    connections: FxHashMap<ConnectionId, Followed>,
    observations: Vec<Observation>,
    found: Vec<(ConnectionId, Observation)>,
    judged: Vec<(ConnectionId, Verdict)>,
    unreadable: BTreeMap<&'static str, u64>,
    opened: u64,
}

enum Followed {
    /// Boxed: most connections of a busy machine are idle or ignored.
    Speaking(Box<Connection>, Verdict),
    Ignored,
}

impl Table {
    /// An empty table. `limits` bound each connection.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// What was observed since the last call.
    pub fn take_found(&mut self) -> std::vec::Drain<'_, (ConnectionId, Observation)> {
        self.found.drain(..)
    }

    /// True when [`Self::take_found`] has nothing to give.
    pub fn is_quiet(&self) -> bool {
        self.found.is_empty()
    }

    /// Connections whose verdict changed since the last call.
    pub fn take_judged(&mut self) -> std::vec::Drain<'_, (ConnectionId, Verdict)> {
        self.judged.drain(..)
    }

    /// Connections that speak nothing we read, by what they look like.
    pub fn unreadable(&self) -> &BTreeMap<&'static str, u64> {
        &self.unreadable
    }

    /// Connections seen.
    pub fn opened(&self) -> u64 {
        self.opened
    }

    fn with(&mut self, id: ConnectionId, act: impl FnOnce(&mut Connection, &mut Vec<Observation>)) {
        let Some(Followed::Speaking(connection, before)) = self.connections.get_mut(&id) else { return };
        act(connection, &mut self.observations);
        self.found.extend(self.observations.drain(..).map(|observation| (id, observation)));
        let now = connection.verdict();
        if now == *before {
            return;
        }
        *before = now;
        self.judged.push((id, now));
        if let Verdict::NotAnApi(name) = now {
            *self.unreadable.entry(name).or_default() += 1;
            self.connections.insert(id, Followed::Ignored);
        }
    }
}

impl EventSink for Table {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Open { connection, opener_known, .. } => {
                let hint = Hint { opener_known, ..Hint::default() };
                let observer = Box::new(Connection::new(self.limits, hint));
                self.opened += 1;
                self.connections.insert(connection, Followed::Speaking(observer, Verdict::Undecided));
            }
            Event::Data { connection, from, time, bytes } => {
                self.with(connection, |observer, out| observer.data(from, time, bytes, out));
            }
            Event::Gap { connection, from, time, length } => {
                self.with(connection, |observer, out| observer.gap(from, time, length, out));
            }
            Event::End { connection, from, time } => {
                self.with(connection, |observer, out| observer.end(from, time, out));
            }
            Event::Close { connection, time, cause } => {
                self.with(connection, |observer, out| observer.close(time, cause, out));
                self.connections.remove(&connection);
            }
        }
    }
}
