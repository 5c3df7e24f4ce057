//! Rules for Prometheus: service level indicators as recording rules, and alerts on how fast the error budget burns
//! (Google's SRE Workbook, chapter 5, multi-window multi-burn-rate). Names and labels are those of sloth, so that its
//! dashboards show them.

use crate::{
    objective::{Kind, Objective},
    sli::{Histograms, Sli},
    yaml::{YamlError, yaml},
};
use serde_json::{Map, Value, json};

const DAYS: u32 = 30;

/// Windows that are recorded.
const WINDOWS: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];

/// Bad calls in the long window below which nobody is told: at night one failure of ten calls is a tenth of all.
const LEAST_BAD: u32 = 10;

/// How fast the budget of 30 days burns, over which two windows, and what of it is gone then.
struct Burn {
    factor: f64,
    short: &'static str,
    long: &'static str,
}

const PAGE: [Burn; 2] =
    [Burn { factor: 14.4, short: "5m", long: "1h" }, Burn { factor: 6.0, short: "30m", long: "6h" }];
const TICKET: [Burn; 2] =
    [Burn { factor: 3.0, short: "2h", long: "1d" }, Burn { factor: 1.0, short: "6h", long: "3d" }];

/// The rules of these objectives, and alerts on the listening itself, as YAML.
///
/// # Errors
/// When the document cannot be written as YAML.
pub fn prometheus_rules(objectives: &[Objective], histograms: Histograms) -> Result<String, YamlError> {
    let mut groups = Vec::new();
    for objective in objectives {
        let name = format!("{}-{}", objective.service, objective.name());
        let group = |what: &str, rules: Vec<Value>| json!({"name": format!("overhear-slo-{what}-{name}"), "rules": rules});
        groups.push(group("sli-recordings", recordings(objective, histograms)));
        groups.push(group("meta-recordings", meta(objective)));
        groups.push(group("alerts", alerts(objective, histograms)));
    }
    groups.push(json!({"name": "overhear", "rules": own()}));
    let text = yaml(&json!({"groups": groups}))?;
    let mut out = String::from("# Made by `overhear export prometheus-rules`.\n");
    for objective in objectives {
        // What strangers call themselves must not end the comment.
        let service = objective.service.escape_debug();
        out.push_str(&format!("# {service}: {}. {}\n", objective.promise(), objective.origin()));
    }
    Ok(out + &text)
}

fn labels(objective: &Objective) -> Map<String, Value> {
    let labels = [
        ("sloth_id", format!("{}-{}", objective.service, objective.name())),
        ("sloth_service", objective.service.clone()),
        ("sloth_slo", objective.name().to_owned()),
    ];
    labels.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
}

/// Of the recorded series of this objective.
pub(crate) fn selector(objective: &Objective) -> String {
    let labels = labels(objective);
    let of = |name: &str| crate::sli::quoted(labels.get(name).and_then(Value::as_str).unwrap_or_default());
    format!(
        "{{sloth_id={}, sloth_service={}, sloth_slo={}}}",
        of("sloth_id"),
        of("sloth_service"),
        of("sloth_slo")
    )
}

fn record(objective: &Objective, name: &str, expression: String, more: &[(&str, &str)]) -> Value {
    let mut labels = labels(objective);
    labels.extend(more.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
    json!({"record": name, "expr": expression, "labels": labels})
}

fn recordings(objective: &Objective, histograms: Histograms) -> Vec<Value> {
    let ratio = |window: &str| format!("slo:sli_error:ratio_rate{window}");
    let mut rules: Vec<Value> = WINDOWS
        .iter()
        .map(|window| {
            let sli = Sli::of(objective, histograms, Some(("rate", window)));
            record(objective, &ratio(window), sli.ratio(), &[("sloth_window", window)])
        })
        .collect();
    // The rate over a month would read a month of every series.
    let (short, long, selector) = (ratio("5m"), format!("{DAYS}d"), selector(objective));
    let mean = format!(
        "sum_over_time({short}{selector}[{long}]) / ignoring (sloth_window) count_over_time({short}{selector}[{long}])"
    );
    rules.push(record(objective, &ratio(&long), mean, &[("sloth_window", &long)]));
    rules
}

fn meta(objective: &Objective) -> Vec<Value> {
    let selector = selector(objective);
    let burn = |window: &str| {
        format!(
            "slo:sli_error:ratio_rate{window}{selector} / on(sloth_id, sloth_slo, sloth_service) group_left slo:error_budget:ratio{selector}"
        )
    };
    let month = format!("{DAYS}d");
    let percent = objective.percent.to_string();
    let remaining = format!("1 - slo:period_burn_rate:ratio{selector}");
    let info = [("sloth_mode", "cli-gen-prom"), ("sloth_spec", "overhear"), ("sloth_objective", &*percent)];
    [
        ("slo:objective:ratio", format!("vector({})", objective.target()), &[][..]),
        ("slo:error_budget:ratio", format!("vector({})", objective.budget()), &[]),
        ("slo:time_period:days", format!("vector({DAYS})"), &[]),
        ("slo:current_burn_rate:ratio", burn("5m"), &[]),
        ("slo:period_burn_rate:ratio", burn(&month), &[]),
        ("slo:period_error_budget_remaining:ratio", remaining, &[]),
        ("sloth_slo_info", "vector(1)".to_owned(), &info),
    ]
    .into_iter()
    .map(|(name, expression, more)| record(objective, name, expression, more))
    .collect()
}

fn alerts(objective: &Objective, histograms: Histograms) -> Vec<Value> {
    let service = literal(&objective.service);
    let (what, summary) = match objective.kind {
        Kind::Availability => ("Availability", format!("Too many calls of {service} fail")),
        Kind::Latency(_) => ("Latency", format!("{service} answers too many calls too slowly")),
    };
    let urgency = [
        (
            PAGE,
            "page",
            "The error budget of 30 days is gone within days, or hours: somebody should look now.",
        ),
        (
            TICKET,
            "ticket",
            "The error budget of 30 days will not last: somebody should look in the next days.",
        ),
    ];
    let mut rules = Vec::new();
    for (burns, severity, hurry) in urgency {
        // More than all calls cannot be bad.
        let possible = burns.iter().filter(|burn| burn.factor * objective.budget() < 1.0);
        let conditions: Vec<String> = possible.map(|burn| condition(objective, histograms, burn)).collect();
        if conditions.is_empty() {
            continue;
        }
        let mut labels = labels(objective);
        for value in labels.values_mut() {
            *value = literal(value.as_str().unwrap_or_default()).into();
        }
        labels.insert("severity".into(), severity.into());
        labels.insert("sloth_severity".into(), severity.into());
        let description = format!(
            "{} of {service} is promised: {}. Just now {{{{ $value | humanizePercentage }}}} of its calls were not so. {hurry} {}",
            what,
            objective.promise(),
            objective.origin()
        );
        rules.push(json!({
            "alert": format!("Overhear{what}Burn"),
            "expr": conditions.join("\nor\n"),
            "labels": labels,
            "annotations": {"summary": summary, "description": description},
        }));
    }
    rules
}

/// Labels and annotations of alerts are templates; names from the traffic must not be.
fn literal(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}

/// Both windows burn, and it is not about a handful of calls. Its value is the share of bad calls in the short window.
fn condition(objective: &Objective, histograms: Histograms, burn: &Burn) -> String {
    let selector = selector(objective);
    let Burn { factor, short, long } = burn;
    let threshold = format!("{factor} * {}", objective.budget());
    let bad = Sli::of(objective, histograms, Some(("increase", long))).bad;
    format!(
        "(\n  max(slo:sli_error:ratio_rate{short}{selector} > ({threshold})) without (sloth_window)\n  and\n  max(slo:sli_error:ratio_rate{long}{selector} > ({threshold})) without (sloth_window)\n  and on()\n  ({bad} >= {LEAST_BAD})\n)"
    )
}

/// Silence must not look like health.
fn own() -> Vec<Value> {
    let alert = |name: &str, expression: &str, wait: &str, summary: &str, description: &str| {
        json!({
            "alert": name, "expr": expression, "for": wait, "labels": {"severity": "ticket"},
            "annotations": {"summary": summary, "description": description},
        })
    };
    vec![
        alert(
            "OverhearAbsent",
            "absent(overhear_build_info)",
            "15m",
            "Nobody listens",
            "Prometheus got no metrics of overhear for 15 minutes: alerts on services cannot fire until it does.",
        ),
        alert(
            "OverhearLosesCalls",
            "sum(rate(overhear_lost_events_total[30m])) / sum(rate(overhear_events_total[30m])) > 0.05",
            "30m",
            "More than 5 % of events are lost",
            "Overhear lost {{ $value | humanizePercentage }} of what happened: counts of calls are too low. `overhear_lost_events_total` says why.",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::prometheus_rules;
    use crate::{
        objective::{Said, objectives, tests::seen},
        sli::Histograms,
    };
    use std::collections::BTreeMap;

    #[test]
    fn rules_are_stable() {
        let objectives = objectives(&[seen(1_000, 2, 0)], &BTreeMap::new());
        insta::assert_snapshot!(prometheus_rules(&objectives, Histograms::Classic).unwrap());
    }

    #[test]
    fn an_alert_that_cannot_fire_is_none() {
        let rules = |percent| {
            let said = Said { availability: Some(percent), ..Said::default() };
            let objectives = objectives(&[seen(1_000, 2, 0)], &BTreeMap::from([("shop".to_owned(), said)]));
            prometheus_rules(&objectives[..1], Histograms::Classic).unwrap()
        };
        assert!(rules(95.0).contains("14.4 * 0.05") && rules(95.0).contains("6 * 0.05"));
        assert!(!rules(90.0).contains("14.4 *") && rules(90.0).contains("6 * 0.1"));
        assert!(!rules(80.0).contains("severity: page") && rules(80.0).contains("1 * 0.2"));
    }
}
