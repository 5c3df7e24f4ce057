//! An endpoint the way a good API reference tells it: parameters, bodies as a tree, security.

use crate::{
    output::Style,
    table::{self, Align, Cell},
    units::{bytes, clean, count, latency, plural},
};
use overhear_query::{
    OutlineRow, PathParameter, outline,
    shape::{Messages, ModelUse, Operation, Parameter, Payload, Place, Schema, Scheme},
};
use std::io::{self, Write};

const COLUMNS: [Align; 4] = [Align::Left, Align::Left, Align::Right, Align::Left];

/// Parameters, request, responses and security; nothing for what was not seen.
pub(crate) fn write(
    out: &mut dyn Write,
    path: &[PathParameter],
    shape: &Operation,
    style: Style,
) -> io::Result<()> {
    parameters(out, path, &shape.parameters, style)?;
    for payload in &shape.request {
        let title = format!("Request  {}", clean(&payload.media_type));
        body(out, &title, payload, shape.with_request_body, shape.requests, style)?;
    }
    for response in &shape.responses {
        for payload in &response.payloads {
            let title = format!("Response {}  {}", response.status, clean(&payload.media_type));
            body(out, &title, payload, payload.seen, response.seen, style)?;
        }
        headers(out, response.status, &response.headers, style)?;
    }
    if let Some(told) = &shape.messages {
        messages(out, told, style)?;
    }
    models(out, &shape.models, style)?;
    security(out, shape, style)
}

fn parameters(
    out: &mut dyn Write,
    path: &[PathParameter],
    others: &[Parameter],
    style: Style,
) -> io::Result<()> {
    for place in [Place::Path, Place::Query, Place::Header, Place::Cookie] {
        let rows: Vec<Vec<Cell>> = match place {
            Place::Path => {
                path.iter().map(|parameter| line(&parameter.name, &parameter.schema, 1.0, style)).collect()
            }
            Place::Query | Place::Header | Place::Cookie => {
                let here = others.iter().filter(|parameter| parameter.place == place);
                here.map(|parameter| line(&parameter.name, &parameter.schema, presence(parameter), style))
                    .collect()
            }
        };
        section(out, title(place), &rows, style)?;
    }
    Ok(())
}

const fn title(place: Place) -> &'static str {
    match place {
        Place::Path => "Path",
        Place::Query => "Query",
        Place::Header => "Headers",
        Place::Cookie => "Cookies",
    }
}

fn headers(out: &mut dyn Write, status: u16, headers: &[Parameter], style: Style) -> io::Result<()> {
    let rows: Vec<_> =
        headers.iter().map(|header| line(&header.name, &header.schema, presence(header), style)).collect();
    section(out, &format!("Response {status}  headers"), &rows, style)
}

fn body(
    out: &mut dyn Write,
    title: &str,
    payload: &Payload,
    seen: u64,
    of: u64,
    style: Style,
) -> io::Result<()> {
    let mut title = format!("{title}  {}", style.dim(&percent(share(seen, of))));
    if payload.partial > 0 {
        title.push_str(&style.dim(&format!("  {} in part", count(payload.partial))));
    }
    writeln!(out, "\n{}", style.strong(&title))?;
    let rows: Vec<Vec<Cell>> =
        payload.schema.iter().flat_map(outline).map(|row| cells(&row, style)).collect();
    table::write(out, &COLUMNS, &rows)
}

/// What went over streams, by who said it and kind.
fn messages(out: &mut dyn Write, told: &Messages, style: Style) -> io::Result<()> {
    for (who, said) in [("client", &told.client), ("server", &told.server)] {
        if said.messages == 0 && said.gaps == 0 {
            continue;
        }
        let mut title = format!("Messages from the {who}  {}", plural(said.messages, "message"));
        title.push_str(&style.dim(&format!("  {}", bytes(said.bytes))));
        if said.unread > 0 {
            title.push_str(&style.dim(&format!("  {} not read, or not all of it", count(said.unread))));
        }
        if said.gaps > 0 {
            title.push_str(&style.dim(&format!("  {} where some may be missing", plural(said.gaps, "gap"))));
        }
        writeln!(out, "\n{}", style.strong(&title))?;
        for kind in &said.kinds {
            let share = percent(share(kind.seen, said.messages));
            writeln!(out, "{}  {}  {}", clean(&kind.media_type), count(kind.seen), style.dim(&share))?;
            let rows = kind.schema.iter().flat_map(outline).filter(|row| row.depth > 0);
            table::write(out, &COLUMNS, &rows.map(|row| cells(&row, style)).collect::<Vec<_>>())?;
        }
        if said.other > 0 {
            writeln!(out, "of other kinds  {}", count(said.other))?;
        }
    }
    let codes = told.closed.iter().map(|(code, streams)| vec![closing(*code).into(), count(*streams).into()]);
    let codes: Vec<Vec<Cell>> = codes.collect();
    if !codes.is_empty() {
        writeln!(out, "\n{}", style.strong("WebSockets closed"))?;
        table::write(out, &[Align::Left, Align::Right], &codes)?;
    }
    let agreed =
        told.subprotocols.iter().map(|(name, streams)| vec![clean(name).into(), count(*streams).into()]);
    let agreed: Vec<Vec<Cell>> = agreed.collect();
    if !agreed.is_empty() {
        writeln!(out, "\n{}", style.strong("WebSocket subprotocols"))?;
        table::write(out, &[Align::Left, Align::Right], &agreed)?;
    }
    Ok(())
}

/// RFC 6455 §7.4.1 and its registry.
fn closing(code: u16) -> String {
    let meaning = match code {
        1000 => "normal",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "unsupported data",
        1005 => "no code",
        1006 => "without a Close frame",
        1007 => "invalid data",
        1008 => "policy violation",
        1009 => "message too big",
        1010 => "extension missing",
        1011 => "server error",
        1012 => "service restart",
        1013 => "try again later",
        1014 => "bad gateway",
        _ => return code.to_string(),
    };
    format!("{code} {meaning}")
}

/// Calls of generative models, with their tokens and how soon the first came.
fn models(out: &mut dyn Write, models: &[ModelUse], style: Style) -> io::Result<()> {
    if models.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", style.strong("Models"))?;
    let rows = models.iter().map(|used| {
        let first = used
            .first_token
            .map(|(p50, p95)| format!("first token p50 {}, p95 {}", latency(p50), latency(p95)));
        vec![
            clean(&used.name).into(),
            plural(used.calls, "call").into(),
            format!("{} tokens in", count(used.input_tokens)).into(),
            format!("{} out", count(used.output_tokens)).into(),
            Cell::marked(first.unwrap_or_default(), |text| style.dim(text)),
        ]
    });
    let columns = [Align::Left, Align::Right, Align::Right, Align::Right, Align::Left];
    table::write(out, &columns, &rows.collect::<Vec<_>>())
}

fn security(out: &mut dyn Write, shape: &Operation, style: Style) -> io::Result<()> {
    let rows: Vec<Vec<Cell>> = shape
        .security
        .schemes
        .iter()
        .map(|used| vec![scheme(&used.scheme).into(), percent(share(used.seen, shape.requests)).into()])
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let optional = if shape.security.open { "  not required" } else { "" };
    writeln!(out, "\n{}{}", style.strong("Security"), style.dim(optional))?;
    table::write(out, &[Align::Left, Align::Right], &rows)
}

fn scheme(scheme: &Scheme) -> String {
    match scheme {
        Scheme::Bearer { jwt: true } => "bearer token, JWT".to_owned(),
        Scheme::Bearer { jwt: false } => "bearer token".to_owned(),
        Scheme::Basic => "basic".to_owned(),
        Scheme::Http(name) => clean(name),
        Scheme::ApiKey { place, name } => {
            format!("key in {} {}", title(*place).trim_end_matches('s').to_lowercase(), clean(name))
        }
    }
}

fn section(out: &mut dyn Write, title: &str, rows: &[Vec<Cell>], style: Style) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", style.strong(title))?;
    table::write(out, &COLUMNS, rows)
}

/// A parameter: its own line of its outline says all there is, but for objects.
fn line(name: &str, schema: &Schema, presence: f64, style: Style) -> Vec<Cell> {
    let row = outline(schema).into_iter().next();
    row.map_or_else(Vec::new, |row| cells(&OutlineRow { name: name.to_owned(), presence, ..row }, style))
}

fn cells(row: &OutlineRow, style: Style) -> Vec<Cell> {
    let name = if row.name.is_empty() { "(body)" } else { &row.name };
    vec![
        format!("{}{}", "  ".repeat(row.depth), clean(name)).into(),
        clean(&row.kind).into(),
        percent(row.presence).into(),
        Cell::marked(clean(&row.notes), |text| style.dim(text)),
    ]
}

/// `97 %`; what is not always there never rounds up to all, nor what is there down to nothing.
fn percent(share: f64) -> String {
    match share * 100.0 {
        all if all >= 100.0 => "100 %".to_owned(),
        most if most > 99.0 => ">99 %".to_owned(),
        some if some >= 1.0 => format!("{some:.0} %"),
        few if few > 0.0 => "<1 %".to_owned(),
        _ => "0 %".to_owned(),
    }
}

fn presence(parameter: &Parameter) -> f64 {
    share(parameter.seen, parameter.of)
}

#[expect(clippy::cast_precision_loss, reason = "a share is shown in percent")]
fn share(seen: u64, of: u64) -> f64 {
    seen as f64 / of.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn shares_are_not_rounded_to_all_or_nothing() {
        for (share, text) in
            [(1.0, "100 %"), (0.999, ">99 %"), (0.974, "97 %"), (0.001, "<1 %"), (0.0, "0 %")]
        {
            assert_eq!(percent(share), text);
        }
    }
}
