//! Routes as a whole: traffic in, routes out.

use crate::{EndpointId, Hints, Limits, Model, OTHER};
use overhear_exchange::{
    Address, Body, Detail, Direction, Exchange, Headers, Http, HttpVersion, Method, Peer, Redacted, Scheme,
    Timestamp, wire::ConnectionId,
};
use proptest::prelude::*;

fn exchange(method: &str, path: &str, status: u16, answer: &str) -> Exchange {
    let response_body = Body {
        size: answer.len() as u64,
        captured: Redacted::new(answer.as_bytes().to_vec().into()),
        ..Body::default()
    };
    let http = Http {
        version: HttpVersion::V1_1,
        scheme: Scheme::Http,
        method: Method::new(method),
        authority: None,
        path: path.into(),
        query: None,
        status: Some(status),
        request_headers: Headers::default(),
        response_headers: Headers::default(),
        request_body: Body::default(),
        response_body,
        call: None,
        stream: None,
        gen_ai: None,
        anomalies: Default::default(),
    };
    Exchange {
        connection: ConnectionId(1),
        time: Timestamp::from_nanos(1_000),
        duration: None,
        time_to_first_byte: None,
        direction: Direction::Inbound,
        client: Peer { address: Address::Unix(None), process: None },
        server: Peer::default(),
        service: "shop".into(),
        error: None,
        detail: Detail::Http(Box::new(http)),
    }
}

#[derive(Default)]
struct Traffic(Vec<Exchange>);

impl Traffic {
    fn call(&mut self, method: &str, path: &str, answer: &str) -> &mut Self {
        self.0.push(exchange(method, path, 200, answer));
        self
    }

    /// `GET`s of what comes of the template with `{}` replaced by each word.
    fn each(&mut self, template: &str, words: &str, answer: &str) -> &mut Self {
        for word in words.split_whitespace() {
            self.call("GET", &template.replace("{}", word), &answer.replace("{}", word));
        }
        self
    }

    fn turned_away(&mut self, status: u16, paths: &str) -> &mut Self {
        self.0.extend(paths.split_whitespace().map(|path| exchange("GET", path, status, "")));
        self
    }

    fn model(&self) -> Model {
        let mut model = Model::default();
        self.0.iter().for_each(|exchange| drop(model.learn(exchange)));
        model
    }

    fn routes(&self) -> Vec<String> {
        routes(&self.model())
    }
}

fn routes(model: &Model) -> Vec<String> {
    let mut all: Vec<String> = model.endpoints().iter().map(|(id, _)| id.route.to_string()).collect();
    all.dedup();
    all
}

fn text(model: &Model) -> String {
    String::from_utf8(zstd::decode_all(saved(model).as_slice()).unwrap()).unwrap()
}

fn saved(model: &Model) -> Vec<u8> {
    let mut bytes = Vec::new();
    model.save(&mut bytes).unwrap();
    bytes
}

const PEOPLE: &str = "alice bob carol dave erin frank grace heidi ivan judy mallory niaj olivia peggy rupert sybil trent victor";
const USER: &str = r#"{"login":"{}","email":"x","followers":1,"avatar":"x","bio":"x"}"#;
const REPOSITORIES: &str = r#"[{"repo":"x","stars":1,"fork":false,"branch":"main","license":null}]"#;

#[test]
fn words_whose_answers_are_alike_are_values() {
    let mut traffic = Traffic::default();
    traffic.each("/users/{}", PEOPLE, USER).each("/users/{}/repos", "alice bob carol dave", REPOSITORIES);
    assert_eq!(traffic.routes(), ["/users/{userId}", "/users/{userId}/repos"]);
}

#[test]
fn a_literal_survives_among_values() {
    let mut traffic = Traffic::default();
    traffic.each("/users/{}", PEOPLE, USER);
    for _ in 0..5 {
        traffic.call("GET", "/users/me", r#"{"login":"alice","email":"x","plan":"pro"}"#);
        traffic.call("GET", "/users/invitations", r#"{"invitations":[{"by":"x","expires":"x"}],"next":1}"#);
        traffic.call("POST", "/users/deactivate", r#"{"until":"x","undo":"x"}"#);
    }
    assert_eq!(traffic.routes(), ["/users/deactivate", "/users/invitations", "/users/me", "/users/{userId}"]);
}

#[test]
fn ids_beside_words_leave_the_words_alone() {
    let mut traffic = Traffic::default();
    for n in 1..30 {
        traffic.call("GET", &format!("/orders/{n}"), r#"{"id":1,"total":2,"lines":[]}"#);
        traffic.call("GET", "/orders/recent", r#"{"orders":[],"since":"x"}"#);
        traffic.call("GET", &format!("/orders/{n}/lines"), r#"[{"sku":"x","count":1}]"#);
    }
    assert_eq!(traffic.routes(), ["/orders/recent", "/orders/{orderId}", "/orders/{orderId}/lines"]);
}

#[test]
fn answers_that_name_the_text_speak_for_a_value() {
    let mut traffic = Traffic::default();
    traffic.each("/shops/{}", "berlin paris rome lisbon", r#"{"id":"{}","open":true}"#);
    assert_eq!(traffic.routes(), ["/shops/{shopId}"]);
}

#[test]
fn what_a_program_has_stays_literal() {
    let mut traffic = Traffic::default();
    let resources = [
        ("users", r#"{"login":1,"email":2,"name":3}"#),
        ("orders", r#"{"total":1,"currency":2,"lines":[]}"#),
        ("products", r#"{"sku":1,"price":2,"stock":3}"#),
        ("invoices", r#"{"due":1,"paid":2,"pdf":3}"#),
        ("carts", r#"{"items":[],"coupon":2,"expires":3}"#),
        ("reviews", r#"{"stars":1,"text":2,"author":3}"#),
        ("coupons", r#"{"code":1,"percent":2,"until":3}"#),
        ("shipments", r#"{"carrier":1,"tracking":2,"eta":3}"#),
    ];
    let mut expected = Vec::new();
    for (name, answer) in resources {
        for n in 0..8 {
            traffic.call("GET", &format!("/v1/{name}"), &format!("[{answer}]"));
            traffic.call("GET", &format!("/v1/{name}/{}", n * 7 + 1), answer);
        }
        expected.push(format!("/v1/{name}"));
    }
    let routes = traffic.routes();
    assert_eq!(routes.len(), 16, "{routes:?}");
    assert!(expected.iter().all(|route| routes.contains(route)), "{routes:?}");
}

#[test]
fn remote_procedures_stay_literal() {
    let mut traffic = Traffic::default();
    let methods = "chat.postMessage chat.update chat.delete users.list users.info channels.list channels.join \
                   files.upload files.list team.info auth.test reactions.add pins.add search.messages";
    for (n, method) in methods.split_whitespace().enumerate() {
        for _ in 0..6 {
            traffic.call(
                "POST",
                &format!("/api/{method}"),
                &format!(r#"{{"ok":true,"field{n}":1,"more{n}":[]}}"#),
            );
        }
    }
    assert_eq!(traffic.routes().len(), 14);
    assert!(traffic.routes().contains(&"/api/chat.postMessage".to_owned()));
}

#[test]
fn decimal_numbers_are_values_where_they_vary_and_versions_where_they_do_not() {
    let mut traffic = Traffic::default();
    traffic.each("/2.0/delay/{}", "1 2 0.5 1.5 2.5 0.01 0.25 3", r#"{"url":"x","waited":1}"#);
    traffic.each("/2.0/wait/{}", "0.1 0.2 0.3 0.4 1.0 1.5 2.0", r#"{"done":true,"after":1}"#);
    assert_eq!(traffic.routes(), ["/2.0/delay/{delayId}", "/2.0/wait/{waitId}"]);
}

#[test]
fn a_trailing_slash_is_no_value() {
    let mut traffic = Traffic::default();
    traffic.each("/contents/{}", PEOPLE, USER).call("GET", "/contents/", USER);
    traffic.each("/files/{}", "1 2 3", USER).call("GET", "/files/", USER);
    let expected = ["/contents/", "/contents/{contentId}", "/files/", "/files/{fileId}"];
    assert_eq!(traffic.routes(), expected);
    let mut model = traffic.model();
    model.settle();
    let route = |path| model.route_of(&exchange("GET", path, 200, "")).unwrap();
    assert_eq!((&*route("/files/"), &*route("/files/9")), ("/files/", "/files/{fileId}"));
}

#[test]
fn short_codes_are_values() {
    let mut traffic = Traffic::default();
    let codes = "G67PVWmc kLmQzTbx Ww3tYdPn hTqRb7Lm QpZxWvKd bN4cVmTr Jk8LmNpQ zXcVbNmL";
    traffic.each("/t/{}", codes, r#"{"to":"x","hits":1}"#);
    assert_eq!(traffic.routes(), ["/t/{tId}"]);
}

#[test]
fn redirects_are_answers_where_they_lead_somewhere() {
    let mut traffic = Traffic::default();
    let redirect = |path: &str, location: &str| {
        let mut exchange = exchange("GET", path, 302, "");
        let Detail::Http(http) = &mut exchange.detail;
        let pairs: [(&[u8], &[u8]); 1] = [(b"Location", location.as_bytes())];
        http.response_headers = Headers::new(pairs);
        exchange
    };
    for n in 1..9 {
        traffic.0.push(redirect(&format!("/short/{n}"), &format!("https://far.example/{}", n * 31)));
        traffic.0.push(redirect(&format!("/guess-{n}"), "/login?next=/"));
    }
    let model = traffic.model();
    assert!(routes(&model).contains(&"/short/{shortId}".to_owned()), "{:?}", routes(&model));
    let shaped = |path| model.endpoints_of(path).iter().any(|id| id.route.contains('{'));
    assert!(shaped("/short/77") && !shaped("/guess-1"));
}

#[test]
fn a_first_segment_can_be_a_value() {
    let mut traffic = Traffic::default();
    let tenants = "acme-inc big-corp-2 blue-ocean north-star old-town-7 red-fox sun-valley two-rivers \
                   zen-lab green-hill iron-works high-tower lost-key quiet-pond salt-mill wild-oak";
    for _ in 0..2 {
        traffic.each("/{}/invoices", tenants, r#"[{"number":1,"due":"x","paid":false}]"#);
        traffic.each("/{}/settings", tenants, r#"{"plan":"x","seats":1,"region":"x"}"#);
    }
    traffic.call("GET", "/health", r#"{"status":"up"}"#);
    assert_eq!(traffic.routes(), ["/health", "/{id}/invoices", "/{id}/settings"]);
}

#[test]
fn values_follow_values() {
    let mut traffic = Traffic::default();
    let pairs = "alice/dotfiles alice/blog bob/kernel bob/tools carol/site dave/engine erin/notes frank/shell \
                 grace/parser heidi/router ivan/cache judy/queue mallory/proxy niaj/search-index olivia/fonts";
    traffic.each("/repos/{}", pairs, r#"{"full_name":"{}","stars":1,"forks":1,"language":"x","size":1}"#);
    traffic.each(
        "/repos/{}/issues",
        "alice/blog bob/kernel carol/site erin/notes",
        r#"[{"number":1,"title":"x"}]"#,
    );
    assert_eq!(traffic.routes(), ["/repos/{repoId}/{id}", "/repos/{repoId}/{id}/issues"]);
}

#[test]
fn segments_may_be_values_in_part() {
    let mut traffic = Traffic::default();
    for n in 1..20 {
        traffic.call("GET", &format!("/users/{n}.json"), "{}").call("GET", &format!("/users/{n}"), "");
        traffic.call("POST", &format!("/jobs/{n}:cancel"), "{}").call(
            "POST",
            &format!("/jobs/{n}:retry"),
            "{}",
        );
    }
    traffic.each("/reports/{}.csv", PEOPLE, "");
    assert_eq!(
        traffic.routes(),
        [
            "/jobs/{jobId}:cancel",
            "/jobs/{jobId}:retry",
            "/reports/{reportId}.csv",
            "/users/{userId}",
            "/users/{userId}.json"
        ]
    );
}

#[test]
fn odd_segments_are_understood() {
    let mut traffic = Traffic::default();
    traffic
        .each("/profile/{}", "@alice @bob @carol @dave @erin @frank @grace @heidi @ivan @judy @mallory", USER)
        .call("GET", "/users/42;jsessionid=0A1B2C3D", "")
        .call("GET", "/users/43", "")
        .call("GET", "/files/a%20b%2Fc", "")
        .call("GET", "/files/d%20e", "")
        .call("GET", "/cafés/1", "")
        .call("GET", "/caf%C3%A9s/2", "")
        .call("GET", "/list/", "")
        .call("GET", "/list", "");
    assert_eq!(
        traffic.routes(),
        ["/cafés/{id}", "/files/{file}", "/list", "/list/", "/profile/{profileId}", "/users/{userId}"]
    );
}

#[test]
fn versions_and_few_locales_stay_literal() {
    let mut traffic = Traffic::default();
    for n in 1..12 {
        traffic.call("GET", &format!("/2024-01-01/accounts/{n}"), "{}");
        traffic.call("GET", &format!("/2024-06-01/accounts/{n}"), "{}");
        traffic.call("GET", &format!("/api/v1/things/{n}"), "{}");
        traffic.call("GET", &format!("/api/v2/things/{n}"), "{}");
        traffic.call("GET", "/en/help", "").call("GET", "/de/help", "");
        traffic.call("GET", &format!("/rates/2024-01-{:02}", n + 1), "{}");
    }
    assert_eq!(
        traffic.routes(),
        [
            "/2024-01-01/accounts/{accountId}",
            "/2024-06-01/accounts/{accountId}",
            "/api/v1/things/{thingId}",
            "/api/v2/things/{thingId}",
            "/de/help",
            "/en/help",
            "/rates/{date}"
        ]
    );
}

#[test]
fn noise_shapes_no_route() {
    let mut traffic = Traffic::default();
    traffic.each("/users/{}", "7 8 9 10 11 12", "{}").each("/{}", "orders orders orders", "[]");
    let before = traffic.routes();
    traffic.turned_away(404, "/users/admin /users/x.php /users/99 /orders").turned_away(401, "/users/root");
    assert_eq!(traffic.routes(), before, "what was turned away goes where it would have gone");
    let mut few = Traffic::default();
    few.each("/users/{}", "7", "{}").turned_away(404, "/users/root /users/zoe /nothing /42");
    assert_eq!(few.routes(), ["/nothing", "/users/{userId}", "/{id}"]);
    let words: String = (0..300).map(|n| format!("/wp-{n}a/{n}b.php ")).collect();
    traffic.turned_away(404, &words);
    let after = traffic.routes();
    assert!(before.iter().all(|route| after.contains(route)), "{after:?}");
    assert!(after.contains(&OTHER.to_owned()) && after.len() < 100, "{}", after.len());
    let model = traffic.model();
    let users = model.endpoints().into_iter().find(|(id, _)| &*id.route == "/users/{userId}").unwrap();
    assert_eq!(users.1.requests, 10);
}

#[test]
fn a_route_changes_when_more_is_known_and_the_past_with_it() {
    let mut model = Model::default();
    model.learn(&exchange("GET", "/users/alice", 200, &USER.replace("{}", "alice")));
    assert_eq!(routes(&model), ["/users/alice"]);
    for person in PEOPLE.split_whitespace() {
        model.learn(&exchange("GET", &format!("/users/{person}"), 200, &USER.replace("{}", person)));
    }
    assert_eq!(routes(&model), ["/users/{userId}"]);
    assert_eq!(model.endpoints()[0].1.requests, 19);
    let learned = model.learn(&exchange("GET", "/users/zoe", 200, &USER.replace("{}", "zoe")));
    assert_eq!(&*learned.id.route, "/users/{userId}");
    assert_eq!(model.endpoints_of("/users/nobody?x=1")[0], learned.id);
    let why = model.describe(&learned.id).unwrap().why;
    assert_eq!(&*why[0].0, "/users/{userId}");
    assert!(
        why[0].1.log_odds > 0.0
            && why[0].1.terms.iter().any(|(name, share)| *name == "alike below" && *share > 0.0)
    );
}

#[test]
fn beyond_the_bounds_a_sample_of_the_words_decides() {
    let name = |n: u64| {
        [n / 400, n / 20 % 20, n % 20].map(|n| char::from(b'b' + n as u8)).iter().collect::<String>()
    };
    let mut traffic = Traffic::default();
    for n in 0..3000 {
        traffic.each("/users/{}", &name(n), USER);
        traffic.call("GET", "/users/me", r#"{"login":"x","email":"x","plan":"x"}"#);
    }
    let model = traffic.model();
    let rows: Vec<_> = model.endpoints().iter().map(|(id, e)| (id.route.to_string(), e.requests)).collect();
    assert_eq!(rows, [("/users/me".to_owned(), 3000), ("/users/{userId}".to_owned(), 3000)]);

    let mut traffic = Traffic::default();
    for n in 0..3000 {
        let n = n % 600;
        traffic.call("GET", &format!("/v1/{}", name(n)), &format!(r#"{{"a{n}":1,"b{n}":2,"c{n}":3}}"#));
    }
    let model = traffic.model();
    assert_eq!(routes(&model).len(), 64 + 1, "what is no value is not made one by there being much of it");
    assert!(routes(&model).contains(&OTHER.to_owned()));
    assert_eq!(model.requests(), 3000);
}

#[test]
fn hints_decide_and_apply_to_the_past() {
    let mut hints = Hints::default();
    hints.force("/pages/{page}");
    hints.force("/pages/about");
    hints.forbid("/users/{user}");
    let mut traffic = Traffic::default();
    traffic.each("/pages/{}", "about imprint terms", "").each("/users/{}", "alice bob carol", USER);
    for _ in 0..4 {
        traffic.each("/users/{}", PEOPLE, USER);
    }
    let mut before = Model::default();
    before.set_hints(hints.clone());
    traffic.0.iter().for_each(|exchange| drop(before.learn(exchange)));
    let mut after = traffic.model();
    assert_eq!(routes(&after)[..3], ["/pages/about", "/pages/imprint", "/pages/terms"]);
    after.set_hints(hints);
    assert_eq!(routes(&after), routes(&before));
    assert_eq!(routes(&after)[..3], ["/pages/about", "/pages/{page}", "/users/alice"]);
    assert_eq!(after.endpoints().len(), 2 + 18);
    let learned = after.learn(&exchange("GET", "/pages/imprint", 200, ""));
    assert_eq!(&*learned.id.route, "/pages/{page}");
}

#[test]
fn parameters_say_what_their_values_are() {
    let mut traffic = Traffic::default();
    for n in 3..40 {
        traffic.call("GET", &format!("/users/{n}/days/2024-01-{:02}", n % 28 + 1), "{}");
    }
    let model = traffic.model();
    let id: EndpointId = (*model.endpoints()[0].0).clone();
    let parameters = model.describe(&id).unwrap().parameters;
    let names: Vec<_> = parameters.iter().map(|p| (p.name.as_str(), p.seen, p.required)).collect();
    assert_eq!(names, [("userId", 37, true), ("date", 37, true)]);
    let number = parameters[0].schema.number.clone().unwrap();
    assert_eq!((number.integer, number.minimum, number.maximum), (true, 3.0, 39.0));
    let text = parameters[1].schema.string.clone().unwrap();
    assert_eq!(
        (text.format, text.shortest, text.longest),
        (Some(crate::shape::schema::Format::Date), 10, 10)
    );
}

#[test]
fn texts_that_may_be_somebodys_are_not_written_to_disk() {
    let mut traffic = Traffic::default();
    traffic
        .each("/users/{}", PEOPLE, USER)
        .each("/tokens/{}", "sk_live_51HabcdefGHIJKL9 ann@example.org jane-doe-1977", "")
        .turned_away(404, "/reset/my-secret-word /jane-smith")
        .call("GET", "/about-us", "");
    let model = traffic.model();
    let text = zstd::decode_all(saved(&model).as_slice()).unwrap();
    let text = String::from_utf8(text).unwrap();
    for private in ["alice", "sk_live", "ann@", "my-secret", "jane-smith"] {
        assert!(!text.contains(private), "{private}");
    }
    assert!(text.contains("about-us") && text.contains("users"));
    let loaded = Model::load(saved(&model).as_slice()).unwrap();
    assert!(routes(&loaded).contains(&"/users/{userId}".to_owned()));
    let mut twice = Model::load(saved(&model).as_slice()).unwrap();
    twice.merge(&model);
    let users = |model: &Model| {
        model.endpoints_of("/users/x").first().and_then(|id| Some(model.endpoint(id)?.requests))
    };
    assert_eq!((users(&model), users(&twice)), (Some(18), Some(36)));
}

#[test]
fn ten_thousand_endpoints_fit() {
    let mut model = Model::default();
    for n in 0..30_000 {
        let (service, n) = (n / 3_000, n % 1_000);
        let path = format!("/v1/r{}x/a{}y", n / 25, n % 25);
        let answer = format!(r#"{{"f{n}":1,"g{n}":2,"h{n}":3,"i{}":3}}"#, n % 7);
        let mut call = exchange("GET", &path, 200, &answer);
        call.service = format!("s{service}").into();
        model.learn(&call);
    }
    let endpoints = model.endpoints();
    assert_eq!((endpoints.len(), model.requests()), (10_000, 30_000));
}

fn call() -> impl Strategy<Value = Exchange> {
    let segment = || {
        prop_oneof![
            4 => prop::sample::select(vec!["users", "orders", "me", "search", "alice", "bob-1", "items", "v1", ""]),
            2 => prop::sample::select(vec!["1", "2", "3", "42.json", "7:run", "8:stop", "2024-01-01", "a@b.co", "x%20y"]),
        ]
    };
    let answers = vec!["", r#"{"id":"alice","a":1}"#, r#"{"id":1,"b":[{"c":2}]}"#, "[]", r#"{"error":1}"#];
    let method = prop::sample::select(vec!["GET", "POST", "FROB"]);
    let status = prop::sample::select(vec![200u16, 200, 201, 404, 401, 500]);
    (method, prop::collection::vec(segment(), 0..5), status, prop::sample::select(answers)).prop_map(
        |(method, segments, status, answer)| {
            exchange(method, &format!("/{}", segments.join("/")), status, answer)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn routes_do_not_depend_on_order_or_parts(
        calls in prop::collection::vec((call(), any::<u32>(), 0usize..3), 0..80),
        tiny in any::<bool>(),
    ) {
        let few = Limits { words: 4, sampled: 2, values: 1, ..Limits::default() };
        let limits = if tiny { few } else { Limits::default() };
        let mut whole = Model::with_limits(7, limits);
        calls.iter().for_each(|(call, ..)| drop(whole.learn(call)));
        let mut shuffled = calls.clone();
        shuffled.sort_by_key(|(_, place, _)| *place);
        let mut parts = [(); 3].map(|()| Model::with_limits(7, limits));
        for (call, _, part) in &shuffled {
            parts[*part].learn(call);
        }
        let [a, b, mut c] = parts;
        c.merge(&a);
        c.merge(&b);
        prop_assert_eq!(&c, &whole);
        prop_assert_eq!(routes(&c), routes(&whole));
        prop_assert_eq!(text(&c), text(&whole));
        let loaded = Model::load(saved(&whole).as_slice()).unwrap();
        prop_assert_eq!(loaded.requests(), calls.len() as u64);
        if !tiny {
            prop_assert_eq!(text(&loaded), text(&whole));
        }
    }

    #[test]
    fn every_call_has_the_route_that_its_endpoint_has(calls in prop::collection::vec(call(), 1..60)) {
        let mut model = Model::default();
        calls.iter().for_each(|call| drop(model.learn(call)));
        model.settle();
        let known: Vec<_> = model.endpoints().into_iter().map(|(id, _)| id).collect();
        for call in &calls {
            let route = model.route_of(call).unwrap();
            prop_assert!(known.iter().any(|id| id.route == route), "{}", route);
        }
    }
}
