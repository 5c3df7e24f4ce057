use crate::{
    About, Deployed, Edge, Error, First, Lined, Looks, Parts, Questions, Recorded, Resolution, Retention,
    Session, Store, Sums, Timeline, Totals, Trait, Window, evidence,
};
use overhear_exchange::{Statistics, Timestamp};
use overhear_model::{Counted, Model, Series, Shaped, Slot, Sum, Tally, shape::Shapes};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A store in memory that forgets nothing: says what the answers are.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    key: u64,
    counted: BTreeMap<Arc<Series>, BTreeMap<Slot, Tally>>,
    models: Vec<Model>,
    /// By the first slot of their hour.
    looks: BTreeMap<(Slot, Series), Shapes>,
    /// Those of hours that are not over.
    open_looks: Vec<Shaped>,
    version: u64,
    session: Option<Session>,
    deploys: Vec<Deployed>,
}

impl Memory {
    /// One without anything in it.
    pub fn new(key: u64) -> Self {
        Self { key, ..Self::default() }
    }
}

impl Questions for Memory {
    fn key(&self) -> u64 {
        self.key
    }

    fn evidence(&self) -> Result<Model, Error> {
        Ok(evidence::sum(self.key, self.models.iter().cloned()))
    }

    fn evidence_version(&self) -> Result<u64, Error> {
        Ok(self.version)
    }

    fn series(&self) -> Result<Vec<Arc<Series>>, Error> {
        Ok(self.counted.keys().cloned().collect())
    }

    fn sums_of(&self, parts: Parts<'_>) -> Result<Vec<Recorded<Sums>>, Error> {
        let one = |(part, window): (usize, &Window)| {
            let totals = self.totals(*window, None)?;
            let mine = totals.what.iter().filter(|(series, _)| (parts.of)(series) == Some(part));
            let what = mine.map(|(series, tally)| (Arc::clone(series), Sum::from(tally)));
            Ok(Recorded { what: what.collect(), window: totals.window, resolution: totals.resolution })
        };
        parts.windows.iter().enumerate().map(one).collect()
    }

    fn sum_lines(&self, parts: Parts<'_>, steps: &[Resolution]) -> Result<Vec<Lined>, Error> {
        let sums = self.sums_of(parts)?;
        let one = |(part, (sums, step)): (usize, (Recorded<Sums>, &Resolution))| {
            let line = self.timeline(sums.window, *step, None)?;
            let mine = line.what.iter().filter(|(series, _)| (parts.of)(series) == Some(part));
            let what = mine.map(|(series, steps)| {
                let sum = |(slot, tally): &(Slot, Tally)| (*slot, Sum::from(tally).without_latency());
                (Arc::clone(series), steps.iter().map(sum).collect())
            });
            let line = Recorded { what: what.collect(), window: line.window, resolution: line.resolution };
            Ok(Lined { sums, line })
        };
        sums.into_iter().zip(steps).enumerate().map(one).collect()
    }

    fn edges_of(&self, parts: Parts<'_>) -> Result<Vec<Recorded<Vec<Edge>>>, Error> {
        let one = |(part, window): (usize, &Window)| {
            let mut edges = BTreeMap::<(Arc<Series>, Arc<str>), Sum>::new();
            for (series, slots) in self.counted.iter().filter(|(series, _)| (parts.of)(series) == Some(part))
            {
                let whole = Arc::new(series.whole());
                for (_, tally) in slots.iter().filter(|(slot, _)| window.contains(**slot)) {
                    for (caller, ending, count) in tally.cells() {
                        edges.entry((Arc::clone(&whole), Arc::clone(caller))).or_default().add(ending, count);
                    }
                }
            }
            let what = edges.into_iter().map(|((whole, caller), sum)| Edge { whole, caller, sum }).collect();
            Recorded { what, window: *window, resolution: Resolution::TenSeconds }
        };
        Ok(parts.windows.iter().enumerate().map(one).collect())
    }

    fn firsts(&self) -> Result<Vec<First>, Error> {
        let mut firsts = BTreeMap::<(Arc<Series>, Trait), Slot>::new();
        for (series, slots) in &self.counted {
            for (slot, tally) in slots {
                for what in tally.cells().flat_map(|(caller, ending, _)| Trait::of(caller, ending)) {
                    firsts.entry((Arc::clone(series), what)).or_insert(*slot);
                }
            }
        }
        Ok(firsts.into_iter().map(|((series, what), slot)| First { series, what, slot }).collect())
    }

    fn totals(&self, window: Window, of: Option<&[Series]>) -> Result<Recorded<Totals>, Error> {
        let wanted: Option<BTreeSet<&Series>> = of.map(|of| of.iter().collect());
        let mut totals = Totals::new();
        for (series, slots) in &self.counted {
            if wanted.as_ref().is_some_and(|wanted| !wanted.contains(&**series)) {
                continue;
            }
            let mut sum = Tally::default();
            let within = slots.iter().filter(|(slot, _)| window.contains(**slot));
            within.for_each(|(_, tally)| sum.merge(self.key, tally));
            if !sum.is_empty() {
                totals.push((Arc::clone(series), sum));
            }
        }
        Ok(Recorded { what: totals, window, resolution: Resolution::TenSeconds })
    }

    fn timeline(
        &self,
        window: Window,
        step: Resolution,
        of: Option<&[Series]>,
    ) -> Result<Recorded<Timeline>, Error> {
        let wanted: Option<BTreeSet<&Series>> = of.map(|of| of.iter().collect());
        let window = window.outward(step);
        let mut timeline = Timeline::new();
        for (series, slots) in &self.counted {
            let mut steps = BTreeMap::<Slot, Tally>::new();
            for (slot, tally) in slots.iter().filter(|(slot, _)| window.contains(**slot)) {
                steps.entry(step.floor(*slot)).or_default().merge(self.key, tally);
            }
            if !steps.is_empty() && wanted.as_ref().is_none_or(|wanted| wanted.contains(&**series)) {
                timeline.push((Arc::clone(series), steps.into_iter().collect()));
            }
        }
        Ok(Recorded { what: timeline, window, resolution: step })
    }

    fn looks(&self, window: Window) -> Result<Recorded<Looks>, Error> {
        let window = window.outward(Resolution::Hour);
        let mut sums = BTreeMap::<&Series, Shapes>::new();
        let open = self.open_looks.iter().map(|shaped| ((&shaped.hour, &shaped.series), &shaped.shapes));
        for ((_, series), shapes) in self
            .looks
            .iter()
            .map(|((hour, series), shapes)| ((hour, series), shapes))
            .chain(open)
            .filter(|((hour, _), _)| window.contains(**hour))
        {
            sums.entry(series).or_default().merge(self.key, shapes);
        }
        let what = sums.into_iter().map(|(series, shapes)| (Arc::new(series.clone()), shapes)).collect();
        Ok(Recorded { what, window, resolution: Resolution::Hour })
    }

    fn sessions(&self, _: Window) -> Result<Vec<Session>, Error> {
        Ok(self.session.iter().cloned().collect())
    }

    fn deploys(&self, window: Window) -> Result<Vec<Deployed>, Error> {
        let within = self.deploys.iter().filter(|deployed| window.contains(Slot::of(deployed.at)));
        let mut deploys: Vec<_> = within.cloned().collect();
        deploys.sort_by(|a, b| (a.at, &a.service).cmp(&(b.at, &b.service)));
        Ok(deploys)
    }

    fn about(&self) -> Result<About, Error> {
        let oldest = self.counted.values().filter_map(|slots| slots.first_key_value()).map(|(slot, _)| *slot);
        Ok(About {
            bytes: 0,
            retention: Retention::default(),
            series: self.counted.len() as u64,
            oldest: oldest.min().map(Slot::start),
        })
    }
}

impl Store for Memory {
    fn append(&mut self, counted: &[Counted]) -> Result<(), Error> {
        for Counted { series, slot, tally } in counted {
            let slots = match self.counted.get_mut(series) {
                Some(slots) => slots,
                None => self.counted.entry(Arc::new(series.clone())).or_default(),
            };
            slots.entry(*slot).or_default().merge(self.key, tally);
        }
        Ok(())
    }

    fn learn(&mut self, model: &Model) -> Result<(), Error> {
        self.version += 1;
        self.models = vec![model.clone()];
        Ok(())
    }

    fn look(&mut self, shaped: &[Shaped], is_over: bool) -> Result<(), Error> {
        self.open_looks = shaped.to_vec();
        if is_over {
            for Shaped { series, hour, shapes } in self.open_looks.drain(..) {
                self.looks.entry((hour, series)).or_default().merge(self.key, &shapes);
            }
        }
        Ok(())
    }

    fn session(&mut self, at: Timestamp, statistics: &Statistics) -> Result<(), Error> {
        let started = self.session.as_ref().map_or(at, |session| session.started);
        self.session = Some(Session { number: 1, started, last: at, heard: statistics.into() });
        Ok(())
    }

    fn deploy(&mut self, deployed: &Deployed) -> Result<(), Error> {
        if !self.deploys.contains(deployed) {
            self.deploys.push(deployed.clone());
        }
        Ok(())
    }

    fn tidy(&mut self, _: Timestamp) -> Result<(), Error> {
        Ok(())
    }
}
