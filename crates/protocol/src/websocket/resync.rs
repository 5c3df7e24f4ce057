//! Where a frame begins after a loss.
//!
//! A header is only two bytes with little in them that could be wrong, so one alone is not believed: what was delivered
//! at once has to be made of frames, the last of which ends where the delivery does. Most writes are.

use super::frame::{Header, Parsed, parse};

/// Does this delivery consist of whole frames?
pub(super) fn begins_with_frame(arrival: &[u8], masked: bool) -> bool {
    walk(arrival, masked, &mut |_, _| true)
}

/// Goes from frame to frame; true where the last one ends with the delivery, and `fits` says so of each.
pub(super) fn walk(arrival: &[u8], masked: bool, fits: &mut dyn FnMut(&Header, &[u8]) -> bool) -> bool {
    let mut rest = arrival;
    while !rest.is_empty() {
        let Parsed::Whole(header, used) = parse(rest, masked) else { return false };
        let payload = rest.get(used..).unwrap_or_default();
        let Some(after) = usize::try_from(header.length).ok().and_then(|length| payload.get(length..)) else {
            return false;
        };
        if !fits(&header, payload) {
            return false;
        }
        rest = after;
    }
    !arrival.is_empty()
}

#[cfg(test)]
mod tests {
    use super::begins_with_frame;

    #[test]
    fn a_delivery_is_frames_from_end_to_end_or_none() {
        for (bytes, masked, expected) in [
            (&b"\x81\x05hello"[..], false, true),
            (b"\x81\x05hello\x8a\x00", false, true),
            (b"\x81\x05hell", false, false),
            (b"\x81\x05hello!", false, false),
            (b"\x81\x05hello", true, false),
            (b"", false, false),
            (b"\x81\x85\x01\x02\x03\x04iglhn", true, true),
        ] {
            assert_eq!(begins_with_frame(bytes, masked), expected, "{}", bytes.escape_ascii());
        }
    }
}
