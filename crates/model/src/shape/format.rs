//! What strings mean: the formats that a value satisfies.

use super::schema::Format;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// A set of formats: those that all values so far satisfied.
pub(super) type Formats = u32;

/// All of them: nothing was seen that speaks against one.
pub(super) const ALL: Formats = (1 << TABLE.len()) - 1;

/// Whether a value satisfies a format.
type Test = fn(&[u8]) -> bool;

/// What tells a format, by its bit in a saved model: append, never reorder.
const TABLE: [(Format, Test); 21] = [
    (Format::Uuid, is_uuid),
    (Format::DateTime, is_date_time),
    (Format::Date, is_date),
    (Format::Time, is_full_time),
    (Format::Duration, is_duration),
    (Format::Ipv4, is_ipv4),
    (Format::Ipv6, is_ipv6),
    (Format::Email, is_email),
    (Format::Uri, is_uri),
    (Format::Jwt, is_jwt),
    (Format::CardNumber, is_card_number),
    (Format::HexDigest, is_hex_digest),
    (Format::Phone, is_phone),
    (Format::SemVer, is_semantic_version),
    (Format::Decimal, is_decimal),
    (Format::IntegerString, is_integer),
    (Format::Currency, is_currency),
    (Format::Country, is_country),
    (Format::Language, is_language),
    (Format::Hostname, is_hostname),
    (Format::Base64, is_base64),
];

/// Those of `alive` that the value satisfies.
pub(super) fn satisfied(alive: Formats, value: &[u8]) -> Formats {
    let mut left = alive;
    let mut kept = 0;
    while left != 0 {
        let bit = left.trailing_zeros();
        left &= left - 1;
        if TABLE.get(bit as usize).is_some_and(|(_, holds)| holds(value)) {
            kept |= 1 << bit;
        }
    }
    kept
}

/// Each of them, the most specific first.
pub(super) fn all(formats: Formats) -> impl Iterator<Item = Format> {
    TABLE.iter().enumerate().filter(move |(bit, _)| formats & (1 << bit) != 0).map(|(_, (format, _))| *format)
}

/// The one to tell: the most specific, where enough values were seen for it not to be chance.
pub(super) fn choose(formats: Formats, name: &str, examined: u64, distinct: u64) -> Option<Format> {
    all(formats).find(|format| examined >= 3 && is_credible(*format, name, distinct))
}

/// Some formats are so wide that words fall into them; for those the name has to agree.
fn is_credible(format: Format, name: &str, distinct: u64) -> bool {
    let says = |parts: &[&str]| {
        let name = name.to_ascii_lowercase();
        parts.iter().any(|part| name.contains(part))
    };
    match format {
        Format::Currency => says(&["curr", "ccy"]) || distinct >= 4,
        Format::Country => says(&["country", "nation", "region", "market", "territor"]) || distinct >= 6,
        Format::Language => says(&["lang", "locale"]),
        Format::Hostname => says(&["host", "domain", "server", "fqdn", "dns"]),
        Format::Base64 => distinct >= 3,
        Format::CardNumber => distinct >= 2 || says(&["card", "pan"]),
        Format::Date
        | Format::DateTime
        | Format::Time
        | Format::Duration
        | Format::Uuid
        | Format::Email
        | Format::Uri
        | Format::Ipv4
        | Format::Ipv6
        | Format::Jwt
        | Format::HexDigest
        | Format::Phone
        | Format::SemVer
        | Format::EpochSeconds
        | Format::EpochMilliseconds
        | Format::Decimal
        | Format::IntegerString => true,
    }
}

fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0u32, |sum, b| {
        b.is_ascii_digit().then(|| sum.saturating_mul(10).saturating_add(u32::from(b - b'0')))
    })
}

fn is_uuid(value: &[u8]) -> bool {
    value.len() == 36
        && value.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// RFC 3339 §5.6 `full-date`, with the days of each month (§5.7).
pub(super) fn is_date(value: &[u8]) -> bool {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = value else { return false };
    let (Some(year), Some(month), Some(day)) =
        (digits(&[*y1, *y2, *y3, *y4]), digits(&[*m1, *m2]), digits(&[*d1, *d2]))
    else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// RFC 3339 §5.6 `date-time`.
fn is_date_time(value: &[u8]) -> bool {
    value.split_at_checked(10).is_some_and(|(date, time)| {
        matches!(time, [b'T' | b't', time @ ..] if is_full_time(time)) && is_date(date)
    })
}

/// RFC 3339 §5.6 `full-time`: with an offset.
fn is_full_time(value: &[u8]) -> bool {
    let [h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = value else { return false };
    let in_range = |tens: u8, ones: u8, most: u32| digits(&[tens, ones]).is_some_and(|n| n <= most);
    if !in_range(*h1, *h2, 23) || !in_range(*m1, *m2, 59) || !in_range(*s1, *s2, 60) {
        return false;
    }
    let offset = match rest {
        [b'.', fraction @ ..] => {
            let length = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            if length == 0 {
                return false;
            }
            fraction.get(length..).unwrap_or_default()
        }
        rest => rest,
    };
    match offset {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => in_range(*h1, *h2, 23) && in_range(*m1, *m2, 59),
        _ => false,
    }
}

/// RFC 3339 appendix A: `P3DT4H`, `PT1.5S`, `P2W`.
fn is_duration(value: &[u8]) -> bool {
    let [b'P', rest @ ..] = value else { return false };
    let mut parts = rest.split(|b| *b == b'T');
    let (date, time, more) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    more.is_none()
        && value.len() > 2
        && is_amounts(date, b"YMWD")
        && time.is_none_or(|time| !time.is_empty() && is_amounts(time, b"HMS"))
}

/// Numbers, each followed by a unit, the units in their order.
fn is_amounts(mut text: &[u8], mut units: &[u8]) -> bool {
    while !text.is_empty() {
        let length = text.iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
        let (amount, rest) = text.split_at(length);
        let Some((unit, rest)) = rest.split_first() else { return false };
        let Some(at) = units.iter().position(|u| u == unit) else { return false };
        if !amount.first().is_some_and(u8::is_ascii_digit) || !amount.last().is_some_and(u8::is_ascii_digit) {
            return false;
        }
        units = units.get(at + 1..).unwrap_or_default();
        text = rest;
    }
    true
}

fn is_ipv4(value: &[u8]) -> bool {
    (7..=15).contains(&value.len())
        && value.iter().all(|b| b.is_ascii_digit() || *b == b'.')
        && std::str::from_utf8(value).is_ok_and(|text| text.parse::<std::net::Ipv4Addr>().is_ok())
}

fn is_ipv6(value: &[u8]) -> bool {
    (2..=45).contains(&value.len())
        && memchr::memchr(b':', value).is_some()
        && std::str::from_utf8(value).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok())
}

/// RFC 5321 §4.1.2 without quoted local parts and address literals, which nobody uses.
pub(super) fn is_email(value: &[u8]) -> bool {
    let Some(at) = memchr::memrchr(b'@', value) else { return false };
    let (local, domain) = value.split_at(at);
    let domain = domain.get(1..).unwrap_or_default();
    let usual = |b: &u8| b.is_ascii_alphanumeric() || b".!#$%&'*+-/=?^_`{|}~".contains(b) || !b.is_ascii();
    (1..=64).contains(&local.len())
        && local.iter().all(usual)
        && !local.starts_with(b".")
        && !local.ends_with(b".")
        && is_domain(domain)
}

/// Labels of letters, digits and hyphens (RFC 1123 §2.1); at least two, the last without digits alone.
fn is_domain(value: &[u8]) -> bool {
    let is_label = |label: &[u8]| {
        (1..=63).contains(&label.len())
            && label.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-' || !b.is_ascii())
            && !label.starts_with(b"-")
            && !label.ends_with(b"-")
    };
    let mut labels = value.split(|b| *b == b'.');
    value.len() <= 253
        && labels.clone().count() >= 2
        && labels.clone().all(is_label)
        && labels.next_back().is_some_and(|last| last.len() >= 2 && last.iter().all(u8::is_ascii_alphabetic))
}

fn is_hostname(value: &[u8]) -> bool {
    value.is_ascii() && is_domain(value)
}

/// RFC 3986 §3: a scheme and something after it; with an authority, or of a scheme known to have none.
fn is_uri(value: &[u8]) -> bool {
    let Some(colon) = memchr::memchr(b':', value) else { return false };
    let (scheme, rest) = value.split_at(colon);
    let named = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b));
    let without_authority = [&b"urn"[..], b"mailto", b"tel", b"data"].contains(&scheme);
    let hierarchical = rest.starts_with(b"://") && rest.len() > 3;
    named
        && (hierarchical || (without_authority && rest.len() > 1))
        && rest.iter().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(b))
}

/// RFC 7519 §3, RFC 7515 §7.1: three base64url parts of which the first is a JSON object.
pub(super) fn is_jwt(value: &[u8]) -> bool {
    if !value.starts_with(b"eyJ") {
        return false;
    }
    let mut parts = value.split(|b| *b == b'.');
    let url_safe = |part: &[u8]| part.iter().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b));
    let header = parts.next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok());
    header.is_some_and(|header| memchr::memmem::find(&header, b"\"alg\"").is_some())
        && parts.clone().count() == 2
        && parts.all(url_safe)
}

/// ISO/IEC 7812-1: the Luhn digit is right.
fn is_card_number(value: &[u8]) -> bool {
    if !(13..=19).contains(&value.len()) || !value.iter().all(u8::is_ascii_digit) || value.starts_with(b"0") {
        return false;
    }
    let luhn = value.iter().rev().enumerate().map(|(at, digit)| {
        let digit = u32::from(digit - b'0');
        if at % 2 == 0 { digit } else { digit / 5 + digit * 2 % 10 }
    });
    luhn.sum::<u32>() % 10 == 0
}

/// The lengths of MD5, SHA-1, SHA-2.
fn is_hex_digest(value: &[u8]) -> bool {
    matches!(value.len(), 32 | 40 | 56 | 64 | 96 | 128) && value.iter().all(u8::is_ascii_hexdigit)
}

fn is_phone(value: &[u8]) -> bool {
    matches!(value, [b'+', b'1'..=b'9', rest @ ..] if (6..=14).contains(&rest.len()) && rest.iter().all(u8::is_ascii_digit))
}

/// Semantic Versioning 2.0.0 §2, §9, §10.
fn is_semantic_version(value: &[u8]) -> bool {
    let core = value.iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
    let (core, rest) = value.split_at(core);
    let numbers = core.split(|b| *b == b'.');
    let is_number =
        |part: &[u8]| !part.is_empty() && part.len() <= 9 && (part.len() == 1 || !part.starts_with(b"0"));
    numbers.clone().count() == 3
        && numbers.clone().all(is_number)
        && (rest.is_empty()
            || (matches!(rest, [b'-' | b'+', _, ..])
                && rest.iter().all(|b| b.is_ascii_alphanumeric() || b"-+.".contains(b))))
}

fn is_decimal(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"-").unwrap_or(value);
    matches!(value, [whole @ .., b'.', d1, d2] if is_integer(whole) && d1.is_ascii_digit() && d2.is_ascii_digit())
}

/// As programs write them: no leading zeros, which codes have and numbers have not.
pub(super) fn is_integer(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"-").unwrap_or(value);
    (1..=18).contains(&value.len())
        && value.iter().all(u8::is_ascii_digit)
        && (value.len() == 1 || !value.starts_with(b"0"))
}

pub(super) fn is_currency(value: &[u8]) -> bool {
    const CODES: &[u8] = b"AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP \
        BYN BZD CAD CDF CHF CLF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD \
        GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP \
        LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK \
        PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT \
        TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL ";
    value.len() == 3 && CODES.chunks_exact(4).any(|code| code.starts_with(value))
}

pub(super) fn is_country(value: &[u8]) -> bool {
    const CODES: &[u8] = b"ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCI\
        CKCLCMCNCOCRCUCVCWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHU\
        IDIEILIMINIOIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMW\
        MXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSY\
        SZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUYUZVAVCVEVGVIVNVUWFWSYEYTZAZMZW";
    value.len() == 2 && CODES.chunks_exact(2).any(|code| code == value)
}

/// RFC 5646 §2.1: a language, then script and region in their usual spelling.
fn is_language(value: &[u8]) -> bool {
    let mut parts = value.split(|b| *b == b'-');
    let language = parts.next().unwrap_or_default();
    let is_rest = |part: &[u8]| match part.len() {
        2 => part.iter().all(u8::is_ascii_uppercase),
        4 => part.iter().all(u8::is_ascii_alphabetic) && part.first().is_some_and(u8::is_ascii_uppercase),
        3 => part.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    (2..=3).contains(&language.len()) && language.iter().all(u8::is_ascii_lowercase) && parts.all(is_rest)
}

/// RFC 4648 §4 and §5, where it can be told from words: long, of whole groups, with letters of both cases and digits.
fn is_base64(value: &[u8]) -> bool {
    let padding = value.iter().rev().take_while(|b| **b == b'=').count();
    let (text, _) = value.split_at(value.len() - padding);
    let any = |of: fn(&u8) -> bool| text.iter().any(of);
    value.len() >= 16
        && padding <= 2
        && value.len().is_multiple_of(4)
        && text.iter().all(|b| b.is_ascii_alphanumeric() || b"+/-_".contains(b))
        && any(u8::is_ascii_lowercase)
        && any(u8::is_ascii_uppercase)
        && any(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::{ALL, choose, satisfied};
    use crate::shape::schema::Format;

    fn format(name: &str, values: &[&str]) -> Option<Format> {
        let formats = values.iter().fold(ALL, |alive, value| satisfied(alive, value.as_bytes()));
        choose(formats, name, 3, values.len() as u64)
    }

    #[test]
    fn each_format_and_what_is_none() {
        for (name, values, expected) in [
            ("day", &["2024-02-29", "2023-12-31"][..], Some(Format::Date)),
            ("day", &["2023-02-29"], None),
            ("at", &["2024-01-31T10:00:00Z", "2024-01-31t10:00:00.123+02:00"], Some(Format::DateTime)),
            ("at", &["2024-01-31T10:00:00"], None),
            ("at", &["10:00:00Z"], Some(Format::Time)),
            ("ttl", &["P3DT4H", "PT1.5S", "P2W"], Some(Format::Duration)),
            ("ttl", &["P", "PT"], None),
            ("id", &["0c6fbbb8-6f0b-4e1c-8f0a-2f4c9f8e2f4c"], Some(Format::Uuid)),
            ("to", &["ann.lee+x@mail.example.com"], Some(Format::Email)),
            ("to", &["ann@localhost", "@x.de"], None),
            ("href", &["https://example.com/a?b=c#d", "urn:isbn:1"], Some(Format::Uri)),
            ("href", &["note: this"], None),
            ("ip", &["10.0.0.1"], Some(Format::Ipv4)),
            ("ip", &["::1", "2001:db8::1"], Some(Format::Ipv6)),
            ("host", &["a.example.com"], Some(Format::Hostname)),
            ("file", &["report.pdf"], None),
            ("jwt", &["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"], Some(Format::Jwt)),
            ("pan", &["4111111111111111"], Some(Format::CardNumber)),
            ("n", &["12345", "-7"], Some(Format::IntegerString)),
            ("n", &["007"], None),
            ("price", &["12.50", "-0.99"], Some(Format::Decimal)),
            ("sum", &["d41d8cd98f00b204e9800998ecf8427e"], Some(Format::HexDigest)),
            ("phone", &["+4930123456"], Some(Format::Phone)),
            ("version", &["1.2.3", "2.0.0-rc.1+b5"], Some(Format::SemVer)),
            ("currency", &["EUR", "USD"], Some(Format::Currency)),
            ("answer", &["ALL", "TOP"], None),
            ("country", &["DE", "FR"], Some(Format::Country)),
            ("locale", &["en", "de-DE", "zh-Hans-CN"], Some(Format::Language)),
            ("word", &["no", "yes"], None),
            ("data", &["aGVsbG8gd29ybGQx", "Zm9vYmFyMTIzNDU2", "QUJDREVGRzEyMzQ1abcd"], Some(Format::Base64)),
            ("name", &[""], None),
        ] {
            assert_eq!(format(name, values), expected, "{values:?}");
        }
    }

    #[test]
    fn one_value_that_differs_is_enough() {
        assert_eq!(format("day", &["2024-01-31", ""]), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_fine(value in proptest::collection::vec(0u8.., 0..80)) {
            assert_eq!(satisfied(ALL, &value) & !ALL, 0);
        }
    }
}
