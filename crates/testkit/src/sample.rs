use overhear_exchange::{
    Address, Body, Detail, Direction, Exchange, Headers, Http, HttpVersion, Method, Peer, Scheme, Timestamp,
    wire::ConnectionId,
};
use std::time::Duration;

/// A call that a service answered over HTTP: 3 ms in 2024, 10 bytes in, 100 out, from 10.0.0.9.
pub fn exchange(service: &str, method: &str, path: &str, status: Option<u16>) -> Exchange {
    let http = Http {
        version: HttpVersion::V1_1,
        scheme: Scheme::Http,
        method: Method::new(method),
        authority: Some("shop.example:8080".into()),
        path: path.into(),
        query: None,
        status,
        request_headers: Headers::default(),
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
        time: Timestamp::from_nanos(1_714_557_600_000_000_001),
        duration: Some(Duration::from_millis(3)),
        time_to_first_byte: Some(Duration::from_millis(2)),
        direction: Direction::Inbound,
        client: Peer { address: Address::Ip(([10, 0, 0, 9], 4000).into()), process: None },
        server: Peer::default(),
        service: service.into(),
        error: None,
        detail: Detail::Http(Box::new(http)),
    }
}
