//! The ways of listening, chosen by what the kernel has, not by its version.

use overhear_probe::{SOCKET_OBJECT, SYSCALLS_OBJECT};
use std::{
    fmt,
    fs::File,
    io::{self, Read},
};

/// A way of listening. All of them say the same records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Two tracepoints that fire after each send and receive of a socket, and on nothing else (6.3 and later).
    Sockets,
    /// Every system call is looked at where it ends, and sockets are found by their descriptors (5.8 and later). It costs
    /// more.
    Syscalls,
}

/// How probes are put into TLS libraries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uprobes {
    /// All of a program in a file by one link (6.6 and later).
    Together,
    /// Each by itself, as root.
    Each,
}

impl Uprobes {
    /// Both, the better one first.
    pub const ALL: [Self; 2] = [Self::Together, Self::Each];

    /// As `OVERHEAR_UPROBES` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Together => "together",
            Self::Each => "each",
        }
    }
}

/// What stands in the way of every plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// A tracepoint, or a type.
    pub name: &'static str,
    /// Whether it is a tracepoint.
    pub tracepoint: bool,
}

/// What the kernel says of its types (BTF): of the names that plans ask for, those it has.
#[derive(Clone, Debug)]
pub struct Types(Vec<String>);

/// Read at once: all of it is megabytes, which this process would keep to its end.
const CHUNK: usize = 64 * 1024;

impl Types {
    /// Where the kernel says it.
    pub const FILE: &'static str = "/sys/kernel/btf/vmlinux";

    /// Those of the running kernel.
    ///
    /// # Errors
    /// It says nothing.
    pub fn read() -> io::Result<Self> {
        Self::of(File::open(Self::FILE)?)
    }

    fn of(mut file: impl Read) -> io::Result<Self> {
        let (mut found, mut left) = (Vec::new(), names());
        let longest = left.iter().map(String::len).max().unwrap_or(0) + 2;
        let (mut buffer, mut held) = (vec![0; longest + CHUNK], 0);
        loop {
            let read = match file.read(buffer.get_mut(held..).unwrap_or_default()) {
                Ok(0) => return Ok(Self(found)),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let filled = held + read;
            let text = buffer.get(..filled).unwrap_or_default();
            left.retain(|name| {
                let is_here = memchr::memmem::find(text, format!("\0{name}\0").as_bytes()).is_some();
                if is_here {
                    found.push(name.clone());
                }
                !is_here
            });
            // A name may go on in what comes next.
            held = longest.min(filled);
            buffer.copy_within(filled - held..filled, 0);
        }
    }

    /// Whether something of the kernel has this name, which is one that plans ask for.
    pub fn name(&self, name: &str) -> bool {
        self.0.iter().any(|known| known == name)
    }
}

/// Every name that a plan asks for.
fn names() -> Vec<String> {
    let tracepoints = Plan::ALL.into_iter().flat_map(Plan::tracepoints).chain([URING]).chain(PACKETS);
    let mut names: Vec<String> = tracepoints.map(|(_, name)| type_of(name)).collect();
    names.extend(TYPES.into_iter().chain([URING_TYPE]).map(str::to_owned));
    names.sort_unstable();
    names.dedup();
    names
}

/// The type that shows that there is a tracepoint.
fn type_of(tracepoint: &str) -> String {
    format!("btf_trace_{tracepoint}")
}

/// Both plans hear of connections and processes by these: program in the object, tracepoint it belongs to.
const SHARED: [(&str, &str); 4] = [
    ("sock_state", "inet_sock_set_state"),
    ("process_fork", "sched_process_fork"),
    ("process_exec", "sched_process_exec"),
    ("process_exit", "sched_process_exit"),
];
const SOCKETS: [(&str, &str); 3] = [
    ("sock_send", "sock_send_length"),
    ("sock_recv", "sock_recv_length"),
    ("sock_spliced", "tcp_rcv_space_adjust"),
];
/// What is in no buffer of a call is copied out of packets by these, where the kernel has them.
pub(super) const PACKETS: [(&str, &str); 2] =
    [("packet_leaves", "net_dev_queue"), ("packet_comes", "tcp_probe")];
const SYSCALLS: [(&str, &str); 2] = [("call_begins", "sys_enter"), ("call_ends", "sys_exit")];
/// Where requests of io_uring tell their result when they complete, which no system call does.
const URING: (&str, &str) = ("uring_completes", "io_uring_complete");
const URING_TYPE: &str = "io_cqe";
/// Types that show what else both need: the ring buffer, and the list of every process's open files. Both came with 5.8.
const TYPES: [&str; 2] = ["bpf_ringbuf", "bpf_iter__task_file"];

impl Plan {
    /// Every plan, the better one first.
    pub const ALL: [Self; 2] = [Self::Sockets, Self::Syscalls];

    /// The best plan of a kernel whose types have these names; each tracepoint is one of them.
    ///
    /// # Errors
    /// What the kernel lacks for the last of them.
    pub fn choose(has: impl Fn(&str) -> bool) -> Result<Self, Missing> {
        let [.., last] = Self::ALL;
        let possible = Self::ALL.into_iter().find(|plan| plan.missing(&has).is_none());
        possible.ok_or_else(|| last.missing(&has).unwrap_or(Missing { name: "", tracepoint: false }))
    }

    /// The first thing this plan needs that the kernel does not have.
    pub fn missing(self, has: impl Fn(&str) -> bool) -> Option<Missing> {
        let mut names = self.tracepoints().map(|(_, name)| name);
        let tracepoint = names.find(|name| !has(&type_of(name)));
        let ty = || TYPES.into_iter().find(|name| !has(name)).map(|name| Missing { name, tracepoint: false });
        tracepoint.map(|name| Missing { name, tracepoint: true }).or_else(ty)
    }

    /// The first thing that the kernel does not have for packets to be copied.
    pub fn missing_for_packets(has: impl Fn(&str) -> bool) -> Option<Missing> {
        let mut names = PACKETS.into_iter().map(|(_, name)| name);
        names.find(|name| !has(&type_of(name))).map(|name| Missing { name, tracepoint: true })
    }

    /// Whether io_uring is told when it happens; else only how many bytes it was, with the next call or at the end.
    pub fn times_uring(self, has: impl Fn(&str) -> bool) -> bool {
        self == Self::Sockets || (has(URING_TYPE) && has(&type_of(URING.1)))
    }

    /// Where its programs are.
    pub(super) const fn object(self) -> &'static [u8] {
        match self {
            Self::Sockets => SOCKET_OBJECT,
            Self::Syscalls => SYSCALLS_OBJECT,
        }
    }

    /// The programs of its object that this kernel takes, and what they attach to.
    pub(super) fn programs(self, has: impl Fn(&str) -> bool) -> Vec<(&'static str, &'static str)> {
        let uring = (self == Self::Syscalls && self.times_uring(has)).then_some(URING);
        self.tracepoints().chain(uring).collect()
    }

    fn tracepoints(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let own: &[(&'static str, &'static str)] = match self {
            Self::Sockets => &SOCKETS,
            Self::Syscalls => &SYSCALLS,
        };
        own.iter().chain(&SHARED).copied()
    }

    /// As `OVERHEAR_PLAN` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sockets => "sockets",
            Self::Syscalls => "syscalls",
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.tracepoint { "tracepoint" } else { "type" };
        write!(f, "{kind} {}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Missing, Plan, Types, names};

    #[test]
    fn names_are_found_wherever_they_stand() {
        for at in [0, 1, CHUNK - 1, CHUNK, CHUNK + 7, 3 * CHUNK - 5] {
            let text = [vec![b'x'; at], b"\0bpf_ringbuf\0".to_vec(), vec![b'y'; CHUNK]].concat();
            let types = Types::of(&*text).unwrap();
            assert!(types.name("bpf_ringbuf") && !types.name("io_cqe"), "{at}");
        }
        assert!(!Types::of(&b"\0bpf_ringbuf_map\0"[..]).unwrap().name("bpf_ringbuf"), "another's name");
        assert!(names().contains(&"btf_trace_sys_exit".to_owned()));
    }

    #[test]
    fn takes_the_best_plan_that_the_kernel_has() {
        let all = |name: &str| !name.is_empty();
        assert_eq!(Plan::choose(all), Ok(Plan::Sockets));
        let older = |name: &str| name != "btf_trace_sock_recv_length";
        assert_eq!(Plan::choose(older), Ok(Plan::Syscalls));
        let odd = |name: &str| name != "btf_trace_inet_sock_set_state";
        assert_eq!(Plan::choose(odd), Err(Missing { name: "inet_sock_set_state", tracepoint: true }));
        let oldest = |name: &str| name.starts_with("btf_trace_sys") || name.starts_with("btf_trace_inet");
        assert!(Plan::choose(oldest).is_err());
        assert_eq!(
            Plan::choose(|name| !name.starts_with("bpf_") && !name.contains("length"))
                .unwrap_err()
                .to_string(),
            "type bpf_ringbuf"
        );
    }
}
