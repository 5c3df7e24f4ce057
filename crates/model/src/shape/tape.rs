//! What a message holds, as a flat list of tokens: the common form of JSON bodies, forms, queries and headers.
//!
//! Each token says where its subtree ends, so that a reader walks or skips without a tree being built.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Boolean,
    /// A number written as an integer.
    Integer,
    Number,
    String,
    /// A value without a type of its own, as a query or form has it.
    Text,
    /// Content that is not looked at.
    File,
    Array,
    Object,
    /// Of a member of an object; its value is the next token.
    Key,
}

/// One value, or the key of a member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Array or object: its end was not seen, or what is in it was not read.
    pub(super) cut: bool,
    place: Place,
    start: u32,
    /// Array or object: how many tokens are in it. All else: how long the text is.
    extent: u32,
}

impl Token {
    /// Where the token is that comes after this one, which stands at `at`, and all that is in it.
    #[inline]
    pub(super) fn next(self, at: usize) -> usize {
        at + 1 + if self.is_container() { self.extent as usize } else { 0 }
    }

    #[inline]
    fn is_container(self) -> bool {
        matches!(self.kind, Kind::Array | Kind::Object)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the message.
    Source,
    /// In the tape's own buffer, decoded.
    Own,
}

/// Tokens of one message. Reused between messages, so that a usual one costs no allocation.
#[derive(Clone, Debug, Default)]
pub(super) struct Tape {
    tokens: Vec<Token>,
    own: Vec<u8>,
}

impl Tape {
    /// More tokens than that of one message are not read.
    pub(super) const MOST_TOKENS: usize = 1 << 18;

    pub(super) fn clear(&mut self) {
        self.tokens.clear();
        self.own.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.tokens.len() >= Self::MOST_TOKENS
    }

    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<Token> {
        self.tokens.get(at).copied()
    }

    /// The text of a token, decoded; empty for arrays and objects.
    #[inline]
    pub(super) fn text<'a>(&'a self, source: &'a [u8], token: Token) -> &'a [u8] {
        if token.is_container() {
            return &[];
        }
        let from = match token.place {
            Place::Source => source,
            Place::Own => &self.own,
        };
        let start = token.start as usize;
        from.get(start..start + token.extent as usize).unwrap_or_default()
    }

    /// Places of the tokens directly within the one at `at`: items, or keys.
    pub(super) fn within(&self, at: usize) -> Within<'_> {
        let end = self.get(at).map_or(at, |token| token.next(at));
        Within { tape: self, at: at + 1, end }
    }

    /// The members of the object at `at`: key, and value with its place.
    pub(super) fn members(&self, at: usize) -> impl Iterator<Item = (Token, (usize, Token))> {
        let end = self.get(at).map_or(at, |token| token.next(at));
        let mut at = at + 1;
        std::iter::from_fn(move || {
            let key = self.get(at).filter(|_| at < end)?;
            let (place, value) = (at + 1, self.get(at + 1)?);
            at = value.next(place);
            Some((key, (place, value)))
        })
    }

    /// Places of the values at the top.
    pub(super) fn roots(&self) -> Within<'_> {
        Within { tape: self, at: 0, end: self.tokens.len() }
    }

    /// Adds a token whose text stands in the message.
    #[inline]
    pub(super) fn push(&mut self, kind: Kind, start: usize, length: usize) -> usize {
        self.push_at(kind, Place::Source, start, length)
    }

    /// Adds a token whose text is what `write` appends to the tape's own buffer.
    pub(super) fn push_own(&mut self, kind: Kind, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        let start = self.own.len();
        write(&mut self.own);
        self.push_at(kind, Place::Own, start, self.own.len() - start)
    }

    #[inline]
    fn push_at(&mut self, kind: Kind, place: Place, start: usize, length: usize) -> usize {
        let at = self.tokens.len();
        // Texts are shorter than 4 GiB, see `json::read`.
        self.tokens.push(Token { kind, cut: false, place, start: start as u32, extent: length as u32 });
        at
    }

    /// Ends the array or object at `at` here.
    #[inline]
    pub(super) fn close(&mut self, at: usize, cut: bool) {
        let within = self.tokens.len().saturating_sub(at + 1);
        if let Some(token) = self.tokens.get_mut(at) {
            token.extent = u32::try_from(within).unwrap_or(u32::MAX);
            token.cut = cut;
        }
    }

    /// Takes back a key whose value is not there.
    pub(super) fn drop_last_key(&mut self) {
        if self.tokens.last().is_some_and(|token| token.kind == Kind::Key) {
            self.tokens.pop();
        }
    }
}

/// See [`Tape::within`].
pub(super) struct Within<'a> {
    tape: &'a Tape,
    at: usize,
    end: usize,
}

impl Iterator for Within<'_> {
    type Item = (usize, Token);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let (at, token) = (self.at, self.tape.get(self.at)?);
        // The value of a member belongs to its key.
        self.at = if token.kind == Kind::Key { self.tape.get(at + 1)?.next(at + 1) } else { token.next(at) };
        Some((at, token))
    }
}
