//! What is told to the store.

use super::{Failure, Sqlite, signed};
use crate::{Deployed, Error, Retention, Store, codec, evidence, question::Heard};
use overhear_exchange::{Statistics, Timestamp};
use overhear_model::{Counted, Model, Series, Shaped, Slot, Tally};
use rusqlite::Connection;
use std::{collections::BTreeMap, fs::File};

/// What only the one that writes has.
#[derive(Debug)]
pub(super) struct Writer {
    /// Held as long as it writes.
    pub(super) _lock: File,
    pub(super) session: i64,
    /// Of what it says of looks.
    pub(super) part: i64,
    pub(super) started: Timestamp,
    pub(super) retention: Retention,
    /// What has no number yet: it could not be written.
    pub(super) waiting: Vec<Counted>,
    pub(super) open: BTreeMap<Slot, Slice>,
}

/// The counts of a slot that may still get more.
#[derive(Debug, Default)]
pub(super) struct Slice {
    /// Its row, once it has one.
    id: Option<i64>,
    /// There is more than in the file.
    unwritten: bool,
    tallies: BTreeMap<u32, Tally>,
}

/// Slots that stay open; what comes later for one makes another row.
const OPEN: u32 = 6;
/// Slots that wait to be written while that fails: an hour…
const WAITING_SLOTS: usize = 360;
/// …and counts.
const WAITING_COUNTS: usize = 200_000;

impl Store for Sqlite {
    fn append(&mut self, counted: &[Counted]) -> Result<(), Error> {
        if let Some(writer) = &mut self.writer {
            writer.waiting.extend_from_slice(counted);
        }
        let result = self.take_in().and_then(|()| self.write_open());
        if let (Err(_), Some(writer)) = (&result, &mut self.writer) {
            writer.let_go();
        }
        self.writing(result)
    }

    fn learn(&mut self, model: &Model) -> Result<(), Error> {
        let blob = match evidence::encode(model) {
            Ok(blob) => blob,
            Err(why) => return Err(Failure::Damage(why).at(&self.path, "written")),
        };
        let result = self.write_evidence(&blob);
        self.writing(result)
    }

    fn look(&mut self, shaped: &[Shaped], is_over: bool) -> Result<(), Error> {
        let result = self.write_looks(shaped, is_over);
        self.writing(result)
    }

    fn session(&mut self, at: Timestamp, statistics: &Statistics) -> Result<(), Error> {
        let result = self.write_session(at, &statistics.into());
        self.writing(result)
    }

    fn deploy(&mut self, deployed: &Deployed) -> Result<(), Error> {
        let result = self.write_deploy(deployed);
        self.writing(result)
    }

    fn tidy(&mut self, now: Timestamp) -> Result<(), Error> {
        let result = self
            .write_open()
            .and_then(|()| self.fold(now))
            .and_then(|()| self.fold_looks(now))
            .and_then(|()| self.expire(now));
        self.writing(result)
    }
}

impl Writer {
    /// Memory is bounded while nothing can be written: the oldest goes.
    fn let_go(&mut self) {
        while self.open.len() > WAITING_SLOTS {
            self.open.pop_first();
        }
        let beyond = self.waiting.len().saturating_sub(WAITING_COUNTS);
        self.waiting.drain(..beyond);
    }
}

impl Sqlite {
    pub(super) fn writer(&mut self) -> Result<&mut Writer, Failure> {
        self.writer.as_mut().ok_or(Failure::Reader)
    }

    /// Gives numbers to what waits and adds it to what is to be written.
    fn take_in(&mut self) -> Result<(), Failure> {
        let key = self.key;
        let numbers = self.number_waiting()?;
        let writer = self.writer()?;
        for (Counted { slot, tally, .. }, number) in writer.waiting.drain(..).zip(numbers) {
            let slice = writer.open.entry(slot).or_default();
            slice.unwritten = true;
            slice.tallies.entry(number).or_default().merge(key, &tally);
        }
        Ok(())
    }

    /// The numbers of series, new ones where need be; all or none.
    pub(super) fn numbers_or_add<'a>(
        &self,
        connection: &Connection,
        series: impl Iterator<Item = &'a Series>,
    ) -> Result<Vec<u32>, Failure> {
        let mut catalogue = self.catalogue.borrow_mut();
        let numbers: Result<Vec<u32>, Failure> =
            series.map(|series| catalogue.number_or_add(connection, series)).collect();
        if numbers.is_err() {
            catalogue.forget();
        }
        numbers
    }

    fn number_waiting(&self) -> Result<Vec<u32>, Failure> {
        let writer = self.writer.as_ref().ok_or(Failure::Reader)?;
        let transaction = self.connection.unchecked_transaction()?;
        let numbers =
            self.numbers_or_add(&transaction, writer.waiting.iter().map(|counted| &counted.series))?;
        let committed = transaction.commit();
        committed.inspect_err(|_| self.catalogue.borrow_mut().forget())?;
        Ok(numbers)
    }

    /// Writes what is not in the file yet, and closes slots that are over.
    pub(super) fn write_open(&mut self) -> Result<(), Failure> {
        let Self { writer, connection, .. } = self;
        let writer = writer.as_mut().ok_or(Failure::Reader)?;
        let transaction = connection.unchecked_transaction()?;
        let mut ids = Vec::new();
        for (slot, slice) in writer.open.iter().filter(|(_, slice)| slice.unwritten) {
            let tallies: Vec<_> = slice.tallies.iter().map(|(number, tally)| (*number, tally)).collect();
            let blob = codec::encode(&tallies)?;
            let mut put = transaction.prepare_cached(
                "INSERT OR REPLACE INTO slice (id, slot, folded, tallies) VALUES (?, ?, 0, ?) RETURNING id",
            )?;
            let id: i64 = put.query_row((slice.id, slot.0, blob), |row| row.get(0))?;
            ids.push((*slot, id));
        }
        transaction.commit()?;
        for (slot, id) in ids {
            if let Some(slice) = writer.open.get_mut(&slot) {
                (slice.id, slice.unwritten) = (Some(id), false);
            }
        }
        let last = writer.open.last_key_value().map_or(0, |(slot, _)| slot.0);
        writer.open.retain(|slot, _| slot.0 + OPEN > last);
        Ok(())
    }

    fn write_evidence(&mut self, blob: &[u8]) -> Result<(), Failure> {
        let session = self.writer()?.session;
        let transaction = self.connection.unchecked_transaction()?;
        transaction
            .execute("INSERT OR REPLACE INTO evidence (session, model) VALUES (?, ?)", (session, blob))?;
        transaction.execute(
            "INSERT INTO meta (name, value) VALUES ('evidence_version', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1",
            [],
        )?;
        transaction.commit()?;
        Ok(())
    }

    fn write_deploy(&mut self, deployed: &Deployed) -> Result<(), Failure> {
        let Deployed { service, at, version } = deployed;
        self.writer()?;
        self.connection.execute(
            "INSERT OR IGNORE INTO deploy (at, service, version) VALUES (?, ?, ?)",
            (signed(at.as_nanos()), &**service, version.as_deref().unwrap_or_default()),
        )?;
        Ok(())
    }

    /// For those that read.
    pub(super) fn write_retention(&mut self) -> Result<(), Failure> {
        let mut retention = self.writer()?.retention;
        for (name, value) in retention.fields() {
            self.connection
                .execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (name, signed(*value)))?;
        }
        Ok(())
    }

    fn write_session(&mut self, at: Timestamp, heard: &Heard) -> Result<(), Failure> {
        let Writer { session, started, .. } = self.writer()?;
        let times = [*started, at].map(|at| signed(at.as_nanos()));
        let heard = postcard::to_stdvec(heard).map_err(|error| Failure::Damage(error.to_string()))?;
        let row = (*session, times[0], times[1], heard);
        self.connection.execute(
            "INSERT OR REPLACE INTO session (number, started, last, heard) VALUES (?, ?, ?, ?)",
            row,
        )?;
        Ok(())
    }
}
