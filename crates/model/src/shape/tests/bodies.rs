use super::{Sent, field, learn, operation, payload, record, required, response};
use crate::shape::schema::{Format, Object};

#[test]
fn absent_null_and_empty_are_three_things() {
    let schema = response(&[
        r#"{"a":null,"b":"","c":[],"d":{}}"#,
        r#"{"a":1,"b":"x","c":[1],"d":{"k":1}}"#,
        r#"{"a":2.5,"b":null,"c":[]}"#,
    ]);
    assert_eq!(required(&schema), ["a", "b", "c"]);
    let (a, b, c, d) = (field(&schema, "a"), field(&schema, "b"), field(&schema, "c"), field(&schema, "d"));
    assert_eq!((a.seen, a.nulls, a.number.as_ref().unwrap().integer), (3, 1, false));
    assert_eq!((b.nulls, b.string.as_ref().unwrap().shortest), (1, 0));
    assert_eq!((c.array.as_ref().unwrap().fewest, c.array.as_ref().unwrap().most), (0, 1));
    assert!(required(d).is_empty());
    assert_eq!(record(d).seen, 2);
}

#[test]
fn integers_and_numbers() {
    let schema = response(&[
        r#"{"i":-1,"n":1.0,"big":1e400,"price":9.99}"#,
        r#"{"i":7,"n":2,"big":1,"price":1.50}"#,
        r#"{"i":3,"n":0,"big":1,"price":0.05}"#,
    ]);
    let number = |name| field(&schema, name).number.clone().unwrap();
    assert_eq!((number("i").integer, number("i").minimum, number("i").maximum), (true, -1.0, 7.0));
    assert!(!number("n").integer);
    assert_eq!(number("big").maximum, f64::MAX);
    assert_eq!(number("price").format, Some(Format::Decimal));
}

#[test]
fn enums_are_told_when_they_are_few_repeat_and_give_nobody_away() {
    let bodies: Vec<_> = (0..12)
        .map(|i| {
            let status = ["open", "closed", "on hold"][i % 3];
            let owner = ["ann@example.com", "bob@example.com"][i % 2];
            format!(
                r#"{{"status":"{status}","owner":"{owner}","password":"letmein","once":"{}"}}"#,
                if i == 0 { "rare" } else { "usual" }
            )
        })
        .collect();
    let schema = response(&bodies.iter().map(String::as_str).collect::<Vec<_>>());
    let values = |name| field(&schema, name).string.clone().unwrap().values;
    assert_eq!(values("status"), ["closed", "on hold", "open"]);
    assert!(values("owner").is_empty() && values("password").is_empty() && values("once").is_empty());
    assert_eq!(field(&schema, "owner").string.as_ref().unwrap().format, Some(Format::Email));
    let saved =
        serde_json::to_string(&learn(&bodies.iter().map(|body| Sent::answered(body)).collect::<Vec<_>>()))
            .unwrap();
    assert!(saved.contains("on hold") && saved.contains("usual"));
    assert!(!saved.contains("ann@") && !saved.contains("letmein") && !saved.contains("rare"));
}

#[test]
fn times_by_size_and_name() {
    let schema = response(&[r#"{"createdAt":1760000000,"count":1760000000,"ts":1760000000123}"#; 3]);
    let format = |name| field(&schema, name).number.as_ref().unwrap().format;
    assert_eq!(format("createdAt"), Some(Format::EpochSeconds));
    assert_eq!(format("ts"), Some(Format::EpochMilliseconds));
    assert_eq!(format("count"), None);
}

#[test]
fn maps_are_told_from_records() {
    let is_map = |bodies: &[&str]| matches!(response(bodies).object, Some(Object::Map(_)));
    let of = |keys: &[&str]| {
        let members: Vec<_> = keys.iter().map(|key| format!(r#""{key}":1"#)).collect();
        format!("{{{}}}", members.join(","))
    };
    let uuids: Vec<_> =
        (0..4).map(|i| of(&[&format!("0c6fbbb8-6f0b-4e1c-8f0a-2f4c9f8e2f{i:02x}")])).collect();
    assert!(is_map(&uuids.iter().map(String::as_str).collect::<Vec<_>>()));
    assert!(is_map(&[&of(&["2024-01-01", "2024-01-02"])]));
    assert!(is_map(&[
        &of(&["red-fox", "blue-whale"]),
        &of(&["grey-wolf", "brown-bear-2"]),
        &of(&["old-owl"])
    ]));
    let words: Vec<_> = (0..40)
        .map(|i| of(&[&format!("{}ly", "abcdefghijklmnopqrstuvwxyz".split_at(i % 20).1), "x"]))
        .collect();
    assert!(!is_map(&words.iter().map(String::as_str).collect::<Vec<_>>()), "one key is always there");
    assert!(!is_map(&[r#"{"firstName":"a","lastName":"b"}"#, r#"{"nickName":"c"}"#]));
    assert!(!is_map(&[r#"{"a":1,"b":2,"c":3}"#; 5]));
    assert!(!is_map(&["{}", "{}"]));
    // Ids are never names, however few.
    assert!(is_map(&[&of(&["12345678"])]));
}

#[test]
fn a_map_tells_its_keys_and_one_shape_for_its_values() {
    let schema =
        response(&[r#"{"2024-01-01":{"n":1},"2024-01-02":{"n":2,"x":null}}"#, r#"{"2024-02-01":{"n":1}}"#]);
    let Some(Object::Map(map)) = &schema.object else { panic!("{schema:?}") };
    assert_eq!((map.seen, map.keys.seen, map.keys.distinct, map.keys.format), (2, 3, 3, Some(Format::Date)));
    assert_eq!(required(&map.values), ["n"]);
}

#[test]
fn a_field_that_tells_the_kind_makes_a_union() {
    let bodies: Vec<_> = (0..30)
        .map(|i| match i % 3 {
            0 => r#"{"type":"card","last4":"4242","brand":"visa","v":1}"#,
            1 => r#"{"type":"sepa","iban_suffix":"99","bank":null,"v":"x"}"#,
            _ => r#"{"type":"cash","v":1}"#,
        })
        .collect();
    let schema = response(&bodies);
    let Some(Object::Union(union)) = &schema.object else { panic!("{schema:?}") };
    assert_eq!((union.seen, union.discriminator.as_str()), (30, "type"));
    let names = |at: usize| union.variants[at].1.fields.iter().map(|f| f.name.as_str()).collect::<Vec<_>>();
    assert_eq!(names(0), ["brand", "last4", "type", "v"]);
    assert_eq!(names(1), ["type", "v"]);
    assert!(union.variants[2].1.fields.iter().all(|field| field.required));
    let v = |at: usize| union.variants[at].1.fields.iter().find(|f| f.name == "v").unwrap().schema.clone();
    assert!(v(0).string.is_none() && v(0).number.is_some() && v(2).number.is_none());
}

#[test]
fn chance_makes_no_union() {
    let mut bodies = Vec::new();
    for i in 0..60u32 {
        let members: Vec<_> = (0..5)
            .filter(|bit| i.wrapping_mul(0x9e37_79b9) >> (27 + bit) & 1 == 1)
            .map(|b| format!(r#","f{b}":1"#))
            .collect();
        bodies.push(format!(r#"{{"status":"{}"{}}}"#, ["open", "closed"][i as usize % 2], members.concat()));
    }
    let schema = response(&bodies.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(required(&schema), ["status"]);
}

#[test]
fn records_that_hold_their_own_kind_are_recursive() {
    let leaf = r#"{"id":1,"text":"x","replies":[]}"#;
    let mut tree = leaf.to_owned();
    for i in 0..5 {
        tree = format!(r#"{{"id":{i},"text":"y","replies":[{tree},{leaf}]}}"#);
    }
    let schema = response(&[&tree, leaf]);
    let replies = field(&schema, "replies").array.as_ref().unwrap().items.as_ref().unwrap();
    assert_eq!(replies.object, Some(Object::Recursive { seen: 10, above: 1 }));
    assert_eq!(required(&schema), ["id", "replies", "text"]);
    // Two levels alike are not yet recursion.
    let schema = response(&[r#"{"id":1,"text":"a","parent":{"id":2,"text":"b"}}"#]);
    assert_eq!(required(field(&schema, "parent")), ["id", "text"]);
}

#[test]
fn cut_bodies_say_nothing_about_what_is_absent() {
    let mut calls = vec![Sent::answered(r#"{"a":1,"b":{"x":1,"y":2},"c":3}"#); 3];
    calls.push(Sent { complete: false, ..Sent::answered(r#"{"a":null,"b":{"x":"#) });
    let operation = operation(&calls);
    let payload = payload(&operation);
    assert_eq!((payload.seen, payload.partial), (4, 1));
    let schema = payload.schema.as_ref().unwrap();
    assert_eq!(required(schema), ["a", "b", "c"]);
    assert_eq!(field(schema, "a").nulls, 1);
    assert_eq!(required(field(schema, "b")), ["x", "y"]);
}

#[test]
fn a_key_that_comes_twice_is_there_once() {
    let schema = response(&[r#"{"a":1,"a":"x"}"#, r#"{"b":1}"#]);
    let fields = &record(&schema).fields;
    assert_eq!((fields[0].seen, fields[0].required, fields[0].schema.seen), (1, false, 2));
}

#[test]
fn media_types() {
    let seen = |media: &str, body: &[u8]| {
        let operation = operation(&[Sent::posted(media, body)]);
        let payload = &operation.request[0];
        (payload.media_type.clone(), payload.schema.is_some(), payload.partial)
    };
    assert_eq!(
        seen("application/vnd.api+json; charset=utf-8", b"{}"),
        ("application/vnd.api+json".into(), true, 0)
    );
    assert_eq!(seen("Application/JSON", b"<html>"), ("application/json".into(), false, 1));
    assert_eq!(seen("", b"{\"a\":1}"), ("application/octet-stream".into(), true, 0));
    assert_eq!(seen("text/plain", b"hello"), ("text/plain".into(), false, 0));
    assert_eq!(seen("text/plain", b"[1]"), ("text/plain".into(), true, 0));
    assert_eq!(seen("image/png", b"\x89PNG"), ("image/png".into(), false, 0));
    assert_eq!(seen("what is this?", b"{}"), ("application/octet-stream".into(), true, 0));
}

#[test]
fn each_line_is_a_value() {
    let operation = operation(&[Sent::posted("application/x-ndjson", b"{\"a\":1}\n{\"a\":2,\"b\":null}\n")]);
    let schema = operation.request[0].schema.as_ref().unwrap();
    assert_eq!((schema.seen, required(schema)), (2, vec!["a"]));
}

#[test]
fn statuses_are_apart() {
    let failed = Sent { status: 404, ..Sent::answered(r#"{"error":"no"}"#) };
    let operation = operation(&[Sent::answered(r#"{"id":1}"#), failed.clone(), failed]);
    let seen: Vec<_> = operation.responses.iter().map(|r| (r.status, r.seen)).collect();
    assert_eq!(seen, [(200, 1), (404, 2)]);
}
