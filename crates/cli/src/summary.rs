//! Endpoints as a table, and what a capture did not cover.

use crate::{
    output::Style,
    table::{self as columns, Align, Cell},
    units::{bytes, clean, count, latency, plural},
};
use overhear_exchange::Statistics;
use overhear_query::{EndpointRow, Percentiles, Way, unread_names, unread_sentence};
use std::{
    io::{self, Write},
    time::Duration,
};

/// Endpoints shown at the end of listening; the busiest.
const TOP: usize = 20;
/// Programs whose connections cannot be read that are named.
const PROGRAMS: usize = 10;

/// The table of all endpoints, with totals.
pub(crate) fn endpoints(out: &mut dyn Write, rows: &[EndpointRow], style: Style) -> io::Result<()> {
    table(out, rows, style)?;
    writeln!(out, "{}", style.dim(&totals(rows)))
}

/// The end of listening: the busiest endpoints, what was lost, what could not be read.
pub(crate) fn write(
    out: &mut dyn Write,
    mut rows: Vec<EndpointRow>,
    statistics: &Statistics,
    style: Style,
) -> io::Result<()> {
    let all = totals(&rows);
    rows.sort_by(|a, b| b.requests.cmp(&a.requests).then_with(|| a.id.cmp(&b.id)));
    let more = rows.len().saturating_sub(TOP);
    rows.truncate(TOP);
    if !rows.is_empty() {
        table(out, &rows, style)?;
        if more > 0 {
            writeln!(out, "{}", style.dim(&format!("and {} less busy", plural(more as u64, "endpoint"))))?;
        }
    }
    writeln!(out, "{}", style.dim(&all))?;
    coverage(out, statistics, style)
}

/// What was lost and what could not be read; nothing when there is nothing to say.
pub(crate) fn coverage(out: &mut dyn Write, statistics: &Statistics, style: Style) -> io::Result<()> {
    for (reason, loss) in &statistics.lost {
        writeln!(out, "{}", style.bad(&lost(reason.as_str(), loss.events, loss.bytes)))?;
    }
    if !statistics.unreadable.is_empty() {
        let kinds = statistics.unreadable.iter().map(|(kind, number)| (*kind, *number));
        writeln!(out, "{}", unreadable(kinds))?;
    }
    let rows = statistics.unread.rows();
    for (key, what) in rows.iter().take(PROGRAMS) {
        writeln!(out, "  {}", clean(&unread_sentence(key, what)))?;
        let names = unread_names(key, what).map_or_else(String::new, |names| format!("{} · ", clean(&names)));
        writeln!(
            out,
            "    {}",
            style.dim(&format!("{names}{}", moved(what.sent, what.received, what.duration)))
        )?;
    }
    if let Some(more) = rows.get(PROGRAMS..).filter(|more| !more.is_empty()) {
        writeln!(out, "  and those of {}", plural(more.len() as u64, "other program"))?;
    }
    Ok(())
}

/// What shows of encrypted connections.
pub(crate) fn moved(sent: u64, received: u64, duration: Duration) -> String {
    format!("{} sent, {} received, {} in all", bytes(sent), bytes(received), latency(duration.as_secs_f64()))
}

/// One reason of loss, by its key in JSON.
pub(crate) fn lost(reason: &str, events: u64, size: u64) -> String {
    let size = if size > 0 { format!(" ({})", bytes(size)) } else { String::new() };
    let times = if events == 1 { "time" } else { "times" };
    format!("lost: {}: {} {times}{size}", clean(&reason.replace('_', " ")), count(events))
}

/// Connections that speak nothing that is read, by what they look like.
pub(crate) fn unreadable<'a>(kinds: impl Iterator<Item = (&'a str, u64)>) -> String {
    let kinds: Vec<String> =
        kinds.map(|(kind, number)| format!("{} {}", count(number), clean(kind))).collect();
    format!("not readable: connections: {}", kinds.join(", "))
}

fn table(out: &mut dyn Write, rows: &[EndpointRow], style: Style) -> io::Result<()> {
    // Most tables have nothing that goes out; they need no column for it.
    let outgoing = rows.iter().any(|row| row.id.way != Way::Inbound);
    let lines =
        std::iter::once(head(outgoing, style)).chain(rows.iter().map(|row| cells(row, outgoing, style)));
    let lines: Vec<_> = lines.collect();
    let names = if outgoing { 4 } else { 3 };
    let set = [[Align::Left; 4].get(..names).unwrap_or_default(), &[Align::Right; 6]].concat();
    columns::write(out, &set, &lines)
}

/// Heads the column of the servers that are asked.
const ASKED: &str = "ASKS";

fn head(outgoing: bool, style: Style) -> Vec<Cell> {
    ["SERVICE", ASKED, "METHOD", "ROUTE", "REQUESTS", "ERRORS", "P50", "P95", "P99", "SENT"]
        .into_iter()
        .filter(|name| outgoing || *name != ASKED)
        .map(|name| Cell::marked(name, |text| style.strong(text)))
        .collect()
}

fn cells(row: &EndpointRow, outgoing: bool, style: Style) -> Vec<Cell> {
    let time = |pick: fn(&Percentiles) -> f64| {
        row.latency.as_ref().map_or_else(|| "–".to_owned(), |percentiles| latency(pick(percentiles)))
    };
    let failed = row.errors + row.errors_hidden;
    let errors = if failed > 0 {
        Cell::marked(count(failed), |text| style.bad(text))
    } else {
        Cell::marked("0", |text| style.dim(text))
    };
    let asked = row.id.way.server().map(|server| format!("→ {}", clean(server)));
    let mut cells: Vec<Cell> = vec![clean(&row.id.service).into()];
    cells.extend(outgoing.then(|| asked.unwrap_or_default().into()));
    cells.extend([
        clean(&row.id.method).into(),
        clean(&row.id.route).into(),
        count(row.requests).into(),
        errors,
        time(|p| p.p50).into(),
        time(|p| p.p95).into(),
        time(|p| p.p99).into(),
        bytes(row.bytes_out).into(),
    ]);
    cells
}

fn totals(rows: &[EndpointRow]) -> String {
    let sum = |pick: fn(&EndpointRow) -> u64| rows.iter().map(pick).sum::<u64>();
    let failed = sum(|row| row.errors + row.errors_hidden);
    format!(
        "{}, {}, {}",
        plural(rows.len() as u64, "endpoint"),
        plural(sum(|row| row.requests), "request"),
        plural(failed, "error")
    )
}
