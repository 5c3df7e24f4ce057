//! Whole conversations, both directions and their acknowledgements: however the network disturbs them, the same events.

use super::*;
use proptest::prelude::*;
use proptest::sample::Index;

/// One end speaks, and what the network makes of it: where it is cut, what is sent again cut otherwise, and in which
/// order it all arrives.
#[derive(Clone, Debug)]
struct Step {
    from: Side,
    bytes: Vec<u8>,
    cuts: Vec<Index>,
    overlaps: Vec<(Index, usize)>,
    order: Vec<u8>,
}

/// Ends that speak in turn, and packets that come once more, whenever.
#[derive(Clone, Debug)]
struct Plan {
    steps: Vec<Step>,
    first: [u32; 2],
    again: Vec<(Index, Index)>,
    closed: bool,
}

fn step() -> impl Strategy<Value = Step> {
    (
        prop_oneof![Just(A), Just(B)],
        // Printable, for the script.
        prop::collection::vec(b'a'..=b'z', 1..300),
        prop::collection::vec(any::<Index>(), 0..8),
        prop::collection::vec((any::<Index>(), 1..60_usize), 0..6),
        prop::collection::vec(any::<u8>(), 16),
    )
        .prop_map(|(from, bytes, cuts, overlaps, order)| Step { from, bytes, cuts, overlaps, order })
}

fn plan() -> impl Strategy<Value = Plan> {
    let number = || prop_oneof![any::<u32>(), u32::MAX - 400..=u32::MAX];
    (
        prop::collection::vec(step(), 1..6),
        [number(), number()],
        prop::collection::vec((any::<Index>(), any::<Index>()), 0..6),
        any::<bool>(),
    )
        .prop_map(|(steps, first, again, closed)| Plan { steps, first, again, closed })
}

impl Step {
    /// The ranges of its bytes as they arrive: each byte at least once.
    fn ranges(&self) -> Vec<(usize, usize)> {
        let end = self.bytes.len();
        let mut edges: Vec<_> = self.cuts.iter().map(|cut| cut.index(end)).chain([0, end]).collect();
        edges.sort_unstable();
        edges.dedup();
        let mut ranges: Vec<_> = edges.windows(2).map(|pair| (pair[0], pair[1])).collect();
        ranges.extend(self.overlaps.iter().map(|(at, length)| {
            let start = at.index(end);
            (start, end.min(start + length))
        }));
        let mut order = self.order.iter().cycle();
        ranges.sort_by_cached_key(|_| order.next().copied());
        ranges
    }

    /// `sent` whole, in one packet, as it is captured.
    fn disturb(&self, sent: &Packet) -> Vec<Packet> {
        let part = |(from, to): (usize, usize)| Packet {
            sequence: sent.sequence.wrapping_add(from as u32),
            payload: self.bytes[from..to].to_vec(),
            ..sent.clone()
        };
        self.ranges().into_iter().map(part).collect()
    }
}

impl Plan {
    /// As it was said: the handshake, a packet a step, the end.
    fn tidy(&self) -> Vec<Packet> {
        let mut talk = talk();
        talk.sequences(self.first[0], self.first[1]).open();
        for step in &self.steps {
            talk.send(step.from, &step.bytes);
        }
        if self.closed {
            talk.close();
        }
        talk.packets().to_vec()
    }

    /// As it is captured when that begins `missed` steps after the handshake, or with it.
    fn disturbed(&self, missed: Option<usize>) -> Vec<Packet> {
        let tidy = self.tidy();
        let (opening, rest) = tidy.split_at(3);
        let (said, closing) = rest.split_at(self.steps.len());
        let mut packets = if missed.is_none() { opening.to_vec() } else { Vec::new() };
        for (step, sent) in self.steps.iter().zip(said).skip(missed.unwrap_or(0)) {
            packets.extend(step.disturb(sent));
        }
        packets.extend_from_slice(closing);
        for (which, place) in &self.again {
            let which = which.index(packets.len());
            let later = which + 1 + place.index(packets.len() - which);
            packets.insert(later, packets[which].clone());
        }
        for (index, packet) in (0..).zip(&mut packets) {
            packet.time = Timestamp::from_nanos(1_767_225_600_000_000_000 + index * 10_000);
        }
        packets
    }
}

fn read(packets: &[Packet]) -> String {
    let (text, _, statistics) = run(Limits::default(), packets);
    assert!(statistics.lost.is_empty(), "{:?}", statistics.lost);
    text
}

/// What was heard of each end, by its port.
fn heard(packets: &[Packet]) -> [Vec<u8>; 2] {
    let (mut ports, mut heard) = ([0; 2], [const { Vec::new() }; 2]);
    let mut reassembler = Reassembler::new(Limits::default());
    let mut sink = |event: Event<'_>| match event {
        Event::Open { a, b, opener_known, .. } => {
            assert!(!opener_known);
            ports = [port(&a), port(&b)];
        }
        Event::Data { from, bytes, .. } => {
            heard[usize::from(ports[from.index()] == 80)].extend_from_slice(bytes);
        }
        Event::Gap { length, .. } => panic!("{length:?} missed"),
        Event::End { .. } | Event::Close { .. } => {}
    };
    for packet in packets {
        reassembler.segment(&packet.segment(), &mut sink);
    }
    reassembler.flush(&mut sink);
    heard
}

proptest! {
    #[test]
    fn reordered_repeated_and_overlapping_segments_tell_the_same(plan in plan()) {
        prop_assert_eq!(read(&plan.disturbed(None)), read(&plan.tidy()));
    }

    #[test]
    fn connections_that_follow_each_other_on_the_same_ports_stay_apart(
        plans in prop::collection::vec(plan(), 2..4),
    ) {
        prop_assume!(plans.windows(2).all(|pair| pair[0].first[0] != pair[1].first[0]));
        let expected: Vec<_> = plans.iter().map(|plan| read(&plan.tidy())).collect();
        let packets: Vec<_> = plans.iter().flat_map(|plan| plan.disturbed(None)).collect();
        prop_assert_eq!(read(&packets), expected.join(" "));
    }

    #[test]
    fn joined_in_the_middle_everything_from_then_on_is_heard(plan in plan(), missed in any::<Index>()) {
        let missed = missed.index(plan.steps.len());
        let heard = heard(&plan.disturbed(Some(missed)));
        for (side, heard) in [A, B].into_iter().zip(heard) {
            let steps = plan.steps.iter().skip(missed).filter(|step| step.from == side);
            let said: Vec<u8> = steps.flat_map(|step| step.bytes.iter().copied()).collect();
            prop_assert!(said.ends_with(&heard));
            // Of whoever is heard first nobody knows where it began; all after that is whole.
            let first = &plan.steps[missed];
            let unknown = if first.from == side { first.bytes.len() - 1 } else { 0 };
            prop_assert!(heard.len() + unknown >= said.len());
        }
    }
}
