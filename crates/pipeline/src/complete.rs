//! An observation becomes an exchange: who spoke, to whose account it goes, whether it failed.

use crate::host_names::HostNames;
use overhear_exchange::{
    Address, Authority, Detail, Direction, ErrorType, Exchange, Http, Peer, observation::Observation,
    wire::ConnectionId,
};
use std::sync::Arc;

/// From the live kernel: `ends` are the two of its connection, `A` first.
pub(crate) fn live(
    id: ConnectionId,
    observation: Observation,
    ends: [Peer; 2],
    names: &HostNames,
) -> Exchange {
    let [a, b] = ends;
    let (mut client, mut server) = if observation.client.index() == 0 { (a, b) } else { (b, a) };
    let direction = match (&server.process, &client.process) {
        (None, Some(_)) => Direction::Outbound,
        (Some(_), _) | (None, None) => Direction::Inbound,
    };
    let Detail::Http(http) = &observation.detail;
    let owner = match direction {
        Direction::Inbound => &server.process,
        Direction::Outbound => &client.process,
    };
    let service = owner
        .as_ref()
        .map_or_else(|| of_host(http, &server.address, names), |process| Arc::clone(&process.service));
    match direction {
        Direction::Inbound => name(&mut client, names),
        // The name that is asked for says more than the one that led here.
        Direction::Outbound if authority(http).is_none() => name(&mut server, names),
        Direction::Outbound => {}
    }
    exchange(id, observation, direction, (client, server), service)
}

/// From a capture: there are no processes, and the API is what its server answers.
pub(crate) fn captured(
    id: ConnectionId,
    observation: Observation,
    ends: [Address; 2],
    names: &HostNames,
) -> Exchange {
    let [a, b] = ends.map(|address| Peer { address, process: None });
    let (mut client, server) = if observation.client.index() == 0 { (a, b) } else { (b, a) };
    let Detail::Http(http) = &observation.detail;
    let service = of_host(http, &server.address, names);
    name(&mut client, names);
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

/// Who is not on this machine is called as name servers have it.
fn name(peer: &mut Peer, names: &HostNames) {
    if peer.process.is_none() {
        peer.address = names.named(std::mem::take(&mut peer.address));
    }
}

/// What is asked for, if that is a name.
fn authority(http: &Http) -> Option<Authority<'_>> {
    http.authority.as_deref().map(Authority::parse).filter(Authority::is_name)
}

/// The name of a service known by its address only: the host it is asked for if that is a name, or as name servers have it,
/// else address and port.
fn of_host(http: &Http, server: &Address, names: &HostNames) -> Arc<str> {
    match (authority(http), server) {
        // Names of hosts have no case (RFC 3986 §3.2.2).
        (Some(authority), _) => authority.host.to_ascii_lowercase().into(),
        (None, server) if names.of(server).is_some() => names.of(server).cloned().unwrap_or_default(),
        (None, Address::Ip(address)) => address.to_string().into(),
        (None, Address::Name(name, port)) => format!("{name}:{port}").into(),
        (None, Address::Unix(Some(path))) => Arc::clone(path),
        (None, Address::Unix(None) | Address::Unknown) => {
            http.authority.as_deref().unwrap_or("unknown").into()
        }
    }
}
