//! What is handed out: the tarball, the Debian package, the unit, the manifest. Packed around the binary of the tests.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use overhear_tests::{
    judge,
    program::{output, overhear},
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};
use tempfile::TempDir;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Everything packed, once.
fn dist() -> &'static Path {
    static DIST: OnceLock<TempDir> = OnceLock::new();
    DIST.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut pack = Command::new(cargo);
        pack.args(["run", "--quiet", "--package", "xtask", "--", "dist", "--binary"]).current_dir(root());
        output(pack.arg(overhear().unwrap()).arg("--into").arg(folder.path())).unwrap();
        folder
    })
    .path()
}

fn made(end: &str) -> PathBuf {
    let entries = fs::read_dir(dist()).unwrap();
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.to_str().unwrap().ends_with(end))
        .unwrap()
}

#[test]
fn the_tarball_holds_everything_once() {
    let list = output(Command::new("tar").arg("-tzf").arg(made(".tar.gz"))).unwrap();
    let files: BTreeSet<&str> = list
        .lines()
        .filter(|line| !line.ends_with('/'))
        .filter_map(|line| Some(line.split_once('/')?.1))
        .collect();
    let wanted = [
        "LICENSE",
        "README.md",
        "completions/_overhear",
        "completions/overhear.bash",
        "completions/overhear.fish",
        "overhear",
        "overhear.1",
        "overhear.service",
    ];
    assert_eq!(files, BTreeSet::from(wanted));
}

#[test]
fn the_debian_package_is_installed_and_removed_again() {
    let package = made(".deb");
    let info = output(Command::new("dpkg-deb").arg("--info").arg(&package)).unwrap();
    assert!(info.contains("Package: overhear\n") && info.contains("Architecture: amd64"), "{info}");
    let folder = tempfile::tempdir().unwrap();
    let installed = folder.path();
    for part in ["var/lib/dpkg/info", "var/lib/dpkg/updates"] {
        fs::create_dir_all(installed.join(part)).unwrap();
    }
    fs::write(installed.join("var/lib/dpkg/status"), "").unwrap();
    let dpkg = || {
        let mut dpkg = Command::new("dpkg");
        // Scripts know from DPKG_ROOT that this is not the running system.
        dpkg.arg(format!("--root={}", installed.display())).arg("--force-script-chrootless");
        dpkg
    };
    output(dpkg().arg("--install").arg(&package)).unwrap();
    let places = [
        "usr/bin/overhear",
        "usr/lib/systemd/system/overhear.service",
        "usr/share/bash-completion/completions/overhear",
        "usr/share/zsh/vendor-completions/_overhear",
        "usr/share/fish/vendor_completions.d/overhear.fish",
        "usr/share/man/man1/overhear.1.gz",
        "usr/share/doc/overhear/copyright",
    ];
    for place in places {
        assert!(installed.join(place).is_file(), "{place}");
    }
    let version = output(Command::new(installed.join(places[0])).arg("--version")).unwrap();
    assert!(info.contains(&version.trim().replace("overhear ", "Version: ")), "{version}");
    output(dpkg().args(["--purge", "overhear"])).unwrap();
    assert!(places.iter().all(|place| !installed.join(place).exists()));
}

#[test]
fn the_unit_is_sound_and_not_exposed() {
    // systemd wants what a unit starts to be there.
    let folder = tempfile::tempdir().unwrap();
    let unit = fs::read_to_string(root().join("packaging/systemd/overhear.service")).unwrap();
    assert!(unit.contains("ExecStart=/usr/bin/overhear watch --quiet\n"));
    let here = unit.replace("/usr/bin/overhear", overhear().unwrap().to_str().unwrap());
    let file = folder.path().join("overhear.service");
    fs::write(&file, here).unwrap();
    let mut verify = Command::new("systemd-analyze");
    output(verify.args(["verify", "--man=no", "--recursive-errors=no"]).arg(&file)).unwrap();
    let mut security = Command::new("systemd-analyze");
    // Tenths of the score: at most 2.5.
    output(security.args(["security", "--offline=true", "--threshold=25"]).arg(&file)).unwrap();
}

#[test]
fn the_manifest_is_what_kubernetes_knows() {
    judge::is_valid_kubernetes(&root().join("packaging/kubernetes/daemonset.yaml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let manifest = fs::read_to_string(root().join("packaging/kubernetes/daemonset.yaml")).unwrap();
    // The judge does judge.
    let wrong = folder.path().join("wrong.yaml");
    fs::write(&wrong, manifest.replace("hostPID: true", "hostPid: true")).unwrap();
    assert!(judge::is_valid_kubernetes(&wrong).is_err());
    for line in ["hostPID: true", "privileged: false", "drop: [\"ALL\"]", "\"127.0.0.1:4327\""] {
        assert!(manifest.contains(line), "{line}");
    }
}

#[test]
fn the_image_is_the_binary_alone() {
    let context = dist().join("docker");
    let files: BTreeSet<_> = fs::read_dir(&context)
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    assert_eq!(files, BTreeSet::from(["Dockerfile", "LICENSE", "overhear"].map(str::to_owned)));
    let recipe = fs::read_to_string(context.join("Dockerfile")).unwrap();
    assert!(recipe.contains("\nFROM scratch\n"));
    let copied = recipe.lines().filter_map(|line| line.strip_prefix("COPY ")?.split(' ').next());
    assert!(copied.into_iter().all(|file| context.join(file).is_file()));
}
