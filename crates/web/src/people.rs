//! What people know of an API, said on the page: a proposal for the Overlay is shown with what it changes before
//! anything is saved, and it is saved only where whoever started this program allowed it.

mod file;

use crate::{
    Shared, api,
    asked::Query,
    diff::{self, diff},
    respond::{Refusal, answer},
};
use axum::{
    Router,
    extract::{DefaultBodyLimit, Json, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use file::File;
use overhear_export::openapi::{self, Version, fragment};
use overhear_model::Hints;
use overhear_overlay::{Entry, Kind, Line, Overlay, Refused};
use overhear_query::{Api, EndpointId, Way};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

/// Most bytes that somebody says at once.
const MOST_SAID: usize = 64 << 10;

/// What marks an operation as one to be left out.
const IGNORE: &str = "x-overhear-ignore";

/// The file of what people know, and what may be done with it.
#[derive(Clone, Debug, Default)]
pub struct People {
    /// The Overlay; it does not have to be there.
    pub file: PathBuf,
    /// Whether who is let in may have entries added to it.
    pub may_save: bool,
    /// Routes that are known from elsewhere.
    pub prior: Vec<String>,
}

pub(crate) fn routes(editor: Arc<Editor>) -> Router {
    Router::new()
        .route("/api/said", get(said))
        .route("/api/fragment", get(operation))
        .route("/api/overlay/preview", post(preview))
        .route("/api/overlay/save", post(save))
        .layer(DefaultBodyLimit::max(MOST_SAID))
        .with_state(editor)
}

/// Reads and writes the file, and asks what it changes.
pub(crate) struct Editor {
    backend: Shared,
    people: People,
    /// One at a time.
    writing: Mutex<()>,
}

type Editing = State<Arc<Editor>>;
type Parameters = Result<axum::extract::Query<Query>, axum::extract::rejection::QueryRejection>;
type Said = Result<Json<Wish>, JsonRejection>;

/// What somebody says of an endpoint.
#[derive(Debug, Deserialize)]
struct Wish {
    #[serde(flatten)]
    endpoint: Query,
    #[serde(default)]
    template: Option<String>,
    #[serde(default)]
    words: bool,
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    owner: Option<String>,
    #[serde(default)]
    ignore: bool,
    #[serde(default)]
    availability: Option<f64>,
    #[serde(default)]
    fast: Option<f64>,
    #[serde(default)]
    within: Option<f64>,
    /// The file as it was when this was looked at.
    #[serde(default)]
    seen: Option<String>,
}

async fn said(State(editor): Editing, headers: HeaderMap, query: Parameters) -> Response {
    asked(headers, query, move |id| editor.said(id)).await
}

async fn operation(State(editor): Editing, headers: HeaderMap, query: Parameters) -> Response {
    asked(headers, query, move |id| editor.operation(id)).await
}

async fn asked(
    headers: HeaderMap,
    query: Parameters,
    tell: impl FnOnce(&EndpointId) -> Result<Value, Refusal> + Send + 'static,
) -> Response {
    let id = match api::parameters(query).and_then(|query| query.endpoint()) {
        Ok(id) => id,
        Err(refusal) => return refusal.into_response(),
    };
    api::blocking(move || tell(&id).map(|value| answer(&value, &headers))).await
}

async fn preview(State(editor): Editing, headers: HeaderMap, said: Said) -> Response {
    told(headers, said, move |wish| editor.preview(wish)).await
}

async fn save(State(editor): Editing, headers: HeaderMap, said: Said) -> Response {
    told(headers, said, move |wish| editor.save(wish)).await
}

async fn told(
    headers: HeaderMap,
    said: Said,
    tell: impl FnOnce(&Wish) -> Result<Value, Refusal> + Send + 'static,
) -> Response {
    let wish = match said {
        Ok(Json(wish)) => wish,
        Err(why) => {
            return Refusal(why.status(), format!("What was said cannot be read: {why}.")).into_response();
        }
    };
    api::blocking(move || tell(&wish).map(|value| answer(&value, &headers))).await
}

impl Editor {
    pub(crate) fn new(backend: Shared, people: People) -> Self {
        Self { backend, people, writing: Mutex::new(()) }
    }

    /// Those of these endpoints that are to be left out. What cannot be read leaves nothing out; the question about it says
    /// why.
    pub(crate) fn hidden<'a>(&self, ids: impl Iterator<Item = &'a EndpointId>) -> BTreeSet<EndpointId> {
        let Ok(file) = self.file() else { return BTreeSet::new() };
        // Mostly there is nothing to leave out, and nothing to be read.
        if file.text().is_none_or(|text| !text.contains(IGNORE)) {
            return BTreeSet::new();
        }
        let Ok(Some(overlay)) = file.overlay() else { return BTreeSet::new() };
        let mut apis = BTreeMap::<(&Arc<str>, &Way), (Value, Vec<&EndpointId>)>::new();
        for id in ids {
            let (document, of) =
                apis.entry((&id.service, &id.way)).or_insert_with(|| (json!({"paths": {}}), Vec::new()));
            document["paths"][&*id.route][id.method.to_ascii_lowercase()] = json!({"responses": {}});
            of.push(id);
        }
        let mut hidden = BTreeSet::new();
        for (mut document, ids) in apis.into_values() {
            let ignored = overlay.apply(&mut document).ignored;
            let is_out = |id: &&&EndpointId| {
                ignored
                    .iter()
                    .any(|(path, method)| **path == *id.route && method.eq_ignore_ascii_case(&id.method))
            };
            hidden.extend(ids.iter().filter(is_out).map(|id| (**id).clone()));
        }
        hidden
    }

    /// What is said of an endpoint already, and whether more may be said here.
    fn said(&self, id: &EndpointId) -> Result<Value, Refusal> {
        let (file, may_save) = (self.people.file.display().to_string(), self.people.may_save);
        let overlay = self.overlay()?;
        let mut document = skeleton(id);
        let applied = overlay.as_ref().map(|overlay| overlay.apply(&mut document)).unwrap_or_default();
        let operation = &document["paths"][&*id.route][id.method.to_ascii_lowercase()];
        let promises = overlay.iter().flat_map(|overlay| &overlay.promises);
        let mut promise = promises
            .filter(|one| *one.service == *id.service)
            .map(|one| json!({"availability": one.availability, "fast": one.fast, "within": one.within}));
        Ok(json!({
            "file": file, "may_save": may_save, "exists": overlay.is_some(),
            "summary": operation["summary"], "description": operation["description"],
            "owner": operation["x-owner"], "ignore": !applied.ignored.is_empty(),
            "promise": promise.next_back(),
        }))
    }

    /// The operation of an endpoint as a document of its own, with what people say of it.
    fn operation(&self, id: &EndpointId) -> Result<Value, Refusal> {
        let overlay = self.overlay()?;
        let world = self.world(id, overlay.as_ref())?;
        let missing =
            || Refusal::missing("Nothing was learned of this endpoint that a document could be made of.");
        Ok(json!({"yaml": world.operation(&id.route, &id.method).ok_or_else(missing)?}))
    }

    fn preview(&self, wish: &Wish) -> Result<Value, Refusal> {
        let file = self.file()?;
        self.proposed(wish, &file).map(|(_, told)| told)
    }

    /// Adds an entry to the file, and lets it hold from now on.
    fn save(&self, wish: &Wish) -> Result<Value, Refusal> {
        if !self.people.may_save {
            let sentence =
                "Nothing may be saved from here: start overhear with --edit-overlay, or copy the entry.";
            return Err(Refusal(StatusCode::FORBIDDEN, sentence.into()));
        }
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let file = self.file()?;
        if wish.seen.as_deref() != Some(&*file.mark()) {
            let sentence = format!("{} was changed meanwhile: look at the entry again.", file.name());
            return Err(Refusal(StatusCode::CONFLICT, sentence));
        }
        let (text, told) = self.proposed(wish, &file)?;
        let Some(text) = text else { return Ok(told) };
        file.replace(&text).map_err(|why| {
            let sentence = format!("{} cannot be written: {why}. Copy the entry instead.", file.name());
            Refusal(StatusCode::INTERNAL_SERVER_ERROR, sentence)
        })?;
        let overlay = Overlay::parse(&file.name(), &text).map_err(|error| broken(&error))?;
        self.backend.know(self.hints(Some(&overlay)));
        let mut told = told;
        told["saved"] = true.into();
        Ok(told)
    }

    /// The file as it would be, and what that changes. Nothing where it is refused, which is told as well.
    fn proposed(&self, wish: &Wish, file: &File) -> Result<(Option<String>, Value), Refusal> {
        let id = wish.endpoint.endpoint()?;
        let known = file.overlay()?;
        let world = self.world(&id, known.as_ref())?;
        let entry = wish.entry(&id);
        let proposal = match entry.propose(&file.name(), file.text(), &world.inferred) {
            Ok(proposal) => proposal,
            Err(refused) => return Ok((None, refusal(&refused))),
        };
        let new = Overlay::parse(&file.name(), &proposal.text).map_err(|error| broken(&error))?;
        let after = self.world(&id, Some(&new))?;
        let route = wish.template.as_deref().unwrap_or(&id.route);
        let (old, now) = (world.operation(&id.route, &id.method), after.operation(route, &id.method));
        let changed = diff(old.as_deref().unwrap_or_default(), now.as_deref().unwrap_or_default());
        let (gone, new_ones) = world.compared(&after);
        let told = json!({
            "file": file.name(), "exists": file.text().is_some(), "seen": file.mark(),
            "may_save": self.people.may_save, "entry": proposal.entry,
            "lines": proposal.lines.iter().map(line).collect::<Vec<_>>(),
            "operation": changed.iter().map(|(kind, text)| json!({"kind": kind.as_str(), "text": text})).collect::<Vec<_>>(),
            "gone": gone, "new": new_ones,
            "unmatched": after.unmatched.iter().filter(|one| !world.unmatched.contains(one)).collect::<Vec<_>>(),
        });
        Ok((Some(proposal.text), told))
    }

    fn file(&self) -> Result<File, Refusal> {
        File::read(&self.people.file)
    }

    fn overlay(&self) -> Result<Option<Overlay>, Refusal> {
        self.file()?.overlay()
    }

    fn hints(&self, overlay: Option<&Overlay>) -> Hints {
        let mut hints = Hints::default();
        let routes = overlay.map(|overlay| &overlay.routes);
        let forced = routes.into_iter().flat_map(|routes| &routes.force).map(|template| &*template.route);
        forced.chain(self.people.prior.iter().map(String::as_str)).for_each(|route| hints.force(route));
        let forbidden = routes.into_iter().flat_map(|routes| &routes.forbid);
        forbidden.for_each(|template| hints.forbid(&template.route));
        hints
    }

    /// The API that an endpoint is part of, as it is with this overlay.
    fn world(&self, id: &EndpointId, overlay: Option<&Overlay>) -> Result<World, Refusal> {
        let name = id.way.server().unwrap_or(&id.service);
        let apis = self.backend.apis(name, self.hints(overlay))?;
        let api = apis.into_iter().find(|api| api.owner.has(id));
        let inferred = api.as_ref().map(|api| openapi::document(api, Version::default())).unwrap_or_default();
        let mut document = inferred.clone();
        let applied = overlay.map(|overlay| overlay.apply(&mut document)).unwrap_or_default();
        let unmatched = applied.unmatched.into_iter().map(|one| one.target).collect();
        Ok(World { api, inferred, document, unmatched })
    }
}

/// An API with what people say of it.
struct World {
    api: Option<Api>,
    /// Without what they say.
    inferred: Value,
    document: Value,
    unmatched: Vec<String>,
}

impl World {
    /// As YAML.
    fn operation(&self, route: &str, method: &str) -> Option<String> {
        openapi::to_yaml(&fragment(&self.document, route, method)?).ok()
    }

    /// Method, route and calls of each operation.
    fn operations(&self) -> BTreeMap<(&str, &str), u64> {
        let operations = self.api.iter().flat_map(|api| &api.operations);
        operations.map(|one| ((&*one.method, &*one.route), one.requests)).collect()
    }

    /// The operations that are gone, and those that are new.
    fn compared(&self, after: &Self) -> (Value, Value) {
        let (old, new) = (self.operations(), after.operations());
        let only = |these: &BTreeMap<(&str, &str), u64>, those: &BTreeMap<(&str, &str), u64>| {
            let differing = these.iter().filter(|(key, calls)| those.get(*key) != Some(calls));
            differing
                .map(|((method, route), calls)| json!({"method": method, "route": route, "requests": calls}))
                .collect::<Value>()
        };
        (only(&old, &new), only(&new, &old))
    }
}

impl Wish {
    fn entry(&self, id: &EndpointId) -> Entry {
        Entry {
            service: id.service.to_string(),
            method: id.method.to_string(),
            route: id.route.to_string(),
            template: self.template.as_deref().map(str::trim).map(str::to_owned),
            words: self.words,
            summary: self.summary.clone(),
            description: self.description.clone(),
            owner: self.owner.clone(),
            ignore: self.ignore,
            promise: [self.availability, self.fast, self.within],
        }
    }
}

/// Enough of a document to tell what is said of one operation.
fn skeleton(id: &EndpointId) -> Value {
    let mut document = json!({"paths": {}});
    document["paths"][&*id.route][id.method.to_ascii_lowercase()] = json!({"responses": {}});
    document
}

fn refusal(refused: &Refused) -> Value {
    let entry = match refused {
        Refused::Style { entry, .. } => Some(entry),
        Refused::Nothing | Refused::Wrong(_) | Refused::Written { .. } | Refused::Unreadable(_) => None,
    };
    json!({"refused": refused.to_string(), "nothing": *refused == Refused::Nothing, "entry": entry})
}

fn line(line: &Line) -> Value {
    let kind = match line.kind {
        Kind::Kept => diff::Kind::Kept,
        Kind::Added => diff::Kind::Added,
        Kind::Gone => diff::Kind::Gone,
    };
    json!({"kind": kind.as_str(), "number": line.number, "text": line.text})
}

fn broken(error: &overhear_overlay::Error) -> Refusal {
    Refusal(StatusCode::UNPROCESSABLE_ENTITY, format!("The overlay cannot be read: {error}"))
}
