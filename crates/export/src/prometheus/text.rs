//! The text exposition format, version 0.0.4.

use super::{
    BOUNDS,
    family::{Distribution, Family, Labels, Samples, float},
};
use std::fmt::Write;

pub(super) fn write(families: &[Family<'_>]) -> String {
    let mut out = String::new();
    for Family { name, help, samples } in families {
        let kind = match samples {
            Samples::Counter(_) => "counter",
            Samples::Gauge(_) => "gauge",
            Samples::Summary(_) => "summary",
            Samples::Histogram(_) => "histogram",
        };
        out.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        match samples {
            Samples::Counter(samples) | Samples::Gauge(samples) => {
                samples.iter().for_each(|(labels, value)| line(&mut out, name, "", labels, *value));
            }
            Samples::Summary(samples) => {
                for (labels, sum, count) in samples {
                    line(&mut out, name, "_sum", labels, *sum);
                    line(&mut out, name, "_count", labels, float(*count));
                }
            }
            Samples::Histogram(samples) => {
                samples
                    .iter()
                    .for_each(|(labels, distribution)| histogram(&mut out, name, labels, distribution));
            }
        }
    }
    out
}

fn histogram(out: &mut String, name: &str, labels: &Labels<'_>, distribution: &Distribution) {
    let mut labels = labels.clone();
    for (bound, count) in BOUNDS.iter().zip(&distribution.classic) {
        labels.push(("le", bound.to_string().into()));
        line(out, name, "_bucket", &labels, float(*count));
        labels.pop();
    }
    labels.push(("le", "+Inf".into()));
    line(out, name, "_bucket", &labels, float(distribution.count));
    labels.pop();
    line(out, name, "_sum", &labels, distribution.sum);
    line(out, name, "_count", &labels, float(distribution.count));
}

fn line(out: &mut String, name: &str, suffix: &str, labels: &Labels<'_>, value: f64) {
    out.push_str(name);
    out.push_str(suffix);
    let mut before = '{';
    for (label, text) in labels {
        out.push(before);
        out.push_str(label);
        out.push_str("=\"");
        escape(out, text);
        out.push('"');
        before = ',';
    }
    if !labels.is_empty() {
        out.push('}');
    }
    // Writing to a String does not fail.
    let _ = writeln!(out, " {value}");
}

/// Of label values: what would end one or the line.
fn escape(out: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            _ => out.push(letter),
        }
    }
}
