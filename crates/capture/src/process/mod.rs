//! Who a process is: the name a person would give it, and which processes there are to hear.
//!
//! Everything comes from `/proc`, in bounded reads; nothing a process wrote there is trusted to be short, whole or
//! true. The names are asked in this order, the first answer counts: `OTEL_SERVICE_NAME` (and `service.name` of
//! `OTEL_RESOURCE_ATTRIBUTES`), the Kubernetes workload, the container's host name, the systemd unit, the package,
//! module, jar or script that an interpreter runs, the executable.

mod cgroup;
mod command;
mod container;
mod elf;
mod git;
mod manifest;
pub(crate) mod proc;
mod survey;
mod version;

pub(crate) use survey::mapped as hides_tls;
pub use survey::{Heard, Obstacle, Survey, survey, survey_at};
pub use version::Version;

use cgroup::{Group, Place, group, workload};
use command::{Command, plain};
use container::Container;
use elf::Origin;
use manifest::Manifests;
use overhear_exchange::{Build, Family, Process, Timestamp};
use proc::{Life, Proc};
use rustc_hash::FxHashMap;
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};
use version::{Asked, Origins};

/// Processes remembered at once; beyond, all are asked again.
const REMEMBERED: usize = 16 * 1024;
/// Generations above a process that may be of its family.
const GENERATIONS: usize = 8;
/// `USER_HZ`, the same on every machine that the probes run on (proc_pid_stat(5), sysconf(3)).
const TICK: u64 = 10_000_000;
/// Containers that stand beside the program of a pod and share its name.
const SIDECARS: [&str; 8] = [
    "istio-proxy",
    "linkerd-proxy",
    "envoy",
    "daprd",
    "vault-agent",
    "cloud-sql-proxy",
    "consul-dataplane",
    "oauth2-proxy",
];

/// Names processes, and remembers the names.
#[derive(Debug)]
pub struct Names {
    proc: Proc,
    known: FxHashMap<u32, Known>,
    origins: Origins,
    /// Of this machine's start, in nanoseconds since the Unix epoch; once, so that starts can be compared.
    booted: u64,
}

#[derive(Debug)]
struct Known {
    start_time: u64,
    process: Arc<Process>,
}

/// All that is read of a process to tell who it is.
struct Read {
    pid: u32,
    environment: Vec<u8>,
    group: Group,
    container: Option<Container>,
    command: Command,
    origin: Option<(Arc<Origin>, u64)>,
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
        let now = nanos(clock_gettime(ClockId::Realtime));
        Self {
            proc: Proc::new(root),
            known: FxHashMap::default(),
            origins: Origins::default(),
            booted: now.saturating_sub(nanos(clock_gettime(ClockId::Boottime))),
        }
    }

    /// The process of this id (thread group, in the pid namespace of this `/proc`). A process that has ended is
    /// still known if it was asked for before; else `None`.
    pub fn process(&mut self, pid: u32) -> Option<Arc<Process>> {
        let Some(life) = self.proc.life(pid) else {
            return self.known.get(&pid).map(|known| Arc::clone(&known.process));
        };
        if let Some(known) = self.known.get(&pid).filter(|known| known.start_time == life.start) {
            return Some(Arc::clone(&known.process));
        }
        let read = self.read(pid);
        let service = self.service_name(&read)?;
        let build = self.build(&read, life, &service);
        let process = Arc::new(Process { pid, service: service.into(), build: Some(Arc::new(build)) });
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(pid, Known { start_time: life.start, process: Arc::clone(&process) });
        Some(process)
    }

    /// Which build the process runs, asked anew: git is read as it was when the process started.
    pub fn version(&mut self, pid: u32) -> Option<Version> {
        let life = self.proc.life(pid)?;
        let read = self.read(pid);
        Some(self.version_of(&read, life))
    }

    /// Forgets a process, because it started another program (`exec`) or ended.
    pub fn forget(&mut self, pid: u32) {
        self.known.remove(&pid);
    }

    fn read(&mut self, pid: u32) -> Read {
        let group = self.proc.text(pid, "cgroup").map_or(Group::None, |text| group(&text));
        let container = match &group {
            Group::Container(place) => Some(Container::look(&self.proc, pid, place)),
            Group::Unit(_) | Group::None => None,
        };
        Read {
            pid,
            environment: self.proc.read(pid, "environ").unwrap_or_default(),
            group,
            container,
            command: command(&self.proc, pid),
            origin: self.origins.of(&self.proc, pid),
        }
    }

    fn service_name(&self, read: &Read) -> Option<String> {
        announced(&self.proc, &read.environment)
            .or_else(|| self.placed(read))
            .or_else(|| read.command.name(&self.manifests(read)))
    }

    /// The name of the place it runs in.
    fn placed(&self, read: &Read) -> Option<String> {
        match &read.group {
            Group::Unit(name) => plain(name),
            Group::Container(place) => self.contained(read, place),
            Group::None => None,
        }
    }

    fn contained(&self, read: &Read, place: &Place) -> Option<String> {
        let container = read.container.clone().unwrap_or_default();
        let variable = |name: &str| self.proc.variable(&read.environment, name);
        let in_kubernetes = place.in_kubernetes || variable("KUBERNETES_SERVICE_HOST").is_some();
        // A container that shares the host's network has the host's name; without a name of its own it has its id's start.
        let shared =
            || self.proc.link(read.pid, "ns/uts").is_some_and(|own| self.proc.link(1, "ns/uts") == Some(own));
        let host = || variable("HOSTNAME").filter(|host| !place.id.starts_with(host.as_str()) && !shared());
        if in_kubernetes {
            let pod = container.pod.or_else(host);
            let workload = pod.as_deref().map(|pod| workload(pod, true));
            return match (workload, container.name) {
                (Some(workload), Some(beside)) if SIDECARS.contains(&beside.as_str()) => {
                    plain(&format!("{workload}-{beside}"))
                }
                (Some(workload), _) => plain(workload),
                (None, name) => name.as_deref().and_then(plain),
            };
        }
        container.compose.or_else(host).or(container.name).as_deref().and_then(plain)
    }

    fn manifests<'a>(&'a self, read: &'a Read) -> Manifests<'a> {
        let go = read.origin.as_ref().and_then(|(origin, _)| origin.go_path.as_deref());
        Manifests { proc: &self.proc, pid: read.pid, go }
    }

    fn build(&mut self, read: &Read, life: Life, service: &str) -> Build {
        let version = self.version_of(read, life);
        let executable = read.command.executable.as_deref().and_then(Path::file_name);
        Build {
            started: version.started,
            family: self.family(read.pid, life, service),
            program: executable.map_or_else(|| "".into(), |name| name.to_string_lossy().into()),
            version: version.shown(),
            ended: OnceLock::new(),
        }
    }

    /// Goes up as long as the parents have the same name: workers of a master, a program under its launcher.
    fn family(&mut self, pid: u32, life: Life, service: &str) -> Family {
        let (mut pid, mut life) = (pid, life);
        for _ in 0..GENERATIONS {
            // The first process of a machine is nobody's master.
            let Some(above) = Some(life.parent).filter(|parent| *parent > 1) else { break };
            let Some(older) = self.proc.life(above).filter(|older| older.start <= life.start) else { break };
            let known = self.known.get(&above).filter(|known| known.start_time == older.start);
            let same = match known {
                Some(known) => &*known.process.service == service,
                None => {
                    let read = self.read(above);
                    self.service_name(&read).as_deref() == Some(service)
                }
            };
            if !same {
                break;
            }
            (pid, life) = (above, older);
        }
        Family { pid, started: self.when(life) }
    }

    fn version_of(&self, read: &Read, life: Life) -> Version {
        let asked = Asked {
            proc: &self.proc,
            pid: read.pid,
            command: &read.command,
            group: &read.group,
            container: read.container.as_ref(),
            environment: &read.environment,
            origin: read.origin.clone(),
            started: self.when(life),
        };
        asked.version()
    }

    fn when(&self, life: Life) -> Timestamp {
        Timestamp::from_nanos(self.booted.saturating_add(life.start.saturating_mul(TICK)))
    }
}

/// Which build a process of this machine runs; `None` when it has ended.
pub fn version(pid: u32) -> Option<Version> {
    Names::new().version(pid)
}

/// The name the program's owner gave it for telemetry (OpenTelemetry, SDK environment variables).
fn announced(proc: &Proc, environment: &[u8]) -> Option<String> {
    let name = proc.variable(environment, "OTEL_SERVICE_NAME");
    name.or_else(|| proc.attribute(environment, "service.name")).as_deref().and_then(plain)
}

fn command(proc: &Proc, pid: u32) -> Command {
    Command {
        arguments: proc.arguments(pid),
        folder: proc.link(pid, "cwd"),
        executable: proc.link(pid, "exe"),
        comm: proc.text(pid, "comm").unwrap_or_default(),
    }
}

fn nanos(time: Timespec) -> u64 {
    let part = |number: i64| u64::try_from(number).unwrap_or_default();
    part(time.tv_sec).saturating_mul(1_000_000_000).saturating_add(part(time.tv_nsec))
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
                "pod by its group alone",
                Made {
                    environment: "HOSTNAME=db-0\0",
                    cgroup: format!("0::/kubepods/besteffort/pod1/{ID}"),
                    ..Made::default()
                },
                "db",
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

    const OCI: &str = "1/root/run/containerd/io.containerd.runtime.v2.task/k8s.io";
    const DOCKER: &str = "1/root/var/lib/docker/containers";

    fn put(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_runtime_names_what_the_container_cannot() {
        let pod = |container: &str| {
            let folder = TempDir::new().unwrap();
            let cgroup = format!("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope");
            write(
                folder.path(),
                7,
                100,
                &Made { environment: "HOSTNAME=node-17\0", cgroup, ..Made::default() },
            );
            let text = format!(
                r#"{{"annotations": {{"io.kubernetes.cri.sandbox-name": "cart-7d9c5b6f4d-x2x9z",
                    "io.kubernetes.cri.container-name": "{container}"}}}}"#
            );
            put(&folder.path().join(OCI).join(ID).join("config.json"), &text);
            Names::at(folder.path()).process(7).unwrap().service.to_string()
        };
        assert_eq!(pod("app"), "cart");
        assert_eq!(pod("istio-proxy"), "cart-istio-proxy");

        let folder = TempDir::new().unwrap();
        let environment = format!("HOSTNAME={}\0", &ID[..12]);
        let cgroup = format!("0::/system.slice/docker-{ID}.scope");
        write(folder.path(), 7, 100, &Made { environment: &environment, cgroup, ..Made::default() });
        let text = r#"{"Name": "/shop-orders-2", "Image": "sha256:0123456789abcdef", "Config": {"Image": "orders:2",
            "Labels": {"com.docker.compose.project": "shop", "com.docker.compose.service": "orders"}}}"#;
        put(&folder.path().join(DOCKER).join(ID).join("config.v2.json"), text);
        let process = Names::at(folder.path()).process(7).unwrap();
        assert_eq!(&*process.service, "shop-orders");
        let build = process.build.as_ref().unwrap();
        assert_eq!(build.version.as_deref(), Some("orders:2@0123456789ab"));
    }

    #[test]
    fn a_container_on_the_hosts_network_has_not_its_name() {
        let folder = TempDir::new().unwrap();
        let cgroup = format!("0::/kubepods/besteffort/pod1/{ID}");
        write(folder.path(), 7, 100, &Made { environment: "HOSTNAME=node-17\0", cgroup, ..Made::default() });
        for pid in ["1", "7"] {
            fs::create_dir_all(folder.path().join(pid).join("ns")).unwrap();
            symlink("uts:[1]", folder.path().join(pid).join("ns/uts")).unwrap();
        }
        assert_eq!(&*Names::at(folder.path()).process(7).unwrap().service, "till");
    }

    #[test]
    fn workers_and_what_started_them_are_one_family() {
        let folder = TempDir::new().unwrap();
        let stat = |pid: u32, parent: u32, start: u64| {
            let zeros = "0 ".repeat(17);
            let line = format!("{pid} (no) de) S {parent} {zeros}{start} 0");
            fs::write(folder.path().join(pid.to_string()).join("stat"), line).unwrap();
        };
        write(folder.path(), 5, 0, &Made { arguments: "bash\0", ..Made::default() });
        for (pid, arguments) in
            [(6, "sh\0-c\0node server.js\0"), (7, "node\0server.js\0"), (8, "node\0server.js\0")]
        {
            write(folder.path(), pid, 0, &Made { arguments, ..Made::default() });
        }
        stat(5, 1, 10);
        stat(6, 5, 100);
        stat(7, 6, 101);
        stat(8, 7, 900);
        let mut names = Names::at(folder.path());
        let mut build = |pid| names.process(pid).unwrap().build.clone().unwrap();
        let (first, worker) = (build(7), build(8));
        assert_eq!((first.family.pid, first.family), (6, worker.family));
        assert!(worker.started > first.started && first.started > first.family.started);
        assert_eq!(worker.started.since(worker.family.started), std::time::Duration::from_secs(8));
    }

    #[test]
    fn the_version_is_the_first_that_is_known() {
        let folder = TempDir::new().unwrap();
        let made = || Made { arguments: "node\0/srv/app/server.js\0", ..Made::default() };
        write(folder.path(), 7, 100, &made());
        symlink("/usr/bin/node", folder.path().join("7/exe")).unwrap();
        let version = || Names::at(folder.path()).version(7).unwrap();
        assert_eq!(version().shown(), None, "a script without a repository");
        put(&folder.path().join("7/root/srv/till/REVISION"), "89abcdef0123456\n");
        assert_eq!(version().shown().as_deref(), Some("89abcdef0123"), "where it works");
        put(&folder.path().join("7/root/srv/app/REVISION"), "0123456789abcdef\n");
        assert_eq!(version().commit.as_deref(), Some("0123456789ab"), "beside the script");
        let environment = "OTEL_RESOURCE_ATTRIBUTES=service.version=2.1,a=b\0";
        write(folder.path(), 7, 100, &Made { environment, ..made() });
        assert_eq!(version().shown().as_deref(), Some("2.1"));
        assert_eq!(Names::at(folder.path()).version(99), None);
    }

    #[test]
    fn this_test_knows_its_own_build() {
        let version = super::version(std::process::id()).unwrap();
        assert!(version.build_id.as_ref().is_some_and(|id| id.len() >= 16), "{version:?}");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let started = std::time::Duration::from_nanos(version.started.as_nanos());
        assert!(
            started <= now && now - started < std::time::Duration::from_secs(3600),
            "{started:?} {now:?}"
        );
        assert!(version.modified.is_some_and(|modified| modified <= version.started));
    }
}
