//! Questions to the page of a `watch`, as a browser asks them.

use crate::Result;
use serde_json::Value;
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

/// An answer of the page, as JSON; where it has none, what it says.
pub fn asked(page: &str, question: &str) -> Result<Value> {
    let (address, token) = page.split_once("/?token=").ok_or("an address without a token")?;
    let host = address.strip_prefix("http://").ok_or("an address without a scheme")?;
    let mut connection = TcpStream::connect(host)?;
    write!(
        connection,
        "GET /api/{question} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(serde_json::from_str(body)?),
        _ => Err(answer.into()),
    }
}

/// Asks until the answer is as it should be.
///
/// # Panics
/// When it does not come to that.
pub fn until(page: &str, question: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        match asked(page, question) {
            Ok(answer) if fits(&answer) => return answer,
            other => assert!(begun.elapsed() < Duration::from_secs(10), "{question}: {other:?}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
