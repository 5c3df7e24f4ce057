//! An OpenAPI document that exists already, as prior knowledge of routes.

use crate::{Error, Template, yaml};
use serde_json::Value;

/// The routes of an OpenAPI 2, 3.0, 3.1 or 3.2 document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prior {
    /// With each base path in front that its servers give.
    pub templates: Vec<Template>,
}

impl Prior {
    /// Reads YAML or JSON.
    ///
    /// # Errors
    /// Says in which line what is wrong.
    pub fn parse(file: &str, text: &str) -> Result<Self, Error> {
        let document: Value = yaml::value(file, text)?;
        let versioned = ["openapi", "swagger"].iter().any(|key| document.get(key).is_some());
        let paths = document.get("paths").and_then(Value::as_object).filter(|_| versioned);
        let paths = paths.ok_or_else(|| {
            Error::new(
                file,
                None,
                "this is no OpenAPI document: it needs `openapi` (or `swagger`) and `paths`",
            )
        })?;
        let bases = bases(&document);
        let mut templates = Vec::new();
        for path in paths.keys().filter(|path| path.starts_with('/')) {
            let route = path.split(['?', '#']).next().unwrap_or(path);
            for base in &bases {
                let whole = format!("{base}{route}");
                let template = Template::parse(&whole.replace(' ', "%20"), 0);
                templates.push(template.map_err(|what| Error::new(file, None, format!("paths: {what}")))?);
            }
        }
        Ok(Self { templates })
    }
}

/// The paths of the servers, without a slash at the end.
fn bases(document: &Value) -> Vec<String> {
    let mut bases: Vec<String> = document
        .get("servers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|server| base(server.get("url")?.as_str()?))
        .collect();
    bases.extend(document.get("basePath").and_then(Value::as_str).and_then(base));
    bases.sort();
    bases.dedup();
    if bases.is_empty() {
        bases.push(String::new());
    }
    bases
}

/// The path of a server's URL; none with variables in it, whose values are not known.
fn base(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = if rest.starts_with('/') {
        rest
    } else {
        rest.find('/').map_or("", |at| rest.get(at..).unwrap_or(""))
    };
    let path = path.split(['?', '#']).next().unwrap_or(path).trim_end_matches('/');
    (!path.contains('{')).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::Prior;

    #[test]
    fn routes_with_their_base_paths() {
        let text = "openapi: 3.0.0\nservers: [{url: 'https://a.example/v1/'}, {url: /v2}]\npaths: {'/users/{id}': {}, x-a: {}}";
        let routes: Vec<_> =
            Prior::parse("s", text).unwrap().templates.into_iter().map(|t| t.route).collect();
        assert_eq!(routes, ["/v1/users/{id}", "/v2/users/{id}"]);
        let old = r#"{"swagger": "2.0", "basePath": "/api", "paths": {"/a": {}}}"#;
        assert_eq!(Prior::parse("s", old).unwrap().templates[0].route, "/api/a");
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, expected) in [
            ("a: [", "s:"),
            ("[]", "s: this is no OpenAPI document"),
            ("openapi: 3.1.0\npaths: {'/a/{': {}}", "s: paths: \"/a/{\": a `{` is not closed"),
        ] {
            let error = Prior::parse("s", text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
