//! The commit a folder was at, read from git's own files (gitrepository-layout(5)).

use super::proc::Proc;
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

/// Folders above the one that is asked about.
const ASCENT: usize = 12;
/// Of the log of `HEAD`, its end.
const LOG_TAIL: u64 = 64 * 1024;
/// Of `packed-refs`, which has a line per branch and tag.
const PACKED: u64 = 4 * 1024 * 1024;
/// Digits of a commit that are told.
const SHORT: usize = 12;

/// The commit that was checked out in or above `folder` at a time in seconds since the epoch, in short.
///
/// The log of `HEAD` says what was checked out when: a process that runs on while its folder is updated still runs what
/// it was started with. Without a log, `HEAD` counts unless it moved since.
pub(crate) fn commit(proc: &Proc, pid: u32, folder: &Path, at: u64) -> Option<String> {
    let git = folder.ancestors().take(ASCENT).find_map(|place| Git::at(proc, pid, place))?;
    let log = git.log().and_then(|mut log| tail(&mut log)).unwrap_or_default();
    // Git empties it of what is old.
    let full = if log.lines().any(|line| moved(line).is_some()) { logged(&log, at) } else { git.head(at) }?;
    full.get(..SHORT).map(str::to_owned)
}

/// A repository as seen from one of its work trees.
struct Git<'a> {
    proc: &'a Proc,
    pid: u32,
    /// Has `HEAD`.
    folder: PathBuf,
    /// Has the branches; the same, but for linked work trees.
    common: PathBuf,
}

impl<'a> Git<'a> {
    fn at(proc: &'a Proc, pid: u32, place: &Path) -> Option<Self> {
        let dot = place.join(".git");
        // Work trees and submodules have a file instead of a folder: `gitdir: PATH`.
        let folder = match text(proc, pid, &dot) {
            Some(link) => joined(place, link.strip_prefix("gitdir: ")?.trim_end()),
            None => dot,
        };
        proc.open_of(pid, &folder.join("HEAD"))?;
        let common = text(proc, pid, &folder.join("commondir"))
            .map_or_else(|| folder.clone(), |path| joined(&folder, path.trim_end()));
        Some(Self { proc, pid, folder, common })
    }

    fn log(&self) -> Option<File> {
        self.proc.open_of(self.pid, &self.folder.join("logs/HEAD"))
    }

    fn head(&self, at: u64) -> Option<String> {
        let file = self.folder.join("HEAD");
        let head = self.unmoved(&file, at)?;
        let head = head.trim_end();
        let Some(name) = head.strip_prefix("ref: ") else { return is_id(head).then(|| head.to_owned()) };
        // Names come from a stranger's file and become paths.
        let tame = name.starts_with("refs/")
            && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if !tame {
            return None;
        }
        let loose = self.common.join(name);
        if self.proc.open_of(self.pid, &loose).is_some() {
            let id = self.unmoved(&loose, at)?;
            return is_id(id.trim_end()).then(|| id.trim_end().to_owned());
        }
        let mut packed = Vec::new();
        let file = self.proc.open_of(self.pid, &self.common.join("packed-refs"))?;
        file.take(PACKED).read_to_end(&mut packed).ok()?;
        // Packing rewrites all of the file, so its age says nothing.
        let packed = String::from_utf8_lossy(&packed);
        let mut lines = packed.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(id, of)| *of == name && is_id(id)).map(|(id, _)| id.to_owned())
    }

    /// What a file holds, unless it was written later.
    fn unmoved(&self, path: &Path, at: u64) -> Option<String> {
        let written = self.proc.open_of(self.pid, path)?.metadata().ok()?.mtime();
        (u64::try_from(written).ok()? <= at).then(|| text(self.proc, self.pid, path))?
    }
}

/// The commit after the last move of `HEAD` that is not later, from lines `old new name <mail> seconds zone\tmessage`
/// (git-reflog(1)). Before the first of them is the old one, where there was one.
fn logged(log: &str, at: u64) -> Option<String> {
    let moves = || log.lines().filter_map(moved);
    let last = moves().rfind(|(.., seconds)| *seconds <= at).map(|(_, new, _)| new);
    let id = last.or_else(|| moves().next().map(|(old, ..)| old))?;
    id.bytes().any(|digit| digit != b'0').then(|| id.to_owned())
}

fn moved(line: &str) -> Option<(&str, &str, u64)> {
    let (head, _) = line.split_once('\t').unwrap_or((line, ""));
    let mut ids = head.splitn(3, ' ');
    let (old, new) = (ids.next().filter(|id| is_id(id))?, ids.next().filter(|id| is_id(id))?);
    let seconds = ids.next()?.rsplit_once("> ")?.1.split(' ').next()?.parse().ok()?;
    Some((old, new, seconds))
}

/// The last whole lines.
fn tail(log: &mut File) -> Option<String> {
    let length = log.metadata().ok()?.len();
    let skipped = length.saturating_sub(LOG_TAIL);
    log.seek(SeekFrom::Start(skipped)).ok()?;
    let mut bytes = Vec::new();
    log.take(LOG_TAIL).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if skipped == 0 { Some(text) } else { text.split_once('\n').map(|(_, whole)| whole.to_owned()) }
}

fn text(proc: &Proc, pid: u32, path: &Path) -> Option<String> {
    String::from_utf8(proc.file_of(pid, path)?).ok()
}

/// `..` stays: the kernel resolves it within the root of the process.
fn joined(folder: &Path, path: &str) -> PathBuf {
    folder.join(path)
}

/// SHA-1 or SHA-256.
fn is_id(word: &str) -> bool {
    matches!(word.len(), 40 | 64) && word.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::{commit, logged};
    use crate::process::proc::Proc;
    use std::{fs, os::unix::fs::symlink, path::Path, process::Command};
    use tempfile::TempDir;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const LATE: u64 = 4_000_000_000;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A process 7 whose root holds these files, and what it is at in `folder`.
    fn at(files: &[(&str, &str)], folder: &str, time: u64) -> Option<String> {
        let root = TempDir::new().unwrap();
        for (path, text) in files {
            write(&root.path().join("7/root").join(path), text);
        }
        commit(&Proc::new(root.path()), 7, Path::new(folder), time)
    }

    #[test]
    fn finds_the_commit_in_every_layout() {
        let head = ("srv/.git/HEAD", "ref: refs/heads/main\n");
        let a = &format!("{A}\n");
        let packed = &format!("# pack-refs with: peeled\n{B} refs/heads/main2\n{A} refs/heads/main\n");
        let loose = ("srv/.git/refs/heads/main", a.as_str());
        assert_eq!(at(&[head, loose], "/srv/app/deep", LATE).as_deref(), Some(&A[..12]), "loose");
        assert_eq!(at(&[head, ("srv/.git/packed-refs", packed)], "/srv", LATE).as_deref(), Some(&A[..12]));
        assert_eq!(at(&[("srv/.git/HEAD", a)], "/srv", LATE).as_deref(), Some(&A[..12]), "detached");
        let linked = [
            ("tree/.git", "gitdir: ../srv/.git/worktrees/tree\n"),
            ("srv/.git/worktrees/tree/HEAD", "ref: refs/heads/main\n"),
            ("srv/.git/worktrees/tree/commondir", "../..\n"),
            loose,
        ];
        assert_eq!(at(&linked, "/tree", LATE).as_deref(), Some(&A[..12]), "work tree");
        assert_eq!(at(&[head, loose], "/other", LATE), None);
        assert_eq!(at(&[head, loose], "/srv", 1_000_000_000), None, "moved since, and no log");
    }

    #[test]
    fn hostile_files_say_nothing() {
        let outside = [("srv/.git/HEAD", "ref: refs/../../../secret\n"), ("secret", A)];
        assert_eq!(at(&outside, "/srv", LATE), None);
        assert_eq!(at(&[("srv/.git/HEAD", "ref: /secret\n"), ("secret", A)], "/srv", LATE), None);
        assert_eq!(at(&[("srv/.git/HEAD", "root:x:0:0\n")], "/srv", LATE), None);
        assert_eq!(at(&[("srv/.git", "gitdir: /../../../../../../..\n")], "/srv", LATE), None);
        let log = ("srv/.git/logs/HEAD", "x y z\n> > >\n");
        assert_eq!(at(&[("srv/.git/HEAD", A), log], "/srv", LATE).as_deref(), Some(&A[..12]));

        let folder = TempDir::new().unwrap();
        write(&folder.path().join("outside/HEAD"), A);
        fs::create_dir_all(folder.path().join("7/root/srv")).unwrap();
        symlink(folder.path().join("outside"), folder.path().join("7/root/srv/.git")).unwrap();
        assert_eq!(commit(&Proc::new(folder.path()), 7, Path::new("/srv"), LATE), None, "out of its root");
    }

    #[test]
    fn the_log_tells_what_was_checked_out_when() {
        let zero = "0".repeat(40);
        let log = format!(
            "{zero} {A} N N <n@example.com> 100 +0200\tclone: from x\n{A} {B} N > N <> 200 +0000\tpull\n"
        );
        for (time, expected) in [(99, None), (100, Some(A)), (199, Some(A)), (200, Some(B)), (900, Some(B))] {
            assert_eq!(logged(&log, time).as_deref(), expected, "{time}");
        }
        let cut = format!("{A} {B} N <n@example.com> 200 +0000\tpull\n");
        assert_eq!(logged(&cut, 150).as_deref(), Some(A), "the log's beginning is gone");
    }

    #[test]
    fn agrees_with_git() {
        let folder = TempDir::new().unwrap();
        let tree = folder.path().join("7/root/srv");
        fs::create_dir_all(&tree).unwrap();
        let git = |arguments: &[&str], time: u64| {
            let said = Command::new("git")
                .args(["-c", "user.name=n", "-c", "user.email=n@example.com"])
                .args(arguments)
                .current_dir(&tree)
                .env("GIT_COMMITTER_DATE", format!("{time} +0000"))
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .output()
                .unwrap();
            assert!(said.status.success(), "{said:?}");
            String::from_utf8(said.stdout).unwrap().trim().to_owned()
        };
        let proc = Proc::new(folder.path());
        let told = |time| commit(&proc, 7, Path::new("/srv"), time);
        git(&["init", "-q"], 0);
        assert_eq!(told(LATE), None, "no commit yet");
        git(&["commit", "-q", "--allow-empty", "-m", "one"], 1_700_000_000);
        let one = git(&["rev-parse", "--short=12", "HEAD"], 0);
        git(&["commit", "-q", "--allow-empty", "-m", "two"], 1_700_000_100);
        let two = git(&["rev-parse", "--short=12", "HEAD"], 0);
        git(&["-c", "gc.reflogExpire=never", "-c", "gc.reflogExpireUnreachable=never", "gc", "-q"], 0);
        assert_eq!((told(1_700_000_050), told(LATE)), (Some(one.clone()), Some(two.clone())));
        git(&["worktree", "add", "-q", "--detach", "../tree", "HEAD~1"], 1_700_000_200);
        // It is at an absolute path of this machine, which is not the process's.
        let inner = format!("gitdir: {}\n", "/srv/.git/worktrees/tree");
        fs::write(folder.path().join("7/root/tree/.git"), inner).unwrap();
        assert_eq!(commit(&proc, 7, Path::new("/tree"), LATE), Some(one));
        fs::remove_dir_all(tree.join(".git/logs")).unwrap();
        assert_eq!(told(LATE), Some(two), "packed, without a log");
    }
}
