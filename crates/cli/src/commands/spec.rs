use crate::{
    arguments::{OpenApi, Spec, Syntax},
    commands::endpoints,
    fault::Fault,
    from::Answer,
    knowledge::Knowledge,
    output, summary,
    units::{clean, plural},
};
use overhear_export::openapi::{self, Version};
use overhear_query::{Api, Direction, apis};
use serde_json::Value;
use std::io::{self, Write};

pub(crate) fn run(arguments: &Spec) -> Result<i32, Fault> {
    let answer = endpoints::learn(&arguments.question)?;
    let direction = if arguments.outbound { Direction::Outbound } else { Direction::Inbound };
    let api = match one(&answer, direction) {
        Ok(api) => api,
        // Where the input was damaged that is why nothing was found.
        Err(fault) => return Err(answer.fault.unwrap_or(fault)),
    };
    let document = document(&api, arguments.openapi, &answer.knowledge);
    let text = match (arguments.format, arguments.json) {
        (Syntax::Json, _) | (_, true) => openapi::to_json(&document),
        (Syntax::Yaml, false) => openapi::to_yaml(&document).map_err(Fault::new)?,
    };
    match &arguments.output {
        Some(path) => output::write_file(path, |out| Ok(out.write_all(text.as_bytes())?))?,
        None => {
            let mut out = output::stdout();
            out.write_all(text.as_bytes())?;
            out.flush()?;
        }
    }
    summary::coverage(&mut io::stderr(), &answer.statistics, output::error_style())?;
    answer.finish()
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

/// The one API that is meant.
pub(crate) fn one(answer: &Answer, direction: Direction) -> Result<Api, Fault> {
    let mut found = apis(&answer.model, &answer.selection);
    found.retain(|api| api.direction == direction);
    match found.len() {
        1 => found.pop().ok_or_else(nothing),
        0 => Err(nothing()),
        number => {
            let names: Vec<String> = found
                .iter()
                .map(|api| {
                    format!("{} ({})", clean(&api.name), plural(api.operations.len() as u64, "operation"))
                })
                .collect();
            Err(Fault::new(format_args!(
                "{}: choose one with --service: {}",
                plural(number as u64, "service"),
                names.join(", ")
            )))
        }
    }
}

fn nothing() -> Fault {
    Fault::new("nothing was heard that a document could be made of")
}
