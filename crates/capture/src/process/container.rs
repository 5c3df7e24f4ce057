//! What the container runtime keeps about a container on the host: names and images that are not visible inside.

use super::{cgroup::Place, proc::Proc};
use serde::Deserialize;
use std::{collections::BTreeMap, path::PathBuf};

/// A container as its runtime knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Container {
    /// Compose project and service, in one.
    pub(crate) compose: Option<String>,
    /// The pod.
    pub(crate) pod: Option<String>,
    /// Its name within the pod, or the one that a person gave it.
    pub(crate) name: Option<String>,
    /// The name of the image without its registry, and what pins it: `orders:1.2@0123456789ab`.
    pub(crate) image: Option<String>,
}

impl Container {
    /// Reads the runtime's own file, if it can be read, and what the process's mounts say of the image.
    pub(crate) fn look(proc: &Proc, pid: u32, place: &Place) -> Self {
        let mut found = docker(proc, &place.id).or_else(|| oci(proc, &place.id)).unwrap_or_default();
        if found.image.as_deref().is_none_or(|image| !image.contains('@')) {
            let layers = proc.text(pid, "mountinfo").and_then(|mounts| layers(&mounts, place.in_docker));
            found.image = match (found.image, layers) {
                (Some(image), Some(layers)) => Some(format!("{image}@{layers}")),
                (None, Some(layers)) => Some(format!("image@{layers}")),
                (image, None) => image,
            };
        }
        found
    }
}

/// Docker's `config.v2.json`.
fn docker(proc: &Proc, id: &str) -> Option<Container> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    #[derive(Default)]
    struct Document {
        name: String,
        image: String,
        config: Config,
    }
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "PascalCase", default)]
    struct Config {
        image: String,
        labels: Option<BTreeMap<String, String>>,
    }
    // The runtime's files are the host's: as its first process sees them.
    let path = PathBuf::from(format!("/var/lib/docker/containers/{id}/config.v2.json"));
    let document: Document = serde_json::from_slice(&proc.file_of(1, &path)?).ok()?;
    let labels = document.config.labels.unwrap_or_default();
    let label = |key: &str| labels.get(key).filter(|value| !value.is_empty()).cloned();
    let project = label("com.docker.compose.project").zip(label("com.docker.compose.service"));
    let digest = document.image.rsplit(':').next().and_then(|hex| hex.get(..12));
    let named = short_image(&document.config.image);
    let name = document.name.trim_start_matches('/');
    Some(Container {
        compose: project.map(|(project, service)| joined(&project, &service)),
        pod: label("io.kubernetes.pod.name"),
        name: label("io.kubernetes.container.name")
            .or_else(|| (!name.is_empty() && !is_invented(name)).then(|| name.to_owned())),
        image: digest.map(|digest| format!("{}@{digest}", named.unwrap_or("image"))),
    })
}

/// The OCI runtime configuration that containerd keeps while a container runs, with the annotations of its CRI part.
fn oci(proc: &Proc, id: &str) -> Option<Container> {
    #[derive(Deserialize)]
    struct Document {
        #[serde(default)]
        annotations: BTreeMap<String, String>,
    }
    let folders = [
        "/run/containerd/io.containerd.runtime.v2.task/k8s.io",
        "/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io",
    ];
    let bytes = folders
        .iter()
        .find_map(|folder| proc.file_of(1, &PathBuf::from(format!("{folder}/{id}/config.json"))))?;
    let document: Document = serde_json::from_slice(&bytes).ok()?;
    let said = |key: &str| document.annotations.get(key).filter(|value| !value.is_empty()).cloned();
    Some(Container {
        compose: None,
        pod: said("io.kubernetes.cri.sandbox-name"),
        name: said("io.kubernetes.cri.container-name"),
        image: said("io.kubernetes.cri.image-name")
            .as_deref()
            .and_then(short_image)
            .map(|image| image.replace("@sha256:", "@")),
    })
}

/// `shop`, `orders` → `shop-orders`, as compose names containers; a service that says its project is not named twice.
fn joined(project: &str, service: &str) -> String {
    if service.starts_with(project) { service.to_owned() } else { format!("{project}-{service}") }
}

/// Names that Docker gives where people do not: `eager_turing`, `eager_turing3`.
fn is_invented(name: &str) -> bool {
    let letters = |part: &str| part.len() > 2 && part.bytes().all(|b| b.is_ascii_lowercase());
    let name = name.strip_suffix(|c: char| c.is_ascii_digit()).unwrap_or(name);
    name.split_once('_').is_some_and(|(left, right)| letters(left) && letters(right))
}

fn short_image(image: &str) -> Option<&str> {
    let last = image.rsplit('/').next().filter(|last| !last.is_empty())?;
    // An image that is named by its digest alone has no name.
    (!image.starts_with("sha256:")).then_some(last)
}

/// The read-only layers under the root of a container (proc_pid_mountinfo(5); overlay's `lowerdir`), as a short hash:
/// containers of one image share them. Docker puts a layer of the container's own on top.
fn layers(mounts: &str, in_docker: bool) -> Option<String> {
    let root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/"))?;
    let (_, file_system) = root.split_once(" - ")?;
    let options = file_system.strip_prefix("overlay ")?.rsplit(' ').next()?;
    let lower = options.split(',').find_map(|option| option.strip_prefix("lowerdir="))?;
    let own_on_top = in_docker || lower.contains("/docker/");
    let image = if own_on_top { lower.split_once(':')?.1 } else { lower };
    // FNV-1a: the same everywhere and always, since versions are kept.
    let hash = image.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    Some(format!("{:012x}", hash >> 16))
}

#[cfg(test)]
mod tests {
    use super::{Container, is_invented, layers};
    use crate::process::{cgroup::Place, proc::Proc};
    use std::{fs, path::Path};
    use tempfile::TempDir;

    const ID: &str = "3f5a2c9d8e7b6a5f4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b";
    const MOUNTS: &str = "22 1 0:21 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/var/lib/x/l/A:/var/lib/x/l/B,upperdir=/u,workdir=/w\n";

    fn look(path: &str, text: &str, mounts: &str) -> Container {
        let root = TempDir::new().unwrap();
        let file = root.path().join("1/root").join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
        fs::create_dir_all(root.path().join("7")).unwrap();
        fs::write(root.path().join("7/mountinfo"), mounts).unwrap();
        let place = Place { id: ID.to_owned(), in_kubernetes: false, in_docker: false };
        Container::look(&Proc::new(Path::new(root.path())), 7, &place)
    }

    #[test]
    fn docker_tells_project_name_and_image() {
        let file = format!("var/lib/docker/containers/{ID}/config.v2.json");
        let text = r#"{"Name": "/shop-orders-1", "Image": "sha256:0123456789abcdef0123", "Config": {"Image": "registry:5000/shop/orders:1.2",
            "Labels": {"com.docker.compose.project": "shop", "com.docker.compose.service": "orders"}}}"#;
        let found = look(&file, text, MOUNTS);
        assert_eq!(found.compose.as_deref(), Some("shop-orders"));
        assert_eq!(found.image.as_deref(), Some("orders:1.2@0123456789ab"));
        let found = look(&file, r#"{"Name": "/eager_turing", "Config": {"Labels": null}}"#, "");
        assert_eq!(found, Container::default());
        assert_eq!(look(&file, "[]", ""), Container::default());
    }

    #[test]
    fn containerd_tells_the_pod() {
        let text = r#"{"annotations": {"io.kubernetes.cri.sandbox-name": "web-7d4b9c6f5-x2x9k",
            "io.kubernetes.cri.container-name": "istio-proxy", "io.kubernetes.cri.image-name": "docker.io/istio/proxyv2:1.20"}}"#;
        let file = format!("run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}/config.json");
        let found = look(&file, text, MOUNTS);
        assert_eq!(found.pod.as_deref(), Some("web-7d4b9c6f5-x2x9k"));
        assert_eq!(found.name.as_deref(), Some("istio-proxy"));
        let image = found.image.unwrap();
        assert!(image.starts_with("proxyv2:1.20@") && image.len() == 25, "{image}");
    }

    #[test]
    fn containers_of_one_image_share_their_layers() {
        let of = |lower: &str, in_docker| {
            let mounts = format!(
                "1 0 0:1 / /proc rw - proc proc rw\n22 1 0:21 / / rw - overlay overlay rw,lowerdir={lower},upperdir=/u\n"
            );
            layers(&mounts, in_docker)
        };
        assert!(of("/l/A:/l/B", false).is_some());
        assert_eq!(of("/l/own1:/l/A", true), of("/l/own2:/l/A", true));
        assert_ne!(of("/l/own1:/l/A", true), of("/l/own1:/l/B", true));
        assert_ne!(of("/l/A", false), of("/l/B", false));
        assert_eq!(layers("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n", false), None);
        assert_eq!(layers("nonsense", false), None);
    }

    #[test]
    fn invented_names_are_no_names() {
        assert!(is_invented("eager_turing") && is_invented("eager_turing3"));
        assert!(!is_invented("shop-api") && !is_invented("shop_api_v2") && !is_invented("cart"));
    }
}
