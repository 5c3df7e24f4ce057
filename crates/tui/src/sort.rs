//! Orders of the live table.

use crate::views::table::answers;
use overhear_query::{LiveRow, Percentiles};
use std::cmp::Ordering;

/// What the table is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SortBy {
    Service,
    Method,
    Route,
    Calls,
    Rate,
    Errors,
    P50,
    P95,
    P99,
    Seen,
}

/// Every order with the name it has in commands.
const NAMES: [(SortBy, &str); 10] = [
    (SortBy::Service, "service"),
    (SortBy::Method, "method"),
    (SortBy::Route, "route"),
    (SortBy::Calls, "calls"),
    (SortBy::Rate, "rate"),
    (SortBy::Errors, "errors"),
    (SortBy::P50, "p50"),
    (SortBy::P95, "p95"),
    (SortBy::P99, "p99"),
    (SortBy::Seen, "seen"),
];

impl SortBy {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(by, _)| *by)
    }

    pub(crate) fn name(self) -> &'static str {
        NAMES.iter().find(|(by, _)| *by == self).map_or("", |(_, name)| name)
    }

    pub(crate) fn names() -> String {
        NAMES.map(|(_, name)| name).join(", ")
    }

    /// Whether the interesting end is the large one.
    pub(crate) fn largest_first(self) -> bool {
        !matches!(self, Self::Service | Self::Method | Self::Route)
    }

    /// Ascending; rows that are equal in it keep an order of their own, so that the picture does not tremble.
    fn compare(self, a: &LiveRow, b: &LiveRow) -> Ordering {
        match self {
            Self::Service => answers(&a.row.id).cmp(answers(&b.row.id)),
            Self::Method => a.row.id.method.cmp(&b.row.id.method),
            Self::Route => a.row.id.route.cmp(&b.row.id.route),
            Self::Calls => a.row.requests.cmp(&b.row.requests),
            Self::Rate => tenths(a.rate).total_cmp(&tenths(b.rate)),
            Self::Errors => a.row.errors.cmp(&b.row.errors),
            Self::P50 => percentile(a, |p| p.p50).total_cmp(&percentile(b, |p| p.p50)),
            Self::P95 => percentile(a, |p| p.p95).total_cmp(&percentile(b, |p| p.p95)),
            Self::P99 => percentile(a, |p| p.p99).total_cmp(&percentile(b, |p| p.p99)),
            Self::Seen => a.row.last_seen.cmp(&b.row.last_seen),
        }
    }
}

/// An order and its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sort {
    pub(crate) by: SortBy,
    pub(crate) descending: bool,
}

impl Sort {
    /// The natural direction first, then the other one.
    pub(crate) fn press(&mut self, by: SortBy) {
        self.descending = if self.by == by { !self.descending } else { by.largest_first() };
        self.by = by;
    }

    pub(crate) fn arrow(self) -> &'static str {
        if self.descending { "↓" } else { "↑" }
    }

    pub(crate) fn apply(self, rows: &mut [&LiveRow]) {
        rows.sort_unstable_by(|a, b| {
            let order = self.by.compare(a, b);
            let order = if self.descending { order.reverse() } else { order };
            order.then_with(|| a.row.id.cmp(&b.row.id))
        });
    }
}

fn percentile(row: &LiveRow, which: impl Fn(&Percentiles) -> f64) -> f64 {
    row.row.latency.as_ref().map_or(-1.0, which)
}

/// Rates as they are shown: smaller differences do not make rows change places.
fn tenths(rate: f64) -> f64 {
    (rate * 10.0).round()
}
