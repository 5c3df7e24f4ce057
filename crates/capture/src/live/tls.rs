//! Probes in the TLS libraries of running programs, kept by a thread of their own: finding and attaching takes far longer
//! than listening may wait.
//!
//! A probe belongs to a file, not to a process: it holds for every process that has the file mapped, now and later.

use super::{multi::Multi, object::Programs, plan::Uprobes};
use crate::tls::{Function, Identity, Mapped, Scanner, cheaper};
use aya::{
    Ebpf,
    maps::{Array, MapData},
    programs::{
        ProgramError, UProbe,
        uprobe::{UProbeLink, UProbeScope},
    },
};
use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    time::{ClockId, clock_gettime},
};
use std::{
    collections::HashMap,
    os::fd::OwnedFd,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

const RETURN: &str = "tls_return";
const FREE: &str = "tls_free";
const GO_READ: &str = "go_read";
const GO_READ_RETURN: &str = "go_read_return";
const PROGRAMS: [&str; 16] = [
    "tls_enter_read",
    "tls_enter_write",
    "tls_enter_read_ex",
    "tls_enter_write_ex",
    "tls_enter_write_file",
    "tls_enter_handshake",
    RETURN,
    FREE,
    GO_READ,
    GO_READ_RETURN,
    "go_write",
    "go_close",
    "rustls_received",
    "rustls_send",
    "rustls_traffic",
    "rustls_send_slice",
];
/// Programs that are loaded and attached nowhere yet.
pub(super) enum Loaded {
    /// Linux 6.6 and later.
    Multi(Multi),
    /// Before, and only for root.
    Each,
}

/// How the programs are attached.
enum Way {
    /// Many behind one link.
    Multi(Multi),
    /// Every probe by itself, as aya does.
    Each(Box<Ebpf>),
}

/// What holds probes in place, until it is dropped.
enum Link {
    Multi { _fd: OwnedFd },
    Each { _link: UProbeLink },
}

/// Index of when the last library was probed.
const ATTACHED: u32 = 1;

/// Threads that detach probes.
const MOST_DETACHING: usize = 64;

/// How often all processes are looked at.
const ROUND: Duration = Duration::from_secs(1);
/// When a new program is looked at: its libraries are mapped soon after it starts, and some only when it needs them.
const LOOKS: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(20), Duration::from_millis(100), Duration::from_millis(400)];
/// Programs that wait to be looked at. Beyond it the next round finds them.
const MOST_WAITING: usize = 1024;

/// The probes, and from [`Tls::follow`] on the thread that keeps them. Everything is detached when it is dropped.
pub(super) struct Tls {
    /// Until the thread has them.
    probes: Option<Box<Probes>>,
    thread: Option<Thread>,
}

struct Thread {
    /// Programs that were started. When it is gone the thread ends.
    started: SyncSender<u32>,
    handle: JoinHandle<()>,
}

impl Tls {
    /// Loads the programs, while the object still holds its maps.
    pub(super) fn load(
        ebpf: &mut Ebpf,
        programs: &Programs<'_>,
        asked: Option<Uprobes>,
    ) -> Result<Loaded, ProgramError> {
        if asked != Some(Uprobes::Each)
            && let Ok(multi) = Multi::load(programs, &PROGRAMS)
        {
            return Ok(Loaded::Multi(multi));
        }
        PROGRAMS.into_iter().try_for_each(|name| uprobe(ebpf, name)?.load())?;
        Ok(Loaded::Each)
    }

    /// Attaches what was loaded to what is there, but to no file of these names.
    pub(super) fn attach(loaded: Loaded, ebpf: Ebpf, state: Array<MapData, u64>, never: Vec<String>) -> Self {
        allow_many_files();
        let way = match loaded {
            Loaded::Multi(multi) => Way::Multi(multi),
            Loaded::Each => Way::Each(Box::new(ebpf)),
        };
        let mut probes = Probes { way, state, scanner: Scanner::new(never), links: HashMap::new() };
        let installed = probes.scanner.installed();
        probes.attach(installed);
        probes.round();
        Self { probes: Some(Box::new(probes)), thread: None }
    }

    /// Goes on with what comes, in a thread that has the rights of the one that calls this.
    pub(super) fn follow(&mut self) -> std::io::Result<()> {
        let Some(mut probes) = self.probes.take() else { return Ok(()) };
        let (started, starts) = sync_channel(MOST_WAITING);
        let handle =
            std::thread::Builder::new().name("tls".to_owned()).spawn(move || probes.follow(&starts))?;
        self.thread = Some(Thread { started, handle });
        Ok(())
    }

    /// This process is a new program.
    pub(super) fn started(&self, pid: u32) {
        if let Some(thread) = &self.thread {
            let _full = thread.started.try_send(pid);
        }
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        if let Some(Thread { started, handle }) = self.thread.take() {
            drop(started);
            let _panicked = handle.join();
        }
    }
}

/// What is attached.
struct Probes {
    way: Way,
    state: Array<MapData, u64>,
    scanner: Scanner,
    links: HashMap<Identity, Vec<Link>>,
}

impl Drop for Probes {
    fn drop(&mut self) {
        detach(std::mem::take(&mut self.links).into_values().flatten().collect());
    }
}

/// Detaches many at once: for each the kernel waits until nobody runs it, some 90 ms.
fn detach(links: Vec<Link>) {
    let each = links.len().div_ceil(MOST_DETACHING).max(1);
    let mut links = links.into_iter();
    std::thread::scope(|threads| {
        while links.len() > 0 {
            let some: Vec<Link> = links.by_ref().take(each).collect();
            // What no thread can be had for is dropped with the closure, here.
            let _started = std::thread::Builder::new().spawn_scoped(threads, move || drop(some));
        }
    });
}

impl Probes {
    fn follow(&mut self, started: &Receiver<u32>) {
        let mut looks: Vec<(Instant, u32)> = Vec::new();
        let mut next_round = Instant::now() + ROUND;
        loop {
            let now = Instant::now();
            let next = looks.iter().map(|(at, _)| *at).min().map_or(next_round, |at| at.min(next_round));
            match started.recv_timeout(next.saturating_duration_since(now)) {
                Ok(pid) if looks.len() < MOST_WAITING => {
                    looks.extend(LOOKS.map(|later| (Instant::now() + later, pid)));
                }
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = Instant::now();
            for (_, pid) in looks.extract_if(.., |(at, _)| *at <= now) {
                let found = self.scanner.look(pid);
                self.attach(found);
            }
            if now >= next_round {
                self.round();
                next_round = Instant::now() + ROUND;
            }
        }
    }

    fn round(&mut self) {
        // Without /proc nothing is found; the next round tries again.
        let found = self.scanner.scan().unwrap_or_default();
        self.attach(found);
        let gone = self.scanner.gone();
        detach(gone.iter().filter_map(|identity| self.links.remove(identity)).flatten().collect());
    }

    fn attach(&mut self, files: Vec<Mapped>) {
        for file in &files {
            for Attachment { program, returns, offsets } in attachments(file) {
                // A file that cannot be probed (on a file system that cannot be, for one) stays unheard.
                if let Some(links) = self.attach_to(file, program, &offsets, returns) {
                    self.links.entry(file.identity).or_default().extend(links);
                }
            }
        }
        if !files.is_empty() {
            let _kept = self.state.set(ATTACHED, now(), 0);
        }
    }

    fn attach_to(
        &mut self,
        file: &Mapped,
        program: &str,
        offsets: &[u64],
        returns: bool,
    ) -> Option<Vec<Link>> {
        let path = file.path();
        let ebpf = match &mut self.way {
            Way::Multi(multi) => {
                let fd = multi.attach(program, &path, offsets, returns).ok()?;
                return Some(vec![Link::Multi { _fd: fd }]);
            }
            Way::Each(ebpf) => ebpf,
        };
        let uprobe = uprobe(ebpf, program).ok()?;
        let mut links = Vec::new();
        for offset in offsets {
            let link = uprobe.attach(*offset, &path, UProbeScope::AllProcesses).ok()?;
            links.push(Link::Each { _link: uprobe.take_link(link).ok()? });
        }
        Some(links)
    }
}

/// A program, and where in a file it belongs.
struct Attachment {
    program: &'static str,
    /// Where functions return that begin at the offsets.
    returns: bool,
    offsets: Vec<u64>,
}

/// Whoever is seen to enter must be seen to return, so what sees that comes first.
fn attachments(file: &Mapped) -> Vec<Attachment> {
    let mut all: Vec<Attachment> = Vec::new();
    let mut add = |program: &'static str, returns: bool, offsets: &[u64]| match all
        .iter_mut()
        .find(|known| known.program == program)
    {
        Some(known) => known.offsets.extend(offsets),
        None if offsets.is_empty() => {}
        None => all.push(Attachment { program, returns, offsets: offsets.to_vec() }),
    };
    let registers = file.found.go.is_some_and(|go| go.registers);
    for site in &cheaper(&file.file, &file.found.sites) {
        match part(site.function) {
            Part::Call(program) => {
                // The return address must be where the return probe looks for it; and one breakpoint is cheaper than two.
                let at = if site.pushed == 0 { site.entry } else { site.start };
                add(RETURN, true, &[at]);
                add(program, false, &[at]);
            }
            Part::Once(program) => add(program, false, &[site.entry]),
            // Arguments on the stack (before Go 1.17) are not read.
            Part::Go(program) if registers => {
                if program == GO_READ {
                    add(GO_READ_RETURN, false, &site.returns);
                }
                add(program, false, &[site.entry]);
            }
            Part::Go(_) => {}
        }
    }
    all
}

fn uprobe<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut UProbe, ProgramError> {
    ebpf.program_mut(name).ok_or(ProgramError::NotLoaded)?.try_into()
}

/// How a function is heard: by which program where it begins, and what else.
enum Part {
    /// And by a return probe.
    Call(&'static str),
    /// And by nothing.
    Once(&'static str),
    /// And by a probe on each of its returns, where it reads.
    Go(&'static str),
}

const fn part(function: Function) -> Part {
    match function {
        Function::SslRead | Function::GnuTlsRecordRecv => Part::Call("tls_enter_read"),
        Function::SslWrite | Function::GnuTlsRecordSend => Part::Call("tls_enter_write"),
        Function::SslReadEx => Part::Call("tls_enter_read_ex"),
        Function::SslWriteEx => Part::Call("tls_enter_write_ex"),
        Function::SslSendfile => Part::Call("tls_enter_write_file"),
        Function::SslDoHandshake => Part::Call("tls_enter_handshake"),
        Function::SslFree | Function::GnuTlsDeinit => Part::Once(FREE),
        Function::GoConnRead => Part::Go(GO_READ),
        Function::GoConnWrite => Part::Go("go_write"),
        Function::GoConnClose => Part::Go("go_close"),
        Function::RustlsSend => Part::Call("rustls_send"),
        Function::RustlsSendSome | Function::RustlsSendPlain => Part::Call("rustls_send_slice"),
        Function::RustlsReceived => Part::Once("rustls_received"),
        Function::RustlsTraffic => Part::Once("rustls_traffic"),
        Function::RustlsMessage => Part::Once(FREE),
    }
}

/// Every probe is an open file, and the usual limit is made for programs that use select(2).
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let _as_it_is = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// The clock of the records.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default()
}
