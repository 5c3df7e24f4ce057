//! `--otlp`: where to push, as the option or OpenTelemetry's own variables say
//! (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/>).

use crate::{fault::Fault, output::tell};
use overhear_pipeline::{Heard, Monitor, Protocol, Push, Receiver, Target, Trust};
use std::{
    env,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

const EVERY: Duration = Duration::from_secs(10);

/// The registered port of OTLP over gRPC; where nobody says how to speak, it does.
const GRPC_PORT: &str = ":4317";

/// What is asked for. An option that cannot be followed is an error; variables may be meant for others.
pub(crate) fn target(option: Option<&str>) -> Result<Option<Target>, Fault> {
    let Some(url) = option.map(str::to_owned).or_else(|| said("OTEL_EXPORTER_OTLP_ENDPOINT")) else {
        return Ok(None);
    };
    match target_at(url) {
        Ok(target) => Ok(Some(target)),
        Err(trouble) if option.is_some() => Err(Fault::new(trouble)),
        Err(trouble) => {
            tell(&format!("overhear: nothing is pushed: {trouble}"));
            Ok(None)
        }
    }
}

fn target_at(url: String) -> Result<Target, String> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(format!("{url} begins with neither http:// nor https://"));
    }
    let every = said("OTEL_METRIC_EXPORT_INTERVAL").and_then(|millis| millis.parse().ok());
    Ok(Target {
        protocol: protocol(&url, said("OTEL_EXPORTER_OTLP_PROTOCOL").as_deref())?,
        trust: trust()?,
        url,
        headers: headers(&said("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default()),
        every: every.map_or(EVERY, |millis: u64| Duration::from_millis(millis.max(100))),
        version: env!("CARGO_PKG_VERSION"),
    })
}

fn said(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn protocol(url: &str, said: Option<&str>) -> Result<Protocol, String> {
    match said {
        Some("http/protobuf") => Ok(Protocol::Http),
        Some("grpc") => Ok(Protocol::Grpc),
        None if url.trim_end_matches('/').ends_with(GRPC_PORT) => Ok(Protocol::Grpc),
        None => Ok(Protocol::Http),
        Some(other) => {
            Err(format!("OTEL_EXPORTER_OTLP_PROTOCOL is {other}: grpc and http/protobuf are spoken"))
        }
    }
}

/// Read now: later there may be no right to.
fn trust() -> Result<Trust, String> {
    let read = |name: &str| -> Result<Option<String>, String> {
        let Some(path) = said(name) else { return Ok(None) };
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) => Err(format!("{name} is {path}, which cannot be read: {error}")),
        }
    };
    let certificate = read("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE")?;
    let key = read("OTEL_EXPORTER_OTLP_CLIENT_KEY")?;
    if certificate.is_some() != key.is_some() {
        return Err(
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY go together".to_owned()
        );
    }
    Ok(Trust { authorities: read("OTEL_EXPORTER_OTLP_CERTIFICATE")?, identity: certificate.zip(key) })
}

/// `name=value,name=value`, values percent-encoded (W3C Baggage).
fn headers(said: &str) -> Vec<(String, String)> {
    let pairs = said.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.trim().to_owned(), decoded(value.trim()))).collect()
}

fn decoded(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        let code = after.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok()).filter(|_| *first == b'%');
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Pushes, if that is asked for.
pub(crate) fn start(
    target: Option<Target>,
    heard: Receiver<Arc<Heard>>,
    missed: Arc<AtomicU64>,
    monitor: Option<Arc<Monitor>>,
    quiet: bool,
) -> Result<Option<Push>, Fault> {
    let Some(target) = target else { return Ok(None) };
    let report = move |sentence: &str| {
        if !quiet {
            tell(&format!("overhear: {sentence}"));
        }
    };
    Push::start(target, heard, missed, monitor, Box::new(report))
        .map(Some)
        .map_err(|error| Fault::new(format_args!("nothing can be pushed: {error}")))
}

#[cfg(test)]
mod tests {
    use super::{Protocol, headers, protocol};

    #[test]
    fn how_it_is_spoken_is_said_or_known_by_the_port() {
        assert_eq!(protocol("http://here:4318", None), Ok(Protocol::Http));
        assert_eq!(protocol("http://here:4317/", None), Ok(Protocol::Grpc));
        assert_eq!(protocol("http://here:4317", Some("http/protobuf")), Ok(Protocol::Http));
        assert_eq!(protocol("https://here", Some("grpc")), Ok(Protocol::Grpc));
        assert!(protocol("http://here:4318", Some("http/json")).is_err());
    }

    #[test]
    fn headers_are_decoded() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            headers("authorization=Basic%20YTpi==, x = 1%,,odd"),
            [pair("authorization", "Basic YTpi=="), pair("x", "1%")]
        );
    }
}
