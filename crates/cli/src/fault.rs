use std::{fmt, io};

/// Why a command did not do all it was asked for.
#[derive(Debug)]
pub(crate) enum Fault {
    /// To be told; exit code 2. Several lines where several things went wrong.
    Said(String),
    /// To be told, with an exit code of its own.
    Code(i32, String),
    /// Whoever read standard output has seen enough: a normal end.
    ReaderGone,
}

impl Fault {
    /// `overhear: what: where and what to do`.
    pub(crate) fn new(what: impl fmt::Display) -> Self {
        Self::Said(format!("overhear: {what}"))
    }

    pub(crate) const fn code(&self) -> i32 {
        match self {
            Self::Said(_) => 2,
            Self::Code(code, _) => *code,
            Self::ReaderGone => 0,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(text) | Self::Code(_, text) => f.write_str(text),
            Self::ReaderGone => Ok(()),
        }
    }
}

/// Writing to standard output failed.
impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::ReaderGone
        } else {
            Self::new(format_args!("cannot write the answer: {error}"))
        }
    }
}
