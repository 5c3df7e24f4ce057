//! Capture files: pcap, pcapng, HAR and saved models, from any [`Read`], gzip- or zstd-compressed or not.
//!
//! ```text
//! input ─ decompress, sniff ─► window ─ container (pcap, pcapng) ─► link ─► IP, fragments ─► TCP ─► Segment
//! ```
//!
//! Packets are handed on as they come: nothing waits for the end of a pipe. They are read in place; only IP
//! fragments are copied. No length found in the input makes more than [`MAX_BLOCK`] bytes be held.

mod container;
mod decode;
mod error;
mod fragments;
mod ip;
mod link;
mod pcap;
mod pcapng;
mod sniff;
#[cfg(test)]
mod tests;
mod window;

pub use container::MAX_BLOCK;
pub use decode::Counts;
pub use error::{Damage, Error};
pub use sniff::{Kind, sniff};

use crate::har;
use container::{Container, Step};
use decode::Decoder;
pub use decode::{Seen, UdpDatagram};
use flate2::bufread::MultiGzDecoder;
use overhear_exchange::wire::Segment;
use std::io::{self, BufReader, Read};
use window::Window;

/// Bytes from somewhere, once it is known what they are.
pub enum Input {
    /// pcap or pcapng.
    Packets(Box<Packets>),
    /// HTTP Archive.
    Har(har::Reader),
    /// A model saved by this program: its bytes from the first, as they were saved.
    Model(Box<dyn Read + Send>),
}

impl Input {
    /// Looks at the first bytes and decompresses where needed. Blocks until a few bytes are there.
    ///
    /// # Errors
    /// When it is empty, nothing this program reads, or cannot be read.
    pub fn open(input: impl Read + Send + 'static) -> Result<Self, Error> {
        let mut input = Recorder { inner: Box::new(input), recorded: Some(Vec::new()) };
        let start = peek(&mut input, |start| start.len() >= 4).map_err(Error::io(false, 0))?;
        match start.as_slice() {
            [] => Err(Error::Empty),
            [0x1f, 0x8b, ..] => {
                let replayed = BufReader::new(io::Cursor::new(start).chain(input.inner));
                Self::sniffed(Box::new(MultiGzDecoder::new(replayed)), true)
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::zstd(input),
            _ => Self::sniffed(input.replay(), false),
        }
    }

    fn zstd(input: Recorder) -> Result<Self, Error> {
        let failed = |error| Error::io(true, 0)(error);
        let mut decoder = zstd::Decoder::with_buffer(BufReader::new(input.rewound())).map_err(failed)?;
        let start = peek(&mut decoder, |start| sniff(start) != Kind::Unknown || start.len() >= SNIFFED);
        if start.as_ref().is_ok_and(|start| sniff(start) == Kind::Model) {
            return Ok(Self::Model(decoder.finish().into_inner().replay()));
        }
        decoder.get_mut().get_mut().recorded = None;
        let start = start.map_err(failed)?;
        Self::sniffed(Box::new(io::Cursor::new(start).chain(decoder)), true)
    }

    fn sniffed(mut input: Box<dyn Read + Send>, compressed: bool) -> Result<Self, Error> {
        let enough = |start: &[u8]| sniff(start) != Kind::Unknown || start.len() >= SNIFFED;
        let mut start = peek(&mut input, enough).map_err(Error::io(compressed, 0))?;
        let kind = sniff(&start);
        if kind == Kind::Har && start.starts_with(BYTE_ORDER_MARK) {
            start.drain(..BYTE_ORDER_MARK.len()); // which some exporters write and JSON does not allow
        }
        match kind {
            Kind::Pcap | Kind::Pcapng => {
                let window = Window::new(start, input, compressed);
                Ok(Self::Packets(Box::new(Packets::new(kind, window)?)))
            }
            Kind::Har => Ok(Self::Har(har::Reader::new(io::Cursor::new(start).chain(input)))),
            Kind::Model => Ok(Self::Model(Box::new(io::Cursor::new(start).chain(input)))),
            Kind::Unknown if start.is_empty() => Err(Error::Empty),
            Kind::Unknown => Err(Error::Unknown { start: start.into_iter().take(4).collect() }),
        }
    }
}

/// The packets of a pcap or pcapng file.
pub struct Packets {
    window: Window,
    container: Container,
    decoder: Decoder,
    packets: u64,
    skip: u64,
    /// Nothing more can be done before so many bytes are there.
    wanted: Option<usize>,
}

impl Packets {
    fn new(kind: Kind, window: Window) -> Result<Self, Error> {
        let (container, decoder) = (Container::new(kind), Decoder::default());
        let mut packets = Self { window, container, decoder, packets: 0, skip: 0, wanted: None };
        // What cannot be read at all is said at once, not at the first packet.
        while !packets.container.begun() {
            if let Some(wanted) = packets.step(&mut |_: Seen<'_>| {})? {
                packets.refill(wanted)?;
            }
        }
        match packets.container.unreadable() {
            Some(link) => Err(Error::LinkType(link)),
            None => Ok(packets),
        }
    }

    /// Hands every TCP segment to `sink`, until the input ends.
    ///
    /// # Errors
    /// Where the input is damaged or cannot be read; everything before that was delivered.
    pub fn read(&mut self, sink: &mut impl FnMut(Segment<'_>)) -> Result<(), Error> {
        while self.pump(sink)? {}
        Ok(())
    }

    /// Hands on the segments that one read of the input brings, at most [`MAX_BLOCK`] bytes and usually far less; false at
    /// the end. Between two calls there is time for something else.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn pump(&mut self, sink: &mut impl FnMut(Segment<'_>)) -> Result<bool, Error> {
        self.pump_all(&mut |seen: Seen<'_>| {
            if let Seen::Segment(segment) = seen {
                sink(segment);
            }
        })
    }

    /// The same with datagrams of UDP.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn pump_all(&mut self, sink: &mut impl FnMut(Seen<'_>)) -> Result<bool, Error> {
        if let Some(wanted) = self.wanted
            && !self.refill(wanted)?
        {
            return Ok(false);
        }
        loop {
            self.wanted = self.step(sink)?;
            if self.wanted.is_some() {
                return Ok(true);
            }
        }
    }

    /// What was found in the packets so far.
    pub fn counts(&self) -> Counts {
        self.decoder.counts(self.container.dropped())
    }

    /// One packet or header. How many bytes must be there before the next, if they are not.
    fn step(&mut self, sink: &mut impl FnMut(Seen<'_>)) -> Result<Option<usize>, Error> {
        match self.container.step(self.window.bytes()) {
            Ok(Step::Packet(packet, used)) => {
                self.packets += 1;
                self.decoder.packet(&packet, sink);
                self.window.consume(used);
                Ok(None)
            }
            Ok(Step::Header(used)) => {
                self.window.consume(used);
                Ok(None)
            }
            Ok(Step::Skip(length)) => {
                self.skip = self.window.skip(length);
                Ok((self.skip > 0).then_some(1))
            }
            Ok(Step::More(wanted)) => Ok(Some(wanted)),
            Err(damage) => Err(self.damaged(damage)),
        }
    }

    /// Reads on; false at the end of the input.
    fn refill(&mut self, wanted: usize) -> Result<bool, Error> {
        loop {
            if !self.window.refill(wanted)? {
                let present = self.window.bytes().len();
                return match present {
                    0 if self.skip == 0 && self.container.begun() => Ok(false),
                    _ => Err(self.damaged(Damage::CutOff { present })),
                };
            }
            self.skip = self.window.skip(self.skip);
            if self.skip == 0 {
                return Ok(true);
            }
        }
    }

    fn damaged(&self, damage: Damage) -> Error {
        if !self.container.begun() {
            return Error::Header(damage);
        }
        Error::Damaged { offset: self.window.offset(), packet: self.packets + 1, damage }
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What is looked at to tell what a file is: JSON may begin with white space.
const SNIFFED: usize = 4096;

fn peek(input: &mut impl Read, enough: impl Fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    let mut part = [0; SNIFFED];
    while !enough(&start) {
        match input.read(&mut part) {
            Ok(0) => break,
            Ok(read) => start.extend_from_slice(part.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(start)
}

/// Keeps what is read until it is known that nobody wants it again.
struct Recorder {
    inner: Box<dyn Read + Send>,
    recorded: Option<Vec<u8>>,
}

impl Recorder {
    /// Everything from the first byte.
    fn replay(mut self) -> Box<dyn Read + Send> {
        Box::new(io::Cursor::new(self.recorded.take().unwrap_or_default()).chain(self.inner))
    }

    /// As if nothing had been read yet, still recording.
    fn rewound(self) -> Self {
        Self { inner: self.replay(), recorded: Some(Vec::new()) }
    }
}

impl Read for Recorder {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        if let Some(recorded) = &mut self.recorded {
            recorded.extend_from_slice(into.get(..read).unwrap_or_default());
        }
        Ok(read)
    }
}
