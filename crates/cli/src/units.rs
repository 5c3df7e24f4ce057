//! Numbers as people read them.

/// `840 µs`, `12 ms`, `1.3 s`.
pub(crate) fn latency(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s < 0.000_999_5 => return format!("{:.0} µs", s * 1e6),
        s if s < 0.999_5 => (s * 1e3, "ms"),
        s if s < 120.0 => (s, "s"),
        s => (s / 60.0, "min"),
    };
    if value < 9.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// `512 B`, `1.5 kB`, `12 MB`.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
pub(crate) fn bytes(count: u64) -> String {
    let mut value = count as f64;
    let mut unit = "B";
    for larger in ["kB", "MB", "GB", "TB"] {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1e3, larger);
    }
    if unit == "B" || value >= 9.95 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

/// `3`, `1 204`: groups of three.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

/// `1 endpoint`, `2 endpoints`, `3 processes`.
pub(crate) fn plural(number: u64, one: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one.to_owned() } else { many(one) })
}

/// `endpoints`, `processes`.
pub(crate) fn many(one: &str) -> String {
    format!("{one}{}", if one.ends_with('s') { "es" } else { "s" })
}

/// Text from the traffic, without anything a terminal would act on or be confused by.
pub(crate) fn clean(text: &str) -> String {
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().map(|c| if odd(c) { '\u{fffd}' } else { c }).collect()
}

/// A number of bytes, as people give it: `500MB`, `2GB`, `1GiB`, `4096`.
pub(crate) fn bytes_of(text: &str) -> Result<u64, String> {
    let wrong = || "give a size with its unit, such as 500MB or 2GB".to_owned();
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit: u64 = match unit.trim() {
        "" | "B" => 1,
        "kB" | "KB" | "k" => 1000,
        "MB" | "M" => 1_000_000,
        "GB" | "G" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::{bytes, clean, count, latency, plural};

    #[test]
    fn numbers_are_short() {
        let latencies = [
            (0.0, "0 µs"),
            (0.000_84, "840 µs"),
            (0.001_2, "1.2 ms"),
            (0.012, "12 ms"),
            (1.34, "1.3 s"),
            (150.0, "2.5 min"),
        ];
        for (seconds, expected) in latencies {
            assert_eq!(latency(seconds), expected);
        }
        for (size, expected) in
            [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (999_999, "1.0 MB"), (12_000_000, "12 MB")]
        {
            assert_eq!(bytes(size), expected);
        }
        assert_eq!(count(1_234_567), "1\u{2009}234\u{2009}567");
        assert_eq!((plural(1, "error"), plural(0, "error")), ("1 error".into(), "0 errors".into()));
        assert_eq!(plural(2, "process"), "2 processes");
    }

    #[test]
    fn a_terminal_is_not_commanded() {
        assert_eq!(clean("a\u{1b}[2Jb\r\n\u{202e}c"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}\u{fffd}c");
        assert_eq!(clean("/ünïcode"), "/ünïcode");
    }
}
