//! Counts by minute until their hour is over, and by hour until their day is: some series beside one another. Then they
//! are turned round, and each series has its own pack, which is written once and never grows.

use super::{
    Failure, Sqlite,
    fold::put,
    read::{Level, Take},
};
use crate::{Window, codec};
use overhear_model::{Slot, Tally};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// Series in one blob: what is asked of one reads few others, and what is turned round at once has little of all.
const SERIES: u32 = 64;

/// What was counted of series in one stretch of a level.
pub(super) type Sheaf = BTreeMap<u32, Tally>;

/// Keeps what was counted from `start` on.
pub(super) fn keep(
    connection: &Connection,
    (level, start): (Level, u32),
    counts: &Sheaf,
) -> Result<(), Failure> {
    let mut parts = BTreeMap::<u32, Vec<(u32, &Tally)>>::new();
    for (series, tally) in counts {
        parts.entry(series / SERIES).or_default().push((*series, tally));
    }
    let mut insert =
        connection.prepare_cached("INSERT INTO recent (level, start, part, tallies) VALUES (?, ?, ?, ?)")?;
    for (part, counts) in parts {
        insert.execute((level.number(), start, part, codec::encode(&counts)?))?;
    }
    Ok(())
}

impl Sqlite {
    /// Every count within a window that packs of this level do not have yet.
    pub(super) fn each_recent(
        &self,
        level: Level,
        window: Window,
        of: Option<&[u32]>,
        take: &mut Take<'_>,
    ) -> Result<(), Failure> {
        let mut select = self.connection.prepare_cached(
            "SELECT start, part, tallies FROM recent WHERE level = ? AND start >= ? AND start < ?",
        )?;
        let wanted_part = |part: u32| of.is_none_or(|of| of.iter().any(|number| number / SERIES == part));
        for finer in Level::ALL.into_iter().filter(|finer| *finer <= level) {
            let mut rows = select.query((finer.number(), window.from.0, window.until.0))?;
            while let Some(row) = rows.next()? {
                if wanted_part(row.get(1)?) {
                    let blob = row.get_ref(2)?.as_blob().unwrap_or_default();
                    self.each_beside(Slot(row.get(0)?), blob, of, take)?;
                }
            }
        }
        Ok(())
    }

    /// Turns round what is over.
    pub(super) fn turn(&mut self, limit: Slot) -> Result<(), Failure> {
        for level in Level::ALL {
            let over = level.pack(limit.0);
            while let Some(start) = self.oldest_recent(level)?.map(|start| level.pack(start)) {
                if start >= over {
                    break;
                }
                for part in self.recent_parts(level, start)? {
                    self.turn_part((level, start), part)?;
                }
            }
        }
        Ok(())
    }

    fn oldest_recent(&self, level: Level) -> Result<Option<u32>, Failure> {
        let mut select = self.connection.prepare_cached("SELECT min(start) FROM recent WHERE level = ?")?;
        Ok(select.query_row([level.number()], |row| row.get(0))?)
    }

    fn recent_parts(&self, level: Level, start: u32) -> Result<Vec<u32>, Failure> {
        let mut select = self.connection.prepare_cached(
            "SELECT DISTINCT part FROM recent WHERE level = ? AND start >= ? AND start < ? ORDER BY part",
        )?;
        let rows = select.query_map((level.number(), start, level.end(start)), |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The packs of some series, and what the next level gets of them.
    fn turn_part(&mut self, (level, start): (Level, u32), part: u32) -> Result<(), Failure> {
        let bounds = (level.number(), start, level.end(start), part);
        let transaction = self.connection.unchecked_transaction()?;
        let mut packs = BTreeMap::<u32, BTreeMap<u32, Tally>>::new();
        {
            let mut select = transaction.prepare_cached(
                "SELECT start, tallies FROM recent WHERE level = ? AND start >= ? AND start < ? AND part = ?",
            )?;
            let mut rows = select.query(bounds)?;
            while let Some(row) = rows.next()? {
                let offset = (row.get::<_, u32>(0)? - start) / level.unit();
                let blob = row.get_ref(1)?.as_blob().unwrap_or_default();
                for (series, tally) in codec::decode(self.key, blob, &|_| true)? {
                    packs.entry(series).or_default().entry(offset).or_default().merge(self.key, &tally);
                }
            }
        }
        let mut sums = Sheaf::new();
        for (series, counts) in packs {
            let sum = sums.entry(series).or_default();
            counts.values().for_each(|tally| sum.merge(self.key, tally));
            put(&transaction, self.key, (level, start, series), counts)?;
        }
        match level {
            Level::Minutes => keep(&transaction, (Level::Hour, start), &sums)?,
            Level::Hour => sums.into_iter().try_for_each(|(series, sum)| {
                put(&transaction, self.key, (Level::Day, start, series), BTreeMap::from([(0, sum)]))
            })?,
            Level::Day => {}
        }
        transaction
            .prepare_cached("DELETE FROM recent WHERE level = ? AND start >= ? AND start < ? AND part = ?")?
            .execute(bounds)?;
        transaction.commit()?;
        Ok(())
    }
}
