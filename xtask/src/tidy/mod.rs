//! The rules of this repository that no compiler checks. Each rule is a pure function from files to complaints.

mod crates;
mod documents;
mod files;
mod long_files;
mod purity;

use crate::shell::{Error, Result, at, command, output, root};
use std::fs;

/// A text file of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// From the root of the repository, with `/`.
    path: String,
    text: String,
}

impl File {
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The lines before the tests: what ships. None of a file of tests.
    fn shipped(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self.path.ends_with("/tests.rs") || self.path.contains("/tests/");
        let lines = self.lines().take_while(move |_| !tests);
        lines.take_while(|(_, line)| !line.trim_start().starts_with("#[cfg(test)]"))
    }

    fn is(&self, extensions: &[&str]) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
    }

    #[cfg(test)]
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }
}

/// One breach of a rule: where, and what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Complaint(String);

impl Complaint {
    fn at(file: &File, line: usize, what: impl std::fmt::Display) -> Self {
        Self(format!("{}:{line}: {what}", file.path))
    }

    fn about(subject: &str, what: impl std::fmt::Display) -> Self {
        Self(format!("{subject}: {what}"))
    }
}

/// Prints every complaint; fails if there is one.
pub(crate) fn run() -> Result<()> {
    let complaints = complaints()?;
    for Complaint(complaint) in &complaints {
        println!("{complaint}");
    }
    match complaints.len() {
        0 => Ok(()),
        count => Err(Error::Refused(format!("not tidy: {count} complaints"))),
    }
}

fn complaints() -> Result<Vec<Complaint>> {
    let files = files()?;
    let mut complaints = crates::check(&files)?;
    complaints.extend(documents::check(&files));
    complaints.extend(files::check(&files));
    complaints.extend(long_files::check(&files));
    complaints.extend(purity::check(&files));
    complaints.sort();
    Ok(complaints)
}

/// Every text file that is committed or could be.
fn files() -> Result<Vec<File>> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    let list = output(&mut command("git", &list))?;
    let mut files = Vec::new();
    for path in list.split('\0').filter(|path| !path.is_empty()) {
        let place = root().join(path);
        if !place.is_file() {
            continue; // deleted and not yet committed
        }
        let bytes = fs::read(&place).map_err(at(&place))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File { path: path.into(), text });
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::{Complaint, complaints};

    #[test]
    fn the_repository_is_tidy() {
        let complaints = complaints().unwrap();
        let lines: Vec<_> = complaints.iter().map(|Complaint(line)| line.as_str()).collect();
        assert!(lines.is_empty(), "\n{}", lines.join("\n"));
    }
}
