use super::command::plain;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The most that is read of any one file: environments and command lines of strangers may be megabytes.
const MOST: u64 = 256 * 1024;
/// `/proc/net/tcp` and `/proc/PID/maps` have a line per socket or mapping.
const MOST_TABLE: u64 = 32 * 1024 * 1024;

/// Whose child a process is, and since when. With the pid the start identifies a process for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) parent: u32,
    /// In clock ticks since boot.
    pub(crate) start: u64,
}

/// A `/proc` file system, real or made for a test.
#[derive(Clone, Debug)]
pub(crate) struct Proc {
    root: PathBuf,
}

impl Proc {
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Every process id there is.
    pub(crate) fn pids(&self) -> io::Result<Vec<u32>> {
        let mut pids: Vec<u32> = fs::read_dir(&self.root)?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        pids.sort_unstable();
        Ok(pids)
    }

    /// Fields 4 and 22 of `/proc/PID/stat` (proc_pid_stat(5)).
    pub(crate) fn life(&self, pid: u32) -> Option<Life> {
        let stat = self.read(pid, "stat")?;
        // The name in field 2 may hold spaces and parentheses; the last parenthesis closes it.
        let end = stat.iter().rposition(|b| *b == b')')?;
        let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        Some(Life { parent: fields.nth(1)?.parse().ok()?, start: fields.nth(17)?.parse().ok()? })
    }

    /// Fields 22 and 23: when it started, and how many bytes of addresses it has in use.
    pub(crate) fn extent(&self, pid: u32) -> Option<(u64, u64)> {
        let stat = self.read(pid, "stat")?;
        let end = stat.iter().rposition(|b| *b == b')')?;
        let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        Some((fields.nth(19)?.parse().ok()?, fields.next()?.parse().ok()?))
    }

    /// The arguments; empty for kernel threads and zombies.
    pub(crate) fn arguments(&self, pid: u32) -> Vec<String> {
        let bytes = self.read(pid, "cmdline").unwrap_or_default();
        let trimmed = bytes.strip_suffix(&[0]).unwrap_or(&bytes);
        if trimmed.is_empty() {
            return Vec::new();
        }
        trimmed.split(|b| *b == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect()
    }

    /// One variable of the environment the process was started with.
    pub(crate) fn variable(&self, environment: &[u8], name: &str) -> Option<String> {
        environment.split(|b| *b == 0).find_map(|entry| {
            let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            let value = std::str::from_utf8(value).ok()?.trim();
            (!value.is_empty()).then(|| value.to_owned())
        })
    }

    /// An attribute of `OTEL_RESOURCE_ATTRIBUTES` (OpenTelemetry, SDK environment variables).
    pub(crate) fn attribute(&self, environment: &[u8], name: &str) -> Option<String> {
        let attributes = self.variable(environment, "OTEL_RESOURCE_ATTRIBUTES")?;
        let mut pairs = attributes.split(',').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| key.trim() == name).and_then(|(_, value)| plain(value))
    }

    /// A file of `/proc/PID`, at most the first [`MOST`] bytes of it.
    pub(crate) fn read(&self, pid: u32, name: &str) -> Option<Vec<u8>> {
        read_bounded(&self.path(pid).join(name), MOST).ok()
    }

    /// As `read`, for the long tables.
    pub(crate) fn read_table(&self, pid: u32, name: &str) -> io::Result<Vec<u8>> {
        read_bounded(&self.path(pid).join(name), MOST_TABLE)
    }

    pub(crate) fn text(&self, pid: u32, name: &str) -> Option<String> {
        Some(String::from_utf8_lossy(&self.read(pid, name)?).into_owned())
    }

    /// Where a link of `/proc/PID` points: `cwd`, `exe`, `ns/net`.
    pub(crate) fn link(&self, pid: u32, name: &str) -> Option<PathBuf> {
        let target = self.raw_link(pid, name)?;
        let bytes = target.as_os_str().as_bytes();
        let alive = bytes.strip_suffix(b" (deleted)").unwrap_or(bytes);
        Some(PathBuf::from(OsStr::from_bytes(alive)))
    }

    /// As `link`, with the kernel's mark ` (deleted)` on what is gone.
    pub(crate) fn raw_link(&self, pid: u32, name: &str) -> Option<PathBuf> {
        fs::read_link(self.path(pid).join(name)).ok()
    }

    /// What each open file of the process is, as its link says: `socket:[123]`, `anon_inode:[io_uring]`, a path.
    pub(crate) fn open_files(&self, pid: u32) -> io::Result<impl Iterator<Item = PathBuf>> {
        let entries = fs::read_dir(self.path(pid).join("fd"))?;
        Ok(entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok()))
    }

    /// The executable itself, which can be read even when its path is in another mount namespace.
    pub(crate) fn executable(&self, pid: u32) -> io::Result<File> {
        File::open(self.path(pid).join("exe"))
    }

    /// A small file at an absolute path as the process sees it: at most its first [`MOST`] bytes.
    pub(crate) fn file_of(&self, pid: u32, path: &Path) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open_of(pid, path)?.take(MOST).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// A regular file at an absolute path as the process sees it. Links and `..` on the way stay within its root, the
    /// last part is no link, and a pipe does not block: the file system may be a stranger's.
    pub(crate) fn open_of(&self, pid: u32, path: &Path) -> Option<File> {
        let root = File::open(self.path(pid).join("root")).ok()?;
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let careful = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(openat2(&root, path, careful, Mode::empty(), how).ok()?);
        file.metadata().ok()?.is_file().then_some(file)
    }

    /// An absolute path as the process sees it, for a look that follows no link of a stranger's but by mistake.
    pub(crate) fn path_in_root(&self, pid: u32, path: &[u8]) -> PathBuf {
        let relative = path.strip_prefix(b"/").unwrap_or(path);
        self.path(pid).join("root").join(OsStr::from_bytes(relative))
    }

    /// The file of a mapping (proc_pid_map_files(5)), whatever became of its path.
    pub(crate) fn map_file(&self, pid: u32, (begin, end): (u64, u64)) -> PathBuf {
        self.path(pid).join(format!("map_files/{begin:x}-{end:x}"))
    }

    fn path(&self, pid: u32) -> PathBuf {
        self.root.join(pid.to_string())
    }
}

fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let careful = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits();
    let file =
        OpenOptions::new().read(true).custom_flags(i32::try_from(careful).unwrap_or_default()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
