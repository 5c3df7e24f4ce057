//! What addresses are called, as name servers answered those who asked.

use overhear_exchange::Address;
use overhear_protocol::dns;
use rustc_hash::FxHashMap;
use std::{net::IpAddr, sync::Arc};

/// Addresses that have a name; those that were answered longest ago go first.
const MOST: usize = 8192;

/// The name that was asked for last, by address.
#[derive(Default)]
pub(crate) struct HostNames {
    young: FxHashMap<IpAddr, Arc<str>>,
    /// Nothing is added to these, and they go when there are enough younger ones.
    old: FxHashMap<IpAddr, Arc<str>>,
}

impl HostNames {
    /// Learns from a message that a name server sent.
    pub(crate) fn answered(&mut self, message: &[u8]) {
        let mut last: Option<Arc<str>> = None;
        dns::addresses(message, &mut |name, address| {
            let name = Arc::clone(last.get_or_insert_with(|| name.into()));
            self.young.insert(address, name);
        });
        if self.young.len() >= MOST / 2 {
            self.old = std::mem::take(&mut self.young);
        }
    }

    /// The name of an address.
    pub(crate) fn of(&self, address: &Address) -> Option<&Arc<str>> {
        let Address::Ip(address) = address else { return None };
        let ip = address.ip().to_canonical();
        self.young.get(&ip).or_else(|| self.old.get(&ip))
    }

    /// The same by its name, where that is known.
    pub(crate) fn named(&self, address: Address) -> Address {
        match (self.of(&address), &address) {
            (Some(name), Address::Ip(ip)) => Address::Name(Arc::clone(name), ip.port()),
            _ => address,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{HostNames, MOST};
    use overhear_exchange::Address;

    fn answer(name: &str, ip: u32) -> Vec<u8> {
        let mut out = vec![0, 1, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
        out.push(u8::try_from(name.len()).unwrap());
        out.extend(name.as_bytes());
        out.extend([0, 0, 1, 0, 1, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4]);
        out.extend(ip.to_be_bytes());
        out
    }

    fn at(ip: u32) -> Address {
        Address::Ip((ip.to_be_bytes(), 443).into())
    }

    #[test]
    fn the_newest_name_counts_and_there_are_not_too_many() {
        let mut names = HostNames::default();
        names.answered(&answer("first", 1));
        names.answered(&answer("second", 1));
        assert_eq!(names.of(&at(1)).map(|name| &**name), Some("second"));
        assert_eq!(names.named(at(1)), Address::Name("second".into(), 443));
        assert_eq!(names.named(at(2)), at(2));
        let many = u32::try_from(MOST).unwrap() * 3;
        (10..many).for_each(|ip| names.answered(&answer("many", ip)));
        assert!(names.young.len() + names.old.len() <= MOST);
        assert_eq!(names.of(&at(1)), None);
        assert!(names.of(&at(many - 1)).is_some() && names.of(&at(many - 1000)).is_some());
    }
}
