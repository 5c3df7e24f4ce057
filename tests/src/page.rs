//! Questions to the page of a `watch`, as a browser asks them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use serde_json::Value;
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

/// An answer of the page, as JSON.
///
/// # Panics
/// When the page does not answer.
pub fn asked(page: &str, question: &str) -> Value {
    let (address, token) = page.split_once("/?token=").unwrap();
    let host = address.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(host).unwrap();
    write!(
        connection,
        "GET /api/{question} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// Asks until the answer is as it should be.
///
/// # Panics
/// When it does not come to that, or the page does not answer.
pub fn until(page: &str, question: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let answer = asked(page, question);
        if fits(&answer) {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{question}: {answer}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
