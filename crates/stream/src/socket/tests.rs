use super::*;
use overhear_exchange::wire::Event;

mod legs;
mod packets;
mod tls;

const CLIENT: Cookie = Cookie(1);
const SERVER: Cookie = Cookie(2);

/// Runs records through an assembler and writes down what comes out, one short line per event.
struct Scene {
    assembler: Assembler,
    told: Vec<String>,
    now: u64,
}

impl Scene {
    fn new() -> Self {
        Self { assembler: Assembler::new(Limits::default(), 0), told: Vec::new(), now: 1000 }
    }

    fn record(&mut self, pid: u32, what: What<'_>) -> &mut Self {
        self.now += 1000;
        let thread = (pid != 0).then_some(Thread { tgid: pid, tid: pid });
        let (assembler, told) = (&mut self.assembler, &mut self.told);
        assembler
            .record(Record { time: self.now, thread, what }, &mut |event: Event<'_>| told.push(line(&event)));
        self
    }

    fn later(&mut self, nanos: u64) -> &mut Self {
        self.now += nanos;
        let (assembler, told) = (&mut self.assembler, &mut self.told);
        assembler.tick(self.now, &mut |event: Event<'_>| told.push(line(&event)));
        self
    }

    fn open(&mut self, socket: Cookie, role: Role, ends: (&str, &str), pid: u32) -> &mut Self {
        let ends = Ends::Ip { local: ends.0.parse().unwrap(), remote: ends.1.parse().unwrap() };
        let comm = if pid == 0 { String::new() } else { format!("comm{pid}") };
        self.record(pid, What::Open(Box::new(Open { socket, ends, netns: 7, role, comm })))
    }

    fn data(&mut self, socket: Cookie, way: Way, offset: u64, bytes: &str, pid: u32) -> &mut Self {
        let size = bytes.len() as u32;
        self.record(
            pid,
            What::Data { socket, way, offset, size, bytes: bytes.as_bytes(), loss: None, comes: false },
        )
    }

    fn unreadable(&mut self, socket: Cookie, way: Way, offset: u64, size: u32, pid: u32) -> &mut Self {
        let loss = Some(Loss::NoBuffer);
        self.record(pid, What::Data { socket, way, offset, size, bytes: b"", loss, comes: false })
    }

    fn close(&mut self, socket: Cookie, errno: u32) -> &mut Self {
        self.record(99, What::Close { socket, errno })
    }

    fn verdicts(&mut self) -> Vec<(Cookie, Verdict)> {
        self.assembler.take_verdicts().collect()
    }

    /// Both ends of a connection on this machine, as the probes announce them.
    fn both(&mut self) -> &mut Self {
        self.open(CLIENT, Role::Client, ("127.0.0.1:5000", "127.0.0.1:80"), 10);
        self.open(SERVER, Role::Server, ("127.0.0.1:80", "127.0.0.1:5000"), 0)
    }

    #[track_caller]
    fn told(&self, expected: &[&str]) {
        assert_eq!(self.told, expected);
    }
}

fn line(event: &Event<'_>) -> String {
    match event {
        Event::Open { a, b, opener_known, tls, .. } => {
            let name = |address: &Address| match address {
                Address::Ip(ip) => ip.to_string(),
                Address::Unknown | Address::Unix(_) | Address::Name(..) => format!("{address:?}"),
            };
            let known = if *opener_known { "" } else { " ?" };
            format!("open {} {}{known}{}", name(a), name(b), if *tls { " tls" } else { "" })
        }
        Event::Data { from, bytes, .. } => format!("{from:?}: {}", String::from_utf8_lossy(bytes)),
        Event::Gap { from, length, .. } => format!("{from:?}: gap {length:?}"),
        Event::End { from, .. } => format!("{from:?}: end"),
        Event::Close { cause, .. } => format!("close {cause:?}"),
    }
}

#[test]
fn both_ends_here_are_told_once_by_the_server_and_the_client_is_silenced() {
    let mut scene = Scene::new();
    scene.both();
    scene.data(CLIENT, Way::Sent, 0, "ask", 10).data(SERVER, Way::Received, 0, "ask", 20);
    scene.data(SERVER, Way::Sent, 0, "answer", 20).data(CLIENT, Way::Received, 0, "answer", 10);
    assert_eq!(scene.verdicts(), [(CLIENT, Verdict::Ignore)]);
    let [a, b] = scene.assembler.ends(ConnectionId(0)).unwrap();
    assert_eq!(a.owner, Some(Owner { pid: 10, comm: Some("comm10".into()) }));
    assert_eq!(b.owner, Some(Owner { pid: 20, comm: None }));
    scene.close(SERVER, 0);
    scene.told(&["open 127.0.0.1:5000 127.0.0.1:80", "A: ask", "B: answer", "close Finished"]);
    assert!(scene.assembler.is_empty());
}

#[test]
fn ends_of_a_closed_connection_are_known_until_the_next_record() {
    let mut scene = Scene::new();
    scene.both().data(SERVER, Way::Received, 0, "ask", 20).close(SERVER, 0);
    assert!(scene.assembler.ends(ConnectionId(0)).is_some());
    scene.open(Cookie(9), Role::Server, ("127.0.0.1:81", "127.0.0.1:6000"), 0);
    assert!(scene.assembler.ends(ConnectionId(0)).is_none());
}

#[test]
fn a_remote_server_is_told_by_the_client() {
    let mut scene = Scene::new();
    scene.open(CLIENT, Role::Client, ("192.0.2.1:5000", "198.51.100.7:80"), 10);
    scene.data(CLIENT, Way::Sent, 0, "ask", 10).data(CLIENT, Way::Received, 0, "answer", 10);
    scene.close(CLIENT, 104);
    scene.told(&["open 192.0.2.1:5000 198.51.100.7:80", "A: ask", "B: answer", "close Reset(Some(B))"]);
}

#[test]
fn a_silent_server_end_is_waited_for_and_then_given_up() {
    let mut scene = Scene::new();
    scene.open(CLIENT, Role::Client, ("127.0.0.1:5000", "127.0.0.1:80"), 10).data(
        CLIENT,
        Way::Sent,
        0,
        "ask",
        10,
    );
    scene.told(&[]);
    scene.later(60_000_000);
    scene.told(&["open 127.0.0.1:5000 127.0.0.1:80", "A: ask"]);
    // Too late to carry, in time to say who it is.
    scene.open(SERVER, Role::Server, ("127.0.0.1:80", "127.0.0.1:5000"), 20).data(
        SERVER,
        Way::Received,
        0,
        "ask",
        20,
    );
    scene.data(SERVER, Way::Sent, 0, "answer", 20).data(CLIENT, Way::Received, 0, "answer", 10);
    scene.told(&["open 127.0.0.1:5000 127.0.0.1:80", "A: ask", "B: answer"]);
    assert_eq!(scene.verdicts(), [(SERVER, Verdict::Ignore)]);
    assert_eq!(scene.assembler.ends(ConnectionId(0)).unwrap()[1].owner.as_ref().unwrap().pid, 20);
}

#[test]
fn a_server_that_sends_unseen_is_heard_at_the_client() {
    let mut scene = Scene::new();
    scene.both().data(CLIENT, Way::Sent, 0, "ask", 10).data(SERVER, Way::Received, 0, "ask", 20);
    scene.unreadable(SERVER, Way::Sent, 0, 6, 20).data(CLIENT, Way::Received, 0, "answer", 10);
    scene.told(&["open 127.0.0.1:5000 127.0.0.1:80", "A: ask", "B: answer"]);
    assert_eq!(scene.verdicts(), []);
}

#[test]
fn a_server_that_is_only_not_copied_in_full_stays_the_carrier() {
    let mut scene = Scene::new();
    let loss = Some(Loss::Undecided);
    scene.both().data(CLIENT, Way::Sent, 0, "ask", 10).data(SERVER, Way::Received, 0, "ask", 20);
    scene.record(
        20,
        What::Data { socket: SERVER, way: Way::Received, offset: 3, size: 9, bytes: b"", loss, comes: false },
    );
    scene.data(SERVER, Way::Received, 12, "more", 20);
    scene.told(&["open 127.0.0.1:5000 127.0.0.1:80", "A: ask", "A: gap Some(9)", "A: more"]);
}

#[test]
fn a_server_that_receives_unseen_is_heard_at_the_client() {
    let mut scene = Scene::new();
    scene.both().data(CLIENT, Way::Sent, 0, "ask", 10).unreadable(SERVER, Way::Received, 0, 3, 20);
    scene.data(SERVER, Way::Sent, 0, "answer", 20).data(CLIENT, Way::Received, 0, "answer", 10);
    scene.told(&["open 127.0.0.1:5000 127.0.0.1:80", "A: ask", "B: answer"]);
}

#[test]
fn a_request_nobody_accepts_is_told_when_the_client_gives_up() {
    let mut scene = Scene::new();
    scene.both().data(CLIENT, Way::Sent, 0, "ask", 10).close(CLIENT, 0);
    scene.told(&["open 127.0.0.1:5000 127.0.0.1:80", "A: ask", "close Finished"]);
    // Whatever the server does with it later is not told a second time.
    scene.data(SERVER, Way::Received, 0, "ask", 20).close(SERVER, 0);
    assert_eq!(scene.told.len(), 3);
}

#[test]
fn a_short_call_to_a_server_that_is_not_heard_is_told_when_it_closes() {
    let mut scene = Scene::new();
    scene.open(CLIENT, Role::Client, ("127.0.0.1:5000", "127.0.0.1:80"), 10);
    scene.data(CLIENT, Way::Sent, 0, "ask", 10).data(CLIENT, Way::Received, 0, "answer", 10).close(CLIENT, 0);
    scene.told(&["open 127.0.0.1:5000 127.0.0.1:80", "A: ask", "B: answer", "close Finished"]);
}

#[test]
fn a_refused_connect_is_told() {
    let mut scene = Scene::new();
    scene.open(CLIENT, Role::Client, ("127.0.0.1:5000", "127.0.0.1:9"), 10).close(CLIENT, 111);
    scene.told(&["open 127.0.0.1:5000 127.0.0.1:9", "close Refused"]);
}

#[test]
fn a_connection_without_a_word_is_not_told() {
    let mut scene = Scene::new();
    scene.both().close(CLIENT, 0).close(SERVER, 0);
    scene.told(&[]);
    assert!(scene.assembler.is_empty());
}

#[test]
fn a_lost_record_is_a_gap_of_its_length() {
    let mut scene = Scene::new();
    scene.both().data(SERVER, Way::Received, 0, "abc", 20).data(SERVER, Way::Received, 10, "klm", 20);
    scene.told(&["open 127.0.0.1:5000 127.0.0.1:80", "A: abc", "A: gap Some(7)", "A: klm"]);
}

#[test]
fn what_was_not_copied_is_a_gap_of_its_length() {
    let mut scene = Scene::new();
    let loss = Some(Loss::OverCap);
    scene.both();
    scene.record(
        20,
        What::Data {
            socket: SERVER,
            way: Way::Received,
            offset: 0,
            size: 10,
            bytes: b"abc",
            loss,
            comes: false,
        },
    );
    scene.data(SERVER, Way::Received, 10, "k", 20);
    scene.told(&["open 127.0.0.1:5000 127.0.0.1:80", "A: abc", "A: gap Some(7)", "A: k"]);
}

#[test]
fn an_api_is_heard_in_full_and_anything_else_not_at_all() {
    let mut scene = Scene::new();
    scene.both().data(SERVER, Way::Received, 0, "ask", 20);
    scene.assembler.judge(ConnectionId(0), Judgement::Api);
    assert_eq!(scene.verdicts(), [(CLIENT, Verdict::Full), (SERVER, Verdict::Full)]);
    scene.assembler.judge(ConnectionId(0), Judgement::Api);
    assert_eq!(scene.verdicts(), []);
    scene.assembler.judge(ConnectionId(0), Judgement::NotApi);
    assert_eq!(scene.verdicts(), [(CLIENT, Verdict::Ignore), (SERVER, Verdict::Ignore)]);
    scene.data(SERVER, Way::Received, 3, "more", 20);
    assert_eq!(scene.told.len(), 2);
    assert!(scene.assembler.is_empty());
}

#[test]
fn who_listens_is_the_server_of_a_connection_that_was_there_before() {
    let mut scene = Scene::new();
    let listening = Existing {
        tgid: 20,
        fd: 3,
        inode: 5,
        ends: Ends::Ip { local: "0.0.0.0:80".parse().unwrap(), remote: "0.0.0.0:0".parse().unwrap() },
        netns: 7,
        state: TCP_LISTEN,
        kind: 1,
    };
    scene.assembler.existing([&listening]);
    scene.open(SERVER, Role::Unknown, ("192.0.2.1:80", "198.51.100.7:5000"), 20);
    scene.data(SERVER, Way::Received, 0, "ask", 20);
    scene.told(&["open 198.51.100.7:5000 192.0.2.1:80 ?", "A: ask"]);
}

#[test]
fn the_two_ends_of_a_unix_socket_are_one_connection() {
    let mut scene = Scene::new();
    let open = |socket, inode, peer| {
        let ends = Ends::Unix { inode, peer };
        What::Open(Box::new(Open { socket, ends, netns: 7, role: Role::Unknown, comm: "c".into() }))
    };
    // The client speaks before it is accepted: its peer has no inode yet.
    scene.record(10, open(CLIENT, 100, 0)).data(CLIENT, Way::Sent, 0, "ask", 10);
    scene.record(20, open(SERVER, 200, 100)).data(SERVER, Way::Received, 0, "ask", 20);
    scene.data(SERVER, Way::Sent, 0, "answer", 20).data(CLIENT, Way::Received, 0, "answer", 10);
    scene.told(
        &["open Unix(None) Unix(None)", "A: ask", "B: answer"]
            .map(|s| if s.starts_with("open") { "open Unix(None) Unix(None) ?" } else { s }),
    );
    assert_eq!(scene.verdicts(), [(CLIENT, Verdict::Ignore)]);
    scene.record(20, What::Exit);
    assert_eq!(scene.told.last().unwrap(), "close Finished");
    assert!(scene.assembler.is_empty());
}

#[test]
fn loopback_of_two_namespaces_is_two_connections() {
    let mut scene = Scene::new();
    scene.open(CLIENT, Role::Client, ("127.0.0.1:5000", "127.0.0.1:80"), 10);
    let ends = Ends::Ip { local: "127.0.0.1:80".parse().unwrap(), remote: "127.0.0.1:5000".parse().unwrap() };
    let open = Open { socket: SERVER, ends, netns: 8, role: Role::Server, comm: String::new() };
    scene.record(0, What::Open(Box::new(open)));
    assert_eq!(scene.assembler.len(), 2);
}

#[test]
fn the_same_addresses_again_are_a_new_connection() {
    let mut scene = Scene::new();
    scene.both().data(SERVER, Way::Received, 0, "one", 20);
    // The closes were lost; the client's port is used again.
    scene.open(Cookie(3), Role::Client, ("127.0.0.1:5000", "127.0.0.1:80"), 11);
    scene.open(Cookie(4), Role::Server, ("127.0.0.1:80", "127.0.0.1:5000"), 0);
    scene.data(Cookie(4), Way::Received, 0, "two", 20);
    assert_eq!(scene.told.last().unwrap(), "A: two");
    assert_eq!(scene.assembler.len(), 2);
}

#[test]
fn idle_connections_are_forgotten_beyond_the_limit_and_counted() {
    let mut scene = Scene::new();
    scene.assembler = Assembler::new(Limits { connections: 10, ..Limits::default() }, 0);
    for port in 0..100u16 {
        let server = Cookie(1000 + u64::from(port));
        let peer = format!("198.51.100.7:{}", 5000 + port);
        scene.open(server, Role::Server, ("192.0.2.1:80", &peer), 0).data(server, Way::Received, 0, "x", 20);
    }
    assert_eq!(scene.assembler.len(), 10);
    assert_eq!(scene.assembler.take_evicted(), 90);
    assert_eq!(scene.told.iter().filter(|line| *line == "close Unknown").count(), 90);
}

#[test]
fn what_is_kept_in_reserve_is_bounded() {
    let mut scene = Scene::new();
    scene.open(CLIENT, Role::Client, ("127.0.0.1:5000", "127.0.0.1:80"), 10);
    let chunk = "x".repeat(10_000);
    for n in 0..100 {
        scene.data(CLIENT, Way::Sent, n * 10_000, &chunk, 10);
    }
    scene.later(60_000_000);
    let kept: usize =
        scene.told.iter().filter(|line| line.starts_with("A: x")).map(|line| line.len() - 3).sum();
    assert_eq!(kept, 60_000);
    assert!(scene.told.iter().any(|line| line.starts_with("A: gap")));
}
