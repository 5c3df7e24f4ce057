/// The `N` smallest hashes of a set, each with how often it came: a sample of the distinct values in which every one
/// is as likely, whatever the order (KMV, bottom-k). Counts are exact: what is pushed out never comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Smallest<H, const N: usize> {
    /// Ascending.
    entries: Vec<(H, u32)>,
    /// Some were left out.
    full: bool,
}

impl<H, const N: usize> Default for Smallest<H, N> {
    fn default() -> Self {
        Self { entries: Vec::new(), full: false }
    }
}

impl<H: Copy + Ord, const N: usize> Smallest<H, N> {
    pub(crate) fn add(&mut self, hash: H, count: u32) {
        if self.full && self.entries.last().is_some_and(|(last, _)| hash > *last) {
            return;
        }
        match self.entries.binary_search_by_key(&hash, |(h, _)| *h) {
            Ok(at) => {
                if let Some((_, present)) = self.entries.get_mut(at) {
                    *present = present.saturating_add(count);
                }
            }
            Err(at) => {
                self.entries.insert(at, (hash, count));
                if self.entries.len() > N {
                    self.entries.pop();
                    self.full = true;
                }
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (hash, count) in other.iter() {
            self.add(hash, count);
        }
        if other.full
            && let Some((last, _)) = other.entries.last()
        {
            // The other holds N up to its last, so of the sum's N none is above it.
            debug_assert!(self.entries.last().is_none_or(|(mine, _)| mine <= last));
            self.full = true;
        }
    }

    /// Hash and count, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (H, u32)> {
        self.entries.iter().copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// True when values were left out.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// Whether a value came; `None` when it is one of those that would have been left out.
    pub(crate) fn contains(&self, hash: H) -> Option<bool> {
        let known = !self.full || self.entries.last().is_some_and(|(last, _)| hash <= *last);
        known.then(|| self.entries.binary_search_by_key(&hash, |(h, _)| *h).is_ok())
    }

    /// From what was saved; `None` where that is no such sample.
    pub(crate) fn from_parts(entries: Vec<(H, u32)>, full: bool) -> Option<Self> {
        let ascending = entries.is_sorted_by(|a, b| a.0 < b.0);
        let counted = entries.iter().all(|(_, count)| *count > 0);
        (ascending && counted && entries.len() <= N && (!full || entries.len() == N))
            .then_some(Self { entries, full })
    }
}

impl<const N: usize> Smallest<u64, N> {
    /// How many distinct values came; an estimate once some were left out (standard error `1/sqrt(N-2)`).
    pub(crate) fn distinct(&self) -> f64 {
        match self.entries.last() {
            Some((last, _)) if self.full => {
                let share = (*last as f64 + 1.0) / (u64::MAX as f64 + 1.0);
                (N as f64 - 1.0) / share
            }
            _ => self.entries.len() as f64,
        }
    }

    /// Share of the distinct values that came once (the growth that Good and Turing estimate from).
    pub(crate) fn seen_once(&self) -> f64 {
        if self.entries.is_empty() {
            return 0.0;
        }
        self.entries.iter().filter(|(_, count)| *count == 1).count() as f64 / self.entries.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::Smallest;

    proptest::proptest! {
        #[test]
        fn merges_in_any_order(values in proptest::collection::vec((0u64..40, 0usize..3), 0..80)) {
            let mut whole = Smallest::<u64, 8>::default();
            let mut parts = [(); 3].map(|()| Smallest::<u64, 8>::default());
            for (value, _) in &values {
                whole.add(*value, 1);
            }
            for (value, part) in values.iter().rev() {
                parts[*part].add(*value, 1);
            }
            let [mut a, b, mut c] = parts;
            c.merge(&b);
            c.merge(&a);
            proptest::prop_assert_eq!(&c, &whole);
            a.merge(&b);
            proptest::prop_assert_eq!(Smallest::from_parts(c.iter().collect(), c.is_full()), Some(whole));
        }
    }

    #[test]
    fn estimates_what_it_left_out() {
        let mut sample = Smallest::<u64, 64>::default();
        (1..=10_000u64).for_each(|n| sample.add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15), 1));
        let distinct = sample.distinct();
        assert!((5_000.0..20_000.0).contains(&distinct), "{distinct}");
        assert!((sample.seen_once() - 1.0).abs() < 1e-9);
        assert_eq!(sample.contains(u64::MAX), None);
    }
}
