//! The same conversation, delivered otherwise: cut elsewhere, with holes, from a later moment on.

use crate::{Event, Step, Transcript};
use overhear_exchange::{Side, Timestamp};
use std::ops::Range;

/// Cuts every delivery into pieces of these sizes, again and again. The pieces of one keep its time.
pub fn chunked(transcript: &Transcript, sizes: &[usize]) -> Transcript {
    let mut sizes = sizes.iter().copied().map(|size| size.max(1)).cycle();
    let mut steps = Vec::new();
    for step in &transcript.steps {
        let Event::Data { from, bytes } = &step.event else {
            steps.push(step.clone());
            continue;
        };
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let size = sizes.next().unwrap_or(rest.len()).min(rest.len());
            let (piece, after) = rest.split_at(size);
            steps.push(Step { time: step.time, event: Event::Data { from: *from, bytes: piece.to_vec() } });
            rest = after;
        }
    }
    transcript.with_steps(steps)
}

/// Replaces a range of what one end sent by gaps, whose length is known or not.
pub fn with_gap(transcript: &Transcript, side: Side, lost: Range<usize>, known: bool) -> Transcript {
    let mut at = 0;
    let mut steps = Vec::new();
    for step in &transcript.steps {
        let Event::Data { from, bytes } = &step.event else {
            steps.push(step.clone());
            continue;
        };
        if *from != side {
            steps.push(step.clone());
            continue;
        }
        let start = lost.start.clamp(at, at + bytes.len()) - at;
        let end = lost.end.clamp(at, at + bytes.len()) - at;
        let mut add = |event| steps.push(Step { time: step.time, event });
        let (before, rest) = bytes.split_at(start);
        let (hole, after) = rest.split_at(end - start);
        if !before.is_empty() {
            add(Event::Data { from: side, bytes: before.to_vec() });
        }
        if !hole.is_empty() {
            add(Event::Gap { from: side, length: known.then_some(hole.len() as u64) });
        }
        if !after.is_empty() {
            add(Event::Data { from: side, bytes: after.to_vec() });
        }
        at += bytes.len();
    }
    transcript.with_steps(steps)
}

/// What a listener sees that comes too late for the first `missed` events.
pub fn joined_late(transcript: &Transcript, missed: usize) -> Transcript {
    let mut late = transcript.with_steps(transcript.steps.iter().skip(missed).cloned().collect());
    late.settings.insert("opener".into(), "unknown".into());
    late
}

/// Any bytes as events, for fuzzing: the first says what is known of the connection, then each operation is a byte
/// (kind and side), a length and, for data, so many bytes.
pub fn from_bytes(mut bytes: &[u8]) -> Transcript {
    let mut transcript = Transcript::default();
    let flags = take(&mut bytes);
    let set = |transcript: &mut Transcript, key: &str, value: &str| {
        transcript.settings.insert(key.into(), value.into());
    };
    set(&mut transcript, "opener", if flags & 1 == 0 { "known" } else { "unknown" });
    set(&mut transcript, "tls", if flags & 2 == 0 { "no" } else { "yes" });
    let mut time = 1_000_000_000;
    while !bytes.is_empty() {
        let operation = take(&mut bytes);
        let length = take(&mut bytes);
        let from = if operation & 1 == 0 { Side::A } else { Side::B };
        let event = match operation >> 1 & 7 {
            0..=4 => {
                let (data, rest) = bytes.split_at(usize::from(length).min(bytes.len()));
                bytes = rest;
                Event::Data { from, bytes: data.to_vec() }
            }
            5 => Event::Gap { from, length: (length != 0).then_some(length.into()) },
            6 => Event::End { from },
            _ => {
                time += u64::from(length) * 10_000_000;
                continue;
            }
        };
        transcript.steps.push(Step { time: Timestamp::from_nanos(time), event });
        time += 1000;
    }
    transcript
}

fn take(bytes: &mut &[u8]) -> u8 {
    match bytes.split_first() {
        Some((first, rest)) => {
            *bytes = rest;
            *first
        }
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{chunked, with_gap};
    use crate::{Event, Transcript};
    use overhear_exchange::Side;

    #[test]
    fn chunking_keeps_every_byte() {
        let whole = Transcript::parse("> hello\n< world\n").unwrap();
        let cut = chunked(&whole, &[1, 3]);
        assert_eq!(cut.steps.len(), 8);
        assert_eq!((cut.length(Side::A), cut.length(Side::B)), (7, 7));
    }

    #[test]
    fn a_gap_takes_its_bytes_across_deliveries() {
        let whole = Transcript::parse(">| abc\n<| x\n>| def\n").unwrap();
        let holed = with_gap(&whole, Side::A, 2..4, true);
        let events: Vec<_> = holed.steps.into_iter().map(|step| step.event).collect();
        let data = |from, bytes: &[u8]| Event::Data { from, bytes: bytes.to_vec() };
        let gap = || Event::Gap { from: Side::A, length: Some(1) };
        assert_eq!(events, [data(Side::A, b"ab"), gap(), data(Side::B, b"x"), gap(), data(Side::A, b"ef")]);
    }
}
