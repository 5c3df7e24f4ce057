//! Which functions of rustls are probed: of those that the compiler left, the ones that plaintext passes, once.

use super::{Function, Library, symbols::Symbol};
use std::{fmt, str::FromStr};

/// `0.21.12`: what is behind the 0, which all versions begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    minor: u32,
    patch: u32,
}

impl Version {
    /// What people call the library.
    pub(super) const fn library(self) -> &'static str {
        match self.minor {
            20 => "rustls 0.20",
            21 => "rustls 0.21",
            22 => "rustls 0.22",
            23 => "rustls 0.23",
            _ => "rustls",
        }
    }

    /// From 0.23 on what is sent comes in pieces, and what was received is not copied: functions have other arguments.
    const fn has_slices(self) -> bool {
        matches!(self.minor, 20..=22)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0.{}.{}", self.minor, self.patch)
    }
}

impl FromStr for Version {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (minor, patch) = text.strip_prefix("0.").and_then(|rest| rest.split_once('.')).ok_or(())?;
        let number = |text: &str| text.parse().map_err(|_| ());
        Ok(Self { minor: number(minor)?, patch: number(patch)? })
    }
}

/// Keeps what is probed of these, and of other libraries all. Half of a conversation is none.
pub(super) fn choose(found: &mut Vec<Symbol>, version: Option<Version>) {
    let has = |function: Function| found.iter().any(|symbol| symbol.function == function);
    // What is inlined is so in some of its callers only, or in all. The outermost has callers of several types.
    let sends = [Function::RustlsSendSome, Function::RustlsSendPlain, Function::RustlsSend];
    let of_slices = version.is_some_and(Version::has_slices) && has(Function::RustlsTraffic);
    let ends = match sends.into_iter().find(|send| has(*send)).filter(|_| of_slices) {
        Some(send) => Some([Function::RustlsTraffic, send]),
        None => {
            let whole = [Function::RustlsReceived, Function::RustlsSend];
            whole.into_iter().all(has).then_some(whole)
        }
    };
    found.retain(|Symbol { function, .. }| {
        let kept = ends.is_some_and(|ends| *function == Function::RustlsMessage || ends.contains(function));
        kept || function.library() != Library::Rustls
    });
}
