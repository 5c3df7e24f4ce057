//! What is in the file, and how files of earlier versions become like it.

use rusqlite::{Connection, Transaction};

/// Appended to, never changed: a file of version n has had the first n.
const MIGRATIONS: [&str; 7] = [
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
    "
    -- Sums of all series in a minute (level 1), an hour (2), a day (3): what packs and slices that are folded have, and
    -- only that.
    CREATE TABLE roll (level INTEGER NOT NULL, start INTEGER NOT NULL, columns BLOB NOT NULL);
    CREATE UNIQUE INDEX roll_by_start ON roll (level, start);
    -- When a series first had a status (s503; s: no response) or a caller (cNAME), in slots that are folded.
    CREATE TABLE first (series INTEGER NOT NULL, what TEXT NOT NULL, slot INTEGER NOT NULL, PRIMARY KEY (series, what)) WITHOUT ROWID;
",
    "
    -- What calls of a series looked like that ended in an hour, as a session said it. Who said all of it begins another part.
    CREATE TABLE look (session INTEGER NOT NULL, part INTEGER NOT NULL, start INTEGER NOT NULL, series INTEGER NOT NULL, shapes BLOB NOT NULL);
    CREATE INDEX look_by_part ON look (session, part);
    -- The same in an hour (level 2) or a day (3), of all that said all of it.
    CREATE TABLE looks (level INTEGER NOT NULL, start INTEGER NOT NULL, series INTEGER NOT NULL, shapes BLOB NOT NULL);
    CREATE UNIQUE INDEX looks_by_start ON looks (level, start, series);
    -- What was learned before was not kept apart by time.
    INSERT INTO meta (name, value) SELECT 'looks_from', CAST(strftime('%s', 'now') AS INTEGER) / 10 FROM evidence LIMIT 1;
",
    "
    -- What looks of a series have in common: the text of one of them, which others are compressed against.
    CREATE TABLE look_base (id INTEGER PRIMARY KEY AUTOINCREMENT, series INTEGER NOT NULL, shapes BLOB NOT NULL);
    CREATE INDEX look_base_by_series ON look_base (series);
    -- None: it stands for itself.
    ALTER TABLE looks ADD COLUMN base INTEGER;
    CREATE INDEX looks_by_base ON looks (base);
",
    "
    -- Counts of some series in a minute (level 1) whose hour is not over, and in an hour (2) whose day is not: what packs
    -- of their level do not have yet. Packs of level 2 have the hours of a day since.
    CREATE TABLE recent (level INTEGER NOT NULL, start INTEGER NOT NULL, part INTEGER NOT NULL, tallies BLOB NOT NULL);
    CREATE INDEX recent_by_start ON recent (level, start, part);
    -- Rolls are of ten minutes too (level 4): from the next that is whole.
    INSERT INTO meta (name, value)
    SELECT 'ten_minutes_from', (CAST(strftime('%s', 'now') AS INTEGER) / 600 + 1) * 60 FROM pack LIMIT 1;
",
    "
    -- Rolls that are written since (columns begin with the byte 3) have latencies and edges apart, as most ask for one of
    -- the three. There are rolls of six hours (level 5) and of a week (6) too, as soon as they are over.
    ALTER TABLE roll ADD COLUMN latencies BLOB;
    ALTER TABLE roll ADD COLUMN edges BLOB;
",
];

/// From here on there are rolls and firsts beside packs.
pub(super) const WITH_ROLLS: i64 = 3;

/// What stands for the tables of later versions where a file is only read.
const STAND_INS: [&str; MIGRATIONS.len()] = [
    "",
    "CREATE TEMP TABLE deploy (at INTEGER, service TEXT, version TEXT);",
    // Series too: sums are of some that have no number yet.
    "CREATE TEMP TABLE series (id INTEGER PRIMARY KEY AUTOINCREMENT, name BLOB NOT NULL UNIQUE);
     INSERT INTO temp.series SELECT id, name FROM main.series;
     CREATE TEMP TABLE roll (level INTEGER, start INTEGER, columns BLOB, latencies BLOB, edges BLOB, UNIQUE (level, start));
     CREATE TEMP TABLE first (series INTEGER, what TEXT, slot INTEGER, UNIQUE (series, what));",
    "CREATE TEMP TABLE look (session INTEGER, part INTEGER, start INTEGER, series INTEGER, shapes BLOB);
     CREATE TEMP TABLE looks (level INTEGER, start INTEGER, series INTEGER, shapes BLOB, base INTEGER);",
    "CREATE TEMP TABLE look_base (id INTEGER, series INTEGER, shapes BLOB);
     CREATE TEMP VIEW IF NOT EXISTS looks AS SELECT *, NULL AS base FROM main.looks;",
    "CREATE TEMP TABLE recent (level INTEGER, start INTEGER, part INTEGER, tallies BLOB);",
    "CREATE TEMP VIEW IF NOT EXISTS roll AS SELECT *, NULL AS latencies, NULL AS edges FROM main.roll;",
];

/// The first version that keeps what calls looked like by time.
pub(super) const WITH_LOOKS: i64 = 4;

/// The first version that has rolls of ten minutes.
pub(super) const WITH_TEN_MINUTES: i64 = 6;

/// Makes a file of this version readable as it is.
pub(super) fn stand_in(connection: &Connection, version: i64) -> rusqlite::Result<()> {
    connection.execute_batch("PRAGMA temp_store = MEMORY")?;
    let from = usize::try_from(version).unwrap_or(usize::MAX);
    STAND_INS.iter().skip(from).try_for_each(|missing| connection.execute_batch(missing))
}

pub(super) fn version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

pub(super) fn version_of(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Brings a file up to date, all or nothing; says which version it was.
pub(super) fn migrate(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    let from = version_of(transaction)?;
    for migration in MIGRATIONS.iter().skip(usize::try_from(from).unwrap_or(usize::MAX)) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", version())?;
    Ok(from)
}
