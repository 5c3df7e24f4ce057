//! What people know, said on the page: proposed, shown with what it changes, and saved only where that is allowed and
//! nothing a person wrote is touched. No root: a recorded capture is what was heard.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use overhear_tests::{
    judge,
    program::{overhear, run, signal},
};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

const CAPTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/demo/assets/shop.pcap.zst");
const WRITTEN: &str = "# Of the shop's people; keep the order.
overlay: 1.1.0
info: {title: shop, version: 1.0.0}
x-overhear:
  routes:
    force: []   # nothing yet
actions:
- target: $.info
  update: {contact: {name: the shop}}   # who to ask

# The end.
";

/// A page over what was heard of the demo's shop.
struct Serve {
    child: Child,
    folder: TempDir,
    page: String,
}

impl Serve {
    fn start(overlay: Option<&str>, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, file) = (folder.path().join("store.db"), folder.path().join("overhear.overlay.yaml"));
        let read = run(&["read", "--store", &store.display().to_string(), CAPTURE]).unwrap();
        assert_eq!(read.code, Some(0), "{read:?}");
        if let Some(text) = overlay {
            fs::write(&file, text).unwrap();
        }
        let mut command = Command::new(overhear().unwrap());
        command.args(["serve", "--listen", "127.0.0.1:0", "--store"]).arg(store);
        // Without a file the one of the working directory would be begun.
        command.current_dir(folder.path()).args(more);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let page =
            said.filter_map(|line| Some(line.split_once("the page is ")?.1.to_owned())).next().unwrap();
        Self { child, folder, page }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("overhear.overlay.yaml")
    }

    /// Status and answer of something that is said to the page.
    fn say(&self, what: &str, said: &Value, fields: &[&str]) -> (u16, Value) {
        let (origin, token) = self.page.split_once("/?token=").unwrap();
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "20", "--write-out", "\n%{http_code}"]);
        curl.args(["--header", "Content-Type: application/json", "--data", &said.to_string()]);
        let bearer = format!("Authorization: Bearer {token}");
        let fields = if fields.is_empty() { vec![bearer.as_str()] } else { fields.to_vec() };
        for field in &fields {
            curl.args(["--header", field]);
        }
        let said = curl.arg(format!("{origin}/api/overlay/{what}")).output().unwrap();
        let text = String::from_utf8(said.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
    }

    /// The methods of a route that the page lists, of all that was ever heard.
    fn lists(&self, route: &str) -> Vec<String> {
        let (origin, _) = self.page.split_once("/?token=").unwrap();
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "20", "--header", &self.bearer()]);
        let url = format!("{origin}/api/endpoints?since=2020-01-01T00:00:00Z&service=127.0.0.1:8301");
        let said: Value = serde_json::from_slice(&curl.arg(url).output().unwrap().stdout).unwrap();
        let rows = said["endpoints"].as_array().unwrap_or_else(|| panic!("{said}"));
        let of_it = rows.iter().filter(|row| row["route"] == route && row["way"] == "inbound");
        of_it.map(|row| row["method"].as_str().unwrap().to_owned()).collect()
    }

    fn bearer(&self) -> String {
        format!("Authorization: Bearer {}", self.page.split_once("token=").unwrap().1)
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _gone = signal(self.child.id(), "TERM");
        let _status = self.child.wait();
    }
}

fn endpoint() -> Value {
    json!({"service": "127.0.0.1:8301", "method": "GET", "route": "/orders/{orderId}"})
}

fn with(more: Value) -> Value {
    let mut said = endpoint();
    said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    said
}

/// The lines of a text are those of another, in their order, with others between.
fn has_all_lines(text: &str, old: &str) -> bool {
    let mut lines = text.lines();
    old.lines().all(|line| lines.by_ref().any(|new| new == line || new == line.replace("[]", "")))
}

#[test]
fn somebody_says_in_the_browser_what_an_endpoint_is_called() {
    let serve = Serve::start(Some(WRITTEN), &["--edit-overlay"]);
    let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/page-screenshots");
    fs::create_dir_all(&pictures).unwrap();
    let path = "/endpoint?service=127.0.0.1%3A8301&method=GET&route=%2Forders%2F%7BorderId%7D";
    let pictures = pictures.display().to_string();
    let said = [&*serve.page, path, "/orders/{number}", "checkout-team", &*pictures];
    let told: Value = serde_json::from_str(&judge::browse("edit.cjs", said).unwrap()).unwrap();
    assert_eq!(told["route"], "/orders/{orderId}");
    let lines = |name: &str| -> Vec<String> { serde_json::from_value(told[name].clone()).unwrap() };
    let added = lines("added").join("\n");
    assert!(
        added.contains("- \"/orders/{number}\"") && added.contains("x-owner: \"checkout-team\""),
        "{added}"
    );
    assert!(lines("document").iter().any(|line| line.contains("x-owner: checkout-team")), "{told:#}");
    let moves = lines("moves");
    assert!(moves.iter().any(|line| line.contains("GET /orders/{number}")), "{moves:?}");
    assert!(moves.iter().any(|line| line.contains("GET /orders/{orderId}")), "{moves:?}");
    assert!(told["saved"].as_str().unwrap().contains("Saved to"));
    assert!(told["after"]["title"].as_str().unwrap().contains("/orders/{number}"), "{told:#}");
    assert_eq!(told["complaints"], json!([]));
    judge::assert_looks_well("edit", &told["looks"]);
    takes_what_was_copied(told["copied"].as_str().unwrap());

    let text = fs::read_to_string(serve.file()).unwrap();
    assert!(has_all_lines(&text, WRITTEN), "{text}");
    // Every question takes it from the file.
    let store = serve.folder.path().join("store.db").display().to_string();
    let file = serve.file().display().to_string();
    let rows =
        run(&["endpoints", "--json", "--store", &store, "--overlay", &file]).unwrap().document().unwrap();
    let routes: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["route"].as_str().unwrap()).collect();
    assert!(routes.contains(&"/orders/{number}") && !routes.contains(&"/orders/{orderId}"), "{routes:?}");
}

/// The entry that the page puts on the clipboard, below the head of a file of one's own.
fn takes_what_was_copied(entry: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.yaml").display().to_string();
    let head = "overlay: 1.1.0\ninfo: {title: mine, version: '1'}\n";
    let check = || {
        run(&["overlay", "check", "--from", CAPTURE, "--service", "127.0.0.1:8301", "--overlay", &file])
            .unwrap()
    };
    fs::write(&file, format!("{head}{entry}")).unwrap();
    let said = check();
    assert_eq!(said.code, Some(0), "{entry}{said:?}");
    // It does judge.
    fs::write(&file, format!("{head}{}", entry.replace("/orders/{number}", "/nowhere/{number}"))).unwrap();
    let said = check();
    assert_ne!(said.code, Some(0), "{said:?}");
}

#[test]
fn what_may_not_be_saved_is_not() {
    let serve = Serve::start(Some(WRITTEN), &[]);
    let said = with(json!({"owner": "checkout"}));
    let (status, told) = serve.say("preview", &said, &[]);
    assert_eq!((status, &told["may_save"]), (200, &json!(false)), "{told}");
    let (status, told) = serve.say("save", &with(json!({"owner": "checkout", "seen": told["seen"]})), &[]);
    assert_eq!(status, 403);
    assert!(told["error"].as_str().unwrap().contains("--edit-overlay"), "{told}");
    assert_eq!(fs::read_to_string(serve.file()).unwrap(), WRITTEN);
}

#[test]
fn only_the_page_itself_saves_and_only_what_was_looked_at() {
    let serve = Serve::start(Some(WRITTEN), &["--edit-overlay"]);
    let said = with(json!({"owner": "checkout"}));
    let (_, told) = serve.say("preview", &said, &[]);
    let save = with(json!({"owner": "checkout", "seen": told["seen"]}));
    assert_eq!(serve.say("save", &save, &["X-Nobody: 1"]).0, 401, "a stranger");
    let bearer = serve.bearer();
    assert_eq!(serve.say("save", &save, &[&bearer, "Origin: http://localhost:3000"]).0, 403, "another page");
    let (status, told) = serve.say("save", &with(json!({"owner": "checkout", "seen": "0"})), &[]);
    assert_eq!(status, 409, "{told}");
    let changed = format!("{WRITTEN}# and more\n");
    fs::write(serve.file(), &changed).unwrap();
    assert_eq!(serve.say("save", &save, &[]).0, 409, "somebody wrote meanwhile");
    assert_eq!(fs::read_to_string(serve.file()).unwrap(), changed);
    // What a person said of it stands.
    let own = changed.replace(
        "- target: $.info",
        "- target: \"$.paths['/orders/{orderId}'].get\"\n  update: {x-owner: us}\n- target: $.info",
    );
    fs::write(serve.file(), &own).unwrap();
    let (status, told) = serve.say("preview", &said, &[]);
    assert_eq!(status, 200);
    let refused = told["refused"].as_str().unwrap_or_else(|| panic!("{told:#}"));
    assert!(refused.contains(":8 says `x-owner` of this operation"), "{refused}");
    let (_, told) = serve.say("preview", &with(json!({"summary": "One order"})), &[]);
    let seen = told["seen"].clone();
    let (status, told) = serve.say("save", &with(json!({"summary": "One order", "seen": seen})), &[]);
    assert_eq!((status, &told["saved"]), (200, &json!(true)), "{told:#}");
    let text = fs::read_to_string(serve.file()).unwrap();
    assert!(has_all_lines(&text, &own) && text.contains("summary: \"One order\""), "{text}");
}

#[test]
fn a_file_is_begun_where_there_is_none() {
    let serve = Serve::start(None, &["--edit-overlay"]);
    let (_, told) = serve.say("preview", &with(json!({"ignore": true})), &[]);
    assert_eq!(told["exists"], json!(false), "{told:#}");
    let gone = told["operation"].as_array().unwrap();
    assert!(!gone.is_empty() && gone.iter().all(|line| line["kind"] == "gone"), "no longer in it: {told:#}");
    let save = with(json!({"ignore": true, "seen": told["seen"]}));
    assert!(serve.lists("/orders/{orderId}").contains(&"GET".to_owned()));
    assert_eq!(serve.say("save", &save, &[]).0, 200);
    let left = serve.lists("/orders/{orderId}");
    assert!(!left.contains(&"GET".to_owned()), "the page leaves it out too: {left:?}");
    let store = serve.folder.path().join("store.db").display().to_string();
    let file = serve.file().display().to_string();
    let rows =
        run(&["endpoints", "--json", "--store", &store, "--overlay", &file]).unwrap().document().unwrap();
    let of_orders = |row: &&Value| row["service"] == "127.0.0.1:8301" && row["direction"] == "inbound";
    let routes: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .filter(of_orders)
        .map(|row| (&row["method"], &row["route"]))
        .collect();
    assert!(
        !routes.is_empty() && !routes.contains(&(&json!("GET"), &json!("/orders/{orderId}"))),
        "{routes:?}"
    );
}
