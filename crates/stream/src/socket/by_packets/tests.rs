use super::{At, ByPackets, Coming, Loss, Ready};
use crate::socket::connection::Piece;
use overhear_exchange::Timestamp;
use proptest::prelude::*;

const AT: At = At { time: Timestamp::from_nanos(1), thread: None };

fn byte(at: u64) -> u8 {
    ((at * 31 + 7) ^ (at >> 7)) as u8
}

fn bytes(from: u64, to: u64) -> Vec<u8> {
    (from..to).map(byte).collect()
}

/// A direction of which everything that is told is checked as it comes, and added up.
struct Scene {
    direction: ByPackets,
    /// What the first offset is, and its number.
    first: (u64, u32),
    told: u64,
    /// Up to where calls have moved it.
    end: u64,
    heard: u64,
    missing: u64,
}

impl Scene {
    fn new(offset: u64, sequence: u32) -> Self {
        let direction = ByPackets::new(offset, sequence);
        Self { direction, first: (offset, sequence), told: offset, end: offset, heard: 0, missing: 0 }
    }

    /// A piece from the call's point of view: so many bytes, of which the first `copied` were in its buffer.
    fn piece(&mut self, size: u64, copied: u64, coming: Coming) {
        let offset = self.end;
        let bytes = bytes(offset, offset + copied);
        let piece = Piece::Data { offset, size, bytes: &bytes, unreadable: copied == 0 };
        self.end = offset + size;
        if self.direction.passes(piece) {
            self.check(piece);
        } else {
            let mut ready = Vec::new();
            self.direction.piece(AT, piece, (Loss::NoBuffer, coming), &mut ready);
            self.take(ready);
        }
    }

    fn packet(&mut self, from: u64, to: u64, copied: u64) {
        let sequence = self.first.1.wrapping_add((from - self.first.0) as u32);
        let mut ready = Vec::new();
        self.direction.packet(sequence, ((to - from) as u32, &bytes(from, from + copied)), &mut ready);
        self.take(ready);
    }

    fn give_up(&mut self) {
        let mut ready = Vec::new();
        self.direction.give_up(&mut ready);
        self.take(ready);
    }

    fn take(&mut self, ready: Vec<Ready>) {
        for Ready { piece, .. } in ready {
            self.check(piece.as_piece());
        }
    }

    fn check(&mut self, piece: Piece<'_>) {
        let Piece::Data { offset, size, bytes: told, .. } = piece else { return };
        assert_eq!(offset, self.told, "in order, and nothing twice");
        assert!(told.is_empty() || told.len() as u64 == size);
        assert_eq!(told, &bytes(offset, offset + told.len() as u64)[..], "nothing is made up");
        self.heard += told.len() as u64;
        self.missing += size - told.len() as u64;
        self.told += size;
    }
}

#[test]
fn packets_before_and_after_fill_a_gap() {
    let mut scene = Scene::new(10, u32::MAX - 5);
    scene.packet(10, 30, 20);
    scene.piece(50, 0, Coming::Until(9));
    assert_eq!((scene.told, scene.heard), (30, 20));
    scene.piece(5, 5, Coming::Not);
    scene.packet(40, 60, 20);
    assert_eq!(scene.told, 30, "what comes after the hole waits");
    scene.packet(25, 45, 20);
    assert_eq!((scene.told, scene.heard, scene.missing), (65, 55, 0));
    assert_eq!(scene.direction.take_regained(), [(Loss::NoBuffer, 1, 50)]);
    assert_eq!((scene.direction.waits(), scene.direction.cost()), (false, 0));
}

#[test]
fn what_does_not_come_in_time_is_a_gap_of_just_that() {
    let mut scene = Scene::new(0, 0);
    scene.piece(100, 0, Coming::Until(9));
    scene.packet(20, 30, 10);
    assert!(scene.direction.waits(), "rings are read one after the other");
    let mut ready = Vec::new();
    scene.direction.expire(8, &mut ready);
    assert!(ready.is_empty());
    scene.direction.expire(9, &mut ready);
    scene.take(ready);
    assert_eq!((scene.told, scene.heard, scene.missing), (100, 10, 90));
    scene.packet(50, 60, 10);
    assert_eq!(scene.direction.cost(), 0, "it is too late for this one");
}

/// Packets leave in order: what was before the first one that was copied had left before.
#[test]
fn what_had_left_before_the_first_packet_is_a_gap_at_once() {
    let mut scene = Scene::new(0, u32::MAX - 5);
    scene.packet(40, 60, 20);
    scene.piece(100, 0, Coming::Until(9));
    assert_eq!((scene.told, scene.heard, scene.missing), (60, 20, 40));
    assert!(scene.direction.waits(), "for what leaves later");
    scene.packet(60, 100, 40);
    assert_eq!((scene.told, scene.heard, scene.missing), (100, 60, 40));
    scene.packet(110, 120, 10);
    scene.piece(20, 0, Coming::Until(9));
    assert_eq!((scene.told, scene.direction.waits()), (100, true), "it may be sent again");
}

/// A packet that was copied in part came by once: nobody waits for the rest.
#[test]
fn what_was_not_copied_of_a_packet_is_not_waited_for() {
    let mut scene = Scene::new(0, 7);
    scene.packet(0, 100, 60);
    scene.piece(100, 0, Coming::Until(9));
    assert_eq!((scene.heard, scene.missing, scene.direction.waits()), (60, 40, false));
}

#[test]
fn a_gap_that_does_not_come_takes_what_is_there() {
    let mut scene = Scene::new(0, 7);
    scene.packet(10, 20, 10);
    scene.piece(30, 0, Coming::Not);
    assert_eq!((scene.heard, scene.missing, scene.direction.waits()), (10, 20, false));
}

#[test]
fn what_waits_is_bounded() {
    let mut scene = Scene::new(0, 0);
    scene.piece(1, 0, Coming::Until(9));
    for _ in 0..1000 {
        scene.piece(1 << 10, 1 << 10, Coming::Not);
    }
    assert!(scene.missing == 1 && scene.direction.cost() <= (256 << 10) + 2000, "{}", scene.direction.cost());
    for packet in 0..4000 {
        let from = (2 << 20) + packet * 1000;
        scene.packet(from, from + 1000, 1000);
    }
    assert!(scene.direction.cost() < (1 << 20), "{}", scene.direction.cost());
}

#[derive(Clone, Debug)]
enum Step {
    /// Bytes, and of those how many were in the buffer, in sixteenths.
    Call {
        size: u64,
        copied: u64,
        comes: bool,
    },
    /// From and length, in parts of all there is, and how much of it was copied, in sixteenths.
    Packet {
        from: u16,
        length: u16,
        copied: u64,
    },
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..3000u64, 0..=16u64, any::<bool>())
            .prop_map(|(size, copied, comes)| Step::Call { size, copied: copied * size / 16, comes }),
        5 => (any::<u16>(), 1..4000u16, 8..24u64)
            .prop_map(|(from, length, copied)| Step::Packet { from, length, copied: copied.min(16) }),
        1 => Just(Step::Expire),
    ]
}

proptest! {
    /// Whatever comes in whatever order, each offset is told once and in order, as what it is or as missing.
    #[test]
    fn any_order_tells_every_byte_or_a_gap_of_its_length(
        offset in prop_oneof![Just(0u64), 0..(1u64 << 40)],
        sequence: u32,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut scene = Scene::new(offset, sequence);
        let total: u64 = steps.iter().map(|step| if let Step::Call { size, .. } = step { *size } else { 0 }).sum();
        let mut in_buffers = 0;
        for step in &steps {
            match *step {
                Step::Call { size, copied, comes } => {
                    in_buffers += copied;
                    scene.piece(size, copied, if comes { Coming::Until(5) } else { Coming::Not });
                }
                Step::Packet { from, length, copied } => {
                    let from = offset + total * u64::from(from) / (1 << 16);
                    let length = u64::from(length);
                    scene.packet(from, from + length, copied * length / 16);
                }
                Step::Expire => scene.give_up(),
            }
        }
        scene.give_up();
        prop_assert_eq!(scene.told, offset + total);
        prop_assert_eq!(scene.heard + scene.missing, total);
        prop_assert!(scene.heard >= in_buffers);
        prop_assert!(!scene.direction.waits());
    }

    /// Where every byte that is in no buffer comes by some packet, once or more, nothing is missing.
    #[test]
    fn nothing_is_missing_where_every_packet_comes(
        offset in 0..(1u64 << 40),
        sequence: u32,
        calls in prop::collection::vec((1..3000u64, any::<bool>()), 1..30),
        cuts in prop::collection::vec(1..2000u64, 1..20),
        order in any::<prop::sample::Index>(),
        early in 0..100usize,
    ) {
        let mut scene = Scene::new(offset, sequence);
        let total: u64 = calls.iter().map(|(size, _)| size).sum();
        let (mut packets, mut at) = (Vec::new(), offset);
        for cut in cuts.iter().cycle() {
            if at >= offset + total {
                break;
            }
            let to = (at + cut).min(offset + total);
            // Some come again, cut otherwise.
            packets.extend([(at, to), (at.saturating_sub(cut / 2).max(offset), to)]);
            at = to;
        }
        let turned = order.index(packets.len());
        packets.rotate_left(turned);
        let (before, after) = packets.split_at(early.min(packets.len()));
        if !before.is_empty() {
            // What comes again comes in any order, but the first byte leaves first.
            scene.packet(offset, offset + 1, 1);
        }
        for (from, to) in before {
            scene.packet(*from, *to, to - from);
        }
        for (size, in_buffer) in &calls {
            scene.piece(*size, if *in_buffer { *size } else { 0 }, Coming::Until(5));
        }
        for (from, to) in after {
            scene.packet(*from, *to, to - from);
        }
        prop_assert_eq!((scene.told, scene.heard, scene.missing), (offset + total, total, 0));
        prop_assert!(!scene.direction.waits());
        prop_assert_eq!(scene.direction.cost(), 0);
    }
}
