use crate::{
    arguments::{Drawing, Map as Arguments},
    fault::Fault,
    output::{self, Style},
    over_time,
    table::{self, Align, Cell},
    units::{clean, latency},
};
use overhear_export::map::{dot, label, mermaid};
use overhear_query::monitor::{Figures, History, Map};
use serde_json::{Value, json};
use std::io::Write;

pub(crate) fn run(arguments: &Arguments) -> Result<i32, Fault> {
    let answering = over_time::answering(&arguments.question)?;
    let map = answering.monitor.map(answering.asked).map_err(Fault::new)?.what;
    let map = chosen(map, arguments.question.scope.service.as_deref());
    let mut out = output::stdout();
    if arguments.json {
        writeln!(out, "{}", as_json(&map))?;
    } else {
        match arguments.format {
            Drawing::Text => text(&mut out, &map, output::style())?,
            Drawing::Dot => out.write_all(dot(&map).as_bytes())?,
            Drawing::Mermaid => out.write_all(mermaid(&map).as_bytes())?,
        }
    }
    out.flush()?;
    answering.finish()
}

/// What one service is part of.
fn chosen(mut map: Map, service: Option<&str>) -> Map {
    let Some(service) = service else { return map };
    map.edges.retain(|edge| *edge.from == *service || *edge.to == *service);
    map.nodes.retain(|node| map.edges.iter().any(|edge| edge.from == node.name || edge.to == node.name));
    map
}

/// Each caller, and below it whom it calls.
fn text(out: &mut dyn Write, map: &Map, style: Style) -> std::io::Result<()> {
    if map.edges.is_empty() {
        return writeln!(out, "no calls in this time");
    }
    let mut rows = Vec::new();
    let mut last = None;
    for edge in &map.edges {
        if last.replace(&edge.from) != Some(&edge.from) {
            rows.push(vec![Cell::marked(clean(&edge.from), |text| style.strong(text))]);
        }
        let to = map.nodes.iter().find(|node| node.name == edge.to);
        let mark = if to.is_some_and(|node| node.is_external) { " (external)" } else { "" };
        rows.push(vec![
            Cell::from(format!("  → {}{mark}", clean(&edge.to))),
            label(&Figures { latency: None, errors: 0, ..edge.now.clone() }).into(),
            errors(&edge.now, style),
            edge.now.latency.map_or_else(String::new, |it| format!("p50 {}", latency(it.p50))).into(),
            edge.now.latency.map_or_else(String::new, |it| format!("p95 {}", latency(it.p95))).into(),
        ]);
    }
    table::write(out, &[Align::Left, Align::Right, Align::Right, Align::Left, Align::Left], &rows)
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn errors(figures: &Figures, style: Style) -> Cell {
    if figures.errors == 0 {
        return Cell::from("");
    }
    let share = 100.0 * figures.errors as f64 / figures.requests.max(1) as f64;
    Cell::marked(format!("{share:.1} % errors"), |text| style.bad(text))
}

fn as_json(map: &Map) -> Value {
    let node =
        |node: &overhear_query::monitor::MapNode| json!({"name": &*node.name, "external": node.is_external});
    let edge = |edge: &overhear_query::monitor::MapEdge| {
        let mut object = json!({
            "from": &*edge.from,
            "to": &*edge.to,
            "requests": edge.now.requests,
            "errors": edge.now.errors,
            "errors_hidden": edge.now.errors_hidden,
            "bytes_in": edge.now.bytes_in,
            "bytes_out": edge.now.bytes_out,
        });
        if let Some(latency) = edge.now.latency {
            for (name, value) in
                [("p50", latency.p50), ("p90", latency.p90), ("p95", latency.p95), ("p99", latency.p99)]
            {
                object[name] = value.into();
            }
        }
        object
    };
    json!({
        "nodes": map.nodes.iter().map(node).collect::<Vec<_>>(),
        "edges": map.edges.iter().map(edge).collect::<Vec<_>>(),
    })
}
