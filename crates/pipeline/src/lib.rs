//! Wires capture, stream, protocol and model together; the only threads and channels.
//!
//! * [`read`]: capture files in one pass, on the caller's thread.
//! * [`Listener`]: a [`Source`] that goes on, in a thread of its own: the [`Kernel`] or a [`Replay`].
//! * [`Keeper`]: what a listener counts goes into a store; [`Monitor`]: questions over time, out of one.
//! * [`control`]: how other commands ask a running listener.

mod body;
mod complete;
#[cfg(unix)]
pub mod control;
mod deploys;
mod host_names;
mod keep;
mod kernel;
mod live;
mod monitor;
mod people;
mod push;
mod quic;
mod read;
mod replay;
mod since_deploy;
mod table;
mod unread;
mod wire;
mod within;

pub use body::DecodedBodies;
/// Where the exchanges of a [`subscription`] come out.
pub use crossbeam_channel::Receiver;
pub use deploys::Deploys;
pub use keep::{Keeper, KeeperHandle, Report};
pub use kernel::Kernel;
pub use live::{
    Counting, Heard, Keep, Listener, Picture, Progress, Source, SourceError, Subscription, subscription,
    subscription_aside,
};
pub use monitor::Monitor;
pub use push::{Protocol, Push, Refused, Target, Trust};
pub use read::{Consumer, Input, ReadError, Reading, read};
pub use replay::Replay;
pub use table::Table;
pub use within::{Within, within};
