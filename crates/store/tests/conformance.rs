//! What every store answers: the same as the one in memory.
#![expect(clippy::unwrap_used, clippy::unwrap_in_result, reason = "a test")]

use overhear_exchange::{Statistics, Timestamp};
use overhear_model::{Count, Counted, Ending, Histogram, Model, Series, Slot, Tally};
use overhear_store::{
    Deployed, Edge, First, Lined, Memory, Parts, Questions, Resolution, Retention, Sqlite, Store, SumLine,
    Window,
};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

const KEY: u64 = 5;
/// Somewhere in 2024, the begin of a day.
const DAY: u32 = 8640 * 19_900;

fn at(slot: u32) -> Timestamp {
    Slot(slot).start()
}

fn open(path: &Path) -> Sqlite {
    let retention =
        Retention { ten_seconds: 1 << 30, minutes: 1 << 30, hours: 1 << 30, ..Retention::default() };
    Sqlite::open(path, Some(KEY), retention, at(DAY)).unwrap().store
}

/// Series as models make them.
fn series() -> Vec<Series> {
    let mut model = Model::new(KEY);
    model.record_times();
    for path in ["/", "/a", "/a/b", "/users/1", "/users/2"] {
        for service in ["shop", "bank"] {
            model.learn(&overhear_testkit::exchange(service, "GET", path, Some(200)));
        }
    }
    model.take_counted().into_iter().map(|counted| counted.series).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<(usize, u32, u16, u64)>),
    Tidy(u32),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Mostly close together, sometimes days or weeks apart.
    let slot = prop_oneof![8 => 0u32..40, 2 => 0u32..1000, 1 => 0u32..40_000, 1 => 0u32..160_000];
    let status = prop::sample::select(vec![200u16, 404, 503]);
    let append = prop::collection::vec((0usize..10, slot.clone(), status, 1u64..5_000_000), 0..20);
    let step = prop_oneof![
        6 => append.prop_map(Step::Append),
        2 => prop_oneof![0u32..50_000, 0u32..200_000].prop_map(Step::Tidy),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..12)
}

fn counted(series: &[Series], calls: &[(usize, u32, u16, u64)]) -> Vec<Counted> {
    let count = |(which, slot, status, micros): &(usize, u32, u16, u64)| {
        let mut latency = Histogram::default();
        latency.record(Duration::from_micros(*micros));
        let mut tally = Tally::default();
        let ending = Ending { status: Some(*status), ..Ending::default() };
        let caller = if micros % 3 == 0 { "web" } else { "curl" };
        tally.add(KEY, caller, ending, &Count { requests: 1, bytes_in: 1, bytes_out: *micros, latency });
        Counted { series: series[*which].clone(), slot: Slot(DAY + slot), tally }
    };
    calls.iter().map(count).collect()
}

fn windows() -> impl Strategy<Value = Vec<Window>> {
    let window = (0u32..50_000, 0u32..50_000)
        .prop_map(|(from, length)| Window { from: Slot(DAY + from), until: Slot(DAY + from + length) });
    let long = (0u32..100_000, 0u32..200_000)
        .prop_map(|(from, length)| Window { from: Slot(DAY + from), until: Slot(DAY + from + length) });
    let short = (0u32..60, 0u32..60)
        .prop_map(|(from, length)| Window { from: Slot(DAY + from), until: Slot(DAY + from + length) });
    prop::collection::vec(prop_oneof![window, long, short, Just(Window::ALL)], 1..8)
}

fn agree(store: &Sqlite, reference: &Memory, window: Window) -> Result<(), TestCaseError> {
    for of in [None, Some(series().get(..2).unwrap_or_default())] {
        let answer = store.totals(window, of).unwrap();
        prop_assert!(answer.window.from <= window.from && answer.window.until >= window.until);
        let expected: BTreeMap<_, _> =
            reference.totals(answer.window, of).unwrap().what.into_iter().collect();
        prop_assert_eq!(answer.what.into_iter().collect::<BTreeMap<_, _>>(), expected, "{:?}", window);
    }
    let answer = store.sums(window).unwrap();
    let covered = answer.window;
    let known: BTreeSet<_> = store.series().unwrap().into_iter().collect();
    prop_assert!(reference.series().unwrap().iter().all(|series| known.contains(series)));
    let sums: BTreeMap<_, _> = reference.sums(answer.window).unwrap().what.into_iter().collect();
    prop_assert_eq!(&answer.what.into_iter().collect::<BTreeMap<_, _>>(), &sums, "{:?}", window);
    let answer = store.edges(window).unwrap();
    let sorted = |edges: Vec<Edge>| {
        edges.into_iter().map(|edge| ((edge.whole, edge.caller), edge.sum)).collect::<BTreeMap<_, _>>()
    };
    let expected = reference.edges(answer.window).unwrap();
    prop_assert_eq!(sorted(answer.what), sorted(expected.what), "{:?}", window);
    for step in Resolution::ALL {
        let lined = store.sum_line(window, step).unwrap();
        prop_assert_eq!(lined.sums.window, covered);
        prop_assert_eq!(&lined.sums.what.into_iter().collect::<BTreeMap<_, _>>(), &sums);
        let answer = lined.line;
        let expected = reference.sum_line(answer.window, answer.resolution).unwrap().line;
        let sorted = |line: SumLine| line.into_iter().collect::<BTreeMap<_, _>>();
        prop_assert_eq!(sorted(answer.what), sorted(expected.what), "{:?} by {:?}", window, step);
        for of in [None, Some(series().get(..2).unwrap_or_default())] {
            let answer = store.timeline(window, step, of).unwrap();
            let expected = reference.timeline(answer.window, answer.resolution, of).unwrap();
            let sorted =
                |timeline: overhear_store::Timeline| timeline.into_iter().collect::<BTreeMap<_, _>>();
            prop_assert_eq!(sorted(answer.what), sorted(expected.what), "{:?} by {:?}", window, step);
        }
    }
    Ok(())
}

/// Each service over a window of its own, all read at once.
fn agree_in_parts(store: &Sqlite, reference: &Memory, windows: [Window; 2]) -> Result<(), TestCaseError> {
    let of = |series: &Series| ["shop", "bank"].iter().position(|name| **name == *series.service);
    let parts = Parts { windows: &windows, of: &of };
    let steps = [Resolution::Hour, Resolution::TenSeconds];
    let (sums, edges) = (store.sums_of(parts).unwrap(), store.edges_of(parts).unwrap());
    let lines = store.sum_lines(parts, &steps).unwrap();
    prop_assert_eq!([sums.len(), edges.len(), lines.len()], [2, 2, 2]);
    for (part, ((sums, edges), Lined { sums: beside, line })) in
        sums.into_iter().zip(edges).zip(lines).enumerate()
    {
        let mine = |series: &Arc<Series>| of(series) == Some(part);
        let covered = store.sums(windows[part]).unwrap().window;
        prop_assert_eq!([sums.window, edges.window, beside.window], [covered; 3]);
        let expected = reference.sums(covered).unwrap().what.into_iter().filter(|(series, _)| mine(series));
        let expected: BTreeMap<_, _> = expected.collect();
        for sums in [sums, beside] {
            prop_assert_eq!(&sums.what.into_iter().collect::<BTreeMap<_, _>>(), &expected);
        }
        let expected = reference.sum_line(line.window, line.resolution).unwrap().line.what;
        let expected: BTreeMap<_, _> = expected.into_iter().filter(|(series, _)| mine(series)).collect();
        prop_assert_eq!(line.what.into_iter().collect::<BTreeMap<_, _>>(), expected);
        let sorted = |edges: Vec<Edge>| {
            edges.into_iter().map(|edge| ((edge.whole, edge.caller), edge.sum)).collect::<BTreeMap<_, _>>()
        };
        let mut expected = sorted(reference.edges(covered).unwrap().what);
        expected.retain(|(whole, _), _| mine(whole));
        prop_assert_eq!(sorted(edges.what), expected);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn answers_are_those_of_the_reference(steps in steps(), windows in windows()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let series = series();
        let mut store = open(&path);
        let mut reference = Memory::new(KEY);
        for step in steps {
            match step {
                Step::Append(calls) => {
                    let counted = counted(&series, &calls);
                    store.append(&counted).unwrap();
                    reference.append(&counted).unwrap();
                }
                Step::Tidy(slot) => store.tidy(at(DAY + slot)).unwrap(),
                Step::Reopen => {
                    drop(store);
                    store = open(&path);
                }
            }
        }
        let sorted = |firsts: Vec<First>| {
            firsts.into_iter().map(|first| ((first.series, first.what), first.slot)).collect::<BTreeMap<_, _>>()
        };
        prop_assert_eq!(sorted(store.firsts().unwrap()), sorted(reference.firsts().unwrap()));
        for window in &windows {
            agree(&store, &reference, *window)?;
        }
        for pair in windows.windows(2) {
            agree_in_parts(&store, &reference, [pair[0], pair[1]])?;
        }
        // Whoever reads beside it sees the same.
        let reader = Sqlite::reader(&path).unwrap();
        for window in windows {
            agree(&reader, &reference, window)?;
        }
    }
}

#[test]
fn a_file_of_before_there_were_rolls_gets_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let series = series();
    let mut reference = Memory::new(KEY);
    let mut store = open(&path);
    for slot in [0u32, 3, 400, 9000, 30_000] {
        let calls: Vec<_> = (0..10).map(|which| (which, slot, 200, 1000 + u64::from(slot))).collect();
        store.append(&counted(&series, &calls)).unwrap();
        reference.append(&counted(&series, &calls)).unwrap();
    }
    store.tidy(at(DAY + 29_000)).unwrap();
    drop(store);
    let file = rusqlite::Connection::open(&path).unwrap();
    let rest: u32 = file.query_row("SELECT count(*) FROM recent", [], |row| row.get(0)).unwrap();
    assert_eq!(rest, 0, "all of it is in packs, as it was then");
    file.execute_batch(
        "DROP TABLE recent; DROP TABLE roll; DROP TABLE look; DROP TABLE looks; DROP TABLE look_base; DROP TABLE first; PRAGMA user_version = 2",
    )
    .unwrap();
    drop(file);
    let store = open(&path);
    for (from, length) in [(0, 50_000), (0, 60), (6, 8640), (360, 40_000)] {
        agree(&store, &reference, Window { from: Slot(DAY + from), until: Slot(DAY + from + length) })
            .unwrap();
    }
    for first in store.firsts().unwrap() {
        assert!(first.slot <= Slot(DAY + 3), "{first:?}");
    }
}

#[test]
fn evidence_is_the_sum_of_all_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut all = Model::new(KEY);
    for session in 1..4u64 {
        let mut store = open(&path);
        let version = store.evidence_version().unwrap();
        let mut model = Model::new(KEY);
        for call in 0..session {
            let exchange =
                overhear_testkit::exchange("shop", "GET", &format!("/s{session}/{call}"), Some(200));
            model.learn(&exchange);
            all.learn(&exchange);
            // Each time all of this session, not what is new.
            store.learn(&model).unwrap();
        }
        assert!(store.evidence_version().unwrap() > version);
        let (kept, expected) = (store.evidence().unwrap(), &all);
        assert_eq!(kept.requests(), expected.requests(), "session {session}");
    }
    assert_eq!(Sqlite::reader(&path).unwrap().evidence().unwrap().requests(), 6);
}

#[test]
fn sessions_tell_what_they_heard_and_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut statistics = Statistics { events: 9, exchanges: 4, ..Statistics::default() };
    statistics.lose(overhear_exchange::LossReason::RingFull, 2, 300);
    for session in 1..3u32 {
        let mut store = open(&path);
        store.session(at(DAY + 10 * session), &Statistics::default()).unwrap();
        store.session(at(DAY + 10 * session + 1), &statistics).unwrap();
        store.learn(&Model::new(KEY)).unwrap();
    }
    let sessions = Sqlite::reader(&path).unwrap().sessions(Window::ALL).unwrap();
    assert_eq!(sessions.iter().map(|session| session.number).collect::<Vec<_>>(), [1, 2]);
    let last = sessions.last().unwrap();
    assert_eq!((last.last, last.heard.events), (at(DAY + 21), 9));
    assert_eq!(last.heard.lost, [("ring_full".to_owned(), 2, 300)]);
}

#[test]
fn deploys_are_told_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let deployed = |slot, service: &str, version: Option<&str>| Deployed {
        service: service.into(),
        at: at(DAY + slot),
        version: version.map(Into::into),
    };
    let all = [deployed(1, "shop", Some("abc")), deployed(5, "bank", None), deployed(9, "shop", Some("def"))];
    let mut store = open(&path);
    let mut reference = Memory::new(KEY);
    for deployed in [&all[2], &all[0], &all[0], &all[1]] {
        store.deploy(deployed).unwrap();
        reference.deploy(deployed).unwrap();
    }
    let window = Window { from: Slot(DAY + 1), until: Slot(DAY + 9) };
    for questions in [&Sqlite::reader(&path).unwrap() as &dyn Questions, &reference] {
        assert_eq!(questions.deploys(Window::ALL).unwrap(), all);
        assert_eq!(questions.deploys(window).unwrap(), all[..2]);
    }
}

#[test]
fn readers_know_how_long_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let retention = Retention { minutes: 7, bytes: 1 << 20, ..Retention::default() };
    let _store = Sqlite::open(&path, Some(KEY), retention, at(DAY)).unwrap();
    assert_eq!(Sqlite::reader(&path).unwrap().about().unwrap().retention, retention);
}

#[test]
fn a_database_of_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.db");
    let theirs = rusqlite::Connection::open(&path).unwrap();
    theirs.execute_batch("CREATE TABLE bookmark (url TEXT); PRAGMA user_version = 2").unwrap();
    drop(theirs);
    let before = std::fs::read(&path).unwrap();
    let opened = Sqlite::open(&path, Some(KEY), Retention::default(), at(DAY));
    assert!(matches!(opened, Err(overhear_store::Error::Foreign(_))), "{opened:?}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
