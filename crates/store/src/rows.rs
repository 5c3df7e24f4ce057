//! Blobs of files up to version 4: rows of postcard, one cell after the other. They are read as they are.

use crate::{
    codec::{Damage, damage, error_of, inflate},
    columns::Columns,
};
use overhear_model::{Count, Ending, Histogram, Sum, Tally};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};
use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

#[derive(Deserialize)]
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
    latency: Latency,
}

/// A histogram: its sum in nanoseconds; then of each bucket its index less that of the one before, and its count.
struct Latency(Histogram);

impl<'de> Deserialize<'de> for Latency {
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
        let histogram = Histogram::from_parts(buckets, Duration::from_nanos(sum));
        let histogram = histogram.ok_or_else(|| D::Error::custom("a histogram is out of range"))?;
        Ok(Self(histogram))
    }
}

/// Room that is made for a histogram at once: more buckets than there can be.
const LONGEST_HISTOGRAM: usize = 2048;

/// Offsets, slots or series with a tally each; only what `wanted` says yes to is made.
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

/// The text of a blob, to be read in place.
fn unpack(blob: &[u8]) -> Result<Cow<'_, [u8]>, Damage> {
    match blob.split_first() {
        Some((0, rest)) => Ok(Cow::Borrowed(rest)),
        Some((1, rest)) => inflate(rest).map(Cow::Owned),
        _ => Err(damage("a blob of no known kind")),
    }
}

fn tally(key: u64, cells: Vec<Cell<'_>>, names: &mut Vec<Arc<str>>) -> Result<Tally, Damage> {
    let mut tally = Tally::default();
    for cell in cells {
        let Latency(latency) = cell.latency;
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

/// A sum, of a series, or of one that calls what is called.
#[derive(Deserialize)]
struct Row<'a> {
    number: u32,
    #[serde(borrow)]
    caller: Option<&'a str>,
    requests: u64,
    errors: u64,
    errors_hidden: u64,
    bytes_in: u64,
    bytes_out: u64,
    latency: Latency,
}

pub(crate) fn columns(blob: &[u8]) -> Result<Columns, Damage> {
    let mut columns = Columns::default();
    let plain = unpack(blob)?;
    let rows: Vec<Row<'_>> = postcard::from_bytes(&plain).map_err(damage)?;
    for row in rows {
        let Row { requests, errors, errors_hidden, bytes_in, bytes_out, latency: Latency(latency), .. } = row;
        let sum = Sum { requests, errors, errors_hidden, bytes_in, bytes_out, latency };
        match row.caller {
            None => drop(columns.sums.insert(row.number, sum)),
            Some(caller) => drop(columns.edges.insert((row.number, caller.into()), sum)),
        }
    }
    Ok(columns)
}
