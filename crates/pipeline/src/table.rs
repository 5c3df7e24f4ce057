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
    /// Boxed: a busy machine has many.
    connections: FxHashMap<ConnectionId, Box<Followed>>,
    observations: Vec<Observation>,
    found: Vec<(ConnectionId, Observation)>,
    judged: Vec<(ConnectionId, Verdict)>,
    unreadable: BTreeMap<&'static str, u64>,
    opened: u64,
}

struct Followed {
    connection: Connection,
    verdict: Verdict,
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

    /// Connections followed now: those that are open and may say something we read.
    pub fn followed(&self) -> usize {
        self.connections.len()
    }

    /// Connections seen.
    pub fn opened(&self) -> u64 {
        self.opened
    }

    fn with(&mut self, id: ConnectionId, act: impl FnOnce(&mut Connection, &mut Vec<Observation>)) {
        let Some(followed) = self.connections.get_mut(&id) else { return };
        act(&mut followed.connection, &mut self.observations);
        self.found.extend(self.observations.drain(..).map(|observation| (id, observation)));
        let now = followed.connection.verdict();
        if now == followed.verdict {
            return;
        }
        followed.verdict = now;
        self.judged.push((id, now));
        if let Verdict::NotAnApi(name) = now {
            *self.unreadable.entry(name).or_default() += 1;
            // What else is said of it says nothing; its close may never be told.
            self.connections.remove(&id);
        }
    }
}

impl EventSink for Table {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Open { connection, opener_known, tls, .. } => {
                let hint = Hint { opener_known, tls };
                let observer = Connection::new(self.limits, hint);
                self.opened += 1;
                let followed = Followed { connection: observer, verdict: Verdict::Undecided };
                self.connections.insert(connection, Box::new(followed));
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
