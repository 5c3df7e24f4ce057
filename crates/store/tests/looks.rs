//! What calls looked like over time: the same from every store.
#![expect(clippy::unwrap_used, reason = "a test")]

use overhear_exchange::{Detail, Timestamp};
use overhear_model::{Model, Series, Slot, shape::Shapes};
use overhear_store::{Memory, Questions, Recorded, Retention, Sqlite, Store, Window};
use proptest::prelude::*;
use std::{collections::BTreeMap, path::Path};

const KEY: u64 = 5;
/// Somewhere in 2024, the begin of a day.
const DAY: u32 = 8640 * 19_900;

fn at(slot: u32) -> Timestamp {
    Slot(DAY + slot).start()
}

fn open(path: &Path) -> Sqlite {
    let retention =
        Retention { ten_seconds: 1 << 30, minutes: 1 << 30, hours: 1 << 30, ..Retention::default() };
    Sqlite::open(path, Some(KEY), retention, at(0)).unwrap().store
}

#[derive(Clone, Debug)]
enum Step {
    /// Which endpoint, when, with which parameter.
    Call(usize, u32, &'static str),
    Say(bool),
    Tidy(u32),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let slot = prop_oneof![6 => 0u32..1000, 1 => 0u32..40_000];
    let query = prop::sample::select(vec!["page=1", "page=1&sort=asc", "q=x"]);
    let step = prop_oneof![
        8 => (0usize..4, slot, query).prop_map(|(which, slot, query)| Step::Call(which, slot, query)),
        3 => any::<bool>().prop_map(Step::Say),
        2 => (0u32..50_000).prop_map(Step::Tidy),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..40)
}

fn new_model() -> Model {
    let mut model = Model::new(KEY);
    model.record_times();
    model
}

fn learn(model: &mut Model, which: usize, slot: u32, query: &str) {
    let path = ["/", "/a", "/a/b", "/users/1"][which];
    let mut exchange = overhear_testkit::exchange("shop", "GET", path, Some(200));
    let Detail::Http(http) = &mut exchange.detail;
    http.query = Some(query.into());
    (exchange.time, exchange.duration) = (at(slot), None);
    model.learn(&exchange);
}

/// What is counted; texts of values are kept only where they came often.
fn counts(answer: Recorded<overhear_store::Looks>) -> BTreeMap<Series, (u64, Vec<(String, u64)>)> {
    let counts = |shapes: &Shapes| {
        let operation = shapes.operation();
        let parameters = operation.parameters.into_iter().map(|one| (one.name, one.seen));
        (operation.requests, parameters.collect())
    };
    sorted(answer).into_iter().map(|(series, shapes)| (series, counts(&shapes))).collect()
}

fn sorted(answer: Recorded<overhear_store::Looks>) -> BTreeMap<Series, Shapes> {
    answer.what.into_iter().map(|(series, shapes)| ((*series).clone(), shapes)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn looks_are_those_of_the_reference(
        steps in steps(),
        windows in prop::collection::vec((0u32..50_000, 0u32..50_000), 1..5),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let (mut store, mut reference, mut model) = (open(&path), Memory::new(KEY), new_model());
        for step in steps {
            match step {
                Step::Call(which, slot, query) => learn(&mut model, which, slot, query),
                Step::Say(is_over) => {
                    let shaped = model.open_shapes();
                    store.look(&shaped, is_over).unwrap();
                    reference.look(&shaped, is_over).unwrap();
                    if is_over {
                        model.close_shapes();
                    }
                }
                Step::Tidy(slot) => store.tidy(at(slot)).unwrap(),
                Step::Reopen => {
                    // Whoever ends says what is left.
                    let shaped = model.open_shapes();
                    store.look(&shaped, true).unwrap();
                    reference.look(&shaped, true).unwrap();
                    drop(store);
                    (store, model) = (open(&path), new_model());
                }
            }
        }
        let reader = Sqlite::reader(&path).unwrap();
        let windows = windows.iter().map(|(from, length)| Window { from: Slot(DAY + from), until: Slot(DAY + from + length) });
        for window in windows.chain([Window::ALL]) {
            for store in [&store, &reader] {
                let answer = store.looks(window).unwrap();
                // Of the time before there was any nothing is kept.
                prop_assert!(answer.window.from <= window.from.max(Slot(DAY)) && answer.window.until >= window.until);
                let expected = reference.looks(answer.window).unwrap();
                prop_assert_eq!(counts(answer), counts(expected), "{:?}", window);
            }
        }
    }
}

/// A session that was killed has said what it said.
#[test]
fn what_was_said_before_a_kill_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut model = new_model();
    learn(&mut model, 1, 5, "page=1");
    open(&path).look(&model.open_shapes(), false).unwrap();
    let mut store = open(&path);
    learn(&mut model, 1, 6, "sort=asc");
    store.look(&model.open_shapes(), false).unwrap();
    store.tidy(at(10_000)).unwrap();
    let all = sorted(store.looks(Window::ALL).unwrap());
    let operation = all.values().next().unwrap().operation();
    assert_eq!((all.len(), operation.requests), (1, 3), "one of the first session, two of the second");
}

#[test]
fn hours_are_forgotten_before_days_and_what_is_not_kept_apart_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let hour = Slot::IN_AN_HOUR;
    let retention = Retention { minutes: 24 * 3600, hours: 10 * 24 * 3600, ..Retention::default() };
    let mut store = Sqlite::open(&path, Some(KEY), retention, at(0)).unwrap().store;
    let mut model = new_model();
    for day in 0..20 {
        learn(&mut model, 1, day * 24 * hour + 5 * hour, "page=1");
        store.look(&model.open_shapes(), true).unwrap();
        model.close_shapes();
        store.tidy(at((day + 1) * 24 * hour)).unwrap();
    }
    let requests = |from: u32, until: u32| {
        let window = Window { from: Slot(DAY + from * hour), until: Slot(DAY + until * hour) };
        let answer = store.looks(window).unwrap();
        let asked = (answer.window.from == window.from, answer.window.until == window.until);
        let sum: u64 = sorted(answer).values().map(|shapes| shapes.operation().requests).sum();
        (sum, asked)
    };
    let now = 20 * 24;
    assert_eq!(requests(now - 24, now - 20), (0, (true, true)), "by the hour");
    assert_eq!(requests(now - 24, now - 18), (1, (true, true)));
    assert_eq!(requests(now - 50, now - 49), (1, (false, false)), "a day where hours are no longer kept");
    assert_eq!(requests(now - 15 * 24, now), (10, (false, true)), "what is older is not kept apart");
}

/// An answer of some records with words and numbers, like every other but for its values.
fn record(hour: u32, call: u32) -> String {
    let fields: String =
        (0..12).map(|field| format!(r#""field_{field}":{},"#, hour * 31 + call * 7 + field)).collect();
    format!(r#"{{{fields}"state":"open","owner":{{"name":"n","since":"2026-01-01"}}}}"#)
}

fn answered(model: &mut Model, slot: u32, body: &str) {
    let mut exchange = overhear_testkit::exchange("shop", "GET", "/a", Some(200));
    (exchange.time, exchange.duration) = (at(slot), None);
    let Detail::Http(http) = &mut exchange.detail;
    http.response_headers =
        overhear_exchange::Headers::new([(&b"content-type"[..], &b"application/json"[..])]);
    let content = overhear_model::shape::Content { bytes: body.as_bytes(), complete: true };
    let bodies = overhear_model::Bodies { response: Some(content), ..Default::default() };
    model.learn_decoded(&exchange, bodies, overhear_model::shape::Effort::Whole);
}

/// Hours that look like those before are kept as what differs; what they were told against goes with them.
#[test]
fn hours_that_resemble_one_another_take_little_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let retention = Retention { minutes: 2 * 24 * 3600, hours: 4 * 24 * 3600, ..Retention::default() };
    let mut store = Sqlite::open(&path, Some(KEY), retention, at(0)).unwrap().store;
    let (mut model, hour) = (new_model(), Slot::IN_AN_HOUR);
    let mut alone = 0;
    let mut reference = Memory::new(KEY);
    for number in 0..40 {
        // In the middle of it the answer becomes another one.
        let body = |call| {
            if number < 20 {
                record(number, call)
            } else {
                format!(r#"[{},"x"]"#, record(number, call).to_uppercase())
            }
        };
        (0..5).for_each(|call| answered(&mut model, number * hour + call, &body(call)));
        let shaped = model.open_shapes();
        alone += shaped.iter().map(|shaped| shaped.shapes.to_bytes().unwrap().len()).sum::<usize>();
        store.look(&shaped, true).unwrap();
        reference.look(&shaped, true).unwrap();
        model.close_shapes();
    }
    store.tidy(at(41 * hour)).unwrap();
    let file = rusqlite::Connection::open(&path).unwrap();
    let one = |sql: &str| -> usize { file.query_row(sql, [], |row| row.get(0)).unwrap() };
    let hours = one("SELECT sum(length(shapes)) FROM looks WHERE level = 2");
    let bases = one("SELECT sum(length(shapes)) FROM look_base");
    assert!((hours + bases) * 3 < alone * 2, "{hours} and {bases} instead of {alone}");
    for from in 0..40 {
        let window = Window { from: Slot(DAY + from * hour), until: Slot(DAY + (from + 3) * hour) };
        assert_eq!(sorted(store.looks(window).unwrap()), sorted(reference.looks(window).unwrap()), "{from}");
    }
    // A week later the newest alone is left, for what comes.
    store.tidy(at(10 * 24 * hour)).unwrap();
    assert_eq!([one("SELECT count(*) FROM looks"), one("SELECT count(*) FROM look_base")], [0, 1]);
}
