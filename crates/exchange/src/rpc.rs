use crate::RpcStatus;
use std::time::Duration;

/// How a remote procedure call went: what gRPC, gRPC-Web and Connect say beyond HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rpc {
    /// How it ended, where that was said.
    pub status: Option<RpcStatus>,
    /// Messages of the client.
    pub sent: Messages,
    /// Messages of the server.
    pub received: Messages,
    /// How long the client would wait.
    pub deadline: Option<Duration>,
}

/// Messages that went one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Messages {
    /// How many of which the beginning was seen.
    pub count: u64,
    /// There may have been more: something of what carried them was not seen.
    pub partial: bool,
}
