//! Numbers as people read them. Units take a fixed width so that right-aligned digits line up.

use std::time::Duration;

/// Seconds as `840 µs`, ` 12 ms`, `1.3 s `: the unit always takes two columns.
pub(crate) fn latency(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if !s.is_finite() || s < 0.0 => return "–   ".to_owned(),
        s if s < 0.000_999_5 => (s * 1e6, "µs"),
        s if s < 0.999_5 => (s * 1e3, "ms"),
        s if s < 120.0 => (s, "s "),
        s if s < 7200.0 => (s / 60.0, "m "),
        s => (s / 3600.0, "h "),
    };
    format!("{} {unit}", two_digits(value, unit == "µs"))
}

/// As `latency`, without the padding: for running text.
pub(crate) fn latency_text(seconds: f64) -> String {
    latency(seconds).trim_end().to_owned()
}

/// At least two significant digits: `1.3`, `12`, `840`.
fn two_digits(value: f64, whole: bool) -> String {
    if whole || value >= 9.95 { format!("{value:.0}") } else { format!("{value:.1}") }
}

/// Per second: `0.4`, `12.3`, `128`, `12.8k`.
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        r if !r.is_finite() || r <= 0.0 => "0".to_owned(),
        r if r < 0.05 => "<0.1".to_owned(),
        r if r < 99.95 => format!("{r:.1}"),
        r if r < 9_999.5 => format!("{r:.0}"),
        r if r < 999_950.0 => format!("{:.1}k", r / 1e3),
        r => format!("{:.1}M", r / 1e6),
    }
}

/// A share of 0..=1: `0 %`, `<0.1 %`, `2.1 %`, `100 %`. Rounds neither to none nor to all.
pub(crate) fn share(share: f64) -> String {
    match share * 100.0 {
        p if !p.is_finite() || p <= 0.0 => "0 %".to_owned(),
        p if p < 0.1 => "<0.1 %".to_owned(),
        p if p < 9.95 => format!("{p:.1} %"),
        p if p < 100.0 => format!("{:.0} %", p.min(99.0)),
        _ => "100 %".to_owned(),
    }
}

/// In few columns: `9999`, `12.3k`, `4.5M`.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(crate) fn short_count(count: u64) -> String {
    match count {
        0..=9_999 => count.to_string(),
        10_000..=999_949 => format!("{:.1}k", count as f64 / 1e3),
        999_950..=999_949_999 => format!("{:.1}M", count as f64 / 1e6),
        _ => format!("{:.1}G", count as f64 / 1e9),
    }
}

/// Exactly, in groups of three: `1,204,512`.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 connection`, `2 connections`.
pub(crate) fn plural(number: u64, one: &str) -> String {
    format!("{} {one}{}", count(number), if number == 1 { "" } else { "s" })
}

/// `812 B`, `1.2 kB`, `34 MB`.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
pub(crate) fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for larger in ["kB", "MB", "GB", "TB", "PB"] {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    format!("{} {unit}", two_digits(value, unit == "B"))
}

/// How long ago, in its largest unit: `2 s`, `5 m`, `3 h`, `9 d`.
pub(crate) fn age(age: Duration) -> String {
    match age.as_secs() {
        s @ 0..=99 => format!("{s} s"),
        s @ 100..=5_999 => format!("{} m", s / 60),
        s @ 6_000..=172_799 => format!("{} h", s / 3600),
        s => format!("{} d", s / 86_400),
    }
}

/// A stopwatch: `00:43`, `1:02:03`.
pub(crate) fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours == 0 {
        format!("{minutes:02}:{seconds:02}")
    } else {
        format!("{hours}:{minutes:02}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_human_and_line_up() {
        let cases = [
            (0.000_84, "840 µs"),
            (0.000_000_4, "0 µs"),
            (0.001, "1.0 ms"),
            (0.012, "12 ms"),
            (0.009_96, "10 ms"),
            (0.999_4, "999 ms"),
            (0.999_6, "1.0 s "),
            (1.3, "1.3 s "),
            (90.0, "90 s "),
            (3600.0, "60 m "),
            (f64::NAN, "–   "),
            (f64::INFINITY, "–   "),
        ];
        for (seconds, text) in cases {
            assert_eq!(latency(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn shares_never_round_to_none_or_all() {
        for (value, text) in [
            (0.0, "0 %"),
            (0.0001, "<0.1 %"),
            (0.021, "2.1 %"),
            (0.25, "25 %"),
            (0.999, "99 %"),
            (1.0, "100 %"),
        ] {
            assert_eq!(share(value), text);
        }
    }

    #[test]
    fn counts_bytes_ages_and_rates() {
        assert_eq!(count(1_204_512), "1,204,512");
        assert_eq!(count(12), "12");
        assert_eq!((short_count(9_999), short_count(12_345)), ("9999".into(), "12.3k".into()));
        assert_eq!(
            (bytes(812), bytes(1_234), bytes(999_600)),
            ("812 B".into(), "1.2 kB".into(), "1.0 MB".into())
        );
        assert_eq!(bytes(u64::MAX), "18447 PB");
        assert_eq!((rate(0.01), rate(12.34), rate(12_800.0)), ("<0.1".into(), "12.3".into(), "12.8k".into()));
        assert_eq!(
            (age(Duration::from_secs(2)), age(Duration::from_secs(300))),
            ("2 s".into(), "5 m".into())
        );
        assert_eq!(clock(Duration::from_secs(3723)), "1:02:03");
    }
}
