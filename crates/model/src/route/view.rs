//! The routes of a service, decided from what was learned of its paths.

use super::{
    ValueClass, Why,
    name::{Noun, write_placeholder},
    segment::{MAX_SEGMENTS, Segment},
    weights::Before,
    word::{Look, Word},
};
use crate::series::Step;
use rustc_hash::FxHashMap;
use std::{collections::BTreeMap, sync::Arc};

/// Words behind which an API begins.
const ROOTS: [&str; 8] = ["api", "apis", "rest", "public", "private", "internal", "external", "services"];

/// Nodes that live traffic may add before routes are decided anew.
const MAX_NODES: usize = 1 << 16;

/// Routes as a tree of decided segments. The first node is the root; a node's number is above its parent's.
#[derive(Clone, Debug)]
pub(crate) struct Routes {
    nodes: Vec<RouteNode>,
    /// Targets that are no path, by the hash of their form.
    odd: FxHashMap<u64, usize>,
}

/// One decided segment and all before it.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouteNode {
    /// The template up to here; empty at the root.
    pub(crate) route: Arc<str>,
    /// By hash of their text.
    literals: FxHashMap<u64, usize>,
    /// By what the segment ends in.
    parameters: BTreeMap<Arc<str>, usize>,
    /// What the segment holds, where it is a parameter.
    pub(crate) parameter: Option<Values>,
    /// Why it is what it is, where there was something to decide.
    pub(crate) why: Option<Why>,
    pub(crate) parent: usize,
    pub(super) depth: usize,
    noun: OwnNoun,
    pub(super) before: Before,
}

/// What a parameter's values looked like.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    pub(crate) name: Arc<str>,
    pub(crate) classes: BTreeMap<ValueClass, Extent>,
}

/// The values of one class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) distinct: f64,
    /// Least and greatest, or shortest and longest.
    pub(crate) range: (f64, f64),
}

#[derive(Clone, Debug, Default)]
enum OwnNoun {
    #[default]
    Start,
    Of(Arc<str>),
    None,
}

impl Default for Routes {
    fn default() -> Self {
        Self { nodes: vec![RouteNode::default()], odd: FxHashMap::default() }
    }
}

impl Routes {
    pub(crate) fn node(&self, at: usize) -> Option<&RouteNode> {
        self.nodes.get(at)
    }

    /// The nodes on the way to one, its own last.
    pub(crate) fn way_to(&self, mut at: usize) -> Vec<&RouteNode> {
        let mut way = Vec::new();
        while let Some(node) = self.nodes.get(at).filter(|_| at > 0) {
            way.push(node);
            at = node.parent;
        }
        way.reverse();
        way
    }

    /// The node of a path: the most literal one; `None` when no route is like it.
    pub(crate) fn find(&self, segments: &[Segment<'_>]) -> Option<usize> {
        self.find_below(0, segments)
    }

    fn find_below(&self, at: usize, segments: &[Segment<'_>]) -> Option<usize> {
        let Some((segment, rest)) = segments.split_first() else { return Some(at) };
        let node = self.nodes.get(at)?;
        self.find_below(node.next(segment)?, rest)
    }

    /// The node that steps of a series lead to.
    pub(crate) fn follow(&self, steps: &[Step]) -> Option<usize> {
        steps.iter().try_fold(0, |at, step| {
            let node = self.nodes.get(at)?;
            let literal = step.hash.and_then(|hash| node.literals.get(&hash).copied());
            literal.or_else(|| node.parameter_for(&step.suffix).filter(|_| !step.is_empty))
        })
    }

    /// The node of a target that is no path, by the hash of its form.
    pub(crate) fn odd(&self, hash: u64) -> Option<usize> {
        self.odd.get(&hash).copied()
    }

    /// The node of a path. One that is new is decided by what its segments look like, until there is more to go by.
    pub(crate) fn find_or_add(&mut self, segments: &[Segment<'_>]) -> Option<usize> {
        let mut at = 0;
        for (index, segment) in segments.iter().enumerate() {
            let node = self.nodes.get(at)?;
            at = match node.next(segment) {
                Some(next) => next,
                None => self.add(at, segment, segments.get(index + 1))?,
            };
        }
        Some(at)
    }

    pub(super) fn explain(&mut self, at: usize, why: Option<Why>) {
        if let Some(node) = self.nodes.get_mut(at) {
            node.why = why;
        }
    }

    /// A target that is no path: a child of the root without a slash.
    pub(super) fn push_odd(&mut self, hash: u64, name: &str) -> usize {
        let number = self.nodes.len();
        if let Some(known) = self.odd.get(&hash) {
            return *known;
        }
        self.odd.insert(hash, number);
        self.nodes.push(RouteNode { route: name.into(), ..RouteNode::default() });
        number
    }

    /// The node of a target that is no path.
    pub(crate) fn find_odd(&self, form: &Segment<'_>) -> Option<usize> {
        self.odd.get(&form.hash).copied()
    }

    pub(crate) fn find_or_add_odd(&mut self, form: &Segment<'_>) -> Option<usize> {
        let has_room = self.nodes.len() < MAX_NODES;
        self.find_odd(form).or_else(|| has_room.then(|| self.push_odd(form.hash, &form.text)))
    }

    fn add(&mut self, at: usize, segment: &Segment<'_>, next: Option<&Segment<'_>>) -> Option<usize> {
        if self.nodes.len() >= MAX_NODES {
            return None;
        }
        let starts = self.nodes.get(at).is_some_and(|node| matches!(node.noun, OwnNoun::Start));
        let names_follow = next.is_some_and(|next| next.text.starts_with(|c: char| c.is_ascii_alphabetic()));
        let dated = segment.look == Look::Value(ValueClass::Date) && starts && names_follow;
        if dated || segment.look.word().is_some() {
            return self.push_literal(at, segment.hash, &segment.text, segment.look.word());
        }
        let values = Values {
            classes: [(segment.look.class(), Extent { distinct: 1.0, range: (0.0, 0.0) })].into(),
            ..Values::default()
        };
        self.push_parameter(at, segment.suffix.into(), values, None)
    }

    pub(super) fn push_literal(
        &mut self,
        at: usize,
        hash: u64,
        text: &str,
        word: Option<Word>,
    ) -> Option<usize> {
        let number = self.nodes.len();
        let parent = self.nodes.get_mut(at)?;
        parent.literals.insert(hash, number);
        let nameless = text.is_empty() || matches!(word, Some(Word::Version | Word::Decimal) | None);
        let noun = if nameless { OwnNoun::None } else { OwnNoun::Of(text.into()) };
        let still_root = parent.before == Before::Root && (nameless || ROOTS.contains(&text));
        let before = match () {
            () if still_root => Before::Root,
            () if text.ends_with(['s', 'S']) => Before::Plural,
            () => Before::Word,
        };
        let route = format!("{}/{text}", parent.route).into();
        let depth = parent.depth + 1;
        self.nodes.push(RouteNode { route, noun, before, parent: at, depth, ..RouteNode::default() });
        Some(number)
    }

    pub(super) fn push_parameter(
        &mut self,
        at: usize,
        suffix: Arc<str>,
        mut values: Values,
        name: Option<&str>,
    ) -> Option<usize> {
        let number = self.nodes.len();
        let parent = self.nodes.get_mut(at)?;
        parent.parameters.insert(Arc::clone(&suffix), number);
        let mut route = parent.route.to_string();
        route.push('/');
        let open = route.len();
        match name {
            _ if parent.depth == MAX_SEGMENTS => route.push_str("{rest}"),
            Some(name) if !parent.route.contains(&format!("{{{name}}}")) => route.extend(["{", name, "}"]),
            _ => write_placeholder(values.class(), parent.noun.borrow(), &mut route, 0),
        }
        values.name = route.get(open + 1..route.len() - 1).unwrap_or_default().into();
        route.push_str(&suffix);
        let (noun, before, depth) = (OwnNoun::None, Before::Parameter, parent.depth + 1);
        let parameter = Some(values);
        let route = route.into();
        self.nodes.push(RouteNode {
            route,
            noun,
            before,
            parent: at,
            depth,
            parameter,
            ..RouteNode::default()
        });
        Some(number)
    }
}

impl RouteNode {
    /// Where a segment leads.
    fn next(&self, segment: &Segment<'_>) -> Option<usize> {
        let literal = self.literals.get(&segment.hash).copied();
        let is_value = segment.look != Look::Word(Word::Empty);
        literal.or_else(|| self.parameter_for(segment.suffix).filter(|_| is_value))
    }

    /// The parameter that takes a text which ends so.
    fn parameter_for(&self, suffix: &str) -> Option<usize> {
        self.parameters.get(suffix).or_else(|| self.parameters.get("")).copied()
    }
}

impl OwnNoun {
    fn borrow(&self) -> Noun<'_> {
        match self {
            Self::Start => Noun::Start,
            Self::Of(text) => Noun::Of(text),
            Self::None => Noun::None,
        }
    }
}

impl Values {
    /// Takes in texts of one class.
    pub(super) fn add(&mut self, class: ValueClass, more: Extent) {
        let Some(extent) = self.classes.get_mut(&class) else {
            self.classes.insert(class, more);
            return;
        };
        *extent = extent.or(more);
    }

    /// The class of most of them.
    fn class(&self) -> ValueClass {
        let most = self.classes.iter().max_by(|(_, a), (_, b)| a.distinct.total_cmp(&b.distinct));
        most.map_or(ValueClass::Literal, |(class, _)| *class)
    }
}

impl Extent {
    /// Of both together, where no text is of both.
    pub(super) fn or(self, more: Self) -> Self {
        let range = (self.range.0.min(more.range.0), self.range.1.max(more.range.1));
        Self { distinct: self.distinct + more.distinct, range }
    }
}
