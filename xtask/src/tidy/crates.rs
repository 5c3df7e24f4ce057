//! Who may depend on whom: dependencies only point backwards along the way of a byte.

use super::{Complaint, File};
use crate::shell::{Result, root};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use std::collections::{BTreeSet, HashMap};

/// Each crate with the crates of this workspace it may use outside its tests. In tests `testkit` comes on top.
const TABLE: [(&str, &[&str]); 19] = [
    ("overhear-exchange", &[]),
    ("overhear-probe", &[]),
    ("overhear-capture", &["overhear-exchange", "overhear-probe"]),
    ("overhear-stream", &["overhear-exchange", "overhear-probe"]),
    ("overhear-protocol", &["overhear-exchange"]),
    ("overhear-model", &["overhear-exchange"]),
    ("overhear-store", &["overhear-exchange", "overhear-model"]),
    ("overhear-query", &["overhear-exchange", "overhear-model"]),
    ("overhear-export", &["overhear-exchange", "overhear-model", "overhear-query"]),
    ("overhear-overlay", &["overhear-query"]),
    (
        "overhear-pipeline",
        &[
            "overhear-exchange",
            "overhear-probe",
            "overhear-capture",
            "overhear-stream",
            "overhear-protocol",
            "overhear-model",
            "overhear-store",
            "overhear-query",
            "overhear-export",
        ],
    ),
    ("overhear-tui", &["overhear-exchange", "overhear-query"]),
    (
        "overhear-web",
        &["overhear-exchange", "overhear-model", "overhear-query", "overhear-export", "overhear-overlay"],
    ),
    ("overhear-demo", &[]),
    (
        "overhear",
        &[
            "overhear-exchange",
            "overhear-capture",
            "overhear-protocol",
            "overhear-model",
            "overhear-store",
            "overhear-query",
            "overhear-export",
            "overhear-overlay",
            "overhear-pipeline",
            "overhear-tui",
            "overhear-web",
            "overhear-demo",
        ],
    ),
    ("overhear-testkit", &["overhear-exchange"]),
    ("overhear-tests", &["overhear-exchange", "overhear-testkit"]),
    (
        "overhear-benches",
        &[
            "overhear-exchange",
            "overhear-model",
            "overhear-pipeline",
            "overhear-protocol",
            "overhear-query",
            "overhear-store",
            "overhear-testkit",
        ],
    ),
    ("xtask", &[]),
];

/// Crates without I/O, and what would bring it in, directly or through others.
const PURE: [&str; 7] = [
    "overhear-exchange",
    "overhear-stream",
    "overhear-protocol",
    "overhear-model",
    "overhear-query",
    "overhear-export",
    "overhear-overlay",
];
const WORLDLY: [&str; 10] =
    ["tokio", "mio", "aya", "procfs", "ureq", "axum", "rustix", "nix", "signal-hook", "crossbeam-channel"];

pub(super) fn check(files: &[File]) -> Result<Vec<Complaint>> {
    let metadata = MetadataCommand::new().current_dir(root()).exec()?;
    let mut complaints: Vec<Complaint> = metadata.workspace_packages().into_iter().flat_map(table).collect();
    complaints.extend(PURE.iter().flat_map(|name| purity(name, &metadata)));
    complaints.extend(files.iter().filter(|file| file.path == "Cargo.toml").flat_map(members));
    complaints.extend(
        files
            .iter()
            .filter(|file| {
                file.path.ends_with("Cargo.toml") && !APART.iter().any(|apart| file.path.starts_with(apart))
            })
            .flat_map(lints),
    );
    Ok(complaints)
}

fn table(package: &Package) -> Vec<Complaint> {
    let Some((_, allowed)) = TABLE.iter().find(|(name, _)| *name == package.name.as_str()) else {
        return vec![Complaint::about(
            &package.name,
            "not in the table of crates (xtask/src/tidy/crates.rs)",
        )];
    };
    let ours =
        package.dependencies.iter().filter(|wanted| TABLE.iter().any(|(name, _)| *name == wanted.name));
    ours.filter(|wanted| {
        let in_tests = wanted.kind == DependencyKind::Development && wanted.name == "overhear-testkit";
        !in_tests && !allowed.contains(&wanted.name.as_str())
    })
    .map(|wanted| Complaint::about(&package.name, format!("must not depend on {}", wanted.name)))
    .collect()
}

/// What a pure crate reaches outside its tests and build scripts.
fn purity(name: &str, metadata: &Metadata) -> Vec<Complaint> {
    let Some(resolve) = &metadata.resolve else { return Vec::new() };
    let nodes: HashMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let names: HashMap<_, _> = metadata.packages.iter().map(|p| (&p.id, p.name.as_str())).collect();
    let mut reached = BTreeSet::new();
    let mut open: Vec<_> =
        metadata.packages.iter().filter(|p| p.name.as_str() == name).map(|p| &p.id).collect();
    while let Some(node) = open.pop().and_then(|id| nodes.get(id)) {
        let normal =
            node.deps.iter().filter(|d| d.dep_kinds.iter().any(|k| k.kind == DependencyKind::Normal));
        open.extend(normal.map(|dependency| &dependency.pkg).filter(|id| reached.insert(*id)));
    }
    let reached = reached.iter().filter_map(|id| names.get(id));
    reached
        .filter(|reached| WORLDLY.contains(reached))
        .map(|reached| Complaint::about(name, format!("is pure and must not reach {reached}")))
        .collect()
}

/// Every member says in one comment what it is.
fn members(manifest: &File) -> Vec<Complaint> {
    let from_members = manifest.lines().skip_while(|(_, line)| !line.starts_with("members"));
    from_members
        .skip(1)
        .take_while(|(_, line)| !line.starts_with(']'))
        .filter(|(_, line)| line.split_once('#').is_none_or(|(_, comment)| comment.trim().len() <= 3))
        .map(|(number, _)| Complaint::at(manifest, number, "a member without a comment that says what it is"))
        .collect()
}

/// Workspaces of their own.
const APART: [&str; 2] = ["fuzz/", "tests/older-rustls/"];

/// Only `capture` and `probe` hold unsafe code, and so keep lints of their own.
fn lints(manifest: &File) -> Vec<Complaint> {
    let inherits = manifest.text.contains("[lints]\nworkspace = true");
    let own = ["crates/capture/Cargo.toml", "crates/probe/Cargo.toml", "Cargo.toml"]
        .contains(&manifest.path.as_str());
    let denies = manifest.text.contains("unsafe_code = \"deny\"")
        && manifest.text.contains("undocumented_unsafe_blocks");
    match (inherits, own) {
        (true, false) => Vec::new(),
        (false, true) if manifest.path == "Cargo.toml" || denies => Vec::new(),
        _ => vec![Complaint::about(&manifest.path, "must take the lints of the workspace")],
    }
}

#[cfg(test)]
mod tests {
    use super::{File, lints, members};

    #[test]
    fn wants_a_comment_for_each_member() {
        let manifest = "[workspace]\nmembers = [\n    \"a\", # the first\n    \"b\",\n]\n\"c\",\n";
        let complaints = members(&File::new("Cargo.toml", manifest));
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].0.starts_with("Cargo.toml:4:"));
    }

    #[test]
    fn only_two_crates_keep_their_own_lints() {
        let own =
            "[lints.rust]\nunsafe_code = \"deny\"\n[lints.clippy]\nundocumented_unsafe_blocks = \"warn\"\n";
        assert_eq!(lints(&File::new("crates/probe/Cargo.toml", own)), []);
        assert_eq!(lints(&File::new("crates/model/Cargo.toml", own)).len(), 1);
        assert_eq!(lints(&File::new("crates/probe/Cargo.toml", "[lints.rust]\n")).len(), 1);
        assert_eq!(lints(&File::new("crates/model/Cargo.toml", "[lints]\nworkspace = true\n")), []);
    }
}
