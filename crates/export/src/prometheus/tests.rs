use super::{Exposition, Format, exposition, protobuf::MetricFamily, text};
use overhear_exchange::{ErrorType, LossReason, Statistics, Timestamp};
use overhear_model::{Count, Histogram, OTHER};
use overhear_query::{
    EndpointId, Metric, Way,
    monitor::{Deploy, Health},
};
use prost::Message;
use std::time::Duration;

fn metric(way: Way, method: &str, route: &str, status: Option<u16>, millis: &[u64]) -> Metric {
    let mut latency = Histogram::default();
    millis.iter().for_each(|n| latency.record(Duration::from_millis(*n)));
    let error = match status {
        None => Some(ErrorType::ConnectionReset),
        Some(status) => (status >= 500).then_some(ErrorType::Status(status)),
    };
    let requests = millis.len() as u64 + u64::from(status.is_none());
    Metric {
        id: EndpointId {
            service: "shop".into(),
            way,
            protocol: "http",
            method: method.into(),
            route: route.into(),
        },
        status,
        error,
        count: Count { requests, bytes_in: 10 * requests, bytes_out: 100 * requests, latency },
        errors_hidden: u64::from(status == Some(201)),
        since: Timestamp::from_nanos(1_714_557_600_000_000_000),
    }
}

fn metrics() -> Vec<Metric> {
    vec![
        metric(Way::Inbound, "GET", "/orders/{orderId}", Some(200), &[3, 4, 250, 251, 1_000, 12_000]),
        metric(Way::Inbound, "GET", "/orders/{orderId}", None, &[]),
        metric(Way::Inbound, "PROPFIND", "/files", Some(503), &[20]),
        metric(Way::Inbound, "REPORT", "/files", Some(503), &[30]),
        metric(Way::Inbound, OTHER, OTHER, Some(201), &[40]),
        metric(Way::Outbound("[::1]:8443".into()), "POST", "/a\"b\\c\nd", Some(200), &[80]),
    ]
}

fn health() -> Health {
    let mut statistics =
        Statistics { events: 100, bytes: 2_000, connections: 7, exchanges: 12, ..Statistics::default() };
    statistics.lose(LossReason::RingFull, 3, 900);
    statistics.unreadable.insert("tls", 2);
    let started = Some(Timestamp::from_nanos(1_714_557_600_500_000_000));
    Health { statistics, resident: Some(40 << 20), started, ..Health::default() }
}

fn deploys() -> [Deploy; 1] {
    let at = Timestamp::from_nanos(1_714_557_000_000_000_000);
    [Deploy { service: "shop".into(), at, version: Some("4f2a".into()) }]
}

fn told() -> String {
    text(Exposition { metrics: &metrics(), health: &health(), deploys: &deploys(), version: "1.2.3" })
}

#[test]
fn the_text_is_stable() {
    insta::assert_snapshot!(told());
}

fn value(text: &str, start: &str) -> u64 {
    let mut found = text.lines().filter_map(|line| line.strip_prefix(start));
    let value = found.next().unwrap_or_else(|| panic!("{start} is missing"));
    assert_eq!(found.next(), None, "{start} is there twice");
    value.trim().parse().unwrap()
}

/// A call is never told to be faster than it was; 250 ms and 1 s are bounds of both.
#[test]
fn latencies_are_in_the_first_bucket_that_holds_theirs() {
    let text = told();
    let orders = "http_server_request_duration_seconds_bucket{service_name=\"shop\",http_request_method=\"GET\",\
                  http_route=\"/orders/{orderId}\",http_response_status_code=\"200\",le=";
    for (bound, expected) in [
        ("\"0.005\"", 2),
        ("\"0.1\"", 2),
        ("\"0.25\"", 3),
        ("\"0.5\"", 4),
        ("\"0.75\"", 4),
        ("\"1\"", 5),
        ("\"10\"", 5),
        ("\"+Inf\"", 6),
    ] {
        assert_eq!(value(&text, &format!("{orders}{bound}}}")), expected, "{bound}");
    }
}

#[test]
fn methods_that_are_not_usual_are_one() {
    let files = "http_server_request_duration_seconds_count{service_name=\"shop\",http_request_method=\"_OTHER\",\
                 http_route=\"/files\",http_response_status_code=\"503\",error_type=\"503\"}";
    assert_eq!(value(&told(), files), 2);
}

#[test]
fn the_client_chooses_the_format() {
    let protobuf =
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
    for (accept, expected) in [
        (None, Format::Text),
        (Some("*/*"), Format::Text),
        (Some("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"), Format::Text),
        (Some(&*format!("{protobuf},text/plain;version=0.0.4;q=0.3,*/*;q=0.1")), Format::Protobuf),
        (Some(&*format!("{protobuf};q=0.3,text/plain;version=0.0.4;q=0.5,*/*;q=0.1")), Format::Text),
        (Some("application/vnd.google.protobuf;encoding=text"), Format::Text),
        (Some(&*format!("{protobuf};q=x")), Format::Text),
    ] {
        assert_eq!(Format::accepted(accept), expected, "{accept:?}");
    }
}

#[test]
fn protobuf_says_the_same() {
    let (metrics, health, deploys) = (metrics(), health(), deploys());
    let what = Exposition { metrics: &metrics, health: &health, deploys: &deploys, version: "1.2.3" };
    let bytes = exposition(what, Format::Protobuf);
    let (mut rest, mut families) = (&bytes[..], Vec::new());
    while !rest.is_empty() {
        families.push(MetricFamily::decode_length_delimited(&mut rest).unwrap());
    }
    let text = told();
    let names: Vec<_> = families.iter().map(|family| family.name.clone().unwrap()).collect();
    let typed = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    assert_eq!(names, typed.map(|line| line.split(' ').next().unwrap()).collect::<Vec<_>>());
    let histograms: Vec<_> =
        families[0].metric.iter().map(|metric| metric.histogram.clone().unwrap()).collect();
    for histogram in &histograms {
        let (mut count, mut sum) = (0, 0);
        for delta in &histogram.positive_delta {
            count += delta;
            sum += count;
        }
        assert_eq!(u64::try_from(sum).ok(), histogram.count, "{histogram:?}");
        let places: u32 = histogram.positive_span.iter().map(|span| span.length.unwrap()).sum();
        assert_eq!(places as usize, histogram.positive_delta.len());
    }
    assert!(histograms.iter().any(|h| h.positive_span.len() > 1 && h.positive_span[1].offset.unwrap() > 0));
}
