//! The JSON that scripts depend on: names are OpenTelemetry's where it has them, absent is absent, seconds.

use crate::time::rfc3339;
use overhear_exchange::{Exchange, Names, Statistics, Unread, UnreadKey};
use overhear_export::proto;
use overhear_query::{
    Authority, EndpointDetail, EndpointRow, TOLD, Value as Attribute, attributes, outline,
    shape::{Messages, ModelUse, Payload, Place, Said, Schema},
    unread_sentence,
};
use serde_json::{Map, Value, json};

/// An exchange by its attributes, as one line without its end.
pub(crate) fn write_exchange(
    out: &mut Vec<u8>,
    exchange: &Exchange,
    route: Option<&str>,
) -> serde_json::Result<()> {
    let mut result = Ok(());
    let mut separator = b'{';
    attributes(exchange, route, |attribute, value| {
        out.push(separator);
        separator = b',';
        // The names are made of letters, dots and underscores: nothing to escape.
        out.push(b'"');
        out.extend_from_slice(attribute.name().as_bytes());
        out.extend_from_slice(b"\":");
        let written = match value {
            Attribute::String(text) => serde_json::to_writer(&mut *out, &*text),
            Attribute::Integer(number) => serde_json::to_writer(&mut *out, &number),
            Attribute::Double(number) => serde_json::to_writer(&mut *out, &number),
        };
        if result.is_ok() {
            result = written;
        }
    });
    out.push(b'}');
    result
}

/// One element of `endpoints --json`.
pub(crate) fn endpoint(row: &EndpointRow) -> Value {
    let mut object = json!({
        "service": &*row.id.service,
        "direction": row.id.way.direction().as_str(),
        "protocol": row.id.protocol,
        "method": &*row.id.method,
        "route": &*row.id.route,
        "requests": row.requests,
        "errors": row.errors,
        "errors_hidden": row.errors_hidden,
        "bytes_in": row.bytes_in,
        "bytes_out": row.bytes_out,
        "first_seen": rfc3339(row.first_seen),
        "last_seen": rfc3339(row.last_seen),
    });
    if let Some(server) = row.id.way.server().map(Authority::parse) {
        object["server.address"] = server.host.into();
        if let Some(port) = server.port {
            object["server.port"] = port.into();
        }
    }
    if let Some(latency) = row.latency {
        object["p50"] = latency.p50.into();
        object["p90"] = latency.p90.into();
        object["p95"] = latency.p95.into();
        object["p99"] = latency.p99.into();
    }
    object
}

/// `show --json`: an endpoint with what is below its line.
pub(crate) fn detail(detail: &EndpointDetail) -> Value {
    let mut object = endpoint(&detail.row);
    object["statuses"] = detail
        .statuses
        .iter()
        .map(|(status, requests)| match status {
            Some(status) => json!({"http.response.status_code": status, "requests": requests}),
            None => json!({"requests": requests}),
        })
        .collect();
    object["error_types"] = detail
        .errors
        .iter()
        .map(|(error, requests)| json!({"error.type": error.to_string(), "requests": requests}))
        .collect();
    object["latency"] = detail
        .latency
        .iter()
        .map(|bucket| json!({"from": bucket.from, "to": bucket.to, "requests": bucket.count}))
        .collect();
    object["callers"] = detail
        .callers
        .iter()
        .map(|caller| json!({"name": &*caller.name, "requests": caller.requests, "errors": caller.errors}))
        .collect();
    let shape = &detail.shape;
    let path = detail.path.iter().map(|one| parameter(&one.name, Place::Path, 1.0, true, &one.schema));
    let others = shape
        .parameters
        .iter()
        .map(|one| parameter(&one.name, one.place, share(one.seen, one.of), one.required, &one.schema));
    object["parameters"] = path.chain(others).collect();
    object["why"] = detail
        .why
        .iter()
        .map(|reason| {
            let terms: Vec<_> =
                reason.terms.iter().map(|(name, share)| json!({"term": name, "log_odds": share})).collect();
            json!({"route": &*reason.route, "log_odds": reason.log_odds, "terms": terms})
        })
        .collect();
    let procedure = shape.procedure.as_ref();
    if let Some(sketch) =
        procedure.and_then(|procedure| proto::sketch(&detail.row.id.route, procedure, &detail.names))
    {
        object["proto"] = sketch.into();
    }
    object["request"] = shape.request.iter().map(payload).collect();
    object["responses"] = shape
        .responses
        .iter()
        .map(|response| {
            json!({
                "http.response.status_code": response.status,
                "requests": response.seen,
                "bodies": response.payloads.iter().map(payload).collect::<Vec<_>>(),
            })
        })
        .collect();
    if let Some(told) = &shape.messages {
        object["messages"] = messages(told);
    }
    if !shape.models.is_empty() {
        object["models"] = shape.models.iter().map(model).collect();
    }
    object
}

/// What went over streams: by who said it, and how WebSockets were agreed on and closed.
fn messages(told: &Messages) -> Value {
    let mut object = json!({"client": said(&told.client), "server": said(&told.server)});
    if !told.subprotocols.is_empty() {
        object["subprotocols"] = told
            .subprotocols
            .iter()
            .map(|(name, streams)| json!({"websocket.subprotocol": name, "streams": streams}))
            .collect();
    }
    if !told.closed.is_empty() {
        object["closed"] = told
            .closed
            .iter()
            .map(|(code, streams)| json!({"websocket.close.code": code, "streams": streams}))
            .collect();
    }
    object
}

fn said(said: &Said) -> Value {
    let kinds = said.kinds.iter().map(|kind| {
        let mut object = payload(kind);
        object["kind"] = object["media_type"].take();
        if let Some(object) = object.as_object_mut() {
            object.remove("media_type");
            if let Some(messages) = object.remove("bodies") {
                object.insert("messages".to_owned(), messages);
            }
        }
        object
    });
    let kinds: Vec<_> = kinds.collect();
    json!({
        "messages": said.messages, "bytes": said.bytes, "unread": said.unread, "gaps": said.gaps,
        "kinds": kinds, "other": said.other,
    })
}

fn model(used: &ModelUse) -> Value {
    let mut object = json!({
        "gen_ai.request.model": used.name, "requests": used.calls,
        "gen_ai.usage.input_tokens": used.input_tokens, "gen_ai.usage.output_tokens": used.output_tokens,
    });
    if let Some((p50, p95)) = used.first_token {
        object["gen_ai.server.time_to_first_token"] = json!({"p50": p50, "p95": p95});
    }
    object
}

fn parameter(name: &str, place: Place, presence: f64, required: bool, schema: &Schema) -> Value {
    let row = outline(schema).into_iter().next();
    let (kind, notes) = row.map(|row| (row.kind, row.notes)).unwrap_or_default();
    json!({"name": name, "in": place.as_str(), "type": kind, "presence": presence, "required": required, "seen": notes})
}

/// A body with one element per field, in the order in which it is read.
fn payload(payload: &Payload) -> Value {
    let fields = payload.schema.iter().flat_map(outline).map(|row| {
        json!({
            "depth": row.depth, "name": row.name, "type": row.kind,
            "presence": row.presence, "required": row.required, "seen": row.notes,
        })
    });
    json!({"media_type": payload.media_type, "bodies": payload.seen, "fields": fields.collect::<Vec<_>>()})
}

#[expect(clippy::cast_precision_loss, reason = "a share")]
fn share(seen: u64, of: u64) -> f64 {
    seen as f64 / of.max(1) as f64
}

/// `{"captured": {…}, "lost": {reason: {…}}, "unreadable": {kind: n}}`.
pub(crate) fn statistics(statistics: &Statistics) -> Value {
    let lost: Map<String, Value> = statistics
        .lost
        .iter()
        .map(|(reason, loss)| {
            (reason.as_str().to_owned(), json!({"events": loss.events, "bytes": loss.bytes}))
        })
        .collect();
    let mut object = json!({
        "captured": {
            "events": statistics.events,
            "bytes": statistics.bytes,
            "connections": statistics.connections,
            "exchanges": statistics.exchanges,
        },
        "lost": lost,
        "unreadable": statistics.unreadable,
    });
    if !statistics.unread.is_empty() {
        let rows = statistics.unread.rows();
        object["unreadable_programs"] = rows.into_iter().map(|(key, what)| unread(key, what)).collect();
    }
    object
}

/// Encrypted connections of one program that stay so.
fn unread(key: &UnreadKey, what: &Unread) -> Value {
    let list = |names: &Names, attribute: &str| -> Vec<Value> {
        let (top, others) = names.top(TOLD);
        let told = top.into_iter().map(|(name, count)| json!({attribute: &**name, "connections": count}));
        told.chain((others > 0).then(|| json!({"connections": others}))).collect()
    };
    let mut object = json!({
        "service.name": &*key.program,
        "direction": key.direction.as_str(),
        "network.protocol.name": key.cipher.as_str(),
        "reason": key.reason.as_str(),
        "message": unread_sentence(key, what),
        "connections": what.connections,
        "open": what.open,
        "sent": what.sent,
        "received": what.received,
        "duration": what.duration.as_secs_f64(),
        "names": list(&what.names, "server.address"),
        "protocols": list(&what.protocols, "tls.next_protocol"),
    });
    if let Some(executable) = &key.executable {
        object["process.executable.name"] = (**executable).into();
    }
    object
}
