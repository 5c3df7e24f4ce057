use super::{
    Found,
    find::{find, is_same},
};
use crate::{elf::Elf, process::proc::Proc};
use rustc_hash::{FxHashMap, FxHashSet};
use rustix::fs::{Mode, OFlags, open};
use std::{
    fs::{self, File, Metadata},
    io,
    os::{
        fd::AsRawFd,
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
};

/// Files remembered at once; beyond, those in which nothing was found are read again.
const REMEMBERED: usize = 64 * 1024;
/// Scans without a holder after which a file is gone.
const PATIENCE: u32 = 10;
/// Builds remembered at once: the same library in many containers.
const BUILDS: usize = 1024;
/// Programs that compare their own code with what their build wrote down, and do not start when it is probed
/// (ClickHouse, issue 83637).
const NEVER: [&str; 3] = ["clickhouse", "clickhouse-server", "clickhouse-keeper"];
/// Where distributions keep what every program may load.
const FOLDERS: [&str; 9] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/lib64",
    "/usr/lib",
    "/lib",
    "/usr/local/lib",
];
const LIBRARIES: [&str; 4] = ["libssl.so.3", "libssl.so.1.1", "libssl.so.4", "libgnutls.so.30"];

/// A file that holds TLS, and is mapped or may be soon.
#[derive(Debug)]
pub struct Mapped {
    /// A process that has it mapped, if there is one. A probe of the file holds for every process, now and later.
    pub pid: Option<u32>,
    /// Which file it is.
    pub identity: Identity,
    /// What the process calls it; for people.
    pub name: PathBuf,
    /// The file itself, however deleted, replaced or hidden in a mount namespace it is.
    pub file: File,
    /// What was found.
    pub found: Arc<Found>,
}

impl Mapped {
    /// A path that opens the file as long as `self` lives, for those who attach by path (`/proc/self/fd/N`).
    pub fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.file.as_raw_fd()).into()
    }
}

/// Follows `/proc`, and tells of every file that holds TLS once, until it is [`Scanner::gone`]. Whoever attaches a probe to it
/// must keep it attached until then: the kernel holds the inode as long, so that its number stays its own.
#[derive(Debug)]
pub struct Scanner {
    proc: Proc,
    never: Vec<String>,
    /// Files as `/proc/PID/maps` names them, that need not be looked at again.
    known: FxHashMap<Place, Known>,
    told: FxHashMap<Identity, Told>,
    gone: Vec<Identity>,
    /// When each process started and how large it was when it was looked at: it has mapped nothing since.
    processes: FxHashMap<u32, (u64, u64)>,
    builds: FxHashMap<(Vec<u8>, u64), Arc<Found>>,
}

/// A file as `/proc/PID/maps` names it: device and inode.
pub(super) type Place = (u64, u64);

/// A file that was told.
#[derive(Debug)]
struct Told {
    /// Processes that have it mapped.
    holders: FxHashSet<u32>,
    /// It was told before anybody had it mapped, and stays.
    installed: bool,
    /// Scans in a row that found no holder.
    idle: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Told.
    Settled(Identity),
    /// Nothing was found. The number of an inode is given to another file when this one is gone.
    Nothing(Identity),
}

/// A file wherever it is seen. Not the device: containers see one file of a common layer on a device each, while the
/// kernel probes the one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// A line of `/proc/PID/maps` with instructions of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mapping<'a> {
    /// As `/proc/PID/map_files` names it.
    range: (u64, u64),
    pub(super) place: Place,
    pub(super) path: &'a [u8],
}

impl Scanner {
    /// Reads `/proc`. Files of these names (the last part of a path, or a whole path) are never told: programs that
    /// check their own code stop when it is probed.
    pub fn new(never: Vec<String>) -> Self {
        Self::at("/proc", never)
    }

    /// Reads a `/proc` mounted elsewhere, such as the host's in a container.
    pub fn at(root: impl Into<PathBuf>, never: Vec<String>) -> Self {
        Self {
            proc: Proc::new(root),
            never,
            known: FxHashMap::default(),
            told: FxHashMap::default(),
            gone: Vec::new(),
            processes: FxHashMap::default(),
            builds: FxHashMap::default(),
        }
    }

    /// The libraries of this machine that nobody may have mapped yet: what is started next is heard from its first
    /// call.
    pub fn installed(&mut self) -> Vec<Mapped> {
        let paths =
            FOLDERS.iter().flat_map(|folder| LIBRARIES.iter().map(move |name| Path::new(folder).join(name)));
        paths.filter_map(|path| self.program(&path)).collect()
    }

    /// Looks at one file, such as the program that is about to be started.
    pub fn program(&mut self, path: &Path) -> Option<Mapped> {
        let path = fs::canonicalize(path).ok()?;
        let file = open_carefully(&path)?;
        self.tell(None, path.as_os_str().as_bytes(), file)
    }

    /// Looks at every process that has changed its size since the last time. What was told before is not told again.
    ///
    /// # Errors
    ///
    /// When `/proc` itself cannot be listed.
    pub fn scan(&mut self) -> io::Result<Vec<Mapped>> {
        let mut seen = FxHashSet::default();
        let mut found = Vec::new();
        let before = std::mem::take(&mut self.processes);
        for pid in self.proc.pids()? {
            // Kernel threads have no addresses.
            let Some(extent) = self.proc.extent(pid).filter(|(_, size)| *size > 0) else { continue };
            if before.get(&pid) != Some(&extent) {
                self.look_at(pid, &mut seen, &mut found);
            }
            self.processes.insert(pid, extent);
        }
        self.let_go();
        Ok(found)
    }

    /// Files that no process has had mapped for a while. They are told again should one come back.
    pub fn gone(&mut self) -> Vec<Identity> {
        std::mem::take(&mut self.gone)
    }

    fn let_go(&mut self) {
        let (processes, gone) = (&self.processes, &mut self.gone);
        self.told.retain(|identity, told| {
            told.holders.retain(|pid| processes.contains_key(pid));
            told.idle = if told.installed || !told.holders.is_empty() { 0 } else { told.idle + 1 };
            let stays = told.idle < PATIENCE;
            if !stays {
                gone.push(*identity);
            }
            stays
        });
        if !gone.is_empty() {
            let told = &self.told;
            self.known.retain(|_, known| match known {
                Known::Settled(identity) => told.contains_key(identity),
                Known::Nothing(_) => true,
            });
        }
    }

    /// Looks at one process: it started a program, was heard for the first time, or speaks TLS that is not read.
    pub fn look(&mut self, pid: u32) -> Vec<Mapped> {
        let mut found = Vec::new();
        self.look_at(pid, &mut FxHashSet::default(), &mut found);
        found
    }

    pub(super) fn maps(&self, pid: u32) -> Vec<u8> {
        self.proc.read_table(pid, "maps").unwrap_or_default()
    }

    pub(super) fn mappings(maps: &[u8]) -> impl Iterator<Item = Mapping<'_>> {
        maps.split(|byte| *byte == b'\n').filter_map(mapping)
    }

    fn look_at(&mut self, pid: u32, seen: &mut FxHashSet<Place>, found: &mut Vec<Mapped>) {
        let maps = self.maps(pid);
        let mut held = FxHashSet::default();
        for mapping in Self::mappings(&maps) {
            if seen.insert(mapping.place) {
                found.extend(self.consider(pid, &mapping));
            }
            if let Some(Known::Settled(identity)) = self.known.get(&mapping.place) {
                held.insert(*identity);
            }
        }
        for (identity, told) in &mut self.told {
            if held.contains(identity) {
                told.holders.insert(pid);
            } else {
                told.holders.remove(&pid);
            }
        }
    }

    fn consider(&mut self, pid: u32, mapping: &Mapping<'_>) -> Option<Mapped> {
        match self.known.get(&mapping.place) {
            Some(Known::Settled(_)) => return None,
            Some(Known::Nothing(before)) if self.identity(pid, mapping) == Some(*before) => return None,
            Some(Known::Nothing(_)) | None => {}
        }
        let file = self.open(pid, mapping)?;
        let identity = Identity::of(&file.metadata().ok()?);
        let mapped = self.tell(Some(pid), mapping.path, file);
        let settled = mapped.is_some() || self.told.contains_key(&identity);
        if self.known.len() >= REMEMBERED {
            self.known.retain(|_, known| matches!(known, Known::Settled(_)));
        }
        if self.known.len() < REMEMBERED {
            let known = if settled { Known::Settled(identity) } else { Known::Nothing(identity) };
            self.known.insert(mapping.place, known);
        }
        mapped
    }

    fn tell(&mut self, pid: Option<u32>, name: &[u8], file: File) -> Option<Mapped> {
        let identity = Identity::of(&file.metadata().ok()?);
        if self.never(name) || self.told.contains_key(&identity) || self.told.len() >= REMEMBERED {
            return None;
        }
        let found = self.find(&file, identity.size)?;
        let told = Told { holders: FxHashSet::default(), installed: pid.is_none(), idle: 0 };
        self.told.insert(identity, told);
        let name = String::from_utf8_lossy(name).into_owned().into();
        Some(Mapped { pid, identity, name, file, found })
    }

    fn find(&mut self, file: &File, size: u64) -> Option<Arc<Found>> {
        let elf = Elf::open(file)?;
        let key = elf.build_id().map(|id| (id, size));
        let known = key.as_ref().and_then(|key| self.builds.get(key));
        if let Some(known) = known.filter(|known| is_same(&elf, known)) {
            return Some(Arc::clone(known));
        }
        let found = Arc::new(find(file).ok()??);
        if let Some(key) = key.filter(|_| self.builds.len() < BUILDS) {
            self.builds.insert(key, Arc::clone(&found));
        }
        Some(found)
    }

    pub(super) fn never(&self, path: &[u8]) -> bool {
        let file = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let named = |name: &str| name.as_bytes() == path || name.as_bytes() == file;
        NEVER.iter().any(|name| named(name)) || self.never.iter().any(|name| named(name))
    }

    fn identity(&self, pid: u32, mapping: &Mapping<'_>) -> Option<Identity> {
        let paths = [self.proc.path_in_root(pid, mapping.path), self.proc.map_file(pid, mapping.range)];
        let mut found = paths.iter().filter_map(|path| Some(Identity::of(&fs::metadata(path).ok()?)));
        found.find(|identity| identity.inode == mapping.place.1)
    }

    /// By its path if that still is this file; else by the mapping itself, which needs `CAP_CHECKPOINT_RESTORE`.
    pub(super) fn open(&self, pid: u32, mapping: &Mapping<'_>) -> Option<File> {
        let path = Path::new(std::ffi::OsStr::from_bytes(mapping.path));
        let by_path = self.proc.open_of(pid, path);
        by_path
            .filter(|file| file.metadata().is_ok_and(|metadata| metadata.ino() == mapping.place.1))
            .or_else(|| open_carefully(&self.proc.map_file(pid, mapping.range)))
    }
}

/// A regular file; a pipe does not block.
fn open_carefully(path: &Path) -> Option<File> {
    let file =
        File::from(open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).ok()?);
    file.metadata().ok()?.is_file().then_some(file)
}

/// proc_pid_maps(5): `begin-end rwxp offset major:minor inode path`, in hexadecimal but for the inode.
fn mapping(line: &[u8]) -> Option<Mapping<'_>> {
    let mut rest = line;
    let mut word = || {
        let end = memchr::memchr(b' ', rest)?;
        let (word, after) = rest.split_at_checked(end)?;
        rest = after.trim_ascii_start();
        std::str::from_utf8(word).ok()
    };
    let hexadecimal = |text: &str| u64::from_str_radix(text, 16).ok();
    let (begin, end) = word()?.split_once('-')?;
    if word()?.as_bytes().get(2) != Some(&b'x') {
        return None;
    }
    let _offset = word()?;
    let (major, minor) = word()?.split_once(':')?;
    let inode = word()?.parse().ok().filter(|inode| *inode != 0)?;
    rest.starts_with(b"/").then_some(Mapping {
        range: (hexadecimal(begin)?, hexadecimal(end)?),
        place: ((hexadecimal(major)? << 32) | hexadecimal(minor)?, inode),
        path: rest,
    })
}
