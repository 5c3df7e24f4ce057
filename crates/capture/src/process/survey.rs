use super::{Names, proc::Proc};
use crate::tls::{HeardTls, Library, TlsSurvey, Unreadable, unreadable};
use overhear_exchange::Process;
use rustc_hash::{FxHashMap, FxHashSet};
use std::{collections::BTreeSet, fmt, io, os::unix::fs::MetadataExt, path::PathBuf, sync::Arc};

/// The processes of this machine that talk over the network.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Those with a TCP socket, by pid.
    pub processes: Vec<Heard>,
    /// Processes whose files may not be looked at by this user.
    pub hidden: u64,
}

/// A process with TCP sockets, and what of it cannot be heard.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Who.
    pub process: Arc<Process>,
    /// Ports it listens on, ascending.
    pub listening: Vec<u16>,
    /// TCP connections it has now.
    pub connections: u64,
    /// TLS libraries whose plaintext is heard.
    pub tls: BTreeSet<HeardTls>,
    /// What stands in the way of hearing all of it. None: everything it says by HTTP is heard.
    pub obstacles: BTreeSet<Obstacle>,
}

/// Why a part of a process's traffic cannot be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Obstacle {
    /// It has TLS that is not read; its plain connections are.
    Tls(Unreadable),
    /// It sends and receives with io_uring, whose buffers cannot be seen: lengths only.
    IoUring,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(reason) => write!(f, "its TLS is not read: {reason}"),
            Self::IoUring => f.write_str("io_uring hides what it sends and receives"),
        }
    }
}

/// Looks at every process once.
///
/// # Errors
///
/// When `/proc` itself cannot be listed.
pub fn survey() -> io::Result<Survey> {
    survey_at("/proc")
}

/// As [`survey`], with `/proc` mounted elsewhere.
///
/// # Errors
///
/// When that folder cannot be listed.
pub fn survey_at(root: impl Into<PathBuf>) -> io::Result<Survey> {
    let root = root.into();
    let mut surveyor = Surveyor {
        proc: Proc::new(&root),
        names: Names::at(&root),
        sockets: FxHashMap::default(),
        tls: FxHashMap::default(),
        heard: TlsSurvey::at(root),
    };
    let mut survey = Survey::default();
    for pid in surveyor.proc.pids()? {
        match surveyor.look(pid) {
            Ok(Some(heard)) => survey.processes.push(heard),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => survey.hidden += 1,
            Err(_ended_meanwhile) => {}
        }
    }
    Ok(survey)
}

struct Surveyor {
    proc: Proc,
    names: Names,
    /// TCP sockets by network namespace.
    sockets: FxHashMap<PathBuf, Arc<Sockets>>,
    /// Executables whose TLS is not read, by device and inode: a hundred workers are looked at once.
    tls: FxHashMap<(u64, u64), Option<Unreadable>>,
    heard: TlsSurvey,
}

/// The TCP sockets of one network namespace.
#[derive(Debug, Default)]
struct Sockets {
    /// Inode → port.
    listening: FxHashMap<u64, u16>,
    /// Inodes.
    connected: FxHashSet<u64>,
}

impl Surveyor {
    fn look(&mut self, pid: u32) -> io::Result<Option<Heard>> {
        let mut inodes = Vec::new();
        let mut obstacles = BTreeSet::new();
        for target in self.proc.open_files(pid)? {
            let Some(target) = target.to_str() else { continue };
            if let Some(inode) = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')) {
                inodes.extend(inode.parse::<u64>());
            } else if target == "anon_inode:[io_uring]" {
                obstacles.insert(Obstacle::IoUring);
            }
        }
        if inodes.is_empty() {
            return Ok(None);
        }
        let sockets = self.sockets_of(pid);
        let listening: BTreeSet<u16> =
            inodes.iter().filter_map(|inode| sockets.listening.get(inode).copied()).collect();
        let connections = inodes.iter().filter(|inode| sockets.connected.contains(inode)).count() as u64;
        if listening.is_empty() && connections == 0 {
            return Ok(None);
        }
        let tls = self.heard.heard(pid);
        obstacles.extend(self.tls_of(pid, tls.is_empty()).into_iter().map(Obstacle::Tls));
        let Some(process) = self.names.process(pid) else { return Ok(None) };
        let listening = listening.into_iter().collect();
        Ok(Some(Heard { process, listening, connections, tls, obstacles }))
    }

    fn sockets_of(&mut self, pid: u32) -> Arc<Sockets> {
        let namespace = self.proc.link(pid, "ns/net").unwrap_or_default();
        let proc = &self.proc;
        Arc::clone(self.sockets.entry(namespace).or_insert_with(|| {
            let mut sockets = Sockets::default();
            for table in ["net/tcp", "net/tcp6"] {
                if let Ok(bytes) = proc.read_table(pid, table) {
                    read_sockets(&String::from_utf8_lossy(&bytes), &mut sockets);
                }
            }
            Arc::new(sockets)
        }))
    }

    /// Why TLS of a process is not read. Its libraries are searched where nothing else speaks it for the process: many
    /// hold some that they never use.
    fn tls_of(&mut self, pid: u32, unheard: bool) -> BTreeSet<Unreadable> {
        let maps = self.proc.read_table(pid, "maps").unwrap_or_default();
        let mut found = mapped(&String::from_utf8_lossy(&maps));
        let executable = self.proc.executable(pid).ok();
        let linked = executable.and_then(|file| {
            let metadata = file.metadata().ok()?;
            *self
                .tls
                .entry((metadata.dev(), metadata.ino()))
                .or_insert_with(|| metadata.is_file().then(|| unreadable(&file)).flatten())
        });
        found.extend(linked);
        if found.is_empty() && unheard {
            found.extend(self.heard.hidden(pid, &maps));
        }
        found
    }
}

/// Reads `/proc/net/tcp` (proc_net(5)): after a head line, `n: local remote state … … … uid … inode …`, where an
/// address is hexadecimal `ip:port` and state 0A is LISTEN, 06 TIME_WAIT.
fn read_sockets(table: &str, sockets: &mut Sockets) {
    for line in table.lines().skip(1) {
        let mut words = line.split_ascii_whitespace();
        let (Some(local), Some(state)) = (words.nth(1), words.nth(1)) else { continue };
        let Some(inode) = words.nth(5).and_then(|word| word.parse().ok()) else { continue };
        let port = local.rsplit_once(':').and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
        match (state, port) {
            ("0A", Some(port)) => {
                sockets.listening.insert(inode, port);
            }
            ("0A" | "06", _) => {}
            _ => {
                sockets.connected.insert(inode);
            }
        }
    }
}

/// Libraries whose TLS is not read, by their names.
pub(crate) fn mapped(maps: &str) -> BTreeSet<Unreadable> {
    let files = maps.lines().filter_map(|line| line.rsplit_once('/').map(|(_, file)| file));
    files
        .filter_map(|file| match file.split(['.', '-']).next()? {
            "libjvm" => Some(Unreadable::Java),
            "libssl3" => Some(Unreadable::NotProbed(Library::Nss)),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Obstacle, survey_at};
    use crate::tls::{Library, Unreadable};
    use std::{fs, os::unix::fs::symlink, path::Path};
    use tempfile::TempDir;

    const TCP: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0 100 0 0 10 0
   2: 0100007F:C001 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 13 1 0 100 0 0 10 0
   3: 0100007F:C002 0100007F:1F90 06 00000000:00000000 00:00000000 00000000     0        0 0 1 0 100 0 0 10 0
   broken line
";

    fn process(root: &Path, pid: u32, name: &str, files: &[&str], maps: &str) {
        let folder = root.join(pid.to_string());
        for sub in ["fd", "net", "ns"] {
            fs::create_dir_all(folder.join(sub)).unwrap();
        }
        for (number, target) in files.iter().enumerate() {
            symlink(target, folder.join("fd").join(number.to_string())).unwrap();
        }
        fs::write(folder.join("cmdline"), format!("{name}\0")).unwrap();
        fs::write(folder.join("stat"), format!("{pid} ({name}) S {}5 0", "0 ".repeat(18))).unwrap();
        fs::write(folder.join("net/tcp"), TCP).unwrap();
        fs::write(folder.join("maps"), maps).unwrap();
        symlink("net:[1]", folder.join("ns/net")).unwrap();
    }

    #[test]
    fn finds_who_talks_and_what_hides_it() {
        let root = TempDir::new().unwrap();
        let maps = "7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/libssl3.so\n7f02-7f03 rw-p 00000000 00:00 0\n";
        process(root.path(), 3, "envoy", &["socket:[11]", "socket:[12]", "/dev/null"], maps);
        process(root.path(), 4, "curl", &["socket:[13]", "anon_inode:[io_uring]"], "");
        let java = "7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/jvm/lib/server/libjvm.so\n";
        process(root.path(), 7, "java", &["socket:[12]"], java);
        let openssl = "7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/libssl.so.3\n";
        process(root.path(), 8, "nginx", &["socket:[12]"], openssl);
        process(root.path(), 5, "cat", &["/dev/null"], maps);
        process(root.path(), 6, "dbus", &["socket:[99]"], "");
        let survey = survey_at(root.path()).unwrap();
        let found: Vec<_> = survey
            .processes
            .iter()
            .map(|p| (p.process.pid, &*p.process.service, p.listening.as_slice(), p.connections))
            .collect();
        assert_eq!(
            found,
            [(3, "envoy", &[8080][..], 1), (4, "curl", &[], 1), (7, "java", &[], 1), (8, "nginx", &[], 1)]
        );
        let obstacles: Vec<_> = survey.processes.iter().flat_map(|p| p.obstacles.iter().copied()).collect();
        let expected = [
            Obstacle::Tls(Unreadable::NotProbed(Library::Nss)),
            Obstacle::IoUring,
            Obstacle::Tls(Unreadable::Java),
        ];
        assert_eq!(obstacles, expected, "OpenSSL is read");
    }
}
