/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The classic capture file.
    Pcap,
    /// Its successor.
    Pcapng,
    /// JSON: an HTTP Archive, or so it is assumed.
    Har,
    /// A model saved by this program, decompressed.
    Model,
    /// Nothing this program reads, or too few bytes to tell.
    Unknown,
}

/// Tells from its first bytes, decompressed, what a file is.
pub fn sniff(start: &[u8]) -> Kind {
    match start {
        [0xd4, 0xc3, 0xb2, 0xa1, ..] | [0xa1, 0xb2, 0xc3, 0xd4, ..] => Kind::Pcap,
        [0x4d, 0x3c, 0xb2, 0xa1, ..] | [0xa1, 0xb2, 0x3c, 0x4d, ..] => Kind::Pcap,
        [0x0a, 0x0d, 0x0d, 0x0a, ..] => Kind::Pcapng,
        _ => json(start),
    }
}

const MODEL: &[u8] = b"\"overhear_model\"";

fn json(start: &[u8]) -> Kind {
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let Some(object) = text.strip_prefix(b"{").map(<[u8]>::trim_ascii_start) else { return Kind::Unknown };
    match object {
        _ if object.starts_with(MODEL) => Kind::Model,
        _ if MODEL.starts_with(object) => Kind::Unknown, // too few bytes to tell
        [b'"' | b'}', ..] => Kind::Har,
        _ => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, sniff};

    #[test]
    fn each_kind_is_known_by_its_start() {
        for (start, kind) in [
            (&b"\xd4\xc3\xb2\xa1rest"[..], Kind::Pcap),
            (b"\xa1\xb2\x3c\x4d", Kind::Pcap),
            (b"\x0a\x0d\x0d\x0a", Kind::Pcapng),
            (b"{\"log\": {}}", Kind::Har),
            (b"\xef\xbb\xbf \n{ \"log\"", Kind::Har),
            (b"{\"overhear_model\":1,", Kind::Model),
            (b"{\"over", Kind::Unknown),
            (b"[1]", Kind::Unknown),
            (b"\x7fELF", Kind::Unknown),
            (b"\xd4\xc3\xb2", Kind::Unknown),
            (b"", Kind::Unknown),
        ] {
            assert_eq!(sniff(start), kind, "{start:?}");
        }
    }
}
