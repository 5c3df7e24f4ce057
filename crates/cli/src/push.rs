//! `--otlp`: where to push, as the option or OpenTelemetry's own variables say
//! (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/>).

use crate::{fault::Fault, output::tell};
use overhear_pipeline::{Heard, Monitor, Push, Receiver, Target};
use std::{
    env,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

const EVERY: Duration = Duration::from_secs(10);

/// What is asked for. An option that cannot be followed is an error; variables may be meant for others.
pub(crate) fn target(option: Option<&str>) -> Result<Option<Target>, Fault> {
    let said = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let Some(url) = option.map(str::to_owned).or_else(|| said("OTEL_EXPORTER_OTLP_ENDPOINT")) else {
        return Ok(None);
    };
    let protocol = said("OTEL_EXPORTER_OTLP_PROTOCOL").unwrap_or_else(|| "http/protobuf".to_owned());
    let trouble = if protocol != "http/protobuf" {
        Some(format!("OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}: only http/protobuf is spoken"))
    } else if !url.starts_with("http://") {
        Some(format!("{url} does not begin with http://: a collector on this machine can pass it on by TLS"))
    } else {
        None
    };
    if let Some(trouble) = trouble {
        if option.is_some() {
            return Err(Fault::new(trouble));
        }
        tell(&format!("overhear: nothing is pushed: {trouble}"));
        return Ok(None);
    }
    let every = said("OTEL_METRIC_EXPORT_INTERVAL").and_then(|millis| millis.parse().ok());
    Ok(Some(Target {
        url,
        headers: headers(&said("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default()),
        every: every.map_or(EVERY, |millis: u64| Duration::from_millis(millis.max(100))),
        version: env!("CARGO_PKG_VERSION"),
    }))
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
        .map_err(|error| Fault::new(format_args!("cannot start a thread: {error}")))
}

#[cfg(test)]
mod tests {
    use super::headers;

    #[test]
    fn headers_are_decoded() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            headers("authorization=Basic%20YTpi==, x = 1%,,odd"),
            [pair("authorization", "Basic YTpi=="), pair("x", "1%")]
        );
    }
}
