//! Opening a file: by the one that writes, or by any that read.

use super::{Failure, Sqlite, catalogue::Catalogue, roll, schema, signed, unsigned, write::Writer};
use crate::{Error, Retention, evidence};
use overhear_exchange::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};
use rustix::fs::{FlockOperation, flock};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::{self, DirBuilder, File, OpenOptions},
    hash::{BuildHasher, RandomState},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

/// Waiting for another process to finish what it writes.
const PATIENCE: Duration = Duration::from_secs(5);

/// A store that was opened for writing.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Sqlite,
    /// What was there was damaged, and is here now.
    pub set_aside: Option<PathBuf>,
}

impl Sqlite {
    /// Opens a store for writing, or makes one. `key` is that of its models; without it a new one has a random one.
    /// A store that is damaged is renamed and never overwritten; a file that never was one is left alone.
    ///
    /// # Errors
    /// [`Error::Busy`] when another process writes to it; when it has another key, is of a later version, or the system
    /// refuses.
    pub fn open(
        path: &Path,
        key: Option<u64>,
        retention: Retention,
        now: Timestamp,
    ) -> Result<Opened, Error> {
        no_folder(path)?;
        let was_ours = lock_of(path).exists();
        let lock = lock(path)?;
        let writer = |lock| Writer {
            _lock: lock,
            session: 0,
            part: 0,
            started: now,
            retention,
            waiting: Vec::new(),
            open: BTreeMap::new(),
        };
        match prepare(path, key) {
            Ok((connection, key)) => {
                let store = Self::begin(path, connection, key, writer(lock))?;
                Ok(Opened { store, set_aside: None })
            }
            Err(Error::Damaged { path, .. }) if !was_ours => {
                // Made a moment ago, and of no use beside somebody's file.
                let _ = fs::remove_file(lock_of(&path));
                Err(Error::Foreign(path))
            }
            Err(Error::Damaged { .. }) => {
                let aside = set_aside(path, now)?;
                let (connection, key) = prepare(path, key)?;
                let store = Self::begin(path, connection, key, writer(lock))?;
                Ok(Opened { store, set_aside: Some(aside) })
            }
            Err(error) => Err(error),
        }
    }

    /// Opens a store for questions. The one that writes to it goes on.
    ///
    /// # Errors
    /// When there is none, it is damaged or of a later version, or the system refuses.
    pub fn reader(path: &Path) -> Result<Self, Error> {
        if !path.exists() {
            return Err(Error::Missing(path.to_owned()));
        }
        no_folder(path)?;
        let (connection, version) = readable(path).map_err(|failure| failure.at(path, "read"))?;
        check_version(path, version)?;
        let key = if version == 0 { Ok(None) } else { stand_in(&connection, version) };
        let key = key.map_err(|failure| failure.at(path, "read"))?;
        let Some(key) = key else {
            return Err(Error::Damaged {
                path: path.to_owned(),
                why: "it is no store of overhear".to_owned(),
            });
        };
        let catalogue = RefCell::new(Catalogue::default());
        Ok(Self { path: path.to_owned(), connection, key: unsigned(key), catalogue, writer: None })
    }

    fn begin(path: &Path, connection: Connection, key: u64, writer: Writer) -> Result<Self, Error> {
        let catalogue = RefCell::new(Catalogue::default());
        let mut store = Self { path: path.to_owned(), connection, key, catalogue, writer: Some(writer) };
        let begun = store.begin_session().and_then(|()| store.write_retention());
        store.writing(begun)?;
        Ok(store)
    }

    /// What earlier sessions have learned becomes one.
    fn begin_session(&mut self) -> Result<(), Failure> {
        let last: Option<i64> = self.connection.query_row(
            "SELECT max(number) FROM (SELECT max(number) AS number FROM session UNION ALL SELECT max(session) FROM evidence
             UNION ALL SELECT max(session) FROM look)",
            [],
            |row| row.get(0),
        )?;
        let session = last.unwrap_or(0) + 1;
        self.writer()?.session = session;
        let earlier: i64 =
            self.connection.query_row("SELECT count(*) FROM evidence", [], |row| row.get(0))?;
        if earlier < 2 {
            return Ok(());
        }
        let sum = evidence::encode(&self.models(Some(session))?).map_err(Failure::Damage)?;
        let transaction = self.connection.unchecked_transaction()?;
        transaction.execute("DELETE FROM evidence WHERE session < ?", [session])?;
        transaction.execute("INSERT INTO evidence (session, model) VALUES (0, ?)", [sum])?;
        transaction.commit()?;
        Ok(())
    }
}

/// A connection to a file as it is, and its version.
fn readable(path: &Path) -> Result<(Connection, i64), Failure> {
    let open = |flags: OpenFlags| -> Result<(Connection, i64), Failure> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        let version = schema::version_of(&connection)?;
        Ok((connection, version))
    };
    // Not read-only: who reads a journal has to take part in its locks.
    let first = open(OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let Err(failure) = first else { return first };
    if failure.is_damage() {
        return Err(failure);
    }
    let second = open(OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    if second.is_ok() || !is_still(path) {
        return second.map_err(|_| failure);
    }
    unchanging(path).map_err(|_| failure)
}

/// Makes a file of an earlier version answer like one of today; says its key.
fn stand_in(connection: &Connection, version: i64) -> Result<Option<i64>, Failure> {
    let key = key_of(connection)?;
    if let Some(key) = key {
        schema::stand_in(connection, version)?;
        if version < schema::WITH_ROLLS {
            roll::derive(connection, unsigned(key))?;
        }
    }
    connection.pragma_update(None, "query_only", true)?;
    Ok(key)
}

/// Whether nobody writes to a file: there is no journal.
fn is_still(path: &Path) -> bool {
    let journal = with(path, "-wal");
    !fs::metadata(journal).is_ok_and(|journal| journal.len() > 0)
}

/// Where not even locks can be written, as on a disk that is mounted for reading (SQLite, URI filenames, `immutable`).
fn unchanging(path: &Path) -> Result<(Connection, i64), Failure> {
    let path = std::path::absolute(path).map_err(|error| Failure::Damage(error.to_string()))?;
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(*byte))
            }
            _ => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri.push_str("?immutable=1");
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri, flags)?;
    let version = schema::version_of(&connection)?;
    Ok((connection, version))
}

/// A key that nobody knows.
fn random_key() -> u64 {
    RandomState::new().hash_one("overhear")
}

fn no_folder(path: &Path) -> Result<(), Error> {
    if path.is_dir() { Err(Error::Folder(path.to_owned())) } else { Ok(()) }
}

/// Beside every store, from its first moment on: a file without one is not ours.
fn lock_of(path: &Path) -> PathBuf {
    with(path, ".lock")
}

/// Only the owner may read what it holds.
fn lock(path: &Path) -> Result<File, Error> {
    let failed = |error: std::io::Error| Error::io(path, "opened", &error);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    let options = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).clone();
    let lock = options.open(lock_of(path)).map_err(failed)?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Busy(path.to_owned())),
        Err(error) => Err(failed(error.into())),
    }
}

/// A connection to a store of today's version, and its key.
fn prepare(path: &Path, key: Option<u64>) -> Result<(Connection, u64), Error> {
    let options = OpenOptions::new().append(true).create(true).mode(0o600).clone();
    options.open(path).map_err(|error| Error::io(path, "opened", &error))?;
    let open = || -> Result<(Connection, i64), Failure> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(PATIENCE)?;
        let version = schema::version_of(&connection)?;
        Ok((connection, version))
    };
    let (mut connection, version) = open().map_err(|failure| failure.at(path, "opened"))?;
    check_version(path, version)?;
    let found = set_up(&mut connection, key).map_err(|failure| failure.at(path, "written"))?;
    if key.is_some_and(|key| key != found) {
        return Err(Error::OtherKey(path.to_owned()));
    }
    Ok((connection, found))
}

fn set_up(connection: &mut Connection, key: Option<u64>) -> Result<u64, Failure> {
    // Nothing of somebody else's database is changed, not even how it keeps its journal.
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 && !key_of(connection).is_ok_and(|key| key.is_some()) {
        return Err(Failure::Damage("it is a database of something else".to_owned()));
    }
    // Before the first table, else it has no effect. Most of what is kept is a little more than a page of the usual size,
    // or than half of one: with pages of half that size a tenth less is left unused.
    connection.execute_batch(
        "PRAGMA page_size = 2048; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         PRAGMA journal_size_limit = 16777216; PRAGMA wal_autocheckpoint = 2000;",
    )?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let from = schema::migrate(&transaction)?;
    let key = match key_of(&transaction)? {
        Some(key) => unsigned(key),
        None => {
            let key = key.unwrap_or_else(random_key);
            transaction.execute("INSERT INTO meta (name, value) VALUES ('key', ?)", [signed(key)])?;
            key
        }
    };
    if (1..schema::WITH_ROLLS).contains(&from) {
        roll::derive(&transaction, key)?;
    }
    transaction.commit()?;
    Ok(key)
}

fn key_of(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.query_row("SELECT value FROM meta WHERE name = 'key'", [], |row| row.get(0)).optional()
}

fn check_version(path: &Path, version: i64) -> Result<(), Error> {
    let known = schema::version();
    if version > known { Err(Error::Newer { path: path.to_owned(), version, known }) } else { Ok(()) }
}

/// What is beside a file.
fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Renames a file that is no store, with its journal.
fn set_aside(path: &Path, now: Timestamp) -> Result<PathBuf, Error> {
    let ending = format!(".damaged-{}", now.as_nanos() / 1_000_000_000);
    let aside = with(path, &ending);
    fs::rename(path, &aside).map_err(|error| Error::io(path, "set aside", &error))?;
    for journal in ["-wal", "-shm"] {
        // There may be none.
        let _ = fs::rename(with(path, journal), with(&aside, journal));
    }
    Ok(aside)
}
