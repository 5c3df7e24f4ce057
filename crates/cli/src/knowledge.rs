//! What people know: `--overlay`, `--spec`, and the overlay in the working directory.

use crate::{arguments::Known, fault::Fault};
use overhear_overlay::{Error, FILE_NAME, Overlay, Prior};
use std::{fs, io, path::Path};

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
