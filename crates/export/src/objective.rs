//! Service level objectives: said by people, else inferred from what was seen.

use crate::prometheus::BOUNDS;
use overhear_query::ServiceSeen;
use std::collections::BTreeMap;

/// Shares that are promised, in percent, from strict to lax.
const RUNGS: [f64; 4] = [99.9, 99.5, 99.0, 95.0];

/// What people promise of a service; what is absent is inferred.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Said {
    /// Percent of calls that do not fail.
    pub availability: Option<f64>,
    /// Percent of good answers…
    pub fast: Option<f64>,
    /// …that take at most this many seconds: one of [`BOUNDS`].
    pub seconds: Option<f64>,
}

/// What is promised of a service over 30 days.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// `service.name`.
    pub service: String,
    /// What of it.
    pub kind: Kind,
    /// Percent of calls that are to be good.
    pub percent: f64,
    /// Whether somebody said so.
    pub is_said: bool,
    /// Percent of calls that were.
    pub seen: f64,
    /// Of how many calls.
    pub calls: u64,
}

/// What makes a call good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// It does not fail. Calls that the client ended do not count.
    Availability,
    /// Of those that do not fail: it takes at most so many seconds, one of [`BOUNDS`].
    Latency(f64),
}

impl Objective {
    /// Name of the objective, one per service and kind.
    pub const fn name(&self) -> &'static str {
        match self.kind {
            Kind::Availability => "requests-availability",
            Kind::Latency(_) => "requests-latency",
        }
    }

    /// What is promised, in words.
    pub fn promise(&self) -> String {
        let percent = self.percent;
        match self.kind {
            Kind::Availability => format!("{percent} % of calls do not fail"),
            Kind::Latency(seconds) => {
                format!("{percent} % of calls that do not fail are answered within {}", duration(seconds))
            }
        }
    }

    /// Where the promise comes from, in words.
    pub fn origin(&self) -> String {
        let Self { seen, calls, is_said, .. } = self;
        let seen = (seen * 1_000.0).floor() / 1_000.0;
        let origin = if *is_said { "Said in the overlay" } else { "Inferred" };
        format!("{origin}; of {calls} calls that were heard {seen} % were so.")
    }

    /// Share of calls that are to be good, 0..1.
    pub fn target(&self) -> f64 {
        (self.percent * 1e9).round() / 1e11
    }

    /// Share of calls that may be bad, 0..1.
    pub fn budget(&self) -> f64 {
        // Otherwise 99.9 leaves 0.09999999999999432.
        ((100.0 - self.percent) * 1e9).round() / 1e11
    }
}

/// In words of people.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 1.0 { format!("{} ms", (seconds * 1e3).round()) } else { format!("{seconds} s") }
}

/// Objectives of each service: availability, and latency where a complete response was seen.
///
/// Inferred, availability is 99.9 % or the strictest of 99.5, 99 and 95 % that what was seen would have met, 95 % where it
/// met none; latency is the first classic bound above twice the 99th percentile, 10 s at most, for 99 % of calls.
pub fn objectives(services: &[ServiceSeen], said: &BTreeMap<String, Said>) -> Vec<Objective> {
    let mut objectives = Vec::new();
    for service in services {
        let said = said.get(&*service.name).copied().unwrap_or_default();
        objectives.extend(availability(service, said));
        objectives.extend(latency(service, said));
    }
    objectives
}

fn availability(service: &ServiceSeen, said: Said) -> Option<Objective> {
    let seen = service.good_share()? * 100.0;
    Some(Objective {
        service: service.name.to_string(),
        kind: Kind::Availability,
        percent: said.availability.unwrap_or_else(|| rung(seen, &RUNGS)),
        is_said: said.availability.is_some(),
        seen,
        calls: service.ended(),
    })
}

fn latency(service: &ServiceSeen, said: Said) -> Option<Objective> {
    let wanted = 2.0 * service.latency.percentile(0.99)?;
    let inferred = || BOUNDS.into_iter().find(|bound| *bound > wanted).unwrap_or(10.0);
    let seconds = said.seconds.unwrap_or_else(inferred);
    let (mut within, mut all) = (0_u64, 0_u64);
    for (_, to, calls) in service.latency.buckets() {
        all = all.saturating_add(calls);
        within = within.saturating_add(if to <= seconds { calls } else { 0 });
    }
    #[expect(clippy::cast_precision_loss, reason = "a share off by 2^-53 is no matter")]
    let seen = within as f64 / all as f64 * 100.0;
    Some(Objective {
        service: service.name.to_string(),
        kind: Kind::Latency(seconds),
        percent: said.fast.unwrap_or_else(|| rung(seen, &RUNGS[2..])),
        is_said: said.fast.is_some() || said.seconds.is_some(),
        seen,
        calls: all,
    })
}

/// The strictest promise that what was seen would have kept, else the last one.
fn rung(seen: f64, rungs: &[f64]) -> f64 {
    let kept = rungs.iter().find(|rung| **rung <= seen);
    kept.or(rungs.last()).copied().unwrap_or(95.0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Kind, Said, objectives};
    use overhear_model::Histogram;
    use overhear_query::ServiceSeen;
    use std::{collections::BTreeMap, time::Duration};

    pub(crate) fn seen(requests: u64, failures: u64, slow: u64) -> ServiceSeen {
        let mut latency = Histogram::default();
        (0..requests - slow).for_each(|_| latency.record(Duration::from_millis(100)));
        (0..slow).for_each(|_| latency.record(Duration::from_secs(40)));
        ServiceSeen { name: "shop".into(), requests, errors: failures, latency, ..ServiceSeen::default() }
    }

    fn inferred(service: ServiceSeen, said: Said) -> Vec<(Kind, f64)> {
        let said = BTreeMap::from([("shop".to_owned(), said)]);
        objectives(&[service], &said).iter().map(|one| (one.kind, one.percent)).collect()
    }

    #[test]
    fn promises_are_what_was_kept() {
        for (failures, percent) in
            [(0, 99.9), (1, 99.9), (2, 99.5), (5, 99.5), (6, 99.0), (11, 95.0), (500, 95.0)]
        {
            let told = inferred(seen(1_000, failures, 0), Said::default());
            assert_eq!(told, [(Kind::Availability, percent), (Kind::Latency(0.25), 99.0)], "{failures}");
        }
    }

    #[test]
    fn what_is_slower_than_every_bound_is_promised_to_fewer() {
        let told = inferred(seen(100, 0, 3), Said::default());
        assert_eq!(told[1], (Kind::Latency(10.0), 95.0));
    }

    #[test]
    fn people_know_better() {
        let said = Said { availability: Some(99.99), seconds: Some(1.0), fast: None };
        let told = inferred(seen(1_000, 20, 0), said);
        assert_eq!(told, [(Kind::Availability, 99.99), (Kind::Latency(1.0), 99.0)]);
        assert_eq!(inferred(ServiceSeen::default(), said), []);
    }

    #[test]
    fn a_budget_has_no_dust() {
        let mut objective = objectives(&[seen(10, 0, 0)], &BTreeMap::new()).remove(0);
        assert_eq!(objective.budget().to_string(), "0.001");
        objective.percent = 99.95;
        assert_eq!(objective.budget().to_string(), "0.0005");
    }
}
