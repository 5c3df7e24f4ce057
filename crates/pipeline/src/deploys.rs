use overhear_exchange::{Build, Process, Timestamp};
use overhear_query::monitor::Deploy;
use rustc_hash::FxHashMap;
use std::{mem, sync::Arc, time::Duration};

/// Services followed at once; beyond, the one not heard for longest is forgotten.
const SERVICES: usize = 1024;
/// Executables under one service name, and processes of each.
const PROGRAMS: usize = 8;
const MEMBERS: usize = 64;
/// Replacing the processes of a service one by one takes at most this long; what lives on beside longer is an instance.
const ROLLING: Duration = Duration::from_secs(600);
/// Instances that start together start within this time.
const TOGETHER: Duration = Duration::from_secs(60);
/// Starts and ends are by different clocks, the starts rounded: a successor may seem to start before the end.
const SLACK: Duration = Duration::from_secs(1);
/// Restarts of the same version are told at most this often: a program that crashes at once is restarted at once.
const APART: Duration = Duration::from_secs(10);

/// Notices that a service runs another build, or the same one anew, from the processes that answer its calls.
///
/// The build that a service is first seen with is where it begins, not a deploy.
///
/// * Another version is a deploy once: processes of an older version that still answer are not news, a version that
///   comes back in a process that is younger than the last deploy is.
/// * The same version is a deploy when all processes it was known by have ended and others took their place within ten minutes. Workers
///   of one master ([`Build::family`]), and instances beside running ones, are none.
/// * Executables that share a service's name are followed apart; one version of all is told once.
#[derive(Debug, Default)]
pub struct Deploys {
    services: FxHashMap<Arc<str>, Service>,
    /// Counts calls of `see`: the age of services.
    seen: u64,
}

#[derive(Debug)]
struct Service {
    last: Deploy,
    /// The program that `last` was told of.
    teller: Arc<str>,
    programs: Vec<Program>,
    used: u64,
}

/// One executable of a service.
#[derive(Debug)]
struct Program {
    name: Arc<str>,
    version: Option<Arc<str>>,
    /// Since when it has this version.
    at: Timestamp,
    /// Processes that this version is known by.
    older: Vec<Arc<Build>>,
    /// Others of this version that started while one of those lived: instances, or their successors.
    newer: Vec<Arc<Build>>,
}

impl Deploys {
    /// This process answered a call of this service. Says if that shows a deploy.
    pub fn see(&mut self, service: &Arc<str>, process: &Process) -> Option<Deploy> {
        let build = process.build.as_ref()?;
        self.seen += 1;
        let seen = self.seen;
        if let Some(known) = self.services.get_mut(service) {
            known.used = seen;
            return known.see(build);
        }
        let last =
            Deploy { service: Arc::clone(service), at: build.family.started, version: build.version.clone() };
        self.insert(Service {
            last,
            teller: Arc::clone(&build.program),
            programs: vec![Program::new(build)],
            used: seen,
        });
        None
    }

    /// What was the last deploy of a service when it was listened to before: what runs now is compared with it.
    pub fn remember(&mut self, last: Deploy) {
        self.seen += 1;
        let used = self.seen;
        if !self.services.contains_key(&last.service) {
            self.insert(Service { last, teller: "".into(), programs: Vec::new(), used });
        }
    }

    /// The build that each service runs, and since when; in no particular order.
    pub fn running(&self) -> impl Iterator<Item = &Deploy> {
        self.services.values().map(|service| &service.last)
    }

    fn insert(&mut self, service: Service) {
        if self.services.len() >= SERVICES {
            let oldest = self.services.iter().min_by_key(|(_, service)| service.used);
            if let Some(name) = oldest.map(|(name, _)| Arc::clone(name)) {
                self.services.remove(&name);
            }
        }
        self.services.insert(Arc::clone(&service.last.service), service);
    }
}

impl Service {
    fn see(&mut self, build: &Arc<Build>) -> Option<Deploy> {
        let known = self.programs.iter_mut().find(|program| program.name == build.program);
        let (at, version) = match known {
            Some(program) => (program.see(build)?, program.version.clone()),
            None => (self.begin(build)?, build.version.clone()),
        };
        // All executables of an image or a commit change together.
        let apart = at.since(self.last.at).max(self.last.at.since(at));
        let told = version.is_some()
            && version == self.last.version
            && self.teller != build.program
            && apart < ROLLING;
        if told {
            return None;
        }
        self.last = Deploy { service: Arc::clone(&self.last.service), at, version };
        self.teller = Arc::clone(&build.program);
        Some(self.last.clone())
    }

    /// An executable that this service did not have. It is the successor of those it had if none of them runs.
    fn begin(&mut self, build: &Arc<Build>) -> Option<Timestamp> {
        let replaced = self.programs.iter().all(Program::is_over);
        let remembered = self.programs.is_empty();
        let changed = build.version.is_some() && build.version != self.last.version;
        if replaced || self.programs.len() >= PROGRAMS {
            self.programs.retain(|program| !program.is_over());
        }
        if self.programs.len() < PROGRAMS {
            self.programs.push(Program::new(build));
        }
        let younger = build.family.started > self.last.at;
        (replaced && younger && (changed || !remembered)).then_some(build.family.started)
    }
}

impl Program {
    fn new(build: &Arc<Build>) -> Self {
        Self {
            name: Arc::clone(&build.program),
            version: build.version.clone(),
            at: build.family.started,
            older: vec![Arc::clone(build)],
            newer: Vec::new(),
        }
    }

    /// Whether this process shows a deploy, and since when.
    fn see(&mut self, build: &Arc<Build>) -> Option<Timestamp> {
        // What could not be read says nothing else.
        if build.version.is_some() && build.version != self.version {
            return self.see_other(build);
        }
        self.add(build);
        self.turn()
    }

    fn see_other(&mut self, build: &Arc<Build>) -> Option<Timestamp> {
        if build.started <= self.at {
            return None;
        }
        // A master that starts new workers for a new version is older than it.
        let at = if build.family.started > self.at { build.family.started } else { build.started };
        self.version.clone_from(&build.version);
        self.at = at;
        self.older = vec![Arc::clone(build)];
        self.newer.clear();
        Some(at)
    }

    fn add(&mut self, build: &Arc<Build>) {
        let mut all = self.older.iter().chain(&self.newer);
        if all.any(|member| Arc::ptr_eq(member, build)) {
            return;
        }
        // What lived on beside the older ones for so long does not replace them.
        let (instances, newer) = mem::take(&mut self.newer)
            .into_iter()
            .partition(|member| build.started.since(member.family.started) > ROLLING && !self.is_replaced());
        self.newer = newer;
        for instance in instances {
            push(&mut self.older, instance);
        }
        let started = build.family.started;
        let kin = self.older.iter().any(|member| member.family == build.family);
        let together = self.older.iter().any(|member| {
            let alive = member.ended.get().is_none_or(|end| end.since(started) > SLACK);
            alive && started.since(member.family.started) <= TOGETHER
        });
        push(if kin || together { &mut self.older } else { &mut self.newer }, Arc::clone(build));
    }

    /// When the older processes have ended, the newer are what runs: a restart, unless those are long there.
    fn turn(&mut self) -> Option<Timestamp> {
        if self.newer.is_empty() || !self.is_replaced() {
            return None;
        }
        let first = self.newer.iter().map(|member| member.family.started).min()?;
        let end = self.older.iter().filter_map(|member| member.ended.get()).max().copied()?;
        self.older = mem::take(&mut self.newer);
        let restarted = end.since(first) <= ROLLING && first > self.at && first.since(self.at) >= APART;
        restarted.then(|| {
            self.at = first;
            first
        })
    }

    fn is_replaced(&self) -> bool {
        self.older.iter().all(|member| member.ended.get().is_some())
    }

    fn is_over(&self) -> bool {
        self.is_replaced() && self.newer.iter().all(|member| member.ended.get().is_some())
    }
}

/// Keeps room by forgetting who has ended; the last to end is kept, for when that was.
fn push(members: &mut Vec<Arc<Build>>, build: Arc<Build>) {
    if members.len() >= MEMBERS {
        let last = members.iter().filter_map(|member| member.ended.get()).max().copied();
        members.retain(|member| member.ended.get().is_none_or(|end| Some(*end) == last));
        members.truncate(MEMBERS);
    }
    if members.len() < MEMBERS {
        members.push(build);
    }
}

#[cfg(test)]
mod tests;
