use super::{Counts, Limits, Reassembler};
use overhear_exchange::wire::{CloseCause, Event};
use overhear_exchange::{Address, LossReason, Side, Statistics, Timestamp};
use overhear_testkit::pcap::{Conversation, Packet};
use std::{fmt::Write, net::SocketAddr, time::Duration};

const A: Side = Side::A;
const B: Side = Side::B;

fn talk() -> Conversation {
    numbered(40_000)
}

fn numbered(port: u16) -> Conversation {
    Conversation::new(SocketAddr::from(([10, 0, 0, 9], port)), SocketAddr::from(([10, 0, 0, 2], 80)))
}

/// The events as one short line: `open`/`join` port>port, A"bytes", A-gap, A., close cause. Adjacent data of one
/// side joined.
#[derive(Default)]
struct Script {
    text: String,
    speaking: Option<(u64, Side)>,
}

impl Script {
    fn word(&mut self, word: std::fmt::Arguments<'_>) {
        self.stop();
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.write_fmt(word).unwrap();
    }

    fn stop(&mut self) {
        if self.speaking.take().is_some() {
            self.text.push('"');
        }
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Open { a, b, opener_known, .. } => {
                let word = if opener_known { "open" } else { "join" };
                self.word(format_args!("{word} {}>{}", port(&a), port(&b)));
            }
            Event::Data { connection, from, bytes, .. } => {
                if self.speaking != Some((connection.0, from)) {
                    self.word(format_args!("{from:?}\""));
                    self.speaking = Some((connection.0, from));
                }
                self.text.push_str(&String::from_utf8_lossy(bytes));
            }
            Event::Gap { from, length, .. } => self.word(format_args!("{from:?}-{}", length.unwrap())),
            Event::End { from, .. } => self.word(format_args!("{from:?}.")),
            Event::Close { cause, .. } => self.word(format_args!("{}", name(cause))),
        }
    }
}

fn name(cause: CloseCause) -> &'static str {
    match cause {
        CloseCause::Finished => "finished",
        CloseCause::Reset(Some(Side::A)) => "reset-by-A",
        CloseCause::Reset(Some(Side::B)) => "reset-by-B",
        CloseCause::Reset(None) => "reset",
        CloseCause::Refused => "refused",
        CloseCause::TimedOut => "timed-out",
        CloseCause::Unreachable => "unreachable",
        CloseCause::Unknown => "unknown",
    }
}

fn port(address: &Address) -> u16 {
    let Address::Ip(address) = address else { panic!("not an IP address") };
    address.port()
}

fn run(limits: Limits, packets: &[Packet]) -> (String, Counts, Statistics) {
    let mut reassembler = Reassembler::new(limits);
    let mut script = Script::default();
    for packet in packets {
        reassembler.segment(&packet.segment(), &mut |event: Event<'_>| script.event(event));
    }
    reassembler.flush(&mut |event: Event<'_>| script.event(event));
    script.stop();
    (script.text, reassembler.counts(), reassembler.statistics().clone())
}

#[track_caller]
fn check(talk: &Conversation, expected: &str) -> Counts {
    let (text, counts, _) = run(Limits::default(), talk.packets());
    assert_eq!(text, expected);
    counts
}

#[test]
fn a_whole_conversation() {
    let mut talk = talk();
    talk.open().send(A, b"ask").send(B, b"answer").send(A, b"more").close();
    let (text, counts, statistics) = run(Limits::default(), talk.packets());
    assert_eq!(text, r#"open 40000>80 A"ask" B"answer" A"more" A. B. finished"#);
    assert_eq!(counts, Counts::default());
    assert_eq!((statistics.events, statistics.bytes, statistics.connections), (9, 13, 1));
    assert!(statistics.lost.is_empty());
}

#[test]
fn order_is_restored() {
    let mut talk = talk();
    talk.open().segment_size(2).send(A, b"abcd").swap_last().send(B, b"1234").close();
    assert_eq!(check(&talk, r#"open 40000>80 A"abcd" B"1234" A. B. finished"#).out_of_order, 1);
}

#[test]
fn every_packet_twice_changes_nothing() {
    let mut talk = talk();
    talk.open().send(A, b"ask").send(B, b"answer").close();
    let twice: Vec<_> = talk.packets().iter().flat_map(|p| [p.clone(), p.clone()]).collect();
    *talk.packets_mut() = twice;
    check(&talk, r#"open 40000>80 A"ask" B"answer" A. B. finished"#);
}

#[test]
fn an_overlapping_retransmission_adds_what_is_new() {
    let mut talk = talk();
    talk.open().send(A, b"abc").send(A, b"def");
    let mut wider = talk.packets()[3].clone();
    wider.payload = b"abcdefgh".to_vec();
    talk.packets_mut().push(wider);
    check(&talk, r#"open 40000>80 A"abcdefgh" unknown"#);
}

#[test]
fn of_contradicting_copies_the_first_wins_and_is_counted() {
    let mut talk = talk();
    talk.open().send(A, b"ab").send(A, b"cd").swap_last();
    let mut other = talk.packets()[3].clone();
    other.payload = b"XX".to_vec();
    talk.packets_mut().insert(4, other);
    assert_eq!(check(&talk, r#"open 40000>80 A"abcd" unknown"#).conflicts, 1);
}

#[test]
fn a_lost_request_is_a_gap_before_its_answer() {
    let mut talk = talk();
    talk.open().send(A, b"ask").lose_last().send(B, b"answer").send(A, b"again").close();
    check(&talk, r#"open 40000>80 A-3 B"answer" A"again" A. B. finished"#);
}

#[test]
fn a_loss_within_an_answer_is_a_gap_once_acknowledged() {
    let mut talk = talk();
    talk.open().segment_size(3).send(A, b"ask").send(B, b"abc").send(B, b"def").lose_last().send(B, b"ghi");
    talk.acknowledge(A).send(A, b"ok");
    check(&talk, r#"open 40000>80 A"ask" B"abc" B-3 B"ghi" A"ok" unknown"#);
}

#[test]
fn an_unacknowledged_hole_waits_for_the_retransmission() {
    let mut talk = talk();
    talk.open().send(A, b"abc");
    let lost = talk.packets()[3].clone();
    talk.lose_last().send(A, b"def").wait(Duration::from_secs(3));
    talk.packets_mut().push(lost);
    check(&talk, r#"open 40000>80 A"abcdef" unknown"#);
}

#[test]
fn patience_ends() {
    let mut talk = talk();
    talk.open().send(A, b"abc").lose_last().send(A, b"def").wait(Duration::from_secs(11)).send(A, b"ghi");
    check(&talk, r#"open 40000>80 A-3 A"defghi" unknown"#);
}

#[test]
fn what_waits_is_bounded_per_direction_and_in_all() {
    for limits in [
        Limits { waiting_per_flow: 2_000, ..Limits::default() },
        Limits { waiting: 2_000, ..Limits::default() },
    ] {
        let mut talk = talk();
        talk.open().send(A, b"abc").lose_last();
        for _ in 0..50 {
            talk.send(A, b"xxxxxxxxxx");
        }
        let (text, _, statistics) = run(limits, talk.packets());
        assert_eq!(text, format!(r#"open 40000>80 A-3 A"{}" unknown"#, "x".repeat(500)));
        let lost = statistics.lost.get(&LossReason::ReassemblyFull).copied().unwrap();
        assert_eq!((lost.events, lost.bytes), (1, 3));
    }
}

#[test]
fn a_cut_packet_is_data_and_a_gap() {
    let mut talk = talk();
    talk.open().send(A, b"abcdef").send(A, b"ghi");
    let mut reassembler = Reassembler::new(Limits::default());
    let mut script = Script::default();
    for packet in talk.packets() {
        let mut segment = packet.segment();
        segment.payload = &segment.payload[..segment.payload.len().min(4)];
        reassembler.segment(&segment, &mut |event: Event<'_>| script.event(event));
    }
    assert_eq!(script.text, r#"open 40000>80 A"abcd" A-2 A"ghi"#);
}

#[test]
fn joined_in_the_middle_the_first_to_speak_is_a() {
    let mut talk = talk();
    talk.joined().acknowledge(A).send(B, b"rest").send(A, b"next").close();
    check(&talk, r#"join 80>40000 A"rest" B"next" B. A. finished"#);
}

#[test]
fn a_syn_ack_alone_tells_who_opened() {
    let mut talk = talk();
    talk.open().send(A, b"ask");
    talk.packets_mut().remove(0);
    check(&talk, r#"open 40000>80 A"ask" unknown"#);
}

#[test]
fn a_syn_that_comes_late_belongs_to_its_connection() {
    let mut talk = talk();
    talk.open().send(A, b"ask");
    talk.packets_mut().rotate_left(1);
    check(&talk, r#"open 40000>80 A"ask" unknown"#);
}

#[test]
fn probes_are_no_data() {
    let mut talk = talk();
    talk.open().send(A, b"ask").keep_alive(A).acknowledge(B).keep_alive(B).send(B, b"answer").close();
    check(&talk, r#"open 40000>80 A"ask" B"answer" A. B. finished"#);
    let mut joined = self::talk();
    joined.joined().keep_alive(A).acknowledge(B).send(A, b"ask").send(B, b"answer");
    check(&joined, r#"join 40000>80 A"ask" B"answer" unknown"#);
}

#[test]
fn half_closed_the_other_end_goes_on() {
    let mut talk = talk();
    talk.open().send(A, b"ask").finish(A).acknowledge(B).send(B, b"long answer").finish(B);
    check(&talk, r#"open 40000>80 A"ask" A. B"long answer" B. finished"#);
}

#[test]
fn resets() {
    let mut refused = talk();
    refused.syn(A).reset(B);
    check(&refused, "open 40000>80 refused");
    let mut server = talk();
    server.open().send(A, b"ask").reset(B).send(B, b"late").send(A, b"late");
    assert_eq!(check(&server, r#"open 40000>80 A"ask" reset-by-B"#).late, 2);
    let mut client = talk();
    client.open().send(A, b"ask").send(B, b"ab").lose_last().send(B, b"cd").reset(A);
    check(&client, r#"open 40000>80 A"ask" B-2 B"cd" reset-by-A"#);
}

#[test]
fn a_reset_from_nowhere_is_not_believed() {
    let mut talk = talk();
    talk.open().send(A, b"ask").reset(B).send(B, b"answer");
    if let Some(reset) = talk.packets_mut().iter_mut().find(|packet| packet.rst) {
        reset.sequence = reset.sequence.wrapping_add(1 << 30);
    }
    assert_eq!(check(&talk, r#"open 40000>80 A"ask" B"answer" unknown"#).implausible, 1);
}

#[test]
fn an_unanswered_syn() {
    let mut once = talk();
    once.syn(A);
    check(&once, "open 40000>80 unknown");
    let mut often = talk();
    often.syn(A);
    for seconds in [1, 2, 4] {
        often.wait(Duration::from_secs(seconds)).repeat_last();
    }
    check(&often, "open 40000>80 timed-out");
}

#[test]
fn a_port_used_again_is_another_connection() {
    let mut talk = talk();
    talk.open().send(A, b"one").sequences(777, 888_888);
    let mut next = self::talk();
    next.sequences(777, 888).open().send(A, b"two").close();
    talk.packets_mut().extend_from_slice(next.packets());
    check(&talk, r#"open 40000>80 A"one" unknown open 40000>80 A"two" A. B. finished"#);
}

#[test]
fn opened_by_both_at_once() {
    let mut talk = talk();
    talk.syn(A);
    let mut crossing = Conversation::new("10.0.0.2:80".parse().unwrap(), "10.0.0.9:40000".parse().unwrap());
    crossing.sequences(2_000_000, 1_000).syn(A);
    talk.packets_mut().extend_from_slice(crossing.packets());
    talk.sequences(1_000, 2_000_000).joined().syn(A).syn(B).send(A, b"hello").send(B, b"hi");
    if let [_, _, a, b, ..] = talk.packets_mut().as_mut_slice() {
        (a.acknowledgement, b.acknowledgement) = (Some(2_000_001), Some(1_001));
    }
    check(&talk, r#"open 40000>80 A"hello" B"hi" unknown"#);
}

#[test]
fn one_direction_after_the_other() {
    let mut talk = talk();
    talk.open().send(A, b"one").send(B, b"1").send(A, b"two").send(B, b"2");
    talk.packets_mut().sort_by_key(|packet| packet.source.port() == 80);
    check(&talk, r#"open 40000>80 A"onetwo" B"12" unknown"#);
}

#[test]
fn one_direction_only_misses_the_other() {
    let mut talk = talk();
    talk.open().send(A, b"one").send(B, b"12345").send(A, b"two").close();
    talk.packets_mut().retain(|packet| packet.source.port() != 80);
    check(&talk, r#"open 40000>80 A"onetwo" A. B-6 unknown"#);
}

#[test]
fn sequence_numbers_wrap() {
    let mut talk = talk();
    talk.sequences(u32::MAX - 3, u32::MAX).open().segment_size(2).send(A, b"abcdefgh").swap_last();
    talk.send(B, b"12").close();
    check(&talk, r#"open 40000>80 A"abcdefgh" B"12" A. B. finished"#);
}

#[test]
fn more_connections_than_may_be_followed() {
    let mut all = Vec::new();
    for port in 0..10 {
        let mut talk = numbered(1_000 + port);
        talk.open().send(A, b"x");
        all.extend_from_slice(talk.packets());
    }
    let (text, _, statistics) = run(Limits { connections: 4, ..Limits::default() }, &all);
    assert_eq!(text.matches("unknown").count(), 10);
    assert!(text.starts_with(r#"open 1000>80 A"x" open 1001>80"#), "{text}");
    assert_eq!(statistics.lost.get(&LossReason::TooManyConnections).unwrap().events, 6);
}

#[test]
fn finished_connections_make_room_first() {
    let mut idle = numbered(1);
    idle.open().send(A, b"x");
    let mut all = idle.packets().to_vec();
    for port in 2..20 {
        let mut talk = numbered(port);
        talk.open().close();
        all.extend_from_slice(talk.packets());
    }
    let (_, _, statistics) = run(Limits { connections: 3, ..Limits::default() }, &all);
    assert!(statistics.lost.is_empty());
}

#[test]
fn time_may_stand_still_or_run_backwards() {
    let mut talk = talk();
    talk.open().segment_size(1).send(A, b"abcdef").swap_last().close();
    for (index, packet) in talk.packets_mut().iter_mut().enumerate() {
        packet.time = Timestamp::from_nanos(1_000_000 - 1_000 * index as u64);
    }
    check(&talk, r#"open 40000>80 A"abcdef" A. B. finished"#);
}

mod conversations;

mod against_a_model {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::Index;

    /// What a capture does to a stream: where it is cut, what is lost, what comes again, and in which order.
    #[derive(Clone, Debug)]
    struct Plan {
        stream: Vec<u8>,
        cuts: Vec<(Index, usize)>,
        lost: Vec<bool>,
        again: Vec<(Index, Index)>,
        swaps: Vec<(Index, usize)>,
        first: u32,
        fin: bool,
        snaplen: usize,
    }

    fn plan() -> impl Strategy<Value = Plan> {
        let index = any::<Index>;
        (
            prop::collection::vec(any::<u8>(), 1..2_000),
            prop::collection::vec((index(), 1..200_usize), 0..60),
            prop::collection::vec(prop::bool::weighted(0.1), 1..80),
            prop::collection::vec((index(), index()), 0..20),
            prop::collection::vec((index(), 1..5_usize), 0..40),
            (u32::MAX - 3_000..=u32::MAX),
            any::<bool>(),
            prop_oneof![Just(usize::MAX), 20..200_usize],
        )
            .prop_map(|(stream, cuts, lost, again, swaps, first, fin, snaplen)| Plan {
                stream,
                cuts,
                lost,
                again,
                swaps,
                first,
                fin,
                snaplen,
            })
    }

    impl Plan {
        /// Ranges of the stream, in the order of capture: it is covered, overlapped, shuffled, thinned.
        fn ranges(&self) -> Vec<(usize, usize)> {
            let end = self.stream.len();
            let mut edges: Vec<_> = self.cuts.iter().map(|(at, _)| at.index(end)).chain([0, end]).collect();
            edges.sort_unstable();
            edges.dedup();
            let mut ranges: Vec<_> = edges.windows(2).map(|pair| (pair[0], pair[1])).collect();
            ranges.extend(self.cuts.iter().map(|(at, length)| {
                let start = at.index(end);
                (start, end.min(start + length))
            }));
            ranges.sort_unstable();
            let mut lost = self.lost.iter().cycle();
            ranges.retain(|_| !lost.next().copied().unwrap_or(false));
            for (which, place) in &self.again {
                if !ranges.is_empty() {
                    let copy = ranges[which.index(ranges.len())];
                    ranges.insert(place.index(ranges.len()), copy);
                }
            }
            for (at, by) in &self.swaps {
                if !ranges.is_empty() {
                    let at = at.index(ranges.len());
                    let other = (at + by).min(ranges.len() - 1);
                    ranges.swap(at, other);
                }
            }
            ranges
        }
    }

    /// `None` where a byte is missing. Runs the plan through the reassembler.
    fn reassembled(plan: &Plan, ranges: &[(usize, usize)]) -> (Vec<Option<u8>>, bool) {
        let mut talk = talk();
        talk.sequences(plan.first.wrapping_sub(1), 5).open();
        let base = talk.packets()[2].clone();
        let mut segments = talk.packets().to_vec();
        segments.extend(ranges.iter().map(|&(from, to)| Packet {
            sequence: plan.first.wrapping_add(from as u32),
            payload: plan.stream[from..to].to_vec(),
            ..base.clone()
        }));
        if plan.fin {
            let sequence = plan.first.wrapping_add(plan.stream.len() as u32);
            segments.push(Packet { sequence, fin: true, ..base });
        }
        let (mut got, mut ended) = (Vec::new(), false);
        let mut sink = |event: Event<'_>| match event {
            Event::Data { bytes, .. } => got.extend(bytes.iter().copied().map(Some)),
            Event::Gap { length, .. } => got.extend((0..length.unwrap()).map(|_| None)),
            Event::End { .. } => ended = true,
            Event::Open { .. } | Event::Close { .. } => {}
        };
        let mut reassembler = Reassembler::new(Limits::default());
        for packet in &segments {
            let mut segment = packet.segment();
            segment.payload = &segment.payload[..segment.payload.len().min(plan.snaplen)];
            reassembler.segment(&segment, &mut sink);
        }
        reassembler.flush(&mut sink);
        assert_eq!((reassembler.held, reassembler.counts().conflicts), (0, 0));
        (got, ended)
    }

    proptest! {
        #[test]
        fn output_is_the_stream_with_gaps_exactly_where_nothing_came(mut plan in plan()) {
            plan.snaplen = usize::MAX;
            let ranges = plan.ranges();
            let mut expected = vec![None; plan.stream.len()];
            for &(from, to) in &ranges {
                for (expected, byte) in expected[from..to].iter_mut().zip(&plan.stream[from..to]) {
                    *expected = Some(*byte);
                }
            }
            if !plan.fin {
                let seen = expected.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
                expected.truncate(seen);
            }
            let (got, ended) = reassembled(&plan, &ranges);
            prop_assert_eq!(got, expected);
            prop_assert_eq!(ended, plan.fin);
        }

        #[test]
        fn cut_packets_lose_bytes_but_never_their_place(plan in plan()) {
            let (got, _) = reassembled(&plan, &plan.ranges());
            prop_assert!(got.len() <= plan.stream.len());
            for (at, byte) in got.iter().enumerate() {
                prop_assert!(byte.is_none_or(|byte| byte == plan.stream[at]));
            }
        }

        #[test]
        fn anything_at_all_is_survived_within_bounds(
            packets in prop::collection::vec((any::<[u32; 2]>(), 0..64_u8, 0..40_usize, 0..4_u16, 0..64_u64), 0..300),
        ) {
            let limits = Limits { connections: 3, waiting_per_flow: 1_000, waiting: 2_000, ..Limits::default() };
            let mut reassembler = Reassembler::new(limits);
            let mut open = std::collections::BTreeMap::new();
            let mut sink = |event: Event<'_>| match event {
                Event::Open { connection, .. } => assert!(open.insert(connection, [true; 2]).is_none()),
                Event::Data { connection, from, bytes, .. } => {
                    assert!(!bytes.is_empty() && open[&connection][from.index()]);
                }
                Event::Gap { connection, from, .. } => assert!(open[&connection][from.index()]),
                Event::End { connection, from, .. } => {
                    assert!(std::mem::take(&mut open.get_mut(&connection).unwrap()[from.index()]));
                }
                Event::Close { connection, .. } => assert!(open.remove(&connection).is_some()),
            };
            for ([sequence, acknowledgement], flags, length, port, time) in packets {
                let ends = [SocketAddr::from(([1, 1, 1, 1], port / 2)), SocketAddr::from(([2, 2, 2, 2], 80))];
                let side = usize::from(port % 2);
                let packet = Packet {
                    time: Timestamp::from_nanos(time << 29),
                    source: ends[side],
                    destination: ends[1 - side],
                    // A few near numbers, so that packets meet.
                    sequence: if flags & 32 == 0 { sequence % 100 } else { sequence },
                    acknowledgement: (flags & 1 != 0).then_some(acknowledgement % 200),
                    syn: flags & 14 == 2,
                    fin: flags & 14 == 4,
                    rst: flags & 30 == 8,
                    payload: vec![7; length],
                    fragment: None,
                };
                reassembler.segment(&packet.segment(), &mut sink);
                assert!(reassembler.held <= 2_000 && reassembler.table.len() <= 3);
            }
            reassembler.flush(&mut sink);
            assert!(open.is_empty());
        }
    }
}
