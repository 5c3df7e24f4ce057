use crate::{complete, host_names::HostNames, quic::Flows, table::Table, wire::Encrypted};
use overhear_capture::{
    file::{self, Packets, Seen},
    har,
};
use overhear_exchange::{
    Address, Detail, Exchange, Statistics,
    wire::{ConnectionId, Event, EventSink},
};
use overhear_model::{LoadError, Model};
use overhear_protocol::{call, dns};
use overhear_stream::tcp::{self, Reassembler};
use rustc_hash::FxHashMap;
use std::{
    cell::Cell,
    fmt,
    fs::File,
    io::{self, Read},
    ops::ControlFlow,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// By its path.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Stdin => f.write_str("standard input"),
        }
    }
}

/// Takes what files hold.
pub trait Consumer {
    /// One exchange. `Break` ends the reading.
    fn exchange(&mut self, exchange: Exchange) -> ControlFlow<()>;

    /// How far a stream is that goes on: what it carried so far, of which the exchange that comes when it is over only
    /// tells the rest. Those who do not learn have no use for it.
    fn underway(&mut self, exchange: Exchange) -> ControlFlow<()> {
        let _ = exchange;
        ControlFlow::Continue(())
    }

    /// What was learned elsewhere and saved.
    fn model(&mut self, model: Model) -> ControlFlow<()>;
}

/// What came of reading a file.
#[derive(Debug)]
pub struct Reading {
    /// What it covered.
    pub statistics: Statistics,
    /// Why it was not read to its end, where it was not; everything whole before that was delivered.
    pub damage: Option<ReadError>,
}

/// Why a file could not be read, or not to its end. To be said after the file's name.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It could not be opened.
    #[error("cannot be opened: {0}")]
    Open(#[source] io::Error),
    /// As a capture.
    #[error(transparent)]
    Capture(#[from] file::Error),
    /// As an HTTP archive.
    #[error(transparent)]
    Har(#[from] har::Error),
    /// As a saved model.
    #[error("cannot be used: {0}")]
    Model(#[from] LoadError),
}

/// Reads a capture, an archive or a saved model to its end. `progress` counts the bytes taken from it.
pub fn read(input: &Input, progress: Option<Arc<AtomicU64>>, consumer: &mut dyn Consumer) -> Reading {
    let opened: Result<Box<dyn Read + Send>, io::Error> = match input {
        Input::File(path) => open(path).map(|file| Box::new(file) as Box<dyn Read + Send>),
        Input::Stdin => Ok(Box::new(io::stdin())),
    };
    let opened = opened.map_err(ReadError::Open).and_then(|inner| {
        let counted = Counted { inner, count: progress.unwrap_or_default() };
        file::Input::open(counted).map_err(ReadError::Capture)
    });
    let mut statistics = Statistics::default();
    let result = match opened {
        Ok(file::Input::Packets(packets)) => read_packets(packets, &mut statistics, consumer),
        Ok(file::Input::Har(reader)) => read_archive(reader, &mut statistics, consumer),
        Ok(file::Input::Model(saved)) => Model::load(saved).map_err(ReadError::Model).map(|model| {
            // What follows is of no interest to a consumer that has enough.
            let _ = consumer.model(model);
        }),
        Err(error) => Err(error),
    };
    Reading { statistics, damage: result.err() }
}

/// A folder can be opened but not read; that is better said at once.
fn open(path: &PathBuf) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(file) }
}

/// Packets in, exchanges out: what files and replays share.
pub(crate) struct PacketReader {
    packets: Box<Packets>,
    reassembler: Reassembler,
    talk: Talk,
}

/// What is said on the connections of a capture, and between whom.
#[derive(Default)]
struct Talk {
    table: Table,
    ends: FxHashMap<ConnectionId, [Address; 2]>,
    names: HostNames,
    encrypted: Encrypted,
    flows: Flows,
    exchanges: u64,
}

impl PacketReader {
    pub(crate) fn new(packets: Box<Packets>) -> Self {
        let reassembler = Reassembler::new(tcp::Limits::default());
        Self { packets, reassembler, talk: Talk::default() }
    }

    /// Hands on what one read of the input brings; false at its end.
    pub(crate) fn pump(&mut self, deliver: &mut dyn FnMut(Exchange)) -> Result<bool, file::Error> {
        let Self { packets, reassembler, talk } = self;
        packets.pump_all(&mut |seen| match seen {
            Seen::Segment(segment) => {
                reassembler.segment(&segment, &mut |event: Event<'_>| talk.event(event, deliver));
            }
            Seen::Datagram(datagram) if datagram.source.port() == dns::PORT => {
                talk.names.answered(datagram.payload);
            }
            Seen::Datagram(datagram) => talk.flows.datagram(&datagram, &talk.names),
        })
    }

    /// Hands on what waited for more.
    pub(crate) fn flush(&mut self, deliver: &mut dyn FnMut(Exchange)) {
        let Self { reassembler, talk, .. } = self;
        reassembler.flush(&mut |event: Event<'_>| talk.event(event, deliver));
    }

    pub(crate) fn statistics(&self) -> Statistics {
        let mut statistics = self.reassembler.statistics().clone();
        statistics.exchanges = self.talk.exchanges;
        statistics.unreadable.clone_from(self.talk.table.unreadable());
        statistics.unread.merge(self.talk.encrypted.table());
        let flows = self.talk.flows.table(&self.talk.names);
        if !flows.is_empty() {
            statistics.unreadable.insert("quic", flows.connections());
            statistics.connections += flows.connections();
            statistics.unread.merge(&flows);
        }
        statistics.merge(&self.packets.counts().losses());
        statistics
    }
}

impl Talk {
    fn event(&mut self, event: Event<'_>, deliver: &mut dyn FnMut(Exchange)) {
        let mut closed = None;
        match &event {
            Event::Open { connection, a, b, .. } => {
                self.ends.insert(*connection, [a.clone(), b.clone()]);
            }
            Event::Close { connection, time, .. } => closed = Some((*connection, *time)),
            Event::Data { .. } | Event::Gap { .. } | Event::End { .. } => {}
        }
        let ends = &self.ends;
        self.encrypted.event(&event, |id| ends.get(&id).cloned().unwrap_or_default());
        self.table.event(event);
        for (id, verdict) in self.table.take_judged() {
            self.encrypted.judged(id, verdict);
        }
        for (id, observation) in self.table.take_found() {
            self.exchanges += u64::from(!observation.detail.is_underway());
            let ends = self.ends.get(&id).cloned().unwrap_or_default();
            deliver(complete::captured(id, observation, ends, &self.names));
        }
        if let Some((connection, time)) = closed {
            self.ends.remove(&connection);
            self.encrypted.closed(connection, time, &self.names);
        }
    }
}

fn read_packets(
    packets: Box<Packets>,
    statistics: &mut Statistics,
    consumer: &mut dyn Consumer,
) -> Result<(), ReadError> {
    let mut reader = PacketReader::new(packets);
    let enough = Cell::new(false);
    let mut deliver = |exchange: Exchange| {
        if enough.get() {
            return;
        }
        let flow =
            if exchange.is_underway() { consumer.underway(exchange) } else { consumer.exchange(exchange) };
        enough.set(flow.is_break());
    };
    let result = loop {
        match reader.pump(&mut deliver) {
            Ok(true) if enough.get() => break Ok(()),
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(ReadError::Capture(error)),
        }
    };
    reader.flush(&mut deliver);
    *statistics = reader.statistics();
    result
}

fn read_archive(
    mut reader: har::Reader,
    statistics: &mut Statistics,
    consumer: &mut dyn Consumer,
) -> Result<(), ReadError> {
    let mut flow = ControlFlow::Continue(());
    let result = reader.read(&mut |mut exchange| {
        if flow.is_continue() {
            let Detail::Http(http) = &mut exchange.detail;
            call::tell(http);
            flow = consumer.exchange(exchange);
        }
    });
    *statistics = reader.counts().statistics();
    statistics.exchanges = reader.counts().exchanges;
    result.map_err(ReadError::Har)
}

struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
