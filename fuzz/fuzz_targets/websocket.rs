//! Any events on a WebSocket with compression: no panic, bounded memory.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/protocol/tests/common/mod.rs"]
#[allow(unreachable_pub, reason = "shared with the tests")]
mod common;

fuzz_target!(|bytes: &[u8]| {
    if let Err(reason) = common::bounded_inflating(&common::web_socket(bytes)) {
        panic!("{reason}");
    }
});
