//! Route templates as people write them.

/// A template such as `/users/{userId}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Begins with a slash; placeholders have names.
    pub route: String,
    /// Where it is written, from 1; 0 where that is not known.
    pub line: u64,
}

impl Template {
    /// Reads one.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str, line: u64) -> Result<Self, String> {
        if !text.starts_with('/') || text.contains(char::is_whitespace) {
            return Err(format!("{text:?}: write a template such as `/users/{{userId}}`"));
        }
        placeholders(text).map_err(|what| format!("{text:?}: {what}"))?;
        Ok(Self { route: text.to_owned(), line })
    }
}

/// Every opening brace is closed in its segment, around a name.
fn placeholders(route: &str) -> Result<(), &'static str> {
    for segment in route.split('/') {
        let mut rest = segment;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else { return Err("a `{` is not closed") };
            if name.is_empty() || name.contains('{') || before.contains('}') {
                return Err("a placeholder is `{name}`");
            }
            rest = after;
        }
        if rest.contains('}') {
            return Err("a `}` was not opened");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Template;

    #[test]
    fn templates_and_what_is_wrong_with_them() {
        for fine in ["/users/{userId}/{file}.json", "/", "/a:b"] {
            assert_eq!(Template::parse(fine, 3).unwrap().route, fine);
        }
        for wrong in ["", "users", "/users/{", "/users/{}", "/a}", "/a/{b{c}}", "/a b", "/x}{y}"] {
            assert!(Template::parse(wrong, 1).is_err(), "{wrong}");
        }
    }
}
