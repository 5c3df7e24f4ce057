use crate::bounded::rank;
use std::sync::Arc;

/// Who calls an endpoint: at most [`Callers::CAPACITY`] names, those whose keyed hash is smallest; the calls of all
/// others are counted under [`crate::OTHER`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Callers {
    /// Ascending by rank, then name.
    named: Vec<(u64, Arc<str>, Calls)>,
    other: Calls,
}

/// Calls and how many of them failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Exchanges.
    pub requests: u64,
    /// Of those: errors.
    pub errors: u64,
}

impl Calls {
    fn add(&mut self, more: Self) {
        self.requests = self.requests.saturating_add(more.requests);
        self.errors = self.errors.saturating_add(more.errors);
    }
}

impl Callers {
    /// Names kept per endpoint.
    pub const CAPACITY: usize = 32;

    /// Name and calls of each caller, in no meaningful order; [`crate::OTHER`] for those beyond the bound.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Calls)> {
        let other = (self.other.requests > 0).then_some((crate::OTHER, self.other));
        self.named.iter().map(|(_, name, calls)| (name.as_ref(), *calls)).chain(other)
    }

    pub(crate) fn add(&mut self, key: u64, name: &str, calls: Calls) {
        if name == crate::OTHER {
            return self.other.add(calls);
        }
        if let Some((_, _, present)) = self.named.iter_mut().find(|(_, n, _)| n.as_ref() == name) {
            return present.add(calls);
        }
        let rank = rank(key, name);
        let place = self.named.partition_point(|(r, n, _)| (*r, n.as_ref()) < (rank, name));
        if place >= Self::CAPACITY {
            return self.other.add(calls);
        }
        self.named.insert(place, (rank, name.into(), calls));
        if self.named.len() > Self::CAPACITY
            && let Some((_, _, evicted)) = self.named.pop()
        {
            self.other.add(evicted);
        }
    }

    pub(crate) fn merge(&mut self, key: u64, other: &Self) {
        for (name, calls) in other.iter() {
            self.add(key, name, calls);
        }
    }
}
