//! Which endpoint's calls make which.

use super::{START, at, session};
use crate::{
    EndpointId, Link, LiveSource, Way,
    live::{Session, links::MOST_WAITING},
    sample::asked,
};
use overhear_exchange::{Detail, Exchange, Headers, Process, Timestamp};
use proptest::prelude::*;
use std::{sync::Arc, time::Duration};

const GATEWAY: u32 = 10;
const ORDERS: u32 = 20;

/// What `client` asks of `server`, from and for so many seconds.
fn call((client, server): (u32, u32), (from, lasts): (f64, f64), path: &str) -> Exchange {
    let mut exchange = at(from, path, 200);
    exchange.duration = Some(Duration::from_secs_f64(lasts));
    exchange.service = format!("s{server}").into();
    exchange.client.process = Some(Arc::new(Process::new(client, format!("s{client}"))));
    exchange.server.process = Some(Arc::new(Process::new(server, format!("s{server}"))));
    exchange
}

fn traced(mut exchange: Exchange, trace: &str) -> Exchange {
    let Detail::Http(http) = &mut exchange.detail;
    let parent = format!("00-{trace:0>32}-00f067aa0ba902b7-01");
    http.request_headers = Headers::new([(&b"traceparent"[..], parent.as_bytes())]);
    exchange
}

fn id(server: u32, route: &str) -> EndpointId {
    EndpointId {
        service: format!("s{server}").into(),
        way: Way::Inbound,
        protocol: "http",
        method: "GET".into(),
        route: route.into(),
    }
}

fn heard(exchanges: &[Exchange]) -> Session {
    let mut session = session();
    for exchange in exchanges {
        session.observe(exchange);
    }
    session
}

fn told(links: &[Link]) -> Vec<(&str, u64)> {
    links.iter().map(|link| (&*link.id.route, link.calls)).collect()
}

#[test]
fn what_is_asked_while_a_call_is_answered_is_asked_for_it() {
    let outer = (1, GATEWAY);
    let inner = (GATEWAY, ORDERS);
    let session = heard(&[
        call(inner, (1.1, 0.1), "/orders"),
        call(inner, (1.3, 0.1), "/users"),
        call(outer, (1.0, 0.5), "/api/orders"),
        call(inner, (2.0, 0.1), "/health"),
        call(outer, (3.0, 0.5), "/api/empty"),
    ]);
    let links = session.links(&id(GATEWAY, "/api/orders")).unwrap();
    assert_eq!((links.answered, links.unsure), (1, 0));
    assert_eq!(told(&links.calls), [("/orders", 1), ("/users", 1)]);
    assert_eq!((links.calls[0].mean, links.calls[0].each), (Duration::from_millis(100), Some(1.0)));
    let orders = session.links(&id(ORDERS, "/orders")).unwrap();
    assert_eq!((told(&orders.callers), told(&orders.calls)), (vec![("/api/orders", 1)], vec![]));
    assert_eq!(told(&session.links(&id(ORDERS, "/health")).unwrap().callers), []);
    assert_eq!(told(&session.links(&id(GATEWAY, "/api/empty")).unwrap().calls), []);
}

#[test]
fn what_may_be_of_two_is_of_neither_but_where_a_trace_says_so() {
    let (outer, inner) = ((1, GATEWAY), (GATEWAY, ORDERS));
    let both = |trace: &dyn Fn(Exchange, &str) -> Exchange| {
        heard(&[
            trace(call(inner, (1.1, 0.1), "/orders"), "a"),
            trace(call(inner, (1.2, 0.1), "/users"), "b"),
            trace(call(outer, (1.0, 0.5), "/api/orders"), "a"),
            trace(call(outer, (1.05, 0.5), "/api/me"), "b"),
        ])
    };
    let unknown = both(&|exchange, _| exchange);
    let links = unknown.links(&id(GATEWAY, "/api/orders")).unwrap();
    assert_eq!((told(&links.calls), links.unsure), (vec![], 2));
    let known = both(&traced);
    let links = known.links(&id(GATEWAY, "/api/orders")).unwrap();
    assert_eq!((told(&links.calls), links.unsure), (vec![("/orders", 1)], 0));
    assert_eq!(told(&known.links(&id(GATEWAY, "/api/me")).unwrap().calls), [("/users", 1)]);
}

#[test]
fn of_several_calls_of_one_endpoint_it_is_certain_which_endpoint_asks() {
    let calls: Vec<_> = (0..5)
        .flat_map(|n| {
            let from = 1.0 + 0.01 * f64::from(n);
            [call((1, GATEWAY), (from, 1.0), "/api/a"), call((GATEWAY, ORDERS), (1.5, 0.1), "/b")]
        })
        .collect();
    let links = heard(&calls).links(&id(GATEWAY, "/api/a")).unwrap();
    assert_eq!((links.answered, links.unsure, told(&links.calls)), (5, 0, vec![("/b", 5)]));
    assert_eq!(links.calls[0].each, Some(1.0));
}

/// Of ten answers two are mixed with others; how many calls each makes is told of the other eight.
#[test]
fn what_is_not_certain_does_not_spoil_how_many_each_makes() {
    let calls: Vec<_> = (0..10)
        .flat_map(|n| {
            let (from, mixed) = (f64::from(n), n < 2);
            let asks = |at| call((GATEWAY, ORDERS), (from + at, 0.01), "/b");
            let other = mixed.then(|| call((1, GATEWAY), (from + 0.15, 0.1), "/other"));
            [asks(0.1), asks(0.2), call((1, GATEWAY), (from, 0.5), "/a")].into_iter().chain(other)
        })
        .collect();
    let links = heard(&calls).links(&id(GATEWAY, "/a")).unwrap();
    assert_eq!((links.answered, links.unsure, told(&links.calls)), (10, 2, vec![("/b", 18)]));
    assert_eq!(links.calls[0].each, Some(2.0));
}

#[test]
fn of_clients_nothing_is_kept_waiting() {
    let mut session = session();
    for n in 0..3000 {
        session.observe(&call((1, ORDERS), (f64::from(n) * 0.001, 0.000_5), "/b"));
    }
    assert!(session.causes.waiting() <= 1000, "{}", session.causes.waiting());
    assert_eq!(session.links(&id(ORDERS, "/b")).unwrap().answered, 3000);
}

#[test]
fn who_asks_itself_does_not_do_so_for_that_very_call() {
    let session = heard(&[call((GATEWAY, GATEWAY), (1.0, 0.5), "/a"), call((1, GATEWAY), (0.9, 1.0), "/b")]);
    assert_eq!(told(&session.links(&id(GATEWAY, "/a")).unwrap().calls), []);
    assert_eq!(told(&session.links(&id(GATEWAY, "/b")).unwrap().calls), [("/a", 1)]);
}

#[test]
fn other_peoples_servers_are_asked_for_somebody_too() {
    let mut out = asked(call((GATEWAY, 99), (1.1, 0.1), "/v1/charges"), "s10", "api.example");
    out.error = Some(overhear_exchange::ErrorType::Timeout);
    let session = heard(&[out, call((1, GATEWAY), (1.0, 0.5), "/pay")]);
    let links = session.links(&id(GATEWAY, "/pay")).unwrap();
    assert_eq!((told(&links.calls), links.calls[0].errors), (vec![("/v1/charges", 1)], 1));
    assert_eq!(links.calls[0].id.way.server(), Some("api.example"));
}

#[test]
fn paths_of_before_a_route_was_found_are_of_the_route() {
    let mut calls = Vec::new();
    for n in 0..300 {
        let from = f64::from(n);
        calls.push(call((GATEWAY, ORDERS), (from + 0.1, 0.1), &format!("/orders/{n}")));
        calls.push(call((1, GATEWAY), (from, 0.5), &format!("/api/orders/{n}")));
    }
    let session = heard(&calls);
    let links = session.links(&id(GATEWAY, "/api/orders/{orderId}")).unwrap();
    assert_eq!((links.answered, told(&links.calls)), (300, vec![("/orders/{orderId}", 300)]));
}

#[test]
fn memory_is_bounded_and_what_is_late_is_looked_at_all_the_same() {
    let mut session = session();
    for n in 0..10_000 {
        let from = 1.0 + f64::from(n) * 0.000_1;
        session.observe(&call((GATEWAY, ORDERS), (from, 0.000_01), "/b"));
        session.observe(&call((1, GATEWAY), (from - 0.000_02, 0.000_05), "/a"));
    }
    assert!(session.causes.waiting() <= MOST_WAITING, "{}", session.causes.waiting());
    let links = session.links(&id(GATEWAY, "/a")).unwrap();
    assert_eq!((links.answered, links.unsure, told(&links.calls)), (10_000, 0, vec![("/b", 10_000)]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Within the time that is waited it does not matter who is heard of first.
    #[test]
    fn in_any_order_the_same(
        calls in prop::collection::vec((0u32..3, 0u32..3, 0u32..200, 1u32..100, 0u32..4, prop::option::of("[ab]")), 1..40),
        shuffled in Just(()).prop_perturb(|(), mut rng| rng.next_u64()),
    ) {
        let mut exchanges: Vec<_> = calls.iter().enumerate().map(|(n, (client, server, from, lasts, path, trace))| {
            // No two moments are the same: what happens at once stays in the order that it is heard of.
            let from = f64::from(*from) * 0.1 + n as f64 * 0.000_1;
            let lasts = f64::from(*lasts) * 0.1 + n as f64 * 0.000_002;
            let exchange = call((*client, *server + 2), (from, lasts), &format!("/{path}"));
            trace.as_ref().map_or(exchange.clone(), |trace| traced(exchange, trace))
        }).collect();
        // All processes ask, and are known to.
        let first: Vec<_> = (0..5).map(|pid| call((pid, 50), (0.0, 0.000_001), "/first")).collect();
        let all = |exchanges: &[Exchange]| {
            let session = heard(&[&first[..], exchanges].concat());
            let ids = (0..3).flat_map(|server| (0..4).map(move |path| id(server + 2, &format!("/{path}"))));
            ids.map(|id| session.links(&id).unwrap()).collect::<Vec<_>>()
        };
        let one = all(&exchanges);
        let mut seed = shuffled;
        for at in (1..exchanges.len()).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            exchanges.swap(at, (seed >> 33) as usize % (at + 1));
        }
        prop_assert_eq!(one, all(&exchanges));
    }
}

#[test]
fn an_answer_that_takes_long_keeps_what_is_asked_late_in_it() {
    let mut session = heard(&[call((GATEWAY, ORDERS), (50.0, 0.1), "/late")]);
    session.advance(Timestamp::from_nanos(START + 55_000_000_000));
    session.observe(&call((1, GATEWAY), (0.0, 55.0), "/slow"));
    assert_eq!(told(&session.links(&id(GATEWAY, "/slow")).unwrap().calls), [("/late", 1)]);
}
