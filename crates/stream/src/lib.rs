//! Packets and socket chunks into ordered bytes per connection, gaps explicit.

pub mod socket;
pub mod tcp;
