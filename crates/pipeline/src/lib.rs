//! Wires capture, stream, protocol and model together; the only threads and channels.
