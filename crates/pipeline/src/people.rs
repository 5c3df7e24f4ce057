use overhear_capture::process::Names;
use overhear_exchange::{Peer, Process};
use overhear_probe::record::{Record, Thread, What};
use overhear_stream::socket::End;
use rustc_hash::{FxHashMap, FxHashSet};
use std::{collections::VecDeque, sync::Arc};

/// A process that ended is named for this long: exchanges are told after the fact.
const MOURNING: u64 = 10_000_000_000;

/// Who holds the ends of connections.
///
/// Asked once per process, when it is first heard: many a client is gone a moment later, and the files in `/proc` are
/// too dear to read for every exchange. The kernel says when a name is no longer good.
#[derive(Default)]
pub(crate) struct People {
    names: Names,
    known: FxHashMap<u32, Arc<Process>>,
    /// Ended, and when: the number may come back as somebody else.
    ended: FxHashSet<u32>,
    mourned: VecDeque<(u64, u32)>,
}

impl People {
    /// Learns from a record before it is acted on.
    pub(crate) fn note(&mut self, record: &Record<'_>) {
        let Some(Thread { tgid, .. }) = record.thread else { return };
        match &record.what {
            What::Open(open) => {
                if self.ended.contains(&tgid) {
                    self.forget(tgid);
                }
                self.process(tgid, Some(&open.comm).filter(|comm| !comm.is_empty()).map(String::as_str));
            }
            What::Exec { .. } => self.forget(tgid),
            What::Exit => {
                self.ended.insert(tgid);
                self.mourned.push_back((record.time, tgid));
            }
            What::Data { .. } | What::End { .. } | What::Close { .. } | What::Error { .. } => {}
        }
    }

    /// It is this late, on the clock of the records.
    pub(crate) fn tick(&mut self, now: u64) {
        while self.mourned.front().is_some_and(|(at, _)| now.saturating_sub(*at) > MOURNING) {
            if let Some((_, pid)) = self.mourned.pop_front()
                && self.ended.contains(&pid)
            {
                self.forget(pid);
            }
        }
    }

    /// Where an end is and whose.
    pub(crate) fn peer(&mut self, end: &End) -> Peer {
        let process = end.owner.as_ref().and_then(|owner| self.process(owner.pid, owner.comm.as_deref()));
        Peer { address: end.address.clone(), process }
    }

    /// `comm` is what the kernel calls it: all there is of a process that ended before it could be asked.
    fn process(&mut self, pid: u32, comm: Option<&str>) -> Option<Arc<Process>> {
        if let Some(known) = self.known.get(&pid) {
            return Some(Arc::clone(known));
        }
        let brief = || comm.map(|comm| Arc::new(Process::new(pid, comm)));
        let process = self.names.process(pid).or_else(brief)?;
        self.known.insert(pid, Arc::clone(&process));
        Some(process)
    }

    fn forget(&mut self, pid: u32) {
        self.ended.remove(&pid);
        self.names.forget(pid);
        self.known.remove(&pid);
    }
}
