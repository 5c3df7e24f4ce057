//! Calls from one process of the shop to another.

use crate::Role;
use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, Response, StatusCode, header},
};
use serde_json::Value;
use std::{io::Read, sync::Arc, time::Duration};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Largest answer taken.
const MAX_ANSWER: u64 = 4 << 20;

/// Another process, called over connections that are kept open.
#[derive(Clone)]
pub(crate) struct Upstream {
    agent: ureq::Agent,
    base: Arc<str>,
}

/// What it answered. A process that does not answer counts as 502.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Upstream {
    /// `from` is named in the user agent.
    pub(crate) fn new(from: Role, base: String) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .user_agent(format!("{}/1.0", from.service()))
            .accept_encoding("")
            .build();
        Self { agent: config.into(), base: base.into() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, HeaderMap::new(), Vec::new()).await
    }

    pub(crate) async fn json(&self, method: Method, path: &str, body: &Value) -> Answer {
        let headers = [(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"))];
        self.call(method, path, headers.into_iter().collect(), body.to_string().into_bytes()).await
    }

    pub(crate) async fn call(&self, method: Method, path: &str, headers: HeaderMap, body: Vec<u8>) -> Answer {
        let (agent, url) = (self.agent.clone(), format!("{}{path}", self.base));
        let task = tokio::task::spawn_blocking(move || send(&agent, method, &url, headers, body));
        task.await.ok().flatten().unwrap_or_else(Answer::none)
    }
}

impl Answer {
    /// The body as JSON; null where it is none.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Passed on as it is, with the headers that are not about the connection.
    pub(crate) fn pass_on(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::SET_COOKIE, header::LOCATION] {
            if let Some(value) = self.headers.get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        response
    }

    fn none() -> Self {
        let body = br#"{"error":{"code":"upstream_unavailable","message":"no answer"}}"#.to_vec();
        Self { status: StatusCode::BAD_GATEWAY, headers: HeaderMap::new(), body }
    }
}

fn send(agent: &ureq::Agent, method: Method, url: &str, headers: HeaderMap, body: Vec<u8>) -> Option<Answer> {
    let mut request = Request::builder().method(&method).uri(url);
    request.headers_mut()?.extend(headers);
    let response = if matches!(method, Method::POST | Method::PUT | Method::PATCH) {
        agent.run(request.body(body).ok()?)
    } else {
        agent.run(request.body(()).ok()?)
    };
    let (parts, body) = response.ok()?.into_parts();
    let mut bytes = Vec::new();
    body.into_reader().take(MAX_ANSWER).read_to_end(&mut bytes).ok()?;
    Some(Answer { status: parts.status, headers: parts.headers, body: bytes })
}
