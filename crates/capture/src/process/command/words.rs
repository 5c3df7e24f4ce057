//! Words in command lines and paths: which of them name something.

use std::path::{Component, Path};

/// Names that many programs share: the folder says more.
const GENERIC: [&str; 24] = [
    "index",
    "server",
    "app",
    "main",
    "start",
    "run",
    "cli",
    "manage",
    "wsgi",
    "asgi",
    "application",
    "api",
    "www",
    "__main__",
    "bootstrap",
    "entrypoint",
    "worker",
    "web",
    "dev",
    "handler",
    "service",
    "program",
    "prog",
    "a.out",
];
/// Folders that hold the program but do not name it.
const PLACES: [&str; 22] = [
    "src",
    "dist",
    "build",
    "lib",
    "bin",
    "sbin",
    "out",
    "target",
    "release",
    "debug",
    "app",
    "apps",
    "server",
    "scripts",
    "code",
    "tmp",
    "home",
    "opt",
    "root",
    "usr",
    "workspace",
    "local",
];
/// First arguments that say what to do, and the parts that are the program itself.
const VERBS: [&str; 22] = [
    "run",
    "start",
    "serve",
    "server",
    "daemon",
    "agent",
    "listen",
    "exec",
    "web",
    "api",
    "main",
    "app",
    "all",
    "foreground",
    "standalone",
    "launch",
    "proxy",
    "http",
    "master",
    "demo",
    "watch",
    "service",
];

/// The last part of a path, without the ends that only say what kind of file it is, or a login shell's dash.
pub(super) fn stem(path: &str) -> &str {
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path).trim_start_matches('-');
    let kinds =
        [".js", ".mjs", ".cjs", ".ts", ".py", ".pyc", ".rb", ".pl", ".php", ".sh", ".jar", ".dll", ".exe"];
    kinds.iter().find_map(|kind| name.strip_suffix(kind)).filter(|name| !name.is_empty()).unwrap_or(name)
}

/// `shop-1.2.3-SNAPSHOT` → `shop`.
pub(super) fn without_version(name: &str) -> &str {
    let digit = |at: usize| name.as_bytes().get(at + 1).is_some_and(u8::is_ascii_digit);
    name.match_indices('-')
        .find(|(at, _)| *at > 0 && digit(*at))
        .map_or(name, |(at, _)| name.get(..at).unwrap_or(name))
}

/// Names that tell the parts of one project apart, though many projects have them.
pub(super) fn is_role_name(name: &str) -> bool {
    matches!(name, "worker" | "web" | "api" | "handler")
}

pub(super) fn tells_apart(script: &str) -> bool {
    is_role_name(script) || !is_vague(script)
}

/// Part of a program: `shop`, `payments` → `shop-payments`; what says the whole already stays.
pub(super) fn qualified(whole: &str, part: &str) -> String {
    let bare = whole.rsplit('/').next().unwrap_or(whole);
    if part.contains(bare) || bare.split(['-', '_', '.']).any(|word| word == part) {
        return if part.contains(bare) { part.to_owned() } else { whole.to_owned() };
    }
    format!("{whole}-{part}")
}

/// A word that names a part of a program, not what to do or with which file.
pub(super) fn is_role(word: &str) -> bool {
    let simple = (3..=24).contains(&word.len())
        && word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    simple && !VERBS.contains(&word)
}

/// The last part of a Go path that says something: `example.com/shop/cmd/server/v2` → `shop`.
pub(super) fn module_name(path: &str) -> Option<String> {
    let parts = path.rsplit('/').filter(|part| {
        let number = part.strip_prefix('v').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
        !number && !is_vague(part) && !matches!(*part, "cmd" | "internal" | "pkg") && !part.contains('.')
    });
    parts.into_iter().next().and_then(plain)
}

pub(super) fn is_vague(name: &str) -> bool {
    GENERIC.contains(&name)
}

pub(super) fn name_of_folder(folder: &Path) -> Option<String> {
    let mut names = folder.components().rev().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
    });
    names.find(|name| !PLACES.contains(name) && !is_vague(name)).and_then(plain)
}

/// Text fit to be a name: one short line, no control characters.
pub(crate) fn plain(text: &str) -> Option<String> {
    let clean: String = text.trim().chars().filter(|c| !c.is_control()).take(80).collect();
    (!clean.is_empty()).then_some(clean)
}
