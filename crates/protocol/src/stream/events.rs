//! Server-sent events (WHATWG HTML, §9.2.5 and §9.2.6): lines that end in CR, LF or both, whose fields make events.

/// Reads a stream of events, however it is cut.
#[derive(Debug)]
pub(super) struct Events {
    /// Bytes kept of a line, and of the data of an event.
    limit: usize,
    line: Vec<u8>,
    /// Bytes of the line that were not kept.
    beyond: u64,
    place: Place,
    /// A line feed that comes next ends no line: the carriage return before it did.
    after_return: bool,
    event: Building,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The very beginning, where a byte order mark may be.
    Start,
    /// Within a line, or before one.
    Line,
    /// Within a line that is longer than kept.
    LongLine,
    /// After a loss, within a line of which the beginning may be missing.
    LostLine,
    /// After a loss, between lines: an event begins after an empty one.
    LostEvent,
}

/// The fields of the event that comes next.
#[derive(Debug, Default)]
struct Building {
    name: Vec<u8>,
    data: Vec<u8>,
    /// There was a field of data.
    has_data: bool,
    /// Some of the data is not in `data`.
    cut: bool,
    size: u64,
}

/// An event that was dispatched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event<'a> {
    /// Empty where it has none: then it is a `message`.
    pub(super) name: &'a [u8],
    pub(super) data: &'a [u8],
    pub(super) complete: bool,
    /// Bytes of its data.
    pub(super) size: u64,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Events {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            beyond: 0,
            place: Place::Start,
            after_return: false,
            event: Building::default(),
        }
    }

    /// Reads on. `each` gets every event that is complete.
    pub(super) fn push(&mut self, mut content: &[u8], each: &mut dyn FnMut(Event<'_>)) {
        while !content.is_empty() {
            if std::mem::take(&mut self.after_return)
                && let Some(rest) = content.strip_prefix(b"\n")
            {
                content = rest;
                continue;
            }
            match memchr::memchr2(b'\r', b'\n', content) {
                None => {
                    self.add(content);
                    return;
                }
                Some(at) => {
                    let (line, rest) = content.split_at_checked(at).unwrap_or((content, &[]));
                    self.add(line);
                    self.after_return = rest.starts_with(b"\r");
                    content = rest.get(1..).unwrap_or_default();
                    self.end_line(each);
                }
            }
        }
    }

    /// Bytes were not seen: nothing is known of the place any more.
    pub(super) fn lose(&mut self) {
        self.line = Vec::new();
        self.beyond = 0;
        self.event = Building::default();
        self.after_return = false;
        self.place = Place::LostLine;
    }

    pub(super) fn retained(&self) -> usize {
        self.line.capacity() + self.event.name.capacity() + self.event.data.capacity()
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = match self.place {
            Place::Start | Place::Line | Place::LostEvent => self.limit.saturating_sub(self.line.len()),
            Place::LongLine => 0,
            Place::LostLine => return,
        };
        self.line.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        if bytes.len() > room {
            self.beyond += (bytes.len() - room) as u64;
            // Of a line in the middle of nowhere only the end matters.
            let nowhere = self.place == Place::LostEvent;
            self.place = if nowhere { Place::LostLine } else { Place::LongLine };
        }
    }

    fn end_line(&mut self, each: &mut dyn FnMut(Event<'_>)) {
        let mut line = std::mem::take(&mut self.line);
        let beyond = std::mem::take(&mut self.beyond);
        let was = self.place;
        self.place = match was {
            Place::LostLine => Place::LostEvent,
            Place::LostEvent if !line.is_empty() => Place::LostEvent,
            Place::LostEvent | Place::Start | Place::Line | Place::LongLine => Place::Line,
        };
        if matches!(was, Place::Start | Place::Line | Place::LongLine) {
            let mark = if was == Place::Start { BYTE_ORDER_MARK } else { &[] };
            match line.strip_prefix(mark).unwrap_or(&line) {
                [] => self.event.dispatch(each),
                text => self.event.field(text, beyond, self.limit),
            }
        }
        line.clear();
        // An idle stream is not to remember its longest line.
        self.line = if line.capacity() <= 1024 { line } else { Vec::new() };
    }
}

impl Building {
    /// One line; so many bytes of it lie `beyond` what was kept.
    fn field(&mut self, line: &[u8], beyond: u64, limit: usize) {
        let (name, value) = match memchr::memchr(b':', line) {
            Some(at) => (line.get(..at).unwrap_or_default(), line.get(at + 1..).unwrap_or_default()),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"event" => {
                self.name.clear();
                self.name.extend_from_slice(value.get(..256).unwrap_or(value));
            }
            b"data" => {
                if self.has_data {
                    self.append(b"\n", limit);
                }
                self.has_data = true;
                self.append(value, limit);
                self.cut |= beyond > 0;
                self.size += beyond;
            }
            // `id`, `retry`, comments and what nobody knows.
            _ => {}
        }
    }

    fn append(&mut self, bytes: &[u8], limit: usize) {
        let room = limit.saturating_sub(self.data.len());
        self.data.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.cut |= bytes.len() > room;
        self.size += bytes.len() as u64;
    }

    fn dispatch(&mut self, each: &mut dyn FnMut(Event<'_>)) {
        let event = std::mem::take(self);
        // An event without data is none.
        if event.size > 0 {
            let Self { name, data, cut, size, .. } = &event;
            each(Event { name, data, complete: !cut, size: *size });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Events};

    fn read(limit: usize, parts: &[&[u8]]) -> Vec<String> {
        let (mut events, mut out) = (Events::new(limit), Vec::new());
        for part in parts {
            events.push(part, &mut |event: Event<'_>| {
                let (name, data) = (event.name.escape_ascii(), event.data.escape_ascii());
                let cut = if event.complete { "" } else { " cut" };
                out.push(format!("{name}|{data}|{}{cut}", event.size));
            });
        }
        out
    }

    #[test]
    fn reads_as_browsers_do() {
        for (stream, expected) in [
            // The examples of the standard.
            ("data: YHOO\ndata: +2\ndata: 10\n\n", &["|YHOO\\n+2\\n10|10"][..]),
            (
                ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
                &["|first event|11", "|second event|12", "| third event|12"],
            ),
            ("data:test\n\ndata: test\n\n", &["|test|4", "|test|4"]),
            (
                "event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n",
                &["add|73857293|8", "remove|2153|4"],
            ),
            ("\u{feff}data: a\n\n", &["|a|1"]),
            ("data: a\r\rdata: b\r\n\r\ndata: c\n\n", &["|a|1", "|b|1", "|c|1"]),
            ("event: x\n\ndata: y\n\n", &["|y|1"]),
            ("data: left over", &[]),
            ("data\n\n", &[]),
            ("data\ndata\n\n", &["|\\n|1"]),
            ("nothing: here\nretry: 5\n\n", &[]),
        ] {
            assert_eq!(read(99, &[stream.as_bytes()]), expected, "{stream:?}");
            let single: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
            assert_eq!(read(99, &single), expected, "{stream:?} byte by byte");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_and_counted() {
        let long = format!("data: {}\n\ndata: b\n\n", "x".repeat(100));
        assert_eq!(read(20, &[long.as_bytes()]), ["|xxxxxxxxxxxxxx|100 cut", "|b|1"]);
        let single: Vec<&[u8]> = long.as_bytes().chunks(1).collect();
        assert_eq!(read(20, &single), ["|xxxxxxxxxxxxxx|100 cut", "|b|1"]);
        let many = "data: 123456789\n".repeat(5) + "\n";
        assert_eq!(read(20, &[many.as_bytes()]), ["|123456789\\n123456789\\n|49 cut"]);
    }

    #[test]
    fn after_a_loss_an_event_begins_after_an_empty_line() {
        for (rest, expected) in [
            ("ata: a\n\ndata: b\n\n", &["|b|1"][..]),
            ("\n\ndata: b\n\n", &["|b|1"]),
            ("\ndata: a\n\ndata: b\n\n", &["|b|1"]),
            ("\r\n\r\ndata: b\r\n\r\n", &["|b|1"]),
            ("a", &[]),
        ] {
            let mut events = Events::new(99);
            events.push(b"data: x", &mut |_| panic!("not yet"));
            events.lose();
            let mut out = Vec::new();
            events.push(rest.as_bytes(), &mut |e: Event<'_>| {
                out.push(format!("|{}|{}", e.data.escape_ascii(), e.size))
            });
            assert_eq!(out, expected, "{rest:?}");
        }
    }
}
