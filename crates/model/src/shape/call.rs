//! What is learned from: one call, as plain references.

use overhear_exchange::{GenAi, Headers, Http, Stream, Timestamp};

/// A body without its content coding, or as much of it as there is.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// The bytes; empty where they could not be read.
    pub bytes: &'a [u8],
    /// They are all there was.
    pub complete: bool,
}

/// How much of a call is learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// All of it.
    #[default]
    Whole,
    /// Its structure; and its values where the structure is not settled yet, the call failed, or the given hash (of the
    /// connection and the call's place on it) chooses it for a sample.
    Adaptive(u64),
    /// Nothing: whoever asks wants to know which endpoints there are, not what their calls look like.
    Nothing,
}

/// One request and its response.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Query of the target without `?`.
    pub query: Option<&'a str>,
    /// Header fields of the request.
    pub request_headers: &'a Headers,
    /// Body of the request, where there was one.
    pub request_body: Option<Content<'a>>,
    /// Status of the final response; absent when none came.
    pub status: Option<u16>,
    /// Header fields of the response.
    pub response_headers: &'a Headers,
    /// Body of the response, where there was one.
    pub response_body: Option<Content<'a>>,
    /// What is new of what went over it in messages.
    pub stream: Option<&'a Stream>,
    /// Where it calls a model.
    pub gen_ai: Option<&'a GenAi>,
    /// How much of it is learned.
    pub effort: Effort,
    /// When it was made; the epoch where that is not known.
    pub at: Timestamp,
}

impl<'a> Call<'a> {
    /// Of an exchange and its bodies without content coding, where they could be decoded.
    pub fn new(http: &'a Http, request: Option<Content<'a>>, response: Option<Content<'a>>) -> Self {
        let unread = |size: u64| (size > 0).then_some(Content { bytes: &[], complete: false });
        Self {
            query: http.query.as_deref(),
            request_headers: &http.request_headers,
            request_body: request.or_else(|| unread(http.request_body.size)),
            status: http.status,
            response_headers: &http.response_headers,
            response_body: response.or_else(|| unread(http.response_body.size)),
            stream: http.stream.as_deref(),
            gen_ai: http.gen_ai.as_deref(),
            effort: Effort::Whole,
            at: Timestamp::default(),
        }
    }

    /// True where only structure is to be learned, if that is settled.
    pub(super) fn is_light(&self) -> bool {
        /// One in so many is learned whole.
        const SAMPLE: u64 = 64;
        match self.effort {
            Effort::Whole | Effort::Nothing => false,
            Effort::Adaptive(hash) => {
                let spread = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
                self.status.is_some_and(|status| status < 400) && !spread.is_multiple_of(SAMPLE)
            }
        }
    }
}
