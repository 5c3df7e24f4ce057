use std::collections::BTreeMap;

/// What a person or an existing document says of routes. It outweighs all evidence, and applies to what was learned
/// before as well: to texts as far as they are kept apart.
///
/// Templates are written as `/users/{name}/orders`; a placeholder may have an ending (`{file}.json`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    root: Hint,
}

/// What is said of one place in the tree of routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hint {
    literals: BTreeMap<Box<str>, Hint>,
    /// There is a parameter, of this name.
    name: Option<Box<str>>,
    /// What is said of the place after a parameter.
    parameter: Option<Box<Hint>>,
    /// Words are no parameter here.
    no_parameter: bool,
}

impl Hints {
    /// There is a route like this: where it has a placeholder every text is a value that no other template names, and
    /// where it has none the text is literal. The first name given to a placeholder stays.
    pub fn force(&mut self, template: &str) {
        let mut hint = &mut self.root;
        for segment in pieces(template) {
            hint = match placeholder(segment) {
                Some(name) => {
                    hint.name.get_or_insert_with(|| name.into());
                    hint.parameter.get_or_insert_default()
                }
                None => hint.literals.entry(segment.into()).or_default(),
            };
        }
    }

    /// There is no route like this: words at its last placeholder are literals.
    pub fn forbid(&mut self, template: &str) {
        let segments: Vec<&str> = pieces(template).collect();
        let Some(last) = segments.iter().rposition(|segment| placeholder(segment).is_some()) else { return };
        let mut hint = &mut self.root;
        for segment in segments.iter().take(last) {
            hint = match placeholder(segment) {
                Some(_) => hint.parameter.get_or_insert_default(),
                None => hint.literals.entry((*segment).into()).or_default(),
            };
        }
        hint.no_parameter = true;
    }

    /// True when nothing is said.
    pub fn is_empty(&self) -> bool {
        self.root == Hint::default()
    }

    pub(crate) fn root(&self) -> &Hint {
        &self.root
    }
}

impl Hint {
    /// What is said of the place after a literal.
    pub(crate) fn literal(&self, text: &str) -> Option<&Self> {
        self.literals.get(text)
    }

    /// The name of the parameter that there is for sure.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What is said of the place after a parameter.
    pub(crate) fn parameter(&self) -> Option<&Self> {
        self.parameter.as_deref()
    }

    pub(crate) fn forbids_parameter(&self) -> bool {
        self.no_parameter
    }
}

fn pieces(template: &str) -> impl Iterator<Item = &str> {
    template.strip_prefix('/').unwrap_or(template).split('/')
}

/// The name in `{name}`, whatever stands behind it.
fn placeholder(segment: &str) -> Option<&str> {
    let (name, _) = segment.strip_prefix('{')?.split_once('}')?;
    let usual = |c: char| c.is_alphanumeric() || "_-.$".contains(c);
    (!name.is_empty() && name.len() <= 64 && name.chars().all(usual)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::Hints;

    #[test]
    fn templates_become_a_tree() {
        let mut hints = Hints::default();
        assert!(hints.is_empty());
        hints.force("/users/{name}/orders");
        hints.force("/users/{id}/files/{file}.json");
        hints.forbid("/api/{version}");
        hints.forbid("/a/{b}/{c}");
        hints.forbid("/no/placeholder");
        let users = hints.root().literal("users").unwrap();
        assert_eq!(users.name(), Some("name"));
        let below = users.parameter().unwrap();
        assert!(below.literal("orders").is_some());
        assert_eq!(below.literal("files").unwrap().name(), Some("file"));
        assert!(
            hints.root().literal("a").unwrap().name().is_none(),
            "what is forbidden forces nothing before it"
        );
        assert!(hints.root().literal("api").unwrap().forbids_parameter());
        assert!(hints.root().literal("no").is_none());
    }
}
