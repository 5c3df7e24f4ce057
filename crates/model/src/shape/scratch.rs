//! Buffers that are reused between calls.

use super::{call::Content, fields::Pairs, hidden, known::Segment, members::Members, read::Read, tape::Tape};

/// Room to work in. One serves all endpoints; it holds nothing between calls that anybody reads.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    pub(super) tape: Tape,
    pub(super) pairs: Pairs,
    pub(super) segments: Vec<Segment>,
    pub(super) name: Vec<u8>,
    /// Of a message.
    pub(super) kind: String,
    pub(super) request: Read,
    pub(super) response: Read,
}

impl Scratch {
    /// Reads the body of a response, for [`super::Shapes::learn_read`] and to see what is in it.
    pub(crate) fn read_response(&mut self, content_type: Option<&[u8]>, body: Option<Content<'_>>) {
        self.response.read(content_type, body, &mut self.pairs);
    }

    /// The members of the response that was read last; nothing where it is no JSON object or array. `source`: its bytes.
    pub(crate) fn response_members<'a>(&'a self, key: u64, source: &'a [u8]) -> Option<Members<'a>> {
        self.response.ending.and_then(|_| Members::of(key, &self.response.tape, source))
    }

    /// Whether the response that was read last says that the call failed. `source`: its bytes.
    pub(crate) fn response_says_error(&self, source: &[u8]) -> bool {
        hidden::says_error(&self.response.tape, source)
    }
}
