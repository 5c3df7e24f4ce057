//! A `watch --json` whose output goes to a file, so that reading it costs nothing while it listens.

use crate::{Result, overhear, process};
use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A listening `watch`.
#[derive(Debug)]
pub(crate) struct Listener {
    child: Child,
    folder: TempDir,
    begun: Instant,
    /// From its start until it said that it listens.
    pub(crate) attached: Duration,
}

/// What it told.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// Exchanges with a status.
    pub(crate) exchanges: u64,
    /// Bodies that were in no buffer and that no packet brought.
    pub(crate) unread: u64,
    /// Events lost by any other reason, but for bodies beyond the copy cap.
    pub(crate) lost: u64,
}

impl Listener {
    pub(crate) fn start(port: u16) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let begun = Instant::now();
        let child = Command::new(overhear()?)
            .args(["watch", "--json", "--listen", "127.0.0.1:0", "--port", &port.to_string()])
            .env("OVERHEAR_STORE", folder.path().join("store.db"))
            .stdin(Stdio::null())
            .stdout(File::create(folder.path().join("out"))?)
            .stderr(File::create(folder.path().join("err"))?)
            .spawn()?;
        let mut listener = Self { child, folder, begun, attached: Duration::ZERO };
        listener.attached = listener.until("err", "listening")?;
        listener.until("err", "the page is ")?;
        Ok(listener)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its page is.
    pub(crate) fn page(&self) -> Result<String> {
        let said = fs::read_to_string(self.folder.path().join("err"))?;
        let url = said.lines().find_map(|line| line.split_once("the page is "));
        Ok(url.ok_or_else(|| format!("no page: {said}"))?.1.to_owned())
    }

    /// From its start until the first exchange was written.
    pub(crate) fn first_exchange(&mut self) -> Result<Duration> {
        self.until("out", "http.request.method")
    }

    pub(crate) fn stop(mut self) -> Result<Told> {
        process::interrupt(&self.child)?;
        self.child.wait()?;
        let mut told = Told { exchanges: 0, unread: 0, lost: 0 };
        let mut last = String::new();
        for line in BufReader::new(File::open(self.folder.path().join("out"))?).lines() {
            last = line?;
            told.exchanges += u64::from(last.contains("\"http.response.status_code\""));
        }
        let last: serde_json::Value = serde_json::from_str(&last)?;
        let statistics = last.get("statistics").ok_or("no statistics at the end")?;
        for (reason, loss) in statistics["lost"].as_object().into_iter().flatten() {
            let events = loss["events"].as_u64().or_else(|| loss.as_u64()).unwrap_or_default();
            match reason.as_str() {
                "over_cap" => {}
                "not_in_user_buffer" => told.unread += events,
                _ => told.lost += events,
            }
        }
        Ok(told)
    }

    fn until(&mut self, name: &str, word: &str) -> Result<Duration> {
        let file = self.folder.path().join(name);
        while self.begun.elapsed() < Duration::from_secs(20) {
            if fs::read_to_string(&file)?.contains(word) {
                return Ok(self.begun.elapsed());
            }
            if let Some(status) = self.child.try_wait()? {
                let err = fs::read_to_string(self.folder.path().join("err"))?;
                return Err(format!("watch ended, {status}: {err}").into());
            }
            sleep(Duration::from_millis(1));
        }
        Err(format!("watch never said {word:?}").into())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
