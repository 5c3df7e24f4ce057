//! OpenAPI 3.0.4, 3.1.1 and 3.2.0.
//!
//! What was observed always satisfies the document: ranges and lengths come from samples and are left to `show`; an
//! `enum` is there only where every value seen is in it; `required` only where every object had the field.

mod components;
mod fragment;
mod names;
mod operation;
mod paths;
mod schema;
mod security;

use components::Components;
pub use fragment::fragment;
use jiff::Timestamp as Instant;
use overhear_exchange::Timestamp;
use overhear_query::{Api, Owner};
use serde_json::{Map, Value, json};

/// Version of the OpenAPI Specification that a document follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 3.0.4: null is `nullable`.
    V3_0,
    /// 3.1.1: schemas are JSON Schema 2020-12.
    #[default]
    V3_1,
    /// 3.2.0: adds `itemSchema`, the method `query` and `additionalOperations`.
    V3_2,
}

impl Version {
    const fn as_str(self) -> &'static str {
        match self {
            Self::V3_0 => "3.0.4",
            Self::V3_1 => "3.1.1",
            Self::V3_2 => "3.2.0",
        }
    }
}

/// Why a document could not be written as YAML.
#[derive(Debug, thiserror::Error)]
#[error("cannot write YAML: {0}")]
pub struct YamlError(String);

/// The document of an API, its keys in the order of the specification.
pub fn document(api: &Api, version: Version) -> Value {
    let paths = paths::group(&api.operations);
    let mut components = Components::plan(&paths, version);
    let described = paths::describe(&paths, &mut components, version);
    let mut document = Map::new();
    document.insert("openapi".to_owned(), version.as_str().into());
    document.insert("info".to_owned(), info(api));
    if !api.servers.is_empty() {
        let servers = api.servers.iter().map(|url| json!({"url": url})).collect();
        document.insert("servers".to_owned(), Value::Array(servers));
    }
    if !described.tags.is_empty() {
        let tags = described.tags.iter().map(|name| json!({"name": name})).collect();
        document.insert("tags".to_owned(), Value::Array(tags));
    }
    document.insert("paths".to_owned(), described.paths.into());
    let components = components.finish(described.security_schemes);
    if !components.is_empty() {
        document.insert("components".to_owned(), components.into());
    }
    document.into()
}

/// As YAML 1.2.
///
/// # Errors
/// When a value has no place in YAML, which none of [`document`]'s has.
pub fn to_yaml(document: &Value) -> Result<String, YamlError> {
    serde_saphyr::to_string(document).map_err(|error| YamlError(error.to_string()))
}

/// As JSON, indented by two.
pub fn to_json(document: &Value) -> String {
    format!("{document:#}\n")
}

fn info(api: &Api) -> Value {
    let calls: u64 = api.operations.iter().map(|operation| operation.requests).sum();
    let first = api.operations.iter().map(|operation| operation.first_seen).min();
    let last = api.operations.iter().map(|operation| operation.last_seen).max();
    let mut seen = Map::new();
    seen.insert("calls".to_owned(), calls.into());
    let part = match &api.owner {
        Owner::Service(_) => "",
        Owner::Server { callers, .. } => {
            let callers = callers.iter().map(|caller| (**caller).into()).collect();
            seen.insert("callers".to_owned(), Value::Array(callers));
            " Only what was called is in it."
        }
    };
    if let (Some(first), Some(last)) = (first, last) {
        seen.insert("firstSeen".to_owned(), rfc3339(first).into());
        seen.insert("lastSeen".to_owned(), rfc3339(last).into());
    }
    if api.elsewhere > 0 {
        seen.insert("callsElsewhere".to_owned(), api.elsewhere.into());
    }
    json!({
        "title": &**api.owner.name(),
        "description": format!("Inferred from observed traffic by Overhear.{part}"),
        "version": "observed",
        "x-overhear": seen,
    })
}

/// RFC 3339 in UTC, to the second: what is finer is noise in a diff.
fn rfc3339(time: Timestamp) -> String {
    let seconds = i64::try_from(time.as_nanos() / 1_000_000_000).unwrap_or_default();
    Instant::from_second(seconds).unwrap_or(Instant::UNIX_EPOCH).to_string()
}

#[cfg(test)]
mod tests;
