//! The whole program against real servers and recorded captures.
