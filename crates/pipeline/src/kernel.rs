use crate::{
    complete::{self, Remote},
    host_names::HostNames,
    people::People,
    quic::Sockets,
    table::Table,
    unread::Ciphers,
};
use overhear_capture::live::{self, Live};
use overhear_exchange::{
    Address, Authority, Detail, Exchange, HttpVersion, LossReason, Method, Statistics,
    observation::Observation,
    wire::{CloseCause, ConnectionId, Event, EventSink},
};
use overhear_probe::record::{Loss, Record, What};
use overhear_protocol::{Limits, Verdict};
use overhear_stream::socket::{self, Assembler, Judgement};
use std::{net::IpAddr, sync::Arc};

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
    names: HostNames,
    ciphers: Ciphers,
    quic: Sockets,
    /// Connects that failed, by why.
    failed_connects: u64,
    evicted: u64,
}

impl Kernel {
    /// Attaches the probes.
    pub fn attach(options: live::Options, limits: Limits) -> Result<Self, live::Error> {
        // Whether it is one of the ports that are asked for cannot be known then.
        let without_socket = options.ports.is_empty();
        let never = options.no_tls_for.clone();
        let live = Live::attach(options)?;
        let bounds = socket::Limits { tls: live.hears_tls(), without_socket, ..socket::Limits::default() };
        let epoch = live.clock_epoch();
        let mut assembler = Assembler::new(bounds, epoch);
        assembler.existing(live.existing());
        let ciphers = Ciphers::new(live.tls_off(), never);
        let hearing = Hearing { people: People::new(epoch), ciphers, ..Hearing::new(assembler, limits) };
        Ok(Self { live, hearing, exchanges: 0 })
    }

    /// Why TLS is not heard, where it was wanted.
    pub fn tls_unheard(&self) -> Option<&str> {
        self.live.tls_unheard()
    }

    /// Hears this process and its future children, too.
    pub fn target(&mut self, pid: u32) -> Result<(), live::Error> {
        self.live.target(pid)
    }

    /// Whether listening needs rights to go on (Linux before 5.19).
    pub fn needs_rights(&self) -> bool {
        self.live.needs_rights()
    }

    /// Waits a little and hands on what happened. Says how many records that was.
    pub fn poll(&mut self, sink: &mut dyn FnMut(Exchange)) -> Result<usize, live::Error> {
        let (live, hearing, exchanges) = (&mut self.live, &mut self.hearing, &mut self.exchanges);
        let mut counted = |exchange: Exchange| {
            *exchanges += u64::from(!exchange.is_underway());
            sink(exchange);
        };
        let count = live.poll(&mut |record| hearing.record(record, &mut counted))?;
        let now = live.now();
        hearing.quic.tick(now, live, &hearing.names);
        hearing.tick(now, &mut counted);
        live.judge(hearing.assembler.take_verdicts())?;
        Ok(count)
    }

    /// The capture ends: what still waits for an answer is told without one.
    pub fn finish(&mut self, sink: &mut dyn FnMut(Exchange)) -> Result<(), live::Error> {
        // Records that arrived while the end was decided.
        while self.poll(sink)? > 0 {}
        let now = self.live.now();
        let Hearing { assembler, table, people, names, ciphers, quic, .. } = &mut self.hearing;
        let exchanges = &mut self.exchanges;
        assembler.flush(now, &mut |event: Event<'_>| table.event(event));
        for (id, observation) in table.take_found() {
            let ends = assembler.ends(id).map(|ends| ends.map(|end| people.peer(end)));
            *exchanges += u64::from(!observation.detail.is_underway());
            let remote = Remote { wanted: server_name(assembler, id), names };
            sink(complete::live(id, observation, ends.unwrap_or_default(), &remote));
        }
        ciphers.follow(assembler, people, names);
        quic.finish(now, &mut self.live, names);
        ciphers.follow_quic(quic, people);
        ciphers.finish();
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
            unread: self.hearing.ciphers.table(),
            ..Statistics::default()
        };
        let unread = self.hearing.assembler.unread_tls();
        statistics.connections = statistics.connections.saturating_add_signed(unread);
        let tls = statistics.unreadable.entry("tls").or_default();
        *tls = tls.saturating_add_signed(unread);
        let flows = self.hearing.quic.connections();
        statistics.connections += flows;
        statistics.unreadable.insert("quic", flows);
        statistics.unreadable.retain(|_, connections| *connections > 0);
        for (loss, events, bytes) in counters.losses {
            // What packets have brought since is not lost.
            let (gaps, brought) = self.hearing.assembler.regained(loss);
            let (events, bytes) = (events.saturating_sub(gaps), bytes.saturating_sub(brought));
            if events > 0 || bytes > 0 {
                statistics.lose(reason(loss), events, bytes);
            }
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
    fn new(assembler: Assembler, limits: Limits) -> Self {
        Self {
            assembler,
            table: Table::new(limits),
            people: People::default(),
            names: HostNames::default(),
            ciphers: Ciphers::new(None, Vec::new()),
            quic: Sockets::default(),
            failed_connects: 0,
            evicted: 0,
        }
    }

    fn record(&mut self, record: Record<'_>, sink: &mut dyn FnMut(Exchange)) {
        self.people.note(&record);
        self.ciphers.note(&record);
        self.quic.record(&record);
        if let What::Answer { message } = record.what {
            self.names.answered(message);
            return;
        }
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
        self.people.tick(now);
        self.ciphers.follow_quic(&mut self.quic, &mut self.people);
        self.ciphers.tick(now, &self.assembler, &self.quic, &mut self.people, &self.names);
        self.evicted += self.assembler.take_evicted();
    }

    fn tell(&mut self, sink: &mut dyn FnMut(Exchange)) {
        for (id, observation) in self.table.take_found() {
            if let Some(to) = tunnel(&observation) {
                self.assembler.tunnels(id, observation.client, to);
            }
            let ends = self.assembler.ends(id).map(|ends| ends.map(|end| self.people.peer(end)));
            let remote = Remote { wanted: server_name(&self.assembler, id), names: &self.names };
            sink(complete::live(id, observation, ends.unwrap_or_default(), &remote));
        }
        for (id, verdict) in self.table.take_judged() {
            match verdict {
                Verdict::Undecided => {}
                Verdict::Speaks(_) => self.assembler.judge(id, Judgement::Api),
                Verdict::NotAnApi("tls") => self.assembler.judge(id, Judgement::Tls),
                Verdict::NotAnApi(_) => self.assembler.judge(id, Judgement::NotApi),
            }
        }
        self.ciphers.follow(&mut self.assembler, &mut self.people, &self.names);
    }
}

/// Whom the client of a connection wanted, where it said so before it encrypted.
fn server_name(assembler: &Assembler, id: ConnectionId) -> Option<&Arc<str>> {
    assembler.wanted(id).and_then(|wanted| wanted.server_name.as_ref())
}

/// Where all that follows goes, where this is a CONNECT that was granted (RFC 9110 §9.3.6). Of HTTP/2 it is one stream of many.
fn tunnel(observation: &Observation) -> Option<Address> {
    let Detail::Http(http) = &observation.detail;
    let granted = http.method == Method::Connect && matches!(http.status, Some(200..=299));
    if !granted || !matches!(http.version, HttpVersion::V1_0 | HttpVersion::V1_1) {
        return None;
    }
    let Authority { host, port } = Authority::parse(http.authority.as_deref()?);
    let port = port?;
    Some(match host.parse::<IpAddr>() {
        Ok(ip) => Address::Ip((ip, port).into()),
        // Names of hosts have no case (RFC 3986 §3.2.2).
        Err(_) => Address::Name(host.to_ascii_lowercase().into(), port),
    })
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

#[cfg(test)]
mod tests;
