//! JSON laid out for reading, as it was sent: order, repeats and number spellings stay, and a body that was
//! cut off is shown as far as it goes.

/// Deepest indentation; what is nested deeper stays at this depth.
const MAX_DEPTH: usize = 24;

/// One line of the layout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct JsonLine {
    /// Levels of nesting.
    pub(crate) depth: usize,
    /// The member's name with its quotes, if the line has one.
    pub(crate) key: Option<String>,
    /// Everything after it.
    pub(crate) rest: String,
}

/// At most `most` lines; nothing where the text does not begin like an object or an array.
pub(crate) fn layout(text: &str, most: usize) -> Option<Vec<JsonLine>> {
    text.trim_start().starts_with(['{', '[']).then(|| {
        let mut layout = Layout::default();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            if layout.lines.len() >= most {
                layout.line.rest.push('…');
                break;
            }
            if layout.in_string(c) {
                continue;
            }
            match c {
                '{' | '[' => {
                    while rest.next_if(|c| c.is_ascii_whitespace()).is_some() {}
                    let closing = rest.next_if(|c| matches!(c, '}' | ']'));
                    layout.open(c, closing);
                }
                '}' | ']' => layout.close(c),
                ',' => {
                    layout.line.rest.push(',');
                    layout.end_line();
                }
                ':' => layout.name(),
                c if c.is_ascii_whitespace() => {}
                c => layout.line.rest.push(c),
            }
        }
        layout.end_line();
        layout.lines
    })
}

#[derive(Default)]
struct Layout {
    lines: Vec<JsonLine>,
    line: JsonLine,
    depth: usize,
    string: Quoting,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Quoting {
    #[default]
    Outside,
    Inside,
    Escaped,
}

impl Layout {
    /// Takes what belongs to a string.
    fn in_string(&mut self, c: char) -> bool {
        let (belongs, next) = match (self.string, c) {
            (Quoting::Outside, '"') => (true, Quoting::Inside),
            (Quoting::Outside, _) => (false, Quoting::Outside),
            (Quoting::Inside, '"') => (true, Quoting::Outside),
            (Quoting::Inside, '\\') => (true, Quoting::Escaped),
            (Quoting::Inside | Quoting::Escaped, _) => (true, Quoting::Inside),
        };
        self.string = next;
        if belongs {
            self.line.rest.push(c);
        }
        belongs
    }

    fn open(&mut self, bracket: char, closing: Option<char>) {
        self.line.rest.push(bracket);
        if let Some(closing) = closing {
            self.line.rest.push(closing);
            return;
        }
        self.end_line();
        self.depth += 1;
        self.line.depth = self.depth.min(MAX_DEPTH);
    }

    fn close(&mut self, bracket: char) {
        self.end_line();
        self.depth = self.depth.saturating_sub(1);
        self.line.depth = self.depth.min(MAX_DEPTH);
        self.line.rest.push(bracket);
    }

    /// What stands before a colon is a name, once per line.
    fn name(&mut self) {
        if self.line.key.is_none() {
            self.line.key = Some(std::mem::take(&mut self.line.rest));
            self.line.rest.push_str(": ");
        } else {
            self.line.rest.push(':');
        }
    }

    fn end_line(&mut self) {
        let next = JsonLine { depth: self.depth.min(MAX_DEPTH), ..JsonLine::default() };
        let line = std::mem::replace(&mut self.line, next);
        if line.key.is_some() || !line.rest.is_empty() {
            self.lines.push(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::layout;

    fn text(input: &str) -> String {
        let lines = layout(input, 100).expect("JSON");
        let line =
            |l: super::JsonLine| format!("{}{}{}", "  ".repeat(l.depth), l.key.unwrap_or_default(), l.rest);
        lines.into_iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn lays_out() {
        let input = r#"{"a":1.50,"b":[true, {"c":"x,{\"y\": 1}"}],"d":{ },"e":[]}"#;
        let expected = r#"{
  "a": 1.50,
  "b": [
    true,
    {
      "c": "x,{\"y\": 1}"
    }
  ],
  "d": {},
  "e": []
}"#;
        assert_eq!(text(input), expected);
    }

    #[test]
    fn shows_what_there_is_of_a_cut_body() {
        assert_eq!(text(r#"[{"name":"Jo"#), "[\n  {\n    \"name\": \"Jo");
        assert_eq!(text("[1]]}"), "[\n  1\n]\n]\n}");
    }

    #[test]
    fn bounded_in_lines_and_depth() {
        assert!(layout(&"[".repeat(100_000), 50).expect("an array").len() <= 51);
        let deep = layout(&"[1,".repeat(500), 10_000).expect("an array");
        assert!(deep.iter().all(|line| line.depth <= super::MAX_DEPTH));
        assert_eq!(layout("a=1&b=2", 10), None);
    }
}
