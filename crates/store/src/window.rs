use overhear_exchange::Timestamp;
use overhear_model::Slot;

/// A stretch of time in whole slots: from the first, up to and without the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Its first slot.
    pub from: Slot,
    /// The slot after its last.
    pub until: Slot,
}

impl Window {
    /// All time.
    pub const ALL: Self = Self { from: Slot(0), until: Slot(u32::MAX) };

    /// The slots that touch the time between two points.
    pub fn between(from: Timestamp, until: Timestamp) -> Self {
        let last = Slot::of(Timestamp::from_nanos(until.as_nanos().saturating_sub(1)));
        Self { from: Slot::of(from), until: Slot(last.0.saturating_add(1)) }
    }

    /// Whether a slot is part of it.
    pub fn contains(self, slot: Slot) -> bool {
        self.from <= slot && slot < self.until
    }

    /// How many slots.
    pub fn slots(self) -> u32 {
        self.until.0.saturating_sub(self.from.0)
    }

    /// Its length in seconds.
    pub fn seconds(self) -> u64 {
        u64::from(self.slots()) * Slot::SECONDS
    }

    /// Whether it is read slot by slot, where these are still kept; longer ones are read by minutes.
    pub fn is_short(self) -> bool {
        self.slots() <= SHORT
    }

    /// As long, right before it.
    #[must_use]
    pub fn before(self) -> Self {
        Self { from: Slot(self.from.0.saturating_sub(self.slots())), until: self.from }
    }

    /// The same, in whole steps.
    pub(crate) fn outward(self, step: Resolution) -> Self {
        Self { from: step.floor(self.from), until: step.ceil(self.until) }
    }
}

/// A window of at most so many slots is read slot by slot.
const SHORT: u32 = 90;

/// How fine counts are kept apart by time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// Of the last hours.
    #[default]
    TenSeconds,
    /// Of the last days.
    Minute,
    /// Of the last days too: so that the ends of a long window are few counts.
    TenMinutes,
    /// Of the last months.
    Hour,
    /// Of the last months too.
    SixHours,
    /// Of the last years.
    Day,
    /// Of the last years too; from Thursday to Wednesday, as time began.
    Week,
}

impl Resolution {
    /// All, finest first.
    pub const ALL: [Self; 7] =
        [Self::TenSeconds, Self::Minute, Self::TenMinutes, Self::Hour, Self::SixHours, Self::Day, Self::Week];

    /// Its length in slots.
    pub const fn slots(self) -> u32 {
        match self {
            Self::TenSeconds => 1,
            Self::Minute => 6,
            Self::TenMinutes => 60,
            Self::Hour => 360,
            Self::SixHours => 2160,
            Self::Day => 8640,
            Self::Week => 60_480,
        }
    }

    /// Its length in seconds.
    pub const fn seconds(self) -> u64 {
        self.slots() as u64 * Slot::SECONDS
    }

    /// The first slot of the stretch that a slot is in.
    pub const fn floor(self, slot: Slot) -> Slot {
        Slot(slot.0 - slot.0 % self.slots())
    }

    /// The first stretch that does not begin before a slot.
    pub(crate) const fn ceil(self, slot: Slot) -> Slot {
        self.floor(Slot(slot.0.saturating_add(self.slots() - 1)))
    }
}
