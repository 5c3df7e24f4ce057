//! The image, built and run by podman, as the guide says. As root.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use overhear_tests::{
    Result, judge, page,
    program::{output, run, static_overhear},
    server::{Client, Kind, Server, make_calls},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
/// What the guide and the manifest give it.
const RIGHTS: [&str; 4] = ["BPF", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH"];
/// Debian 12's containers-common knows of `bpf` as a right of CAP_SYS_ADMIN alone.
const OLD_PROFILE: [&str; 2] = ["--security-opt", "seccomp=unconfined"];
/// Limits that nobody needs a right for: who tests may not raise theirs.
const LIMITS: &str = "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n";
/// CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, which are left once it is attached.
const LEFT: &str = "CapEff:\t0000000000080004";

/// Everything packed around a static binary, once.
fn packed() -> &'static Path {
    static PACKED: OnceLock<TempDir> = OnceLock::new();
    PACKED
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let mut pack = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            pack.args(["run", "--quiet", "--package", "xtask", "--", "dist", "--binary"]);
            output(pack.arg(static_overhear().unwrap()).arg("--into").arg(folder.path())).unwrap();
            folder
        })
        .path()
}

/// Images and containers of its own, below a folder.
struct Podman {
    folder: TempDir,
}

impl Podman {
    /// With the image built.
    fn start() -> Result<Self> {
        let this = Self { folder: tempfile::tempdir()? };
        fs::write(this.folder.path().join("containers.conf"), LIMITS)?;
        let build = ["build", "--isolation", "chroot", "--tag", "overhear:0.1.0"];
        output(this.podman(&build).arg(packed().join("docker")))?;
        Ok(this)
    }

    fn podman(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("podman");
        for (option, folder) in [("--root", "images"), ("--runroot", "run")] {
            command.arg(option).arg(self.folder.path().join(folder));
        }
        command.env("CONTAINERS_CONF", self.folder.path().join("containers.conf"));
        command.args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--runtime", "runc"]);
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// Of the first process of a container, as the host's kernel tells it.
    fn status(&self, container: &str) -> Result<String> {
        let pid = output(&mut self.podman(&["inspect", "--format", "{{.State.Pid}}", container]))?;
        Ok(fs::read_to_string(format!("/proc/{}/status", pid.trim()))?)
    }

    /// What it keeps.
    fn state(&self) -> Result<PathBuf> {
        let state = self.folder.path().join("state");
        fs::create_dir_all(&state)?;
        Ok(state)
    }

    /// `overhear watch --quiet`, as the image has it, of one port.
    fn listener(&self, port: u16) -> Result<Listener> {
        let said = self.folder.path().join("said");
        let mut command = self.podman(&["run", "--name", "overhear", "--pid", "host", "--network", "host"]);
        command.args(["--cap-drop", "ALL"]).args(RIGHTS.iter().flat_map(|right| ["--cap-add", right]));
        command.args(OLD_PROFILE).args(["--security-opt", "apparmor=unconfined"]);
        command.arg("--volume").arg(format!("{}:/var/lib/overhear", self.state()?.display()));
        let variables = [format!("OVERHEAR_PORT={port}"), "OVERHEAR_LISTEN=127.0.0.1:0".to_owned()];
        command.args(variables.iter().flat_map(|variable| ["--env", variable]));
        let child =
            command.arg("overhear:0.1.0").stdout(Stdio::null()).stderr(fs::File::create(&said)?).spawn()?;
        Ok(Listener { child, said })
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _ = self.podman(&["pod", "rm", "--all", "--force", "--time", "1"]).output();
        let _ = self.podman(&["rm", "--all", "--force", "--time", "1"]).output();
        let _ = self.podman(&["rmi", "--all", "--force"]).output();
    }
}

/// A container in the foreground.
struct Listener {
    child: Child,
    said: PathBuf,
}

impl Listener {
    fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    fn until(&mut self, is_so: impl Fn(&str) -> bool) -> Result<()> {
        let begun = Instant::now();
        while !is_so(&self.said()) {
            if begun.elapsed() > PATIENCE || self.child.try_wait()?.is_some() {
                return Err(format!("it says: {}", self.said()).into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

/// What is kept in this store, as it tells of an endpoint.
fn kept(store: &Path) -> Vec<(String, String, u64)> {
    let rows =
        run(&["endpoints", "--json", "--store", &store.to_string_lossy()]).unwrap().document().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = rows.as_array().cloned().unwrap_or_default();
    rows.iter()
        .map(|row| (text(&row["service"]), text(&row["route"]), row["requests"].as_u64().unwrap_or(0)))
        .collect()
}

#[test]
#[ignore = "builds a static binary and an image around it: run by cargo xtask test --all"]
fn the_image_hears_what_its_host_calls() {
    let podman = Podman::start().unwrap();
    let server = Server::start(Kind::Python).unwrap();
    let mut listener = podman.listener(server.port).unwrap();
    listener.until(|said| said.contains("listening")).unwrap();
    make_calls(Client::Curl, server.port).unwrap();
    assert!(podman.status("overhear").unwrap().contains(LEFT));
    heard_all(&listener.said());
    output(&mut podman.podman(&["stop", "--time", "20", "overhear"])).unwrap();
    assert!(listener.child.wait().unwrap().success(), "{}", listener.said());
    let kept = kept(&podman.state().unwrap().join("overhear.db"));
    let calls: u64 = kept.iter().map(|(_, _, calls)| calls).sum();
    assert_eq!((calls, kept.len()), (7, 5), "{kept:?}");
    // Who answers is named by the host's processes.
    assert!(kept.iter().all(|(service, _, _)| service == "servers"), "{kept:?}");
}

/// Where the profile of the runtime is older than CAP_BPF, it is said what is in the way.
#[test]
#[ignore = "builds a static binary and an image around it: run by cargo xtask test --all"]
fn a_profile_that_forbids_is_named() {
    let podman = Podman::start().unwrap();
    let mut command =
        podman.podman(&["run", "--cap-drop", "ALL", "--cap-add", "BPF", "--cap-add", "PERFMON"]);
    let said = command.args(["--network", "host", "overhear:0.1.0", "watch", "--no-store"]).output().unwrap();
    let err = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.code() == Some(2) && err.contains("a seccomp profile is set"), "{err}");
}

/// Its page, on the host's loopback, says that it heard every call.
fn heard_all(said: &str) {
    let page = said.split_once("the page is ").and_then(|(_, page)| page.split_whitespace().next());
    page::until(page.unwrap(), "health", |health| health["statistics"]["captured"]["exchanges"] == 7);
}

/// The manifest's own pod, as podman plays it: `hostPID` is beyond this podman, so nobody's processes are named.
#[test]
#[ignore = "builds a static binary and an image around it: run by cargo xtask test --all"]
fn the_pod_of_the_manifest_hears() {
    let podman = Podman::start().unwrap();
    let server = Server::start(Kind::Python).unwrap();
    let pod = podman.folder.path().join("pod.yaml");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = json!({"state": podman.state().unwrap()}).to_string();
    let manifest = root.join("../packaging/kubernetes/daemonset.yaml").display().to_string();
    let arguments = [&*manifest, &folders, "--port", &server.port.to_string()];
    fs::write(&pod, judge::python_script(&root.join("judges/pod.py"), arguments).unwrap()).unwrap();
    output(podman.podman(&["play", "kube"]).arg(&pod)).unwrap();
    let said = || {
        let logs = podman.podman(&["logs", "node-overhear"]).output().unwrap();
        String::from_utf8_lossy(&[logs.stdout, logs.stderr].concat()).into_owned()
    };
    let begun = Instant::now();
    while !said().contains("listening") {
        assert!(begun.elapsed() < PATIENCE, "{}", said());
        std::thread::sleep(Duration::from_millis(100));
    }
    make_calls(Client::Curl, server.port).unwrap();
    assert!(podman.status("node-overhear").unwrap().contains(LEFT));
    heard_all(&said());
    let file = "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Privileged}}";
    let is = output(&mut podman.podman(&["inspect", "--format", file, "node-overhear"])).unwrap();
    assert_eq!(is.trim(), "true false");
    output(&mut podman.podman(&["pod", "stop", "--time", "20", "node"])).unwrap();
    let calls: u64 =
        kept(&podman.state().unwrap().join("overhear.db")).iter().map(|(_, _, calls)| calls).sum();
    assert_eq!(calls, 7);
}
