//! Questions about all series at once.

use super::{
    Failure, Sqlite,
    plan::{Kept, Plan},
    roll,
};
use crate::{
    Edge, First, Lined, Parts, Recorded, Resolution, SumLine, Sums, Trait, Window,
    columns::{Columns, Extent},
};
use overhear_model::{Series, Slot, Sum, Tally, Total};
use std::{collections::HashMap, sync::Arc};

/// What was counted in a stretch: of a series, between two who talk, or of a series while it is not rolled up.
#[derive(Clone, Copy)]
enum Told<'a> {
    Sum(u32, &'a Sum),
    Edge(u32, &'a Arc<str>, &'a Sum),
    Tally(u32, &'a Tally),
}

/// What is looked for.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    Sums,
    Edges,
}

/// Takes what was counted for an ask, in a stretch that begins with this slot.
type Take<'a> = dyn FnMut(usize, Slot, Told<'_>) + 'a;

/// What is asked of the series of one part.
struct Ask {
    part: usize,
    extent: Extent,
    /// How fine the answer is.
    resolution: Resolution,
    plan: Plan,
}

impl Sqlite {
    pub(super) fn read_sums(&self, parts: Parts<'_>) -> Result<Vec<Recorded<Sums>>, Failure> {
        // One moment for all parts: a fold in between would show some calls twice.
        let moment = self.connection.unchecked_transaction()?;
        let asks = over_windows(parts, &self.kept()?);
        let mut sums = Totals::of(asks.len());
        self.over(parts, Wanted::Sums, &asks, &mut |ask, _, told| sums.add(ask, &told))?;
        moment.commit()?;
        Ok(asks.iter().zip(sums.0).map(|(ask, sums)| ask.answer(self.summed(sums))).collect())
    }

    pub(super) fn read_sum_lines(
        &self,
        parts: Parts<'_>,
        steps: &[Resolution],
    ) -> Result<Vec<Lined>, Failure> {
        let moment = self.connection.unchecked_transaction()?;
        let kept = self.kept()?;
        let mut asks = over_windows(parts, &kept);
        let count = asks.len();
        // Both in one reading: most of what they need is the same.
        asks.extend(parts.windows.iter().zip(steps).enumerate().map(|(part, (window, step))| {
            let (resolution, plan) = kept.plan_steps(*window, *step);
            Ask { part, extent: Extent::Counts, resolution, plan }
        }));
        let mut sums = Totals::of(count);
        let mut lines = vec![HashMap::<u32, Steps>::new(); asks.len() - count];
        self.over(parts, Wanted::Sums, &asks, &mut |ask, slot, told| {
            let Some(line) = ask.checked_sub(count).and_then(|line| lines.get_mut(line)) else {
                return sums.add(ask, &told);
            };
            let (series, sum) = match told {
                Told::Sum(series, sum) => (series, sum.without_latency()),
                Told::Tally(series, tally) => (series, Sum::from(tally).without_latency()),
                Told::Edge(..) => return,
            };
            let slot = asks.get(ask).map_or(slot, |ask| ask.resolution.floor(slot));
            add_step(line.entry(series).or_default(), slot, sum);
        })?;
        moment.commit()?;
        let (of_windows, of_steps) = asks.split_at(count);
        let sums = of_windows.iter().zip(sums.0).map(|(ask, sums)| ask.answer(self.summed(sums)));
        let lines = of_steps.iter().zip(lines).map(|(ask, line)| ask.answer(self.lined(line)));
        Ok(sums.zip(lines).map(|(sums, line)| Lined { sums, line }).collect())
    }

    pub(super) fn read_edges(&self, parts: Parts<'_>) -> Result<Vec<Recorded<Vec<Edge>>>, Failure> {
        let moment = self.connection.unchecked_transaction()?;
        let asks = over_windows(parts, &self.kept()?);
        let mut edges = vec![Ends::default(); asks.len()];
        self.over(parts, Wanted::Edges, &asks, &mut |ask, _, told| {
            let Some(edges) = edges.get_mut(ask) else { return };
            match told {
                Told::Edge(whole, caller, sum) => {
                    edges.rolled.entry((whole, Arc::clone(caller))).or_default().add(sum);
                }
                // What these are part of may have no number yet.
                Told::Tally(series, tally) => {
                    edges.rest.entry(series).or_default().add(series, series, tally);
                }
                Told::Sum(..) => {}
            }
        })?;
        moment.commit()?;
        Ok(asks.iter().zip(edges).map(|(ask, edges)| ask.answer(self.named(edges))).collect())
    }

    fn summed(&self, sums: HashMap<u32, Total>) -> Sums {
        let catalogue = self.catalogue.borrow();
        let named = |(number, total): (u32, Total)| Some((catalogue.series(number)?, total.into()));
        sums.into_iter().filter_map(named).collect()
    }

    fn lined(&self, line: HashMap<u32, Steps>) -> SumLine {
        let catalogue = self.catalogue.borrow();
        let named = |(number, steps): (u32, Steps)| Some((catalogue.series(number)?, steps));
        line.into_iter().filter_map(named).collect()
    }

    fn named(&self, Ends { rolled, rest }: Ends) -> Vec<Edge> {
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
        edges.into_iter().map(|((whole, caller), sum)| Edge { whole, caller, sum }).collect()
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

    /// All that was counted over the windows of asks. What several want is read once.
    fn over(
        &self,
        parts: Parts<'_>,
        wanted: Wanted,
        asks: &[Ask],
        take: &mut Take<'_>,
    ) -> Result<(), Failure> {
        let part_of = self.part_of(parts)?;
        for resolution in Resolution::ALL {
            let mut asked = Asked::of(asks, resolution, &part_of, parts.windows.len());
            for window in union(asked.windows().collect()) {
                self.each_told(resolution, window, wanted, &mut asked, take)?;
            }
        }
        Ok(())
    }

    /// By the numbers of series.
    fn part_of(&self, parts: Parts<'_>) -> Result<Vec<Option<usize>>, Failure> {
        let mut catalogue = self.catalogue.borrow_mut();
        catalogue.refresh(&self.connection)?;
        let mut part_of = Vec::new();
        for (number, series) in catalogue.numbered() {
            let at = number as usize;
            if part_of.len() <= at {
                part_of.resize(at + 1, None);
            }
            if let Some(part) = part_of.get_mut(at) {
                *part = (parts.of)(series);
            }
        }
        Ok(part_of)
    }

    /// Every roll of this resolution that begins within a window, and what is not in one yet.
    fn each_told(
        &self,
        resolution: Resolution,
        window: Window,
        wanted: Wanted,
        asked: &mut Asked<'_>,
        take: &mut Take<'_>,
    ) -> Result<(), Failure> {
        let number = roll::number(resolution);
        self.each_slice(window, number.is_none(), None, &mut |series, slot, tally| {
            asked.turn_to(slot);
            asked
                .of_series(series)
                .iter()
                .for_each(|ask| take(*ask, resolution.floor(slot), Told::Tally(series, &tally)));
        })?;
        let Some(number) = number else { return Ok(()) };
        let mut starts = self.connection.prepare_cached(roll::STARTS)?;
        let mut starts = starts.query((number, window.from.0, window.until.0))?;
        while let Some(row) = starts.next()? {
            let slot = Slot(row.get(0)?);
            asked.turn_to(slot);
            self.each_of_roll((number, slot), wanted, asked, take)?;
        }
        Ok(())
    }

    /// What is wanted of a roll.
    fn each_of_roll(
        &self,
        (number, slot): (u8, Slot),
        wanted: Wanted,
        asked: &Asked<'_>,
        take: &mut Take<'_>,
    ) -> Result<(), Failure> {
        let is_all = asked.most() == Extent::All;
        let mut select = self.connection.prepare_cached(match wanted {
            Wanted::Sums if is_all => roll::SUMS,
            Wanted::Sums => roll::COUNTS,
            Wanted::Edges => roll::EDGES,
        })?;
        let mut rows = select.query((number, slot.0))?;
        let Some(row) = rows.next()? else { return Ok(()) };
        let blob = row.get_ref(0)?.as_blob().unwrap_or_default();
        let mut tell = |number: u32, told: Told<'_>| {
            asked.of_series(number).iter().for_each(|ask| take(*ask, slot, told));
        };
        match wanted {
            Wanted::Sums => {
                let latencies = if is_all { row.get_ref(1)?.as_blob().ok() } else { None };
                Columns::each_sum(blob, latencies, &|series| asked.extent(series), &mut |series, sum| {
                    tell(series, Told::Sum(series, sum));
                })?;
            }
            Wanted::Edges => Columns::each_edge(blob, &mut |whole, caller, sum| {
                tell(whole, Told::Edge(whole, caller, sum));
            })?,
        }
        Ok(())
    }
}

/// All of it over the window of each part.
fn over_windows(parts: Parts<'_>, kept: &Kept) -> Vec<Ask> {
    let ask = |(part, window): (usize, &Window)| {
        let plan = kept.plan_rolls(*window);
        let resolution = plan.0.iter().map(|(resolution, _)| *resolution).min().unwrap_or(Resolution::Day);
        Ask { part, extent: Extent::All, resolution, plan }
    };
    parts.windows.iter().enumerate().map(ask).collect()
}

impl Ask {
    fn answer<T>(&self, what: T) -> Recorded<T> {
        Recorded { what, window: self.plan.1, resolution: self.resolution }
    }
}

/// Who asks for what at one resolution.
struct Asked<'a> {
    asks: &'a [Ask],
    /// The asks by window.
    windows: Vec<(usize, Window)>,
    part_of: &'a [Option<usize>],
    /// The slot that is being read, and who asks for it: by part, and how much at most.
    slot: Option<Slot>,
    by_part: Vec<(Vec<usize>, Extent)>,
}

impl<'a> Asked<'a> {
    fn of(asks: &'a [Ask], resolution: Resolution, part_of: &'a [Option<usize>], parts: usize) -> Self {
        let windows = asks.iter().enumerate().flat_map(|(number, ask)| {
            let mine = ask.plan.0.iter().filter(|(of, window)| *of == resolution && window.slots() > 0);
            mine.map(move |(_, window)| (number, *window))
        });
        let by_part = vec![(Vec::new(), Extent::Nothing); parts];
        Self { asks, windows: windows.collect(), part_of, slot: None, by_part }
    }

    fn windows(&self) -> impl Iterator<Item = Window> {
        self.windows.iter().map(|(_, window)| *window)
    }

    /// What follows is of this slot.
    fn turn_to(&mut self, slot: Slot) {
        if self.slot.replace(slot) == Some(slot) {
            return;
        }
        self.by_part.iter_mut().for_each(|(asks, extent)| {
            asks.clear();
            *extent = Extent::Nothing;
        });
        for (number, _) in self.windows.iter().filter(|(_, window)| window.contains(slot)) {
            let Some(ask) = self.asks.get(*number) else { continue };
            if let Some((asks, extent)) = self.by_part.get_mut(ask.part) {
                asks.push(*number);
                *extent = ask.extent.max(*extent);
            }
        }
    }

    fn part(&self, series: u32) -> Option<&(Vec<usize>, Extent)> {
        self.by_part.get((*self.part_of.get(series as usize)?)?)
    }

    /// Who asks for a series.
    fn of_series(&self, series: u32) -> &[usize] {
        self.part(series).map_or(&[], |(asks, _)| asks)
    }

    /// Of any series.
    fn most(&self) -> Extent {
        self.by_part.iter().map(|(_, extent)| *extent).max().unwrap_or(Extent::Nothing)
    }

    fn extent(&self, series: u32) -> Extent {
        self.part(series).map_or(Extent::Nothing, |(_, extent)| *extent)
    }
}

/// Of a series, ascending by time.
type Steps = Vec<(Slot, Sum)>;

/// Mostly they come in order.
fn add_step(steps: &mut Steps, slot: Slot, sum: Sum) {
    let at = match steps.last() {
        Some((last, _)) if *last >= slot => steps.partition_point(|(known, _)| *known < slot),
        _ => steps.len(),
    };
    match steps.get_mut(at).filter(|(known, _)| *known == slot) {
        Some((_, known)) => known.merge(&sum),
        None => steps.insert(at, (slot, sum)),
    }
}

/// Sums that are being added up, by ask and series.
struct Totals(Vec<HashMap<u32, Total>>);

impl Totals {
    fn of(asks: usize) -> Self {
        Self(vec![HashMap::new(); asks])
    }

    fn add(&mut self, ask: usize, told: &Told<'_>) {
        let Some(sums) = self.0.get_mut(ask) else { return };
        match told {
            Told::Sum(series, sum) => sums.entry(*series).or_default().add(sum),
            Told::Tally(series, tally) => sums.entry(*series).or_default().add(&Sum::from(*tally)),
            Told::Edge(..) => {}
        }
    }
}

/// Edges that are rolled up, by the number of what is called and who calls; the others by their series.
#[derive(Clone, Default)]
struct Ends {
    rolled: HashMap<(u32, Arc<str>), Total>,
    rest: HashMap<u32, Columns>,
}

/// The same time in windows that have nothing in common.
fn union(mut windows: Vec<Window>) -> Vec<Window> {
    windows.sort_unstable_by_key(|window| window.from);
    let mut union = Vec::<Window>::new();
    for window in windows {
        match union.last_mut().filter(|last| last.until >= window.from) {
            Some(last) => last.until = last.until.max(window.until),
            None => union.push(window),
        }
    }
    union
}
