//! Tallies as bytes: postcard over plain structs, bucket indices as differences, zstd where there is enough to gain.

use overhear_exchange::ErrorType;
use overhear_model::{Count, Ending, Histogram, Tally};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, SeqAccess, Visitor},
};
use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

/// Below this length in bytes compression gains little.
const WORTH_IT: usize = 512;
const LEVEL: i32 = 3;
/// Longest text of one blob, in bytes; what is longer was not written by us.
const LONGEST: usize = 256 << 20;

#[derive(Serialize, Deserialize)]
struct Cell<'a> {
    #[serde(borrow)]
    caller: &'a str,
    /// 0: none.
    status: u16,
    error: u16,
    hidden_error: bool,
    requests: u64,
    bytes_in: u64,
    bytes_out: u64,
    latency: Latency<'a>,
}

/// A histogram: its sum in nanoseconds; then of each bucket its index less that of the one before, and its count.
pub(crate) struct Latency<'a>(pub(crate) Cow<'a, Histogram>);

impl Serialize for Latency<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self(histogram) = self;
        let mut last = 0;
        let buckets = histogram.indexed().map(|(index, n)| (index - std::mem::replace(&mut last, index), n));
        let sum = u64::try_from(histogram.sum().as_nanos()).unwrap_or(u64::MAX);
        (sum, buckets.collect::<Vec<(i16, u64)>>()).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Latency<'_> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Buckets(Vec<(i16, u64)>);
        /// Indices as they are, not as differences: read into the place where they stay.
        struct InPlace;
        impl<'de> Visitor<'de> for InPlace {
            type Value = Buckets;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("buckets")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Buckets, A::Error> {
                let mut buckets = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(LONGEST_HISTOGRAM));
                let mut last = 0i16;
                while let Some((step, n)) = seq.next_element::<(i16, u64)>()? {
                    last = last.saturating_add(step);
                    buckets.push((last, n));
                }
                Ok(Buckets(buckets))
            }
        }
        impl<'de> Deserialize<'de> for Buckets {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_seq(InPlace)
            }
        }
        let (sum, Buckets(buckets)) = <(u64, Buckets)>::deserialize(from)?;
        let histogram = Histogram::from_buckets(buckets, Duration::from_nanos(sum));
        let histogram = histogram.ok_or_else(|| D::Error::custom("a histogram is out of range"))?;
        Ok(Self(Cow::Owned(histogram)))
    }
}

/// Room that is made for a histogram at once: more buckets than there can be.
const LONGEST_HISTOGRAM: usize = 2048;

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
    let plain: Vec<(u32, Vec<Cell<'_>>)> = tallies.iter().map(|(at, tally)| (*at, cells(tally))).collect();
    pack(&plain)
}

/// Anything as a blob.
pub(crate) fn pack(what: &impl Serialize) -> Result<Vec<u8>, Damage> {
    let plain = postcard::to_stdvec(what).map_err(damage)?;
    let mut blob = vec![0];
    if plain.len() < WORTH_IT {
        blob.extend(plain);
    } else {
        blob = vec![1];
        blob.extend(zstd::bulk::compress(&plain, LEVEL).map_err(damage)?);
    }
    Ok(blob)
}

/// The text of what [`pack`] made, to be read in place.
pub(crate) fn unpack(blob: &[u8]) -> Result<Cow<'_, [u8]>, Damage> {
    match blob.split_first() {
        Some((0, rest)) => Ok(Cow::Borrowed(rest)),
        Some((1, rest)) => inflate(rest).map(Cow::Owned),
        _ => Err(Damage("a blob of no known kind".to_owned())),
    }
}

fn inflate(text: &[u8]) -> Result<Vec<u8>, Damage> {
    // Ours say how long they are.
    let length = zstd::zstd_safe::get_frame_content_size(text).ok().flatten();
    let length = length.and_then(|length| usize::try_from(length).ok()).filter(|length| *length <= LONGEST);
    let length = length.ok_or_else(|| damage("compressed text of no known length"))?;
    zstd::bulk::decompress(text, length).map_err(damage)
}

/// What [`encode`] was given. `key` is the model's; only what `wanted` says yes to is made.
pub(crate) fn decode(
    key: u64,
    blob: &[u8],
    wanted: &dyn Fn(u32) -> bool,
) -> Result<Vec<(u32, Tally)>, Damage> {
    let plain = unpack(blob)?;
    let cells: Vec<(u32, Vec<Cell<'_>>)> = postcard::from_bytes(&plain).map_err(damage)?;
    let wanted = cells.into_iter().filter(|(at, _)| wanted(*at));
    let mut names = Vec::new();
    wanted.map(|(at, cells)| Ok((at, tally(key, cells, &mut names)?))).collect()
}

pub(crate) fn damage(why: impl ToString) -> Damage {
    Damage(why.to_string())
}

fn cells(tally: &Tally) -> Vec<Cell<'_>> {
    fn cell<'a>((caller, ending, count): (&'a Arc<str>, Ending, &'a Count)) -> Cell<'a> {
        Cell {
            caller,
            status: ending.status.unwrap_or(0),
            error: ending.error.map_or(0, error_code),
            hidden_error: ending.hidden_error,
            requests: count.requests,
            bytes_in: count.bytes_in,
            bytes_out: count.bytes_out,
            latency: Latency(Cow::Borrowed(&count.latency)),
        }
    }
    tally.cells().map(cell).collect()
}

/// The same callers come again and again: each has one allocation in a blob.
fn name(names: &mut Vec<Arc<str>>, text: &str) -> Arc<str> {
    if let Some(name) = names.iter().find(|name| ***name == *text) {
        return Arc::clone(name);
    }
    let name = Arc::<str>::from(text);
    // Few callers are the rule; for others searching would cost more than it spares.
    if names.len() < 64 {
        names.push(Arc::clone(&name));
    }
    name
}

fn tally(key: u64, cells: Vec<Cell<'_>>, names: &mut Vec<Arc<str>>) -> Result<Tally, Damage> {
    let mut tally = Tally::default();
    for cell in cells {
        let latency = cell.latency.0.into_owned();
        let ending = Ending {
            status: (cell.status > 0).then_some(cell.status),
            error: error_of(cell.error)?,
            hidden_error: cell.hidden_error,
        };
        let Cell { requests, bytes_in, bytes_out, .. } = cell;
        tally.push(key, &name(names, cell.caller), ending, Count { requests, bytes_in, bytes_out, latency });
    }
    Ok(tally)
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
/// Codes below are positions in [`ERRORS`], from one on.
const FIRST_STATUS: u16 = 100;
/// From here on they are close codes of WebSockets (RFC 6455 §7.4.2); no status is as large.
const FIRST_CLOSE: u16 = 1000;

fn error_code(error: ErrorType) -> u16 {
    match (error, ERRORS.iter().position(|known| *known == error)) {
        (ErrorType::Status(status), _) => status.clamp(FIRST_STATUS, FIRST_CLOSE - 1),
        (ErrorType::WebSocketClose(code), _) => code.max(FIRST_CLOSE),
        (_, position) => position.and_then(|at| u16::try_from(at + 1).ok()).unwrap_or(0),
    }
}

fn error_of(code: u16) -> Result<Option<ErrorType>, Damage> {
    match code {
        0 => Ok(None),
        FIRST_CLOSE.. => Ok(Some(ErrorType::WebSocketClose(code))),
        FIRST_STATUS.. => Ok(Some(ErrorType::Status(code))),
        _ => match ERRORS.get(usize::from(code) - 1) {
            Some(error) => Ok(Some(*error)),
            None => Err(damage(format!("unknown error code {code}"))),
        },
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{ERRORS, decode, encode};
    use overhear_exchange::ErrorType;
    use overhear_model::{Count, Ending, Histogram, Tally};
    use proptest::prelude::*;
    use std::time::Duration;

    fn arbitrary_ending() -> impl Strategy<Value = Ending> {
        let error = prop_oneof![
            Just(None),
            (100u16..=999).prop_map(|status| Some(ErrorType::Status(status))),
            prop::sample::select(ERRORS.to_vec()).prop_map(Some),
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
