use super::{Learned, Limits, Model};
use crate::{
    Bodies, Endpoint, EndpointId, OTHER,
    shape::{Content, Effort},
};
use overhear_exchange::{
    Address, Call, CallSystem, Counts, Detail, Direction, ErrorType, Exchange, Flow, GenAi, GenAiOperation,
    Headers, Message, Process, Redacted, Sender, Stage, Stream, StreamKind, Timestamp, WebSocket,
};
use proptest::prelude::*;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

pub(crate) fn exchange(method: &str, path: &str, status: Option<u16>) -> Exchange {
    let time = Timestamp::from_nanos(1_000);
    Exchange { time, ..overhear_testkit::exchange("shop", method, path, status) }
}

fn with_body(body: &'static str) -> Exchange {
    let mut exchange = exchange("POST", "/graphql", Some(200));
    let Detail::Http(http) = &mut exchange.detail;
    http.response_body.captured = Redacted::new(body.as_bytes().into());
    exchange
}

/// The same exchange, asked of this server.
fn outbound(mut exchange: Exchange, server: &str) -> Exchange {
    exchange.direction = Direction::Outbound;
    let Detail::Http(http) = &mut exchange.detail;
    http.authority = Some(server.into());
    exchange
}

/// Endpoints as they are shown.
fn rows(model: &Model) -> Vec<(String, Endpoint)> {
    let name = |id: &EndpointId| format!("{} {:?} {} {}", id.service, id.way.server(), id.method, id.route);
    model.endpoints().into_iter().map(|(id, endpoint)| (name(&id), endpoint.into_owned())).collect()
}

fn saved(model: &Model) -> Vec<u8> {
    let mut bytes = Vec::new();
    model.save(&mut bytes).unwrap();
    bytes
}

#[test]
fn counts_what_an_endpoint_does() {
    let mut model = Model::default();
    model.learn(&exchange("GET", "/users/42", Some(200)));
    model.learn(&exchange("GET", "/users/43", Some(404)));
    model.learn(&exchange("GET", "/users/44", Some(503)));
    let mut reset = exchange("GET", "/users/45", None);
    reset.error = Some(ErrorType::ConnectionReset);
    reset.duration = None;
    let Learned { id, .. } = model.learn(&reset);

    assert_eq!((&*id.service, &*id.method, &*id.route), ("shop", "GET", "/users/{userId}"));
    assert_eq!(model.endpoints().len(), 1);
    let endpoint = model.endpoint(&id).unwrap();
    assert_eq!((endpoint.requests, endpoint.errors, endpoint.bytes_in, endpoint.bytes_out), (4, 2, 40, 400));
    assert_eq!(
        endpoint.statuses().collect::<Vec<_>>(),
        [(None, 1), (Some(200), 1), (Some(404), 1), (Some(503), 1)]
    );
    assert_eq!(
        endpoint.error_types().collect::<Vec<_>>(),
        [(ErrorType::Status(503), 1), (ErrorType::ConnectionReset, 1)]
    );
    assert_eq!(endpoint.latency.count(), 3);
    let callers: Vec<_> = endpoint.callers.iter().map(|(name, c)| (name, c.requests, c.errors)).collect();
    assert_eq!(callers, [("10.0.0.9", 4, 2)]);
}

#[test]
fn finds_errors_behind_a_200() {
    let mut model = Model::default();
    assert!(model.learn(&with_body(r#"{"errors":[{}]}"#)).hidden_error);
    assert!(!model.learn(&with_body(r#"{"data":1}"#)).hidden_error);
    let encoded = {
        let mut exchange = with_body(r#"{"errors":[{}]}"#);
        let Detail::Http(http) = &mut exchange.detail;
        http.response_body.codings.push(overhear_exchange::ContentCoding::Gzip);
        exchange
    };
    assert!(!model.learn(&encoded).hidden_error, "it is not the text it looks like");
    let response = Some(Content { bytes: br#"{"error":"x"}"#, complete: true });
    let bodies = Bodies { request: None, response };
    assert!(model.learn_decoded(&encoded, bodies, Effort::Whole).hidden_error);
    let (_, endpoint) = model.endpoints().remove(0);
    assert_eq!((endpoint.requests, endpoint.errors, endpoint.errors_hidden), (4, 0, 2));
}

#[test]
fn odd_requests_have_a_place_too() {
    let mut model = Model::default();
    let id = |exchange: &Exchange, model: &mut Model| {
        let id = model.learn(exchange).id;
        format!("{} {}", id.method, id.route)
    };
    assert_eq!(id(&exchange("CONNECT", "", Some(200)), &mut model), "CONNECT {authority}");
    assert_eq!(id(&exchange("OPTIONS", "*", Some(200)), &mut model), "OPTIONS *");
    assert_eq!(id(&exchange("x y\n", "/", Some(200)), &mut model), "~other /");
}

#[test]
fn every_server_that_is_asked_has_endpoints_of_its_own() {
    let mut model = Model::default();
    for n in 0..9 {
        for server in ["api.stripe.com", "API.stripe.com:80", "api.github.com"] {
            model.learn(&outbound(exchange("GET", &format!("/v1/charges/{n}"), Some(200)), server));
        }
        model.learn(&exchange("GET", &format!("/v1/charges/{n}"), Some(200)));
    }
    let requests: Vec<_> =
        rows(&model).into_iter().map(|(name, endpoint)| (name, endpoint.requests)).collect();
    assert_eq!(
        requests,
        [
            ("shop None GET /v1/charges/{chargeId}".to_owned(), 9),
            ("shop Some(\"api.github.com\") GET /v1/charges/{chargeId}".to_owned(), 9),
            ("shop Some(\"api.stripe.com\") GET /v1/charges/{chargeId}".to_owned(), 18),
        ]
    );
}

/// Neither has seen enough words to tell that they are values.
#[test]
fn the_routes_of_a_server_are_decided_from_all_that_ask_it() {
    let mut model = Model::default();
    let words = [
        "berlin", "paris", "london", "madrid", "oslo", "tokyo", "delhi", "lagos", "lima", "quito", "dakar",
        "cairo",
    ];
    for (n, word) in words.iter().cycle().take(60).enumerate() {
        let mut exchange =
            outbound(exchange("GET", &format!("/weather/{word}"), Some(200)), "weather.example");
        let Detail::Http(http) = &mut exchange.detail;
        http.response_body.captured = Redacted::new(format!(r#"{{"degrees":{n},"sky":"clear"}}"#).into());
        exchange.service = ["auth", "mail", "shop"][n % 3].into();
        model.learn(&exchange);
    }
    let surface = |chosen: &dyn Fn(&EndpointId) -> bool| {
        let surfaces = model.surfaces(chosen);
        let asked =
            surfaces.into_iter().find(|surface| surface.way.server() == Some("weather.example")).unwrap();
        let services: Vec<_> = asked.services.iter().map(ToString::to_string).collect();
        (
            services,
            asked.endpoints.iter().map(|one| one.endpoint.requests).sum::<u64>(),
            asked.endpoints.len(),
        )
    };
    assert_eq!(surface(&|_| true), (["auth", "mail", "shop"].map(str::to_owned).into(), 60, 1));
    let alone = surface(&|id| &*id.service == "auth");
    assert_eq!(alone, (vec!["auth".to_owned()], 20, 4), "alone it looks like four routes");
}

fn answered(service: &str, port: u16) -> Exchange {
    let mut exchange = exchange("GET", "/users/7", Some(200));
    exchange.server.address = Address::Ip(([10, 0, 0, 5], port).into());
    exchange.service = service.into();
    exchange
}

#[test]
fn what_is_asked_for_by_address_is_the_one_name_that_answers_there() {
    let found = |calls: &[(&str, u16)]| -> Vec<(String, String)> {
        let mut model = Model::default();
        calls.iter().for_each(|(service, port)| drop(model.learn(&answered(service, *port))));
        let model = Model::load(saved(&model).as_slice()).unwrap();
        model
            .names(&Default::default())
            .into_iter()
            .map(|(from, to)| (from.to_string(), to.to_string()))
            .collect()
    };
    let one = |from: &str, to: &str| vec![(from.to_owned(), to.to_owned())];
    assert_eq!(found(&[("shop.example", 80), ("10.0.0.5:80", 80)]), one("10.0.0.5:80", "shop.example"));
    assert_eq!(found(&[("shop.example", 80), ("localhost", 80)]), one("localhost", "shop.example"));
    assert_eq!(found(&[("shop.example", 80), ("10.0.0.5:81", 81)]), []);
    // A gateway: whose calls those are cannot be known.
    assert_eq!(found(&[("shop.example", 80), ("auth.example", 80), ("10.0.0.5:80", 80)]), []);
    assert_eq!(
        found(&[("shop.example", 80), ("auth.example", 81), ("localhost", 80), ("localhost", 81)]),
        []
    );
    // Names are never joined by themselves.
    assert_eq!(found(&[("shop.example", 80), ("www.shop.example", 80)]), []);
}

#[test]
fn names_that_are_one_are_joined() {
    let mut model = Model::default();
    for service in ["eu.example", "us.example", "us.example", "auth"] {
        model.learn(&answered(service, 80));
        model.learn(&outbound(answered(service, 80), "a.example"));
        model.learn(&outbound(answered(service, 80), "b.example"));
    }
    let names = [("eu.example", "api"), ("us.example", "api"), ("b.example", "a.example")];
    let names: super::Names = names.map(|(from, to)| (from.into(), to.into())).into();
    let joined = model.joined(&names);
    let told: Vec<_> = rows(&joined).into_iter().map(|(name, endpoint)| (name, endpoint.requests)).collect();
    let row = |name: &str, requests| (format!("{name} GET /users/{{userId}}"), requests);
    let asked = r#"Some("a.example")"#;
    assert_eq!(
        told,
        [
            row("api None", 3),
            row(&format!("api {asked}"), 6),
            row("auth None", 1),
            row(&format!("auth {asked}"), 2)
        ]
    );
    let mut more = names.clone();
    more.insert("gone".into(), "api".into());
    assert_eq!(model.names(&more), names, "nothing was heard of the last");
    assert_eq!(model.joined(&Default::default()), model);
}

#[test]
fn servers_beyond_the_bound_are_counted_together_whatever_the_order() {
    let limits = Limits { servers: 3, ..Limits::default() };
    let names: Vec<String> = (0..20).map(|n| format!("bucket{n}.example")).collect();
    let learned = |names: &mut dyn Iterator<Item = &String>| {
        let mut model = Model::with_limits(7, limits);
        for server in names {
            model.learn(&outbound(exchange("GET", "/", Some(200)), server));
        }
        model
    };
    let model = learned(&mut names.iter());
    assert_eq!(saved(&model), saved(&learned(&mut names.iter().rev())));
    let counts: Vec<_> = rows(&model).into_iter().map(|(name, endpoint)| (name, endpoint.requests)).collect();
    assert_eq!(counts.len(), 4, "{counts:?}");
    assert!(counts.contains(&("shop Some(\"~other\") ~other ~other".to_owned(), 17)), "{counts:?}");
    let other = model.endpoints().into_iter().find(|(id, _)| id.way.server() == Some(OTHER)).unwrap().0;
    assert_eq!(model.endpoint(&other).unwrap().requests, 17);
}

fn arbitrary_exchange() -> impl Strategy<Value = Exchange> {
    let status = prop_oneof![Just(None), (100u16..600).prop_map(Some)];
    let path = prop::sample::select(vec!["/a", "/users/1", "/users/me", "/x/y/2", "", "/b/"]);
    let asked =
        prop::option::of(prop::sample::select(vec!["a.example", "B.example:8080", "c.example", "~other"]));
    let who = (prop::sample::select(vec!["shop", "auth"]), asked, 0u8..4, any::<bool>());
    let times = (1u64..1_000_000, prop::option::of(1u64..10_000_000_000));
    (status, path, who, times).prop_map(
        |(status, path, (service, asked, caller, local), (time, duration))| {
            let mut exchange = exchange("GET", path, status);
            exchange.service = service.into();
            exchange.server.address = Address::Ip(([10, 0, 1, caller], 80).into());
            if let Some(server) = asked {
                exchange = outbound(exchange, server);
            }
            exchange.time = Timestamp::from_nanos(time);
            exchange.duration = duration.map(Duration::from_nanos);
            exchange.client.address = Address::Ip(([10, 0, 0, caller], 1).into());
            let process = || Arc::new(Process::new(1, format!("p{caller}")));
            exchange.client.process = local.then(process);
            exchange.error = status.is_none().then_some(ErrorType::Timeout);
            exchange
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Tiny bounds: what is said of order and partition holds beyond them too.
    #[test]
    fn order_and_partition_do_not_matter(
        exchanges in prop::collection::vec((arbitrary_exchange(), any::<u32>(), 0usize..3), 0..60),
        tiny in any::<bool>(),
    ) {
        let few = Limits { services: 1, servers: 2, words: 3, sampled: 1, values: 1, ..Limits::default() };
        let limits = if tiny { few } else { Limits::default() };
        let mut in_order = Model::with_limits(7, limits);
        exchanges.iter().for_each(|(exchange, ..)| { in_order.learn(exchange); });

        let mut shuffled = exchanges.clone();
        shuffled.sort_by_key(|(_, place, _)| *place);
        let mut parts = [0; 3].map(|_| Model::with_limits(7, limits));
        for (exchange, _, part) in &shuffled {
            parts[*part].learn(exchange);
        }
        let [mut a, b, mut c] = parts;
        c.merge(&a);
        c.merge(&b);
        prop_assert_eq!(&c, &in_order);
        prop_assert_eq!(saved(&c), saved(&in_order));
        a.merge(&b);
        prop_assert_eq!(in_order.requests(), exchanges.len() as u64);
    }

    /// The room that all paths share goes by order. What is promised once it is used up: nothing is counted twice or
    /// lost, no endpoint is said to have had more calls than it had, and what it is short of is beyond the bounds.
    #[test]
    fn beyond_the_room_all_is_counted_and_nothing_too_often(
        calls in prop::collection::vec((0usize..8, 0usize..2, 0u16..2, any::<u32>(), 0usize..3), 1..60),
        room in 1usize..14,
    ) {
        const PATHS: [&str; 8] = [
            "/admin", "/search", "/health", "/login/verify", "/me/settings", "/batch/status", "/ping", "/me/settings/export",
        ];
        let limits = Limits { served: room, ..Limits::default() };
        let learn = |model: &mut Model, (path, method, status, ..): (usize, usize, u16, u32, usize)| {
            drop(model.learn(&exchange(["GET", "POST"][method], PATHS[path], Some(200 + 300 * status))));
        };
        let mut in_order = Model::with_limits(7, limits);
        calls.iter().for_each(|call| learn(&mut in_order, *call));
        let mut shuffled = calls.clone();
        shuffled.sort_by_key(|call| call.3);
        let mut parts = [0; 3].map(|_| Model::with_limits(7, limits));
        shuffled.iter().for_each(|call| learn(&mut parts[call.4], *call));
        let [mut merged, b, c] = parts;
        merged.merge(&b);
        merged.merge(&c);

        let mut truth = BTreeMap::<(String, String), u64>::new();
        for (path, method, ..) in &calls {
            *truth.entry((["GET", "POST"][*method].into(), PATHS[*path].into())).or_default() += 1;
        }
        for (model, is_exact) in [(&in_order, true), (&merged, false)] {
            let (mut requests, mut errors, mut bytes, mut apart) = (0, 0, 0, 0);
            for (id, endpoint) in model.endpoints() {
                requests += endpoint.requests;
                errors += endpoint.errors;
                bytes += endpoint.bytes_in;
                if &*id.route != OTHER {
                    apart += 1;
                    let had = truth.get(&(id.method.to_string(), id.route.to_string())).copied().unwrap_or(0);
                    prop_assert!(endpoint.requests <= had, "{id:?}: {} of {had}", endpoint.requests);
                    prop_assert!(!is_exact || endpoint.requests == had, "what is there from its first call is exact");
                }
            }
            prop_assert!(apart <= room, "{apart} endpoints in a room of {room}");
            prop_assert_eq!(requests, calls.len() as u64);
            prop_assert_eq!(errors, calls.iter().filter(|call| call.2 == 1).count() as u64);
            prop_assert_eq!(bytes, 10 * calls.len() as u64);
            prop_assert_eq!(model.requests(), calls.len() as u64);
        }
    }

    #[test]
    fn a_saved_model_comes_back(exchanges in prop::collection::vec(arbitrary_exchange(), 0..40)) {
        let mut model = Model::new(3);
        exchanges.iter().for_each(|exchange| { model.learn(exchange); });
        let bytes = saved(&model);
        let loaded = Model::load(bytes.as_slice()).unwrap();
        prop_assert_eq!(rows(&loaded), rows(&model));
        prop_assert_eq!(saved(&loaded), bytes);
    }

    #[test]
    fn a_damaged_file_is_an_error(at in any::<prop::sample::Index>(), flip in 1u8..=255, cut in any::<prop::sample::Index>()) {
        let mut model = Model::new(3);
        model.learn(&exchange("GET", "/users/42", Some(200)));
        let mut bytes = saved(&model);
        prop_assert!(Model::load(&bytes[..cut.index(bytes.len())]).is_err());
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        // The checksum covers the content; a changed frame header may still describe the same content.
        if let Ok(loaded) = Model::load(bytes.as_slice()) {
            prop_assert_eq!(saved(&loaded), saved(&model));
        }
    }
}

#[test]
fn what_is_no_model_is_refused_with_a_reason() {
    let reason = |bytes: &[u8]| Model::load(bytes).unwrap_err().to_string();
    let zstd = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
    assert_eq!(reason(b""), "this is not a saved model");
    assert_eq!(reason(b"{\"log\":{}}"), "this is not a saved model");
    assert_eq!(reason(&zstd("{\"log\":{}}")), "this is not a saved model");
    assert!(
        reason(&zstd("{\"overhear_model\": 4, \"x\": []}"))
            .contains("version 4; this program reads version 3: use a newer")
    );
    assert!(reason(&zstd("{\"overhear_model\": 2, \"x\": []}")).contains("learn it again"));
    assert!(reason(&zstd("{\"overhear_model\": 3")).contains("damaged"));
    assert!(reason(&zstd("{\"overhear_model\": 3, \"key\": 0, \"services\": 4}")).contains("damaged"));
}

#[test]
fn beyond_the_bounds_everything_is_counted_and_working_endpoints_stay() {
    let mut model = Model::default();
    for n in 0..1000 {
        model.learn(&exchange("GET", &format!("/{}", word(n % 100)), Some(200)));
    }
    for n in 0..20_000 {
        model.learn(&exchange("GET", &format!("/scan/{}", word(n)), Some(404)));
    }
    let endpoints = model.endpoints();
    assert_eq!(
        endpoints.iter().filter(|(id, e)| !id.route.contains("scan") && e.requests == 10).count(),
        100
    );
    assert_eq!(endpoints.iter().filter(|(id, _)| id.route.starts_with("/scan/")).count(), 16);
    let (other, beyond) = endpoints.iter().find(|(id, _)| &*id.route == OTHER).unwrap();
    assert_eq!(beyond.requests, 20_000 - 16);
    assert_eq!(model.endpoint(other).unwrap().requests, beyond.requests);
    assert_eq!(model.requests(), 21_000);
}

/// Ten million in a release build (`cargo test --release`), fewer where code is slow.
#[test]
fn many_distinct_paths_stay_small() {
    let paths = if cfg!(debug_assertions) { 300_000 } else { 10_000_000 };
    let mut model = Model::default();
    let mut request = exchange("GET", "/", Some(200));
    for n in 0..paths {
        let Detail::Http(http) = &mut request.detail;
        http.path = format!("/{}/{}", word(n), word(n * 7)).into();
        request.client.address = Address::Ip((u32::try_from(n).unwrap().to_be_bytes(), 1).into());
        model.learn(&request);
    }
    assert_eq!(model.requests(), paths);
    let bytes = resident_bytes();
    assert!(bytes < 200 << 20, "{bytes} bytes resident");
}

/// Letters only, so that the routes are distinct.
fn word(mut n: u64) -> String {
    let mut word = String::new();
    loop {
        word.push(char::from(b'a' + u8::try_from(n % 26).unwrap()));
        n /= 26;
        if n == 0 {
            return word;
        }
    }
}

/// Of the whole test process (`/proc/self/statm`, pages of 4 KiB); zero where there is no such file.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

/// A WebSocket on which the server says these, told at this stage.
fn web_socket(path: &str, nanos: u64, stage: Stage, said: &[&str]) -> Exchange {
    let mut exchange = exchange("GET", path, Some(101));
    exchange.time = Timestamp::from_nanos(nanos);
    let message = |text: &&str| Message {
        sender: Sender::Server,
        name: None,
        is_text: true,
        content: Redacted::new(text.as_bytes().to_vec().into()),
        complete: true,
    };
    let bytes = said.iter().map(|text| text.len() as u64).sum();
    let fresh = Counts { messages: said.len() as u64, bytes, ..Counts::default() };
    let agreed = WebSocket { subprotocol: Some("ticks".into()), deflate: false, close_code: Some(1000) };
    let stream = Stream {
        kind: StreamKind::WebSocket(agreed),
        stage,
        client: Flow::default(),
        server: Flow { total: fresh, fresh },
        time_to_first_message: None,
        fresh: said.iter().map(message).collect(),
    };
    let Detail::Http(http) = &mut exchange.detail;
    http.stream = Some(Box::new(stream));
    exchange
}

const TICK: &str = r#"{"type":"tick","price":1.5}"#;

#[test]
fn messages_are_learned_while_a_stream_goes_on_and_the_call_when_it_is_over() {
    let mut model = Model::default();
    let id = model.learn_underway(&web_socket("/live/7", 1, Stage::Underway, &[]), Effort::Whole);
    assert_eq!((&*id.method, &*id.route), ("GET", "/live/{liveId}"));
    model.learn_underway(&web_socket("/live/7", 1, Stage::Underway, &[TICK, TICK]), Effort::Whole);
    model.learn_underway(&web_socket("/live/8", 2, Stage::Underway, &[TICK]), Effort::Whole);
    let rows = model.endpoints();
    assert_eq!(rows.len(), 1, "{rows:?}");
    let (_, open) = &rows[0];
    assert_eq!(open.requests, 0);
    let told = open.shapes.operation().messages.unwrap();
    assert_eq!((told.server.messages, told.closed.len()), (3, 0));
    assert_eq!(told.server.kinds[0].media_type, "type = tick");

    model.learn(&web_socket("/live/7", 1, Stage::Over, &[TICK]));
    model.learn(&web_socket("/live/8", 2, Stage::Over, &[]));
    model.learn(&web_socket("/live/9", 3, Stage::Over, &[r#"{"type":"bye"}"#]));
    let rows = model.endpoints();
    let (_, over) = &rows[0];
    assert_eq!((rows.len(), over.requests), (1, 3));
    let told = over.shapes.operation().messages.unwrap();
    assert_eq!((told.server.messages, &told.closed[..]), (5, &[(1000, 3)][..]));
    assert_eq!(told.subprotocols, [("ticks".to_owned(), 3)]);
    let kinds: Vec<_> = told.server.kinds.iter().map(|kind| (kind.media_type.as_str(), kind.seen)).collect();
    assert_eq!(kinds, [("type = tick", 4), ("type = bye", 1)]);

    // Told of before or not, the paths are counted once.
    let mut at_once = Model::default();
    at_once.learn(&web_socket("/live/7", 1, Stage::Over, &[TICK, TICK, TICK]));
    at_once.learn(&web_socket("/live/8", 2, Stage::Over, &[TICK]));
    at_once.learn(&web_socket("/live/9", 3, Stage::Over, &[r#"{"type":"bye"}"#]));
    assert_eq!(saved(&model), saved(&at_once));
    assert!(model == at_once);
}

#[test]
fn a_saved_model_keeps_messages_of_remote_procedures() {
    let mut call = exchange("POST", "/shop.v1.Orders/Get", Some(200));
    let Detail::Http(http) = &mut call.detail;
    let rpc = Some(Box::default());
    http.call = Some(Box::new(Call { system: CallSystem::Grpc, name: "shop.v1.Orders/Get".into(), rpc }));
    http.request_headers = Headers::new([(&b"content-type"[..], &b"application/grpc"[..])]);
    http.request_body.captured = Redacted::new((&b"\0\0\0\0\x02\x08\x07"[..]).into());
    let mut model = Model::default();
    model.learn(&call);
    let procedure = |model: &Model| {
        let (_, endpoint) = model.endpoints().swap_remove(0);
        endpoint.shapes.operation().procedure.unwrap()
    };
    let learned = procedure(&model);
    assert_eq!((learned.request.seen, learned.request.message.fields[0].number), (1, 1));
    assert_eq!(procedure(&Model::load(&mut &*saved(&model)).unwrap()), learned);
}

#[test]
fn a_saved_model_keeps_messages_without_rare_words() {
    let mut model = Model::new(5);
    for nanos in 0..4 {
        model.learn(&web_socket("/live", nanos, Stage::Over, &[TICK]));
    }
    model.learn(&web_socket("/live", 9, Stage::Over, &[r#"{"type":"ann"}"#]));
    let loaded = Model::load(saved(&model).as_slice()).unwrap();
    assert!(!String::from_utf8(zstd::decode_all(saved(&model).as_slice()).unwrap()).unwrap().contains("ann"));
    let (_, endpoint) = loaded.endpoints().remove(0);
    let told = endpoint.shapes.operation().messages.unwrap();
    assert_eq!((told.server.messages, told.server.other, told.server.kinds.len()), (5, 1, 1));
    assert_eq!(told.server.kinds[0].schema.as_ref().unwrap().seen, 4);
    assert_eq!(saved(&loaded), saved(&model));
}

#[test]
fn kinds_beyond_the_bound_are_counted_together_whatever_the_order() {
    let texts: Vec<String> = (0..60)
        .map(|n| {
            format!(
                r#"{{"type":"kind {}"}}"#,
                char::from(b'a' + n % 26).to_string().repeat(1 + n as usize / 26)
            )
        })
        .collect();
    let model = |order: &mut dyn Iterator<Item = &String>| {
        let mut model = Model::new(3);
        for (at, text) in order.enumerate() {
            model.learn(&web_socket("/live", at as u64, Stage::Over, &[text]));
        }
        model
    };
    let (forth, back) = (model(&mut texts.iter()), model(&mut texts.iter().rev()));
    let told = |model: &Model| model.endpoints()[0].1.shapes.operation().messages.unwrap().server;
    assert_eq!((told(&forth).kinds.len(), told(&forth).other), (24, 36));
    assert_eq!(told(&forth), told(&back));
    let mut merged = model(&mut texts.iter().take(30));
    merged.merge(&model(&mut texts.iter().skip(30)));
    assert_eq!(told(&merged), told(&forth));
}

#[test]
fn models_are_told_with_their_tokens() {
    let mut model = Model::default();
    for n in 0..5 {
        let mut call = exchange("POST", "/v1/chat/completions", Some(200));
        let Detail::Http(http) = &mut call.detail;
        http.gen_ai = Some(Box::new(GenAi {
            operation: GenAiOperation::Chat,
            provider: "openai",
            request_model: Some("gpt-4o".into()),
            response_model: None,
            input_tokens: Some(10),
            output_tokens: (n > 0).then_some(3),
            time_to_first_token: Some(Duration::from_millis(200)),
        }));
        model.learn(&call);
    }
    let loaded = Model::load(saved(&model).as_slice()).unwrap();
    for model in [&model, &loaded] {
        let used = &model.endpoints()[0].1.shapes.operation().models[0];
        assert_eq!(
            (used.name.as_str(), used.calls, used.input_tokens, used.output_tokens),
            ("gpt-4o", 5, 50, 12)
        );
        let (median, _) = used.first_token.unwrap();
        assert!((median / 0.2 - 1.0).abs() < 0.02, "{median}");
    }
}
