use super::smallest::Smallest;
use crate::shape::Members;
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

/// Ids of one body that are kept.
const MAX_IDS: usize = 64;
/// Longest id, in bytes.
const MAX_ID: usize = 64;

impl Answer {
    /// Reads the members of a body.
    pub(crate) fn read(&mut self, key: u64, members: Members<'_>) {
        self.clear();
        // Items of a list mostly have the same members: what came just before is left out here, the rest below.
        let mut recent = [(0u32, false); 64];
        for member in members {
            let path = (member.path >> 32) as u32;
            let Some((known, names_a_thing)) = recent.get_mut(path as usize % 64) else { continue };
            if *known != path {
                (*known, *names_a_thing) = (path, is_name_of_a_thing(member.name));
                self.members.push(path);
            }
            if *names_a_thing
                && self.ids.len() < MAX_IDS
                && let Some(id) = member.text.and_then(id)
            {
                self.ids.push(crate::bounded::rank(key, id));
            }
        }
        self.members.sort_unstable();
        self.members.dedup();
    }

    pub(crate) fn clear(&mut self) {
        self.members.clear();
        self.ids.clear();
    }
}

/// A value that a path may hold.
fn id(text: &[u8]) -> Option<&str> {
    std::str::from_utf8(text).ok().filter(|text| (1..=MAX_ID).contains(&text.len()))
}

/// Spreads over all bits (the finisher of SplitMix64).
pub(crate) fn mix(hash: u64, with: u64) -> u64 {
    let mut x = hash ^ with.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Members whose value a path may hold: `id`, `userId`, `order_id`, `slug`, …
fn is_name_of_a_thing(member: &[u8]) -> bool {
    if let [.., b'I', b'd'] | [.., b'_', b'i', b'd'] = member {
        return member.len() <= 32;
    }
    let names: &[&[u8]] = match member.len() {
        2 => &[b"id"],
        3 => &[b"key"],
        4 => &[b"slug", b"name", b"code", b"uuid"],
        5 => &[b"login"],
        6 => &[b"handle"],
        8 => &[b"username"],
        _ => &[],
    };
    names.iter().any(|name| name.eq_ignore_ascii_case(member))
}

#[cfg(test)]
mod tests {
    use super::Answer;
    use crate::{
        bounded::rank,
        shape::{Content, Scratch},
    };

    fn read(body: &str) -> Option<Answer> {
        let (mut scratch, mut answer) = (Scratch::default(), Answer::default());
        scratch.read_response(
            Some(b"application/json"),
            Some(Content { bytes: body.as_bytes(), complete: true }),
        );
        answer.read(7, scratch.response_members(7, body.as_bytes())?);
        Some(answer)
    }

    #[test]
    fn members_are_told_by_their_path() {
        let of = |body| read(body).unwrap().members;
        assert_eq!(of(r#"{"a":1,"b":{"c":2}}"#).len(), 3);
        assert_eq!(of(r#"{"b" : {"c":[2, "x"]} , "a":"\"a\":"}"#), of(r#"{"a":1,"b":{"c":2}}"#));
        assert_eq!(of(r#"[{"a":1},{"a":2},{"b":3}]"#), of(r#"[{"b":{}},{"a":[]}]"#));
        assert_eq!(of(r#"[[],{},{"a":[{}]},{"a":{}}]"#), of(r#"[{"a":1}]"#));
        assert_ne!(of(r#"{"a":{"b":1}}"#), of(r#"{"b":{"a":1}}"#));
        assert_ne!(of(r#"{"a":1}"#), of(r#"[{"a":1}]"#));
        assert_eq!(of("[1,2,\"three\"]").len(), 0);
        assert_eq!(of(r#"{"a":1,"b":{"c":2},"z":{"q"#).len(), 4, "what came before the cut counts");
        assert_eq!(of(r#"{"a":{"a":{"a":{"a":{"a":{"a":1}}}}}}"#).len(), 5, "so deep and no deeper");
    }

    #[test]
    fn ids_are_the_values_of_members_that_name_things() {
        let answer = read(
            r#"{"id":42,"name":"ann","text":"no","user":{"orderId":"o-1","key":null,"code":{"id":"x"}},"bad":"y"}"#,
        );
        let expected = ["42", "ann", "o-1", "x"].map(|text| rank(7, text));
        assert_eq!(answer.unwrap().ids.as_slice(), expected);
    }

    #[test]
    fn what_is_no_container_has_no_shape() {
        for body in ["", "1", "\"id\"", "null", "<html>"] {
            assert!(read(body).is_none(), "{body}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_fine(body in r#"[{\[][{}\[\]":,a\\ id1]{0,60}"#) {
            read(&body);
        }
    }
}
