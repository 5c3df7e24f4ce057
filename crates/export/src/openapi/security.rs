//! Security schemes: what is presented, by its name in the document.

use super::names::{camel, words};
use overhear_model::shape::schema::{Scheme, Security};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The schemes of all operations.
#[derive(Default)]
pub(super) struct Schemes(BTreeMap<String, Value>);

impl Schemes {
    /// The `security` of an operation; `None` where nothing was presented.
    pub(super) fn requirements(&mut self, security: &Security) -> Option<Value> {
        if security.schemes.is_empty() {
            return None;
        }
        let most = security.schemes.iter().map(|scheme| scheme.seen).max().unwrap_or_default();
        let together = security.schemes.iter().all(|scheme| scheme.seen == most);
        let names: Vec<String> = security.schemes.iter().map(|scheme| self.name(&scheme.scheme)).collect();
        let mut requirements: Vec<Value> = if together {
            // Each call had all of them.
            vec![names.into_iter().map(|name| (name, json!([]))).collect::<Map<_, _>>().into()]
        } else {
            names.into_iter().map(|name| json!({name: []})).collect()
        };
        if security.open {
            requirements.push(json!({}));
        }
        Some(requirements.into())
    }

    pub(super) fn finish(self) -> Map<String, Value> {
        self.0.into_iter().collect()
    }

    fn name(&mut self, scheme: &Scheme) -> String {
        let (name, value) = describe(scheme);
        // One name for opaque tokens and JWTs: where both are seen nothing is said of their format.
        let said = self.0.entry(name.clone()).or_insert_with(|| value.clone());
        if *said != value {
            said.as_object_mut().map(|said| said.remove("bearerFormat"));
        }
        name
    }
}

fn describe(scheme: &Scheme) -> (String, Value) {
    match scheme {
        Scheme::Bearer { jwt: true } => {
            ("bearer".to_owned(), json!({"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}))
        }
        Scheme::Bearer { jwt: false } => ("bearer".to_owned(), json!({"type": "http", "scheme": "bearer"})),
        Scheme::Basic => ("basic".to_owned(), json!({"type": "http", "scheme": "basic"})),
        Scheme::Http(name) => (camel(&words(name)), json!({"type": "http", "scheme": name})),
        Scheme::ApiKey { place, name } => {
            (camel(&words(name)), json!({"type": "apiKey", "in": place.as_str(), "name": name}))
        }
    }
}
