use std::fmt;

/// What is called where one path serves many operations, and the body says which.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// What the body speaks.
    pub system: CallSystem,
    /// Operation or method: a name, or what stands for one where it has none.
    pub name: Box<str>,
}

/// Protocols on top of HTTP that name what they call in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallSystem {
    /// GraphQL, an operation of this type.
    GraphQl(GraphQlType),
    /// JSON-RPC 1.0 and 2.0.
    JsonRpc,
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
    /// The protocol of an endpoint: `graphql`, `jsonrpc`, `mcp`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GraphQl(_) => "graphql",
            Self::JsonRpc => "jsonrpc",
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
