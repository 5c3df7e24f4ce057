//! What a machine said on its serial line.

use super::Checked;

/// Everything a machine said. Its script puts each command's words between `<<< NAME` and `>>> NAME CODE`.
pub(super) struct Session {
    text: String,
}

/// What one command said, and its exit code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said<'a> {
    name: &'a str,
    pub(super) text: &'a str,
    code: &'a str,
}

impl Session {
    /// Of the bytes of a serial line.
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self { text: String::from_utf8_lossy(bytes).replace('\r', "") }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// `uname -r` there.
    pub(super) fn release(&self) -> &str {
        self.said("release").map_or("a kernel that did not boot", |said| said.text.trim())
    }

    pub(super) fn said<'a>(&'a self, name: &'a str) -> Result<Said<'a>, String> {
        let missing = || format!("the machine never came to the end of {name}");
        let (_, rest) = self.text.split_once(&format!("<<< {name}\n")).ok_or_else(missing)?;
        let (text, rest) = rest.split_once(&format!(">>> {name} ")).ok_or_else(missing)?;
        Ok(Said { name, text, code: rest.lines().next().unwrap_or_default().trim() })
    }
}

impl Said<'_> {
    pub(super) fn ends_with(&self, code: i32) -> Checked {
        if self.code == code.to_string() {
            return Ok(());
        }
        Err(format!("{} ends with {}, not {code}", self.name, self.code))
    }

    pub(super) fn contains(&self, words: &str) -> Checked {
        if self.text.contains(words) { Ok(()) } else { Err(format!("{} does not say {words:?}", self.name)) }
    }

    pub(super) fn lacks(&self, words: &str) -> Checked {
        if self.text.contains(words) { Err(format!("{} says {words:?}", self.name)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::Session;

    #[test]
    fn takes_commands_apart() {
        let session = Session::new(
            b"boot\r\n<<< release\r\n6.1.0\r\n>>> release 0\r\n<<< watch\r\none\r\ntwo\r\n>>> watch 2\r\n<<< cut\r\n",
        );
        assert_eq!(session.release(), "6.1.0");
        let watch = session.said("watch").unwrap();
        assert_eq!((watch.text, watch.ends_with(2)), ("one\ntwo\n", Ok(())));
        assert!(
            watch.contains("two").is_ok() && watch.contains("three").is_err() && watch.ends_with(0).is_err()
        );
        assert!(session.said("cut").is_err() && session.said("doctor").is_err());
    }
}
