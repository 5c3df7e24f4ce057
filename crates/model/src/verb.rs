//! What is done at a path: the method, and what is called where the body says so.

use crate::OTHER;
use overhear_exchange::{CallSystem, Http};
use std::borrow::Cow;

/// `network.protocol.name` of HTTP.
pub(crate) const HTTP: &str = "http";

/// A method, alone or with a GraphQL operation or JSON-RPC method, or with the protocol of a remote procedure call, whose
/// name is its path. Written `POST`, `POST graphql GetUser`, `POST mcp tools/call add` or `POST grpc`; only the last part
/// may have a space in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verb<'a> {
    pub(crate) method: &'a str,
    /// The name is empty where the path has it.
    call: Option<(&'static str, &'a str)>,
}

impl<'a> Verb<'a> {
    pub(crate) fn of(http: &'a Http) -> Self {
        let call = http.call.as_deref().map(|call| match call.system {
            CallSystem::GraphQl(_) | CallSystem::JsonRpc | CallSystem::Mcp => {
                (call.system.as_str(), &*call.name)
            }
            CallSystem::Grpc | CallSystem::GrpcWeb | CallSystem::Connect => (call.system.as_str(), ""),
        });
        Self { method: method(http), call }
    }

    /// From its text.
    pub(crate) fn parse(text: &'a str) -> Self {
        let mut parts = text.splitn(3, ' ');
        let method = parts.next().unwrap_or_default();
        let system = parts.next().and_then(|name| SYSTEMS.into_iter().find(|system| *system == name));
        Self { method, call: system.map(|system| (system, parts.next().unwrap_or_default())) }
    }

    /// As it is kept.
    pub(crate) fn text(self) -> Cow<'a, str> {
        match self.call {
            None => self.method.into(),
            Some((system, "")) => format!("{} {system}", self.method).into(),
            Some((system, name)) => format!("{} {system} {name}", self.method).into(),
        }
    }

    /// `network.protocol.name`.
    pub(crate) fn protocol(self) -> &'static str {
        self.call.map_or(HTTP, |(system, _)| system)
    }

    /// The route of an endpoint: what is called stands behind its path, as a fragment does.
    pub(crate) fn route(self, path: &str) -> Cow<'_, str> {
        match self.call {
            None | Some((_, "")) => path.into(),
            Some((_, name)) => format!("{path}#{name}").into(),
        }
    }
}

const SYSTEMS: [&str; 5] = ["graphql", "jsonrpc", "mcp", "grpc", "connectrpc"];

/// The token, or [`OTHER`] for one that is not registered (IANA, HTTP Method Registry) nor usual: anybody can make up
/// any number of them.
fn method(http: &Http) -> &str {
    const METHODS: [&str; 44] = [
        "ACL",
        "BASELINE-CONTROL",
        "BIND",
        "CHECKIN",
        "CHECKOUT",
        "CONNECT",
        "COPY",
        "DELETE",
        "GET",
        "HEAD",
        "LABEL",
        "LINK",
        "LOCK",
        "M-SEARCH",
        "MERGE",
        "MKACTIVITY",
        "MKCALENDAR",
        "MKCOL",
        "MKREDIRECTREF",
        "MKWORKSPACE",
        "MOVE",
        "NOTIFY",
        "OPTIONS",
        "ORDERPATCH",
        "PATCH",
        "POST",
        "PRI",
        "PROPFIND",
        "PROPPATCH",
        "PURGE",
        "PUT",
        "QUERY",
        "REBIND",
        "REPORT",
        "SEARCH",
        "SUBSCRIBE",
        "TRACE",
        "UNBIND",
        "UNCHECKOUT",
        "UNLINK",
        "UNLOCK",
        "UNSUBSCRIBE",
        "UPDATE",
        "VERSION-CONTROL",
    ];
    let token = http.endpoint_method().as_str();
    if METHODS.binary_search(&token).is_ok() { token } else { OTHER }
}

#[cfg(test)]
mod tests {
    use super::Verb;

    #[test]
    fn a_text_says_it_all() {
        for (text, method, protocol, route) in [
            ("GET", "GET", "http", "/a"),
            ("POST graphql GetUser", "POST", "graphql", "/a#GetUser"),
            ("POST jsonrpc eth_call", "POST", "jsonrpc", "/a#eth_call"),
            ("POST graphql a,b", "POST", "graphql", "/a#a,b"),
            ("POST mcp tools/call add", "POST", "mcp", "/a#tools/call add"),
            ("POST grpc", "POST", "grpc", "/a"),
            ("POST connectrpc", "POST", "connectrpc", "/a"),
        ] {
            let verb = Verb::parse(text);
            assert_eq!(
                (verb.method, verb.protocol(), &*verb.route("/a"), &*verb.text()),
                (method, protocol, route, text)
            );
        }
    }
}
