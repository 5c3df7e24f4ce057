//! What people know: `--overlay`, `--spec`, and the overlay in the working directory.

use crate::{
    arguments::{self, Known},
    fault::Fault,
};
use overhear_export::{
    objective::Said,
    openapi::{self, Version},
    prometheus::BOUNDS,
};
use overhear_model::{Hints, Model, Names};
use overhear_overlay::{Error, FILE_NAME, Overlay, Prior, Promise};
use overhear_query::{EndpointId, Owner, Selection, apis};
use overhear_web::People;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{self, Path},
};

/// An overlay and a prior document, read and checked.
#[derive(Default)]
pub(crate) struct Knowledge {
    pub(crate) overlay: Option<Overlay>,
    pub(crate) prior: Option<Prior>,
}

impl Knowledge {
    /// Reads what is named, and the overlay of the working directory if there is one.
    pub(crate) fn read(known: &Known) -> Result<Self, Fault> {
        let overlay = match &known.overlay {
            Some(path) => Some(read(path)?),
            None => here()?,
        };
        let overlay = overlay.map(|(name, text)| Overlay::parse(&name, &text)).transpose().map_err(wrong)?;
        let prior = known.spec.as_deref().map(read).transpose()?;
        let prior = prior.map(|(name, text)| Prior::parse(&name, &text)).transpose().map_err(wrong)?;
        Ok(Self { overlay, prior })
    }

    /// The endpoints that are marked to be left out.
    pub(crate) fn ignored(&self, model: &Model, selection: &Selection) -> Ignored {
        let Some(overlay) = self.overlay.as_ref().filter(|overlay| !overlay.actions.is_empty()) else {
            return Ignored::default();
        };
        let marked = apis(model, selection).into_iter().map(|api| {
            let applied = overlay.apply(&mut openapi::document(&api, Version::default()));
            (api.owner, applied.ignored)
        });
        Ignored(marked.collect())
    }

    /// What is said of routes; what is in the overlay counts more than an existing description.
    pub(crate) fn hints(&self) -> Hints {
        hints(self.forced(), self.forbidden())
    }

    /// Which names are one.
    pub(crate) fn names(&self) -> Names {
        let aliases = self.overlay.iter().flat_map(|overlay| &overlay.aliases);
        aliases.map(|alias| ((*alias.name).into(), (*alias.service).into())).collect()
    }

    /// What is promised of services, by name.
    pub(crate) fn promises(&self) -> Result<BTreeMap<String, Said>, Fault> {
        let overlays = self.overlay.iter();
        let promises =
            overlays.flat_map(|overlay| overlay.promises.iter().map(|promise| (&overlay.file, promise)));
        let said = promises.map(|(file, promise)| {
            // Calls are counted up to these, so it is known how many were faster.
            if let Some(within) = promise.within.filter(|within| !BOUNDS.contains(within)) {
                let bounds = BOUNDS.map(|bound| bound.to_string()).join(", ");
                let line = promise.line;
                return Err(Fault::new(format_args!(
                    "{file}:{line}: `within` is {within}: it can be one of {bounds}"
                )));
            }
            let Promise { availability, fast, within, .. } = promise.clone();
            Ok((promise.service.clone(), Said { availability, fast, seconds: within }))
        });
        said.collect()
    }

    /// What the page has to know of it.
    pub(crate) fn people(&self, said: &arguments::People) -> People {
        let file = said.known.overlay.clone().unwrap_or_else(|| FILE_NAME.into());
        // Without a working directory it is named as it is.
        let file = path::absolute(&file).unwrap_or(file);
        let prior = self.prior.iter().flat_map(|prior| &prior.templates);
        People { file, may_save: said.edit_overlay, prior: prior.map(|one| one.route.clone()).collect() }
    }

    /// Templates of routes that there are.
    pub(crate) fn forced(&self) -> impl Iterator<Item = &str> {
        let overlay = self.overlay.iter().flat_map(|overlay| &overlay.routes.force);
        let prior = self.prior.iter().flat_map(|prior| &prior.templates);
        overlay.chain(prior).map(|template| &*template.route)
    }

    /// Templates of routes that there are not.
    pub(crate) fn forbidden(&self) -> impl Iterator<Item = &str> {
        let overlay = self.overlay.iter().flat_map(|overlay| &overlay.routes.forbid);
        overlay.map(|template| &*template.route)
    }
}

/// Endpoints that are left out: path and method, by API.
#[derive(Default)]
pub(crate) struct Ignored(Vec<(Owner, Vec<(String, String)>)>);

impl Ignored {
    pub(crate) fn includes(&self, id: &EndpointId) -> bool {
        let is_it =
            |(path, method): &(String, String)| *path == *id.route && method.eq_ignore_ascii_case(&id.method);
        self.0.iter().any(|(owner, marked)| owner.has(id) && marked.iter().any(is_it))
    }
}

/// Hints out of templates.
pub(crate) fn hints<'a>(
    forced: impl Iterator<Item = &'a str>,
    forbidden: impl Iterator<Item = &'a str>,
) -> Hints {
    let mut hints = Hints::default();
    forced.for_each(|template| hints.force(template));
    forbidden.for_each(|template| hints.forbid(template));
    hints
}

/// The name of a file and what is in it.
type Named = (String, String);

fn here() -> Result<Option<Named>, Fault> {
    match fs::read_to_string(FILE_NAME) {
        Ok(text) => Ok(Some((FILE_NAME.to_owned(), text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(Path::new(FILE_NAME), &error)),
    }
}

fn read(path: &Path) -> Result<Named, Fault> {
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    Ok((path.display().to_string(), text))
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    Fault::new(format_args!("{}: cannot be read: {error}", path.display()))
}

fn wrong(error: Error) -> Fault {
    Fault::new(error)
}
