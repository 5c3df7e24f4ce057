//! Route templates as people write them.

/// `/users/{userId}`, or `shop /users/{userId}` for the service `shop` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Only this service's.
    pub service: Option<String>,
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
        let mut words = text.split_whitespace();
        let (service, route) = match (words.next(), words.next(), words.next()) {
            (Some(route), None, _) => (None, route),
            (Some(service), Some(route), None) => (Some(service.to_owned()), route),
            _ => return Err(format!("{text:?}: write a template such as `/users/{{userId}}`")),
        };
        if !route.starts_with('/') {
            return Err(format!("{route:?}: a template begins with a slash"));
        }
        placeholders(route).map_err(|what| format!("{route:?}: {what}"))?;
        Ok(Self { service, route: route.to_owned(), line })
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
        let template = Template::parse("shop /users/{userId}/{file}.json", 3).unwrap();
        assert_eq!(
            (template.service.as_deref(), &*template.route),
            (Some("shop"), "/users/{userId}/{file}.json")
        );
        assert_eq!(Template::parse("/", 1).unwrap().service, None);
        for wrong in ["", "users", "/users/{", "/users/{}", "/a}", "/a/{b{c}}", "a b /c", "/x}{y}"] {
            assert!(Template::parse(wrong, 1).is_err(), "{wrong}");
        }
    }
}
