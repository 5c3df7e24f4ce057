//! Plaintext of TLS beside the sockets that carry it.

use super::*;

pub(super) const HELLO: &str = "\u{16}\u{3}\u{1}\u{2}";
pub(super) const ASK: Cookie = Cookie(1 << 63 | 1);
pub(super) const ANSWER: Cookie = Cookie(1 << 63 | 2);

impl Scene {
    pub(super) fn session(&mut self, session: Cookie, socket: Option<Cookie>, pid: u32) -> &mut Self {
        self.record(pid, What::Tls { session, socket, from_start: true })
    }

    /// Ciphertext of a sealed socket: its length, no bytes.
    fn sealed(&mut self, socket: Cookie, way: Way, size: u32, pid: u32) -> &mut Self {
        self.record(pid, What::Data { socket, way, offset: 0, size, bytes: b"", loss: None, comes: false })
    }

    /// Both ends of a TLS connection on this machine, after their handshake.
    fn handshake(&mut self) -> &mut Self {
        self.both().data(CLIENT, Way::Sent, 0, HELLO, 10).data(SERVER, Way::Received, 0, HELLO, 20);
        self.says(None);
        assert_eq!(self.verdicts(), [(CLIENT, Verdict::Sealed), (SERVER, Verdict::Sealed)]);
        self
    }

    /// What the client of the last sealed connection said before it encrypted.
    pub(super) fn says(&mut self, said: Option<Wanted>) -> &mut Self {
        while let Some(id) = self.assembler.next_sealed() {
            if self.assembler.hello(id).is_some() {
                self.assembler.hello_says(id, said.clone());
            }
        }
        self
    }

    fn ends(&self, id: u64) -> [(Address, Option<u32>); 2] {
        let ends = self.assembler.ends(ConnectionId(id)).unwrap();
        ends.map(|end| (end.address.clone(), end.owner.as_ref().map(|owner| owner.pid)))
    }
}

fn ip(text: &str) -> Address {
    Address::Ip(text.parse().unwrap())
}

pub(super) const OPENED: &str = "open 127.0.0.1:5000 127.0.0.1:80 tls";
/// Not from its first byte on.
const OPENED_LATE: &str = "open 127.0.0.1:5000 127.0.0.1:80 ? tls";

#[test]
fn a_sealed_connection_is_not_told_and_counted() {
    let mut scene = Scene::new();
    scene.handshake().close(CLIENT, 0).close(SERVER, 104);
    scene.told(&[]);
    assert_eq!(scene.assembler.unread_tls(), 1);
    assert!(scene.assembler.is_empty());
}

#[test]
fn plaintext_is_told_with_the_ends_of_its_socket() {
    let mut scene = Scene::new();
    scene.handshake().session(ANSWER, Some(SERVER), 20);
    assert_eq!(scene.verdicts(), [(SERVER, Verdict::Carries)]);
    scene.data(ANSWER, Way::Received, 0, "ask", 20).data(ANSWER, Way::Sent, 0, "answer", 20);
    scene.told(&[OPENED, "A: ask", "B: answer"]);
    assert_eq!(scene.ends(1), [(ip("127.0.0.1:5000"), Some(10)), (ip("127.0.0.1:80"), Some(20))]);
    assert_eq!(scene.assembler.unread_tls(), 0);
    scene.close(ANSWER, 0).close(SERVER, 0).close(CLIENT, 0);
    scene.told(&[OPENED, "A: ask", "B: answer", "close Finished"]);
    assert!(scene.assembler.is_empty());
}

#[test]
fn plaintext_at_both_ends_is_told_once_and_the_clients_is_silenced() {
    let mut scene = Scene::new();
    scene.handshake().session(ASK, Some(CLIENT), 10).data(ASK, Way::Sent, 0, "ask", 10);
    scene.told(&[]);
    scene.session(ANSWER, Some(SERVER), 20).data(ANSWER, Way::Received, 0, "ask", 20);
    scene.data(ANSWER, Way::Sent, 0, "answer", 20).data(ASK, Way::Received, 0, "answer", 10);
    scene.told(&[OPENED, "A: ask", "B: answer"]);
    assert!(scene.verdicts().contains(&(ASK, Verdict::Ignore)));
    scene.close(ASK, 0).close(ANSWER, 0);
    assert_eq!(scene.told.last().unwrap(), "close Finished");
}

#[test]
fn a_server_whose_plaintext_is_not_heard_is_told_by_the_client() {
    let mut scene = Scene::new();
    scene.handshake().session(ASK, Some(CLIENT), 10).data(ASK, Way::Sent, 0, "ask", 10).later(60_000_000);
    // The server is done with it before the client has read.
    scene.close(SERVER, 0).data(ASK, Way::Received, 0, "answer", 10).close(CLIENT, 0);
    scene.told(&[OPENED, "A: ask", "B: answer", "close Finished"]);
}

/// Its thread waits in a read when the library is probed: that read is not seen to return.
#[test]
fn a_request_that_only_the_client_is_heard_to_make_is_told() {
    let mut scene = Scene::new();
    scene.handshake().session(ASK, Some(CLIENT), 10).data(ASK, Way::Sent, 0, "ask", 10);
    scene.session(ANSWER, Some(SERVER), 20).data(ANSWER, Way::Sent, 0, "answer", 20);
    scene.data(ASK, Way::Received, 0, "answer", 10).data(ASK, Way::Sent, 3, "more", 10);
    scene.data(ANSWER, Way::Received, 0, "more", 20).data(ANSWER, Way::Sent, 6, "so", 20);
    scene.told(&[OPENED, "A: ask", "B: answer", "A: more", "B: so"]);
}

/// The answer is told of late, after what the client asked next.
#[test]
fn answers_that_are_told_late_are_told() {
    let mut scene = Scene::new();
    scene.handshake().session(ASK, Some(CLIENT), 10).data(ASK, Way::Sent, 0, "ask", 10);
    scene.data(ASK, Way::Received, 0, "answer", 10).data(ASK, Way::Sent, 3, "more", 10);
    scene.session(ANSWER, Some(SERVER), 20).data(ANSWER, Way::Sent, 0, "answer", 20);
    scene.data(ANSWER, Way::Received, 0, "more", 20).data(ANSWER, Way::Sent, 6, "so", 20);
    scene.data(ASK, Way::Received, 6, "so", 10);
    scene.told(&[OPENED, "A: ask", "B: answer", "A: more", "B: so"]);
}

#[test]
fn answers_that_are_told_late_of_a_connection_that_was_there_before_are_told() {
    let mut scene = Scene::new();
    scene.handshake();
    let begins = |scene: &mut Scene, session, socket, pid| {
        scene.record(pid, What::Tls { session, socket: Some(socket), from_start: false });
    };
    begins(&mut scene, ASK, CLIENT, 10);
    scene.data(ASK, Way::Sent, 0, "ask", 10);
    scene.data(ASK, Way::Received, 0, "answer", 10).data(ASK, Way::Sent, 3, "more", 10);
    begins(&mut scene, ANSWER, SERVER, 20);
    scene.data(ANSWER, Way::Sent, 0, "answer", 20);
    scene.data(ANSWER, Way::Received, 0, "more", 20).data(ANSWER, Way::Sent, 6, "so", 20);
    scene.data(ASK, Way::Received, 6, "so", 10);
    scene.told(&[OPENED_LATE, "A: ask", "B: answer", "A: more", "B: so"]);
}

/// Who answers was heard to read, and it does not show yet over which socket: it is waited for, so that it is told who it is.
#[test]
fn a_server_that_was_heard_to_read_and_whose_socket_shows_late_is_waited_for() {
    let mut scene = Scene::new();
    scene.handshake().session(ASK, Some(CLIENT), 10).data(ASK, Way::Sent, 0, "ask", 10);
    scene.session(ANSWER, None, 20).data(ANSWER, Way::Received, 0, "ask", 20);
    scene.data(ASK, Way::Received, 0, "answer", 10).told(&[]);
    scene.session(ANSWER, Some(SERVER), 20).data(ANSWER, Way::Sent, 0, "answer", 20);
    scene.told(&[OPENED, "A: ask", "B: answer"]);
    assert_eq!(scene.ends(1).map(|(_, owner)| owner), [Some(10), Some(20)]);
}

/// One that has read something else is another one.
#[test]
fn a_session_that_has_read_something_else_is_not_waited_for() {
    let mut scene = Scene::new();
    scene.handshake().session(ASK, Some(CLIENT), 10).data(ASK, Way::Sent, 0, "ask", 10);
    scene.session(ANSWER, None, 20).data(ANSWER, Way::Received, 0, "who", 20);
    scene.data(ASK, Way::Received, 0, "answer", 10).told(&[OPENED, "A: ask", "B: answer"]);
}

/// And on a busy machine its call is told of after the answer.
#[test]
fn a_request_that_the_client_is_heard_to_make_after_its_answer_is_told_before_it() {
    let mut scene = Scene::new();
    scene.handshake().record(20, What::Tls { session: ANSWER, socket: Some(SERVER), from_start: false });
    scene.data(ANSWER, Way::Sent, 0, "answer", 20).told(&[]);
    scene.record(10, What::Tls { session: ASK, socket: Some(CLIENT), from_start: false });
    scene.data(ASK, Way::Sent, 0, "ask", 10).data(ASK, Way::Received, 0, "answer", 10);
    scene.told(&[OPENED_LATE, "A: ask", "B: answer"]);
    scene.data(ASK, Way::Sent, 3, "more", 10).data(ANSWER, Way::Received, 0, "more", 20);
    scene.data(ANSWER, Way::Sent, 6, "so", 20);
    scene.told(&[OPENED_LATE, "A: ask", "B: answer", "A: more", "B: so"]);
}

/// Servers of HTTP/2 speak first. That is no answer, and no sign that what they read is not heard: on a busy machine the client
/// is heard of after its answers.
#[test]
fn what_a_server_says_unasked_shows_nothing_of_what_it_reads() {
    let settings = "\0\0\u{6}\u{4}\0\0\0\0\0\0\u{8}\0\0\0\u{1}";
    let update = "\0\0\u{4}\u{8}\0\0\0\0\0\0\u{1}\0\0";
    let mut scene = Scene::new();
    scene.handshake().record(20, What::Tls { session: ANSWER, socket: Some(SERVER), from_start: false });
    scene.data(ANSWER, Way::Sent, 0, settings, 20);
    scene.session(ASK, Some(CLIENT), 10).data(ASK, Way::Sent, 0, "ask", 10);
    scene.data(ANSWER, Way::Sent, 15, update, 20).data(ANSWER, Way::Received, 0, "ask", 20);
    scene.data(ANSWER, Way::Sent, 28, "answer", 20).data(ANSWER, Way::Received, 3, "more", 20);
    scene.data(ANSWER, Way::Sent, 34, "so", 20).data(ASK, Way::Sent, 3, "more", 10);
    let [settings, update] = [settings, update].map(|said| format!("B: {said}"));
    scene.told(&[OPENED_LATE, &settings, &update, "A: ask", "B: answer", "A: more", "B: so"]);
}

/// And after the server is done with the connection.
#[test]
fn what_was_told_is_not_told_again_by_the_client() {
    for held in [false, true] {
        let mut scene = Scene::new();
        scene.handshake();
        if held {
            // Its socket shows later still.
            scene.session(ASK, None, 10).data(ASK, Way::Sent, 0, "ask", 10);
        }
        scene.session(ANSWER, Some(SERVER), 20).data(ANSWER, Way::Received, 0, "ask", 20);
        scene.data(ANSWER, Way::Sent, 0, "answer", 20).close(ANSWER, 0);
        let told = [OPENED, "A: ask", "B: answer", "close Finished"].map(str::to_owned);
        scene.told(&told.each_ref().map(String::as_str));
        scene.session(ASK, Some(CLIENT), 10).data(ASK, Way::Sent, 0, "ask", 10);
        scene.data(ASK, Way::Received, 0, "answer", 10).later(60_000_000).close(SERVER, 0).close(CLIENT, 0);
        scene.told(&told.each_ref().map(String::as_str));
        assert!(scene.verdicts().contains(&(ASK, Verdict::Ignore)), "{held}");
        assert_eq!(scene.assembler.tls.left(), 0, "{held}");
    }
}

#[test]
fn what_a_client_alone_is_heard_to_ask_is_told_before_its_answer() {
    let mut scene = Scene::new();
    scene.handshake().record(10, What::Tls { session: ASK, socket: Some(CLIENT), from_start: false });
    scene.data(ASK, Way::Sent, 0, "ask", 10).told(&[]);
    scene.data(ASK, Way::Received, 0, "answer", 10).told(&[OPENED_LATE, "A: ask", "B: answer"]);
}

#[test]
fn an_answer_does_not_wait_long_for_its_request() {
    for end in [false, true] {
        let mut scene = Scene::new();
        scene.handshake().record(20, What::Tls { session: ANSWER, socket: Some(SERVER), from_start: false });
        scene.data(ANSWER, Way::Sent, 0, "answer", 20).told(&[]);
        if end {
            scene.close(ANSWER, 0).told(&[OPENED_LATE, "B: answer", "close Finished"]);
        } else {
            scene.later(60_000_000).told(&[OPENED_LATE, "B: answer"]);
            scene.data(ANSWER, Way::Sent, 6, "more", 20).told(&[OPENED_LATE, "B: answer", "B: more"]);
        }
    }
}

#[test]
fn the_end_of_a_socket_is_the_end_of_its_session() {
    let mut scene = Scene::new();
    scene.handshake().session(ANSWER, Some(SERVER), 20).data(ANSWER, Way::Received, 0, "ask", 20);
    scene.record(20, What::End { socket: SERVER, way: Way::Received }).close(SERVER, 104);
    scene.told(&[OPENED, "A: ask", "A: end", "close Reset(Some(A))"]);
}

/// Plaintext first, TLS later (RFC 2817, CONNECT): what was told stays, and the rest is a connection of its own.
#[test]
fn a_connection_that_becomes_tls_goes_on_as_another() {
    let mut scene = Scene::new();
    scene.both().data(SERVER, Way::Received, 0, "connect", 20).data(SERVER, Way::Received, 7, HELLO, 20);
    scene.assembler.judge(ConnectionId(0), Judgement::Tls);
    assert_eq!(scene.assembler.unread_tls(), 0, "its protocol counts it");
    scene.session(ANSWER, Some(SERVER), 20).data(ANSWER, Way::Received, 0, "ask", 20);
    assert_eq!(scene.told[3..], [OPENED, "A: ask"]);
    assert_eq!(scene.assembler.unread_tls(), -1);
}

#[test]
fn a_library_that_reads_what_its_program_received_is_matched_by_the_thread() {
    let mut scene = Scene::new();
    scene.handshake();
    scene.sealed(SERVER, Way::Received, 3 + 22, 20).session(ANSWER, None, 20);
    scene.data(ANSWER, Way::Received, 0, "ask", 20);
    scene.told(&["open 127.0.0.1:5000 127.0.0.1:80 ? tls", "A: ask"]);
    assert_eq!(scene.ends(2)[1], (ip("127.0.0.1:80"), Some(20)));
}

/// What came with the end of the handshake is read when another socket was read already.
#[test]
fn a_handshake_shows_whose_socket_it_is() {
    let mut scene = Scene::new();
    for (socket, port) in [(CLIENT, 5000), (SERVER, 5001)] {
        scene.open(socket, Role::Server, ("198.51.100.7:443", &format!("192.0.2.1:{port}")), 10);
        scene.data(socket, Way::Received, 0, HELLO, 10);
    }
    scene.later(60_000_000);
    // Nothing was read for this one: it was made when the connection was accepted.
    scene.sealed(CLIENT, Way::Received, 100, 10).record(10, What::TlsTouch { session: ASK });
    scene.record(10, What::TlsTouch { session: ANSWER });
    scene.sealed(SERVER, Way::Received, 100, 10).record(10, What::TlsTouch { session: ANSWER });
    scene.session(ASK, None, 10).data(ASK, Way::Received, 0, "ask", 10);
    scene.told(&["open 192.0.2.1:5000 198.51.100.7:443 ? tls", "A: ask"]);
    scene.session(ANSWER, None, 10).data(ANSWER, Way::Received, 0, "more", 10);
    assert_eq!(scene.told[2..], ["open 192.0.2.1:5001 198.51.100.7:443 ? tls", "A: more"]);
}

#[test]
fn what_was_read_for_one_session_shows_nothing_of_another() {
    let mut scene = Scene::new();
    scene.handshake().sealed(SERVER, Way::Received, 100, 20).record(20, What::TlsTouch { session: ANSWER });
    scene.session(ASK, None, 20).data(ASK, Way::Received, 0, "ask", 20).later(60_000_000);
    scene.told(&["open Unknown Unknown ? tls", "B: ask"]);
}

/// As anyio does it: all sockets first, then all sessions.
#[test]
fn what_was_read_from_several_sockets_shows_nothing() {
    let mut scene = Scene::new();
    for (socket, port) in [(CLIENT, 5000), (SERVER, 5001)] {
        scene.open(socket, Role::Server, ("198.51.100.7:443", &format!("192.0.2.1:{port}")), 10);
        scene.data(socket, Way::Received, 0, HELLO, 10);
    }
    scene.sealed(CLIENT, Way::Received, 100, 10).sealed(SERVER, Way::Received, 100, 10);
    scene.record(10, What::TlsTouch { session: ASK }).record(10, What::TlsTouch { session: ANSWER });
    scene.sealed(CLIENT, Way::Received, 100, 10).session(ASK, None, 10).data(
        ASK,
        Way::Received,
        0,
        "ask",
        10,
    );
    scene.told(&["open 192.0.2.1:5000 198.51.100.7:443 ? tls", "A: ask"]);
}

/// Its program moves it: it is the same connection, and not a byte is missing.
#[test]
fn a_session_goes_on_where_its_program_moved_it() {
    const MOVES: u64 = 1 << 63 | 1 << 62;
    let [first, second, other] = [1, 2, 3].map(|number| Cookie(MOVES | number));
    let mut scene = Scene::new();
    scene.handshake().sealed(SERVER, Way::Received, 3 + 22, 20).session(first, None, 20);
    scene.data(first, Way::Received, 0, "ask", 20);
    assert_eq!(scene.verdicts(), []);
    // Another session is made where it was.
    scene.close(first, 0);
    scene.sealed(SERVER, Way::Received, 5 + 22, 20).session(second, None, 20);
    scene.data(second, Way::Received, 0, " more", 20).data(second, Way::Sent, 0, "answer", 20);
    // A session of another socket that has not sent yet is not taken for it.
    scene.session(other, None, 20).data(other, Way::Sent, 0, "something else", 20);
    scene.data(second, Way::Sent, 6, "!", 20).sealed(SERVER, Way::Sent, 7 + 2 * 22, 20);
    scene.data(second, Way::Sent, 7, "!", 20);
    let whole = ["open 127.0.0.1:5000 127.0.0.1:80 ? tls", "A: ask", "A:  more", "B: answer", "B: !", "B: !"];
    scene.told(&whole);
    scene.close(SERVER, 0).close(CLIENT, 0).close(second, 0);
    assert_eq!(scene.told.last().unwrap(), "close Finished");
}

/// An answer shows that nobody hears who answers: he would have been seen to read.
#[test]
fn a_client_that_is_answered_does_not_wait_for_the_other_end() {
    let mut scene = Scene::new();
    scene.open(CLIENT, Role::Client, ("127.0.0.1:5000", "127.0.0.1:80"), 10);
    scene.data(CLIENT, Way::Sent, 0, HELLO, 10).data(CLIENT, Way::Received, 0, HELLO, 10);
    scene.session(ASK, Some(CLIENT), 10).data(ASK, Way::Sent, 0, "ask", 10);
    scene.told(&[OPENED, "A: ask"]);
}

#[test]
fn a_library_whose_program_sends_what_it_wrote_is_matched_by_the_thread() {
    let mut scene = Scene::new();
    scene.open(CLIENT, Role::Client, ("192.0.2.1:5000", "198.51.100.7:443"), 10);
    scene.data(CLIENT, Way::Sent, 0, HELLO, 10);
    scene.session(ASK, None, 10).data(ASK, Way::Sent, 0, "ask", 10);
    scene.told(&[]);
    scene.sealed(CLIENT, Way::Sent, 3 + 22, 10).data(ASK, Way::Received, 0, "answer", 10);
    scene.told(&["open 192.0.2.1:5000 198.51.100.7:443 ? tls", "A: ask", "B: answer"]);
}

#[test]
fn writes_of_several_sessions_are_told_apart_by_their_length() {
    let mut scene = Scene::new();
    for (socket, port) in [(CLIENT, 5000), (SERVER, 5001)] {
        scene.open(socket, Role::Client, (&format!("192.0.2.1:{port}"), "198.51.100.7:443"), 10);
        scene.data(socket, Way::Sent, 0, HELLO, 10);
    }
    scene.session(ASK, None, 10).data(ASK, Way::Sent, 0, "short", 10);
    scene.session(ANSWER, None, 10).data(ANSWER, Way::Sent, 0, "rather long", 10);
    scene.sealed(SERVER, Way::Sent, 11 + 22, 10).sealed(CLIENT, Way::Sent, 5 + 22, 10);
    let heard: Vec<_> = scene.told.iter().filter(|line| !line.ends_with("tls")).collect();
    assert_eq!(heard, ["A: rather long", "A: short"]);
    assert_eq!(scene.ends(scene.assembler.next_id - 1)[0].0, ip("192.0.2.1:5000"));
}

#[test]
fn ciphertext_shorter_than_its_plaintext_is_of_another_connection() {
    let mut scene = Scene::new();
    scene.handshake().sealed(SERVER, Way::Received, 20, 20).session(ANSWER, None, 20);
    scene.data(ANSWER, Way::Received, 0, "longer than this", 20).later(60_000_000);
    scene.told(&["open Unknown Unknown ? tls", "B: longer than this"]);
}

#[test]
fn another_threads_socket_is_not_matched() {
    let mut scene = Scene::new();
    scene.handshake().sealed(SERVER, Way::Received, 100, 21).session(ANSWER, None, 20);
    scene.data(ANSWER, Way::Received, 0, "ask", 20).later(60_000_000);
    scene.told(&["open Unknown Unknown ? tls", "B: ask"]);
}

#[test]
fn a_session_without_a_socket_is_told_all_the_same_and_ends_with_its_process() {
    let mut scene = Scene::new();
    scene.session(ASK, None, 10).data(ASK, Way::Sent, 0, "ask", 10).later(60_000_000);
    scene.told(&["open Unknown Unknown ? tls", "A: ask"]);
    assert_eq!(scene.ends(0), [(Address::Unknown, Some(10)), (Address::Unknown, None)]);
    scene.record(10, What::Exit);
    assert_eq!(scene.told.last().unwrap(), "close Finished");
    assert!(scene.assembler.is_empty());
}

#[test]
fn its_socket_may_show_late() {
    let mut scene = Scene::new();
    scene.handshake().session(ANSWER, None, 20).data(ANSWER, Way::Received, 0, "ask", 20).later(60_000_000);
    scene.sealed(SERVER, Way::Received, 100, 20).data(ANSWER, Way::Received, 3, "more", 20);
    scene.told(&["open Unknown Unknown ? tls", "B: ask", "B: more"]);
    assert_eq!(scene.ends(1), [(ip("127.0.0.1:80"), Some(20)), (ip("127.0.0.1:5000"), Some(10))]);
    scene.close(SERVER, 0);
    assert_eq!(scene.told.last().unwrap(), "close Finished");
}

#[test]
fn under_a_port_filter_a_session_without_a_socket_is_left_alone() {
    let mut scene = Scene::new();
    scene.assembler = Assembler::new(Limits { without_socket: false, ..Limits::default() }, 0);
    scene.session(ASK, None, 10).data(ASK, Way::Sent, 0, "ask", 10).later(60_000_000);
    scene.told(&[]);
    assert_eq!(scene.verdicts(), [(ASK, Verdict::Ignore)]);
    scene.session(ANSWER, None, 10).data(ANSWER, Way::Sent, 0, "ask", 10).close(ANSWER, 0);
    scene.told(&[]);
    assert!(scene.assembler.is_empty());
}

#[test]
fn a_socket_that_serves_another_session_ends_the_one_before() {
    let mut scene = Scene::new();
    scene.handshake().session(ANSWER, Some(SERVER), 20).data(ANSWER, Way::Received, 0, "one", 20);
    let next = Cookie(1 << 63 | 3);
    scene.session(next, Some(SERVER), 20).data(next, Way::Received, 0, "two", 20);
    scene.told(&[OPENED, "A: one", "close Unknown", OPENED, "A: two"]);
    assert_eq!(scene.assembler.unread_tls(), 0);
}

#[test]
fn after_many_calls_without_plaintext_nobody_waits() {
    let mut scene = Scene::new();
    scene.handshake();
    for _ in 0..300 {
        scene.sealed(SERVER, Way::Received, 100, 20);
    }
    assert_eq!(scene.verdicts(), [(CLIENT, Verdict::Tally), (SERVER, Verdict::Tally)]);
}

#[test]
fn sealed_connections_are_forgotten_beyond_the_limit_and_still_counted() {
    let mut scene = Scene::new();
    scene.assembler = Assembler::new(Limits { connections: 10, ..Limits::default() }, 0);
    for port in 0..100u16 {
        let server = Cookie(1000 + u64::from(port));
        let peer = format!("198.51.100.7:{}", 5000 + port);
        scene.open(server, Role::Server, ("192.0.2.1:80", &peer), 0).data(
            server,
            Way::Received,
            0,
            HELLO,
            20,
        );
    }
    assert_eq!(scene.assembler.len(), 10);
    assert_eq!((scene.assembler.take_evicted(), scene.assembler.unread_tls()), (0, 100));
}

#[test]
fn many_sessions_one_after_the_other_leave_nothing() {
    let mut scene = Scene::new();
    for number in 0..1000u64 {
        let (socket, session) = (Cookie(100 + number), Cookie(1 << 63 | number));
        let peer = format!("198.51.100.7:{}", 5000 + number);
        scene.open(socket, Role::Server, ("192.0.2.1:80", &peer), 0);
        scene.session(session, Some(socket), 20).data(session, Way::Received, 0, "ask", 20);
        scene.close(session, 0).close(socket, 0);
    }
    assert!(scene.assembler.is_empty());
    assert!(scene.assembler.sockets.is_empty());
    assert_eq!(scene.assembler.tls.left(), 0);
}

/// As much as any first message of a client, in its record.
const LONG: &str = "\u{16}\u{3}\u{1}\u{2}\u{0}and so on";

#[test]
fn what_stays_sealed_is_told_with_its_bytes_its_time_and_whom_its_client_wanted() {
    let mut scene = Scene::new();
    let wanted = Wanted { server_name: Some("api.example".into()), ..Wanted::default() };
    scene.both().data(CLIENT, Way::Sent, 0, LONG, 10).data(SERVER, Way::Received, 0, LONG, 20);
    let id = scene.assembler.next_sealed().unwrap();
    assert_eq!(scene.assembler.hello(id), Some((LONG.as_bytes(), false)));
    scene.assembler.hello_wants(id, 20);
    assert!(
        scene.assembler.next_sealed().is_some_and(|id| scene.assembler.hello(id).is_some()),
        "it was sealed"
    );
    while scene.assembler.next_sealed().is_some() {}
    scene.data(CLIENT, Way::Sent, LONG.len() as u64, "s", 10);
    assert_eq!(scene.assembler.next_sealed(), None, "there are not so many bytes");
    scene.data(CLIENT, Way::Sent, LONG.len() as u64 + 1, "everything", 10).says(Some(wanted.clone()));
    assert_eq!(scene.verdicts(), [(CLIENT, Verdict::Sealed), (SERVER, Verdict::Sealed)]);
    let begun = scene.assembler.unread().next().unwrap();
    assert_eq!((begun.sent, &begun.wanted), ([LONG.len() as u64 + 11, 0], &wanted));
    assert_eq!(scene.assembler.take_unread().count(), 0);
    // What the other end tells is the same.
    scene.sealed(SERVER, Way::Sent, 500, 20).sealed(CLIENT, Way::Received, 500, 10);
    // And so far it was when somebody looked.
    let so_far = What::Data {
        socket: SERVER,
        way: Way::Sent,
        offset: 9000,
        size: 0,
        bytes: b"",
        loss: None,
        comes: false,
    };
    scene.record(20, so_far).later(3_000_000_000).close(SERVER, 0).close(CLIENT, 0);
    let over: Vec<_> = scene.assembler.take_unread().collect();
    let [sealed] = over.as_slice() else { panic!("{over:?}") };
    assert_eq!(sealed.sent, [LONG.len() as u64 + 11, 9000]);
    assert_eq!((sealed.server, sealed.from_start, &sealed.wanted), (Some(Side::B), true, &wanted));
    assert!(sealed.last.since(sealed.began).as_secs_f64() >= 3.0, "{sealed:?}");
    assert_eq!(sealed.ends.clone().map(|end| end.owner.map(|owner| owner.pid)), [Some(10), Some(20)]);
    assert_eq!(scene.assembler.unread().count(), 0);
    scene.told(&[]);
}

#[test]
fn plaintext_knows_whom_its_client_wanted_until_it_is_told() {
    let mut scene = Scene::new();
    let (server_name, protocol) = (Some("api.example".into()), Some("h2".into()));
    let wanted = Wanted { server_name, protocol, random: None };
    scene.both().data(CLIENT, Way::Sent, 0, LONG, 10).says(Some(wanted.clone()));
    scene.session(ASK, Some(CLIENT), 10).data(ASK, Way::Sent, 0, "ask", 10);
    assert_eq!(scene.assembler.wanted(ConnectionId(1)), Some(&wanted));
    scene.close(ASK, 0);
    assert_eq!(scene.assembler.wanted(ConnectionId(1)), Some(&wanted));
    scene.close(CLIENT, 0).close(SERVER, 0);
    assert_eq!(scene.assembler.take_unread().count(), 0, "it was heard");
}

#[test]
fn nothing_is_made_up_where_the_first_message_is_not_all_there() {
    for (offset, bytes) in [(3, LONG), (0, "\u{17}\u{3}\u{3}\u{0}")] {
        let mut scene = Scene::new();
        scene.both().data(SERVER, Way::Received, 0, &LONG[..5], 20);
        scene.data(SERVER, Way::Received, 5 + offset, bytes, 20);
        scene.data(SERVER, Way::Sent, 0, LONG, 20);
        let id = scene.assembler.next_sealed().unwrap();
        let (held, is_all) = scene.assembler.hello(id).unwrap();
        assert!(is_all && LONG.as_bytes().starts_with(&held[..5]), "{held:?}");
    }
}

#[test]
fn a_first_message_is_held_to_a_bound() {
    let mut scene = Scene::new();
    scene.both().data(SERVER, Way::Received, 0, LONG, 20);
    let mut offset = LONG.len() as u64;
    let more = "more".repeat(1000);
    for _ in 0..50 {
        scene.data(SERVER, Way::Received, offset, &more, 20);
        offset += more.len() as u64;
    }
    let id = scene.assembler.next_sealed().unwrap();
    let (held, is_all) = scene.assembler.hello(id).unwrap();
    assert_eq!((held.len(), is_all), (16 * 1024, true));
}

/// As where TLS libraries are not probed.
#[test]
fn where_no_plaintext_can_come_the_probes_only_count() {
    let mut scene = Scene::new();
    scene.assembler = Assembler::new(Limits { tls: false, ..Limits::default() }, 0);
    scene.both().data(CLIENT, Way::Sent, 0, LONG, 10).says(None);
    assert_eq!(scene.verdicts(), [(CLIENT, Verdict::Tally), (SERVER, Verdict::Tally)]);
    assert_eq!(scene.assembler.unread_tls(), 1);
    scene.told(&[]);
}
