use overhear_capture::process::Names;
use overhear_exchange::{Peer, Process, Timestamp};
use overhear_probe::record::{Record, Thread, What};
use overhear_stream::socket::End;
use rustc_hash::FxHashMap;
use std::{collections::VecDeque, sync::Arc};

/// A process that ended is named for this long: exchanges are told after the fact.
pub(crate) const MOURNING: u64 = 10_000_000_000;

/// Who holds the ends of connections.
///
/// Asked once per process, when it is first heard: many a client is gone a moment later, and the files in `/proc` are
/// too dear to read for every exchange. The kernel says when a name is no longer good.
#[derive(Default)]
pub(crate) struct People {
    names: Names,
    known: FxHashMap<u32, Arc<Process>>,
    /// Ended, and when: the number may come back as somebody else.
    ended: FxHashMap<u32, u64>,
    mourned: VecDeque<(u64, u32)>,
    /// Zero of the records' clock, in nanoseconds since the Unix epoch.
    epoch: u64,
}

impl People {
    pub(crate) fn new(epoch: u64) -> Self {
        Self { epoch, ..Self::default() }
    }

    /// Learns from a record before it is acted on.
    pub(crate) fn note(&mut self, record: &Record<'_>) {
        let Some(Thread { tgid, .. }) = record.thread else { return };
        match &record.what {
            What::Open(open) | What::Quic { open, .. } => {
                if self.ended.contains_key(&tgid) {
                    self.forget(tgid);
                }
                self.process(tgid, Some(&open.comm).filter(|comm| !comm.is_empty()).map(String::as_str));
            }
            What::Exec { .. } => {
                self.end(tgid, record.time);
                self.forget(tgid);
            }
            What::Exit => {
                self.end(tgid, record.time);
                self.ended.insert(tgid, record.time);
                self.mourned.push_back((record.time, tgid));
            }
            What::Data { .. }
            | What::End { .. }
            | What::Close { .. }
            | What::Error { .. }
            | What::Tls { .. }
            | What::TlsTouch { .. }
            | What::ByPackets { .. }
            | What::Packet { .. }
            | What::Answer { .. }
            | What::Datagram { .. } => {}
        }
    }

    /// It is this late, on the clock of the records.
    pub(crate) fn tick(&mut self, now: u64) {
        while self.mourned.front().is_some_and(|(at, _)| now.saturating_sub(*at) > MOURNING) {
            if let Some((_, pid)) = self.mourned.pop_front()
                && self.ended.contains_key(&pid)
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
        // Its parent has not yet asked how it ended, so it can still be read.
        if let Some(time) = self.ended.get(&pid) {
            self.end(pid, *time);
        }
        Some(process)
    }

    /// The program of this process runs no more; all who hold it see that.
    fn end(&self, pid: u32, time: u64) {
        if let Some(build) = self.known.get(&pid).and_then(|process| process.build.as_ref()) {
            // The first end is the one that counts.
            let _again = build.ended.set(Timestamp::from_nanos(self.epoch.saturating_add(time)));
        }
    }

    fn forget(&mut self, pid: u32) {
        self.ended.remove(&pid);
        self.names.forget(pid);
        self.known.remove(&pid);
    }
}

#[cfg(test)]
mod tests {
    use super::People;
    use overhear_exchange::Timestamp;
    use overhear_probe::record::{Record, Thread, What};

    #[test]
    fn a_build_is_known_and_ends_with_its_process() {
        for what in [What::Exit, What::Exec { comm: "other".into() }] {
            let mut people = People::new(1_000);
            let pid = std::process::id();
            let process = people.process(pid, None).unwrap();
            let build = process.build.as_ref().unwrap();
            assert!(build.started > Timestamp::default() && build.family.started <= build.started);
            assert!(build.version.is_some(), "{build:?}");
            assert!(std::ptr::eq(&*people.process(pid, None).unwrap(), &*process), "asked once");
            assert_eq!(build.ended.get(), None);

            people.note(&Record { time: 5, thread: Some(Thread { tgid: pid, tid: pid }), what });
            assert_eq!(build.ended.get(), Some(&Timestamp::from_nanos(1_005)));
            people.tick(u64::MAX);
            assert!(people.known.is_empty());
        }
    }
}
