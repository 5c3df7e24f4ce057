//! What the source said last: the picture that is drawn, and frozen while paused.

use crate::asking::Told;
use overhear_exchange::{Exchange, Statistics, Timestamp};
use overhear_query::{
    EndpointDetail, EndpointId, Links, LiveRow, LiveSource,
    monitor::{Covered, Health, Map},
};
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Most exchanges kept of the endpoint that is looked at.
const RECENT: usize = 200;

/// What "ago" is measured from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// This machine's clock: for live sources.
    #[default]
    Wall,
    /// The newest exchange: for recordings, whose times lie in the past.
    Capture,
}

/// One picture.
#[derive(Clone, Debug, Default)]
pub(crate) struct Data {
    pub(crate) rows: Vec<LiveRow>,
    pub(crate) statistics: Statistics,
    pub(crate) now: Timestamp,
    /// Since listening began.
    pub(crate) elapsed: Duration,
    /// The endpoint that is looked at.
    pub(crate) endpoint: Option<Endpoint>,
    /// Of all endpoints, newest first; only while it is looked at.
    pub(crate) recent: Vec<Arc<Exchange>>,
    pub(crate) map: Answer<Covered<Map>>,
    pub(crate) health: Option<Health>,
}

/// What was answered to a question over time.
#[derive(Clone, Debug, Default)]
pub(crate) enum Answer<T> {
    /// There is nobody to ask.
    #[default]
    Unknown,
    Awaited,
    Told(T),
    Refused(String),
}

/// One endpoint with what it did lately.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) detail: EndpointDetail,
    /// What its calls make.
    pub(crate) links: Option<Links>,
    /// Newest first.
    pub(crate) recent: Vec<Arc<Exchange>>,
}

impl Data {
    /// Asks the source for everything that is on screen.
    pub(crate) fn refresh(&mut self, source: &dyn LiveSource, clock: Clock, elapsed: Duration) {
        self.rows = source.rows();
        self.statistics = source.statistics();
        self.elapsed = elapsed;
        self.now = match clock {
            Clock::Wall => wall_clock(),
            Clock::Capture => self.rows.iter().map(|row| row.row.last_seen).max().unwrap_or_default(),
        };
    }

    /// Asks for one endpoint, or forgets it.
    pub(crate) fn look_at(&mut self, source: &dyn LiveSource, id: Option<&EndpointId>) {
        self.endpoint = id.and_then(|id| {
            let detail = source.endpoint(id)?;
            let links = source.links(id);
            Some(Endpoint { detail, links, recent: source.recent(Some(id), RECENT) })
        });
    }

    /// Asks for the last exchanges of all endpoints, or forgets them.
    pub(crate) fn listen(&mut self, source: &dyn LiveSource, is_looked_at: bool) {
        self.recent = if is_looked_at { source.recent(None, RECENT) } else { Vec::new() };
    }

    /// Takes in an answer. What is shown stays where the next one fails.
    pub(crate) fn take(&mut self, told: Told) {
        match told {
            Told::Map(Ok(map)) => self.map = Answer::Told(map),
            Told::Map(Err(why)) => self.map = Answer::Refused(why.0),
            Told::Health(health) => self.health = Some(health),
        }
    }

    /// Whether this endpoint is the one that was asked for last.
    pub(crate) fn shows(&self, id: &EndpointId) -> bool {
        self.endpoint.as_ref().is_some_and(|endpoint| endpoint.detail.row.id == *id)
    }

    /// Exchanges per second over the last ten seconds.
    pub(crate) fn rate(&self) -> f64 {
        self.rows.iter().map(|row| row.rate).sum()
    }
}

fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
