use std::{cmp::Ordering, time::Duration};

/// Durations in sparse base-2 exponential buckets: OTLP's exponential histogram at [`Histogram::SCALE`], unit
/// seconds, so that bucket `i` holds `base^i < seconds <= base^(i+1)` with `base = 2^(2^-scale)`.
///
/// A merge is an addition. A percentile is at most 1.1 % from the exact one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Ascending by index; no count is zero.
    buckets: Vec<(i16, u64)>,
    count: u64,
    sum_nanos: u64,
}

impl Histogram {
    /// Buckets per power of two: `2^SCALE`.
    pub const SCALE: u32 = 5;

    /// Counts one duration.
    pub fn record(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.add(index(nanos), 1);
        self.sum_nanos = self.sum_nanos.saturating_add(nanos);
    }

    /// Adds all of another histogram.
    pub fn merge(&mut self, other: &Self) {
        match (self.buckets.is_empty(), other.buckets.as_slice()) {
            (_, []) => {}
            (true, _) => {
                self.buckets.clone_from(&other.buckets);
                self.count = other.count;
            }
            (false, [(index, count)]) => self.add(*index, *count),
            (false, _) => self.interleave(other),
        }
        self.sum_nanos = self.sum_nanos.saturating_add(other.sum_nanos);
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum; it stops at 584 years.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_nanos)
    }

    /// The duration in seconds that a share `q` (0..=1) of all do not exceed (nearest rank); `None` when empty.
    pub fn percentile(&self, q: f64) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a rank off by one in 2^53 is no matter")]
        let rank = (q.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0);
        let mut seen = 0;
        for (index, count) in &self.buckets {
            seen += count;
            #[expect(clippy::cast_precision_loss, reason = "as above")]
            if seen as f64 >= rank {
                return Some(bound(f64::from(*index) + 0.5));
            }
        }
        None
    }

    /// `(from, to, count)` of every bucket that is not empty, ascending, in seconds.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, f64, u64)> {
        self.buckets.iter().map(|(i, count)| (bound(f64::from(*i)), bound(f64::from(*i) + 1.0), *count))
    }

    /// Index and count of every bucket that is not empty, ascending.
    pub fn indexed(&self) -> impl Iterator<Item = (i16, u64)> {
        self.buckets.iter().copied()
    }

    /// Its room, to be used again.
    pub fn into_buckets(self) -> Vec<(i16, u64)> {
        self.buckets
    }

    pub(crate) fn sum_nanos(&self) -> u64 {
        self.sum_nanos
    }

    /// The same as [`Self::from_parts`] of buckets that are known to be ascending, none of them empty: they stay where they are.
    pub fn from_ascending(buckets: Vec<(i16, u64)>, sum: Duration) -> Option<Self> {
        debug_assert!(buckets.is_sorted_by(|a, b| a.0 < b.0) && buckets.iter().all(|(_, count)| *count > 0));
        let ends = buckets.first().zip(buckets.last());
        if ends.is_some_and(|((low, _), (high, _))| *low < LOWEST || *high > HIGHEST) {
            return None;
        }
        let count = buckets.iter().fold(0u64, |sum, (_, count)| sum.saturating_add(*count));
        Some(Self { buckets, count, sum_nanos: u64::try_from(sum.as_nanos()).unwrap_or(u64::MAX) })
    }

    /// From what [`Self::indexed`] and [`Self::sum`] gave. `None` when an index is out of range.
    pub fn from_parts(buckets: impl IntoIterator<Item = (i16, u64)>, sum: Duration) -> Option<Self> {
        let sum_nanos = u64::try_from(sum.as_nanos()).unwrap_or(u64::MAX);
        let buckets = buckets.into_iter();
        let room = Vec::with_capacity(buckets.size_hint().0);
        let mut histogram = Self { buckets: room, sum_nanos, ..Self::default() };
        for (index, count) in buckets {
            if !(LOWEST..=HIGHEST).contains(&index) {
                return None;
            }
            // What was written is in order.
            if count > 0 && histogram.buckets.last().is_none_or(|(last, _)| *last < index) {
                histogram.buckets.push((index, count));
                histogram.count = histogram.count.saturating_add(count);
            } else {
                histogram.add(index, count);
            }
        }
        Some(histogram)
    }

    /// Adds many buckets in one pass over both.
    fn interleave(&mut self, other: &Self) {
        let mine = std::mem::take(&mut self.buckets);
        let mut merged = Vec::with_capacity(mine.len() + other.buckets.len());
        let (mut mine, mut theirs) = (mine.into_iter().peekable(), other.buckets.iter().copied().peekable());
        while let (Some(a), Some(b)) = (mine.peek(), theirs.peek()) {
            let next = match a.0.cmp(&b.0) {
                Ordering::Less => mine.next(),
                Ordering::Greater => theirs.next(),
                Ordering::Equal => {
                    let both = (a.0, a.1.saturating_add(b.1));
                    mine.next();
                    theirs.next();
                    Some(both)
                }
            };
            merged.extend(next);
        }
        merged.extend(mine);
        merged.extend(theirs);
        self.buckets = merged;
        self.count = self.count.saturating_add(other.count);
    }

    fn add(&mut self, index: i16, count: u64) {
        if count == 0 {
            return;
        }
        self.count = self.count.saturating_add(count);
        match self.buckets.binary_search_by_key(&index, |(i, _)| *i) {
            Ok(at) => {
                if let Some((_, present)) = self.buckets.get_mut(at) {
                    *present = present.saturating_add(count);
                }
            }
            Err(at) => self.buckets.insert(at, (index, count)),
        }
    }
}

/// Many histograms added up: all buckets side by side, so that each is found at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dense {
    /// The index of the first.
    first: i16,
    counts: Vec<u64>,
    sum_nanos: u64,
}

impl Dense {
    pub(crate) fn add(&mut self, histogram: &Histogram) {
        self.sum_nanos = self.sum_nanos.saturating_add(histogram.sum_nanos);
        let ends = histogram.buckets.first().zip(histogram.buckets.last());
        let Some(((low, _), (high, _))) = ends else { return };
        self.make_room(*low, *high);
        for (index, count) in &histogram.buckets {
            if let Some(sum) = self.counts.get_mut(usize::from(index.abs_diff(self.first))) {
                *sum = sum.saturating_add(*count);
            }
        }
    }

    pub(crate) fn histogram(self) -> Histogram {
        let buckets = (self.first..).zip(self.counts).filter(|(_, count)| *count > 0).collect::<Vec<_>>();
        let count = buckets.iter().fold(0u64, |sum, (_, count)| sum.saturating_add(*count));
        Histogram { buckets, count, sum_nanos: self.sum_nanos }
    }

    fn make_room(&mut self, low: i16, high: i16) {
        if self.counts.is_empty() {
            self.first = low;
        }
        if low < self.first {
            let before = usize::from(low.abs_diff(self.first));
            self.counts.splice(..0, std::iter::repeat_n(0, before));
            self.first = low;
        }
        let length = usize::from(high.abs_diff(self.first)) + 1;
        if high >= self.first && self.counts.len() < length {
            self.counts.resize(length, 0);
        }
    }
}

/// One nanosecond and less.
const LOWEST: i16 = -960;
/// Eighteen hours and more.
const HIGHEST: i16 = 511;

/// `2^(k/32)`: where the buckets within a power of two begin.
#[expect(clippy::approx_constant, reason = "one of them is the root of two")]
const STEPS: [f64; 32] = [
    1.0,
    1.0218971486541166,
    1.0442737824274138,
    1.0671404006768237,
    1.0905077326652577,
    1.1143867425958924,
    1.1387886347566916,
    1.1637248587775775,
    1.189207115002721,
    1.215247359980469,
    1.241857812073484,
    1.2690509571917332,
    1.2968395546510096,
    1.3252366431597413,
    1.3542555469368927,
    1.383909881963832,
    1.4142135623730951,
    1.4451808069770467,
    1.4768261459394993,
    1.5091644275934228,
    1.5422108254079407,
    1.5759808451078865,
    1.6104903319492543,
    1.645755478153965,
    1.681792830507429,
    1.718619298122478,
    1.7562521603732995,
    1.7947090750031072,
    1.8340080864093424,
    1.8741676341103,
    1.9152065613971474,
    1.9571441241754002,
];

/// The bucket of a duration: no floating-point logarithm, so that every machine agrees.
fn index(nanos: u64) -> i16 {
    #[expect(clippy::cast_precision_loss, reason = "buckets are 2 % wide")]
    let seconds = nanos.max(1) as f64 / 1e9;
    let bits = seconds.to_bits();
    // Always a normal number: the exponent is biased by 1023, the mantissa is the low 52 bits.
    let exponent = i16::try_from(bits >> 52).unwrap_or(i16::MAX).saturating_sub(1023);
    let mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    // How many starts lie strictly below, as the upper bound belongs to the bucket.
    let below = STEPS.partition_point(|step| *step < mantissa);
    let below = i16::try_from(below).unwrap_or(0);
    exponent.saturating_mul(32).saturating_add(below - 1).clamp(LOWEST, HIGHEST)
}

/// `base^index` in seconds.
fn bound(index: f64) -> f64 {
    (index / f64::from(1 << Histogram::SCALE)).exp2()
}

#[cfg(test)]
mod tests {
    use super::{Histogram, bound, index};
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn bounds_belong_to_the_bucket_below() {
        // 2^0 = 1 s closes bucket -1 (OTLP: lower bound exclusive, upper inclusive).
        assert_eq!(index(1_000_000_000), -1);
        assert_eq!(index(1_000_000_001), 0);
        assert_eq!(index(2_000_000_000), 31);
        assert_eq!(index(500_000_000), -33);
        assert_eq!(index(0), index(1));
        assert_eq!(index(u64::MAX), 511);
    }

    #[test]
    fn an_empty_one_has_no_percentile() {
        assert_eq!(Histogram::default().percentile(0.5), None);
    }

    proptest! {
        #[test]
        fn a_duration_is_within_its_bucket(nanos in 2u64..60_000_000_000_000) {
            let (i, seconds) = (f64::from(index(nanos)), nanos as f64 / 1e9);
            prop_assert!(bound(i) * 0.999_999_999 <= seconds && seconds <= bound(i + 1.0) * 1.000_000_001);
        }

        #[test]
        fn percentiles_are_within_two_percent(
            mut nanos in prop::collection::vec(1_000u64..100_000_000_000, 1..400), q in 0.0f64..1.0
        ) {
            let mut histogram = Histogram::default();
            for n in &nanos {
                histogram.record(Duration::from_nanos(*n));
            }
            nanos.sort_unstable();
            let rank = (q * nanos.len() as f64).ceil().max(1.0) as usize;
            let exact = nanos[rank - 1] as f64 / 1e9;
            let got = histogram.percentile(q).unwrap();
            prop_assert!((got / exact - 1.0).abs() < 0.012, "{got} for {exact}");
        }

        #[test]
        fn a_merge_is_an_addition(
            nanos in prop::collection::vec(any::<u64>(), 0..100), cut in any::<prop::sample::Index>()
        ) {
            let of = |part: &[u64]| {
                let mut histogram = Histogram::default();
                part.iter().for_each(|n| histogram.record(Duration::from_nanos(*n)));
                histogram
            };
            let (left, right) = nanos.split_at(cut.index(nanos.len() + 1));
            let mut merged = of(right);
            merged.merge(&of(left));
            prop_assert_eq!(&merged, &of(&nanos));
            let buckets: Vec<_> = merged.indexed().collect();
            let read = Histogram::from_ascending(buckets.clone(), merged.sum());
            prop_assert_eq!(read.as_ref(), Some(&merged));
            let odd: Vec<_> = buckets.into_iter().rev().chain([(0, 0)]).collect();
            let read = Histogram::from_parts(odd, merged.sum());
            prop_assert_eq!(read.as_ref(), Some(&merged));
            prop_assert_eq!(Histogram::from_parts(merged.indexed(), merged.sum()), Some(merged));
        }
    }
}
