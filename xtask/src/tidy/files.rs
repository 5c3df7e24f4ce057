//! What no file may hold: stray white space, unfinished business, names of machines.

use super::{Complaint, File};

const TEXT: [&str; 10] = ["rs", "md", "toml", "c", "h", "py", "js", "go", "sh", "yaml"];

/// Kernel code is indented with tabs, and Go insists on them.
const TABBED: [&str; 3] = ["c", "h", "go"];

/// Marks of unfinished business, in two parts so that this file does not hold them.
const UNFINISHED: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("HA", "CK:")];

/// Folders of one machine, and hosts that packages come from: neither is the same anywhere else.
const PLACES: [&str; 9] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tmp/ba", "sh_jobs"),
    concat!("/ho", "me/"),
    concat!("pypi", ".org"),
    concat!("npmjs", ".org"),
    concat!("deb.debian", ".org"),
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
];

pub(super) fn check(files: &[File]) -> Vec<Complaint> {
    files.iter().filter(|file| file.path != "Cargo.lock").flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Complaint> {
    let text = file.is(&TEXT) || file.path.starts_with(".ci/");
    let mut complaints = Vec::new();
    for (number, line) in file.lines() {
        let mut complain = |what: String| complaints.push(Complaint::at(file, number, what));
        if text && line.ends_with([' ', '\t']) {
            complain("white space at the end of the line".into());
        }
        if text && line.contains('\t') && !file.is(&TABBED) {
            complain("a tab".into());
        }
        if let Some(mark) = UNFINISHED.iter().find(|mark| text && line.contains(*mark)) {
            complain(format!("unfinished: {mark}"));
        }
        if let Some(place) = PLACES.iter().find(|place| text && names(line, place)) {
            complain(format!("names a place that is not everywhere: {place}"));
        }
    }
    if text && !file.text.is_empty() && !file.text.ends_with('\n') {
        complaints.push(Complaint::about(&file.path, "no newline at the end"));
    }
    complaints
}

/// True where the line holds the place from its beginning: `/proc/1/root/` is not the folder of the superuser.
fn names(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        !place.starts_with('/')
            || !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '}' | '.' | '>' | '*'))
    })
}

#[cfg(test)]
mod tests {
    use super::{File, check};

    fn count(path: &str, text: &str) -> usize {
        check(&[File::new(path, text)]).len()
    }

    #[test]
    fn finds_each_kind() {
        assert_eq!(count("a.rs", "fn a() {}\n"), 0);
        assert_eq!(count("a.rs", "fn a() {} \n"), 1);
        assert_eq!(count("a.rs", "\tfn a() {}\n"), 1);
        assert_eq!(count("a.c", "\tint a;\n"), 0);
        assert_eq!(count("a.rs", concat!("// TO", "DO: later\n")), 1);
        assert_eq!(count("a.md", concat!("see /wo", "rk/main\n")), 1);
        assert_eq!(count("a.md", concat!("below /proc/1/ro", "ot/etc\n")), 0);
        assert_eq!(count("a.md", "no newline"), 1);
        assert_eq!(count("a.bin", "\t \n"), 0);
    }
}
