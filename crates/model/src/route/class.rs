use serde::{Deserialize, Serialize};

/// What a path segment looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueClass {
    /// A word, version, locale, file name: part of the route.
    Literal,
    /// A whole number, as a database numbers its rows.
    Integer,
    /// A decimal number, or several with commas between (coordinates).
    Number,
    /// RFC 9562, with hyphens.
    Uuid,
    /// Hexadecimal digits: MD5, SHA, an `ObjectId`, a commit, an address.
    Hash,
    /// `2024-01-31`, `2024-01`.
    Date,
    /// RFC 3339 date and time.
    Timestamp,
    /// An IPv4 or IPv6 address.
    IpAddress,
    /// Something with an `@` and a domain.
    Email,
    /// `+` and digits (E.164).
    Phone,
    /// A name and a value that is one of many: `cus_9s6XKzkNRLz8i3`, `order-12345`.
    PrefixedId,
    /// Random characters: ULID, KSUID, Nano ID, base64url, JWT.
    Token,
    /// Free text: spaces, braces, punctuation no route is made of.
    Text,
    /// Longer than words are.
    Opaque,
}

impl ValueClass {
    /// True when a segment of this class is replaced by a placeholder.
    pub const fn is_parameter(self) -> bool {
        !matches!(self, Self::Literal)
    }

    /// What a parameter of this class is called whatever stands before it.
    pub(super) const fn own_name(self) -> Option<&'static str> {
        match self {
            Self::Date => Some("date"),
            Self::Timestamp => Some("timestamp"),
            Self::Email => Some("email"),
            Self::Phone => Some("phone"),
            Self::IpAddress => Some("ip"),
            Self::Number => Some("number"),
            Self::Literal
            | Self::Integer
            | Self::Uuid
            | Self::Hash
            | Self::PrefixedId
            | Self::Token
            | Self::Text
            | Self::Opaque => None,
        }
    }
}

/// The class of one path segment, percent-encoding already decoded.
pub fn classify(segment: &[u8]) -> ValueClass {
    let look = Look::at(segment);
    if look.is_plain_word() {
        return ValueClass::Literal;
    }
    RULES.iter().find(|(_, holds)| holds(&look)).map_or(ValueClass::Literal, |(class, _)| *class)
}

/// True for `v1`, `2.0` and the like, after which no parameter is named.
pub(super) fn is_route_version(segment: &[u8]) -> bool {
    is_version(&Look::at(segment))
}

/// The first rule that holds decides. To teach a new form, add a line here and its examples to the tests.
const RULES: &[Rule] = &[
    (ValueClass::Literal, is_version),
    (ValueClass::Integer, is_integer),
    (ValueClass::Uuid, is_uuid),
    (ValueClass::Date, is_date),
    (ValueClass::Timestamp, is_timestamp),
    (ValueClass::IpAddress, is_ip_address),
    (ValueClass::Number, is_number),
    (ValueClass::Phone, is_phone),
    (ValueClass::Email, is_email),
    (ValueClass::Token, is_jwt),
    (ValueClass::Hash, is_hash),
    (ValueClass::PrefixedId, is_prefixed_id),
    (ValueClass::PrefixedId, ends_in_number),
    (ValueClass::Token, is_token),
    (ValueClass::Text, is_text),
    (ValueClass::Opaque, is_opaque),
];

type Rule = (ValueClass, fn(&Look<'_>) -> bool);

/// Words are shorter; what is longer names one thing.
const LONGEST_WORD: usize = 40;
/// Slugs and file names are shorter.
const LONGEST_LITERAL: usize = 80;

/// A segment and what one pass over it shows.
struct Look<'a> {
    bytes: &'a [u8],
    digits: usize,
    digit_runs: usize,
    lower: usize,
    upper: usize,
    /// Changes between upper and lower case, whatever stands between.
    case_changes: usize,
    hyphens: usize,
    /// Bytes that are neither ASCII alphanumeric nor `-` nor `_`.
    other: usize,
}

impl<'a> Look<'a> {
    fn at(bytes: &'a [u8]) -> Self {
        let mut look = Self {
            bytes,
            digits: 0,
            digit_runs: 0,
            lower: 0,
            upper: 0,
            case_changes: 0,
            hyphens: 0,
            other: 0,
        };
        let (mut in_digits, mut last_upper) = (false, None);
        for byte in bytes {
            let digit = byte.is_ascii_digit();
            if digit {
                look.digits += 1;
                look.digit_runs += usize::from(!in_digits);
            } else if byte.is_ascii_alphabetic() {
                let upper = byte.is_ascii_uppercase();
                look.upper += usize::from(upper);
                look.lower += usize::from(!upper);
                look.case_changes += usize::from(last_upper == Some(!upper));
                last_upper = Some(upper);
            } else if matches!(byte, b'-' | b'_') {
                look.hyphens += 1;
            } else {
                look.other += 1;
            }
            in_digits = digit;
        }
        look
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn is_plain_word(&self) -> bool {
        self.lower + self.hyphens == self.len() && self.len() <= 24
    }

    fn letters(&self) -> usize {
        self.lower + self.upper
    }
}

/// `v1`, `v1beta1`, `v2.1`, `1.0`, `2.14.3`, `v2-rc1`.
fn is_version(look: &Look<'_>) -> bool {
    if look.len() > 16 || look.digits == 0 {
        return false;
    }
    let (prefixed, rest) = match look.bytes {
        [b'v' | b'V', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let numbers = rest.iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
    let (numbers, suffix) = rest.split_at(numbers);
    let dots = memchr::memchr_iter(b'.', numbers).count();
    // `0.05` is a number: no version counts with zeros in front.
    let is_part = |part: &[u8]| (1..=3).contains(&part.len()) && !matches!(part, [b'0', _, ..]);
    let short_parts = numbers.split(|b| *b == b'.').all(is_part);
    let whole = is_release_tag(suffix.strip_prefix(b"-").unwrap_or(suffix));
    short_parts && whole && (prefixed || (dots == 1 && numbers.len() <= 4) || dots == 2)
}

/// Nothing, or up to two of a stage and a short number: `beta1`, `p1beta1`.
fn is_release_tag(mut tag: &[u8]) -> bool {
    const STAGES: &[&[u8]] = &[b"alpha", b"beta", b"rc", b"preview", b"pre", b"p", b"dev"];
    for _ in 0..2 {
        let Some(rest) = STAGES.iter().find_map(|stage| tag.strip_prefix(*stage)) else { break };
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        tag = rest.get(digits.min(2)..).unwrap_or_default();
    }
    tag.is_empty()
}

fn is_integer(look: &Look<'_>) -> bool {
    look.digits > 0
        && (look.digits == look.len() || (look.digits + 1 == look.len() && look.bytes.starts_with(b"-")))
}

fn is_uuid(look: &Look<'_>) -> bool {
    look.len() == 36
        && look.bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_date(look: &Look<'_>) -> bool {
    match look.len() {
        7 => is_month(look.bytes),
        10 => is_day(look.bytes),
        _ => false,
    }
}

fn is_timestamp(look: &Look<'_>) -> bool {
    let Some((date, time)) = look.bytes.split_at_checked(10) else { return false };
    is_day(date)
        && matches!(time, [b'T' | b't' | b' ' | b'_', rest @ ..] if rest.len() >= 4
            && rest.iter().all(|b| b.is_ascii_digit() || b"zZ:.+-".contains(b)))
}

/// `YYYY-MM`
fn is_month(bytes: &[u8]) -> bool {
    matches!(bytes, [b'1' | b'2', y1, y2, y3, b'-', m1, m2]
        if [y1, y2, y3].iter().all(|b| b.is_ascii_digit()) && in_range(*m1, *m2, 1..=12))
}

/// `YYYY-MM-DD`
fn is_day(bytes: &[u8]) -> bool {
    matches!(bytes, [month @ .., b'-', d1, d2] if is_month(month) && in_range(*d1, *d2, 1..=31))
}

fn in_range(tens: u8, ones: u8, range: std::ops::RangeInclusive<u8>) -> bool {
    tens.is_ascii_digit() && ones.is_ascii_digit() && range.contains(&((tens - b'0') * 10 + (ones - b'0')))
}

fn is_ip_address(look: &Look<'_>) -> bool {
    (look.other >= 2 && look.len() <= 45)
        && std::str::from_utf8(look.bytes).is_ok_and(|text| {
            let text = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
            text.parse::<std::net::IpAddr>().is_ok()
        })
}

/// `52.5163`, `-13.37`, `52.51,13.37`; short ones without a comma are versions.
fn is_number(look: &Look<'_>) -> bool {
    look.digits > 1
        && look.other > 0
        && look.letters() == 0
        && look.bytes.split(|b| *b == b',').all(|part| {
            let part = part.strip_prefix(b"-").unwrap_or(part);
            let dots = memchr::memchr_iter(b'.', part).count();
            dots <= 1
                && part.first().is_some_and(u8::is_ascii_digit)
                && part.last().is_some_and(u8::is_ascii_digit)
                && part.iter().all(|b| b.is_ascii_digit() || *b == b'.')
        })
}

fn is_phone(look: &Look<'_>) -> bool {
    matches!(look.bytes, [b'+', rest @ ..] if look.digits >= 6
        && rest.iter().all(|b| b.is_ascii_digit() || b" -()".contains(b)))
}

fn is_email(look: &Look<'_>) -> bool {
    let Some(at) = memchr::memchr(b'@', look.bytes) else { return false };
    let (name, domain) = look.bytes.split_at(at);
    !name.is_empty() && memchr::memchr(b'.', domain).is_some_and(|dot| dot > 1 && dot + 1 < domain.len())
}

/// Three base64url parts of which the first is a JSON object (RFC 7519 §3); opaque variants share the start.
fn is_jwt(look: &Look<'_>) -> bool {
    look.bytes.starts_with(b"eyJ") && look.len() >= 16
}

/// Digests and short commits. Hexadecimal words (`decade`, `facade`, `feed`) have no digits.
fn is_hash(look: &Look<'_>) -> bool {
    let digits = look.bytes.strip_prefix(b"0x").unwrap_or(look.bytes);
    if !digits.iter().all(u8::is_ascii_hexdigit) || (look.upper > 0 && look.lower > 0 && look.len() < 32) {
        return false;
    }
    match digits.len() {
        0..=6 => false,
        7..=15 => look.digits >= 2 && (look.digit_runs >= 2 || look.digits >= 4) && look.letters() > 0,
        _ => look.digits > 0 || digits.len() >= 24,
    }
}

/// Words joined by `_` or `-`, then characters no word is made of: `cus_9s6XKzkNRLz8i3`, `sk_live_51H…`.
fn is_prefixed_id(look: &Look<'_>) -> bool {
    if look.hyphens == 0 || look.other > 0 {
        return false;
    }
    let Some(cut) = memchr::memrchr2(b'_', b'-', look.bytes) else { return false };
    let (prefix, id) =
        (look.bytes.get(..cut).unwrap_or_default(), look.bytes.get(cut + 1..).unwrap_or_default());
    let words = prefix.iter().all(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'-'));
    let id = Look::at(id);
    words && !prefix.is_empty() && id.len() >= 6 && (looks_random(&id) || is_hash(&id))
}

/// `order-12345`, `user123456`, `INV20240001`: the number is too long to be part of a name.
fn ends_in_number(look: &Look<'_>) -> bool {
    if look.other > 0 || look.letters() == 0 {
        return false;
    }
    let number = look.bytes.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let separated = look.bytes.iter().rev().nth(number).is_some_and(|b| matches!(b, b'-' | b'_'));
    number >= if separated { 5 } else { 6 }
}

fn is_token(look: &Look<'_>) -> bool {
    let padded = look.bytes.iter().rev().take_while(|b| **b == b'=').count();
    if look.other > padded || padded > 2 || look.len() < 8 {
        return false;
    }
    let wordy = look.hyphens > 0
        && look.bytes.split(|b| matches!(b, b'-' | b'_')).all(|part| !looks_random(&Look::at(part)));
    if wordy && look.case_changes < 4 {
        return false;
    }
    looks_random(look) || is_ulid(look)
}

/// 26 characters of Crockford's base32, the first at most `7`.
fn is_ulid(look: &Look<'_>) -> bool {
    look.len() == 26
        && look.digits > 0
        && (look.upper == 0 || look.lower == 0)
        && look.bytes.first().is_some_and(|b| (b'0'..=b'7').contains(b))
        && look.bytes.iter().all(|b| b.is_ascii_alphanumeric() && !b"iloILOuU".contains(b))
}

/// Digits in several places, or case that changes as it does in no camel-cased name.
fn looks_random(look: &Look<'_>) -> bool {
    let mixed = look.upper > 0 && look.lower > 0;
    let share_of_upper = look.upper * 100 / look.letters().max(1);
    let balanced = (30..=70).contains(&share_of_upper);
    match look.digit_runs {
        0 => look.len() >= 16 && mixed && (35..=65).contains(&share_of_upper) && look.case_changes >= 4,
        1 => look.len() >= 8 && mixed && balanced && look.case_changes >= 4,
        2 => look.len() >= 8 && look.letters() > 0 && (look.digits >= 4 || (mixed && look.case_changes >= 2)),
        _ => look.len() >= 8 && look.letters() > 0,
    }
}

/// What a route is not made of. A leading `$`, `@`, `~` or `.` before a word is (`$batch`, `@me`, `~admin`).
fn is_text(look: &Look<'_>) -> bool {
    let body = match look.bytes {
        [b'$' | b'@' | b'~' | b'.' | b'!', rest @ ..] => rest,
        rest => rest,
    };
    let unusual = |b: &u8| !(b.is_ascii_alphanumeric() || b"-_.:~".contains(b) || !b.is_ascii());
    body.iter().any(unusual) || (!look.bytes.is_ascii() && !is_foreign_word(look.bytes))
}

fn is_foreign_word(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| {
        text.chars().count() <= LONGEST_WORD && text.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
    })
}

fn is_opaque(look: &Look<'_>) -> bool {
    let separators = look.bytes.iter().filter(|b| matches!(b, b'-' | b'_' | b'.' | b':')).count();
    look.len() > LONGEST_LITERAL || (look.len() > LONGEST_WORD && separators < look.len() / 16)
}

#[cfg(test)]
mod tests {
    use super::{ValueClass, ValueClass::*, classify};

    fn check(class: ValueClass, segments: &str) {
        for segment in segments.split_whitespace() {
            assert_eq!(classify(segment.as_bytes()), class, "{segment}");
        }
    }

    #[test]
    fn words_stay() {
        check(
            Literal,
            "healthz oauth2 base64 sha256 sha512 md5 ipv4 ipv6 s3 ec2 web3 mp3 h264 utf8 utf-8 iso8601 rfc3339 \
             openapi3 covid-19 2fa 3d-models top10 top-100 http2 k8s i18n l10n a11y p95 x509 log4j 24h 1st \
             oauth2-callback windows10 windows2000 area51 users user_profiles line-items getUserById OData4 \
             GetOrderHistoryForCustomer HTTPServer XMLHttpRequest OAuth2APIKeys me self api graphql v8-engine \
             decade facade deadbeef feed cafe added accede iphone15 ps5 usb3 wifi6 web2print b2b b2c \
             ipv4toipv6 mp3tomp4 my-first-blog-post how-to-cook-for-2-people-in-10-minutes internationalization \
             Authentication ACCOUNTS _search _doc .well-known $metadata $batch @me ~admin :batch",
        );
    }

    #[test]
    fn versions_locales_and_file_names_stay() {
        check(
            Literal,
            "v1 v2 V3 v10 v1beta1 v1alpha v2.1 v1.2.3 v2-rc1 1.0 0.9 2.1 2.14.3 v2p1beta1 en de en-US en_GB zh-Hans-CN pt-BR \
             index.html robots.txt favicon.ico main.css jquery-3.6.0.min.js app.min.js openapi.json feed.xml",
        );
    }

    #[test]
    fn numbers() {
        check(
            Integer,
            "0 1 42 007 2024 1700000000 1700000000000 -5 18446744073709551615 123456789012345678901234",
        );
        check(Number, "52.5163 -13.3777 52.51,13.37 3.14159 100.5 0.01 0.00");
        check(Phone, "+4915123456789 +1-202-555-0143");
        check(IpAddress, "10.0.0.1 192.168.100.200 ::1 fe80::1 2001:db8::8a2e:370:7334");
    }

    #[test]
    fn dates() {
        check(Date, "2024-01-31 1999-12-01 2024-02");
        check(Timestamp, "2024-01-31T10:00:00Z 2024-01-31T10:00:00.123+02:00");
        check(Literal, "2024-13-45a");
    }

    #[test]
    fn hashes_and_uuids() {
        check(Uuid, "550e8400-e29b-41d4-a716-446655440000 018F4E9C-7B1A-7C3D-9E2F-AABBCCDDEEFF");
        check(
            Hash,
            "d41d8cd98f00b204e9800998ecf8427e da39a3ee5e6b4b0d3255bfef95601890afd80709 507f1f77bcf86cd799439011 \
             e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 a1b2c3d 9fceb02 4b825dc642cb \
             0x52908400098527886e0f7030069857d2e4169ee7 D41D8CD98F00B204E9800998ECF8427E",
        );
    }

    #[test]
    fn identifiers() {
        check(
            PrefixedId,
            "cus_9s6XKzkNRLz8i3 pi_3MtwBwLkdIwHu7ix28a3tqPa sk_live_51H8qXyKz0aBcDeFg req_011CSHoEeqs5C35K2UUqR7Fy \
             cus_NffrFeUfNV2Hib usr-1a2b3c4d order-12345 user_123456 user123456 INV20240001 my-great-post-98765",
        );
        check(
            Token,
            "01ARZ3NDEKTSV4RRFFQ69G5FAV 01hv5zq8k3m7x9y2b4c6d8e0fg 0ujtsYcgvSTl8PAuAdqWYSMnLOv V1StGXR8_Z5jdHi6B-myT \
             dQw4w9WgXcQ NffrFeUfNVHibQwZ x7Gh2kLm eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def \
             aGVsbG8gd29ybGQhIQ== 3yZe7rQ2a",
        );
        check(Email, "ann@example.org a.b+c@mail.example.co.uk");
    }

    #[test]
    fn what_is_no_route() {
        for text in ["hello world", "{id}", "a,b;c", "Products(42)", "q=1", "50%", "\u{1}\u{2}"] {
            assert_eq!(classify(text.as_bytes()), Text, "{text:?}");
        }
        assert_eq!(classify(b"\xff\xfe"), Text);
        assert_eq!(classify("straße".as_bytes()), Literal);
        assert_eq!(classify(&[b'q'; 41]), Opaque);
        assert_eq!(classify("a-b.".repeat(40).as_bytes()), Opaque);
    }
}
