use super::smallest::Smallest;
use crate::bytes::{quick_hash, quote};
use smallvec::SmallVec;

/// Which members the JSON answers of one place have: the paths of a sample of them, with how many answers had each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// JSON answers that say 2xx.
    pub(crate) answers: u64,
    pub(crate) members: Smallest<u32, 24>,
}

impl Shape {
    pub(crate) fn learn(&mut self, answer: &Answer) {
        self.answers += 1;
        for path in &answer.members {
            self.members.add(*path, 1);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.answers = self.answers.saturating_add(other.answers);
        self.members.merge(&other.members);
    }
}

/// What one JSON body says to whoever looks for routes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// Keyed hashes of the paths of its members (array indices left out), each once.
    pub(crate) members: SmallVec<[u32; 64]>,
    /// Keyed hashes of values that look like names of things.
    pub(crate) ids: SmallVec<[u64; 16]>,
}

/// Bytes of a body that are looked at.
const MAX_BYTES: usize = 8 << 10;
/// Members of one body that are looked at.
const MAX_MEMBERS: usize = 512;
/// Ids of one body that are kept.
const MAX_IDS: usize = 64;
/// Levels of which members count.
const MAX_DEPTH: usize = 5;
/// Longest id, in bytes.
const MAX_ID: usize = 64;

impl Answer {
    /// Reads (the beginning of) a JSON object or array; false when it is neither.
    pub(crate) fn read(&mut self, key: u64, body: &[u8]) -> bool {
        self.members.clear();
        self.ids.clear();
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
        if !matches!(body.first(), Some(b'{' | b'[')) {
            return false;
        }
        let body = body.get(..MAX_BYTES).unwrap_or(body);
        Reader { key, rest: body, above: SmallVec::new(), answer: self }.read();
        self.members.sort_unstable();
        self.members.dedup();
        true
    }
}

/// A scanner that follows structure and checks nothing: a body that is cut off or no JSON yields what it got to.
struct Reader<'a> {
    key: u64,
    rest: &'a [u8],
    /// Hash of the path of every container that is open; `None` beyond [`MAX_DEPTH`].
    above: SmallVec<[(u64, bool); 16]>,
    answer: &'a mut Answer,
}

impl<'a> Reader<'a> {
    fn read(&mut self) {
        let mut path = self.key | 1;
        while let Some((first, rest)) = self.rest.split_first() {
            if self.answer.members.len() >= MAX_MEMBERS {
                return; // nothing that follows would count
            }
            match first {
                b'{' | b'[' => {
                    self.rest = rest;
                    if self.above.len() >= 64 {
                        return;
                    }
                    let inner = if *first == b'[' { mix(path, 0x5b) } else { path };
                    self.above.push((inner, *first == b'{'));
                    path = inner;
                }
                b'}' | b']' => {
                    self.rest = rest;
                    if self.above.pop().is_none() || self.above.is_empty() {
                        return;
                    }
                }
                b'"' => match self.text(rest) {
                    Some(member) => path = member,
                    None => return,
                },
                b',' => {
                    self.rest = rest;
                    path = self.above.last().map_or(path, |(path, _)| *path);
                }
                _ => self.rest = rest,
            }
        }
    }

    /// Passes a string. Gives the path of the member it names, or the present one.
    fn text(&mut self, after_quote: &'a [u8]) -> Option<u64> {
        let (text, rest) = until_quote(after_quote)?;
        let (above, in_object) = self.above.last().copied()?;
        let rest = rest.trim_ascii_start();
        let Some(value) = in_object.then(|| rest.strip_prefix(b":")).flatten() else {
            self.rest = rest;
            return Some(above);
        };
        let path = quick_hash(above, text);
        self.rest = value.trim_ascii_start();
        if self.above.len() <= MAX_DEPTH && self.answer.members.len() < MAX_MEMBERS {
            self.answer.members.push((path >> 32) as u32);
            if names_a_thing(text) {
                self.id();
            }
        }
        Some(path)
    }

    /// Notes the value that follows when it is a string or a whole number; passes nothing.
    fn id(&mut self) {
        let value = match self.rest.split_first() {
            Some((b'"', rest)) => until_quote(rest).map(|(text, _)| text),
            Some((b'0'..=b'9', _)) => {
                let digits = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
                self.rest.get(..digits)
            }
            _ => None,
        };
        let text =
            value.filter(|v| (1..=MAX_ID).contains(&v.len())).and_then(|v| std::str::from_utf8(v).ok());
        if let Some(text) = text
            && self.answer.ids.len() < MAX_IDS
        {
            self.answer.ids.push(crate::bounded::rank(self.key, text));
        }
    }
}

/// Spreads over all bits (the finisher of SplitMix64).
pub(crate) fn mix(hash: u64, with: u64) -> u64 {
    let mut x = hash ^ with.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// What stands before the closing quote, escapes untouched, and what stands behind it.
fn until_quote(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = quote(text, 0)?;
    while text.get(at) == Some(&b'\\') {
        at = quote(text, at + 2)?;
    }
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Members whose value a path may hold: `id`, `userId`, `order_id`, `slug`, …
fn names_a_thing(member: &[u8]) -> bool {
    if let [.., b'I', b'd'] | [.., b'_', b'i', b'd'] = member {
        return member.len() <= 32;
    }
    let mut lower = [0; 8];
    let Some(lower) = lower.get_mut(..member.len()) else { return false };
    lower.copy_from_slice(member);
    lower.make_ascii_lowercase();
    let lower: &[u8] = lower;
    matches!(
        lower,
        b"id" | b"key" | b"slug" | b"name" | b"code" | b"uuid" | b"login" | b"handle" | b"username"
    )
}

#[cfg(test)]
mod tests {
    use super::Answer;
    use crate::bounded::rank;

    fn read(body: &str) -> Answer {
        let mut answer = Answer::default();
        assert!(answer.read(7, body.as_bytes()), "{body}");
        answer
    }

    #[test]
    fn members_are_told_by_their_path() {
        let of = |body| read(body).members;
        assert_eq!(of(r#"{"a":1,"b":{"c":2}}"#).len(), 3);
        assert_eq!(of(r#"{"b" : {"c":[2, "x"]} , "a":"\"a\":"}"#), of(r#"{"a":1,"b":{"c":2}}"#));
        assert_eq!(of(r#"[{"a":1},{"a":2},{"b":3}]"#), of(r#"[{"b":{}},{"a":[]}]"#));
        assert_ne!(of(r#"{"a":{"b":1}}"#), of(r#"{"b":{"a":1}}"#));
        assert_ne!(of(r#"{"a":1}"#), of(r#"[{"a":1}]"#));
        assert_eq!(of("[1,2,\"three\"]").len(), 0);
        assert_eq!(of(r#"{"a":1,"b":{"c":2},"z":{"q"#).len(), 4, "what came before the cut counts");
    }

    #[test]
    fn ids_are_the_values_of_members_that_name_things() {
        let answer = read(
            r#"{"id":42,"name":"ann","text":"no","user":{"orderId":"o-1","key":null,"code":{"id":"x"}}}"#,
        );
        let expected = ["42", "ann", "o-1", "x"].map(|text| rank(7, text));
        assert_eq!(answer.ids.as_slice(), expected);
    }

    #[test]
    fn what_is_no_container_has_no_shape() {
        for body in ["", "1", "\"id\"", "null", "<html>"] {
            assert!(!Answer::default().read(7, body.as_bytes()), "{body}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_fine(body in r#"[{\[][{}\[\]":,a\\ id1]{0,60}"#) {
            Answer::default().read(7, body.as_bytes());
        }
    }
}
