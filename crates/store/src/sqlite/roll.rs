//! Sums of all series together, and when something was first: kept beside the packs, so that lists, maps and changes are
//! few blobs to read.

use super::{Failure, catalogue::Catalogue, read::Level};
use crate::{
    FIRSTS, Resolution, Trait, Window,
    codec::{self, Damage},
    columns::{Blobs, Columns},
};
use overhear_model::{Slot, Tally};
use rusqlite::{Connection, Row};
use std::collections::BTreeMap;

/// What there are rolls of as soon as there are calls, finest first.
const ROLLS: [Resolution; 4] =
    [Resolution::Minute, Resolution::TenMinutes, Resolution::Hour, Resolution::Day];
/// What there are rolls of when it is over, and of what they are made: these are too large to be written every minute.
const LATER: [(Resolution, Resolution); 2] =
    [(Resolution::SixHours, Resolution::Hour), (Resolution::Week, Resolution::Day)];

/// Which rolls there are, of a level and a window…
pub(super) const STARTS: &str = "SELECT start FROM roll WHERE level = ? AND start >= ? AND start < ?";
/// …and what one of them is read by, as far as it is wanted.
pub(super) const COUNTS: &str = "SELECT columns FROM roll WHERE level = ? AND start = ?";
pub(super) const SUMS: &str = "SELECT columns, latencies FROM roll WHERE level = ? AND start = ?";
pub(super) const EDGES: &str = "SELECT coalesce(edges, columns) FROM roll WHERE level = ? AND start = ?";

/// In the file; none: there are no rolls of it.
pub(super) const fn number(resolution: Resolution) -> Option<u8> {
    match resolution {
        Resolution::TenSeconds => None,
        Resolution::Minute => Some(1),
        Resolution::Hour => Some(2),
        Resolution::Day => Some(3),
        Resolution::TenMinutes => Some(4),
        Resolution::SixHours => Some(5),
        Resolution::Week => Some(6),
    }
}

/// Of which rolls those of a resolution are made when it is over; none: there are rolls of it at once, or none at all.
pub(super) fn made_of(resolution: Resolution) -> Option<Resolution> {
    LATER.into_iter().find(|(later, _)| *later == resolution).map(|(_, finer)| finer)
}

/// The time of which there are rolls of a resolution that come later: of every stretch within it that had calls.
pub(super) fn made(connection: &Connection, resolution: Resolution) -> Result<Window, Failure> {
    let end = |until: u32| Slot(until.saturating_add(resolution.slots()));
    let ends = first(connection, resolution, Slot(0))?.zip(last(connection, resolution)?);
    Ok(ends.map_or_else(Window::default, |(from, last)| Window { from, until: end(last.0) }))
}

/// The first roll that begins at a slot or after it.
fn first(connection: &Connection, resolution: Resolution, from: Slot) -> Result<Option<Slot>, Failure> {
    let mut select =
        connection.prepare_cached("SELECT min(start) FROM roll WHERE level = ? AND start >= ?")?;
    let start: Option<u32> = select.query_row((number(resolution), from.0), |row| row.get(0))?;
    Ok(start.map(Slot))
}

fn last(connection: &Connection, resolution: Resolution) -> Result<Option<Slot>, Failure> {
    let mut select = connection.prepare_cached("SELECT max(start) FROM roll WHERE level = ?")?;
    let start: Option<u32> = select.query_row([number(resolution)], |row| row.get(0))?;
    Ok(start.map(Slot))
}

/// Makes the rolls of what is over that come later.
pub(super) fn sum_up(connection: &Connection, key: u64, limit: Slot) -> Result<(), Failure> {
    for (later, finer) in LATER {
        while let Some(over) = next(connection, (later, finer))?.filter(|over| over.until <= limit) {
            let transaction = connection.unchecked_transaction()?;
            let mut sum = Columns::default();
            {
                let mut select = transaction.prepare_cached(
                    "SELECT columns, latencies, edges FROM roll WHERE level = ? AND start >= ? AND start < ?",
                )?;
                let mut rows = select.query((number(finer), over.from.0, over.until.0))?;
                while let Some(row) = rows.next()? {
                    sum.merge(&decode(row)?);
                }
            }
            put(&transaction, key, (later, over.from), sum)?;
            transaction.commit()?;
        }
    }
    Ok(())
}

/// The next stretch with calls that there is no roll of.
fn next(
    connection: &Connection,
    (later, finer): (Resolution, Resolution),
) -> Result<Option<Window>, Failure> {
    let calls = first(connection, finer, made(connection, later)?.until)?;
    Ok(calls.map(|calls| {
        let from = later.floor(calls);
        Window { from, until: Slot(from.0.saturating_add(later.slots())) }
    }))
}

/// What is to be added.
#[derive(Debug, Default)]
pub(super) struct Rolls {
    by_minute: BTreeMap<u32, Columns>,
    firsts: BTreeMap<(u32, Trait), u32>,
}

impl Rolls {
    /// Adds what was counted of a series in a slot.
    pub(super) fn add(
        &mut self,
        catalogue: &mut Catalogue,
        connection: &Connection,
        (series, slot): (u32, u32),
        tally: &Tally,
    ) -> Result<(), Failure> {
        let whole = catalogue.whole(connection, series)?;
        let minute = Level::Minutes.floor(slot);
        self.by_minute.entry(minute).or_default().add(series, whole, tally);
        self.first(series, slot, tally);
        Ok(())
    }

    fn first(&mut self, series: u32, slot: u32, tally: &Tally) {
        for what in tally.cells().flat_map(|(caller, ending, _)| Trait::of(caller, ending)) {
            let first = self.firsts.entry((series, what)).or_insert(slot);
            *first = slot.min(*first);
        }
    }

    pub(super) fn write(self, connection: &Connection, key: u64) -> Result<(), Failure> {
        for resolution in ROLLS {
            write(connection, key, resolution, self.rolls(resolution))?;
        }
        for (later, _) in LATER {
            // What comes too late is added to what was made already.
            let made = made(connection, later)?;
            let mut rolls = self.rolls(later);
            rolls.retain(|start, _| made.contains(*start));
            write(connection, key, later, rolls)?;
        }
        self.write_firsts(connection)
    }

    fn rolls(&self, resolution: Resolution) -> BTreeMap<Slot, Columns> {
        let mut rolls = BTreeMap::<Slot, Columns>::new();
        for (minute, columns) in &self.by_minute {
            rolls.entry(resolution.floor(Slot(*minute))).or_default().merge(columns);
        }
        rolls
    }

    fn write_firsts(&self, connection: &Connection) -> Result<(), Failure> {
        let mut put = connection.prepare_cached(
            "INSERT INTO first (series, what, slot) SELECT ?1, ?2, ?3
             WHERE (SELECT count(*) FROM first WHERE series = ?1) < ?4
                OR EXISTS (SELECT 1 FROM first WHERE series = ?1 AND what = ?2)
             ON CONFLICT (series, what) DO UPDATE SET slot = excluded.slot WHERE excluded.slot < slot",
        )?;
        for ((series, what), slot) in &self.firsts {
            put.execute((series, name(what), slot, FIRSTS))?;
        }
        Ok(())
    }
}

/// Adds sums to a roll.
fn put(
    connection: &Connection,
    key: u64,
    (resolution, start): (Resolution, Slot),
    mut columns: Columns,
) -> Result<(), Failure> {
    let name = (number(resolution), start.0);
    let mut select = connection
        .prepare_cached("SELECT columns, latencies, edges FROM roll WHERE level = ? AND start = ?")?;
    if let Some(known) = select.query(name)?.next()? {
        columns.merge(&decode(known)?);
    }
    columns.bound(key);
    let mut put = connection.prepare_cached(
        "INSERT INTO roll (level, start, columns, latencies, edges) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (level, start) DO UPDATE
         SET columns = excluded.columns, latencies = excluded.latencies, edges = excluded.edges",
    )?;
    let Blobs { counts, latencies, edges } = columns.encode()?;
    put.execute((name.0, name.1, counts, latencies, edges))?;
    Ok(())
}

/// Of a row of columns, latencies and edges.
fn decode(row: &Row<'_>) -> Result<Columns, Failure> {
    let blob = |at: usize| row.get_ref(at).map(|value| value.as_blob().ok());
    let counts = blob(0)?.unwrap_or_default();
    Ok(Columns::decode(Blobs { counts, latencies: blob(1)?, edges: blob(2)? })?)
}

/// Makes rolls and firsts out of packs: for a file that was written without.
pub(super) fn derive(connection: &Connection, key: u64) -> Result<(), Failure> {
    let mut catalogue = Catalogue::default();
    catalogue.refresh(connection)?;
    let mut firsts = Rolls::default();
    // Finer counts say better when something was first, as far back as they go.
    let mut finest = u32::MAX;
    for (level, resolution) in
        Level::ALL.into_iter().zip([Resolution::Minute, Resolution::Hour, Resolution::Day])
    {
        let mut select = connection
            .prepare_cached("SELECT start, series, tallies FROM pack WHERE level = ? ORDER BY start")?;
        let mut rows = select.query([level.number()])?;
        let mut rolls = BTreeMap::<Slot, Columns>::new();
        let (mut last, mut oldest) = (0, finest);
        while let Some(row) = rows.next()? {
            let (start, series): (u32, u32) = (row.get(0)?, row.get(1)?);
            if start != last {
                write(connection, key, resolution, std::mem::take(&mut rolls))?;
                last = start;
            }
            oldest = oldest.min(start);
            let whole = catalogue.whole(connection, series)?;
            let blob = row.get_ref(2)?.as_blob().unwrap_or_default();
            for (offset, tally) in codec::decode(key, blob, &|_| true)? {
                let slot = start.saturating_add(offset.saturating_mul(level.unit()));
                rolls.entry(Slot(slot)).or_default().add(series, whole, &tally);
                if slot < finest {
                    firsts.first(series, slot, &tally);
                }
            }
        }
        write(connection, key, resolution, rolls)?;
        finest = oldest;
    }
    firsts.write_firsts(connection)
}

fn write(
    connection: &Connection,
    key: u64,
    resolution: Resolution,
    rolls: BTreeMap<Slot, Columns>,
) -> Result<(), Failure> {
    rolls.into_iter().try_for_each(|(start, columns)| put(connection, key, (resolution, start), columns))
}

/// As the file has it.
fn name(what: &Trait) -> String {
    match what {
        Trait::Status(None) => "s".to_owned(),
        Trait::Status(Some(status)) => format!("s{status}"),
        Trait::Caller(caller) => format!("c{caller}"),
    }
}

/// What [`name`] was told.
pub(super) fn named(name: &str) -> Result<Trait, Damage> {
    let damage = || Damage::from(format!("{name:?} is neither a status nor a caller"));
    match name.split_at_checked(1).ok_or_else(damage)? {
        ("s", "") => Ok(Trait::Status(None)),
        ("s", status) => status.parse().map(|status| Trait::Status(Some(status))).map_err(|_| damage()),
        ("c", caller) => Ok(Trait::Caller(caller.into())),
        _ => Err(damage()),
    }
}
