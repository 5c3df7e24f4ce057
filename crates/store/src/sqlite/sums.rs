//! Questions about all series at once.

use super::{Failure, Sqlite, plan::Kept, read::Level, roll};
use crate::{Edge, First, Line, Parts, Recorded, Resolution, SumLine, Sums, Trait, Window, columns::Columns};
use overhear_model::{Series, Slot, Sum, Tally, Total};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// What was counted in a stretch: of a series, between two who talk, or of a series while it is not rolled up.
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

/// Takes what was counted of a part in a stretch that begins with this slot.
type Take<'a> = dyn FnMut(usize, Slot, Told<'_>) + 'a;

/// How a window is read, and the window that makes.
type Plan = (Vec<(Resolution, Window)>, Window);

impl Sqlite {
    pub(super) fn read_sums(&self, parts: Parts<'_>) -> Result<Vec<Recorded<Sums>>, Failure> {
        let mut sums = vec![HashMap::<u32, Total>::new(); parts.windows.len()];
        let plan = |kept: &Kept, _, window| kept.plan_rolls(window);
        let covered = self.over(parts, Wanted::Sums, &plan, &mut |part, _, told| {
            let Some(sums) = sums.get_mut(part) else { return };
            match told {
                Told::Sum(series, sum) => sums.entry(series).or_default().add(sum),
                Told::Tally(series, tally) => sums.entry(series).or_default().add(&tally.into()),
                Told::Edge(..) => {}
            }
        })?;
        let catalogue = self.catalogue.borrow();
        let named = |(number, total): (u32, Total)| Some((catalogue.series(number)?, total.into()));
        let each = covered.into_iter().zip(sums);
        Ok(each.map(|(covered, sums)| covered.with(sums.into_iter().filter_map(named).collect())).collect())
    }

    pub(super) fn read_sum_lines(
        &self,
        parts: Parts<'_>,
        steps: &[Resolution],
    ) -> Result<Vec<Recorded<SumLine>>, Failure> {
        let step = |part: usize| steps.get(part).copied().unwrap_or(Resolution::Day);
        let plan = |kept: &Kept, part, window: Window| {
            let resolution = kept.resolution(window, step(part));
            let window = window.outward(resolution);
            (vec![(resolution, window)], window)
        };
        let mut lines = vec![HashMap::<u32, Steps>::new(); parts.windows.len()];
        let covered = self.over(parts, Wanted::Sums, &plan, &mut |part, slot, told| {
            let Some(lines) = lines.get_mut(part) else { return };
            match told {
                Told::Sum(series, sum) => lines.entry(series).or_default().add(slot, sum),
                Told::Tally(series, tally) => lines.entry(series).or_default().add(slot, &tally.into()),
                Told::Edge(..) => {}
            }
        })?;
        let catalogue = self.catalogue.borrow();
        let named = |(number, steps): (u32, Steps)| Some((catalogue.series(number)?, steps.into()));
        let each = covered.into_iter().zip(lines);
        Ok(each.map(|(covered, lines)| covered.with(lines.into_iter().filter_map(named).collect())).collect())
    }

    pub(super) fn read_edges(&self, parts: Parts<'_>) -> Result<Vec<Recorded<Vec<Edge>>>, Failure> {
        let mut edges = vec![Ends::default(); parts.windows.len()];
        let plan = |kept: &Kept, _, window| kept.plan_rolls(window);
        let covered = self.over(parts, Wanted::Edges, &plan, &mut |part, _, told| {
            let Some(edges) = edges.get_mut(part) else { return };
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
        let each = covered.into_iter().zip(edges);
        Ok(each.map(|(covered, edges)| covered.with(self.named(edges))).collect())
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

    /// All that was counted over the windows, and what each covers. What several want is read once.
    fn over(
        &self,
        parts: Parts<'_>,
        wanted: Wanted,
        plan: &dyn Fn(&Kept, usize, Window) -> Plan,
        take: &mut Take<'_>,
    ) -> Result<Vec<Recorded<()>>, Failure> {
        // One moment for all parts: a fold in between would show some calls twice.
        let moment = self.connection.unchecked_transaction()?;
        let kept = self.kept()?;
        let part_of = self.part_of(parts)?;
        let windows = parts.windows.iter().enumerate();
        let plans: Vec<Plan> = windows.map(|(part, window)| plan(&kept, part, *window)).collect();
        for resolution in Resolution::ALL {
            let mine: Vec<(usize, Window)> = plans
                .iter()
                .enumerate()
                .flat_map(|(part, (parts, _))| parts.iter().map(move |(of, window)| (part, *of, *window)))
                .filter(|(_, of, window)| *of == resolution && window.slots() > 0)
                .map(|(part, _, window)| (part, window))
                .collect();
            for window in union(mine.iter().map(|(_, window)| *window).collect()) {
                // Who is in no part that this is of is not even looked at.
                let part = |slot: Slot, number: u32| {
                    let part = part_of.get(number as usize).copied().flatten()?;
                    mine.iter().any(|(of, window)| *of == part && window.contains(slot)).then_some(part)
                };
                let is_wanted = |slot: Slot, number: u32| part(slot, number).is_some();
                self.each_told(resolution, window, (wanted, &is_wanted), &mut |slot, told| {
                    let (Told::Sum(number, _) | Told::Edge(number, ..) | Told::Tally(number, _)) = &told;
                    if let Some(part) = part(slot, *number) {
                        take(part, resolution.floor(slot), told);
                    }
                })?;
            }
        }
        moment.commit()?;
        let covered = plans.into_iter().map(|(parts, window)| {
            let finest = parts.iter().map(|(resolution, _)| *resolution).min();
            Recorded { what: (), window, resolution: finest.unwrap_or(Resolution::Day) }
        });
        Ok(covered.collect())
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
        (wanted, is_wanted): (Wanted, &dyn Fn(Slot, u32) -> bool),
        take: &mut dyn FnMut(Slot, Told<'_>),
    ) -> Result<(), Failure> {
        let level = Level::of(resolution);
        self.each_slice(window, level.is_none(), None, &mut |series, slot, tally| {
            take(slot, Told::Tally(series, &tally));
        })?;
        let Some(level) = level else { return Ok(()) };
        let mut select = self
            .connection
            .prepare_cached("SELECT start, columns FROM roll WHERE level = ? AND start >= ? AND start < ?")?;
        let mut rows = select.query((level.number(), window.from.0, window.until.0))?;
        while let Some(row) = rows.next()? {
            let (slot, blob) = (Slot(row.get(0)?), row.get_ref(1)?.as_blob().unwrap_or_default());
            match wanted {
                Wanted::Sums => {
                    let is_wanted = |number| is_wanted(slot, number);
                    Columns::each_sum(blob, &is_wanted, &mut |series, sum| {
                        take(slot, Told::Sum(series, sum));
                    })?;
                }
                Wanted::Edges => Columns::each_edge(blob, &mut |whole, caller, sum| {
                    take(slot, Told::Edge(whole, caller, sum));
                })?,
            }
        }
        Ok(())
    }
}

/// A line that is being added up.
#[derive(Clone, Default)]
struct Steps {
    total: Total,
    by_slot: BTreeMap<Slot, Sum>,
}

impl Steps {
    fn add(&mut self, slot: Slot, sum: &Sum) {
        self.total.add(sum);
        self.by_slot.entry(slot).or_default().merge(&sum.without_latency());
    }
}

impl From<Steps> for Line {
    fn from(steps: Steps) -> Self {
        Self { total: steps.total.into(), steps: steps.by_slot.into_iter().collect() }
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

impl Recorded<()> {
    fn with<T>(self, what: T) -> Recorded<T> {
        Recorded { what, window: self.window, resolution: self.resolution }
    }
}
