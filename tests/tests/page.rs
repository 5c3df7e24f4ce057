//! The page in a real browser (Chromium), served by the real program that listens to the shop of `overhear demo`.

use overhear_tests::{
    Result,
    judge::{self, assert_looks_well, visits},
    program::Watch,
};
use serde_json::Value;
use std::{path::Path, sync::OnceLock};

/// What the browser saw and the server said; one visit is enough for all tests.
fn told() -> std::result::Result<&'static Value, &'static str> {
    static TOLD: OnceLock<std::result::Result<Value, String>> = OnceLock::new();
    TOLD.get_or_init(|| visit().map_err(|error| error.to_string())).as_ref().map_err(String::as_str)
}

fn visit() -> Result<Value> {
    let demo = Watch::start_as("demo", &["--json", "--listen", "127.0.0.1:0", "--for", "300s"], |_| false)?;
    let page = demo.told("the page is ")?;
    let shop = demo.told("the demo's shop, ")?;
    let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/page-screenshots");
    std::fs::create_dir_all(&pictures)?;
    let seen = visits(&page, &shop, &pictures)?;
    demo.stop()?;
    Ok(seen)
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[test]
fn home_answers_in_the_first_minute() {
    let home = &told().unwrap()["home"];
    assert!(
        !told().unwrap()["address"].as_str().unwrap().contains("token"),
        "the token stays in the address"
    );
    let (failing, slow) = (strings(&home["failing"]), strings(&home["slow"]));
    assert!(
        failing.iter().any(|row| row.contains("shop-payments") || row.contains("shop-orders")),
        "{failing:?}"
    );
    assert!(failing.iter().all(|row| row.contains("error")), "{failing:?}");
    assert!(slow.iter().any(|row| row.contains("/products") && row.contains("p95")), "{slow:?}");
    assert!(
        strings(&home["links"])
            .iter()
            .all(|link| link.starts_with("/endpoint?") && !link.contains("outbound"))
    );
    let text = home["text"].as_str().unwrap();
    assert!(text.contains("Nothing to compare with yet"), "{text}");
    assert!(text.contains("heard for the first time since"), "{text}");
    assert!(!text.contains("New endpoint"), "a wall of news: {text}");
}

#[test]
fn the_page_travels_light() {
    let first = &told().unwrap()["first"];
    let bytes = first["bytes"].as_u64().unwrap();
    println!("{bytes} bytes until Home is there, first contentful paint after {} ms", first["painted"]);
    assert!((20_000..300_000).contains(&bytes), "{first}");
}

#[test]
fn an_endpoint_shows_the_counts_of_the_server() {
    let endpoint = &told().unwrap()["endpoint"];
    let of = |name: &str| endpoint[name]["now"]["requests"].as_u64().unwrap();
    let shown = endpoint["shown"].as_array().unwrap();
    let sum: u64 = shown.iter().map(|row| row[1].as_u64().unwrap()).sum();
    assert!(sum > 0 && (of("before")..=of("after")).contains(&sum), "{sum} is shown: {endpoint}");
    let title = endpoint["title"].as_str().unwrap();
    assert!(title.contains(endpoint["before"]["route"].as_str().unwrap()), "{title}");
}

#[test]
fn an_endpoint_shows_what_its_calls_make() {
    let links = &told().unwrap()["links"];
    let made = |when: &str| links[when]["calls"].as_array().unwrap();
    let [product] = made("after").as_slice() else { panic!("the gateway asks the catalog alone: {links}") };
    assert_eq!(
        [&product["service"], &product["method"], &product["route"]],
        ["shop-catalog", "GET", "/products/{productId}"]
    );
    // The gateway asks once per call; what is not certain is not told.
    assert_eq!(product["each"], 1.0, "{links}");
    let (calls, answered) =
        (product["requests"].as_u64().unwrap(), links["after"]["answered"].as_u64().unwrap());
    assert!(calls > 0 && calls <= answered, "{links}");
    let shown = strings(&links["shown"]);
    assert!(shown[0].starts_with("GET /products/{productId} shop-catalog 1.0 per call"), "{shown:?}");
    assert!(strings(&links["titles"]).contains(&"Calls it makes"), "{links}");
}

#[test]
fn the_list_shows_endpoints_of_the_server() {
    let endpoints = &told().unwrap()["endpoints"];
    let asked = endpoints["asked"].as_array().unwrap();
    let shown = strings(&endpoints["shown"]);
    assert!(shown.len() > 5 && shown.len() <= asked.len(), "{shown:?}");
    let known = |row: &str| asked.iter().any(|one| row.contains(one["route"].as_str().unwrap()));
    assert!(shown.iter().all(|row| known(row)), "{shown:?}");
}

#[test]
fn a_call_that_is_made_now_is_seen_live() {
    assert_eq!(told().unwrap()["live"]["shown"].as_array().unwrap().len(), 1, "{}", told().unwrap()["live"]);
}

#[test]
fn the_map_shows_who_calls_whom() {
    let map = &told().unwrap()["map"];
    let edges = strings(&map["edges"]);
    assert!(edges.iter().any(|edge| edge.starts_with("shop-orders calls shop-payments")), "{edges:?}");
    let asked = map["asked"]["edges"].as_array().unwrap();
    let known =
        |one: &Value| format!("{} calls {}:", one["from"].as_str().unwrap(), one["to"].as_str().unwrap());
    assert!(asked.iter().all(|one| edges.iter().any(|edge| edge.starts_with(&known(one)))), "{map}");
}

#[test]
fn changes_and_health_show_what_the_server_says() {
    let changes = &told().unwrap()["changes"];
    let [shown, asked] = ["shown", "asked"].map(|name| changes[name].as_u64().unwrap());
    assert!(shown > 0 && shown <= asked, "{changes}");
    assert!(told().unwrap()["health"]["asked"]["statistics"]["captured"]["exchanges"].as_u64().unwrap() > 0);
    assert!(told().unwrap()["health"]["text"].as_str().unwrap().contains("Health"));
}

#[test]
fn an_unknown_endpoint_is_a_clear_sentence() {
    let said = told().unwrap()["unknown"].as_str().unwrap();
    assert!(said.contains("never called") && said.contains("/nowhere"), "{said}");
}

/// In each of the looks: wide and narrow, light and dark.
#[test]
fn nothing_sticks_out_and_everybody_can_read_and_touch_it() {
    for (view, looks) in told().unwrap()["looks"].as_object().unwrap() {
        assert_looks_well(view, looks);
    }
}

/// A line needs two points.
#[test]
fn a_time_line_of_one_step_is_a_dot() {
    let once = &told().unwrap()["once"];
    assert_eq!(once["calls"], 1, "{once}");
    let of = |name: &str| once["ink"][name].as_f64().unwrap();
    let most = 8.0 * of("scale");
    assert!(of("pixels") >= 9.0 && of("width") <= most && of("height") <= most, "{once}");
}

/// The command gives what the server answers, and the document is one.
#[test]
fn what_is_copied_is_of_use() {
    let copied = &told().unwrap()["copied"];
    let text = |name: &str| copied[name].as_str().unwrap();
    let (body, status) = text("said").rsplit_once('\n').unwrap();
    assert_eq!(status, "200", "{copied}");
    let product: Value = serde_json::from_str(body).unwrap();
    assert!(text("curl").contains(product["slug"].as_str().unwrap()), "{copied}");
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("openapi.yaml");
    std::fs::write(&document, text("openapi")).unwrap();
    assert!(text("openapi").contains("/api/products/{productId}"), "{copied}");
    judge::is_valid_openapi(&document).unwrap();
    judge::passes_redocly(&document).unwrap();
}

#[test]
fn the_browser_has_nothing_to_complain_of() {
    assert_eq!(told().unwrap()["complaints"], Value::Array(Vec::new()));
}
