//! Answers of name servers (RFC 1035 §4): which addresses the name that was asked for has.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Port of name servers.
pub const PORT: u16 = 53;

/// Records of one answer that are looked at.
const MOST_RECORDS: u16 = 64;
/// Longest name, in bytes (RFC 1035 §2.3.4).
const LONGEST_NAME: usize = 253;
const A: u16 = 1;
const AAAA: u16 = 28;
const IN: u16 = 1;

/// Calls `each` for every address of the name that a message answers; of what is no such message for none. What an alias
/// (CNAME) leads to is an address of the name that was asked for.
pub fn addresses(message: &[u8], each: &mut dyn FnMut(&str, IpAddr)) {
    // What is cut off has said what came before.
    let _ = read(message, each);
}

fn read(message: &[u8], each: &mut dyn FnMut(&str, IpAddr)) -> Option<()> {
    let mut input = Input { message, at: 0 };
    input.u16()?;
    let flags = input.u16()?;
    let [questions, answers] = [input.u16()?, input.u16()?];
    input.skip(4)?;
    // A response to a standard query, without an error.
    if flags & 0xf80f != 0x8000 || questions != 1 {
        return None;
    }
    let asked = input.name()?;
    let (kind, class) = (input.u16()?, input.u16()?);
    if class != IN || !matches!(kind, A | AAAA) {
        return None;
    }
    for _ in 0..answers.min(MOST_RECORDS) {
        input.skip_name()?;
        let (kind, class) = (input.u16()?, input.u16()?);
        input.skip(4)?;
        let length = input.u16()?;
        let data = input.take(usize::from(length))?;
        let address = match (kind, class) {
            (A, IN) => {
                data.first_chunk().filter(|_| data.len() == 4).map(|ip: &[u8; 4]| Ipv4Addr::from(*ip).into())
            }
            (AAAA, IN) => data
                .first_chunk()
                .filter(|_| data.len() == 16)
                .map(|ip: &[u8; 16]| Ipv6Addr::from(*ip).into()),
            _ => None,
        };
        if let Some(address) = address {
            each(&asked, address);
        }
    }
    Some(())
}

struct Input<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.message.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn skip(&mut self, length: usize) -> Option<()> {
        self.take(length).map(|_| ())
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
    }

    /// A name of letters, digits, hyphens and underscores, in lower case: what hosts are called. The first name of a message
    /// is never compressed.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        loop {
            let length = usize::from(self.u8()?);
            if length == 0 {
                return (!name.is_empty()).then_some(name);
            }
            if length > 63 {
                return None;
            }
            let label = self.take(length)?;
            if !label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
                return None;
            }
            if !name.is_empty() {
                name.push('.');
            }
            name.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
            if name.len() > LONGEST_NAME {
                return None;
            }
        }
    }

    fn skip_name(&mut self) -> Option<()> {
        loop {
            match self.u8()? {
                0 => return Some(()),
                // A pointer is the end of a name (RFC 1035 §4.1.4).
                0xc0.. => return self.skip(1),
                length @ 1..=63 => self.skip(usize::from(length))?,
                64..0xc0 => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::addresses;
    use proptest::prelude::*;
    use std::net::IpAddr;

    fn name(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for label in text.split('.') {
            out.push(u8::try_from(label.len()).unwrap());
            out.extend(label.as_bytes());
        }
        out.push(0);
        out
    }

    /// A record of the name at the begin of the message, or of another one.
    fn record(of: Option<&str>, kind: u16, data: &[u8]) -> Vec<u8> {
        let mut out = of.map_or_else(|| vec![0xc0, 12], name);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 60]);
        out.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        out.extend(data);
        out
    }

    fn answer(flags: u16, asked: &str, kind: u16, records: &[Vec<u8>]) -> Vec<u8> {
        let mut out = vec![0x12, 0x34];
        out.extend(flags.to_be_bytes());
        out.extend([0, 1]);
        out.extend(u16::try_from(records.len()).unwrap().to_be_bytes());
        out.extend([0; 4]);
        out.extend(name(asked));
        out.extend(kind.to_be_bytes());
        out.extend([0, 1]);
        out.extend(records.concat());
        out
    }

    fn told(message: &[u8]) -> Vec<(String, IpAddr)> {
        let mut told = Vec::new();
        addresses(message, &mut |name, address| told.push((name.to_owned(), address)));
        told
    }

    fn expected(name: &str, addresses: &[&str]) -> Vec<(String, IpAddr)> {
        addresses.iter().map(|address| (name.to_owned(), address.parse().unwrap())).collect()
    }

    #[test]
    fn addresses_are_those_of_the_name_that_was_asked_for() {
        let records = [
            record(None, 5, &name("edge.cdn.example")),
            record(Some("edge.cdn.example"), 1, &[192, 0, 2, 7]),
            record(Some("edge.cdn.example"), 1, &[192, 0, 2, 8]),
        ];
        let message = answer(0x8180, "API.Stripe.com", 1, &records);
        assert_eq!(told(&message), expected("api.stripe.com", &["192.0.2.7", "192.0.2.8"]));
        let v6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let message = answer(0x8180, "db.internal", 28, &[record(None, 28, &v6)]);
        assert_eq!(told(&message), expected("db.internal", &["2001:db8::1"]));
        for end in 0..message.len() {
            assert!(told(&message[..end]).is_empty(), "cut off at {end}");
        }
    }

    #[test]
    fn what_is_no_answer_of_addresses_tells_nothing() {
        let one = [record(None, 1, &[10, 0, 0, 1])];
        for (flags, asked, kind) in [
            (0x0100, "a.example", 1),  // a query
            (0x8183, "a.example", 1),  // no such name
            (0xa180, "a.example", 1),  // another opcode
            (0x8180, "a.example", 15), // mail servers
            (0x8180, "a b.example", 1),
        ] {
            assert!(told(&answer(flags, asked, kind, &one)).is_empty(), "{flags:x} {asked} {kind}");
        }
        assert!(told(&answer(0x8180, "a.example", 1, &[record(None, 1, &[10, 0, 0])])).is_empty());
        assert!(told(b"GET / HTTP/1.1\r\n\r\n").is_empty());
    }

    proptest! {
        #[test]
        fn any_answer_is_read_back(
            labels in prop::collection::vec("[a-z0-9_-]{1,20}", 1..6),
            ips in prop::collection::vec(any::<[u8; 4]>(), 0..20),
        ) {
            let asked = labels.join(".");
            let records: Vec<_> = ips.iter().map(|ip| record(None, 1, ip)).collect();
            let all: Vec<_> = ips.iter().map(|ip| (asked.clone(), IpAddr::from(*ip))).collect();
            prop_assert_eq!(told(&answer(0x8180, &asked, 1, &records)), all);
        }

        #[test]
        fn any_bytes_are_fine(
            head in prop::sample::select(vec![vec![], answer(0x8180, "a.b", 1, &[])]),
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            count in any::<u8>(),
        ) {
            let mut message = [head, bytes].concat();
            if let Some(answers) = message.get_mut(7) {
                *answers = count;
            }
            let told = told(&message);
            prop_assert!(told.len() <= 64);
            prop_assert!(told.iter().all(|(name, _)| name.len() <= 253));
        }
    }
}
