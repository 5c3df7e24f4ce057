use super::packet::{Initial, Version};
use ring::{
    aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey, quic},
    hkdf::{HKDF_SHA256, KeyType, Prk, Salt},
};

/// Salts of the secret that a client's connection id is (RFC 9001 §5.2, RFC 9369 §3.3.1).
const SALT_1: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc,
    0xbb, 0x7f, 0x0a,
];
const SALT_2: [u8; 20] = [
    0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9,
    0xbd, 0x2e, 0xd9,
];
/// Bytes of the sample that the protection of a header comes from, and how far behind the number's first byte it is.
const SAMPLE: usize = 16;
const BEFORE_SAMPLE: usize = 4;

/// What a client's Initial packets are encrypted with.
pub(super) struct Keys {
    key: LessSafeKey,
    iv: [u8; NONCE_LEN],
    header: quic::HeaderProtectionKey,
}

impl Keys {
    /// From the connection id that the client chose for the server.
    pub(super) fn of_client(version: Version, destination: &[u8]) -> Option<Self> {
        let (salt, labels) = match version {
            Version::One => (&SALT_1, ["quic key", "quic iv", "quic hp"]),
            Version::Two => (&SALT_2, ["quicv2 key", "quicv2 iv", "quicv2 hp"]),
        };
        let initial = Salt::new(HKDF_SHA256, salt).extract(destination);
        let secret = Prk::new_less_safe(HKDF_SHA256, &expand::<32>(&initial, "client in")?);
        let [key, iv, header] = labels;
        Some(Self {
            key: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &expand::<16>(&secret, key)?).ok()?),
            iv: expand(&secret, iv)?,
            header: quic::HeaderProtectionKey::new(&quic::AES_128, &expand::<16>(&secret, header)?).ok()?,
        })
    }

    /// The payload of a packet; `None` where it was not encrypted with these keys.
    pub(super) fn open(&self, packet: &Initial<'_>) -> Option<Vec<u8>> {
        let sample = packet.number.checked_add(BEFORE_SAMPLE)?;
        let sample = packet.bytes.get(sample..sample.checked_add(SAMPLE)?)?;
        let [first_mask, number_mask @ ..] = self.header.new_mask(sample).ok()?;
        let first = packet.bytes.first()? ^ (first_mask & 0x0f);
        let number_length = usize::from(first & 3) + 1;
        let (head, sealed) = packet.bytes.split_at_checked(packet.number + number_length)?;
        let mut head = head.to_vec();
        *head.first_mut()? = first;
        let mut number = 0_u32;
        for (byte, mask) in head.iter_mut().skip(packet.number).zip(number_mask) {
            *byte ^= mask;
            number = number << 8 | u32::from(*byte);
        }
        // The first numbers of a connection are what they say (RFC 9000 §A.3).
        let mut nonce = self.iv;
        for (place, byte) in nonce.iter_mut().rev().zip(number.to_le_bytes()) {
            *place ^= byte;
        }
        let mut payload = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let length = self.key.open_in_place(nonce, Aad::from(&head), &mut payload).ok()?.len();
        payload.truncate(length);
        Some(payload)
    }
}

/// HKDF-Expand-Label of TLS 1.3 (RFC 8446 §7.1), without a context.
fn expand<const N: usize>(secret: &Prk, label: &str) -> Option<[u8; N]> {
    let (all, length) = (u16::try_from(N).ok()?.to_be_bytes(), u8::try_from(label.len() + 6).ok()?);
    let info = [&all[..], &[length], b"tls13 ", label.as_bytes(), &[0]];
    let mut out = [0; N];
    secret.expand(&info, Bytes(N)).ok()?.fill(&mut out).ok()?;
    Some(out)
}

struct Bytes(usize);

impl KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}
