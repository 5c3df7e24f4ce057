//! Who calls whom, for Graphviz (the DOT language) and for Mermaid (flowcharts, as Markdown renders them).

use overhear_query::monitor::{Figures, Map, MapNode};
use std::{collections::BTreeMap, fmt::Write};

/// A DOT digraph.
pub fn dot(map: &Map) -> String {
    let mut out = "digraph services {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    for node in &map.nodes {
        let style = if node.is_external { " [style=dashed]" } else { "" };
        line(&mut out, format_args!("  {}{style};", quoted(&node.name)));
    }
    for edge in &map.edges {
        let (from, to) = (quoted(&edge.from), quoted(&edge.to));
        let colour = if edge.now.errors > 0 { ", color=red" } else { "" };
        line(&mut out, format_args!("  {from} -> {to} [label={}{colour}];", quoted(&label(&edge.now))));
    }
    out.push_str("}\n");
    out
}

/// A Mermaid flowchart.
pub fn mermaid(map: &Map) -> String {
    let mut out = "flowchart LR\n".to_owned();
    let number = |(at, node): (usize, &MapNode)| (std::sync::Arc::clone(&node.name), at);
    let numbers: BTreeMap<_, _> = map.nodes.iter().enumerate().map(number).collect();
    for (at, node) in map.nodes.iter().enumerate() {
        let (open, close) = if node.is_external { ("([", "])") } else { ("[", "]") };
        line(&mut out, format_args!("  n{at}{open}\"{}\"{close}", entities(&node.name)));
    }
    for edge in &map.edges {
        if let (Some(from), Some(to)) = (numbers.get(&edge.from), numbers.get(&edge.to)) {
            line(&mut out, format_args!("  n{from} -->|\"{}\"| n{to}", entities(&label(&edge.now))));
        }
    }
    out
}

/// What is written at an edge: `12.5/s, 1.2% errors, p95 12 ms`.
pub fn label(figures: &Figures) -> String {
    let mut label = rate(figures);
    if figures.errors > 0 {
        let share = 100.0 * number(figures.errors) / number(figures.requests.max(1));
        // Writing to a String does not fail.
        let _ = write!(label, ", {share:.1}% errors");
    }
    if let Some(latency) = figures.latency {
        let millis = latency.p95 * 1000.0;
        let _ = if millis < 10.0 {
            write!(label, ", p95 {millis:.1} ms")
        } else {
            write!(label, ", p95 {millis:.0} ms")
        };
    }
    label
}

fn rate(figures: &Figures) -> String {
    let rate = if figures.seconds > 0.0 { number(figures.requests) / figures.seconds } else { 0.0 };
    if rate >= 0.095 { format!("{rate:.1}/s") } else { format!("{:.1}/min", rate * 60.0) }
}

#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
const fn number(count: u64) -> f64 {
    count as f64
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = writeln!(out, "{text}");
}

/// A quoted DOT ID; names come from the traffic.
fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            letter if letter.is_control() => quoted.push(' '),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// Whatever could end a Mermaid text, or be markup in it, as entity codes.
fn entities(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        if letter.is_control() {
            out.push(' ');
        } else if matches!(letter, '"' | '#' | '<' | '>' | '&' | ';' | '`' | '|') {
            let _ = write!(out, "#{};", u32::from(letter));
        } else {
            out.push(letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{dot, mermaid};
    use overhear_query::monitor::{Figures, Latency, Map, MapEdge, MapNode};

    fn map() -> Map {
        let latency = Latency { p50: 0.001, p90: 0.002, p95: 0.0123, p99: 0.02, max: 0.03 };
        let now =
            Figures { requests: 250, errors: 3, seconds: 20.0, latency: Some(latency), ..Figures::default() };
        let node = |name: &str, is_external| MapNode { name: name.into(), is_external };
        Map {
            nodes: vec![node("10.0.0.9", true), node("a \"b\" <c>", false)],
            edges: vec![MapEdge { from: "10.0.0.9".into(), to: "a \"b\" <c>".into(), now, before: None }],
        }
    }

    #[test]
    fn dot_quotes_what_the_traffic_says() {
        assert_eq!(
            dot(&map()),
            "digraph services {\n  rankdir=LR;\n  node [shape=box];\n  \"10.0.0.9\" [style=dashed];\n  \"a \\\"b\\\" <c>\";\n  \
             \"10.0.0.9\" -> \"a \\\"b\\\" <c>\" [label=\"12.5/s, 1.2% errors, p95 12 ms\", color=red];\n}\n"
        );
    }

    #[test]
    fn mermaid_escapes_it() {
        assert_eq!(
            mermaid(&map()),
            "flowchart LR\n  n0([\"10.0.0.9\"])\n  n1[\"a #34;b#34; #60;c#62;\"]\n  n0 -->|\"12.5/s, 1.2% errors, p95 12 ms\"| n1\n"
        );
    }
}
