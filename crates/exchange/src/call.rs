use crate::Rpc;
use std::fmt;

/// What is called, in the words of a protocol on top of HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// What the body speaks.
    pub system: CallSystem,
    /// Operation or method: a name, or what stands for one where it has none.
    pub name: Box<str>,
    /// How it went, where the protocol has its own words for that.
    pub rpc: Option<Box<Rpc>>,
}

/// Protocols on top of HTTP that name what they call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallSystem {
    /// GraphQL, an operation of this type.
    GraphQl(GraphQlType),
    /// JSON-RPC 1.0 and 2.0.
    JsonRpc,
    /// gRPC: `package.Service/Method`.
    Grpc,
    /// gRPC-Web, which carries its trailers in the body.
    GrpcWeb,
    /// Connect, with single messages or with streams of them.
    Connect,
    /// Model Context Protocol, over JSON-RPC. The name is the method, and after a space what it is asked of where that
    /// is one of a few: `tools/call add`.
    Mcp,
}

/// Types of GraphQL operations (GraphQL October 2021, §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the types are their names")]
pub enum GraphQlType {
    Query,
    Mutation,
    Subscription,
}

impl CallSystem {
    /// The protocol of an endpoint: `graphql`, `jsonrpc`, `mcp`, `grpc`, `connectrpc`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GraphQl(_) => "graphql",
            Self::JsonRpc => "jsonrpc",
            Self::Grpc | Self::GrpcWeb => "grpc",
            Self::Connect => "connectrpc",
            Self::Mcp => "mcp",
        }
    }
}

impl GraphQlType {
    /// `graphql.operation.type` of OpenTelemetry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
