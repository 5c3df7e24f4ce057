//! Exchanges for the tests of this crate.

use overhear_exchange::{
    Address, Body, Detail, Direction, Exchange, Headers, Http, HttpVersion, Method, Peer, Process, Scheme,
    Timestamp, wire::ConnectionId,
};
use std::{sync::Arc, time::Duration};

pub(crate) const TIME: u64 = 1_714_557_600_000_000_001;

pub(crate) fn exchange(method: &str, path: &str, status: Option<u16>) -> Exchange {
    let fields: [(&[u8], &[u8]); 2] = [(b"Host", b"shop.example:8080"), (b"User-Agent", b"curl/8")];
    let http = Http {
        version: HttpVersion::V1_1,
        scheme: Scheme::Http,
        method: Method::new(method),
        authority: Some("shop.example:8080".into()),
        path: path.into(),
        query: Some("limit=5&token=abc".into()),
        status,
        request_headers: Headers::new(fields),
        response_headers: Headers::default(),
        request_body: Body { size: 10, ..Body::default() },
        response_body: Body { size: 100, ..Body::default() },
        call: None,
        stream: None,
        gen_ai: None,
        anomalies: Default::default(),
    };
    Exchange {
        connection: ConnectionId(1),
        time: Timestamp::from_nanos(TIME),
        duration: Some(Duration::from_millis(250)),
        time_to_first_byte: Some(Duration::from_millis(125)),
        direction: Direction::Inbound,
        client: peer([10, 0, 0, 9], 4000, 100, "web"),
        server: peer([10, 0, 0, 1], 80, 200, "shop"),
        service: "shop".into(),
        error: None,
        detail: Detail::Http(Box::new(http)),
    }
}

fn peer(ip: [u8; 4], port: u16, pid: u32, service: &str) -> Peer {
    let process = Process::new(pid, service);
    Peer { address: Address::Ip((ip, port).into()), process: Some(Arc::new(process)) }
}

/// The same exchange as this service asks it of this server.
pub(crate) fn asked(mut exchange: Exchange, service: &str, server: &str) -> Exchange {
    exchange.service = service.into();
    exchange.direction = Direction::Outbound;
    exchange.server.process = None;
    let Detail::Http(http) = &mut exchange.detail;
    http.authority = Some(server.into());
    exchange
}
