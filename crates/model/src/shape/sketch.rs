//! Bounded memories of values that merge: how many distinct ones, and which where they are few.

use crate::bytes::same;
use serde::{Deserialize, Serialize};

/// The smallest keyed hashes of what was seen: exact up to its bound, an estimate beyond.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Sketch(Vec<u64>);

impl Sketch {
    const CAPACITY: usize = 24;

    pub(super) fn insert(&mut self, hash: u64) {
        if self.0.len() >= Self::CAPACITY && self.0.last().is_some_and(|last| *last <= hash) {
            return;
        }
        if let Err(at) = self.0.binary_search(&hash) {
            self.0.insert(at, hash);
            self.0.truncate(Self::CAPACITY);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for hash in &other.0 {
            self.insert(*hash);
        }
    }

    /// Distinct values: exact below the bound; beyond, from how densely the smallest hashes lie.
    pub(super) fn distinct(&self) -> u64 {
        let all = self.0.len() as u64;
        match self.0.last() {
            Some(last) if self.0.len() >= Self::CAPACITY => {
                let share = (*last as f64 / u64::MAX as f64).max(f64::MIN_POSITIVE);
                (((all - 1) as f64 / share) as u64).max(all)
            }
            _ => all,
        }
    }
}

/// Every value with its count, while they are few and words; else nothing but that they are not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Ascending by hash; empty once it overflowed.
    #[serde(rename = "v", default, skip_serializing_if = "Vec::is_empty")]
    values: Vec<Counted>,
    #[serde(rename = "o", default, skip_serializing_if = "std::ops::Not::not")]
    overflow: bool,
}

/// One value. Its text is absent where it was seen too rarely to be written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counted {
    #[serde(rename = "h")]
    pub(super) hash: u64,
    #[serde(rename = "n")]
    pub(super) seen: u64,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<Box<str>>,
}

impl Tally {
    /// More different values are no enum.
    const CAPACITY: usize = 16;
    /// A text seen less often may be somebody's.
    pub(super) const PUBLIC: u64 = 3;

    /// Counts a value that is here with its text; false when it is not.
    #[inline]
    pub(super) fn again(&mut self, text: &[u8], seen: u64) -> bool {
        let is_it =
            |value: &&mut Counted| value.text.as_ref().is_some_and(|known| same(known.as_bytes(), text));
        let Some(value) = self.values.iter_mut().find(is_it) else { return false };
        value.seen = value.seen.saturating_add(seen);
        true
    }

    /// Counts a value. `text` is asked for once per value, and gives nothing for a value that is no plain word.
    pub(super) fn add<'a>(&mut self, hash: u64, seen: u64, text: impl FnOnce() -> Option<&'a str>) {
        if self.overflow {
            return;
        }
        match self.values.binary_search_by_key(&hash, |value| value.hash) {
            Ok(at) => {
                if let Some(value) = self.values.get_mut(at) {
                    value.seen = value.seen.saturating_add(seen);
                    if value.text.is_none() {
                        value.text = text().map(Into::into);
                    }
                }
            }
            Err(at) => match text() {
                Some(text) if self.values.len() < Self::CAPACITY => {
                    self.values.insert(at, Counted { hash, seen, text: Some(text.into()) });
                }
                _ => self.close(),
            },
        }
    }

    /// No enum, for good.
    pub(super) fn close(&mut self) {
        self.overflow = true;
        self.values = Vec::new();
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if other.overflow {
            return self.close();
        }
        for value in &other.values {
            self.add_counted(value);
        }
    }

    fn add_counted(&mut self, more: &Counted) {
        if self.overflow {
            return;
        }
        match self.values.binary_search_by_key(&more.hash, |value| value.hash) {
            Ok(at) => {
                if let Some(value) = self.values.get_mut(at) {
                    value.seen = value.seen.saturating_add(more.seen);
                    if value.text.is_none() {
                        value.text.clone_from(&more.text);
                    }
                }
            }
            Err(_) if self.values.len() >= Self::CAPACITY => self.close(),
            Err(at) => self.values.insert(at, more.clone()),
        }
    }

    /// Every value in order of its text, where each was seen often enough; else nothing.
    pub(super) fn words(&self) -> Option<Vec<String>> {
        if self.overflow || self.values.is_empty() {
            return None;
        }
        let mut words = Vec::with_capacity(self.values.len());
        for value in &self.values {
            if value.seen < Self::PUBLIC {
                return None;
            }
            words.push(value.text.as_deref()?.to_owned());
        }
        words.sort_unstable();
        Some(words)
    }

    /// Forgets the texts that must not be written to disk.
    pub(super) fn strip(&mut self) {
        for value in &mut self.values {
            if value.seen < Self::PUBLIC {
                value.text = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Sketch, Tally};

    #[test]
    fn few_values_are_counted_exactly_and_many_nearly() {
        let spread = |n: u64| (0..n).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17));
        let sketch = |n| {
            let mut sketch = Sketch::default();
            spread(n).for_each(|hash| sketch.insert(hash));
            sketch
        };
        assert_eq!(sketch(0).distinct(), 0);
        assert_eq!(sketch(20).distinct(), 20);
        let many = sketch(10_000).distinct();
        assert!((5_000..20_000).contains(&many), "{many}");
        let mut sum = sketch(300);
        sum.merge(&sketch(500));
        assert_eq!(sum, sketch(500));
    }

    #[test]
    fn a_tally_tells_all_values_or_none() {
        let mut tally = Tally::default();
        for _ in 0..3 {
            tally.add(2, 1, || Some("b"));
            tally.add(1, 1, || Some("c"));
        }
        assert_eq!(tally.words(), Some(vec!["b".into(), "c".into()]));
        tally.add(3, 1, || Some("rare"));
        assert_eq!(tally.words(), None);
        tally.add(4, 1, || None);
        assert_eq!(tally, {
            let mut closed = Tally::default();
            closed.close();
            closed
        });
    }
}
