//! Debian's kernel packages, unpacked and not installed.

use crate::{
    setup::apt_get,
    shell::{Error, Result, at, cache, command, output, run as execute},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The kernels without drivers for hardware: what a virtual machine needs, and a third of the size.
const FLAVOUR: &str = "-cloud-amd64-unsigned";
const PREFIX: &str = "linux-image-";

/// The image of the newest kernel whose version begins with `version`, downloaded when it is not there yet.
pub(super) fn kernel(version: &str) -> Result<PathBuf> {
    let names = output(&mut command(
        "apt-cache",
        &["search", "--names-only", "^linux-image-[0-9].*-cloud-amd64-unsigned$"],
    ))?;
    let names = names.lines().filter_map(|line| line.split(' ').next());
    let package = newest(names, version).ok_or_else(|| {
        Error::Refused(format!(
            "no kernel {version}* among the packages apt knows: add the Debian release that has it, then `apt-get update`"
        ))
    })?;
    let folder = cache().join("kernels").join(package);
    if !folder.is_dir() {
        unpack(package, &folder)?;
    }
    let boot = folder.join("boot");
    let files = fs::read_dir(&boot).map_err(at(&boot))?;
    files
        .filter_map(|file| Some(file.ok()?.path()))
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-")))
        .ok_or_else(|| Error::Refused(format!("{package} holds no vmlinuz")))
}

/// Downloads beside its place and moves it there: a folder that is there is whole.
fn unpack(package: &str, folder: &Path) -> Result<()> {
    let kernels = folder.parent().unwrap_or(folder);
    fs::create_dir_all(kernels).map_err(at(kernels))?;
    let temporary = tempfile::tempdir_in(kernels).map_err(at(kernels))?;
    execute(apt_get(&["download", "--quiet", package]).current_dir(temporary.path()))?;
    let files = fs::read_dir(temporary.path()).map_err(at(temporary.path()))?;
    let archive = files
        .filter_map(|file| Some(file.ok()?.path()))
        .find(|path| path.extension().is_some_and(|end| end == "deb"))
        .ok_or_else(|| Error::Refused(format!("apt-get download {package} left no package")))?;
    let whole = temporary.path().join("whole");
    execute(command("dpkg-deb", &["--extract"]).arg(archive).arg(&whole))?;
    fs::rename(&whole, folder).map_err(at(folder))
}

/// Versions compare number by number.
fn newest<'a>(packages: impl Iterator<Item = &'a str>, version: &str) -> Option<&'a str> {
    let numbers = |name: &str| -> Vec<u32> {
        name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
    };
    packages
        .filter(|name| {
            name.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with(version) && rest.ends_with(FLAVOUR))
        })
        .max_by_key(|name| numbers(name))
}

#[cfg(test)]
mod tests {
    use super::newest;

    #[test]
    fn takes_the_newest_of_a_version() {
        let names = [
            "linux-image-6.1.0-9-cloud-amd64-unsigned",
            "linux-image-6.1.0-47-cloud-amd64-unsigned",
            "linux-image-6.1.0-56-amd64-unsigned",
            "linux-image-6.12.107+deb12-cloud-amd64-unsigned",
            "linux-image-6.12.111+deb12-cloud-amd64-unsigned",
        ];
        assert_eq!(newest(names.into_iter(), "6.1."), Some("linux-image-6.1.0-47-cloud-amd64-unsigned"));
        assert_eq!(
            newest(names.into_iter(), "6.12."),
            Some("linux-image-6.12.111+deb12-cloud-amd64-unsigned")
        );
        assert_eq!(newest(names.into_iter(), "5.10."), None);
    }
}
