//! Questions about all series at once.

use super::{Failure, Sqlite, read::Level, roll};
use crate::{Edge, First, Recorded, Resolution, SumLine, Sums, Trait, Window, columns::Columns};
use overhear_model::{Series, Slot, Sum, Tally, Total};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Takes what was counted of a stretch that begins with this slot: of all series, or of one while it is not rolled up.
enum Told<'a> {
    All(Columns),
    One(u32, &'a Tally),
}

type Take<'a> = dyn FnMut(Slot, Told<'_>) + 'a;

impl Sqlite {
    pub(super) fn read_sums(&self, window: Window) -> Result<Recorded<Sums>, Failure> {
        let mut sums = HashMap::<u32, Total>::new();
        let covered = self.over(window, &mut |_, told| match told {
            Told::All(columns) => {
                columns.sums.iter().for_each(|(series, sum)| sums.entry(*series).or_default().add(sum));
            }
            Told::One(series, tally) => sums.entry(series).or_default().add(&tally.into()),
        })?;
        let catalogue = self.catalogue.borrow();
        let named =
            sums.into_iter().filter_map(|(number, total)| Some((catalogue.series(number)?, total.into())));
        Ok(covered.with(named.collect()))
    }

    pub(super) fn read_sum_line(
        &self,
        window: Window,
        step: Resolution,
    ) -> Result<Recorded<SumLine>, Failure> {
        // One moment for all parts: a fold in between would show some calls twice.
        let moment = self.connection.unchecked_transaction()?;
        let resolution = self.kept()?.resolution(window, step);
        let window = window.outward(resolution);
        let mut lines = HashMap::<u32, BTreeMap<Slot, Sum>>::new();
        let mut add = |series: u32, slot: Slot, sum: Sum| {
            let line = lines.entry(series).or_default();
            // Mostly a step is one roll: nothing to add up.
            line.entry(resolution.floor(slot)).and_modify(|known| known.merge(&sum)).or_insert(sum);
        };
        self.each_columns(resolution, window, &mut |slot, told| match told {
            Told::All(columns) => columns.sums.into_iter().for_each(|(series, sum)| add(series, slot, sum)),
            Told::One(series, tally) => add(series, slot, tally.into()),
        })?;
        let mut catalogue = self.catalogue.borrow_mut();
        catalogue.refresh(&self.connection)?;
        let named = lines.into_iter().filter_map(|(number, line)| {
            Some((catalogue.series(number)?, line.into_iter().collect::<Vec<_>>()))
        });
        let what = named.collect();
        moment.commit()?;
        Ok(Recorded { what, window, resolution })
    }

    pub(super) fn read_edges(&self, window: Window) -> Result<Recorded<Vec<Edge>>, Failure> {
        let mut rolled = HashMap::<(u32, Arc<str>), Total>::new();
        let mut rest = HashMap::<u32, Columns>::new();
        let covered = self.over(window, &mut |_, told| match told {
            Told::All(columns) => {
                columns.edges.iter().for_each(|(ends, sum)| {
                    rolled.entry(ends.clone()).or_default().add(sum);
                });
            }
            // What these are part of may have no number yet.
            Told::One(series, tally) => rest.entry(series).or_default().add(series, series, tally),
        })?;
        let catalogue = self.catalogue.borrow();
        let mut edges = HashMap::<(Arc<Series>, Arc<str>), Sum>::new();
        for ((number, caller), sum) in rolled {
            if let Some(whole) = catalogue.series(number) {
                edges.insert((whole, caller), sum.into());
            }
        }
        for ((number, caller), sum) in rest.into_values().flat_map(|columns| columns.edges) {
            if let Some(series) = catalogue.series(number) {
                edges.entry((Arc::new(series.whole()), caller)).or_default().merge(&sum);
            }
        }
        let what = edges.into_iter().map(|((whole, caller), sum)| Edge { whole, caller, sum }).collect();
        Ok(covered.with(what))
    }

    pub(super) fn read_firsts(&self) -> Result<Vec<First>, Failure> {
        let moment = self.connection.unchecked_transaction()?;
        let mut firsts = HashMap::<(u32, Trait), u32>::new();
        {
            let mut select = self.connection.prepare_cached("SELECT series, what, slot FROM first")?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                let what = roll::named(row.get_ref(1)?.as_str().unwrap_or_default())?;
                firsts.insert((row.get(0)?, what), row.get(2)?);
            }
        }
        self.each_slice(Window::ALL, false, None, &mut |series, slot, tally| {
            for what in tally.cells().flat_map(|(caller, ending, _)| Trait::of(caller, ending)) {
                let first = firsts.entry((series, what)).or_insert(slot.0);
                *first = slot.0.min(*first);
            }
        })?;
        let mut catalogue = self.catalogue.borrow_mut();
        catalogue.refresh(&self.connection)?;
        moment.commit()?;
        let named = firsts.into_iter().filter_map(|((number, what), slot)| {
            Some(First { series: catalogue.series(number)?, what, slot: Slot(slot) })
        });
        Ok(named.collect())
    }

    /// All that was counted over a window, and what that covers.
    fn over(&self, window: Window, take: &mut Take<'_>) -> Result<Recorded<()>, Failure> {
        // One moment for all parts: a fold in between would show some calls twice.
        let moment = self.connection.unchecked_transaction()?;
        let (parts, window) = self.kept()?.plan_rolls(window);
        let mut finest = Resolution::Day;
        for (resolution, part) in parts {
            finest = finest.min(resolution);
            self.each_columns(resolution, part, take)?;
        }
        self.catalogue.borrow_mut().refresh(&self.connection)?;
        moment.commit()?;
        Ok(Recorded { what: (), window, resolution: finest })
    }

    /// Every roll of this resolution that begins within a window, and what is not in one yet.
    fn each_columns(
        &self,
        resolution: Resolution,
        window: Window,
        take: &mut Take<'_>,
    ) -> Result<(), Failure> {
        let level = Level::of(resolution);
        self.each_slice(window, level.is_none(), None, &mut |series, slot, tally| {
            take(slot, Told::One(series, &tally));
        })?;
        let Some(level) = level else { return Ok(()) };
        let mut select = self
            .connection
            .prepare_cached("SELECT start, columns FROM roll WHERE level = ? AND start >= ? AND start < ?")?;
        let mut rows = select.query((level.number(), window.from.0, window.until.0))?;
        while let Some(row) = rows.next()? {
            let columns = Columns::decode(row.get_ref(1)?.as_blob().unwrap_or_default())?;
            take(Slot(row.get(0)?), Told::All(columns));
        }
        Ok(())
    }
}

impl Recorded<()> {
    fn with<T>(self, what: T) -> Recorded<T> {
        Recorded { what, window: self.window, resolution: self.resolution }
    }
}
