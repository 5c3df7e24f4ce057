//! `endpoints` and `show ENDPOINT`.

use crate::{
    CallerRow, EndpointDetail, EndpointFilter, EndpointId, EndpointRow, LatencyBucket, Percentiles,
    RouteReason,
    api::{self, unnamed},
    near::nearest,
};
use overhear_exchange::Direction;
use overhear_model::{Endpoint, Histogram, Model, Why, route};
use std::sync::Arc;

/// Which endpoints are asked for; the default is all.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only what this service answers and asks, and what is asked of the server of this name.
    pub service: Option<String>,
    /// Only those answered, or only those asked.
    pub direction: Option<Direction>,
    /// Only those the expression holds for.
    pub filter: Option<EndpointFilter>,
}

impl Selection {
    /// Whether an endpoint is asked for.
    pub fn includes(&self, id: &EndpointId) -> bool {
        let named = |name: &str| name == &*id.service || id.way.asks(name);
        self.service.as_deref().is_none_or(named)
            && self.direction.is_none_or(|direction| direction == id.way.direction())
            && self.filter.as_ref().is_none_or(|filter| filter.matches(id))
    }
}

/// A row per endpoint, by service, way, route and method. What was beyond the model's bounds is a row with the method
/// and route [`overhear_model::OTHER`].
pub fn endpoints(model: &Model, selection: &Selection) -> Vec<EndpointRow> {
    let all = model.endpoints();
    all.iter().filter(|(id, _)| selection.includes(id)).map(|(id, endpoint)| row(id, endpoint)).collect()
}

/// Everything about one endpoint.
pub fn endpoint(model: &Model, id: &EndpointId) -> Option<EndpointDetail> {
    let described = model.describe(id)?;
    let endpoint = &described.endpoint;
    let mut errors: Vec<_> = endpoint.error_types().collect();
    errors.sort_by_key(|(error, count)| (std::cmp::Reverse(*count), *error));
    let buckets = endpoint.latency.buckets();
    let mut callers: Vec<_> = endpoint
        .callers
        .iter()
        .map(|(name, calls)| CallerRow { name: name.into(), requests: calls.requests, errors: calls.errors })
        .collect();
    callers.sort_by(|a, b| b.requests.cmp(&a.requests).then_with(|| a.name.cmp(&b.name)));
    Some(EndpointDetail {
        row: row(id, endpoint),
        statuses: endpoint.statuses().collect(),
        errors,
        latency: buckets.map(|(from, to, count)| LatencyBucket { from, to, count }).collect(),
        callers,
        path: api::path(&described),
        why: described.why.iter().map(|(route, why)| explained(route, why)).collect(),
        shape: endpoint.shapes.operation(),
        names: model.descriptors().of_method(&id.route),
    })
}

fn explained(route: &Arc<str>, why: &Why) -> RouteReason {
    let mut terms: Vec<_> = why.terms.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect();
    terms.sort_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
    RouteReason { route: Arc::clone(route), log_odds: why.log_odds, terms }
}

/// The endpoints a person means by `GET /users/{userId}`, `/users/42`, `shop GET /x` or `api.stripe.com GET /x`: several
/// when it fits several.
///
/// A path is looked up as a route first, then as a call. Placeholder names do not matter.
pub fn find_endpoint(model: &Model, text: &str) -> Vec<EndpointId> {
    let wanted = Wanted::parse(text);
    let all: Vec<_> =
        model.endpoints().into_iter().filter(|(id, _)| wanted.may_be(id)).map(|(id, _)| id).collect();
    let fitting = |route: &str| -> Vec<EndpointId> {
        all.iter().filter(|id| unnamed(&id.route) == unnamed(route)).map(|id| (**id).clone()).collect()
    };
    let exact = fitting(wanted.path);
    if !exact.is_empty() {
        return exact;
    }
    // Remote procedures, as the path that they have on the wire.
    let procedure = wanted.path.strip_prefix('/').map(fitting).unwrap_or_default();
    if !procedure.is_empty() {
        return procedure;
    }
    let called = model.endpoints_of(wanted.path).into_iter().filter(|id| wanted.may_be(id));
    called.map(|id| (*id).clone()).collect()
}

/// The endpoints nearest to what [`find_endpoint`] did not find, best first.
pub fn near_endpoints(model: &Model, text: &str, limit: usize) -> Vec<EndpointId> {
    let wanted = Wanted::parse(text);
    // What does not begin like a path may be a remote procedure.
    let template = match wanted.path.strip_prefix('/') {
        Some(_) => unnamed(route::template(wanted.path).as_str()),
        None => wanted.path.to_owned(),
    };
    let all = model.endpoints();
    let routes: Vec<String> = all.iter().map(|(id, _)| unnamed(&id.route)).collect();
    let candidates = routes.iter().map(String::as_str).zip(all.iter().map(|(id, _)| (**id).clone()));
    nearest(&template, candidates, limit)
}

/// `[service] [server] [method] path`
struct Wanted<'a> {
    /// Of the service, or of the server it asks.
    names: Vec<&'a str>,
    method: Option<&'a str>,
    path: &'a str,
}

impl<'a> Wanted<'a> {
    fn parse(text: &'a str) -> Self {
        let text = text.trim();
        // What is called at a path stands behind it, and may be several words: `/mcp#tools/call add`.
        let before = text.split_once('#').map_or(text, |(before, _)| before);
        let start = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        let (words, path) = text.split_at_checked(start).unwrap_or(("", text));
        let mut words: Vec<&str> = words.split_whitespace().collect();
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        // Methods that are not usual stand behind a name, and names of servers have a dot or a colon.
        let alone = words.len() == 1;
        let method = words.pop_if(|word| is_method(word) || !(alone || word.contains(['.', ':', '/'])));
        Self { names: words, method, path }
    }

    fn may_be(&self, id: &EndpointId) -> bool {
        let is_name = |name: &&str| **name == *id.service || id.way.asks(name);
        self.names.iter().all(is_name)
            && self.method.is_none_or(|method| method.eq_ignore_ascii_case(&id.method))
    }
}

fn is_method(word: &str) -> bool {
    const METHODS: [&str; 9] =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    METHODS.iter().any(|method| method.eq_ignore_ascii_case(word))
}

pub(crate) fn row(id: &EndpointId, endpoint: &Endpoint) -> EndpointRow {
    let (first_seen, last_seen) = endpoint.seen.unwrap_or_default();
    EndpointRow {
        id: id.clone(),
        requests: endpoint.requests,
        errors: endpoint.errors,
        errors_hidden: endpoint.errors_hidden,
        latency: percentiles(&endpoint.latency),
        bytes_in: endpoint.bytes_in,
        bytes_out: endpoint.bytes_out,
        first_seen,
        last_seen,
    }
}

fn percentiles(latency: &Histogram) -> Option<Percentiles> {
    let at = |q| latency.percentile(q);
    Some(Percentiles { p50: at(0.5)?, p90: at(0.9)?, p95: at(0.95)?, p99: at(0.99)? })
}

#[cfg(test)]
mod tests {
    use super::{Selection, endpoint, endpoints, find_endpoint, near_endpoints};
    use crate::{EndpointId, Filter, Owner, apis, sample};
    use overhear_exchange::{Call, CallSystem, Detail};
    use overhear_model::Model;

    fn model() -> Model {
        let mut model = Model::default();
        for (method, path, status) in [
            ("GET", "/users/42", 200),
            ("GET", "/users/43", 500),
            ("DELETE", "/users/42", 204),
            ("GET", "/users/me", 200),
            ("POST", "/orders", 201),
        ] {
            model.learn(&sample::exchange(method, path, Some(status)));
        }
        let mut other = sample::exchange("GET", "/users/1", Some(200));
        other.service = "admin".into();
        model.learn(&other);
        model
    }

    /// Calls of remote procedures, one of which looks like an id.
    fn procedures() -> Model {
        let mut model = Model::default();
        for name in ["shop.v1.Orders/Get", "shop.v1.Orders/List", "shop.v1.Orders/Get", "shop.v1.Orders/V2"] {
            let mut call = sample::exchange("POST", &format!("/{name}"), Some(200));
            let Detail::Http(http) = &mut call.detail;
            let rpc = Some(Box::default());
            http.call = Some(Box::new(Call { system: CallSystem::Grpc, name: name.into(), rpc }));
            model.learn(&call);
        }
        model
    }

    #[test]
    fn remote_procedures_are_endpoints_by_their_names() {
        let model = procedures();
        let rows = endpoints(&model, &Selection::default());
        let told: Vec<_> = rows.iter().map(|row| (row.id.protocol, &*row.id.route, row.requests)).collect();
        let expected = [
            ("grpc", "shop.v1.Orders/Get", 2),
            ("grpc", "shop.v1.Orders/List", 1),
            ("grpc", "shop.v1.Orders/V2", 1),
        ];
        assert_eq!(told, expected);
        for text in ["shop.v1.Orders/Get", "/shop.v1.Orders/Get", "POST shop.v1.Orders/Get"] {
            let found = find_endpoint(&model, text);
            assert_eq!(
                found.iter().map(|id| &*id.route).collect::<Vec<_>>(),
                ["shop.v1.Orders/Get"],
                "{text}"
            );
        }
        let near = near_endpoints(&model, "shop.v1.Orders/Gett", 1);
        assert_eq!(near.first().map(|id| &*id.route), Some("shop.v1.Orders/Get"));
        assert!(apis(&model, &Selection::default()).is_empty(), "OpenAPI has no place for them");
    }

    /// Two services that ask, and two servers that are asked for the same path.
    fn third_parties() -> Model {
        let mut model = Model::default();
        for (service, server, calls) in
            [("shop", "api.stripe.com", 3), ("billing", "api.stripe.com", 2), ("shop", "pay.test:8443", 1)]
        {
            for n in 0..calls {
                let call = sample::exchange("GET", &format!("/v1/charges/{n}"), Some(200));
                model.learn(&sample::asked(call, service, server));
            }
        }
        model
    }

    fn names(ids: impl IntoIterator<Item = EndpointId>) -> Vec<String> {
        ids.into_iter().map(|id| format!("{} {} {}", id.service, id.method, id.route)).collect()
    }

    #[test]
    fn rows_are_sorted_and_selected() {
        let rows = |selection| names(endpoints(&model(), &selection).into_iter().map(|row| row.id));
        assert_eq!(
            rows(Selection::default()),
            [
                "admin GET /users/{userId}",
                "shop POST /orders",
                "shop GET /users/me",
                "shop DELETE /users/{userId}",
                "shop GET /users/{userId}"
            ]
        );
        let admin = Selection { service: Some("admin".into()), ..Selection::default() };
        assert_eq!(rows(admin), ["admin GET /users/{userId}"]);
        let filter = Filter::compile(r#"http.route.startsWith("/orders")"#).unwrap().for_endpoints().unwrap();
        let filtered = Selection { filter: Some(filter), ..Selection::default() };
        assert_eq!(rows(filtered), ["shop POST /orders"]);
    }

    #[test]
    fn an_api_of_somebody_else_is_put_together_from_all_that_ask_it() {
        let told = |service: &str, filter: Option<&str>| -> Vec<(Owner, u64, Vec<String>)> {
            let filter = filter.map(|text| Filter::compile(text).unwrap().for_endpoints().unwrap());
            let service = (!service.is_empty()).then(|| service.to_owned());
            let selection = Selection { service, filter, ..Selection::default() };
            let apis = apis(&third_parties(), &selection).into_iter();
            apis.map(|api| (api.owner, api.operations[0].requests, api.servers)).collect()
        };
        let server = |name: &str, callers: &[&str], requests, url: &str| {
            let callers = callers.iter().map(|name| (*name).into()).collect();
            (Owner::Server { name: name.into(), callers }, requests, vec![url.to_owned()])
        };
        let stripe = server("api.stripe.com", &["billing", "shop"], 5, "http://api.stripe.com");
        let pay = server("pay.test:8443", &["shop"], 1, "http://pay.test:8443");
        let of_shop = server("api.stripe.com", &["shop"], 3, "http://api.stripe.com");
        assert_eq!(told("", None), [stripe.clone(), pay.clone()]);
        assert_eq!(told("api.stripe.com", None), [stripe]);
        assert_eq!(told("shop", None), [of_shop.clone(), pay]);
        let filter = r#"service.name == "shop" && server.address == "api.stripe.com""#;
        assert_eq!(told("", Some(filter)), [of_shop]);
    }

    #[test]
    fn endpoints_are_found_by_the_server_that_is_asked() {
        for (text, found) in [
            ("api.stripe.com GET /v1/charges/7", 2),
            ("shop /v1/charges/7", 2),
            ("shop api.stripe.com GET /v1/charges/7", 1),
            ("shop pay.test:8443 /v1/charges/7", 1),
            ("pay.test GET /v1/charges/7", 1),
            ("billing pay.test:8443 /v1/charges/7", 0),
            ("shop PROPFIND /v1/charges/7", 0),
        ] {
            assert_eq!(find_endpoint(&third_parties(), text).len(), found, "{text}");
        }
    }

    #[test]
    fn people_name_endpoints_in_many_ways() {
        let model = model();
        for (text, expected) in [
            ("shop GET /users/{userId}", &["shop GET /users/{userId}"][..]),
            ("GET /users/42", &["admin GET /users/{userId}", "shop GET /users/{userId}"]),
            ("get /users/{id}?x=1", &["admin GET /users/{userId}", "shop GET /users/{userId}"]),
            ("admin /users/7", &["admin GET /users/{userId}"]),
            ("/users/me", &["shop GET /users/me"]),
            ("/orders", &["shop POST /orders"]),
            ("GET /orders", &[]),
            ("", &[]),
        ] {
            assert_eq!(names(find_endpoint(&model, text)), expected, "{text}");
        }
        assert_eq!(names(near_endpoints(&model, "GET /ordes", 3)), ["shop POST /orders"]);
    }

    #[test]
    fn a_detail_says_everything() {
        let model = model();
        let id = find_endpoint(&model, "shop GET /users/1").remove(0);
        let detail = endpoint(&model, &id).unwrap();
        assert_eq!(detail.row.requests, 2);
        assert_eq!(detail.statuses, [(Some(200), 1), (Some(500), 1)]);
        assert_eq!(detail.errors.len(), 1);
        assert_eq!(
            (&*detail.callers[0].name, detail.callers[0].requests, detail.callers[0].errors),
            ("web", 2, 1)
        );
        assert_eq!(detail.latency.iter().map(|bucket| bucket.count).sum::<u64>(), 2);
        let p50 = detail.row.latency.unwrap().p50;
        assert!((p50 / 0.25 - 1.0).abs() < 0.02, "{p50}");
        assert_eq!(endpoint(&model, &EndpointId { route: "/nope".into(), ..id }), None);
    }
}
