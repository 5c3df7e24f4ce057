use super::{ClientHello, Reading, client_hello, of_records};
use proptest::prelude::*;

/// A list with its length in front, of `N` bytes.
fn vector<const N: usize>(content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    [&length[length.len() - N..], content].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [kind.to_be_bytes().to_vec(), vector::<2>(data)].concat()
}

fn server_name(name: &[u8]) -> Vec<u8> {
    extension(0, &vector::<2>(&[vec![0], vector::<2>(name)].concat()))
}

fn alpn(names: &[&str]) -> Vec<u8> {
    let names: Vec<u8> = names.iter().flat_map(|name| vector::<1>(name.as_bytes())).collect();
    extension(16, &vector::<2>(&names))
}

fn versions(versions: &[u16]) -> Vec<u8> {
    let list: Vec<u8> = versions.iter().flat_map(|version| version.to_be_bytes()).collect();
    extension(43, &vector::<1>(&list))
}

/// A message of the handshake with these extensions.
fn message(extensions: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend(vector::<1>(&[9; 32]));
    body.extend(vector::<2>(&[0x13, 1, 0x13, 2]));
    body.extend(vector::<1>(&[0]));
    body.extend(vector::<2>(&extensions.concat()));
    [vec![1], vector::<3>(&body)].concat()
}

/// In records of so many bytes.
fn records(message: &[u8], size: usize) -> Vec<u8> {
    message.chunks(size).flat_map(|part| [vec![22, 3, 1], vector::<2>(part)].concat()).collect()
}

fn shop() -> Vec<u8> {
    message(&[
        extension(0x0a0a, &[]),
        server_name(b"API.Shop.example"),
        alpn(&["h2", "http/1.1"]),
        versions(&[0x7a7a, 0x0304, 0x0303]),
    ])
}

fn expected() -> ClientHello {
    ClientHello {
        random: Some([7; 32]),
        server_name: Some("api.shop.example".into()),
        protocols: vec!["h2".into(), "http/1.1".into()],
        version: 0x0304,
        encrypted: false,
    }
}

#[test]
fn says_whom_it_wants_and_what_it_speaks() {
    assert_eq!(client_hello(&shop()), Reading::Whole(expected()));
    assert_eq!(of_records(&records(&shop(), 1 << 14)), Reading::Whole(expected()));
    let old = message(&[server_name(b"a.example")]);
    let Reading::Whole(old) = client_hello(&old) else { panic!("it is whole") };
    assert_eq!((old.version, old.server_name.as_deref()), (0x0303, Some("a.example")));
}

/// It may be spread over records, and come in any pieces: until it is whole it says how much more there must be.
#[test]
fn however_it_is_cut() {
    for size in [1, 2, 3, 5, 7, 100, 1000] {
        let bytes = records(&shop(), size);
        let mut wanted = 0;
        for end in 0..bytes.len() {
            let Reading::Part(part, wants) = of_records(&bytes[..end]) else { panic!("{size} {end}") };
            assert!(wants > end && wants >= wanted && wants <= bytes.len(), "{size} {end} {wants} {wanted}");
            assert!(part.server_name.is_none_or(|name| name == "api.shop.example"));
            wanted = wants;
        }
        let followed = [bytes, b"\x14\x03\x03\x00\x01\x01".to_vec()].concat();
        assert_eq!(of_records(&followed), Reading::Whole(expected()), "{size}");
    }
}

/// The name comes first as a rule, and the long key share last.
#[test]
fn a_part_says_what_it_says() {
    let whole = message(&[server_name(b"example.org"), extension(51, &[5; 1200])]);
    let Reading::Part(hello, wants) = of_records(&records(&whole, 1 << 14)[..300]) else { panic!("cut") };
    assert_eq!(hello.server_name.as_deref(), Some("example.org"));
    assert_eq!(wants, records(&whole, 1 << 14).len());
}

#[test]
fn an_encrypted_one_names_who_is_in_front() {
    let hello = message(&[server_name(b"front.example"), extension(0xfe0d, &[0; 200])]);
    let hello = client_hello(&hello).into_hello().unwrap();
    assert!(hello.encrypted && hello.server_name.as_deref() == Some("front.example"));
}

#[test]
fn names_are_names_of_hosts() {
    let named = |name: &[u8]| client_hello(&message(&[server_name(name)])).into_hello().unwrap().server_name;
    assert_eq!(named(b"a.example.").as_deref(), Some("a.example"));
    assert_eq!(named(b"xn--bcher-kva.example").as_deref(), Some("xn--bcher-kva.example"));
    for other in [&b"192.0.2.1"[..], b"2001:db8::1", b"a b", b"", b"\x1b[31m", &[b'a'; 254]] {
        assert_eq!(named(other), None, "{other:?}");
    }
}

#[test]
fn what_is_something_else_is_something_else() {
    let server_hello = [vec![2], vector::<3>(&[3, 3])].concat();
    let empty = records(&shop(), 5).iter().copied().take(10).chain([22, 3, 1, 0, 0]).collect();
    for other in [
        records(&server_hello, 100),
        b"\x17\x03\x03\x00\x20".to_vec(),
        b"GET / HTTP/1.1\r\n".to_vec(),
        vec![22, 3, 1, 0x50, 0],
        empty,
    ] {
        assert_eq!(of_records(&other), Reading::Other, "{other:?}");
    }
    assert_eq!(client_hello(&server_hello), Reading::Other);
}

proptest! {
    #[test]
    fn any_hello_is_read_back_however_its_records_are(
        labels in prop::collection::vec("[a-z][a-z0-9_-]{0,20}", 1..6),
        protocols in prop::collection::vec("[a-z0-9/.]{1,12}", 0..6),
        others in prop::collection::vec((100_u16..0xfe00, prop::collection::vec(any::<u8>(), 0..60)), 0..6),
        size in 1_usize..600,
    ) {
        let name = labels.join(".");
        let protocols: Vec<&str> = protocols.iter().map(String::as_str).collect();
        let mut extensions: Vec<_> = others.iter().map(|(kind, data)| extension(*kind, data)).collect();
        extensions.insert(others.len() / 2, server_name(name.as_bytes()));
        extensions.push(alpn(&protocols));
        let Reading::Whole(hello) = of_records(&records(&message(&extensions), size)) else {
            panic!("it is whole")
        };
        prop_assert_eq!(hello.server_name.as_deref(), Some(&*name));
        prop_assert_eq!(hello.protocols, protocols);
    }

    #[test]
    fn any_bytes_are_fine(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        size in 1_usize..200,
        cut in any::<prop::sample::Index>(),
        tail in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut bytes = records(&shop(), size);
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len()));
        bytes.extend(tail);
        let told = of_records(&bytes);
        if let Reading::Part(_, wants) = &told {
            prop_assert!(*wants > bytes.len(), "else it is asked again at once, for ever");
        }
        if let Some(hello) = told.into_hello() {
            prop_assert!(hello.protocols.len() <= 8);
            prop_assert!(hello.server_name.is_none_or(|name| name.len() <= 253));
        }
        let _ = client_hello(&bytes);
    }
}
