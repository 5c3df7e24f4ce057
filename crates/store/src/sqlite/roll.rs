//! Sums of all series together, and when something was first: kept beside the packs, so that lists, maps and changes are
//! few blobs to read.

use super::{Failure, catalogue::Catalogue, read::Level};
use crate::{
    FIRSTS, Resolution, Trait,
    codec::{self, Damage},
    columns::Columns,
};
use overhear_model::{Slot, Tally};
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeMap;

/// What there are rolls of, finest first.
const ROLLS: [Resolution; 4] =
    [Resolution::Minute, Resolution::TenMinutes, Resolution::Hour, Resolution::Day];

/// In the file; none: there are no rolls of it.
pub(super) const fn number(resolution: Resolution) -> Option<u8> {
    match resolution {
        Resolution::TenSeconds => None,
        Resolution::Minute => Some(1),
        Resolution::Hour => Some(2),
        Resolution::Day => Some(3),
        Resolution::TenMinutes => Some(4),
    }
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
            let mut rolls = BTreeMap::<Slot, Columns>::new();
            for (minute, columns) in &self.by_minute {
                rolls.entry(resolution.floor(Slot(*minute))).or_default().merge(columns);
            }
            write(connection, key, resolution, rolls)?;
        }
        self.write_firsts(connection)
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
    let mut select = connection.prepare_cached("SELECT columns FROM roll WHERE level = ? AND start = ?")?;
    let known: Option<Vec<u8>> = select.query_row(name, |row| row.get(0)).optional()?;
    if let Some(known) = known {
        columns.merge(&Columns::decode(&known)?);
    }
    columns.bound(key);
    let mut put = connection.prepare_cached(
        "INSERT INTO roll (level, start, columns) VALUES (?, ?, ?)
         ON CONFLICT (level, start) DO UPDATE SET columns = excluded.columns",
    )?;
    put.execute((name.0, name.1, columns.encode()?))?;
    Ok(())
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
