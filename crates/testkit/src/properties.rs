//! What every protocol has to hold, whatever it is. Each check runs an `observe` function, which feeds a transcript to
//! a fresh observer and collects what it says, and panics with the case that broke the rule.
#![expect(clippy::panic, reason = "a broken property fails the test that asked")]

use crate::{
    Transcript,
    damage::{chunked, from_bytes, joined_late, with_gap},
    render::{full_identity, render},
};
use overhear_exchange::{Counts, Detail, Message, Side, Stream, observation::Observation};
use proptest::{
    collection::vec,
    prelude::any,
    strategy::Strategy,
    test_runner::{Config, TestCaseError, TestError, TestRunner},
};
use std::fmt::Debug;

/// However the bytes are cut, the same is observed.
///
/// # Panics
/// When it is not.
pub fn split_invariant(transcript: &Transcript, observe: impl Fn(&Transcript) -> Vec<Observation>) {
    let all = |t: &Transcript| observe(t).iter().map(render).collect::<Vec<_>>();
    let whole = all(transcript);
    check(24, &vec(1_usize..90, 1..12), |sizes| same(&whole, &all(&chunked(transcript, sizes))));
    check(1, &vec(1_usize..2, 1..2), |sizes| same(&whole, &all(&chunked(transcript, sizes))));
}

/// Whatever range of either end's bytes is missed, an exchange reported with its whole response is one that happened.
///
/// # Panics
/// When one did not.
pub fn gap_sound(transcript: &Transcript, cases: u32, observe: impl Fn(&Transcript) -> Vec<Observation>) {
    let reference = observe(transcript);
    check(cases, &(any::<bool>(), 0.0..1.0, 0.0..1.0, any::<bool>()), |(a, x, y, known)| {
        let side = if *a { Side::A } else { Side::B };
        let length = transcript.length(side) as f64;
        let (x, y) = ((x * length) as usize, (y * length) as usize);
        let damaged = with_gap(transcript, side, x.min(y)..x.max(y) + 1, *known);
        sound(&reference, &observe(&damaged), *known)
    });
}

/// Joined at any moment, an exchange reported with its whole response is one that happened.
///
/// # Panics
/// When one did not.
pub fn late_sound(transcript: &Transcript, observe: impl Fn(&Transcript) -> Vec<Observation>) {
    let reference = observe(transcript);
    for missed in 0..transcript.steps.len() {
        let seen = observe(&joined_late(transcript, missed));
        if let Err(error) = sound(&reference, &seen, true) {
            panic!("joined after {missed} events: {error}");
        }
    }
}

/// Any bytes, any events: `run` returns (it may check bounds of its own on the way).
///
/// # Panics
/// When it says so.
pub fn survives_anything(cases: u32, run: impl Fn(&Transcript) -> Result<(), String>) {
    check(cases, &vec(any::<u8>(), 0..600), |bytes| run(&from_bytes(bytes)));
}

/// As [`survives_anything`] with pieces of the protocol itself, in any order, so that deep states are reached.
///
/// # Panics
/// When `run` says so.
pub fn survives_pieces(
    cases: u32,
    pieces: &[&'static [u8]],
    run: impl Fn(&Transcript) -> Result<(), String>,
) {
    let event = (any::<u8>(), 0..pieces.len(), vec(any::<u8>(), 0..6));
    check(cases, &(any::<u8>(), vec(event, 0..60)), |(flags, events)| {
        let mut bytes = vec![*flags];
        for (operation, piece, noise) in events {
            let data = [
                pieces.get(*piece).copied().unwrap_or_default(),
                if operation & 0xe0 == 0 { noise } else { &[] },
            ]
            .concat();
            let data = data.get(..255).unwrap_or(&data);
            bytes.extend([*operation, u8::try_from(data.len()).unwrap_or(u8::MAX)]);
            if operation >> 1 & 7 <= 4 {
                bytes.extend(data);
            }
        }
        run(&from_bytes(&bytes))
    });
}

fn same(expected: &[String], seen: &[String]) -> Result<(), String> {
    if expected == seen {
        return Ok(());
    }
    Err(format!("expected\n{}\nsaw\n{}", expected.join("\n"), seen.join("\n")))
}

/// Each exchange that was `seen` whole is one of the reference, and none is there twice.
fn sound(reference: &[Observation], seen: &[Observation], sizes: bool) -> Result<(), String> {
    let mut left: Vec<_> = reference.iter().collect();
    for observation in seen.iter().filter(|observation| observation.duration.is_some()) {
        let Some(at) = left.iter().position(|known| is_same(known, observation, sizes)) else {
            return Err(format!("this never happened:\n{}", full_identity(observation, true)));
        };
        left.swap_remove(at);
    }
    Ok(())
}

/// The same exchange, though less may have been seen of it. Where the end of a request's body was missed its size is
/// what was seen; the size of a whole response is exact unless a gap of unknown length (`!sizes`) was in it.
fn is_same(known: &Observation, seen: &Observation, sizes: bool) -> bool {
    let (Detail::Http(all), Detail::Http(some)) = (&known.detail, &seen.detail);
    let request = if some.request_body.complete {
        some.request_body.size == all.request_body.size
    } else {
        some.request_body.size <= all.request_body.size
    };
    let response = !sizes || some.response_body.size == all.response_body.size;
    request
        && response
        && full_identity(known, false) == full_identity(seen, false)
        && has_no_more(all.stream.as_deref(), some.stream.as_deref())
}

/// Every whole message that was seen is one that was sent, and not counted more often.
fn has_no_more(all: Option<&Stream>, some: Option<&Stream>) -> bool {
    let Some(some) = some else { return true };
    let Some(all) = all else { return some.fresh.is_empty() };
    let same = |a: &Message, b: &Message| {
        (a.sender, &a.name, a.is_text) == (b.sender, &b.name, b.is_text) && a.content == b.content
    };
    let mut left: Vec<_> = all.fresh.iter().collect();
    let whole = some.fresh.iter().filter(|message| message.complete);
    let known = whole.into_iter().all(|message| {
        let at = left.iter().position(|known| same(known, message));
        at.map(|at| left.swap_remove(at)).is_some()
    });
    let counted = |all: Counts, some: Counts| some.messages <= all.messages;
    known && counted(all.client.total, some.client.total) && counted(all.server.total, some.server.total)
}

fn check<S: Strategy>(cases: u32, strategy: &S, property: impl Fn(&S::Value) -> Result<(), String>)
where
    S::Value: Debug,
{
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let outcome =
        TestRunner::new(config).run(strategy, |value| property(&value).map_err(TestCaseError::fail));
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, value)) => panic!("{reason}\nfor {value:?}"),
        Err(TestError::Abort(reason)) => panic!("gave up: {reason}"),
    }
}
