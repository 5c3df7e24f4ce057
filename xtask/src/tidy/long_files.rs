//! Files that grew too long to be one thing.

use super::{Complaint, File};

/// Lines a file may have; the tests at the end of a Rust file do not count.
const LIMIT: usize = 600;

/// Longer files, each with the reason why it is one thing.
const LISTED: [(&str, &str); 0] = [];

pub(super) fn check(files: &[File]) -> Vec<Complaint> {
    let code = files.iter().filter(|file| file.is(&["rs", "c", "h", "py", "js", "go"]));
    let long = code.filter(|file| file.shipped().count() > LIMIT);
    let long: Vec<&File> = long.collect();
    let unlisted = long.iter().filter(|file| !is_listed(&file.path)).map(|file| {
        Complaint::about(
            &file.path,
            format!("{} lines, more than {LIMIT}: is it one thing?", file.shipped().count()),
        )
    });
    let stale = LISTED.iter().filter(|(path, _)| {
        files.iter().any(|file| file.path == *path) && !long.iter().any(|file| file.path == *path)
    });
    let stale = stale.map(|(path, _)| Complaint::about(path, "is listed as long and is not (any more)"));
    unlisted.chain(stale).collect()
}

fn is_listed(path: &str) -> bool {
    LISTED.iter().any(|(listed, _)| *listed == path)
}

#[cfg(test)]
mod tests {
    use super::{File, LIMIT, LISTED, check};

    #[test]
    fn counts_up_to_the_tests() {
        let code = "x\n".repeat(LIMIT);
        assert_eq!(check(&[File::new("a.rs", &code)]), []);
        assert_eq!(check(&[File::new("a.rs", &format!("{code}x\n"))]).len(), 1);
        assert_eq!(check(&[File::new("a.rs", &format!("{code}#[cfg(test)]\nmod tests {{}}\n"))]), []);
    }

    #[test]
    fn an_entry_that_is_not_needed_is_a_complaint() {
        assert_eq!(check(&[File::new(LISTED[0].0, "short\n")]).len(), 1);
    }
}
