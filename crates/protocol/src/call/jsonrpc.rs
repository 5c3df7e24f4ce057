//! JSON-RPC 2.0 (§4 Request object, §6 Batch) and 1.0, which has no `jsonrpc` member and is only taken with an `id` and
//! `params`.

use super::{BATCH, name};
use overhear_exchange::{Call, CallSystem};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

/// What a tool, prompt or the like is called by.
#[derive(Deserialize)]
struct Target<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

/// A call. `speaks_mcp`: the fields of the request say that it is one of the Model Context Protocol.
pub(super) fn of(text: &str, speaks_mcp: bool) -> Option<Call> {
    let (value, is_batch) = super::first(text)?;
    let request: Request<'_> = serde_json::from_str(value.get()).ok()?;
    let second = request.jsonrpc.as_deref() == Some("2.0");
    let array = request.params.is_some_and(|params| params.get().starts_with('['));
    let first = request.jsonrpc.is_none() && array && request.id.is_some();
    if !first && !second {
        return None;
    }
    let method = name(&request.method)?;
    let is_mcp = second && (speaks_mcp || is_of_mcp(&method, request.params));
    let system = if is_mcp { CallSystem::Mcp } else { CallSystem::JsonRpc };
    let name = match (is_batch, is_mcp) {
        (true, _) => BATCH.into(),
        (false, true) => with_target(method, request.params),
        (false, false) => method,
    };
    Some(Call { system, name })
}

/// Methods that nobody else has (Model Context Protocol 2025-06-18, schema).
fn is_of_mcp(method: &str, params: Option<&RawValue>) -> bool {
    match method {
        "initialize" => params.is_some_and(|params| params.get().contains("\"protocolVersion\"")),
        "tools/call"
        | "tools/list"
        | "prompts/get"
        | "prompts/list"
        | "resources/list"
        | "resources/read"
        | "resources/templates/list"
        | "resources/subscribe"
        | "resources/unsubscribe"
        | "completion/complete"
        | "logging/setLevel"
        | "notifications/initialized"
        | "notifications/cancelled"
        | "notifications/progress"
        | "notifications/roots/list_changed" => true,
        _ => false,
    }
}

/// The method with the tool or prompt that is asked for: those are few, resources are not.
fn with_target(method: Box<str>, params: Option<&RawValue>) -> Box<str> {
    if !matches!(&*method, "tools/call" | "prompts/get") {
        return method;
    }
    let target = params.and_then(|params| serde_json::from_str::<Target<'_>>(params.get()).ok());
    match target.and_then(|target| name(&target.name)) {
        Some(target) => format!("{method} {target}").into(),
        None => method,
    }
}
