//! When to stop: a signal, the time is up.

use crate::fault::Fault;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Shared by whoever asks for the end and whoever looks for it.
#[derive(Clone)]
pub(crate) struct Stop {
    flag: Arc<AtomicBool>,
    deadline: Option<Instant>,
}

impl Stop {
    /// On Ctrl-C, SIGTERM and SIGHUP. A second one ends the program at once.
    pub(crate) fn on_signals() -> Result<Self, Fault> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            flag::register_conditional_shutdown(signal, 130, Arc::clone(&flag))
                .and_then(|_| flag::register(signal, Arc::clone(&flag)))
                .map_err(|error| Fault::new(format_args!("cannot listen for signals: {error}")))?;
        }
        Ok(Self { flag, deadline: None })
    }

    /// And this long from now, if at all.
    pub(crate) fn within(self, limit: Option<Duration>) -> Self {
        Self { deadline: limit.and_then(|limit| Instant::now().checked_add(limit)), ..self }
    }

    pub(crate) fn is_set(&self) -> bool {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            self.set();
        }
        self.flag.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }

    /// For those that look at the flag only: it is set when the time is up.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        if let Some(deadline) = self.deadline {
            let flag = Arc::clone(&self.flag);
            thread::spawn(move || {
                thread::sleep(deadline.saturating_duration_since(Instant::now()));
                flag.store(true, Ordering::Relaxed);
            });
        }
        Arc::clone(&self.flag)
    }
}
