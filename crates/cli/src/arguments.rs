//! The command line: names are a contract.

use crate::{
    time::{self, Moment},
    units,
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use overhear_query::Filter;
use std::{ffi::OsString, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

/// Listens to the API calls of this machine's programs, without touching them, and shows which endpoints exist,
/// how fast they are and how they fail.
#[derive(Parser)]
#[command(name = "overhear", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Listen live: a table on a terminal, one JSON object per exchange with --json
    Watch(Watch),
    /// Listen to one command and what it starts, such as a test run; summary at the end
    Run(Run),
    /// Learn from captures (pcap, pcapng, HAR) or saved models; summary at the end
    Read(Read),
    /// List single exchanges
    Requests(Requests),
    /// List endpoints: how often they are called, how fast they are, how they fail
    Endpoints(Endpoints),
    /// Who calls whom: as text, DOT or Mermaid
    Map(Map),
    /// Everything about one endpoint
    Show(Show),
    /// The API as an OpenAPI document, inferred from what was heard
    Spec(Spec),
    /// What people know of an API, as an Overlay document: begin one, or check one
    Overlay(Overlay),
    /// What was heard, for other programs: alerts for Prometheus, service level objectives, a Grafana dashboard
    Export(Export),
    /// The page in a browser, of what the store holds; `watch` serves it too
    Serve(Serve),
    /// What can be heard on this machine, and what stands in the way
    Doctor(Doctor),
    /// Listen to a small shop of real services; needs no root to show a recording of it
    Demo(Demo),
    /// Write a script that completes this command line
    Completions(Completions),
    /// Write the manual page
    Man,
    /// Waits at a gate, then becomes a command.
    #[command(hide = true)]
    Launch(Launch),
    /// One process of the demo's shop.
    #[command(hide = true, name = overhear_demo::SUBCOMMAND)]
    DemoProcess(DemoProcess),
}

#[derive(Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) scope: Scope,
    /// Only connections with this port at either end (up to 16 times)
    #[arg(long = "port", value_name = "N", env = "OVERHEAR_PORT", value_delimiter = ',')]
    pub(crate) ports: Vec<u16>,
    /// Only this process and the children it starts (repeatable)
    #[arg(long = "pid", value_name = "P", env = "OVERHEAR_PID", value_delimiter = ',')]
    pub(crate) pids: Vec<u32>,
    /// Leave TLS libraries alone: no probe in any program, and TLS is not read
    #[arg(long, env = "OVERHEAR_NO_TLS")]
    pub(crate) no_tls: bool,
    #[command(flatten)]
    pub(crate) left_alone: LeftAlone,
    #[command(flatten)]
    pub(crate) ending: Ending,
    /// Write one JSON object per exchange, and the statistics at the end
    #[arg(long, env = "OVERHEAR_JSON")]
    pub(crate) json: bool,
    /// Show no exchanges, as a service: only what has to be told, and the summary at the end
    #[arg(long, env = "OVERHEAR_QUIET", conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// Once attached, go on as this user: a name of /etc/passwd, or UID or UID:GID in numbers
    #[arg(long, value_name = "NAME", env = "OVERHEAR_USER")]
    pub(crate) user: Option<String>,
    #[command(flatten)]
    pub(crate) socket: Socket,
    #[command(flatten)]
    pub(crate) keeping: Keeping,
    #[command(flatten)]
    pub(crate) page: Page,
    /// Push metrics, and a log record and a span of each exchange that matters, to this OTLP receiver, by gRPC to port
    /// 4317 (or as OTEL_EXPORTER_OTLP_PROTOCOL says), else by HTTP with protobuf: `http://127.0.0.1:4318`; without it
    /// where OTEL_EXPORTER_OTLP_ENDPOINT says
    #[arg(long, value_name = "URL", env = "OVERHEAR_OTLP")]
    pub(crate) otlp: Option<String>,
}

/// Whose TLS is not read.
#[derive(Args)]
pub(crate) struct LeftAlone {
    /// Put no probe for TLS into this file: a program that has its TLS inside, or a library, by its name or path
    /// (repeatable). Libraries are probed for all programs that share them
    #[arg(long = "no-tls-for", value_name = "NAME", env = "OVERHEAR_NO_TLS_FOR", value_delimiter = ',')]
    pub(crate) no_tls_for: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) scope: Scope,
    #[command(flatten)]
    pub(crate) left_alone: LeftAlone,
    /// Write what was learned to this file; `--from` reads it again
    #[arg(long, value_name = "FILE", env = "OVERHEAR_SAVE")]
    pub(crate) save: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) keeping: Keeping,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Args)]
pub(crate) struct Read {
    #[command(flatten)]
    pub(crate) scope: Scope,
    #[command(flatten)]
    pub(crate) period: Period,
    /// Write what was learned to this file; `--from` reads it again
    #[arg(long, value_name = "FILE", env = "OVERHEAR_SAVE")]
    pub(crate) save: Option<PathBuf>,
    /// Write the endpoints as JSON, as `endpoints --json` does
    #[arg(long, env = "OVERHEAR_JSON")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) keeping: Keeping,
    /// Captures (pcap, pcapng, HAR) or saved models; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Requests {
    #[command(flatten)]
    pub(crate) question: Question,
    /// Write one JSON object per exchange
    #[arg(long, env = "OVERHEAR_JSON")]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Endpoints {
    #[command(flatten)]
    pub(crate) question: Question,
    /// Write one JSON array
    #[arg(long, env = "OVERHEAR_JSON")]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Map {
    #[command(flatten)]
    pub(crate) question: Question,
    /// How it is drawn
    #[arg(long, value_enum, default_value_t, env = "OVERHEAR_FORMAT")]
    pub(crate) format: Drawing,
    /// Write one JSON object: `{nodes, edges}`
    #[arg(long, env = "OVERHEAR_JSON", conflicts_with = "format")]
    pub(crate) json: bool,
}

/// How a map is drawn.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Drawing {
    /// For a terminal
    #[default]
    Text,
    /// For Graphviz
    Dot,
    /// For Markdown
    Mermaid,
}

#[derive(Args)]
pub(crate) struct Show {
    /// Such as `GET /users/{userId}`, `/users/42` or `shop GET /users/42`
    #[arg(required = true, value_name = "ENDPOINT")]
    pub(crate) endpoint: Vec<String>,
    #[command(flatten)]
    pub(crate) question: Question,
    /// Say why the segments of its route are parameters or literals
    #[arg(long, env = "OVERHEAR_WHY")]
    pub(crate) why: bool,
    /// Write one JSON object
    #[arg(long, env = "OVERHEAR_JSON")]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Spec {
    #[command(flatten)]
    pub(crate) question: Question,
    /// Syntax of the document
    #[arg(long, value_enum, default_value_t, env = "OVERHEAR_FORMAT")]
    pub(crate) format: Syntax,
    /// Write JSON, as --format json does
    #[arg(long, env = "OVERHEAR_JSON", conflicts_with = "format")]
    pub(crate) json: bool,
    /// Version of the OpenAPI Specification
    #[arg(long, value_enum, default_value_t, value_name = "VERSION", env = "OVERHEAR_OPENAPI")]
    pub(crate) openapi: OpenApi,
    /// Of the servers that services ask, not of the services: the part of somebody else's API that is used
    #[arg(long, env = "OVERHEAR_OUTBOUND")]
    pub(crate) outbound: bool,
    /// With --format proto: a descriptor set that names messages and fields (`protoc --descriptor_set_out`)
    #[arg(long, value_name = "FILE", env = "OVERHEAR_PROTO")]
    pub(crate) proto: Vec<PathBuf>,
    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE", env = "OVERHEAR_OUTPUT")]
    pub(crate) output: Option<PathBuf>,
    /// Write a document for every service into this folder, and for every server that was asked into its `outbound`
    #[arg(long, value_name = "FOLDER", env = "OVERHEAR_ALL", conflicts_with = "output")]
    pub(crate) all: Option<PathBuf>,
}

/// How a document is written.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Syntax {
    #[default]
    Yaml,
    Json,
    /// Not OpenAPI: a sketch of the `.proto` file of what is called by gRPC or Connect
    Proto,
}

/// Versions of the OpenAPI Specification.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OpenApi {
    #[value(name = "3.0")]
    V3_0,
    #[default]
    #[value(name = "3.1")]
    V3_1,
    #[value(name = "3.2")]
    V3_2,
}

#[derive(Args)]
pub(crate) struct Overlay {
    #[command(subcommand)]
    pub(crate) action: OverlayAction,
}

#[derive(Subcommand)]
pub(crate) enum OverlayAction {
    /// Write an overlay to begin with: proposes entries where the traffic leaves something open
    Init(OverlayInit),
    /// Report what in the overlay matches nothing that was heard; exit code 1 if something does
    Check(OverlayCheck),
}

#[derive(Args)]
pub(crate) struct OverlayInit {
    #[command(flatten)]
    pub(crate) question: Question,
    /// Where to write it; - is standard output. A file that exists is never changed
    #[arg(long, short, value_name = "FILE", default_value = overhear_overlay::FILE_NAME, env = "OVERHEAR_OUTPUT")]
    pub(crate) output: PathBuf,
}

#[derive(Args)]
pub(crate) struct OverlayCheck {
    #[command(flatten)]
    pub(crate) question: Question,
    /// Write one JSON array of `{file, line, what}`
    #[arg(long, env = "OVERHEAR_JSON")]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Export {
    #[command(subcommand)]
    pub(crate) action: ExportAction,
}

#[derive(Subcommand)]
pub(crate) enum ExportAction {
    /// Rules for Prometheus: how services keep their objectives, and alerts when they will not (YAML)
    PrometheusRules(ExportServices),
    /// Service level objectives of services, as OpenSLO v1 documents (YAML)
    Slo(ExportServices),
    /// A Grafana dashboard of a service (JSON)
    Grafana(ExportGrafana),
}

#[derive(Args)]
pub(crate) struct ExportServices {
    #[command(flatten)]
    pub(crate) question: Question,
    /// For a Prometheus that keeps native histograms instead of classic ones
    #[arg(long, env = "OVERHEAR_NATIVE")]
    pub(crate) native: bool,
    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE", env = "OVERHEAR_OUTPUT")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct ExportGrafana {
    #[command(flatten)]
    pub(crate) services: ExportServices,
    /// Write a dashboard for every service into this folder
    #[arg(long, value_name = "FOLDER", env = "OVERHEAR_ALL", conflicts_with = "output")]
    pub(crate) all: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Serve {
    /// Where the page is
    #[arg(long, value_name = "ADDRESS", default_value = PAGE, env = "OVERHEAR_LISTEN")]
    pub(crate) listen: SocketAddr,
    /// The store [default: overhear.db in /var/lib/overhear as root, else in $XDG_STATE_HOME/overhear]
    #[arg(long, value_name = "PATH", env = "OVERHEAR_STORE")]
    pub(crate) store: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) people: People,
}

/// Where the page is, unless somebody says otherwise.
pub(crate) const PAGE: &str = "127.0.0.1:4327";

/// The page of a running listener.
#[derive(Args, Clone)]
pub(crate) struct Page {
    /// Where the page is
    #[arg(long, value_name = "ADDRESS", default_value = PAGE, env = "OVERHEAR_LISTEN")]
    pub(crate) listen: SocketAddr,
    /// Serve no page
    #[arg(long, env = "OVERHEAR_NO_PAGE")]
    pub(crate) no_page: bool,
    #[command(flatten)]
    pub(crate) people: People,
}

/// What people know of what the page shows.
#[derive(Args, Clone, Default)]
pub(crate) struct People {
    #[command(flatten)]
    pub(crate) known: Known,
    /// Let entries be added to the overlay from the page, by who knows its token; nothing that is in it is rewritten
    #[arg(long, env = "OVERHEAR_EDIT_OVERLAY")]
    pub(crate) edit_overlay: bool,
}

#[derive(Args)]
pub(crate) struct Doctor {
    /// Write one JSON object
    #[arg(long, env = "OVERHEAR_JSON")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) socket: Socket,
}

#[derive(Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    pub(crate) ending: Ending,
    /// Write one JSON object per exchange, and the statistics at the end
    #[arg(long, env = "OVERHEAR_JSON")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) socket: Socket,
    #[command(flatten)]
    pub(crate) page: Page,
}

#[derive(Args)]
pub(crate) struct Completions {
    /// For which shell
    pub(crate) shell: Shell,
}

#[derive(Args)]
pub(crate) struct Launch {
    /// A pipe; the command starts when it says a byte
    #[arg(long)]
    pub(crate) gate: PathBuf,
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<OsString>,
}

#[derive(Args)]
pub(crate) struct DemoProcess {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<String>,
}

/// Which exchanges are meant.
#[derive(Args, Clone)]
pub(crate) struct Scope {
    /// Only exchanges this holds for, such as `http.response.status_code >= 500 && duration > 0.5`
    #[arg(long = "where", value_name = "EXPR", env = "OVERHEAR_WHERE")]
    pub(crate) expression: Option<String>,
    /// Only what this service answers and asks, or what is asked of the server of this name
    #[arg(long, value_name = "NAME", env = "OVERHEAR_SERVICE")]
    pub(crate) service: Option<String>,
}

/// Which time is meant.
#[derive(Args, Clone, Copy, Default)]
pub(crate) struct Period {
    /// Only from then on: `2026-01-31T12:00:00Z`, or `15m` for a quarter of an hour ago
    #[arg(long, value_name = "TIME", env = "OVERHEAR_SINCE", value_parser = time::moment)]
    pub(crate) since: Option<Moment>,
    /// Only before then
    #[arg(long, value_name = "TIME", env = "OVERHEAR_UNTIL", value_parser = time::moment)]
    pub(crate) until: Option<Moment>,
}

/// Where what was heard is kept.
#[derive(Args, Clone, Default)]
pub(crate) struct StoreAt {
    /// The store [default: overhear.db in /var/lib/overhear as root, else in $XDG_STATE_HOME/overhear]
    #[arg(long, value_name = "PATH", env = "OVERHEAR_STORE")]
    pub(crate) store: Option<PathBuf>,
    /// Keep nothing, and ask no store
    #[arg(long, env = "OVERHEAR_NO_STORE", conflicts_with = "store")]
    pub(crate) no_store: bool,
}

/// Where what is heard is kept, and how long.
#[derive(Args, Clone, Default)]
pub(crate) struct Keeping {
    #[command(flatten)]
    pub(crate) at: StoreAt,
    /// Keep counts by minute for so long [default: 3 days]
    #[arg(long, value_name = "TIME", env = "OVERHEAR_KEEP_MINUTES", value_parser = time::long)]
    pub(crate) keep_minutes: Option<Duration>,
    /// Keep counts by hour for so long [default: 90 days]
    #[arg(long, value_name = "TIME", env = "OVERHEAR_KEEP_HOURS", value_parser = time::long)]
    pub(crate) keep_hours: Option<Duration>,
    /// Largest size of the store, such as `500MB` [default: 2GB]
    #[arg(long = "keep-size", value_name = "SIZE", env = "OVERHEAR_KEEP_SIZE", value_parser = units::bytes_of)]
    pub(crate) keep_bytes: Option<u64>,
    /// Key of what is learned: stores and saved models that are to be added up share one [default: a random one for
    /// each store; without a store one of this machine, of captures none]
    #[arg(long, value_name = "TEXT", env = "OVERHEAR_MODEL_KEY", hide_env_values = true, value_parser = model_key)]
    pub(crate) model_key: Option<u64>,
}

/// Any text will do; nobody learns it from what it makes.
fn model_key(text: &str) -> Result<u64, String> {
    if text.is_empty() {
        return Err("give a text, the same wherever models are to be added up".to_owned());
    }
    Ok(overhear_model::key(text))
}

/// What is asked of files, or of a running `watch`.
#[derive(Args)]
pub(crate) struct Question {
    /// Captures or saved models to ask, instead of the store or the running `watch`; - is standard input
    #[arg(long, value_name = "FILE", num_args = 1.., env = "OVERHEAR_FROM", value_delimiter = None)]
    pub(crate) from: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) scope: Scope,
    #[command(flatten)]
    pub(crate) period: Period,
    #[command(flatten)]
    pub(crate) known: Known,
    #[command(flatten)]
    pub(crate) socket: Socket,
    #[command(flatten)]
    pub(crate) at: StoreAt,
}

/// What people know already.
#[derive(Args, Clone, Default)]
pub(crate) struct Known {
    /// Overlay document with routes, names and descriptions [default: overhear.overlay.yaml, if it is there]
    #[arg(long, value_name = "FILE", env = "OVERHEAR_OVERLAY")]
    pub(crate) overlay: Option<PathBuf>,
    /// An OpenAPI document of this API, as prior knowledge of its routes
    #[arg(long, value_name = "FILE", env = "OVERHEAR_SPEC")]
    pub(crate) spec: Option<PathBuf>,
}

/// When listening ends, and what is left of it.
#[derive(Args)]
pub(crate) struct Ending {
    /// Stop after this long, such as `10s` or `5m`
    #[arg(long = "for", value_name = "TIME", env = "OVERHEAR_FOR", value_parser = time::duration)]
    pub(crate) duration: Option<Duration>,
    /// Write what was learned to this file at the end; `--from` reads it again
    #[arg(long, value_name = "FILE", env = "OVERHEAR_SAVE")]
    pub(crate) save: Option<PathBuf>,
}

#[derive(Args, Clone, Default)]
pub(crate) struct Socket {
    /// Where a running `watch` answers [default: /run/overhear/live.sock, or in $XDG_RUNTIME_DIR]
    #[arg(long, value_name = "PATH", env = "OVERHEAR_SOCKET")]
    pub(crate) socket: Option<PathBuf>,
}

/// A compiled expression, shared between threads.
pub(crate) type SharedFilter = Arc<Filter>;
