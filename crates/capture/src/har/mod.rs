//! HTTP Archives (HAR 1.2) into exchanges.
//!
//! Entries are handed on one by one while the file is read; one is in memory at a time, at most [`MAX_ENTRY`]
//! bytes of it. An entry that is JSON but not an entry is counted and passed over; what is not JSON is damage, and
//! ends the reading.
//!
//! Bodies in an archive are decoded already, whatever `Content-Encoding` says: [`Body::codings`] stays empty.
//!
//! [`Body::codings`]: overhear_exchange::Body::codings

mod convert;
mod entry;
#[cfg(test)]
mod tests;
mod url;

use convert::{Converted, Converter};
use overhear_exchange::{Exchange, LossReason, Statistics};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::{
    cell::Cell,
    fmt,
    io::{self, BufReader, Read},
    rc::Rc,
};

/// The largest entry that is read, and the most that may lie between two, in bytes of JSON.
pub const MAX_ENTRY: u64 = 128 << 20;

/// Why an archive could not be read to its end. To be said after the file's name: "x.har ends …".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// JSON, but no `log` with `entries`.
    #[error("is JSON but not a HAR: it has no log.entries (line {line}, column {column})")]
    NotHar {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// The file ends too early.
    #[error("ends too early, at line {line}, column {column}, after {entries} entries")]
    CutOff {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// Whole entries before.
        entries: u64,
    },
    /// Not JSON.
    #[error("is damaged at line {line}, column {column}, after {entries} entries: {what}")]
    Damaged {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// Whole entries before.
        entries: u64,
        /// What the JSON parser says; it never quotes the input.
        what: String,
    },
    /// An entry, or something between two, is larger than [`MAX_ENTRY`].
    #[error("has an entry of more than {} MB, after {entries} entries", MAX_ENTRY >> 20)]
    TooLarge {
        /// Whole entries before.
        entries: u64,
    },
    /// Reading failed, or the compression around the archive is damaged.
    #[error("could not be read, after {entries} entries: {source}")]
    Io {
        /// Whole entries before.
        entries: u64,
        /// What the system or the decompressor says.
        source: io::Error,
    },
}

/// What the entries were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Whole entries, of any kind.
    pub entries: u64,
    /// Handed on.
    pub exchanges: u64,
    /// Not what an entry must be.
    pub malformed: u64,
    /// Never on the network: data and blob URLs, blocked requests.
    pub not_sent: u64,
}

impl Counts {
    /// As a capture says it.
    pub fn statistics(&self) -> Statistics {
        let mut statistics = Statistics { events: self.entries, ..Statistics::default() };
        if self.malformed > 0 {
            statistics.lose(LossReason::Malformed, self.malformed, 0);
        }
        statistics
    }
}

/// Reads one archive.
pub struct Reader {
    input: Option<Box<dyn Read + Send>>,
    counts: Counts,
    limit: u64,
}

impl Reader {
    /// Reads from `input`, which is decompressed.
    pub fn new(input: impl Read + Send + 'static) -> Self {
        Self { input: Some(Box::new(input)), counts: Counts::default(), limit: MAX_ENTRY }
    }

    /// Hands every exchange to `sink`. A second call finds nothing more.
    ///
    /// # Errors
    /// Where the input is no HAR, damaged, or cannot be read; the entries before that were delivered.
    pub fn read(&mut self, sink: &mut impl FnMut(Exchange)) -> Result<(), Error> {
        let Some(input) = self.input.take() else { return Ok(()) };
        let budget = Budget::new(self.limit);
        let bounded = Bounded { input, budget: budget.clone() };
        let mut json = serde_json::Deserializer::from_reader(BufReader::with_capacity(64 << 10, bounded));
        let mut state = State {
            counts: &mut self.counts,
            budget: &budget,
            converter: Converter::default(),
            found: false,
            sink,
        };
        let result = Walk { at: At::Document, state: &mut state }.deserialize(&mut json);
        let found = state.found;
        let entries = self.counts.entries;
        match result.and_then(|()| json.end()) {
            Ok(()) if found => Ok(()),
            Ok(()) => Err(Error::NotHar { line: 1, column: 1 }),
            Err(_) if budget.exhausted() => Err(Error::TooLarge { entries }),
            Err(error) => Err(failure(error, budget.ended.get(), entries)),
        }
    }

    /// What was read so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

/// `ended`: the parser has seen the end of the input. It may blame what comes last, as in `12.`, for being there.
fn failure(error: serde_json::Error, ended: bool, entries: u64) -> Error {
    use serde_json::error::Category;
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        Category::Io => Error::Io { entries, source: error.into() },
        Category::Syntax if ended => Error::CutOff { line, column, entries },
        Category::Eof => Error::CutOff { line, column, entries },
        Category::Data => Error::NotHar { line, column },
        Category::Syntax => {
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or_default().to_owned();
            Error::Damaged { line, column, entries, what }
        }
    }
}

/// How many bytes may be read before the next entry is complete, and whether there are any.
#[derive(Clone)]
struct Budget {
    left: Rc<Cell<u64>>,
    ended: Rc<Cell<bool>>,
    limit: u64,
}

impl Budget {
    fn new(limit: u64) -> Self {
        Self { left: Rc::new(Cell::new(limit)), ended: Rc::default(), limit }
    }

    fn renew(&self) {
        self.left.set(self.limit);
    }

    fn exhausted(&self) -> bool {
        self.left.get() == 0
    }
}

/// Fails when the budget is spent: the JSON parser would buffer without end.
struct Bounded<R> {
    input: R,
    budget: Budget,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(into)?;
        self.budget.ended.set(read == 0);
        let left = self.budget.left.get().saturating_sub(read as u64);
        self.budget.left.set(left);
        if left == 0 {
            return Err(io::Error::other("the entry is too large"));
        }
        Ok(read)
    }
}

struct State<'a, S> {
    counts: &'a mut Counts,
    budget: &'a Budget,
    converter: Converter,
    found: bool,
    sink: &'a mut S,
}

impl<S: FnMut(Exchange)> State<'_, S> {
    fn entry(&mut self, json: &str) {
        self.budget.renew();
        self.counts.entries += 1;
        match self.converter.convert(json) {
            Converted::Exchange(exchange) => {
                self.counts.exchanges += 1;
                (self.sink)(*exchange);
            }
            Converted::NotSent => self.counts.not_sent += 1,
            Converted::Malformed => self.counts.malformed += 1,
        }
    }
}

/// The way down to the entries; everything beside it is skipped without being kept.
struct Walk<'a, 's, S> {
    at: At,
    state: &'a mut State<'s, S>,
}

#[derive(Clone, Copy)]
enum At {
    Document,
    Log,
    Entries,
}

impl<'de, S: FnMut(Exchange)> DeserializeSeed<'de> for Walk<'_, '_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.at {
            At::Document | At::Log => deserializer.deserialize_map(self),
            At::Entries => deserializer.deserialize_seq(self),
        }
    }
}

impl<'de, S: FnMut(Exchange)> Visitor<'de> for Walk<'_, '_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an HTTP archive")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (wanted, below) = match self.at {
            At::Document => ("log", At::Log),
            At::Log | At::Entries => ("entries", At::Entries),
        };
        while let Some(key) = map.next_key::<String>()? {
            if key == wanted {
                map.next_value_seed(Walk { at: below, state: self.state })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.state.found = true;
        while let Some(entry) = entries.next_element::<Box<RawValue>>()? {
            self.state.entry(entry.get());
        }
        Ok(())
    }
}
