use crate::{EndpointDetail, EndpointId, Links, LiveRow, OpenStream};
use overhear_exchange::{Exchange, Statistics};
use std::sync::Arc;

/// What a live front end asks again and again. Implemented by the running pipeline, and by a fake in tests.
pub trait LiveSource {
    /// One row per endpoint, in no particular order.
    fn rows(&self) -> Vec<LiveRow>;
    /// Everything about one endpoint.
    fn endpoint(&self, id: &EndpointId) -> Option<EndpointDetail>;
    /// The most recent exchanges, newest first, of one endpoint or of all. Secrets were masked when they came in.
    fn recent(&self, id: Option<&EndpointId>, limit: usize) -> Vec<Arc<Exchange>>;
    /// Streams that are open, the longest open first.
    fn open(&self) -> Vec<OpenStream>;
    /// The route of an exchange, by the routes as they are known now; absent where that is not known.
    fn route(&self, exchange: &Exchange) -> Option<Arc<str>> {
        let _ = exchange;
        None
    }
    /// What the calls of an endpoint make, and whose calls make them; absent where nobody listens.
    fn links(&self, id: &EndpointId) -> Option<Links> {
        let _ = id;
        None
    }
    /// What was captured, lost and unreadable so far.
    fn statistics(&self) -> Statistics;
}
