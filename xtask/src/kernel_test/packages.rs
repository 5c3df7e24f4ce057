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

/// The packages of one Debian release, the machine's own or another.
struct Apt {
    options: Vec<String>,
}

/// The image of the newest kernel whose version begins with `version`, downloaded when it is not there yet: of the Debian
/// release of this name, or of those that the machine knows.
pub(super) fn kernel(version: &str, release: Option<&str>) -> Result<PathBuf> {
    let kept =
        release.and_then(|_| newest(unpacked().iter().map(String::as_str), version).map(str::to_owned));
    let package = match kept {
        Some(package) => package,
        None => bring(version, release)?,
    };
    let boot = kernels().join(&package).join("boot");
    let files = fs::read_dir(&boot).map_err(at(&boot))?;
    files
        .filter_map(|file| Some(file.ok()?.path()))
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-")))
        .ok_or_else(|| Error::Refused(format!("{package} holds no vmlinuz")))
}

fn kernels() -> PathBuf {
    cache().join("kernels")
}

/// What was brought before.
fn unpacked() -> Vec<String> {
    let files = fs::read_dir(kernels()).into_iter().flatten();
    files.filter_map(|file| file.ok()?.file_name().into_string().ok()).collect()
}

fn bring(version: &str, release: Option<&str>) -> Result<String> {
    let apt = release.map_or_else(|| Ok(Apt { options: Vec::new() }), Apt::of)?;
    let mut search = command("apt-cache", &["search", "--names-only"]);
    search.args(&apt.options).arg("^linux-image-[0-9].*-cloud-amd64-unsigned$");
    let names = output(&mut search)?;
    let names = names.lines().filter_map(|line| line.split(' ').next());
    let package = newest(names, version).ok_or_else(|| {
        Error::Refused(format!(
            "no kernel {version}* among the packages apt knows: add the Debian release that has it, then `apt-get update`"
        ))
    })?;
    let folder = kernels().join(package);
    if !folder.is_dir() {
        unpack(&apt, package, &folder)?;
    }
    Ok(package.to_owned())
}

impl Apt {
    /// Of a release that the machine does not install from: from where it gets its own, beside what it knows.
    fn of(release: &str) -> Result<Self> {
        let folder = cache().join("apt").join(release);
        let lists = folder.join("lists");
        fs::create_dir_all(&lists).map_err(at(&lists))?;
        let own = output(&mut command(
            "apt-get",
            &["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian"],
        ))?;
        let place =
            own.lines().next().ok_or_else(|| Error::Refused("apt knows no Debian release".to_owned()))?;
        let sources = folder.join("sources.list");
        fs::write(&sources, format!("deb {place} {release} main\n")).map_err(at(&sources))?;
        let set = |name: &str, value: &str| ["-o".to_owned(), format!("{name}={value}")];
        let settings = [
            set("Dir::Etc::SourceList", &sources.to_string_lossy()),
            set("Dir::Etc::SourceParts", "-"),
            set("Dir::State::Lists", &lists.to_string_lossy()),
            set("Dir::Cache::pkgcache", ""),
            set("Dir::Cache::srcpkgcache", ""),
        ];
        let apt = Self { options: settings.concat() };
        execute(apt_get(&["update", "--quiet"]).args(&apt.options))?;
        Ok(apt)
    }
}

/// A package of another Debian release, unpacked into `folder` when it is not there yet.
pub(crate) fn unpacked_from(release: &str, package: &str, folder: &Path) -> Result<()> {
    if folder.is_dir() { Ok(()) } else { unpack(&Apt::of(release)?, package, folder) }
}

/// Downloads beside its place and moves it there: a folder that is there is whole.
fn unpack(apt: &Apt, package: &str, folder: &Path) -> Result<()> {
    let kernels = folder.parent().unwrap_or(folder);
    fs::create_dir_all(kernels).map_err(at(kernels))?;
    let temporary = tempfile::tempdir_in(kernels).map_err(at(kernels))?;
    execute(apt_get(&["download", "--quiet", package]).args(&apt.options).current_dir(temporary.path()))?;
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
