use std::fmt;

/// What is wrong in a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Name of the file, as it was given.
    pub file: String,
    /// From 1; absent where it is the whole file.
    pub line: Option<u64>,
    /// What is wrong and what to do.
    pub what: String,
}

impl Error {
    pub(crate) fn new(file: &str, line: Option<u64>, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, what: what.into() }
    }

    /// What the reader says, told without the excerpt it adds.
    pub(crate) fn reading(file: &str, error: &serde_saphyr::Error) -> Self {
        let line = error.location().map(|location| location.line()).filter(|line| *line > 0);
        let said = error.without_snippet().to_string();
        // It tells the place again; ours comes first, as compilers do it.
        let what = said.split(" at line ").next().unwrap_or(&said).to_owned();
        Self::new(file, line, what)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

impl std::error::Error for Error {}
