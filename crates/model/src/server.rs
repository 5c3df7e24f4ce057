//! What the server that is asked is called.

use crate::model::shorten;
use overhear_exchange::{Address, Authority, Detail, Direction, Exchange, Method, Scheme};
use std::fmt::Write;

/// The server that an exchange asks, as [`crate::Way::Outbound`] names it; none where it was answered.
pub fn server_asked(exchange: &Exchange) -> Option<String> {
    let mut name = String::new();
    match exchange.direction {
        Direction::Inbound => return None,
        Direction::Outbound => write_name(exchange, &mut name),
    }
    Some(name)
}

/// Writes the name by which a server is told from others: the host it is asked for, in lower case and with its port where
/// that is not the scheme's own; else address and port.
pub(crate) fn write_name(exchange: &Exchange, out: &mut String) {
    let Detail::Http(http) = &exchange.detail;
    // A proxy is asked to connect; who is behind it is not the one that answers.
    let asked = http.authority.as_deref().filter(|_| *http.endpoint_method() != Method::Connect);
    let asked = asked.map(Authority::parse).filter(Authority::is_name);
    // Writing to a String does not fail.
    let _ = match (asked, &exchange.server.address) {
        (Some(asked), _) => write_host(out, asked, http.scheme),
        (None, Address::Ip(address)) => write!(out, "{address}"),
        (None, Address::Name(host, port)) => {
            write_host(out, Authority { host, port: Some(*port) }, http.scheme)
        }
        (None, Address::Unix(Some(path))) => out.write_str(path),
        (None, Address::Unix(None) | Address::Unknown) => {
            out.write_str(http.authority.as_deref().unwrap_or("unknown"))
        }
    };
    out.truncate(shorten(out).len());
}

/// Writes where the server is, as far as that is known.
pub(crate) fn write_address(exchange: &Exchange, out: &mut String) {
    // Writing to a String does not fail.
    let _ = match &exchange.server.address {
        Address::Ip(address) => write!(out, "{address}"),
        Address::Name(host, port) => write!(out, "{host}:{port}"),
        Address::Unix(_) | Address::Unknown => Ok(()),
    };
    out.truncate(shorten(out).len());
}

fn write_host(out: &mut String, Authority { host, port }: Authority<'_>, scheme: Scheme) -> std::fmt::Result {
    // With the dot of the root it is the same name (RFC 1034 §3.1).
    out.push_str(host.strip_suffix('.').unwrap_or(host));
    out.make_ascii_lowercase();
    match port.filter(|port| *port != scheme.default_port()) {
        Some(port) => write!(out, ":{port}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::write_name;
    use crate::model::tests::exchange;
    use overhear_exchange::{Address, Detail, Scheme};

    #[test]
    fn servers_are_called_as_they_are_asked_for() {
        let ip = || Address::Ip(([10, 0, 0, 5], 8443).into());
        let unix = || Address::Unix(Some("/run/docker.sock".into()));
        for (method, scheme, authority, address, expected) in [
            ("GET", Scheme::Https, Some("API.Stripe.com"), ip(), "api.stripe.com"),
            ("GET", Scheme::Https, Some("api.stripe.com.:443"), ip(), "api.stripe.com"),
            ("GET", Scheme::Http, Some("api.stripe.com:443"), ip(), "api.stripe.com:443"),
            ("GET", Scheme::Http, Some("10.0.0.5:8443"), ip(), "10.0.0.5:8443"),
            ("GET", Scheme::Http, Some("localhost"), ip(), "10.0.0.5:8443"),
            ("GET", Scheme::Http, None, ip(), "10.0.0.5:8443"),
            ("GET", Scheme::Http, None, Address::Name("a.example".into(), 80), "a.example"),
            ("GET", Scheme::Http, Some("localhost"), unix(), "/run/docker.sock"),
            ("GET", Scheme::Http, None, Address::Unknown, "unknown"),
            ("CONNECT", Scheme::Http, Some("api.stripe.com:443"), ip(), "10.0.0.5:8443"),
        ] {
            // Who is to be connected to is no path (RFC 9110 §7.1, authority form).
            let path = if method == "CONNECT" { "" } else { "/" };
            let mut exchange = exchange(method, path, Some(200));
            exchange.server.address = address;
            let Detail::Http(http) = &mut exchange.detail;
            (http.scheme, http.authority) = (scheme, authority.map(Into::into));
            let mut name = String::new();
            write_name(&exchange, &mut name);
            assert_eq!(name, expected, "{method} {authority:?}");
        }
    }
}
