use super::{KEY, Sent, checker::satisfies, learn, payload};
use crate::shape::{Effort, Shapes, schema::Operation};
use overhear_exchange::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Values as programs send them: records with optional fields, tags, ids and dates as keys, mixed lists.
fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-5i64..1_000_000).prop_map(Value::from),
        (-1e9f64..1e9).prop_map(Value::from),
        prop::sample::select(vec![
            "open",
            "closed",
            "",
            "2024-01-31",
            "ann@example.com",
            "10.0.0.1",
            "héé",
            "https://x.de/a"
        ])
        .prop_map(Value::from),
        "[a-z0-9-]{0,12}".prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key(), inner.clone()), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
            (prop::sample::select(vec!["card", "bank", "cash"]), inner).prop_map(
                |(kind, inner)| match kind {
                    "card" => json!({"type": kind, "number": 1, "brand": "visa", "more": inner}),
                    "bank" => json!({"type": kind, "iban": "x", "name": inner}),
                    _ => json!({"type": kind}),
                }
            ),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["id", "name", "type", "items", "children", "state", "x-y", "token"]).prop_map(String::from),
        1 => "[a-z]{1,3}-[0-9]{1,6}",
        1 => "[0-9]{1,9}",
        1 => "202[0-9]-0[1-9]-1[0-9]",
    ]
}

fn call() -> impl Strategy<Value = (Value, Sent)> {
    let query = prop::option::of(prop::sample::select(vec![
        "page=1&q=abc",
        "page=x",
        "id=1&id=2&f[a]=1",
        "tags=a,b,c",
        "tags=a",
        "api_key=abcdef0123456789",
        "flag=true&tags[]=1",
    ]));
    let secret = prop::option::of(prop::sample::select(vec![
        "Bearer abc",
        "Basic eDp5",
        "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x",
    ]));
    (value(), query, secret, prop::sample::select(vec![200u16, 200, 200, 201, 404]), 0usize..30, 0u64..9)
        .prop_map(|(value, query, secret, status, cut, second)| {
            let mut body = value.to_string().into_bytes();
            let complete = cut != 0;
            if !complete {
                body.truncate(body.len() / 2);
            }
            let headers =
                secret.iter().map(|secret| ("authorization".to_owned(), (*secret).to_owned())).collect();
            let sent = Sent {
                query: query.map(str::to_owned),
                request_headers: headers,
                request: Some(("application/json".into(), body.clone())),
                response: Some(("application/json".into(), body)),
                status,
                complete,
                at: Timestamp::from_nanos(second * 1_000_000_000),
                ..Sent::default()
            };
            (value, sent)
        })
}

fn sent(calls: &[(Value, Sent)]) -> Vec<Sent> {
    calls.iter().map(|(_, sent)| sent.clone()).collect()
}

fn saved(shapes: &Shapes) -> String {
    serde_json::to_string(shapes).unwrap()
}

fn loaded(shapes: &Shapes) -> Shapes {
    serde_json::from_str(&saved(shapes)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_order_gives_the_same(calls in prop::collection::vec(call(), 1..30).prop_flat_map(|calls| (Just(calls.clone()), Just(calls).prop_shuffle()))) {
        let (a, b) = (learn(&sent(&calls.0)), learn(&sent(&calls.1)));
        prop_assert_eq!(saved(&a), saved(&b));
        prop_assert_eq!(a.operation(), b.operation());
        prop_assert!(a == b);
    }

    #[test]
    fn any_partition_gives_the_same(calls in prop::collection::vec((call(), 0usize..4), 1..30)) {
        let all: Vec<_> = calls.iter().map(|((_, sent), _)| sent.clone()).collect();
        let part = |wanted: usize| learn(calls.iter().filter(|(_, part)| *part == wanted).map(|((_, sent), _)| sent));
        let parts: Vec<_> = (0..4).map(part).collect();
        let whole = learn(&all);
        let merged = |order: [usize; 4]| {
            let mut sum = Shapes::default();
            order.iter().for_each(|at| sum.merge(KEY, &parts[*at]));
            sum
        };
        prop_assert!(whole == merged([0, 1, 2, 3]));
        prop_assert!(whole == merged([3, 1, 0, 2]));
        let (mut left, mut right) = (parts[0].clone(), parts[2].clone());
        left.merge(KEY, &parts[1]);
        right.merge(KEY, &parts[3]);
        left.merge(KEY, &right);
        prop_assert_eq!(left.operation(), whole.operation());
    }

    #[test]
    fn what_was_seen_satisfies_what_is_told(calls in prop::collection::vec(call(), 1..30)) {
        let operation = learn(&sent(&calls)).operation();
        for (value, _) in calls.iter().filter(|(_, sent)| sent.complete) {
            let schema = operation.request[0].schema.as_ref().unwrap();
            prop_assert_eq!(satisfies(value, schema, true), Ok(()));
        }
    }

    #[test]
    fn a_saved_one_is_read_back_and_sums_up(calls in prop::collection::vec(call(), 2..20)) {
        let (left, right) = calls.split_at(calls.len() / 2);
        let (left, right) = (learn(&sent(left)), learn(&sent(right)));
        prop_assert_eq!(saved(&loaded(&left)), saved(&left));
        let mut sum = loaded(&left);
        sum.merge(KEY, &loaded(&right));
        for (value, sent) in calls.iter().filter(|(_, sent)| sent.complete && sent.status == 200) {
            let operation = sum.operation();
            let ok = operation.responses.iter().find(|response| response.status == sent.status).unwrap();
            prop_assert_eq!(satisfies(value, ok.payloads[0].schema.as_ref().unwrap(), false), Ok(()));
        }
    }

    /// Whatever is only counted counts as if it had been learned.
    #[test]
    fn structure_alone_tells_presence_and_types(
        values in prop::collection::vec(value(), 1..4),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..300),
    ) {
        let bodies: Vec<_> = order.iter().map(|at| at.get(&values)).collect();
        let of = |effort: fn(usize) -> Effort| {
            let calls: Vec<_> = bodies.iter().enumerate().map(|(at, body)| Sent { effort: effort(at), ..Sent::answered(&body.to_string()) }).collect();
            learn(&calls)
        };
        let (whole, adaptive) = (of(|_| Effort::Whole), of(|at| Effort::Adaptive(at as u64)));
        // A tag whose values are not plain words is told only where all is learned.
        if !format!("{:?}", whole.operation()).contains("Union") {
            prop_assert_eq!(counts(&whole.operation()), counts(&adaptive.operation()));
        }
        let operation = adaptive.operation();
        for body in bodies {
            prop_assert_eq!(satisfies(body, payload(&operation).schema.as_ref().unwrap(), false), Ok(()));
        }
        let mut twice = adaptive.clone();
        twice.merge(KEY, &adaptive);
        prop_assert_eq!(twice.operation().requests, 2 * operation.requests);
    }
}

/// What is counted: all that is told but what depends on the values that were looked at.
fn counts(operation: &Operation) -> Vec<(String, u64)> {
    let mut out = Vec::new();
    if let Some(schema) = &payload(operation).schema {
        walk(schema, "", &mut out);
    }
    out
}

fn walk(schema: &crate::shape::schema::Schema, at: &str, out: &mut Vec<(String, u64)>) {
    use crate::shape::schema::Object;
    out.push((at.into(), schema.seen));
    out.push((format!("{at} null"), schema.nulls));
    out.push((format!("{at} boolean"), schema.booleans));
    out.push((
        format!("{at} number"),
        schema.number.as_ref().map_or(0, |n| n.seen * 2 + u64::from(n.integer)),
    ));
    out.push((format!("{at} string"), schema.string.as_ref().map_or(0, |s| s.seen)));
    if let Some(array) = &schema.array {
        out.push((format!("{at} array"), array.seen));
        array.items.iter().for_each(|items| walk(items, &format!("{at}/[]"), out));
    }
    let record = |record: &crate::shape::schema::Record, at: &str, out: &mut Vec<_>| {
        out.push((format!("{at} object"), record.seen));
        for field in &record.fields {
            out.push((format!("{at}/{}", field.name), field.seen * 2 + u64::from(field.required)));
            walk(&field.schema, &format!("{at}/{}", field.name), out);
        }
    };
    match &schema.object {
        Some(Object::Record(r)) => record(r, at, out),
        Some(Object::Map(map)) => walk(&map.values, &format!("{at}/{{}}"), out),
        Some(Object::Union(union)) => {
            union.variants.iter().for_each(|(name, r)| record(r, &format!("{at}={name}"), out))
        }
        Some(Object::Recursive { seen, above }) => out.push((format!("{at} ^{above}"), *seen)),
        None => {}
    }
}

#[test]
fn settled_structures_are_only_counted_and_queries_too() {
    let call = |at: u64| Sent {
        query: Some(format!("page={at}&q=x")),
        effort: Effort::Adaptive(at),
        ..Sent::answered(r#"{"type":"a","items":[{"id":1},{"id":2,"x":null}],"ok":true}"#)
    };
    let shapes = learn(&(0..1_000).map(call).collect::<Vec<_>>());
    let operation = shapes.operation();
    assert_eq!(operation.parameters.iter().map(|p| p.seen).collect::<Vec<_>>(), [1_000, 1_000]);
    let items = super::field(payload(&operation).schema.as_ref().unwrap(), "items")
        .array
        .clone()
        .unwrap()
        .items
        .unwrap();
    assert_eq!((items.seen, super::required(&items)), (2_000, vec!["id"]));
    let examined = super::field(&items, "id").number.clone().unwrap();
    assert_eq!((examined.seen, examined.minimum, examined.maximum), (2_000, 1.0, 2.0));
}

#[test]
fn unions_survive_counting() {
    let bodies = [
        r#"{"type":"card","last4":"4242","v":1}"#,
        r#"{"type":"sepa","bank":null,"v":"x"}"#,
        r#"{"type":"cash"}"#,
    ];
    let of = |effort: fn(u64) -> Effort| {
        let call = |at: u64| Sent { effort: effort(at), ..Sent::answered(bodies[at as usize % 3]) };
        learn(&(0..900).map(call).collect::<Vec<_>>()).operation()
    };
    let (whole, adaptive) = (of(|_| Effort::Whole), of(Effort::Adaptive));
    assert_eq!(counts(&whole), counts(&adaptive));
    assert!(counts(&whole).contains(&("=card object".to_owned(), 300)));
}
