//! What is known of services as a whole: what objectives are made of.

use crate::Selection;
use overhear_exchange::{ErrorType, Timestamp};
use overhear_model::{EndpointId, Histogram, Model, Way};
use std::{collections::BTreeMap, sync::Arc};

/// How a service answered, all its endpoints together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceSeen {
    /// `service.name`.
    pub name: Arc<str>,
    /// Calls it answered, or should have.
    pub requests: u64,
    /// Of those: 5xx or `error.type`…
    pub errors: u64,
    /// …and of these: the client hung up.
    pub hung_up: u64,
    /// From the last request byte to the last response byte.
    pub latency: Histogram,
    /// Time of the first call.
    pub first_seen: Timestamp,
    /// Time of the last call.
    pub last_seen: Timestamp,
}

impl ServiceSeen {
    /// Calls that went wrong and for which the service can be blamed: a client may hang up for reasons of its own.
    pub fn failures(&self) -> u64 {
        self.errors.saturating_sub(self.hung_up)
    }

    /// Calls that ended, well or not, and not by the client's will.
    pub fn ended(&self) -> u64 {
        self.requests.saturating_sub(self.hung_up)
    }

    /// Share of calls that did not go wrong, 0..=1; none without calls.
    #[expect(clippy::cast_precision_loss, reason = "a share off by 2^-53 is no matter")]
    pub fn good_share(&self) -> Option<f64> {
        let ended = self.ended();
        (ended > 0).then(|| 1.0 - self.failures() as f64 / ended as f64)
    }
}

/// The services that answer calls, by name. Endpoints for which `ignored` holds do not count.
pub fn services(
    model: &Model,
    selection: &Selection,
    ignored: &dyn Fn(&EndpointId) -> bool,
) -> Vec<ServiceSeen> {
    let mut services = BTreeMap::<Arc<str>, ServiceSeen>::new();
    let all = model.endpoints();
    let answered = all.iter().filter(|(id, _)| id.way == Way::Inbound);
    for (id, endpoint) in answered.filter(|(id, _)| selection.includes(id) && !ignored(id)) {
        let (first, last) = endpoint.seen.unwrap_or_default();
        let service = services.entry(Arc::clone(&id.service)).or_insert_with(|| ServiceSeen {
            name: Arc::clone(&id.service),
            first_seen: first,
            ..ServiceSeen::default()
        });
        service.requests = service.requests.saturating_add(endpoint.requests);
        service.errors = service.errors.saturating_add(endpoint.errors);
        let hung_up = endpoint.error_types().filter(|(error, _)| *error == ErrorType::ClientClosed);
        service.hung_up += hung_up.map(|(_, count)| count).sum::<u64>();
        service.latency.merge(&endpoint.latency);
        service.first_seen = service.first_seen.min(first);
        service.last_seen = service.last_seen.max(last);
    }
    services.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::services;
    use crate::{Selection, sample};
    use overhear_exchange::ErrorType;
    use overhear_model::Model;

    #[test]
    fn a_service_is_all_that_it_answers() {
        let mut model = Model::default();
        for (path, status) in [("/a", 200), ("/b", 503), ("/debug", 500)] {
            model.learn(&sample::exchange("GET", path, Some(status)));
        }
        let mut gone = sample::exchange("GET", "/a", None);
        (gone.error, gone.duration) = (Some(ErrorType::ClientClosed), None);
        model.learn(&gone);
        model.learn(&sample::asked(sample::exchange("GET", "/x", Some(500)), "shop", "api.test"));
        let seen = services(&model, &Selection::default(), &|id| &*id.route == "/debug");
        let told: Vec<_> = seen.iter().map(|s| (&*s.name, s.requests, s.errors, s.failures())).collect();
        assert_eq!(told, [("shop", 3, 2, 1)]);
        assert_eq!(seen[0].good_share(), Some(0.5));
        assert_eq!(seen[0].latency.count(), 2);
    }
}
