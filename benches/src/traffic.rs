//! A capture of any size: keep-alive HTTP/1.1 with JSON bodies of 1 to 16 KiB.

use crate::Result;
use overhear_exchange::{Side, Timestamp};
use overhear_testkit::pcap::{Capture, Conversation};
use std::{
    fs::File,
    io::{BufWriter, Write as _},
    net::SocketAddr,
    path::Path,
    time::Duration,
};

/// Exchanges on one connection.
const EXCHANGES: u32 = 50;
/// Bytes of the header of a classic pcap file.
const HEADER: usize = 24;
/// When the first connection opens: 2026-01-01.
const START: u64 = 1_767_225_600_000_000_000;

/// Writes about this many megabytes; gives the number of exchanges.
pub(crate) fn write(file: &Path, megabytes: u64) -> Result<u64> {
    let mut out = BufWriter::new(File::create(file)?);
    let (mut written, mut connections) = (0, 0_u32);
    while written < megabytes * 1_000_000 {
        let part = Capture::new().add(&connection(connections)).pcap();
        let part = if connections == 0 { &part[..] } else { part.get(HEADER..).unwrap_or_default() };
        out.write_all(part)?;
        written += part.len() as u64;
        connections += 1;
    }
    out.flush()?;
    Ok(u64::from(connections) * u64::from(EXCHANGES))
}

/// Every body that is written, each as often as the others.
pub(crate) fn bodies() -> Vec<String> {
    (0..SIZES).map(|number| body(size(number))).collect()
}

/// Different sizes of bodies.
const SIZES: u32 = 5;

fn size(number: u32) -> usize {
    1_024 << (number % SIZES)
}

fn connection(number: u32) -> Conversation {
    let [_, high, middle, low] = (number / 20_000).to_be_bytes();
    let port = u16::try_from(30_000 + number % 20_000).unwrap_or(30_000);
    let client = SocketAddr::from(([10, high, middle, low.wrapping_add(1)], port));
    let mut talk = Conversation::new(client, SocketAddr::from(([10, 255, 0, 1], 8080)));
    talk.at(Timestamp::from_nanos(START + u64::from(number) * 10_000_000)).open();
    for exchange in 0..EXCHANGES {
        let body = body(size(number.wrapping_mul(7).wrapping_add(exchange)));
        talk.send(Side::A, &request(number, exchange)).wait(Duration::from_micros(300));
        talk.send(Side::B, &response(&body)).acknowledge(Side::A);
    }
    talk.close();
    talk
}

fn request(number: u32, exchange: u32) -> Vec<u8> {
    let user = number.wrapping_mul(31).wrapping_add(exchange);
    let path = match exchange % 4 {
        0 => format!("/api/users/{user}"),
        1 => format!("/api/orders/{user}/items?limit=20"),
        2 => "/api/products".to_owned(),
        _ => format!("/api/carts/{:08x}-3f2a-4c1d-9b7e-0123456789ab", user),
    };
    format!(
        "GET {path} HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: bench/1.0\r\nAccept: application/json\r\n\
         Accept-Encoding: identity\r\nX-Request-Id: {number:08x}{exchange:08x}\r\nConnection: keep-alive\r\n\r\n"
    )
    .into_bytes()
}

/// A body of exactly this many bytes.
fn body(size: usize) -> String {
    let mut body = String::with_capacity(size + 64);
    body.push_str("{\"items\":[");
    while body.len() + 70 < size {
        body.push_str("{\"id\":1234567,\"name\":\"a thing\",\"price\":12.5,\"tags\":[\"a\",\"b\"]},");
    }
    body.push_str("{\"pad\":\"");
    while body.len() + 4 < size {
        body.push('x');
    }
    body.push_str("\"}]}");
    body
}

fn response(body: &str) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: application/json\r\n";
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::{body, response, write};

    #[test]
    fn bodies_are_json_of_their_size() {
        for size in [1_024, 16_384] {
            let response = String::from_utf8(response(&body(size))).unwrap();
            let (_, body) = response.split_once("\r\n\r\n").unwrap();
            assert_eq!(body.len(), size);
            assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
        }
    }

    #[test]
    fn the_file_is_as_large_as_asked() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(write(file.path(), 2).unwrap() >= 50);
        assert!((2_000_000..3_000_000).contains(&file.as_file().metadata().unwrap().len()));
    }
}
