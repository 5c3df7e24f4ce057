//! A collection's name to the name of one of its members: `line-items` → `lineItem`.

/// Appends the singular of `segment` in camel case. False, and nothing appended, when it is no noun.
pub(super) fn push_member_name(segment: &str, out: &mut String) -> bool {
    let wordlike = segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !wordlike || segment.len() > 40 || !segment.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
    {
        return false;
    }
    let mut parts = segment.split(['-', '_']).filter(|part| !part.is_empty()).peekable();
    let before = out.len();
    while let Some(part) = parts.next() {
        let (stem, ending) = if parts.peek().is_none() { singular(part) } else { (part, "") };
        push_camel(stem, out.len() > before, out);
        out.push_str(ending);
    }
    out.len() > before
}

fn push_camel(part: &str, inner: bool, out: &mut String) {
    let shouted = part.len() > 1 && part.bytes().all(|b| b.is_ascii_uppercase());
    for (at, letter) in part.chars().enumerate() {
        out.push(match (at, inner) {
            (0, true) => letter.to_ascii_uppercase(),
            (0, false) => letter.to_ascii_lowercase(),
            _ if shouted => letter.to_ascii_lowercase(),
            _ => letter,
        });
    }
}

/// Plurals that follow no rule, and words that only look like plurals.
const IRREGULAR: &[(&str, &str)] = &[
    ("people", "person"),
    ("children", "child"),
    ("men", "man"),
    ("women", "woman"),
    ("indices", "index"),
    ("vertices", "vertex"),
    ("matrices", "matrix"),
    ("criteria", "criterion"),
    ("movies", "movie"),
    ("cookies", "cookie"),
    ("series", "series"),
    ("species", "species"),
    ("news", "news"),
    ("sms", "sms"),
    ("dns", "dns"),
    ("aws", "aws"),
    ("gps", "gps"),
    ("ios", "ios"),
    ("https", "https"),
    ("buses", "bus"),
    ("caches", "cache"),
    ("niches", "niche"),
];

/// `(stem, ending)` of the singular.
fn singular(word: &str) -> (&str, &str) {
    if let Some((_, one)) = IRREGULAR.iter().find(|(many, _)| many.eq_ignore_ascii_case(word)) {
        return (one, "");
    }
    let ends = |suffix: &str| {
        word.len() > suffix.len()
            && word
                .as_bytes()
                .get(word.len() - suffix.len()..)
                .is_some_and(|e| e.eq_ignore_ascii_case(suffix.as_bytes()))
    };
    let cut = |n: usize| word.get(..word.len() - n).unwrap_or(word);
    if word.len() <= 3 || ends("ss") || ends("us") || ends("is") || !ends("s") {
        return (word, "");
    }
    if ends("ies") && word.len() > 4 {
        return (cut(3), "y");
    }
    if ["sses", "shes", "ches", "xes", "tuses", "ruses"].into_iter().any(ends) {
        return (cut(2), "");
    }
    (cut(1), "")
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_one_of_many() {
        for (many, one) in [
            ("users", "user"),
            ("Users", "user"),
            ("line-items", "lineItem"),
            ("line_items", "lineItem"),
            ("OrderLines", "orderLine"),
            ("URLS", "url"),
            ("categories", "category"),
            ("addresses", "address"),
            ("boxes", "box"),
            ("branches", "branch"),
            ("statuses", "status"),
            ("viruses", "virus"),
            ("houses", "house"),
            ("databases", "database"),
            ("responses", "response"),
            ("status", "status"),
            ("analysis", "analysis"),
            ("address", "address"),
            ("people", "person"),
            ("series", "series"),
            ("ties", "tie"),
            ("bus", "bus"),
            ("user", "user"),
            ("oauth2-clients", "oauth2Client"),
            ("_docs", "doc"),
        ] {
            let mut out = String::new();
            assert!(super::push_member_name(many, &mut out), "{many}");
            assert_eq!(out, one, "{many}");
        }
    }

    #[test]
    fn leaves_what_is_no_noun() {
        for segment in ["", "-", "robots.txt", "42", "straße", "a:b", &"x".repeat(41)] {
            let mut out = String::new();
            assert!(!super::push_member_name(segment, &mut out), "{segment}");
            assert_eq!(out, "", "{segment}");
        }
    }
}
