//! The file of an Overlay: read whole, replaced whole, never half-written.

use super::broken;
use crate::respond::Refusal;
use axum::http::StatusCode;
use overhear_overlay::Overlay;
use std::{
    fs::{self, OpenOptions},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::{Path, PathBuf},
};

/// What people write by hand is smaller.
const LARGEST: u64 = 4 << 20;

/// A file as it was read.
pub(super) struct File {
    path: PathBuf,
    text: Option<String>,
}

impl File {
    /// Reads it; there may be none.
    pub(super) fn read(path: &Path) -> Result<Self, Refusal> {
        let failed = |why: &dyn std::fmt::Display| {
            Refusal(StatusCode::SERVICE_UNAVAILABLE, format!("{} cannot be read: {why}.", path.display()))
        };
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { path: path.to_owned(), text: None });
            }
            Err(error) => return Err(failed(&error)),
        };
        let mut text = String::new();
        let read = file.take(LARGEST + 1).read_to_string(&mut text).map_err(|error| failed(&error))?;
        if u64::try_from(read).unwrap_or(u64::MAX) > LARGEST {
            return Err(failed(&"it is larger than an overlay is"));
        }
        Ok(Self { path: path.to_owned(), text: Some(text) })
    }

    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    pub(super) fn overlay(&self) -> Result<Option<Overlay>, Refusal> {
        let parsed = self.text().map(|text| Overlay::parse(&self.name(), text)).transpose();
        parsed.map_err(|error| broken(&error))
    }

    /// The same for the same text.
    pub(super) fn mark(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.text.hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// Writes it anew, for the same owner, where a link leads.
    pub(super) fn replace(&self, text: &str) -> io::Result<()> {
        if self.text.is_none() {
            let mut file = OpenOptions::new().write(true).create_new(true).open(&self.path)?;
            file.write_all(text.as_bytes())?;
            return file.sync_all();
        }
        let path = fs::canonicalize(&self.path)?;
        let mut beside = path.clone().into_os_string();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let written = write_like(&path, &beside, text).and_then(|()| fs::rename(&beside, &path));
        if written.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::AlreadyExists) {
            // What is left of it is of no use.
            let _ = fs::remove_file(&beside);
        }
        written
    }
}

/// A new file with the mode and the owner of another.
fn write_like(like: &Path, path: &Path, text: &str) -> io::Result<()> {
    let like = fs::metadata(like)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(like.mode()).open(path)?;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
        fchown(&file, Some(like.uid()), Some(like.gid()))?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::File;
    use std::{fs, os::unix::fs::PermissionsExt};

    #[test]
    fn a_file_is_replaced_where_a_link_leads_and_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real.yaml"), folder.path().join("link.yaml"));
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let file = File::read(&link).unwrap();
        let mark = file.mark();
        file.replace("new").unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_ne!(File::read(&link).unwrap().mark(), mark);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside it");
    }

    #[test]
    fn a_file_that_came_meanwhile_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("o.yaml");
        let file = File::read(&path).unwrap();
        assert_eq!(file.text(), None);
        fs::write(&path, "somebody's").unwrap();
        assert!(file.replace("ours").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "somebody's");
    }
}
