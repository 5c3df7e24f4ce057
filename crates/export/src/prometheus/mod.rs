//! What Prometheus scrapes: the text exposition format 0.0.4 with classic histograms, and the protobuf format with
//! classic and native ones (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
//!
//! Names follow OpenTelemetry's semantic conventions for HTTP in Prometheus' spelling.
//!
//! What is not known is not made up. Latencies are kept in buckets of 2.2 %, which do not end where classic ones do: a call
//! counts in the first classic bucket that its own ends in, so it may be told to be up to 2.2 % slower than it was, never
//! faster; at 0.25, 0.5 and 1 second both end. Buckets of native histograms (schema 3) are made of whole ones: exact. A call
//! without a complete response took nobody knows how long: it counts above every bound, and is not part of the sum. Of
//! bodies only sums are known: they are summaries without quantiles.

mod family;
mod native;
mod protobuf;
mod text;

use overhear_query::{
    Metric,
    monitor::{Deploy, Health},
};

/// Upper ends of classic buckets, in seconds: what OpenTelemetry advises for HTTP.
pub const BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// What is told.
#[derive(Clone, Copy, Debug)]
pub struct Exposition<'a> {
    /// Calls, as [`overhear_query::Accumulator::metrics`] gives them.
    pub metrics: &'a [Metric],
    /// How the listening goes.
    pub health: &'a Health,
    /// Builds that services run, the last one of each.
    pub deploys: &'a [Deploy],
    /// Version of this program.
    pub version: &'a str,
}

/// How it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text.
    Text,
    /// Length-delimited `io.prometheus.client.MetricFamily` messages.
    Protobuf,
}

impl Format {
    /// What a client that sends this `Accept` header wants (RFC 9110 §12.5.1); text where it does not say protobuf, or
    /// likes it less.
    pub fn accepted(accept: Option<&str>) -> Self {
        let mut best = (Self::Text, 0.0);
        for wanted in accept.unwrap_or_default().split(',') {
            let mut parts = wanted.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            let (mut weight, mut delimited) = (1.0, false);
            for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                match name.trim() {
                    "q" => weight = value.trim().parse().unwrap_or(0.0),
                    "encoding" => delimited = value.trim() == "delimited",
                    _ => {}
                }
            }
            let format = match media {
                "application/vnd.google.protobuf" if delimited => Self::Protobuf,
                "text/plain" | "text/*" | "*/*" => Self::Text,
                _ => continue,
            };
            if weight > best.1 {
                best = (format, weight);
            }
        }
        best.0
    }

    /// `Content-Type` of the answer.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }
}

/// The answer to a scrape.
pub fn exposition(what: Exposition<'_>, format: Format) -> Vec<u8> {
    let families = family::families(what);
    match format {
        Format::Text => text::write(&families).into_bytes(),
        Format::Protobuf => protobuf::write(&families),
    }
}

/// The text alone.
pub fn text(what: Exposition<'_>) -> String {
    text::write(&family::families(what))
}

#[cfg(test)]
mod tests;
