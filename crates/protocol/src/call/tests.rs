use super::{graphql, jsonrpc, of};
use bytes::Bytes;
use overhear_exchange::{
    Body, Call, CallSystem, GraphQlType, Headers, Http, HttpVersion, Method, Redacted, Scheme,
};

fn named(call: Option<Call>) -> Option<(CallSystem, String)> {
    call.map(|call| (call.system, call.name.to_string()))
}

#[test]
fn graphql_operations_have_names() {
    const QUERY: CallSystem = CallSystem::GraphQl(GraphQlType::Query);
    const MUTATION: CallSystem = CallSystem::GraphQl(GraphQlType::Mutation);
    for (body, expected) in [
        (
            r#"{"query": "query GetUser($id: ID! = {a: 1}) { user(id: $id) { name } }"}"#,
            Some((QUERY, "GetUser")),
        ),
        (
            r#"{"query": "{ b: user { id } orders(first: 3) { id } ...F @include(if: true) }"}"#,
            Some((QUERY, "orders,user")),
        ),
        (r#"{"query": "query A { a } mutation B { b }", "operationName": "B"}"#, Some((MUTATION, "B"))),
        (
            r##"{"query": "# query X { x }\n mutation Add { add(text: \"} query Y { y }\") }"}"##,
            Some((MUTATION, "Add")),
        ),
        (r#"{"query": "fragment F on T { x } query G { ...F }"}"#, Some((QUERY, "G"))),
        (
            r#"{"operationName": "P", "extensions": {"persistedQuery": {"sha256Hash": "0"}}}"#,
            Some((QUERY, "P")),
        ),
        (r#"[{"query": "query A { a }"}, {"query": "query B { b }"}]"#, Some((QUERY, "batch"))),
        (r#"[{"query": "query A { a }"}]"#, Some((QUERY, "A"))),
        (r#"{"query": "{ ...F } fragment F on Query { a }"}"#, Some((QUERY, "anonymous"))),
        // A search, not a document.
        (r#"{"query": "shoes"}"#, None),
        (r#"{"query": "query the database"}"#, None),
        (r#"{"query": {"match": {}}}"#, None),
        (r#"{"query": "query A { a }", "operationName": "C"}"#, None),
        ("", None),
    ] {
        let expected = expected.map(|(system, name)| (system, name.to_owned()));
        assert_eq!(named(graphql::in_body(body)), expected, "{body}");
    }
    let query = "operationName=Q&query=query+Q%20%7B%20a%20%7D";
    assert_eq!(named(graphql::in_query(query)), Some((QUERY, "Q".to_owned())));
    assert_eq!(named(graphql::in_query("query=shoes&page=%")), None);
}

#[test]
fn json_rpc_methods() {
    for (body, expected) in [
        (r#"{"jsonrpc": "2.0", "method": "eth_call", "params": {}, "id": 1}"#, Some("eth_call")),
        (r#"{"jsonrpc": "2.0", "method": "tick"}"#, Some("tick")),
        (r#"[{"jsonrpc": "2.0", "method": "a"}, {"jsonrpc": "2.0", "method": "b"}]"#, Some("batch")),
        (r#"{"method": "getinfo", "params": [], "id": "curl"}"#, Some("getinfo")),
        (r#"{"method": "PUT", "params": {"a": 1}, "id": 3}"#, None),
        (r#"{"jsonrpc": "2.0", "method": "{bad} name"}"#, None),
        (r#"{"jsonrpc": "2.0", "result": 1, "id": 1}"#, None),
    ] {
        assert_eq!(jsonrpc::of(body, false).map(|call| call.name.to_string()).as_deref(), expected, "{body}");
    }
}

#[test]
fn mcp_is_told_by_its_fields_or_its_methods() {
    for (body, speaks_mcp, expected) in [
        (
            r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"get-weather","arguments":{"city":"x"}}}"#,
            false,
            Some((CallSystem::Mcp, "tools/call get-weather")),
        ),
        (
            r#"{"jsonrpc":"2.0","id":2,"method":"prompts/get","params":{"name":"review"}}"#,
            false,
            Some((CallSystem::Mcp, "prompts/get review")),
        ),
        (
            r#"{"jsonrpc":"2.0","id":3,"method":"resources/read","params":{"uri":"file:///a/b"}}"#,
            false,
            Some((CallSystem::Mcp, "resources/read")),
        ),
        (
            r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}"#,
            false,
            Some((CallSystem::Mcp, "initialize")),
        ),
        (
            r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#,
            false,
            Some((CallSystem::JsonRpc, "initialize")),
        ),
        (r#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#, true, Some((CallSystem::Mcp, "ping"))),
        (r#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#, false, Some((CallSystem::JsonRpc, "ping"))),
        (
            r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"{odd} one"}}"#,
            true,
            Some((CallSystem::Mcp, "tools/call")),
        ),
    ] {
        let expected = expected.map(|(system, name)| (system, name.to_owned()));
        assert_eq!(named(jsonrpc::of(body, speaks_mcp)), expected, "{body}");
    }
}

fn post(body: &'static [u8]) -> Http {
    let captured = Redacted::new(Bytes::from_static(body));
    Http {
        version: HttpVersion::V1_1,
        scheme: Scheme::Http,
        method: Method::Post,
        authority: None,
        path: "/".into(),
        query: None,
        status: Some(200),
        request_headers: Headers::default(),
        response_headers: Headers::default(),
        request_body: Body { size: body.len() as u64, captured, complete: true, codings: Default::default() },
        response_body: Body::default(),
        call: None,
        stream: None,
        gen_ai: None,
        anomalies: Default::default(),
    }
}

#[test]
fn bodies_of_strangers_do_no_harm() {
    for body in [
        &b"{\"query\": \"{"[..],
        b"{\"query\": \"query A(\"}",
        b"{\"query\": \"\\\"\\\"\\\" {\"}",
        b"\xff\xfe\"query\"",
        b"[[[[[[[[\"query\"",
        b"{\"jsonrpc\": 2.0}",
    ] {
        // What was cut may still name its operation; nothing else may.
        let call = of(&post(body));
        assert!(call.is_none_or(|call| &*call.name == "anonymous"), "{body:?}");
    }
}
