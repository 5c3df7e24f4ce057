use std::fmt;

/// `error.type` of OpenTelemetry: why an exchange failed. A low-cardinality identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorType {
    /// The answer's status says so: 5xx, and for outbound calls 4xx.
    Status(u16),
    /// `connect` was refused (ECONNREFUSED).
    ConnectionRefused,
    /// The connection broke with a reset (ECONNRESET, RST, EPIPE) before the response was complete.
    ConnectionReset,
    /// Nothing came in time (ETIMEDOUT), on connecting or later.
    Timeout,
    /// The host or network could not be reached (EHOSTUNREACH, ENETUNREACH).
    HostUnreachable,
    /// The client closed its end before the response was complete.
    ClientClosed,
    /// The server closed the connection without a (complete) response.
    ServerClosed,
    /// The server's answer is not HTTP.
    InvalidResponse,
    /// A WebSocket was closed with this code, which says that something was wrong (RFC 6455 §7.4.1).
    WebSocketClose(u16),
}

impl fmt::Display for ErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::ConnectionRefused => f.write_str("connection_refused"),
            Self::ConnectionReset => f.write_str("connection_reset"),
            Self::Timeout => f.write_str("timeout"),
            Self::HostUnreachable => f.write_str("host_unreachable"),
            Self::ClientClosed => f.write_str("client_closed"),
            Self::ServerClosed => f.write_str("server_closed"),
            Self::InvalidResponse => f.write_str("invalid_response"),
            Self::WebSocketClose(code) => write!(f, "websocket_{code}"),
        }
    }
}
