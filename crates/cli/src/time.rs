//! Times as people give them and as they are shown.

use jiff::{SignedDuration, Timestamp as Instant, tz::TimeZone};
use overhear_exchange::Timestamp;
use std::time::Duration;

/// A point in time on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) Timestamp);

/// `10s`, `1m30s`, `2h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed: Result<SignedDuration, _> = text.parse();
    parsed
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| "give a time with its unit, such as 10s, 5m or 1h30m".to_owned())
}

/// A duration in whole days, or as [`duration`] has it: `3d`, `36h`.
pub(crate) fn long(text: &str) -> Result<Duration, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
    match days {
        Some(days) => Ok(Duration::from_secs(u64::from(days) * 24 * 60 * 60)),
        None => duration(text).map_err(|_| "give a time with its unit, such as 36h or 3d".to_owned()),
    }
}

/// RFC 3339, or how long ago.
pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(instant) = text.parse::<Instant>() {
        let nanos = u64::try_from(instant.as_nanosecond()).map_err(|_| "that is before 1970".to_owned())?;
        return Ok(Moment(Timestamp::from_nanos(nanos)));
    }
    let ago = long(text.trim_end_matches(" ago"))
        .map_err(|_| "give a time such as 2026-01-31T12:00:00Z, or how long ago: 15m, 2h, 3d".to_owned())?;
    let nanos = Instant::now().as_nanosecond().saturating_sub_unsigned(ago.as_nanos());
    Ok(Moment(Timestamp::from_nanos(u64::try_from(nanos).unwrap_or_default())))
}

/// RFC 3339 in UTC.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    instant(time).to_string()
}

/// The time of day here: `12:03:04.123`.
pub(crate) fn of_day(time: Timestamp) -> String {
    instant(time).to_zoned(TimeZone::system()).strftime("%H:%M:%S%.3f").to_string()
}

fn instant(time: Timestamp) -> Instant {
    Instant::from_nanosecond(time.as_nanos().into()).unwrap_or(Instant::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::{Moment, duration, long, moment, rfc3339};
    use overhear_exchange::Timestamp;
    use std::time::Duration;

    #[test]
    fn reads_durations_with_units_only() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(long("3d"), Ok(Duration::from_secs(3 * 86_400)));
        assert_eq!(long("36h"), Ok(Duration::from_secs(36 * 3600)));
        assert!(long("d").is_err());
        for wrong in ["", "10", "-5s", "ten", "5 parsecs"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn reads_moments() {
        let noon = Timestamp::from_nanos(1_767_268_800_000_000_000);
        assert_eq!(moment("2026-01-01T12:00:00Z"), Ok(Moment(noon)));
        assert_eq!(moment("2026-01-01T13:00:00+01:00"), Ok(Moment(noon)));
        assert_eq!(rfc3339(noon), "2026-01-01T12:00:00Z");
        let (earlier, later) = (moment("2h").unwrap(), moment("1h").unwrap());
        let apart = later.0.since(earlier.0).as_secs();
        assert!((3599..=3601).contains(&apart), "{apart}");
        assert!(moment("yesterday").is_err());
        assert!(moment("1960-01-01T00:00:00Z").is_err());
    }
}
