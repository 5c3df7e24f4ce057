//! The protobuf exposition format: `io.prometheus.client.MetricFamily`
//! (<https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto>), each after its length.
//! Only what is written is declared.

use super::{
    BOUNDS,
    family::{Distribution, Family, Labels, Samples},
    native::SCHEMA,
};
use overhear_exchange::Timestamp;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(super) struct MetricFamily {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(string, optional, tag = "2")]
    help: Option<String>,
    /// Counter 0, gauge 1, summary 2, histogram 4.
    #[prost(int32, optional, tag = "3")]
    kind: Option<i32>,
    #[prost(message, repeated, tag = "4")]
    pub(super) metric: Vec<Metric>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Metric {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Number>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Number>,
    #[prost(message, optional, tag = "4")]
    summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    pub(super) histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct LabelPair {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    value: Option<String>,
}

/// `Gauge` and `Counter` are alike.
#[derive(Clone, PartialEq, Message)]
struct Number {
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(uint64, optional, tag = "1")]
    count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    sum: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    pub(super) count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    bucket: Vec<Bucket>,
    #[prost(sint32, optional, tag = "5")]
    schema: Option<i32>,
    #[prost(double, optional, tag = "6")]
    zero_threshold: Option<f64>,
    #[prost(uint64, optional, tag = "7")]
    zero_count: Option<u64>,
    #[prost(message, repeated, tag = "12")]
    pub(super) positive_span: Vec<Span>,
    #[prost(sint64, repeated, packed = "false", tag = "13")]
    pub(super) positive_delta: Vec<i64>,
    #[prost(message, optional, tag = "15")]
    created: Option<Time>,
}

#[derive(Clone, PartialEq, Message)]
struct Bucket {
    #[prost(uint64, optional, tag = "1")]
    cumulative_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    upper_bound: Option<f64>,
}

/// Buckets that follow each other.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Span {
    /// From the end of the one before; of the first one, from zero.
    #[prost(sint32, optional, tag = "1")]
    pub(super) offset: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    pub(super) length: Option<u32>,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, PartialEq, Message)]
struct Time {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

pub(super) fn write(families: &[Family<'_>]) -> Vec<u8> {
    families.iter().flat_map(|family| MetricFamily::of(family).encode_length_delimited_to_vec()).collect()
}

impl MetricFamily {
    fn of(family: &Family<'_>) -> Self {
        let (kind, metric) = match &family.samples {
            Samples::Counter(samples) => {
                let counter =
                    |value| Metric { counter: Some(Number { value: Some(value) }), ..Metric::default() };
                (0, samples.iter().map(|(labels, value)| counter(*value).with(labels)).collect())
            }
            Samples::Gauge(samples) => {
                let gauge =
                    |value| Metric { gauge: Some(Number { value: Some(value) }), ..Metric::default() };
                (1, samples.iter().map(|(labels, value)| gauge(*value).with(labels)).collect())
            }
            Samples::Summary(samples) => {
                let summary = |sum, count| Summary { count: Some(count), sum: Some(sum) };
                let metric = |sum, count| Metric { summary: Some(summary(sum, count)), ..Metric::default() };
                (2, samples.iter().map(|(labels, sum, count)| metric(*sum, *count).with(labels)).collect())
            }
            Samples::Histogram(samples) => {
                let metric = |of| Metric { histogram: Some(Histogram::of(of)), ..Metric::default() };
                (4, samples.iter().map(|(labels, of)| metric(of).with(labels)).collect())
            }
        };
        Self {
            name: Some(family.name.to_owned()),
            help: Some(family.help.to_owned()),
            kind: Some(kind),
            metric,
        }
    }
}

impl Metric {
    fn with(mut self, labels: &Labels<'_>) -> Self {
        let pairs = labels.iter().map(|(name, value)| LabelPair {
            name: Some((*name).to_owned()),
            value: Some(value.clone().into_owned()),
        });
        self.label = pairs.collect();
        self
    }
}

impl Histogram {
    fn of(distribution: &Distribution) -> Self {
        let Distribution { count, sum, classic, native, since } = distribution;
        let bucket = BOUNDS.iter().zip(classic);
        let bucket =
            bucket.map(|(bound, count)| Bucket { cumulative_count: Some(*count), upper_bound: Some(*bound) });
        let mut histogram = Self {
            count: Some(*count),
            sum: Some(*sum),
            bucket: bucket.collect(),
            schema: Some(SCHEMA),
            // The least latency that is kept; below it no bucket is.
            zero_threshold: Some(1e-9),
            zero_count: Some(0),
            created: Some(Time::of(*since)),
            ..Self::default()
        };
        let (mut end, mut last) = (0, 0_i64);
        for (index, count) in native {
            match histogram.positive_span.last_mut() {
                Some(Span { length: Some(length), .. }) if end == *index => *length += 1,
                _ => histogram.positive_span.push(Span { offset: Some(index - end), length: Some(1) }),
            }
            end = index + 1;
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            histogram.positive_delta.push(count - last);
            last = count;
        }
        if histogram.positive_span.is_empty() {
            // Says that it is a native one, though nothing is in it.
            histogram.positive_span.push(Span { offset: Some(0), length: Some(0) });
        }
        histogram
    }
}

impl Time {
    fn of(time: Timestamp) -> Self {
        const SECOND: u64 = 1_000_000_000;
        let nanos = time.as_nanos();
        Self {
            seconds: i64::try_from(nanos / SECOND).unwrap_or(i64::MAX),
            nanos: i32::try_from(nanos % SECOND).unwrap_or(0),
        }
    }
}
