use super::lock;
use overhear_model::{Model, Names, RouteIndex, Series, Slot, Sum, Total};
use overhear_query::{
    EndpointId,
    monitor::{ByEndpoint, ByEnds, Firsts, Novelty, Steps, ends},
};
use overhear_store::{Edge, First, SumLine, Sums, Trait};
use rustc_hash::FxHashMap;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// What was learned, as it was read last.
pub(super) struct Known {
    pub(super) version: u64,
    pub(super) read: Instant,
    pub(super) took: Duration,
    pub(super) model: Model,
    /// Names that are one in it.
    pub(super) names: Names,
    pub(super) index: RouteIndex,
    /// Endpoints that were looked up.
    pub(super) found: Mutex<FxHashMap<Arc<Series>, Arc<EndpointId>>>,
}

impl Known {
    pub(super) fn endpoint(&self, series: &Arc<Series>) -> Arc<EndpointId> {
        let mut found = lock(&self.found);
        if let Some(id) = found.get(series) {
            return Arc::clone(id);
        }
        let id = Arc::new(self.index.endpoint(series));
        found.insert(Arc::clone(series), Arc::clone(&id));
        id
    }

    /// What a name is called where several are one.
    pub(super) fn called<'a>(&'a self, name: &'a Arc<str>) -> &'a Arc<str> {
        self.names.get(name).unwrap_or(name)
    }

    pub(super) fn by_ends(&self, edges: &[Edge]) -> ByEnds {
        let mut sums = ByEnds::new();
        for Edge { whole, caller, sum } in edges {
            let whole = whole.called(&self.names);
            sums.entry(ends(&whole.service, &whole.way, self.called(caller))).or_default().merge(sum);
        }
        sums
    }

    pub(super) fn sum(&self, sums: &Sums) -> ByEndpoint {
        let mut totals = BTreeMap::<Arc<EndpointId>, Total>::new();
        for (series, sum) in sums {
            totals.entry(self.endpoint(series)).or_default().add(sum);
        }
        totals.into_iter().map(|(id, total)| (id, total.into())).collect()
    }

    pub(super) fn steps(&self, line: SumLine) -> Steps {
        let mut lines = BTreeMap::<Arc<EndpointId>, Vec<Vec<(Slot, Sum)>>>::new();
        for (series, line) in line {
            lines.entry(self.endpoint(&series)).or_default().push(line);
        }
        lines.into_iter().map(|(id, lines)| (id, one_line(lines))).collect()
    }

    pub(super) fn firsts(&self, all: Vec<First>) -> Firsts {
        let mut firsts = Firsts::new();
        for First { series, what, slot } in all {
            let what = match what {
                Trait::Status(status) => Novelty::Status(status),
                Trait::Caller(caller) => Novelty::Caller(caller),
            };
            let first = firsts.entry(self.endpoint(&series)).or_default().entry(what).or_insert(slot);
            *first = slot.min(*first);
        }
        firsts
    }
}

/// The steps of all series of an endpoint, which is mostly one.
fn one_line(mut lines: Vec<Vec<(Slot, Sum)>>) -> BTreeMap<Slot, Sum> {
    if lines.len() == 1 {
        return lines.pop().into_iter().flatten().collect();
    }
    let mut sums = BTreeMap::<Slot, Sum>::new();
    for (slot, sum) in lines.iter().flatten() {
        sums.entry(*slot).or_default().merge(sum);
    }
    sums
}
