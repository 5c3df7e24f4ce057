//! Packets of sockets whose bytes are in no buffer of a call: copied while somebody needs them, and attached to nothing
//! while nobody does. To attach what is loaded needs no right.

use super::{
    bpf,
    object::{Error, Programs},
    perf::Ring,
    plan::PACKETS,
};
use aya::{Ebpf, maps::Map, util::online_cpus};
use overhear_probe::record::{Record, What};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
};

/// Bytes of the ring of one CPU, a power of two: as many as may be locked in memory without a right, which is
/// `perf_event_mlock_kb` for each CPU and RLIMIT_MEMLOCK for all.
const MOST_ROOM: usize = 4 << 20;
const LEAST_ROOM: usize = 128 << 10;
/// Bytes of all rings, where there are many.
const ALL_ROOM: usize = 16 << 20;

/// So long after the last packet nobody needs them any more.
const PATIENCE: Duration = Duration::from_secs(30);

/// The programs that copy packets, and where they copy them to.
pub(super) struct Packets {
    programs: Vec<OwnedFd>,
    rings: Vec<Ring>,
    /// The kernel takes the rings out of their map when who put them in closes it.
    _map: OwnedFd,
    attached: Option<Attached>,
}

struct Attached {
    _links: Vec<OwnedFd>,
    last: Instant,
}

/// Whether packets could be copied now, as far as it shows without doing so: the kernel gives a ring of each CPU, and room for
/// it.
///
/// # Errors
/// It does not.
pub fn packets_have_room() -> io::Result<()> {
    // They are held together, as they would be.
    let mut rings = open_rings()?;
    rings.iter_mut().try_for_each(|(_, ring)| ring.make_room(LEAST_ROOM))
}

fn open_rings() -> io::Result<Vec<(u32, Ring)>> {
    let cpus = online_cpus().map_err(|(_, error)| error)?;
    cpus.into_iter().map(|cpu| Ok((cpu, Ring::open(cpu)?))).collect()
}

impl Packets {
    /// Loads what will be attached, while rights and maps are there.
    pub(super) fn load(ebpf: &Ebpf, object: &Programs<'_>) -> Result<Self, Error> {
        let load = |(program, tracepoint)| object.tracepoint(program, tracepoint);
        let programs = PACKETS.into_iter().map(load).collect::<Result<_, Error>>()?;
        let Some(Map::PerfEventArray(map)) = ebpf.map("packets") else {
            return Err(Error::object(&"no map of packets"));
        };
        let mut rings = Vec::new();
        for (cpu, ring) in open_rings()? {
            bpf::put(map.fd().as_fd(), cpu, ring.as_fd())?;
            rings.push(ring);
        }
        let map = map.fd().as_fd().try_clone_to_owned()?;
        Ok(Self { programs, rings, _map: map, attached: None })
    }

    pub(super) const fn are_attached(&self) -> bool {
        self.attached.is_some()
    }

    pub(super) fn attach(&mut self) -> io::Result<()> {
        let share = (ALL_ROOM / self.rings.len().max(1)).clamp(LEAST_ROOM, MOST_ROOM);
        let mut room = 1 << share.ilog2();
        while let Err(error) = self.rings.iter_mut().try_for_each(|ring| ring.make_room(room)) {
            self.rings.iter_mut().for_each(Ring::give_room_back);
            room /= 2;
            if room < LEAST_ROOM {
                return Err(error);
            }
        }
        let links: io::Result<_> = self.programs.iter().map(bpf::attach_tracepoint).collect();
        self.attached = Some(Attached { _links: links?, last: Instant::now() });
        Ok(())
    }

    pub(super) fn detach(&mut self) {
        self.attached = None;
        self.rings.iter_mut().for_each(Ring::give_room_back);
    }

    /// No packet has come for long.
    pub(super) fn are_idle(&self) -> bool {
        self.attached.as_ref().is_some_and(|attached| attached.last.elapsed() > PATIENCE)
    }

    /// Hands on the packets up to that time, on the clock of the records, and says how many those were. Later ones stay in
    /// their rings, until what they belong to is told.
    pub(super) fn drain(&mut self, until: u64, sink: &mut dyn FnMut(Record<'_>)) -> usize {
        let Some(attached) = &mut self.attached else { return 0 };
        let mut count = 0;
        for ring in &mut self.rings {
            ring.drain(&mut |bytes| {
                let Some(record) = Record::parse(bytes) else { return true };
                let is_due = record.time <= until;
                if is_due {
                    count += 1;
                    sink(record);
                }
                is_due
            });
        }
        if count > 0 {
            attached.last = Instant::now();
        }
        count
    }
}

/// Bytes that came by packets were copied before this is told: those of what is sent within its call, mostly, and those of
/// what is received always. So packets are looked at first.
pub(super) const fn follow_packets(what: &What<'_>) -> bool {
    matches!(what, What::Data { comes: true, .. } | What::Close { .. } | What::End { .. })
}
