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
const FLAVOUR: &str = "cloud";
const PREFIX: &str = "linux-image-";
/// Debian's name of the processor that the machine's own packages are for.
pub(super) const OWN: &str = "amd64";

/// The packages of one Debian release for one processor, the machine's own or others.
struct Apt {
    options: Vec<String>,
}

/// Which of Debian's kernels.
#[derive(Clone, Copy)]
pub(super) struct Kernel<'a> {
    /// The newest whose version begins so.
    pub(super) version: &'a str,
    /// The Debian release that has it, where the machine may not know it.
    pub(super) release: Option<&'a str>,
    /// Debian's name of the processor.
    pub(super) processor: &'a str,
}

/// The image of a kernel, downloaded when it is not there yet.
pub(super) fn kernel(wanted: Kernel<'_>) -> Result<PathBuf> {
    let elsewhere = wanted.release.is_some() || wanted.processor != OWN;
    let kept = wanted.newest(unpacked().iter().map(String::as_str)).map(str::to_owned);
    let package = match kept.filter(|_| elsewhere) {
        Some(package) => package,
        None => bring(wanted)?,
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

fn bring(wanted: Kernel<'_>) -> Result<String> {
    let apt = Apt::of(wanted.release, wanted.processor)?;
    let mut search = command("apt-cache", &["search", "--names-only"]);
    search.args(&apt.options).arg(format!("^{PREFIX}[0-9].*{}$", wanted.end()));
    let names = output(&mut search)?;
    let names = names.lines().filter_map(|line| line.split(' ').next());
    let package = wanted.newest(names).ok_or_else(|| {
        Error::Refused(format!(
            "no kernel {}* for {} among the packages apt knows: add the Debian release that has it, then `apt-get update`",
            wanted.version, wanted.processor
        ))
    })?;
    let folder = kernels().join(package);
    if !folder.is_dir() {
        unpack(&apt, package, &folder)?;
    }
    Ok(package.to_owned())
}

impl Apt {
    /// Of a release and a processor that the machine does not install from: from where it gets its own, beside what it knows.
    fn of(release: Option<&str>, processor: &str) -> Result<Self> {
        if release.is_none() && processor == OWN {
            return Ok(Self { options: Vec::new() });
        }
        let folder = cache().join("apt").join(format!("{}-{processor}", release.unwrap_or("own")));
        let lists = folder.join("lists");
        fs::create_dir_all(&lists).map_err(at(&lists))?;
        let sources = folder.join("sources.list");
        fs::write(&sources, Self::sources(release)?).map_err(at(&sources))?;
        let set = |name: &str, value: &str| ["-o".to_owned(), format!("{name}={value}")];
        let settings = [
            set("Dir::Etc::SourceList", &sources.to_string_lossy()),
            set("Dir::Etc::SourceParts", "-"),
            set("Dir::State::Lists", &lists.to_string_lossy()),
            set("Dir::Cache::pkgcache", ""),
            set("Dir::Cache::srcpkgcache", ""),
            set("APT::Architecture", processor),
            set("APT::Architectures", processor),
        ];
        let apt = Self { options: settings.concat() };
        execute(apt_get(&["update", "--quiet"]).args(&apt.options))?;
        Ok(apt)
    }

    /// A list of sources: that release, or what the machine has of Debian itself.
    fn sources(release: Option<&str>) -> Result<String> {
        let own = |format: &str, label: &str| {
            output(&mut command(
                "apt-get",
                &["indextargets", "--format", format, "Created-By: Packages", label],
            ))
        };
        let Some(release) = release else {
            return own("deb $(REPO_URI) $(RELEASE) $(COMPONENT)", "Origin: Debian");
        };
        let places = own("$(REPO_URI)", "Label: Debian")?;
        let place =
            places.lines().next().ok_or_else(|| Error::Refused("apt knows no Debian release".to_owned()))?;
        Ok(format!("deb {place} {release} main\n"))
    }
}

/// A package of another Debian release, unpacked into `folder` when it is not there yet.
pub(crate) fn unpacked_from(release: &str, package: &str, folder: &Path) -> Result<()> {
    if folder.is_dir() { Ok(()) } else { unpack(&Apt::of(Some(release), OWN)?, package, folder) }
}

/// Where a package for another processor is unpacked, brought when it is not there yet.
pub(crate) fn unpacked_for(processor: &str, package: &str) -> Result<PathBuf> {
    let folder = cache().join(processor).join(package);
    if !folder.is_dir() {
        unpack(&Apt::of(None, processor)?, package, &folder)?;
    }
    Ok(folder)
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

impl Kernel<'_> {
    /// How the names of its packages end.
    fn end(&self) -> String {
        format!("-{FLAVOUR}-{}-unsigned", self.processor)
    }

    /// The newest of these packages. Versions compare number by number.
    fn newest<'a>(&self, packages: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        let numbers = |name: &str| -> Vec<u32> {
            name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
        };
        let end = self.end();
        packages
            .filter(|name| {
                name.strip_prefix(PREFIX)
                    .is_some_and(|rest| rest.starts_with(self.version) && rest.ends_with(&end))
            })
            .max_by_key(|name| numbers(name))
    }
}

#[cfg(test)]
mod tests {
    use super::Kernel;

    #[test]
    fn takes_the_newest_of_a_version() {
        let names = [
            "linux-image-6.1.0-9-cloud-amd64-unsigned",
            "linux-image-6.1.0-47-cloud-amd64-unsigned",
            "linux-image-6.1.0-56-amd64-unsigned",
            "linux-image-6.1.0-57-cloud-arm64-unsigned",
            "linux-image-6.12.107+deb12-cloud-amd64-unsigned",
            "linux-image-6.12.111+deb12-cloud-amd64-unsigned",
        ];
        let newest =
            |version, processor| Kernel { version, release: None, processor }.newest(names.into_iter());
        assert_eq!(newest("6.1.", "amd64"), Some("linux-image-6.1.0-47-cloud-amd64-unsigned"));
        assert_eq!(newest("6.1.", "arm64"), Some("linux-image-6.1.0-57-cloud-arm64-unsigned"));
        assert_eq!(newest("6.12.", "amd64"), Some("linux-image-6.12.111+deb12-cloud-amd64-unsigned"));
        assert_eq!(newest("5.10.", "amd64"), None);
    }
}
