use super::{
    ValueClass,
    class::classify,
    word::{Look, Word},
};
use crate::bounded::rank;
use smallvec::SmallVec;
use std::borrow::Cow;

/// Segments of a route; those beyond are one. No API nests this deep, and hostile paths do.
pub(crate) const MAX_SEGMENTS: usize = 24;
/// Longest text of a segment that is kept, in bytes; what is longer is no literal.
const MAX_TEXT: usize = 96;

/// A segment of a path as it is learned.
#[derive(Clone, Debug)]
pub(crate) struct Segment<'a> {
    /// Keyed hash of the text; what tells siblings apart.
    pub(crate) hash: u64,
    pub(crate) look: Look,
    /// Percent-decoded, without matrix parameters. Shortened, or empty, where it is no text.
    pub(crate) text: Cow<'a, str>,
    /// `.json`, `:cancel`: literal behind a value.
    pub(crate) suffix: &'a str,
}

pub(crate) type Segments<'a> = SmallVec<[Segment<'a>; 8]>;

/// The segments of a path that begins with a slash. `/` has one, which is empty.
pub(crate) fn segments(key: u64, path: &str) -> Segments<'_> {
    let mut out = Segments::new();
    for (at, part) in path.strip_prefix('/').unwrap_or(path).split('/').enumerate() {
        if at == MAX_SEGMENTS {
            out.push(Segment::rest(key));
            break;
        }
        out.push(Segment::of(key, part));
    }
    out
}

impl<'a> Segment<'a> {
    fn of(key: u64, part: &'a str) -> Self {
        // Matrix parameters (RFC 3986 §3.3) carry session ids; the route is what stands before them.
        let part = memchr::memchr(b';', part.as_bytes()).and_then(|at| part.get(..at)).unwrap_or(part);
        let (class, suffix) = classify_with_suffix(part);
        let text = decode(part);
        let look =
            if class == ValueClass::Literal { Look::Word(Word::of(&text)) } else { Look::Value(class) };
        let suffix =
            if suffix.is_empty() && class == ValueClass::Literal { file_ending(part) } else { suffix };
        let hash = rank(key, &text);
        let text = if text.len() > MAX_TEXT { Cow::Borrowed("") } else { text };
        Self { hash, look, text, suffix }
    }

    /// All that comes after the last segment that is looked at.
    fn rest(key: u64) -> Self {
        let text = Cow::Borrowed("");
        Self { hash: rank(key, "\0rest"), look: Look::Value(ValueClass::Opaque), text, suffix: "" }
    }

    /// Of a number its value, of other texts their length in characters.
    pub(crate) fn measure(&self) -> f64 {
        match self.look {
            Look::Value(ValueClass::Integer | ValueClass::Number) => {
                let number = self.text.strip_suffix(self.suffix).and_then(|text| text.parse().ok());
                number.filter(|n: &f64| n.is_finite()).unwrap_or(0.0)
            }
            Look::Word(_) | Look::Value(_) => self.text.chars().count() as f64,
        }
    }

    /// A word whatever it looks like: for targets that are no path.
    pub(crate) fn word(key: u64, text: &'a str) -> Self {
        Self { hash: rank(key, text), look: Look::Word(Word::Odd), text: Cow::Borrowed(text), suffix: "" }
    }
}

/// The text without percent-encoding; empty where that is no UTF-8.
fn decode(part: &str) -> Cow<'_, str> {
    if memchr::memchr(b'%', part.as_bytes()).is_none() {
        return Cow::Borrowed(part);
    }
    let mut decoded = SmallVec::<[u8; 128]>::new();
    decode_percent(part.as_bytes(), &mut decoded);
    match std::str::from_utf8(&decoded) {
        Ok(text) => Cow::Owned(text.to_owned()),
        // Each as it came: bytes that are no text are ids of their own.
        Err(_) => Cow::Borrowed(part),
    }
}

fn classify_encoded(segment: &str) -> ValueClass {
    if memchr::memchr(b'%', segment.as_bytes()).is_none() {
        return classify(segment.as_bytes());
    }
    let mut decoded = SmallVec::<[u8; 128]>::new();
    decode_percent(segment.as_bytes(), &mut decoded);
    classify(&decoded)
}

/// Escapes that are none stay as they are.
fn decode_percent(mut bytes: &[u8], out: &mut SmallVec<[u8; 128]>) {
    while let [first, rest @ ..] = bytes {
        bytes = match (first, rest) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    after
                }
                _ => {
                    out.push(b'%');
                    rest
                }
            },
            _ => {
                out.push(*first);
                rest
            }
        };
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// `42.json` is a parameter and an ending; so is `42:cancel`. The ending is literal.
pub(super) fn classify_with_suffix(segment: &str) -> (ValueClass, &str) {
    let whole = classify_encoded(segment);
    if !matches!(whole, ValueClass::Literal | ValueClass::Opaque) {
        return (whole, "");
    }
    match split_suffix(segment) {
        Some((stem, suffix)) if classify_encoded(stem).is_parameter() => (classify_encoded(stem), suffix),
        _ => (whole, ""),
    }
}

fn split_suffix(segment: &str) -> Option<(&str, &str)> {
    let cut = memchr::memrchr2(b'.', b':', segment.as_bytes())?;
    let (stem, suffix) = segment.split_at_checked(cut)?;
    let ending = suffix.get(1..)?;
    let longest = if suffix.starts_with('.') { 5 } else { 32 };
    let plain = ending.starts_with(|c: char| c.is_ascii_alphabetic())
        && ending.bytes().all(|b| b.is_ascii_alphanumeric())
        && !classify(ending.as_bytes()).is_parameter();
    ((2..=longest).contains(&ending.len()) && plain).then_some((stem, suffix))
}

/// What a word may end in and still be an id: a file's ending or a custom method (`users:search` of AIP-136). Other
/// dots are part of a name (`chat.postMessage`).
fn file_ending(segment: &str) -> &str {
    const FILES: [&str; 27] = [
        ".atom", ".avi", ".bin", ".bmp", ".css", ".csv", ".gif", ".gz", ".htm", ".html", ".ico", ".jpeg",
        ".jpg", ".js", ".json", ".md", ".mp3", ".mp4", ".pdf", ".png", ".rss", ".svg", ".txt", ".wasm",
        ".webp", ".xml", ".zip",
    ];
    match split_suffix(segment) {
        Some((stem, suffix))
            if !stem.is_empty() && (suffix.starts_with(':') || FILES.binary_search(&suffix).is_ok()) =>
        {
            suffix
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::{Look, MAX_SEGMENTS, ValueClass, Word, segments};

    fn looks(path: &str) -> Vec<(String, Look, &str)> {
        segments(7, path).into_iter().map(|s| (s.text.into_owned(), s.look, s.suffix)).collect()
    }

    #[test]
    fn one_text_has_one_hash_however_it_is_written() {
        let hash = |path| segments(7, path)[0].hash;
        assert_eq!(hash("/ann%40example.org"), hash("/ann@example.org"));
        assert_eq!(hash("/me;jsessionid=1"), hash("/me"));
        assert_ne!(hash("/Users"), hash("/users"));
        assert_ne!(segments(7, "/a")[0].hash, segments(8, "/a")[0].hash);
    }

    #[test]
    fn sees_what_segments_look_like() {
        let word = |text: &str, word, suffix| (text.to_owned(), Look::Word(word), suffix);
        let value = |text: &str, class, suffix| (text.to_owned(), Look::Value(class), suffix);
        assert_eq!(looks("/"), [word("", Word::Empty, "")]);
        assert_eq!(
            looks("/users/42"),
            [word("users", Word::Plain, ""), value("42", ValueClass::Integer, "")]
        );
        assert_eq!(looks("/42.json"), [value("42.json", ValueClass::Integer, ".json")]);
        assert_eq!(looks("/42:cancel"), [value("42:cancel", ValueClass::Integer, ":cancel")]);
        assert_eq!(looks("/report.pdf"), [word("report.pdf", Word::Odd, ".pdf")]);
        assert_eq!(looks("/chat.postMessage"), [word("chat.postMessage", Word::Odd, "")]);
        assert_eq!(looks("/users.list"), [word("users.list", Word::Odd, "")]);
        assert_eq!(looks("/%ff"), [value("%ff", ValueClass::Text, "")]);
    }

    #[test]
    fn paths_are_cut_after_many_segments() {
        let path = "/a".repeat(1000);
        let all = segments(7, &path);
        assert_eq!(all.len(), MAX_SEGMENTS + 1);
        assert_eq!(all.last().map(|s| s.look), Some(Look::Value(ValueClass::Opaque)));
    }
}
