//! Tagged unions: whether a field tells objects of different kinds apart.

use super::{
    objects::{Child, Objects},
    tags::{Tag, TagValue},
};

/// The field that tells, with its values, where one does beyond chance.
pub(super) fn discriminator(objects: &Objects) -> Option<(&Child, &[TagValue])> {
    let told = objects.tags.iter().filter_map(|tag| {
        let values = tag.values.as_deref().filter(|values| tells_all(objects, tag, values))?;
        let child = objects.children.iter().find(|child| child.hash == tag.hash)?;
        child.name.as_ref()?;
        Some((evidence(objects, tag, values), child, values))
    });
    let best = told.filter(|(evidence, ..)| *evidence > NEEDED).max_by(|(a, ..), (b, ..)| a.total_cmp(b));
    best.map(|(_, child, values)| (child, values))
}

/// Natural logarithm of how unlikely the pattern is by chance, with many fields looked at.
const NEEDED: f64 = 14.0;

/// True where every object that was read whole has one of the values, more than one is seen, and each may be told.
fn tells_all(objects: &Objects, tag: &Tag, values: &[TagValue]) -> bool {
    let told = values.iter().map(|value| value.seen).fold(0, u64::saturating_add);
    let only_strings = objects.children.iter().find(|child| child.hash == tag.hash).is_some_and(|child| {
        child.node.strings.as_ref().is_some_and(|strings| strings.seen == child.node.seen())
    });
    only_strings
        && values.len() > 1
        && objects.limit == u64::MAX
        && told == objects.seen.saturating_sub(objects.cut)
        && values.iter().all(|value| value.text.is_some() && value.seen >= super::sketch::Tally::PUBLIC)
}

/// How unlikely it is that fields which are in all objects with one value are in none with another, if whether they are
/// there were chance. Each field counts by its clearest pair; fields that are always or never there say nothing.
fn evidence(objects: &Objects, tag: &Tag, values: &[TagValue]) -> f64 {
    let all = objects.seen.saturating_sub(objects.cut) as f64;
    let fields = objects.children.iter().filter(|child| child.hash != tag.hash);
    fields
        .map(|child| {
            let present = |value: &TagValue| {
                let at = value.fields.binary_search_by_key(&child.hash, |(hash, ..)| *hash).ok();
                at.and_then(|at| value.fields.get(at)).map_or(0, |(_, seen, _)| *seen)
            };
            let share = (child.present.saturating_sub(child.cut) as f64 / all).clamp(1e-3, 1.0 - 1e-3);
            let full = values.iter().filter(|value| present(value) >= value.seen).map(|value| value.seen);
            let none = values.iter().filter(|value| present(value) == 0).map(|value| value.seen);
            let (full, none) = (full.sum::<u64>() as f64, none.sum::<u64>() as f64);
            if full == 0.0 || none == 0.0 || full + none < 0.8 * all {
                return 0.0;
            }
            -(full * share.ln() + none * (1.0 - share).ln())
        })
        .sum()
}
