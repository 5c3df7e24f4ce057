//! What hangs below a text, as features that siblings can be compared by.

use super::word::{Look, Word};
use crate::tree::{node::Node, place::Place, shape::mix};
use rustc_hash::{FxHashMap, FxHashSet};

/// Levels below a text that are compared.
const MAX_DEPTH: u64 = 4;
/// Features of one text; those with the smallest id.
const MAX_FEATURES: usize = 1024;

/// One thing that was seen below a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Feature {
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    /// Features of one group say much the same: the members of one kind of answer, the texts of one level.
    pub(crate) group: u64,
    /// In how many of [`Profile::base`].
    pub(crate) count: u64,
    /// Share of unrelated places that have it.
    pub(crate) background: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A method was called.
    Method,
    /// A text follows.
    Text,
    /// JSON answers have a member.
    Member,
}

/// All that was seen below one text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profile {
    pub(crate) requests: u64,
    /// Texts it stands for; more than one for a class.
    pub(crate) distinct: f64,
    /// Ascending by id.
    pub(crate) features: Vec<Feature>,
    /// JSON answers per group of members.
    answers: FxHashMap<u64, u64>,
}

impl Profile {
    pub(crate) fn of(nodes: &[&Node], distinct: f64, backdrop: &Backdrop) -> Self {
        let mut collector =
            Collector { backdrop, features: FxHashMap::default(), answers: FxHashMap::default() };
        let mut requests = 0;
        for node in nodes {
            requests += node.requests;
            collector.node(node, 0);
        }
        let mut features: Vec<Feature> = collector.features.into_values().collect();
        features.sort_unstable_by_key(|feature| feature.id);
        features.truncate(MAX_FEATURES);
        Self { requests, distinct, features, answers: collector.answers }
    }

    /// Out of how many a feature of this kind was counted.
    pub(crate) fn base(&self, feature: &Feature) -> u64 {
        match feature.kind {
            Kind::Method | Kind::Text => self.requests,
            Kind::Member => self.answers.get(&feature.group).copied().unwrap_or(0),
        }
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Feature> {
        let at = self.features.binary_search_by_key(&id, |feature| feature.id).ok()?;
        self.features.get(at)
    }
}

struct Collector<'a> {
    backdrop: &'a Backdrop,
    features: FxHashMap<u64, Feature>,
    answers: FxHashMap<u64, u64>,
}

impl Collector<'_> {
    fn node(&mut self, node: &Node, depth: u64) {
        for place in &node.places {
            self.place(place, depth);
        }
        if depth == MAX_DEPTH {
            return;
        }
        let group = mix(depth, 2);
        for (hash, child) in &node.named {
            let (text, background) = match child.look {
                Look::Word(Word::Usual) => (*hash, 0.15),
                Look::Word(_) => (*hash, 0.05),
                Look::Value(_) => (0, 0.5),
            };
            self.add(Kind::Text, mix(group, text), group, child.node.requests, background);
            self.node(&child.node, depth + 1);
        }
        for folded in &node.folded {
            self.add(Kind::Text, mix(group, 0), group, folded.node.requests, 0.5);
            self.node(&folded.node, depth + 1);
        }
    }

    fn place(&mut self, place: &Place, depth: u64) {
        let method = place.method.bytes().fold(depth, |hash, byte| mix(hash, u64::from(byte)));
        let share = if depth > 0 { 0.15 } else { usual_share(&place.method) };
        self.add(Kind::Method, mix(method, 1), mix(depth, 1), place.endpoint.requests, share);
        let group = mix(method, 3);
        if place.shape.answers > 0 {
            *self.answers.entry(group).or_default() += place.shape.answers;
        }
        for (member, count) in place.shape.members.iter() {
            let background = self.backdrop.share(member);
            self.add(Kind::Member, mix(group, u64::from(member)), group, u64::from(count), background);
        }
    }

    fn add(&mut self, kind: Kind, id: u64, group: u64, count: u64, background: f64) {
        let fresh = Feature { id, kind, group, count: 0, background };
        self.features.entry(id).or_insert(fresh).count += count;
    }
}

/// Share of all places that have a method.
fn usual_share(method: &str) -> f64 {
    match method {
        "GET" => 0.8,
        "POST" => 0.4,
        "PUT" | "DELETE" => 0.25,
        "PATCH" => 0.2,
        _ => 0.1,
    }
}

/// How usual each member is among the answers of a service: `data` says little where every answer has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backdrop {
    kinds: f64,
    with: FxHashMap<u32, f64>,
}

impl Backdrop {
    pub(crate) fn of(roots: &[&Node]) -> Self {
        let mut seen = FxHashSet::default();
        let mut kinds = FxHashSet::default();
        let mut see = |place: &Place| {
            // Answers with much in common often share their smallest hash (MinHash), so they count as one kind.
            let Some((least, _)) = place.shape.members.iter().next() else { return };
            let kind = (&*place.method, least);
            kinds.insert((kind.0.to_owned(), least));
            for (member, _) in place.shape.members.iter() {
                seen.insert((member, kind.0.to_owned(), least));
            }
        };
        roots.iter().for_each(|root| visit(root, &mut see));
        let mut with = FxHashMap::default();
        for (member, ..) in seen {
            *with.entry(member).or_insert(0.0) += 1.0;
        }
        Self { kinds: kinds.len() as f64, with }
    }

    fn share(&self, member: u32) -> f64 {
        (self.with.get(&member).copied().unwrap_or(0.0) + 0.3) / (self.kinds + 3.0)
    }
}

fn visit<'a>(node: &'a Node, see: &mut impl FnMut(&'a Place)) {
    node.places.iter().for_each(&mut *see);
    node.below().for_each(|node| visit(node, see));
}
