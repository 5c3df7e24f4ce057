//! Questions about a stretch of time, out of a store.
#![expect(clippy::unwrap_used, reason = "a test")]

use bytes::Bytes;
use overhear_exchange::{Body, Detail, Exchange, Headers, Redacted, Timestamp};
use overhear_model::{Hints, Model, Names, shape::schema::Object};
use overhear_pipeline::{Monitor, Within, within};
use overhear_query::{
    EndpointDetail, endpoint, find_endpoint,
    monitor::{Asked, History, Novelty, Spot},
};
use overhear_store::{Memory, Questions, Retention, Sqlite, Store};

const KEY: u64 = 9;
/// 2026-06-08, midnight.
const DAY: u64 = 1_780_876_800;
const HOUR: u64 = 3600;

fn at(second: u64) -> Timestamp {
    Timestamp::from_nanos((DAY + second) * 1_000_000_000)
}

fn call(second: u64, path: &str, body: &str) -> Exchange {
    let mut exchange = overhear_testkit::exchange("shop", "GET", path, Some(200));
    exchange.time = at(second);
    let Detail::Http(http) = &mut exchange.detail;
    http.response_headers = Headers::new([(&b"content-type"[..], &b"application/json"[..])]);
    http.response_body = Body {
        size: body.len() as u64,
        captured: Redacted::new(Bytes::copy_from_slice(body.as_bytes())),
        ..Body::default()
    };
    exchange
}

fn keep(store: &mut (dyn Store + Send), calls: &[Exchange]) {
    let mut model = Model::new(KEY);
    model.record_times();
    for call in calls {
        model.learn(call);
        store.append(&model.take_counted()).unwrap();
        store.look(&model.open_shapes(), false).unwrap();
    }
    store.look(&model.open_shapes(), true).unwrap();
    model.close_shapes();
    store.learn(&model).unwrap();
}

/// A morning with one field, an afternoon with another.
fn day() -> Vec<Exchange> {
    let morning = (0..20).map(|n| call(8 * HOUR + n, &format!("/orders/{n}"), r#"{"id":1,"state":"open"}"#));
    let afternoon =
        (0..10).map(|n| call(15 * HOUR + n, &format!("/orders/{n}"), r#"{"id":1,"discount":null}"#));
    morning.chain(afternoon).chain([call(15 * HOUR, "/health", "{}")]).collect()
}

fn fields(detail: &EndpointDetail) -> Vec<(String, bool)> {
    let schema = detail.shape.responses[0].payloads[0].schema.clone().unwrap();
    let Some(Object::Record(record)) = schema.object else { return Vec::new() };
    record.fields.into_iter().map(|field| (field.name, field.required)).collect()
}

fn ask(store: &dyn Questions, from: u64, until: u64) -> Within {
    within(store, (&Names::new(), &Hints::default()), (at(from), at(until))).unwrap()
}

fn show(model: &Model, text: &str) -> Option<EndpointDetail> {
    let ids = find_endpoint(model, text);
    assert!(ids.len() < 2, "{ids:?}");
    endpoint(model, ids.first()?)
}

fn stores() -> (tempfile::TempDir, Vec<Box<dyn Store + Send>>) {
    let folder = tempfile::tempdir().unwrap();
    let retention = Retention { minutes: 1 << 30, hours: 1 << 30, ..Retention::default() };
    let sqlite = Sqlite::open(&folder.path().join("store.db"), Some(KEY), retention, at(0)).unwrap().store;
    (folder, vec![Box::new(Memory::new(KEY)), Box::new(sqlite)])
}

#[test]
fn a_window_tells_of_its_own_calls_alone() {
    let (_folder, stores) = stores();
    for mut store in stores {
        keep(&mut *store, &day());
        let morning = ask(&*store, 7 * HOUR, 9 * HOUR);
        let detail = show(&morning.model, "GET /orders/7").unwrap();
        assert_eq!((&*detail.row.id.route, detail.row.requests), ("/orders/{orderId}", 20));
        assert_eq!(fields(&detail), [("id".to_owned(), true), ("state".to_owned(), true)]);
        assert_eq!((detail.row.first_seen, detail.row.last_seen), (at(8 * HOUR), at(8 * HOUR + 20)));
        assert_eq!(detail.statuses, [(Some(200), 20)]);
        assert_eq!(morning.shaped, Some(morning.counted));
        assert!(show(&morning.model, "GET /health").is_none(), "it was not called then");

        let afternoon = ask(&*store, 14 * HOUR + 1800, 15 * HOUR + 5);
        let detail = show(&afternoon.model, "GET /orders/7").unwrap();
        assert_eq!(detail.row.requests, 5 + 5, "to ten seconds");
        assert_eq!(fields(&detail), [("discount".to_owned(), true), ("id".to_owned(), true)]);
        assert_eq!(afternoon.shaped, Some((at(14 * HOUR), at(16 * HOUR))), "shapes are kept by the hour");

        let all = ask(&*store, 0, 24 * HOUR);
        let detail = show(&all.model, "GET /orders/7").unwrap();
        let expected = [("discount", false), ("id", true), ("state", false)];
        assert_eq!(fields(&detail), expected.map(|(name, required)| (name.to_owned(), required)));
        assert!(ask(&*store, 20 * HOUR, 21 * HOUR).model.endpoints().is_empty());
    }
}

#[test]
fn days_are_put_together_when_they_are_over() {
    let (_folder, mut stores) = stores();
    let store = &mut stores[1];
    keep(&mut **store, &day());
    store.tidy(at(40 * HOUR)).unwrap();
    let detail = |from, until| show(&ask(&**store, from, until).model, "GET /orders/7").unwrap();
    assert_eq!(fields(&detail(7 * HOUR, 9 * HOUR)), [("id".to_owned(), true), ("state".to_owned(), true)]);
    assert_eq!(fields(&detail(0, 24 * HOUR)).len(), 3);
}

#[test]
fn new_fields_are_changes_with_when_and_where() {
    let (_folder, stores) = stores();
    for mut store in stores {
        keep(&mut *store, &day());
        let monitor = Monitor::new(store, Hints::default());
        let asked = |from, until| Asked { since: Some(at(from)), until: Some(at(until)), ..Asked::default() };
        let told: Vec<_> = monitor.changes(asked(14 * HOUR, 16 * HOUR)).unwrap().what;
        let told: Vec<_> = told
            .into_iter()
            .map(|change| (change.at, change.endpoint.route.to_string(), change.what))
            .collect();
        let field = Novelty::Field(Spot::Response(200), "discount".to_owned());
        assert_eq!(
            told,
            [
                (at(15 * HOUR), "/health".to_owned(), Novelty::Endpoint),
                (at(15 * HOUR), "/orders/{orderId}".to_owned(), field),
            ]
        );
        let morning = monitor.changes(asked(7 * HOUR, 9 * HOUR)).unwrap().what;
        assert_eq!(morning.len(), 1, "all of a new endpoint is new, and told as one: {morning:?}");
    }
}

#[test]
fn names_that_are_one_are_one_over_time() {
    let (_folder, stores) = stores();
    for mut store in stores {
        let mut old = call(HOUR, "/orders/1", "{}");
        old.service = "shop-old".into();
        let mut inner = call(HOUR, "/stock/1", "{}");
        inner.service = "stock".into();
        inner.client.process = Some(overhear_exchange::Process::new(7, "shop-old").into());
        keep(&mut *store, &[old, inner, call(HOUR, "/orders/2", "{}")]);
        let said: Names = [("shop-old".into(), "shop".into())].into();
        let known = within(&*store, (&said, &Hints::default()), (at(0), at(2 * HOUR))).unwrap();
        let rows: Vec<_> = known
            .model
            .endpoints()
            .into_iter()
            .map(|(id, endpoint)| (id.service.to_string(), endpoint.requests))
            .collect();
        assert_eq!(rows, [("shop".to_owned(), 2), ("stock".to_owned(), 1)]);

        let monitor = Monitor::new(store, Hints::default()).saying(said);
        let asked = Asked { since: Some(at(0)), until: Some(at(2 * HOUR)), ..Asked::default() };
        let rows = monitor.endpoints(asked, 0).unwrap().what;
        let rows: Vec<_> = rows.iter().map(|row| (&*row.id.service, row.now.requests)).collect();
        assert_eq!(rows, [("shop", 2), ("stock", 1)]);
        let map = monitor.map(asked).unwrap().what;
        let edges: Vec<_> = map.edges.iter().map(|edge| (&*edge.from, &*edge.to)).collect();
        assert_eq!(edges, [("10.0.0.9", "shop"), ("shop", "stock")]);
    }
}

/// What was learned before shapes were kept by time is told, and said to be of all time.
#[test]
fn where_shapes_are_not_kept_apart_those_of_all_time_are_told() {
    let (_folder, stores) = stores();
    for (number, mut store) in stores.into_iter().enumerate().skip(1) {
        let mut model = Model::new(KEY);
        model.record_times();
        day().iter().for_each(|call| drop(model.learn(call)));
        store.append(&model.take_counted()).unwrap();
        store.learn(&model).unwrap();
        // Ninety days later than the calls, with the usual retention, nothing of them is apart.
        store.tidy(Timestamp::from_nanos(u64::MAX / 2)).unwrap();
        let known = ask(&*store, 7 * HOUR, 9 * HOUR);
        assert_eq!(known.shaped, None, "{number}");
        assert_eq!(fields(&show(&known.model, "GET /orders/7").unwrap()).len(), 3);
    }
}
