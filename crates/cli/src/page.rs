//! The page: where it is, and who may see it.

use crate::{fault::Fault, knowledge::Knowledge, output::tell};
use overhear_pipeline::Monitor;
use overhear_web::{Error, People, Server};
use std::{
    fs::{self, OpenOptions},
    hash::{BuildHasher, RandomState},
    io::Write,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

/// A token in a file beside the store lets a browser in that was let in before.
pub(crate) const TOKEN: &str = "page.token";
const SHORTEST: usize = 16;

/// A served page.
pub(crate) struct Page {
    pub(crate) server: Server,
    token: String,
}

impl Page {
    /// Serves it. `store`: where it stays, if it does.
    pub(crate) fn serve(
        listen: SocketAddr,
        monitor: Arc<Monitor>,
        store: Option<&Path>,
        people: People,
    ) -> Result<Self, Error> {
        let token = store.and_then(Path::parent).and_then(kept_token).unwrap_or_else(new_token);
        let server = overhear_web::start(listen, monitor, Some(token.clone()), people)?;
        Ok(Self { server, token })
    }

    /// The address that lets a browser in.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/?token={}", self.server.address(), self.token)
    }
}

/// The page of a listener, which goes on without where there can be none.
pub(crate) fn beside(
    page: &crate::arguments::Page,
    monitor: Arc<Monitor>,
    store: Option<&Path>,
    knowledge: &Knowledge,
) -> Option<Page> {
    if page.no_page {
        return None;
    }
    match Page::serve(page.listen, monitor, store, knowledge.people(&page.people)) {
        Ok(page) => {
            tell(&format!("overhear: the page is {}", page.url()));
            Some(page)
        }
        Err(error) => {
            tell(&format!("overhear: no page: {error} (--listen, or --no-page)"));
            None
        }
    }
}

/// The page alone.
pub(crate) fn alone(
    listen: SocketAddr,
    monitor: Monitor,
    store: &Path,
    people: People,
) -> Result<Page, Fault> {
    Page::serve(listen, Arc::new(monitor), Some(store), people).map_err(Fault::new)
}

/// The token in this folder; a new one is written where there is none. Only its owner may read it.
fn kept_token(folder: &Path) -> Option<String> {
    let path = folder.join(TOKEN);
    if let Ok(text) = fs::read_to_string(&path) {
        let token = text.trim();
        let is_one = token.len() >= SHORTEST && token.bytes().all(|byte| byte.is_ascii_alphanumeric());
        return is_one.then(|| token.to_owned());
    }
    let token = new_token();
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).ok()?;
    writeln!(file, "{token}").ok()?;
    Some(token)
}

/// 128 bits: the keys of two hashers come from the system's random numbers.
fn new_token() -> String {
    let part = |at: u8| RandomState::new().hash_one(at);
    format!("{:016x}{:016x}", part(0), part(1))
}
