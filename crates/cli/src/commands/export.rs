use crate::{
    arguments::{Export, ExportAction, ExportGrafana, ExportServices},
    commands::{endpoints, spec},
    fault::Fault,
    file_name::file_name,
    from::Answer,
    output, summary,
    units::clean,
};
use overhear_export::{
    Histograms, grafana,
    objective::{Objective, objectives},
    rules::prometheus_rules,
    slo::open_slo,
};
use overhear_model::shape::Effort;
use overhear_query::{ServiceSeen, services};
use std::{
    fs,
    io::{self, Write},
    path::Path,
};

pub(crate) fn run(arguments: &Export) -> Result<i32, Fault> {
    match &arguments.action {
        ExportAction::PrometheusRules(arguments) => export(arguments, &|heard, arguments| {
            let text = prometheus_rules(&heard.objectives, histograms(arguments)).map_err(Fault::new)?;
            write_one(&text, arguments)
        }),
        ExportAction::Slo(arguments) => export(arguments, &|heard, arguments| {
            let text = open_slo(&heard.objectives, histograms(arguments)).map_err(Fault::new)?;
            write_one(&text, arguments)
        }),
        ExportAction::Grafana(arguments) => {
            export(&arguments.services, &|heard, _| dashboards(heard, arguments))
        }
    }
}

/// Services and what is promised of them.
struct Heard {
    services: Vec<ServiceSeen>,
    objectives: Vec<Objective>,
}

fn export(
    arguments: &ExportServices,
    write: &dyn Fn(&Heard, &ExportServices) -> Result<(), Fault>,
) -> Result<i32, Fault> {
    // Which endpoints are to be left out is said of the document, and so are routes.
    let answer = endpoints::learn(&arguments.question, Effort::Nothing)?;
    if let Err(fault) = heard(&answer).and_then(|heard| write(&heard, arguments)) {
        // Where the input was damaged that is why nothing was found.
        return Err(answer.fault.unwrap_or(fault));
    }
    summary::coverage(&mut io::stderr(), &answer.statistics, output::error_style())?;
    answer.finish()
}

fn heard(answer: &Answer) -> Result<Heard, Fault> {
    let ignored = answer.knowledge.ignored(&answer.model, &answer.selection);
    let services = services(&answer.model, &answer.selection, &|id| ignored.includes(id));
    if services.is_empty() {
        return Err(Fault::new("no service was heard that answers calls"));
    }
    let objectives = objectives(&services, &answer.knowledge.promises()?);
    Ok(Heard { services, objectives })
}

fn histograms(arguments: &ExportServices) -> Histograms {
    if arguments.native { Histograms::Native } else { Histograms::Classic }
}

fn dashboards(heard: &Heard, arguments: &ExportGrafana) -> Result<(), Fault> {
    let services = &arguments.services;
    let dashboard =
        |service: &ServiceSeen| grafana::dashboard(&service.name, &heard.objectives, histograms(services));
    if let Some(folder) = &arguments.all {
        return write_all(heard, &dashboard, folder);
    }
    match &heard.services[..] {
        [service] => write_one(&dashboard(service), services),
        several => {
            let names: Vec<_> = several.iter().map(|service| clean(&service.name)).collect();
            Err(Fault::new(format_args!(
                "several services were heard: choose one with --service, or write all with --all FOLDER\n{}",
                names.join(", ")
            )))
        }
    }
}

fn write_all(heard: &Heard, dashboard: &dyn Fn(&ServiceSeen) -> String, folder: &Path) -> Result<(), Fault> {
    let failed = |error| Fault::new(format_args!("{}: cannot be made: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(failed)?;
    for service in &heard.services {
        let path = folder.join(format!("{}.json", file_name(&service.name)));
        spec::write(&path, &dashboard(service))?;
        output::tell(&format!("wrote {}", path.display()));
    }
    Ok(())
}

fn write_one(text: &str, arguments: &ExportServices) -> Result<(), Fault> {
    if let Some(path) = &arguments.output {
        return spec::write(path, text);
    }
    let mut out = output::stdout();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
