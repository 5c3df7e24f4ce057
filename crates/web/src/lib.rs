//! The page in a browser: a server on one address, the files of the page, and the questions it asks as JSON.
//!
//! Nobody gets in without the token, and nobody who reached this address by a name that is not its own (see `guard.rs`).
//! The page holds no inline script or style and loads nothing from elsewhere.
//!
//! Under `/api/`: `overview`, `services`, `endpoints`, `endpoint`, `links`, `describe`, `map`, `changes`, `health`, `recent`, and
//! `live` as server-sent events; `said`, `fragment`, `overlay/preview` and `overlay/save` are about what people know. Times are milliseconds since the Unix epoch, durations seconds, absent is `null`;
//! exchanges are told by OpenTelemetry's attribute names, as `requests --json` tells them. `/metrics` is for Prometheus.

mod api;
mod asked;
mod assets;
mod curated;
mod diff;
mod guard;
mod json;
mod list;
mod live;
mod look;
mod metrics;
mod people;
mod respond;
mod worse;

use axum::Router;
use overhear_query::{LiveSource, monitor::History};
pub use people::People;
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::sync::oneshot;

/// What the page is told by: what is kept over time, and what was just heard.
pub trait Backend: History + LiveSource {}

impl<T: History + LiveSource + ?Sized> Backend for T {}

/// A backend as it is shared between questions.
pub(crate) type Shared = Arc<dyn Backend + Send + Sync>;

/// Questions that are answered at once; more wait.
const MOST_QUESTIONS: usize = 4;

/// Why the page cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else listens there.
    #[error("{0} is taken by another program: stop it, or choose another address for the page")]
    Taken(SocketAddr),
    /// The system does not let us listen there.
    #[error("the page cannot be served at {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Where it listens; the port is the one that was given, or found where none was.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has stopped as well.
            let _ = thread.join();
        }
    }
}

/// Serves the page in a thread of its own until the server is dropped. With a token, only to those who know it; without
/// one nothing can be saved.
///
/// # Errors
/// When it cannot listen at this address.
pub fn start(
    listen: SocketAddr,
    backend: Arc<dyn Backend + Send + Sync>,
    token: Option<String>,
    people: People,
) -> Result<Server, Error> {
    let wrong = |source: io::Error| {
        let is_taken = source.kind() == io::ErrorKind::AddrInUse;
        if is_taken { Error::Taken(listen) } else { Error::Listen { address: listen, source } }
    };
    let listener = TcpListener::bind(listen).map_err(wrong)?;
    listener.set_nonblocking(true).map_err(wrong)?;
    let address = listener.local_addr().map_err(wrong)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MOST_QUESTIONS)
        .build()
        .map_err(wrong)?;
    let (stop, stopped) = oneshot::channel();
    // Who may write is who knows the token: without one that would be everybody on this machine.
    let people = People { may_save: people.may_save && token.is_some(), ..people };
    let router = router(backend, people, guard::Guard::new(address, token));
    let work = move || {
        runtime.block_on(serve(listener, router, stopped));
        // A question that is still being answered is nobody's any more.
        runtime.shutdown_timeout(Duration::from_millis(200));
    };
    let thread = thread::Builder::new().name("web".into()).spawn(work).map_err(wrong)?;
    Ok(Server { address, stop: Some(stop), thread: Some(thread) })
}

fn router(backend: Shared, people: People, guard: guard::Guard) -> Router {
    let guarded = axum::middleware::from_fn_with_state(Arc::new(guard), guard::check);
    let editor = Arc::new(people::Editor::new(Arc::clone(&backend), people));
    let told: Shared = Arc::new(curated::Curated { all: backend, editor: Arc::clone(&editor) });
    let questions = api::routes(Arc::clone(&told)).merge(list::routes(Arc::clone(&told)));
    let all = questions.merge(people::routes(editor)).merge(metrics::routes(told));
    all.fallback(assets::serve).layer(guarded)
}

async fn serve(listener: TcpListener, router: Router, stopped: oneshot::Receiver<()>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    tokio::select! {
        // Connections that fail are their own concern; this never returns.
        _ = axum::serve(listener, router) => {}
        // Dropped, or told to.
        _ = stopped => {}
    }
}
