//! A real Prometheus beside a `watch`: what it scrapes, and the rules it evaluates.

use overhear_tests::{
    Result,
    program::{Watch, run},
    server::{Client, Kind, Server, free_port, make_calls, program},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// For an answer that comes with one of the next scrapes or evaluations, a second apart.
const PATIENCE: Duration = Duration::from_secs(40);

/// A Prometheus that scrapes one `watch`, until it is dropped.
struct Prometheus {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Prometheus {
    /// `token`: the file that holds it, as the guide says.
    fn start(target: u16, token: &str, rules: &str, native: bool) -> Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let config = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [{
                "job_name": "overhear",
                "authorization": {"credentials_file": token},
                "static_configs": [{"targets": [format!("127.0.0.1:{target}")]}],
            }],
        });
        fs::write(folder.path().join("prometheus.yml"), config.to_string())?;
        fs::write(folder.path().join("rules.yaml"), rules)?;
        let said = fs::File::create(folder.path().join("said"))?;
        let mut command = Command::new(program("prometheus")?);
        command.arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        if native {
            command.arg("--enable-feature=native-histograms");
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn()?;
        Ok(Self { child, folder, port })
    }

    fn get(&self, path: &str, query: &str) -> Result<Value> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let asked = Command::new("curl")
            .args(["--silent", "--show-error", "--get", "--max-time", "5", "--data-urlencode"])
            .args([&format!("query={query}"), &url])
            .output()?;
        if !asked.status.success() {
            return Err(String::from_utf8_lossy(&asked.stderr).into());
        }
        Ok(serde_json::from_slice(&asked.stdout)?)
    }

    /// Value by route.
    fn by_route(&self, query: &str) -> Result<BTreeMap<String, String>> {
        let answer = self.get("/api/v1/query", query)?;
        let series = answer["data"]["result"].as_array().ok_or_else(|| answer.to_string())?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let pairs = series.iter().map(|one| (text(&one["metric"]["http_route"]), text(&one["value"][1])));
        Ok(pairs.collect())
    }

    fn rules(&self) -> Result<Vec<Value>> {
        let answer = self.get("/api/v1/rules", "")?;
        let groups = answer["data"]["groups"].as_array().ok_or_else(|| answer.to_string())?;
        Ok(groups.iter().filter_map(|group| group["rules"].as_array()).flatten().cloned().collect())
    }

    /// Name and severity of those that fire.
    fn alerts(&self) -> Result<Vec<String>> {
        let answer = self.get("/api/v1/alerts", "")?;
        let alerts = answer["data"]["alerts"].as_array().ok_or_else(|| answer.to_string())?;
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(firing
            .map(|alert| text(&alert["labels"]["alertname"]) + " " + &text(&alert["labels"]["severity"]))
            .collect())
    }

    /// The share of bad calls of the last five minutes, as the rules record it.
    fn ratio(&self, objective: &str) -> Result<f64> {
        let answer =
            self.get("/api/v1/query", &format!("slo:sli_error:ratio_rate5m{{sloth_slo=\"{objective}\"}}"))?;
        let value = answer["data"]["result"][0]["value"][1].as_str().ok_or_else(|| answer.to_string())?;
        Ok(value.parse()?)
    }

    /// Asks until this is so.
    fn until<T>(&self, ask: impl Fn(&Self) -> Result<T>, is_so: impl Fn(&T) -> bool) -> Result<T> {
        let begun = Instant::now();
        loop {
            let answer = ask(self);
            if answer.as_ref().is_ok_and(&is_so) {
                return answer;
            }
            if begun.elapsed() > PATIENCE {
                let said = fs::read_to_string(self.folder.path().join("said")).unwrap_or_default();
                return answer.map_err(|error| format!("{error}; prometheus: {said}").into());
            }
            std::thread::sleep(Duration::from_millis(250));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A `watch` that listens to a server and is scraped.
struct Scene {
    server: Server,
    watch: Watch,
    folder: TempDir,
    page: u16,
}

impl Scene {
    fn start(kind: Kind) -> Result<Self> {
        let (server, folder, page) = (Server::start(kind)?, tempfile::tempdir()?, free_port()?);
        let (port, listen) = (server.port.to_string(), format!("127.0.0.1:{page}"));
        let store = folder.path().join("overhear.db").to_string_lossy().into_owned();
        let watch = Watch::start(&["--json", "--port", &port, "--listen", &listen, "--store", &store])?;
        Ok(Self { server, watch, folder, page })
    }

    /// The rules for what it hears, with what is said of it.
    fn rules(&self, native: bool, overlay: Option<&Path>) -> Result<String> {
        let socket = self.watch.socket().to_string_lossy().into_owned();
        let mut export = vec!["export", "prometheus-rules", "--socket", &socket];
        export.extend(native.then_some("--native"));
        let overlay = overlay.map(|overlay| overlay.to_string_lossy().into_owned());
        export.extend(overlay.iter().flat_map(|overlay| ["--overlay", overlay]));
        // The answer is of what was heard, which is a moment behind.
        let begun = Instant::now();
        loop {
            let said = run(&export)?;
            if said.code == Some(0) && said.out.contains("sloth_service") {
                return Ok(said.out);
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("no rules: {}", said.err).into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn prometheus(&self, rules: &str, native: bool) -> Result<Prometheus> {
        let token = self.folder.path().join("page.token");
        Prometheus::start(self.page, &token.to_string_lossy(), rules, native)
    }

    /// So many calls of this path, two at a time.
    fn calls(&self, path: &str, number: u32) -> Result<()> {
        let made = Command::new(program("h2load")?)
            .args(["--h1", "--clients", "2", "--requests", &number.to_string()])
            .arg(format!("http://127.0.0.1:{}{path}", self.server.port))
            .output()?;
        if made.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&made.stdout).into()) }
    }
}

/// How many calls were made, by route.
fn counted(native: bool) -> String {
    const METRIC: &str = "http_server_request_duration_seconds";
    if native {
        format!("sum by (http_route) (histogram_count({METRIC}))")
    } else {
        format!("sum by (http_route) ({METRIC}_count)")
    }
}

fn by_route<const N: usize>(calls: [(&str, u32); N]) -> BTreeMap<String, String> {
    calls.map(|(route, calls)| (route.to_owned(), calls.to_string())).into()
}

/// What a Prometheus that scraped a `watch` says of the calls made, and of the rules that were exported of them.
fn is_scraped(native: bool) -> Result<()> {
    let scene = Scene::start(Kind::Python)?;
    make_calls(Client::Python, scene.server.port)?;
    let prometheus = scene.prometheus(&scene.rules(native, None)?, native)?;
    let made = by_route([("/fails", 1), ("/items", 3), ("/missing", 1), ("/orders", 1), ("/slow", 1)]);
    let asked = counted(native);
    let counted = prometheus.until(|this| this.by_route(&asked), |counted| *counted == made)?;
    assert_eq!(counted, made, "native: {native}");
    make_calls(Client::Python, scene.server.port)?;
    let twice = |counted: &BTreeMap<String, String>| counted.get("/items").is_some_and(|calls| calls == "6");
    let counted = prometheus.until(|this| this.by_route(&asked), twice)?;
    assert!(twice(&counted), "native: {native}: {counted:?}");
    let evaluated =
        |rules: &Vec<Value>| !rules.is_empty() && rules.iter().all(|rule| rule["health"] != "unknown");
    let rules = prometheus.until(Prometheus::rules, evaluated)?;
    assert!(rules.len() > 10, "{rules:?}");
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule}");
        assert!(rule["lastError"].as_str().unwrap_or_default().is_empty(), "{rule}");
    }
    Ok(())
}

/// Calm first, then a burst of failures and slow answers: the ratios are those of what was heard, and somebody is woken.
fn a_burst_wakes_somebody(native: bool) -> Result<()> {
    const WITHIN: f64 = 0.05;
    let scene = Scene::start(Kind::Node)?;
    for path in ["/fails", "/items", "/slow"] {
        scene.calls(path, 2)?;
    }
    let rules = scene.rules(native, None)?;
    let service = rules.lines().find_map(|line| line.trim().strip_prefix("sloth_service: "));
    let overlay = scene.folder.path().join("overlay.yaml");
    let said = format!(
        "overlay: 1.1.0\ninfo: {{title: shop, version: '1'}}\nx-overhear:\n  slo:\n    {}: {{availability: 99.9, within: {WITHIN}, fast: 99}}\n",
        service.ok_or("rules of no service")?
    );
    fs::write(&overlay, said)?;
    let prometheus = scene.prometheus(&scene.rules(native, Some(&overlay))?, native)?;
    let asked = counted(native);
    let calm = by_route([("/fails", 2), ("/items", 2), ("/slow", 2)]);
    prometheus.until(|this| this.by_route(&asked), |counted| *counted == calm)?;
    assert_eq!(prometheus.alerts()?, Vec::<String>::new(), "nothing happened yet");
    for (path, calls) in [("/fails", 100), ("/items", 100), ("/slow", 40)] {
        scene.calls(path, calls)?;
    }
    let all = by_route([("/fails", 102), ("/items", 102), ("/slow", 42)]);
    let counted = prometheus.until(|this| this.by_route(&asked), |counted| *counted == all)?;
    assert_eq!(counted, all, "native: {native}");
    let woken = ["OverhearAvailabilityBurn page", "OverhearLatencyBurn page"].map(str::to_owned);
    let has_woken = |alerts: &Vec<String>| woken.iter().all(|alert| alerts.contains(alert));
    let alerts = prometheus.until(Prometheus::alerts, has_woken)?;
    assert!(has_woken(&alerts), "native: {native}: {alerts:?}");
    // The next evaluation has all of it.
    let truly_failed = 100.0 / 240.0;
    let is_right = |ratio: &f64| (ratio - truly_failed).abs() < 1e-3;
    let failed = prometheus.until(|this| this.ratio("requests-availability"), is_right)?;
    assert!(is_right(&failed), "native: {native}: {failed} is not {truly_failed}");
    // That of the durations is evaluated by itself. All of /slow is late; so may others be, on a busy machine.
    let has_all = |ratio: &f64| *ratio > 40.0 / 140.0 - 0.02;
    let slow = prometheus.until(|this| this.ratio("requests-latency"), has_all)?;
    let heard = scene.watch.stop()?;
    // The first two of each route were before the first scrape.
    let good: Vec<_> = heard.exchanges[6..].iter().filter(|call| call.get("error.type").is_none()).collect();
    let late = good.iter().filter(|call| call["duration"].as_f64() > Some(WITHIN)).count();
    let truly_slow = late as f64 / good.len() as f64;
    // A call may lie within the bucket that the bound divides.
    assert!((slow - truly_slow).abs() < 0.02, "native: {native}: {slow} is not {truly_slow}");
    Ok(())
}

#[test]
fn prometheus_counts_what_was_called() {
    is_scraped(false).unwrap();
}

#[test]
fn prometheus_counts_what_was_called_in_native_histograms() {
    is_scraped(true).unwrap();
}

#[test]
fn a_burst_wakes_somebody_by_classic_histograms() {
    a_burst_wakes_somebody(false).unwrap();
}

#[test]
fn a_burst_wakes_somebody_by_native_histograms() {
    a_burst_wakes_somebody(true).unwrap();
}
