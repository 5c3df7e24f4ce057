//! Probes in the TLS libraries of running programs, kept by a thread of their own: finding and attaching takes far longer
//! than listening may wait.
//!
//! A probe belongs to a file, not to a process: it holds for every process that has the file mapped, now and later.

use crate::tls::{Function, Mapped, Scanner, Site};
use aya::{
    Ebpf,
    programs::{
        ProgramError, UProbe,
        uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeLink, UProbeScope},
    },
};
use overhear_probe::record::TlsCall;
use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    time::{ClockId, clock_gettime},
};
use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Programs of the object, in the order they are loaded.
const PROGRAMS: [&str; 7] = [ENTER, RETURN, FREE, GO_READ, GO_READ_RETURN, GO_WRITE, GO_CLOSE];
const ENTER: &str = "tls_enter";
const RETURN: &str = "tls_return";
const FREE: &str = "tls_free";
const GO_READ: &str = "go_read";
const GO_READ_RETURN: &str = "go_read_return";
const GO_WRITE: &str = "go_write";
const GO_CLOSE: &str = "go_close";

/// How often all processes are looked at.
const ROUND: Duration = Duration::from_secs(1);
/// When a new program is looked at: its libraries are mapped soon after it starts, and some only when it needs them.
const LOOKS: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(20), Duration::from_millis(100), Duration::from_millis(400)];
/// Programs that wait to be looked at. Beyond it the next round finds them.
const MOST_WAITING: usize = 1024;
/// How long attaching waits for what is there already.
const FIRST_ROUND: Duration = Duration::from_secs(5);

/// The thread, and the object whose programs it attaches. Everything is detached when it is dropped.
pub(super) struct Tls {
    /// Gone when the thread has to end.
    programs: Option<SyncSender<u32>>,
    thread: Option<JoinHandle<()>>,
}

impl Tls {
    /// Attaches to what is there, and goes on with what comes. `ebpf` is kept until the end, with all its links.
    pub(super) fn start(mut ebpf: Ebpf) -> std::io::Result<Self> {
        let (programs, started) = sync_channel(MOST_WAITING);
        let (done, first_round) = sync_channel::<()>(1);
        let thread = std::thread::Builder::new().name("tls".to_owned()).spawn(move || {
            let mut probes = match load(&mut ebpf) {
                Ok(()) => Probes { ebpf, scanner: Scanner::new(Vec::new()), links: Vec::new() },
                // Everything else is heard all the same, as long as the object lives.
                Err(_) => return drop((done, wait_for_the_end(&started), ebpf)),
            };
            allow_many_files();
            let installed = probes.scanner.installed();
            probes.attach(installed);
            probes.round();
            drop(done);
            probes.follow(&started);
        })?;
        let _done = first_round.recv_timeout(FIRST_ROUND);
        Ok(Self { programs: Some(programs), thread: Some(thread) })
    }

    /// This process is a new program.
    pub(super) fn started(&self, pid: u32) {
        if let Some(programs) = &self.programs {
            let _full = programs.try_send(pid);
        }
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.programs = None;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// What is attached.
struct Probes {
    ebpf: Ebpf,
    scanner: Scanner,
    links: Vec<UProbeLink>,
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
    }

    fn attach(&mut self, files: Vec<Mapped>) {
        for file in files {
            for site in &file.found.sites {
                // A file that cannot be probed (on a file system that cannot be, for one) stays unheard.
                let _unheard = self.attach_site(&file, site);
            }
        }
    }

    fn attach_site(&mut self, file: &Mapped, site: &Site) -> Result<(), ProgramError> {
        match part(site.function) {
            Some(Part::Call(call)) => {
                // The return address must be where the return probe looks for it; and one breakpoint is cheaper than two.
                let at = if site.pushed == 0 { site.entry } else { site.start };
                let cookie = call.cookie(now());
                // Whoever is seen to enter must be seen to return.
                self.attach_at(RETURN, file, at, cookie)?;
                self.attach_at(ENTER, file, at, cookie)
            }
            Some(Part::Free) => self.attach_at(FREE, file, site.entry, 0),
            // Arguments on the stack (before Go 1.17) are not read.
            Some(Part::Go(_)) | None if file.found.go.is_none_or(|go| !go.registers) => Ok(()),
            Some(Part::Go(program)) => {
                for at in site.returns.iter().filter(|_| program == GO_READ) {
                    self.attach_at(GO_READ_RETURN, file, *at, 0)?;
                }
                self.attach_at(program, file, site.entry, now() & !0xff)
            }
            None => Ok(()),
        }
    }

    fn attach_at(&mut self, program: &str, file: &Mapped, at: u64, cookie: u64) -> Result<(), ProgramError> {
        let program: &mut UProbe =
            self.ebpf.program_mut(program).ok_or(ProgramError::NotLoaded)?.try_into()?;
        let point =
            UProbeAttachPoint { location: UProbeAttachLocation::AbsoluteOffset(at), cookie: Some(cookie) };
        let link = program.attach(point, file.path(), UProbeScope::AllProcesses)?;
        self.links.push(program.take_link(link)?);
        Ok(())
    }
}

/// What a function is to the probes.
enum Part {
    Call(TlsCall),
    Free,
    /// The program where it begins.
    Go(&'static str),
}

const fn part(function: Function) -> Option<Part> {
    match function {
        Function::SslRead | Function::GnuTlsRecordRecv => Some(Part::Call(TlsCall::Read)),
        Function::SslWrite | Function::GnuTlsRecordSend => Some(Part::Call(TlsCall::Write)),
        Function::SslReadEx => Some(Part::Call(TlsCall::ReadEx)),
        Function::SslWriteEx => Some(Part::Call(TlsCall::WriteEx)),
        Function::SslFree | Function::GnuTlsDeinit => Some(Part::Free),
        Function::GoConnRead => Some(Part::Go(GO_READ)),
        Function::GoConnWrite => Some(Part::Go(GO_WRITE)),
        Function::GoConnClose => Some(Part::Go(GO_CLOSE)),
        Function::RustlsRead | Function::RustlsWrite => None,
    }
}

fn load(ebpf: &mut Ebpf) -> Result<(), ProgramError> {
    for name in PROGRAMS {
        let program: &mut UProbe = ebpf.program_mut(name).ok_or(ProgramError::NotLoaded)?.try_into()?;
        program.load()?;
    }
    Ok(())
}

fn wait_for_the_end(started: &Receiver<u32>) {
    while started.recv().is_ok() {}
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
