use super::{Sent, learn, operation};
use crate::shape::Shapes;
use proptest::prelude::*;

/// Nodes that the evidence holds.
fn size(shapes: &Shapes) -> usize {
    shapes.whole.iter().flat_map(|evidence| evidence.trees()).map(|tree| tree.root.size()).sum()
}

#[test]
fn a_million_keys_are_bounded() {
    let members: Vec<_> =
        (0..200_000).map(|i| format!(r#""k{}x":{{"a{i}y":1}}"#, i * 7919 % 1_000_003)).collect();
    let body = format!("{{{}}}", members.join(","));
    let shapes = learn(&[Sent::answered(&body), Sent::answered(&body)]);
    assert!(size(&shapes) < 10_000, "{}", size(&shapes));
    assert!(serde_json::to_vec(&shapes).unwrap().len() < 4 << 20);
}

#[test]
fn new_keys_with_every_body_are_bounded() {
    let names = ["alpha", "beta", "gamma", "delta", "omega"];
    let body = |i: usize| {
        format!(r#"{{"o{}":{{"{}{}":[{{"p{i}":{{"q{i}":1}}}}]}}}}"#, i % 97, names[i % 5], i % 1_000)
    };
    let calls: Vec<_> = (0..20_000).map(|i| Sent::answered(&body(i))).collect();
    assert!(size(&learn(&calls)) <= 6_100);
}

#[test]
fn what_is_always_there_survives_a_flood() {
    let calls: Vec<_> =
        (0..2_000).map(|i| Sent::answered(&format!(r#"{{"id":{i},"{}":{{"x{i}":1}}}}"#, i * 31))).collect();
    let operation = operation(&calls);
    let schema = super::payload(&operation).schema.clone().unwrap();
    assert_eq!(super::required(&schema), ["id"]);
    assert!(super::record(&schema).more);
}

#[test]
fn many_statuses_media_types_schemes_and_parameters_are_bounded() {
    let calls: Vec<_> = (0..2_000u16)
        .map(|i| Sent {
            status: 100 + i % 900,
            query: Some(format!("p{i}=1")),
            request_headers: vec![
                (format!("x-h{i}"), "1".into()),
                ("authorization".into(), format!("S{i} x")),
            ],
            ..Sent::posted(&format!("application/x{i}+json"), b"{\"a\":{}}")
        })
        .collect();
    let operation = operation(&calls);
    assert!(
        operation.responses.len() <= 32
            && operation.request.len() <= 6
            && operation.security.schemes.len() <= 16
    );
    assert!(operation.parameters.len() <= 1_024);
}

#[test]
fn deep_nesting_is_learned_as_far_as_it_goes() {
    let deep = format!("{}1{}", "{\"a\":[".repeat(5_000), "]}".repeat(5_000));
    let operation = operation(&[Sent::answered(&deep)]);
    assert_eq!(super::payload(&operation).partial, 1);
}

#[test]
fn odd_text_is_text() {
    let body = b"{\"\\ud800\":\"\\udfff\",\"\xff\":\"\xfe\xfd\",\"\":0}";
    let operation =
        operation(&[Sent { response: Some(("application/json".into(), body.to_vec())), ..Sent::default() }]);
    assert_eq!(super::record(super::payload(&operation).schema.as_ref().unwrap()).seen, 1);
}

#[test]
fn altered_models_do_no_harm() {
    let load = |text: &str| serde_json::from_str::<Shapes>(text);
    assert!(load("null").unwrap().is_empty());
    let doors = r#""doors":{"o":{"n":1,"y":1,"x":0}}"#;
    let loop_ = format!(r#"{{"requests":1,"query":[{{"p":5}},{{"p":9,"e":"Items"}}],{doors}}}"#);
    assert!(load(&loop_).is_err());
    let rows: Vec<_> =
        (0..100).map(|i| format!(r#"{{"p":{},"e":"Items","a":[1,1,1]}}"#, i64::max(0, i - 1))).collect();
    assert!(load(&format!(r#"{{"requests":1,"query":[{}],{doors}}}"#, rows.join(","))).is_err(), "too deep");
    let unsorted = r#"{"requests":1,"query":[{"o":{"n":9,"t":[]}},{"e":{"Key":[9,"b",1,0]}},{"e":{"Key":[3,"a",1,0]}}],"doors":{"o":{"n":1,"y":1,"x":0}}}"#;
    assert_eq!(load(unsorted).unwrap().operation().parameters.len(), 2);
}

proptest! {
    #[test]
    fn any_bytes_are_fine(
        body in prop::collection::vec(any::<u8>(), 0..200),
        query in ".{0,60}",
        media in prop::sample::select(vec!["application/json", "application/x-ndjson", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""]),
        complete: bool,
    ) {
        let call = Sent { query: Some(query), complete, ..Sent::posted(media, &body) };
        let shapes = learn(&[call.clone(), call]);
        let _ = shapes.operation();
        let saved = serde_json::to_string(&shapes).unwrap();
        prop_assert_eq!(serde_json::to_string(&serde_json::from_str::<Shapes>(&saved).unwrap()).unwrap(), saved);
    }

    #[test]
    fn damaged_json_is_fine(at in 0usize..100, byte: u8, cut in 0usize..100) {
        let mut body = br#"{"a":[1,2.5,{"b":null,"c":"x\u0041"}],"d":{"e":true,"f":"2024-01-01"},"g":[[],[{}]],"h":-0.1e5}"#.to_vec();
        if let Some(slot) = body.get_mut(at) {
            *slot = byte;
        }
        body.truncate(cut);
        let whole = Sent { response: Some(("application/json".into(), body)), ..Sent::default() };
        let cut = Sent { complete: false, ..whole.clone() };
        let _ = learn(&[whole, cut]).operation();
    }
}
