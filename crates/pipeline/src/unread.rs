//! Whose connections stay encrypted, and why: names for what the assembler counts.

use crate::{
    host_names::HostNames,
    people::{MOURNING, People},
    quic,
};
use overhear_capture::tls::{Finding, Inspected, Inspector};
use overhear_exchange::{
    Address, Cipher, Direction, Side, Unread, UnreadKey, UnreadReason, UnreadTable, wire::ConnectionId,
};
use overhear_probe::record::{Record, Thread, What};
use overhear_protocol::tls;
use overhear_stream::socket::{Assembler, End, Sealed, Wanted};
use rustc_hash::FxHashMap;
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

/// Processes that wait to be looked at. Of one beyond it no more is known than that it was not looked at.
const MOST_ASKED: usize = 1024;
/// Connections that are over and wait for what their processes are found to be.
const MOST_WAITING: usize = 4096;
/// How often all of it is put together, and of how many open connections; of more, less often.
const EVERY: u64 = 1_000_000_000;
const AT_A_TIME: u64 = 10_000;
/// An open connection whose plaintext is not heard by then stays unread, as far as is known.
const SETTLED: Duration = Duration::from_secs(2);
/// How long the end waits for what one process is found to be: its program may be large, and not in memory.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is known of encrypted connections.
pub(crate) struct Ciphers {
    reasons: Reasons,
    over: UnreadTable,
    waiting: Vec<Row>,
    /// As it was put together last.
    table: UnreadTable,
    next: u64,
}

/// Connections of one process.
struct Row {
    pid: Option<u32>,
    cipher: Cipher,
    from_start: bool,
    program: Arc<str>,
    direction: Direction,
    what: Unread,
}

impl Ciphers {
    /// `off`: why no plaintext of TLS can be heard at all. `never`: files that are not probed.
    pub(crate) fn new(off: Option<UnreadReason>, never: Vec<String>) -> Self {
        Self {
            reasons: Reasons::new(off, never),
            over: UnreadTable::default(),
            waiting: Vec::new(),
            table: UnreadTable::default(),
            next: 0,
        }
    }

    /// Learns from a record before it is acted on.
    pub(crate) fn note(&mut self, record: &Record<'_>) {
        let Some(Thread { tgid, .. }) = record.thread else { return };
        match &record.what {
            What::Exec { .. } => self.reasons.forget(tgid),
            // Many a client is gone before it is told of.
            What::Quic { .. } => self.reasons.ask(Some(tgid)),
            What::Exit => self.reasons.mourned.push_back((record.time, tgid)),
            What::Open(_)
            | What::Data { .. }
            | What::End { .. }
            | What::Close { .. }
            | What::Error { .. }
            | What::Tls { .. }
            | What::TlsTouch { .. }
            | What::ByPackets { .. }
            | What::Packet { .. }
            | What::Answer { .. }
            | What::Datagram { .. } => {}
        }
    }

    /// Reads what clients say before they encrypt, and takes in what is over.
    pub(crate) fn follow(&mut self, assembler: &mut Assembler, people: &mut People, names: &HostNames) {
        while let Some(id) = assembler.next_sealed() {
            for owner in assembler.ends(id).iter().flatten().filter_map(|end| end.owner.as_ref()) {
                self.reasons.ask(Some(owner.pid));
            }
            read_hello(assembler, id);
        }
        for sealed in assembler.take_unread() {
            for row in rows(&sealed, false, people, names) {
                self.take(row);
            }
        }
    }

    /// Takes in the sockets of QUIC that are over.
    pub(crate) fn follow_quic(&mut self, sockets: &mut quic::Sockets, people: &mut People) {
        for told in sockets.take_over() {
            self.take(row_of_quic(told, people));
        }
    }

    /// It is this late, on the clock of the records.
    pub(crate) fn tick(
        &mut self,
        now: u64,
        assembler: &Assembler,
        sockets: &quic::Sockets,
        people: &mut People,
        names: &HostNames,
    ) {
        if now < self.next {
            return;
        }
        self.reasons.tick(now);
        self.resolve();
        let mut table = self.over.clone();
        let mut open = 0_u64;
        for sealed in assembler.unread() {
            open += 1;
            let sealed = Sealed { last: assembler.time(now), ..sealed };
            if sealed.last.since(sealed.began) >= SETTLED {
                for row in rows(&sealed, true, people, names) {
                    self.reasons.ask(row.pid);
                    table.add(self.reasons.key(&row), &row.what);
                }
            }
        }
        for told in sockets.open_ones(names) {
            let row = row_of_quic(told, people);
            self.reasons.ask(row.pid);
            table.add(self.reasons.key(&row), &row.what);
        }
        self.table = table;
        self.next = now.saturating_add(EVERY.saturating_mul(1 + open / AT_A_TIME));
    }

    /// The capture ends, and nothing is open any more.
    pub(crate) fn finish(&mut self) {
        self.reasons.wait(&self.waiting);
        self.resolve();
        for row in std::mem::take(&mut self.waiting) {
            self.over.add(self.reasons.key(&row), &row.what);
        }
        self.table = self.over.clone();
    }

    /// As of a moment ago.
    pub(crate) fn table(&self) -> UnreadTable {
        self.table.clone()
    }

    fn take(&mut self, row: Row) {
        self.reasons.ask(row.pid);
        if self.waiting.len() < MOST_WAITING && !self.reasons.is_known(&row) {
            self.waiting.push(row);
        } else {
            self.over.add(self.reasons.key(&row), &row.what);
        }
    }

    fn resolve(&mut self) {
        self.reasons.hear();
        let (reasons, over) = (&self.reasons, &mut self.over);
        self.waiting.retain(|row| {
            let known = reasons.is_known(row);
            if known {
                over.add(reasons.key(row), &row.what);
            }
            !known
        });
    }
}

/// The first message of a client, as far as it is there.
fn read_hello(assembler: &mut Assembler, id: ConnectionId) {
    let Some((bytes, is_all)) = assembler.hello(id) else { return };
    match tls::of_records(bytes) {
        tls::Reading::Part(_, wants) if !is_all => assembler.hello_wants(id, wants),
        tls::Reading::Part(..) if bytes.len() < LEAST => assembler.hello_says(id, None),
        tls::Reading::Whole(hello) | tls::Reading::Part(hello, _) => {
            assembler.hello_says(id, Some(wanted(hello)));
        }
        tls::Reading::Other => assembler.hello_says(id, None),
    }
}

/// Bytes that show that it is a ClientHello: a record's header and the message's.
const LEAST: usize = 9;

/// In the words of the stream.
pub(crate) fn wanted(hello: tls::ClientHello) -> Wanted {
    Wanted {
        server_name: hello.server_name.map(Arc::from),
        protocol: hello.protocols.into_iter().next().map(Arc::from),
        random: hello.random,
    }
}

/// A connection for each of its ends that is on this machine.
fn rows<'a>(
    sealed: &'a Sealed,
    open: bool,
    people: &'a mut People,
    names: &'a HostNames,
) -> impl Iterator<Item = Row> + 'a {
    let is_owned = |side: &Side| sealed.ends[side.index()].owner.is_some();
    let nobody = ![Side::A, Side::B].iter().any(is_owned);
    let sides =
        [Side::A, Side::B].into_iter().filter(move |side| is_owned(side) || (nobody && *side == Side::A));
    sides.map(move |side| {
        let [mine, other] = [side, side.other()].map(|side| &sealed.ends[side.index()]);
        let direction = direction(sealed, side);
        let (pid, program) = program(mine, people);
        let mut what = Unread {
            connections: 1,
            open: open.into(),
            sent: sealed.sent[side.index()],
            received: sealed.sent[side.other().index()],
            duration: sealed.last.since(sealed.began),
            ..Unread::default()
        };
        let Wanted { server_name, protocol, .. } = &sealed.wanted;
        if let Some(name) = server_name.clone().or_else(|| remote(direction, &other.address, names)) {
            what.names.add(&name, 1);
        }
        if let Some(protocol) = protocol {
            what.protocols.add(protocol, 1);
        }
        Row { pid, cipher: Cipher::Tls, from_start: sealed.from_start, program, direction, what }
    })
}

/// What a socket of QUIC says of itself.
fn row_of_quic(told: quic::Told, people: &mut People) -> Row {
    let quic::Told { end, direction, what } = told;
    let (pid, program) = program(&end, people);
    Row { pid, cipher: Cipher::Quic, from_start: true, program, direction, what }
}

/// Whose it is, and what that is called.
fn program(end: &End, people: &mut People) -> (Option<u32>, Arc<str>) {
    let pid = end.owner.as_ref().map(|owner| owner.pid);
    let unnamed = || pid.map_or_else(|| "unknown".into(), |pid| format!("process {pid}").into());
    let process = people.peer(end).process;
    (pid, process.map_or_else(unnamed, |process| Arc::clone(&process.service)))
}

/// Whom a program asks that names nobody: as name servers have it, else where that is.
fn remote(direction: Direction, address: &Address, names: &HostNames) -> Option<Arc<str>> {
    let Address::Ip(ip) = address else { return None };
    let asks = direction == Direction::Outbound;
    asks.then(|| names.of(address).cloned().unwrap_or_else(|| ip.to_string().into()))
}

fn direction(sealed: &Sealed, side: Side) -> Direction {
    let answers =
        match (sealed.server, &sealed.ends[side.index()].address, &sealed.ends[side.other().index()].address)
        {
            (Some(server), ..) => server == side,
            // Servers have the lower ports.
            (None, Address::Ip(mine), Address::Ip(other)) => mine.port() < other.port(),
            (None, ..) => false,
        };
    if answers { Direction::Inbound } else { Direction::Outbound }
}

/// Processes in, what they are found to be out.
type Looking = (SyncSender<u32>, Receiver<(u32, Inspected)>);

/// What processes are found to be, by a thread that looks at them.
struct Reasons {
    off: Option<UnreadReason>,
    never: Vec<String>,
    thread: Option<Looking>,
    /// `None`: asked.
    known: FxHashMap<u32, Option<Inspected>>,
    mourned: VecDeque<(u64, u32)>,
}

impl Reasons {
    fn new(off: Option<UnreadReason>, never: Vec<String>) -> Self {
        Self { off, never, thread: None, known: FxHashMap::default(), mourned: VecDeque::new() }
    }

    /// Looks at a process, once: soon, because many are gone a moment later.
    fn ask(&mut self, pid: Option<u32>) {
        let Some(pid) = pid.filter(|pid| !self.known.contains_key(pid)) else { return };
        if self.thread.is_none() {
            // Not before somebody speaks TLS: rights are given up in between.
            self.thread = start(self.never.clone());
        }
        if self.thread.as_ref().is_some_and(|(ask, _)| ask.try_send(pid).is_ok()) {
            self.known.insert(pid, None);
        }
    }

    fn hear(&mut self) {
        let told = self.thread.iter().flat_map(|(_, told)| told.try_iter());
        for (pid, inspected) in told {
            // A program that was replaced meanwhile is forgotten, and asked for again.
            self.known.entry(pid).and_modify(|known| *known = Some(inspected));
        }
    }

    /// Until everything is known that these wait for, or it takes too long.
    fn wait(&mut self, rows: &[Row]) {
        loop {
            self.hear();
            if rows.iter().all(|row| self.is_known(row)) {
                return;
            }
            let Some((_, told)) = &self.thread else { return };
            let Ok((pid, inspected)) = told.recv_timeout(PATIENCE) else { return };
            self.known.entry(pid).and_modify(|known| *known = Some(inspected));
        }
    }

    /// Whether more will be known later.
    fn is_known(&self, row: &Row) -> bool {
        let asked = row.pid.and_then(|pid| self.known.get(&pid));
        !matches!(asked, Some(None))
    }

    fn key(&self, row: &Row) -> UnreadKey {
        let known = row.pid.and_then(|pid| self.known.get(&pid)).and_then(Option::as_ref);
        let reason = match (row.cipher, self.off, known.map(|known| known.finding)) {
            (Cipher::Quic, ..) => UnreadReason::Quic,
            (Cipher::Tls, Some(off), _) => off,
            (Cipher::Tls, None, Some(Finding::Hidden(reason))) => reason,
            (Cipher::Tls, None, Some(Finding::Probed)) if row.from_start => UnreadReason::NoPlaintext,
            (Cipher::Tls, None, Some(Finding::Probed)) => UnreadReason::BeganBefore,
            (Cipher::Tls, None, None) => UnreadReason::Ended,
        };
        let executable = known.and_then(|known| known.executable.as_deref()).map(Arc::from);
        UnreadKey {
            program: Arc::clone(&row.program),
            executable,
            direction: row.direction,
            cipher: row.cipher,
            reason,
        }
    }

    fn tick(&mut self, now: u64) {
        while let Some((_, pid)) = self.mourned.front().filter(|(at, _)| now.saturating_sub(*at) > MOURNING) {
            self.known.remove(pid);
            self.mourned.pop_front();
        }
    }

    fn forget(&mut self, pid: u32) {
        self.known.remove(&pid);
    }
}

/// The thread ends when nobody asks any more.
fn start(never: Vec<String>) -> Option<Looking> {
    let (ask, asked) = sync_channel::<u32>(MOST_ASKED);
    let (tell, told) = sync_channel(2 * MOST_ASKED);
    let work = move || {
        let mut inspector = Inspector::new(never);
        for pid in asked {
            if tell.send((pid, inspector.look(pid))).is_err() {
                return;
            }
        }
    };
    // Without a thread all of them "ended before".
    thread::Builder::new().name("why".to_owned()).spawn(work).ok()?;
    Some((ask, told))
}
