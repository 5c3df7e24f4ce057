use super::{
    ValueClass, Why,
    decide::{Sibling, decide},
    hints::{Hint, Hints},
    profile::{Backdrop, Profile},
    view::{Extent, Routes, Values},
    word::{Look, Word},
};
use crate::tree::{
    Tree,
    node::{Folded, Node},
    place::Place,
};
use rustc_hash::{FxHashMap, FxHashSet};
use std::{collections::BTreeMap, sync::Arc};

/// Routes with the places that each is made of.
#[derive(Debug, Default)]
pub(crate) struct View<'a> {
    pub(crate) routes: Routes,
    /// Route node and place.
    pub(crate) places: Vec<(usize, &'a Place)>,
    /// What belongs to no route, with all below it.
    pub(crate) beyond: Vec<&'a Node>,
    /// What follows texts that are literals.
    pub(crate) literals: FxHashSet<*const Node>,
}

impl<'a> View<'a> {
    /// Decides the routes of trees that are one API, from all of them together.
    pub(crate) fn of(trees: &[&'a Tree], hints: &Hints) -> Self {
        let roots = Nodes {
            served: trees.iter().map(|tree| &tree.served).collect(),
            unserved: trees.iter().map(|tree| &tree.unserved).collect(),
        };
        let backdrop = Backdrop::of(&roots.served);
        let mut builder = Builder { trees, backdrop, view: View::default() };
        builder.node(0, &roots, Some(hints.root()));
        trees.iter().for_each(|tree| builder.odd(&tree.odd));
        builder.view
    }
}

struct Builder<'t, 'a> {
    trees: &'t [&'a Tree],
    backdrop: Backdrop,
    view: View<'a>,
}

/// Nodes of the trees that are one place of a route.
#[derive(Clone, Debug, Default)]
struct Nodes<'a> {
    served: Vec<&'a Node>,
    unserved: Vec<&'a Node>,
}

impl<'a> Nodes<'a> {
    fn add(&mut self, more: &Nodes<'a>) {
        self.served.extend(&more.served);
        self.unserved.extend(&more.unserved);
    }

    fn all(&self) -> impl Iterator<Item = &'a Node> {
        self.served.iter().chain(&self.unserved).copied()
    }
}

/// A text that follows, from all the nodes that are one place.
#[derive(Clone, Debug)]
struct Text<'a> {
    look: Look,
    text: Option<Arc<str>>,
    suffix: Arc<str>,
    measure: f64,
    nodes: Nodes<'a>,
}

/// The texts of a class that follow.
#[derive(Clone, Debug, Default)]
struct Class<'a> {
    nodes: Nodes<'a>,
    served: Vec<&'a Folded>,
    extent: Option<Extent>,
}

/// All that follows one place, in an order that does not depend on how it was learned.
#[derive(Debug, Default)]
struct Following<'a> {
    texts: BTreeMap<u64, Text<'a>>,
    classes: BTreeMap<(ValueClass, Arc<str>), Class<'a>>,
}

/// A parameter in the making.
#[derive(Debug, Default)]
struct Parameter<'a> {
    values: Values,
    nodes: Nodes<'a>,
    why: Option<Why>,
}

/// What becomes of a text.
#[derive(Debug)]
enum Verdict {
    Literal,
    /// With this suffix.
    Parameter(Arc<str>),
    /// It is not known what it was.
    Beyond,
}

/// What evidence says of the words that follow one place.
#[derive(Debug, Default)]
struct Verdicts {
    words: FxHashMap<u64, (bool, Option<Why>)>,
    /// Why there is a parameter, by suffix.
    groups: BTreeMap<Arc<str>, Why>,
    /// The words that were not kept apart are values of a parameter.
    crowd: bool,
}

impl<'a> Builder<'_, 'a> {
    fn node(&mut self, at: usize, nodes: &Nodes<'a>, hint: Option<&Hint>) {
        for node in nodes.all() {
            self.view.places.extend(node.places.iter().map(|place| (at, place)));
        }
        let following = Following::of(nodes);
        let verdicts = self.verdicts(at, &following);
        let mut parameters = self.parameters(&following, &verdicts, hint);
        let mut literals = Vec::new();
        // First what was served: it says where the rest would have gone.
        let (served, unserved): (Vec<_>, Vec<_>) =
            following.texts.iter().partition(|(_, text)| !text.nodes.served.is_empty());
        for (hash, text) in served.into_iter().chain(unserved) {
            match self.verdict(at, (*hash, text), &verdicts, &parameters, hint) {
                Verdict::Parameter(suffix) => parameters.entry(suffix).or_default().take(text),
                Verdict::Literal => literals.push((hash, text)),
                Verdict::Beyond => self.view.beyond.extend(text.nodes.all()),
            }
        }
        for (hash, text) in literals {
            let name = text.text.as_deref().unwrap_or_default();
            let Some(next) = self.view.routes.push_literal(at, *hash, name, text.look.word()) else {
                continue;
            };
            self.view.literals.extend(text.nodes.all().map(std::ptr::from_ref));
            self.view.routes.explain(next, verdicts.words.get(hash).and_then(|(_, why)| why.clone()));
            self.node(next, &text.nodes, hint.and_then(|hint| hint.literal(name)));
        }
        for (suffix, parameter) in parameters {
            let why = parameter.why.or_else(|| verdicts.groups.get(&suffix).cloned());
            let name = hint.and_then(Hint::name);
            let Some(next) = self.view.routes.push_parameter(at, suffix, parameter.values, name) else {
                continue;
            };
            self.view.routes.explain(next, why);
            self.node(next, &parameter.nodes, hint.and_then(Hint::parameter));
        }
    }

    /// The parameters that classes of texts make.
    fn parameters(
        &mut self,
        following: &Following<'a>,
        verdicts: &Verdicts,
        hint: Option<&Hint>,
    ) -> BTreeMap<Arc<str>, Parameter<'a>> {
        let mut parameters = BTreeMap::<Arc<str>, Parameter<'a>>::new();
        let forced = hint.is_some_and(|hint| hint.name().is_some());
        for ((class, suffix), texts) in &following.classes {
            let known =
                verdicts.crowd || forced || (texts.served.is_empty() && verdicts.has_group(following));
            if *class == ValueClass::Literal && !known {
                self.view.beyond.extend(texts.nodes.all());
                continue;
            }
            let parameter = parameters.entry(Arc::clone(suffix)).or_default();
            parameter.nodes.add(&texts.nodes);
            if let Some(extent) = texts.extent {
                parameter.values.add(*class, extent);
            }
        }
        parameters
    }

    fn verdict(
        &self,
        at: usize,
        (hash, text): (u64, &Text<'a>),
        verdicts: &Verdicts,
        parameters: &BTreeMap<Arc<str>, Parameter<'a>>,
        hint: Option<&Hint>,
    ) -> Verdict {
        let name = text.text.as_deref();
        let own = || Verdict::Parameter(Arc::clone(&text.suffix));
        if hint.is_some_and(|hint| name.is_some_and(|name| hint.literal(name).is_some())) {
            return Verdict::Literal;
        }
        if text.look == Look::Word(Word::Empty) {
            return Verdict::Literal;
        }
        if text.look.word().is_none() {
            return if name.is_some() && self.is_dated_version(at, text) { Verdict::Literal } else { own() };
        }
        if hint.is_some_and(|hint| hint.name().is_some()) {
            return Verdict::Parameter("".into());
        }
        if name.is_some() && hint.is_some_and(Hint::forbids_parameter) {
            return Verdict::Literal;
        }
        if text.nodes.served.is_empty() {
            let there = |suffix: &str| parameters.get(suffix).is_some_and(|p| !p.nodes.served.is_empty());
            return match [&*text.suffix, ""].into_iter().find(|suffix| there(suffix)) {
                Some(suffix) => Verdict::Parameter(suffix.into()),
                None if name.is_some() => Verdict::Literal,
                None => Verdict::Beyond,
            };
        }
        let is_parameter = verdicts.words.get(&hash).is_some_and(|(is, _)| *is);
        if is_parameter || name.is_none() { own() } else { Verdict::Literal }
    }

    /// `/2024-01-31/orders`: a date that words follow on is a version.
    fn is_dated_version(&self, at: usize, text: &Text<'a>) -> bool {
        at == 0
            && text.look == Look::Value(ValueClass::Date)
            && text.suffix.is_empty()
            && text.nodes.all().all(|node| node.places.is_empty() && node.folded.is_empty())
            && text.nodes.all().flat_map(|node| node.named.values()).all(|child| child.look.word().is_some())
    }

    fn verdicts(&self, at: usize, following: &Following<'a>) -> Verdicts {
        let mut verdicts = Verdicts::default();
        let before = self.view.routes.node(at).map(|node| node.before).unwrap_or_default();
        let served = |text: &&Text<'a>| !text.nodes.served.is_empty();
        let mut suffixes: Vec<Arc<str>> =
            following.texts.values().filter(served).map(|text| Arc::clone(&text.suffix)).collect();
        suffixes.push("".into());
        suffixes.sort_unstable();
        suffixes.dedup();
        for suffix in suffixes {
            let (hashes, siblings) = self.siblings(following, &suffix);
            let decision = decide(&siblings, before);
            let found =
                siblings.iter().zip(&decision.parameter).any(|(s, is)| *is && s.look.word().is_some());
            for (at, (hash, sibling)) in hashes.iter().zip(&siblings).enumerate() {
                let is_parameter = decision.parameter.get(at).copied().unwrap_or(false);
                verdicts.crowd |= sibling.crowd && is_parameter;
                if sibling.look.word().is_some() {
                    let why = decision.why.get(at).cloned().flatten();
                    verdicts.words.insert(*hash, (is_parameter, why.or_else(|| decision.group.clone())));
                }
            }
            if let Some(group) = decision.group.filter(|_| found) {
                verdicts.groups.insert(suffix, group);
            }
        }
        verdicts
    }

    fn siblings(&self, following: &Following<'a>, suffix: &str) -> (Vec<u64>, Vec<Sibling>) {
        let texts =
            following.texts.iter().filter(|(_, t)| *t.suffix == *suffix && !t.nodes.served.is_empty());
        let words = texts.clone().any(|(_, t)| t.look.word().is_some_and(|word| !word.is_fixed()));
        let crowd =
            following.classes.keys().any(|(class, s)| *class == ValueClass::Literal && **s == *suffix);
        if !words && !crowd {
            return (Vec::new(), Vec::new());
        }
        let texts = texts.map(|(hash, text)| (*hash, self.sibling(*hash, text)));
        let classes =
            following.classes.iter().filter(|((_, s), class)| **s == *suffix && !class.served.is_empty());
        texts.chain(classes.map(|((class, _), texts)| (0, self.class_sibling(*class, texts)))).unzip()
    }

    fn sibling(&self, hash: u64, text: &Text<'a>) -> Sibling {
        let nodes = &text.nodes.served;
        let profile = Profile::of(nodes, 1.0, &self.backdrop);
        Sibling {
            look: text.look,
            once: f64::from(u8::from(profile.requests == 1)),
            profile,
            echoed: nodes.iter().any(|node| node.echoed > 0),
            id: self.trees.iter().any(|tree| tree.ids.contains(hash) == Some(true)),
            leaf: nodes.iter().all(|node| node.below().next().is_none()),
            crowd: false,
        }
    }

    fn class_sibling(&self, class: ValueClass, texts: &Class<'a>) -> Sibling {
        let distinct = texts.served.iter().map(|folded| folded.values.distinct()).fold(0.0, f64::max);
        let once = texts.served.iter().map(|folded| folded.values.seen_once()).fold(0.0, f64::max);
        let nodes = &texts.nodes.served;
        Sibling {
            look: Look::Value(class),
            profile: Profile::of(nodes, distinct.max(1.0), &self.backdrop),
            once,
            echoed: nodes.iter().any(|node| node.echoed > 0),
            id: false,
            leaf: nodes.iter().all(|node| node.below().next().is_none()),
            crowd: class == ValueClass::Literal,
        }
    }

    /// Targets that are no path are routes of their own, and so are remote procedures.
    fn odd(&mut self, odd: &'a Node) {
        for (hash, child) in &odd.named {
            let name = child.text.as_deref().unwrap_or("{target}");
            let at = self.view.routes.push_odd(*hash, name);
            self.view.places.extend(child.node.places.iter().map(|place| (at, place)));
        }
        self.view.beyond.extend(odd.folded.iter().map(|folded| &folded.node));
    }
}

impl Verdicts {
    /// Whether there is a parameter without a suffix that takes what was served.
    fn has_group(&self, following: &Following<'_>) -> bool {
        let mut classes = following.classes.iter().filter(|(_, class)| !class.nodes.served.is_empty());
        let mut texts = following.texts.values().filter(|text| !text.nodes.served.is_empty());
        self.groups.contains_key("")
            || classes.any(|((class, suffix), _)| *class != ValueClass::Literal && suffix.is_empty())
            || texts.any(|text| text.look.word().is_none() && text.suffix.is_empty())
    }
}

impl<'a> Following<'a> {
    fn of(nodes: &Nodes<'a>) -> Self {
        let mut following = Self::default();
        for node in &nodes.served {
            following.add(node, |nodes, node| nodes.served.push(node));
            for folded in &node.folded {
                let key = (folded.class, Arc::clone(&folded.suffix));
                following.classes.entry(key).or_default().served.push(folded);
            }
        }
        for node in &nodes.unserved {
            following.add(node, |nodes, node| nodes.unserved.push(node));
        }
        following
    }

    fn add(&mut self, node: &'a Node, put: fn(&mut Nodes<'a>, &'a Node)) {
        for (hash, child) in &node.named {
            let text = self.texts.entry(*hash).or_insert_with(|| Text {
                look: child.look,
                text: None,
                suffix: Arc::clone(&child.suffix),
                measure: child.measure,
                nodes: Nodes::default(),
            });
            // A node that forgot suffixes has none; one that remembers says more.
            if text.suffix.is_empty() {
                text.suffix = Arc::clone(&child.suffix);
            }
            if text.text.is_none() {
                text.text.clone_from(&child.text);
            }
            put(&mut text.nodes, &child.node);
        }
        for folded in &node.folded {
            let class = self.classes.entry((folded.class, Arc::clone(&folded.suffix))).or_default();
            put(&mut class.nodes, &folded.node);
            let more = Extent { distinct: folded.values.distinct(), range: folded.range };
            class.extent = Some(class.extent.map_or(more, |extent| extent.or(more)));
        }
    }
}

impl<'a> Parameter<'a> {
    fn take(&mut self, text: &Text<'a>) {
        self.nodes.add(&text.nodes);
        let extent = Extent { distinct: 1.0, range: (text.measure, text.measure) };
        self.values.add(text.look.class(), extent);
    }
}
