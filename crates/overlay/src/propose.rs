//! An Overlay to begin with: what a person could settle that the traffic leaves open.

use overhear_query::{Api, ApiOperation};
use std::{collections::BTreeMap, fmt::Write as _};

/// Below this a route is worth a look.
const SURE: f64 = 0.9;

/// A new Overlay for an API. Its entries say what is inferred now, so that nothing changes until they are edited.
pub fn propose(api: &Api) -> String {
    let mut text = format!(
        "# What people know of this API; Overhear reads it from the working directory and never changes it.
# Overlay Specification 1.1.0. Targets are JSONPath (RFC 9535) into the document that `overhear spec` prints.
overlay: 1.1.0
info:
  title: {}
  version: 1.0.0
",
        quoted(api.owner.name())
    );
    write_routes(&mut text, &api.operations);
    write_actions(&mut text, &api.operations);
    text
}

/// The routes of which the traffic says too little, each with why.
fn write_routes(text: &mut String, operations: &[ApiOperation]) {
    let mut thin = BTreeMap::<&str, (f64, u64)>::new();
    for operation in operations.iter().filter(|operation| operation.confidence < SURE) {
        let (confidence, calls) = thin.entry(&operation.route).or_insert((1.0, 0));
        *confidence = confidence.min(operation.confidence);
        *calls += operation.requests;
    }
    text.push_str("x-overhear:\n  routes:\n");
    if thin.is_empty() {
        text.push_str("    # Every route is clear from the traffic. Should one be wrong:\n");
        text.push_str("    force: []   # such as /users/{userId}\n");
    } else {
        text.push_str(
            "    # The evidence for these is thin: keep, correct or delete each line.\n    force:\n",
        );
    }
    for (route, (confidence, calls)) in thin {
        // Writing to a String does not fail.
        let _ = writeln!(text, "      # {calls} calls, confidence {confidence:.2}");
        let _ = writeln!(text, "      - {}", quoted(route));
    }
    text.push_str("    forbid: []  # templates whose placeholders are words, such as /{page}\n");
}

/// One example that a person can copy: a description for the operation that is called most.
fn write_actions(text: &mut String, operations: &[ApiOperation]) {
    let Some(most) = operations.iter().max_by_key(|operation| operation.requests) else {
        text.push_str("actions: []\n");
        return;
    };
    let target =
        format!("$.paths['{}'].{}", most.route.replace('\'', "\\'"), most.method.to_ascii_lowercase());
    let _ = write!(
        text,
        "actions: []
# For example:
#  - target: {}
#    update:
#      summary: What it does
#      x-owner: team-name
#      x-overhear-ignore: false   # true: leave it out
",
        quoted(&target)
    );
}

/// A JSON string, which is a YAML string too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::propose;
    use crate::Overlay;
    use overhear_query::{Api, ApiOperation, Owner};

    fn api(routes: &[(&str, f64)]) -> Api {
        let operations = routes.iter().map(|(route, confidence)| ApiOperation {
            method: "GET".into(),
            route: (*route).into(),
            requests: 4,
            first_seen: Default::default(),
            last_seen: Default::default(),
            confidence: *confidence,
            path: Vec::new(),
            shape: Default::default(),
        });
        Api {
            owner: Owner::Service("a \"shop\"\n".into()),
            servers: Vec::new(),
            operations: operations.collect(),
            elsewhere: 0,
        }
    }

    #[test]
    fn a_proposal_is_an_overlay_that_forces_what_is_thin() {
        let text = propose(&api(&[("/users/{userId}", 0.7), ("/health", 1.0), ("/it's", 0.5)]));
        let overlay = Overlay::parse("o", &text).unwrap();
        let forced: Vec<_> = overlay.routes.force.iter().map(|template| &*template.route).collect();
        assert_eq!(forced, ["/it's", "/users/{userId}"]);
        assert!(Overlay::parse("o", &propose(&api(&[]))).unwrap().routes.force.is_empty());
    }
}
