use crate::Resolution;
use std::time::Duration;

/// How long counts are kept, in seconds, and how large all of it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// By ten seconds.
    pub ten_seconds: u64,
    /// By minute.
    pub minutes: u64,
    /// By hour.
    pub hours: u64,
    /// When the file is larger, the oldest minutes go first, then the oldest hours, then the oldest days, which have no age.
    pub bytes: u64,
}

const DAY: u64 = 24 * 60 * 60;

impl Default for Retention {
    fn default() -> Self {
        Self { ten_seconds: 2 * 60 * 60, minutes: 3 * DAY, hours: 90 * DAY, bytes: 2_000_000_000 }
    }
}

impl Retention {
    /// How long counts of this resolution are kept; none: as long as there is room.
    pub const fn of(&self, resolution: Resolution) -> Option<Duration> {
        match resolution {
            Resolution::TenSeconds => Some(Duration::from_secs(self.ten_seconds)),
            Resolution::Minute | Resolution::TenMinutes => Some(Duration::from_secs(self.minutes)),
            Resolution::Hour | Resolution::SixHours => Some(Duration::from_secs(self.hours)),
            Resolution::Day | Resolution::Week => None,
        }
    }

    /// Its fields by their names in a file.
    pub(crate) const fn fields(&mut self) -> [(&'static str, &mut u64); 4] {
        [
            ("keep_ten_seconds", &mut self.ten_seconds),
            ("keep_minutes", &mut self.minutes),
            ("keep_hours", &mut self.hours),
            ("keep_bytes", &mut self.bytes),
        ]
    }
}
