//! Which of a node's words are values of a parameter. See `weights.rs` for what speaks for it.

use super::{
    fit::Crowd,
    profile::Profile,
    weights::{Before, GROUP, Group, MEMBER, Member, Term},
    word::{Look, Word},
};

/// Why a segment is a parameter or a literal: log-odds, and what they are the sum of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Why {
    /// Above zero for a parameter.
    pub log_odds: f64,
    /// Name and share of each piece of evidence that counted, as they stand in the table of weights.
    pub terms: Vec<(&'static str, f64)>,
}

impl Why {
    fn sum<T>(table: &[Term<T>], measured: &T) -> Self {
        let terms = table.iter().map(|(name, weight, measure)| (*name, weight * measure(measured)));
        let terms: Vec<_> = terms.filter(|(_, value)| value.abs() > 0.004).collect();
        Self { log_odds: terms.iter().map(|(_, value)| value).sum(), terms }
    }
}

/// One of the texts that may follow a node.
#[derive(Clone, Debug)]
pub(crate) struct Sibling {
    pub(crate) look: Look,
    pub(crate) profile: Profile,
    /// Share of its texts that came once.
    pub(crate) once: f64,
    /// Its own answers named it.
    pub(crate) echoed: bool,
    /// An answer of the service named it.
    pub(crate) id: bool,
    pub(crate) leaf: bool,
    /// It stands for all the words that were not kept apart.
    pub(crate) crowd: bool,
}

impl Sibling {
    fn is_word(&self) -> bool {
        self.look.word().is_some() || self.crowd
    }

    fn is_fixed(&self) -> bool {
        self.look.word().is_some_and(Word::is_fixed)
    }
}

/// What was decided of siblings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decision {
    /// Whether there is a parameter among the words, and why; absent where no two are alike.
    pub(crate) group: Option<Why>,
    /// Per sibling in the order given: is it a value of a parameter?
    pub(crate) parameter: Vec<bool>,
    /// Per sibling that was weighed against a group.
    pub(crate) why: Vec<Option<Why>>,
}

/// Rounds in which those that do not fit leave the group, or come back.
const ROUNDS: usize = 4;

/// Decides for siblings given in an order of their own that does not depend on how they were learned.
pub(crate) fn decide(siblings: &[Sibling], before: Before) -> Decision {
    let value = |sibling: &Sibling| !sibling.is_word();
    let mut decision = Decision {
        group: None,
        parameter: siblings.iter().map(value).collect(),
        why: vec![None; siblings.len()],
    };
    if siblings.iter().all(|sibling| value(sibling) || sibling.is_fixed()) {
        return decision;
    }
    let (alike, fits) = alike(siblings);
    let Some(group) = measure(siblings, &alike, &fits, before) else { return decision };
    let why = Why::sum(GROUP, &group);
    if why.log_odds > 0.0 {
        for (at, sibling) in siblings.iter().enumerate().filter(|(_, sibling)| sibling.is_word()) {
            let Some(fit) = fits.get(at) else { continue };
            let member = Member {
                group: why.log_odds,
                fit: *fit,
                word: sibling.look.word(),
                calls: sibling.profile.requests as f64,
                usual_calls: group.calls / group.texts.max(1.0),
                echoed: sibling.echoed,
                id: sibling.id,
                odd: sibling
                    .look
                    .word()
                    .is_some_and(|word| group.words.get(word as usize).is_none_or(|s| *s < 0.15)),
            };
            let weighed = Why::sum(MEMBER, &member);
            if let (Some(parameter), Some(slot)) = (decision.parameter.get_mut(at), decision.why.get_mut(at))
            {
                *parameter = weighed.log_odds > 0.0;
                *slot = Some(weighed);
            }
        }
        let words = siblings
            .iter()
            .zip(&decision.parameter)
            .filter(|(s, _)| s.is_word() && !s.is_fixed() && !s.crowd);
        let (values, all) = words.fold((0, 0), |(values, all), (_, is)| (values + usize::from(*is), all + 1));
        for (sibling, parameter) in siblings.iter().zip(&mut decision.parameter) {
            // What most of a sample is, the others are.
            *parameter = if sibling.crowd { values * 2 >= all } else { *parameter };
        }
    }
    decision.group = Some(why);
    decision
}

/// Which siblings are alike, and how well each fits those.
fn alike(siblings: &[Sibling]) -> (Vec<bool>, Vec<f64>) {
    let mut alike = vec![true; siblings.len()];
    let mut fits = Vec::new();
    for _ in 0..ROUNDS {
        let members = siblings.iter().zip(&alike).filter(|(_, is)| **is).map(|(sibling, _)| &sibling.profile);
        let crowd = Crowd::of(members);
        fits = siblings.iter().zip(&alike).map(|(sibling, is)| crowd.fit(&sibling.profile, *is)).collect();
        let next: Vec<bool> = siblings
            .iter()
            .zip(&fits)
            .map(|(sibling, fit)| !sibling.is_word() || sibling.crowd || (*fit > 0.0 && !sibling.is_fixed()))
            .collect();
        if next == alike {
            break;
        }
        alike = next;
    }
    (alike, fits)
}

fn measure(siblings: &[Sibling], alike: &[bool], fits: &[f64], before: Before) -> Option<Group> {
    let mut group = Group { before, ..Group::default() };
    let (mut named, mut fit) = (0.0, 0.0);
    // As much of the words that were not kept apart is alike as of those that were.
    let words = siblings.iter().zip(alike).filter(|(s, _)| s.look.word().is_some() && !s.is_fixed());
    let (like, all) =
        words.fold((0.0, 0.0), |(like, all), (_, is)| (like + f64::from(u8::from(*is)), all + 1.0));
    let sampled = if all > 0.0 { like / all } else { 1.0 };
    for ((sibling, is), sibling_fit) in siblings.iter().zip(alike).zip(fits) {
        if !sibling.is_word() {
            group.values = true;
            continue;
        }
        if !is {
            continue;
        }
        let share = if sibling.crowd { sampled } else { 1.0 };
        group.texts += share * sibling.profile.distinct;
        group.calls += share * sibling.profile.requests as f64;
        group.once += share * sibling.once * sibling.profile.distinct;
        if let Some(share) = sibling.look.word().and_then(|word| group.words.get_mut(word as usize)) {
            named += 1.0;
            fit += sibling_fit.clamp(-1.0, 3.0);
            *share += 1.0;
            group.echoed += f64::from(u8::from(sibling.echoed));
            group.ids += f64::from(u8::from(sibling.id));
            group.leaves += f64::from(u8::from(sibling.leaf));
        }
    }
    if group.texts < 0.5 {
        return None;
    }
    let alone = group.texts < 1.5 && !group.values;
    group.fit = if alone { -1.0 } else { fit / f64::max(named, 1.0) };
    for share in group.words.iter_mut().chain([&mut group.echoed, &mut group.ids, &mut group.leaves]) {
        *share /= f64::max(named, 1.0);
    }
    Some(group)
}
