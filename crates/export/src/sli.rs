//! What is measured, in PromQL.

use crate::objective::{Kind, Objective};

/// Histograms as Prometheus keeps them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Histograms {
    /// As counters of buckets.
    #[default]
    Classic,
    /// As one sample each.
    Native,
}

/// The name that services are measured under.
pub(crate) const DURATION: &str = "http_server_request_duration_seconds";

/// Over which time calls are counted: a function and its window; without, since counting began.
pub(crate) type Over<'a> = Option<(&'static str, &'a str)>;

/// Good and bad calls, and all of them that count.
pub(crate) struct Sli {
    pub(crate) good: String,
    pub(crate) bad: String,
    pub(crate) all: String,
}

impl Sli {
    pub(crate) fn of(objective: &Objective, histograms: Histograms, over: Over<'_>) -> Self {
        let service = quoted(&objective.service);
        let sum = |suffix: &str, labels: &str| {
            let selected = format!("{DURATION}{suffix}{{service_name={service}, {labels}}}");
            match over {
                Some((function, window)) => format!("sum({function}({selected}[{window}]))"),
                None => format!("sum({selected})"),
            }
        };
        let count = |errors: &str| match histograms {
            Histograms::Classic => sum("_count", errors),
            Histograms::Native => format!("histogram_count({})", sum("", errors)),
        };
        const FINE: &str = "error_type=\"\"";
        match objective.kind {
            Kind::Availability => Self {
                good: count(FINE),
                // Without errors there is no such series.
                bad: format!("({} or vector(0))", count("error_type!~\"|client_closed\"")),
                all: count("error_type!=\"client_closed\""),
            },
            Kind::Latency(seconds) => {
                let all = count(FINE);
                let good = match histograms {
                    Histograms::Classic => sum("_bucket", &format!("{FINE}, {}", up_to(seconds))),
                    Histograms::Native => {
                        format!("histogram_fraction(0, {seconds}, {}) * {all}", sum("", FINE))
                    }
                };
                Self { bad: format!("({all} - {good})"), good, all }
            }
        }
    }

    /// Share of bad calls, 0..=1; nothing without calls.
    pub(crate) fn ratio(&self) -> String {
        // 0 / 0 is no number, and would be in every mean from then on.
        format!("({} / {}) >= 0", self.bad, self.all)
    }
}

/// The bucket that ends here. Prometheus writes whole bounds as `1` or `1.0`, by version and format.
fn up_to(seconds: f64) -> String {
    if seconds.fract() == 0.0 {
        format!("le=~\"{seconds}|{seconds}\\\\.0\"")
    } else {
        format!("le=\"{seconds}\"")
    }
}

/// A string of PromQL.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
