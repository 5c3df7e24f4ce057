use super::{
    Counters, Error, LONGEST_WAIT, Missing, OLDEST, Options, Plan, SHORTEST_WAIT, Types, bpf, lockdown,
    object::{self, Programs},
    packets::{Packets, follow_packets},
    room,
    tls::Tls,
    version,
};
use aya::{
    Btf, Ebpf, EbpfLoader, VerifierLogLevel,
    maps::{Array, HashMap, Map, MapData, PerCpuArray, RingBuf},
};
use overhear_exchange::UnreadReason;
use overhear_probe::{
    datagram::{DATAGRAM_COUNTS, DATAGRAM_KEY_SIZE, DatagramKey, Moved},
    record::{
        Cookie, EXISTING_RECORD_SIZE, Existing, Loss, MAX_PORTS, Record, SETTINGS_SIZE, Settings, Verdict,
        What,
    },
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    time::{ClockId, clock_gettime},
};
use std::{
    io::Read,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    time::Duration,
};

/// Records handed on in one go at most, so that the caller sees to its other duties.
const BATCH: usize = 8192;

/// The attached probes. Dropping it, and death in any form, detaches them.
pub struct Live {
    /// Finds TLS libraries, and keeps probes in them.
    tls: Option<Tls>,
    /// Why there is none, and the same in a sentence where it was wanted.
    tls_off: Option<UnreadReason>,
    tls_unheard: Option<String>,
    /// Keep the programs attached.
    links: Vec<OwnedFd>,
    records: RingBuf<MapData>,
    settings_map: Array<MapData, [u8; SETTINGS_SIZE]>,
    verdicts: HashMap<MapData, u64, u8>,
    targets: HashMap<MapData, u32, u8>,
    losses: PerCpuArray<MapData, [u64; 2]>,
    heard: PerCpuArray<MapData, [u64; 2]>,
    /// What moves on QUIC sockets, where that is heard.
    datagrams: Option<HashMap<MapData, [u8; DATAGRAM_KEY_SIZE], [u64; DATAGRAM_COUNTS]>>,
    settings: Settings,
    /// Nothing where packets cannot be copied: what is in no buffer is a gap then.
    packets: Option<Packets>,
    existing: Vec<Existing>,
    plan: Plan,
    wait: Duration,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Live {
    /// Loads and attaches the probes. Sockets that are there already are listed in [`Live::existing`].
    pub fn attach(options: Options) -> Result<Self, Error> {
        if options.ports.len() > MAX_PORTS {
            return Err(Error::TooManyPorts(options.ports.len()));
        }
        if !Path::new(Types::FILE).exists() {
            return Err(Error::NoBtf);
        }
        may_attach()?;
        let btf = Btf::from_sys_fs().map_err(|error| refused("the kernel's BTF", &error))?;
        let types = Types::read()?;
        let has = |name: &str| types.name(name);
        let plan = options.plan.map_or_else(|| Plan::choose(has).map_err(lacks), Ok)?;
        let mut ebpf = make_maps(plan, &btf, &options)?;
        let programs =
            Programs::of(plan.object(), &ebpf, &btf).map_err(|error| refused("the probes", &error))?;
        let mut loaded = Vec::new();
        for (program, tracepoint) in plan.programs(has) {
            loaded.push((program, load_tracepoint(&programs, program, tracepoint)?));
        }
        // A kernel that has not what they need hears everything else.
        let wanted = options.tls && plan == Plan::Sockets;
        let probes = wanted.then(|| Tls::load(&mut ebpf, &programs, options.uprobes)).transpose();
        let (tls, off, unheard) = match probes {
            Ok(Some(tls)) => (Some(tls), None, None),
            Ok(None) if !options.tls => (None, Some(UnreadReason::Off), None),
            Ok(None) => (None, Some(UnreadReason::OldKernel), Some(UnreadReason::OldKernel.to_string())),
            Err(error) => {
                let why = refused("the probes of TLS", &error).to_string();
                (None, Some(UnreadReason::Refused), Some(why))
            }
        };
        let packets = (plan == Plan::Sockets).then(|| Packets::load(&ebpf, &programs));
        let (own_socket, _other_end) = UnixStream::pair()?;
        let mut live = Self::assemble(&mut ebpf, plan, &options)?;
        live.settings.tls = tls.is_some();
        live.packets = packets.and_then(Result::ok);
        live.settings.packets = live.packets.is_some();
        (live.tls_off, live.tls_unheard) = (off, unheard);
        // The iterator looks at the filters.
        live.write_settings()?;
        live.existing = list_existing(&programs)?;
        live.settings.own = own_process(&own_socket, &live.existing)?;
        for pid in options.pids.iter().flatten() {
            live.target(*pid)?;
        }
        live.write_settings()?;
        for (program, loaded) in loaded {
            live.links.push(bpf::attach_tracepoint(&loaded).map_err(|error| refused(program, &error))?);
        }
        if plan == Plan::Sockets {
            // Begun before the probes: of those that begin now, they hear the first message.
            let _nothing = iterate(&programs, ("existing_calls", "task"))?;
            live.settings.knows_calls = true;
            live.write_settings()?;
        }
        drop(programs);
        if let Some(probes) = tls {
            let state = take(&mut ebpf, "tls_state")?;
            live.tls = Some(Tls::attach(probes, ebpf, state, options.no_tls_for));
        }
        drop(btf);
        room::give_back();
        Ok(live)
    }

    /// The sockets that were there before, of every network namespace.
    pub fn existing(&self) -> &[Existing] {
        &self.existing
    }

    /// Whether plaintext of TLS is heard.
    pub const fn hears_tls(&self) -> bool {
        self.settings.tls
    }

    /// Why it is not.
    pub const fn tls_off(&self) -> Option<UnreadReason> {
        self.tls_off
    }

    /// The same in a sentence, where it was wanted.
    pub fn tls_unheard(&self) -> Option<&str> {
        self.tls_unheard.as_deref()
    }

    /// How it listens.
    pub const fn plan(&self) -> Plan {
        self.plan
    }

    /// Wall clock minus the monotonic clock of the records, nanoseconds.
    pub fn clock_epoch(&self) -> u64 {
        nanos(clock_gettime(ClockId::Realtime)).saturating_sub(self.now())
    }

    /// The clock of the records: CLOCK_MONOTONIC, nanoseconds.
    pub fn now(&self) -> u64 {
        nanos(clock_gettime(ClockId::Monotonic))
    }

    /// Hands on what was recorded and says how many records that was. Waits a little first, longer the longer nothing
    /// came: records gather and nobody is woken for each.
    pub fn poll(&mut self, sink: &mut dyn FnMut(Record<'_>)) -> Result<usize, Error> {
        if let Some(tls) = &mut self.tls {
            // Not before, because rights are given up in between.
            tls.follow()?;
        }
        let (mut count, mut wants_packets, mut packets_until) = (0, false, self.now());
        while count < BATCH {
            let Some(item) = self.records.next() else { break };
            count += 1;
            if let Some(record) = Record::parse(&item) {
                if count == BATCH {
                    packets_until = record.time;
                }
                wants_packets |= matches!(record.what, What::ByPackets { .. });
                if let Some(packets) = self.packets.as_mut().filter(|_| follow_packets(&record.what)) {
                    packets.drain(record.time, sink);
                }
                if let (Some(tls), What::Exec { .. }, Some(thread)) = (&self.tls, &record.what, record.thread)
                {
                    tls.started(thread.tgid);
                }
                sink(record);
            }
        }
        count += self.packets.as_mut().map_or(0, |packets| packets.drain(packets_until, sink));
        self.keep_packets(wants_packets)?;
        self.wait = if count > 0 { SHORTEST_WAIT } else { (self.wait * 2).min(LONGEST_WAIT) };
        if count < BATCH {
            self.pause()?;
        }
        Ok(count)
    }

    /// Has packets copied while somebody needs them.
    fn keep_packets(&mut self, wanted: bool) -> Result<(), Error> {
        let Some(packets) = &mut self.packets else { return Ok(()) };
        let attached = packets.are_attached();
        if wanted && !attached && packets.attach().is_err() {
            // What cannot be had now cannot be had later.
            packets.detach();
            self.packets = None;
            self.settings.packets = false;
            return self.write_settings();
        }
        if !wanted && packets.are_idle() {
            packets.detach();
        }
        let attached_now = packets.are_attached();
        if attached_now == attached {
            return Ok(());
        }
        self.settings.packets_attached = attached_now;
        self.write_settings()
    }

    /// Tells the probes how much of these sockets to copy.
    pub fn judge(&mut self, verdicts: impl IntoIterator<Item = (Cookie, Verdict)>) -> Result<(), Error> {
        let mut taken_back = false;
        for (Cookie(cookie), verdict) in verdicts {
            // Only for what is not copied does it matter that a probe remembers the verdict before.
            let less = matches!(verdict, Verdict::Ignore | Verdict::Carries | Verdict::Tally);
            taken_back |= less && self.verdicts.get(&cookie, 0).is_ok();
            // A full map leaves the socket undecided: little of it is copied, and what is not is counted.
            let _full = self.verdicts.insert(cookie, verdict.code(), 0);
        }
        if taken_back {
            self.settings.epoch = self.settings.epoch.wrapping_add(1);
            self.write_settings()?;
        }
        Ok(())
    }

    /// Hears this process and the children it will start, too.
    pub fn target(&mut self, pid: u32) -> Result<(), Error> {
        self.targets.insert(pid, 1, 0).map_err(|error| refused("the map of processes", &error))
    }

    /// Whether the kernel lets only those use the maps who may load probes: found out by a thread that gives it up.
    pub fn needs_rights(&self) -> bool {
        use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
        let heard = &self.heard;
        let refused = || {
            let Ok(mut held) = capabilities(None) else { return true };
            held.effective = CapabilitySet::empty();
            set_capabilities(None, held).is_err() || sum(heard, 0).is_err()
        };
        std::thread::scope(|scope| scope.spawn(refused).join()).unwrap_or(true)
    }

    /// What the probes counted so far.
    pub fn counters(&self) -> Result<Counters, Error> {
        let [events, bytes] = sum(&self.heard, 0)?;
        let mut losses = Vec::new();
        for (index, loss) in Loss::ALL {
            let [events, bytes] = sum(&self.losses, index)?;
            if events > 0 {
                losses.push((loss, events, bytes));
            }
        }
        Ok(Counters { events, bytes, losses })
    }

    /// How much moved on a QUIC socket, or to one of its peers; `None` where that is not known, or not any more.
    pub fn moved(&self, key: DatagramKey) -> Option<Moved> {
        self.datagrams.as_ref()?.get(&key.to_bytes(), 0).ok().map(Moved::of)
    }

    /// Nobody asks for it any more. Should it move again, it is told of as if it were new.
    pub fn forget(&mut self, key: DatagramKey) {
        if let Some(datagrams) = &mut self.datagrams {
            // Another may have pushed it out.
            let _gone = datagrams.remove(&key.to_bytes());
        }
    }

    fn assemble(ebpf: &mut Ebpf, plan: Plan, options: &Options) -> Result<Self, Error> {
        let settings = Settings {
            own: 0,
            epoch: 0,
            cap: options.cap,
            undecided: options.undecided,
            head: 1024,
            only_targets: options.pids.is_some(),
            tls: false,
            knows_calls: false,
            packets: false,
            packets_attached: false,
            high_water: options.ring / 8,
            shed_water: options.ring / 4 * 3,
            ports: options.ports.clone(),
        };
        Ok(Self {
            records: take(ebpf, "records")?,
            settings_map: take(ebpf, "settings")?,
            verdicts: take(ebpf, "verdicts")?,
            targets: take(ebpf, "targets")?,
            losses: take(ebpf, "losses")?,
            heard: take(ebpf, "heard")?,
            datagrams: (plan == Plan::Sockets).then(|| take(ebpf, "datagrams")).transpose()?,
            tls: None,
            tls_off: None,
            tls_unheard: None,
            links: Vec::new(),
            settings,
            packets: None,
            existing: Vec::new(),
            plan,
            wait: SHORTEST_WAIT,
        })
    }

    fn write_settings(&mut self) -> Result<(), Error> {
        let bytes = self.settings.to_bytes();
        self.settings_map.set(0, bytes, 0).map_err(|error| refused("the settings", &error))
    }

    fn pause(&self) -> Result<(), Error> {
        if self.wait == SHORTEST_WAIT {
            std::thread::sleep(self.wait);
            return Ok(());
        }
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(self.wait.subsec_nanos()) };
        let mut ring = [PollFd::from_borrowed_fd(self.records.as_fd(), PollFlags::IN)];
        match poll(&mut ring, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(errno) => Err(Error::Io(errno.into())),
        }
    }
}

/// Of the object, aya is asked for its maps alone.
fn make_maps(plan: Plan, btf: &Btf, options: &Options) -> Result<Ebpf, Error> {
    EbpfLoader::new()
        .btf(Some(btf))
        .verifier_log_level(VerifierLogLevel::DISABLE)
        .allow_unsupported_maps()
        .map_max_entries("records", options.ring)
        .load(plan.object())
        .map_err(|error| refused("the probes", &error))
}

fn load_tracepoint(
    programs: &Programs<'_>,
    program: &str,
    tracepoint: &'static str,
) -> Result<OwnedFd, Error> {
    match programs.tracepoint(program, tracepoint) {
        Err(object::Error::Absent(_)) => Err(lacks(Missing { name: tracepoint, tracepoint: true })),
        // What is read by system calls takes looks at the kernel's own memory.
        Err(_) if lockdown().as_deref() == Some("confidentiality") => Err(Error::LockedDown),
        loaded => loaded.map_err(|error| refused(program, &error)),
    }
}

fn lacks(missing: Missing) -> Error {
    let kernel = kernel_release();
    if version(&kernel).is_some_and(|version| version < OLDEST) {
        Error::TooOld { missing, kernel }
    } else {
        Error::Lacks { missing, kernel }
    }
}

/// Every open socket of every process.
fn list_existing(programs: &Programs<'_>) -> Result<Vec<Existing>, Error> {
    let bytes = iterate(programs, ("existing_sockets", "task_file"))?;
    Ok(bytes.chunks_exact(EXISTING_RECORD_SIZE).filter_map(Existing::parse).collect())
}

/// Runs an iterator once over all there is of its kind, and gives what it wrote.
fn iterate(programs: &Programs<'_>, (name, kind): (&str, &str)) -> Result<Vec<u8>, Error> {
    let program = programs.iterator(name, kind).map_err(|error| refused(name, &error))?;
    let mut bytes = Vec::new();
    bpf::iterate(&program).map_err(|error| refused(name, &error))?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Our process id as the kernel's initial namespace has it: inside a pid namespace, ours is another number. The holder
/// of a socket that only we have is us.
fn own_process(socket: &UnixStream, existing: &[Existing]) -> Result<u32, Error> {
    let inode = rustix::fs::fstat(socket).map_err(std::io::Error::from)?.st_ino;
    let found = existing.iter().find(|socket| socket.inode == inode).map(|socket| socket.tgid);
    Ok(found.unwrap_or_else(std::process::id))
}

fn may_attach() -> Result<(), Error> {
    use rustix::thread::{CapabilitySet, capabilities};
    let held = capabilities(None).map_err(std::io::Error::from)?.effective;
    if held.contains(CapabilitySet::SYS_ADMIN) {
        return Ok(());
    }
    let needed = [(CapabilitySet::BPF, "CAP_BPF"), (CapabilitySet::PERFMON, "CAP_PERFMON")];
    let missing: Vec<&str> =
        needed.iter().filter(|(cap, _)| !held.contains(*cap)).map(|(_, name)| *name).collect();
    if missing.is_empty() { Ok(()) } else { Err(Error::NotPermitted { missing: missing.join(" and ") }) }
}

fn take<M: TryFrom<Map, Error = aya::maps::MapError>>(ebpf: &mut Ebpf, name: &str) -> Result<M, Error> {
    let map = ebpf.take_map(name).ok_or_else(|| missing(name))?;
    M::try_from(map).map_err(|error| refused(name, &error))
}

fn sum(map: &PerCpuArray<MapData, [u64; 2]>, index: u32) -> Result<[u64; 2], Error> {
    let values = map.get(&index, 0).map_err(|error| refused("a counter", &error))?;
    Ok(values.iter().fold([0, 0], |[events, bytes], [e, b]| [events + e, bytes + b]))
}

fn missing(what: &str) -> Error {
    Error::Refused { what: what.to_owned(), reason: "it is not in the embedded object".to_owned() }
}

fn refused(what: &str, error: &dyn std::error::Error) -> Error {
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reason.push_str(": ");
        reason.push_str(&cause.to_string());
        source = cause.source();
    }
    // What is missing was looked for before: another may still be in the way.
    if reason.contains(NOT_PERMITTED) && is_filtered() {
        reason.push_str(FILTERED);
    }
    Error::Refused { what: what.to_owned(), reason }
}

/// `EPERM` in words, which is all that is left of it here.
const NOT_PERMITTED: &str = "Operation not permitted";
const FILTERED: &str = "; a seccomp profile is set for this process, as containers have one: it has to allow bpf and \
                        perf_event_open (`--security-opt seccomp=unconfined` does)";

/// Whether a filter of system calls is set (proc(5), `Seccomp` of `status`).
fn is_filtered() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| status.contains("\nSeccomp:\t2\n"))
}

fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

fn nanos(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default()
}
