//! Named conversations, and what is heard of them: `tests/fixtures/http1/*.talk` and the snapshots beside them.

mod common;

use common::{connection, feed, fixtures};
use overhear_exchange::{Detail, observation::Observation};
use overhear_protocol::{Verdict, content::decode};
use overhear_testkit::render;
use std::fmt::Write;

#[test]
fn hears_every_conversation() {
    let fixtures = fixtures();
    assert!(fixtures.len() >= 45, "only {} conversations", fixtures.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("fixtures/http1");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (name, transcript) in fixtures {
        let (mut connection, mut out) = (connection(&transcript), Vec::new());
        for step in &transcript.steps {
            feed(&mut connection, step, &mut out);
        }
        let out = common::gathered(out);
        let mut text = out.iter().map(shown).collect::<Vec<_>>().join("\n");
        let verdict = match connection.verdict() {
            Verdict::Undecided => "undecided".to_owned(),
            Verdict::Speaks(protocol) => format!("speaks {protocol}"),
            Verdict::NotAnApi(protocol) => format!("not an API: {protocol}"),
        };
        let _ = write!(text, "\n{verdict}\n{:?}\n", connection.skipped());
        settings.bind(|| insta::assert_snapshot!(name.as_str(), text));
    }
}

/// The observation and, where its response is encoded, what that says.
fn shown(observation: &Observation) -> String {
    let Detail::Http(http) = &observation.detail;
    let mut text = render(observation);
    if !http.response_body.codings.is_empty() {
        let decoded = decode(&http.response_body, 1000);
        let state = match (decoded.truncated, decoded.damaged) {
            (false, false) => "",
            (true, false) => ", truncated",
            (_, true) => ", damaged",
        };
        let _ = writeln!(text, "  decoded \"{}\"{state}", decoded.bytes.expose().escape_ascii());
    }
    text
}
