//! How well a text fits its siblings: is what hangs below it what hangs below them?

use super::profile::{Feature, Kind, Profile};
use rustc_hash::FxHashMap;

/// What the members of a group have in common.
#[derive(Clone, Debug, Default)]
pub(super) struct Crowd {
    /// Weighed count of each feature, and how many members have it.
    features: FxHashMap<u64, (Feature, f64, u32)>,
    /// Weighed count of what features of a group are counted in.
    bases: FxHashMap<Base, f64>,
    /// Features that a twentieth or more has, ascending by id.
    common: Vec<u64>,
    /// Per group of features: how many there are, and how many only one member has.
    variety: FxHashMap<u64, (u32, u32)>,
}

/// `None` for requests, else a group of members.
type Base = Option<u64>;

/// How often members that only one text's answers have are keys of a map, and not what tells programs' answers apart.
const KEYS_ARE_DATA: f64 = 0.3;
/// A text with many calls weighs no more than four.
const MOST_CALLS: f64 = 4.0;

impl Crowd {
    pub(super) fn of<'a>(members: impl Iterator<Item = &'a Profile>) -> Self {
        let mut crowd = Self::default();
        for member in members {
            crowd.add(member);
        }
        for (feature, _, members) in crowd.features.values() {
            let variety = crowd.variety.entry(feature.group).or_default();
            variety.0 += 1;
            variety.1 += u32::from(*members == 1);
        }
        let common = |(feature, count, _): &&(Feature, f64, u32)| {
            let base = crowd.bases.get(&base(feature)).copied().unwrap_or(0.0);
            feature.kind != Kind::Text && (count + 0.02) / (base + 0.4) > 0.04
        };
        crowd.common = crowd.features.values().filter(common).map(|(feature, ..)| feature.id).collect();
        crowd.common.sort_unstable();
        crowd
    }

    fn add(&mut self, member: &Profile) {
        let mut last = None;
        *self.bases.entry(None).or_default() += weight(member, member.requests) * member.requests as f64;
        let mut groups: Vec<u64> = Vec::new();
        for feature in &member.features {
            let base = member.base(feature);
            let weight = weight(member, base);
            let entry = self.features.entry(feature.id).or_insert((*feature, 0.0, 0));
            entry.1 += weight * feature.count as f64;
            entry.2 += 1;
            if feature.kind == Kind::Member && last != Some(feature.group) {
                last = Some(feature.group);
                groups.push(feature.group);
            }
        }
        groups.sort_unstable();
        groups.dedup();
        for group in groups {
            let answers = member.features.iter().find(|f| f.group == group).map_or(0, |f| member.base(f));
            *self.bases.entry(Some(group)).or_default() += weight(member, answers) * answers as f64;
        }
    }

    /// Log-likelihood ratio of what hangs below a text: as one more value beside the members, against as a route of its
    /// own. `is_member` takes its share out of the crowd first.
    pub(super) fn fit(&self, one: &Profile, is_member: bool) -> f64 {
        let mut groups: FxHashMap<u64, Evidence> = FxHashMap::default();
        let variety = self.variety_without(one, is_member);
        for feature in &one.features {
            let Some(rest) = self.rest(one, feature, is_member) else { continue };
            let ratio = if rest.count <= 0.001 && feature.kind != Kind::Method {
                // Nobody else has it. Where others have such things too, that says little.
                let (all, single) = variety.get(&feature.group).copied().unwrap_or_default();
                let usual = if feature.kind == Kind::Member { KEYS_ARE_DATA } else { 1.0 };
                (usual * (f64::from(single) + 0.3) / (f64::from(all) + 1.0) / 0.9).ln()
            } else {
                let likely = 1.0 - (1.0 - rest.rate()).powf(rest.calls);
                (likely / feature.background).ln()
            };
            groups.entry(feature.group).or_default().add(feature.kind, ratio);
        }
        for id in &self.common {
            let Some((feature, ..)) = self.features.get(id) else { continue };
            let Some(rest) = self.rest(one, feature, is_member).filter(|_| one.get(*id).is_none()) else {
                continue;
            };
            if rest.rate() <= 0.05 {
                continue;
            }
            let ratio = rest.calls * (1.0 - rest.rate()).ln() - (1.0 - feature.background).ln();
            let least = if feature.kind == Kind::Member { -1.5 } else { -4.0 };
            groups.entry(feature.group).or_default().add(feature.kind, ratio.max(least));
        }
        let mut evidence: Vec<_> = groups.into_iter().collect();
        evidence.sort_unstable_by_key(|(group, _)| *group);
        evidence.iter().map(|(_, evidence)| evidence.sum()).sum()
    }

    /// What the others have of a feature; `None` where they say nothing of it.
    fn rest(&self, one: &Profile, feature: &Feature, is_member: bool) -> Option<Rest> {
        let own = one.base(feature);
        if own == 0 {
            return None;
        }
        let share = if is_member { weight(one, own) } else { 0.0 };
        let all = self.bases.get(&base(feature)).copied().unwrap_or(0.0) - share * own as f64;
        let count = self.features.get(&feature.id).map_or(0.0, |(_, count, _)| *count);
        let mine = one.get(feature.id).map_or(0.0, |feature| feature.count as f64);
        let calls = (own as f64).min(6.0);
        (all > 0.01).then(|| Rest { all, count: (count - share * mine).max(0.0), calls })
    }

    /// [`Self::variety`] as it is without this text.
    fn variety_without(&self, one: &Profile, is_member: bool) -> FxHashMap<u64, (u32, u32)> {
        let mut variety = FxHashMap::default();
        for feature in &one.features {
            let (all, single) = variety
                .entry(feature.group)
                .or_insert_with(|| self.variety.get(&feature.group).copied().unwrap_or_default());
            match self.features.get(&feature.id) {
                Some((_, _, 1)) if is_member => (*all, *single) = (*all - 1, *single - 1),
                Some((_, _, 2)) if is_member => *single += 1,
                _ => {}
            }
        }
        variety
    }
}

struct Rest {
    all: f64,
    count: f64,
    /// Calls of the text that is looked at.
    calls: f64,
}

impl Rest {
    fn rate(&self) -> f64 {
        ((self.count + 0.02) / (self.all + 0.4)).clamp(0.002, 0.98)
    }
}

fn base(feature: &Feature) -> Base {
    (feature.kind == Kind::Member).then_some(feature.group)
}

fn weight(member: &Profile, base: u64) -> f64 {
    (MOST_CALLS * member.distinct / (base as f64).max(1.0)).min(1.0)
}

/// Ratios of one group of features.
#[derive(Clone, Copy, Debug, Default)]
struct Evidence {
    sum: f64,
    count: f64,
    members: bool,
}

impl Evidence {
    fn add(&mut self, kind: Kind, ratio: f64) {
        self.sum += ratio.clamp(-4.0, 2.5);
        self.count += 1.0;
        self.members |= kind == Kind::Member;
    }

    /// Many features of one group are far from independent.
    fn sum(&self) -> f64 {
        if self.members {
            self.sum / self.count * self.count.min(6.0).powf(0.7)
        } else {
            self.sum / self.count.sqrt()
        }
    }
}
