use crate::{
    ReadError,
    live::{Progress, Source, SourceError},
    read::PacketReader,
};
use overhear_capture::file;
use overhear_exchange::{Address, Exchange, Statistics, Timestamp};
use std::{
    collections::VecDeque,
    io::{self, Read},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Longest wait for the next exchange: how soon a stop is noticed.
const LONGEST_WAIT: Duration = Duration::from_millis(50);
/// Exchanges read ahead of their time. They come in order of completion, which is nearly that of their beginning.
const READ_AHEAD: usize = 1024;

/// A recording played again at its own pace, as if it happened now.
pub struct Replay {
    reader: PacketReader,
    name: fn(u16) -> Option<&'static str>,
    ahead: VecDeque<Exchange>,
    read_to_end: bool,
    /// Now minus the recording's beginning; known with the first exchange.
    shift: Option<u64>,
}

impl Replay {
    /// Plays a pcap or pcapng file. `name` says what serves a port, where that is known.
    ///
    /// # Errors
    /// When it is no capture of packets.
    pub fn new(
        recording: impl Read + Send + 'static,
        name: fn(u16) -> Option<&'static str>,
    ) -> Result<Self, ReadError> {
        let file::Input::Packets(packets) = file::Input::open(recording)? else {
            return Err(ReadError::Open(io::ErrorKind::InvalidData.into()));
        };
        Ok(Self {
            reader: PacketReader::new(packets),
            name,
            ahead: VecDeque::new(),
            read_to_end: false,
            shift: None,
        })
    }

    fn read_ahead(&mut self) -> Result<(), SourceError> {
        let name = self.name;
        while !self.read_to_end && self.ahead.len() < READ_AHEAD {
            let ahead = &mut self.ahead;
            let mut add = |exchange| ahead.push_back(named(exchange, name));
            if !self.reader.pump(&mut add).map_err(ReadError::Capture)? {
                self.read_to_end = true;
                self.reader.flush(&mut add);
            }
        }
        if let (None, Some(first)) = (self.shift, self.ahead.front()) {
            self.shift = Some(wall().saturating_sub(first.time.as_nanos()));
        }
        Ok(())
    }

    /// How long until this exchange would be complete.
    fn until(&self, exchange: &Exchange) -> Duration {
        let complete = exchange.time.as_nanos() + nanos(exchange.duration.unwrap_or_default());
        let due = complete + self.shift.unwrap_or_default();
        Duration::from_nanos(due.saturating_sub(wall()))
    }
}

impl Source for Replay {
    fn poll(&mut self, out: &mut Vec<Exchange>) -> Result<Progress, SourceError> {
        self.read_ahead()?;
        let Some(wait) = self.ahead.front().map(|next| self.until(next)) else { return Ok(Progress::Over) };
        thread::sleep(wait.min(LONGEST_WAIT));
        while self.ahead.front().is_some_and(|next| self.until(next).is_zero()) {
            let Some(mut exchange) = self.ahead.pop_front() else { break };
            let now = exchange.time.as_nanos() + self.shift.unwrap_or_default();
            exchange.time = Timestamp::from_nanos(now);
            out.push(exchange);
        }
        Ok(Progress::Going)
    }

    fn statistics(&mut self) -> Result<Statistics, SourceError> {
        let mut statistics = self.reader.statistics();
        statistics.exchanges = statistics.exchanges.saturating_sub(self.ahead.len() as u64);
        Ok(statistics)
    }

    /// What was not due yet did not happen.
    fn finish(&mut self, _: &mut Vec<Exchange>) -> Result<(), SourceError> {
        Ok(())
    }
}

/// Accounts it to what serves its port, where that is known: a recording has no processes.
fn named(mut exchange: Exchange, name: fn(u16) -> Option<&'static str>) -> Exchange {
    if let Address::Ip(server) = &exchange.server.address
        && let Some(service) = name(server.port())
    {
        exchange.service = service.into();
    }
    exchange
}

fn wall() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanos)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
