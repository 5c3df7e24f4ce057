use std::io;

/// Why the shop does not open, or one of its processes cannot work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A port of 127.0.0.1 could not be had.
    #[error("cannot listen on 127.0.0.1: {0}")]
    Listen(#[source] io::Error),
    /// A process could not be started.
    #[error("cannot start shop-{role}: {source}")]
    Start {
        /// Which.
        role: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The arguments of a demo process make no sense.
    #[error("bad arguments of a demo process: {0}")]
    Arguments(String),
    /// A demo process could not serve.
    #[error("cannot serve: {0}")]
    Serve(#[from] io::Error),
}
