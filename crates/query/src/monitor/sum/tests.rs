use super::{ByEndpoint, Counts, Steps};
use crate::{EndpointId, monitor::Novelty};
use overhear_exchange::ErrorType;
use overhear_model::{Count, Ending, Histogram, Slot, Tally, Way};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

fn id(service: &str, way: Way, route: &str) -> Arc<EndpointId> {
    let (protocol, method) = ("http", "GET".into());
    Arc::new(EndpointId { service: service.into(), way, protocol, method, route: route.into() })
}

/// Calls: caller, status, how many, milliseconds each.
fn tally(calls: &[(&str, u16, u64, u64)]) -> Tally {
    let mut tally = Tally::default();
    for (caller, status, requests, millis) in calls {
        let mut latency = Histogram::default();
        (0..*requests).for_each(|_| latency.record(Duration::from_millis(*millis)));
        let error = (*status >= 500).then_some(ErrorType::Status(*status));
        let ending = Ending { status: Some(*status), error, hidden_error: false };
        tally.add(1, caller, ending, &Count { requests: *requests, bytes_in: 1, bytes_out: 2, latency });
    }
    tally
}

fn shop() -> Counts {
    let orders = id("shop", Way::Inbound, "/orders/{orderId}");
    let pay = id("shop", Way::Outbound("pay.example".into()), "/charge");
    let now = ByEndpoint::from([
        (
            Arc::clone(&orders),
            tally(&[("web", 200, 90, 10), ("web", 503, 10, 1000), ("10.0.0.9", 200, 5, 10)]),
        ),
        (Arc::clone(&pay), tally(&[("shop", 200, 4, 50)])),
    ]);
    let before = ByEndpoint::from([(Arc::clone(&orders), tally(&[("web", 200, 50, 10)]))]);
    let steps = BTreeMap::from([
        (Slot(100), tally(&[("web", 200, 50, 10)])),
        (Slot(101), tally(&[("web", 200, 40, 10), ("web", 503, 10, 1000), ("10.0.0.9", 200, 5, 10)])),
    ]);
    Counts {
        key: 1,
        seconds: 60.0,
        now,
        before: Some((before, 30.0)),
        steps: Steps::from([(orders, steps)]),
        step: 10.0,
    }
}

#[test]
fn an_endpoint_has_figures_beside_those_before() {
    let rows = shop().endpoints();
    let names: Vec<_> = rows.iter().map(|row| &*row.id.route).collect();
    assert_eq!(names, ["/orders/{orderId}", "/charge"]);
    let orders = &rows[0];
    assert_eq!((orders.now.requests, orders.now.errors), (105, 10));
    assert_eq!((orders.now.bytes_in, orders.now.bytes_out), (3, 6));
    let latency = orders.now.latency.unwrap();
    assert!((latency.p50 - 0.010).abs() < 0.000_2, "{latency:?}");
    assert!((latency.p99 - 1.0).abs() < 0.02, "{latency:?}");
    let before = orders.before.as_ref().unwrap();
    assert_eq!((before.requests, before.seconds), (50, 30.0));
    assert_eq!(orders.points.iter().map(|point| point.figures.requests).collect::<Vec<_>>(), [50, 55]);
    assert_eq!(rows[1].before.as_ref().unwrap().requests, 0, "listened to, and not called");
}

#[test]
fn a_service_is_what_it_answers() {
    let services = shop().services();
    assert_eq!(services.len(), 1);
    assert_eq!((services[0].endpoints, services[0].now.requests, services[0].points.len()), (1, 105, 2));
}

#[test]
fn an_endpoint_in_depth() {
    let counts = shop();
    let id = counts.now.keys().next().unwrap();
    let history = counts.history(id);
    assert_eq!(history.statuses, [(Some(200), 95, 50), (Some(503), 10, 0)]);
    assert_eq!(history.errors, [(ErrorType::Status(503), 10)]);
    let callers: Vec<_> = history.callers.iter().map(|(name, now, _)| (&**name, now.requests)).collect();
    assert_eq!(callers, [("web", 100), ("10.0.0.9", 5)]);
    let heat: Vec<u64> =
        history.heat.iter().map(|(_, buckets)| buckets.iter().map(|b| b.count).sum()).collect();
    assert_eq!(heat, [50, 55]);
}

#[test]
fn the_map_has_callers_services_and_who_they_ask() {
    let map = shop().map();
    let nodes: Vec<_> = map.nodes.iter().map(|node| (&*node.name, node.is_external)).collect();
    assert_eq!(nodes, [("10.0.0.9", true), ("pay.example", true), ("shop", false), ("web", false)]);
    let edges: Vec<_> = map.edges.iter().map(|e| (&*e.from, &*e.to, e.now.requests, e.now.errors)).collect();
    assert_eq!(edges, [("10.0.0.9", "shop", 5, 0), ("shop", "pay.example", 4, 0), ("web", "shop", 100, 10)]);
    assert_eq!(map.edges[2].before.as_ref().unwrap().requests, 50);
}

#[test]
fn what_is_new_is_told_once_newest_first() {
    let counts = shop();
    let known =
        ByEndpoint::from([(id("shop", Way::Inbound, "/orders/{orderId}"), tally(&[("web", 200, 1, 1)]))]);
    let changes = counts.changes(&known, &|_| None);
    let told: Vec<_> = changes.into_iter().map(|change| (change.at, change.what)).collect();
    assert_eq!(
        told,
        [
            (Slot(101).start(), Novelty::Caller("10.0.0.9".into())),
            (Slot(101).start(), Novelty::Status(Some(503))),
        ]
    );
    let fresh = counts.changes(&ByEndpoint::new(), &|_| None);
    assert_eq!(fresh.iter().map(|change| &change.what).collect::<Vec<_>>(), [&Novelty::Endpoint]);
}
