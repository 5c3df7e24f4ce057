//! Which operation stands under which path, and what each is called.

use super::{
    Version,
    components::Components,
    names::{camel, nouns, singular_words, words},
    operation,
    security::Schemes,
};
use overhear_query::{ApiOperation, unnamed};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// An operation in its place.
#[derive(Clone, Debug)]
pub(super) struct Placed<'a> {
    pub(super) operation: &'a ApiOperation,
    /// The template of the path item; names of placeholders are those of its most frequent operation.
    pub(super) path: String,
    /// Unique in the document.
    pub(super) id: String,
    /// The first noun of the path.
    pub(super) tag: Option<String>,
}

/// What the operations say together.
pub(super) struct Described {
    pub(super) paths: Map<String, Value>,
    pub(super) tags: BTreeSet<String>,
    pub(super) security_schemes: Map<String, Value>,
}

/// Fixed fields of a Path Item Object, in its order; the last is new in 3.2.
const METHODS: [&str; 9] = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE", "QUERY"];

/// Sorted by path and method. Templates that differ in the names of their placeholders only are one path, as the
/// specification wants it.
pub(super) fn group(operations: &[ApiOperation]) -> Vec<Placed<'_>> {
    let mut templates = BTreeMap::<String, (u64, &str)>::new();
    for operation in operations {
        let route = &*operation.route;
        let best = templates.entry(unnamed(route)).or_insert((0, route));
        if (operation.requests, best.1) > (best.0, route) {
            *best = (operation.requests, route);
        }
    }
    let mut placed: Vec<Placed<'_>> = operations
        .iter()
        .map(|operation| {
            let template = templates.get(&unnamed(&operation.route));
            let path = template.map_or(&*operation.route, |(_, route)| route).to_owned();
            let tag = nouns(&path).first().map(|noun| (*noun).to_owned());
            Placed { operation, path, id: String::new(), tag }
        })
        .collect();
    placed.sort_by(|a, b| (&a.path, order(a.method())).cmp(&(&b.path, order(b.method()))));
    identify(&mut placed);
    placed
}

/// The `paths` of the document and what belongs beside them.
pub(super) fn describe(placed: &[Placed<'_>], components: &mut Components, version: Version) -> Described {
    let mut described = Described { paths: Map::new(), tags: BTreeSet::new(), security_schemes: Map::new() };
    let mut schemes = Schemes::default();
    for one in placed {
        let value = operation::describe(one, components, &mut schemes, version);
        let item = described.paths.entry(one.path.clone()).or_insert_with(|| Value::Object(Map::new()));
        let Some(item) = item.as_object_mut() else { continue };
        let known = METHODS.contains(&one.method()) && (version >= Version::V3_2 || one.method() != "QUERY");
        if known {
            item.insert(one.method().to_ascii_lowercase(), value);
        } else {
            // No place for other methods before 3.2.
            let others =
                if version >= Version::V3_2 { "additionalOperations" } else { "x-additionalOperations" };
            let others = item.entry(others).or_insert_with(|| Value::Object(Map::new()));
            if let Some(others) = others.as_object_mut() {
                others.insert(one.method().to_owned(), value);
            }
        }
        described.tags.extend(one.tag.clone());
    }
    described.security_schemes = schemes.finish();
    described
}

impl Placed<'_> {
    fn method(&self) -> &str {
        &self.operation.method
    }
}

fn order(method: &str) -> (usize, &str) {
    (METHODS.iter().position(|known| *known == method).unwrap_or(METHODS.len()), method)
}

/// Names such as `listOrders`, `getOrder`, `createOrder`, made unique by more of the path, at last by a number.
fn identify(placed: &mut [Placed<'_>]) {
    let mut taken = BTreeSet::new();
    for one in placed {
        let (short, long) =
            (operation_id(one.method(), &one.path, false), operation_id(one.method(), &one.path, true));
        let numbered = (2..).map(|number: usize| format!("{long}{number}"));
        let free = [short, long.clone()].into_iter().chain(numbered).find(|name| !taken.contains(name));
        if let Some(name) = free {
            taken.insert(name.clone());
            one.id = name;
        }
    }
}

fn operation_id(method: &str, path: &str, whole: bool) -> String {
    let ends_in_parameter =
        path.trim_end_matches('/').rsplit('/').next().is_some_and(|last| last.contains('{'));
    let verb = match (method, ends_in_parameter) {
        ("GET", false) => "list",
        ("POST", false) => "create",
        ("PUT", _) => "replace",
        ("PATCH", _) => "update",
        _ => &method.to_ascii_lowercase(),
    };
    let subject = subject(path, whole);
    // `list` needs a collection and `create` a thing to create; of a word in the singular neither is sure.
    let single = subject == singular_words(subject.clone());
    let mut name = match verb {
        "list" | "create" if single => vec![method.to_ascii_lowercase()],
        _ => vec![verb.to_owned()],
    };
    name.extend(if verb == "create" { singular_words(subject) } else { subject });
    if name.len() == 1 {
        name.push("root".to_owned());
    }
    camel(&name)
}

/// What an operation is about: the nouns of its path, each that is followed by a parameter in the singular.
pub(super) fn subject(path: &str, whole: bool) -> Vec<String> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let nouns = nouns(path);
    let mut name = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        let parameter_follows = segments.get(at + 1).is_some_and(|next| next.contains('{'));
        let named = words(segment);
        if segment.contains('{') && whole {
            name.push("by".to_owned());
            name.extend(named);
        } else if nouns.contains(segment) || (whole && !segment.contains('{')) {
            name.extend(if parameter_follows { singular_words(named) } else { named });
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::operation_id;

    #[test]
    fn operations_are_called_as_people_call_them() {
        for (method, path, expected) in [
            ("GET", "/orders", "listOrders"),
            ("POST", "/orders", "createOrder"),
            ("GET", "/orders/{orderId}", "getOrder"),
            ("DELETE", "/api/v1/orders/{orderId}", "deleteOrder"),
            ("PATCH", "/users/{userId}", "updateUser"),
            ("GET", "/users/{userId}/orders", "listUserOrders"),
            ("GET", "/users/{userId}/orders/{orderId}", "getUserOrder"),
            ("GET", "/health", "getHealth"),
            ("POST", "/login", "postLogin"),
            ("GET", "/", "getRoot"),
            ("POST", "/api/chat.postMessage", "postChatPostMessage"),
        ] {
            assert_eq!(operation_id(method, path, false), expected, "{method} {path}");
        }
        assert_eq!(operation_id("GET", "/v1/{id}/orders", true), "listV1ByIdOrders");
    }
}
