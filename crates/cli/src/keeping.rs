//! Where what was heard is kept: `--store`, and what happens when it cannot be.

use crate::{
    arguments::{self, Keeping, StoreAt},
    fault::Fault,
    knowledge::Knowledge,
    output::tell,
    page::{self, Page},
};
use overhear_exchange::Timestamp;
use overhear_model::Hints;
use overhear_pipeline::{Counting, Keeper, KeeperHandle, Monitor, Picture};
use overhear_query::monitor::Deploy;
use overhear_store::{Deployed, Error, Opened, Questions, Retention, Sqlite, Store, Window};
use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;

const FILE: &str = "overhear.db";

/// The file that is meant: the one that is named, else that of this user; `None` where nothing is to be kept, or there is
/// no place for it.
pub(crate) fn path(at: &StoreAt) -> Option<PathBuf> {
    if at.no_store {
        return None;
    }
    if let Some(path) = &at.store {
        return Some(path.clone());
    }
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // systemd.exec(5), StateDirectory=
    if let Some(folder) = set("STATE_DIRECTORY") {
        return Some(folder.join(FILE));
    }
    if rustix::process::geteuid().is_root() {
        return Some(Path::new("/var/lib/overhear").join(FILE));
    }
    // XDG Base Directory Specification 0.8
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?;
    Some(state.join("overhear").join(FILE))
}

/// What belongs to the store at `path`, there or not.
pub(crate) fn files(path: &Path) -> Vec<PathBuf> {
    let beside = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let mut files: Vec<PathBuf> = ["", "-wal", "-shm", ".lock"].map(beside).into();
    files.extend(path.parent().map(|folder| folder.join(page::TOKEN)));
    files
}

/// A store to ask: the one that is named, or that of this user if there is one.
pub(crate) fn existing(at: &StoreAt) -> Option<PathBuf> {
    path(at).filter(|path| at.store.is_some() || path.exists())
}

/// Opens a store for questions.
pub(crate) fn reader(path: &Path) -> Result<Sqlite, Fault> {
    Sqlite::reader(path).map_err(Fault::new)
}

/// Answers to questions over time, out of the store at `path`.
pub(crate) fn monitor(path: &Path, knowledge: &Knowledge) -> Result<Monitor, Fault> {
    let monitor = Monitor::new(Box::new(reader(path)?), knowledge.hints());
    Ok(monitor.saying(knowledge.names()).at(path.to_owned()))
}

/// A store that this process writes.
pub(crate) struct Place {
    store: Sqlite,
    /// It is for as long as this process runs.
    folder: Option<TempDir>,
}

/// A store that is written, and asked.
pub(crate) struct Kept {
    pub(crate) keeping: BeingKept,
    monitor: Arc<Monitor>,
    /// Where it stays, if it does.
    path: Option<PathBuf>,
}

/// A store that is written.
pub(crate) struct BeingKept {
    keeper: Keeper,
    folder: Option<TempDir>,
}

impl Place {
    /// Opens the store. Where that does not go, says so; what is heard is then kept as long as this process runs.
    pub(crate) fn open(keeping: &Keeping) -> Option<Self> {
        let key = keeping.model_key;
        let Some(path) = path(&keeping.at) else { return Self::temporary(key) };
        let retention = retention(keeping);
        match Sqlite::open(&path, key, retention, now()) {
            Ok(Opened { store, set_aside }) => {
                if let Some(aside) = set_aside {
                    tell(&format!(
                        "overhear: {} was damaged: it is {} now, and a new store was begun",
                        path.display(),
                        aside.display()
                    ));
                }
                Some(Self { store, folder: None })
            }
            Err(error) => {
                let hint = match &error {
                    Error::Busy(_) => "; name another place with --store",
                    Error::OtherKey(_) => "; leave --model-key out, or name another place with --store",
                    Error::Folder(_)
                    | Error::Foreign(_)
                    | Error::Missing(_)
                    | Error::Newer { .. }
                    | Error::Damaged { .. }
                    | Error::Refused { .. } => "",
                };
                tell(&format!("overhear: {error}: this one keeps nothing beyond its end{hint}"));
                Self::temporary(key)
            }
        }
    }

    /// A store that goes with this process.
    pub(crate) fn temporary(key: Option<u64>) -> Option<Self> {
        let opened =
            tempfile::Builder::new().prefix("overhear-").tempdir().map_err(|error| error.to_string());
        let opened = opened.and_then(|folder| {
            let store = Sqlite::open(&folder.path().join(FILE), key, Retention::default(), now());
            Ok((store.map_err(|error| error.to_string())?.store, folder))
        });
        match opened {
            Ok((store, folder)) => Some(Self { store, folder: Some(folder) }),
            Err(error) => {
                tell(&format!("overhear: nothing can be looked up over time: {error}"));
                None
            }
        }
    }

    /// The key that models have to have.
    pub(crate) fn key(&self) -> u64 {
        self.store.key()
    }

    /// What a listener has to know of it.
    pub(crate) fn counting(&self) -> Counting {
        // Without them a restart in the meantime is not noticed, which is all.
        let known = self.store.deploys(Window::ALL).unwrap_or_default();
        let last: BTreeMap<Arc<str>, Deploy> = known
            .into_iter()
            .map(|Deployed { service, at, version }| (Arc::clone(&service), Deploy { service, at, version }))
            .collect();
        Counting { key: self.key(), deploys: last.into_values().collect() }
    }

    /// Keeps what the listener behind `picture` counts.
    pub(crate) fn keep(self, picture: &Picture, hints: Hints, quiet: bool) -> Result<Kept, Fault> {
        let Self { store, folder } = self;
        let path = store.path().to_owned();
        let report = move |sentence: &str| {
            if !quiet {
                tell(&format!("overhear: {sentence}: what is heard is kept in memory until that is mended"));
            }
        };
        let keeper = Keeper::start(Box::new(store), picture.clone(), Box::new(report))
            .map_err(|error| Fault::new(format_args!("cannot start a thread: {error}")))?;
        let monitor = Monitor::new(Box::new(reader(&path)?), hints);
        let (monitor, path) =
            if folder.is_some() { (monitor, None) } else { (monitor.at(path.clone()), Some(path)) };
        let monitor = Arc::new(monitor.listening(picture.clone(), keeper.handle()));
        Ok(Kept { keeping: BeingKept { keeper, folder }, monitor, path })
    }

    /// It is there when this process has ended.
    pub(crate) const fn stays(&self) -> bool {
        self.folder.is_none()
    }

    /// The store itself.
    pub(crate) fn into_store(self) -> impl Store {
        self.store
    }
}

impl Kept {
    /// Who answers questions about it.
    pub(crate) fn monitor(&self) -> Arc<Monitor> {
        Arc::clone(&self.monitor)
    }

    /// Serves the page of it.
    pub(crate) fn serve(self, page: &arguments::Page, knowledge: &Knowledge) -> (BeingKept, Option<Page>) {
        (self.keeping, page::beside(page, self.monitor, self.path.as_deref(), knowledge))
    }
}

impl BeingKept {
    /// Writes what is left. Says what could not be written.
    pub(crate) fn finish(self) -> KeeperHandle {
        let trouble = self.keeper.handle();
        drop(self.keeper);
        drop(self.folder);
        trouble
    }
}

fn retention(keeping: &Keeping) -> Retention {
    let usual = Retention::default();
    Retention {
        ten_seconds: usual.ten_seconds,
        minutes: keeping.keep_minutes.map_or(usual.minutes, |time| time.as_secs()),
        hours: keeping.keep_hours.map_or(usual.hours, |time| time.as_secs()),
        bytes: keeping.keep_bytes.unwrap_or(usual.bytes),
    }
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
