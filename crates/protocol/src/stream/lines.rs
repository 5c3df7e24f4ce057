//! Lines of JSON (NDJSON, and RFC 7464 with its record separators).

/// Reads lines, however they are cut.
#[derive(Debug)]
pub(super) struct Lines {
    /// Bytes kept of a line.
    limit: usize,
    line: Vec<u8>,
    /// Bytes of the line that were not kept.
    beyond: u64,
    /// After a loss: the rest of this line is of no use.
    lost: bool,
}

/// A line that is not empty, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) text: &'a [u8],
    pub(super) complete: bool,
    pub(super) size: u64,
}

impl Lines {
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, line: Vec::new(), beyond: 0, lost: false }
    }

    /// Reads on. `each` gets every line that is complete.
    pub(super) fn push(&mut self, mut content: &[u8], each: &mut dyn FnMut(Line<'_>)) {
        while let Some(at) = memchr::memchr(b'\n', content) {
            let (line, rest) = content.split_at_checked(at).unwrap_or((content, &[]));
            self.add(line);
            self.finish(each);
            content = rest.get(1..).unwrap_or_default();
        }
        self.add(content);
    }

    /// The last line needs no end.
    pub(super) fn finish(&mut self, each: &mut dyn FnMut(Line<'_>)) {
        let mut line = std::mem::take(&mut self.line);
        let beyond = std::mem::take(&mut self.beyond);
        let is_separator = |b: &u8| b.is_ascii_whitespace() || *b == 0x1e;
        let start = line.iter().take_while(|b| is_separator(b)).count();
        let text = line.get(start..).unwrap_or_default().trim_ascii_end();
        if !std::mem::take(&mut self.lost) && !text.is_empty() {
            each(Line { text, complete: beyond == 0, size: text.len() as u64 + beyond });
        }
        line.clear();
        self.line = if line.capacity() <= 1024 { line } else { Vec::new() };
    }

    /// Bytes were not seen.
    pub(super) fn lose(&mut self) {
        self.line = Vec::new();
        self.beyond = 0;
        self.lost = true;
    }

    pub(super) fn retained(&self) -> usize {
        self.line.capacity()
    }

    fn add(&mut self, bytes: &[u8]) {
        if self.lost {
            return;
        }
        let room = self.limit.saturating_sub(self.line.len());
        self.line.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.beyond += bytes.len().saturating_sub(room) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, Lines};

    fn read(limit: usize, parts: &[&[u8]], lost_after: Option<usize>) -> Vec<String> {
        let (mut lines, mut out) = (Lines::new(limit), Vec::new());
        let mut each = |line: Line<'_>| {
            let cut = if line.complete { "" } else { " cut" };
            out.push(format!("{}|{}{cut}", line.text.escape_ascii(), line.size));
        };
        for (at, part) in parts.iter().enumerate() {
            lines.push(part, &mut each);
            if lost_after == Some(at) {
                lines.lose();
            }
        }
        lines.finish(&mut each);
        out
    }

    #[test]
    fn reads_lines_however_they_are_cut() {
        let text = b"{\"a\":1}\r\n\n\x1e{\"b\":2}\n{\"c\":3}";
        let expected = ["{\\\"a\\\":1}|7", "{\\\"b\\\":2}|7", "{\\\"c\\\":3}|7"];
        assert_eq!(read(99, &[text], None), expected);
        let single: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(read(99, &single, None), expected);
        assert_eq!(read(4, &[b"123456\n12\n"], None), ["1234|6 cut", "12|2"]);
    }

    #[test]
    fn after_a_loss_the_rest_of_the_line_is_nothing() {
        assert_eq!(read(99, &[b"one\ntw", b"o\nthree\n"], Some(0)), ["one|3", "three|5"]);
        assert_eq!(read(99, &[b"one\ntw", b"o"], Some(0)), ["one|3"]);
    }
}
