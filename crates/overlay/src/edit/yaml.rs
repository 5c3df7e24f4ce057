//! Putting lines into a YAML file, at the end of a list or of a mapping in block style.

use super::{Kind, Line};

/// Lines around a change that are told with it.
const AROUND: usize = 3;

/// Something new at the end of what stands under a path of keys.
pub(super) struct Addition {
    pub(super) path: &'static [&'static str],
    /// The first without indentation.
    pub(super) lines: Vec<String>,
}

/// What is new, alone: under its keys, as it would stand in a file.
pub(super) fn alone(additions: &[Addition]) -> String {
    let mut file = Lines::of("");
    for addition in additions {
        // An empty file takes everything.
        let _ = file.add(addition);
    }
    file.text()
}

/// The text with all of it, and the lines around what is new. Says what cannot be added to.
pub(super) fn add(text: &str, additions: &[Addition]) -> Result<(String, Vec<Line>), String> {
    let mut file = Lines::of(text);
    for addition in additions {
        file.add(addition)?;
    }
    Ok((file.text(), file.changed()))
}

/// A file by its lines.
struct Lines {
    lines: Vec<One>,
    end: &'static str,
}

struct One {
    kind: Kind,
    text: String,
}

/// What stands behind a key.
#[derive(PartialEq, Eq)]
enum Behind {
    /// Nothing: what belongs to it is in the next lines, if there is anything.
    Block,
    /// `[]` or `{}`.
    Nothing,
    Else,
}

impl Lines {
    fn of(text: &str) -> Self {
        let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let line = |text: &str| One { kind: Kind::Kept, text: text.to_owned() };
        Self { lines: text.lines().map(line).collect(), end }
    }

    fn text(&self) -> String {
        let kept = self.lines.iter().filter(|line| line.kind != Kind::Gone);
        kept.flat_map(|line| [&line.text, self.end]).collect()
    }

    /// The lines that change, with some around them.
    fn changed(&self) -> Vec<Line> {
        let near = |at: usize| {
            let around = at.saturating_sub(AROUND)..=at.saturating_add(AROUND);
            around.filter_map(|at| self.lines.get(at)).any(|line| line.kind != Kind::Kept)
        };
        let (mut old, mut new) = (0, 0);
        let mut changed = Vec::new();
        for (at, line) in self.lines.iter().enumerate() {
            old += usize::from(line.kind != Kind::Added);
            new += usize::from(line.kind != Kind::Gone);
            if near(at) {
                let number = if line.kind == Kind::Gone { old } else { new };
                changed.push(Line { kind: line.kind, number, text: line.text.clone() });
            }
        }
        changed
    }

    /// Whether a line has something to say, and how far it is indented.
    fn indent(&self, at: usize) -> Option<usize> {
        let line = self.lines.get(at).filter(|line| line.kind != Kind::Gone)?;
        let text = line.text.trim_start_matches(' ');
        (!text.is_empty() && !text.starts_with('#')).then(|| line.text.len() - text.len())
    }

    fn add(&mut self, addition: &Addition) -> Result<(), String> {
        let (mut from, mut until, mut indent) = (0, self.lines.len(), 0);
        for (depth, key) in addition.path.iter().enumerate() {
            let Some(at) = self.key(key, from..until, indent) else {
                let at = self.end_of(from..until, indent);
                self.insert(at, under(&addition.path[depth..], &addition.lines), indent);
                return Ok(());
            };
            match self.behind(at, key) {
                Behind::Else => return Err(format!("`{}`", addition.path[..=depth].join("."))),
                Behind::Nothing => self.open(at),
                Behind::Block => {}
            }
            // What was opened is one line more.
            let at = self.key(key, from..self.lines.len(), indent).unwrap_or(at);
            let is_list = depth + 1 == addition.path.len() && is_item(&addition.lines);
            until = self.block(at, indent, is_list);
            from = at + 1;
            let inner = (from..until).find_map(|at| self.indent(at));
            indent = inner.unwrap_or(indent + 2);
        }
        let at = self.end_of(from..until, indent);
        self.insert(at, addition.lines.clone(), indent);
        Ok(())
    }

    /// The line of a key that is indented so far.
    fn key(&self, key: &str, within: std::ops::Range<usize>, indent: usize) -> Option<usize> {
        within.into_iter().find(|at| self.indent(*at) == Some(indent) && self.rest(*at, key).is_some())
    }

    /// What follows a key and its colon.
    fn rest(&self, at: usize, key: &str) -> Option<&str> {
        let text = self.lines.get(at)?.text.trim_start_matches(' ');
        let forms = [key.to_owned(), format!("\"{key}\""), format!("'{key}'")];
        let rest =
            forms.iter().find_map(|form| text.strip_prefix(&**form)?.trim_start().strip_prefix(':'))?;
        (rest.is_empty() || rest.starts_with([' ', '\t'])).then_some(rest)
    }

    fn behind(&self, at: usize, key: &str) -> Behind {
        let rest = self.rest(at, key).unwrap_or_default().trim();
        let value = rest.split(" #").next().unwrap_or(rest).trim();
        match value {
            "" => Behind::Block,
            comment if comment.starts_with('#') => Behind::Block,
            "[]" | "{}" => Behind::Nothing,
            _ => Behind::Else,
        }
    }

    /// Takes the empty brackets away; what stands behind them stays.
    fn open(&mut self, at: usize) {
        let Some(line) = self.lines.get_mut(at) else { return };
        let opened = line.text.replacen("[]", "", 1).replacen("{}", "", 1);
        let opened = opened.trim_end().to_owned();
        if line.kind == Kind::Added {
            line.text = opened;
            return;
        }
        line.kind = Kind::Gone;
        self.lines.insert(at + 1, One { kind: Kind::Added, text: opened });
    }

    /// The line after what belongs to a key. A list may stand as far out as its key.
    fn block(&self, key: usize, indent: usize, is_list: bool) -> usize {
        let belongs = |at: usize| match self.indent(at) {
            None => true,
            Some(inner) => inner > indent || (is_list && inner == indent && self.is_dash(at)),
        };
        let mut end = key + 1;
        while end < self.lines.len() && belongs(end) {
            end += 1;
        }
        end
    }

    fn is_dash(&self, at: usize) -> bool {
        let text = self.lines.get(at).map_or("", |line| line.text.trim_start_matches(' '));
        text == "-" || text.starts_with("- ")
    }

    /// Behind the last line of a stretch that says something; comments behind it belong to what follows, if they are
    /// not indented as it is.
    fn end_of(&self, within: std::ops::Range<usize>, indent: usize) -> usize {
        let says = |at: &usize| {
            let comment = self.lines.get(*at).is_some_and(|line| {
                let text = line.text.trim_start_matches(' ');
                text.starts_with('#') && line.text.len() - text.len() >= indent.max(1)
            });
            self.indent(*at).is_some() || comment
        };
        within.clone().rev().find(says).map_or(within.start, |at| at + 1)
    }

    fn insert(&mut self, at: usize, lines: Vec<String>, indent: usize) {
        let lines = lines
            .into_iter()
            .map(|text| One { kind: Kind::Added, text: format!("{}{text}", " ".repeat(indent)) });
        let at = at.min(self.lines.len());
        self.lines.splice(at..at, lines);
    }
}

fn is_item(lines: &[String]) -> bool {
    lines.first().is_some_and(|line| line.starts_with("- "))
}

/// Lines under keys.
fn under(path: &[&str], lines: &[String]) -> Vec<String> {
    match path {
        [] => lines.to_vec(),
        [key, rest @ ..] => {
            let inner = under(rest, lines).into_iter().map(|line| format!("  {line}"));
            [format!("{key}:")].into_iter().chain(inner).collect()
        }
    }
}
