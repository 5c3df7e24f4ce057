use crate::Resolution;
use std::time::Duration;

/// How long counts are kept, and how large all of it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// By ten seconds.
    pub ten_seconds: Duration,
    /// By minute.
    pub minutes: Duration,
    /// By hour.
    pub hours: Duration,
    /// When the file is larger, the oldest minutes go first, then the oldest hours, then the oldest days, which have no age.
    pub bytes: u64,
}

const DAY: u64 = 24 * 60 * 60;

impl Default for Retention {
    fn default() -> Self {
        Self {
            ten_seconds: Duration::from_secs(2 * 60 * 60),
            minutes: Duration::from_secs(3 * DAY),
            hours: Duration::from_secs(90 * DAY),
            bytes: 2 << 30,
        }
    }
}

impl Retention {
    /// How long counts of this resolution are kept; none: as long as there is room.
    pub const fn of(&self, resolution: Resolution) -> Option<Duration> {
        match resolution {
            Resolution::TenSeconds => Some(self.ten_seconds),
            Resolution::Minute => Some(self.minutes),
            Resolution::Hour => Some(self.hours),
            Resolution::Day => None,
        }
    }
}
