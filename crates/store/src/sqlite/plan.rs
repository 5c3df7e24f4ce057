//! Which counts to add up for a window: the coarsest that fit within it, finer ones at its ends.

use super::roll;
use crate::{Resolution, Window};
use overhear_model::Slot;

/// From where on counts of each resolution are kept; coarser ones go back further.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) ten_seconds: Slot,
    pub(super) minutes: Slot,
    pub(super) ten_minutes: Slot,
    pub(super) hours: Slot,
    /// Of which time there are rolls: what is over.
    pub(super) six_hours: Window,
    pub(super) weeks: Window,
}

/// How a window is read, and the window that makes.
pub(super) type Plan = (Vec<(Resolution, Window)>, Window);

/// In how long counts a window is read from packs…
const PACKS: [Resolution; 3] = [Resolution::Day, Resolution::Hour, Resolution::Minute];
/// …and from rolls, which there are of ten minutes too…
const ROLLS: [Resolution; 6] = {
    let [rolls @ .., _] = ROLLS_AND_SLOTS;
    rolls
};
/// …and slot by slot at its ends.
const ROLLS_AND_SLOTS: [Resolution; 7] = [
    Resolution::Week,
    Resolution::Day,
    Resolution::SixHours,
    Resolution::Hour,
    Resolution::TenMinutes,
    Resolution::Minute,
    Resolution::TenSeconds,
];

impl Kept {
    fn from(&self, resolution: Resolution) -> Slot {
        match resolution {
            Resolution::TenSeconds => self.ten_seconds,
            Resolution::Minute => self.minutes,
            Resolution::TenMinutes => self.ten_minutes.max(self.minutes),
            Resolution::Hour | Resolution::SixHours => self.hours,
            Resolution::Day | Resolution::Week => Slot(0),
        }
    }

    /// The time of which there are counts of this resolution, not of finer ones alone.
    fn counted(&self, resolution: Resolution) -> Window {
        match resolution {
            Resolution::SixHours => self.six_hours,
            Resolution::Week => self.weeks,
            Resolution::TenSeconds
            | Resolution::Minute
            | Resolution::TenMinutes
            | Resolution::Hour
            | Resolution::Day => Window { from: self.from(resolution), ..Window::ALL },
        }
    }

    /// The finest resolution that is kept for all of a window, not finer than `step`.
    pub(super) fn resolution(&self, window: Window, step: Resolution) -> Resolution {
        let mut enough = Resolution::ALL.into_iter().filter(|resolution| *resolution >= step);
        enough.find(|resolution| self.from(*resolution) <= window.from).unwrap_or(Resolution::Day)
    }

    /// Steps of this length or longer, and how to read them: where they are not counted as a whole, in parts.
    pub(super) fn plan_steps(&self, window: Window, step: Resolution) -> (Resolution, Plan) {
        let resolution = self.resolution(window, step);
        let window = window.outward(resolution);
        let parts = match roll::made_of(resolution) {
            Some(finer) => self.divided(window, &[resolution, finer]),
            None => vec![(resolution, window)],
        };
        (resolution, (parts, window))
    }

    /// The same window as of [`Self::plan`], in parts of which rolls are the larger ones.
    pub(super) fn plan_rolls(&self, window: Window) -> Plan {
        if self.is_exact(window) {
            return (self.divided(window, &ROLLS_AND_SLOTS), window);
        }
        let window = self.whole(window);
        (self.divided(window, &ROLLS), window)
    }

    fn is_exact(&self, window: Window) -> bool {
        window.is_short() && self.ten_seconds <= window.from
    }

    /// The parts of a window, and the window they make.
    pub(super) fn plan(&self, window: Window) -> Plan {
        if self.is_exact(window) {
            return (vec![(Resolution::TenSeconds, window)], window);
        }
        let window = self.whole(window);
        (self.divided(window, &PACKS), window)
    }

    /// The same with ends where counts can be told apart.
    fn whole(&self, window: Window) -> Window {
        let from = self.end(window.from, false);
        let until = self.end(window.until, true);
        Window { from, until: until.max(from) }
    }

    fn divided(&self, window: Window, steps: &[Resolution]) -> Vec<(Resolution, Window)> {
        let mut parts = Vec::new();
        self.divide(window, steps, &mut parts);
        parts
    }

    /// In counts as long as fit: the first of `steps`, and shorter ones before and after.
    fn divide(&self, window: Window, steps: &[Resolution], parts: &mut Vec<(Resolution, Window)>) {
        let Some((resolution, finer)) = steps.split_first().filter(|_| window.slots() > 0) else { return };
        if finer.is_empty() {
            parts.push((*resolution, window));
            return;
        }
        let counted = self.counted(*resolution);
        let from = resolution.ceil(window.from.max(counted.from));
        let until = resolution.floor(window.until.min(counted.until));
        if from >= until {
            return self.divide(window, finer, parts);
        }
        self.divide(Window { until: from, ..window }, finer, parts);
        parts.push((*resolution, Window { from, until }));
        self.divide(Window { from: until, ..window }, finer, parts);
    }

    /// An end of a window, moved outward to where counts can be told apart.
    fn end(&self, slot: Slot, up: bool) -> Slot {
        let before = if up { Slot(slot.0.saturating_sub(1)) } else { slot };
        let fine =
            [Resolution::Minute, Resolution::Hour].into_iter().find(|r| self.from(*r) <= r.floor(before));
        let fine = fine.unwrap_or(Resolution::Day);
        let floor = fine.floor(slot);
        if up && floor < slot { Slot(floor.0.saturating_add(fine.slots())) } else { floor }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kept, Slot, Window};
    use crate::Resolution;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_parts_are_the_window_and_nothing_twice(
            from in 0u32..200_000, length in 0u32..200_000, minutes in 0u32..200_000, hours in 0u32..200_000,
            ten_minutes in 0u32..200_000, six_hours in (0u32..90, 0u32..90), weeks in (0u32..4, 0u32..4),
        ) {
            let made = |step: Resolution, (from, length): (u32, u32)| {
                let window = Window { from: Slot(from * step.slots()), until: Slot((from + length) * step.slots()) };
                if length == 0 { Window::default() } else { window }
            };
            let kept = Kept {
                ten_seconds: Slot(0),
                minutes: Resolution::Hour.floor(Slot(minutes)),
                ten_minutes: Resolution::TenMinutes.floor(Slot(ten_minutes)),
                hours: Resolution::Day.floor(Slot(hours.min(minutes))),
                six_hours: Window::default(),
                weeks: made(Resolution::Week, weeks),
            };
            let six_hours = made(Resolution::SixHours, six_hours);
            let kept = Kept { six_hours: Window { from: six_hours.from.max(kept.hours), ..six_hours }, ..kept };
            let asked = Window { from: Slot(from), until: Slot(from + length) };
            prop_assert_eq!(kept.plan(asked).1, kept.plan_rolls(asked).1);
            for (parts, window) in [kept.plan(asked), kept.plan_rolls(asked)] {
                prop_assert!(window.from <= asked.from && window.until >= asked.until, "{window:?}");
                let mut at = window.from;
                for (resolution, part) in &parts {
                    prop_assert_eq!(part.from, at);
                    prop_assert_eq!(resolution.floor(part.from), part.from);
                    prop_assert_eq!(resolution.floor(part.until), part.until);
                    let counted = kept.counted(*resolution);
                    prop_assert!(counted.from <= part.from && part.until <= counted.until, "{:?} {:?}", resolution, part);
                    at = part.until;
                }
                prop_assert_eq!(at, window.until);
            }
        }
    }

    #[test]
    fn a_day_and_a_half_is_read_in_a_few_parts() {
        let (parts, _) = Kept::default().plan(Window { from: Slot(8640 - 366), until: Slot(3 * 8640 + 12) });
        let parts: Vec<_> = parts.iter().map(|(r, w)| (*r, w.slots())).collect();
        use Resolution::{Day, Hour, Minute};
        assert_eq!(parts, [(Minute, 6), (Hour, 360), (Day, 17280), (Minute, 12)]);
    }
}
