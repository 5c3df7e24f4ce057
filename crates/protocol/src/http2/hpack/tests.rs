use super::{Decoder, Fields, Text, Unknown};
use std::{fs, path::PathBuf};

type Field = (String, String);

fn unhex(digits: &str) -> Vec<u8> {
    let digits: Vec<char> = digits.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn shown(text: Text<'_>) -> String {
    match text {
        Text::Known(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Text::Unknown(Unknown(number)) => format!("{{?{number}}}"),
    }
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Fields::default();
    decoder.decode(block, 1 << 20, &mut fields).ok()?;
    Some(fields.iter().map(|(name, value)| (shown(name), shown(value))).collect())
}

fn fields(text: &str) -> Vec<Field> {
    text.lines()
        .map(|line| line.trim().split_once('\t').unwrap())
        .map(|(n, v)| (n.into(), v.into()))
        .collect()
}

/// RFC 7541, appendix C: blocks that share a table, and the fields of each.
fn check(size: Option<usize>, blocks: &[(&str, &str)]) {
    let mut decoder = Decoder::new();
    if let Some(size) = size {
        decoder.0.resize(size);
    }
    for (wire, expected) in blocks {
        let expected: Vec<Field> = expected
            .split('|')
            .map(|field| field.trim())
            .map(|field| {
                let at = field[1..].find(':').unwrap() + 1;
                (field[..at].into(), field[at + 1..].trim_start().into())
            })
            .collect();
        assert_eq!(decode(&mut decoder, &unhex(wire)).as_ref(), Some(&expected), "{wire}");
    }
}

const REQUESTS: [&str; 3] = [
    ":method: GET|:scheme: http|:path: /|:authority: www.example.com",
    ":method: GET|:scheme: http|:path: /|:authority: www.example.com|cache-control: no-cache",
    ":method: GET|:scheme: https|:path: /index.html|:authority: www.example.com|custom-key: custom-value",
];

#[test]
fn appendix_c_2_representations() {
    check(
        None,
        &[("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", "custom-key: custom-header")],
    );
    check(None, &[("040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path")]);
    check(None, &[("1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret")]);
    check(None, &[("82", ":method: GET")]);
}

#[test]
fn appendix_c_3_requests() {
    check(
        None,
        &[
            ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", REQUESTS[0]),
            ("8286 84be 5808 6e6f 2d63 6163 6865", REQUESTS[1]),
            ("8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", REQUESTS[2]),
        ],
    );
}

#[test]
fn appendix_c_4_requests_with_huffman() {
    check(
        None,
        &[
            ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", REQUESTS[0]),
            ("8286 84be 5886 a8eb 1064 9cbf", REQUESTS[1]),
            ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", REQUESTS[2]),
        ],
    );
}

const RESPONSES: [&str; 3] = [
    ":status: 302|cache-control: private|date: Mon, 21 Oct 2013 20:13:21 GMT|location: https://www.example.com",
    ":status: 307|cache-control: private|date: Mon, 21 Oct 2013 20:13:21 GMT|location: https://www.example.com",
    ":status: 200|cache-control: private|date: Mon, 21 Oct 2013 20:13:22 GMT|location: https://www.example.com|\
     content-encoding: gzip|set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
];

#[test]
fn appendix_c_5_responses_that_evict() {
    check(
        Some(256),
        &[
            (
                "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 \
                 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
                RESPONSES[0],
            ),
            ("4803 3330 37c1 c0bf", RESPONSES[1]),
            (
                "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 \
                 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 \
                 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
                RESPONSES[2],
            ),
        ],
    );
}

#[test]
fn appendix_c_6_responses_with_huffman() {
    check(
        Some(256),
        &[
            (
                "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad \
                 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
                RESPONSES[0],
            ),
            ("4883 640e ffc1 c0bf", RESPONSES[1]),
            (
                "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 \
                 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
                RESPONSES[2],
            ),
        ],
    );
}

struct Story {
    name: String,
    /// The blocks' bytes, and the table size that applies from one on.
    wires: Vec<(Option<usize>, Vec<u8>)>,
    fields: Vec<Vec<Field>>,
}

fn stories() -> Vec<Story> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hpack");
    let mut stories = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(encoder) = name.strip_suffix(".wire") else { continue };
        let number = encoder.split('.').next().unwrap();
        let text = fs::read_to_string(folder.join(format!("{number}.fields"))).unwrap();
        let wires = fs::read_to_string(&path).unwrap();
        let wires = wires.lines().map(|line| {
            let (size, wire) = line.split_once(' ').unwrap();
            (size.parse().ok(), unhex(wire))
        });
        stories.push(Story {
            name: encoder.into(),
            wires: wires.collect(),
            fields: text.split_terminator("\n\n").map(fields).collect(),
        });
    }
    assert!(stories.len() >= 40, "{} stories", stories.len());
    stories
}

#[test]
fn reads_what_other_implementations_wrote() {
    for story in stories() {
        let mut decoder = Decoder::new();
        assert_eq!(story.wires.len(), story.fields.len(), "{}", story.name);
        for (number, ((_, wire), expected)) in story.wires.iter().zip(&story.fields).enumerate() {
            let decoded = decode(&mut decoder, wire);
            assert_eq!(decoded.as_ref(), Some(expected), "{} block {number}", story.name);
        }
    }
}

/// Joined at any block of any story: what is told is right, what was inserted since is told, and an unknown stays the
/// same one.
#[test]
fn joined_late_it_never_invents_a_field() {
    let mut known_again = 0;
    for story in stories() {
        for missed in 1..story.wires.len() {
            let mut decoder = Decoder::unknown();
            let mut unknown = std::collections::HashMap::new();
            let mut inserted = Vec::new();
            for ((_, wire), expected) in story.wires.iter().zip(&story.fields).skip(missed) {
                let decoded = decode(&mut decoder, wire).unwrap();
                assert_eq!(decoded.len(), expected.len(), "{} from {missed}", story.name);
                for ((name, value), (real_name, real_value)) in decoded.iter().zip(expected) {
                    for (is_name, text, real) in [(true, name, real_name), (false, value, real_value)] {
                        if text.starts_with("{?") {
                            // A number stands for one entry, whatever was inserted meanwhile.
                            let entry =
                                unknown.entry((text.clone(), is_name)).or_insert_with(|| real.clone());
                            assert_eq!(entry, real, "{} from {missed}: {text}", story.name);
                        } else {
                            assert_eq!(text, real, "{} from {missed}", story.name);
                            known_again += usize::from(inserted.contains(real));
                        }
                    }
                    if !value.starts_with("{?") {
                        inserted.push(real_value.clone());
                    }
                }
            }
        }
    }
    assert!(known_again > 10_000, "{known_again} fields known again");
}

#[test]
fn an_unknown_keeps_its_number_while_others_are_inserted() {
    let mut decoder = Decoder::unknown();
    let unknown = |n: i64| (format!("{{?{n}}}"), format!("{{?{n}}}"));
    assert_eq!(decode(&mut decoder, b"\xbe\xbf").unwrap(), [unknown(62), unknown(63)]);
    // a: b is inserted, so that the first is 63 now.
    assert_eq!(decode(&mut decoder, b"\x40\x01a\x01b").unwrap(), [("a".into(), "b".into())]);
    assert_eq!(decode(&mut decoder, b"\xbe\xbf").unwrap(), [("a".into(), "b".into()), unknown(62)]);
    // With the name of the entry that is unknown, and from then on under its own index.
    let named = ("{?62}".to_owned(), "c".to_owned());
    assert_eq!(decode(&mut decoder, b"\x7f\x00\x01c").unwrap(), std::slice::from_ref(&named));
    assert_eq!(
        decode(&mut decoder, b"\xbe\xbf\xc0").unwrap(),
        [named, ("a".into(), "b".into()), unknown(62)]
    );
}

/// When the sender has evicted what was heard last, nothing older can be there.
#[test]
fn an_eviction_shows_that_nothing_older_is_left() {
    let mut decoder = Decoder::unknown();
    assert!(decode(&mut decoder, b"\x3f\x21").is_some(), "64 bytes from now on");
    assert!(decode(&mut decoder, b"\x40\x01a\x01b\xbf").is_some(), "an older one may be there still");
    assert!(decode(&mut decoder, b"\x40\x01c\x01d").is_some());
    assert!(decode(&mut decoder, b"\xbe").is_some());
    assert!(decode(&mut decoder, b"\xbf").is_none(), "evicted");
    let mut flushed = Decoder::unknown();
    assert!(decode(&mut flushed, b"\x20").is_some());
    assert!(decode(&mut flushed, b"\xbe").is_none(), "a table of size 0 is empty");
}

#[test]
fn refuses_what_is_no_block() {
    for block in [
        &b"\x80"[..],                    // index 0
        b"\xbe",                         // beyond the table
        b"\x40\x05ab",                   // a string that is cut
        b"\x40",                         // no name
        b"\xff\xff\xff\xff\xff\xff\xff", // an integer without end
        b"\x40\x81\x18\x00",             // padded with zeros
        b"\x7f\x80\x80\x80\x80\x80\x01", // an index of more bytes than one can have
    ] {
        assert_eq!(decode(&mut Decoder::new(), block), None, "{}", block.escape_ascii());
    }
}

/// Few bytes that stand for many: the fields that are kept have a bound, and the table stays right.
#[test]
fn a_bomb_ends_at_the_limit() {
    let mut block = b"\x40\x01a\x7f\xa0\x1e".to_vec();
    block.extend(std::iter::repeat_n(b'x', 0x7f + 30 * 128 + 32 - 128));
    block.extend(std::iter::repeat_n(0xbe, 100_000));
    block.extend(b"\x40\x01b\x01c");
    let (mut decoder, mut fields) = (Decoder::new(), Fields::default());
    let whole = decoder.decode(&block, 65_536, &mut fields);
    assert_eq!(whole, Ok(()));
    assert!(fields.cut && fields.text.capacity() < 1 << 20, "{}", fields.text.capacity());
    assert_eq!(decode(&mut decoder, b"\xbe").unwrap(), [("b".into(), "c".into())]);
}

/// A table of megabytes is the sender's business: what we keep of it is bounded, and what is beyond is unknown.
#[test]
fn a_huge_table_is_kept_in_part() {
    let mut decoder = Decoder::new();
    assert!(decode(&mut decoder, b"\x3f\xe1\xff\xff\x07").is_some(), "16 MB from now on");
    for n in 0..5_000_u16 {
        let mut block = b"\x40\x02".to_vec();
        block.extend([b'a' + (n % 26) as u8, b'b', 60]);
        block.extend([b'v'; 60]);
        assert!(decode(&mut decoder, &block).is_some());
    }
    assert!(decoder.retained() < 256 * 1024, "{}", decoder.retained());
    assert_eq!(decode(&mut decoder, b"\xbe").unwrap()[0].1, "v".repeat(60));
    let far = decode(&mut decoder, b"\xff\x80\x20").unwrap();
    assert!(far[0].0.starts_with("{?"), "{far:?}");
}
