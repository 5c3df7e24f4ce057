//! The two tables of names and values that an index points into (RFC 7541 §2.3), when not all of the dynamic one was
//! heard.
//!
//! An index counts from the newest entry. So whatever was inserted since we listen has its exact index, whatever was
//! there before; what lies beyond is not known, and stays so. An insertion that the real table refused for its size
//! (§4.4) does no harm either: it emptied that table, and nobody points to what is not there.

use std::collections::VecDeque;

/// Bytes kept of one table, whatever size it may have.
const MOST: usize = 64 * 1024;
/// What an entry takes beyond its text (§4.1).
const OVERHEAD: usize = 32;
/// The size before anybody says another (RFC 9113 §6.5.2).
const FIRST_LIMIT: usize = 4096;

/// An entry that was made before we listened: its number is the index it had when listening began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unknown(pub(crate) i64);

/// A name or a value, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text<'a> {
    Known(&'a [u8]),
    Unknown(Unknown),
}

/// What an index points to.
pub(super) enum Found<'a> {
    /// A field whose name may not be known.
    Field(Text<'a>, &'a [u8]),
    /// An entry of which nothing is known.
    Unknown(Unknown),
    /// There can be no such entry.
    None,
}

/// The dynamic table of one direction.
#[derive(Debug)]
pub(super) struct Table {
    /// Newest first.
    entries: VecDeque<Entry>,
    /// What the entries take at least.
    size: usize,
    /// As the sender last said it; absent before it was heard to.
    limit: Option<usize>,
    /// Nothing older than the entries can be in it.
    whole: bool,
    /// Since listening began.
    inserted: i64,
}

#[derive(Debug)]
struct Entry {
    name: Name,
    /// The name, where it is known, and the value.
    text: Box<[u8]>,
}

#[derive(Clone, Copy, Debug)]
enum Name {
    Length(usize),
    Unknown(Unknown),
}

impl Table {
    /// At the start of a connection.
    pub(super) const fn new() -> Self {
        Self { entries: VecDeque::new(), size: 0, limit: Some(FIRST_LIMIT), whole: true, inserted: 0 }
    }

    /// Mid-connection, or after something that may have changed it was missed.
    pub(super) const fn unknown() -> Self {
        Self { entries: VecDeque::new(), size: 0, limit: None, whole: false, inserted: 0 }
    }

    pub(super) fn get(&self, index: usize) -> Found<'_> {
        if let Some((name, value)) = index.checked_sub(1).and_then(|at| STATIC.get(at)) {
            return Found::Field(Text::Known(name), value);
        }
        let Some(at) = index.checked_sub(1 + STATIC.len()) else { return Found::None };
        match self.entries.get(at) {
            Some(entry) => entry.field(),
            None if self.whole => Found::None,
            None => Found::Unknown(Unknown(
                i64::try_from(index).unwrap_or(i64::MAX).saturating_sub(self.inserted),
            )),
        }
    }

    pub(super) fn insert(&mut self, name: Text<'_>, value: &[u8]) {
        self.inserted = self.inserted.saturating_add(1);
        let entry = Entry::new(name, value);
        let size = entry.size();
        if self.limit.is_some_and(|limit| size > limit) {
            self.clear();
            return;
        }
        self.make_room(size);
        if size <= MOST {
            self.size += size;
            self.entries.push_front(entry);
        }
    }

    /// The sender says what size it uses from now on (§4.3).
    pub(super) fn resize(&mut self, limit: usize) {
        self.limit = Some(limit);
        if limit < OVERHEAD {
            self.clear();
        } else {
            self.make_room(0);
        }
    }

    pub(super) fn retained(&self) -> usize {
        let text: usize = self.entries.iter().map(|entry| entry.text.len()).sum();
        text + self.entries.capacity() * size_of::<Entry>()
    }

    fn clear(&mut self) {
        (self.entries, self.size, self.whole) = (VecDeque::new(), 0, true);
    }

    /// Evicts the oldest. What the sender evicts shows that nothing older is left; what we cannot keep does not.
    fn make_room(&mut self, size: usize) {
        while let Some(limit) = self.limit
            && self.size + size > limit
            && self.pop()
        {
            self.whole = true;
        }
        while self.size + size > MOST && self.pop() {
            self.whole = false;
        }
        // Beyond our own bound entries are lost for good, though the sender goes on using them.
        if size > MOST {
            self.whole = false;
        }
    }

    fn pop(&mut self) -> bool {
        let Some(entry) = self.entries.pop_back() else { return false };
        self.size -= entry.size();
        true
    }
}

impl Entry {
    fn new(name: Text<'_>, value: &[u8]) -> Self {
        match name {
            Text::Known(name) => Self { name: Name::Length(name.len()), text: [name, value].concat().into() },
            Text::Unknown(name) => Self { name: Name::Unknown(name), text: value.into() },
        }
    }

    /// At least: what an unknown name takes is not known.
    fn size(&self) -> usize {
        self.text.len() + OVERHEAD
    }

    fn field(&self) -> Found<'_> {
        match self.name {
            Name::Length(length) => {
                let (name, value) = self.text.split_at_checked(length).unwrap_or((&self.text, &[]));
                Found::Field(Text::Known(name), value)
            }
            Name::Unknown(name) => Found::Field(Text::Unknown(name), &self.text),
        }
    }
}

/// RFC 7541, appendix A.
const STATIC: [(&[u8], &[u8]); 61] = [
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
];
