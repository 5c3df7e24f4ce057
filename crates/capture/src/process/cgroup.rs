//! What the control group of a process says of who it is.

/// Units that start other people's programs: their name says nothing of the program.
const LAUNCHERS: [&str; 14] = [
    "user",
    "ssh",
    "sshd",
    "cron",
    "crond",
    "atd",
    "docker",
    "containerd",
    "supervisor",
    "supervisord",
    "pm2-root",
    "getty",
    "serial-getty",
    "gdm",
];

/// The part of `/proc/PID/cgroup` that names somebody.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// A systemd service: its unit's name without `.service`.
    Unit(String),
    /// A container of Docker, containerd, CRI-O, podman or Kubernetes.
    Container(Place),
    /// A login session, a slice, or nothing at all.
    None,
}

/// Which container, and by whom as far as its group's path tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// 64 hexadecimal digits. The name people know is not in it.
    pub(crate) id: String,
    pub(crate) in_kubernetes: bool,
    pub(crate) in_docker: bool,
}

/// Reads `/proc/PID/cgroup` (cgroups(7)): lines `hierarchy:controllers:path`; version 2 has one, `0::path`.
pub(crate) fn group(text: &str) -> Group {
    let paths = || text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    if let Some(place) = paths().find_map(container) {
        return Group::Container(place);
    }
    paths().find_map(unit).map_or(Group::None, Group::Unit)
}

/// The name of a deployment out of the name of its pod (or of a container out of its host name): without the
/// generated ends `-<replica set>-<pod>`, `-<pod>` or `-<ordinal>`. Generated parts use the alphabet of
/// `k8s.io/apimachinery/pkg/util/rand`.
pub(crate) fn workload(host: &str, in_kubernetes: bool) -> &str {
    if !in_kubernetes {
        return host;
    }
    let Some((rest, last)) = host.rsplit_once('-') else { return host };
    if last.len() <= 3 && last.bytes().all(|b| b.is_ascii_digit()) {
        return rest;
    }
    if last.len() != 5 || !generated(last) {
        return host;
    }
    match rest.rsplit_once('-') {
        Some((name, hash)) if (8..=10).contains(&hash.len()) && generated(hash) => name,
        // Of a cron job: the minute it was due.
        Some((name, due)) if due.len() >= 8 && due.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => rest,
    }
}

/// Only letters that the generator uses; it has no vowels and no 0, 1, 3, so that it makes no words.
fn generated(part: &str) -> bool {
    part.bytes().all(|b| b"bcdfghjklmnpqrstvwxz2456789".contains(&b))
}

fn container(path: &str) -> Option<Place> {
    path.rsplit('/').find_map(|part| {
        let scope = part.strip_suffix(".scope").unwrap_or(part);
        let id = scope.rsplit(['-', ':']).next()?;
        (id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit())).then(|| Place {
            id: id.to_owned(),
            in_kubernetes: path.contains("kubepods"),
            in_docker: path.contains("/docker/") || scope.starts_with("docker-"),
        })
    })
}

fn unit(path: &str) -> Option<String> {
    let name = path.rsplit('/').next()?.strip_suffix(".service")?;
    let name = unescape(name);
    let (stem, instance) = name.split_once('@').unwrap_or((&name, ""));
    if stem.is_empty() || LAUNCHERS.contains(&stem) || stem.starts_with("systemd-") {
        return None;
    }
    // `api@8080` are replicas of `api`; `shop@orders` is its own.
    let replica = instance.bytes().all(|b| b.is_ascii_digit());
    Some(if replica { stem.to_owned() } else { name.clone() })
}

/// Undoes the `\xNN` of systemd.unit(5).
fn unescape(name: &str) -> String {
    let mut parts = name.split("\\x");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code =
            part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(u8::is_ascii_graphic);
        match code {
            Some(code) => {
                plain.push(char::from(code));
                plain.push_str(part.get(2..).unwrap_or_default());
            }
            None => {
                plain.push_str("\\x");
                plain.push_str(part);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{Group, Place, group, workload};

    const ID: &str = "3f5a2c9d8e7b6a5f4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b";

    #[test]
    fn names_units_and_containers() {
        let unit = |name: &str| Group::Unit(name.to_owned());
        let container = |in_kubernetes, in_docker| {
            Group::Container(Place { id: ID.to_owned(), in_kubernetes, in_docker })
        };
        let cases = [
            ("0::/system.slice/nginx.service\n".to_owned(), unit("nginx")),
            ("0::/system.slice/system-api.slice/api@8080.service".to_owned(), unit("api")),
            ("0::/system.slice/app@1.service".to_owned(), unit("app")),
            ("0::/system.slice/shop@orders.service".to_owned(), unit("shop@orders")),
            ("0::/system.slice/shop\\x2dapi.service".to_owned(), unit("shop-api")),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/app.slice/sync.service".to_owned(),
                unit("sync"),
            ),
            ("0::/user.slice/user-1000.slice/user@1000.service".to_owned(), Group::None),
            ("0::/user.slice/user-1000.slice/session-3.scope".to_owned(), Group::None),
            ("0::/system.slice/ssh.service".to_owned(), Group::None),
            ("0::/init.scope".to_owned(), Group::None),
            ("0::/".to_owned(), Group::None),
            ("nonsense".to_owned(), Group::None),
            ("0::/x\\xzz.service".to_owned(), unit("x\\xzz")),
            (format!("0::/system.slice/docker-{ID}.scope"), container(false, true)),
            (format!("12:cpu:/docker/{ID}\n0::/system.slice/containerd.service"), container(false, true)),
            (
                format!("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope"),
                container(true, false),
            ),
            (format!("0::/kubepods/besteffort/pod1/{ID}"), container(true, false)),
            (format!("0::/system.slice/kubepods-pod1.slice:cri-containerd:{ID}"), container(true, false)),
        ];
        for (text, expected) in cases {
            assert_eq!(group(&text), expected, "{text}");
        }
    }

    #[test]
    fn pods_are_named_by_their_workload() {
        let cases = [
            ("shop-api-7d9c5b6f4d-x2x9z", "shop-api"),
            ("node-exporter-x2x9z", "node-exporter"),
            ("web-7d4b9c6f5-x2x9k", "web"),
            ("postgres-0", "postgres"),
            ("db-0", "db"),
            ("backup-28391040-x2x9z", "backup"),
            ("shop-api", "shop-api"),
            ("shop-front", "shop-front"),
            ("gateway", "gateway"),
        ];
        for (host, expected) in cases {
            assert_eq!(workload(host, true), expected, "{host}");
        }
        assert_eq!(workload("build-0", false), "build-0");
    }
}
