//! What is worth a look without any history: endpoints that fail, and slow ones. A call that was heard on both sides
//! counts where it is answered.

use overhear_query::{Way, monitor::EndpointFigures};

/// Calls from which on a 95th percentile is taken at its word.
const ENOUGH: f64 = 30.0;

/// Those with the most errors, most first.
pub(crate) fn failing(rows: &[EndpointFigures], most: usize) -> impl Iterator<Item = &EndpointFigures> {
    #[expect(clippy::cast_precision_loss, reason = "a weight")]
    heaviest(rows, most, |row| row.now.errors as f64)
}

/// The slowest first; fewer than [`ENOUGH`] calls weigh less.
pub(crate) fn slow(rows: &[EndpointFigures], most: usize) -> impl Iterator<Item = &EndpointFigures> {
    heaviest(rows, most, |row| {
        #[expect(clippy::cast_precision_loss, reason = "a weight")]
        let known = (row.now.requests as f64 / ENOUGH).min(1.0);
        row.now.latency.map_or(0.0, |latency| latency.p95 * known * known)
    })
}

fn heaviest(
    rows: &[EndpointFigures],
    most: usize,
    weight: impl Fn(&EndpointFigures) -> f64,
) -> impl Iterator<Item = &EndpointFigures> {
    let answered = rows.iter().filter(|row| row.id.way == Way::Inbound);
    let mut weighed: Vec<_> =
        answered.map(|row| (weight(row), row)).filter(|(weight, _)| *weight > 0.0).collect();
    weighed.sort_by(|(a, left), (b, right)| b.total_cmp(a).then_with(|| left.id.cmp(&right.id)));
    weighed.into_iter().take(most).map(|(_, row)| row)
}

#[cfg(test)]
mod tests {
    use super::{failing, slow};
    use overhear_query::{
        EndpointId, Way,
        monitor::{EndpointFigures, Figures, Latency},
    };

    fn row(route: &str, way: Way, requests: u64, errors: u64, p95: f64) -> EndpointFigures {
        let latency = Some(Latency { p50: p95, p90: p95, p95, p99: p95, max: p95 });
        EndpointFigures {
            id: EndpointId {
                service: "a".into(),
                way,
                protocol: "http",
                method: "GET".into(),
                route: route.into(),
            },
            now: Figures { requests, errors, latency, ..Figures::default() },
            before: None,
            points: Vec::new(),
        }
    }

    #[test]
    fn a_handful_of_calls_does_not_lead_and_callers_are_not_counted_again() {
        let rows = [
            row("/rare", Way::Inbound, 3, 0, 9.0),
            row("/slow", Way::Inbound, 900, 1, 0.5),
            row("/bad", Way::Inbound, 900, 70, 0.1),
            row("/bad", Way::Outbound("b".into()), 900, 70, 2.0),
        ];
        let routes = |row: &EndpointFigures| row.id.route.to_string();
        assert_eq!(slow(&rows, 5).map(routes).collect::<Vec<_>>(), ["/slow", "/bad", "/rare"]);
        assert_eq!(failing(&rows, 5).map(routes).collect::<Vec<_>>(), ["/bad", "/slow"]);
        assert_eq!(failing(&rows, 1).count(), 1);
    }
}
