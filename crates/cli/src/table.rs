//! Rows as aligned columns.

use std::io::{self, Write};

/// How a column is set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A cell: its text, and the same with marks for a terminal, which take no room.
pub(crate) struct Cell {
    text: String,
    shown: Option<String>,
}

impl Cell {
    pub(crate) fn marked(text: impl Into<String>, mark: impl FnOnce(&str) -> String) -> Self {
        let text = text.into();
        let shown = mark(&text);
        Self { text, shown: Some(shown) }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), shown: None }
    }
}

/// Writes the rows with two spaces between columns; the last column is not filled up.
pub(crate) fn write(out: &mut dyn Write, columns: &[Align], rows: &[Vec<Cell>]) -> io::Result<()> {
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| wide(&cell.text)).max();
    let widths: Vec<usize> = (0..columns.len()).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let mut line = String::new();
        for (at, ((cell, align), width)) in row.iter().zip(columns).zip(&widths).enumerate() {
            let room = " ".repeat(width.saturating_sub(wide(&cell.text)));
            let shown = cell.shown.as_ref().unwrap_or(&cell.text);
            line.push_str(if at > 0 { "  " } else { "" });
            match align {
                Align::Left => line.extend([shown.as_str(), room.as_str()]),
                Align::Right => line.extend([room.as_str(), shown.as_str()]),
            }
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Columns on a terminal; wide letters are taken for one column.
fn wide(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::{Align, Cell, write};

    #[test]
    fn digits_line_up_and_marks_take_no_room() {
        let rows = vec![
            vec![Cell::from("route"), "p95".into(), "x".into()],
            vec![Cell::marked("/ü", |text| format!("<{text}>")), "1.2 ms".into(), "yy".into()],
        ];
        let mut out = Vec::new();
        write(&mut out, &[Align::Left, Align::Right, Align::Left], &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "route     p95  x\n</ü>     1.2 ms  yy\n");
    }
}
