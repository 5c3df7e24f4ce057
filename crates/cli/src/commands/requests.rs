use crate::knowledge::Knowledge;
use crate::{
    arguments::Requests,
    ask,
    choice::Choice,
    fault::Fault,
    from, json,
    output::{self, Style},
    time, units,
    units::clean,
};
use overhear_exchange::{Detail, ErrorType, Exchange};
use serde_json::Value;
use std::io::{self, BufRead, Write};

pub(crate) fn run(arguments: &Requests) -> Result<i32, Fault> {
    let question = &arguments.question;
    let choice = Choice::new(&question.scope, question.period)?;
    let knowledge = Knowledge::read(&question.known)?;
    if question.from.is_empty() {
        return of_the_running_watch(arguments, &knowledge);
    }
    let mut out = output::stdout();
    let mut line = Vec::new();
    let style = output::style();
    let read = from::each(&question.from, &choice, &knowledge, &mut |exchange, route| {
        line.clear();
        if arguments.json {
            json::write_exchange(&mut line, &exchange, Some(route)).map_err(io::Error::from)?;
            line.push(b'\n');
        } else {
            write_line(&mut line, &exchange, style)?;
        }
        out.write_all(&line)?;
        Ok(())
    });
    out.flush()?;
    read.map(|()| 0)
}

/// An exchange for people: when, how it ended, how long it took, what it was.
pub(crate) fn write_line(out: &mut Vec<u8>, exchange: &Exchange, style: Style) -> io::Result<()> {
    let Detail::Http(http) = &exchange.detail;
    let call = http.call.as_ref().and_then(|call| call.rpc.as_ref()).and_then(|rpc| rpc.status);
    let outcome = match (http.status, exchange.error) {
        (Some(_), Some(error @ ErrorType::Rpc(_))) => style.bad(&error.to_string()),
        (Some(status), Some(_)) => style.bad(&status.to_string()),
        (Some(status), None) => call.map_or_else(|| status.to_string(), |call| call.to_string()),
        (None, Some(error)) => style.bad(&error.to_string()),
        (None, None) => "–".to_owned(),
    };
    let took = exchange.duration.map_or_else(|| "–".to_owned(), |took| units::latency(took.as_secs_f64()));
    let query = if http.query.is_some() { "?…" } else { "" };
    writeln!(
        out,
        "{}  {outcome:>3}  {took:>7}  {}  {} {}{query}",
        style.dim(&time::of_day(exchange.time)),
        clean(&exchange.service),
        clean(http.method.as_str()),
        clean(&http.path),
    )
}

fn of_the_running_watch(arguments: &Requests, knowledge: &Knowledge) -> Result<i32, Fault> {
    let question = &arguments.question;
    let answer = ask::requests(&question.socket, &question.scope, question.period, knowledge)?;
    let mut out = output::stdout();
    for line in answer.lines() {
        let line = line.map_err(|error| Fault::new(format_args!("the running watch broke off: {error}")))?;
        if arguments.json {
            writeln!(out, "{line}")?;
        } else {
            let exchange: Value = serde_json::from_str(&line).unwrap_or_default();
            writeln!(out, "{}", of_json(&exchange, output::style()))?;
        }
    }
    out.flush()?;
    Ok(0)
}

/// The same line as [`write_line`], of an exchange that came as JSON.
pub(crate) fn of_json(exchange: &Value, style: Style) -> String {
    let text = |key: &str| exchange[key].as_str().map(clean).unwrap_or_default();
    let status = exchange["http.response.status_code"].as_u64().map(|status| status.to_string());
    let failed = exchange.get("error.type").is_some();
    let outcome = status.unwrap_or_else(|| if failed { text("error.type") } else { "–".to_owned() });
    let outcome = if failed { style.bad(&outcome) } else { outcome };
    let took = exchange["duration"].as_f64().map_or_else(|| "–".to_owned(), units::latency);
    let when = exchange["time"].as_str().and_then(|time| time::moment(time).ok());
    let when = when.map(|moment| time::of_day(moment.0)).unwrap_or_default();
    let query = if exchange.get("url.query").is_some() { "?…" } else { "" };
    format!(
        "{}  {outcome:>3}  {took:>7}  {}  {} {}{query}",
        style.dim(&when),
        text("service.name"),
        text("http.request.method"),
        text("url.path"),
    )
}
