//! Any events on one connection: no panic, bounded memory, no negative knowledge in what comes out.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/protocol/tests/common/mod.rs"]
#[allow(unreachable_pub, reason = "shared with the tests")]
mod common;

fuzz_target!(|bytes: &[u8]| {
    if let Err(reason) = common::bounded_inflating(&overhear_testkit::damage::from_bytes(bytes)) {
        panic!("{reason}");
    }
});
