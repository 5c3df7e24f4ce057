//! A latency histogram on a logarithmic axis.

use crate::{units, views::pieces};
use overhear_query::LatencyBucket;

/// Buckets spread over the columns of a screen.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    bins: Vec<f64>,
    /// Natural logarithms of the seconds at the left and right edge.
    low: f64,
    high: f64,
}

impl Histogram {
    /// Nothing without a bucket that has a place on the axis. A bucket wider than a column is spread evenly.
    pub(crate) fn new(buckets: &[LatencyBucket], columns: usize) -> Option<Self> {
        let placed: Vec<(f64, f64, f64)> = buckets.iter().filter_map(place).collect();
        let low = placed.iter().map(|(from, ..)| *from).reduce(f64::min)?;
        let high = placed.iter().map(|(_, to, _)| *to).reduce(f64::max)?;
        if columns == 0 {
            return None;
        }
        let widen = (4f64.ln() - (high - low)).max(0.0) / 2.0;
        let mut histogram = Self { bins: vec![0.0; columns], low: low - widen, high: high + widen };
        for (from, to, count) in placed {
            histogram.spread(from, to, count);
        }
        Some(histogram)
    }

    /// The bars, top line first.
    pub(crate) fn bars(&self, height: usize) -> Vec<String> {
        let top = self.peak();
        (0..height)
            .rev()
            .map(|line| self.bins.iter().map(|bin| level(*bin, top, line, height)).collect())
            .collect()
    }

    /// Exchanges in the fullest column.
    pub(crate) fn peak(&self) -> f64 {
        self.bins.iter().copied().fold(0.0, f64::max)
    }

    /// The axis with its ticks, and the labels under them.
    pub(crate) fn axis(&self) -> (String, String) {
        let mut ticks = vec!['─'; self.bins.len()];
        let mut labels = vec![' '; self.bins.len()];
        for seconds in self.ticks() {
            let Some(column) = self.column(seconds) else { continue };
            let label: Vec<char> = units::latency_text(seconds).replace(".0 ", " ").chars().collect();
            let start = column.saturating_sub(label.len() / 2);
            let around = start.saturating_sub(1)..(start + label.len() + 1).min(labels.len());
            let fits = start + label.len() <= labels.len();
            if !fits || labels.get(around).is_none_or(|place| place.iter().any(|c| *c != ' ')) {
                continue;
            }
            for (place, c) in labels.iter_mut().skip(start).zip(label) {
                *place = c;
            }
            if let Some(tick) = ticks.get_mut(column) {
                *tick = '┬';
            }
        }
        (ticks.into_iter().collect(), labels.into_iter().collect())
    }

    /// Where on the axis this latency is.
    pub(crate) fn column(&self, seconds: f64) -> Option<usize> {
        let at = (seconds.ln() - self.low) / (self.high - self.low);
        (at.is_finite() && (0.0..=1.0).contains(&at))
            .then(|| pieces::to_index((at * self.width()).floor(), self.bins.len().saturating_sub(1)))
    }

    /// Round numbers on the axis: powers of ten first, then what lies between.
    fn ticks(&self) -> impl Iterator<Item = f64> {
        let range = self.low.exp()..=self.high.exp();
        [1.0, 2.0, 5.0, 3.0, 7.0]
            .into_iter()
            .flat_map(|step| (-7..=5).map(move |power| step * 10f64.powi(power)))
            .filter(move |seconds| range.contains(seconds))
    }

    fn spread(&mut self, from: f64, to: f64, count: f64) {
        let scale = self.width() / (self.high - self.low);
        let (from, to) = ((from - self.low) * scale, (to - self.low) * scale);
        let last = self.bins.len().saturating_sub(1);
        let (first_bin, last_bin) = (pieces::to_index(from.floor(), last), pieces::to_index(to.ceil(), last));
        for (bin, start) in self.bins.iter_mut().zip(Starts(0.0)).take(last_bin + 1).skip(first_bin) {
            let overlap = to.min(start + 1.0) - from.max(start);
            *bin += count * (overlap / (to - from)).clamp(0.0, 1.0);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a screen has few columns")]
    fn width(&self) -> f64 {
        self.bins.len() as f64
    }
}

/// 0, 1, 2, … as the left edges of the columns.
struct Starts(f64);

impl Iterator for Starts {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        let start = self.0;
        self.0 += 1.0;
        Some(start)
    }
}

/// A bucket's logarithmic edges and count; nothing for empty or impossible ones.
#[expect(clippy::cast_precision_loss, reason = "a bar has few steps")]
fn place(bucket: &LatencyBucket) -> Option<(f64, f64, f64)> {
    let to = bucket.to.min(1e6);
    let from = if bucket.from > 0.0 { bucket.from } else { to / 2.0 };
    let (from, to) = (from.max(1e-7).ln(), to.ln());
    (bucket.count > 0 && from < to && from.is_finite() && to.is_finite()).then_some((
        from,
        to,
        bucket.count as f64,
    ))
}

/// What one line of a bar looks like, counted from below.
#[expect(clippy::cast_precision_loss, reason = "a screen has few lines")]
fn level(bin: f64, top: f64, line: usize, height: usize) -> char {
    if bin <= 0.0 || top <= 0.0 {
        return ' ';
    }
    let eighths = pieces::to_index(bin / top * height as f64 * 8.0, height * 8).max(1);
    match eighths.saturating_sub(line * 8) {
        0 => ' ',
        part => ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'].get(part.min(8) - 1).copied().unwrap_or(' '),
    }
}

#[cfg(test)]
mod tests {
    use super::Histogram;
    use overhear_query::LatencyBucket;

    fn bucket(from: f64, to: f64, count: u64) -> LatencyBucket {
        LatencyBucket { from, to, count }
    }

    #[test]
    fn spreads_without_losing_any() {
        let buckets = [bucket(0.0, 0.001, 10), bucket(0.001, 0.01, 7), bucket(0.5, 0.51, 3)];
        for columns in 1..100 {
            let histogram = Histogram::new(&buckets, columns).expect("buckets");
            let sum: f64 = histogram.bins.iter().sum();
            assert!((sum - 20.0).abs() < 1e-6, "{columns}: {sum}");
        }
    }

    #[test]
    fn axis_is_labelled_and_places_agree() {
        let histogram = Histogram::new(&[bucket(0.001, 1.0, 1)], 60).expect("a bucket");
        let (ticks, labels) = histogram.axis();
        assert!(labels.contains("10 ms") && labels.contains("100 ms"), "{labels}");
        assert_eq!(ticks.chars().nth(histogram.column(0.01).expect("inside")), Some('┬'));
        assert_eq!(histogram.column(5.0), None);
    }

    #[test]
    fn impossible_buckets_are_left_out() {
        let odd = [
            bucket(f64::NAN, 1.0, 1),
            bucket(0.0, 0.0, 1),
            bucket(2.0, 1.0, 1),
            bucket(1.0, f64::NAN, 1),
            bucket(1.0, 2.0, 0),
        ];
        let shown = Histogram::new(&odd, 10).map_or(0.0, |h| h.bins.iter().sum::<f64>());
        assert!(shown < 2.001, "{shown}");
        assert!(Histogram::new(&[], 10).is_none());
        assert!(Histogram::new(&[bucket(1.0, 2.0, 1)], 0).is_none());
        assert!(Histogram::new(&[bucket(0.0, f64::INFINITY, u64::MAX)], 10).is_some());
    }
}
