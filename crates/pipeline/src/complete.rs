//! An observation becomes an exchange: who spoke, to whose account it goes, whether it failed.

use overhear_exchange::{
    Address, Detail, Direction, ErrorType, Exchange, Http, Peer, observation::Observation, wire::ConnectionId,
};
use std::sync::Arc;

/// From the live kernel: `ends` are the two of its connection, `A` first.
pub(crate) fn live(id: ConnectionId, observation: Observation, ends: [Peer; 2]) -> Exchange {
    let [a, b] = ends;
    let (client, server) = if observation.client.index() == 0 { (a, b) } else { (b, a) };
    let direction = match (&server.process, &client.process) {
        (None, Some(_)) => Direction::Outbound,
        (Some(_), _) | (None, None) => Direction::Inbound,
    };
    let Detail::Http(http) = &observation.detail;
    let owner = match direction {
        Direction::Inbound => &server.process,
        Direction::Outbound => &client.process,
    };
    let service =
        owner.as_ref().map_or_else(|| of_host(http, &server.address), |process| Arc::clone(&process.service));
    exchange(id, observation, direction, (client, server), service)
}

/// From a capture: there are no processes, and the API is what its server answers.
pub(crate) fn captured(id: ConnectionId, observation: Observation, ends: [Address; 2]) -> Exchange {
    let [a, b] = ends.map(|address| Peer { address, process: None });
    let (client, server) = if observation.client.index() == 0 { (a, b) } else { (b, a) };
    let Detail::Http(http) = &observation.detail;
    let service = of_host(http, &server.address);
    exchange(id, observation, Direction::Inbound, (client, server), service)
}

fn exchange(
    connection: ConnectionId,
    observation: Observation,
    direction: Direction,
    (client, server): (Peer, Peer),
    service: Arc<str>,
) -> Exchange {
    let Observation { time, duration, time_to_first_byte, error, detail, .. } = observation;
    let Detail::Http(http) = &detail;
    let error = error.or_else(|| status_error(http.status, direction));
    Exchange {
        connection,
        time,
        duration,
        time_to_first_byte,
        direction,
        client,
        server,
        service,
        error,
        detail,
    }
}

/// 5xx is an error for both ends, 4xx for the one that asked (OpenTelemetry, HTTP spans, status).
pub(crate) fn status_error(status: Option<u16>, direction: Direction) -> Option<ErrorType> {
    let from = match direction {
        Direction::Inbound => 500,
        Direction::Outbound => 400,
    };
    status.filter(|status| *status >= from).map(ErrorType::Status)
}

/// The name of a service known by its address only: the host it is asked for if that is a name, else address and port.
fn of_host(http: &Http, server: &Address) -> Arc<str> {
    let host = http.authority.as_deref().map(host).filter(|host| is_name(host));
    match (host, server) {
        (Some(host), _) => host.into(),
        (None, Address::Ip(address)) => address.to_string().into(),
        (None, Address::Name(name, port)) => format!("{name}:{port}").into(),
        (None, Address::Unix(Some(path))) => Arc::clone(path),
        (None, Address::Unix(None) | Address::Unknown) => {
            http.authority.as_deref().unwrap_or("unknown").into()
        }
    }
}

/// `authority` without its port (RFC 3986 §3.2).
fn host(authority: &str) -> &str {
    let after_userinfo = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if after_userinfo.starts_with('[') {
        return after_userinfo.split_inclusive(']').next().unwrap_or(after_userinfo);
    }
    after_userinfo.split(':').next().unwrap_or(after_userinfo)
}

/// A name somebody gave, not an address or the machine itself.
fn is_name(host: &str) -> bool {
    let address = host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok();
    !host.is_empty() && !address && !host.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::{host, is_name};

    #[test]
    fn hosts_and_names() {
        for (authority, expected, name) in [
            ("shop.example:8080", "shop.example", true),
            ("shop.example", "shop.example", true),
            ("127.0.0.1:80", "127.0.0.1", false),
            ("[::1]:80", "[::1]", false),
            ("localhost:3000", "localhost", false),
            ("user@api.example:1", "api.example", true),
            ("", "", false),
        ] {
            assert_eq!((host(authority), is_name(host(authority))), (expected, name), "{authority}");
        }
    }
}
