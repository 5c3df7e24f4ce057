//! TLS that a proxy passes on, by CONNECT or without.

use super::{
    tls::{ANSWER, ASK, HELLO, OPENED},
    *,
};

/// The proxy's own connection.
const OUT: Cookie = Cookie(3);
const TARGET: Cookie = Cookie(4);
const PROXY: u32 = 20;
const SERVER_PID: u32 = 30;
const TO: &str = "127.0.0.1:443";
/// A call from the client's end of the first leg to the server's of the last.
const THROUGH: &str = "open 127.0.0.1:5000 127.0.0.1:443 tls";
const TUNNEL: [&str; 4] =
    ["open 127.0.0.1:5000 127.0.0.1:80", "A: connect", "B: granted", "A: \u{16}\u{3}\u{1}\u{2}"];

fn said(random: u8) -> Option<Wanted> {
    Some(Wanted { random: Some([random; 32]), ..Wanted::default() })
}

impl Scene {
    /// CONNECT through a proxy of this machine that hears its own client, and what its client says next.
    fn connects(&mut self, random: u8) -> &mut Self {
        self.both().data(CLIENT, Way::Sent, 0, "connect", 10);
        self.data(SERVER, Way::Received, 0, "connect", PROXY).data(SERVER, Way::Sent, 0, "granted", PROXY);
        self.data(CLIENT, Way::Received, 0, "granted", 10);
        self.assembler.tunnels(ConnectionId(0), Side::A, Address::Ip(TO.parse().unwrap()));
        self.data(CLIENT, Way::Sent, 7, HELLO, 10).data(SERVER, Way::Received, 7, HELLO, PROXY);
        self.assembler.judge(ConnectionId(0), Judgement::Tls);
        self.says(said(random))
    }

    /// What the proxy does with it.
    fn passes_on(&mut self, random: u8) -> &mut Self {
        self.open(OUT, Role::Client, ("127.0.0.1:6000", TO), PROXY);
        self.open(TARGET, Role::Server, (TO, "127.0.0.1:6000"), 0);
        self.data(OUT, Way::Sent, 0, HELLO, PROXY).data(TARGET, Way::Received, 0, HELLO, SERVER_PID);
        self.says(said(random))
    }

    fn asks(&mut self) -> &mut Self {
        self.session(ASK, Some(CLIENT), 10).data(ASK, Way::Sent, 0, "ask", 10)
    }

    fn answers(&mut self) -> &mut Self {
        self.session(ANSWER, Some(TARGET), SERVER_PID).data(ANSWER, Way::Received, 0, "ask", SERVER_PID);
        self.data(ANSWER, Way::Sent, 0, "answer", SERVER_PID)
    }

    fn is_answered(&mut self) -> &mut Self {
        self.data(ASK, Way::Received, 0, "answer", 10)
    }

    fn since_the_tunnel(&self) -> Vec<&str> {
        assert_eq!(self.told[..4], TUNNEL);
        self.told[4..].iter().map(String::as_str).collect()
    }

    /// Who holds the ends of a connection that is told, client first.
    fn pids(&self, id: u64) -> [Option<u32>; 2] {
        let ends = self.assembler.ends(ConnectionId(id)).unwrap();
        ends.map(|end| end.owner.as_ref().map(|owner| owner.pid))
    }
}

#[test]
fn a_call_through_a_tunnel_is_told_once_from_its_client_to_its_server() {
    let mut scene = Scene::new();
    scene.connects(1).passes_on(1).asks().answers().is_answered();
    assert_eq!(scene.since_the_tunnel(), [THROUGH, "A: ask", "B: answer"]);
    assert_eq!(scene.pids(2), [Some(10), Some(SERVER_PID)]);
    assert!(scene.verdicts().contains(&(ASK, Verdict::Ignore)), "nobody needs the client's end");
    for socket in [TARGET, OUT, SERVER, CLIENT] {
        scene.close(socket, 0);
    }
    assert_eq!(scene.since_the_tunnel(), [THROUGH, "A: ask", "B: answer", "close Finished"]);
    assert!(scene.assembler.is_empty() && scene.assembler.tls.left() == 0);
    assert_eq!(scene.assembler.take_unread().count(), 0);
}

/// The server is told of first: who asks is known by what the proxy passed on.
#[test]
fn the_client_of_a_tunnel_is_known_before_its_plaintext_is_heard() {
    let mut scene = Scene::new();
    scene.connects(1).passes_on(1).answers();
    assert_eq!(scene.since_the_tunnel(), [THROUGH, "A: ask", "B: answer"]);
    assert_eq!(scene.pids(2), [Some(10), Some(SERVER_PID)]);
    scene.asks().is_answered().later(60_000_000);
    assert_eq!(scene.since_the_tunnel(), [THROUGH, "A: ask", "B: answer"]);
}

/// And is done with the connection before the client is heard.
#[test]
fn what_a_tunnels_server_told_is_not_told_again_by_its_client() {
    let mut scene = Scene::new();
    scene.connects(1).passes_on(1).answers().close(TARGET, 0).close(OUT, 0).asks().is_answered();
    scene.later(60_000_000).close(SERVER, 0).close(CLIENT, 0);
    assert_eq!(scene.since_the_tunnel(), [THROUGH, "A: ask", "B: answer", "close Finished"]);
    assert_eq!(scene.assembler.tls.left(), 0);
}

#[test]
fn a_server_that_is_not_heard_is_told_by_the_client_of_its_tunnel() {
    let mut scene = Scene::new();
    scene.connects(1).passes_on(1).asks().is_answered();
    assert_eq!(scene.since_the_tunnel(), [THROUGH, "A: ask", "B: answer"]);
    assert_eq!(scene.pids(2), [Some(10), Some(SERVER_PID)], "it is here, and said what it is by its socket");
    scene.close(TARGET, 0).close(OUT, 0).close(SERVER, 0).close(CLIENT, 0);
    assert_eq!(scene.assembler.take_unread().count(), 0, "both legs are heard");
    assert_eq!(scene.assembler.unread_tls(), -1, "its protocol counted the first as TLS");
}

/// Nothing is heard of the proxy's own connection: all that is known is where it was asked to lead.
#[test]
fn whoever_a_proxy_was_asked_for_answers_where_more_is_not_known() {
    let mut scene = Scene::new();
    scene.connects(1).asks().is_answered();
    assert_eq!(scene.since_the_tunnel(), [THROUGH, "A: ask", "B: answer"]);
    assert_eq!(scene.pids(1), [Some(10), None], "it is not the proxy");
}

/// It ends what it is given and asks anew: what it answers is its own.
#[test]
fn a_proxy_that_reads_what_it_is_given_answers_by_itself() {
    for heard_first in [ASK, ANSWER] {
        let mut scene = Scene::new();
        scene.connects(1).passes_on(2);
        let answers = |scene: &mut Scene| {
            scene.session(ANSWER, Some(SERVER), PROXY).data(ANSWER, Way::Received, 0, "ask", PROXY);
            scene.data(ANSWER, Way::Sent, 0, "answer", PROXY);
        };
        if heard_first == ASK {
            scene.asks();
            answers(&mut scene);
        } else {
            answers(&mut scene);
            scene.asks();
        }
        scene.is_answered();
        let told = scene.since_the_tunnel();
        assert_eq!(told[1..], ["A: ask", "B: answer"], "{heard_first:?} {told:?}");
        let ends = scene.assembler.ends(ConnectionId(2)).unwrap();
        assert_eq!(ends[1].address, Address::Ip("127.0.0.1:80".parse().unwrap()), "{heard_first:?}");
        assert_eq!(scene.pids(2), [Some(10), Some(PROXY)], "{heard_first:?}");
    }
}

/// A proxy that is not asked to (a port that is passed on, SNI): the same, from its first byte on.
#[test]
fn a_session_over_connections_that_are_passed_on_is_one() {
    let mut scene = Scene::new();
    scene.both().data(CLIENT, Way::Sent, 0, HELLO, 10).data(SERVER, Way::Received, 0, HELLO, PROXY);
    scene.says(said(1)).passes_on(1).asks().answers().is_answered();
    scene.told(&[THROUGH, "A: ask", "B: answer"]);
    assert_eq!(scene.pids(2), [Some(10), Some(SERVER_PID)]);
}

/// Between them addresses are translated, and no process is: nothing is heard where they meet.
#[test]
fn ends_of_one_connection_under_two_addresses_are_one() {
    let mut scene = Scene::new();
    scene.open(CLIENT, Role::Client, ("192.0.2.1:5000", "192.0.2.1:80"), 10);
    scene.data(CLIENT, Way::Sent, 0, HELLO, 10).says(said(1));
    scene.open(TARGET, Role::Server, ("172.17.0.2:443", "172.17.0.1:6000"), 0);
    scene.data(TARGET, Way::Received, 0, HELLO, SERVER_PID).says(said(1)).asks().answers().is_answered();
    scene.told(&["open 192.0.2.1:5000 172.17.0.2:443 tls", "A: ask", "B: answer"]);
}

/// Three proxies in a row.
#[test]
fn a_session_goes_over_as_many_proxies_as_there_are() {
    let mut scene = Scene::new();
    scene.both().data(CLIENT, Way::Sent, 0, HELLO, 10).data(SERVER, Way::Received, 0, HELLO, PROXY);
    scene.says(said(1));
    let ends = [("127.0.0.1:6001", "127.0.0.1:81"), ("127.0.0.1:6002", "127.0.0.1:82")];
    for (number, (out, to)) in ends.into_iter().enumerate() {
        let [here, there] = [10, 11].map(|socket| Cookie(socket + 2 * number as u64));
        let pid = PROXY + number as u32;
        scene.open(here, Role::Client, (out, to), pid).open(there, Role::Server, (to, out), 0);
        scene
            .data(here, Way::Sent, 0, HELLO, pid)
            .data(there, Way::Received, 0, HELLO, pid + 1)
            .says(said(1));
    }
    scene.open(OUT, Role::Client, ("127.0.0.1:6000", TO), PROXY + 2);
    scene.open(TARGET, Role::Server, (TO, "127.0.0.1:6000"), 0);
    scene.data(OUT, Way::Sent, 0, HELLO, PROXY + 2).data(TARGET, Way::Received, 0, HELLO, SERVER_PID);
    scene.says(said(1)).asks().answers().is_answered();
    scene.told(&[THROUGH, "A: ask", "B: answer"]);
    assert_eq!(scene.pids(4), [Some(10), Some(SERVER_PID)]);
}

/// Programs whose chance is none say the same twice; that they do not meet shows that nothing is passed on.
#[test]
fn connections_that_say_the_same_and_do_not_meet_are_two() {
    let mut scene = Scene::new();
    scene.both().data(CLIENT, Way::Sent, 0, HELLO, 10).data(SERVER, Way::Received, 0, HELLO, SERVER_PID);
    scene.says(said(1)).open(OUT, Role::Client, ("127.0.0.1:6000", TO), 10);
    scene.open(TARGET, Role::Server, (TO, "127.0.0.1:6000"), 0);
    scene.data(OUT, Way::Sent, 0, HELLO, 10).data(TARGET, Way::Received, 0, HELLO, SERVER_PID).says(said(1));
    scene.asks().answers().is_answered();
    scene.told(&[
        "open 127.0.0.1:6000 127.0.0.1:443 tls",
        "A: ask",
        "B: answer",
        OPENED,
        "A: ask",
        "B: answer",
    ]);
}

/// Nor is anything concluded where it is not certain which goes on as which, or where very many say the same.
#[test]
fn where_it_is_not_certain_which_goes_on_as_which_both_are_told() {
    for others in [1_u16, 20] {
        let mut scene = Scene::new();
        scene.connects(1).passes_on(1);
        for other in 0..others {
            let from = format!("127.0.0.1:{}", 7000 + other);
            let socket = Cookie(100 + u64::from(other));
            scene.open(socket, Role::Client, (&from, "192.0.2.9:443"), PROXY);
            scene.data(socket, Way::Sent, 0, HELLO, PROXY).says(said(1));
        }
        scene.asks().answers().is_answered();
        let told = scene.since_the_tunnel();
        assert_eq!(told.iter().filter(|line| **line == "A: ask").count(), 2, "{others}: {told:?}");
    }
}
