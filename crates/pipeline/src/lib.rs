//! Wires capture, stream, protocol and model together; the only threads and channels.

mod complete;
mod kernel;
mod table;

pub use kernel::Kernel;
pub use table::Table;
