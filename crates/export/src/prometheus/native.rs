//! Native histograms: bucket `i` of schema 3 holds `2^((i-1)/8) < seconds <= 2^(i/8)`.

use overhear_model::Histogram;

/// Buckets per power of two: `2^SCHEMA`.
pub(super) const SCHEMA: i32 = 3;

/// The bucket above all finite numbers: 2^1024 ends the last one of those.
const ENDLESS: i32 = (1024 << SCHEMA) + 1;

/// Index and count, ascending; with those that took nobody knows how long.
pub(super) fn buckets(latency: &Histogram, unknown: u64) -> Vec<(i32, u64)> {
    let mut buckets: Vec<(i32, u64)> = Vec::new();
    let finer = Histogram::SCALE.saturating_sub(SCHEMA.unsigned_abs());
    for (index, count) in latency.indexed() {
        // Ours are numbered by where they begin, theirs by where they end.
        let index = (i32::from(index) >> finer) + 1;
        match buckets.last_mut() {
            Some((last, sum)) if *last == index => *sum = sum.saturating_add(count),
            _ => buckets.push((index, count)),
        }
    }
    if unknown > 0 {
        buckets.push((ENDLESS, unknown));
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::{ENDLESS, buckets};
    use overhear_model::Histogram;
    use std::time::Duration;

    #[test]
    fn buckets_end_where_ours_do() {
        for (nanos, index) in [
            (1_000_000_000, 0),
            (1_000_000_001, 1),
            (2_000_000_000, 8),
            (500_000_000, -8),
            (500_000_001, -7),
            (1_090_507_732, 1), // 2^(1/8) = 1.0905077327
            (1_090_507_733, 2),
        ] {
            let mut latency = Histogram::default();
            latency.record(Duration::from_nanos(nanos));
            assert_eq!(buckets(&latency, 0), [(index, 1)], "{nanos}");
        }
    }

    #[test]
    fn no_call_is_lost() {
        let mut latency = Histogram::default();
        (1..500_u64).for_each(|n| latency.record(Duration::from_millis(n * n)));
        let buckets = buckets(&latency, 7);
        assert!(buckets.is_sorted() && buckets.len() < 150, "{}", buckets.len());
        assert_eq!(buckets.last(), Some(&(ENDLESS, 7)));
        assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), 499 + 7);
    }
}
