//! Which TLS libraries of a process are heard: for `doctor`.

use super::{
    Library, Scanner, Unreadable, find,
    scan::{Mapping, Place},
    unreadable,
};
use rustc_hash::FxHashMap;
use std::{collections::BTreeSet, fmt, fs::File, path::PathBuf};

/// Files remembered at once.
const REMEMBERED: usize = 64 * 1024;

/// A TLS library whose plaintext is heard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeardTls {
    /// Which.
    pub library: Library,
    /// As far as its file tells.
    pub version: Option<String>,
}

impl fmt::Display for HeardTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) if version.starts_with(|first: char| first.is_ascii_digit()) => {
                write!(f, "{} {version}", self.library)
            }
            Some(version) => write!(f, "{} ({version})", self.library),
            None => self.library.fmt(f),
        }
    }
}

/// Looks at processes one after the other; each file is read once.
pub(crate) struct TlsSurvey {
    scanner: Scanner,
    files: FxHashMap<Place, Option<HeardTls>>,
    hidden: FxHashMap<Place, Option<Unreadable>>,
}

impl TlsSurvey {
    /// Reads `/proc`, mounted here.
    pub(crate) fn at(root: impl Into<PathBuf>) -> Self {
        Self {
            scanner: Scanner::at(root, Vec::new()),
            files: FxHashMap::default(),
            hidden: FxHashMap::default(),
        }
    }

    /// What this process has that is heard.
    pub(crate) fn heard(&mut self, pid: u32) -> BTreeSet<HeardTls> {
        let maps = self.scanner.maps(pid);
        Scanner::mappings(&maps).filter_map(|mapping| self.in_mapping(pid, &mapping)).collect()
    }

    /// Whether this process has something that is heard, and something that would be were it not left alone.
    pub(super) fn split(
        &mut self,
        pid: u32,
        maps: &[u8],
        left_alone: impl Fn(&[u8]) -> bool,
    ) -> (bool, bool) {
        if self.files.len() >= REMEMBERED {
            self.files.clear();
        }
        let (mut heard, mut passed_over) = (false, false);
        for mapping in Scanner::mappings(maps) {
            if self.in_mapping(pid, &mapping).is_some() {
                let alone = left_alone(mapping.path);
                heard |= !alone;
                passed_over |= alone;
            }
        }
        (heard, passed_over)
    }

    /// Why TLS that one of its files holds is not read. Each file is searched once, which takes a while.
    pub(crate) fn hidden(&mut self, pid: u32, maps: &[u8]) -> Option<Unreadable> {
        if self.hidden.len() >= REMEMBERED {
            self.hidden.clear();
        }
        Scanner::mappings(maps).find_map(|mapping| {
            let looked = || unreadable(&self.scanner.open(pid, &mapping)?);
            *self.hidden.entry(mapping.place).or_insert_with(looked)
        })
    }

    fn in_mapping(&mut self, pid: u32, mapping: &Mapping<'_>) -> Option<HeardTls> {
        let scanner = &self.scanner;
        let looked = || scanner.open(pid, mapping).and_then(|file| in_file(&file));
        self.files.entry(mapping.place).or_insert_with(looked).clone()
    }
}

fn in_file(file: &File) -> Option<HeardTls> {
    let found = find(file).ok().flatten().filter(|_| unreadable(file).is_none())?;
    Some(HeardTls { library: found.library, version: found.version })
}
