//! The front door: knows who answers what, and passes calls on.

use super::{Upstream, Work, problem};
use crate::{Role, process::Ports};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
    routing::any,
};

/// Largest body taken.
const MAX_BODY: usize = 1 << 20;

#[derive(Clone)]
struct Gateway {
    orders: Upstream,
    catalog: Upstream,
    users: Upstream,
    work: Work,
}

pub(super) fn router(ports: Ports) -> Router {
    let upstream = |role| Upstream::new(Role::Gateway, ports.url(role));
    let gateway = Gateway {
        orders: upstream(Role::Orders),
        catalog: upstream(Role::Catalog),
        users: upstream(Role::Users),
        work: Work::new(),
    };
    Router::new().route("/api/{*rest}", any(forward)).with_state(gateway)
}

async fn forward(State(gateway): State<Gateway>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let path = target.strip_prefix("/api").unwrap_or(target);
    let Some(upstream) = gateway.upstream(path) else {
        return problem(StatusCode::NOT_FOUND, "no_such_resource", "nothing lives here");
    };
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is too large");
    };
    let headers = gateway.headers(&parts.headers);
    upstream.call(parts.method, path, headers, body.into()).await.pass_on()
}

impl Gateway {
    fn upstream(&self, path: &str) -> Option<&Upstream> {
        match path.split(['/', '?']).nth(1)? {
            "products" | "variants" | "search" => Some(&self.catalog),
            "orders" | "coupons" | "reports" => Some(&self.orders),
            "users" | "login" => Some(&self.users),
            _ => None,
        }
    }

    /// What the services need to know, and a number to follow the call by.
    fn headers(&self, from: &HeaderMap) -> HeaderMap {
        let wanted = [header::AUTHORIZATION, header::COOKIE, header::CONTENT_TYPE, header::ACCEPT];
        let mut headers: HeaderMap =
            wanted.into_iter().filter_map(|name| Some((name.clone(), from.get(name)?.clone()))).collect();
        if let Ok(id) = HeaderValue::from_str(&self.work.with(crate::chance::Chance::uuid)) {
            headers.insert(HeaderName::from_static("x-request-id"), id);
        }
        headers
    }
}
