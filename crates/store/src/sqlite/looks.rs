//! What calls looked like over time: as sessions say it hour by hour, then summed up by hour and by day.

use super::{Failure, Sqlite, base, fold::raise, plan::Kept, read::Level, schema};
use crate::{Looks, Recorded, Resolution, Window};
use overhear_exchange::Timestamp;
use overhear_model::{Shaped, Slot, shape::Shapes};
use rusqlite::{Connection, OptionalExtension};
use std::collections::{BTreeMap, HashMap};

/// Rows summed up in one transaction.
const AT_ONCE: usize = 2000;
/// An hour is summed up when it has been over for so many slots.
const SETTLED: u32 = 30;
/// Where each begins.
const HOURS_FROM: &str = "look_hours_from";
const LOOKS_FROM: &str = "looks_from";

impl Sqlite {
    pub(super) fn write_looks(&mut self, shaped: &[Shaped], is_over: bool) -> Result<(), Failure> {
        let writer = self.writer.as_ref().ok_or(Failure::Reader)?;
        let (session, part) = (writer.session, writer.part);
        let transaction = self.connection.unchecked_transaction()?;
        let numbers = self.numbers_or_add(&transaction, shaped.iter().map(|shaped| &shaped.series))?;
        let written = say(&transaction, (session, part), shaped, &numbers)
            .and_then(|()| Ok(transaction.commit()?))
            .inspect_err(|_| self.catalogue.borrow_mut().forget());
        written?;
        if is_over {
            self.writer()?.part += 1;
        }
        Ok(())
    }

    pub(super) fn read_looks(&self, asked: Window) -> Result<Recorded<Looks>, Failure> {
        let moment = self.connection.unchecked_transaction()?;
        let never = Slot(u32::MAX);
        let kept =
            Kept { ten_seconds: never, minutes: never, hours: self.from(HOURS_FROM)?, ..Kept::default() };
        let (parts, mut window) = kept.plan(asked);
        let mut sums = HashMap::<u32, Shapes>::new();
        let mut finest = Resolution::Day;
        self.each_said(window, &mut sums)?;
        for (resolution, part) in parts.iter().filter(|(_, part)| part.slots() > 0) {
            finest = finest.min(*resolution);
            let level = if *resolution == Resolution::Day { Level::Day } else { Level::Hour };
            self.each_look(level, *part, &mut sums)?;
        }
        let mut catalogue = self.catalogue.borrow_mut();
        catalogue.refresh(&self.connection)?;
        let named = sums.into_iter().filter_map(|(number, sum)| Some((catalogue.series(number)?, sum)));
        let what = named.collect();
        window.from = window.from.max(self.looks_from()?).min(window.until);
        moment.commit()?;
        Ok(Recorded { what, window, resolution: finest })
    }

    /// From where on looks are kept apart by time at all.
    fn looks_from(&self) -> Result<Slot, Failure> {
        let has_none = schema::version_of(&self.connection)? < schema::WITH_LOOKS;
        if has_none { Ok(Slot(u32::MAX)) } else { self.from(LOOKS_FROM) }
    }

    fn each_said(&self, window: Window, sums: &mut HashMap<u32, Shapes>) -> Result<(), Failure> {
        let mut select = self
            .connection
            .prepare_cached("SELECT series, shapes FROM look WHERE start >= ? AND start < ?")?;
        let mut rows = select.query((window.from.0, window.until.0))?;
        while let Some(row) = rows.next()? {
            add(sums, self.key, row.get(0)?, decode(row.get_ref(1)?.as_blob().unwrap_or_default())?);
        }
        Ok(())
    }

    fn each_look(&self, level: Level, part: Window, sums: &mut HashMap<u32, Shapes>) -> Result<(), Failure> {
        let mut select = self.connection.prepare_cached(
            "SELECT series, shapes, base FROM looks WHERE level = ? AND start >= ? AND start < ?",
        )?;
        let mut rows = select.query((level.number(), part.from.0, part.until.0))?;
        while let Some(row) = rows.next()? {
            let blob = row.get_ref(1)?.as_blob().unwrap_or_default();
            add(sums, self.key, row.get(0)?, base::read(&self.connection, blob, row.get(2)?)?);
        }
        Ok(())
    }

    /// Sums up what was said of hours that are over.
    pub(super) fn fold_looks(&mut self, now: Timestamp) -> Result<(), Failure> {
        let limit = Slot(Slot::of(now).0.saturating_sub(Slot::IN_AN_HOUR + SETTLED));
        while self.fold_some_looks(limit)? {}
        Ok(())
    }

    /// True when there is more.
    fn fold_some_looks(&mut self, limit: Slot) -> Result<bool, Failure> {
        let writer = self.writer.as_ref().ok_or(Failure::Reader)?;
        let transaction = self.connection.unchecked_transaction()?;
        // What this session may still say otherwise waits.
        let mut select = transaction.prepare_cached(
            "SELECT rowid, start, series, shapes FROM look
             WHERE start < ? AND NOT (session = ? AND part >= ?) ORDER BY start, series LIMIT ?",
        )?;
        let mut rows = select.query((limit.0, writer.session, writer.part, AT_ONCE))?;
        let mut sums = BTreeMap::<(u8, u32, u32), Shapes>::new();
        let mut done: Vec<i64> = Vec::new();
        while let Some(row) = rows.next()? {
            let (start, series): (u32, u32) = (row.get(1)?, row.get(2)?);
            let shapes = decode(row.get_ref(3)?.as_blob().unwrap_or_default())?;
            for level in [Level::Hour, Level::Day] {
                sums.entry((level.number(), level.floor(start), series))
                    .or_default()
                    .merge(self.key, &shapes);
            }
            done.push(row.get(0)?);
        }
        drop(rows);
        drop(select);
        for (name, sum) in sums {
            put(&transaction, self.key, name, sum)?;
        }
        let mut delete = transaction.prepare_cached("DELETE FROM look WHERE rowid = ?")?;
        for id in &done {
            delete.execute([id])?;
        }
        drop(delete);
        transaction.commit()?;
        Ok(done.len() == AT_ONCE)
    }
}

/// Replaces what was said in a part.
fn say(
    connection: &Connection,
    (session, part): (i64, i64),
    shaped: &[Shaped],
    numbers: &[u32],
) -> Result<(), Failure> {
    connection.execute("DELETE FROM look WHERE session = ? AND part = ?", (session, part))?;
    let mut insert = connection
        .prepare_cached("INSERT INTO look (session, part, start, series, shapes) VALUES (?, ?, ?, ?, ?)")?;
    for (Shaped { hour, shapes, .. }, number) in shaped.iter().zip(numbers) {
        insert.execute((session, part, hour.0, number, encode(shapes)?))?;
    }
    Ok(())
}

/// Adds to what is there.
fn put(connection: &Connection, key: u64, name: (u8, u32, u32), mut sum: Shapes) -> Result<(), Failure> {
    let mut select = connection
        .prepare_cached("SELECT shapes, base FROM looks WHERE level = ? AND start = ? AND series = ?")?;
    let known = select.query_row(name, |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?))).optional()?;
    if let Some((known, base)) = known {
        sum.merge(key, &base::read(connection, &known, base)?);
    }
    let (level, start, series) = name;
    let (blob, base) = base::write(connection, series, &sum)?;
    let mut put = connection.prepare_cached(
        "INSERT INTO looks (level, start, series, shapes, base) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (level, start, series) DO UPDATE SET shapes = excluded.shapes, base = excluded.base",
    )?;
    put.execute((level, start, series, blob, base))?;
    Ok(())
}

/// Takes away the looks of hours or days before a slot.
pub(super) fn forget(connection: &Connection, level: Level, before: Slot) -> Result<(), Failure> {
    let gone =
        connection.execute("DELETE FROM looks WHERE level = ? AND start < ?", (level.number(), before.0))?;
    if gone > 0 {
        base::forget(connection)?;
    }
    raise(connection, if level == Level::Day { LOOKS_FROM } else { HOURS_FROM }, before)
}

fn add(sums: &mut HashMap<u32, Shapes>, key: u64, series: u32, shapes: Shapes) {
    sums.entry(series).and_modify(|sum| sum.merge(key, &shapes)).or_insert(shapes);
}

fn encode(shapes: &Shapes) -> Result<Vec<u8>, Failure> {
    shapes.to_bytes().map_err(|error| Failure::Damage(error.to_string()))
}

fn decode(blob: &[u8]) -> Result<Shapes, Failure> {
    Shapes::from_bytes(blob).map_err(|error| Failure::Damage(error.to_string()))
}
