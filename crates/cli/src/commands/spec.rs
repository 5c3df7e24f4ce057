mod proto;

use crate::{
    arguments::{OpenApi, Spec, Syntax},
    commands::endpoints,
    fault::Fault,
    file_name::file_name,
    from::Answer,
    knowledge::Knowledge,
    output, summary,
    units::{clean, plural},
};
use overhear_export::openapi::{self, Version};
use overhear_model::shape::Effort;
use overhear_query::{Api, Direction, apis, procedures};
use serde_json::Value;
use std::{
    fs,
    io::{self, Write},
    path::Path,
};

/// Where the documents of somebody else's APIs are, in a folder of all.
pub(crate) const OUTBOUND: &str = "outbound";

pub(crate) fn run(arguments: &Spec) -> Result<i32, Fault> {
    let answer = endpoints::learn(&arguments.question, Effort::Whole)?;
    let written = match &arguments.all {
        _ if arguments.format == Syntax::Proto => proto::write(&answer, arguments),
        Some(folder) => write_all(&answer, arguments, folder),
        None => write_one(&answer, arguments),
    };
    if let Err(fault) = written {
        // Where the input was damaged that is why nothing was found.
        return Err(answer.fault.unwrap_or(fault));
    }
    summary::coverage(&mut io::stderr(), &answer.statistics, output::error_style())?;
    answer.finish()
}

fn write_one(answer: &Answer, arguments: &Spec) -> Result<(), Fault> {
    let text = text(&one(answer, arguments.outbound)?, arguments, &answer.knowledge)?;
    if let Some(path) = &arguments.output {
        return write(path, &text);
    }
    let mut out = output::stdout();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// A document for every API, in files whose names depend on nothing but theirs.
fn write_all(answer: &Answer, arguments: &Spec, folder: &Path) -> Result<(), Fault> {
    let mut found = apis(&answer.model, &answer.selection);
    found.retain(|api| !arguments.outbound || api.owner.direction() == Direction::Outbound);
    if found.is_empty() {
        return Err(nothing());
    }
    let ending = if is_json(arguments) { "json" } else { "yaml" };
    for api in &found {
        let folder = match api.owner.direction() {
            Direction::Inbound => folder.to_owned(),
            Direction::Outbound => folder.join(OUTBOUND),
        };
        let failed = |error| Fault::new(format_args!("{}: cannot be made: {error}", folder.display()));
        fs::create_dir_all(&folder).map_err(failed)?;
        let path = folder.join(format!("{}.{ending}", file_name(api.owner.name())));
        write(&path, &text(api, arguments, &answer.knowledge)?)?;
        output::tell(&format!("wrote {}", path.display()));
    }
    Ok(())
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), Fault> {
    output::write_file(path, |out| Ok(out.write_all(text.as_bytes())?))
}

fn text(api: &Api, arguments: &Spec, knowledge: &Knowledge) -> Result<String, Fault> {
    let document = document(api, arguments.openapi, knowledge);
    if is_json(arguments) {
        return Ok(openapi::to_json(&document));
    }
    openapi::to_yaml(&document).map_err(Fault::new)
}

fn is_json(arguments: &Spec) -> bool {
    arguments.json || arguments.format == Syntax::Json
}

/// The document with what people know of it.
pub(crate) fn document(api: &Api, version: OpenApi, knowledge: &Knowledge) -> Value {
    let version = match version {
        OpenApi::V3_0 => Version::V3_0,
        OpenApi::V3_1 => Version::V3_1,
        OpenApi::V3_2 => Version::V3_2,
    };
    let mut document = openapi::document(api, version);
    if let Some(overlay) = &knowledge.overlay {
        overlay.apply(&mut document);
    }
    document
}

/// The one API that is meant. What services answer goes first: what they ask is meant where it is asked for, or where
/// there is nothing else.
pub(crate) fn one(answer: &Answer, outbound: bool) -> Result<Api, Fault> {
    let (mut answered, mut asked): (Vec<_>, Vec<_>) = apis(&answer.model, &answer.selection)
        .into_iter()
        .partition(|api| api.owner.direction() == Direction::Inbound);
    let found = if outbound || answered.is_empty() { &mut asked } else { &mut answered };
    if found.len() == 1 {
        return found.pop().ok_or_else(nothing);
    }
    let mut lists = Vec::new();
    if !outbound && !answered.is_empty() {
        lists.push(format!("{}: {}", plural(answered.len() as u64, "service"), listed(&answered)));
    }
    if !asked.is_empty() {
        lists.push(format!("{} asked: {}", plural(asked.len() as u64, "server"), listed(&asked)));
    }
    if lists.is_empty() && !procedures(&answer.model, &answer.selection).is_empty() {
        return Err(Fault::new(
            "remote procedures were heard, and nothing else: --format proto makes a sketch of them",
        ));
    }
    if lists.is_empty() {
        return Err(nothing());
    }
    Err(Fault::new(format_args!(
        "several APIs were heard: choose one with --service, or write all with --all FOLDER\n{}",
        lists.join("\n")
    )))
}

fn listed(apis: &[Api]) -> String {
    let names = apis.iter().map(|api| {
        format!("{} ({})", clean(api.owner.name()), plural(api.operations.len() as u64, "operation"))
    });
    names.collect::<Vec<_>>().join(", ")
}

pub(crate) fn nothing() -> Fault {
    Fault::new("nothing was heard that a document could be made of")
}
