//! What is handed to people who do not build: a static binary, a tarball, a Debian package, the context of an image.

use crate::shell::{Error, Result, at, cargo, command, output, root, run as execute};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

const TARGET: &str = "x86_64-unknown-linux-musl";
const VERSION: &str = env!("CARGO_PKG_VERSION");
const SERVICE: &str = "packaging/systemd/overhear.service";
/// Shell, name in the tarball, place in the package.
const COMPLETIONS: [(&str, &str, &str); 3] = [
    ("bash", "overhear.bash", "usr/share/bash-completion/completions/overhear"),
    ("zsh", "_overhear", "usr/share/zsh/vendor-completions/_overhear"),
    ("fish", "overhear.fish", "usr/share/fish/vendor_completions.d/overhear.fish"),
];

/// `--binary FILE` packs one that is there, `--into FOLDER` puts everything elsewhere than `target/dist`.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let (mut binary, mut into) = (None, root().join("target/dist"));
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match (*word, words.next()) {
            ("--binary", Some(file)) => binary = Some(PathBuf::from(file)),
            ("--into", Some(folder)) => into = PathBuf::from(folder),
            _ => {
                return Err(Error::Refused("usage: cargo xtask dist [--binary FILE] [--into FOLDER]".into()));
            }
        }
    }
    let binary = binary.map_or_else(build, Ok)?;
    fs::create_dir_all(&into).map_err(at(&into))?;
    let into = into.canonicalize().map_err(at(&into))?;
    let name = format!("overhear-{VERSION}-x86_64-linux");
    let folder = into.join(&name);
    fresh(&folder)?;
    fill(&folder, &binary)?;
    let tarball = into.join(format!("{name}.tar.gz"));
    let owner = ["--owner=0", "--group=0", "--numeric-owner", "--sort=name", "-czf"];
    execute(command("tar", &owner).arg(&tarball).arg("-C").arg(&into).arg(&name))?;
    let package = into.join(format!("overhear_{VERSION}_amd64.deb"));
    debian(&folder, &into.join("debian"), &package)?;
    let context = into.join("docker");
    fresh(&context)?;
    copy(&root().join("packaging/docker/Dockerfile"), &context.join("Dockerfile"), 0o644)?;
    copy(&folder.join("overhear"), &context.join("overhear"), 0o755)?;
    copy(&folder.join("LICENSE"), &context.join("LICENSE"), 0o644)?;
    for what in [tarball, package, context] {
        println!("dist: {}", what.display());
    }
    Ok(())
}

/// The static binary.
fn build() -> Result<PathBuf> {
    let there = output(&mut command("rustup", &["target", "list", "--installed"])).unwrap_or_default();
    if !there.lines().any(|line| line == TARGET) {
        return Err(Error::Refused(format!("run: rustup target add {TARGET}")));
    }
    if crate::shell::find("musl-gcc").is_none() {
        return Err(Error::Refused("SQLite and zstd are C; as root, run: apt-get install musl-tools".into()));
    }
    execute(&mut cargo(&["build", "--release", "--locked", "--package", "overhear", "--target", TARGET]))?;
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let binary = folder.join(TARGET).join("release/overhear");
    let bytes = fs::read(&binary).map_err(at(&binary))?;
    match asks_for_loader(&bytes) {
        Some(false) => Ok(binary),
        _ => Err(Error::Refused(format!("{} is not static", binary.display()))),
    }
}

/// Whether an ELF file of 64 bits, little-endian, names a dynamic loader (`PT_INTERP`).
fn asks_for_loader(elf: &[u8]) -> Option<bool> {
    const PT_INTERP: u32 = 3;
    if !elf.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let short = |at: usize| Some(usize::from(u16::from_le_bytes(elf.get(at..at + 2)?.try_into().ok()?)));
    let table = usize::try_from(u64::from_le_bytes(elf.get(32..40)?.try_into().ok()?)).ok()?;
    let (size, count) = (short(54)?, short(56)?);
    for index in 0..count {
        let at = table.checked_add(index * size)?;
        if u32::from_le_bytes(elf.get(at..at.checked_add(4)?)?.try_into().ok()?) == PT_INTERP {
            return Some(true);
        }
    }
    Some(false)
}

/// What the tarball holds.
fn fill(folder: &Path, binary: &Path) -> Result<()> {
    copy(binary, &folder.join("overhear"), 0o755)?;
    copy(&root().join(SERVICE), &folder.join("overhear.service"), 0o644)?;
    for name in ["LICENSE", "README.md"] {
        copy(&root().join(name), &folder.join(name), 0o644)?;
    }
    for (shell, name, _) in COMPLETIONS {
        let script = output(command(&path(binary), &["completions", shell]).env_clear())?;
        write(&folder.join("completions").join(name), &script)?;
    }
    write(&folder.join("overhear.1"), &output(command(&path(binary), &["man"]).env_clear())?)
}

/// Laid out by `dpkg-deb` alone: it is on every Debian, and nothing has to be built for it.
fn debian(from: &Path, tree: &Path, package: &Path) -> Result<()> {
    fresh(tree)?;
    copy(&from.join("overhear"), &tree.join("usr/bin/overhear"), 0o755)?;
    copy(&from.join("overhear.service"), &tree.join("usr/lib/systemd/system/overhear.service"), 0o644)?;
    for (_, name, place) in COMPLETIONS {
        copy(&from.join("completions").join(name), &tree.join(place), 0o644)?;
    }
    let page = tree.join("usr/share/man/man1/overhear.1");
    copy(&from.join("overhear.1"), &page, 0o644)?;
    execute(command("gzip", &["-9n"]).arg(&page))?;
    let documents = tree.join("usr/share/doc/overhear");
    copy(&from.join("README.md"), &documents.join("README.md"), 0o644)?;
    copy(&from.join("LICENSE"), &documents.join("copyright"), 0o644)?;
    let used = output(command("du", &["-sk"]).arg(tree))?;
    let kibibytes = used.split_whitespace().next().unwrap_or("0").to_owned();
    write(&tree.join("DEBIAN/control"), &control(&kibibytes))?;
    for (name, script) in [("postinst", POSTINST), ("prerm", PRERM), ("postrm", POSTRM)] {
        let file = tree.join("DEBIAN").join(name);
        write(&file, script)?;
        mode(&file, 0o755)?;
    }
    execute(command("dpkg-deb", &["--root-owner-group", "--build"]).arg(tree).arg(package))?;
    fs::remove_dir_all(tree).map_err(at(tree))
}

fn control(kibibytes: &str) -> String {
    format!(
        "Package: overhear\nVersion: {VERSION}\nArchitecture: amd64\nMaintainer: Overhear <overhear@localhost>\n\
         Section: net\nPriority: optional\nInstalled-Size: {kibibytes}\n\
         Description: listens to the API calls this machine's programs make and answer\n \
         Without touching them, it shows which endpoints exist, how fast they are and\n how they fail. \
         The service is not started by itself: systemctl enable --now overhear\n"
    )
}

const POSTINST: &str = "#!/bin/sh
set -e
if [ -z \"$DPKG_ROOT\" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl try-restart overhear.service
fi
";
const PRERM: &str = "#!/bin/sh
set -e
if [ \"$1\" = remove ] && [ -z \"$DPKG_ROOT\" ] && [ -d /run/systemd/system ]; then
    systemctl disable --now overhear.service
fi
";
const POSTRM: &str = "#!/bin/sh
set -e
if [ -z \"$DPKG_ROOT\" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload
fi
";

fn fresh(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(at(folder))?;
    }
    fs::create_dir_all(folder).map_err(at(folder))?;
    mode(folder, 0o755)
}

fn copy(from: &Path, to: &Path, bits: u32) -> Result<()> {
    make_parent(to)?;
    fs::copy(from, to).map_err(at(from))?;
    mode(to, bits)
}

fn write(to: &Path, text: &str) -> Result<()> {
    make_parent(to)?;
    fs::write(to, text).map_err(at(to))?;
    mode(to, 0o644)
}

fn make_parent(file: &Path) -> Result<()> {
    file.parent().map_or(Ok(()), |folder| fs::create_dir_all(folder).map_err(at(folder)))
}

fn mode(path: &Path, bits: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(bits)).map_err(at(path))
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::asks_for_loader;

    #[test]
    fn static_is_what_names_no_loader() {
        let mut elf = vec![0_u8; 64 + 2 * 56];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[32] = 64;
        (elf[54], elf[56]) = (56, 2);
        elf[64] = 1;
        assert_eq!(asks_for_loader(&elf), Some(false));
        elf[64 + 56] = 3;
        assert_eq!(asks_for_loader(&elf), Some(true));
        assert_eq!(asks_for_loader(&elf[..100]), None);
        assert_eq!(asks_for_loader(b"#!/bin/sh"), None);
    }
}
