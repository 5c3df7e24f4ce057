//! What is kept: by one writer, for any reader, through every way to end. As root only: real probes write it.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use overhear_tests::{
    har::{Archive, Call},
    program::{Watch, run, signal},
    server::{Client, Kind, Server, calls, make_calls},
};
use serde_json::{Value, json};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Flushes are a second apart; another half until a call is heard, and half for a busy machine.
const AT_MOST_LOST: Duration = Duration::from_millis(2000);

fn store(folder: &TempDir) -> String {
    folder.path().join("store.db").display().to_string()
}

/// Makes every call there is, and says how many that is.
fn make_all_calls(kind: Kind, server: &Server) -> u64 {
    make_calls(Client::Curl, server.port).unwrap();
    calls(kind).len() as u64
}

/// All endpoints of a store, asked while somebody writes or not.
fn endpoints(store: &str, more: &[&str]) -> Value {
    let said = run(&[&["endpoints", "--json", "--store", store], more].concat()).unwrap();
    assert_eq!(said.code, Some(0), "{said:?}");
    said.document().unwrap()
}

fn requests(endpoints: &Value) -> u64 {
    endpoints.as_array().unwrap().iter().filter_map(|row| row["requests"].as_u64()).sum()
}

/// Calls a server again and again, and remembers when each call had its answer.
struct Caller {
    stop: Arc<AtomicBool>,
    answered: Arc<Mutex<Vec<Instant>>>,
    thread: Option<JoinHandle<()>>,
}

impl Caller {
    fn start(port: u16) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<Instant>>>::default());
        let (stopped, note) = (Arc::clone(&stop), Arc::clone(&answered));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if call(port).is_ok() {
                    note.lock().unwrap().push(Instant::now());
                }
                thread::sleep(Duration::from_millis(5));
            }
        });
        Self { stop, answered, thread: Some(thread) }
    }

    fn answered_before(&self, moment: Instant) -> u64 {
        self.answered.lock().unwrap().iter().filter(|at| **at < moment).count() as u64
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn call(port: u16) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /items/7 HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")?;
    stream.read_to_end(&mut Vec::new()).map(|_| ())
}

/// Numbers that differ from run to run, without a dependency.
fn random(below: u64) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) % below
}

#[test]
fn a_store_outlives_every_kill() {
    let rounds = std::env::var("OVERHEAR_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    let server = Server::start(Kind::Python).unwrap();
    let (folder, port) = (tempfile::tempdir().unwrap(), server.port.to_string());
    let store = store(&folder);
    let (mut least, mut most) = (0, 0);
    for round in 0..rounds {
        let watch = Watch::start(&["--json", "--port", &port, "--store", &store]).unwrap();
        let caller = Caller::start(server.port);
        // The first one late enough to show something.
        thread::sleep(Duration::from_millis(if round == 0 { 4000 } else { 300 + random(3700) }));
        let killed = Instant::now();
        signal(watch.pid(), "KILL").unwrap();
        least += killed.checked_sub(AT_MOST_LOST).map_or(0, |moment| caller.answered_before(moment));
        let answered = Arc::clone(&caller.answered);
        drop(caller);
        most += answered.lock().unwrap().len() as u64;
        drop(watch.heard());
        if Path::new(&store).exists() {
            // Counts by time, which are what the promise is about.
            let kept = requests(&endpoints(&store, &["--since", "1h"]));
            assert!((least..=most).contains(&kept), "round {round}: {least} <= {kept} <= {most}");
        } else {
            assert_eq!(least, 0, "round {round}");
        }
    }
    assert!(least > 0, "every kill came too early to show anything");
}

#[test]
fn a_second_writer_goes_on_without_and_says_so() {
    let server = Server::start(Kind::Python).unwrap();
    let (folder, port) = (tempfile::tempdir().unwrap(), server.port.to_string());
    let store = store(&folder);
    let first = Watch::start(&["--json", "--port", &port, "--store", &store]).unwrap();
    let second = Watch::start(&["--json", "--port", &port, "--store", &store]).unwrap();
    let made = make_all_calls(Kind::Python, &server);
    let second = second.stop().unwrap();
    assert!(second.err.contains("another overhear writes to"), "{}", second.err);
    assert_eq!(second.exchanges.len() as u64, made);
    first.stop().unwrap();
    assert_eq!(requests(&endpoints(&store, &[])), made);
}

#[test]
fn what_ended_well_is_kept_whole_and_adds_up() {
    let server = Server::start(Kind::Nginx).unwrap();
    let (folder, port) = (tempfile::tempdir().unwrap(), server.port.to_string());
    let store = store(&folder);
    let mut made = 0;
    for _ in 0..2 {
        let watch = Watch::start(&["--json", "--port", &port, "--store", &store]).unwrap();
        made += make_all_calls(Kind::Nginx, &server);
        watch.stop().unwrap();
    }
    let (all, window) = (endpoints(&store, &[]), endpoints(&store, &["--since", "1h"]));
    assert_eq!((requests(&all), requests(&window)), (made, made));
    let routes = |rows: &Value| -> Vec<(Value, Value)> {
        let rows = rows.as_array().unwrap();
        rows.iter().map(|row| (row["route"].clone(), row["requests"].clone())).collect()
    };
    assert_eq!(routes(&all), routes(&window), "the same endpoints, counted twice over");
    assert_eq!(requests(&endpoints(&store, &["--until", "1h"])), 0, "nothing was heard an hour ago");
    let map = run(&["map", "--json", "--store", &store]).unwrap().document().unwrap();
    let edge = &map["edges"][0];
    assert_eq!(
        (&edge["from"], &edge["to"], &edge["requests"]),
        (&"curl".into(), &"nginx".into(), &made.into())
    );
}

#[test]
fn a_damaged_store_is_set_aside_and_nothing_is_overwritten() {
    let server = Server::start(Kind::Python).unwrap();
    let (folder, port) = (tempfile::tempdir().unwrap(), server.port.to_string());
    let store = store(&folder);
    let watch = || Watch::start(&["--json", "--port", &port, "--store", &store]).unwrap();
    watch().stop().unwrap();
    fs::write(&store, "what a bad disk left of it").unwrap();
    let said = run(&["endpoints", "--store", &store]).unwrap();
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("is damaged"), "{}", said.err);
    let watch = watch();
    let made = make_all_calls(Kind::Python, &server);
    let heard = watch.stop().unwrap();
    assert!(heard.err.contains("was damaged: it is"), "{}", heard.err);
    assert_eq!(requests(&endpoints(&store, &[])), made);
    let aside = fs::read_dir(folder.path())
        .unwrap()
        .filter_map(Result::ok)
        .find(|entry| entry.file_name().to_string_lossy().contains(".damaged-"));
    assert_eq!(fs::read_to_string(aside.unwrap().path()).unwrap(), "what a bad disk left of it");
}

/// A slip of the pen after `--store` costs nobody a file, whoever runs it.
#[test]
fn a_file_that_never_was_a_store_is_left_alone() {
    let server = Server::start(Kind::Python).unwrap();
    let (folder, port) = (tempfile::tempdir().unwrap(), server.port.to_string());
    let file = folder.path().join("precious").display().to_string();
    fs::write(&file, "this is somebody's").unwrap();
    let watch = Watch::start(&["--json", "--port", &port, "--store", &file]).unwrap();
    let made = make_all_calls(Kind::Python, &server);
    let heard = watch.stop().unwrap();
    assert!(heard.err.contains("is no store of overhear"), "{}", heard.err);
    assert_eq!(heard.exchanges.len() as u64, made, "it listens all the same");
    assert_eq!(fs::read_to_string(&file).unwrap(), "this is somebody's");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_is_no_store_and_the_file_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let named = folder.path().display().to_string();
    let said = run(&["endpoints", "--store", &named]).unwrap();
    assert_eq!(said.code, Some(2));
    let says = format!("{named} is a folder: name the file of a store in it, such as {named}/overhear.db");
    assert!(said.err.contains(&says), "{}", said.err);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A file system of its own, gone with the test.
struct Disk(TempDir);

impl Disk {
    fn new(size: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).status();
        assert!(mounted.unwrap().success(), "needs root, to mount a small disk");
        Self(folder)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_told_once_and_what_waits_is_written_when_there_is_room() {
    let server = Server::start(Kind::Python).unwrap();
    let (disk, port) = (Disk::new("600k"), server.port.to_string());
    let store = store(&disk.0);
    let watch = Watch::start(&["--json", "--port", &port, "--store", &store]).unwrap();
    let filler = disk.0.path().join("filler");
    // What is left of the disk.
    let _ = fs::write(&filler, vec![0; 600 << 10]);
    let made = make_all_calls(Kind::Python, &server);
    thread::sleep(Duration::from_secs(3));
    fs::remove_file(&filler).unwrap();
    thread::sleep(Duration::from_secs(2));
    let heard = watch.stop().unwrap();
    assert_eq!(heard.err.matches("cannot be written").count(), 1, "{}", heard.err);
    assert_eq!(heard.exchanges.len() as u64, made);
    assert_eq!(requests(&endpoints(&store, &["--since", "1h"])), made);
}

#[test]
fn a_capture_is_read_into_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/demo/assets/shop.pcap.zst");
    let read = run(&["read", "--json", "--store", &store, capture]).unwrap();
    let expected = requests(&read.document().unwrap());
    assert!(expected > 100);
    assert_eq!(requests(&endpoints(&store, &[])), expected);
    assert_eq!(requests(&endpoints(&store, &["--since", "2020-01-01T00:00:00Z"])), expected);
}

/// As the command line takes it: so many minutes ago.
fn ago(minutes: u64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let at = format!("@{}", now - minutes * 60);
    let said = Command::new("date").args(["--utc", "+%Y-%m-%dT%H:%M:%SZ", "--date", &at]).output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

/// Orders with a state, half a day ago, and orders with a discount, a moment ago.
fn a_day(host: &str) -> Archive {
    let order = |n: u64, minutes: u64, body: Value| {
        Call::new("GET", format!("http://{host}/orders/{n}")).at(ago(minutes)).answer(&body)
    };
    let old = (0..6).map(|n| order(n, 12 * 60, json!({"id": n, "state": "open"})));
    let new = (0..4).map(|n| order(n, 2, json!({"id": n, "discount": 1.5})));
    Archive::new(&old.chain(new).collect::<Vec<_>>()).unwrap()
}

fn read(archive: &Archive, store: &str, more: &[&str]) -> overhear_tests::program::Said {
    let har = archive.path().display().to_string();
    run(&[&["read", "--store", store, &har], more].concat()).unwrap()
}

fn keys(properties: &Value) -> Vec<&str> {
    properties.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

#[test]
fn show_spec_and_overlay_tell_of_a_stretch_of_time() {
    let (folder, archive) = (tempfile::tempdir().unwrap(), a_day("shop.test"));
    let store = store(&folder);
    assert_eq!(read(&archive, &store, &[]).code, Some(0));
    let spec = |more: &[&str]| {
        let said = run(&[&["spec", "--json", "--store", &store], more].concat()).unwrap();
        let document = said.document().unwrap();
        let get = document["paths"]["/orders/{orderId}"]["get"].clone();
        let schema = get["responses"]["200"]["content"]["application/json"]["schema"].clone();
        let schema = match schema["$ref"].as_str() {
            Some(name) => document.pointer(name.trim_start_matches('#')).unwrap().clone(),
            None => schema,
        };
        (get["x-overhear"]["calls"].as_u64().unwrap(), keys(&schema["properties"]).join(" "), said.err)
    };
    let told = |said: (u64, String, String)| (said.0, said.1);
    assert_eq!(told(spec(&[])), (10, "discount id state".to_owned()));
    assert_eq!(told(spec(&["--since", "1h"])), (4, "discount id".to_owned()));
    assert_eq!(told(spec(&["--until", "6h"])), (6, "id state".to_owned()));
    let (.., err) = spec(&["--since", "1h"]);
    assert!(err.contains("shapes from"), "whole hours are told as such: {err}");

    let show = |more: &[&str]| {
        let said = run(&[&["show", "--json", "--store", &store, "GET /orders/1"], more].concat()).unwrap();
        said.document().unwrap()
    };
    assert_eq!((&show(&[])["requests"], &show(&["--since", "1h"])["requests"]), (&10.into(), &4.into()));
    assert!(!show(&["--since", "1h"]).to_string().contains("state"));
    assert!(!show(&["--until", "6h"]).to_string().contains("discount"));
    let gone = run(&["show", "--store", &store, "GET /orders/1", "--since", "8h", "--until", "6h"]).unwrap();
    assert_eq!(gone.code, Some(2), "nothing was called then: {gone:?}");

    let overlay = run(&["overlay", "init", "--output", "-", "--store", &store, "--since", "1h"]).unwrap();
    assert!(overlay.code == Some(0) && overlay.out.contains("/orders/{orderId}"), "{overlay:?}");
}

#[test]
fn names_that_are_one_are_one_over_time_too() {
    let (folder, archive) = (tempfile::tempdir().unwrap(), a_day("eu.shop.test"));
    let (store, overlay) = (store(&folder), folder.path().join("o.yaml"));
    assert_eq!(read(&archive, &store, &[]).code, Some(0));
    assert_eq!(read(&a_day("us.shop.test"), &store, &[]).code, Some(0));
    fs::write(
        &overlay,
        "overlay: 1.1.0\ninfo: {title: t, version: '1'}\nx-overhear:\n  services:\n    shop: [eu.shop.test, us.shop.test]\n",
    )
    .unwrap();
    let overlay = overlay.display().to_string();
    for since in [&[][..], &["--since", "1h"]] {
        let rows = endpoints(&store, &[&["--overlay", &overlay], since].concat());
        let expected = if since.is_empty() { 20 } else { 8 };
        assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
        assert_eq!((&rows[0]["service"], &rows[0]["requests"]), (&"shop".into(), &expected.into()));
    }
    let checked =
        run(&["overlay", "check", "--overlay", &overlay, "--store", &store, "--since", "1h"]).unwrap();
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

#[test]
fn models_add_up_where_they_share_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let archive = a_day("shop.test");
    let save = |name: &str, more: &[&str]| {
        let said = read(&archive, &file(&format!("{name}.db")), &[&["--save", &file(name)], more].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
    };
    save("a", &["--model-key", "our team"]);
    save("b", &["--model-key", "our team"]);
    save("c", &[]);
    let ask = |names: &[&str]| {
        let files: Vec<String> = names.iter().map(|name| file(name)).collect();
        let files = files.iter().map(String::as_str);
        run(&["endpoints", "--json", "--from"].into_iter().chain(files).collect::<Vec<_>>()).unwrap()
    };
    assert_eq!(requests(&ask(&["a", "b"]).document().unwrap()), 20);
    assert_eq!(requests(&ask(&["c"]).document().unwrap()), 10);
    let har = archive.path().display().to_string();
    let both = run(&["endpoints", "--json", "--from", &har, &file("c")]).unwrap();
    assert_eq!(requests(&both.document().unwrap()), 20, "captures add up with any: {both:?}");
    let apart = ask(&["a", "c"]);
    assert!(apart.code == Some(2) && apart.err.contains("--model-key"), "{apart:?}");

    let added = run(&["read", "--store", &file("a.db"), &file("b")]).unwrap();
    assert_eq!(added.code, Some(0), "{added:?}");
    assert_eq!(requests(&endpoints(&file("a.db"), &[])), 20);
    let other = run(&["read", "--store", &file("a.db"), "--model-key", "theirs", &har]).unwrap();
    assert!(other.err.contains("another model key"), "{other:?}");
    assert_eq!(requests(&endpoints(&file("a.db"), &[])), 20, "nothing was written");
}

/// Mounted for reading, whoever asks gets an answer, and whoever is to write says why it does not.
#[test]
fn a_disk_that_is_mounted_for_reading_is_read_and_not_written() {
    let server = Server::start(Kind::Python).unwrap();
    let (disk, port) = (Disk::new("8m"), server.port.to_string());
    let store = store(&disk.0);
    let watch = || Watch::start(&["--json", "--port", &port, "--store", &store]).unwrap();
    let first = watch();
    let made = make_all_calls(Kind::Python, &server);
    first.stop().unwrap();
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(disk.0.path()).status().unwrap();
    assert!(remounted.success());
    assert_eq!(requests(&endpoints(&store, &[])), made);
    assert_eq!(requests(&endpoints(&store, &["--since", "1h"])), made);
    let watch = watch();
    make_all_calls(Kind::Python, &server);
    let heard = watch.stop().unwrap();
    assert!(heard.err.contains("Read-only file system"), "{}", heard.err);
    assert!(heard.err.contains("keeps nothing beyond its end"), "{}", heard.err);
    assert_eq!(heard.exchanges.len() as u64, made, "it listens all the same");
    assert_eq!(requests(&endpoints(&store, &[])), made);
}

/// `watch` has given up the right to write what its mode forbids.
#[test]
fn a_file_that_may_not_be_written_is_read_and_not_written() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start(Kind::Python).unwrap();
    let (folder, port) = (tempfile::tempdir().unwrap(), server.port.to_string());
    let store = store(&folder);
    let watch = || Watch::start(&["--json", "--port", &port, "--store", &store]).unwrap();
    let first = watch();
    let made = make_all_calls(Kind::Python, &server);
    first.stop().unwrap();
    fs::set_permissions(&store, fs::Permissions::from_mode(0o400)).unwrap();
    let before = fs::read(&store).unwrap();
    let watch = watch();
    make_all_calls(Kind::Python, &server);
    let heard = watch.stop().unwrap();
    assert!(heard.err.contains("Permission denied"), "{}", heard.err);
    assert_eq!(heard.exchanges.len() as u64, made, "it listens all the same");
    assert_eq!(fs::read(&store).unwrap(), before);
    assert_eq!(requests(&endpoints(&store, &[])), made);
}

#[test]
fn a_folder_is_no_store() {
    let server = Server::start(Kind::Python).unwrap();
    let (folder, port) = (tempfile::tempdir().unwrap(), server.port.to_string());
    let path = folder.path().display().to_string();
    let watch = Watch::start(&["--json", "--port", &port, "--store", &path]).unwrap();
    let made = make_all_calls(Kind::Python, &server);
    let heard = watch.stop().unwrap();
    assert!(heard.err.contains(&format!("name {path}/overhear.db")), "{}", heard.err);
    assert_eq!(heard.exchanges.len() as u64, made, "it listens all the same");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let said = run(&["endpoints", "--store", &path]).unwrap();
    assert!(said.code == Some(2) && said.err.contains("is a folder"), "{said:?}");
}
