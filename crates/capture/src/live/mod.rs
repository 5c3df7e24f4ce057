//! The live kernel: loads the probes, hands their records on, tells them what to leave out.

#[cfg(target_os = "linux")]
mod bpf;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod multi;
#[cfg(target_os = "linux")]
mod object;
#[cfg(target_os = "linux")]
mod packets;
#[cfg(target_os = "linux")]
mod perf;
mod plan;
#[cfg(target_os = "linux")]
mod room;
#[cfg(not(target_os = "linux"))]
mod stub;
#[cfg(target_os = "linux")]
mod tls;

#[cfg(target_os = "linux")]
pub use linux::Live;
#[cfg(target_os = "linux")]
pub use packets::packets_have_room;
#[cfg(not(target_os = "linux"))]
pub use stub::{Live, packets_have_room};

pub use plan::{Missing, Plan, Types, Uprobes};

use std::time::Duration;

/// What to listen to, and how much.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only connections with one of these ports at either end (at most 16); all when empty.
    pub ports: Vec<u16>,
    /// Only these processes and the children they start; all when absent.
    pub pids: Option<Vec<u32>>,
    /// Bytes copied per call.
    pub cap: u32,
    /// Bytes copied per socket and direction before it is judged.
    pub undecided: u32,
    /// Bytes of the kernel's ring buffer, a power of two.
    pub ring: u32,
    /// Plaintext of TLS is heard too, by probes in its libraries.
    pub tls: bool,
    /// Files that are not probed for it, by their names or paths: programs, or libraries.
    pub no_tls_for: Vec<String>,
    /// This way of listening; the best that the kernel has when absent.
    pub plan: Option<Plan>,
    /// The same for how TLS libraries are probed.
    pub uprobes: Option<Uprobes>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ports: Vec::new(),
            pids: None,
            cap: 64 << 10,
            undecided: 64 << 10,
            ring: 16 << 20,
            tls: true,
            no_tls_for: Vec::new(),
            plan: None,
            uprobes: None,
        }
    }
}

/// What the probes counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Socket calls that passed the filters.
    pub events: u64,
    /// Bytes they moved.
    pub bytes: u64,
    /// Calls and bytes not copied, by reason.
    pub losses: Vec<(overhear_probe::record::Loss, u64, u64)>,
}

/// Why the machine cannot be heard.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process may not load probes.
    #[error(
        "cannot attach: {missing} missing; run with sudo, or give the binary the capabilities: setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search+ep"
    )]
    NotPermitted {
        /// The capabilities it lacks.
        missing: String,
    },
    /// The kernel does not describe its types.
    #[error(
        "cannot attach: /sys/kernel/btf/vmlinux is missing; the kernel was built without CONFIG_DEBUG_INFO_BTF, which every major distribution sets since 2021"
    )]
    NoBtf,
    /// The kernel is older than what the probes attach to.
    #[error(
        "cannot attach: kernel {kernel} is too old: {}.{} or newer is needed, which has the {missing}; captures can be read (`overhear read`)",
        OLDEST.0,
        OLDEST.1
    )]
    TooOld {
        /// The first thing it lacks.
        missing: Missing,
        /// `uname -r`.
        kernel: String,
    },
    /// The kernel was built without something.
    #[error("cannot attach: {missing} is missing in kernel {kernel}, though it is not too old")]
    Lacks {
        /// What.
        missing: Missing,
        /// `uname -r`.
        kernel: String,
    },
    /// The kernel reads none of its memory for anybody, and has to be heard by that.
    #[error(
        "cannot attach: the kernel is locked down (confidentiality), and refuses to be heard by its system calls; boot it with lockdown=integrity, take 6.3 or newer, or read captures (`overhear read`)"
    )]
    LockedDown,
    /// The kernel refused a program or a map.
    #[error("cannot attach: the kernel refused {what}: {reason}")]
    Refused {
        /// Which program or map.
        what: String,
        /// What it said.
        reason: String,
    },
    /// More ports than the filter holds.
    #[error("cannot listen to {0} ports at once: at most 16; leave --port out to hear them all")]
    TooManyPorts(usize),
    /// Built for another system.
    #[error(
        "cannot attach: live capture works on Linux (x86_64 and aarch64) only; captures can be read everywhere"
    )]
    Unsupported,
    /// Reading from the kernel failed.
    #[error("listening failed: {0}")]
    Io(#[from] std::io::Error),
}

/// The oldest kernel that can be heard: its first two numbers.
pub const OLDEST: (u32, u32) = (5, 8);

/// The first two numbers of a release such as `6.8.0-31-generic`.
pub fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The level of lockdown (kernel_lockdown(7)): `none`, `integrity` or `confidentiality`; `None` where it is not told.
pub fn lockdown() -> Option<String> {
    let text = std::fs::read_to_string("/sys/kernel/security/lockdown").ok()?;
    let (_, rest) = text.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

/// How long an idle reader waits at most before it looks again. Nothing wakes it but a ring that fills.
const LONGEST_WAIT: Duration = Duration::from_millis(20);
/// How long a busy reader lets records gather: every look takes a core from the programs that are listened to.
const SHORTEST_WAIT: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::{OLDEST, version};

    #[test]
    fn reads_kernel_versions() {
        assert_eq!(version("6.8.0-31-generic"), Some((6, 8)));
        assert_eq!(version("6.18.44"), Some((6, 18)));
        assert!(version("5.4.0").is_some_and(|version| version < OLDEST));
        assert_eq!(version("odd"), None);
    }
}
