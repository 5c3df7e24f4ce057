//! When values of each type were first seen in one place. A merge keeps the earlier time.

use super::node::{OBJECT, Types};
use overhear_exchange::Timestamp;

/// Seconds since the Unix epoch.
pub(super) type Moment = u32;

/// It is not known since when: it was there before times were kept.
pub(super) const ALWAYS: Moment = 0;
/// Before the first.
const NEVER: Moment = Moment::MAX;

/// The whole second of a time.
pub(super) fn moment(time: Timestamp) -> Moment {
    Moment::try_from(time.as_nanos() / 1_000_000_000).unwrap_or(NEVER - 1).min(NEVER - 1)
}

const TYPES: usize = OBJECT.trailing_zeros() as usize + 1;

/// By type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Firsts([Moment; TYPES]);

impl Default for Firsts {
    fn default() -> Self {
        Self([NEVER; TYPES])
    }
}

impl Firsts {
    /// Values of these types were seen at this time.
    #[inline]
    pub(super) fn see(&mut self, types: Types, at: Moment) {
        if let Some(first) = self.0.get_mut(types.trailing_zeros() as usize)
            && at < *first
        {
            *first = at;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, more) in self.0.iter_mut().zip(other.0) {
            *mine = more.min(*mine);
        }
    }

    /// The first value of any type; none before it.
    pub(super) fn first(&self) -> Option<Moment> {
        self.0.into_iter().min().filter(|first| *first < NEVER)
    }

    /// The first value of one type.
    pub(super) fn of(&self, types: Types) -> Option<Moment> {
        self.0.get(types.trailing_zeros() as usize).copied().filter(|first| *first < NEVER)
    }

    /// Those of `types`, in the order of their bits.
    pub(super) fn saved(&self, types: Types) -> Vec<Moment> {
        bits(types).map(|bit| self.of(bit).unwrap_or(ALWAYS)).collect()
    }

    /// What [`Self::saved`] was given; of what was saved before times were kept nothing is known.
    pub(super) fn restored(types: Types, saved: &[Moment]) -> Self {
        let mut firsts = Self::default();
        let saved = saved.iter().copied().chain(std::iter::repeat(ALWAYS));
        bits(types).zip(saved).for_each(|(bit, at)| firsts.see(bit, at));
        firsts
    }
}

/// Each type by itself.
pub(super) fn bits(types: Types) -> impl Iterator<Item = Types> {
    (0..TYPES).map(|bit| 1 << bit).filter(move |bit| types & bit != 0)
}
