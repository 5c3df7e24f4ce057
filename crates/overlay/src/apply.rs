//! Applying an Overlay to a document (Overlay Specification 1.1.0, §4.4.3).

use crate::{Change, Overlay};
use serde_json::{Map, Value};
use serde_json_path::JsonPath;

/// Operations and other places that carry this are left out of what is shown.
const IGNORE: &str = "x-overhear-ignore";

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Targets that matched nothing.
    pub unmatched: Vec<Unmatched>,
    /// Path and method of operations that are to be ignored; they are no longer in the document.
    pub ignored: Vec<(String, String)>,
}

/// A target that matched nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmatched {
    /// JSONPath.
    pub target: String,
    /// Where it is written, from 1.
    pub line: u64,
}

impl Overlay {
    /// Applies the actions in their order, then takes out what is to be ignored.
    pub fn apply(&self, document: &mut Value) -> Applied {
        let mut applied = Applied::default();
        for action in &self.actions {
            let targets = pointers(&action.target, document);
            if targets.is_empty() {
                applied.unmatched.push(Unmatched { target: action.target.to_string(), line: action.line });
            }
            match &action.change {
                Change::Update(update) => update_all(document, &targets, update),
                Change::Copy(from) => {
                    let copied =
                        pointers(from, document).first().and_then(|at| document.pointer(at)).cloned();
                    match copied {
                        Some(value) => update_all(document, &targets, &value),
                        None => {
                            applied.unmatched.push(Unmatched { target: from.to_string(), line: action.line })
                        }
                    }
                }
                // From the end, so that places in arrays stay what they are.
                Change::Remove => targets.iter().rev().for_each(|at| remove(document, at)),
            }
        }
        applied.ignored = ignore(document);
        applied
    }
}

/// Where a path leads, as JSON Pointers (RFC 6901).
pub(crate) fn pointers(path: &JsonPath, document: &Value) -> Vec<String> {
    path.query_located(document).locations().map(|location| location.to_json_pointer()).collect()
}

fn update_all(document: &mut Value, targets: &[String], update: &Value) {
    for target in targets {
        if let Some(value) = document.pointer_mut(target) {
            match (value, update) {
                (Value::Array(items), Value::Array(more)) => items.extend(more.iter().cloned()),
                (Value::Array(items), entry) => items.push(entry.clone()),
                (value, update) => merge(value, update),
            }
        }
    }
}

/// Objects are merged, arrays concatenated, all else is replaced.
fn merge(value: &mut Value, update: &Value) {
    match (value, update) {
        (Value::Object(object), Value::Object(update)) => {
            for (key, update) in update {
                match object.get_mut(key) {
                    Some(value) => merge(value, update),
                    None => drop(object.insert(key.clone(), update.clone())),
                }
            }
        }
        (Value::Array(items), Value::Array(more)) => items.extend(more.iter().cloned()),
        (value, update) => *value = update.clone(),
    }
}

fn remove(document: &mut Value, pointer: &str) {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return };
    let last = last.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(parent) {
        Some(Value::Object(object)) => drop(object.shift_remove(&last)),
        Some(Value::Array(items)) => {
            if let Some(at) = last.parse().ok().filter(|at| *at < items.len()) {
                items.remove(at);
            }
        }
        _ => {}
    }
}

/// Takes out the operations that are marked, and paths that have none left.
fn ignore(document: &mut Value) -> Vec<(String, String)> {
    let mut ignored = Vec::new();
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return ignored };
    for (path, item) in &mut *paths {
        let Some(item) = item.as_object_mut() else { continue };
        let whole = is_marked(item);
        item.retain(|method, operation| {
            let marked = operation.as_object().is_some_and(is_marked);
            let is_operation = operation.get("responses").is_some();
            if is_operation && (whole || marked) {
                ignored.push((path.clone(), method.to_ascii_uppercase()));
            }
            !(is_operation && (whole || marked))
        });
    }
    paths.retain(|_, item| item.as_object().is_none_or(|item| !item.is_empty() && !is_marked(item)));
    ignored
}

fn is_marked(object: &Map<String, Value>) -> bool {
    object.get(IGNORE) == Some(&Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use crate::Overlay;
    use serde_json::{Value, json};

    fn overlay(actions: &str) -> Overlay {
        let text = format!("overlay: 1.1.0\ninfo: {{title: t, version: '1'}}\nactions:\n{actions}");
        Overlay::parse("o", &text).unwrap()
    }

    fn document() -> Value {
        json!({
            "paths": {
                "/a": {"get": {"tags": ["x"], "responses": {}}, "post": {"responses": {}}},
                "/b/{id}": {"get": {"responses": {"200": {"description": "OK"}}}},
            },
            "servers": [{"url": "one"}, {"url": "two"}],
        })
    }

    #[test]
    fn updates_merge_and_append() {
        let mut document = document();
        let applied = overlay(
            "- {target: '$.paths.*.get', update: {summary: s, tags: [y]}}\n- {target: $.servers, update: {url: three}}\n",
        )
        .apply(&mut document);
        assert_eq!(document["paths"]["/a"]["get"]["tags"], json!(["x", "y"]));
        assert_eq!(document["paths"]["/b/{id}"]["get"]["summary"], "s");
        assert_eq!(document["servers"][2]["url"], "three");
        assert!(applied.unmatched.is_empty());
    }

    #[test]
    fn removes_and_copies() {
        let mut document = document();
        let applied = overlay(
            "- {target: '$.servers[*]', remove: true}\n- {target: \"$.paths['/a'].get\", copy: \"$.paths['/b/{id}'].get\"}\n",
        )
        .apply(&mut document);
        assert_eq!(document["servers"], json!([]));
        assert_eq!(document["paths"]["/a"]["get"]["responses"]["200"]["description"], "OK");
        assert!(applied.unmatched.is_empty());
    }

    #[test]
    fn tells_what_matched_nothing() {
        let mut changed = document();
        let applied = overlay("- {target: \"$.paths['/gone']\", update: {}}\n").apply(&mut changed);
        assert_eq!((applied.unmatched[0].line, changed), (4, document()));
    }

    #[test]
    fn what_is_ignored_is_gone() {
        let mut document = document();
        let applied = overlay(
            "- {target: \"$.paths['/a'].post\", update: {x-overhear-ignore: true}}\n- {target: \"$.paths['/b/{id}']\", update: {x-overhear-ignore: true}}\n",
        )
        .apply(&mut document);
        let expected = [("/a", "POST"), ("/b/{id}", "GET")].map(|(p, m)| (p.to_owned(), m.to_owned()));
        assert_eq!(applied.ignored, expected);
        assert_eq!(document["paths"].as_object().unwrap().len(), 1);
    }
}
