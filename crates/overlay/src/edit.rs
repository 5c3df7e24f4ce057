//! Adding to an Overlay what somebody says on the page, without changing a word of what is there.
//!
//! A proposal is text: lines are put between those of the file. It is read again, and refused where anything that was
//! said before would no longer be said.

mod yaml;

use crate::{Change, Error, Overlay, Template, apply::pointers};
use overhear_query::unnamed;
use serde_json::{Map, Value};

/// What somebody says of an endpoint; what is absent is left as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// Who answers.
    pub service: String,
    /// Request method.
    pub method: String,
    /// Its route as it is now.
    pub route: String,
    /// The route as it should be.
    pub template: Option<String>,
    /// The placeholders of its route are words.
    pub words: bool,
    /// What it is called.
    pub summary: Option<String>,
    /// What it does.
    pub description: Option<String>,
    /// Who looks after it.
    pub owner: Option<String>,
    /// It is left out of what is shown.
    pub ignore: bool,
    /// What is promised of the service: availability and fast calls in percent, seconds.
    pub promise: [Option<f64>; 3],
}

/// The file as it would be.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// All of it.
    pub text: String,
    /// What is new, alone.
    pub entry: String,
    /// The lines around what is new.
    pub lines: Vec<Line>,
}

/// A line of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What happens to it.
    pub kind: Kind,
    /// Its number in the new file, in the old one where it is gone; from 1.
    pub number: usize,
    /// Without its end.
    pub text: String,
}

/// What happens to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It stays.
    Kept,
    /// It is new.
    Added,
    /// It said that there is nothing (`[]`), which is no longer so.
    Gone,
}

/// Why there is no proposal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing is said.
    #[error("nothing is changed yet")]
    Nothing,
    /// It makes no sense.
    #[error("{0}")]
    Wrong(String),
    /// A person wrote something else about it already.
    #[error("{file}:{line} says {what}: change it there; what somebody wrote is not rewritten")]
    Written {
        /// The file.
        file: String,
        /// Where, from 1.
        line: u64,
        /// What stands there.
        what: String,
    },
    /// It is written in a way that lines cannot be put between.
    #[error("{file} writes {what} in a way that nothing can be put into: copy the entry and add it by hand")]
    Style {
        /// The file.
        file: String,
        /// The part of it.
        what: String,
        /// What would be added.
        entry: String,
    },
    /// The file is no Overlay as it is.
    #[error(transparent)]
    Unreadable(#[from] Error),
}

/// The fields of an operation that are said by an action.
const SUMMARY: &str = "summary";
const DESCRIPTION: &str = "description";
const OWNER: &str = "x-owner";
const IGNORE: &str = "x-overhear-ignore";

impl Entry {
    /// The file with this added. `old` is what is in it, if there is one; `document` is the inferred API description.
    ///
    /// # Errors
    /// When nothing is said, or a person said something else of it already, or the file is written so that it has to be
    /// changed by hand.
    pub fn propose(&self, file: &str, old: Option<&str>, document: &Value) -> Result<Proposal, Refused> {
        self.check()?;
        let known = old.map(|text| Overlay::parse(file, text)).transpose()?;
        if let Some(known) = &known {
            self.compare(file, known, document)?;
        }
        let fresh;
        let text = match old {
            Some(text) => text,
            None => {
                fresh = beginning(&self.service);
                &fresh
            }
        };
        let additions = self.additions();
        let entry = yaml::alone(&additions);
        let (text, lines) = yaml::add(text, &additions).map_err(|what| Refused::Style {
            file: file.to_owned(),
            what,
            entry: entry.clone(),
        })?;
        let proposed = Overlay::parse(file, &text);
        if !proposed.is_ok_and(|new| known.as_ref().is_none_or(|known| keeps(known, &new))) {
            return Err(Refused::Style { file: file.to_owned(), what: "something".to_owned(), entry });
        }
        let lines = if old.is_none() { all_new(&text) } else { lines };
        Ok(Proposal { text, entry, lines })
    }

    fn check(&self) -> Result<(), Refused> {
        let wrong = |what: &str| Err(Refused::Wrong(what.to_owned()));
        if let Some(template) = self.forced() {
            let template = Template::parse(template, 0).map_err(Refused::Wrong)?;
            if unnamed(&template.route).split('/').count() != self.route.split('/').count() {
                return wrong("a route can be called otherwise, but it keeps its number of segments");
            }
        }
        if self.words && self.template.is_some() {
            return wrong("either the placeholders are words, or they have other names");
        }
        if self.words && !self.route.contains('{') {
            return wrong("this route has no placeholder");
        }
        let [availability, fast, within] = self.promise;
        for percent in [availability, fast].into_iter().flatten() {
            if !(50.0..100.0).contains(&percent) {
                return wrong("from 50 to below 100 percent can be promised");
            }
        }
        if within.is_some_and(|within| !within.is_finite() || within <= 0.0) {
            return wrong("calls are fast within a number of seconds");
        }
        let says = self.forced().is_some() || self.words || !self.fields().is_empty();
        if says || self.promise.iter().any(Option::is_some) { Ok(()) } else { Err(Refused::Nothing) }
    }

    /// The template, if it is another.
    fn forced(&self) -> Option<&str> {
        self.template.as_deref().filter(|template| *template != self.route)
    }

    /// What is said of the operation.
    fn fields(&self) -> Map<String, Value> {
        let said = [(SUMMARY, &self.summary), (DESCRIPTION, &self.description), (OWNER, &self.owner)];
        let said = said.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?.trim())));
        let mut fields: Map<String, Value> = said
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| (name.into(), text.into()))
            .collect();
        if self.ignore {
            fields.insert(IGNORE.to_owned(), true.into());
        }
        fields
    }

    /// Whether a person said something of the same already.
    fn compare(&self, file: &str, known: &Overlay, document: &Value) -> Result<(), Refused> {
        let written = |line, what: String| Refused::Written { file: file.to_owned(), line, what };
        let routes = &known.routes;
        if self.forced().is_some() || self.words {
            let same = |template: &&Template| unnamed(&template.route) == unnamed(&self.route);
            if let Some(template) = routes.force.iter().chain(&routes.forbid).find(same) {
                return Err(written(template.line, format!("{} of this route", template.route)));
            }
        }
        for name in self.fields().keys() {
            if let Some(line) = known.says(document, &self.route, &self.method, name) {
                return Err(written(line, format!("`{name}` of this operation")));
            }
        }
        let promise = known.promises.iter().find(|promise| promise.service == self.service);
        match promise.filter(|_| self.promise.iter().any(Option::is_some)) {
            Some(promise) => Err(written(promise.line, format!("what {} promises", self.service))),
            None => Ok(()),
        }
    }

    fn additions(&self) -> Vec<yaml::Addition> {
        let mut additions = Vec::new();
        let mut add = |path: &'static [&'static str], lines| additions.push(yaml::Addition { path, lines });
        if let Some(template) = self.forced() {
            add(&["x-overhear", "routes", "force"], vec![format!("- {}", quoted(template))]);
        }
        if self.words {
            add(&["x-overhear", "routes", "forbid"], vec![format!("- {}", quoted(&self.route))]);
        }
        let [availability, fast, within] = self.promise;
        let promise = [("availability", availability), ("fast", fast), ("within", within)];
        let promise: Vec<_> =
            promise.iter().filter_map(|(name, number)| Some(format!("{name}: {}", (*number)?))).collect();
        if !promise.is_empty() {
            let line = format!("{}: {{{}}}", quoted(&self.service), promise.join(", "));
            add(&["x-overhear", "slo"], vec![line]);
        }
        let fields = self.fields();
        if !fields.is_empty() {
            let mut lines = vec![format!("- target: {}", quoted(&self.target())), "  update:".to_owned()];
            lines.extend(fields.iter().map(|(name, value)| format!("    {name}: {value}")));
            add(&["actions"], lines);
        }
        additions
    }

    /// JSONPath (RFC 9535) of the operation, under the name that its route will have.
    fn target(&self) -> String {
        let route = self.forced().unwrap_or(&self.route).replace('\\', "\\\\").replace('\'', "\\'");
        format!("$.paths['{route}'].{}", self.method.to_ascii_lowercase())
    }
}

impl Overlay {
    /// In which line a field of an operation is said, if it is.
    fn says(&self, document: &Value, route: &str, method: &str, field: &str) -> Option<u64> {
        let key = |text: &str| text.replace('~', "~0").replace('/', "~1");
        let operation = format!("/paths/{}/{}", key(route), method.to_ascii_lowercase());
        let says = |action: &&crate::Action| match &action.change {
            Change::Update(Value::Object(update)) if update.contains_key(field) => {
                pointers(&action.target, document).contains(&operation)
            }
            Change::Update(_) | Change::Remove | Change::Copy(_) => false,
        };
        self.actions.iter().find(says).map(|action| action.line)
    }
}

/// Whether all that was said is still said, in its order, and nothing of it is changed.
fn keeps(old: &Overlay, new: &Overlay) -> bool {
    let same = |a: &crate::Action, b: &crate::Action| {
        let change = match (&a.change, &b.change) {
            (Change::Update(a), Change::Update(b)) => a == b,
            (Change::Remove, Change::Remove) => true,
            (Change::Copy(a), Change::Copy(b)) => a.to_string() == b.to_string(),
            (Change::Update(_) | Change::Remove | Change::Copy(_), _) => false,
        };
        a.target.to_string() == b.target.to_string() && change
    };
    let begins = |old: &[Template], new: &[Template]| {
        old.len() <= new.len() && old.iter().zip(new).all(|(a, b)| a.route == b.route)
    };
    let actions = old.actions.len() <= new.actions.len()
        && old.actions.iter().zip(&new.actions).all(|(a, b)| same(a, b));
    let promised = old.promises.iter().all(|old| {
        new.promises.iter().any(|new| {
            (&old.service, old.availability, old.fast, old.within)
                == (&new.service, new.availability, new.fast, new.within)
        })
    });
    let aliases = old.aliases.len() == new.aliases.len()
        && old.aliases.iter().zip(&new.aliases).all(|(a, b)| (&a.name, &a.service) == (&b.name, &b.service));
    let routes =
        begins(&old.routes.force, &new.routes.force) && begins(&old.routes.forbid, &new.routes.forbid);
    actions && promised && aliases && routes
}

/// A file to begin with.
fn beginning(service: &str) -> String {
    format!(
        "# What people know of this API. Targets are JSONPath (RFC 9535) into the document that `overhear spec` prints.
overlay: 1.1.0
info:
  title: {}
  version: 1.0.0
actions: []
",
        quoted(service)
    )
}

fn all_new(text: &str) -> Vec<Line> {
    let lines = text.lines().enumerate();
    lines.map(|(at, text)| Line { kind: Kind::Added, number: at + 1, text: text.to_owned() }).collect()
}

/// A JSON string, which is a YAML string too.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
