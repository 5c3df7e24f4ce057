//! What the live view asks of a running capture.

mod activity;
mod links;
mod open;
mod recent;

use crate::{
    EndpointDetail, EndpointId, EndpointRow, Links, LiveRow, LiveSource, OpenStream, Selection, endpoint,
    endpoints, redact,
};
use activity::Activity;
use bytes::Bytes;
use links::Causes;
use open::Open;
use overhear_exchange::{Detail, Exchange, Redacted, Statistics, Timestamp};
use overhear_model::{Bodies, Counted, Learned, Model, Shaped, shape::Effort};
use recent::Recent;
use rustc_hash::FxHashMap;
use std::{sync::Arc, time::Duration};

/// How many recent exchanges a [`Session`] keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Of all endpoints together.
    pub exchanges: usize,
    /// Of each endpoint, so that a busy one does not push out the others.
    pub per_endpoint: usize,
    /// Of each endpoint within one second, successes and failures apart: the first of each; the rest is only counted.
    pub per_second: u32,
    /// Memory for either kind.
    pub bytes: usize,
    /// Endpoints whose present rate is followed; those idle for longest make room.
    pub endpoints: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self { exchanges: 1000, per_endpoint: 20, per_second: 100, bytes: 16 << 20, endpoints: 4096 }
    }
}

/// A capture that goes on: the model, how each endpoint is doing just now, and the last exchanges with their secrets
/// masked.
///
/// Time is that of the events; [`Self::advance`] says how late it is when nothing happens.
#[derive(Debug)]
pub struct Session {
    model: Model,
    statistics: Statistics,
    retention: Retention,
    activities: FxHashMap<Arc<EndpointId>, Activity>,
    recent: Recent,
    open: Open,
    causes: Causes,
    /// Something was learned of a stream that goes on, since that was last asked.
    told_underway: bool,
    /// What all activities keep of exchanges.
    kept_bytes: usize,
    /// Second at which room was last made without success.
    full_at: u64,
    started: Option<Timestamp>,
    now: Timestamp,
}

impl Session {
    /// A session that goes on from a model: an empty one, or a saved one.
    pub fn new(model: Model, retention: Retention) -> Self {
        Self {
            model,
            statistics: Statistics::default(),
            retention,
            activities: FxHashMap::default(),
            recent: Recent::new(retention.exchanges),
            open: Open::default(),
            causes: Causes::default(),
            told_underway: false,
            kept_bytes: 0,
            full_at: 0,
            started: None,
            now: Timestamp::default(),
        }
    }

    /// Takes in an exchange.
    pub fn observe(&mut self, exchange: &Exchange) -> Learned {
        let Detail::Http(http) = &exchange.detail;
        self.observe_decoded(exchange, Bodies::of(http), None)
    }

    /// Takes in an exchange with its bodies without content coding. A response body that had to be decoded is kept so.
    pub fn observe_decoded(
        &mut self,
        exchange: &Exchange,
        bodies: Bodies<'_>,
        response: Option<&Bytes>,
    ) -> Learned {
        let learned = self.model.learn_decoded(exchange, bodies, effort(exchange));
        self.open.ends(exchange);
        self.note(exchange, response, &learned);
        learned
    }

    /// Takes in how far a stream is that goes on.
    pub fn observe_underway(&mut self, exchange: &Exchange) {
        let id = self.model.learn_underway(exchange, effort(exchange));
        self.told_underway = true;
        self.started.get_or_insert(exchange.time);
        self.open.goes_on(exchange, id, || masked(exchange, None));
    }

    /// An exchange is over that is not to be taken in; it may have been told of while it went on.
    pub fn pass_over(&mut self, exchange: &Exchange) {
        self.open.ends(exchange);
        self.model.forget_underway(exchange);
    }

    /// It is this late.
    pub fn advance(&mut self, now: Timestamp) {
        self.started.get_or_insert(now);
        self.now = self.now.max(now);
        self.causes.advance(self.now);
    }

    /// What the capture says of itself.
    pub fn set_statistics(&mut self, statistics: Statistics) {
        self.statistics = statistics;
    }

    /// Takes out what was counted by time, where the model records that.
    pub fn take_counted(&mut self) -> Vec<Counted> {
        self.model.take_counted()
    }

    /// Whether something was learned of streams that go on since this was last asked: nothing is counted of them yet.
    pub fn take_told_underway(&mut self) -> bool {
        std::mem::take(&mut self.told_underway)
    }

    /// What calls looked like by the hour, since it was last said that this is over; where the model records times.
    pub fn open_shapes(&mut self, is_over: bool) -> Vec<Shaped> {
        let shaped = self.model.open_shapes();
        if is_over {
            self.model.close_shapes();
        }
        shaped
    }

    /// What was learned.
    pub fn model(&self) -> &Model {
        &self.model
    }

    fn note(&mut self, exchange: &Exchange, decoded: Option<&Bytes>, learned: &Learned) {
        let done = after(exchange.time, exchange.duration.unwrap_or_default());
        self.started = Some(self.started.map_or(exchange.time, |started| started.min(exchange.time)));
        self.causes.observe(exchange, &learned.id, learned.error.is_some());
        self.advance(done);
        if !self.activities.contains_key(&learned.id) && !self.has_room() {
            self.recent.push(masked(exchange, decoded));
            self.recent.shrink_to(self.retention.bytes);
            return;
        }
        let limit = self.retention.per_endpoint;
        let activity = self.activities.entry(Arc::clone(&learned.id)).or_insert_with(|| Activity::new(limit));
        // Masking costs more than all the rest, and nobody looks at thousands of calls a second of one endpoint.
        if activity.count(done, learned.error.is_some(), exchange.latency()) <= self.retention.per_second {
            self.keep(masked(exchange, decoded), &learned.id);
        }
    }

    fn keep(&mut self, exchange: Arc<Exchange>, id: &Arc<EndpointId>) {
        self.recent.push(Arc::clone(&exchange));
        self.recent.shrink_to(self.retention.bytes);
        let Some(activity) = self.activities.get_mut(id) else { return };
        let before = activity.recent.bytes();
        activity.recent.push(exchange);
        self.kept_bytes = (self.kept_bytes + activity.recent.bytes()).saturating_sub(before);
        if self.kept_bytes > self.retention.bytes {
            let excess = self.kept_bytes - self.retention.bytes;
            let before = activity.recent.bytes();
            activity.recent.shrink_to(before.saturating_sub(excess));
            self.kept_bytes -= before - activity.recent.bytes();
        }
    }

    /// Makes room for another endpoint by forgetting those that are idle; tries that once a second.
    fn has_room(&mut self) -> bool {
        if self.activities.len() < self.retention.endpoints {
            return true;
        }
        let second = self.now.as_nanos() / 1_000_000_000;
        if self.full_at == second {
            return false;
        }
        let now = self.now;
        self.activities.retain(|_, activity| activity.is_busy(now));
        self.kept_bytes = self.activities.values().map(|activity| activity.recent.bytes()).sum();
        let room = self.activities.len() < self.retention.endpoints;
        if !room {
            self.full_at = second;
        }
        room
    }

    fn live_row(&self, row: EndpointRow, open: u64) -> LiveRow {
        match self.activities.get(&row.id) {
            Some(activity) => {
                let (rate, error_share) = activity.rate(self.now, self.started.unwrap_or(self.now));
                LiveRow { row, rate, open, error_share, sparkline: activity.sparkline(self.now) }
            }
            None => {
                let sparkline = activity::empty_sparkline();
                LiveRow { row, rate: 0.0, open, error_share: None, sparkline }
            }
        }
    }
}

/// A place among all calls that depends on nothing but the call.
fn effort(exchange: &Exchange) -> Effort {
    Effort::Adaptive(exchange.connection.0.rotate_left(32) ^ exchange.time.as_nanos())
}

/// A copy with its secrets masked, and its response body as it was decoded.
fn masked(exchange: &Exchange, decoded: Option<&Bytes>) -> Arc<Exchange> {
    let mut copy = exchange.clone();
    if let Some(body) = decoded {
        let Detail::Http(http) = &mut copy.detail;
        http.response_body.captured = Redacted::new(body.clone());
        http.response_body.codings.clear();
    }
    Arc::new(redact::exchange(copy))
}

impl LiveSource for Session {
    fn rows(&self) -> Vec<LiveRow> {
        let rows = endpoints(&self.model, &Selection::default());
        let open = self.open.counts();
        let count = |row: &EndpointRow| open.get(&row.id).copied().unwrap_or(0);
        rows.into_iter().map(|row| (count(&row), row)).map(|(open, row)| self.live_row(row, open)).collect()
    }

    fn endpoint(&self, id: &EndpointId) -> Option<EndpointDetail> {
        endpoint(&self.model, id)
    }

    fn recent(&self, id: Option<&EndpointId>, limit: usize) -> Vec<Arc<Exchange>> {
        match id {
            None => self.recent.newest(limit),
            Some(id) => {
                self.activities.get(id).map_or_else(Vec::new, |activity| activity.recent.newest(limit))
            }
        }
    }

    fn open(&self) -> Vec<OpenStream> {
        self.open.streams()
    }

    fn route(&self, exchange: &Exchange) -> Option<Arc<str>> {
        self.model.route_of(exchange)
    }

    fn links(&self, id: &EndpointId) -> Option<Links> {
        let index = self.model.route_index();
        Some(self.causes.of(id, &|one| index.today(self.model.key(), one)))
    }

    fn statistics(&self) -> Statistics {
        self.statistics.clone()
    }
}

fn after(time: Timestamp, duration: Duration) -> Timestamp {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    Timestamp::from_nanos(time.as_nanos().saturating_add(nanos))
}

#[cfg(test)]
mod tests;
