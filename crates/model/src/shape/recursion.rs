//! Recursion: records that hold records of their own kind, however deep.

use super::{node::Node, objects::Objects};

/// Records on one path that must be alike before they are taken for one that holds itself: fewer are often two types
/// that happen to share their fields.
const LEVELS: usize = 3;
/// Longest way from a record to the next of its kind, in values.
const LONGEST: usize = 5;

/// From a value to one within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    Key(u64),
    Items,
}

/// Folds what repeats below these objects into them, and leaves a mark in its place. `ways` that were looked at find nothing
/// a second time, since what is folded away is gone.
pub(super) fn fold(objects: &mut Objects, depth: usize) {
    while let Some(way) = find(objects) {
        let Some(inner) = take(objects, &way) else { return };
        let above = way.iter().filter(|edge| matches!(edge, Edge::Key(_))).count();
        let mut seen = 0;
        unroll(objects, inner, &way, depth, &mut seen);
        put(objects, &way, Objects { seen, above, ..Objects::default() });
    }
}

/// Adds these objects and those of their kind below them, without each other.
fn unroll(into: &mut Objects, mut objects: Objects, way: &[Edge], depth: usize, seen: &mut u64) {
    *seen = seen.saturating_add(objects.seen);
    let inner = take(&mut objects, way);
    into.merge(&objects, depth);
    if let Some(inner) = inner {
        unroll(into, inner, way, depth, seen);
    }
}

/// A way along which enough records of one kind hold each other.
fn find(objects: &Objects) -> Option<Vec<Edge>> {
    if objects.children.len() < 2 {
        return None;
    }
    let mut ways = Vec::new();
    collect(objects, &mut Vec::new(), &mut ways);
    ways.into_iter().find(|way| {
        let mut current = objects;
        for _ in 1..LEVELS {
            match follow(current, way) {
                Some(next) if is_like(objects, next) => current = next,
                _ => return false,
            }
        }
        true
    })
}

/// The ways to records that hold the first key of the way themselves.
fn collect(objects: &Objects, way: &mut Vec<Edge>, ways: &mut Vec<Vec<Edge>>) {
    for child in &objects.children {
        way.push(Edge::Key(child.hash));
        collect_in(&child.node, way, ways);
        way.pop();
    }
}

fn collect_in(node: &Node, way: &mut Vec<Edge>, ways: &mut Vec<Vec<Edge>>) {
    if way.len() > LONGEST {
        return;
    }
    if let Some(objects) = node.objects.as_deref().filter(|objects| objects.above == 0) {
        if matches!(way.first(), Some(Edge::Key(hash)) if objects.children.iter().any(|child| child.hash == *hash))
        {
            ways.push(way.clone());
        }
        collect(objects, way, ways);
    }
    if let Some(items) = node.arrays.as_ref().and_then(|arrays| arrays.items.as_deref()) {
        way.push(Edge::Items);
        collect_in(items, way, ways);
        way.pop();
    }
}

/// True where nearly all keys of one are keys of the other, with types that agree.
fn is_like(outer: &Objects, inner: &Objects) -> bool {
    let shared = inner.children.iter().filter(|child| {
        outer.children.binary_search_by_key(&child.hash, |child| child.hash).is_ok_and(|at| {
            let types = outer.children.get(at).map_or(0, |child| child.node.types());
            let other = child.node.types();
            types & other != 0 || types == 0 || other == 0
        })
    });
    let (shared, all) = (shared.count(), inner.children.len());
    shared >= 2 && shared * 5 >= all * 4 && shared * 2 >= outer.children.len()
}

fn follow<'a>(objects: &'a Objects, way: &[Edge]) -> Option<&'a Objects> {
    let (first, rest) = way.split_first()?;
    let Edge::Key(hash) = first else { return None };
    let at = objects.children.binary_search_by_key(hash, |child| child.hash).ok()?;
    let mut node = &objects.children.get(at)?.node;
    for (at, edge) in rest.iter().enumerate() {
        match edge {
            Edge::Items => node = node.arrays.as_ref()?.items.as_deref()?,
            Edge::Key(_) => return follow(node.objects.as_deref()?, rest.get(at..)?),
        }
    }
    node.objects.as_deref().filter(|objects| objects.above == 0)
}

fn place<'a>(objects: &'a mut Objects, way: &[Edge]) -> Option<&'a mut Node> {
    let (first, rest) = way.split_first()?;
    let Edge::Key(hash) = first else { return None };
    let at = objects.children.binary_search_by_key(hash, |child| child.hash).ok()?;
    let mut node = &mut objects.children.get_mut(at)?.node;
    for (at, edge) in rest.iter().enumerate() {
        match edge {
            Edge::Items => node = node.arrays.as_mut()?.items.as_deref_mut()?,
            Edge::Key(_) => return place(node.objects.as_deref_mut()?, rest.get(at..)?),
        }
    }
    Some(node)
}

fn take(objects: &mut Objects, way: &[Edge]) -> Option<Objects> {
    place(objects, way)?.objects.take().map(|objects| *objects)
}

fn put(objects: &mut Objects, way: &[Edge], mark: Objects) {
    if let Some(node) = place(objects, way) {
        node.objects = Some(Box::new(mark));
    }
}
