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

/// What a Prometheus that scraped a `watch` says of the calls made, and of the rules that were exported of them.
fn is_scraped(native: bool) -> Result<()> {
    let server = Server::start(Kind::Python)?;
    let (folder, page) = (tempfile::tempdir()?, free_port()?);
    let store = folder.path().join("overhear.db");
    let watch = Watch::start(&[
        "--json",
        "--port",
        &server.port.to_string(),
        "--listen",
        &format!("127.0.0.1:{page}"),
        "--store",
        &store.to_string_lossy(),
    ])?;
    make_calls(Client::Python, server.port)?;
    let socket = watch.socket().to_string_lossy().into_owned();
    let mut export = vec!["export", "prometheus-rules", "--socket", &socket];
    export.extend(native.then_some("--native"));
    // The answer is of what was heard, which is a moment behind.
    let begun = Instant::now();
    let rules = loop {
        let said = run(&export)?;
        if said.code == Some(0) && said.out.contains("sloth_service") {
            break said.out;
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("no rules: {}", said.err).into());
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let token = folder.path().join("page.token");
    let prometheus = Prometheus::start(page, &token.to_string_lossy(), &rules, native)?;
    let metric = "http_server_request_duration_seconds";
    let asked = if native {
        format!("sum by (http_route) (histogram_count({metric}))")
    } else {
        format!("sum by (http_route) ({metric}_count)")
    };
    let made = [("/fails", "1"), ("/items", "3"), ("/missing", "1"), ("/orders", "1"), ("/slow", "1")];
    let made: BTreeMap<_, _> = made.map(|(route, calls)| (route.to_owned(), calls.to_owned())).into();
    let counted = prometheus.until(|this| this.by_route(&asked), |counted| *counted == made)?;
    assert_eq!(counted, made, "native: {native}");
    make_calls(Client::Python, server.port)?;
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

#[test]
fn prometheus_counts_what_was_called() {
    is_scraped(false).unwrap();
}

#[test]
fn prometheus_counts_what_was_called_in_native_histograms() {
    is_scraped(true).unwrap();
}
