use super::{Sent, learn};
use crate::shape::{New, News, Shapes, Spot};
use overhear_exchange::Timestamp;

fn second(second: u64) -> Timestamp {
    Timestamp::from_nanos(second * 1_000_000_000)
}

fn at(time: u64, call: Sent) -> Sent {
    Sent { at: second(time), ..call }
}

fn answered(time: u64, body: &str) -> Sent {
    at(time, Sent::answered(body))
}

/// What is new from 100 on, until 200.
fn news(shapes: &Shapes) -> Vec<(u64, Spot, String, News)> {
    let mut news: Vec<_> = shapes.news(second(100), second(200)).into_iter().map(told).collect();
    news.sort();
    news
}

fn told(New { at, spot, name, what }: New) -> (u64, Spot, String, News) {
    (at.as_nanos() / 1_000_000_000, spot, name, what)
}

/// Twice, as it was learned and as it was written down.
fn both(calls: &[Sent]) -> Vec<(u64, Spot, String, News)> {
    let shapes = learn(calls);
    let saved: Shapes = serde_json::from_str(&serde_json::to_string(&shapes).unwrap()).unwrap();
    assert_eq!(news(&saved), news(&shapes));
    news(&shapes)
}

#[test]
fn a_new_field_is_told_with_where_and_when() {
    let old = answered(50, r#"{"id":1,"items":[{"sku":"a"}],"by":{"name":"x"}}"#);
    let later = answered(
        130,
        r#"{"id":1,"items":[{"sku":"a","price":1.5}],"by":{"name":"x"},"discount":{"rate":1}}"#,
    );
    let latest = answered(150, r#"{"id":1,"discount":{"rate":2},"items":[{"sku":"a","price":2}]}"#);
    let spot = Spot::Response(200);
    let expected = [
        (130, spot, "discount".to_owned(), News::Field),
        (130, spot, "items[].price".to_owned(), News::Field),
    ];
    assert_eq!(both(&[old.clone(), later.clone(), latest.clone()]), expected);
    assert_eq!(both(&[latest, later, old]), expected, "whatever the order");
}

#[test]
fn new_types_are_told_and_old_ones_are_not() {
    let calls = [
        answered(50, r#"{"a":1,"b":"x","c":1.5,"d":[]}"#),
        answered(120, r#"{"a":null,"b":"y","c":2,"d":[1]}"#),
        answered(140, r#"{"a":1.25,"b":"y","c":2}"#),
        answered(250, r#"{"a":"later"}"#),
    ];
    let spot = Spot::Response(200);
    let expected =
        [(120, spot, "a".to_owned(), News::Type("null")), (140, spot, "a".to_owned(), News::Type("number"))];
    assert_eq!(both(&calls), expected);
}

#[test]
fn parameters_and_bodies_are_told() {
    let calls = [
        at(50, Sent::asked("page=1")),
        at(110, Sent::asked("page=1&sort=asc")),
        at(120, Sent { request: Some(("application/json".into(), b"{}".to_vec())), ..Sent::asked("page=2") }),
        at(
            130,
            Sent {
                status: 404,
                response: Some(("application/json".into(), b"{\"x\":1}".to_vec())),
                ..Sent::asked("page=2")
            },
        ),
    ];
    let expected = [
        (110, Spot::Query, "sort".to_owned(), News::Field),
        (120, Spot::Request, "application/json".to_owned(), News::Media),
    ];
    assert_eq!(both(&calls), expected, "what comes with a new status is part of it");
}

#[test]
fn keys_that_are_data_are_no_fields() {
    let body = |from: u64| {
        let members: Vec<_> =
            (from..from + 40).map(|n| format!("\"2026-{:02}-{:02}\":{n}", n % 12 + 1, n % 28 + 1)).collect();
        format!("{{{}}}", members.join(","))
    };
    let calls: Vec<_> = (0..20).map(|n| answered(if n < 10 { 50 } else { 150 }, &body(n * 7))).collect();
    assert_eq!(both(&calls), []);
    let deeper = |depth: usize| {
        let node = r#"{"id":1,"name":"n","children":["#;
        format!("{}{}", node.repeat(depth), "]}".repeat(depth))
    };
    let calls = [answered(50, &deeper(4)), answered(150, &deeper(7))];
    assert_eq!(both(&calls), [], "nor is what holds more of its own kind");
}

#[test]
fn of_what_was_saved_without_times_nothing_is_new() {
    let calls = [Sent::answered(r#"{"a":1}"#), answered(150, r#"{"a":1,"b":2}"#)];
    let mut old = learn(&calls[..1]);
    old.merge(super::KEY, &learn(&calls[1..]));
    assert_eq!(news(&old), [(150, Spot::Response(200), "b".to_owned(), News::Field)]);
    let text = serde_json::to_string(&learn(&calls[..1])).unwrap();
    assert!(!text.contains("\"f\":["), "times that are not known take no room: {text}");
}
