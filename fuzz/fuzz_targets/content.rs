//! Any bytes under any stack of codings: no panic, never more than the limit.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/protocol/tests/common/mod.rs"]
#[allow(unreachable_pub, reason = "shared with the tests")]
mod common;

fuzz_target!(|bytes: &[u8]| common::decode_anything(bytes));
