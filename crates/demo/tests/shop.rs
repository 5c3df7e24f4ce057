//! The shop with all its processes. This program is its own shop: it is re-executed for each role.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test with a main of its own")]

use overhear_demo::{Options, Role, SUBCOMMAND, Shop, roles, serve};
use std::{
    fs,
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Holds a shop until it is killed: for the test that kills it.
const HOLD: &str = "hold-a-shop";

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    match arguments.peek().map(String::as_str) {
        Some(SUBCOMMAND) => return serve(arguments.skip(1)).unwrap(),
        Some(HOLD) => return hold(),
        Some("--list") => return,
        _ => {}
    }
    let checks: [(&str, fn()); 5] = [
        ("every_role_answers", every_role_answers),
        ("customers_shop", customers_shop),
        ("names_are_those_of_the_roles", names_are_those_of_the_roles),
        ("dropping_ends_every_process", dropping_ends_every_process),
        ("killing_the_shop_ends_every_process", killing_the_shop_ends_every_process),
    ];
    for (name, check) in checks {
        check();
        println!("test {name} ... ok");
    }
}

fn open(pace: f64) -> Shop {
    Shop::start(&std::env::current_exe().unwrap(), Options { base_port: None, pace }).unwrap()
}

fn get(url: &str) -> (u16, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut response = agent.get(url).call().unwrap();
    (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
}

fn post(url: &str, body: &str) -> (u16, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut response = agent.post(url).content_type("application/json").send(body).unwrap();
    (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
}

fn every_role_answers() {
    let shop = open(0.1);
    assert_eq!(shop.ports().len(), 6);
    for (role, port) in shop.ports() {
        let (status, body) = get(&format!("http://127.0.0.1:{port}/healthz"));
        assert_eq!((status, body.as_str()), (200, r#"{"status":"ok"}"#), "{role:?}");
    }
    let url = shop.url();
    let (status, body) = get(&format!("{url}/api/products/blue-teapot"));
    assert!(status == 200 && body.contains("\"available\""), "{status} {body}");
    assert_eq!(get(&format!("{url}/api/products/moon-lamp")).0, 404);
    assert_eq!(get(&format!("{url}/api/users/7")).0, 401);
    let (status, body) = post(&format!("{url}/api/coupons/apply"), r#"{"code":"OLD"}"#);
    assert!(status == 200 && body.contains("\"error\""), "{status} {body}");
    let (status, body) = get(&format!("{url}/api/products?limit=600"));
    let list: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, list["items"].as_array().unwrap().len()), (200, 600));
    let sku = list["items"][0]["sku"].as_str().unwrap();
    let order = format!(r#"{{"customer":7,"items":[{{"sku":"{sku}","quantity":2}}]}}"#);
    let (status, body) = post(&format!("{url}/api/orders"), &order);
    assert!(status == 201 && body.contains("\"ord_"), "{status} {body}");
    let (status, body) = get(&format!("{url}/api/orders?status=open"));
    assert!(status == 200 && body.contains("\"ord_"), "{status} {body}");
}

/// Orders that nobody but the shopper can have made.
fn customers_shop() {
    let shop = open(60.0);
    let found = wait_for(Duration::from_secs(20), || {
        let (_, body) = get(&format!("{}/api/orders?status=open&limit=50", shop.url()));
        body.contains("\"ord_")
    });
    assert!(found, "no order was made");
}

fn names_are_those_of_the_roles() {
    let shop = open(0.1);
    for (role, pid) in shop.pids() {
        let named = wait_for(Duration::from_secs(5), || {
            fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|comm| comm.trim_end() == role.service())
        });
        assert!(named, "{role:?}");
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        assert!(command.starts_with(role.service().as_bytes()), "{role:?}");
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
        let wanted = format!("OTEL_SERVICE_NAME={}\0", role.service());
        assert!(environment.windows(wanted.len()).any(|part| part == wanted.as_bytes()), "{role:?}");
    }
    assert_eq!(shop.pids().len(), roles().len());
}

fn dropping_ends_every_process() {
    let shop = open(20.0);
    let pids = shop.pids();
    assert!(pids.iter().all(|(_, pid)| exists(*pid)));
    let port = shop.ports().iter().find(|(role, _)| *role == Role::Gateway).unwrap().1;
    drop(shop);
    for (role, pid) in pids {
        assert!(!exists(pid), "{role:?} is still there");
    }
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

fn killing_the_shop_ends_every_process() {
    let mut holder: Child = Command::new(std::env::current_exe().unwrap())
        .arg(HOLD)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pids = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(holder.stdout.take().unwrap()), &mut pids)
        .unwrap();
    let pids: Vec<u32> = pids.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(pids.len(), roles().len());
    holder.kill().unwrap();
    holder.wait().unwrap();
    let gone = wait_for(Duration::from_secs(10), || !pids.iter().any(|pid| exists(*pid)));
    assert!(gone, "processes outlived the shop: {pids:?}");
}

fn hold() {
    let shop = open(5.0);
    let pids: Vec<String> = shop.pids().iter().map(|(_, pid)| pid.to_string()).collect();
    println!("{}", pids.join(" "));
    std::io::stdout().flush().unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

/// Alive: neither gone nor a zombie that nobody has waited for.
fn exists(pid: u32) -> bool {
    let path = format!("/proc/{pid}/stat");
    Path::new(&path).exists() && !fs::read_to_string(path).is_ok_and(|stat| stat.contains(") Z "))
}

fn wait_for(time: Duration, mut done: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < time {
        if done() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    done()
}
