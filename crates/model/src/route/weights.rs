//! What speaks for a parameter and what against, in log-odds. To teach the decision something new, measure it in
//! [`Group`] or [`Member`] and add its line here.

use super::word::Word;

/// Siblings that look alike, measured. Shares are 0..=1.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    /// Distinct texts.
    pub(crate) texts: f64,
    /// Calls of them together.
    pub(crate) calls: f64,
    /// Texts that came once (Good–Turing: their share of the calls is the chance that the next text is new).
    pub(crate) once: f64,
    /// Mean log-likelihood ratio of what hangs below a text, given what hangs below the others.
    pub(crate) fit: f64,
    /// Share of the texts per kind of word.
    pub(crate) words: [f64; Word::ALL.len()],
    /// Share whose own answers give the text as the value of a member that names things.
    pub(crate) echoed: f64,
    /// Share that any answer of the service gives so.
    pub(crate) ids: f64,
    /// Share that nothing hangs below of.
    pub(crate) leaves: f64,
    /// Texts that surely name one thing stand beside them.
    pub(crate) values: bool,
    pub(crate) before: Before,
}

/// What stands before the segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nothing but versions and words like `api`: here programs list what they have.
    #[default]
    Root,
    Parameter,
    /// A word in the plural.
    Plural,
    Word,
}

/// One word beside a group that was found to be a parameter, measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Member {
    /// Log-odds of the group.
    pub(crate) group: f64,
    /// As in [`Group`], of this word.
    pub(crate) fit: f64,
    pub(crate) word: Option<Word>,
    /// Calls of this word, and of a usual member.
    pub(crate) calls: f64,
    pub(crate) usual_calls: f64,
    pub(crate) echoed: bool,
    pub(crate) id: bool,
    /// Less than one in seven of the group is of its kind.
    pub(crate) odd: bool,
}

/// Name, weight and measure of a piece of evidence.
pub(super) type Term<T> = (&'static str, f64, fn(&T) -> f64);

/// Are these siblings values of one parameter?
pub(super) const GROUP: &[Term<Group>] = &[
    ("prior", -6.0, |_| 1.0),
    ("many texts", 2.5, |g| (1.0 + g.texts).log2().min(6.0)),
    ("few texts", -3.5, |g| few(g)),
    ("texts seen once", 2.2, |g| g.once / (g.texts + 1.0)),
    ("growth", 1.5, |g| g.once / (g.calls + 1.0)),
    ("texts repeat", -2.0, |g| (g.calls / g.texts.max(1.0)).log2().clamp(0.0, 3.0) * (1.0 - 0.5 * g.echoed)),
    ("alike below", 1.0, |g| g.fit),
    ("single words", -0.2, |g| g.share(Word::Plain)),
    ("slugs", 1.2, |g| g.share(Word::Slug)),
    ("numbered slugs", 2.6, |g| g.share(Word::NumberedSlug)),
    ("coded", 5.0, |g| g.share(Word::Coded)),
    ("names of code", -3.0, |g| g.share(Word::Identifier)),
    ("decimals", 2.0, |g| g.share(Word::Decimal)),
    ("odd texts", -0.5, |g| g.share(Word::Odd)),
    ("locales", -0.4, |g| g.share(Word::Locale)),
    ("named by own answers", 3.0, |g| g.echoed),
    ("named by answers", 0.7, |g| g.ids),
    ("values beside", 1.5, |g| flag(g.values)),
    ("at the root", -4.0, |g| flag(g.before == Before::Root)),
    ("after a plural", 0.9, |g| flag(g.before == Before::Plural)),
    ("nothing below", 0.4, |g| g.leaves),
];

/// Is this word one of them?
pub(super) const MEMBER: &[Term<Member>] = &[
    ("prior", 2.0, |_| 1.0),
    ("group", 0.3, |m| m.group.min(4.0)),
    ("alike below", 0.35, |m| m.fit.clamp(0.0, 3.0)),
    ("unlike below", 0.6, |m| m.fit.clamp(-6.0, 0.0)),
    ("usual in routes", -4.0, |m| flag(m.word.is_some_and(Word::is_fixed))),
    ("slug", 1.0, |m| flag(m.word == Some(Word::Slug))),
    ("numbered slug", 2.0, |m| flag(m.word == Some(Word::NumberedSlug))),
    ("coded", 2.0, |m| flag(m.word == Some(Word::Coded))),
    ("name of code", -2.5, |m| flag(m.word == Some(Word::Identifier))),
    ("decimal", 1.0, |m| flag(m.word == Some(Word::Decimal))),
    ("odd text", -1.0, |m| flag(m.word == Some(Word::Odd))),
    ("of another kind", -2.0, |m| flag(m.odd)),
    ("called often", -0.4, |m| m.calls.log2().clamp(0.0, 3.0)),
    ("called more than others", -0.75, |m| (m.calls / m.usual_calls.max(1.0) / 4.0).ln().clamp(0.0, 4.0)),
    ("named by own answers", 2.0, |m| flag(m.echoed)),
    ("named by answers", 0.8, |m| flag(m.id)),
];

impl Group {
    fn share(&self, word: Word) -> f64 {
        let at = Word::ALL.iter().position(|kind| *kind == word);
        at.and_then(|at| self.words.get(at)).copied().unwrap_or(0.0)
    }
}

/// From three texts or fewer on, fully; less where they stand beside values, or where their own answers name them.
fn few(group: &Group) -> f64 {
    let few = ((6.0 - group.texts) / 3.0).clamp(0.0, 1.0);
    if group.values { 0.0 } else { few * (1.0 - 0.8 * group.echoed) }
}

fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}
