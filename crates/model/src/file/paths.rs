//! The tree of paths on disk: its nodes one after the other, each before those below it.
//!
//! Privacy: of a segment's text only its class and keyed hash are written, unless it is part of a route, or is like a
//! single word and was seen often.

use super::{LoadError, SavedEndpoint, damaged, is_zero};
use crate::{
    Endpoint, Hints,
    route::{ValueClass, build::View, word::Look},
    tree::{
        Part, Tree,
        node::{Child, Folded, Node, Rank},
        place::Place,
        shape::Shape,
        smallest::Smallest,
    },
};
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Levels of a tree; no path has more segments.
const MAX_DEPTH: usize = 32;
/// How often a text comes that is more than one person's.
const OFTEN: u64 = 3;

#[derive(Serialize, Deserialize, Default)]
pub(super) struct SavedTree {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    served: Vec<SavedNode>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unserved: Vec<SavedNode>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    odd: Vec<SavedNode>,
    #[serde(default)]
    ids: Sample<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    other: Option<SavedEndpoint>,
}

/// Of a [`Smallest`]: its hashes and counts, and whether some were left out.
#[derive(Serialize, Deserialize, Default)]
struct Sample<H> {
    entries: Vec<(H, u32)>,
    full: bool,
}

#[derive(Serialize, Deserialize)]
struct SavedNode {
    /// Nodes above it.
    depth: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    named: Option<SavedText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    folded: Option<SavedClass>,
    requests: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    echoed: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sampled: Option<Rank>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unsuffixed: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    places: Vec<SavedPlace>,
}

#[derive(Serialize, Deserialize)]
struct SavedText {
    hash: u64,
    look: Look,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    suffix: Arc<str>,
    measure: f64,
}

#[derive(Serialize, Deserialize)]
struct SavedClass {
    class: ValueClass,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    suffix: Arc<str>,
    values: Sample<u64>,
    /// Absent while there are none.
    range: Option<(f64, f64)>,
}

#[derive(Serialize, Deserialize)]
struct SavedPlace {
    method: Arc<str>,
    #[serde(default, skip_serializing_if = "is_zero")]
    answers: u64,
    members: Sample<u32>,
    #[serde(flatten)]
    endpoint: SavedEndpoint,
}

impl SavedTree {
    pub(super) fn new(tree: &Tree, hints: &Hints) -> Self {
        let literals = View::of(&[tree], hints).literals;
        let nodes = |part| {
            let mut out = Vec::new();
            if *tree.part(part) != Node::default() {
                save(
                    tree.part(part),
                    Keep { literals: &literals, literals_count: true, part },
                    0,
                    (None, None),
                    &mut out,
                );
            }
            out
        };
        Self {
            served: nodes(Part::Served),
            unserved: nodes(Part::Unserved),
            odd: nodes(Part::Odd),
            ids: (&tree.ids).into(),
            other: tree.other.as_deref().map(SavedEndpoint::new),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.served.is_empty() && self.unserved.is_empty() && self.odd.is_empty() && self.other.is_none()
    }

    pub(super) fn restore(self, key: u64) -> Result<Tree, LoadError> {
        let other = self.other.map(|other| other.restore(key)).transpose()?;
        Ok(Tree {
            served: restore(self.served, key)?,
            unserved: restore(self.unserved, key)?,
            odd: restore(self.odd, key)?,
            ids: self.ids.restore()?,
            other: other.map(Box::new),
            only: None,
        })
    }
}

/// Says which texts are written.
#[derive(Clone, Copy)]
struct Keep<'a> {
    literals: &'a FxHashSet<*const Node>,
    literals_count: bool,
    part: Part,
}

impl Keep<'_> {
    fn below_untold(self) -> Self {
        Self { literals_count: self.literals_count && self.part != Part::Unserved, ..self }
    }

    fn text(self, child: &Child) -> Option<Arc<str>> {
        let empty = child.text.as_ref().is_some_and(|text| text.is_empty());
        let wordlike = empty || child.look.word().is_some_and(|word| word.gives_nobody_away());
        let literal = self.literals_count && self.literals.contains(&std::ptr::from_ref(&child.node));
        let keep = match self.part {
            Part::Odd => true,
            Part::Served => literal || (wordlike && child.node.requests >= OFTEN),
            // Anybody can ask for anything, so that a route was made of it says little.
            Part::Unserved => wordlike && (literal || child.node.requests >= OFTEN),
        };
        child.text.clone().filter(|_| keep)
    }
}

fn save(
    node: &Node,
    keep: Keep<'_>,
    depth: usize,
    (named, folded): (Option<SavedText>, Option<SavedClass>),
    out: &mut Vec<SavedNode>,
) {
    let Node { requests, echoed, sampled, unsuffixed, .. } = *node;
    let places = node.places.iter().map(SavedPlace::from).collect();
    out.push(SavedNode { depth, named, folded, requests, echoed, sampled, unsuffixed, places });
    for below in &node.folded {
        let class = SavedClass {
            class: below.class,
            suffix: Arc::clone(&below.suffix),
            values: (&below.values).into(),
            range: (!below.values.is_empty()).then_some(below.range),
        };
        save(&below.node, keep, depth + 1, (None, Some(class)), out);
    }
    let mut children: Vec<_> = node.named.iter().collect();
    children.sort_unstable_by_key(|(hash, _)| **hash);
    for (hash, child) in children {
        let text = SavedText {
            hash: *hash,
            look: child.look,
            text: keep.text(child),
            suffix: Arc::clone(&child.suffix),
            measure: child.measure,
        };
        // What a path went on with that is not told is no part of a route either.
        let keep = if text.text.is_none() { keep.below_untold() } else { keep };
        save(&child.node, keep, depth + 1, (Some(text), None), out);
    }
}

/// A node with what leads to it.
type Waiting = (Option<SavedText>, Option<SavedClass>, Node);

/// Puts the nodes together again, from the last to the first: those below a node stand behind it.
fn restore(nodes: Vec<SavedNode>, key: u64) -> Result<Node, LoadError> {
    if nodes.is_empty() {
        return Ok(Node::default());
    }
    // Nodes whose parent is yet to come, by depth.
    let mut waiting: Vec<Vec<Waiting>> = Vec::new();
    for saved in nodes.into_iter().rev() {
        if saved.depth > MAX_DEPTH {
            return Err(damaged("a path is longer than bounds allow"));
        }
        let depth = saved.depth;
        waiting.resize_with(waiting.len().max(depth + 2), Vec::new);
        let below = waiting.get_mut(depth + 1).map(std::mem::take).unwrap_or_default();
        if waiting.iter().skip(depth + 2).any(|nodes| !nodes.is_empty()) {
            return Err(damaged("a node without its parent"));
        }
        let restored = saved.restore(key, below)?;
        if let Some(here) = waiting.get_mut(depth) {
            here.push(restored);
        }
    }
    let mut roots = waiting.into_iter().next().unwrap_or_default();
    match (roots.pop(), roots.is_empty()) {
        (Some((None, None, root)), true) => Ok(root),
        _ => Err(damaged("a tree has one root")),
    }
}

type Below = (Option<SavedText>, Option<SavedClass>, Node);

impl SavedNode {
    fn restore(self, key: u64, below: Vec<Below>) -> Result<Below, LoadError> {
        let mut node = Node {
            requests: self.requests,
            echoed: self.echoed,
            sampled: self.sampled,
            unsuffixed: self.unsuffixed,
            ..Node::default()
        };
        for place in self.places {
            node.places.push(place.restore(key)?);
        }
        for (named, folded, child) in below.into_iter().rev() {
            match (named, folded) {
                (Some(text), None) => {
                    let SavedText { hash, look, text, suffix, measure } = text;
                    node.named.insert(hash, Child { look, text, suffix, measure, node: child });
                }
                (None, Some(class)) => {
                    let range = class.range.unwrap_or((f64::INFINITY, f64::NEG_INFINITY));
                    let values = class.values.restore()?;
                    let SavedClass { class, suffix, .. } = class;
                    node.folded.push(Folded { class, suffix, values, range, node: child });
                }
                _ => return Err(damaged("a node is either of a text or of a class")),
            }
        }
        let order = |folded: &Folded| (folded.class, Arc::clone(&folded.suffix));
        let sorted =
            node.folded.is_sorted_by_key(order) && node.places.is_sorted_by_key(|p| Arc::clone(&p.method));
        sorted.then_some((self.named, self.folded, node)).ok_or_else(|| damaged("nodes are out of order"))
    }
}

impl From<&Place> for SavedPlace {
    fn from(place: &Place) -> Self {
        Self {
            method: Arc::clone(&place.method),
            answers: place.shape.answers,
            members: (&place.shape.members).into(),
            endpoint: SavedEndpoint::new(&place.endpoint),
        }
    }
}

impl SavedPlace {
    fn restore(self, key: u64) -> Result<Place, LoadError> {
        let endpoint: Endpoint = self.endpoint.restore(key)?;
        let shape = Shape { answers: self.answers, members: self.members.restore()? };
        Ok(Place { method: self.method, endpoint, shape })
    }
}

impl<H: Copy + Ord, const N: usize> From<&Smallest<H, N>> for Sample<H> {
    fn from(sample: &Smallest<H, N>) -> Self {
        Self { entries: sample.iter().collect(), full: sample.is_full() }
    }
}

impl<H: Copy + Ord> Sample<H> {
    fn restore<const N: usize>(self) -> Result<Smallest<H, N>, LoadError> {
        Smallest::from_parts(self.entries, self.full).ok_or_else(|| damaged("a sample is out of order"))
    }
}
