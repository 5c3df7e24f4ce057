//! Questions into plain data: the one API of every front end.

mod rows;
mod source;

pub use rows::{CallerRow, EndpointDetail, EndpointId, EndpointRow, LatencyBucket, LiveRow, Percentiles};
pub use source::LiveSource;
