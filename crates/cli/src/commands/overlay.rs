use crate::{
    arguments::{Overlay, OverlayAction, OverlayCheck, OverlayInit},
    commands::{endpoints, spec},
    fault::Fault,
    output,
    units::plural,
};
use overhear_export::openapi::{self, Version};
use overhear_model::shape::Effort;
use overhear_overlay::{Template, Unmatched, propose};
use overhear_query::{Selection, services};
use serde_json::json;
use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

pub(crate) fn run(arguments: &Overlay) -> Result<i32, Fault> {
    match &arguments.action {
        OverlayAction::Init(arguments) => init(arguments),
        OverlayAction::Check(arguments) => check(arguments),
    }
}

fn init(arguments: &OverlayInit) -> Result<i32, Fault> {
    let answer = endpoints::learn(&arguments.question, Effort::Whole)?;
    let text = propose(&spec::one(&answer, false)?);
    let path = &arguments.output;
    if path == Path::new("-") {
        output::stdout().write_all(text.as_bytes())?;
        return answer.finish();
    }
    // Nothing a person wrote is ever changed.
    let mut file = File::create_new(path).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            Fault::new(format_args!(
                "{} exists and stays as it is: --output - shows what would be proposed",
                path.display()
            ))
        } else {
            Fault::new(format_args!("{}: cannot be written: {error}", path.display()))
        }
    })?;
    file.write_all(text.as_bytes())
        .map_err(|error| Fault::new(format_args!("{}: cannot be written: {error}", path.display())))?;
    output::tell(&format!("wrote {}", path.display()));
    answer.finish()
}

/// One thing in an overlay that has no effect.
struct Idle {
    line: u64,
    what: String,
}

fn check(arguments: &OverlayCheck) -> Result<i32, Fault> {
    let answer = endpoints::learn(&arguments.question, Effort::Whole)?;
    let Some(overlay) = &answer.knowledge.overlay else {
        return Err(Fault::new(format_args!(
            "there is no {} here: name an overlay with --overlay, or begin one with `overhear overlay init`",
            overhear_overlay::FILE_NAME
        )));
    };
    let api = spec::one(&answer, false)?;
    let mut document = openapi::document(&api, Version::default());
    let applied = overlay.apply(&mut document);
    let mut idle: Vec<Idle> = applied.unmatched.iter().map(target).collect();
    let routes: Vec<&str> = api.operations.iter().map(|operation| &*operation.route).collect();
    idle.extend(
        overlay.routes.force.iter().filter(|known| !is_one_of(known, &routes)).map(|known| Idle {
            line: known.line,
            what: format!("no request was heard for {}", known.route),
        }),
    );
    let unheard = overlay.aliases.iter().filter(|alias| !answer.names.contains_key(&*alias.name));
    idle.extend(
        unheard.map(|alias| Idle { line: alias.line, what: format!("nothing was heard of {}", alias.name) }),
    );
    let heard = services(&answer.model, &Selection::default(), &|_| false);
    let unheard = overlay.promises.iter().filter(|promise| heard.iter().all(|s| *s.name != *promise.service));
    idle.extend(unheard.map(|promise| Idle {
        line: promise.line,
        what: format!("no call was heard that {} answers", promise.service),
    }));
    idle.sort_by_key(|idle| idle.line);
    let entries =
        overlay.actions.len() + overlay.routes.force.len() + overlay.aliases.len() + overlay.promises.len();
    tell(&overlay.file, &idle, entries, arguments.json)?;
    if let Some(fault) = answer.fault {
        return Err(fault);
    }
    Ok(i32::from(!idle.is_empty()))
}

fn target(unmatched: &Unmatched) -> Idle {
    Idle { line: unmatched.line, what: format!("{} matches nothing that was heard", unmatched.target) }
}

/// Whether a route is this template, whatever its placeholders are called.
fn is_one_of(template: &Template, routes: &[&str]) -> bool {
    let wanted = overhear_query::unnamed(&template.route);
    routes.iter().any(|route| overhear_query::unnamed(route) == wanted)
}

fn tell(file: &str, idle: &[Idle], entries: usize, as_json: bool) -> Result<(), Fault> {
    let mut out = output::stdout();
    if as_json {
        let all: Vec<_> =
            idle.iter().map(|idle| json!({"file": file, "line": idle.line, "what": idle.what})).collect();
        writeln!(out, "{}", serde_json::Value::from(all))?;
    } else {
        for idle in idle {
            writeln!(out, "{file}:{}: {}", idle.line, idle.what)?;
        }
        if idle.is_empty() {
            writeln!(out, "{file}: {} checked: all of them match", plural(entries as u64, "statement"))?;
        }
    }
    Ok(out.flush()?)
}
