//! What is learned of paths: a tree of segments with counts and sketches, out of which routes are decided.
//!
//! Everything here is a sum, and what is kept apart depends on the set of texts alone (see [`node`]).

pub(crate) mod node;
pub(crate) mod place;
mod redirect;
pub(crate) mod shape;
pub(crate) mod smallest;

use crate::{
    Endpoint,
    route::segment::{Segment, Segments},
    series::At,
    shape::Shapes,
};
use node::Node;
use overhear_exchange::{Http, Timestamp};
use place::Place;
use smallest::Smallest;

/// How much is kept apart in a node, and how much is left of what all trees of a model may hold together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) key: u64,
    /// Texts of one node that routes can be made of…
    pub(crate) words: usize,
    /// …and how many of them stay apart once there are more.
    pub(crate) sampled: usize,
    /// Texts of one node and class that name one thing; once there are more only their class is kept.
    pub(crate) values: usize,
    /// Nodes and places that may still be made.
    pub(crate) room: usize,
}

/// What works and what was turned away are bounded apart, so that a scanner's made-up paths push out nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BothBounds {
    pub(crate) served: Bounds,
    pub(crate) unserved: Bounds,
}

impl BothBounds {
    pub(crate) fn of(&mut self, part: Part) -> &mut Bounds {
        match part {
            Part::Served | Part::Odd => &mut self.served,
            Part::Unserved => &mut self.unserved,
        }
    }
}

/// The paths of one service in one direction.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tree {
    /// What was answered as something that exists is.
    pub(crate) served: Node,
    /// Refusals, silence and redirects to the door: what a made-up path gets. They shape no route.
    pub(crate) unserved: Node,
    /// Targets that are no path (RFC 9112 §3.2), by the name of their form.
    pub(crate) odd: Node,
    /// Hashes of values that answers gave to members that name things.
    pub(crate) ids: Smallest<u64, 4096>,
    /// What is beyond the bounds.
    pub(crate) other: Option<Box<Endpoint>>,
    /// The calls that are meant, where not all that were learned are.
    pub(crate) only: Option<Only>,
}

/// Calls that are told of instead of all.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Only {
    pub(crate) calls: Vec<(Option<At>, Endpoint)>,
    /// They have no shapes of their own: those of all are told.
    pub(crate) shaped_as_all: bool,
}

/// Which part of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Served,
    Unserved,
    Odd,
}

impl Part {
    pub(crate) const ALL: [Self; 3] = [Self::Served, Self::Unserved, Self::Odd];

    /// Whether an answer shows that the path exists.
    pub(crate) fn of(http: &Http) -> Self {
        match http.status {
            // Conflicts, preconditions and contents that were looked at: somebody was there to look.
            Some(100..=299 | 304 | 409 | 412 | 415 | 422 | 428 | 500 | 502..=599) => Self::Served,
            Some(300..=399) if redirect::shows_path(http) => Self::Served,
            _ => Self::Unserved,
        }
    }
}

impl Tree {
    pub(crate) fn part(&self, part: Part) -> &Node {
        match part {
            Part::Served => &self.served,
            Part::Unserved => &self.unserved,
            Part::Odd => &self.odd,
        }
    }

    pub(crate) fn part_mut(&mut self, part: Part) -> &mut Node {
        match part {
            Part::Served => &mut self.served,
            Part::Unserved => &mut self.unserved,
            Part::Odd => &mut self.odd,
        }
    }

    /// Where a call counts; `None` when it is beyond the bounds.
    pub(crate) fn place(
        &mut self,
        bounds: &mut BothBounds,
        part: Part,
        path: &Path<'_, '_>,
        method: &str,
    ) -> Option<&mut Place> {
        let bounds = bounds.of(part);
        let mut node = self.part_mut(part);
        for (at, segment) in path.segments.iter().enumerate() {
            node.requests += 1;
            node = node.child_mut(bounds, segment)?;
            node.echoed += u64::from(path.echoed >> at & 1 == 1);
        }
        node.requests += 1;
        node.place_mut(bounds, method)
    }

    /// As [`Self::place`]; `again` where the call was given its place before: then its path is not counted once more.
    pub(crate) fn place_of(
        &mut self,
        bounds: &mut BothBounds,
        (part, path, method): (Part, &Path<'_, '_>, &str),
        again: bool,
    ) -> Option<&mut Place> {
        if again && self.has_place(part, path, method) {
            let node = self.part_mut(part);
            let node = path.segments.iter().try_fold(node, |node, segment| node.find_child_mut(segment))?;
            return node.places.iter_mut().find(|place| *place.method == *method);
        }
        self.place(bounds, part, path, method)
    }

    fn has_place(&mut self, part: Part, path: &Path<'_, '_>, method: &str) -> bool {
        let node = self.part_mut(part);
        let node = path.segments.iter().try_fold(node, |node, segment| node.find_child_mut(segment));
        node.is_some_and(|node| node.places.iter().any(|place| *place.method == *method))
    }

    pub(crate) fn other_mut(&mut self) -> &mut Endpoint {
        self.other.get_or_insert_default()
    }

    pub(crate) fn merge(&mut self, bounds: &mut BothBounds, more: &Self) {
        let key = bounds.served.key;
        let mut lost = Endpoint::default();
        for part in Part::ALL {
            self.part_mut(part).merge(bounds.of(part), more.part(part), &mut lost);
        }
        self.ids.merge(&more.ids);
        if let Some(other) = &more.other {
            lost.merge(key, other);
        }
        self.add_other(key, lost);
    }

    /// Adds all of a tree to what is beyond the bounds of this one.
    pub(crate) fn fold(&mut self, key: u64, more: &Self) {
        let mut sum = Endpoint::default();
        for part in Part::ALL {
            more.part(part).total(key, &mut sum);
        }
        if let Some(other) = &more.other {
            sum.merge(key, other);
        }
        self.add_other(key, sum);
    }

    /// What is beyond the bounds has no shape: whether it was kept apart once depends on the order.
    fn add_other(&mut self, key: u64, lost: Endpoint) {
        if lost.requests > 0 {
            self.other_mut().merge(key, &Endpoint { shapes: Shapes::default(), ..lost });
        }
    }

    /// Gives back the room it took.
    pub(crate) fn release(&self, bounds: &mut BothBounds) {
        for part in Part::ALL {
            bounds.of(part).room += self.part(part).size();
        }
    }

    /// Whether any message may hold something new since then.
    pub(crate) fn may_have_news(&self, since: Timestamp) -> bool {
        fn below(node: &Node, since: Timestamp) -> bool {
            node.places.iter().any(|place| place.endpoint.shapes.may_have_news(since))
                || node.below().any(|node| below(node, since))
        }
        Part::ALL.into_iter().any(|part| below(self.part(part), since))
    }

    pub(crate) fn requests(&self) -> u64 {
        let other = self.other.as_ref().map_or(0, |other| other.requests);
        Part::ALL.into_iter().map(|part| self.part(part).calls()).fold(other, u64::saturating_add)
    }
}

/// A path and which of its segments its answer named.
#[derive(Clone, Debug, Default)]
pub(crate) struct Path<'s, 't> {
    pub(crate) segments: &'s [Segment<'t>],
    /// Bit per segment, the first lowest.
    pub(crate) echoed: u32,
}

impl<'s, 't> Path<'s, 't> {
    pub(crate) fn new(segments: &'s Segments<'t>, ids: &[u64]) -> Self {
        let mut echoed = 0;
        for (at, segment) in segments.iter().enumerate() {
            echoed |= u32::from(ids.contains(&segment.hash)) << at;
        }
        Self { segments, echoed }
    }
}
