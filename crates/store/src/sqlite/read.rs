//! The questions.

use super::{Failure, Sqlite, plan::Kept, roll, schema, signed, unsigned};
use crate::{
    About, Deployed, Edge, Error, First, Lined, Looks, Parts, Questions, Recorded, Resolution, Retention,
    Session, Sums, Timeline, Totals, Window, codec, evidence,
};
use overhear_exchange::Timestamp;
use overhear_model::{Model, Series, Slot, Tally};
use rusqlite::{CachedStatement, OptionalExtension, ToSql};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Takes one pack: of which series, from which slot on.
type Put<'a> = dyn FnMut(u32, Slot, &[u8]) -> Result<(), Failure> + 'a;

/// Takes one count: of which series, of the stretch that begins with which slot.
pub(super) type Take<'a> = dyn FnMut(u32, Slot, Tally) + 'a;

impl Questions for Sqlite {
    fn key(&self) -> u64 {
        self.key
    }

    fn evidence(&self) -> Result<Model, Error> {
        self.reading(self.models(None))
    }

    fn evidence_version(&self) -> Result<u64, Error> {
        self.reading(self.meta("evidence_version").map(|version| unsigned(version.unwrap_or(0))))
    }

    fn series(&self) -> Result<Vec<Arc<Series>>, Error> {
        let mut catalogue = self.catalogue.borrow_mut();
        self.reading(catalogue.refresh(&self.connection))?;
        Ok(catalogue.all().cloned().collect())
    }

    fn sums_of(&self, parts: Parts<'_>) -> Result<Vec<Recorded<Sums>>, Error> {
        self.reading(self.read_sums(parts))
    }

    fn sum_lines(&self, parts: Parts<'_>, steps: &[Resolution]) -> Result<Vec<Lined>, Error> {
        self.reading(self.read_sum_lines(parts, steps))
    }

    fn edges_of(&self, parts: Parts<'_>) -> Result<Vec<Recorded<Vec<Edge>>>, Error> {
        self.reading(self.read_edges(parts))
    }

    fn firsts(&self) -> Result<Vec<First>, Error> {
        self.reading(self.read_firsts())
    }

    fn totals(&self, window: Window, of: Option<&[Series]>) -> Result<Recorded<Totals>, Error> {
        self.reading(self.read_totals(window, of))
    }

    fn timeline(
        &self,
        window: Window,
        step: Resolution,
        of: Option<&[Series]>,
    ) -> Result<Recorded<Timeline>, Error> {
        self.reading(self.read_timeline(window, step, of))
    }

    fn looks(&self, window: Window) -> Result<Recorded<Looks>, Error> {
        self.reading(self.read_looks(window))
    }

    fn sessions(&self, window: Window) -> Result<Vec<Session>, Error> {
        self.reading(self.read_sessions(window))
    }

    fn deploys(&self, window: Window) -> Result<Vec<Deployed>, Error> {
        self.reading(self.read_deploys(window))
    }

    fn about(&self) -> Result<About, Error> {
        self.reading(self.read_about())
    }
}

impl Sqlite {
    pub(super) fn meta(&self, name: &str) -> Result<Option<i64>, Failure> {
        let mut select = self.connection.prepare_cached("SELECT value FROM meta WHERE name = ?")?;
        Ok(select.query_row([name], |row| row.get(0)).optional()?)
    }

    /// The sum of what sessions have learned, of all or of those before one.
    pub(super) fn models(&self, before: Option<i64>) -> Result<Model, Failure> {
        let before = before.unwrap_or(i64::MAX);
        let mut select = self
            .connection
            .prepare_cached("SELECT model FROM evidence WHERE session < ? ORDER BY session")?;
        let mut rows = select.query([before])?;
        let mut models = Vec::new();
        while let Some(row) = rows.next()? {
            models.push(
                evidence::decode(row.get_ref(0)?.as_blob().unwrap_or_default()).map_err(Failure::Damage)?,
            );
        }
        Ok(evidence::sum(self.key, models))
    }

    /// From where on something is kept.
    pub(super) fn from(&self, name: &str) -> Result<Slot, Failure> {
        Ok(Slot(u32::try_from(self.meta(name)?.unwrap_or(0)).unwrap_or(u32::MAX)))
    }

    pub(super) fn kept(&self) -> Result<Kept, Failure> {
        Ok(Kept {
            ten_seconds: self.from("ten_seconds_from")?,
            minutes: self.from("minutes_from")?,
            ten_minutes: self.ten_minutes_from()?,
            hours: self.from("hours_from")?,
            six_hours: roll::made(&self.connection, Resolution::SixHours)?,
            weeks: roll::made(&self.connection, Resolution::Week)?,
        })
    }

    /// From where on there are rolls of ten minutes.
    fn ten_minutes_from(&self) -> Result<Slot, Failure> {
        let has_none = schema::version_of(&self.connection)? < schema::WITH_TEN_MINUTES;
        if has_none { Ok(Slot(u32::MAX)) } else { self.from("ten_minutes_from") }
    }

    fn read_totals(&self, window: Window, of: Option<&[Series]>) -> Result<Recorded<Totals>, Failure> {
        // One moment for all parts: a fold in between would show some calls twice.
        let moment = self.connection.unchecked_transaction()?;
        let numbers = self.numbers(of)?;
        let (parts, window) = self.kept()?.plan(window);
        let mut sums = HashMap::<u32, Tally>::new();
        let mut take = |series, _, tally: Tally| {
            sums.entry(series).and_modify(|sum| sum.merge(self.key, &tally)).or_insert(tally);
        };
        let mut finest = Resolution::Day;
        for (resolution, part) in parts {
            finest = finest.min(resolution);
            self.each(resolution, part, numbers.as_deref(), &mut take)?;
        }
        let mut catalogue = self.catalogue.borrow_mut();
        catalogue.refresh(&self.connection)?;
        let totals = sums.into_iter().filter_map(|(number, sum)| Some((catalogue.series(number)?, sum)));
        let what = totals.collect();
        moment.commit()?;
        Ok(Recorded { what, window, resolution: finest })
    }

    fn read_timeline(
        &self,
        window: Window,
        step: Resolution,
        of: Option<&[Series]>,
    ) -> Result<Recorded<Timeline>, Failure> {
        let moment = self.connection.unchecked_transaction()?;
        let resolution = self.kept()?.resolution(window, step);
        let window = window.outward(resolution);
        let numbers = self.numbers(of)?;
        let mut steps = HashMap::<u32, BTreeMap<Slot, Tally>>::new();
        let mut take = |series, slot, tally: Tally| {
            let steps = steps.entry(series).or_default();
            steps
                .entry(resolution.floor(slot))
                .and_modify(|sum| sum.merge(self.key, &tally))
                .or_insert(tally);
        };
        self.each(resolution, window, numbers.as_deref(), &mut take)?;
        let mut catalogue = self.catalogue.borrow_mut();
        catalogue.refresh(&self.connection)?;
        let named = |(number, steps): (u32, BTreeMap<_, _>)| {
            Some((catalogue.series(number)?, steps.into_iter().collect()))
        };
        let what = steps.into_iter().filter_map(named).collect();
        moment.commit()?;
        Ok(Recorded { what, window, resolution })
    }

    fn numbers(&self, of: Option<&[Series]>) -> Result<Option<Vec<u32>>, Failure> {
        let mut catalogue = self.catalogue.borrow_mut();
        catalogue.refresh(&self.connection)?;
        Ok(of.map(|of| of.iter().filter_map(|series| catalogue.number(series)).collect()))
    }

    /// Every count of this resolution that begins within a window, and what is not folded into it yet.
    fn each(
        &self,
        resolution: Resolution,
        window: Window,
        of: Option<&[u32]>,
        take: &mut Take<'_>,
    ) -> Result<(), Failure> {
        let level = Level::of(resolution);
        self.each_slice(window, level.is_none(), of, take)?;
        let Some(level) = level else { return Ok(()) };
        self.each_recent(level, window, of, take)?;
        self.each_pack(level, window, of, take)
    }

    pub(super) fn each_slice(
        &self,
        window: Window,
        folded: bool,
        of: Option<&[u32]>,
        take: &mut Take<'_>,
    ) -> Result<(), Failure> {
        let mut select = self
            .connection
            .prepare_cached("SELECT slot, tallies FROM slice WHERE folded <= ? AND slot >= ? AND slot < ?")?;
        let mut rows = select.query((folded, window.from.0, window.until.0))?;
        while let Some(row) = rows.next()? {
            let blob = row.get_ref(1)?.as_blob().unwrap_or_default();
            self.each_beside(Slot(row.get(0)?), blob, of, take)?;
        }
        Ok(())
    }

    /// Every count of a blob in which series are side by side.
    pub(super) fn each_beside(
        &self,
        start: Slot,
        blob: &[u8],
        of: Option<&[u32]>,
        take: &mut Take<'_>,
    ) -> Result<(), Failure> {
        let wanted = |number: u32| of.is_none_or(|of| of.contains(&number));
        for (series, tally) in codec::decode(self.key, blob, &wanted)? {
            take(series, start, tally);
        }
        Ok(())
    }

    fn each_pack(
        &self,
        level: Level,
        window: Window,
        of: Option<&[u32]>,
        take: &mut Take<'_>,
    ) -> Result<(), Failure> {
        let mut put = |series: u32, start: Slot, blob: &[u8]| -> Result<(), Failure> {
            let at = |offset: u32| Slot(start.0.saturating_add(offset.saturating_mul(level.unit())));
            for (offset, tally) in codec::decode(self.key, blob, &|offset| window.contains(at(offset)))? {
                take(series, at(offset), tally);
            }
            Ok(())
        };
        let first = level.pack(window.from.0);
        let Some(of) = of else {
            let mut select = self.connection.prepare_cached(
                "SELECT series, start, tallies FROM pack WHERE level = ? AND start >= ? AND start < ?",
            )?;
            return rows(&mut select, &[&level.number(), &first, &window.until.0], &mut put);
        };
        let Some((oldest, newest)) = self.ends(level)? else { return Ok(()) };
        // Before version 6 each hour had a pack of its own.
        let step = level.span().min(Resolution::Hour.slots());
        let starts = (first.max(oldest)..window.until.0.min(newest.saturating_add(1))).step_by(step as usize);
        let mut select = self.connection.prepare_cached(
            "SELECT series, start, tallies FROM pack WHERE level = ? AND start = ? AND series = ?",
        )?;
        for start in starts {
            for series in of {
                rows(&mut select, &[&level.number(), &start, series], &mut put)?;
            }
        }
        Ok(())
    }

    /// Where the first and the last pack begin.
    fn ends(&self, level: Level) -> Result<Option<(u32, u32)>, Failure> {
        let end = |which: &str| -> Result<Option<u32>, Failure> {
            let sql = format!("SELECT {which}(start) FROM pack WHERE level = ?");
            Ok(self.connection.prepare_cached(&sql)?.query_row([level.number()], |row| row.get(0))?)
        };
        Ok(end("min")?.zip(end("max")?))
    }

    fn read_sessions(&self, window: Window) -> Result<Vec<Session>, Failure> {
        let mut select = self.connection.prepare_cached(
            "SELECT number, started, last, heard FROM session WHERE last >= ? AND started < ? ORDER BY number",
        )?;
        let bounds =
            [window.from.start(), window.until.start()].map(|at| signed(at.as_nanos().min(i64::MAX as u64)));
        let mut rows = select.query(bounds)?;
        let mut sessions = Vec::new();
        while let Some(row) = rows.next()? {
            let heard: Vec<u8> = row.get(3)?;
            sessions.push(Session {
                number: row.get(0)?,
                started: Timestamp::from_nanos(unsigned(row.get(1)?)),
                last: Timestamp::from_nanos(unsigned(row.get(2)?)),
                heard: postcard::from_bytes(&heard).map_err(|error| Failure::Damage(error.to_string()))?,
            });
        }
        Ok(sessions)
    }

    fn read_deploys(&self, window: Window) -> Result<Vec<Deployed>, Failure> {
        let mut select = self.connection.prepare_cached(
            "SELECT at, service, version FROM deploy WHERE at >= ? AND at < ? ORDER BY at, service",
        )?;
        let mut rows = select.query(bounds(window))?;
        let mut deploys = Vec::new();
        while let Some(row) = rows.next()? {
            let (service, version): (String, String) = (row.get(1)?, row.get(2)?);
            deploys.push(Deployed {
                at: Timestamp::from_nanos(unsigned(row.get(0)?)),
                service: service.into(),
                version: (!version.is_empty()).then(|| version.into()),
            });
        }
        Ok(deploys)
    }

    /// How long what is kept, as the last that wrote was told.
    fn retention(&self) -> Result<Retention, Failure> {
        let mut retention = Retention::default();
        for (name, value) in retention.fields() {
            if let Some(kept) = self.meta(name)? {
                *value = unsigned(kept);
            }
        }
        Ok(retention)
    }

    fn read_about(&self) -> Result<About, Failure> {
        // Each of them is one look into an index; the least of all levels at once would be a look at every pack.
        let oldest: Option<u32> = self.connection.query_row(
            "WITH known (level) AS (VALUES (1), (2), (3))
             SELECT min(at) FROM (SELECT (SELECT min(start) FROM pack WHERE level = known.level) AS at FROM known
             UNION ALL SELECT (SELECT min(start) FROM recent WHERE level = known.level) FROM known
             UNION ALL SELECT min(slot) FROM slice WHERE folded = 0)",
            [],
            |row| row.get(0),
        )?;
        let mut catalogue = self.catalogue.borrow_mut();
        catalogue.refresh(&self.connection)?;
        Ok(About {
            bytes: self.bytes()?,
            retention: self.retention()?,
            series: catalogue.len() as u64,
            oldest: oldest.map(|slot| Slot(slot).start()),
        })
    }

    /// Bytes of the file that are in use.
    pub(super) fn bytes(&self) -> Result<u64, Failure> {
        let pragma =
            |name: &str| self.connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
        let pages = pragma("page_count")? - pragma("freelist_count")?;
        Ok(unsigned(pages * pragma("page_size")?))
    }
}

/// Both ends of a window as the file has times: nanoseconds.
fn bounds(window: Window) -> [i64; 2] {
    [window.from.start(), window.until.start()].map(|at| signed(at.as_nanos().min(i64::MAX as u64)))
}

fn rows(
    select: &mut CachedStatement<'_>,
    parameters: &[&dyn ToSql],
    put: &mut Put<'_>,
) -> Result<(), Failure> {
    let mut rows = select.query(parameters)?;
    while let Some(row) = rows.next()? {
        put(row.get(0)?, Slot(row.get(1)?), row.get_ref(2)?.as_blob().unwrap_or_default())?;
    }
    Ok(())
}

/// What a pack holds: the minutes of an hour, the hours of a day, a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Minutes,
    Hour,
    Day,
}

impl Level {
    pub(super) const ALL: [Self; 3] = [Self::Minutes, Self::Hour, Self::Day];

    /// Where counts of a resolution are; none: in slices.
    pub(super) const fn of(resolution: Resolution) -> Option<Self> {
        match resolution {
            Resolution::TenSeconds => None,
            Resolution::Minute | Resolution::TenMinutes => Some(Self::Minutes),
            Resolution::Hour | Resolution::SixHours => Some(Self::Hour),
            Resolution::Day | Resolution::Week => Some(Self::Day),
        }
    }

    /// The first slot of the count that a slot is in.
    pub(super) const fn floor(self, slot: u32) -> u32 {
        slot - slot % self.unit()
    }

    /// In the file.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Minutes => 1,
            Self::Hour => 2,
            Self::Day => 3,
        }
    }

    /// Slots of one of its counts.
    pub(super) const fn unit(self) -> u32 {
        match self {
            Self::Minutes => Resolution::Minute.slots(),
            Self::Hour => Resolution::Hour.slots(),
            Self::Day => Resolution::Day.slots(),
        }
    }

    /// Slots of one pack.
    pub(super) const fn span(self) -> u32 {
        match self {
            Self::Minutes => Resolution::Hour.slots(),
            Self::Hour | Self::Day => Resolution::Day.slots(),
        }
    }

    /// Where the pack begins that a slot is in…
    pub(super) const fn pack(self, slot: u32) -> u32 {
        slot - slot % self.span()
    }

    /// …and where it ends.
    pub(super) const fn end(self, pack: u32) -> u32 {
        pack.saturating_add(self.span())
    }
}
