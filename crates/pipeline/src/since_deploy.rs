//! The time since a deploy, and the time before it.

use overhear_exchange::Timestamp;
use overhear_model::Slot;
use overhear_query::monitor::Deploy;
use overhear_store::{Deployed, Error, Questions, Resolution, Retention, Window};
use std::{collections::BTreeMap, sync::Arc};

/// Services that are looked at each from its own deploy on, those deployed last; each is a question of its own.
const SERVICES: usize = 16;

/// The last deploy of a service that followed another build of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Last {
    pub(crate) deploy: Deploy,
    /// When the build before it began to run.
    earlier: Timestamp,
}

impl Last {
    /// The time of the build before, and that of the deployed one, as fine as is kept. Steps in which both answered are
    /// in neither.
    pub(crate) fn windows(&self, retention: Retention, until: Timestamp) -> (Window, Window) {
        let at = self.deploy.at;
        let since = Window::between(at, until);
        let until_then = Window::between(self.earlier, at);
        let age = until.since(at).as_secs();
        let (_, begin) = ends(at, finest(since, age, retention));
        let (end, _) = ends(at, finest(until_then, age, retention));
        let window = Window { from: begin, until: since.until.max(begin) };
        (Window { from: until_then.from.min(end), until: end }, window)
    }
}

/// The finest steps in which a window of this age is read.
fn finest(window: Window, age: u64, retention: Retention) -> Resolution {
    // What is about to be summed up may be gone at the next question.
    let is_kept = |one: &Resolution| retention.of(*one).is_none_or(|kept| age < kept.as_secs() / 2);
    let is_read = |one: &Resolution| *one != Resolution::TenSeconds || window.is_short();
    Resolution::ALL.into_iter().find(|one| is_kept(one) && is_read(one)).unwrap_or(Resolution::Day)
}

/// The step in which a time is: its first slot, and the one after its last.
fn ends(at: Timestamp, step: Resolution) -> (Slot, Slot) {
    let first = step.floor(Slot::of(at));
    (first, if first.start() == at { first } else { Slot(first.0.saturating_add(step.slots())) })
}

/// The last deploy of a service before a time, if there was another before it.
pub(crate) fn last(
    questions: &dyn Questions,
    service: &str,
    until: Timestamp,
) -> Result<Option<Last>, Error> {
    let deploys = questions.deploys(Window::between(Timestamp::default(), until))?;
    let mut own = deploys.into_iter().filter(|one| *one.service == *service && one.at < until).rev();
    let pair = own.next().zip(own.next());
    Ok(pair.map(|(last, earlier)| Last { deploy: told(last), earlier: earlier.at }))
}

/// The services that have one, the last deployed first.
pub(crate) fn deployed(questions: &dyn Questions, until: Timestamp) -> Result<Vec<Arc<str>>, Error> {
    let mut known = BTreeMap::<Arc<str>, (Timestamp, usize)>::new();
    for one in questions.deploys(Window::between(Timestamp::default(), until))? {
        let (last, builds) = known.entry(one.service).or_default();
        *last = one.at.max(*last);
        *builds += 1;
    }
    let again = known.into_iter().filter(|(_, (_, builds))| *builds > 1);
    let mut again: Vec<_> = again.map(|(service, (last, _))| (last, service)).collect();
    again.sort_by(|a, b| b.cmp(a));
    Ok(again.into_iter().take(SERVICES).map(|(_, service)| service).collect())
}

pub(crate) fn told(Deployed { service, at, version }: Deployed) -> Deploy {
    Deploy { service, at, version }
}

#[cfg(test)]
mod tests {
    use super::{Last, Slot, Window, deployed, last, told};
    use overhear_exchange::Timestamp;
    use overhear_store::{Deployed, Memory, Retention, Store};

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    fn deployed_at(service: &str, seconds: u64) -> Deployed {
        Deployed { service: service.into(), at: at(seconds), version: Some(seconds.to_string().into()) }
    }

    fn windows(deploy: u64, until: u64) -> ((u32, u32), (u32, u32)) {
        let last = Last { deploy: told(deployed_at("a", deploy)), earlier: at(600) };
        let (before, since) = last.windows(Retention::default(), at(until));
        ((before.from.0, before.until.0), (since.from.0, since.until.0))
    }

    #[test]
    fn a_step_of_both_builds_is_in_neither_window() {
        assert_eq!(windows(1_003, 1_095), ((60, 100), (101, 110)));
        assert_eq!(windows(1_000, 1_095), ((60, 100), (100, 110)), "nothing is mixed");
        assert_eq!(windows(1_003, 1_005), ((60, 100), (101, 101)), "there is nothing yet");
        // Long windows are read by minutes: 1003 s is in the minute from slot 96 to 102.
        assert_eq!(windows(1_003, 10_003), ((60, 96), (102, 1_001)));
        // What is old is kept by hours only.
        assert_eq!(windows(100_003, 400_003), ((60, 9_720), (10_080, 40_001)));
    }

    #[test]
    fn each_service_has_its_own_last_deploy() {
        let mut store = Memory::new(0);
        for (service, seconds) in [("a", 10), ("b", 20), ("a", 30), ("b", 40), ("c", 45), ("a", 50)] {
            store.deploy(&deployed_at(service, seconds)).unwrap();
        }
        let of = |service, until| {
            last(&store, service, at(until)).unwrap().map(|last| (last.earlier, last.deploy.at))
        };
        assert_eq!(of("a", 60), Some((at(30), at(50))));
        assert_eq!(of("b", 60), Some((at(20), at(40))));
        assert_eq!(of("a", 45), Some((at(10), at(30))));
        assert_eq!(of("c", 60), None, "where it begins is no deploy");
        let names = deployed(&store, at(60)).unwrap();
        assert_eq!(names.iter().map(|name| &**name).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(Window::between(at(0), at(1)).from, Slot(0));
    }
}
