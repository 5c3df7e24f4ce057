use crate::{complete, table::Table};
use overhear_capture::{
    live::{self, Live},
    process::Names,
};
use overhear_exchange::{
    Address, Exchange, LossReason, Peer, Process, Statistics,
    wire::{CloseCause, ConnectionId, Event, EventSink},
};
use overhear_probe::record::{Loss, Record, Thread, What};
use overhear_protocol::{Limits, Verdict};
use overhear_stream::socket::{self, Assembler, End, Judgement};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// The live kernel as a source of exchanges: probes, joined into connections, read by the protocols.
pub struct Kernel {
    live: Live,
    hearing: Hearing,
    exchanges: u64,
}

/// Everything behind the probes; apart from them, because the probes lend their records.
struct Hearing {
    assembler: Assembler,
    table: Table,
    people: People,
    /// Connects that failed, by why.
    failed_connects: u64,
    evicted: u64,
}

/// Who holds the ends.
struct People {
    names: Names,
    /// Named by what the kernel called them: gone before `/proc` was asked.
    brief: FxHashMap<u32, Arc<Process>>,
}

impl Kernel {
    /// Attaches the probes.
    pub fn attach(options: live::Options, limits: Limits) -> Result<Self, live::Error> {
        let live = Live::attach(options)?;
        let mut assembler = Assembler::new(socket::Limits::default(), live.clock_epoch());
        assembler.existing(live.existing());
        let people = People { names: Names::new(), brief: FxHashMap::default() };
        let hearing =
            Hearing { assembler, table: Table::new(limits), people, failed_connects: 0, evicted: 0 };
        Ok(Self { live, hearing, exchanges: 0 })
    }

    /// Hears this process and its future children, too.
    pub fn target(&mut self, pid: u32) -> Result<(), live::Error> {
        self.live.target(pid)
    }

    /// Waits a little and hands on what happened. Says how many records that was.
    pub fn poll(&mut self, sink: &mut dyn FnMut(Exchange)) -> Result<usize, live::Error> {
        let (live, hearing, exchanges) = (&mut self.live, &mut self.hearing, &mut self.exchanges);
        let mut counted = |exchange: Exchange| {
            *exchanges += 1;
            sink(exchange);
        };
        let count = live.poll(&mut |record| hearing.record(record, &mut counted))?;
        let now = live.now();
        hearing.tick(now, &mut counted);
        live.judge(hearing.assembler.take_verdicts())?;
        Ok(count)
    }

    /// The capture ends: what still waits for an answer is told without one.
    pub fn finish(&mut self, sink: &mut dyn FnMut(Exchange)) -> Result<(), live::Error> {
        // Records that arrived while the end was decided.
        while self.poll(sink)? > 0 {}
        let now = self.live.now();
        let Hearing { assembler, table, people, .. } = &mut self.hearing;
        let exchanges = &mut self.exchanges;
        assembler.flush(now, &mut |event: Event<'_>| table.event(event));
        for (id, observation) in table.take_found() {
            let ends = assembler.ends(id).map(|ends| ends.map(|end| people.peer(end)));
            *exchanges += 1;
            sink(complete::live(id, observation, ends.unwrap_or_default()));
        }
        Ok(())
    }

    /// What was heard and what was not.
    pub fn statistics(&self) -> Result<Statistics, live::Error> {
        let counters = self.live.counters()?;
        let mut statistics = Statistics {
            events: counters.events,
            bytes: counters.bytes,
            connections: self.hearing.table.opened(),
            exchanges: self.exchanges,
            unreadable: self.hearing.table.unreadable().clone(),
            ..Statistics::default()
        };
        for (loss, events, bytes) in counters.losses {
            statistics.lose(reason(loss), events, bytes);
        }
        if self.hearing.evicted > 0 {
            statistics.lose(LossReason::TooManyConnections, self.hearing.evicted, 0);
        }
        if self.hearing.failed_connects > 0 {
            statistics.unreadable.insert("failed_connect", self.hearing.failed_connects);
        }
        Ok(statistics)
    }
}

impl Hearing {
    fn record(&mut self, record: Record<'_>, sink: &mut dyn FnMut(Exchange)) {
        self.people.note(&record);
        let (table, failed) = (&mut self.table, &mut self.failed_connects);
        self.assembler.record(record, &mut |event: Event<'_>| {
            if let Event::Close { cause, .. } = &event
                && matches!(cause, CloseCause::Refused | CloseCause::Unreachable)
            {
                *failed += 1;
            }
            table.event(event);
        });
        self.tell(sink);
    }

    fn tick(&mut self, now: u64, sink: &mut dyn FnMut(Exchange)) {
        let table = &mut self.table;
        self.assembler.tick(now, &mut |event: Event<'_>| table.event(event));
        self.tell(sink);
        self.evicted += self.assembler.take_evicted();
    }

    fn tell(&mut self, sink: &mut dyn FnMut(Exchange)) {
        for (id, observation) in self.table.take_found() {
            let ends = self.assembler.ends(id).map(|ends| ends.map(|end| self.people.peer(end)));
            sink(complete::live(id, observation, ends.unwrap_or_default()));
        }
        for (id, verdict) in self.table.take_judged() {
            match verdict {
                Verdict::Undecided => {}
                Verdict::Speaks(_) => self.assembler.judge(id, Judgement::Api),
                Verdict::NotAnApi(_) => self.assembler.judge(id, Judgement::NotApi),
            }
        }
    }
}

impl People {
    /// Asks for a name while the process is there: many a client is gone a moment later.
    fn note(&mut self, record: &Record<'_>) {
        let Some(Thread { tgid, .. }) = record.thread else { return };
        match &record.what {
            What::Open(open) if !open.comm.is_empty() => {
                if self.names.process(tgid).is_none() {
                    let service = Arc::from(open.comm.as_str());
                    self.brief.insert(tgid, Arc::new(Process { pid: tgid, service }));
                }
            }
            What::Exec { .. } => self.names.forget(tgid),
            What::Open(_)
            | What::Data { .. }
            | What::End { .. }
            | What::Close { .. }
            | What::Error { .. } => {}
            What::Exit => {
                // A late exchange may still name it; the number is not used again for a while.
                if self.brief.len() > 4096 {
                    self.brief.clear();
                }
            }
        }
    }

    fn peer(&mut self, end: &End) -> Peer {
        let process = end.owner.as_ref().and_then(|owner| self.process(owner.pid, owner.comm.as_deref()));
        Peer { address: end.address.clone(), process }
    }

    fn process(&mut self, pid: u32, comm: Option<&str>) -> Option<Arc<Process>> {
        if let Some(brief) = self.brief.get(&pid) {
            return Some(Arc::clone(brief));
        }
        let named = self.names.process(pid);
        named.or_else(|| comm.map(|comm| Arc::new(Process { pid, service: comm.into() })))
    }
}

/// The probes' losses in the words of the statistics.
fn reason(loss: Loss) -> LossReason {
    match loss {
        Loss::RingFull => LossReason::RingFull,
        Loss::OverCap => LossReason::OverCap,
        Loss::NoBuffer => LossReason::NotInUserBuffer,
        Loss::Guarded => LossReason::Guarded,
        Loss::Fault => LossReason::Fault,
        Loss::Shed => LossReason::Shed,
        Loss::Undecided => LossReason::Undecided,
    }
}
