//! Which endpoints got worse: by more than chance and more than a little.

use overhear_query::monitor::Figures;

/// Calls below which nothing is said.
const FEWEST: u64 = 30;
/// Standard errors between two shares that are not chance.
const SURE: f64 = 4.0;

/// What got worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The share of errors.
    Errors,
    /// The 95th percentile.
    Latency,
}

impl What {
    /// The number that got worse; absent where there is none.
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub(crate) fn of(self, figures: &Figures) -> Option<f64> {
        match self {
            Self::Errors => Some(figures.errors as f64 / figures.requests.max(1) as f64),
            Self::Latency => figures.latency.map(|latency| latency.p95),
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Errors => "errors",
            Self::Latency => "p95",
        }
    }
}

/// By how much something got worse: a share, or seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Worse {
    pub(crate) what: What,
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// How much it matters, to order by.
    pub(crate) weight: f64,
}

/// What got worse between two windows, if anything did.
#[expect(clippy::cast_precision_loss, reason = "shares and weights")]
pub(crate) fn worse(now: &Figures, before: &Figures) -> Option<Worse> {
    if now.requests < FEWEST || before.requests < FEWEST {
        return None;
    }
    let (n, m) = (now.requests as f64, before.requests as f64);
    let (from, to) = (before.errors as f64 / m, now.errors as f64 / n);
    let both = (now.errors + before.errors) as f64 / (n + m);
    let spread = (both * (1.0 - both) * (1.0 / n + 1.0 / m)).sqrt();
    let busy = n.ln();
    let errors = (to - from > 0.005 && to - from > SURE * spread).then_some(Worse {
        what: What::Errors,
        from,
        to,
        weight: (1.0 + (to - from) * 20.0) * busy,
    });
    errors.or_else(|| slower(now, before, busy))
}

fn slower(now: &Figures, before: &Figures, busy: f64) -> Option<Worse> {
    let (from, to) = (before.latency?.p95, now.latency?.p95);
    let is_much = to > from * 1.3 && to - from > 0.005;
    is_much.then(|| Worse { what: What::Latency, from, to, weight: (to / from.max(1e-6)).ln() * busy })
}

#[cfg(test)]
mod tests {
    use super::{What, worse};
    use overhear_query::monitor::{Figures, Latency};

    fn figures(requests: u64, errors: u64, p95: f64) -> Figures {
        let latency = Some(Latency { p50: p95, p90: p95, p95, p99: p95, max: p95 });
        Figures { requests, errors, latency, seconds: 60.0, ..Figures::default() }
    }

    #[test]
    fn chance_and_trifles_are_not_told() {
        let before = figures(1000, 5, 0.1);
        let what = |now| worse(&now, &before).map(|worse| worse.what);
        assert_eq!(what(figures(1000, 9, 0.11)), None);
        assert_eq!(what(figures(1000, 60, 0.1)), Some(What::Errors));
        assert_eq!(what(figures(1000, 5, 0.4)), Some(What::Latency));
        assert_eq!(what(figures(10, 9, 0.4)), None);
    }

    #[test]
    fn microseconds_are_not_told() {
        assert_eq!(worse(&figures(1000, 0, 0.002), &figures(1000, 0, 0.001)), None);
    }
}
