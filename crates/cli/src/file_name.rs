//! Names of files for what has a name from the traffic.

use std::fmt::Write;

/// Longest name, in bytes: file systems allow 255, and an ending follows.
const LONGEST: usize = 200;

/// A name that every file system takes and that two names do not share: what is no letter, digit, `-`, `_` or inner dot
/// is percent-encoded (RFC 3986 §2.1), and the end of a name that is too long is a hash of it.
pub(crate) fn file_name(name: &str) -> String {
    let mut out = String::new();
    for (at, byte) in name.bytes().enumerate() {
        let inner_dot = byte == b'.' && at > 0 && at + 1 < name.len();
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) || inner_dot {
            out.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    if out.len() <= LONGEST {
        return out;
    }
    out.truncate(LONGEST);
    // `~` is encoded in every other name. Writing to a String does not fail.
    let _ = write!(out, "~{:016x}", hash(name));
    out
}

/// FNV-1a, 64 bits: the same in every version of this program.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn names_are_safe_and_stay_apart() {
        for (name, expected) in [
            ("api.stripe.com", "api.stripe.com"),
            ("10.0.0.5:8080", "10.0.0.5%3A8080"),
            ("/run/docker.sock", "%2Frun%2Fdocker.sock"),
            ("..", "%2E%2E"),
            ("a b", "a%20b"),
            ("a%20b", "a%2520b"),
            ("größe", "gr%C3%B6%C3%9Fe"),
            ("~other", "%7Eother"),
        ] {
            assert_eq!(file_name(name), expected);
        }
        let long = |last: &str| file_name(&format!("{}{last}", "\u{6f22}".repeat(42)));
        assert!(long("a").len() < 250 && long("a") != long("b"), "{}", long("a"));
    }
}
