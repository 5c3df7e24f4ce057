//! The documents are true: links lead somewhere, and every word the program prints as a reason is explained.

use super::{Complaint, File};
use std::collections::{BTreeSet, HashMap};

/// Where reasons are explained to users.
const GUIDE: &str = "docs/guide/";

pub(super) fn check(files: &[File]) -> Vec<Complaint> {
    let mut complaints = links(files);
    complaints.extend(reasons(files));
    complaints.extend(dependencies(files));
    complaints
}

/// Every dependency of the workspace has a line in `docs/decisions/dependencies.md`.
fn dependencies(files: &[File]) -> Vec<Complaint> {
    let Some(manifest) = files.iter().find(|file| file.path == "Cargo.toml") else { return Vec::new() };
    let decided = files.iter().find(|file| file.path == "docs/decisions/dependencies.md");
    let section = manifest.lines().skip_while(|(_, line)| *line != "[workspace.dependencies]").skip(1);
    section
        .take_while(|(_, line)| !line.starts_with('['))
        .filter_map(|(number, line)| Some((number, line.split_once(" = ")?.0)))
        .filter(|(_, name)| !name.starts_with("overhear-"))
        .filter(|(_, name)| !decided.is_some_and(|file| file.text.contains(&format!("`{name}`"))))
        .map(|(number, name)| {
            Complaint::at(manifest, number, format!("{name} has no line in docs/decisions/dependencies.md"))
        })
        .collect()
}

/// Every loss reason, `error.type` and attribute is in the user guide.
fn reasons(files: &[File]) -> Vec<Complaint> {
    let guide: String =
        files.iter().filter(|file| file.path.starts_with(GUIDE)).map(|f| f.text.as_str()).collect();
    let sources = [
        "crates/exchange/src/statistics.rs",
        "crates/exchange/src/error_type.rs",
        "crates/query/src/attributes.rs",
    ];
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| sources.contains(&file.path.as_str())) {
        for (number, line) in file.shipped() {
            let Some(word) = reason(line) else { continue };
            if !guide.contains(&format!("`{word}`")) {
                complaints.push(Complaint::at(file, number, format!("`{word}` is not explained in {GUIDE}")));
            }
        }
    }
    complaints
}

/// The text of one arm of the matches that name reasons, or of one line of the table of attributes.
fn reason(line: &str) -> Option<&str> {
    if let Some((name, text)) = line.trim().split_once(" = \"") {
        let listed = name.chars().all(char::is_alphanumeric);
        return listed.then(|| text.strip_suffix("\",")).flatten();
    }
    let arm = line.trim().strip_prefix("Self::")?;
    let (_, text) = arm.split_once("=> ")?;
    let text = text.strip_prefix("f.write_str(").unwrap_or(text);
    text.strip_prefix('"')?.split('"').next()
}

fn links(files: &[File]) -> Vec<Complaint> {
    let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let markdown = files.iter().filter(|file| file.is(&["md"]));
    let anchors: HashMap<&str, BTreeSet<String>> =
        markdown.clone().map(|file| (file.path.as_str(), headings(file))).collect();
    let mut complaints = Vec::new();
    for file in markdown {
        for (number, target) in targets(file) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if path.is_empty() { file.path.clone() } else { resolve(&file.path, path) };
            let folder = format!("{path}/");
            let there = paths.contains(path.as_str()) || paths.iter().any(|other| other.starts_with(&folder));
            let anchored =
                anchor.is_empty() || anchors.get(path.as_str()).is_some_and(|all| all.contains(anchor));
            if !there || !anchored {
                complaints.push(Complaint::at(file, number, format!("link leads nowhere: {target}")));
            }
        }
    }
    complaints
}

/// The relative targets of `[text](target)` outside code blocks, with their lines.
fn targets(file: &File) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut targets = Vec::new();
    for (number, line) in file.lines() {
        fenced ^= line.trim_start().starts_with("```");
        if fenced {
            continue;
        }
        let parts = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let relative = parts.filter(|target| !target.contains("://") && !target.starts_with("mailto:"));
        targets.extend(relative.map(|target| (number, target)));
    }
    targets
}

/// The anchors of a document's headings: lower case, spaces as hyphens, punctuation left out.
fn headings(file: &File) -> BTreeSet<String> {
    let titles = file.lines().filter_map(|(_, line)| line.strip_prefix('#'));
    titles
        .map(|title| {
            let title = title.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            title.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
        })
        .collect()
}

/// `path` as written in the document `from`, from the root of the repository.
fn resolve(from: &str, path: &str) -> String {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::{File, check, reason};

    #[test]
    fn follows_links_and_anchors() {
        let readme = |text: &str| File::new("README.md", text);
        let guide = File::new("docs/guide/a.md", "# Exit codes\n[up](../../README.md)\n");
        for (text, wrong) in [
            ("[a](docs/guide/a.md#exit-codes) [b](docs/guide) [c](https://example.org/x)", 0),
            ("[a](docs/guide/b.md)", 1),
            ("[a](docs/guide/a.md#nothing)", 1),
            ("```\n[a](nowhere)\n```", 0),
        ] {
            assert_eq!(check(&[readme(text), guide.clone()]).len(), wrong, "{text}");
        }
    }

    #[test]
    fn every_reason_is_explained() {
        assert_eq!(reason("            Self::Fault => \"fault\","), Some("fault"));
        assert_eq!(reason("            Self::Timeout => f.write_str(\"timeout\"),"), Some("timeout"));
        assert_eq!(reason("    Path = \"url.path\","), Some("url.path"));
        assert_eq!(reason("        let a = \"url.path\";"), None);
        assert_eq!(reason("            Self::Status(status) => write!(f, \"{status}\"),"), None);
        let source = File::new("crates/exchange/src/statistics.rs", "Self::Fault => \"fault\",\n");
        assert_eq!(check(std::slice::from_ref(&source)).len(), 1);
        assert_eq!(check(&[source, File::new("docs/guide/json.md", "`fault`: the memory was gone\n")]), []);
    }

    #[test]
    fn every_dependency_has_its_line() {
        let manifest =
            File::new("Cargo.toml", "[workspace.dependencies]\nserde = \"1\"\n\n[profile]\nx = 1\n");
        assert_eq!(check(std::slice::from_ref(&manifest)).len(), 1);
        let decided = File::new("docs/decisions/dependencies.md", "* `serde`: why\n");
        assert_eq!(check(&[manifest, decided]), []);
    }
}
