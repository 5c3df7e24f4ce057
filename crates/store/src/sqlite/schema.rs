//! What is in the file, and how files of earlier versions become like it.

use rusqlite::{Connection, Transaction};

/// Appended to, never changed: a file of version n has had the first n.
const MIGRATIONS: [&str; 2] = [
    "
    -- The key of all models, and how often evidence was written.
    CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    -- Each time somebody listened. Number 0 is what all that have ended have learned.
    CREATE TABLE session (number INTEGER PRIMARY KEY, started INTEGER NOT NULL, last INTEGER NOT NULL, heard BLOB NOT NULL);
    CREATE TABLE evidence (session INTEGER PRIMARY KEY, model BLOB NOT NULL);
    CREATE TABLE series (id INTEGER PRIMARY KEY AUTOINCREMENT, name BLOB NOT NULL UNIQUE);
    -- Counts of all series in ten seconds. Folded: the packs have it too.
    CREATE TABLE slice (id INTEGER PRIMARY KEY, slot INTEGER NOT NULL, folded INTEGER NOT NULL, tallies BLOB NOT NULL);
    CREATE INDEX slice_by_slot ON slice (folded, slot);
    -- Counts of one series: the minutes of an hour (level 1), an hour (2), a day (3).
    CREATE TABLE pack (level INTEGER NOT NULL, start INTEGER NOT NULL, series INTEGER NOT NULL, tallies BLOB NOT NULL);
    CREATE UNIQUE INDEX pack_by_start ON pack (level, start, series);
",
    "
    -- A service began to run another build.
    CREATE TABLE deploy (at INTEGER NOT NULL, service TEXT NOT NULL, version TEXT NOT NULL, UNIQUE (at, service, version));
",
];

pub(super) fn version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

pub(super) fn version_of(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Brings a file up to date, all or nothing.
pub(super) fn migrate(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let from = usize::try_from(version_of(transaction)?).unwrap_or(usize::MAX);
    for migration in MIGRATIONS.iter().skip(from) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", version())
}
