//! The packets that open a connection, as both ends make them.

use ring::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey, quic},
    hkdf::{HKDF_SHA256, KeyType, Prk, Salt},
};

/// What a client makes up for its connection.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) destination: Vec<u8>,
    pub(super) source: Vec<u8>,
    pub(super) name: String,
}

/// RFC 9001 §5.2.
const SALT: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc,
    0xbb, 0x7f, 0x0a,
];
/// Bytes of a client's first datagram (RFC 9000 §14.1), of its packet number, of the tag.
const SIZE: usize = 1200;
const NUMBER: usize = 4;
const TAG: usize = 16;

/// A client's first datagram.
pub(super) fn initial(client: &Client) -> Vec<u8> {
    let mut header = head(0xc3, &client.destination, &client.source);
    let rest = SIZE - header.len() - 3;
    header.push(0);
    header.extend((0x4000 | u16::try_from(rest).unwrap()).to_be_bytes());
    header.extend([0; NUMBER]);
    let hello = hello(&client.name);
    let mut payload = vec![6, 0];
    payload.extend((0x4000 | u16::try_from(hello.len()).unwrap()).to_be_bytes());
    payload.extend(hello);
    payload.resize(rest - NUMBER - TAG, 0);
    seal(header, payload, &client.destination)
}

/// The first packet of a server, as far as anybody else can read it.
pub(super) fn answer(destination: &[u8], source: &[u8]) -> Vec<u8> {
    let mut datagram = head(0xc1, destination, source);
    datagram.extend([0, 0x44, 0]);
    datagram.resize(SIZE, 0x5a);
    datagram
}

/// RFC 9000 §17.2.5.
pub(super) fn retry(destination: &[u8], source: &[u8]) -> Vec<u8> {
    let mut datagram = head(0xf0, destination, source);
    datagram.extend([0x5a; 40 + TAG]);
    datagram
}

fn head(first: u8, destination: &[u8], source: &[u8]) -> Vec<u8> {
    let mut head = vec![first, 0, 0, 0, 1];
    for id in [destination, source] {
        head.push(u8::try_from(id.len()).unwrap());
        head.extend(id);
    }
    head
}

/// RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301 §3.1.
fn hello(name: &str) -> Vec<u8> {
    let sixteen = |bytes: Vec<u8>| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat();
    let extension = |kind: u8, bytes: Vec<u8>| [vec![0, kind], sixteen(bytes)].concat();
    let server = [vec![0], sixteen(name.as_bytes().to_vec())].concat();
    let extensions = [extension(0, sixteen(server)), extension(16, sixteen(b"\x02h3".to_vec()))].concat();
    let body = [&[3, 3][..], &[1; 32], &[0], &[0, 2, 0x13, 1], &[1, 0], &sixteen(extensions)].concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1][..], &length[1..], &body].concat()
}

fn seal(header: Vec<u8>, mut payload: Vec<u8>, destination: &[u8]) -> Vec<u8> {
    let initial = Salt::new(HKDF_SHA256, &SALT).extract(destination);
    let secret = Prk::new_less_safe(HKDF_SHA256, &expand(&initial, "client in", 32));
    let key = UnboundKey::new(&AES_128_GCM, &expand(&secret, "quic key", 16)).unwrap();
    let iv: [u8; 12] = expand(&secret, "quic iv", 12).try_into().unwrap();
    let nonce = Nonce::assume_unique_for_key(iv);
    LessSafeKey::new(key).seal_in_place_append_tag(nonce, Aad::from(&header), &mut payload).unwrap();
    let protection = quic::HeaderProtectionKey::new(&quic::AES_128, &expand(&secret, "quic hp", 16)).unwrap();
    let [first, number @ ..] = protection.new_mask(&payload[..16]).unwrap();
    let at = header.len() - NUMBER;
    let mut datagram = [header, payload].concat();
    datagram[0] ^= first & 0x0f;
    datagram[at..at + NUMBER].iter_mut().zip(number).for_each(|(byte, mask)| *byte ^= mask);
    datagram
}

fn expand(secret: &Prk, label: &str, length: u8) -> Vec<u8> {
    struct Bytes(u8);
    impl KeyType for Bytes {
        fn len(&self) -> usize {
            self.0.into()
        }
    }
    let label = [b"tls13 ", label.as_bytes()].concat();
    let info = [&[0, length, u8::try_from(label.len()).unwrap()][..], &label, &[0]].concat();
    let mut out = vec![0; length.into()];
    secret.expand(&[&info], Bytes(length)).unwrap().fill(&mut out).unwrap();
    out
}
