//! Numbers of one kind side by side: apart from others they compress to about half of what rows of all kinds do.

use crate::codec::{Damage, damage, deflate, inflate};
use overhear_model::Histogram;
use std::{borrow::Cow, time::Duration};

/// Kinds of numbers, in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// What is counted: numbers, callers, endings.
    Names,
    /// Requests, in tallies less those whose duration is known.
    Requests,
    Errors,
    BytesIn,
    BytesOut,
    /// Of durations, in nanoseconds.
    Sums,
    /// Of a histogram: how many buckets, and where the first one is.
    Starts,
    /// Of a bucket: the step to it and its count, each less one, in half a byte.
    Buckets,
    /// What is more than half a byte holds.
    Wide,
}

const STREAMS: usize = Stream::Wide as usize + 1;
/// The first of those that latencies are made of.
const LATENCIES: usize = Stream::Sums as usize;
/// Below this length in bytes compression gains little.
const WORTH_IT: usize = 64;
/// Says that the rest is in [`Stream::Wide`].
const WIDEST: u8 = 15;
const WIDE: u64 = WIDEST as u64;

/// What is being written.
#[derive(Debug, Default)]
pub(crate) struct Pen([Vec<u8>; STREAMS]);

impl Pen {
    pub(crate) fn number(&mut self, stream: Stream, number: u64) {
        if let Some(bytes) = self.0.get_mut(stream as usize) {
            put(bytes, number);
        }
    }

    pub(crate) fn signed(&mut self, stream: Stream, number: i64) {
        self.number(stream, ((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    pub(crate) fn text(&mut self, stream: Stream, text: &str) {
        self.number(stream, text.len() as u64);
        if let Some(bytes) = self.0.get_mut(stream as usize) {
            bytes.extend_from_slice(text.as_bytes());
        }
    }

    /// `last`: where the one of this kind before it began.
    pub(crate) fn histogram(&mut self, last: &mut i16, histogram: &Histogram) {
        self.number(Stream::Starts, histogram.indexed().count() as u64);
        let mut before = None;
        for (index, count) in histogram.indexed() {
            let step = match before.replace(index) {
                Some(before) => u64::from(index.abs_diff(before)).saturating_sub(1),
                None => {
                    self.signed(Stream::Starts, i64::from(index) - i64::from(*last));
                    *last = index;
                    0
                }
            };
            self.bucket(step, count.saturating_sub(1));
        }
        if before.is_some() {
            self.number(Stream::Sums, u64::try_from(histogram.sum().as_nanos()).unwrap_or(u64::MAX));
        }
    }

    fn bucket(&mut self, step: u64, count: u64) {
        let halves = [step, count].map(|number| number.min(WIDE));
        if let (Some(bytes), [step, count]) = (self.0.get_mut(Stream::Buckets as usize), halves) {
            bytes.push(u8::try_from(step << 4 | count).unwrap_or(u8::MAX));
        }
        for number in [step, count].into_iter().filter(|number| *number >= WIDE) {
            self.number(Stream::Wide, number - WIDE);
        }
    }

    /// All of it, each kind compressed where it gains.
    pub(crate) fn finish(self, blob: &mut Vec<u8>) -> Result<(), Damage> {
        self.0.iter().try_for_each(|bytes| write_section(blob, bytes))
    }

    /// The same with what latencies are made of apart.
    pub(crate) fn finish_apart(self, counts: &mut Vec<u8>, latencies: &mut Vec<u8>) -> Result<(), Damage> {
        for (number, bytes) in self.0.iter().enumerate() {
            write_section(if number < LATENCIES { counts } else { latencies }, bytes)?;
        }
        Ok(())
    }
}

/// What [`Pen::finish`] wrote.
#[derive(Debug, Default)]
pub(crate) struct Streams<'a>([Cow<'a, [u8]>; STREAMS]);

impl<'a> Streams<'a> {
    /// Takes them from the front of a blob.
    pub(crate) fn of(blob: &mut &'a [u8]) -> Result<Self, Damage> {
        let mut streams = Self::default();
        streams.0.iter_mut().try_for_each(|stream| fill(stream, blob))?;
        Ok(streams)
    }

    /// Of what [`Pen::finish_apart`] wrote; without latencies, whose streams are empty then, where they are not given.
    pub(crate) fn apart(mut counts: &'a [u8], latencies: Option<&'a [u8]>) -> Result<Self, Damage> {
        let mut streams = Self::default();
        let (of_counts, of_latencies) = streams.0.split_at_mut(LATENCIES);
        of_counts.iter_mut().try_for_each(|stream| fill(stream, &mut counts))?;
        if let Some(mut latencies) = latencies {
            of_latencies.iter_mut().try_for_each(|stream| fill(stream, &mut latencies))?;
        }
        Ok(streams)
    }

    /// Leaves them out.
    pub(crate) fn skip(blob: &mut &'a [u8]) -> Result<(), Damage> {
        (0..STREAMS).try_for_each(|_| section(blob).map(drop))
    }

    pub(crate) fn read(&self) -> Eye<'_> {
        Eye(self.0.each_ref().map(|stream| &**stream))
    }
}

/// What is left to be read.
#[derive(Debug)]
pub(crate) struct Eye<'a>([&'a [u8]; STREAMS]);

impl<'a> Eye<'a> {
    pub(crate) fn number(&mut self, stream: Stream) -> Result<u64, Damage> {
        take(self.stream(stream)?)
    }

    pub(crate) fn signed(&mut self, stream: Stream) -> Result<i64, Damage> {
        let number = self.number(stream)?;
        Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    pub(crate) fn text(&mut self, stream: Stream) -> Result<&'a str, Damage> {
        let length = usize::try_from(self.number(stream)?).unwrap_or(usize::MAX);
        let bytes = self.stream(stream)?;
        let (text, rest) = bytes.split_at_checked(length).ok_or_else(short)?;
        *bytes = rest;
        std::str::from_utf8(text).map_err(damage)
    }

    /// In the room of another one.
    pub(crate) fn histogram(&mut self, last: &mut i16, room: Histogram) -> Result<Histogram, Damage> {
        let mut buckets = room.into_buckets();
        buckets.clear();
        let (bytes, sum) = self.buckets(last)?;
        buckets.reserve(bytes.len());
        // The first one's step is nothing.
        let mut index = i64::from(*last) - 1;
        for byte in bytes {
            let [step, count] = [self.half(byte >> 4)?, self.half(byte & 15)?];
            index = index.saturating_add(1).saturating_add_unsigned(step);
            buckets.push((i16::try_from(index).map_err(damage)?, count.saturating_add(1)));
        }
        let histogram = Histogram::from_ascending(buckets, Duration::from_nanos(sum));
        histogram.ok_or_else(|| damage("a histogram is out of range"))
    }

    /// How many durations the next histogram has, which is left out.
    pub(crate) fn histogram_count(&mut self, last: &mut i16) -> Result<u64, Damage> {
        let (bytes, _) = self.buckets(last)?;
        let mut all = bytes.iter().map(|byte| u64::from(byte & 15) + 1).sum::<u64>();
        let is_wide = |byte: &&u8| **byte >> 4 == WIDEST || **byte & 15 == WIDEST;
        for byte in bytes.iter().filter(is_wide) {
            self.half(byte >> 4)?;
            let count = self.half(byte & 15)?;
            all = all.saturating_add(count - u64::from(byte & 15));
        }
        Ok(all)
    }

    /// Leaves the next histogram out.
    pub(crate) fn skip_histogram(&mut self, last: &mut i16) -> Result<(), Damage> {
        let (bytes, _) = self.buckets(last)?;
        let is_wide = |half: u8| usize::from(half == WIDEST);
        let wide: usize = bytes.iter().map(|byte| is_wide(byte >> 4) + is_wide(byte & 15)).sum();
        (0..wide).try_for_each(|_| self.number(Stream::Wide).map(drop))
    }

    /// The buckets of a histogram as they are written, and its sum.
    fn buckets(&mut self, last: &mut i16) -> Result<(&'a [u8], u64), Damage> {
        let length = usize::try_from(self.number(Stream::Starts)?).unwrap_or(usize::MAX);
        let mut sum = 0;
        if length > 0 {
            let first = i64::from(*last).saturating_add(self.signed(Stream::Starts)?);
            *last = first.try_into().map_err(damage)?;
            sum = self.number(Stream::Sums)?;
        }
        let all = self.stream(Stream::Buckets)?;
        let (bytes, rest) = all.split_at_checked(length).ok_or_else(short)?;
        *all = rest;
        Ok((bytes, sum))
    }

    /// Of a bucket, or what is beside it where half a byte does not hold it.
    #[inline]
    fn half(&mut self, half: u8) -> Result<u64, Damage> {
        if half < WIDEST { Ok(half.into()) } else { Ok(WIDE.saturating_add(self.number(Stream::Wide)?)) }
    }

    fn stream(&mut self, stream: Stream) -> Result<&mut &'a [u8], Damage> {
        self.0.get_mut(stream as usize).ok_or_else(short)
    }
}

fn write_section(blob: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Damage> {
    let packed = if bytes.len() < WORTH_IT { None } else { Some(deflate(bytes)?) };
    let packed = packed.filter(|packed| packed.len() < bytes.len());
    let text = packed.as_deref().unwrap_or(bytes);
    put(blob, (text.len() as u64) << 1 | u64::from(packed.is_some()));
    blob.extend_from_slice(text);
    Ok(())
}

fn fill<'a>(stream: &mut Cow<'a, [u8]>, blob: &mut &'a [u8]) -> Result<(), Damage> {
    let (text, is_packed) = section(blob)?;
    *stream = if is_packed { Cow::Owned(inflate(text)?) } else { Cow::Borrowed(text) };
    Ok(())
}

/// The text of one kind, and whether it is compressed.
fn section<'a>(blob: &mut &'a [u8]) -> Result<(&'a [u8], bool), Damage> {
    let head = take(blob)?;
    let length = usize::try_from(head >> 1).unwrap_or(usize::MAX);
    let (text, rest) = blob.split_at_checked(length).ok_or_else(short)?;
    *blob = rest;
    Ok((text, head & 1 == 1))
}

/// LEB128: seven bits a byte, the lowest first.
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Result<u64, Damage> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (first, rest) = bytes.split_first().ok_or_else(short)?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(damage("a number has no end"))
}

fn short() -> Damage {
    damage("it ends too early")
}
