//! A Grafana dashboard of one service: rate, errors, duration, what it asks, its error budget.

use crate::{
    objective::{Kind, Objective},
    rules::selector,
    sli::{DURATION, Histograms, quoted},
};
use serde_json::{Value, json};

const ASKED: &str = "http_client_request_duration_seconds";
const HEIGHT: u32 = 8;
/// Of a row of panels.
const WIDTH: u32 = 24;

/// The dashboard as JSON. Which Prometheus it asks is chosen in it; of the objectives those of the service are shown, as
/// [`crate::rules::prometheus_rules`] records them.
pub fn dashboard(service: &str, objectives: &[Objective], histograms: Histograms) -> String {
    let asking = Asking { of: format!("service_name={}", quoted(service)), histograms };
    let mut panels = answered(&asking);
    let promised = objectives.iter().filter(|objective| objective.service == service);
    let promised: Vec<Panel> = promised.flat_map(budget).collect();
    if !promised.is_empty() {
        panels.push(row("Objectives"));
        panels.extend(promised);
    }
    panels.push(row("What it asks"));
    panels.extend(asked(&asking));
    let document = json!({
        "uid": uid(service),
        "title": format!("{service} (overhear)"),
        "tags": ["overhear"],
        "schemaVersion": 39,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [{
            "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
            "current": {}, "hide": 0, "includeAll": false, "multi": false, "refresh": 1, "regex": "",
        }]},
        "annotations": {"list": [{
            "name": "Deploys", "enable": true, "iconColor": "purple", "datasource": source(),
            "expr": format!("overhear_deploy_timestamp_seconds{{{}}} * 1000", asking.of),
            "useValueForTime": true,
            "titleFormat": "Deploy", "textFormat": "{{service_version}}", "tagKeys": "service_name",
        }]},
        "panels": placed(panels),
    });
    format!("{document:#}\n")
}

/// What stands on the dashboard, before it has a place.
struct Panel {
    width: u32,
    height: u32,
    body: Value,
}

struct Asking {
    /// The service, as a matcher.
    of: String,
    histograms: Histograms,
}

impl Asking {
    /// Calls per second.
    fn rate(&self, metric: &str, more: &str, by: &str) -> String {
        match self.histograms {
            Histograms::Classic => {
                format!("sum{by} (rate({metric}_count{{{}{more}}}[$__rate_interval]))", self.of)
            }
            Histograms::Native => format!("histogram_count({})", self.native(metric, more, by)),
        }
    }

    fn native(&self, metric: &str, more: &str, by: &str) -> String {
        format!("sum{by} (rate({metric}{{{}{more}}}[$__rate_interval]))", self.of)
    }

    fn quantile(&self, metric: &str, q: f64, by: &str) -> String {
        // Without a complete response it is not known.
        let more = ", error_type=~\"|[0-9]+\"";
        match self.histograms {
            Histograms::Classic => {
                let by = if by.is_empty() { "le".to_owned() } else { format!("le, {by}") };
                let of = format!("{metric}_bucket{{{}{more}}}", self.of);
                format!("histogram_quantile({q}, sum by ({by}) (rate({of}[$__rate_interval])))")
            }
            Histograms::Native => {
                let by = if by.is_empty() { String::new() } else { format!(" by ({by})") };
                format!("histogram_quantile({q}, {})", self.native(metric, more, &by))
            }
        }
    }
}

fn answered(asking: &Asking) -> Vec<Panel> {
    const ROUTE: &str = " by (http_request_method, http_route)";
    const NAME: &str = "{{http_request_method}} {{http_route}}";
    let rate = |more: &str, by: &str| asking.rate(DURATION, more, by);
    let failed = ", error_type!~\"|client_closed\"";
    let share = format!("({} or vector(0)) / {}", rate(failed, ""), rate("", ""));
    let quantiles = [0.5, 0.95, 0.99].map(|q| (asking.quantile(DURATION, q, ""), format!("p{}", q * 100.0)));
    let slowest = asking.quantile(DURATION, 0.95, "http_request_method, http_route");
    let heat = match asking.histograms {
        Histograms::Classic => {
            format!("sum by (le) (increase({DURATION}_bucket{{{}}}[$__rate_interval]))", asking.of)
        }
        Histograms::Native => asking.native(DURATION, "", ""),
    };
    vec![
        lines("Calls", "reqps", 8, &[(rate("", ""), "calls".into())]),
        lines("Calls that fail", "percentunit", 8, &[(share, "failed".into())]),
        lines("Duration", "s", 8, &quantiles),
        lines("Calls by endpoint", "reqps", 12, &[(format!("topk(10, {})", rate("", ROUTE)), NAME.into())]),
        lines("95th percentile by endpoint", "s", 12, &[(format!("topk(10, {slowest})"), NAME.into())]),
        lines(
            "Failures by endpoint",
            "reqps",
            12,
            &[(
                format!("topk(10, {})", rate(failed, " by (http_request_method, http_route, error_type)")),
                format!("{NAME} {{{{error_type}}}}"),
            )],
        ),
        lines(
            "Calls by status",
            "reqps",
            12,
            &[(rate("", " by (http_response_status_code)"), "{{http_response_status_code}}".into())],
        ),
        heatmap("Durations", &heat),
    ]
}

fn asked(asking: &Asking) -> [Panel; 3] {
    let by = " by (server_address)";
    let rate = |more: &str| asking.rate(ASKED, more, by);
    let name = || "{{server_address}}".to_owned();
    let share = format!("{} / {}", rate(", error_type!=\"\""), rate(""));
    [
        lines("Calls asked", "reqps", 8, &[(rate(""), name())]),
        lines("Calls asked that fail", "percentunit", 8, &[(share, name())]),
        lines("95th percentile", "s", 8, &[(asking.quantile(ASKED, 0.95, "server_address"), name())]),
    ]
}

fn budget(objective: &Objective) -> [Panel; 2] {
    let selector = selector(objective);
    let what = match objective.kind {
        Kind::Availability => "Availability",
        Kind::Latency(_) => "Latency",
    };
    let left = format!("slo:period_error_budget_remaining:ratio{selector}");
    let burn = format!("slo:current_burn_rate:ratio{selector}");
    [
        panel("stat", &format!("{what}: budget left of 30 days"), "percentunit", 6, &[(left, String::new())]),
        lines(
            &format!("{what}: how fast it burns (1 = lasts 30 days)"),
            "none",
            6,
            &[(burn, "burn rate".into())],
        ),
    ]
}

fn lines(title: &str, unit: &str, width: u32, targets: &[(String, String)]) -> Panel {
    panel("timeseries", title, unit, width, targets)
}

fn panel(kind: &str, title: &str, unit: &str, width: u32, targets: &[(String, String)]) -> Panel {
    let targets = targets.iter().zip('A'..).map(|((expression, legend), id)| {
        json!({
            "refId": id.to_string(), "datasource": source(), "expr": expression, "legendFormat": legend,
        })
    });
    let body = json!({
        "type": kind, "title": title, "datasource": source(),
        "targets": targets.collect::<Vec<_>>(),
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
    });
    Panel { width, height: HEIGHT, body }
}

fn heatmap(title: &str, expression: &str) -> Panel {
    let mut panel = panel("heatmap", title, "s", WIDTH, &[(expression.to_owned(), "{{le}}".to_owned())]);
    if let Some(target) = panel.body.pointer_mut("/targets/0") {
        target["format"] = "heatmap".into();
    }
    panel.body["options"] = json!({"calculate": false, "yAxis": {"unit": "s"}, "cellGap": 1});
    panel
}

fn row(title: &str) -> Panel {
    Panel {
        width: WIDTH,
        height: 1,
        body: json!({"type": "row", "title": title, "collapsed": false, "panels": []}),
    }
}

/// From left to right, then down.
fn placed(panels: Vec<Panel>) -> Vec<Value> {
    let (mut x, mut y, mut below) = (0, 0, 0);
    let mut placed = Vec::new();
    for (id, Panel { width, height, mut body }) in (1..).zip(panels) {
        if x + width > WIDTH {
            (x, y) = (0, below);
        }
        body["id"] = json!(id);
        body["gridPos"] = json!({"x": x, "y": y, "w": width, "h": height});
        x += width;
        below = below.max(y + height);
        placed.push(body);
    }
    placed
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// At most 40 letters, digits, hyphens and underscores: the same for a service, whenever it is written. What else is in its
/// name is told apart by a checksum (FNV-1a).
fn uid(service: &str) -> String {
    let hash = service
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let letters = service.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(20);
    format!("overhear-{}-{hash:08x}", letters.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::dashboard;
    use crate::{
        objective::{objectives, tests::seen},
        sli::Histograms,
    };
    use serde_json::Value;
    use std::collections::{BTreeMap, BTreeSet};

    fn told(histograms: Histograms) -> Value {
        let objectives = objectives(&[seen(1_000, 2, 0)], &BTreeMap::new());
        serde_json::from_str(&dashboard("shop", &objectives, histograms)).unwrap()
    }

    #[test]
    fn questions_are_stable() {
        let document = told(Histograms::Classic);
        let panels = document["panels"].as_array().unwrap().iter();
        let lines = panels.flat_map(|panel| {
            let targets = panel["targets"].as_array().cloned().unwrap_or_default().into_iter();
            targets.map(|target| {
                format!("{}: {}", panel["title"].as_str().unwrap(), target["expr"].as_str().unwrap())
            })
        });
        insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn panels_have_a_place_of_their_own() {
        for histograms in [Histograms::Classic, Histograms::Native] {
            let document = told(histograms);
            let mut taken = BTreeSet::new();
            for panel in document["panels"].as_array().unwrap() {
                let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
                for x in at("x")..at("x") + at("w") {
                    for y in at("y")..at("y") + at("h") {
                        assert!(x < 24 && taken.insert((x, y)), "{}", panel["title"]);
                    }
                }
            }
        }
    }
}
