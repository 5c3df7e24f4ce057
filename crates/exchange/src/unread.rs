//! Connections that are encrypted and stay so: whose, why, and what shows from outside.

use crate::Direction;
use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    sync::Arc,
    time::Duration,
};

/// What hides the content of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cipher {
    /// TLS over TCP.
    Tls,
    /// QUIC, whose handshake is TLS (RFC 9001).
    Quic,
}

impl Cipher {
    /// `tls` or `quic`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Quic => "quic",
        }
    }
}

/// Why the plaintext of a program is not heard. Displayed, it follows "unreadable: ".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnreadReason {
    /// Java has its own TLS, in code that is compiled while it runs.
    Java,
    /// The library is linked into the program, which names no functions any more.
    NoSymbols(&'static str),
    /// It names functions, and those that plaintext passes are not among them: the compiler put them into their callers.
    Inlined(&'static str),
    /// Go before 1.17 passes arguments on the stack.
    OldGo,
    /// Known, but there are no probes for it.
    NoProbes(&'static str),
    /// Nothing that is known to encrypt is in the program.
    UnknownLibrary,
    /// Its library is probed, and it began before.
    BeganBefore,
    /// Its library is probed from its first byte on, and nothing came.
    NoPlaintext,
    /// The program ended before it could be looked at.
    Ended,
    /// Probes of TLS were not wanted.
    Off,
    /// No probes were wanted in this program.
    LeftAlone,
    /// The kernel is heard by its system calls, where there are no probes of TLS.
    OldKernel,
    /// The kernel refused the probes of TLS.
    Refused,
    /// A capture holds no more than was on the wire.
    Capture,
    /// QUIC is not read.
    Quic,
}

impl UnreadReason {
    /// The key in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Java => "java",
            Self::NoSymbols(_) => "no_symbols",
            Self::Inlined(_) => "inlined",
            Self::OldGo => "old_go",
            Self::NoProbes(_) => "no_probes",
            Self::UnknownLibrary => "unknown_library",
            Self::BeganBefore => "began_before",
            Self::NoPlaintext => "no_plaintext",
            Self::Ended => "ended",
            Self::Off => "off",
            Self::LeftAlone => "left_alone",
            Self::OldKernel => "old_kernel",
            Self::Refused => "refused",
            Self::Capture => "capture",
            Self::Quic => "quic",
        }
    }
}

impl fmt::Display for UnreadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Java => "Java encrypts in code that it compiles while it runs, which cannot be probed",
            Self::NoSymbols(library) => {
                return write!(
                    f,
                    "{library} is linked into it without symbols, so that its functions cannot be found"
                );
            }
            Self::Inlined(library) => {
                return write!(
                    f,
                    "{library} is in it, whose functions were inlined, so that they cannot be found"
                );
            }
            Self::OldGo => "it was built with a Go before 1.17",
            Self::NoProbes(library) => return write!(f, "there are no probes for {library}"),
            Self::UnknownLibrary => "it has no TLS library that is known",
            Self::BeganBefore => "they began before they were listened to, and no plaintext was heard since",
            Self::NoPlaintext => {
                "its TLS library is probed, and no plaintext came by: the handshake failed, or another library encrypts"
            }
            Self::Ended => "it ended before it could be looked at",
            Self::Off => "probes in TLS libraries are not wanted (--no-tls)",
            Self::LeftAlone => "no probes are put into it (--no-tls-for, or it checks its own code)",
            Self::OldKernel => {
                "this kernel is listened to by its system calls, without probes in TLS libraries (those need Linux 6.3)"
            }
            Self::Refused => "the kernel refused the probes in TLS libraries",
            Self::Capture => "a capture holds no more than was on the wire",
            Self::Quic => "QUIC is not read",
        })
    }
}

/// Whose connections these are, and why they cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnreadKey {
    /// The name of the service; in captures, of the server.
    pub program: Arc<str>,
    /// The file that it runs, as far as it is known.
    pub executable: Option<Arc<str>>,
    /// Whether it is asked, or asks.
    pub direction: Direction,
    /// What hides them.
    pub cipher: Cipher,
    /// Why.
    pub reason: UnreadReason,
}

/// What shows of such connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// How many.
    pub connections: u64,
    /// Those of them that are not over.
    pub open: u64,
    /// Bytes that the program sent, encrypted.
    pub sent: u64,
    /// Bytes that it received.
    pub received: u64,
    /// How long they lasted, together.
    pub duration: Duration,
    /// Whom clients wanted (SNI), and how often.
    pub names: Names,
    /// What they wanted to speak (ALPN), the first that they named.
    pub protocols: Names,
}

impl Unread {
    /// Adds others of the same program.
    pub fn merge(&mut self, other: &Self) {
        self.connections += other.connections;
        self.open += other.open;
        self.sent = self.sent.saturating_add(other.sent);
        self.received = self.received.saturating_add(other.received);
        self.duration = self.duration.saturating_add(other.duration);
        self.names.merge(&other.names);
        self.protocols.merge(&other.protocols);
    }
}

/// Names that strangers choose, so there are not too many of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    counts: BTreeMap<Arc<str>, u64>,
    /// Of names that there was no room for.
    pub others: u64,
}

impl Names {
    /// Names of one program at most.
    const MOST: usize = 64;

    /// Counts one.
    pub fn add(&mut self, name: &Arc<str>, count: u64) {
        let full = self.counts.len() >= Self::MOST;
        match self.counts.entry(Arc::clone(name)) {
            Entry::Occupied(mut known) => *known.get_mut() += count,
            Entry::Vacant(_) if full => self.others += count,
            Entry::Vacant(new) => {
                new.insert(count);
            }
        }
    }

    /// The most frequent ones, and how often all others were.
    pub fn top(&self, most: usize) -> (Vec<(&Arc<str>, u64)>, u64) {
        let mut all: Vec<_> = self.counts.iter().map(|(name, count)| (name, *count)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        let rest: u64 = all.iter().skip(most).map(|(_, count)| count).sum();
        all.truncate(most);
        (all, rest + self.others)
    }

    fn merge(&mut self, other: &Self) {
        other.counts.iter().for_each(|(name, count)| self.add(name, *count));
        self.others += other.others;
    }
}

/// All of it, by program. Cheap to copy: it is asked for often and changes seldom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnreadTable(Arc<BTreeMap<UnreadKey, Unread>>);

impl UnreadTable {
    /// Rows at most; what comes later is counted without its program.
    const MOST: usize = 256;

    /// Those with most connections first.
    pub fn rows(&self) -> Vec<(&UnreadKey, &Unread)> {
        let mut rows: Vec<_> = self.0.iter().collect();
        rows.sort_by(|a, b| b.1.connections.cmp(&a.1.connections).then_with(|| a.0.cmp(b.0)));
        rows
    }

    /// All of them together.
    pub fn connections(&self) -> u64 {
        self.0.values().map(|what| what.connections).sum()
    }

    /// True when everything is read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds to a row.
    pub fn add(&mut self, key: UnreadKey, what: &Unread) {
        let rows = Arc::make_mut(&mut self.0);
        let key = if rows.len() >= Self::MOST && !rows.contains_key(&key) {
            UnreadKey { program: "other programs".into(), executable: None, ..key }
        } else {
            key
        };
        rows.entry(key).or_default().merge(what);
    }

    /// Adds another part of the same capture.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(key, what)| self.add(key.clone(), what));
    }
}

#[cfg(test)]
mod tests {
    use super::{Cipher, Names, Unread, UnreadKey, UnreadReason, UnreadTable};
    use crate::Direction;
    use std::sync::Arc;

    fn key(program: &str) -> UnreadKey {
        UnreadKey {
            program: program.into(),
            executable: None,
            direction: Direction::Inbound,
            cipher: Cipher::Tls,
            reason: UnreadReason::Java,
        }
    }

    #[test]
    fn names_and_rows_are_bounded_and_nothing_is_lost() {
        let (mut names, mut table) = (Names::default(), UnreadTable::default());
        for number in 0..1000 {
            names.add(&Arc::from(format!("{number}.example")), 1);
            names.add(&"often.example".into(), 1);
            table.add(key(&number.to_string()), &Unread { connections: 1, ..Unread::default() });
        }
        let (top, others) = names.top(2);
        assert_eq!((top[0].0.as_ref(), top[0].1, top[1].1, others), ("often.example", 1000, 1, 999));
        let rows = table.rows();
        assert!(rows.len() <= 257 && rows[0].0.program.as_ref() == "other programs", "{}", rows.len());
        assert_eq!(rows.iter().map(|(_, what)| what.connections).sum::<u64>(), 1000);
    }
}
