use crate::{Body, Call, GenAi, Headers, Stream};
use std::fmt;

/// HTTP version of a message (`network.protocol.version`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HttpVersion {
    /// HTTP/1.0
    V1_0,
    /// HTTP/1.1
    V1_1,
    /// HTTP/2 (RFC 9113)
    V2,
    /// HTTP/3 (RFC 9114)
    V3,
}

impl HttpVersion {
    /// As OpenTelemetry spells it: `1.0`, `1.1`, `2`, `3`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V2 => "2",
            Self::V3 => "3",
        }
    }
}

/// A request method (RFC 9110 §9), known ones without an allocation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the methods are their names")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    /// Any other token, as it came.
    Other(Box<str>),
}

impl Method {
    /// From the request line; case matters (RFC 9110 §9.1).
    pub fn new(token: &str) -> Self {
        match token {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "CONNECT" => Self::Connect,
            "OPTIONS" => Self::Options,
            "TRACE" => Self::Trace,
            "PATCH" => Self::Patch,
            other => Self::Other(other.into()),
        }
    }

    /// The token.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            Self::Other(token) => token,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `url.scheme`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the schemes are their names")]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that is meant where none is written (RFC 9110 §4.2).
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Something about the message that a careful person would want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HttpAnomaly {
    /// Its framing can be read in two ways (RFC 9112 §6.3, §11.2): both Content-Length and Transfer-Encoding,
    /// differing lengths, an odd coding. What follows on the connection was not guessed.
    AmbiguousFraming,
    /// A header was folded over lines (RFC 9112 §5.2).
    ObsoleteFolding,
    /// Lines ended in a bare LF (RFC 9112 §2.2).
    BareLineFeed,
    /// A response came for which no request was seen.
    Unsolicited,
    /// Nobody asked: the server promised it and pushed it (RFC 9113 §8.4).
    Pushed,
    /// Of the header fields some are not known: their HPACK entries were made before we listened.
    UnknownFields,
}

/// An HTTP request with the response it got.
#[derive(Clone, Debug)]
pub struct Http {
    /// Version of the request, or of the response where no request was seen.
    pub version: HttpVersion,
    /// `http` or `https`.
    pub scheme: Scheme,
    /// The method.
    pub method: Method,
    /// Host and port as asked for: from the absolute-form target, else the Host header.
    pub authority: Option<Box<str>>,
    /// Path of the target, percent-encoding as it came; `*` for asterisk-form, empty for CONNECT but where that is for a
    /// path (RFC 8441).
    pub path: Box<str>,
    /// Query of the target without `?`.
    pub query: Option<Box<str>>,
    /// Status of the final response; absent when none came.
    pub status: Option<u16>,
    /// Header fields of the request.
    pub request_headers: Headers,
    /// Header fields of the final response.
    pub response_headers: Headers,
    /// Fields after the body of the response (HTTP/2).
    pub trailers: Headers,
    /// Body of the request.
    pub request_body: Body,
    /// Body of the response.
    pub response_body: Body,
    /// What is called, where the path or the body says so.
    pub call: Option<Box<Call>>,
    /// What went over it in messages, or how far it is while it goes on.
    pub stream: Option<Box<Stream>>,
    /// Where it is a call of a generative model.
    pub gen_ai: Option<Box<GenAi>>,
    /// What is odd about it.
    pub anomalies: smallvec::SmallVec<[HttpAnomaly; 1]>,
}

impl Http {
    /// The method by which endpoints are told apart. CONNECT for a path (RFC 8441 §4) is what GET with an upgrade is to
    /// HTTP/1.1: the same endpoint, however it is asked.
    pub fn endpoint_method(&self) -> &Method {
        if self.method == Method::Connect && self.path.starts_with('/') { &Method::Get } else { &self.method }
    }
}
