//! What a protocol says of the bytes it saw: an exchange without the people in it.

use crate::{Detail, ErrorType, Side, Timestamp};
use std::time::Duration;

/// One request with or without its response, before it is known whose it was.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The end that sent the request.
    pub client: Side,
    /// When the first byte of the request was seen.
    pub time: Timestamp,
    /// From the last request byte to the last response byte. Absent without a complete response.
    pub duration: Option<Duration>,
    /// From the last request byte to the first byte of the final response.
    pub time_to_first_byte: Option<Duration>,
    /// Why it failed, where the connection or the framing did. Statuses are judged later.
    pub error: Option<ErrorType>,
    /// What was said.
    pub detail: Detail,
}
