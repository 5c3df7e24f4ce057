//! One operation: parameters, request, responses, security, and what was seen of it.

use super::{Version, components::Components, paths::Placed, rfc3339, security::Schemes};
use overhear_model::shape::schema::{Parameter, Payload, Place, Response, Style};
use overhear_query::{ApiOperation, PathParameter, placeholders};
use serde_json::{Map, Value, json};

pub(super) fn describe(
    placed: &Placed<'_>,
    components: &mut Components,
    schemes: &mut Schemes,
    version: Version,
) -> Value {
    let operation = placed.operation;
    let mut value = Map::new();
    if let Some(tag) = &placed.tag {
        value.insert("tags".to_owned(), json!([tag]));
    }
    value.insert("operationId".to_owned(), placed.id.clone().into());
    let parameters = parameters(placed, components);
    if !parameters.is_empty() {
        value.insert("parameters".to_owned(), parameters.into());
    }
    if let Some(body) = request_body(operation, components, version) {
        value.insert("requestBody".to_owned(), body);
    }
    value.insert("responses".to_owned(), responses(&operation.shape.responses, components, version).into());
    if let Some(security) = schemes.requirements(&operation.shape.security) {
        value.insert("security".to_owned(), security);
    }
    value.insert("x-overhear".to_owned(), seen(operation));
    value.into()
}

fn seen(operation: &ApiOperation) -> Value {
    json!({
        "calls": operation.requests,
        "firstSeen": rfc3339(operation.first_seen),
        "lastSeen": rfc3339(operation.last_seen),
        "confidence": (operation.confidence * 100.0).round() / 100.0,
    })
}

fn parameters(placed: &Placed<'_>, components: &mut Components) -> Vec<Value> {
    let names = placeholders(&placed.path);
    let path = placed.operation.path.iter().zip(names).map(|(parameter, name)| {
        let PathParameter { schema, .. } = parameter;
        json!({"name": name, "in": "path", "required": true, "schema": components.schema(schema)})
    });
    let mut all: Vec<Value> = path.collect();
    all.extend(placed.operation.shape.parameters.iter().map(|parameter| beside(parameter, components)));
    all
}

/// A query parameter, header or cookie.
fn beside(parameter: &Parameter, components: &mut Components) -> Value {
    let mut value = Map::new();
    value.insert("name".to_owned(), parameter.name.clone().into());
    value.insert("in".to_owned(), parameter.place.as_str().into());
    if parameter.required {
        value.insert("required".to_owned(), true.into());
    }
    match parameter.style {
        Style::Single => {}
        Style::Repeated if parameter.place == Place::Query => {} // the default of a query
        Style::Repeated => drop(value.insert("explode".to_owned(), true.into())),
        Style::Commas => drop(value.insert("explode".to_owned(), false.into())),
        Style::DeepObject => {
            value.insert("style".to_owned(), "deepObject".into());
            value.insert("explode".to_owned(), true.into());
        }
    }
    value.insert("schema".to_owned(), components.schema(&parameter.schema));
    value.into()
}

fn request_body(operation: &ApiOperation, components: &mut Components, version: Version) -> Option<Value> {
    let shape = &operation.shape;
    if shape.request.is_empty() {
        return None;
    }
    let mut value = Map::new();
    if shape.with_request_body == shape.requests {
        value.insert("required".to_owned(), true.into());
    }
    value.insert("content".to_owned(), content(&shape.request, components, version).into());
    Some(value.into())
}

fn responses(responses: &[Response], components: &mut Components, version: Version) -> Map<String, Value> {
    let mut all = Map::new();
    for response in responses {
        let mut value = Map::new();
        value.insert("description".to_owned(), reason(response.status).into());
        let headers = response.headers.iter().map(|header| {
            let mut described = Map::new();
            if header.required {
                described.insert("required".to_owned(), true.into());
            }
            described.insert("schema".to_owned(), components.schema(&header.schema));
            (header.name.clone(), Value::Object(described))
        });
        let headers: Map<String, Value> = headers.collect();
        if !headers.is_empty() {
            value.insert("headers".to_owned(), headers.into());
        }
        if !response.payloads.is_empty() {
            value.insert("content".to_owned(), content(&response.payloads, components, version).into());
        }
        all.insert(response.status.to_string(), value.into());
    }
    if all.is_empty() {
        all.insert("default".to_owned(), json!({"description": "No response was seen."}));
    }
    all
}

fn content(payloads: &[Payload], components: &mut Components, version: Version) -> Map<String, Value> {
    let media = payloads.iter().map(|payload| {
        let schema = match &payload.schema {
            Some(schema) => components.schema(schema),
            None => opaque(&payload.media_type, version),
        };
        let keyword = if is_sequence(&payload.media_type) && version >= Version::V3_2 {
            "itemSchema"
        } else {
            "schema"
        };
        (payload.media_type.clone(), json!({keyword: schema}))
    });
    media.collect()
}

/// Media types of which each body is many documents (OpenAPI 3.2, Sequential Media Types).
fn is_sequence(media_type: &str) -> bool {
    matches!(
        media_type,
        "application/x-ndjson" | "application/jsonl" | "application/json-seq" | "application/ndjson"
    )
}

/// A body that is not looked into.
fn opaque(media_type: &str, version: Version) -> Value {
    let is_text =
        media_type.starts_with("text/") || media_type.ends_with("xml") || media_type.ends_with("javascript");
    match (is_text, version) {
        (true, _) => json!({"type": "string"}),
        (false, Version::V3_0) => json!({"type": "string", "format": "binary"}),
        // JSON Schema does not describe raw bytes: its place stays empty (OpenAPI 3.1, Working with Binary Data).
        (false, _) => json!({}),
    }
}

/// The reason phrase of RFC 9110 §15 and its registry.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        422 => "Unprocessable Content",
        423 => "Locked",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => class(status),
    }
}

/// What the first digit says (RFC 9110 §15).
fn class(status: u16) -> &'static str {
    match status / 100 {
        1 => "Informational",
        2 => "Successful",
        3 => "Redirection",
        4 => "Client Error",
        5 => "Server Error",
        _ => "Unknown",
    }
}
