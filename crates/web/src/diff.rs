//! What is different between two texts, line by line.

/// Lines beyond which nothing is compared: all of both is told.
const MOST: usize = 2_000;
/// Lines around a difference that are told with it.
const AROUND: usize = 3;

/// What happens to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Kept,
    Gone,
    Added,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Gone => "gone",
            Self::Added => "added",
        }
    }
}

/// The lines that differ, with a few around them.
pub(crate) fn diff<'a>(old: &'a str, new: &'a str) -> Vec<(Kind, &'a str)> {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let all = aligned(&old, &new);
    let near = |at: usize| {
        let around = at.saturating_sub(AROUND)..=at.saturating_add(AROUND);
        around.filter_map(|at| all.get(at)).any(|(kind, _)| *kind != Kind::Kept)
    };
    all.iter().enumerate().filter(|(at, _)| near(*at)).map(|(_, line)| *line).collect()
}

fn aligned<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(Kind, &'a str)> {
    let gone = old.iter().map(|line| (Kind::Gone, *line));
    let added = new.iter().map(|line| (Kind::Added, *line));
    if old.len().max(new.len()) > MOST {
        return gone.chain(added).collect();
    }
    let lengths = common(old, new);
    let length = |i: usize, j: usize| lengths.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0);
    let (mut i, mut j) = (0, 0);
    let mut all = Vec::new();
    loop {
        match (old.get(i), new.get(j)) {
            (Some(a), Some(b)) if a == b => {
                all.push((Kind::Kept, *a));
                (i, j) = (i + 1, j + 1);
            }
            (Some(a), b) if b.is_none() || length(i + 1, j) >= length(i, j + 1) => {
                all.push((Kind::Gone, *a));
                i += 1;
            }
            (_, Some(b)) => {
                all.push((Kind::Added, *b));
                j += 1;
            }
            (_, None) => return all,
        }
    }
}

/// How many lines the rests of both have in common, in order.
fn common(old: &[&str], new: &[&str]) -> Vec<Vec<u16>> {
    let mut lengths = vec![vec![0_u16; new.len() + 1]];
    for a in old.iter().rev() {
        let mut row = vec![0_u16; new.len() + 1];
        let below = lengths.last().map_or(&[][..], Vec::as_slice);
        for (j, b) in new.iter().enumerate().rev() {
            let at = |row: &[u16], j: usize| row.get(j).copied().unwrap_or(0);
            let longest = if a == b { at(below, j + 1) + 1 } else { at(below, j).max(at(&row, j + 1)) };
            if let Some(cell) = row.get_mut(j) {
                *cell = longest;
            }
        }
        lengths.push(row);
    }
    lengths.reverse();
    lengths
}

#[cfg(test)]
mod tests {
    use super::{Kind::*, diff};

    #[test]
    fn what_differs_is_told_with_what_is_around_it() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh";
        assert_eq!(diff(old, old), []);
        let new = "a\nb\nc\nd\nE\nf\ng\nh\ni";
        let expected = [
            (Kept, "b"),
            (Kept, "c"),
            (Kept, "d"),
            (Gone, "e"),
            (Added, "E"),
            (Kept, "f"),
            (Kept, "g"),
            (Kept, "h"),
            (Added, "i"),
        ];
        assert_eq!(diff(old, new), expected);
        assert_eq!(diff("", "a"), [(Added, "a")]);
        assert_eq!(diff("a", ""), [(Gone, "a")]);
        let long = "x\n".repeat(3_000);
        assert_eq!(diff(&long, "y").len(), 3_001);
    }
}
