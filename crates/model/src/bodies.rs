use crate::shape::Content;
use overhear_exchange::{Body, Http};

/// The bodies of an exchange without their content coding, as far as they can be read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bodies<'a> {
    /// Of the request.
    pub request: Option<Content<'a>>,
    /// Of the response.
    pub response: Option<Content<'a>>,
}

impl<'a> Bodies<'a> {
    /// Those that are not encoded.
    pub fn of(http: &'a Http) -> Self {
        Self { request: identity(&http.request_body), response: identity(&http.response_body) }
    }
}

/// What was captured of a body that is not content-encoded.
fn identity(body: &Body) -> Option<Content<'_>> {
    let bytes = body.captured.expose().as_ref();
    let readable = body.codings.is_empty() && body.size > 0;
    readable.then_some(Content { bytes, complete: body.complete })
}
