//! The fuzzers' corpora, replayed without a fuzzer.
#![allow(clippy::expect_used, reason = "a test that cannot go on fails")]

mod common;

use std::path::PathBuf;

#[test]
fn http1_corpus_holds() {
    let corpus = corpus("http1");
    for (name, bytes) in &corpus {
        let transcript = overhear_testkit::damage::from_bytes(bytes);
        assert_eq!(common::bounded_inflating(&transcript), Ok(()), "{name}");
    }
    // The seeds reach the parser: some of them are conversations with exchanges.
    let heard = corpus
        .iter()
        .filter(|(_, bytes)| !common::observe(&overhear_testkit::damage::from_bytes(bytes)).is_empty());
    assert!(heard.count() * 2 > corpus.len(), "most seeds are exchanges");
}

#[test]
fn websocket_corpus_holds() {
    let corpus = corpus("websocket");
    let mut messages = 0;
    for (name, bytes) in &corpus {
        let mut transcript = common::web_socket(bytes);
        assert_eq!(common::bounded_inflating(&transcript), Ok(()), "{name}");
        let time = overhear_exchange::Timestamp::from_nanos(u64::MAX);
        let cause = overhear_exchange::wire::CloseCause::Finished;
        transcript
            .steps
            .push(overhear_testkit::Step { time, event: overhear_testkit::Event::Close { cause } });
        messages += common::observe(&transcript).iter().map(common::messages).sum::<u64>();
    }
    assert!(messages > 2 * corpus.len() as u64, "the seeds reach the parser: {messages}");
}

#[test]
fn content_corpus_holds() {
    for (_, bytes) in corpus("content") {
        common::decode_anything(&bytes);
    }
}

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files: Vec<_> = std::fs::read_dir(folder)
        .expect("the corpus is part of the repository")
        .map(|entry| {
            let path = entry.expect("readable").path();
            (path.display().to_string(), std::fs::read(&path).expect("readable"))
        })
        .collect();
    assert!(files.len() >= 5, "{} seeds for {target}", files.len());
    files
}
