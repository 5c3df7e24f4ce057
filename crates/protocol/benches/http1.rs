//! What one exchange costs, and how fast bodies go by: `cargo bench -p overhear-protocol`.

use divan::{Bencher, counter::BytesCount};
use overhear_exchange::{Side, Timestamp};
use overhear_protocol::{Connection, Hint, Limits};

fn main() {
    divan::main();
}

const REQUEST: &[u8] = b"GET /api/v1/users/12345?fields=name HTTP/1.1\r\nHost: api.example.com\r\n\
    User-Agent: bench/1.0\r\nAccept: application/json\r\nAccept-Encoding: gzip\r\nConnection: keep-alive\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: x\r\n\
    Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 26\r\n\r\n{\"id\":12345,\"name\":\"Lamp\"}";

fn known() -> Hint {
    Hint { opener_known: true, tls: false }
}

/// One small exchange on a kept-alive connection.
#[divan::bench]
fn small_exchange(bencher: Bencher) {
    let mut connection = Connection::new(Limits::default(), known());
    let mut out = Vec::new();
    let mut now = 0;
    bencher.bench_local(|| {
        out.clear();
        now += 1000;
        connection.data(Side::A, Timestamp::from_nanos(now), REQUEST, &mut out);
        connection.data(Side::B, Timestamp::from_nanos(now + 500), RESPONSE, &mut out);
        out.len()
    });
}

/// Exchanges with response bodies of 16 KiB, captured up to the given limit.
#[divan::bench(args = [0, 4096, 65536])]
fn bodies_of_16_kib(bencher: Bencher, limit: usize) {
    let mut response = b"HTTP/1.1 200 OK\r\nContent-Length: 16384\r\n\r\n".to_vec();
    response.extend(std::iter::repeat_n(b'x', 16384));
    stream(bencher, limit, &response);
}

/// The same, chunked in chunks of 4 KiB.
#[divan::bench(args = [0, 65536])]
fn chunked_bodies_of_16_kib(bencher: Bencher, limit: usize) {
    let mut response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..4 {
        response.extend(b"1000\r\n");
        response.extend(std::iter::repeat_n(b'x', 4096));
        response.extend(b"\r\n");
    }
    response.extend(b"0\r\n\r\n");
    stream(bencher, limit, &response);
}

fn stream(bencher: Bencher, limit: usize, response: &[u8]) {
    let limits = Limits { body: limit, ..Limits::default() };
    let mut connection = Connection::new(limits, known());
    let mut out = Vec::new();
    bencher.counter(BytesCount::new(REQUEST.len() + response.len())).bench_local(|| {
        out.clear();
        connection.data(Side::A, Timestamp::default(), REQUEST, &mut out);
        connection.data(Side::B, Timestamp::default(), response, &mut out);
        out.len()
    });
}

/// A head of 60 KiB, one byte at a time.
#[divan::bench]
fn head_byte_by_byte(bencher: Bencher) {
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(60_000));
    bencher.counter(BytesCount::new(head.len())).bench_local(|| {
        let mut connection = Connection::new(Limits::default(), known());
        let mut out = Vec::new();
        for byte in head.as_bytes() {
            connection.data(Side::A, Timestamp::default(), std::slice::from_ref(byte), &mut out);
        }
        connection.retained()
    });
}

/// Bytes that nobody reads any more.
#[divan::bench]
fn ignored(bencher: Bencher) {
    let mut connection = Connection::new(Limits::default(), known());
    let mut out = Vec::new();
    connection.data(Side::A, Timestamp::default(), b"SSH-2.0-OpenSSH_9.6\r\n", &mut out);
    bencher.bench_local(|| connection.data(Side::A, Timestamp::default(), REQUEST, &mut out));
}
