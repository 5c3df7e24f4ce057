use crate::{
    arguments::Show,
    ask,
    commands::endpoints,
    fault::Fault,
    json,
    knowledge::Knowledge,
    output,
    output::Style,
    reference, summary,
    table::{self, Align, Cell},
    units::{clean, count, latency},
};
use overhear_export::proto;
use overhear_model::{Model, shape::Effort};
use overhear_query::{
    Authority, EndpointDetail, EndpointId, LatencyBucket, endpoint, find_endpoint, near_endpoints,
};
use serde_json::Value;
use std::io::{self, BufRead, Write};

/// Longest bar, in columns.
const BAR: u64 = 40;
/// Lines of a latency histogram.
const LINES: usize = 16;
/// Seconds; what is shorter is noise of the clock.
const SHORTEST: f64 = 1e-6;
/// Exchanges shown as examples.
const EXAMPLES: usize = 5;

pub(crate) fn run(arguments: &Show) -> Result<i32, Fault> {
    let answer = endpoints::learn(&arguments.question, Effort::Whole)?;
    let wanted = arguments.endpoint.join(" ");
    let id = match one(&answer.model, &wanted, &|id| answer.selection.includes(id)) {
        Ok(id) => id,
        // Where the input was damaged that is why it was not found.
        Err(fault) => return Err(answer.fault.unwrap_or(fault)),
    };
    let detail =
        endpoint(&answer.model, &id).ok_or_else(|| Fault::new(format_args!("{wanted}: not found")))?;
    let mut out = output::stdout();
    if arguments.json {
        writeln!(out, "{}", json::detail(&detail))?;
    } else {
        let style = output::style();
        write(&mut out, &detail, style)?;
        if arguments.why {
            why(&mut out, &detail, style)?;
        }
        if arguments.question.from.is_empty() {
            examples(&mut out, arguments, (&id, &answer.knowledge), style)?;
        }
    }
    out.flush()?;
    answer.finish()
}

/// The one endpoint that is meant.
fn one(model: &Model, wanted: &str, chosen: &dyn Fn(&EndpointId) -> bool) -> Result<EndpointId, Fault> {
    let mut found = find_endpoint(model, wanted);
    found.retain(|id| chosen(id));
    match found.len() {
        1 => found.pop().ok_or_else(|| Fault::new(wanted)),
        0 => {
            let near = near_endpoints(model, wanted, 3);
            let hint = if near.is_empty() {
                "`overhear endpoints` lists what there is".to_owned()
            } else {
                listed("did you mean", &near)
            };
            Err(Fault::new(format_args!("no endpoint is like {:?}: {hint}", clean(wanted))))
        }
        _ => Err(Fault::new(format_args!(
            "{:?} fits several: {}",
            clean(wanted),
            listed("name one of", &found)
        ))),
    }
}

fn listed(lead: &str, ids: &[EndpointId]) -> String {
    let names: Vec<String> = ids.iter().map(|id| format!("'{}'", name(id))).collect();
    format!("{lead} {}", names.join(", "))
}

fn name(id: &EndpointId) -> String {
    let server = id.way.server().map(|server| format!("{server} ")).unwrap_or_default();
    clean(&format!("{} {server}{} {}", id.service, id.method, id.route))
}

fn write(out: &mut dyn Write, detail: &EndpointDetail, style: Style) -> io::Result<()> {
    summary::endpoints(out, std::slice::from_ref(&detail.row), style)?;
    reference::write(out, &detail.path, &detail.shape, style)?;
    let procedure = detail.shape.procedure.as_ref();
    if let Some(sketch) =
        procedure.and_then(|procedure| proto::sketch(&detail.row.id.route, procedure, &detail.names))
    {
        heading(out, "Messages", style)?;
        out.write_all(sketch.as_bytes())?;
    }
    let total = detail.row.requests;
    heading(out, "Statuses", style)?;
    let statuses = detail.statuses.iter().map(|(status, requests)| {
        let text = status.map_or_else(|| "no response".to_owned(), |status| status.to_string());
        let bad = status.is_none_or(|status| status >= 500);
        counted(&text, *requests, total, |text| if bad { style.bad(text) } else { text.to_owned() })
    });
    table::write(out, &COUNTED, &statuses.collect::<Vec<_>>())?;
    if !detail.errors.is_empty() {
        heading(out, "Errors", style)?;
        let errors = detail.errors.iter();
        let errors = errors
            .map(|(error, requests)| counted(&error.to_string(), *requests, total, |text| style.bad(text)));
        table::write(out, &COUNTED, &errors.collect::<Vec<_>>())?;
    }
    if !detail.latency.is_empty() {
        heading(out, "Latency", style)?;
        histogram(out, &detail.latency)?;
    }
    heading(out, "Callers", style)?;
    let callers = detail.callers.iter();
    let callers =
        callers.map(|caller| counted(&clean(&caller.name), caller.requests, total, ToOwned::to_owned));
    table::write(out, &COUNTED, &callers.collect::<Vec<_>>())
}

/// The reasons behind the route: one line per piece of evidence, in log-odds.
fn why(out: &mut dyn Write, detail: &EndpointDetail, style: Style) -> io::Result<()> {
    heading(out, "Why this route", style)?;
    if detail.why.is_empty() {
        return writeln!(out, "every segment is clear from what it looks like: there was nothing to weigh");
    }
    for reason in &detail.why {
        let verdict = if reason.log_odds > 0.0 { "a parameter" } else { "a literal" };
        let odds = format!("log-odds {:+.1}", reason.log_odds);
        writeln!(out, "{}  {verdict}  {}", clean(&reason.route), style.dim(&odds))?;
        let terms = reason
            .terms
            .iter()
            .map(|(name, share)| vec![format!("{share:+.1}").into(), name.as_str().into()]);
        table::write(out, &[Align::Right, Align::Left], &terms.collect::<Vec<_>>())?;
    }
    Ok(())
}

const COUNTED: [Align; 3] = [Align::Left, Align::Right, Align::Left];

fn heading(out: &mut dyn Write, text: &str, style: Style) -> io::Result<()> {
    writeln!(out, "\n{}", style.strong(text))
}

fn counted(name: &str, number: u64, total: u64, mark: impl FnOnce(&str) -> String) -> Vec<Cell> {
    vec![Cell::marked(name, mark), count(number).into(), bar(number, total).into()]
}

fn bar(number: u64, total: u64) -> String {
    let length = (number * BAR).div_ceil(total.max(1)).min(BAR);
    "█".repeat(usize::try_from(length).unwrap_or_default())
}

/// Neighbouring buckets are put together so that it fits a screen.
fn histogram(out: &mut dyn Write, buckets: &[LatencyBucket]) -> io::Result<()> {
    let together: Vec<LatencyBucket> = lines_of(buckets);
    let most = together.iter().map(|bucket| bucket.count).max().unwrap_or(1);
    let rows = together.iter().map(|bucket| {
        vec![
            format!("≤ {}", latency(bucket.to)).into(),
            count(bucket.count).into(),
            bar(bucket.count, most).into(),
        ]
    });
    table::write(out, &[Align::Right, Align::Right, Align::Left], &rows.collect::<Vec<_>>())
}

/// At most [`LINES`] spans of equal ratio, the empty ones included so that the shape is right; what took less than the
/// clock can tell is in a line of its own.
fn lines_of(buckets: &[LatencyBucket]) -> Vec<LatencyBucket> {
    let (instant, measured) = buckets.split_at(buckets.partition_point(|bucket| bucket.to <= SHORTEST));
    let at_once = instant.iter().map(|bucket| bucket.count).sum();
    let mut lines = Vec::new();
    if at_once > 0 {
        lines.push(LatencyBucket { from: 0.0, to: SHORTEST, count: at_once });
    }
    let (Some(first), Some(last)) = (measured.first(), measured.last()) else { return lines };
    let low = first.from.max(SHORTEST);
    let ratio = (last.to / low).powf(1.0 / LINES as f64).max(1.2);
    let mut rest = measured.iter().peekable();
    let mut from = low;
    while rest.peek().is_some() {
        let to = from * ratio;
        let mut line = LatencyBucket { from, to, count: 0 };
        // Rounding must not make one line more of the last bucket.
        while let Some(bucket) = rest.next_if(|bucket| bucket.to <= to * 1.000_001) {
            line.count += bucket.count;
        }
        lines.push(line);
        from = to;
    }
    lines
}

/// The last calls, when a `watch` is running that remembers them.
fn examples(
    out: &mut dyn Write,
    arguments: &Show,
    (id, knowledge): (&EndpointId, &Knowledge),
    style: Style,
) -> Result<(), Fault> {
    let question = &arguments.question;
    let answer = ask::requests(&question.socket, &question.scope, question.period, knowledge)?;
    // What is called at a path stands behind it in the name of its endpoint, and apart in an exchange.
    let (route, called) =
        id.route.split_once('#').map_or((&*id.route, None), |(path, name)| (path, Some(name)));
    let calls = |exchange: &Value| {
        // A remote procedure's name is its route.
        let name = exchange["graphql.operation.name"].as_str().or(exchange["rpc.method"].as_str());
        name.filter(|name| *name != &*id.route) == called
    };
    let of_this = |exchange: &Value| {
        exchange["service.name"] == *id.service
            && is_asked(id, exchange)
            && exchange["http.request.method"] == *id.method
            && exchange["http.route"] == *route
            && calls(exchange)
    };
    let lines = answer.lines().map_while(Result::ok);
    let all: Vec<Value> = lines.filter_map(|line| serde_json::from_str(&line).ok()).filter(of_this).collect();
    if !all.is_empty() {
        heading(out, "Last calls", style)?;
    }
    for exchange in all.iter().rev().take(EXAMPLES) {
        writeln!(out, "{}", super::requests::of_json(exchange, style))?;
    }
    Ok(())
}

/// Whether the server that is asked is that of the endpoint. Where it has no name it is told by its address alone.
fn is_asked(id: &EndpointId, exchange: &Value) -> bool {
    let asked = id.way.server().map(Authority::parse).filter(Authority::is_name);
    let address = exchange["server.address"].as_str().unwrap_or_default();
    asked.is_none_or(|asked| asked.host.eq_ignore_ascii_case(address))
}

#[cfg(test)]
mod tests {
    use super::{LINES, bar, lines_of};
    use overhear_query::LatencyBucket;

    #[test]
    fn bars_show_that_there_is_something() {
        assert_eq!((bar(0, 10).as_str(), bar(1, 100_000).as_str()), ("", "█"));
        assert_eq!((bar(10, 10).chars().count(), bar(0, 0).as_str()), (40, ""));
    }

    #[test]
    fn a_histogram_keeps_every_count_and_fits() {
        let buckets: Vec<_> = (0..300)
            .map(|at| {
                let from = 1e-5 * 1.05_f64.powi(at);
                LatencyBucket { from, to: from * 1.05, count: u64::try_from(at).unwrap() + 1 }
            })
            .collect();
        let instant = LatencyBucket { from: 0.0, to: 0.0, count: 7 };
        let with_instant = [&[instant], &buckets[100..200]].concat();
        for some in [&buckets[..], &buckets[..1], &buckets[290..], &with_instant, &[instant]] {
            let lines = lines_of(some);
            assert!(lines.len() <= LINES + 1, "{}", lines.len());
            let sum = |buckets: &[LatencyBucket]| buckets.iter().map(|bucket| bucket.count).sum::<u64>();
            assert_eq!(sum(&lines), sum(some));
        }
        assert_eq!(lines_of(&with_instant)[0].count, 7);
        assert!(lines_of(&[]).is_empty());
    }
}
