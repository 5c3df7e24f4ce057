use crate::{
    Endpoint, EndpointId, OTHER,
    bounded::{Bounded, rank},
};
use overhear_exchange::Direction;
use std::sync::Arc;

/// The endpoints of one service.
///
/// What was served and what was turned away are bounded apart, so that a scanner's made-up paths, however many,
/// push out no endpoint that works.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) name: Arc<str>,
    tiers: [Bounded<Entry>; 2],
    other: [Option<Entry>; 2],
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) id: Arc<EndpointId>,
    pub(crate) endpoint: Endpoint,
}

/// Whether an answer shows that the endpoint exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier {
    Served,
    Unserved,
}

impl Tier {
    pub(crate) const ALL: [Self; 2] = [Self::Served, Self::Unserved];

    /// Redirects, refusals and silence are what a made-up path gets.
    pub(crate) fn of(status: Option<u16>) -> Self {
        match status {
            Some(100..=299 | 500 | 502..=599) => Self::Served,
            _ => Self::Unserved,
        }
    }
}

/// The parts of an endpoint's identity within its service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name<'a> {
    pub(crate) direction: Direction,
    pub(crate) protocol: &'static str,
    pub(crate) method: &'a str,
    pub(crate) route: &'a str,
}

impl Name<'_> {
    /// One text per name, and one name per text: a method holds no space.
    pub(crate) fn write(&self, out: &mut String) {
        out.push_str(self.direction.as_str());
        for part in [self.protocol, self.method, self.route] {
            out.push(' ');
            out.push_str(part);
        }
    }
}

impl Service {
    pub(crate) fn new(name: Arc<str>, served: usize, unserved: usize) -> Self {
        Self { name, tiers: [Bounded::new(served), Bounded::new(unserved)], other: [None, None] }
    }

    /// Where an exchange of this name is counted. `text` is what [`Name::write`] writes.
    pub(crate) fn entry(&mut self, key: u64, tier: Tier, name: Name<'_>, text: &str) -> &mut Entry {
        if name.route == OTHER {
            return self.other(name);
        }
        if !self.tier(tier).contains(text) {
            let rank = rank(key, text);
            if !self.tier(tier).admits(rank, text) {
                return self.other(name);
            }
            let entry = Entry::new(Arc::clone(&self.name), name);
            if let Some((_, evicted)) = self.tier_mut(tier).insert(rank, text.into(), entry) {
                self.fold(key, &evicted);
            }
        }
        let [served, unserved] = &mut self.tiers;
        let table = if tier == Tier::Served { served } else { unserved };
        match table.get_mut(text) {
            Some(entry) => entry,
            None => other_entry(&mut self.other, &self.name, name),
        }
    }

    /// Adds all of a service to this one, under this one's name and bounds.
    pub(crate) fn merge(&mut self, key: u64, more: &Self) {
        let mut text = String::new();
        for tier in Tier::ALL {
            for (_, entry) in more.tier(tier).iter() {
                let name = entry.name();
                text.clear();
                name.write(&mut text);
                self.entry(key, tier, name, &text).endpoint.merge(key, &entry.endpoint);
            }
        }
        for entry in more.other.iter().flatten() {
            self.fold(key, entry);
        }
    }

    /// Every entry with its tier, in no particular order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Tier, &Entry)> {
        Tier::ALL.into_iter().flat_map(|tier| self.tier(tier).iter().map(move |(_, entry)| (tier, entry)))
    }

    /// What is beyond the bounds.
    pub(crate) fn others(&self) -> impl Iterator<Item = &Entry> {
        self.other.iter().flatten()
    }

    pub(crate) fn get(&self, tier: Tier, text: &str) -> Option<&Entry> {
        self.tier(tier).get(text)
    }

    pub(crate) fn tier(&self, tier: Tier) -> &Bounded<Entry> {
        let [served, unserved] = &self.tiers;
        if tier == Tier::Served { served } else { unserved }
    }

    fn tier_mut(&mut self, tier: Tier) -> &mut Bounded<Entry> {
        let [served, unserved] = &mut self.tiers;
        if tier == Tier::Served { served } else { unserved }
    }

    fn fold(&mut self, key: u64, entry: &Entry) {
        self.other(entry.name()).endpoint.merge(key, &entry.endpoint);
    }

    pub(crate) fn other(&mut self, name: Name<'_>) -> &mut Entry {
        other_entry(&mut self.other, &self.name, name)
    }
}

impl PartialEq for Service {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.tiers == other.tiers && self.other == other.other
    }
}

impl Entry {
    fn new(service: Arc<str>, name: Name<'_>) -> Self {
        let id = EndpointId {
            service,
            direction: name.direction,
            protocol: name.protocol,
            method: name.method.into(),
            route: name.route.into(),
        };
        Self { id: Arc::new(id), endpoint: Endpoint::default() }
    }

    pub(crate) fn name(&self) -> Name<'_> {
        Name {
            direction: self.id.direction,
            protocol: self.id.protocol,
            method: &self.id.method,
            route: &self.id.route,
        }
    }
}

fn other_entry<'a>(other: &'a mut [Option<Entry>; 2], service: &Arc<str>, name: Name<'_>) -> &'a mut Entry {
    let [inbound, outbound] = other;
    let slot = match name.direction {
        Direction::Inbound => inbound,
        Direction::Outbound => outbound,
    };
    let name = Name { method: OTHER, route: OTHER, ..name };
    slot.get_or_insert_with(|| Entry::new(Arc::clone(service), name))
}
