//! The live kernel: loads the probes, hands their records on, tells them what to leave out.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod stub;

#[cfg(target_os = "linux")]
pub use linux::Live;
#[cfg(not(target_os = "linux"))]
pub use stub::Live;

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
}

impl Default for Options {
    fn default() -> Self {
        Self { ports: Vec::new(), pids: None, cap: 64 << 10, undecided: 64 << 10, ring: 16 << 20 }
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
    /// The kernel is too old or lacks a tracepoint.
    #[error("cannot attach: tracepoint {name} is missing in kernel {kernel}; 6.3 or newer is needed")]
    NoTracepoint {
        /// Which.
        name: &'static str,
        /// `uname -r`.
        kernel: String,
    },
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

/// How long an idle reader waits at most before it looks again. Nothing wakes it but a ring that fills.
const LONGEST_WAIT: Duration = Duration::from_millis(20);
/// How long a busy reader lets records gather: every look takes a core from the programs that are listened to.
const SHORTEST_WAIT: Duration = Duration::from_millis(5);
