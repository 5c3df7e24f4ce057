//! `spec --format proto`: sketches of `.proto` files.

use super::{OUTBOUND, nothing, write as write_file};
use crate::{
    arguments::Spec,
    fault::Fault,
    file_name::file_name,
    from::Answer,
    output,
    units::{clean, plural},
};
use overhear_export::proto::{Descriptors, sketches};
use overhear_query::{Direction, Procedures, procedures};
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

/// What a package without a name is called, where it has to be called something.
const NAMELESS: &str = "default";

pub(super) fn write(answer: &Answer, arguments: &Spec) -> Result<(), Fault> {
    // What somebody gives goes before what was heard.
    let mut descriptors = answer.model.descriptors().clone();
    arguments.proto.iter().try_for_each(|path| add(&mut descriptors, path))?;
    let mut found = procedures(&answer.model, &answer.selection);
    let answered = found.iter().any(|one| one.owner.direction() == Direction::Inbound);
    if arguments.outbound || (answered && arguments.all.is_none()) {
        found.retain(|one| (one.owner.direction() == Direction::Outbound) == arguments.outbound);
    }
    match &arguments.all {
        Some(folder) => write_all(&found, &descriptors, folder),
        None => write_one(&found, &descriptors, arguments),
    }
}

fn add(descriptors: &mut Descriptors, path: &PathBuf) -> Result<(), Fault> {
    let bytes = fs::read(path)
        .map_err(|error| Fault::new(format_args!("--proto: {}: cannot be read: {error}", path.display())))?;
    descriptors
        .add_set(&bytes)
        .map_err(|error| Fault::new(format_args!("--proto: {} {error}", path.display())))
}

fn write_one(found: &[Procedures], descriptors: &Descriptors, arguments: &Spec) -> Result<(), Fault> {
    let mut all: Vec<_> = found
        .iter()
        .flat_map(|one| {
            sketches(&one.all, descriptors).into_iter().map(|(name, text)| (&one.owner, name, text))
        })
        .collect();
    if all.len() > 1 {
        let names =
            all.iter().map(|(owner, package, _)| format!("{} ({})", clean(package), clean(owner.name())));
        return Err(Fault::new(format_args!(
            "{} were heard, and a file has one: choose with --service and --where, or write all with --all FOLDER\n{}",
            plural(all.len() as u64, "package"),
            names.collect::<Vec<_>>().join(", ")
        )));
    }
    let (_, _, text) = all.pop().ok_or_else(nothing)?;
    if let Some(path) = &arguments.output {
        return write_file(path, &text);
    }
    let mut out = output::stdout();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// A folder for every service, and in it a file for every package.
fn write_all(found: &[Procedures], descriptors: &Descriptors, folder: &Path) -> Result<(), Fault> {
    if found.is_empty() {
        return Err(nothing());
    }
    for Procedures { owner, all } in found {
        let below = match owner.direction() {
            Direction::Inbound => folder.to_owned(),
            Direction::Outbound => folder.join(OUTBOUND),
        };
        let folder = below.join(file_name(owner.name()));
        let failed = |error| Fault::new(format_args!("{}: cannot be made: {error}", folder.display()));
        fs::create_dir_all(&folder).map_err(failed)?;
        for (package, text) in sketches(all, descriptors) {
            let name = if package.is_empty() { NAMELESS } else { &package };
            let path = folder.join(format!("{}.proto", file_name(name)));
            write_file(&path, &text)?;
            output::tell(&format!("wrote {}", path.display()));
        }
    }
    Ok(())
}
