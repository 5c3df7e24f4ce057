//! `overhear export`: what Prometheus itself says of it (`promtool`).

use overhear_tests::{
    Result,
    har::{Archive, Call},
    judge::{is_known_to_grafana, promtool},
    program::run,
    server::cache,
};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};
use tempfile::TempDir;

const SERVICE: &str = "api.test";

/// What `overhear export` makes of some calls, in a folder of its own.
struct Exported {
    folder: TempDir,
    archive: Archive,
    overlay: Option<PathBuf>,
}

impl Exported {
    fn new(overlay: Option<&str>) -> Result<Self> {
        let calls: Vec<Call> = (0..200).map(|n| Call::new("GET", format!("/orders/{n}"))).collect();
        Self::of(&calls, overlay)
    }

    fn of(calls: &[Call], overlay: Option<&str>) -> Result<Self> {
        let (folder, archive) = (tempfile::tempdir()?, Archive::new(calls)?);
        let overlay = overlay.map(|said| -> Result<PathBuf> {
            let path = folder.path().join("overlay.yaml");
            let head = "overlay: 1.1.0\ninfo: {title: shop, version: '1'}\nx-overhear:\n  slo:\n    ";
            fs::write(&path, format!("{head}{said}\n"))?;
            Ok(path)
        });
        Ok(Self { folder, archive, overlay: overlay.transpose()? })
    }

    fn said(&self, arguments: &[&str]) -> Result<String> {
        let archive = self.archive.path().to_string_lossy().into_owned();
        let overlay = self.overlay.as_ref().map(|path| path.to_string_lossy().into_owned());
        let mut all = [&["export"], arguments, &["--from", &archive]].concat();
        all.extend(overlay.iter().flat_map(|path| ["--overlay", path]));
        let said = run(&all)?;
        if said.code != Some(0) {
            return Err(format!("{:?}: {}", said.code, said.err).into());
        }
        Ok(said.out)
    }

    fn rules(&self, arguments: &[&str]) -> Result<PathBuf> {
        let path = self.folder.path().join("rules.yaml");
        fs::write(&path, self.said(&[&["prometheus-rules"], arguments].concat())?)?;
        Ok(path)
    }

    /// Plays these series to the rules, a sample a minute, and holds what is then asked.
    fn plays(&self, series: &[(String, &str)], asked: &Value) -> Result<()> {
        let series: Vec<_> =
            series.iter().map(|(name, values)| json!({"series": name, "values": values})).collect();
        let test = json!({
            "rule_files": [self.rules(&[])?],
            "evaluation_interval": "1m",
            "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": asked}],
        });
        let path = self.folder.path().join("test.yaml");
        fs::write(&path, test.to_string())?;
        promtool(&["test", "rules"], [path]).map(drop)
    }
}

/// Calls that ended so.
fn count(labels: &str) -> String {
    format!(
        "http_server_request_duration_seconds_count{{service_name=\"{SERVICE}\",http_route=\"/orders\",{labels}}}"
    )
}

fn bucket(le: &str) -> String {
    count(&format!("http_response_status_code=\"200\",le=\"{le}\"")).replacen("_count", "_bucket", 1)
}

fn fine() -> String {
    count("http_response_status_code=\"200\"")
}

fn failed() -> String {
    count("http_response_status_code=\"503\",error_type=\"503\"")
}

/// Which alerts on services fire at this time: name, severity.
fn fire(at: &str, alerts: &[(&str, &str)]) -> Value {
    let samples: Vec<_> = alerts
        .iter()
        .map(|(name, severity)| {
            json!({"labels": format!("{{alertname=\"{name}\", severity=\"{severity}\"}}"), "value": 1})
        })
        .collect();
    json!({
        "expr": "count by (alertname, severity) (ALERTS{alertstate=\"firing\", sloth_id!=\"\"})",
        "eval_time": at, "exp_samples": samples,
    })
}

#[test]
fn prometheus_takes_the_rules() {
    let exported = Exported::new(None).unwrap();
    for arguments in [&[][..], &["--native"]] {
        let said = promtool(&["check", "rules"], [exported.rules(arguments).unwrap()]).unwrap();
        // Two objectives of eight ratios, seven figures and two alerts each, and two alerts on the listening.
        assert!(said.contains("36 rules found"), "{said}");
    }
}

/// The name of a service comes from the traffic: it is neither an expression nor a template.
#[test]
fn a_hostile_name_is_a_name() {
    const NAME: &str = "a-{{.value}}-%22-'-$x.test";
    let calls = [Call::new("GET", format!("http://{NAME}/orders")), Call::new("GET", "/b")];
    let exported = Exported::of(&calls, None).unwrap();
    promtool(&["check", "rules"], [exported.rules(&[]).unwrap()]).unwrap();
    let series = [(fine(), "0+600x120"), (failed(), "0+300x120")];
    let series = series.map(|(series, values)| (series.replace(SERVICE, NAME), values));
    let asked = json!({
        "expr": "count by (sloth_service) (ALERTS{alertstate=\"firing\", sloth_id!=\"\"})",
        "eval_time": "100m",
        "exp_samples": [{"labels": format!("{{sloth_service=\"{NAME}\"}}"), "value": 2}],
    });
    exported.plays(&series, &json!([asked])).unwrap();
}

#[test]
fn a_burst_of_errors_pages_and_calm_does_not() {
    let exported = Exported::new(None).unwrap();
    let burst = [
        (fine(), "0+600x180 108000+540x30"),
        // An hour and a half of calm, then a tenth of calls fail.
        (failed(), "0+0x180 0+60x30"),
    ];
    // 14.4 times 0.1 % of the last hour is 518 of 36,000 calls: nine minutes of 60.
    let asked = json!([
        fire("181m", &[]),
        fire("187m", &[("OverhearAvailabilityBurn", "ticket")]),
        fire("193m", &[("OverhearAvailabilityBurn", "page"), ("OverhearAvailabilityBurn", "ticket")]),
        {
            "expr": "slo:sli_error:ratio_rate5m{sloth_slo=\"requests-availability\"}",
            "eval_time": "200m",
            "exp_samples": [{
                "labels": format!(
                    "slo:sli_error:ratio_rate5m{{sloth_id=\"{SERVICE}-requests-availability\", \
                     sloth_service=\"{SERVICE}\", sloth_slo=\"requests-availability\", sloth_window=\"5m\"}}"
                ),
                "value": 0.1,
            }],
        },
    ]);
    exported.plays(&burst, &asked).unwrap();
    let calm = [(fine(), "0+6000x400"), (failed(), "0+3x400")];
    exported.plays(&calm, &json!([fire("60m", &[]), fire("200m", &[]), fire("400m", &[])])).unwrap();
    assert!(exported.plays(&calm, &json!([fire("60m", &[("OverhearAvailabilityBurn", "page")])])).is_err());
}

#[test]
fn neither_a_few_calls_nor_clients_that_hang_up_wake_anybody() {
    let exported = Exported::new(None).unwrap();
    let few = [(fine(), "0+0.05x400"), (failed(), "0+0.02x400")];
    let quiet = json!([fire("100m", &[]), fire("400m", &[])]);
    exported.plays(&few, &quiet).unwrap();
    let gone = [(fine(), "0+600x400"), (count("error_type=\"client_closed\""), "0+300x400")];
    exported.plays(&gone, &quiet).unwrap();
    let reset = [(fine(), "0+600x400"), (count("error_type=\"connection_reset\""), "0+300x400")];
    assert!(exported.plays(&reset, &quiet).is_err(), "a call without an answer is an error");
}

#[test]
fn slow_answers_fire_the_alert_on_latency() {
    let exported = Exported::new(Some("api.test: {availability: 99.95, within: 1, fast: 95}")).unwrap();
    assert!(exported.said(&["prometheus-rules"]).unwrap().contains("14.4 * 0.0005"));
    // Prometheus writes the bound in one of two ways.
    for le in ["1", "1.0"] {
        let slow = [(fine(), "0+600x120"), (bucket(le), "0+60x120"), (bucket("+Inf"), "0+600x120")];
        let alerts = [("OverhearLatencyBurn", "page"), ("OverhearLatencyBurn", "ticket")];
        exported.plays(&slow, &json!([fire("100m", &alerts)])).unwrap();
        let fast = [(fine(), "0+600x120"), (bucket(le), "0+590x120"), (bucket("+Inf"), "0+600x120")];
        exported.plays(&fast, &json!([fire("100m", &[])])).unwrap();
    }
}

/// What is said to whom is woken.
#[test]
fn alerts_speak_plainly() {
    let exported = Exported::new(None).unwrap();
    let id = format!("{SERVICE}-requests-availability");
    let told = [
        ("page", "The error budget of 30 days is gone within days, or hours: somebody should look now."),
        ("ticket", "The error budget of 30 days will not last: somebody should look in the next days."),
    ]
    .map(|(severity, hurry)| {
        let description = format!(
            "Availability of {SERVICE} is promised: 99.9 % of calls do not fail. Just now 25% of its calls were not so. \
             {hurry} Inferred; of 200 calls that were heard 100 % were so."
        );
        json!({
            "exp_labels": {
                "severity": severity, "sloth_severity": severity, "sloth_id": id,
                "sloth_service": SERVICE, "sloth_slo": "requests-availability",
            },
            "exp_annotations": {
                "summary": format!("Too many calls of {SERVICE} fail"), "description": description,
            },
        })
    });
    let alert = json!({"eval_time": "100m", "alertname": "OverhearAvailabilityBurn", "exp_alerts": told});
    let series = [(fine(), "0+300x120"), (failed(), "0+100x120")];
    let series: Vec<_> =
        series.iter().map(|(name, values)| json!({"series": name, "values": values})).collect();
    let test = json!({
        "rule_files": [exported.rules(&[]).unwrap()],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "alert_rule_test": [alert]}],
    });
    let path = exported.folder.path().join("test.yaml");
    fs::write(&path, test.to_string()).unwrap();
    promtool(&["test", "rules"], [path]).unwrap();
}

/// The snapshot of the exposition is what the unit tests of `overhear-export` hold.
#[test]
fn prometheus_reads_the_exposition() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/export/src/prometheus/snapshots/");
    let name = "overhear_export__prometheus__tests__the_text_is_stable.snap";
    let snapshot = fs::read_to_string(format!("{root}{name}")).unwrap();
    let (_, text) = snapshot.trim_start_matches("---\n").split_once("---\n").unwrap();
    promtool_reads(text).unwrap();
    assert!(promtool_reads(&text.replacen("# TYPE", "# TIPE", 2).replacen("} 0", "} x", 1)).is_err());
}

fn promtool_reads(text: &str) -> Result<()> {
    let mut tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    tool.stdin.take().ok_or("no standard input")?.write_all(text.as_bytes())?;
    let output = tool.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said.into()) }
}

#[test]
fn objectives_and_dashboards_are_written() {
    let exported = Exported::new(Some("api.test: {availability: 99.95}")).unwrap();
    let slo = exported.said(&["slo"]).unwrap();
    assert!(slo.contains("kind: Service") && slo.contains("target: 0.9995"), "{slo}");
    is_open_slo(&slo).unwrap();
    assert!(is_open_slo(&slo.replace("target: 0.9995", "target: 1.0")).is_err(), "the judge judges");
    is_open_slo(&exported.said(&["slo", "--native"]).unwrap()).unwrap();
    let dashboard: Value = serde_json::from_str(&exported.said(&["grafana"]).unwrap()).unwrap();
    assert_eq!(dashboard["title"], "api.test (overhear)");
    assert!(dashboard["panels"].as_array().unwrap().len() > 10);
    let folder = exported.folder.path().join("boards");
    for arguments in [&["grafana"][..], &["grafana", "--native"]] {
        prometheus_takes_what_is_asked(&exported, arguments).unwrap();
        let board = exported.folder.path().join("board.json");
        let text = exported.said(arguments).unwrap();
        fs::write(&board, &text).unwrap();
        is_known_to_grafana(&board).unwrap();
        fs::write(&board, text.replacen("\"unit\"", "\"unity\"", 1)).unwrap();
        assert!(is_known_to_grafana(&board).is_err(), "the judge judges");
    }
    exported.said(&["grafana", "--all", &folder.to_string_lossy()]).unwrap();
    assert!(folder.join("api.test.json").exists());
}

/// Names that are long, or that differ in what an object's name cannot have, are no less valid.
#[test]
fn objectives_of_odd_services_are_valid() {
    let hosts = ["a.b", "a-b", "127.0.0.1:8300", &format!("{}.test", "long".repeat(14)), "_.test"];
    let calls = hosts.map(|host| Call::new("GET", format!("http://{host}/orders")));
    let exported = Exported::of(&calls, None).unwrap();
    is_open_slo(&exported.said(&["slo"]).unwrap()).unwrap();
}

fn is_open_slo(documents: &str) -> Result<()> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/judges/openslo.py");
    let mut judge = Command::new("python3")
        .arg(script)
        .env("PYTHONPATH", cache().join("python"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    judge.stdin.take().ok_or("no standard input")?.write_all(documents.as_bytes())?;
    let judged = judge.wait_with_output()?;
    if judged.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&judged.stderr).into()) }
}

/// As rules, since nothing else of `promtool` reads an expression without a server.
fn prometheus_takes_what_is_asked(exported: &Exported, arguments: &[&str]) -> Result<()> {
    let dashboard: Value = serde_json::from_str(&exported.said(arguments)?)?;
    let panels = dashboard["panels"].as_array().ok_or("no panels")?;
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let asked = targets.filter_map(|target| target["expr"].as_str());
    let deploys = dashboard["annotations"]["list"][0]["expr"].as_str();
    let asked: Vec<_> = asked.chain(deploys).map(|asked| asked.replace("$__rate_interval", "5m")).collect();
    let rules =
        asked.iter().zip(0..).map(|(asked, at)| json!({"record": format!("asked{at}"), "expr": asked}));
    let rules = json!({"groups": [{"name": "asked", "rules": rules.collect::<Vec<_>>()}]});
    let path = exported.folder.path().join("asked.yaml");
    fs::write(&path, rules.to_string())?;
    let said = promtool(&["check", "rules"], [path])?;
    if asked.len() > 15 && said.contains(&format!("{} rules found", asked.len())) {
        Ok(())
    } else {
        Err(said.into())
    }
}

#[test]
fn a_promise_that_cannot_be_measured_is_refused() {
    let exported = Exported::new(Some("api.test: {within: 0.3}")).unwrap();
    let error = exported.said(&["slo"]).unwrap_err().to_string();
    assert!(error.contains("overlay.yaml:5: `within` is 0.3: it can be one of 0.005"), "{error}");
}
