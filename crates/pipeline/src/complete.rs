//! An observation becomes an exchange: who spoke, to whose account it goes, whether it failed.

use crate::host_names::HostNames;
use overhear_exchange::{
    Address, Authority, Detail, Direction, ErrorType, Exchange, Http, Peer, RpcStatus,
    observation::Observation, wire::ConnectionId,
};
use std::sync::Arc;

/// What is known of those who are not on this machine.
pub(crate) struct Remote<'a> {
    /// Whom the client wanted, as it said before it encrypted (SNI).
    pub(crate) wanted: Option<&'a Arc<str>>,
    /// What name servers answered.
    pub(crate) names: &'a HostNames,
}

/// From the live kernel: `ends` are the two of its connection, `A` first.
pub(crate) fn live(
    id: ConnectionId,
    observation: Observation,
    ends: [Peer; 2],
    remote: &Remote<'_>,
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
        .map_or_else(|| of_host(http, &server.address, remote), |process| Arc::clone(&process.service));
    match direction {
        Direction::Inbound => name(&mut client, remote.names),
        // The name that is asked for says more than the one that led here.
        Direction::Outbound if authority(http).is_none() => name_server(&mut server, remote),
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
    let service = of_host(http, &server.address, &Remote { wanted: None, names });
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
    let error =
        error.or_else(|| call_error(http, direction)).or_else(|| status_error(http.status, direction));
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

/// What a remote procedure call says is an error for the one that asked. For the one that answered it is where the service
/// is to blame (OpenTelemetry, gRPC, status).
fn call_error(http: &Http, direction: Direction) -> Option<ErrorType> {
    let status = http.call.as_ref()?.rpc.as_ref()?.status?;
    let failed = match direction {
        Direction::Outbound => status != RpcStatus::Ok,
        Direction::Inbound => matches!(
            status,
            RpcStatus::Unknown
                | RpcStatus::DeadlineExceeded
                | RpcStatus::Unimplemented
                | RpcStatus::Internal
                | RpcStatus::Unavailable
                | RpcStatus::DataLoss
        ),
    };
    failed.then_some(ErrorType::Rpc(status))
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

/// And a server as its client called it, where that was said.
fn name_server(server: &mut Peer, remote: &Remote<'_>) {
    match (remote.wanted, &server.address) {
        (Some(name), Address::Ip(ip)) if server.process.is_none() => {
            server.address = Address::Name(Arc::clone(name), ip.port());
        }
        _ => name(server, remote.names),
    }
}

/// What is asked for, if that is a name.
fn authority(http: &Http) -> Option<Authority<'_>> {
    http.authority.as_deref().map(Authority::parse).filter(Authority::is_name)
}

/// The name of a service known by its address only: the host it is asked for if that is a name, or as its client or name
/// servers have it, else address and port.
fn of_host(http: &Http, server: &Address, remote: &Remote<'_>) -> Arc<str> {
    let named = remote.wanted.or_else(|| remote.names.of(server));
    match (authority(http), server) {
        // Names of hosts have no case (RFC 3986 §3.2.2).
        (Some(authority), _) => authority.host.to_ascii_lowercase().into(),
        (None, _) if named.is_some() => named.cloned().unwrap_or_default(),
        (None, Address::Ip(address)) => address.to_string().into(),
        (None, Address::Name(name, port)) => format!("{name}:{port}").into(),
        (None, Address::Unix(Some(path))) => Arc::clone(path),
        (None, Address::Unix(None) | Address::Unknown) => {
            http.authority.as_deref().unwrap_or("unknown").into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{call_error, status_error};
    use overhear_exchange::{Call, CallSystem, Detail, Direction, ErrorType, Rpc, RpcStatus};
    use overhear_testkit::exchange;

    #[test]
    fn a_call_is_an_error_for_who_is_to_blame() {
        for (status, inbound, outbound) in [
            (RpcStatus::Ok, false, false),
            (RpcStatus::NotFound, false, true),
            (RpcStatus::Cancelled, false, true),
            (RpcStatus::Internal, true, true),
            (RpcStatus::Unavailable, true, true),
        ] {
            let mut call = exchange("shop", "POST", "/s.S/M", Some(200));
            let Detail::Http(http) = &mut call.detail;
            let rpc = Rpc { status: Some(status), ..Rpc::default() };
            http.call = Some(Box::new(Call {
                system: CallSystem::Grpc,
                name: "s.S/M".into(),
                rpc: Some(Box::new(rpc)),
            }));
            let error = Some(ErrorType::Rpc(status));
            assert_eq!(call_error(http, Direction::Inbound), error.filter(|_| inbound), "{status}");
            assert_eq!(call_error(http, Direction::Outbound), error.filter(|_| outbound), "{status}");
        }
        assert_eq!(status_error(Some(404), Direction::Inbound), None);
    }
}
