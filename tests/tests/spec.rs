//! `overhear spec` and the overlay, on traffic that public descriptions do not generate.
#![expect(clippy::unwrap_used, reason = "a test only wants to know what went wrong")]

use overhear_tests::{
    Result,
    har::{Archive, Call},
    judge,
    program::run,
};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

/// The document of an archive.
fn spec(archive: &Archive, more: &[&str]) -> Result<Value> {
    let path = archive.path().to_string_lossy().into_owned();
    let said = run(&[&["spec", "--format", "json", "--from", &path], more].concat())?;
    if said.code != Some(0) {
        return Err(format!("{:?}: {}", said.code, said.err).into());
    }
    said.document()
}

/// The document of these calls.
fn spec_of(calls: &[Call]) -> Value {
    spec(&Archive::new(calls).unwrap(), &[]).unwrap()
}

fn paths(document: &Value) -> Vec<&str> {
    document["paths"].as_object().unwrap().keys().map(String::as_str).collect()
}

/// The schema of a JSON answer, whether it has a name or not.
fn answer<'a>(document: &'a Value, path: &str, method: &str, status: &str) -> &'a Value {
    resolved(
        document,
        &document["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"],
    )
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => resolved(document, document.pointer(reference.trim_start_matches('#')).unwrap()),
        None => schema,
    }
}

/// A small shop: everything a document can hold.
fn shop() -> Vec<Call> {
    let mut calls = Vec::new();
    for n in 0..40_u64 {
        let state = ["open", "paid", "shipped"][n as usize % 3];
        let order = json!({
            "id": 1000 + n,
            "state": state,
            "customer": {"email": format!("c{n}@example.com"), "since": "2025-03-01"},
            "note": if n % 4 == 0 { Value::Null } else { json!("leave it at the door") },
        });
        let token = format!("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ7bn0ifQ.c2lnbmF0dXJl{n}");
        calls.push(
            Call::new("GET", format!("/v1/orders/{}", 1000 + n))
                .header("Authorization", &token)
                .answer(&order),
        );
        calls.push(
            Call::new("GET", format!("/v1/orders?page={n}&state=open,paid&tag=a&tag=b"))
                .header("Authorization", &token)
                .header("X-Tenant", "acme")
                .answer_header("X-Rate-Limit", "100")
                .answer(&json!({"items": [order.clone()], "total": n})),
        );
        calls.push(
            Call::new("POST", "/v1/orders")
                .header("Authorization", &token)
                .send(&json!({"customer": n, "lines": [{"sku": format!("A-{n}"), "count": n % 5 + 1}]}))
                .status(201)
                .answer(&order),
        );
        calls.push(
            Call::new("GET", format!("/v1/files/report{n}.pdf")).answer_as("application/pdf", "%PDF-1.7"),
        );
        calls.push(Call::new("POST", "/v1/login").send_as(
            "application/x-www-form-urlencoded",
            format!("name=user{n}&password=secret{n}&remember=true"),
        ));
    }
    calls
}

#[test]
fn every_version_is_valid_and_makes_a_client() {
    let archive = Archive::new(&shop()).unwrap();
    for version in ["3.0", "3.1", "3.2"] {
        for format in ["json", "yaml"] {
            let file: PathBuf = archive.folder().join(format!("shop-{version}.{format}"));
            let said = run(&[
                "spec",
                "--openapi",
                version,
                "--format",
                format,
                "--from",
                &archive.path().to_string_lossy(),
                "--output",
                &file.to_string_lossy(),
            ]);
            assert_eq!(said.unwrap().code, Some(0));
            judge::is_valid_openapi(&file).unwrap();
            if format == "yaml" {
                judge::passes_redocly(&file).unwrap();
                judge::makes_a_client(&file).unwrap();
            }
        }
    }
}

#[test]
fn a_document_tells_everything_that_was_seen() {
    let document = spec_of(&shop());
    assert_eq!(
        paths(&document),
        ["/v1/files/{fileId}.pdf", "/v1/login", "/v1/orders", "/v1/orders/{orderId}"],
        "{document:#}"
    );
    let list = &document["paths"]["/v1/orders"]["get"];
    let parameter = |name: &str| {
        list["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .find(|parameter| parameter["name"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(parameter("page")["schema"]["type"], "integer");
    assert_eq!(
        (&parameter("state")["explode"], &parameter("state")["schema"]["type"]),
        (&json!(false), &json!("array"))
    );
    assert_eq!(parameter("tag")["schema"]["type"], "array");
    assert_eq!(
        (&parameter("x-tenant")["in"], &parameter("x-tenant")["required"]),
        (&json!("header"), &json!(true))
    );
    assert!(list["responses"]["200"]["headers"]["x-rate-limit"].is_object(), "{list:#}");
    assert_eq!(
        document["paths"]["/v1/orders/{orderId}"]["get"]["parameters"][0]["schema"]["type"],
        "integer"
    );
    let order = answer(&document, "/v1/orders/{orderId}", "get", "200");
    assert_eq!(order["properties"]["state"]["enum"], json!(["open", "paid", "shipped"]));
    assert_eq!(order["properties"]["note"]["type"], json!(["string", "null"]));
    let customer = resolved(&document, &order["properties"]["customer"]);
    assert_eq!(customer["properties"]["email"]["format"], "email");
    assert_eq!(customer["properties"]["since"]["format"], "date");
    assert_eq!(answer(&document, "/v1/orders", "post", "201"), order, "equal shapes are one component");
    let form = &document["paths"]["/v1/login"]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]
        ["schema"];
    let form = resolved(&document, form);
    assert_eq!(form["required"], json!(["name", "password", "remember"]));
    assert_eq!(form["properties"]["remember"]["type"], "boolean");
    let text = document.to_string();
    assert!(
        !text.contains("secret") && !text.contains("example.com") && !text.contains("eyJ"),
        "values are not ours"
    );
}

#[test]
fn security_is_what_opens_the_door() {
    let mut calls = Vec::new();
    for n in 0..30 {
        let jwt = format!("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI{n}In0.c2lnbmF0dXJlc2lnbmF0dXJl");
        calls.push(
            Call::new("GET", format!("/me/orders/{n}")).header("Authorization", jwt).answer(&json!({"n": n})),
        );
        calls.push(Call::new("GET", format!("/me/orders/{n}")).status(401));
        let key = format!("k3y{n:020}");
        calls.push(Call::new("GET", "/reports").header("X-Api-Key", key).answer(&json!([])));
        calls.push(Call::new("GET", "/reports").answer(&json!([])));
        calls.push(Call::new("GET", "/health").answer(&json!({"ok": true})));
    }
    let document = spec_of(&calls);
    assert_eq!(document["paths"]["/me/orders/{orderId}"]["get"]["security"], json!([{"bearer": []}]));
    assert_eq!(document["paths"]["/reports"]["get"]["security"], json!([{"xApiKey": []}, {}]));
    assert_eq!(document["paths"]["/health"]["get"]["security"], Value::Null);
    assert_eq!(
        document["components"]["securitySchemes"],
        json!({
            "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            "xApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
        })
    );
}

#[test]
fn unions_are_told_apart_by_their_discriminator() {
    let calls: Vec<Call> = (0..60)
        .map(|n| {
            let event = match n % 3 {
                0 => json!({"type": "created", "id": n, "name": "a name"}),
                1 => json!({"type": "moved", "id": n, "from": {"x": 1, "y": 2}, "to": {"x": 3, "y": n}}),
                _ => json!({"type": "deleted", "id": n, "reason": "no reason", "by": "somebody"}),
            };
            Call::new("GET", format!("/events/{}", 70_000 + n)).answer(&event)
        })
        .collect();
    let document = spec_of(&calls);
    let union = answer(&document, "/events/{eventId}", "get", "200");
    assert_eq!(union["discriminator"]["propertyName"], "type", "{document:#}");
    assert_eq!(union["oneOf"].as_array().unwrap().len(), 3);
    let moved = resolved(&document, &json!({"$ref": union["discriminator"]["mapping"]["moved"]})).clone();
    assert_eq!(moved["required"], json!(["from", "id", "to", "type"]));
}

#[test]
fn scanners_shape_nothing() {
    let mut calls = shop();
    for n in 0..300 {
        calls.push(Call::new("GET", format!("/wp-admin/{n}.php")).status(404).answer_as("text/html", "no"));
        calls.push(Call::new("GET", format!("/v1/{n}/.env")).status(404).answer_as("text/html", "no"));
        calls.push(Call::new("GET", format!("/.git{n}/config")).status(404).answer_as("text/html", "no"));
    }
    let document = spec_of(&calls);
    assert_eq!(
        paths(&document),
        ["/v1/files/{fileId}.pdf", "/v1/login", "/v1/orders", "/v1/orders/{orderId}"],
        "{document:#}"
    );
    assert_eq!(document["info"]["x-overhear"]["callsElsewhere"], 900);
}

#[test]
fn one_api_behind_several_hosts() {
    let calls: Vec<Call> = (0..20)
        .flat_map(|n| {
            [
                Call::new("GET", format!("https://eu.api.test/users/{n}")).answer(&json!({"id": n})),
                Call::new("GET", format!("https://us.api.test:8443/users/{n}")).answer(&json!({"id": n})),
            ]
        })
        .collect();
    let archive = Archive::new(&calls).unwrap();
    let error = spec(&archive, &[]).unwrap_err().to_string();
    assert!(error.contains("eu.api.test") && error.contains("--service"), "{error}");
    let document = spec(&archive, &["--service", "us.api.test"]).unwrap();
    assert_eq!(document["servers"], json!([{"url": "https://us.api.test:8443"}]));
    assert_eq!(paths(&document), ["/users/{userId}"]);
}

/// Users of two hosts, and a health check by address.
fn two_hosts_and_an_address(us: &'static str) -> Archive {
    let calls = (0..20).flat_map(|n| {
        let user =
            |host: &str| Call::new("GET", format!("https://{host}/users/{n}")).answer(&json!({"id": n}));
        [
            user("eu.api.test").server("10.0.0.5"),
            user("us.api.test").server(us),
            Call::new("GET", "https://10.0.0.5/health").server("10.0.0.5"),
        ]
    });
    Archive::new(&calls.collect::<Vec<_>>()).unwrap()
}

#[test]
fn an_address_is_the_one_name_that_answers_there() {
    let apart = two_hosts_and_an_address("10.0.0.6");
    let document = spec(&apart, &["--service", "eu.api.test"]).unwrap();
    assert_eq!(paths(&document), ["/health", "/users/{userId}"]);
    assert_eq!(document["servers"], json!([{"url": "https://10.0.0.5"}, {"url": "https://eu.api.test"}]));
    assert_eq!(paths(&spec(&apart, &["--service", "us.api.test"]).unwrap()), ["/users/{userId}"]);
    // What is saved tells the same, and so do single exchanges.
    let file = |archive: &Archive, name: &str| archive.folder().join(name).to_string_lossy().into_owned();
    let har = apart.path().to_string_lossy().into_owned();
    let model = file(&apart, "model");
    assert_eq!(run(&["read", &har, "--save", &model]).unwrap().code, Some(0));
    let saved = run(&["spec", "--json", "--service", "eu.api.test", "--from", &model]).unwrap();
    assert_eq!(saved.document().unwrap(), document);
    let requests = run(&["requests", "--json", "--service", "eu.api.test", "--from", &har]).unwrap();
    assert_eq!(requests.lines().unwrap().len(), 40);
    // Two names at that address: it may be a gateway.
    let gateway = two_hosts_and_an_address("10.0.0.5");
    for service in ["eu.api.test", "us.api.test"] {
        assert_eq!(paths(&spec(&gateway, &["--service", service]).unwrap()), ["/users/{userId}"]);
    }
    assert_eq!(paths(&spec(&gateway, &["--service", "10.0.0.5"]).unwrap()), ["/health"]);
}

#[test]
fn people_say_which_hosts_are_one_api() {
    let archive = two_hosts_and_an_address("10.0.0.5");
    let har = archive.path().to_string_lossy().into_owned();
    let overlay = archive.folder().join("o.yaml");
    let said = "overlay: 1.1.0
info: {title: t, version: '1'}
x-overhear:
  services:
    users:
      - eu.api.test
      - us.api.test
      - gone.api.test
";
    fs::write(&overlay, said).unwrap();
    let overlay = overlay.to_string_lossy().into_owned();
    for more in [&["--overlay", &*overlay][..], &["--overlay", &overlay, "--service", "users"]] {
        let document = spec(&archive, more).unwrap();
        assert_eq!(document["info"]["title"], "users", "the address has but one name now");
        assert_eq!(paths(&document), ["/health", "/users/{userId}"]);
        assert_eq!(document["paths"]["/users/{userId}"]["get"]["x-overhear"]["calls"], 40);
    }
    let rows =
        run(&["endpoints", "--json", "--overlay", &overlay, "--from", &har]).unwrap().document().unwrap();
    assert!(rows.as_array().unwrap().iter().all(|row| row["service"] == "users"), "{rows}");
    let check = run(&["overlay", "check", "--overlay", &overlay, "--from", &har]).unwrap();
    assert_eq!((check.code, check.out.lines().count()), (Some(1), 1), "{}{}", check.out, check.err);
    assert!(check.out.contains("o.yaml:8: nothing was heard of gone.api.test"), "{}", check.out);
}

#[test]
fn all_documents_are_written_at_once() {
    let hosts = ["shop.test", "10.0.0.7:8080", "auth.test"];
    let calls: Vec<Call> = hosts
        .iter()
        .flat_map(|host| (0..9).map(move |n| Call::new("GET", format!("http://{host}/users/{n}"))))
        .collect();
    let archive = Archive::new(&calls).unwrap();
    let har = archive.path().to_string_lossy().into_owned();
    let folder = archive.folder().join("new/apis");
    let all = folder.to_string_lossy().into_owned();
    let said = run(&["spec", "--all", &all, "--from", &har]).unwrap();
    assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "{}", said.err);
    let mut files: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    files.sort_unstable();
    assert_eq!(files, ["10.0.0.7.yaml", "auth.test.yaml", "shop.test.yaml"]);
    for file in &files {
        assert!(said.err.contains(&format!("wrote {all}/{file}")), "{}", said.err);
        judge::is_valid_openapi(&folder.join(file)).unwrap();
    }
    let one = run(&["spec", "--service", "shop.test", "--from", &har]).unwrap();
    assert_eq!(fs::read_to_string(folder.join("shop.test.yaml")).unwrap(), one.out);
    let both = run(&["spec", "--all", &all, "--output", "x", "--from", &har]).unwrap();
    assert_eq!(both.code, Some(2), "{}", both.err);
    let nowhere = run(&["spec", "--all", "/dev/null/x", "--from", &har]).unwrap();
    assert!(
        nowhere.code == Some(2) && nowhere.err.contains("/dev/null/x: cannot be made"),
        "{}",
        nowhere.err
    );
}

/// A gateway: several APIs behind one host, told apart by their base paths.
#[test]
fn several_apis_behind_one_host_are_one_document_with_tags() {
    let mut calls = Vec::new();
    for n in 0..20 {
        for path in ["/billing/v1/invoices", "/users/v1/profiles", "/users/v1/teams"] {
            calls.push(Call::new("GET", format!("{path}/{n}")).answer(&json!({"id": n})));
        }
    }
    let document = spec_of(&calls);
    assert_eq!(
        paths(&document),
        ["/billing/v1/invoices/{invoiceId}", "/users/v1/profiles/{profileId}", "/users/v1/teams/{teamId}"]
    );
    assert_eq!(document["tags"], json!([{"name": "billing"}, {"name": "users"}]));
    assert_eq!(document["paths"]["/users/v1/teams/{teamId}"]["get"]["tags"], json!(["users"]));
}

#[test]
fn graphql_and_json_rpc_are_told_by_operation() {
    let mut calls = Vec::new();
    for n in 0..20 {
        let query = format!("query GetUser($id: ID!) {{ user(id: $id) {{ name }} }} # {n}");
        calls.push(
            Call::new("POST", "/graphql")
                .send(&json!({"query": query, "variables": {"id": n}}))
                .answer(&json!({"data": {"user": {"name": "somebody"}}})),
        );
        calls.push(
            Call::new("POST", "/graphql")
                .send(&json!({"query": "mutation { addUser(name: \"x\") { id } }"}))
                .answer(&json!({"data": {"addUser": {"id": n}}})),
        );
        calls.push(
            Call::new("POST", "/rpc")
                .send(&json!({"jsonrpc": "2.0", "method": "blocks.get", "params": [n], "id": n}))
                .answer(&json!({"jsonrpc": "2.0", "id": n, "result": {"height": n}})),
        );
    }
    let document = spec_of(&calls);
    assert_eq!(paths(&document), ["/graphql#GetUser", "/graphql#addUser", "/rpc#blocks.get"]);
    let request = &document["paths"]["/graphql#GetUser"]["post"]["requestBody"]["content"]["application/json"]
        ["schema"];
    let variables = resolved(&document, &resolved(&document, request)["properties"]["variables"]).clone();
    assert_eq!(variables["properties"]["id"]["type"], "integer");
}

const OVERLAY: &str = "overlay: 1.1.0
info: {title: shop, version: '1'}
x-overhear:
  routes:
    force: ['/pages/{page}']
actions:
  - target: $.paths['/pages/{page}'].get
    update: {summary: A page of the manual, x-owner: docs}
  - target: $.paths['/health'].get
    update: {x-overhear-ignore: true}
";

fn pages() -> Vec<Call> {
    let names = ["install", "usage", "faq"];
    let mut calls: Vec<Call> = (0..30)
        .map(|n| Call::new("GET", format!("/pages/{}", names[n % 3])).answer_as("text/html", "<p>"))
        .collect();
    calls.push(Call::new("GET", "/health"));
    calls
}

#[test]
fn the_overlay_changes_the_past() {
    let archive = Archive::new(&pages()).unwrap();
    let file = |name: &str| archive.folder().join(name).to_string_lossy().into_owned();
    fs::write(file("o.yaml"), OVERLAY).unwrap();
    assert_eq!(
        paths(&spec(&archive, &[]).unwrap()),
        ["/health", "/pages/faq", "/pages/install", "/pages/usage"]
    );
    let before = spec(&archive, &["--overlay", &file("o.yaml")]).unwrap();
    assert_eq!(paths(&before), ["/pages/{page}"]);
    assert_eq!(before["paths"]["/pages/{page}"]["get"]["summary"], "A page of the manual");
    assert_eq!(before["paths"]["/pages/{page}"]["get"]["x-overhear"]["calls"], 30);
    // Learned and saved without it, forced after the fact.
    let har = archive.path().to_string_lossy().into_owned();
    assert_eq!(run(&["read", &har, "--save", &file("model")]).unwrap().code, Some(0));
    let after =
        run(&["spec", "--format", "json", "--from", &file("model"), "--overlay", &file("o.yaml")]).unwrap();
    assert_eq!(after.document().unwrap(), before);
    // The endpoints follow.
    let told = run(&["endpoints", "--json", "--from", &file("model"), "--overlay", &file("o.yaml")]).unwrap();
    let routes: Vec<Value> =
        told.document().unwrap().as_array().unwrap().iter().map(|row| row["route"].clone()).collect();
    assert_eq!(routes, ["/pages/{page}"]);
    // So do single requests.
    let told = run(&["requests", "--json", "--from", &har, "--overlay", &file("o.yaml")]).unwrap();
    let forced = told.lines().unwrap().iter().filter(|one| one["http.route"] == "/pages/{page}").count();
    assert_eq!(forced, 30);
}

#[test]
fn a_full_disk_costs_nothing_that_was_there() {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
    let archive = Archive::new(&pages()).unwrap();
    let har = archive.path().to_string_lossy().into_owned();
    for arguments in
        [["spec", "--output", "/dev/full", "--from", &har], ["read", "--save", "/dev/full", &har, &har]]
    {
        let said = run(&arguments).unwrap();
        assert_eq!(said.code, Some(2), "{}", said.err);
        assert!(said.err.contains("/dev/full: cannot be written"), "{}", said.err);
        assert!(said.err.contains("No space left"), "{}", said.err);
    }
    assert!(fs::metadata("/dev/full").unwrap().file_type().is_char_device(), "a device is not replaced");
    let folder = archive.folder().join("kept");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("api.yaml");
    let output = file.to_string_lossy().into_owned();
    assert_eq!(run(&["spec", "--output", &output, "--from", &har]).unwrap().code, Some(0));
    let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode & 0o600, fs::read_dir(&folder).unwrap().count()), (0o600, 1), "nothing else is left");
}

#[test]
fn an_existing_description_is_prior_knowledge() {
    let archive = Archive::new(&pages()).unwrap();
    let prior = archive.folder().join("prior.yaml");
    fs::write(&prior, "openapi: 3.0.0\npaths: {'/pages/{topic}': {}, '/gone/{id}': {}}\n").unwrap();
    let document = spec(&archive, &["--spec", &prior.to_string_lossy()]).unwrap();
    assert_eq!(paths(&document), ["/health", "/pages/{topic}"]);
}

#[test]
fn check_reports_what_matches_nothing() {
    let archive = Archive::new(&pages()).unwrap();
    let har = archive.path().to_string_lossy().into_owned();
    let file = archive.folder().join("o.yaml");
    let overlay = file.to_string_lossy().into_owned();
    let check = |text: &str| {
        fs::write(&file, text).unwrap();
        run(&["overlay", "check", "--from", &har, "--overlay", &overlay]).unwrap()
    };
    let fine = check(OVERLAY);
    assert_eq!((fine.code, fine.out.contains("match")), (Some(0), true), "{}{}", fine.out, fine.err);
    let idle = check(
        &OVERLAY
            .replace("$.paths['/health']", "$.paths['/gone']")
            .replace("['/pages/{page}']\n", "['/pages/{page}', '/no/{x}']\n"),
    );
    assert_eq!(idle.code, Some(1), "{}", idle.err);
    assert!(idle.out.contains("o.yaml:9: $.paths['/gone']"), "{}", idle.out);
    assert!(idle.out.contains("o.yaml:5: no request was heard for /no/{x}"), "{}", idle.out);
    let broken = check("overlay: 1.1.0\nactions: [\n");
    assert_eq!(broken.code, Some(2));
    assert!(broken.err.contains("o.yaml:"), "{}", broken.err);
}

#[test]
fn init_proposes_and_changes_nothing_that_is_there() {
    let archive = Archive::new(&pages()).unwrap();
    let har = archive.path().to_string_lossy().into_owned();
    let file = archive.folder().join("new.yaml");
    let init = || run(&["overlay", "init", "--from", &har, "--output", &file.to_string_lossy()]).unwrap();
    assert_eq!(init().code, Some(0));
    let text = fs::read_to_string(&file).unwrap();
    let check = run(&["overlay", "check", "--from", &har, "--overlay", &file.to_string_lossy()]).unwrap();
    assert_eq!(check.code, Some(0), "{}{}{text}", check.out, check.err);
    fs::write(&file, "mine").unwrap();
    assert_eq!(init().code, Some(2));
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn show_is_a_reference_and_says_why() {
    let archive = Archive::new(&shop()).unwrap();
    let har = archive.path().to_string_lossy().into_owned();
    let said = run(&["show", "GET /v1/orders", "--why", "--from", &har]).unwrap();
    assert_eq!(said.code, Some(0), "{}", said.err);
    let has = |words: &[&str]| said.out.lines().any(|line| words.iter().all(|word| line.contains(word)));
    for words in [
        &["page", "integer", "100 %", "0 … 39"][..],
        &["x-tenant", "string", "100 %"],
        &["Response 200", "application/json", "100 %"],
        &["note", "string or null", "100 %"],
        &["state", "open | paid | shipped"],
        &["email", "string email"],
        &["bearer token, JWT"],
        &["Why this route"],
    ] {
        assert!(has(words), "{words:?} in no line of\n{}", said.out);
    }
    let pages = Archive::new(&pages()).unwrap();
    let har = pages.path().to_string_lossy().into_owned();
    let json = run(&["show", "/pages/faq", "--json", "--from", &har]).unwrap().document().unwrap();
    let why = &json["why"].as_array().unwrap();
    let literal = why.iter().find(|why| why["route"] == "/pages/faq").unwrap();
    assert!(literal["log_odds"].as_f64().unwrap() < 0.0, "{literal}");
    assert!(literal["terms"].as_array().unwrap().iter().any(|term| term["term"] == "prior"), "{literal}");
}
