//! One operation of a document, with what it refers to.

use overhear_query::unnamed;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Most components that are followed.
const MOST: usize = 1_000;

/// The operation of a route and a method, as a document of its own that holds no more than it needs: `openapi`, `info`, the
/// one path, and the components that are referred to. Names of placeholders do not matter.
pub fn fragment(document: &Value, route: &str, method: &str) -> Option<Value> {
    let wanted = unnamed(route);
    let (path, item) =
        document.get("paths")?.as_object()?.iter().find(|(path, _)| unnamed(path) == wanted)?;
    let item = only(item.as_object()?, method)?;
    let mut fragment = Map::new();
    for key in ["openapi", "info"] {
        if let Some(value) = document.get(key) {
            fragment.insert(key.to_owned(), value.clone());
        }
    }
    let mut paths = Map::new();
    paths.insert(path.clone(), item.into());
    fragment.insert("paths".to_owned(), paths.into());
    let components = components(document, fragment.get("paths")?);
    if !components.is_empty() {
        fragment.insert("components".to_owned(), components.into());
    }
    Some(fragment.into())
}

/// The path item with this method and what all methods share.
fn only(item: &Map<String, Value>, method: &str) -> Option<Map<String, Value>> {
    let key = method.to_ascii_lowercase();
    let shared = ["parameters", "summary", "description", "servers"];
    let mut kept: Map<String, Value> = item
        .iter()
        .filter(|(name, _)| **name == key || shared.contains(&&***name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if kept.contains_key(&key) {
        return Some(kept);
    }
    let (name, value) = ["additionalOperations", "x-additionalOperations"]
        .into_iter()
        .find_map(|name| Some((name, item.get(name)?.get(method)?)))?;
    let mut others = Map::new();
    others.insert(method.to_owned(), value.clone());
    kept.insert(name.to_owned(), others.into());
    Some(kept)
}

/// What is referred to, and by that in turn; security schemes by their names.
fn components(document: &Value, from: &Value) -> Map<String, Value> {
    let mut kept = Map::new();
    let mut seen = BTreeSet::new();
    let mut open = references(from);
    while let Some(reference) = open.pop() {
        if seen.len() >= MOST || !seen.insert(reference.clone()) {
            continue;
        }
        let Some((kind, name)) =
            reference.strip_prefix("#/components/").and_then(|rest| rest.split_once('/'))
        else {
            continue;
        };
        let name = name.replace("~1", "/").replace("~0", "~");
        let Some(value) = document.get("components").and_then(|all| all.get(kind)?.get(&name)) else {
            continue;
        };
        open.extend(references(value));
        let of_kind = kept.entry(kind).or_insert_with(|| Value::Object(Map::new()));
        if let Some(of_kind) = of_kind.as_object_mut() {
            of_kind.insert(name, value.clone());
        }
    }
    kept
}

fn references(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    match (key.as_str(), value) {
                        ("$ref", Value::String(to)) => found.push(to.clone()),
                        ("security", Value::Array(alternatives)) => {
                            let names = alternatives.iter().filter_map(Value::as_object).flat_map(Map::keys);
                            found.extend(names.map(|name| format!("#/components/securitySchemes/{name}")));
                        }
                        _ => open.push(value),
                    }
                }
            }
            Value::Array(items) => open.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::fragment;
    use serde_json::json;

    #[test]
    fn a_fragment_holds_what_the_operation_needs_and_no_more() {
        let document = json!({
            "openapi": "3.1.1", "info": {"title": "shop"}, "servers": [{"url": "http://a"}],
            "paths": {
                "/orders/{orderId}": {
                    "get": {"security": [{"bearer": []}], "responses": {"200": {"$ref": "#/components/responses/One"}}},
                    "x-additionalOperations": {"PURGE": {"responses": {}}},
                },
                "/users": {"get": {"responses": {"200": {"$ref": "#/components/responses/Users"}}}},
            },
            "components": {
                "responses": {"One": {"schema": {"$ref": "#/components/schemas/Order"}}, "Users": {}},
                "schemas": {"Order": {"properties": {"self": {"$ref": "#/components/schemas/Order"}}}, "User": {}},
                "securitySchemes": {"bearer": {"type": "http"}, "key": {}},
            },
        });
        let one = fragment(&document, "/orders/{id}", "GET").unwrap();
        let expected = json!({
            "openapi": "3.1.1", "info": {"title": "shop"},
            "paths": {"/orders/{orderId}": {"get": document["paths"]["/orders/{orderId}"]["get"]}},
            "components": {
                "responses": {"One": document["components"]["responses"]["One"]},
                "schemas": {"Order": document["components"]["schemas"]["Order"]},
                "securitySchemes": {"bearer": {"type": "http"}},
            },
        });
        assert_eq!(one, expected);
        let purge = fragment(&document, "/orders/{id}", "PURGE").unwrap();
        assert_eq!(
            purge["paths"]["/orders/{orderId}"],
            json!({"x-additionalOperations": {"PURGE": {"responses": {}}}})
        );
        assert_eq!(fragment(&document, "/orders/{id}", "PUT"), None);
        assert_eq!(fragment(&document, "/none", "GET"), None);
    }
}
