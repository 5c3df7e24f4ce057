use super::{Sent, operation, required};
use crate::shape::schema::{Parameter, Place, Scheme, Style};

fn parameters(queries: &[&str]) -> Vec<Parameter> {
    operation(&queries.iter().map(|query| Sent::asked(query)).collect::<Vec<_>>()).parameters
}

#[test]
fn what_values_read_as() {
    let all = parameters(
        &["n=1&d=1.5&b=true&s=7&z=007&e="; 2]
            .iter()
            .copied()
            .chain(["n=-3&d=2&b=false&s=x&z=100&e="])
            .collect::<Vec<_>>(),
    );
    let of = |name: &str| all.iter().find(|p| p.name == name).unwrap();
    assert!(of("n").schema.number.as_ref().unwrap().integer && of("n").required);
    assert!(!of("d").schema.number.as_ref().unwrap().integer);
    assert_eq!(of("b").schema.booleans, 3);
    assert!(of("s").schema.string.is_some() && of("s").schema.number.is_none());
    assert!(of("z").schema.string.is_some(), "leading zeros are no number");
    assert_eq!(of("e").schema.string.as_ref().unwrap().longest, 0);
}

#[test]
fn how_several_values_are_written() {
    let all = parameters(&[
        "id=1&id=2&tag[]=x&f[from]=1&f[to]=2&sort=name,-age&q=one, two&lat=1",
        "id=3&tag[]=y&tag[]=z&f[from]=3&sort=age,name,id&q=plain&lat=2",
        "id=3&sort=age&q=plain&lat=2",
    ]);
    let style = |name: &str| all.iter().find(|p| p.name == name).unwrap().style;
    assert_eq!(style("id"), Style::Repeated);
    assert_eq!(style("tag[]"), Style::Repeated);
    assert_eq!(style("f"), Style::DeepObject);
    assert_eq!(style("sort"), Style::Commas);
    assert_eq!((style("q"), style("lat")), (Style::Single, Style::Single));
    let id = &all.iter().find(|p| p.name == "id").unwrap().schema.array.clone().unwrap();
    assert_eq!((id.seen, id.fewest, id.most), (3, 1, 2));
    assert!(id.items.as_ref().unwrap().number.as_ref().unwrap().integer);
    let sort = all.iter().find(|p| p.name == "sort").unwrap().schema.array.clone().unwrap();
    assert_eq!((sort.seen, sort.fewest, sort.most), (3, 1, 3));
    assert_eq!(required(&all.iter().find(|p| p.name == "f").unwrap().schema), ["from"]);
}

#[test]
fn few_messages_require_nothing() {
    assert!(!parameters(&["a=1"; 2])[0].required);
    assert!(parameters(&["a=1"; 3])[0].required);
    assert!(!parameters(&["a=1", "a=1", "b=1", "a=1"])[0].required);
}

#[test]
fn headers_of_the_api_and_cookies() {
    let call = Sent {
        request_headers: [
            ("Host", "x"),
            ("X-Tenant", "acme"),
            ("Cookie", "theme=dark; sid=8f7a"),
            ("X-Api-Key", "hunter2"),
        ]
        .map(|(a, b)| (a.into(), b.into()))
        .to_vec(),
        response_headers: vec![
            ("X-RateLimit-Remaining".into(), "12".into()),
            ("Set-Cookie".into(), "sid=1".into()),
        ],
        ..Sent::default()
    };
    let shapes = super::learn(&[call.clone(), call.clone(), call]);
    let operation = shapes.operation();
    let names: Vec<_> = operation.parameters.iter().map(|p| (p.place, p.name.as_str(), p.required)).collect();
    assert_eq!(names, [(Place::Header, "x-tenant", true), (Place::Cookie, "theme", true)]);
    assert_eq!(operation.responses[0].headers[0].name, "x-ratelimit-remaining");
    let key = |place, name: &str| Scheme::ApiKey { place, name: name.into() };
    let schemes: Vec<_> = operation.security.schemes.iter().map(|used| used.scheme.clone()).collect();
    assert_eq!(schemes, [key(Place::Header, "x-api-key"), key(Place::Cookie, "sid")]);
    let saved = serde_json::to_string(&shapes).unwrap();
    assert!(!saved.contains("hunter2") && !saved.contains("8f7a") && !saved.contains("dark"));
}

#[test]
fn a_key_in_the_query_is_a_credential_and_a_word_is_none() {
    let told =
        operation(&[Sent::asked("api_key=8f7a6b5c4d3e2f1a&q=x"), Sent::asked("api_key=1f7a6b5c4d3e2f1a")]);
    assert_eq!(told.parameters.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["q"]);
    assert_eq!(told.security.schemes.len(), 1);
    let told = operation(&[Sent::asked("token=next%20page"), Sent::asked("token=last%20page")]);
    assert_eq!((told.parameters.len(), told.security.schemes.len()), (1, 0));
}

#[test]
fn forms() {
    let posted = Sent::posted("application/x-www-form-urlencoded", b"name=Ann+Lee&age=7&tag=a&tag=b");
    let form = operation(&[posted.clone(), posted]);
    let schema = form.request[0].schema.as_ref().unwrap();
    assert_eq!(required(schema), ["age", "name", "tag"]);
    assert!(super::field(schema, "age").number.is_some());
    let body = b"--b\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nHello\r\n--b\r\nContent-Disposition: form-data; \
        name=\"file\"; filename=\"x\"\r\n\r\n\x00\x01\r\n--b--\r\n";
    let form = operation(&[Sent::posted("multipart/form-data; boundary=b", body)]);
    assert_eq!(form.request[0].media_type, "multipart/form-data");
    assert_eq!(required(form.request[0].schema.as_ref().unwrap()), ["file", "title"]);
}
