use super::{Deploys, MEMBERS, PROGRAMS, SERVICES};
use overhear_exchange::{Build, Family, Process, Timestamp};
use overhear_query::monitor::Deploy;
use proptest::prelude::*;
use std::sync::{Arc, OnceLock};

/// Seconds since the epoch.
fn at(seconds: u64) -> Timestamp {
    Timestamp::from_nanos(seconds * 1_000_000_000)
}

/// A process that is its own family.
fn process(pid: u32, started: u64, version: &str) -> Process {
    child(pid, started, (pid, started), version, "shop")
}

fn child(pid: u32, started: u64, family: (u32, u64), version: &str, program: &str) -> Process {
    let build = Build {
        started: at(started),
        family: Family { pid: family.0, started: at(family.1) },
        program: program.into(),
        version: (!version.is_empty()).then(|| version.into()),
        ended: OnceLock::new(),
    };
    Process { build: Some(Arc::new(build)), ..Process::new(pid, "shop") }
}

fn end(process: &Process, seconds: u64) {
    process.build.as_ref().unwrap().ended.set(at(seconds)).unwrap();
}

#[derive(Default)]
struct Scene(Deploys);

impl Scene {
    /// When and which, where this shows a deploy.
    fn see(&mut self, process: &Process) -> Option<(u64, String)> {
        self.0.see(&"shop".into(), process).map(|deploy| {
            assert_eq!(&*deploy.service, "shop");
            let version = deploy.version.as_deref().unwrap_or("none").to_owned();
            (deploy.at.as_nanos() / 1_000_000_000, version)
        })
    }
}

fn told(seconds: u64, version: &str) -> Option<(u64, String)> {
    Some((seconds, version.to_owned()))
}

#[test]
fn another_version_is_told_once() {
    let mut scene = Scene::default();
    let (a, b, c) = (process(1, 100, "v1"), process(2, 200, "v2"), process(3, 300, "v2"));
    assert_eq!(scene.see(&a), None, "where it begins");
    assert_eq!(scene.0.running().map(|d| d.version.as_deref()).collect::<Vec<_>>(), [Some("v1")]);
    assert_eq!(scene.see(&b), told(200, "v2"));
    assert_eq!(scene.see(&a), None, "the old one still answers");
    assert_eq!(scene.see(&b), None);
    assert_eq!(scene.see(&c), None, "one more of it");
    assert_eq!(scene.see(&process(4, 400, "v1")), told(400, "v1"), "back again");
    assert_eq!(scene.see(&c), None);
    assert_eq!(scene.see(&Process::new(9, "shop")), None, "nothing known");
}

#[test]
fn a_restart_replaces_all() {
    for version in ["v1", ""] {
        let shown = if version.is_empty() { "none" } else { version };
        let mut scene = Scene::default();
        let (a, b) = (process(1, 100, version), process(2, 500, version));
        assert_eq!(scene.see(&a), None);
        assert_eq!(scene.see(&b), None, "an instance beside it");
        end(&a, 520);
        assert_eq!(scene.see(&b), told(500, shown), "which took its place");
        assert_eq!(scene.see(&b), None);
        end(&b, 900);
        let c = process(3, 905, version);
        assert_eq!(scene.see(&c), told(905, shown), "stopped, then started");
        end(&c, 906);
        assert_eq!(scene.see(&process(4, 907, version)), None, "it crashes and crashes");
        assert_eq!(scene.see(&process(5, 930, "v9")), told(930, "v9"));
    }
}

#[test]
fn a_successor_may_seem_to_start_before_the_end() {
    let mut scene = Scene::default();
    let a = process(1, 100, "v1");
    assert_eq!(scene.see(&a), None);
    a.build.as_ref().unwrap().ended.set(Timestamp::from_nanos(120_007_000_000)).unwrap();
    assert_eq!(scene.see(&process(2, 120, "v1")), told(120, "v1"));
}

#[test]
fn rolling_restarts_are_one_and_scaling_is_none() {
    let mut scene = Scene::default();
    let old: Vec<_> = (0..3).map(|n| process(n, 100 + u64::from(n), "v1")).collect();
    let new: Vec<_> = (0..3).map(|n| process(10 + n, 5000 + 100 * u64::from(n), "v1")).collect();
    for process in &old {
        assert_eq!(scene.see(process), None);
    }
    let mut all = Vec::new();
    for (old, new) in old.iter().zip(&new) {
        end(old, new.build.as_ref().unwrap().started.as_nanos() / 1_000_000_000);
        all.extend(scene.see(new));
    }
    assert_eq!(all, [(5000, "v1".to_owned())], "at the first of them, when the last is replaced");

    // One more, and hours later one less.
    let more = process(20, 9000, "v1");
    assert_eq!(scene.see(&more), None);
    for process in &new {
        end(process, 20_000);
    }
    assert_eq!(scene.see(&more), None);
    // Then that is replaced as well.
    end(&more, 30_000);
    assert_eq!(scene.see(&process(21, 30_001, "v1")), told(30_001, "v1"));
}

#[test]
fn workers_of_one_master_are_none() {
    let mut scene = Scene::default();
    for n in 0..100_u32 {
        let started = 100 + u64::from(n) * 1000;
        let worker = child(n + 2, started, (1, 100), "v1", "shop");
        assert_eq!(scene.see(&worker), None, "{n}");
        end(&worker, started + 999);
    }
    // The master reads the new version for new workers.
    let reloaded = child(500, 200_000, (1, 100), "v2", "shop");
    assert_eq!(scene.see(&reloaded), told(200_000, "v2"));
    // Another master: its own start counts.
    end(&reloaded, 300_000);
    assert_eq!(scene.see(&child(601, 300_005, (600, 300_001), "v2", "shop")), told(300_001, "v2"));
}

#[test]
fn programs_under_one_name_are_one_deploy() {
    let mut scene = Scene::default();
    let see = |scene: &mut Scene, program, pid, started, version| {
        let process = child(pid, started, (pid, started), version, program);
        (scene.see(&process), process)
    };
    let (_, front) = see(&mut scene, "nginx", 1, 100, "n1");
    let (deploy, back) = see(&mut scene, "php", 2, 101, "p1");
    assert_eq!(deploy, None, "another program, not another version");
    assert_eq!((scene.see(&front), scene.see(&back)), (None, None));
    assert_eq!(see(&mut scene, "php", 3, 200, "p2").0, told(200, "p2"));
    assert_eq!(scene.see(&front), None);

    let mut scene = Scene::default();
    let (_, web) = see(&mut scene, "web", 1, 100, "c1");
    let (_, api) = see(&mut scene, "api", 2, 101, "c1");
    assert_eq!(see(&mut scene, "web", 3, 1000, "c2").0, told(1000, "c2"));
    let (again, api2) = see(&mut scene, "api", 4, 1001, "c2");
    assert_eq!(again, None, "both of one commit");
    end(&web, 1000);
    end(&api, 1000);
    end(&api2, 5000);
    // Only one of them is restarted, later.
    assert_eq!(see(&mut scene, "api", 5, 5001, "c2").0, told(5001, "c2"));
}

#[test]
fn a_program_of_another_name_takes_over() {
    let mut scene = Scene::default();
    let old = child(1, 100, (1, 100), "p1", "python3");
    assert_eq!(scene.see(&old), None);
    end(&old, 500);
    assert_eq!(scene.see(&child(2, 501, (2, 501), "g1", "shop")), told(501, "g1"));
}

#[test]
fn a_deploy_while_nobody_listened_is_told() {
    let last = || Deploy { service: "shop".into(), at: at(100), version: Some("v1".into()) };
    let mut scene = Scene::default();
    scene.0.remember(last());
    assert_eq!(scene.see(&process(1, 100, "v1")), None);
    let mut scene = Scene::default();
    scene.0.remember(last());
    assert_eq!(scene.see(&process(1, 300, "v2")), told(300, "v2"));
    scene.0.remember(last());
    assert_eq!(scene.0.running().next().unwrap().at, at(300), "what runs counts more than what was");
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut deploys = Deploys::default();
    for n in 0..5000_u32 {
        deploys.see(&format!("s{n}").into(), &process(n, 100, "v1"));
    }
    assert_eq!(deploys.services.len(), SERVICES);
    assert!(deploys.services.contains_key("s4999") && !deploys.services.contains_key("s0"));
    for n in 0..5000_u32 {
        let program = format!("p{}", n % 50);
        let started = 100 + u64::from(n);
        deploys.see(&"s4999".into(), &child(n, started, (n, started), "v1", &program));
    }
    let service = &deploys.services["s4999"];
    assert!(service.programs.len() <= PROGRAMS);
    assert!(service.programs.iter().all(|p| p.older.len() <= MEMBERS && p.newer.len() <= MEMBERS));
}

/// Processes of one program: when each starts after the one before, its version, and how long it lives.
fn lives() -> impl Strategy<Value = Vec<(u64, u8, Option<u64>)>> {
    prop::collection::vec((0_u64..2000, 0_u8..3, prop::option::of(1_u64..3000)), 1..12)
}

proptest! {
    /// Whatever answers in whatever order: deploys go forward in time, each is of a process that was seen, and
    /// nothing is told twice.
    #[test]
    fn deploys_are_of_seen_processes_and_in_order(lives in lives(), order in prop::collection::vec(any::<prop::sample::Index>(), 0..60)) {
        let mut now = 1000;
        let all: Vec<_> = lives.iter().enumerate().map(|(n, (gap, version, life))| {
            now += gap;
            let process = process(n as u32, now, &format!("v{version}"));
            if let Some(life) = life {
                end(&process, now + life);
            }
            process
        }).collect();
        let mut scene = Scene::default();
        let mut last = None;
        let mut seen = Vec::new();
        for index in order {
            let process = index.get(&all);
            seen.push(process.build.clone().unwrap());
            if let Some((when, version)) = scene.see(process) {
                prop_assert!(Some(when) > last, "{when} after {last:?}");
                prop_assert!(seen.iter().any(|build| build.started == at(when) && build.version.as_deref() == Some(&*version)));
                last = Some(when);
            }
        }
        // All that could be told was: seeing all once more in order of start changes at most what did not answer before.
        for process in &all {
            scene.see(process);
        }
        for process in &all {
            prop_assert_eq!(scene.see(process), None);
        }
    }

    /// One after the other, each seen while it lives: a change of version is always told.
    #[test]
    fn every_change_of_version_is_told(versions in prop::collection::vec(0_u8..3, 1..20)) {
        let mut scene = Scene::default();
        for (n, version) in versions.iter().enumerate() {
            let started = 100 + 60 * n as u64;
            let version = format!("v{version}");
            let process = process(n as u32, started, &version);
            let expected = if n == 0 { None } else { told(started, &version) };
            prop_assert_eq!(scene.see(&process), expected);
            prop_assert_eq!(scene.see(&process), None);
            end(&process, started + 59);
        }
    }
}
