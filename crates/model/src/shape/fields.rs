//! Reads named values (queries, forms, cookies) into a [`Tape`]: one object whose values have no type of their own.

use super::{
    json::Ending,
    tape::{Kind, Tape},
};

/// Pairs of one message that are read.
const MOST_PAIRS: usize = 128;

/// Named values of one message, decoded. Reused between messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairs {
    text: Vec<u8>,
    pairs: Vec<Pair>,
    /// Where pairs have to begin, so that the first of each name is found once.
    done: Vec<bool>,
    ending: Option<Ending>,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    name: (usize, usize),
    value: (usize, usize),
    /// Of a member of a deep object (`filter[status]`): the key in the brackets.
    inner: Option<(usize, usize)>,
    /// It is one of several by its name (`id[]`).
    listed: bool,
    /// A file, of which only the presence is told.
    file: bool,
}

impl Pairs {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.pairs.clear();
        self.ending = None;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Adds a pair as it is written.
    pub(super) fn push(&mut self, name: &[u8], value: &[u8], file: bool) {
        self.push_with(name, value, file, |out, text| out.extend_from_slice(text));
    }

    fn push_with(&mut self, name: &[u8], value: &[u8], file: bool, write: fn(&mut Vec<u8>, &[u8])) {
        if self.pairs.len() >= MOST_PAIRS {
            self.ending = Some(Ending::Cut);
            return;
        }
        let start = self.text.len();
        write(&mut self.text, name);
        let middle = self.text.len();
        write(&mut self.text, value);
        let name = (start, middle);
        self.pairs.push(Pair { name, value: (middle, self.text.len()), inner: None, listed: false, file });
    }

    /// Reads `a=1&b=2` (the `application/x-www-form-urlencoded` parser of the URL standard).
    pub(super) fn read_form(&mut self, text: &[u8], complete: bool) {
        let text = match memchr::memrchr(b'&', text) {
            _ if complete => text,
            Some(last) => text.get(..last).unwrap_or_default(),
            None => &[],
        };
        if !complete {
            self.ending = Some(Ending::Cut);
        }
        for pair in text.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
            let (name, value) = split(pair, b'=');
            if !name.is_empty() {
                self.push_with(name, value, false, percent_decode);
                self.brackets();
            }
        }
    }

    /// Reads `Cookie: a=1; b=2` (RFC 6265 §4.2.1).
    pub(super) fn read_cookies(&mut self, text: &[u8]) {
        for pair in text.split(|b| *b == b';') {
            let (name, value) = split(pair.trim_ascii(), b'=');
            if !name.is_empty() {
                self.push(name, value, false);
            }
        }
    }

    /// The message does not end where these pairs end.
    pub(super) fn cut(&mut self, how: Ending) {
        self.ending = Some(how);
    }

    /// Takes a name in brackets apart.
    fn brackets(&mut self) {
        let Some(pair) = self.pairs.last_mut() else { return };
        let name = self.text.get(pair.name.0..pair.name.1).unwrap_or_default();
        let Some(open) = memchr::memchr(b'[', name) else { return };
        match name.get(open..) {
            Some(b"[]") if open > 0 => pair.listed = true,
            Some([b'[', inner @ .., b']']) if open > 0 && !inner.is_empty() => {
                let start = pair.name.0 + open;
                pair.inner = Some((start + 1, start + 1 + inner.len()));
                pair.name.1 = start;
            }
            _ => {}
        }
    }

    fn part(&self, (start, end): (usize, usize)) -> &[u8] {
        self.text.get(start..end).unwrap_or_default()
    }

    /// Writes one object, the values of a name together.
    pub(super) fn write(&mut self, tape: &mut Tape) -> Ending {
        tape.clear();
        let mut done = std::mem::take(&mut self.done);
        done.clear();
        done.resize(self.pairs.len(), false);
        let top = tape.push(Kind::Object, 0, 0);
        for at in 0..self.pairs.len() {
            if done.get(at) == Some(&false) {
                self.write_name(tape, at, &mut done);
            }
        }
        let ending = self.ending.unwrap_or(Ending::Whole);
        tape.close(top, ending != Ending::Whole);
        self.done = done;
        ending
    }

    /// Writes the pair at `from` with all later ones of its name.
    fn write_name(&self, tape: &mut Tape, from: usize, done: &mut [bool]) {
        let Some(first) = self.pairs.get(from) else { return };
        let name = self.part(first.name);
        let same: Vec<&Pair> = (from..self.pairs.len())
            .filter_map(|at| {
                let pair = self.pairs.get(at)?;
                let same = self.part(pair.name) == name && pair.inner.is_some() == first.inner.is_some();
                *done.get_mut(at)? |= same;
                same.then_some(pair)
            })
            .collect();
        tape.push_own(Kind::Key, |out| out.extend_from_slice(name));
        if first.inner.is_some() {
            let object = tape.push(Kind::Object, 0, 0);
            for pair in &same {
                tape.push_own(Kind::Key, |out| {
                    out.extend_from_slice(self.part(pair.inner.unwrap_or_default()))
                });
                self.write_value(tape, pair);
            }
            tape.close(object, false);
        } else if same.len() > 1 || first.listed {
            let array = tape.push(Kind::Array, 0, 0);
            same.iter().for_each(|pair| self.write_value(tape, pair));
            tape.close(array, false);
        } else {
            self.write_value(tape, first);
        }
    }

    fn write_value(&self, tape: &mut Tape, pair: &Pair) {
        let kind = if pair.file { Kind::File } else { Kind::Text };
        tape.push_own(kind, |out| {
            if !pair.file {
                out.extend_from_slice(self.part(pair.value));
            }
        });
    }
}

/// Before and after the first of this byte; all and nothing without it.
pub(super) fn split(text: &[u8], byte: u8) -> (&[u8], &[u8]) {
    match memchr::memchr(byte, text).and_then(|at| text.split_at_checked(at)) {
        Some((before, after)) => (before, after.get(1..).unwrap_or_default()),
        None => (text, &[]),
    }
}

/// RFC 3986 §2.1, and `+` for a space. What is no escape stays.
fn percent_decode(out: &mut Vec<u8>, mut text: &[u8]) {
    while let Some((byte, rest)) = text.split_first() {
        text = rest;
        out.push(match (byte, rest) {
            (b'+', _) => b' ',
            (b'%', [high, low, after @ ..]) => match hex(*high).zip(hex(*low)) {
                Some((high, low)) => {
                    text = after;
                    high << 4 | low
                }
                None => b'%',
            },
            (other, _) => *other,
        });
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::Pairs;
    use crate::shape::{
        json::Ending,
        tape::{Kind, Tape},
    };

    fn show(write: impl FnOnce(&mut Pairs)) -> (String, Ending) {
        let (mut pairs, mut tape) = (Pairs::default(), Tape::default());
        write(&mut pairs);
        let ending = pairs.write(&mut tape);
        let mut out = String::new();
        for at in 1..tape.len() {
            let token = tape.get(at).unwrap();
            let text = String::from_utf8_lossy(tape.text(b"", token)).into_owned();
            out += &match token.kind {
                Kind::Key => format!("{text}:"),
                Kind::Array => "[".into(),
                Kind::Object => "{".into(),
                Kind::Null
                | Kind::Boolean
                | Kind::Integer
                | Kind::Number
                | Kind::String
                | Kind::Text
                | Kind::File => text,
            };
            out.push(' ');
        }
        (out.trim_end().into(), ending)
    }

    #[test]
    fn queries() {
        for (query, expected) in [
            ("a=1&b=x+y%21&c", "a: 1 b: x y! c:"),
            ("a=1&b=2&a=3", "a: [ 1 3 b: 2"),
            ("id[]=7", "id[]: [ 7"),
            ("f[x]=1&g=2&f[y]=3", "f: { x: 1 y: 3 g: 2"),
            ("%5b=1&[x]=2&a%5Bb%5D=3", "[: 1 [x]: 2 a: { b: 3"),
            ("&&=1&a=b=c&p=%zz%4", "a: b=c p: %zz%4"),
        ] {
            assert_eq!(
                show(|pairs| pairs.read_form(query.as_bytes(), true)),
                (expected.into(), Ending::Whole),
                "{query}"
            );
        }
        assert_eq!(show(|pairs| pairs.read_form(b"a=1&b=2", false)), ("a: 1".into(), Ending::Cut));
        let many = "a=1&".repeat(10_000);
        assert_eq!(show(|pairs| pairs.read_form(many.as_bytes(), true)).1, Ending::Cut);
    }

    #[test]
    fn cookies() {
        assert_eq!(show(|pairs| pairs.read_cookies(b"a=1; b=x=y ;;c")).0, "a: 1 b: x=y c:");
    }
}
