use super::{Handshake, Kind, LongHeader, frame::Crypto, is_initial, looks_like};
use proptest::prelude::*;

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u8> = hexadecimal.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

/// First datagrams of aioquic 1.7.2 as a client, in versions 1 and 2.
const SAMPLES: [&str; 2] = [include_str!("samples/version_1.hex"), include_str!("samples/version_2.hex")];

#[test]
fn the_samples_of_both_versions_say_whom_they_want() {
    for sample in SAMPLES {
        let datagram = bytes(sample);
        assert_eq!(datagram.len(), 1200);
        assert!(is_initial(&datagram) && looks_like(&datagram));
        let head = LongHeader::parse(&datagram[..64]).unwrap();
        assert_eq!((head.kind, head.destination.len(), head.source.len()), (Kind::Initial, 8, 8));
        let mut handshake = Handshake::default();
        assert!(!handshake.is_proved());
        let hello = handshake.datagram(&datagram).unwrap();
        assert!(handshake.is_proved());
        assert_eq!(hello.server_name.as_deref(), Some("api.shop.example"));
        assert_eq!((hello.version, hello.encrypted, hello.protocols), (0x0304, false, vec!["h3".to_owned()]));
        assert!(
            handshake.is_done() && handshake.datagram(&datagram).is_none() && handshake.finish().is_none()
        );
    }
}

#[test]
fn what_was_changed_on_its_way_says_nothing() {
    let mut datagram = bytes(SAMPLES[0]);
    // Its padding is behind the packet.
    for at in [1, 7, 30, 200] {
        datagram[at] ^= 1;
        let mut handshake = Handshake::default();
        assert!(handshake.datagram(&datagram).is_none() && !handshake.is_proved(), "{at}");
        datagram[at] ^= 1;
    }
    assert!(Handshake::default().datagram(&datagram[..200]).is_none());
}

#[test]
fn other_datagrams_are_none_of_it() {
    for other in [
        &b""[..],
        b"\x00",
        b"\xc0",
        b"\xc0\0\0\0\x02\0\0\0\0",
        b"\x01\0\0\0WireGuard",
        b"\x12\x34\x81\x80\0\x01",
    ] {
        assert!(!is_initial(other) && !looks_like(other), "{other:?}");
    }
    assert!(looks_like(&[0x41; 30]) && !is_initial(&[0x41; 30]));
}

fn crypto(offset: u16, data: &[u8]) -> Vec<u8> {
    let varint = |number: u16| (0x4000 | number).to_be_bytes();
    [&[6][..], &varint(offset), &varint(u16::try_from(data.len()).unwrap()), data].concat()
}

#[test]
fn a_handshake_in_pieces_is_put_together_as_it_comes() {
    let mut whole = Crypto::default();
    // Padding, a ping, and an acknowledgement of one range between them.
    whole.take(&[crypto(5, b"fghij"), vec![0, 0, 1], vec![2, 7, 0, 1, 0, 0, 0], crypto(9, b"jklm")].concat());
    assert_eq!(whole.beginning(), b"");
    whole.take(&crypto(0, b"abcde"));
    assert_eq!(whole.beginning(), b"abcdefghijklm");
    whole.take(&[vec![0x1c], crypto(13, b"n")].concat());
    assert_eq!(whole.beginning(), b"abcdefghijklm", "a close is no frame to step over");
}

proptest! {
    #[test]
    fn any_pieces_are_bounded_and_never_make_up_bytes(
        pieces in prop::collection::vec((0_u16..0x3000, 1_usize..3000), 0..200),
    ) {
        let text: Vec<u8> = (0..0x8000_u32).map(|number| number.to_le_bytes()[0] ^ number.to_le_bytes()[1]).collect();
        let mut crypto_stream = Crypto::default();
        for (offset, length) in pieces {
            let from = usize::from(offset);
            crypto_stream.take(&crypto(offset, &text[from..from + length]));
        }
        let told = crypto_stream.beginning();
        prop_assert!(told.len() <= 0x8000);
        prop_assert!(text.starts_with(&told));
    }

    #[test]
    fn any_datagram_is_fine(
        flips in prop::collection::vec((0_usize..1200, any::<u8>()), 0..8),
        cut in 0_usize..1200,
        tail in prop::collection::vec(any::<u8>(), 0..100),
        version in 0_usize..2,
    ) {
        let mut datagram = bytes(SAMPLES[version]);
        for (at, value) in flips {
            datagram[at] = value;
        }
        datagram.truncate(1200 - cut);
        datagram.extend(tail);
        let mut handshake = Handshake::default();
        for _ in 0..40 {
            let _ = handshake.datagram(&datagram);
        }
        let _ = handshake.finish();
        Crypto::default().take(&datagram);
    }
}
