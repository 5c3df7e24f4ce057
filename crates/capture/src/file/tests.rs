use super::{Counts, Damage, Error, Input, Packets};
use overhear_exchange::wire::Segment;
use overhear_exchange::{Side, Timestamp};
use overhear_testkit::pcap::{Capture, Conversation, Link, Packet};
use proptest::prelude::*;
use std::io::{self, Read, Write};

const A: Side = Side::A;
const B: Side = Side::B;

/// What of a segment the file decides; the payload as captured.
fn said(segment: &Segment<'_>) -> String {
    format!("{segment:?}")
}

fn talk(a: &str, b: &str) -> Conversation {
    let mut talk = Conversation::new(a.parse().unwrap(), b.parse().unwrap());
    talk.open().send(A, b"GET / HTTP/1.1\r\n\r\n").send(B, &[b'x'; 3_000]).keep_alive(A).close().reset(B);
    talk
}

fn talk4() -> Conversation {
    talk("10.0.0.9:40000", "10.0.0.2:80")
}

fn talk6() -> Conversation {
    talk("[2001:db8::9]:40000", "[2001:db8::2]:80")
}

fn packets(input: impl Read + Send + 'static) -> Packets {
    match Input::open(input).map_err(|error| error.to_string()).unwrap() {
        Input::Packets(packets) => *packets,
        Input::Har(_) | Input::Model(_) => panic!("not packets"),
    }
}

fn read(input: impl Read + Send + 'static) -> (Vec<String>, Counts, Result<(), Error>) {
    let mut packets = packets(input);
    let mut seen = Vec::new();
    let result = packets.read(&mut |segment| seen.push(said(&segment)));
    (seen, packets.counts(), result)
}

fn refused(bytes: &[u8]) -> String {
    match Input::open(io::Cursor::new(bytes.to_vec())) {
        Ok(_) => panic!("it is read"),
        Err(error) => error.to_string(),
    }
}

fn expected(packets: &[Packet]) -> Vec<String> {
    packets.iter().map(|packet| said(&packet.segment())).collect()
}

#[track_caller]
fn check(capture: &Capture, talk: &Conversation) {
    for file in [capture.pcap(), capture.pcapng()] {
        let (seen, counts, result) = read(io::Cursor::new(file));
        result.unwrap();
        assert_eq!(seen, expected(talk.packets()));
        assert_eq!((counts.tcp, counts.malformed, counts.cut), (seen.len() as u64, 0, 0));
    }
}

#[test]
fn every_link_layer_and_address_family() {
    for link in [Link::Null, Link::Loop, Link::Ethernet, Link::Raw, Link::Sll, Link::Sll2] {
        for talk in [talk4(), talk6()] {
            check(Capture::new().link(link).add(&talk), &talk);
        }
    }
    check(Capture::new().link(Link::Ipv4).add(&talk4()), &talk4());
    check(Capture::new().link(Link::Ipv6).add(&talk6()), &talk6());
}

#[test]
fn tags_byte_orders_and_resolutions() {
    check(Capture::new().vlans(&[7, 4_000]).add(&talk4()), &talk4());
    check(Capture::new().link(Link::Sll).vlans(&[7]).add(&talk6()), &talk6());
    check(Capture::new().big_endian().add(&talk4()), &talk4());
    check(Capture::new().microseconds().add(&talk6()), &talk6());
    check(Capture::new().big_endian().microseconds().add(&talk6()), &talk6());
}

#[test]
fn a_cut_packet_keeps_its_length() {
    let mut talk = Conversation::new("10.0.0.9:1".parse().unwrap(), "10.0.0.2:80".parse().unwrap());
    talk.send(A, &[b'x'; 1_000]);
    let mut capture = Capture::new();
    capture.snaplen(100).add(&talk);
    for file in [capture.pcap(), capture.pcapng()] {
        let mut lengths = Vec::new();
        let mut packets = packets(io::Cursor::new(file));
        packets.read(&mut |segment| lengths.push((segment.payload.len(), segment.length))).unwrap();
        // Ethernet, IPv4, and TCP with twelve bytes of options.
        assert_eq!(lengths, [(100 - 14 - 20 - 32, 1_000)]);
        assert_eq!(packets.counts().cut, 1);
    }
}

#[test]
fn fragments_are_put_together_in_any_order() {
    for addresses in [("10.0.0.9:1", "10.0.0.2:80"), ("[2001:db8::9]:1", "[2001:db8::2]:80")] {
        let mut talk = Conversation::new(addresses.0.parse().unwrap(), addresses.1.parse().unwrap());
        talk.send(A, &(0..1_400).map(|at| at as u8).collect::<Vec<_>>()).fragment_last(512);
        let frames = frames(Capture::new().link(Link::Raw).add(&talk));
        assert_eq!(frames.len(), 3);
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]] {
            let mut capture = Capture::new();
            capture.link(Link::Raw);
            for index in order {
                capture.frame(talk.packets()[0].time, &frames[index]);
            }
            capture.frame(talk.packets()[0].time, &frames[order[0]]);
            let (seen, counts, result) = read(io::Cursor::new(capture.pcap()));
            result.unwrap();
            assert_eq!(seen, expected(talk.packets()));
            assert_eq!((counts.fragments, counts.fragments_lost), (4, 1), "the repeated one waits in vain");
        }
    }
}

#[test]
fn contradicting_fragments_make_nothing() {
    let mut talk = talk4();
    talk.packets_mut().clear();
    talk.send(A, &[b'x'; 600]).fragment_last(512);
    let mut frames = frames(Capture::new().link(Link::Raw).add(&talk));
    frames[1][7] -= 1; // eight bytes earlier: over the end of the first
    let mut capture = Capture::new();
    capture.link(Link::Raw);
    for frame in &frames {
        capture.frame(Timestamp::default(), frame);
    }
    let (seen, counts, _) = read(io::Cursor::new(capture.pcap()));
    assert_eq!((seen.len(), counts.fragments_lost), (0, 1));
}

/// The frames of a little-endian pcap file.
fn frames(capture: &Capture) -> Vec<Vec<u8>> {
    let file = capture.pcap();
    let mut rest = &file[24..];
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        frames.push(rest[16..16 + length].to_vec());
        rest = &rest[16 + length..];
    }
    frames
}

#[test]
fn sections_interfaces_and_clocks_of_pcapng() {
    let talk = talk4();
    let raw = frames(Capture::new().link(Link::Raw).add(&talk)).remove(0);
    let mut file = Capture::new().big_endian().add(&talk).pcapng(); // one section, big-endian
    let second = Capture::new().pcapng();
    file.extend(&second[..28]); // a little-endian section with an interface of our own
    let interface = |file: &mut Vec<u8>, link: u16, options: &[u8]| {
        let body = [&link.to_le_bytes()[..], &[0; 6], options].concat();
        block(file, 1, &body);
    };
    interface(&mut file, 1, &[]);
    // Raw IP, in ticks of 2^-10 s, 100 s later.
    interface(
        &mut file,
        101,
        &[9, 0, 1, 0, 0x8a, 0, 0, 0, 14, 0, 8, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    );
    block(&mut file, 0x0bad, &[1; 400_000]); // nobody's block, larger than the window
    let length = u32::try_from(raw.len()).unwrap().to_le_bytes();
    block(&mut file, 6, &[&[1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0][..], &length, &length, &raw].concat());
    let ethernet = frames(Capture::new().add(&talk)).remove(0);
    let length = u32::try_from(ethernet.len()).unwrap().to_le_bytes();
    block(&mut file, 3, &[&length[..], &ethernet].concat());
    block(&mut file, 5, &[&[0; 12][..], &[5, 0, 8, 0, 42, 0, 0, 0, 0, 0, 0, 0]].concat());

    let (seen, counts, result) = read(io::Cursor::new(file));
    result.unwrap();
    let time = Timestamp::from_nanos(100_500_000_000);
    let later = Packet { time, ..talk.packets()[0].clone() };
    let mut all = expected(talk.packets());
    all.extend(expected(&[later.clone(), later]));
    assert_eq!(seen, all);
    assert_eq!(counts.dropped, 42);
}

fn block(file: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let padded = body.len().next_multiple_of(4);
    let length = u32::try_from(padded + 12).unwrap().to_le_bytes();
    file.extend(kind.to_le_bytes());
    file.extend(length);
    file.extend(body);
    file.resize(file.len() + padded - body.len(), 0);
    file.extend(length);
}

#[test]
fn compressed_files() {
    let mut talk = talk4();
    let mut noise = 1_u32; // which compresses badly, so that there are several blocks
    let mut byte = || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 24) as u8
    };
    talk.open().send(A, &(0..500_000).map(|_| byte()).collect::<Vec<_>>());
    let file = Capture::new().add(&talk).pcap();
    let zstd = zstd::encode_all(file.as_slice(), 1).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&file).unwrap();
    for compressed in [zstd, gzip.finish().unwrap()] {
        let (seen, _, result) = read(io::Cursor::new(compressed.clone()));
        result.unwrap();
        assert_eq!(seen, expected(talk.packets()));
        let (seen, _, result) = read(io::Cursor::new(compressed[..compressed.len() - 9].to_vec()));
        assert!(seen.len() > 100, "what comes before the damage is delivered: {}", seen.len());
        assert!(matches!(result, Err(Error::Compression { .. })), "{result:?}");
    }
}

#[test]
fn a_saved_model_is_handed_on_as_it_was_saved() {
    let saved = zstd::encode_all(&b"{\"overhear_model\":1,\"key\":2}"[..], 1).unwrap();
    let Ok(Input::Model(mut model)) = Input::open(io::Cursor::new(saved.clone())) else { panic!("no model") };
    let mut bytes = Vec::new();
    model.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, saved);
}

/// Gives a byte at a time.
struct Trickle(io::Cursor<Vec<u8>>);

impl Read for Trickle {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(1);
        self.0.read(&mut into[..most])
    }
}

#[test]
fn a_pipe_that_trickles() {
    let talk = talk6();
    for file in [Capture::new().add(&talk).pcap(), Capture::new().add(&talk).pcapng()] {
        let (seen, _, result) = read(Trickle(io::Cursor::new(file)));
        result.unwrap();
        assert_eq!(seen, expected(talk.packets()));
    }
}

#[test]
fn packets_come_before_the_pipe_ends() {
    let talk = talk4();
    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(&Capture::new().add(&talk).pcap()).unwrap();
    let mut packets = packets(reader);
    let mut seen = Vec::new();
    while seen.len() < talk.packets().len() {
        // Would block for ever if the reader waited for more than there is.
        packets.pump(&mut |segment| seen.push(said(&segment))).unwrap();
    }
    drop(writer);
    assert!(!packets.pump(&mut |_| ()).unwrap());
    assert_eq!(seen, expected(talk.packets()));
}

#[test]
fn what_is_no_capture_is_refused_in_words() {
    assert_eq!(refused(b""), "is empty");
    let unknown = "is neither pcap, pcapng, HAR nor a saved model: starts with";
    assert_eq!(refused(b"\x7fELF\x02"), format!("{unknown} 7f 45 4c 46"));
    assert_eq!(refused(b"\xd4"), format!("{unknown} d4"));
    assert_eq!(refused(&[0xd4, 0xc3, 0xb2, 0xa1, 2]), "has a damaged header: the file ends 5 bytes into it");
    assert_eq!(refused(&zstd::encode_all(&b""[..], 1).unwrap()), "is empty", "compressed nothing is nothing");
    let mut wireless = Capture::new().pcap();
    wireless[20] = 105;
    assert!(refused(&wireless).starts_with("holds packets of link type 105;"), "{}", refused(&wireless));
}

#[test]
fn cut_anywhere_what_is_whole_is_delivered() {
    let talk = talk4();
    let all = expected(talk.packets());
    for file in [Capture::new().add(&talk).pcap(), Capture::new().add(&talk).pcapng()] {
        let mut last = 0;
        for cut in 28..file.len() {
            let (seen, _, result) = read(io::Cursor::new(file[..cut].to_vec()));
            assert_eq!(seen, all[..seen.len()]);
            assert!(seen.len() >= last, "more of the file gives no fewer packets");
            last = seen.len();
            if let Err(error) = result {
                let Error::Damaged { offset, packet, damage: Damage::CutOff { present } } = error else {
                    panic!("{error}");
                };
                assert_eq!((offset as usize + present, packet), (cut, 1 + seen.len() as u64));
            }
        }
        assert_eq!(last, all.len() - 1);
    }
}

#[test]
fn lengths_from_strangers_are_not_believed() {
    let mut file = Capture::new().add(&talk4()).pcap();
    file[24 + 8..24 + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    let (_, _, result) = read(io::Cursor::new(file));
    let text = result.unwrap_err().to_string();
    assert_eq!(
        text,
        "is damaged at byte 24, where packet 1 should be: it claims 4294967295 bytes, more than the 16777216 a packet may have"
    );
    let mut file = Capture::new().add(&talk4()).pcapng();
    let first = file.len() - 4;
    file[first] ^= 4;
    let (seen, _, result) = read(io::Cursor::new(file));
    assert_eq!(seen.len(), talk4().packets().len() - 1);
    assert!(matches!(result, Err(Error::Damaged { damage: Damage::BlockLengths { .. }, .. })));
}

#[test]
fn other_packets_are_counted() {
    let mut arp = vec![0xff; 12];
    arp.extend([0x08, 0x06, 0, 1]);
    let mut udp = frames(Capture::new().add(&talk4())).remove(0);
    udp[14 + 9] = 17;
    let mut icmp = udp.clone();
    icmp[14 + 9] = 1;
    let mut capture = Capture::new();
    for frame in [&arp, &udp, &icmp, &vec![1; 13], &udp[..20].to_vec()] {
        capture.frame(Timestamp::default(), frame);
    }
    let (_, counts, _) = read(io::Cursor::new(capture.pcap()));
    let expected = Counts {
        packets: 5,
        udp: 1,
        other_transport: 1,
        other_network: 1,
        malformed: 2,
        ..Counts::default()
    };
    assert_eq!(counts, expected);
}

proptest! {
    #[test]
    fn altered_files_are_survived(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..30),
        ng: bool,
        fragmented: bool,
    ) {
        let mut talk = talk6();
        if fragmented {
            talk.send(A, &[7; 900]).fragment_last(200);
        }
        let capture = { let mut capture = Capture::new(); capture.add(&talk); capture };
        let mut file = if ng { capture.pcapng() } else { capture.pcap() };
        for (place, value) in changes {
            let place = place.index(file.len());
            file[place] = value;
        }
        let length = file.len();
        if let Ok(Input::Packets(mut packets)) = Input::open(io::Cursor::new(file)) {
            let mut total = 0;
            let _ = packets.read(&mut |segment| total += segment.payload.len());
            prop_assert!(total <= length);
        }
    }

    /// Wherever the strict parser of another hand finds TCP, ours finds the same.
    #[test]
    fn agrees_with_etherparse(
        changes in prop::collection::vec((0..80_usize, any::<u8>()), 0..6),
        six: bool,
        vlans in prop::collection::vec(0..4_096_u16, 0..3),
    ) {
        let talk = if six { talk6() } else { talk4() };
        let mut frame = frames(Capture::new().vlans(&vlans).add(&talk)).remove(3);
        for (place, value) in changes {
            frame[place] = value;
        }
        let mut capture = Capture::new();
        capture.frame(Timestamp::default(), &frame);
        let mut ours = Vec::new();
        packets(io::Cursor::new(capture.pcap()))
            .read(&mut |s| ours.push((s.source.port(), s.destination.port(), s.sequence, s.syn, s.payload.to_vec())))
            .unwrap();
        let sliced = etherparse::SlicedPacket::from_ethernet(&frame);
        if let Ok(sliced) = &sliced
            && let Some(etherparse::TransportSlice::Tcp(tcp)) = &sliced.transport
        {
            let theirs = (
                tcp.source_port(), tcp.destination_port(), tcp.sequence_number(), tcp.syn(), tcp.payload().to_vec(),
            );
            prop_assert_eq!(ours, vec![theirs]);
        }
    }
}
