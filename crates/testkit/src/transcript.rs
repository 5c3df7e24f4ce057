//! Conversations as text files: what both ends of one connection sent, in the order it was seen.
//!
//! Each line starts with a marker and a space:
//!
//! ```text
//! # a comment
//! > GET / HTTP/1.1          side A sends this line and CRLF
//! >| abc                    side A sends this, without a line ending
//! >~ LF ended               side A sends this line and a bare LF
//! >x 1f8b08                 side A sends these bytes, in hexadecimal
//! >* 1000 ab                side A sends "ab" a thousand times
//! >? 100                    100 bytes from side A were not seen; "?" for who knows how many
//! >.                        side A ends
//! !split                    what follows was not delivered together with what came before
//! !wait 250ms               time passes (ms or s)
//! !close reset              the connection is over: finished, reset, refused, timeout, unreachable, unknown
//! !set key value            for the test that reads the file
//! ```
//!
//! The same with `<` for side B. `\r \n \t \0 \\ \xNN` are understood in text. Consecutive lines of one side are
//! delivered together; each delivery comes a millisecond after the one before, the first at one second.

use overhear_exchange::{Side, Timestamp, wire::CloseCause};
use std::{collections::BTreeMap, fmt, time::Duration};

/// What was seen of one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// What `!set` lines say.
    pub settings: BTreeMap<String, String>,
    /// The events, in order.
    pub steps: Vec<Step>,
}

/// One event and when it was seen.
#[derive(Clone, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub time: Timestamp,
    /// What.
    pub event: Event,
}

/// As [`overhear_exchange::wire::Event`], of one connection and owned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the wire event has the words")]
pub enum Event {
    Data { from: Side, bytes: Vec<u8> },
    Gap { from: Side, length: Option<u64> },
    End { from: Side },
    Close { cause: CloseCause },
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.event {
            Event::Data { from, bytes } => write!(f, "{from:?} \"{}\"", bytes.escape_ascii()),
            Event::Gap { .. } | Event::End { .. } | Event::Close { .. } => write!(f, "{:?}", self.event),
        }
    }
}

/// Why a file is no transcript: the line and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub reason: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for Malformed {}

impl Transcript {
    /// Reads the text form.
    ///
    /// # Errors
    /// When a line has no known marker, or says something that cannot be read.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut reader = Reader { transcript: Self::default(), time: 1_000_000_000, joined: false };
        for (index, line) in text.lines().enumerate() {
            reader.line(line).map_err(|reason| Malformed { line: index + 1, reason })?;
        }
        Ok(reader.transcript)
    }

    /// The same with other steps.
    pub fn with_steps(&self, steps: Vec<Step>) -> Self {
        Self { settings: self.settings.clone(), steps }
    }

    /// A setting as a number.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.settings.get(key)?.parse().ok()
    }

    /// Does a setting of this name say `yes`?
    pub fn flag(&self, key: &str) -> bool {
        self.settings.get(key).is_some_and(|value| value == "yes")
    }

    /// Adds bytes to the end, as a delivery of their own a millisecond later.
    pub fn push(&mut self, from: Side, bytes: impl Into<Vec<u8>>) -> &mut Self {
        let last = self.steps.last().map_or(999_000_000, |step| step.time.as_nanos());
        let time = Timestamp::from_nanos(last + 1_000_000);
        self.steps.push(Step { time, event: Event::Data { from, bytes: bytes.into() } });
        self
    }

    /// How many bytes one end sent.
    pub fn length(&self, side: Side) -> usize {
        self.steps
            .iter()
            .map(|step| match &step.event {
                Event::Data { from, bytes } if *from == side => bytes.len(),
                Event::Data { .. } | Event::Gap { .. } | Event::End { .. } | Event::Close { .. } => 0,
            })
            .sum()
    }
}

struct Reader {
    transcript: Transcript,
    time: u64,
    /// More bytes of the same side are delivered with the last.
    joined: bool,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        let (marker, text) = line.split_once(' ').unwrap_or((line, ""));
        let mut letters = marker.chars();
        match letters.next() {
            None | Some('#') => Ok(()),
            Some('>') => self.sent(Side::A, letters.as_str(), text),
            Some('<') => self.sent(Side::B, letters.as_str(), text),
            Some('!') => self.directive(letters.as_str(), text.trim()),
            Some(_) => Err("starts with none of # > < !"),
        }
    }

    fn sent(&mut self, from: Side, kind: &str, text: &str) -> Result<(), &'static str> {
        let bytes = match kind {
            "" => [unescape(text)?, b"\r\n".to_vec()].concat(),
            "~" => [unescape(text)?, b"\n".to_vec()].concat(),
            "|" => unescape(text)?,
            "x" => unhex(text)?,
            "*" => {
                let (count, text) = text.split_once(' ').ok_or("wants a count and a text")?;
                unescape(text)?.repeat(count.parse().map_err(|_| "wants a count")?)
            }
            "?" => {
                let length = match text.trim() {
                    "?" | "" => None,
                    number => Some(number.parse().map_err(|_| "wants a length or ?")?),
                };
                self.step(Event::Gap { from, length });
                return Ok(());
            }
            "." => {
                self.step(Event::End { from });
                return Ok(());
            }
            _ => return Err("no such marker"),
        };
        match self.transcript.steps.last_mut().map(|step| &mut step.event) {
            Some(Event::Data { from: last, bytes: sent }) if *last == from && self.joined => {
                sent.extend_from_slice(&bytes);
            }
            Some(_) | None => self.step(Event::Data { from, bytes }),
        }
        self.joined = true;
        Ok(())
    }

    fn directive(&mut self, name: &str, text: &str) -> Result<(), &'static str> {
        self.joined = false;
        match name {
            "split" => {}
            "wait" => self.time += nanos(text).ok_or("wants a time like 250ms or 2s")?,
            "close" => {
                let cause = close_cause(text).ok_or("no such cause")?;
                self.step(Event::Close { cause });
            }
            "set" => {
                let (key, value) = text.split_once(' ').ok_or("wants a key and a value")?;
                self.transcript.settings.insert(key.into(), value.trim().into());
            }
            _ => return Err("no such directive"),
        }
        Ok(())
    }

    fn step(&mut self, event: Event) {
        self.transcript.steps.push(Step { time: Timestamp::from_nanos(self.time), event });
        self.time += 1_000_000;
        self.joined = false;
    }
}

fn close_cause(name: &str) -> Option<CloseCause> {
    Some(match name {
        "finished" => CloseCause::Finished,
        "reset" => CloseCause::Reset(None),
        "refused" => CloseCause::Refused,
        "timeout" => CloseCause::TimedOut,
        "unreachable" => CloseCause::Unreachable,
        "unknown" => CloseCause::Unknown,
        _ => return None,
    })
}

fn nanos(text: &str) -> Option<u64> {
    let duration = match text.strip_suffix("ms") {
        Some(number) => Duration::from_millis(number.parse().ok()?),
        None => Duration::from_secs(text.strip_suffix('s')?.parse().ok()?),
    };
    duration.as_nanos().try_into().ok()
}

fn unescape(text: &str) -> Result<Vec<u8>, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next() {
                Some(b'r') => b'\r',
                Some(b'n') => b'\n',
                Some(b't') => b'\t',
                Some(b'0') => 0,
                Some(b'\\') => b'\\',
                Some(b'x') => {
                    let digits = [rest.next().ok_or("cut escape")?, rest.next().ok_or("cut escape")?];
                    hex_byte(&digits).ok_or("wants two hexadecimal digits")?
                }
                Some(_) | None => return Err("no such escape"),
            },
            other => other,
        });
    }
    Ok(bytes)
}

fn unhex(text: &str) -> Result<Vec<u8>, &'static str> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| hex_byte(pair).ok_or("wants pairs of hexadecimal digits")).collect()
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    match digits {
        [_, _] => u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Malformed, Side, Transcript};

    #[test]
    fn joins_lines_of_one_side_and_splits_where_told() {
        let text = "# two\n!set k v\n> a\n>| b\\x00\n< c\n!split\n<x 64 65\n>? 7\n>? ?\n<.\n!close reset\n";
        let transcript = Transcript::parse(text).unwrap();
        let data: Vec<_> = transcript
            .steps
            .iter()
            .filter_map(|step| match &step.event {
                Event::Data { bytes, .. } => Some(bytes.as_slice()),
                Event::Gap { .. } | Event::End { .. } | Event::Close { .. } => None,
            })
            .collect();
        assert_eq!(data, [&b"a\r\nb\0"[..], b"c\r\n", b"de"]);
        assert_eq!(transcript.steps.len(), 7);
        assert_eq!(transcript.length(Side::B), 5);
        assert_eq!(transcript.settings.get("k").map(String::as_str), Some("v"));
    }

    #[test]
    fn says_which_line_is_wrong() {
        assert_eq!(
            Transcript::parse("> a\n? b").unwrap_err(),
            Malformed { line: 2, reason: "starts with none of # > < !" }
        );
    }
}
