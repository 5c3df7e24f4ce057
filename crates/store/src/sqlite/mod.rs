//! One file, SQLite in WAL mode: one process writes, any number read.

mod base;
mod catalogue;
mod fold;
mod looks;
mod open;
mod plan;
mod read;
mod recent;
mod roll;
mod schema;
mod sums;
mod write;

use crate::{Error, codec::Damage};
use catalogue::Catalogue;
pub use open::Opened;
use rusqlite::{Connection, ErrorCode};
use std::{
    cell::RefCell,
    path::{Path, PathBuf},
};
use write::Writer;

/// A store in a file. Every write is whole or not at all, whatever happens to the process.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    connection: Connection,
    key: u64,
    catalogue: RefCell<Catalogue>,
    /// None for readers.
    writer: Option<Writer>,
}

impl Sqlite {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn reading<T>(&self, result: Result<T, Failure>) -> Result<T, Error> {
        result.map_err(|failure| failure.at(&self.path, "read"))
    }

    fn writing<T>(&self, result: Result<T, Failure>) -> Result<T, Error> {
        result.map_err(|failure| failure.at(&self.path, "written"))
    }
}

/// What goes wrong below the question that was asked.
#[derive(Debug)]
enum Failure {
    Sql(rusqlite::Error),
    Damage(String),
    /// This one only reads.
    Reader,
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Damage> for Failure {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage.to_string())
    }
}

impl Failure {
    fn is_damage(&self) -> bool {
        match self {
            Self::Damage(_) => true,
            Self::Sql(error) => {
                matches!(
                    error.sqlite_error_code(),
                    Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
                )
            }
            Self::Reader => false,
        }
    }

    fn at(self, path: &Path, done: &'static str) -> Error {
        let path = path.to_owned();
        let damaged = self.is_damage();
        let why = match self {
            Self::Sql(error) => error.to_string(),
            Self::Damage(why) => why,
            Self::Reader => "it was opened for reading".to_owned(),
        };
        if damaged { Error::Damaged { path, why } } else { Error::Refused { path, done, why } }
    }
}

/// A number as SQLite keeps it.
fn signed(number: u64) -> i64 {
    number.cast_signed()
}

fn unsigned(number: i64) -> u64 {
    number.cast_unsigned()
}
