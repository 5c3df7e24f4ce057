//! Buffers that are reused between calls.

use super::{fields::Pairs, known::Segment, tape::Tape};

/// Room to work in. One serves all endpoints; it holds nothing between calls that anybody reads.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    pub(super) tape: Tape,
    pub(super) pairs: Pairs,
    pub(super) segments: Vec<Segment>,
    pub(super) media: String,
    pub(super) name: Vec<u8>,
}
