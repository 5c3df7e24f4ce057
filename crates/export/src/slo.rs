//! Service level objectives as OpenSLO v1 documents (<https://github.com/OpenSLO/OpenSLO>).

use crate::{
    objective::Objective,
    sli::{Histograms, Sli},
    yaml::{YamlError, yaml},
};
use serde_json::{Value, json};

/// Longest name of an object.
const LONGEST: usize = 63;

/// A `Service` for each service and an `SLO` for each objective, as a stream of YAML documents.
///
/// # Errors
/// When a document cannot be written as YAML.
pub fn open_slo(objectives: &[Objective], histograms: Histograms) -> Result<String, YamlError> {
    let mut out = String::new();
    let mut last = None;
    for objective in objectives {
        if last.replace(&objective.service) != Some(&objective.service) {
            out += &format!("---\n{}", yaml(&service(&objective.service))?);
        }
        out += &format!("---\n{}", yaml(&slo(objective, histograms))?);
    }
    Ok(out)
}

fn service(name: &str) -> Value {
    json!({
        "apiVersion": "openslo/v1", "kind": "Service",
        "metadata": {"name": object_name(name), "displayName": name},
        "spec": {"description": "Heard by overhear."},
    })
}

fn slo(objective: &Objective, histograms: Histograms) -> Value {
    let name = object_name(&format!("{}-{}", objective.service, objective.name()));
    let Sli { good, all, .. } = Sli::of(objective, histograms, None);
    let metric = |query| json!({"metricSource": {"type": "Prometheus", "spec": {"query": query}}});
    json!({
        "apiVersion": "openslo/v1", "kind": "SLO",
        "metadata": {"name": name, "displayName": format!("{}: {}", objective.service, objective.promise())},
        "spec": {
            "description": format!("{}. {}", objective.promise(), objective.origin()),
            "service": object_name(&objective.service),
            "indicator": {
                "metadata": {"name": format!("{name}-sli")},
                "spec": {"ratioMetric": {"counter": true, "good": metric(good), "total": metric(all)}},
            },
            "timeWindow": [{"duration": "30d", "isRolling": true}],
            "budgetingMethod": "Occurrences",
            "objectives": [{"displayName": objective.promise(), "target": objective.target()}],
        },
    })
}

/// Names of objects are labels of DNS (RFC 1123): lower-case letters, digits and inner hyphens. What a name loses so is in
/// its `displayName`.
fn object_name(text: &str) -> String {
    let letters = text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    // `-sli` follows some.
    let name: String = letters.collect::<String>().trim_matches('-').chars().take(LONGEST - 4).collect();
    let name = name.trim_end_matches('-');
    if name.is_empty() { "service".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{object_name, open_slo};
    use crate::{
        objective::{objectives, tests::seen},
        sli::Histograms,
    };
    use std::collections::BTreeMap;

    #[test]
    fn documents_are_stable() {
        let objectives = objectives(&[seen(1_000, 2, 0)], &BTreeMap::new());
        insta::assert_snapshot!(open_slo(&objectives, Histograms::Classic).unwrap());
    }

    #[test]
    fn names_are_labels() {
        for (text, name) in [("shop", "shop"), ("~Other", "other"), ("a.b:80", "a-b-80"), ("🦀", "service")]
        {
            assert_eq!(object_name(text), name);
        }
        assert_eq!(object_name(&"x".repeat(300)).len(), 59);
    }
}
