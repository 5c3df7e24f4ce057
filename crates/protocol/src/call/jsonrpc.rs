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

pub(super) fn of(text: &str) -> Option<Call> {
    let (value, is_batch) = super::first(text)?;
    let request: Request<'_> = serde_json::from_str(value.get()).ok()?;
    let second = request.jsonrpc.as_deref() == Some("2.0");
    let array = request.params.is_some_and(|params| params.get().starts_with('['));
    let first = request.jsonrpc.is_none() && array && request.id.is_some();
    if !first && !second {
        return None;
    }
    let name = if is_batch { BATCH.into() } else { name(&request.method)? };
    Some(Call { system: CallSystem::JsonRpc, name, rpc: None })
}
