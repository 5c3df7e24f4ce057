//! Files through the whole chain, and a listener over a recording: what is delivered, kept, lost and stopped.

#![expect(clippy::unwrap_used, reason = "a test whose scene cannot be set fails")]

use overhear_exchange::{Detail, Exchange, LossReason, Side, Timestamp};
use overhear_model::Model;
use overhear_pipeline::{
    Consumer, Input, Listener, Progress, Replay, Source, SourceError, read, subscription, subscription_aside,
};
use overhear_query::LiveSource;
use overhear_testkit::pcap::{Capture, Conversation};
use std::{
    fs,
    io::Cursor,
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// One connection with a call every 20 ms.
fn calls(number: u64) -> Vec<u8> {
    let mut conversation = Conversation::new(([10, 0, 0, 1], 40_000).into(), ([10, 0, 0, 2], 8300).into());
    conversation.open();
    for at in 0..number {
        conversation.at(Timestamp::from_nanos(1_767_268_800_000_000_000 + at * 20_000_000));
        conversation.send(Side::A, format!("GET /calls/{at} HTTP/1.1\r\nHost: a.example\r\n\r\n").as_bytes());
        conversation.send(Side::B, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
    conversation.close();
    let mut capture = Capture::new();
    capture.add(&conversation);
    capture.pcap()
}

#[derive(Default)]
struct Collected {
    exchanges: Vec<Exchange>,
    models: u64,
    enough: Option<usize>,
}

impl Consumer for Collected {
    fn exchange(&mut self, exchange: Exchange) -> ControlFlow<()> {
        self.exchanges.push(exchange);
        if self.enough == Some(self.exchanges.len()) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn model(&mut self, model: Model) -> ControlFlow<()> {
        self.models += model.requests();
        ControlFlow::Continue(())
    }
}

fn collect(folder: &Path, bytes: &[u8], enough: Option<usize>) -> (Collected, overhear_pipeline::Reading) {
    let path = folder.join("input");
    fs::write(&path, bytes).unwrap();
    let mut collected = Collected { enough, ..Collected::default() };
    let reading = read(&Input::File(path), None, &mut collected);
    (collected, reading)
}

#[test]
fn a_file_is_read_to_its_end_or_to_its_damage() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = calls(50);
    let (collected, reading) = collect(folder.path(), &bytes, None);
    assert_eq!((collected.exchanges.len(), reading.statistics.exchanges), (50, 50));
    assert!(reading.damage.is_none() && reading.statistics.lost.is_empty());
    assert_eq!(&*collected.exchanges[0].service, "a.example");

    let (collected, reading) = collect(folder.path(), &bytes[..bytes.len() / 2], None);
    assert!(reading.damage.is_some());
    assert!((20..30).contains(&collected.exchanges.len()), "{}", collected.exchanges.len());

    let (collected, _) = collect(folder.path(), &bytes, Some(7));
    assert_eq!(collected.exchanges.len(), 7);
}

#[test]
fn a_saved_model_is_handed_on() {
    let folder = tempfile::tempdir().unwrap();
    let (collected, _) = collect(folder.path(), &calls(3), None);
    let mut model = Model::new(0);
    for exchange in &collected.exchanges {
        model.learn(exchange);
    }
    let mut saved = Vec::new();
    model.save(&mut saved).unwrap();
    let (collected, reading) = collect(folder.path(), &saved, None);
    assert_eq!((collected.models, collected.exchanges.len()), (3, 0));
    assert!(reading.damage.is_none());
}

fn wait_until(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn wall() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

#[test]
fn a_recording_plays_at_its_pace_as_if_now() {
    let begun = (Instant::now(), wall());
    let replay = Replay::new(Cursor::new(calls(10)), |port| (port == 8300).then_some("shop")).unwrap();
    let (wish, heard) = subscription(100);
    let listener = Listener::start(Box::new(replay), Box::new(|_| true), vec![wish], None).unwrap();
    let first = heard.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!((&*first.exchange.service, &*first.learned.id.route), ("shop", "/calls/{callId}"));
    assert!(first.exchange.time.as_nanos() >= begun.1, "the past is not now");
    wait_until(|| listener.is_over());
    assert!(begun.0.elapsed() >= Duration::from_millis(170), "faster than it was: {:?}", begun.0.elapsed());
    let picture = listener.picture().clone();
    listener.stop().unwrap();
    assert_eq!(
        (picture.statistics().exchanges, picture.model().requests(), heard.try_iter().count()),
        (10, 10, 9)
    );
}

/// Hands out many exchanges at once, as a busy kernel does.
struct Flood(Vec<Exchange>);

impl Source for Flood {
    fn poll(&mut self, out: &mut Vec<Exchange>) -> Result<Progress, SourceError> {
        out.append(&mut self.0);
        std::thread::sleep(Duration::from_millis(1));
        Ok(Progress::Going)
    }

    fn statistics(&mut self) -> Result<overhear_exchange::Statistics, SourceError> {
        Ok(overhear_exchange::Statistics::default())
    }

    fn finish(&mut self, _: &mut Vec<Exchange>) -> Result<(), SourceError> {
        Ok(())
    }
}

#[test]
fn a_slow_reader_misses_some_and_the_rest_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (collected, _) = collect(folder.path(), &calls(100), None);
    let (wish, heard) = subscription(30);
    let listener =
        Listener::start(Box::new(Flood(collected.exchanges)), Box::new(|_| true), vec![wish], None).unwrap();
    let picture = listener.picture().clone();
    wait_until(|| picture.statistics().lost.contains_key(&LossReason::OutputSlow));
    listener.stop().unwrap();
    assert_eq!(heard.try_iter().count(), 30);
    assert_eq!(picture.statistics().lost[&LossReason::OutputSlow].events, 70);
    assert_eq!(picture.model().requests(), 100, "what is learned does not depend on who reads");
}

/// Who is told on the side misses what it cannot hold: the listening lost nothing, and the others miss nothing.
#[test]
fn what_is_missed_on_the_side_is_no_loss() {
    let folder = tempfile::tempdir().unwrap();
    let (collected, _) = collect(folder.path(), &calls(100), None);
    let missed = Arc::<AtomicU64>::default();
    let (wish, heard) = subscription(100);
    let (aside, pushed) = subscription_aside(30, Arc::clone(&missed));
    let flood = Box::new(Flood(collected.exchanges));
    let listener = Listener::start(flood, Box::new(|_| true), vec![aside, wish], None).unwrap();
    wait_until(|| missed.load(Ordering::Relaxed) == 70);
    let picture = listener.picture().clone();
    listener.stop().unwrap();
    assert_eq!((pushed.try_iter().count(), heard.try_iter().count()), (30, 100));
    assert!(picture.statistics().lost.is_empty());
}

#[test]
fn what_is_not_of_interest_is_not_learned() {
    let replay = Replay::new(Cursor::new(calls(6)), |_| None).unwrap();
    let second = |exchange: &Exchange| {
        let Detail::Http(http) = &exchange.detail;
        &*http.path == "/calls/1"
    };
    let listener = Listener::start(Box::new(replay), Box::new(second), Vec::new(), None).unwrap();
    wait_until(|| listener.is_over());
    let picture = listener.picture().clone();
    listener.stop().unwrap();
    assert_eq!((picture.model().requests(), picture.statistics().exchanges), (1, 6));
}
