use super::Failure;
use crate::codec::Damage;
use overhear_model::Series;
use rusqlite::{Connection, OptionalExtension};
use std::{collections::HashMap, sync::Arc};

/// The series of a store by their numbers, as far as they were met.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    by_number: HashMap<u32, Arc<Series>>,
    by_name: HashMap<Arc<Series>, u32>,
    /// What each is part of.
    wholes: HashMap<u32, u32>,
    /// The last one that was read from the file.
    last: u32,
}

impl Catalogue {
    /// Reads what is new in the file.
    pub(super) fn refresh(&mut self, connection: &Connection) -> Result<(), Failure> {
        let mut select = connection.prepare_cached("SELECT id, name FROM series WHERE id > ? ORDER BY id")?;
        let mut rows = select.query([self.last])?;
        while let Some(row) = rows.next()? {
            let (number, name): (u32, Vec<u8>) = (row.get(0)?, row.get(1)?);
            let series = postcard::from_bytes(&name).map_err(|error| Damage::from(error.to_string()))?;
            self.put(number, Arc::new(series));
            self.last = number;
        }
        Ok(())
    }

    pub(super) fn series(&self, number: u32) -> Option<Arc<Series>> {
        self.by_number.get(&number).cloned()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Series>> {
        self.by_number.values()
    }

    pub(super) fn numbered(&self) -> impl Iterator<Item = (u32, &Arc<Series>)> {
        self.by_number.iter().map(|(number, series)| (*number, series))
    }

    pub(super) fn number(&self, series: &Series) -> Option<u32> {
        self.by_name.get(series).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// The number of what a series is part of.
    pub(super) fn whole(&mut self, connection: &Connection, number: u32) -> Result<u32, Failure> {
        if let Some(whole) = self.wholes.get(&number) {
            return Ok(*whole);
        }
        let series =
            self.series(number).ok_or_else(|| Damage::from(format!("series {number} has no name")))?;
        let whole = self.number_or_add(connection, &series.whole())?;
        self.wholes.insert(number, whole);
        Ok(whole)
    }

    /// The number of a series, a new one if need be.
    pub(super) fn number_or_add(&mut self, connection: &Connection, series: &Series) -> Result<u32, Failure> {
        if let Some(number) = self.number(series) {
            return Ok(number);
        }
        let name = postcard::to_stdvec(series).map_err(|error| Damage::from(error.to_string()))?;
        let mut select = connection.prepare_cached("SELECT id FROM series WHERE name = ?")?;
        let known: Option<u32> = select.query_row([&name], |row| row.get(0)).optional()?;
        let number = match known {
            Some(number) => number,
            None => {
                let mut insert =
                    connection.prepare_cached("INSERT INTO series (name) VALUES (?) RETURNING id")?;
                insert.query_row([&name], |row| row.get(0))?
            }
        };
        self.put(number, Arc::new(series.clone()));
        Ok(number)
    }

    /// After a transaction that was taken back: numbers may be given anew.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    fn put(&mut self, number: u32, series: Arc<Series>) {
        self.by_name.insert(Arc::clone(&series), number);
        self.by_number.insert(number, series);
    }
}
