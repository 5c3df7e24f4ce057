//! "Did you mean": which known names are nearest to one that is unknown.

/// Longest text compared, in bytes: a distance costs the product of both lengths.
const MAX_LENGTH: usize = 96;

/// Up to `limit` of the candidates that differ in at most a third of their letters, nearest first.
pub(crate) fn nearest<'a, T>(
    wanted: &str,
    candidates: impl IntoIterator<Item = (&'a str, T)>,
    limit: usize,
) -> Vec<T> {
    let mut near: Vec<_> = candidates
        .into_iter()
        .filter_map(|(name, item)| {
            let distance = if is_part(wanted, name) { 1 } else { distance(wanted, name) };
            (distance <= wanted.len().max(6) / 3).then_some((distance, name, item))
        })
        .collect();
    near.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
    near.into_iter().take(limit).map(|(_, _, item)| item).collect()
}

fn is_part(wanted: &str, name: &str) -> bool {
    wanted.len() >= 4 && (name.contains(wanted) || (name.len() >= 4 && wanted.contains(name)))
}

/// Levenshtein's, over bytes.
fn distance(a: &str, b: &str) -> usize {
    let [a, b] = [a, b].map(|text| text.as_bytes().get(..MAX_LENGTH).unwrap_or(text.as_bytes()));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (y, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            left = (diagonal + usize::from(x != y)).min(left + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, left);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("", "", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("ab", "ba", 2), ("x", "x", 0)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn finds_typos_and_parts_nearest_first() {
        let names = ["http.response.status_code", "http.request.method", "url.path", "url.query"];
        let near = |wanted| nearest(wanted, names.map(|n| (n, n)), 3);
        assert_eq!(near("http.response.status"), ["http.response.status_code"]);
        assert_eq!(near("status_code"), ["http.response.status_code"]);
        assert_eq!(near("url.pth"), ["url.path"]);
        assert!(near("zzzz").is_empty());
    }
}
