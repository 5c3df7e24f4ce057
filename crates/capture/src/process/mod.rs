//! Who a process is: the name a person would give it, and which processes there are to hear.
//!
//! Everything comes from `/proc`, in bounded reads; nothing a process wrote there is trusted to be short, whole or
//! true. The names are asked in this order, the first answer counts: `OTEL_SERVICE_NAME` (and `service.name` of
//! `OTEL_RESOURCE_ATTRIBUTES`), the Kubernetes workload, the container's host name, the systemd unit, the package,
//! module, jar or script that an interpreter runs, the executable.

mod cgroup;
mod command;
mod proc;
mod survey;

pub use survey::{Heard, Obstacle, Survey, TlsLibrary, survey, survey_at};

use cgroup::{Group, group, workload};
use command::{Command, plain};
use overhear_exchange::Process;
use proc::Proc;
use rustc_hash::FxHashMap;
use serde::Deserialize;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Processes remembered at once; beyond, all are asked again.
const REMEMBERED: usize = 16 * 1024;

/// Names processes, and remembers the names.
#[derive(Debug)]
pub struct Names {
    proc: Proc,
    known: FxHashMap<u32, Known>,
}

#[derive(Debug)]
struct Known {
    start_time: u64,
    process: Arc<Process>,
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

impl Names {
    /// Reads `/proc`.
    pub fn new() -> Self {
        Self::at("/proc")
    }

    /// Reads a `/proc` mounted elsewhere, such as the host's in a container.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { proc: Proc::new(root), known: FxHashMap::default() }
    }

    /// The process of this id (thread group, in the pid namespace of this `/proc`). A process that has ended is
    /// still known if it was asked for before; else `None`.
    pub fn process(&mut self, pid: u32) -> Option<Arc<Process>> {
        let Some(start_time) = self.proc.start_time(pid) else {
            return self.known.get(&pid).map(|known| Arc::clone(&known.process));
        };
        if let Some(known) = self.known.get(&pid).filter(|known| known.start_time == start_time) {
            return Some(Arc::clone(&known.process));
        }
        let service = service_name(&self.proc, pid)?;
        let process = Arc::new(Process { pid, service: service.into() });
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(pid, Known { start_time, process: Arc::clone(&process) });
        Some(process)
    }

    /// Forgets a process, because it started another program (`exec`) or ended.
    pub fn forget(&mut self, pid: u32) {
        self.known.remove(&pid);
    }
}

fn service_name(proc: &Proc, pid: u32) -> Option<String> {
    let environment = proc.read(pid, "environ").unwrap_or_default();
    announced(proc, &environment)
        .or_else(|| placed(proc, pid, &environment))
        .or_else(|| command(proc, pid).name(&|folder| package_name(proc, pid, folder)))
}

/// The name the program's owner gave it for telemetry (OpenTelemetry, SDK environment variables).
fn announced(proc: &Proc, environment: &[u8]) -> Option<String> {
    let name = proc.variable(environment, "OTEL_SERVICE_NAME").or_else(|| {
        let attributes = proc.variable(environment, "OTEL_RESOURCE_ATTRIBUTES")?;
        let mut pairs = attributes.split(',').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| key.trim() == "service.name").map(|(_, value)| value.to_owned())
    })?;
    plain(&name)
}

/// The name of the place it runs in.
fn placed(proc: &Proc, pid: u32, environment: &[u8]) -> Option<String> {
    match group(&proc.text(pid, "cgroup")?) {
        Group::Unit(name) => plain(&name),
        Group::Container(id) => {
            let host = proc.variable(environment, "HOSTNAME")?;
            // Without a name of its own a container's host name is the start of its id.
            let named = !id.starts_with(&host);
            let in_kubernetes = proc.variable(environment, "KUBERNETES_SERVICE_HOST").is_some();
            named.then(|| plain(workload(&host, in_kubernetes))).flatten()
        }
        Group::None => None,
    }
}

fn command(proc: &Proc, pid: u32) -> Command {
    Command {
        arguments: proc.arguments(pid),
        folder: proc.link(pid, "cwd"),
        executable: proc.link(pid, "exe"),
        comm: proc.text(pid, "comm").unwrap_or_default(),
    }
}

fn package_name(proc: &Proc, pid: u32, folder: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Package {
        name: String,
    }
    let bytes = proc.file_of(pid, &folder.join("package.json"))?;
    let package: Package = serde_json::from_slice(&bytes).ok()?;
    plain(&package.name)
}

#[cfg(test)]
mod tests {
    use super::Names;
    use std::{fs, os::unix::fs::symlink, path::Path};
    use tempfile::TempDir;

    const ID: &str = "3f5a2c9d8e7b6a5f4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b";

    /// One process in a made-up `/proc`.
    struct Made<'a> {
        arguments: &'a str,
        environment: &'a str,
        cgroup: String,
        package: Option<&'a str>,
    }

    impl Default for Made<'_> {
        fn default() -> Self {
            Self {
                arguments: "node\0server.js\0",
                environment: "PATH=/bin\0",
                cgroup: "0::/".into(),
                package: None,
            }
        }
    }

    fn write(proc: &Path, pid: u32, start_time: u64, made: &Made<'_>) {
        let folder = proc.join(pid.to_string());
        fs::create_dir_all(folder.join("root/srv/till")).unwrap();
        fs::write(folder.join("cmdline"), made.arguments).unwrap();
        fs::write(folder.join("environ"), made.environment).unwrap();
        fs::write(folder.join("cgroup"), &made.cgroup).unwrap();
        fs::write(folder.join("comm"), "node\n").unwrap();
        let zeros = "0 ".repeat(18);
        fs::write(folder.join("stat"), format!("{pid} (no) de) S {zeros}{start_time} 0")).unwrap();
        if !folder.join("cwd").exists() && fs::read_link(folder.join("cwd")).is_err() {
            symlink("/srv/till", folder.join("cwd")).unwrap();
        }
        if let Some(package) = made.package {
            fs::write(folder.join("root/srv/till/package.json"), package).unwrap();
        }
    }

    #[test]
    fn asks_in_order() {
        let unit = || "0::/system.slice/shop.service".to_owned();
        let container = || format!("0::/docker/{ID}");
        let short_id = format!("HOSTNAME={}\0", &ID[..12]);
        let package = Some(r#"{"name": "till-api", "version": "1.0.0"}"#);
        let cases = [
            (
                "otel",
                Made {
                    environment: "A=b\0OTEL_SERVICE_NAME=pay\0",
                    cgroup: unit(),
                    package,
                    ..Made::default()
                },
                "pay",
            ),
            (
                "otel attributes",
                Made { environment: "OTEL_RESOURCE_ATTRIBUTES=a=b,service.name=pay\0", ..Made::default() },
                "pay",
            ),
            (
                "empty otel",
                Made { environment: "OTEL_SERVICE_NAME=\0", cgroup: unit(), ..Made::default() },
                "shop",
            ),
            ("unit", Made { cgroup: unit(), package, ..Made::default() }, "shop"),
            (
                "pod",
                Made {
                    environment: "HOSTNAME=cart-7d9c5b6f4d-x2x9z\0KUBERNETES_SERVICE_HOST=10.0.0.1\0",
                    cgroup: container(),
                    package,
                    ..Made::default()
                },
                "cart",
            ),
            (
                "container",
                Made { environment: "HOSTNAME=cart\0", cgroup: container(), package, ..Made::default() },
                "cart",
            ),
            (
                "nameless container",
                Made { environment: &short_id, cgroup: container(), package, ..Made::default() },
                "till-api",
            ),
            ("package", Made { package, ..Made::default() }, "till-api"),
            ("broken package", Made { package: Some("{\"name\": 3"), ..Made::default() }, "till"),
            ("folder", Made::default(), "till"),
        ];
        for (case, made, expected) in cases {
            let folder = TempDir::new().unwrap();
            write(folder.path(), 7, 100, &made);
            let process = Names::at(folder.path()).process(7).unwrap();
            assert_eq!((&*process.service, process.pid), (expected, 7), "{case}");
        }
    }

    #[test]
    fn remembers_a_process_but_not_its_number() {
        let folder = TempDir::new().unwrap();
        let mut names = Names::at(folder.path());
        assert_eq!(names.process(7), None);

        write(folder.path(), 7, 100, &Made { arguments: "envoy\0", ..Made::default() });
        assert_eq!(&*names.process(7).unwrap().service, "envoy");
        write(folder.path(), 7, 100, &Made { arguments: "nginx\0", ..Made::default() });
        assert_eq!(&*names.process(7).unwrap().service, "envoy", "asked once");
        write(folder.path(), 7, 200, &Made { arguments: "nginx\0", ..Made::default() });
        assert_eq!(&*names.process(7).unwrap().service, "nginx", "another process of the same number");

        fs::remove_dir_all(folder.path().join("7")).unwrap();
        assert_eq!(&*names.process(7).unwrap().service, "nginx", "ended, but known");
        names.forget(7);
        assert_eq!(names.process(7), None);
    }

    #[test]
    fn a_pipe_or_a_link_in_place_of_a_package_is_not_read() {
        let folder = TempDir::new().unwrap();
        write(folder.path(), 7, 100, &Made::default());
        let secret = folder.path().join("secret");
        fs::write(&secret, r#"{"name": "secret"}"#).unwrap();
        symlink(&secret, folder.path().join("7/root/srv/till/package.json")).unwrap();
        assert_eq!(&*Names::at(folder.path()).process(7).unwrap().service, "till");
    }
}
