use super::class::{ValueClass, is_route_version};
use serde::{Deserialize, Serialize};

/// What kind of literal-looking text a segment is: how likely programs make routes of it, or people and programs ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    /// One that routes are usually made of: `search`, `me`.
    Usual,
    /// `v1`, `1.2.3`.
    Version,
    /// `2.0`: a version or a number.
    Decimal,
    /// `de`, `en-US`: also what countries and currencies look like.
    Locale,
    /// One word in lower case.
    Plain,
    /// Words in lower case with hyphens.
    Slug,
    /// The same, and a number at the end.
    NumberedSlug,
    /// Letters that are hardly words, perhaps behind a short prefix: what ids of many services look like.
    Coded,
    /// As names in code are written: `camelCase`, `PascalCase`, `snake_case`.
    Identifier,
    /// The empty segment of a trailing slash.
    Empty,
    /// Anything else.
    Odd,
}

impl Word {
    pub(crate) const ALL: [Self; 11] = [
        Self::Usual,
        Self::Version,
        Self::Decimal,
        Self::Locale,
        Self::Plain,
        Self::Slug,
        Self::NumberedSlug,
        Self::Coded,
        Self::Identifier,
        Self::Empty,
        Self::Odd,
    ];

    /// The kind of a segment whose class is [`ValueClass::Literal`].
    pub(crate) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        if is_usual(text) {
            Self::Usual
        } else if bytes.is_empty() {
            Self::Empty
        } else if is_route_version(bytes) {
            if is_decimal(bytes) { Self::Decimal } else { Self::Version }
        } else if is_locale(bytes) {
            Self::Locale
        } else if bytes.iter().all(u8::is_ascii_lowercase) {
            Self::Plain
        } else if is_slug(bytes) {
            let number = bytes.rsplit(|b| *b == b'-').next().unwrap_or_default();
            if number.iter().all(u8::is_ascii_digit) { Self::NumberedSlug } else { Self::Slug }
        } else if is_coded(bytes) || is_hardly_words(bytes) {
            Self::Coded
        } else if is_identifier(bytes) {
            Self::Identifier
        } else {
            Self::Odd
        }
    }

    /// True for what is written to disk when it was seen often enough: a name or two words could be a person's.
    pub(crate) const fn gives_nobody_away(self) -> bool {
        matches!(
            self,
            Self::Usual
                | Self::Version
                | Self::Decimal
                | Self::Locale
                | Self::Plain
                | Self::Identifier
                | Self::Empty
        )
    }

    /// True for what is a literal whatever its siblings are.
    pub(crate) const fn is_fixed(self) -> bool {
        matches!(self, Self::Usual | Self::Version | Self::Empty)
    }
}

/// A class or a kind of literal: all that a decision knows of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Look {
    /// Text of which routes can be made.
    Word(Word),
    /// Text that names one thing.
    Value(ValueClass),
}

impl Look {
    pub(crate) fn class(self) -> ValueClass {
        match self {
            Self::Word(_) => ValueClass::Literal,
            Self::Value(class) => class,
        }
    }

    pub(crate) fn word(self) -> Option<Word> {
        match self {
            Self::Word(word) => Some(word),
            Self::Value(_) => None,
        }
    }
}

fn is_locale(bytes: &[u8]) -> bool {
    let alphabetic = |part: &[u8]| part.iter().all(u8::is_ascii_alphabetic);
    match bytes {
        [_, _] => alphabetic(bytes),
        [a @ .., b'-' | b'_', c, d] if a.len() == 2 => alphabetic(a) && alphabetic(&[*c, *d]),
        _ => false,
    }
}

fn is_slug(bytes: &[u8]) -> bool {
    memchr::memchr(b'-', bytes).is_some()
        && bytes
            .split(|b| *b == b'-')
            .all(|part| !part.is_empty() && part.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}

/// `cus_avppwItuJgPURS`: what stands behind the prefix has capitals inside or digits before its end.
fn is_coded(bytes: &[u8]) -> bool {
    let Some(cut) = memchr::memchr(b'_', bytes) else { return false };
    let (prefix, code) = (bytes.get(..cut).unwrap_or_default(), bytes.get(cut + 1..).unwrap_or_default());
    let within = code.get(1..code.len().saturating_sub(1)).unwrap_or_default();
    let upper = within.iter().filter(|b| b.is_ascii_uppercase()).count();
    (2..=8).contains(&prefix.len())
        && prefix.iter().all(u8::is_ascii_lowercase)
        && code.len() >= 10
        && code.iter().all(u8::is_ascii_alphanumeric)
        && code.iter().any(u8::is_ascii_lowercase)
        && (upper >= 3 || within.iter().any(u8::is_ascii_digit))
}

/// `2.0`
fn is_decimal(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| b.is_ascii_digit() || *b == b'.') && memchr::memchr_iter(b'.', bytes).count() == 1
}

/// `G67PVWmc`, `kLmQzTbx`: of the parts that capitals begin two have no vowel, or one and digits stand among the letters.
fn is_hardly_words(bytes: &[u8]) -> bool {
    let digits_within = bytes.iter().position(u8::is_ascii_digit).is_some_and(|at| {
        at > 0 && bytes.get(at..).is_some_and(|rest| rest.iter().any(u8::is_ascii_alphabetic))
    });
    let needed = if digits_within { 1 } else { 2 };
    (6..=24).contains(&bytes.len())
        && bytes.iter().all(u8::is_ascii_alphanumeric)
        && bytes.iter().any(u8::is_ascii_uppercase)
        && bytes.iter().any(u8::is_ascii_lowercase)
        && parts(bytes).filter(|part| is_unspeakable(part)).count() >= needed
}

/// The parts of a name that capitals and digits begin.
fn parts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.chunk_by(|_, next| next.is_ascii_lowercase())
}

fn is_unspeakable(part: &[u8]) -> bool {
    part.len() >= 2 && !part.iter().any(|b| b"aeiouyAEIOUY0123456789".contains(b))
}

fn is_identifier(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

fn is_usual(text: &str) -> bool {
    text.len() <= 16 && USUAL.binary_search_by(|word| compare(word, text)).is_ok()
}

/// In the order of [`USUAL`], letters of `text` taken as lower case.
fn compare(word: &str, text: &str) -> std::cmp::Ordering {
    word.bytes().cmp(text.bytes().map(|b| b.to_ascii_lowercase()))
}

/// Ascending. What stands here is never an id; a word that is often one (`default`, `root`) does not belong here.
const USUAL: &[&str] = &[
    "admin",
    "api",
    "auth",
    "auto-complete",
    "autocomplete",
    "batch",
    "bulk",
    "config",
    "count",
    "create",
    "current",
    "delete",
    "edit",
    "export",
    "health",
    "healthz",
    "import",
    "info",
    "internal",
    "latest",
    "list",
    "livez",
    "login",
    "logout",
    "me",
    "metadata",
    "metrics",
    "new",
    "oauth",
    "oauth2",
    "ping",
    "preview",
    "private",
    "public",
    "query",
    "readyz",
    "search",
    "self",
    "settings",
    "stats",
    "status",
    "suggest",
    "summary",
    "token",
    "update",
    "upload",
    "validate",
    "verify",
    "version",
    "whoami",
];

#[cfg(test)]
mod tests {
    use super::{USUAL, Word, Word::*};

    #[test]
    fn tells_kinds_of_words_apart() {
        for (kind, texts) in [
            (Usual, "search me LOGIN whoami"),
            (Version, "v1 v2beta1 2.0.1"),
            (Decimal, "2.0 0.5"),
            (Locale, "de en-US pt_BR US"),
            (Plain, "users alice calendar"),
            (Slug, "blue-shoes line-items 2-for-1-offer"),
            (NumberedSlug, "blue-shoes-12 covid-19"),
            (Coded, "cus_avppwItuJgPURS ord_ng4xfaYqtueRVu acct_uhBXYUMDpxzhpw G67PVWmc kLmQzTbx"),
            (
                Identifier,
                "getUser line_items OData4 OAuth2Login iPhone McDonald getDbVersion Accounts _search ACCOUNTS get_UserById",
            ),
            (Odd, "$batch robots.txt users.list straße -x"),
        ] {
            for text in texts.split(' ') {
                assert_eq!(Word::of(text), kind, "{text}");
            }
        }
        assert_eq!(Word::of(""), Empty);
    }

    #[test]
    fn the_usual_words_can_be_found() {
        assert!(USUAL.is_sorted());
        assert!(USUAL.iter().all(|word| Word::of(word) == Usual));
    }
}
