use super::*;

/// A server from the network, whose answers are in no buffer: their packets are copied from byte 6 on, number 1006.
fn served() -> Scene {
    let mut scene = Scene::new();
    scene.open(SERVER, Role::Server, ("192.0.2.1:80", "198.51.100.7:5000"), 20);
    scene.data(SERVER, Way::Received, 0, "ask", 20).unreadable(SERVER, Way::Sent, 0, 6, 20);
    scene.record(20, What::ByPackets { socket: SERVER, way: Way::Sent, offset: 6, sequence: 1006 });
    scene.told(&["open 198.51.100.7:5000 192.0.2.1:80", "A: ask", "B: gap Some(6)"]);
    scene.told.clear();
    scene
}

impl Scene {
    fn comes(&mut self, offset: u64, size: u32) -> &mut Self {
        let (socket, way, loss) = (SERVER, Way::Sent, Some(Loss::NoBuffer));
        self.record(20, What::Data { socket, way, offset, size, bytes: b"", loss, comes: true })
    }

    fn packet(&mut self, sequence: u32, bytes: &str) -> &mut Self {
        let (size, bytes) = (bytes.len() as u32, bytes.as_bytes());
        self.record(0, What::Packet { socket: SERVER, way: Way::Sent, sequence, size, bytes })
    }
}

#[test]
fn packets_fill_the_gaps_of_calls() {
    let mut scene = served();
    scene.packet(1006, "head,answer").data(SERVER, Way::Sent, 6, "head,", 20).comes(11, 6);
    scene.told(&["B: head,", "B: answer"]);
    assert_eq!(scene.assembler.regained(Loss::NoBuffer), (1, 6));
}

/// What was in the socket when its packets came to be copied: packets of what is received come before its call.
#[test]
fn nobody_waits_for_packets_of_what_was_received() {
    let mut scene = served();
    let (socket, way, loss) = (SERVER, Way::Received, Some(Loss::NoBuffer));
    scene.record(20, What::ByPackets { socket, way, offset: 3, sequence: 503 });
    scene.record(20, What::Data { socket, way, offset: 3, size: 4, bytes: b"", loss, comes: true });
    scene.told(&["A: gap Some(4)"]);
    scene.record(0, What::Packet { socket, way, sequence: 509, size: 4, bytes: b"said" });
    scene.record(20, What::Data { socket, way, offset: 7, size: 6, bytes: b"", loss, comes: true });
    scene.told(&["A: gap Some(4)", "A: gap Some(2)", "A: said"]);
}

#[test]
fn what_comes_behind_waits_and_nobody_waits_long() {
    let mut scene = served();
    scene.comes(6, 6).data(SERVER, Way::Sent, 12, "next", 20).data(SERVER, Way::Received, 3, "again", 20);
    scene.told(&["A: again"]);
    scene.later(400_000_000).packet(1009, "wer").told(&["A: again"]);
    scene.later(200_000_000);
    scene.told(&["A: again", "B: gap Some(3)", "B: wer", "B: next"]);
    scene.packet(1006, "ans");
    assert_eq!(scene.told.len(), 4, "too late");
}

#[test]
fn the_end_of_a_socket_does_not_wait_for_packets() {
    let mut scene = served();
    scene.comes(6, 6).record(20, What::End { socket: SERVER, way: Way::Sent }).close(SERVER, 0);
    scene.told(&["B: gap Some(6)", "B: end", "close Finished"]);
    assert!(scene.assembler.is_empty());
}

#[test]
fn the_end_of_listening_does_not_wait_for_packets() {
    let mut scene = served();
    scene.comes(6, 6);
    let (assembler, told) = (&mut scene.assembler, &mut scene.told);
    assembler.flush(1, &mut |event: Event<'_>| told.push(line(&event)));
    scene.told(&["B: gap Some(6)", "close Unknown"]);
}

/// What its own packets bring is no reason to ask the other end.
#[test]
fn a_server_that_is_heard_by_packets_stays_the_carrier() {
    let mut scene = Scene::new();
    scene.both().record(0, What::ByPackets { socket: SERVER, way: Way::Sent, offset: 0, sequence: 1000 });
    scene.data(CLIENT, Way::Sent, 0, "ask", 10).data(SERVER, Way::Received, 0, "ask", 20);
    scene.packet(1000, "answer").comes(0, 6).data(CLIENT, Way::Received, 0, "answer", 10);
    scene.told(&["open 127.0.0.1:5000 127.0.0.1:80", "A: ask", "B: answer"]);
    assert_eq!(scene.verdicts(), [(CLIENT, Verdict::Ignore)]);
}

/// What was kept for a direction that begins anew is given back: else packets would be refused in the end.
#[test]
fn what_was_kept_before_a_new_beginning_is_given_back() {
    let mut scene = served();
    for _ in 0..3 {
        scene.packet(1009, "kept");
        assert!(scene.assembler.packets_cost() > 0);
        scene.record(20, What::ByPackets { socket: SERVER, way: Way::Sent, offset: 6, sequence: 1006 });
        assert_eq!(scene.assembler.packets_cost(), 0);
    }
}
