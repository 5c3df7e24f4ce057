//! Which build a process runs.

use super::{cgroup::Group, command::Command, container::Container, elf::Origin, git::commit, proc::Proc};
use overhear_exchange::Timestamp;
use rustc_hash::FxHashMap;
use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Executables remembered at once; beyond, all are read again.
const REMEMBERED: usize = 1024;
/// Digits of a build id that are shown.
const SHORT: usize = 12;
/// Starts are known to a clock tick, and rounded down: a commit right before is before.
const SLACK: u64 = 50_000_000;
/// Folders of programs that somebody else made: a repository they are started in is not theirs.
const SYSTEM: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/nix", "/snap", "/opt"];

/// What is known of the build that a process runs. All of it is optional.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// When the process started.
    pub started: Timestamp,
    /// `service.version` of `OTEL_RESOURCE_ATTRIBUTES`.
    pub announced: Option<String>,
    /// The git commit it was started from, 12 digits: that of its script's or working folder, or the one that is
    /// written into a Go program.
    pub commit: Option<String>,
    /// The container's image and what pins it.
    pub image: Option<String>,
    /// `NT_GNU_BUILD_ID` or Go's build id of the executable; absent for interpreters, whose build is not the program's.
    pub build_id: Option<String>,
    /// When the executable was last written.
    pub modified: Option<Timestamp>,
}

impl Version {
    /// What a person would call it: the announced version, else the commit, the image, the start of the build id.
    pub fn shown(&self) -> Option<Arc<str>> {
        let build_id = || self.build_id.as_deref().map(|id| id.get(..SHORT).unwrap_or(id));
        let shown = self.announced.as_deref().or(self.commit.as_deref()).or(self.image.as_deref());
        shown.or_else(build_id).map(Arc::from)
    }
}

/// Executables that were read: workers and instances share them.
#[derive(Debug, Default)]
pub(crate) struct Origins(FxHashMap<(u64, u64, i64, i64), Arc<Origin>>);

impl Origins {
    /// The origin of the executable, and when that was written in seconds since the epoch.
    pub(crate) fn of(&mut self, proc: &Proc, pid: u32) -> Option<(Arc<Origin>, u64)> {
        let file = proc.executable(pid).ok()?;
        let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let key = (metadata.dev(), metadata.ino(), metadata.mtime(), metadata.mtime_nsec());
        let written = u64::try_from(metadata.mtime()).unwrap_or_default();
        if let Some(known) = self.0.get(&key) {
            return Some((Arc::clone(known), written));
        }
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        let origin = Arc::new(Origin::of(&file));
        self.0.insert(key, Arc::clone(&origin));
        Some((origin, written))
    }
}

/// What is asked of, read before: names come from the same files.
pub(crate) struct Asked<'a> {
    pub(crate) proc: &'a Proc,
    pub(crate) pid: u32,
    pub(crate) command: &'a Command,
    pub(crate) group: &'a Group,
    pub(crate) container: Option<&'a Container>,
    pub(crate) environment: &'a [u8],
    pub(crate) origin: Option<(Arc<Origin>, u64)>,
    pub(crate) started: Timestamp,
}

impl Asked<'_> {
    pub(crate) fn version(&self) -> Version {
        let interpreted = self.command.is_interpreted();
        let (origin, written) = self.origin.clone().unzip();
        let own = origin.filter(|_| !interpreted);
        let built_in = own.as_ref().and_then(|origin| origin.commit.clone());
        Version {
            started: self.started,
            announced: self.proc.attribute(self.environment, "service.version"),
            commit: built_in.or_else(|| self.checked_out(interpreted, written)),
            image: match self.group {
                Group::Container(_) => self.container.and_then(|container| container.image.clone()),
                Group::Unit(_) | Group::None => None,
            },
            build_id: own.and_then(|origin| origin.build_id.clone()),
            modified: written.map(|seconds| Timestamp::from_nanos(seconds.saturating_mul(1_000_000_000))),
        }
    }

    /// A script is read when its process starts. A compiled program is what it was when it was written.
    fn checked_out(&self, interpreted: bool, written: Option<u64>) -> Option<String> {
        let started = self.started.as_nanos().saturating_add(SLACK) / 1_000_000_000;
        let at = if interpreted { started } else { started.min(written.unwrap_or(started)) };
        let places = self.places(interpreted);
        let found = places.iter().find_map(|place| commit(self.proc, self.pid, place, at));
        found.or_else(|| places.iter().find_map(|place| self.revision(place)))
    }

    /// Where its source may be: beside its script or executable, then where it works.
    fn places(&self, interpreted: bool) -> Vec<PathBuf> {
        let mut places = Vec::new();
        if interpreted {
            places.extend(self.command.script().and_then(|script| script.parent().map(PathBuf::from)));
        } else if let Some(executable) = &self.command.executable {
            if SYSTEM.iter().any(|system| executable.starts_with(system)) {
                return places;
            }
            places.extend(executable.parent().map(PathBuf::from));
        }
        // A folder that is gone may have been replaced by another of its name.
        let folder = self.proc.raw_link(self.pid, "cwd");
        places.extend(folder.filter(|folder| !folder.to_string_lossy().ends_with(" (deleted)")));
        places
    }

    /// The file `REVISION` that deployment tools leave in place of `.git`.
    fn revision(&self, place: &Path) -> Option<String> {
        let bytes = self.proc.file_of(self.pid, &place.join("REVISION"))?;
        let id = std::str::from_utf8(&bytes).ok()?.trim();
        let is_id = (7..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit());
        is_id.then(|| id.get(..SHORT).unwrap_or(id).to_owned())
    }
}
