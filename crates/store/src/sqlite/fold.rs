//! Summing up what is old, and forgetting what is older than is kept.

use super::{
    Failure, Sqlite, looks,
    read::Level,
    recent::{self, Sheaf},
    roll::{self, Rolls},
};
use crate::{Resolution, codec};
use overhear_exchange::Timestamp;
use overhear_model::{Slot, Tally};
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeMap;

/// Slices folded in one transaction.
const AT_ONCE: usize = 360;
/// A slot is folded when it has been over for so long: later calls of it are few.
const SETTLED: u32 = 12;

impl Sqlite {
    /// Adds up the counts of slots that are over by minute, and those of minutes and hours by what they are part of.
    pub(super) fn fold(&mut self, now: Timestamp) -> Result<(), Failure> {
        let limit = Slot(Resolution::Minute.floor(Slot::of(now)).0.saturating_sub(SETTLED));
        self.writer()?.open.retain(|slot, _| *slot >= limit);
        loop {
            let folded = self.fold_some(limit);
            // Numbers may have been given that were taken back.
            if !folded.inspect_err(|_| self.catalogue.borrow_mut().forget())? {
                self.turn(limit)?;
                return roll::sum_up(&self.connection, self.key, limit);
            }
        }
    }

    /// True when there is more.
    fn fold_some(&mut self, limit: Slot) -> Result<bool, Failure> {
        let key = self.key;
        let transaction = self.connection.unchecked_transaction()?;
        let mut select = transaction.prepare_cached(
            "SELECT id, slot, tallies FROM slice WHERE folded = 0 AND slot < ? ORDER BY slot LIMIT ?",
        )?;
        let mut rows = select.query((limit.0, AT_ONCE))?;
        let mut minutes = BTreeMap::<u32, Sheaf>::new();
        let mut rolls = Rolls::default();
        let mut catalogue = self.catalogue.borrow_mut();
        catalogue.refresh(&transaction)?;
        let mut ids = Vec::new();
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let slot: u32 = row.get(1)?;
            for (series, tally) in
                codec::decode(key, row.get_ref(2)?.as_blob().unwrap_or_default(), &|_| true)?
            {
                let minute = minutes.entry(Level::Minutes.floor(slot)).or_default();
                minute.entry(series).or_default().merge(key, &tally);
                rolls.add(&mut catalogue, &transaction, (series, slot), &tally)?;
            }
            ids.push(id);
        }
        drop(rows);
        drop(select);
        for (start, counts) in &minutes {
            recent::keep(&transaction, (Level::Minutes, *start), counts)?;
        }
        rolls.write(&transaction, key)?;
        let mut mark = transaction.prepare_cached("UPDATE slice SET folded = 1 WHERE id = ?")?;
        for id in &ids {
            mark.execute([id])?;
        }
        drop(mark);
        transaction.commit()?;
        Ok(ids.len() == AT_ONCE)
    }

    /// Forgets what is older than is kept, then what there is no room for.
    pub(super) fn expire(&mut self, now: Timestamp) -> Result<(), Failure> {
        let retention = self.writer()?.retention;
        let before = |resolution: Resolution, floor: Resolution| {
            let age = retention
                .of(resolution)
                .map_or(u64::MAX, |age| u64::try_from(age.as_nanos()).unwrap_or(u64::MAX));
            floor.floor(Slot::of(Timestamp::from_nanos(now.as_nanos().saturating_sub(age))))
        };
        let transaction = self.connection.unchecked_transaction()?;
        let slots = before(Resolution::TenSeconds, Resolution::Hour);
        transaction.execute("DELETE FROM slice WHERE folded = 1 AND slot < ?", [slots.0])?;
        raise(&transaction, "ten_seconds_from", slots)?;
        let minutes = before(Resolution::Minute, Resolution::Day);
        let hours = before(Resolution::Hour, Resolution::Day);
        forget(&transaction, Level::Minutes, minutes)?;
        forget(&transaction, Level::Hour, hours)?;
        looks::forget(&transaction, Level::Hour, minutes)?;
        looks::forget(&transaction, Level::Day, hours)?;
        transaction.commit()?;
        self.make_room(retention.bytes)?;
        self.connection.execute_batch("PRAGMA incremental_vacuum(8192)")?;
        Ok(())
    }

    /// Forgets the oldest day of what is finest, then of what is coarser, until the file is within its bound.
    fn make_room(&mut self, bytes: u64) -> Result<(), Failure> {
        for kind in Kind::IN_ORDER {
            while self.bytes()? > bytes {
                let Some(oldest) = kind.oldest(&self.connection)? else { break };
                let day = Resolution::Day;
                let before = Slot(day.floor(oldest).0.saturating_add(day.slots()));
                let transaction = self.connection.unchecked_transaction()?;
                match kind {
                    Kind::Counts(level) => forget(&transaction, level, before)?,
                    Kind::Looks(level) => looks::forget(&transaction, level, before)?,
                }
                transaction.commit()?;
            }
        }
        Ok(())
    }
}

/// What goes as a whole.
#[derive(Clone, Copy)]
enum Kind {
    Counts(Level),
    Looks(Level),
}

impl Kind {
    /// What goes first where room is short.
    const IN_ORDER: [Self; 5] = [
        Self::Looks(Level::Hour),
        Self::Counts(Level::Minutes),
        Self::Looks(Level::Day),
        Self::Counts(Level::Hour),
        Self::Counts(Level::Day),
    ];

    fn oldest(self, connection: &Connection) -> Result<Option<Slot>, Failure> {
        let (sql, level) = match self {
            Self::Counts(level) => ("SELECT min(start) FROM pack WHERE level = ?", level),
            Self::Looks(level) => ("SELECT min(start) FROM looks WHERE level = ?", level),
        };
        let oldest: Option<u32> = connection.query_row(sql, [level.number()], |row| row.get(0))?;
        Ok(oldest.map(Slot))
    }
}

/// Adds counts to a pack.
pub(super) fn put(
    connection: &Connection,
    key: u64,
    (level, start, series): (Level, u32, u32),
    mut counts: BTreeMap<u32, Tally>,
) -> Result<(), Failure> {
    let name = (level.number(), start, series);
    let mut select =
        connection.prepare_cached("SELECT tallies FROM pack WHERE level = ? AND start = ? AND series = ?")?;
    let known: Option<Vec<u8>> = select.query_row(name, |row| row.get(0)).optional()?;
    for (offset, tally) in
        known.map(|blob| codec::decode(key, &blob, &|_| true)).transpose()?.unwrap_or_default()
    {
        counts.entry(offset).or_default().merge(key, &tally);
    }
    let counts: Vec<_> = counts.iter().map(|(offset, tally)| (*offset, tally)).collect();
    let blob = codec::encode(&counts)?;
    let mut put = connection.prepare_cached(
        "INSERT INTO pack (level, start, series, tallies) VALUES (?, ?, ?, ?)
         ON CONFLICT (level, start, series) DO UPDATE SET tallies = excluded.tallies",
    )?;
    put.execute((name.0, name.1, name.2, blob))?;
    Ok(())
}

/// Takes away what begins before a slot; coarser counts have it too.
fn forget(connection: &Connection, level: Level, before: Slot) -> Result<(), Failure> {
    connection.execute("DELETE FROM pack WHERE level = ? AND start < ?", (level.number(), before.0))?;
    for resolution in Resolution::ALL.into_iter().filter(|finer| Level::of(*finer) == Some(level)) {
        let number = roll::number(resolution);
        connection.execute("DELETE FROM roll WHERE level = ? AND start < ?", (number, before.0))?;
    }
    match level {
        Level::Minutes => raise(connection, "minutes_from", before),
        Level::Hour => raise(connection, "hours_from", before),
        Level::Day => Ok(()),
    }
}

/// From where on something is kept only ever grows.
pub(super) fn raise(connection: &Connection, name: &str, slot: Slot) -> Result<(), Failure> {
    connection.execute(
        "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
        (name, slot.0),
    )?;
    Ok(())
}
