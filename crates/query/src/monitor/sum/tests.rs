use super::{ByEndpoint, ByEnds, Counts, Depth, Edges, Firsts, Steps, changes, ends};
use crate::{EndpointId, monitor::Novelty};
use overhear_exchange::ErrorType;
use overhear_model::{Count, Ending, Histogram, Slot, Sum, Tally, Way};
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

fn orders() -> Arc<EndpointId> {
    id("shop", Way::Inbound, "/orders/{orderId}")
}

fn pay() -> Arc<EndpointId> {
    id("shop", Way::Outbound("pay.example".into()), "/charge")
}

fn now() -> [(Arc<EndpointId>, Tally); 2] {
    [
        (orders(), tally(&[("web", 200, 90, 10), ("web", 503, 10, 1000), ("10.0.0.9", 200, 5, 10)])),
        (pay(), tally(&[("shop", 200, 4, 50)])),
    ]
}

fn before() -> Tally {
    tally(&[("web", 200, 50, 10)])
}

fn steps() -> BTreeMap<Slot, Sum> {
    let second = tally(&[("web", 200, 40, 10), ("web", 503, 10, 1000), ("10.0.0.9", 200, 5, 10)]);
    BTreeMap::from([(Slot(100), (&tally(&[("web", 200, 50, 10)])).into()), (Slot(101), (&second).into())])
}

fn shop() -> Counts {
    Counts {
        seconds: 60.0,
        now: now().into_iter().map(|(id, tally)| (id, (&tally).into())).collect(),
        before: Some((ByEndpoint::from([(orders(), (&before()).into())]), 30.0)),
        steps: Steps::from([(orders(), steps())]),
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
    let [(id, now), _] = now();
    let depth = Depth { seconds: 60.0, now, before: Some((before(), 30.0)), steps: steps(), step: 10.0 };
    let history = depth.history(&id);
    assert_eq!(history.figures, shop().endpoints()[0]);
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
    let edges = |all: &[(Arc<EndpointId>, Tally)]| {
        let mut edges = ByEnds::new();
        for (id, tally) in all {
            for (caller, ending, count) in tally.cells() {
                edges.entry(ends(&id.service, &id.way, caller)).or_default().add(ending, count);
            }
        }
        edges
    };
    let map = Edges {
        seconds: 60.0,
        now: edges(&now()),
        before: Some((edges(&[(orders(), before())]), 30.0)),
        outside: ["pay.example".into()].into(),
    };
    let map = map.map();
    let nodes: Vec<_> = map.nodes.iter().map(|node| (&*node.name, node.is_external)).collect();
    assert_eq!(nodes, [("10.0.0.9", true), ("pay.example", true), ("shop", false), ("web", false)]);
    let edges: Vec<_> = map.edges.iter().map(|e| (&*e.from, &*e.to, e.now.requests, e.now.errors)).collect();
    assert_eq!(edges, [("10.0.0.9", "shop", 5, 0), ("shop", "pay.example", 4, 0), ("web", "shop", 100, 10)]);
    assert_eq!(map.edges[2].before.as_ref().unwrap().requests, 50);
}

#[test]
fn what_is_new_is_told_once_newest_first() {
    let (old, new) = (id("shop", Way::Inbound, "/old"), id("shop", Way::Inbound, "/new"));
    let status = |status| Novelty::Status(Some(status));
    let firsts = Firsts::from([
        (
            orders(),
            BTreeMap::from([
                (status(200), Slot(50)),
                (Novelty::Caller("web".into()), Slot(50)),
                (Novelty::Caller("10.0.0.9".into()), Slot(101)),
                (status(503), Slot(102)),
                (status(404), Slot(200)),
            ]),
        ),
        (Arc::clone(&new), BTreeMap::from([(status(200), Slot(103)), (status(404), Slot(104))])),
        (old, BTreeMap::from([(status(200), Slot(1))])),
        (pay(), BTreeMap::from([(status(200), Slot(200))])),
    ]);
    let changes = changes(&firsts, (Slot(100), Slot(200)), &|_| None);
    let told: Vec<_> = changes.into_iter().map(|change| (change.at, change.endpoint, change.what)).collect();
    assert_eq!(
        told,
        [
            (Slot(103).start(), (*new).clone(), Novelty::Endpoint),
            (Slot(102).start(), (*orders()).clone(), status(503)),
            (Slot(101).start(), (*orders()).clone(), Novelty::Caller("10.0.0.9".into())),
        ]
    );
}
