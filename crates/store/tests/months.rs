//! Months of use: how large a store gets, and stores of earlier versions.
#![expect(clippy::unwrap_used, reason = "a test")]

use overhear_exchange::{Detail, Timestamp};
use overhear_model::{Model, Slot};
use overhear_store::{Error, Memory, Questions, Retention, Sqlite, Store, Sums, Totals, Window};
use std::{collections::BTreeMap, fs, path::Path, time::Duration};

const KEY: u64 = 5;
/// Somewhere in 2024, the begin of a day.
const BEGIN: u32 = 8640 * 19_900;
const HOUR: u32 = Slot::IN_AN_HOUR;
const DAYS: u32 = 60;

fn at(slot: u32) -> Timestamp {
    Slot(BEGIN + slot).start()
}

/// An hour of a shop with some endpoints, each as busy and as slow as the hour is odd.
fn an_hour(model: &mut Model, hour: u32) {
    for (which, path) in
        ["/", "/users/1", "/users/2", "/orders", "/carts/1/items", "/bills"].iter().enumerate()
    {
        for call in 0..3 {
            let mut exchange = overhear_testkit::exchange("shop", "GET", path, Some(200));
            let Detail::Http(http) = &mut exchange.detail;
            http.query = Some(format!("page={call}&sort=asc").into());
            exchange.time = at(hour * HOUR + 60 * call);
            let millis = u64::from(hour % 97 + call + 1) * (which as u64 + 1);
            exchange.duration = Some(Duration::from_millis(millis));
            model.learn(&exchange);
        }
    }
}

fn sorted(totals: Totals) -> BTreeMap<overhear_model::Series, overhear_model::Tally> {
    totals.into_iter().map(|(series, tally)| ((*series).clone(), tally)).collect()
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

#[test]
fn months_stay_within_the_size_and_the_oldest_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let bytes = 400 << 10;
    let retention = Retention { bytes, ..Retention::default() };
    let mut store = Sqlite::open(&path, Some(KEY), retention, at(0)).unwrap().store;
    let mut reference = Memory::new(KEY);
    let mut model = Model::new(KEY);
    model.record_times();
    let (mut oldest, mut largest) = (at(0), 0);
    for hour in 0..DAYS * 24 {
        an_hour(&mut model, hour);
        let counted = model.take_counted();
        store.append(&counted).unwrap();
        reference.append(&counted).unwrap();
        store.look(&model.open_shapes(), true).unwrap();
        model.close_shapes();
        if hour % 6 == 0 {
            store.learn(&model).unwrap();
            store.tidy(at((hour + 1) * HOUR)).unwrap();
            let about = store.about().unwrap();
            assert!(about.bytes <= bytes, "hour {hour}: {}", about.bytes);
            assert!(about.oldest.unwrap() >= oldest, "hour {hour}: only the oldest goes");
            oldest = about.oldest.unwrap();
            largest = largest.max(size(&path));
        }
    }
    // Pages that are free are given back little by little.
    assert!(largest <= bytes + bytes / 2, "{largest}");
    assert!(largest > bytes / 2, "it was never full: {largest}");
    let end = DAYS * 24 * HOUR;
    for hours in [1, 24, 24 * 7, 24 * 30, 24 * DAYS] {
        let window = Window { from: Slot(BEGIN + end - hours * HOUR), until: Slot(BEGIN + end) };
        let answer = store.totals(window, None).unwrap();
        assert!(answer.window.from <= window.from && answer.window.until >= window.until);
        let kept = Window { from: answer.window.from.max(Slot::of(oldest)), ..answer.window };
        let expected = reference.totals(kept, None).unwrap();
        assert_eq!(sorted(answer.what), sorted(expected.what), "{hours} hours back");
        let sums = |sums: Sums| {
            sums.into_iter().map(|(series, sum)| ((*series).clone(), sum)).collect::<BTreeMap<_, _>>()
        };
        let (answer, expected) = (store.sums(window).unwrap(), reference.sums(kept).unwrap());
        assert_eq!(sums(answer.what), sums(expected.what), "{hours} hours back, in lists");
    }
    let all: u64 = store.evidence().unwrap().requests();
    assert_eq!(all, u64::from(DAYS * 24 - 5) * 18, "what was learned stays");
}

/// A machine whose clock begins in 1970 until it is set.
#[test]
fn decades_without_calls_are_not_summed_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut store = Sqlite::open(&path, Some(KEY), Retention::default(), at(0)).unwrap().store;
    let mut model = Model::new(KEY);
    model.record_times();
    for time in [Timestamp::from_nanos(60_000_000_000), at(0)] {
        let mut exchange = overhear_testkit::exchange("shop", "GET", "/", Some(200));
        exchange.time = time;
        model.learn(&exchange);
    }
    store.append(&model.take_counted()).unwrap();
    store.tidy(at(30 * 24 * HOUR)).unwrap();
    let calls = |window| store.sums(window).unwrap().what.iter().map(|(_, sum)| sum.requests).sum::<u64>();
    assert_eq!(calls(Window::ALL), 2);
    assert_eq!(calls(Window { from: Slot(BEGIN), until: Slot(BEGIN + 30 * 24 * HOUR) }), 1);
    let file = rusqlite::Connection::open(&path).unwrap();
    let rolls: u32 =
        file.query_row("SELECT count(*) FROM roll WHERE level > 4", [], |row| row.get(0)).unwrap();
    assert!((2..=4).contains(&rolls), "{rolls}: one for each that had calls");
}

/// The text of `tests/files/version_1.sql` as a file.
fn of_version_1(path: &Path) {
    let store = rusqlite::Connection::open(path).unwrap();
    store.execute_batch(include_str!("files/version_1.sql")).unwrap();
}

fn requests(store: &Sqlite) -> (u64, u64, usize) {
    let totals = sorted(store.totals(Window::ALL, None).unwrap().what);
    let counted: u64 =
        totals.values().flat_map(overhear_model::Tally::cells).map(|(.., count)| count.requests).sum();
    let sums: u64 = store.sums(Window::ALL).unwrap().what.iter().map(|(_, sum)| sum.requests).sum();
    assert_eq!(sums, counted, "lists say the same");
    let deploys = store.deploys(Window::ALL).unwrap();
    (store.evidence().unwrap().requests(), counted, deploys.len())
}

#[test]
fn a_store_of_version_1_is_read_as_it_is_and_written_as_one_of_today() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    of_version_1(&path);
    let before = fs::read(&path).unwrap();
    let reader = Sqlite::reader(&path).unwrap();
    assert_eq!(requests(&reader), (6, 6, 0));
    let looks = reader.looks(Window::ALL).unwrap();
    assert!(looks.what.is_empty() && looks.window.slots() == 0, "nothing was kept apart: {looks:?}");
    drop(reader);
    assert_eq!(fs::read(&path).unwrap(), before, "readers change nothing");

    let now = Timestamp::from_nanos(1_795_600_000_000_000_000);
    // What makes a file ours, whatever its version.
    fs::write(folder.path().join("store.db.lock"), "").unwrap();
    let opened = Sqlite::open(&path, None, Retention::default(), now).unwrap();
    assert_eq!(opened.set_aside, None);
    let mut store = opened.store;
    assert_eq!((requests(&store), store.key()), ((6, 6, 0), 0));
    let mut model = Model::new(store.key());
    model.record_times();
    let mut exchange = overhear_testkit::exchange("shop.test", "GET", "/orders/7", Some(200));
    exchange.time = now;
    model.learn(&exchange);
    store.append(&model.take_counted()).unwrap();
    store.look(&model.open_shapes(), true).unwrap();
    store.learn(&model).unwrap();
    assert_eq!(requests(&store), (7, 7, 0));
    let known = store.evidence().unwrap();
    let routes: Vec<_> = known
        .endpoints()
        .into_iter()
        .map(|(id, endpoint)| (id.route.to_string(), endpoint.requests))
        .collect();
    assert_eq!(routes, [("/orders/{orderId}".to_owned(), 7)]);
}

/// Six calls an hour for 27 hours, as version 4 kept them: some by ten seconds, by minutes, hours and days, shapes too.
#[test]
fn a_store_of_version_4_is_read_as_it_is_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute_batch(include_str!("files/version_4.sql")).unwrap();
    drop(file);
    let before = fs::read(&path).unwrap();
    let reader = Sqlite::reader(&path).unwrap();
    assert_eq!(requests(&reader), (27 * 6, 27 * 6, 1));
    let shaped = |store: &Sqlite, window: Window| -> u64 {
        let looks = store.looks(window).unwrap();
        assert_eq!(looks.window, window);
        looks.what.iter().map(|(_, shapes)| shapes.operation().requests).sum()
    };
    let hours =
        |from: u32, until: u32| Window { from: Slot(BEGIN + from * HOUR), until: Slot(BEGIN + until * HOUR) };
    let windows =
        [(hours(0, 27), 27 * 6), (hours(3, 5), 2 * 6), (hours(0, 24), 24 * 6), (hours(23, 27), 4 * 6)];
    for (window, expected) in windows {
        assert_eq!(shaped(&reader, window), expected, "{window:?}");
    }
    let edges = reader.edges(hours(2, 20)).unwrap().what;
    assert_eq!(edges.iter().map(|edge| edge.sum.requests).sum::<u64>(), 18 * 6);
    drop(reader);
    assert_eq!(fs::read(&path).unwrap(), before, "readers change nothing");

    fs::write(folder.path().join("store.db.lock"), "").unwrap();
    let retention =
        Retention { ten_seconds: 1 << 30, minutes: 1 << 30, hours: 1 << 30, ..Retention::default() };
    let mut store = Sqlite::open(&path, None, retention, at(27 * HOUR)).unwrap().store;
    let mut model = Model::new(store.key());
    model.record_times();
    // Into an hour that is there, and into a new one.
    for hour in [23, 27] {
        an_hour(&mut model, hour);
    }
    store.append(&model.take_counted()).unwrap();
    store.look(&model.open_shapes(), true).unwrap();
    store.learn(&model).unwrap();
    store.tidy(at(30 * HOUR)).unwrap();
    assert_eq!(requests(&store), (27 * 6 + 36, 27 * 6 + 36, 1));
    for (window, expected) in [(hours(23, 24), 6 + 18), (hours(27, 28), 18), (hours(0, 28), 27 * 6 + 36)] {
        assert_eq!(shaped(&store, window), expected, "{window:?}");
    }
}

#[test]
fn a_store_has_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let open = |key| Sqlite::open(&path, key, Retention::default(), at(0)).map(|opened| opened.store.key());
    let key = open(None).unwrap();
    assert_eq!(open(None).unwrap(), key, "it is kept");
    assert_eq!(open(Some(key)).unwrap(), key);
    assert!(matches!(open(Some(key ^ 1)), Err(Error::OtherKey(_))));
    let other = Sqlite::open(&folder.path().join("other.db"), None, Retention::default(), at(0)).unwrap();
    assert_ne!(other.store.key(), key, "nobody else's");
}

#[test]
fn a_folder_is_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("folder");
    fs::create_dir(&path).unwrap();
    let opened = Sqlite::open(&path, None, Retention::default(), at(0));
    assert!(matches!(&opened, Err(Error::Folder(_))), "{opened:?}");
    assert!(matches!(Sqlite::reader(&path), Err(Error::Folder(_))));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}
