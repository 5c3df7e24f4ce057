//! Why the TLS of a process is not read, as far as its files tell: for those that were heard to speak it.

use super::{Library, Scanner, TlsSurvey, Unreadable, find::unreadable};
use crate::process::{hides_tls, proc::Proc};
use overhear_exchange::UnreadReason;
use rustc_hash::FxHashMap;
use std::{
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

/// Executables remembered at once.
const REMEMBERED: usize = 4096;

/// What a process was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// The name of the file that it runs.
    pub executable: Option<String>,
    /// What of its TLS there is to hear.
    pub finding: Finding,
}

/// What of a process's TLS there is to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A library that is probed.
    Probed,
    /// None that is, and why.
    Hidden(UnreadReason),
}

/// Looks at processes one after the other. Each file is read once, which takes a while: not for those who listen.
pub struct Inspector {
    proc: Proc,
    scanner: Scanner,
    heard: TlsSurvey,
    /// By device and inode.
    executables: FxHashMap<(u64, u64), Option<Unreadable>>,
}

impl Inspector {
    /// Reads `/proc`. Files of these names are not probed, as [`Scanner::new`] has it.
    pub fn new(never: Vec<String>) -> Self {
        Self::at("/proc", never)
    }

    /// Reads a `/proc` mounted elsewhere.
    pub fn at(root: impl Into<PathBuf>, never: Vec<String>) -> Self {
        let root = root.into();
        Self {
            proc: Proc::new(&root),
            scanner: Scanner::at(&root, never),
            heard: TlsSurvey::at(root),
            executables: FxHashMap::default(),
        }
    }

    /// Looks at one.
    pub fn look(&mut self, pid: u32) -> Inspected {
        let path = self.proc.link(pid, "exe");
        let maps = self.scanner.maps(pid);
        let executable = path.as_deref().and_then(Path::file_name);
        let executable = executable.map(|name| name.to_string_lossy().into_owned());
        if maps.is_empty() {
            return Inspected { executable, finding: Finding::Hidden(UnreadReason::Ended) };
        }
        let finding = self.find(pid, path.as_deref(), &maps);
        Inspected { executable, finding }
    }

    fn find(&mut self, pid: u32, path: Option<&Path>, maps: &[u8]) -> Finding {
        // The program itself: what is in it need not be read to know that, and it may be large.
        if path.is_some_and(|path| self.scanner.never(path.as_os_str().as_bytes())) {
            return Finding::Hidden(UnreadReason::LeftAlone);
        }
        let (heard, left_alone) = self.heard.split(pid, maps, |path| self.scanner.never(path));
        if left_alone {
            return Finding::Hidden(UnreadReason::LeftAlone);
        }
        let hidden = hides_tls(&String::from_utf8_lossy(maps)).into_iter().next();
        // Extensions of interpreters bring libraries of their own.
        match hidden.or_else(|| self.executable(pid)).or_else(|| self.heard.hidden(pid, maps)) {
            Some(why) => Finding::Hidden(why.into()),
            None if heard => Finding::Probed,
            None => Finding::Hidden(UnreadReason::UnknownLibrary),
        }
    }

    fn executable(&mut self, pid: u32) -> Option<Unreadable> {
        let file = self.proc.executable(pid).ok()?;
        let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        if self.executables.len() >= REMEMBERED {
            self.executables.clear();
        }
        let place = (metadata.dev(), metadata.ino());
        *self.executables.entry(place).or_insert_with(|| unreadable(&file))
    }
}

impl From<Unreadable> for UnreadReason {
    fn from(why: Unreadable) -> Self {
        match why {
            Unreadable::Java => Self::Java,
            Unreadable::NoSymbols(library) => Self::NoSymbols(library.name()),
            Unreadable::Inlined(library) => Self::Inlined(library),
            Unreadable::OldGo => Self::OldGo,
            Unreadable::NotProbed(library) => Self::NoProbes(library.name()),
        }
    }
}

impl Library {
    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenSsl => "OpenSSL",
            Self::GnuTls => "GnuTLS",
            Self::Go => "Go crypto/tls",
            Self::Rustls => "rustls",
            Self::Nss => "NSS",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Finding, Inspector};
    use crate::tls::{Library, Unreadable};
    use overhear_exchange::UnreadReason;
    use std::{
        fs,
        io::{BufRead as _, BufReader},
        os::unix::fs::symlink,
        process::{Command, Stdio},
    };

    #[test]
    fn says_what_hides_it() {
        let root = tempfile::TempDir::new().unwrap();
        let process = |pid: u32, exe: &str, maps: &str| {
            let folder = root.path().join(pid.to_string());
            fs::create_dir_all(&folder).unwrap();
            symlink(exe, folder.join("exe")).unwrap();
            fs::write(folder.join("maps"), maps).unwrap();
        };
        process(
            1,
            "/nowhere/bin/java",
            "7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/jvm/lib/server/libjvm.so\n",
        );
        process(2, "/nowhere/firefox", "7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/libssl3.so\n");
        process(3, "/nowhere/odd", "7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/libc.so.6\n");
        process(4, "/nowhere/clickhouse (deleted)", "7f00-7f01 r-xp 00000000 08:01 1 /usr/bin/clickhouse\n");
        process(5, "/nowhere/mine", "7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/jvm/lib/server/libjvm.so\n");
        let mut inspector = Inspector::at(root.path(), vec!["/nowhere/mine".into()]);
        let mut look = |pid| {
            let told = inspector.look(pid);
            (told.executable.unwrap_or_default(), told.finding)
        };
        let hidden = Finding::Hidden;
        assert_eq!(look(1), ("java".into(), hidden(UnreadReason::Java)));
        assert_eq!(look(2), ("firefox".into(), hidden(UnreadReason::NoProbes("NSS"))));
        assert_eq!(look(3), ("odd".into(), hidden(UnreadReason::UnknownLibrary)));
        assert_eq!(look(4), ("clickhouse".into(), hidden(UnreadReason::LeftAlone)));
        assert_eq!(look(5), ("mine".into(), hidden(UnreadReason::LeftAlone)));
        assert_eq!(look(6), (String::new(), hidden(UnreadReason::Ended)));
        assert_eq!(
            UnreadReason::from(Unreadable::NoSymbols(Library::Rustls)).to_string(),
            "rustls is linked into it without symbols, so that its functions cannot be found"
        );
    }

    #[test]
    fn what_is_probed_is_said_to_be() {
        let script = "import ssl, sys; print('ready', flush=True); sys.stdin.read()";
        let mut python = Command::new("python3")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(python.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut sleep = Command::new("sleep").arg("60").spawn().unwrap();
        let look =
            |pid, never: &[&str]| Inspector::new(never.iter().map(ToString::to_string).collect()).look(pid);
        let told = [look(python.id(), &[]), look(python.id(), &["libssl.so.3"])].map(|told| told.finding);
        std::thread::sleep(std::time::Duration::from_millis(100)); // until it is the program
        let other = look(sleep.id(), &[]);
        for child in [&mut python, &mut sleep] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert_eq!(told, [Finding::Probed, Finding::Hidden(UnreadReason::LeftAlone)]);
        assert_eq!(other.executable.as_deref(), Some("sleep"));
        assert_eq!(other.finding, Finding::Hidden(UnreadReason::UnknownLibrary));
    }
}
