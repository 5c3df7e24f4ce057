//! What listening costs the program that is listened to, and ourselves.

use crate::{Effort, Figure, Result, listener::Listener, median, process, quantile};
use std::{
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Connections of the load, and what each waits between two requests so that the load stays under its rate.
const CONNECTIONS: u32 = 44;
const PAUSE_MILLISECONDS: u32 = 2;

pub(crate) fn measure(effort: Effort) -> Result<Vec<Figure>> {
    let nginx = Nginx::start(Answers::Text)?;
    let memory = Pairs::run(&nginx, effort)?;
    let flood = flood(&nginx, effort)?;
    drop(nginx);
    let Pairs { without, with, made, heard, lost, .. } = &memory;
    let mut figures = vec![
        Figure::new(
            format!(
                "nginx, CPU per request without / with `watch` (1 KiB JSON, keep-alive, {} pairs of runs)",
                effort.pairs
            ),
            format!("{:.2} / {:.2} µs", median(without), median(with)),
            "",
        ),
        Figure::new("nginx, more CPU per request with `watch` attached", spread(&memory.more()), "≤ 1.5 µs"),
        Figure::new("our CPU per exchange", spread(&memory.ours), "≤ 10 µs"),
        Figure::new(
            format!("heard of {made} requests at {:.0} a second; events lost", median(&memory.rates)),
            format!("{heard}; {lost}"),
            "all; 0 at 20 000 a second",
        ),
        flood,
        tls(effort)?,
    ];
    figures.extend(files(effort)?);
    Ok(figures)
}

/// The same by TLS: what its probes add. Two reads (the second finds nothing more) and a write a request, each with a probe
/// where it begins and one where it returns.
fn tls(effort: Effort) -> Result<Figure> {
    let more = Pairs::run(&Nginx::start(Answers::Tls)?, effort)?.more();
    Ok(Figure::new(
        "nginx by TLS, more CPU per request with `watch` attached",
        spread(&more),
        "≤ 18 µs (6 probes)",
    ))
}

/// The same out of a file, by `sendfile`: the head is in a buffer, and the body in a packet.
fn files(effort: Effort) -> Result<[Figure; 4]> {
    let files = Pairs::run(&Nginx::start(Answers::File)?, effort)?;
    let Pairs { without, with, made, heard, lost, unread, .. } = &files;
    Ok([
        Figure::new(
            "nginx by `sendfile`, CPU per request without / with `watch` (the same 1 KiB in a file)",
            format!("{:.2} / {:.2} µs", median(without), median(with)),
            "",
        ),
        Figure::new(
            "nginx by `sendfile`, more CPU per request while its packets are copied",
            spread(&files.more()),
            "",
        ),
        Figure::new("our CPU per exchange whose body comes by packets", spread(&files.ours), ""),
        Figure::new(
            format!(
                "heard of {made} requests by `sendfile` at {:.0} a second; without their body; other events lost",
                median(&files.rates)
            ),
            format!("{heard}; {unread}; {lost}"),
            "all; what was sent before packets were copied; 0",
        ),
    ])
}

/// Runs without and with `watch`, one after the other.
#[derive(Debug, Default)]
struct Pairs {
    /// Microseconds of CPU per request: the worker's, and our own.
    without: Vec<f64>,
    with: Vec<f64>,
    ours: Vec<f64>,
    /// Requests a second while it listened, and in all; exchanges it told; bodies that it could not read; other events lost.
    rates: Vec<f64>,
    made: u64,
    heard: u64,
    unread: u64,
    lost: u64,
}

impl Pairs {
    fn run(nginx: &Nginx, effort: Effort) -> Result<Self> {
        nginx.load(CONNECTIONS, 1, Some(PAUSE_MILLISECONDS))?; // warm
        let mut pairs = Self::default();
        for _ in 0..effort.pairs {
            pairs.without.push(nginx.cost(effort.seconds, Some(PAUSE_MILLISECONDS))?.per_request);
            pairs.listen(nginx, effort)?;
        }
        Ok(pairs)
    }

    fn listen(&mut self, nginx: &Nginx, effort: Effort) -> Result<()> {
        let listener = Listener::start(nginx.port)?;
        let before = process::cpu(listener.pid())?;
        let run = nginx.cost(effort.seconds, Some(PAUSE_MILLISECONDS))?;
        sleep(Duration::from_millis(300)); // until it has read what is there
        self.ours.push((process::cpu(listener.pid())? - before) as f64 / 1e3 / run.requests as f64);
        let told = listener.stop()?;
        self.with.push(run.per_request);
        self.rates.push(run.requests as f64 / effort.seconds as f64);
        self.made += run.requests;
        self.heard += told.exchanges;
        self.unread += told.unread;
        self.lost += told.lost;
        Ok(())
    }

    fn more(&self) -> Vec<f64> {
        self.with.iter().zip(&self.without).map(|(with, without)| with - without).collect()
    }
}

/// The median, and how far the middle half of the runs is spread.
fn spread(microseconds: &[f64]) -> String {
    let quarter = |part| quantile(microseconds, part);
    format!("{:.2} µs (half of the runs: {:.2} to {:.2})", median(microseconds), quarter(0.25), quarter(0.75))
}

/// As fast as load generator, nginx and we can share the cores.
fn flood(nginx: &Nginx, effort: Effort) -> Result<Figure> {
    let listener = Listener::start(nginx.port)?;
    let run = nginx.cost(effort.seconds, None)?;
    let told = listener.stop()?;
    Ok(Figure::new(
        format!(
            "without a limit: heard of {} requests at {} a second; events lost",
            run.requests,
            run.requests / effort.seconds
        ),
        format!("{}; {}", told.exchanges, told.lost),
        "loss is counted",
    ))
}

/// How 1 KiB of JSON is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    Text,
    Tls,
    /// A file, by `sendfile`.
    File,
}

/// nginx with one worker.
#[derive(Debug)]
pub(crate) struct Nginx {
    master: Child,
    folder: TempDir,
    /// Where it answers.
    pub(crate) port: u16,
    answers: Answers,
}

/// What one load cost.
#[derive(Clone, Copy, Debug)]
struct Run {
    requests: u64,
    /// Microseconds of the worker's CPU.
    per_request: f64,
}

impl Nginx {
    pub(crate) fn start(answers: Answers) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let config = folder.path().join("nginx.conf");
        fs::write(&config, configuration(folder.path(), port, answers)?)?;
        let binary = ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|path| Path::new(path).is_file());
        let mut command = Command::new(binary.ok_or("nginx is missing: run `cargo xtask setup`")?);
        command.arg("-c").arg(config).arg("-p").arg(folder.path());
        let master = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let nginx = Self { master, folder, port, answers };
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if begun.elapsed() > Duration::from_secs(5) {
                return Err("nginx does not answer".into());
            }
            sleep(Duration::from_millis(10));
        }
        Ok(nginx)
    }

    /// Puts load on it; gives the number of requests that were answered.
    pub(crate) fn load(&self, connections: u32, seconds: u64, pause: Option<u32>) -> Result<u64> {
        let mut wrk = Command::new("wrk");
        wrk.args([
            "--threads",
            "1",
            "--connections",
            &connections.to_string(),
            "--duration",
            &format!("{seconds}s"),
        ]);
        if let Some(pause) = pause {
            let script = self.folder.path().join("pause.lua");
            fs::write(&script, format!("function delay() return {pause} end\n"))?;
            wrk.arg("--script").arg(script);
        }
        let scheme = if self.answers == Answers::Tls { "https" } else { "http" };
        let output = wrk.arg(format!("{scheme}://127.0.0.1:{}/items", self.port)).output()?;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let requests = told.lines().find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok());
        requests.ok_or_else(|| format!("wrk says no count: {told}").into())
    }

    fn cost(&self, seconds: u64, pause: Option<u32>) -> Result<Run> {
        let workers = process::children(self.master.id())?;
        let cpu = || workers.iter().map(|pid| process::cpu(*pid)).sum::<Result<u64>>();
        let before = cpu()?;
        let requests = self.load(CONNECTIONS, seconds, pause)?;
        Ok(Run { requests, per_request: (cpu()? - before) as f64 / 1e3 / requests as f64 })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The workers end with their master, if it may tell them.
        let _ = Command::new("kill").args(["-TERM", &self.master.id().to_string()]).status();
        let _ = self.master.wait();
    }
}

fn configuration(folder: &Path, port: u16, answers: Answers) -> Result<String> {
    let root = folder.display();
    let body = format!("{{\"items\":[{},1234]}}", vec!["\"0123456789abcde\""; 56].join(","));
    let mut items = format!("return 200 '{body}';");
    let (mut ssl, mut certificates) = ("", String::new());
    match answers {
        Answers::Text => {}
        Answers::Tls => {
            certificate(folder)?;
            ssl = " ssl";
            certificates =
                format!("ssl_certificate {root}/certificate.pem; ssl_certificate_key {root}/key.pem;");
        }
        Answers::File => {
            fs::write(folder.join("items.json"), body)?;
            items = format!("sendfile on; alias {root}/items.json;");
        }
    }
    Ok(format!(
        "daemon off; worker_processes 1; pid {root}/pid; error_log {root}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; keepalive_requests 1000000000; default_type application/json;
  client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
  server {{ listen 127.0.0.1:{port}{ssl}; {certificates} location = /items {{ {items} }} location = /marker {{ return 200 '{{}}'; }} }}
}}
"
    ))
}

fn certificate(folder: &Path) -> Result<()> {
    let mut openssl = Command::new("openssl");
    openssl.args(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost".split(' '),
    );
    openssl.arg("-keyout").arg(folder.join("key.pem")).arg("-out").arg(folder.join("certificate.pem"));
    let status = openssl.stderr(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("openssl req: {status}").into()) }
}
