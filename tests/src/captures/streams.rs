//! WebSockets, streams and calls of models, as packets: the conversations that the tests of `protocol` hear, through the
//! whole program.

use super::{Fixture, conversation, pcap, record};
use overhear_exchange::{Side, wire::CloseCause};
use overhear_testkit::{Event, Transcript};

/// A fixture out of a conversation of `protocol`'s.
macro_rules! of {
    ($($name:literal: $file:literal,)*) => {
        &[$(pcap($name, || {
            packets(include_str!(concat!("../../../crates/protocol/tests/fixtures/", $file, ".talk")))
        }),)*]
    };
}

pub(super) const FIXTURES: &[Fixture] = of! {
    "websocket_plain": "websocket/plain",
    "websocket_masked": "websocket/masked",
    "websocket_fragmented_with_control_frames": "websocket/fragmented_with_control_frames",
    "websocket_deflate_takeover": "websocket/deflate_takeover",
    "websocket_deflate_alone": "websocket/deflate_alone",
    "websocket_deflate_window": "websocket/deflate_window",
    "websocket_deflate_gap": "websocket/deflate_gap",
    "websocket_deflate_gap_alone": "websocket/deflate_gap_alone",
    "websocket_close_1011": "websocket/close_1011",
    "websocket_close_without_code": "websocket/close_without_code",
    "websocket_close_missing": "websocket/close_missing",
    "websocket_close_reset": "websocket/close_reset",
    "websocket_big_message": "websocket/big_message",
    "websocket_gap_in_payload": "websocket/gap_in_payload",
    "websocket_gap_over_frames": "websocket/gap_over_frames",
    "websocket_subprotocol": "websocket/subprotocol",
    "websocket_joined_mid_stream": "websocket/joined_mid_stream",
    "stream_events_lf": "stream/events_lf",
    "stream_events_crlf": "stream/events_crlf",
    "stream_events_cr": "stream/events_cr",
    "stream_events_split": "stream/events_split",
    "stream_events_gzip": "stream/events_gzip",
    "stream_events_gap": "stream/events_gap",
    "stream_events_client_gone": "stream/events_client_gone",
    "stream_lines": "stream/lines",
    "stream_long_body": "stream/long_body",
    "stream_continue_and_slow_bodies": "stream/continue_and_slow_bodies",
    "stream_continue_refused": "stream/continue_refused",
    "stream_model_openai_chat": "stream/model_openai_chat",
    "stream_model_openai_responses": "stream/model_openai_responses",
    "stream_model_anthropic": "stream/model_anthropic",
    "stream_model_gemini": "stream/model_gemini",
    "stream_model_ollama": "stream/model_ollama",
    "stream_model_whole": "stream/model_whole",
    "stream_mcp_tool": "stream/mcp_tool",
};

/// What was said, in packets at the times it was said; what was not seen is missing from the capture.
#[expect(clippy::expect_used, reason = "the conversations are part of the repository")]
fn packets(text: &str) -> Vec<u8> {
    let transcript = Transcript::parse(text).expect("protocol's own tests read it");
    let mut talk = conversation();
    if transcript.settings.get("opener").is_some_and(|opener| opener == "unknown") {
        talk.joined();
    } else {
        talk.open();
    }
    let mut last = None;
    let mut ended = [false; 2];
    for step in &transcript.steps {
        talk.wait(last.map_or_else(Default::default, |last| step.time.since(last)));
        last = Some(step.time);
        match &step.event {
            Event::Data { from, bytes } => {
                talk.send(*from, bytes);
            }
            Event::Gap { from, length } => {
                let length = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(1);
                talk.send(*from, &vec![0; length]).lose_last();
            }
            Event::End { from } => {
                talk.finish(*from);
                ended[from.index()] = true;
            }
            Event::Close { cause: CloseCause::Reset(_) } => {
                talk.reset(Side::B);
            }
            Event::Close { cause: CloseCause::Finished } if ended == [false; 2] => {
                talk.close();
            }
            // Who has not ended by then does now.
            Event::Close { cause: CloseCause::Finished } => {
                for side in [Side::A, Side::B].into_iter().filter(|side| !ended[side.index()]) {
                    talk.finish(side).acknowledge(side.other());
                }
            }
            Event::Close { .. } => {}
        }
    }
    record(&talk)
}
