//! Overlay documents: reading and checking them.

use crate::{Error, Template, yaml};
use serde::Deserialize;
use serde_json::Value;
use serde_json_path::JsonPath;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// An Overlay document (Overlay Specification 1.1.0, §4), read and checked.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// Name of its file, for messages.
    pub file: String,
    /// In the order they are applied.
    pub actions: Vec<Action>,
    /// What it says of routes (`x-overhear.routes`).
    pub routes: RouteHints,
    /// Which names are one (`x-overhear.services`).
    pub aliases: Vec<Alias>,
    /// What is promised of services (`x-overhear.slo`), by name.
    pub promises: Vec<Promise>,
}

/// What people promise of a service; what they do not say is inferred.
#[derive(Clone, Debug, PartialEq)]
pub struct Promise {
    /// `service.name`.
    pub service: String,
    /// Percent of calls that do not fail, 50..100.
    pub availability: Option<f64>,
    /// Percent of the others, 50..100…
    pub fast: Option<f64>,
    /// …that take at most this many seconds.
    pub within: Option<f64>,
    /// Where it is written, from 1.
    pub line: u64,
}

/// Another name of a service, or of a server that is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// As it is heard.
    pub name: String,
    /// As it is to be called.
    pub service: String,
    /// Where it is written, from 1.
    pub line: u64,
}

/// Routes that are known, under `x-overhear.routes` of an Overlay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteHints {
    /// These exist.
    pub force: Vec<Template>,
    /// These do not: their placeholders are words.
    pub forbid: Vec<Template>,
}

/// One Action Object (§4.4.3).
#[derive(Clone, Debug)]
pub struct Action {
    /// RFC 9535.
    pub target: JsonPath,
    /// Where it is written, from 1.
    pub line: u64,
    /// What happens there.
    pub change: Change,
}

/// What an action does to its targets.
#[derive(Clone, Debug)]
pub enum Change {
    /// Merges this into each.
    Update(Value),
    /// Takes each away.
    Remove,
    /// Merges into each what stands there.
    Copy(JsonPath),
}

#[derive(Deserialize)]
struct Written {
    overlay: Spanned<String>,
    #[serde(default)]
    info: Option<Info>,
    #[serde(default)]
    actions: Vec<WrittenAction>,
    #[serde(default, rename = "x-overhear")]
    ours: Ours,
}

#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    version: Option<String>,
}

#[derive(Deserialize)]
struct WrittenAction {
    target: Spanned<String>,
    #[serde(default)]
    update: Option<Value>,
    #[serde(default)]
    remove: bool,
    #[serde(default)]
    copy: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ours {
    #[serde(default)]
    routes: WrittenRoutes,
    /// The names of each.
    #[serde(default)]
    services: BTreeMap<String, Vec<Spanned<String>>>,
    /// By service.
    #[serde(default)]
    slo: BTreeMap<String, Spanned<WrittenPromise>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPromise {
    #[serde(default)]
    availability: Option<f64>,
    #[serde(default)]
    fast: Option<f64>,
    #[serde(default)]
    within: Option<f64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRoutes {
    #[serde(default)]
    force: Vec<Spanned<String>>,
    #[serde(default)]
    forbid: Vec<Spanned<String>>,
}

impl Overlay {
    /// Reads YAML or JSON, which is YAML too.
    ///
    /// # Errors
    /// Says in which line what is wrong.
    pub fn parse(file: &str, text: &str) -> Result<Self, Error> {
        let written: Written = yaml::read(file, text)?;
        let version = &written.overlay;
        if !version.value.starts_with("1.") {
            let what = format!("overlay {:?}: versions 1.0 and 1.1 are understood", version.value);
            return Err(Error::new(file, Some(version.referenced.line()), what));
        }
        let named = written.info.is_some_and(|info| info.title.is_some() && info.version.is_some());
        if !named {
            return Err(Error::new(file, None, "an Overlay needs `info` with `title` and `version`"));
        }
        let actions = written.actions.into_iter().map(|action| action.check(file));
        let templates = |written: Vec<Spanned<String>>| -> Result<Vec<Template>, Error> {
            let parsed = written.iter().map(|template| {
                let line = template.referenced.line();
                Template::parse(&template.value, line).map_err(|what| Error::new(file, Some(line), what))
            });
            parsed.collect()
        };
        let WrittenRoutes { force, forbid } = written.ours.routes;
        Ok(Self {
            file: file.to_owned(),
            actions: actions.collect::<Result<_, _>>()?,
            aliases: aliases(file, written.ours.services)?,
            promises: promises(file, written.ours.slo)?,
            routes: RouteHints { force: templates(force)?, forbid: templates(forbid)? },
        })
    }
}

/// A name can be of one service only.
fn aliases(file: &str, services: BTreeMap<String, Vec<Spanned<String>>>) -> Result<Vec<Alias>, Error> {
    let mut of = BTreeMap::new();
    let mut aliases = Vec::new();
    for (service, names) in services {
        for name in names {
            let line = name.referenced.line();
            if let Some(other) = of.insert(name.value.clone(), service.clone()) {
                let what = format!("{:?} is a name of {other:?} already", name.value);
                return Err(Error::new(file, Some(line), what));
            }
            aliases.push(Alias { name: name.value, service: service.clone(), line });
        }
    }
    aliases.sort_by_key(|alias| alias.line);
    Ok(aliases)
}

fn promises(file: &str, slo: BTreeMap<String, Spanned<WrittenPromise>>) -> Result<Vec<Promise>, Error> {
    let checked = slo.into_iter().map(|(service, written)| {
        let line = written.referenced.line();
        let WrittenPromise { availability, fast, within } = written.value;
        let wrong = |what: String| Err(Error::new(file, Some(line), what));
        for (name, percent) in [("availability", availability), ("fast", fast)] {
            if let Some(percent) = percent.filter(|percent| !(50.0..100.0).contains(percent)) {
                return wrong(format!("`{name}` is {percent}: from 50 to below 100 percent can be promised"));
            }
        }
        if let Some(within) = within.filter(|within| !within.is_finite() || *within <= 0.0) {
            return wrong(format!("`within` is {within}: it is a number of seconds"));
        }
        Ok(Promise { service, availability, fast, within, line })
    });
    checked.collect()
}

impl WrittenAction {
    fn check(self, file: &str) -> Result<Action, Error> {
        let line = self.target.referenced.line();
        let target = path(file, &self.target)?;
        let change = match (self.remove, self.update, self.copy) {
            // Removal makes the others without effect (§4.4.3.1).
            (true, _, _) => Change::Remove,
            (false, Some(value), None) => Change::Update(value),
            (false, None, Some(from)) => Change::Copy(path(file, &from)?),
            (false, Some(_), Some(_)) => {
                return Err(Error::new(file, Some(line), "an action has `update` or `copy`, not both"));
            }
            (false, None, None) => {
                return Err(Error::new(
                    file,
                    Some(line),
                    "an action needs `update`, `copy` or `remove: true`",
                ));
            }
        };
        Ok(Action { target, line, change })
    }
}

fn path(file: &str, written: &Spanned<String>) -> Result<JsonPath, Error> {
    JsonPath::parse(&written.value).map_err(|error| {
        let what = format!("{:?} is no JSONPath (RFC 9535): {error}", written.value);
        Error::new(file, Some(written.referenced.line()), what)
    })
}

#[cfg(test)]
mod tests {
    use super::{Change, Overlay, Promise};

    const GOOD: &str = "overlay: 1.1.0
info: {title: shop, version: '1'}
x-overhear:
  routes:
    force:
      - /users/{userId}
    forbid: ['/{tenant}/orders']
actions:
  - target: $.paths['/users/{userId}'].get
    update: {summary: One user}
  - target: $.paths['/debug']
    remove: true
";

    #[test]
    fn reads_yaml_and_json() {
        let overlay = Overlay::parse("o.yaml", GOOD).unwrap();
        assert_eq!(overlay.actions.iter().map(|action| action.line).collect::<Vec<_>>(), [9, 11]);
        assert!(matches!(overlay.actions[1].change, Change::Remove));
        assert_eq!(overlay.routes.force[0].line, 6);
        assert_eq!(overlay.routes.forbid[0].route, "/{tenant}/orders");
        let json = r#"{"overlay": "1.0.0", "info": {"title": "a", "version": "1"}, "actions": []}"#;
        assert!(Overlay::parse("o.json", json).unwrap().actions.is_empty());
    }

    #[test]
    fn reads_names_that_are_one() {
        let names = "  services:\n    api.example:\n      - eu.example\n      - 10.0.0.5:8080\n  routes:";
        let overlay = Overlay::parse("o.yaml", &GOOD.replacen("  routes:", names, 1)).unwrap();
        let told: Vec<_> = overlay.aliases.iter().map(|a| (&*a.name, &*a.service, a.line)).collect();
        assert_eq!(told, [("eu.example", "api.example", 6), ("10.0.0.5:8080", "api.example", 7)]);
    }

    #[test]
    fn reads_promises() {
        let slo = "  slo:\n    shop: {availability: 99.95, within: 0.5}\n  routes:";
        let overlay = Overlay::parse("o.yaml", &GOOD.replacen("  routes:", slo, 1)).unwrap();
        let promise = Promise {
            service: "shop".to_owned(),
            availability: Some(99.95),
            fast: None,
            within: Some(0.5),
            line: 5,
        };
        assert_eq!(overlay.promises, [promise]);
    }

    #[test]
    fn says_where_what_is_wrong() {
        for (from, to, expected) in [
            ("overlay: 1.1.0", "overlay: 2.0.0", "o.yaml:1: overlay \"2.0.0\": versions 1.0 and 1.1"),
            ("title: shop, ", "", "o.yaml: an Overlay needs `info`"),
            ("$.paths['/debug']", "$.paths[", "o.yaml:11: \"$.paths[\" is no JSONPath"),
            ("    remove: true\n", "", "o.yaml:11: an action needs"),
            ("/users/{userId}\n", "/users/{\n", "o.yaml:6: \"/users/{\": a `{` is not closed"),
            ("    force:", "    forced:", "o.yaml:5: "),
            (
                "  routes:",
                "  services: {a: [x], b: [x]}\n  routes:",
                "o.yaml:4: \"x\" is a name of \"a\" already",
            ),
            ("  routes:", "  slo: {a: {fast: 100}}\n  routes:", "o.yaml:4: `fast` is 100: from 50"),
            ("  routes:", "  slo: {a: {within: -1}}\n  routes:", "o.yaml:4: `within` is -1"),
            ("  routes:", "  slo: {a: {faster: 99}}\n  routes:", "o.yaml:4: "),
            ("info: {", "info: {{", "o.yaml:"),
        ] {
            let error = Overlay::parse("o.yaml", &GOOD.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.starts_with(expected) && !error.contains('\n'), "{error}");
        }
    }
}
