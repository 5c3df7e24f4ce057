//! Files that grew too long to be one thing.

use super::{Complaint, File};

/// Lines a file may have; the tests at the end of a Rust file do not count.
const LIMIT: usize = 600;

pub(super) fn check(files: &[File]) -> Vec<Complaint> {
    let code = files.iter().filter(|file| file.is(&["rs", "c", "h", "py", "js", "go"]));
    let long = code.filter(|file| file.shipped().count() > LIMIT);
    long.map(|file| {
        let lines = file.shipped().count();
        Complaint::about(&file.path, format!("{lines} lines, more than {LIMIT}: is it one thing?"))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::{File, LIMIT, check};

    #[test]
    fn counts_up_to_the_tests() {
        let code = "x\n".repeat(LIMIT);
        assert_eq!(check(&[File::new("a.rs", &code)]), []);
        assert_eq!(check(&[File::new("a.rs", &format!("{code}x\n"))]).len(), 1);
        assert_eq!(check(&[File::new("a.rs", &format!("{code}#[cfg(test)]\nmod tests {{}}\n"))]), []);
    }
}
