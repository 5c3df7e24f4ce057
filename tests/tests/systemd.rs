//! The unit of the package, started by a real systemd: the first process of namespaces of its own, over a copy of this
//! machine's files. As root.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use overhear_testkit::copy_program;
use overhear_tests::program::overhear;
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// Only calls to the probe's own server are listened to: other tests make calls on this machine.
const ONLY_ITS_OWN: &str = "[Service]\nExecStart=\nExecStart=/usr/bin/overhear watch --quiet --port 8099\n";

/// What `tests/systemd/probe.sh` tells.
fn told() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let of = |name: &str| folder.path().join(name);
    for name in ["probe.sh", "probe.service", "probe.target"] {
        fs::copy(root.join("systemd").join(name), of(name)).unwrap();
    }
    let unit = fs::read_to_string(root.join("../packaging/systemd/overhear.service")).unwrap();
    assert!(unit.contains("ExecStart=/usr/bin/overhear watch --quiet\n"));
    fs::write(of("overhear.service"), unit).unwrap();
    fs::create_dir(of("overhear.service.d")).unwrap();
    fs::write(of("overhear.service.d/port.conf"), ONLY_ITS_OWN).unwrap();
    copy_program(overhear().unwrap(), &of("overhear")).unwrap();
    let mut boot = Command::new("timeout");
    boot.args(["--kill-after=5", "120", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--cgroup"]);
    boot.args(["--uts", "--ipc", "--net", "sh"]).arg(root.join("systemd/boot.sh")).arg(folder.path());
    let booted = boot.stdin(Stdio::null()).output().unwrap();
    let said = fs::read_to_string(of("said")).map_err(|error| format!("{error}: {booted:?}")).unwrap();
    let lines = said.lines().filter_map(|line| line.split_once('='));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
#[ignore = "boots a systemd over a copy of the machine's files: run by cargo xtask test --all"]
fn systemd_starts_the_unit_and_it_hears_keeps_and_ends() {
    let told = told();
    for (name, value) in [
        ("ActiveState", "inactive"),
        ("SubState", "running"),
        ("DynamicUser", "yes"),
        ("NRestarts", "0"),
        // CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH.
        ("CapEff", "0000000000080004"),
        ("CapPrm", "0000000000080004"),
        ("CapAmb", "0000000000000000"),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        ("user", "overhear"),
        ("state", "700 overhear"),
        ("socket", "600 overhear"),
        ("page", "200"),
        ("heard", "5"),
        ("Result", "success"),
        ("ExecMainStatus", "0"),
        ("kept", "\"requests\":5"),
    ] {
        assert_eq!(told.get(name).map(String::as_str), Some(value), "{name}: {told:?}");
    }
}
