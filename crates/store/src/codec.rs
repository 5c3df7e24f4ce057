//! Tallies as bytes: every kind of number apart (see [`crate::streams`]).

use crate::{
    rows,
    streams::{Eye, Pen, Stream, Streams},
};
use overhear_exchange::{ErrorType, Http2Code, RpcStatus};
use overhear_model::{Count, Ending, Histogram, Tally};
use std::{cell::RefCell, collections::HashMap, io, sync::Arc, thread::LocalKey};
use zstd::bulk::{Compressor, Decompressor};

const LEVEL: i32 = 3;
/// Longest text of one blob, in bytes; what is longer was not written by us.
const LONGEST: usize = 256 << 20;
/// The first byte of tallies in streams; lower ones are [`rows`].
const IN_STREAMS: u8 = 2;

/// What is wrong with a blob.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Damage(String);

impl From<String> for Damage {
    fn from(why: String) -> Self {
        Self(why)
    }
}

/// Offsets, slots or series with a tally each.
pub(crate) fn encode(tallies: &[(u32, &Tally)]) -> Result<Vec<u8>, Damage> {
    let (mut pen, mut kinds) = (Pen::default(), Kinds::default());
    pen.number(Stream::Names, tallies.len() as u64);
    let mut last = 0;
    for (at, tally) in tallies {
        pen.signed(Stream::Names, i64::from(*at) - i64::from(std::mem::replace(&mut last, *at)));
        pen.number(Stream::Names, tally.cells().count() as u64);
        for (caller, ending, count) in tally.cells() {
            let last = kinds.write(&mut pen, caller, ending);
            write(&mut pen, count, last);
        }
    }
    let mut blob = vec![IN_STREAMS];
    pen.finish(&mut blob)?;
    Ok(blob)
}

/// What [`encode`] was given. `key` is the model's; only what `wanted` says yes to is made.
pub(crate) fn decode(
    key: u64,
    blob: &[u8],
    wanted: &dyn Fn(u32) -> bool,
) -> Result<Vec<(u32, Tally)>, Damage> {
    let Some(mut text) = blob.strip_prefix(&[IN_STREAMS]) else { return rows::decode(key, blob, wanted) };
    let streams = Streams::of(&mut text)?;
    let (mut eye, mut kinds) = (streams.read(), Known::default());
    let mut tallies = Vec::new();
    let mut last = 0i64;
    for _ in 0..eye.number(Stream::Names)? {
        last = last.saturating_add(eye.signed(Stream::Names)?);
        let at = u32::try_from(last).map_err(damage)?;
        let is_wanted = wanted(at);
        let mut tally = Tally::default();
        for _ in 0..eye.number(Stream::Names)? {
            let kind = kinds.read(&mut eye)?;
            let count = read(&mut eye, &mut kind.last, is_wanted)?;
            if is_wanted {
                tally.push(key, &kind.caller, kind.ending, count);
            }
        }
        if is_wanted {
            tallies.push((at, tally));
        }
    }
    Ok(tallies)
}

thread_local! {
    /// Making one anew takes longer than most blobs do.
    static PACKER: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACKER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Does something with what a thread keeps, which is made when it is first wanted.
fn with<T, R>(
    kept: &'static LocalKey<RefCell<Option<T>>>,
    make: impl FnOnce() -> io::Result<T>,
    work: impl FnOnce(&mut T) -> io::Result<R>,
) -> Result<R, Damage> {
    kept.with_borrow_mut(|kept| {
        let kept = match kept {
            Some(kept) => kept,
            None => kept.insert(make()?),
        };
        work(kept)
    })
    .map_err(damage)
}

pub(crate) fn deflate(text: &[u8]) -> Result<Vec<u8>, Damage> {
    with(&PACKER, || Compressor::new(LEVEL), |packer| packer.compress(text))
}

pub(crate) fn inflate(text: &[u8]) -> Result<Vec<u8>, Damage> {
    // Ours say how long they are.
    let length = zstd::zstd_safe::get_frame_content_size(text).ok().flatten();
    let length = length.and_then(|length| usize::try_from(length).ok()).filter(|length| *length <= LONGEST);
    let length = length.ok_or_else(|| damage("compressed text of no known length"))?;
    with(&UNPACKER, Decompressor::new, |unpacker| unpacker.decompress(text, length))
}

pub(crate) fn damage(why: impl ToString) -> Damage {
    Damage(why.to_string())
}

fn write(pen: &mut Pen, count: &Count, last: &mut i16) {
    let Count { requests, bytes_in, bytes_out, latency } = count;
    pen.signed(Stream::Requests, requests.wrapping_sub(latency.count()).cast_signed());
    pen.number(Stream::BytesIn, *bytes_in);
    pen.number(Stream::BytesOut, *bytes_out);
    pen.histogram(last, latency);
}

fn read(eye: &mut Eye<'_>, last: &mut i16, wanted: bool) -> Result<Count, Damage> {
    let untimed = eye.signed(Stream::Requests)?.cast_unsigned();
    let (bytes_in, bytes_out) = (eye.number(Stream::BytesIn)?, eye.number(Stream::BytesOut)?);
    let latency = if wanted {
        eye.histogram(last, Histogram::default())?
    } else {
        eye.skip_histogram(last)?;
        Histogram::default()
    };
    Ok(Count { requests: untimed.wrapping_add(latency.count()), bytes_in, bytes_out, latency })
}

/// Callers and endings of a blob: each is written once, then by its number.
#[derive(Default)]
struct Kinds<'a> {
    callers: HashMap<&'a str, usize>,
    numbers: HashMap<(&'a str, Ending), usize>,
    /// Where the last histogram of each began.
    last: Vec<i16>,
}

impl<'a> Kinds<'a> {
    fn write(&mut self, pen: &mut Pen, caller: &'a str, ending: Ending) -> &mut i16 {
        let next = self.numbers.len();
        let number = *self.numbers.entry((caller, ending)).or_insert(next);
        pen.number(Stream::Names, number as u64);
        if number == next {
            self.caller(pen, caller);
            pen.number(Stream::Names, u64::from(ending.status.unwrap_or(0)));
            let error = ending.error.map_or(0, error_code);
            pen.number(Stream::Names, u64::from(error) << 1 | u64::from(ending.hidden_error));
            self.last.push(0);
        }
        // Every number has its place.
        #[expect(clippy::indexing_slicing, reason = "numbers are given with places")]
        &mut self.last[number]
    }

    fn caller(&mut self, pen: &mut Pen, caller: &'a str) {
        let next = self.callers.len();
        let number = *self.callers.entry(caller).or_insert(next);
        pen.number(Stream::Names, number as u64);
        if number == next {
            pen.text(Stream::Names, caller);
        }
    }
}

/// What [`Kinds`] wrote.
#[derive(Default)]
struct Known {
    callers: Vec<Arc<str>>,
    kinds: Vec<Kind>,
}

struct Kind {
    caller: Arc<str>,
    ending: Ending,
    last: i16,
}

impl Known {
    fn read(&mut self, eye: &mut Eye<'_>) -> Result<&mut Kind, Damage> {
        let number = index(eye)?;
        if number == self.kinds.len() {
            let caller = self.caller(eye)?;
            let status = u16::try_from(eye.number(Stream::Names)?).map_err(damage)?;
            let error = eye.number(Stream::Names)?;
            let ending = Ending {
                status: (status > 0).then_some(status),
                error: error_of(u16::try_from(error >> 1).map_err(damage)?)?,
                hidden_error: error & 1 == 1,
            };
            self.kinds.push(Kind { caller, ending, last: 0 });
        }
        self.kinds.get_mut(number).ok_or_else(|| damage("a kind of calls that has no name"))
    }

    fn caller(&mut self, eye: &mut Eye<'_>) -> Result<Arc<str>, Damage> {
        let number = index(eye)?;
        if number == self.callers.len() {
            self.callers.push(eye.text(Stream::Names)?.into());
        }
        self.callers.get(number).cloned().ok_or_else(|| damage("a caller that has no name"))
    }
}

fn index(eye: &mut Eye<'_>) -> Result<usize, Damage> {
    usize::try_from(eye.number(Stream::Names)?).map_err(damage)
}

/// Those without a status; a status is its own code. Appended to, never reordered.
const ERRORS: [ErrorType; 7] = [
    ErrorType::ConnectionRefused,
    ErrorType::ConnectionReset,
    ErrorType::Timeout,
    ErrorType::HostUnreachable,
    ErrorType::ClientClosed,
    ErrorType::ServerClosed,
    ErrorType::InvalidResponse,
];
/// Codes below are positions in [`ERRORS`], from one on…
const FIRST_STATUS: u16 = 100;
/// …HTTP/2's own codes from here…
const FIRST_HTTP2: u16 = 20;
/// …and those of remote procedure calls.
const FIRST_RPC: u16 = 40;
/// From here on they are close codes of WebSockets (RFC 6455 §7.4.2); no status is as large.
const FIRST_CLOSE: u16 = 1000;

fn error_code(error: ErrorType) -> u16 {
    match (error, ERRORS.iter().position(|known| *known == error)) {
        (ErrorType::Status(status), _) => status.clamp(FIRST_STATUS, FIRST_CLOSE - 1),
        (ErrorType::WebSocketClose(code), _) => code.max(FIRST_CLOSE),
        (ErrorType::Http2(code), _) => FIRST_HTTP2 + code.number(),
        (ErrorType::Rpc(status), _) => FIRST_RPC + status.number(),
        (_, position) => position.and_then(|at| u16::try_from(at + 1).ok()).unwrap_or(0),
    }
}

pub(crate) fn error_of(code: u16) -> Result<Option<ErrorType>, Damage> {
    match code {
        0 => Ok(None),
        FIRST_CLOSE.. => Ok(Some(ErrorType::WebSocketClose(code))),
        FIRST_STATUS.. => Ok(Some(ErrorType::Status(code))),
        _ => {
            let named = ERRORS.get(usize::from(code) - 1).copied();
            let from = |first: u16| code.checked_sub(first).map(u32::from);
            let http2 = || from(FIRST_HTTP2).and_then(Http2Code::new).map(ErrorType::Http2);
            let rpc = || from(FIRST_RPC).and_then(RpcStatus::new).map(ErrorType::Rpc);
            let error = named.or_else(http2).or_else(rpc);
            error.map(Some).ok_or_else(|| damage(format!("unknown error code {code}")))
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{ERRORS, decode, encode};
    use overhear_exchange::{ErrorType, Http2Code, RpcStatus};
    use overhear_model::{Count, Ending, Histogram, Tally};
    use proptest::prelude::*;
    use std::time::Duration;

    fn arbitrary_ending() -> impl Strategy<Value = Ending> {
        let error = prop_oneof![
            Just(None),
            (100u16..=999).prop_map(|status| Some(ErrorType::Status(status))),
            prop::sample::select(ERRORS.to_vec()).prop_map(Some),
            prop::sample::select(Http2Code::ALL.to_vec()).prop_map(|code| Some(ErrorType::Http2(code))),
            prop::sample::select(RpcStatus::ALL.to_vec()).prop_map(|status| Some(ErrorType::Rpc(status))),
        ];
        (prop::option::of(100u16..=999), error, any::<bool>())
            .prop_map(|(status, error, hidden_error)| Ending { status, error, hidden_error })
    }

    pub(crate) fn arbitrary_tally() -> impl Strategy<Value = Tally> {
        let count = (1u64..1000, any::<u32>(), any::<u32>(), prop::collection::vec(any::<u64>(), 0..40))
            .prop_map(|(requests, bytes_in, bytes_out, nanos)| {
                let mut latency = Histogram::default();
                nanos.iter().for_each(|n| latency.record(Duration::from_nanos(*n >> 20)));
                Count { requests, bytes_in: bytes_in.into(), bytes_out: bytes_out.into(), latency }
            });
        prop::collection::vec(("[a-z]{0,6}", arbitrary_ending(), count), 0..12).prop_map(|cells| {
            let mut tally = Tally::default();
            cells.iter().for_each(|(caller, ending, count)| tally.add(1, caller, *ending, count));
            tally
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(tallies in prop::collection::vec((any::<u32>(), arbitrary_tally()), 0..30)) {
            let given: Vec<_> = tallies.iter().map(|(at, tally)| (*at, tally)).collect();
            let blob = encode(&given).unwrap();
            prop_assert_eq!(&decode(1, &blob, &|_| true).unwrap(), &tallies);
            let even: Vec<_> = tallies.iter().filter(|(at, _)| at % 2 == 0).cloned().collect();
            prop_assert_eq!(decode(1, &blob, &|at| at % 2 == 0).unwrap(), even);
        }

        #[test]
        fn any_bytes_are_an_answer_or_an_error(blob in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(1, &blob, &|_| true);
        }
    }
}
