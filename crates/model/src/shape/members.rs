//! The members of a JSON body by their paths, for whoever looks for routes.

use super::tape::{Kind, Tape};
use crate::bytes::{mix, quick_hash};
use smallvec::SmallVec;

/// Tokens of a body that are looked at: what a list says is said by its beginning.
const MOST_TOKENS: usize = 256;
/// Levels of which members count.
const MAX_DEPTH: usize = 5;

/// One member.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<'a> {
    /// Keyed hash of the names that lead to it, array indices left out.
    pub(crate) path: u64,
    pub(crate) name: &'a [u8],
    /// Its value, where that is a string or a whole number.
    pub(crate) text: Option<&'a [u8]>,
}

/// See [`super::Scratch::response_members`].
pub(crate) struct Members<'a> {
    tape: &'a Tape,
    source: &'a [u8],
    at: usize,
    root: u64,
    /// Of the value that comes next.
    path: u64,
    /// Where every array and object that is open ends, and the path of what is in it.
    open: SmallVec<[(usize, u64); 16]>,
}

impl<'a> Members<'a> {
    /// Nothing where the tape holds neither an object nor an array.
    pub(super) fn of(key: u64, tape: &'a Tape, source: &'a [u8]) -> Option<Self> {
        let is_container = matches!(tape.get(0)?.kind, Kind::Object | Kind::Array);
        is_container.then(|| Self {
            tape,
            source,
            at: 0,
            root: key | 1,
            path: key | 1,
            open: SmallVec::new(),
        })
    }

    /// Leaves what ends here.
    fn leave(&mut self) {
        while self.open.last().is_some_and(|(end, _)| *end <= self.at) {
            self.open.pop();
        }
        self.path = self.open.last().map_or(self.root, |(_, path)| *path);
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        while self.at < MOST_TOKENS {
            let token = self.tape.get(self.at)?;
            let end = token.next(self.at);
            self.at += 1;
            match token.kind {
                Kind::Object => self.open.push((end, self.path)),
                Kind::Array => {
                    self.path = mix(self.path, 0x5b);
                    self.open.push((end, self.path));
                }
                Kind::Key => {
                    let (_, above) = *self.open.last()?;
                    let name = self.tape.text(self.source, token);
                    self.path = quick_hash(above, name);
                    if self.open.len() <= MAX_DEPTH {
                        let value = self.tape.get(self.at)?;
                        let is_text = matches!(value.kind, Kind::String | Kind::Integer);
                        let text = is_text.then(|| self.tape.text(self.source, value));
                        return Some(Member { path: self.path, name, text });
                    }
                    continue;
                }
                Kind::Null
                | Kind::Boolean
                | Kind::Integer
                | Kind::Number
                | Kind::String
                | Kind::Text
                | Kind::File => {}
            }
            self.leave();
        }
        None
    }
}
