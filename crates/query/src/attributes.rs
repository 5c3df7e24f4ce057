//! The OpenTelemetry attributes of an exchange: the one place that names them.

use crate::redact;
use jiff::fmt::temporal::DateTimePrinter;
use overhear_exchange::{
    Address, Authority, Call, CallSystem, Detail, Direction, ErrorType, Exchange, GraphQlType, Http, Peer,
    Rpc, Stream, StreamKind, Timestamp,
};
use std::{borrow::Cow, time::Duration};

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Text.
    String(Cow<'a, str>),
    /// A whole number.
    Integer(i64),
    /// A number; durations are seconds.
    Double(f64),
}

macro_rules! attributes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// An attribute of an exchange, named as OpenTelemetry's semantic conventions do where they have it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Attribute {
            $($(#[$doc])* $variant,)*
        }

        impl Attribute {
            /// Every attribute, in the order in which they are written.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its dotted name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

attributes! {
    /// First request byte, RFC 3339 with nanoseconds, UTC.
    Time = "time",
    /// Last request byte to last response byte, seconds.
    Duration = "duration",
    /// Last request byte to first response byte, seconds.
    TimeToFirstByte = "time_to_first_byte",
    /// `http`.
    ProtocolName = "network.protocol.name",
    /// `1.0`, `1.1`, `2`, `3`.
    ProtocolVersion = "network.protocol.version",
    /// Request method.
    Method = "http.request.method",
    /// `http` or `https`.
    Scheme = "url.scheme",
    /// Path as it came.
    Path = "url.path",
    /// Query without `?`, values of secrets replaced by `REDACTED`.
    Query = "url.query",
    /// Route template.
    Route = "http.route",
    /// Status.
    StatusCode = "http.response.status_code",
    /// Host header without port, else the server's IP.
    ServerAddress = "server.address",
    /// The port that belongs to `server.address`.
    ServerPort = "server.port",
    /// The client's IP, unix socket path or host name.
    ClientAddress = "client.address",
    /// The client's port.
    ClientPort = "client.port",
    /// Bytes on the wire without framing.
    RequestBodySize = "http.request.body.size",
    /// Bytes on the wire without framing.
    ResponseBodySize = "http.response.body.size",
    /// `User-Agent` of the request.
    UserAgent = "user_agent.original",
    /// The service the exchange is accounted to.
    ServiceName = "service.name",
    /// That service's process: the server of inbound, the client of outbound exchanges.
    ProcessPid = "process.pid",
    /// The client's process, when it is on this machine.
    ClientProcessPid = "client.process.pid",
    /// `unknown` where neither end is known: plaintext of TLS whose socket did not show.
    Connection = "overhear.connection",
    /// Why it failed.
    ErrorType = "error.type",
    /// Name of the GraphQL operation that the body asks for.
    GraphQlOperationName = "graphql.operation.name",
    /// `query`, `mutation`, `subscription`.
    GraphQlOperationType = "graphql.operation.type",
    /// `grpc`, `connectrpc`, `jsonrpc`.
    RpcSystem = "rpc.system.name",
    /// The service that is called, `package.Service`.
    RpcService = "rpc.service",
    /// Method that is called; of a service `package.Service/Method`.
    RpcMethod = "rpc.method",
    /// Method of the Model Context Protocol.
    McpMethod = "mcp.method.name",
    /// `MCP-Protocol-Version` of the request.
    McpVersion = "mcp.protocol.version",
    /// `chat`, `text_completion`, `embeddings`, `generate_content`, `execute_tool`.
    GenAiOperation = "gen_ai.operation.name",
    /// Whose interface is spoken, or whose host it is.
    GenAiProvider = "gen_ai.provider.name",
    /// The model that is asked for.
    GenAiRequestModel = "gen_ai.request.model",
    /// The model that answered.
    GenAiResponseModel = "gen_ai.response.model",
    /// Tokens of the prompt.
    GenAiInputTokens = "gen_ai.usage.input_tokens",
    /// Tokens that were generated.
    GenAiOutputTokens = "gen_ai.usage.output_tokens",
    /// Last request byte to the first event with output in it, seconds.
    GenAiFirstToken = "gen_ai.server.time_to_first_token",
    /// The tool that is called.
    GenAiTool = "gen_ai.tool.name",
    /// The prompt that is asked for.
    GenAiPrompt = "gen_ai.prompt.name",
    /// `websocket`, `events`, `lines`.
    StreamKind = "stream.kind",
    /// Messages that the client sent after its request.
    StreamClientMessages = "stream.client.messages",
    /// Bytes of their payloads.
    StreamClientBytes = "stream.client.bytes",
    /// Messages that the server sent.
    StreamServerMessages = "stream.server.messages",
    /// Bytes of their payloads.
    StreamServerBytes = "stream.server.bytes",
    /// Messages that could not be read, or not all of them.
    StreamUnread = "stream.unread",
    /// Times that something was not seen, so that messages may be missing.
    StreamGaps = "stream.gaps",
    /// Last request byte to the end of the server's first message, seconds.
    StreamFirstMessage = "stream.time_to_first_message",
    /// What was agreed on.
    WebSocketSubprotocol = "websocket.subprotocol",
    /// `permessage-deflate`.
    WebSocketExtensions = "websocket.extensions",
    /// Code of the first Close frame; 1005 without one in it, 1006 without a frame.
    WebSocketCloseCode = "websocket.close.code",
    /// How the call ended, by name: `OK`, `NOT_FOUND`.
    RpcStatusCode = "rpc.response.status_code",
    /// The same as gRPC's number.
    RpcGrpcStatusCode = "rpc.grpc.status_code",
    /// Messages of the client in one call.
    RpcRequests = "rpc.requests_per_rpc",
    /// Messages of the server in one call.
    RpcResponses = "rpc.responses_per_rpc",
    /// How long the client would wait, seconds.
    RpcDeadline = "rpc.deadline",
}

impl Attribute {
    /// The attribute of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|attribute| attribute.name() == name)
    }

    /// Its value for an exchange; `None` where there is none. The route is the model's to know.
    pub fn of<'a>(self, exchange: &'a Exchange, route: Option<&'a str>) -> Option<Value<'a>> {
        let Detail::Http(http) = &exchange.detail;
        match self {
            Self::Time => time(exchange.time).map(|text| Value::String(text.into())),
            Self::Duration => exchange.duration.map(|d| Value::Double(d.as_secs_f64())),
            Self::TimeToFirstByte => exchange.time_to_first_byte.map(|d| Value::Double(d.as_secs_f64())),
            Self::ProtocolName => text("http"),
            Self::ProtocolVersion => text(http.version.as_str()),
            Self::Method => text(http.method.as_str()),
            Self::Scheme => text(http.scheme.as_str()),
            Self::Path => text(&http.path),
            Self::Query => http.query.as_deref().map(|query| Value::String(redact::query(query))),
            // What is called at a path stands behind it in the name of its endpoint; here it has attributes of its own.
            Self::Route => route.and_then(|route| text(route.split('#').next().unwrap_or(route))),
            Self::StatusCode => http.status.map(|status| Value::Integer(status.into())),
            Self::ServerAddress => server(exchange, http).0.map(Value::String),
            Self::ServerPort => server(exchange, http).1.map(|port| Value::Integer(port.into())),
            Self::ClientAddress => host(&exchange.client.address).map(Value::String),
            Self::ClientPort => port(&exchange.client.address).map(|port| Value::Integer(port.into())),
            Self::RequestBodySize => size(http.request_body.size),
            Self::ResponseBodySize => http.status.and_then(|_| size(http.response_body.size)),
            Self::UserAgent => http
                .request_headers
                .get("user-agent")
                .map(|agent| Value::String(String::from_utf8_lossy(agent))),
            Self::ServiceName => text(&exchange.service),
            Self::ProcessPid => pid(match exchange.direction {
                Direction::Inbound => &exchange.server,
                Direction::Outbound => &exchange.client,
            }),
            Self::ClientProcessPid => pid(&exchange.client),
            Self::Connection => {
                let unknown = |peer: &Peer| peer.address == Address::Unknown;
                if unknown(&exchange.client) && unknown(&exchange.server) { text("unknown") } else { None }
            }
            Self::ErrorType => error(exchange, http).map(|error| Value::String(error.to_string().into())),
            Self::GraphQlOperationName => graphql(http).and_then(|(_, name)| text(name)),
            Self::GraphQlOperationType => graphql(http).and_then(|(kind, _)| text(kind.as_str())),
            Self::RpcSystem => rpc(http).and_then(|call| text(system_of(call))),
            Self::RpcService => rpc(http).and_then(|call| text(service_of(call)?)),
            Self::RpcMethod => rpc(http).and_then(|call| text(method_of(call))),
            Self::RpcStatusCode => outcome(http).and_then(|rpc| text(rpc.status?.as_str())),
            Self::RpcGrpcStatusCode => rpc(http)
                .filter(|call| call.system.as_str() == "grpc")
                .and_then(|call| call.rpc.as_ref()?.status)
                .map(|status| Value::Integer(status.number().into())),
            Self::RpcRequests => outcome(http).and_then(|rpc| size(rpc.sent.count)),
            Self::RpcResponses => outcome(http).and_then(|rpc| size(rpc.received.count)),
            Self::RpcDeadline => {
                outcome(http).and_then(|rpc| Some(Value::Double(rpc.deadline?.as_secs_f64())))
            }
            Self::McpMethod
            | Self::McpVersion
            | Self::GenAiOperation
            | Self::GenAiProvider
            | Self::GenAiRequestModel
            | Self::GenAiResponseModel
            | Self::GenAiInputTokens
            | Self::GenAiOutputTokens
            | Self::GenAiFirstToken
            | Self::GenAiTool
            | Self::GenAiPrompt => self.of_model(http),
            Self::StreamKind
            | Self::StreamClientMessages
            | Self::StreamClientBytes
            | Self::StreamServerMessages
            | Self::StreamServerBytes
            | Self::StreamUnread
            | Self::StreamGaps
            | Self::StreamFirstMessage
            | Self::WebSocketSubprotocol
            | Self::WebSocketExtensions
            | Self::WebSocketCloseCode => self.of_stream(http.stream.as_deref()?),
        }
    }

    /// Those of calls of models, and of their tools.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only those are asked for")]
    fn of_model(self, http: &Http) -> Option<Value<'_>> {
        let call = http.gen_ai.as_deref();
        let mcp = http.call.as_deref().filter(|call| call.system == CallSystem::Mcp);
        let target = |method: &str| mcp.and_then(|call| call.name.strip_prefix(method)?.strip_prefix(' '));
        match self {
            Self::McpMethod => mcp.and_then(|call| text(method_of(call))),
            Self::McpVersion => {
                let version = http.request_headers.get("mcp-protocol-version").filter(|_| mcp.is_some());
                version.map(|version| Value::String(String::from_utf8_lossy(version)))
            }
            Self::GenAiOperation => match (call, target("tools/call")) {
                (Some(call), _) => text(call.operation.as_str()),
                (None, Some(_)) => text("execute_tool"),
                (None, None) => None,
            },
            Self::GenAiProvider => call.and_then(|call| text(call.provider)),
            Self::GenAiRequestModel => call.and_then(|call| text(call.request_model.as_deref()?)),
            Self::GenAiResponseModel => call.and_then(|call| text(call.response_model.as_deref()?)),
            Self::GenAiInputTokens => call.and_then(|call| size(call.input_tokens?)),
            Self::GenAiOutputTokens => call.and_then(|call| size(call.output_tokens?)),
            Self::GenAiFirstToken => call.and_then(|call| seconds(call.time_to_first_token)),
            Self::GenAiTool => target("tools/call").and_then(text),
            Self::GenAiPrompt => target("prompts/get").and_then(text),
            _ => None,
        }
    }

    /// Those of streams. What the client sent is told where it may say something; what went wrong, where something did.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only those are asked for")]
    fn of_stream(self, stream: &Stream) -> Option<Value<'_>> {
        let web_socket = match &stream.kind {
            StreamKind::WebSocket(agreed) => Some(agreed),
            StreamKind::Events | StreamKind::Lines | StreamKind::Messages | StreamKind::Body => None,
        };
        let has_client = web_socket.is_some() || stream.kind == StreamKind::Messages;
        let (client, server) = (stream.client.total, stream.server.total);
        let some = |count: u64| size(count).filter(|_| count > 0);
        match self {
            Self::StreamKind => text(stream.kind.as_str()),
            Self::StreamClientMessages => size(client.messages).filter(|_| has_client),
            Self::StreamClientBytes => size(client.bytes).filter(|_| has_client),
            Self::StreamServerMessages => size(server.messages),
            Self::StreamServerBytes => size(server.bytes),
            Self::StreamUnread => some(client.unread.saturating_add(server.unread)),
            Self::StreamGaps => some(client.gaps.saturating_add(server.gaps)),
            Self::StreamFirstMessage => seconds(stream.time_to_first_message),
            Self::WebSocketSubprotocol => web_socket.and_then(|agreed| text(agreed.subprotocol.as_deref()?)),
            Self::WebSocketExtensions => {
                web_socket.filter(|agreed| agreed.deflate).and_then(|_| text("permessage-deflate"))
            }
            Self::WebSocketCloseCode => {
                web_socket.and_then(|agreed| agreed.close_code).map(|code| Value::Integer(code.into()))
            }
            _ => None,
        }
    }
}

fn seconds(duration: Option<Duration>) -> Option<Value<'static>> {
    duration.map(|duration| Value::Double(duration.as_secs_f64()))
}

/// The method of a call, without what it is asked of.
fn method_of(call: &Call) -> &str {
    match call.system {
        CallSystem::Mcp => call.name.split(' ').next().unwrap_or(&call.name),
        CallSystem::GraphQl(_)
        | CallSystem::JsonRpc
        | CallSystem::Grpc
        | CallSystem::GrpcWeb
        | CallSystem::Connect => &call.name,
    }
}

/// The Model Context Protocol is spoken over JSON-RPC.
fn system_of(call: &Call) -> &'static str {
    let system = if call.system == CallSystem::Mcp { CallSystem::JsonRpc } else { call.system };
    system.as_str()
}

/// `package.Service` of `package.Service/Method`.
fn service_of(call: &Call) -> Option<&str> {
    match call.system {
        CallSystem::Grpc | CallSystem::GrpcWeb | CallSystem::Connect => {
            call.name.split_once('/').map(|(service, _)| service)
        }
        CallSystem::GraphQl(_) | CallSystem::JsonRpc | CallSystem::Mcp => None,
    }
}

/// Calls `visit` with every attribute the exchange has.
pub fn attributes(exchange: &Exchange, route: Option<&str>, mut visit: impl FnMut(Attribute, Value<'_>)) {
    for attribute in Attribute::ALL {
        if let Some(value) = attribute.of(exchange, route) {
            visit(*attribute, value);
        }
    }
}

fn graphql(http: &Http) -> Option<(GraphQlType, &str)> {
    let call = http.call.as_deref()?;
    match call.system {
        CallSystem::GraphQl(kind) => Some((kind, &call.name)),
        CallSystem::JsonRpc
        | CallSystem::Mcp
        | CallSystem::Grpc
        | CallSystem::GrpcWeb
        | CallSystem::Connect => None,
    }
}

fn rpc(http: &Http) -> Option<&Call> {
    http.call.as_deref().filter(|call| !matches!(call.system, CallSystem::GraphQl(_)))
}

fn outcome(http: &Http) -> Option<&Rpc> {
    http.call.as_deref()?.rpc.as_deref()
}

#[expect(clippy::unnecessary_wraps, reason = "reads as the other arms do")]
fn text(text: &str) -> Option<Value<'_>> {
    Some(Value::String(text.into()))
}

fn size(bytes: u64) -> Option<Value<'static>> {
    i64::try_from(bytes).ok().map(Value::Integer)
}

fn pid(peer: &Peer) -> Option<Value<'static>> {
    peer.process.as_ref().map(|process| Value::Integer(process.pid.into()))
}

/// RFC 3339 with nanoseconds.
fn time(time: Timestamp) -> Option<String> {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(9));
    let time = jiff::Timestamp::from_nanosecond(time.as_nanos().into()).ok()?;
    Some(PRINTER.timestamp_to_string(&time))
}

/// What the connection says, else what the status says.
fn error(exchange: &Exchange, http: &Http) -> Option<ErrorType> {
    exchange.error.or(http.status.filter(|status| *status >= 500).map(ErrorType::Status))
}

/// Address and port: as the client asked for them, filled up by where it connected to.
fn server<'a>(exchange: &'a Exchange, http: &'a Http) -> (Option<Cow<'a, str>>, Option<u16>) {
    let asked = Authority::parse(http.authority.as_deref().unwrap_or_default());
    let address =
        if asked.host.is_empty() { host(&exchange.server.address) } else { Some(asked.host.into()) };
    (address, asked.port.or_else(|| port(&exchange.server.address)))
}

fn host(address: &Address) -> Option<Cow<'_, str>> {
    match address {
        Address::Ip(address) => Some(address.ip().to_string().into()),
        Address::Unix(path) => path.as_deref().map(Cow::Borrowed),
        Address::Name(name, _) => Some(name.as_ref().into()),
        Address::Unknown => None,
    }
}

fn port(address: &Address) -> Option<u16> {
    match address {
        Address::Ip(address) => Some(address.port()),
        Address::Name(_, port) => Some(*port),
        Address::Unix(_) | Address::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Attribute, Value, attributes};
    use crate::sample;
    use overhear_exchange::{Address, Detail, Direction, ErrorType};

    fn lines(exchange: &overhear_exchange::Exchange, route: Option<&str>) -> Vec<String> {
        let mut lines = Vec::new();
        attributes(exchange, route, |attribute, value| {
            let value = match value {
                Value::String(text) => format!("{text:?}"),
                Value::Integer(number) => number.to_string(),
                Value::Double(number) => number.to_string(),
            };
            lines.push(format!("{} {value}", attribute.name()));
        });
        lines
    }

    #[test]
    fn names_and_types_are_those_of_the_contract() {
        let exchange = sample::exchange("GET", "/orders/7", Some(503));
        assert_eq!(
            lines(&exchange, Some("/orders/{orderId}")),
            [
                r#"time "2024-05-01T10:00:00.000000001Z""#,
                "duration 0.25",
                "time_to_first_byte 0.125",
                r#"network.protocol.name "http""#,
                r#"network.protocol.version "1.1""#,
                r#"http.request.method "GET""#,
                r#"url.scheme "http""#,
                r#"url.path "/orders/7""#,
                r#"url.query "limit=5&token=REDACTED""#,
                r#"http.route "/orders/{orderId}""#,
                "http.response.status_code 503",
                r#"server.address "shop.example""#,
                "server.port 8080",
                r#"client.address "10.0.0.9""#,
                "client.port 4000",
                "http.request.body.size 10",
                "http.response.body.size 100",
                r#"user_agent.original "curl/8""#,
                r#"service.name "shop""#,
                "process.pid 200",
                "client.process.pid 100",
                r#"error.type "503""#,
            ]
        );
    }

    #[test]
    fn absent_is_absent() {
        let mut exchange = sample::exchange("GET", "/", None);
        exchange.duration = None;
        exchange.time_to_first_byte = None;
        exchange.client = Default::default();
        exchange.server = Default::default();
        let Detail::Http(http) = &mut exchange.detail;
        (http.query, http.authority) = (None, None);
        http.request_headers = Default::default();
        let lines = lines(&exchange, None);
        assert!(lines.contains(&r#"overhear.connection "unknown""#.to_owned()), "{lines:?}");
        for gone in
            ["duration", "url.query", "http.route", "server.", "client.", "process", "user_agent", "error"]
        {
            assert!(!lines.iter().any(|line| line.starts_with(gone)), "{gone}");
        }
    }

    #[test]
    fn an_outbound_exchange_is_the_clients() {
        let mut exchange = sample::exchange("GET", "/", Some(404));
        exchange.direction = Direction::Outbound;
        exchange.error = Some(ErrorType::Status(404));
        assert_eq!(Attribute::ProcessPid.of(&exchange, None), Some(Value::Integer(100)));
        assert_eq!(Attribute::ErrorType.of(&exchange, None), Some(Value::String("404".into())));
        let Detail::Http(http) = &mut exchange.detail;
        http.authority = None;
        exchange.server.address = Address::Ip(([0, 0, 0, 0, 0, 0, 0, 1], 443).into());
        assert_eq!(Attribute::ServerAddress.of(&exchange, None), Some(Value::String("::1".into())));
        assert_eq!(Attribute::ServerPort.of(&exchange, None), Some(Value::Integer(443)));
    }
}
