//! Reads JSON (RFC 8259) into a [`Tape`], as far as there is any: cut-off and damaged text gives what stands before.
//!
//! Lenient where nothing depends on it (control characters and bad UTF-8 in strings), since a passive reader
//! wants to know what both ends made of it, not whether it was proper.

use super::tape::{Kind, Tape};
use crate::bytes::quote;

/// How the reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Every value was read whole.
    Whole,
    /// The text ended, or was more than is read, within a value.
    Cut,
    /// This is no JSON from here on.
    Malformed,
}

/// Deeper arrays and objects are passed over. Everything that walks values uses the stack this deep at most.
pub(super) const MAX_DEPTH: usize = 24;

/// Reads one value, or with `lines` all of them (NDJSON, RFC 7464). `complete`: the text is all there was.
pub(super) fn read(tape: &mut Tape, text: &[u8], complete: bool, lines: bool) -> Ending {
    tape.clear();
    if u32::try_from(text.len()).is_err() {
        return Ending::Cut;
    }
    let start = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let mut reader = Reader { text, at: start, complete, lines, tape, open: Open::default(), skipped: false };
    let ending = reader.values();
    reader.close_all();
    if ending == Ending::Whole && reader.skipped { Ending::Cut } else { ending }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    complete: bool,
    lines: bool,
    tape: &'a mut Tape,
    open: Open,
    skipped: bool,
}

/// The arrays and objects around the place that is read, outermost first.
#[derive(Default)]
struct Open {
    places: [(u32, bool); MAX_DEPTH],
    depth: usize,
}

impl Open {
    fn push(&mut self, at: usize, is_object: bool) -> bool {
        let (Some(slot), Ok(at)) = (self.places.get_mut(self.depth), u32::try_from(at)) else { return false };
        *slot = (at, is_object);
        self.depth += 1;
        true
    }

    fn pop(&mut self) -> Option<(usize, bool)> {
        self.depth = self.depth.checked_sub(1)?;
        self.places.get(self.depth).map(|(at, is_object)| (*at as usize, *is_object))
    }

    fn in_object(&self) -> Option<bool> {
        self.depth.checked_sub(1).and_then(|at| self.places.get(at)).map(|(_, is_object)| *is_object)
    }
}

/// Reading stops here.
type Stop = Ending;

impl Reader<'_> {
    fn values(&mut self) -> Ending {
        loop {
            self.skip_space();
            if self.at >= self.text.len() && self.tape.len() > 0 {
                return Ending::Whole;
            }
            if self.tape.len() > 0 && !self.lines {
                return Ending::Malformed;
            }
            if let Err(stop) = self.value() {
                self.tape.drop_last_key();
                return stop;
            }
        }
    }

    /// One value at the top with all that is in it.
    fn value(&mut self) -> Result<(), Stop> {
        loop {
            let opened = self.begin_value()?;
            if !self.next_place(opened)? {
                return Ok(());
            }
        }
    }

    /// Goes on to where the next value begins; false where all is closed. `opened`: what is open is empty so far.
    #[inline(always)]
    fn next_place(&mut self, mut opened: bool) -> Result<bool, Stop> {
        while let Some(in_object) = self.open.in_object() {
            self.skip_space();
            let byte = self.peek()?;
            if byte == if in_object { b'}' } else { b']' } {
                self.at += 1;
                if let Some((at, _)) = self.open.pop() {
                    self.tape.close(at, false);
                }
                opened = false;
                continue;
            }
            if !opened {
                self.expect(b',')?;
                self.skip_space();
            }
            if in_object {
                self.key()?;
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Reads a scalar, or the beginning of an array or object; true for the latter.
    #[inline(always)]
    fn begin_value(&mut self) -> Result<bool, Stop> {
        if self.tape.is_full() {
            return Err(Ending::Cut);
        }
        let start = self.at;
        match self.peek()? {
            b'"' => self.string(Kind::String).map(|()| false),
            byte @ (b'{' | b'[') => Ok(self.begin_container(byte == b'{')),
            b't' => self.literal(b"true", Kind::Boolean),
            b'f' => self.literal(b"false", Kind::Boolean),
            b'n' => self.literal(b"null", Kind::Null),
            b'-' | b'0'..=b'9' => {
                let kind = self.number()?;
                self.tape.push(kind, start, self.at - start);
                Ok(false)
            }
            _ => Err(Ending::Malformed),
        }
    }

    fn begin_container(&mut self, is_object: bool) -> bool {
        let at = self.tape.push(if is_object { Kind::Object } else { Kind::Array }, self.at, 0);
        if self.open.push(at, is_object) {
            self.at += 1;
            return true;
        }
        self.tape.close(at, true);
        self.skipped = true;
        self.skip_container();
        false
    }

    /// Passes an array or object; depth is a number here, so nesting costs no stack.
    #[inline(never)]
    fn skip_container(&mut self) {
        let mut depth = 0usize;
        while let Some(byte) = self.text.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => self.at = escaped_end(self.text, self.at).map_or(self.text.len(), |end| end + 1),
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        return;
                    }
                }
                _ => {}
            }
        }
    }

    fn key(&mut self) -> Result<(), Stop> {
        if self.peek()? != b'"' {
            return Err(Ending::Malformed);
        }
        self.string(Kind::Key)?;
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        Ok(())
    }

    #[inline(always)]
    fn string(&mut self, kind: Kind) -> Result<(), Stop> {
        let start = self.at + 1;
        let end = quote(self.text, start).ok_or(Ending::Cut)?;
        if self.text.get(end) != Some(&b'"') {
            return self.escaped_string(kind, start, end);
        }
        self.tape.push(kind, start, end - start);
        self.at = end + 1;
        Ok(())
    }

    /// A string that is known to have no end before `at`, where there is an escape.
    #[inline(never)]
    fn escaped_string(&mut self, kind: Kind, start: usize, at: usize) -> Result<(), Stop> {
        let end = escaped_end(self.text, at).ok_or(Ending::Cut)?;
        let raw = self.text.get(start..end).unwrap_or_default();
        self.tape.push_own(kind, |out| unescape(raw, out));
        self.at = end + 1;
        Ok(())
    }

    fn literal(&mut self, word: &[u8], kind: Kind) -> Result<bool, Stop> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.starts_with(word) {
            self.tape.push(kind, self.at, word.len());
            self.at += word.len();
            return Ok(false);
        }
        Err(if word.starts_with(rest) { Ending::Cut } else { Ending::Malformed })
    }

    /// RFC 8259 §6. What ends with a cut text may go on behind it.
    fn number(&mut self) -> Result<Kind, Stop> {
        if self.text.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        let zero = self.peek()? == b'0';
        let whole = self.digits()?;
        if zero && whole > 1 {
            return Err(Ending::Malformed);
        }
        let mut kind = Kind::Integer;
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            kind = Kind::Number;
            self.digits()?;
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            kind = Kind::Number;
            if matches!(self.peek()?, b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        if self.at >= self.text.len() && !self.complete { Err(Ending::Cut) } else { Ok(kind) }
    }

    fn digits(&mut self) -> Result<usize, Stop> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        self.at += length;
        match length {
            0 if rest.is_empty() => Err(Ending::Cut),
            0 => Err(Ending::Malformed),
            _ => Ok(length),
        }
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                // RFC 7464 §2.2: a record begins with it.
                0x1e if self.lines => self.at += 1,
                _ => return,
            }
        }
    }

    fn peek(&self) -> Result<u8, Stop> {
        self.text.get(self.at).copied().ok_or(Ending::Cut)
    }

    fn expect(&mut self, byte: u8) -> Result<(), Stop> {
        if self.peek()? != byte {
            return Err(Ending::Malformed);
        }
        self.at += 1;
        Ok(())
    }

    fn close_all(&mut self) {
        while let Some((at, _)) = self.open.pop() {
            self.tape.close(at, true);
        }
    }
}

/// Where the string ends that goes on at `at`: at the first quote that is not escaped.
fn escaped_end(text: &[u8], at: usize) -> Option<usize> {
    let mut at = quote(text, at)?;
    while text.get(at) == Some(&b'\\') {
        at = quote(text, at + 2)?;
    }
    Some(at)
}

/// RFC 8259 §7. A surrogate without its other half becomes U+FFFD.
fn unescape(mut raw: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = memchr::memchr(b'\\', raw) {
        let (plain, rest) = raw.split_at(at);
        out.extend_from_slice(plain);
        raw = match rest {
            [_, b'u', rest @ ..] => unescape_unicode(rest, out),
            [_, escape, rest @ ..] => {
                out.push(match escape {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'b' => 8,
                    b'f' => 12,
                    other => *other,
                });
                rest
            }
            _ => &[],
        };
    }
    out.extend_from_slice(raw);
}

fn unescape_unicode<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let (high, mut left) = hex4(rest);
    let mut code = high;
    if let (0xd800..=0xdbff, [b'\\', b'u', low @ ..]) = (high, left) {
        let (low, after) = hex4(low);
        if (0xdc00..=0xdfff).contains(&low) {
            code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            left = after;
        }
    }
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    left
}

fn hex4(text: &[u8]) -> (u32, &[u8]) {
    let (digits, rest) = text.split_at(text.len().min(4));
    let value = digits.iter().try_fold(0, |sum, b| Some(sum << 4 | char::from(*b).to_digit(16)?));
    (value.unwrap_or(0xfffd), rest)
}

#[cfg(test)]
mod tests {
    use super::{Ending, read};
    use crate::shape::tape::{Kind, Tape};

    /// The tape as text: one word per token, `~` after what was cut.
    fn show(text: &[u8], complete: bool, lines: bool) -> (String, Ending) {
        let mut tape = Tape::default();
        let ending = read(&mut tape, text, complete, lines);
        let mut out = String::new();
        for at in 0..tape.len() {
            let token = tape.get(at).unwrap();
            assert!(token.next(at) > at && token.next(at) <= tape.len());
            let text = String::from_utf8_lossy(tape.text(text, token)).into_owned();
            out += &match token.kind {
                Kind::Key => format!("{text}:"),
                Kind::Array => format!("[{}", token.next(at) - at - 1),
                Kind::Object => format!("{{{}", token.next(at) - at - 1),
                Kind::Null
                | Kind::Boolean
                | Kind::Integer
                | Kind::Number
                | Kind::String
                | Kind::Text
                | Kind::File => text,
            };
            out += if token.cut { "~ " } else { " " };
        }
        (out.trim_end().into(), ending)
    }

    #[test]
    fn reads_what_is_there() {
        for (text, expected, ending) in [
            (r#"{"a":1,"b":[true,null,"x"]}"#, "{7 a: 1 b: [3 true null x", Ending::Whole),
            (" [ ] ", "[0", Ending::Whole),
            ("\u{feff}-1.5e+3", "-1.5e+3", Ending::Whole),
            (r#""a\u0041\n\"\ud83d\ude00\ud83d""#, "\"aA\n\"😀\u{fffd}\"".trim_matches('"'), Ending::Whole),
            (r#"{"a":1,"#, "{2~ a: 1", Ending::Cut),
            (r#"{"a":1,"b"#, "{2~ a: 1", Ending::Cut),
            (r#"{"a":1,"b":"#, "{2~ a: 1", Ending::Cut),
            (r#"{"a":[{"b":tr"#, "{3~ a: [1~ {0~ ", Ending::Cut),
            (r#"[1,2"#, "[2~ 1 2", Ending::Cut),
            (r#"[1,]"#, "[1~ 1", Ending::Malformed),
            (r#"{"a" 1}"#, "{0~", Ending::Malformed),
            ("[01]", "[0~", Ending::Malformed),
            ("<html>", "", Ending::Malformed),
            ("{} x", "{0", Ending::Malformed),
            ("", "", Ending::Cut),
            ("[1}", "[1~ 1", Ending::Malformed),
        ] {
            let (shown, how) = show(text.as_bytes(), true, false);
            assert_eq!((shown.as_str(), how), (expected.trim_end(), ending), "{text}");
        }
    }

    #[test]
    fn a_number_at_the_cut_may_go_on() {
        assert_eq!(show(b"[1,2", false, false), ("[1~ 1".into(), Ending::Cut));
        assert_eq!(show(b"12", false, false), (String::new(), Ending::Cut));
        assert_eq!(show(b"12", true, false), ("12".into(), Ending::Whole));
    }

    #[test]
    fn lines_and_records() {
        assert_eq!(show(b"{}\n[1]\n", true, true), ("{0 [1 1".into(), Ending::Whole));
        assert_eq!(show(b"\x1e{}\n\x1e1\n", true, true), ("{0 1".into(), Ending::Whole));
        assert_eq!(show(b"{}\n{\"a\":", false, true), ("{0 {0~".into(), Ending::Cut));
    }

    #[test]
    fn depth_costs_no_stack_and_what_follows_is_read() {
        let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        let (shown, ending) = show(format!("[{deep},7]").as_bytes(), true, false);
        assert_eq!(ending, Ending::Cut);
        assert!(shown.starts_with("[25 [23") && shown.ends_with("[0~ 7"), "{shown}");
        assert_eq!(show("{\"a\":".repeat(100_000).as_bytes(), true, false).1, Ending::Cut);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_fine(text in r#"[{}\[\]":,a1.e\\u -]{0,60}"#, complete: bool, lines: bool) {
            show(text.as_bytes(), complete, lines);
        }

        #[test]
        fn agrees_with_serde_json(text in r#"[{}\[\]":,a1\\u -]{0,12}"#) {
            let ours = show(text.as_bytes(), true, false).1 == Ending::Whole;
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            // Ours takes bad escapes too.
            assert!(ours || !theirs, "{text}");
        }

        #[test]
        fn what_stands_before_a_cut_is_found(cut in 0usize..40) {
            let text = br#"{"a":[1,{"b":"x"}],"c":"yes","d":null}  "#;
            let (shown, ending) = show(text.get(..cut).unwrap(), false, false);
            assert_eq!(ending == Ending::Whole, cut >= 38);
            assert!(cut < 29 || shown.contains("c: yes"));
        }
    }
}
