//! Services and servers that are one under several names.

use super::Model;
use crate::{OTHER, Way, service::Service};
use overhear_exchange::Authority;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// By name, what it is another name of.
pub type Names = BTreeMap<Arc<str>, Arc<str>>;

impl Model {
    /// All names that are one: what people say of names that were heard, and of services that were asked for by an address,
    /// or as the machine itself, those where exactly one service with a name answers at every address they answer at.
    /// Where several names are at one address it may be a gateway of different APIs, and nothing is inferred.
    pub fn names(&self, said: &Names) -> Names {
        let left = if said.is_empty() { self.nameless() } else { self.joined(said).nameless() };
        let end = |name: &Arc<str>| Arc::clone(left.get(name).unwrap_or(name));
        let said =
            said.iter().filter(|(from, _)| self.knows(from)).map(|(from, to)| (Arc::clone(from), end(to)));
        left.clone().into_iter().chain(said).collect()
    }

    /// The same with all names that are one put together, and which those are.
    #[must_use]
    pub fn join(self, said: &Names) -> (Self, Names) {
        let names = self.names(said);
        if names.is_empty() { (self, names) } else { (self.joined(&names), names) }
    }

    fn nameless(&self) -> Names {
        if self.other.branches().any(|branch| branch.tree.requests() > 0) {
            // Who else answers there is not known.
            return Names::new();
        }
        let mut named = BTreeMap::<&str, BTreeSet<&Arc<str>>>::new();
        for service in self.all_services().filter(|service| is_named(service)) {
            for (address, _) in service.addresses.iter() {
                named.entry(address).or_default().insert(&service.name);
            }
        }
        let one = |service: &Service| {
            let mut names = BTreeSet::new();
            for (address, _) in service.addresses.iter() {
                // Beyond the bound it is not known which address that was.
                let here = named.get(address).filter(|here| address != OTHER && here.len() == 1)?;
                names.extend(here.iter().copied());
            }
            names.pop_first().filter(|_| names.is_empty()).cloned()
        };
        let nameless = self.all_services().filter(|service| !is_named(service));
        nameless.filter_map(|service| Some((Arc::clone(&service.name), one(service)?))).collect()
    }

    /// The same exchanges, those of several names under one: of services, and of the servers they ask.
    #[must_use]
    pub fn joined(&self, names: &Names) -> Self {
        let mut sum = Self::with_limits(self.key, self.limits);
        sum.hints.clone_from(&self.hints);
        sum.descriptors.clone_from(&self.descriptors);
        let called = |name: &Arc<str>| Arc::clone(names.get(name).unwrap_or(name));
        let mut services: Vec<&Service> = self.all_services().collect();
        services.sort_unstable_by_key(|service| &service.name);
        for service in services {
            let name = called(&service.name);
            if sum.make_service(&name) {
                sum.other.fold(self.key, service);
            } else if let Some((mine, bounds)) = sum.service_mut(&name) {
                mine.merge_as(bounds, service, &|way| match way {
                    Way::Inbound => Way::Inbound,
                    Way::Outbound(server) => Way::Outbound(called(server)),
                });
            }
        }
        sum
    }

    /// Whether a service or a server has this name.
    fn knows(&self, name: &str) -> bool {
        let asked = |service: &Service| service.branch(Way::Outbound(name)).is_some();
        name != OTHER && self.all_services().any(|service| *service.name == *name || asked(service))
    }
}

fn is_named(service: &Service) -> bool {
    Authority::parse(&service.name).is_name()
}
