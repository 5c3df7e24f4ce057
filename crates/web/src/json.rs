//! Plain answers into JSON, at the rim. Times in milliseconds, durations in seconds, absent is null.

use crate::worse::{Worse, worse as compare};
use overhear_exchange::{Body, Detail, Exchange, Headers, Statistics, Timestamp, Unread, UnreadKey};
use overhear_export::proto;
use overhear_model::server_asked;
use overhear_query::{
    Descriptors, EndpointDetail, EndpointId, Link, Links, OutlineRow, Value as Attribute, attributes,
    monitor::{
        Change, Covered, Deploy, EndpointFigures, EndpointHistory, Figures, Health, Map, Novelty, Point,
        ServiceFigures, Spot,
    },
    outline, outline_of_messages,
    shape::{Messages, ModelUse, Parameter, Payload, Procedure, Said, Schema, Sent},
    unread_names, unread_sentence,
};
use serde_json::{Map as Object, Value, json};
use std::time::Duration;

/// Milliseconds since the epoch, which is what a browser's clock counts.
pub(crate) fn time(time: Timestamp) -> u64 {
    time.as_nanos() / 1_000_000
}

/// An answer with the time it covers. `what` is told when that began.
pub(crate) fn covered<T>(
    covered: &Covered<T>,
    name: &str,
    what: impl FnOnce(&T, Timestamp) -> Value,
) -> Value {
    let mut object = json!({
        "from": time(covered.from),
        "until": time(covered.until),
        "listened_from": time(covered.listened_from),
        "step": covered.step.as_secs_f64(),
        "deploys": covered.deploys.iter().map(deploy).collect::<Vec<_>>(),
        "since": covered.since.iter().map(deploy).collect::<Vec<_>>(),
    });
    object[name] = what(&covered.what, covered.from);
    object
}

fn deploy(deploy: &Deploy) -> Value {
    json!({"service": &*deploy.service, "at": time(deploy.at), "version": deploy.version.as_deref()})
}

pub(crate) fn endpoint_id(id: &EndpointId) -> Value {
    json!({
        "service": &*id.service,
        "way": id.way.direction().as_str(),
        "server": id.way.server(),
        "protocol": id.protocol,
        "method": &*id.method,
        "route": &*id.route,
    })
}

pub(crate) fn figures(figures: &Figures) -> Value {
    let latency = figures.latency.map(|latency| {
        let seconds = |value| significant(value, 4);
        json!({
            "p50": seconds(latency.p50), "p90": seconds(latency.p90), "p95": seconds(latency.p95),
            "p99": seconds(latency.p99), "max": seconds(latency.max),
        })
    });
    json!({
        "requests": figures.requests,
        "rate": significant(rate(figures), 4),
        "errors": figures.errors,
        "errors_hidden": figures.errors_hidden,
        "bytes_in": figures.bytes_in,
        "bytes_out": figures.bytes_out,
        "latency": latency,
    })
}

fn before(before: Option<&Figures>) -> Value {
    before.map_or(Value::Null, figures)
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
pub(crate) fn rate(figures: &Figures) -> f64 {
    if figures.seconds > 0.0 { figures.requests as f64 / figures.seconds } else { 0.0 }
}

/// A number no longer than it is true: ten thousand rows travel every few seconds.
pub(crate) fn significant(value: f64, digits: i32) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    #[expect(clippy::cast_possible_truncation, reason = "an order of magnitude")]
    let magnitude = value.abs().log10().floor() as i32;
    let shift = digits - 1 - magnitude;
    let scale = 10_f64.powi(shift.abs());
    if shift >= 0 { (value * scale).round() / scale } else { (value / scale).round() * scale }
}

/// When, and how it was then.
fn point(point: &Point) -> Value {
    let mut object = figures(&point.figures);
    object["at"] = time(point.at).into();
    object
}

pub(crate) fn service(row: &ServiceFigures, from: Timestamp) -> Value {
    json!({
        "name": &*row.name,
        "endpoints": row.endpoints,
        "now": figures(&row.now),
        "before": before(row.before.as_ref()),
        "line": line(&row.points, from),
    })
}

pub(crate) fn endpoint(row: &EndpointFigures, from: Timestamp) -> Value {
    let mut object = endpoint_id(&row.id);
    object["now"] = figures(&row.now);
    object["before"] = before(row.before.as_ref());
    object["line"] = line(&row.points, from);
    object
}

/// A time line as small as it can be: seconds since the window began, and requests.
pub(crate) fn line(points: &[Point], from: Timestamp) -> Value {
    points.iter().map(|point| json!([offset(point.at, from), point.figures.requests])).collect()
}

/// Seconds; a step may begin before its window.
fn offset(at: Timestamp, from: Timestamp) -> i64 {
    let seconds = |time: Timestamp| i64::try_from(time.as_nanos() / 1_000_000_000).unwrap_or(i64::MAX);
    seconds(at).saturating_sub(seconds(from))
}

pub(crate) fn history(history: &EndpointHistory, from: Timestamp) -> Value {
    let row = &history.figures;
    let mut object = endpoint(row, from);
    object["worse"] = row.before.as_ref().and_then(|before| compare(&row.now, before)).map(finding).into();
    object["points"] = history.figures.points.iter().map(point).collect();
    object["heat"] = history
        .heat
        .iter()
        .map(|(at, buckets)| {
            let buckets: Vec<_> = buckets.iter().map(|one| json!([one.from, one.to, one.count])).collect();
            json!([time(*at), buckets])
        })
        .collect();
    object["statuses"] = history
        .statuses
        .iter()
        .map(|(status, now, before)| json!({"status": status, "now": now, "before": before}))
        .collect();
    object["errors"] = history
        .errors
        .iter()
        .map(|(error, requests)| json!({"error.type": error.to_string(), "requests": requests}))
        .collect();
    object["callers"] = history
        .callers
        .iter()
        .map(|(name, now, earlier)| {
            json!({"name": &**name, "now": figures(now), "before": before(earlier.as_ref())})
        })
        .collect();
    object
}

pub(crate) fn links(links: &Links) -> Value {
    let told = |links: &[Link]| links.iter().map(link).collect::<Vec<_>>();
    json!({
        "answered": links.answered,
        "calls": told(&links.calls),
        "callers": told(&links.callers),
        "unsure": links.unsure,
    })
}

fn link(link: &Link) -> Value {
    let mut object = endpoint_id(&link.id);
    object["requests"] = link.calls.into();
    object["errors"] = link.errors.into();
    object["mean"] = link.mean.as_secs_f64().into();
    object["each"] = link.each.into();
    object
}

pub(crate) fn map(map: &Map) -> Value {
    let nodes = map.nodes.iter().map(|node| json!({"name": &*node.name, "external": node.is_external}));
    let edges = map.edges.iter().map(|edge| {
        json!({
            "from": &*edge.from, "to": &*edge.to,
            "now": figures(&edge.now), "before": before(edge.before.as_ref()),
        })
    });
    json!({"nodes": nodes.collect::<Vec<_>>(), "edges": edges.collect::<Vec<_>>()})
}

/// Where in the messages of an endpoint: `in` as OpenAPI has it for parameters, else `request` or `response`.
fn place(spot: Spot, name: &str) -> Value {
    let (part, status) = match spot {
        Spot::Query => ("query", None),
        Spot::Header => ("header", None),
        Spot::Cookie => ("cookie", None),
        Spot::Request => ("request", None),
        Spot::ResponseHeader(status) => ("response_header", Some(status)),
        Spot::Response(status) => ("response", Some(status)),
    };
    json!({"in": part, "status": status, "name": name})
}

pub(crate) fn change(change: &Change) -> Value {
    let (kind, detail) = match &change.what {
        Novelty::Endpoint => ("endpoint", Value::Null),
        Novelty::Status(status) => ("status", json!(status)),
        Novelty::Caller(name) => ("caller", json!(&**name)),
        Novelty::Field(spot, name) => ("field", place(*spot, name)),
        Novelty::Type(spot, name, kind) => {
            let mut detail = place(*spot, name);
            detail["type"] = (*kind).into();
            ("type", detail)
        }
        Novelty::Media(spot, name) => ("media", place(*spot, name)),
    };
    json!({"at": time(change.at), "endpoint": endpoint_id(&change.endpoint), "kind": kind, "detail": detail})
}

pub(crate) fn worse(worse: &Worse, row: &EndpointFigures, from: Timestamp) -> Value {
    let mut object = endpoint(row, from);
    // The line of what got worse, not of the calls.
    object["line"] = row
        .points
        .iter()
        .filter_map(|point| {
            Some(json!([offset(point.at, from), significant(worse.what.of(&point.figures)?, 4)]))
        })
        .collect();
    object["worse"] = finding(*worse);
    object
}

fn finding(worse: Worse) -> Value {
    json!({"what": worse.what.as_str(), "from": worse.from, "to": worse.to})
}

pub(crate) fn health(health: &Health) -> Value {
    let store = health.store.as_ref().map(|store| {
        let [fine, minutes, hours] = store.kept.map(|kept: Duration| kept.as_secs());
        json!({
            "path": store.path,
            "bytes": store.bytes,
            "most_bytes": store.most_bytes,
            "kept": {"ten_seconds": fine, "minutes": minutes, "hours": hours},
            "oldest": store.oldest.map(time),
        })
    });
    json!({
        "statistics": statistics(&health.statistics),
        "store": store,
        "trouble": health.trouble,
        "resident": health.resident,
        "started": health.started.map(time),
    })
}

fn statistics(statistics: &Statistics) -> Value {
    let lost: Object<String, Value> = statistics
        .lost
        .iter()
        .map(|(reason, loss)| {
            (reason.as_str().to_owned(), json!({"events": loss.events, "bytes": loss.bytes}))
        })
        .collect();
    json!({
        "captured": {
            "events": statistics.events, "bytes": statistics.bytes,
            "connections": statistics.connections, "exchanges": statistics.exchanges,
        },
        "lost": lost,
        "unreadable": statistics.unreadable,
        "programs": statistics.unread.rows().into_iter().map(|(key, what)| unread(key, what)).collect::<Vec<_>>(),
    })
}

/// A program whose encrypted connections cannot be read.
fn unread(key: &UnreadKey, what: &Unread) -> Value {
    json!({
        "program": &*key.program, "direction": key.direction.as_str(), "protocol": key.cipher.as_str(),
        "reason": key.reason.as_str(), "message": unread_sentence(key, what), "names": unread_names(key, what),
        "connections": what.connections, "open": what.open, "sent": what.sent, "received": what.received,
        "duration": what.duration.as_secs_f64(),
    })
}

/// What was learned of an endpoint.
pub(crate) fn detail(detail: &EndpointDetail) -> Value {
    let shape = &detail.shape;
    let path = detail.path.iter().map(|one| {
        json!({"name": one.name, "in": "path", "presence": 1.0, "required": true, "fields": fields(&one.schema)})
    });
    let parameters: Vec<_> = path.chain(shape.parameters.iter().map(parameter)).collect();
    let responses = shape.responses.iter().map(|response| {
        json!({
            "status": response.status,
            "seen": response.seen,
            "headers": response.headers.iter().map(parameter).collect::<Vec<_>>(),
            "bodies": response.payloads.iter().map(payload).collect::<Vec<_>>(),
        })
    });
    json!({
        "endpoint": endpoint_id(&detail.row.id),
        "first_seen": time(detail.row.first_seen),
        "last_seen": time(detail.row.last_seen),
        "requests": detail.row.requests,
        "parameters": parameters,
        "request": shape.request.iter().map(payload).collect::<Vec<_>>(),
        "responses": responses.collect::<Vec<_>>(),
        "messages": shape.messages.as_ref().map(messages),
        "procedure": shape.procedure.as_ref().map(|one| procedure(&detail.row.id.route, one, &detail.names)),
        "models": shape.models.iter().map(model).collect::<Vec<_>>(),
    })
}

/// What went over streams.
fn messages(told: &Messages) -> Value {
    let said = |said: &Said| {
        json!({
            "messages": said.messages, "bytes": said.bytes, "unread": said.unread, "gaps": said.gaps,
            "kinds": said.kinds.iter().map(payload).collect::<Vec<_>>(), "other": said.other,
        })
    };
    json!({
        "client": said(&told.client), "server": said(&told.server),
        "subprotocols": told.subprotocols, "closed": told.closed,
    })
}

fn model(used: &ModelUse) -> Value {
    json!({
        "name": used.name, "calls": used.calls, "input": used.input_tokens, "output": used.output_tokens,
        "first_token": used.first_token.map(|(p50, p95)| json!({"p50": p50, "p95": p95})),
    })
}

#[expect(clippy::cast_precision_loss, reason = "a share")]
fn parameter(one: &Parameter) -> Value {
    json!({
        "name": one.name, "in": one.place.as_str(), "presence": one.seen as f64 / one.of.max(1) as f64,
        "required": one.required, "fields": fields(&one.schema),
    })
}

fn payload(payload: &Payload) -> Value {
    json!({
        "media_type": payload.media_type, "seen": payload.seen, "partial": payload.partial,
        "fields": payload.schema.as_ref().map(fields),
    })
}

/// What a remote procedure takes and gives: each with its fields by name or number, and all as a `.proto` sketch has it.
fn procedure(name: &str, procedure: &Procedure, names: &Descriptors) -> Value {
    let method = names.method(name);
    let sent = |sent: &Sent, of: Option<&String>| {
        json!({
            "streams": sent.streams, "messages": sent.seen, "unread": sent.unread,
            "fields": rows(&outline_of_messages(&sent.message, (names, of.map(String::as_str)))),
        })
    };
    json!({
        "request": sent(&procedure.request, method.map(|method| &method.input)),
        "response": sent(&procedure.response, method.map(|method| &method.output)),
        "proto": proto::sketch(name, procedure, names),
    })
}

fn fields(schema: &Schema) -> Value {
    rows(&outline(schema))
}

fn rows(rows: &[OutlineRow]) -> Value {
    rows.iter()
        .map(|row| {
            json!({
                "depth": row.depth, "name": row.name, "type": row.kind, "presence": row.presence,
                "required": row.required, "notes": row.notes,
            })
        })
        .collect()
}

/// An exchange by its attributes, with what leads to the rest of it.
pub(crate) fn exchange(exchange: &Exchange, route: Option<&str>) -> Value {
    let mut object = Object::new();
    attributes(exchange, route, |attribute, value| {
        let value = match value {
            Attribute::String(text) => json!(text),
            Attribute::Integer(number) => json!(number),
            Attribute::Double(number) => json!(number),
        };
        object.insert(attribute.name().to_owned(), value);
    });
    let Detail::Http(http) = &exchange.detail;
    let protocol = http.call.as_ref().map_or("http", |call| call.system.as_str());
    let endpoint = route.map(|route| {
        json!({
            "service": &*exchange.service, "way": exchange.direction.as_str(), "server": server_asked(exchange),
            "protocol": protocol, "method": http.endpoint_method().as_str(), "route": route,
        })
    });
    object.insert("key".into(), key(exchange).into());
    object.insert("endpoint".into(), endpoint.unwrap_or_default());
    object.into()
}

/// What tells an exchange from all others of this listener.
pub(crate) fn key(exchange: &Exchange) -> String {
    format!("{}-{}", exchange.time.as_nanos(), exchange.connection.0)
}

/// The exchange with its heads, whose secrets were masked when it was kept, and the shapes of its bodies.
pub(crate) fn whole(exchange: &Exchange, route: Option<&str>) -> Value {
    let mut object = self::exchange(exchange, route);
    let Detail::Http(http) = &exchange.detail;
    object["request_headers"] = headers(&http.request_headers);
    object["response_headers"] = headers(&http.response_headers);
    object["trailers"] = headers(&http.trailers);
    object["request_shape"] = body(&http.request_body);
    object["response_shape"] = body(&http.response_body);
    object
}

fn headers(headers: &Headers) -> Value {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    headers.iter().map(|(name, value)| json!([text(name), text(value)])).collect()
}

/// Null where it is no JSON or was not kept whole.
fn body(body: &Body) -> Value {
    let whole = body.complete && body.codings.is_empty();
    let value = whole.then(|| serde_json::from_slice::<Value>(body.captured.expose()).ok()).flatten();
    value.map(|value| skeleton(&value)).unwrap_or_default()
}

/// The names of a body without its values.
fn skeleton(value: &Value) -> Value {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "boolean".into(),
        Value::Number(_) => "number".into(),
        Value::String(text) => format!("string of {}", text.chars().count()).into(),
        Value::Array(items) => match items.first() {
            Some(first) => json!([skeleton(first), format!("… {} items", items.len())]),
            None => json!([]),
        },
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), skeleton(value)))
            .collect::<Object<_, _>>()
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{significant, skeleton};
    use serde_json::json;

    #[test]
    fn numbers_are_no_longer_than_they_are_true() {
        assert_eq!(significant(0.123_456_78, 4), 0.1235);
        assert_eq!(significant(123_456.0, 4), 123_500.0);
        assert_eq!(significant(0.0, 4), 0.0);
        assert_eq!(significant(f64::NAN, 4), 0.0);
    }

    #[test]
    fn a_skeleton_holds_no_value() {
        let body = json!({"name": "Ada", "age": 36, "tags": ["a", "b"], "none": null, "is": true});
        let expected = json!({
            "name": "string of 3", "age": "number", "tags": ["string of 1", "… 2 items"], "none": "null",
            "is": "boolean",
        });
        assert_eq!(skeleton(&body), expected);
    }
}
