//! The recorded captures: each a script that makes its bytes, beside the truth about it in `captures/NAME.json`.
//!
//! The truth is written by hand from what the script does. The bytes are committed too, so that other tools can open
//! them; a test holds that script and file agree.

mod containers;
mod damage;
mod http;
mod network;
mod streams;

use overhear_testkit::pcap::{Capture, Conversation};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// One small capture file.
#[derive(Clone, Copy)]
pub struct Fixture {
    /// What it is about; the stem of its files.
    pub name: &'static str,
    /// `pcap`, `pcapng` or `har`.
    pub extension: &'static str,
    /// Makes its bytes.
    pub make: fn() -> Vec<u8>,
}

impl Fixture {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let tables =
            [http::FIXTURES, network::FIXTURES, streams::FIXTURES, containers::FIXTURES, damage::FIXTURES];
        tables.into_iter().flatten().copied()
    }

    /// The committed bytes.
    pub fn file(&self) -> PathBuf {
        folder().join(format!("{}.{}", self.name, self.extension))
    }

    /// The truth about it.
    pub fn truth(&self) -> PathBuf {
        folder().join(format!("{}.json", self.name))
    }
}

/// Where the captures and their truths are.
pub fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/captures"))
}

const fn pcap(name: &'static str, make: fn() -> Vec<u8>) -> Fixture {
    Fixture { name, extension: "pcap", make }
}

const fn pcapng(name: &'static str, make: fn() -> Vec<u8>) -> Fixture {
    Fixture { name, extension: "pcapng", make }
}

/// A client and a server, not yet connected.
fn conversation() -> Conversation {
    Conversation::new(SocketAddr::from(([10, 0, 0, 1], 40_000)), SocketAddr::from(([10, 0, 0, 2], 80)))
}

/// One conversation on Ethernet in a classic file.
fn record(conversation: &Conversation) -> Vec<u8> {
    Capture::new().add(conversation).pcap()
}

/// A request without a body.
fn request(method: &str, target: &str) -> Vec<u8> {
    format!("{method} {target} HTTP/1.1\r\nHost: shop.example\r\n\r\n").into_bytes()
}

/// A request with a JSON body of known length.
fn post(target: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("POST {target} HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/json\r\n");
    format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// A response with a body of known length.
fn response(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::{Fixture, folder};
    use std::{collections::BTreeSet, fs};

    /// `UPDATE_CAPTURES=1 cargo test -p overhear-tests` writes the files anew after a script was changed.
    #[test]
    fn committed_files_are_what_the_scripts_make() {
        let update = std::env::var_os("UPDATE_CAPTURES").is_some();
        for fixture in Fixture::all() {
            let made = (fixture.make)();
            if update {
                fs::write(fixture.file(), &made).unwrap();
            }
            assert!(fs::read(fixture.file()).unwrap() == made, "{}", fixture.name);
        }
    }

    #[test]
    fn names_are_unique_and_each_has_its_truth_and_nothing_else_is_there() {
        let names: BTreeSet<_> = Fixture::all().map(|fixture| fixture.name).collect();
        assert_eq!(names.len(), Fixture::all().count());
        assert!(names.len() >= 40, "{}", names.len());
        let expected: BTreeSet<_> =
            Fixture::all().flat_map(|fixture| [fixture.file(), fixture.truth()]).collect();
        let there: BTreeSet<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
        let odd: Vec<_> = expected.symmetric_difference(&there).collect();
        assert!(odd.is_empty(), "{odd:?}");
    }
}
