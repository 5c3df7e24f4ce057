//! Service level objectives as OpenSLO v1 documents (<https://github.com/OpenSLO/OpenSLO>).

use crate::{
    objective::{Kind, Objective},
    sli::{Histograms, Sli},
    yaml::{YamlError, yaml},
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Longest name of an object, and what is shown of one.
const LONGEST: usize = 63;
/// Room for a service in the names of what belongs to it.
const ROOM: usize = LONGEST - "-requests-availability-sli".len() - "-99".len();

/// A `Service` for each service and an `SLO` for each objective, as a stream of YAML documents.
///
/// # Errors
/// When a document cannot be written as YAML.
pub fn open_slo(objectives: &[Objective], histograms: Histograms) -> Result<String, YamlError> {
    let mut out = String::new();
    let names = names(objectives.iter().map(|objective| &*objective.service));
    let mut last = None;
    for objective in objectives {
        let name = names.get(&*objective.service).map_or("service", String::as_str);
        if last.replace(&objective.service) != Some(&objective.service) {
            out += &format!("---\n{}", yaml(&service(name, &objective.service))?);
        }
        out += &format!("---\n{}", yaml(&slo(name, objective, histograms))?);
    }
    Ok(out)
}

fn service(name: &str, service: &str) -> Value {
    json!({
        "apiVersion": "openslo/v1", "kind": "Service",
        "metadata": {"name": name, "displayName": shown(service, "")},
        "spec": {"description": "Heard by overhear."},
    })
}

fn slo(service: &str, objective: &Objective, histograms: Histograms) -> Value {
    let name = format!("{service}-{}", objective.name());
    let Sli { good, all, .. } = Sli::of(objective, histograms, None);
    let metric = |query| json!({"metricSource": {"type": "Prometheus", "spec": {"query": query}}});
    let of = match objective.kind {
        Kind::Availability => ": availability",
        Kind::Latency(_) => ": latency",
    };
    json!({
        "apiVersion": "openslo/v1", "kind": "SLO",
        "metadata": {"name": name, "displayName": shown(&objective.service, of)},
        "spec": {
            "description": format!("{}. {}", objective.promise(), objective.origin()),
            "service": service,
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

/// What a person reads of a name, with what follows it: no more than an object may have.
fn shown(name: &str, then: &str) -> String {
    let room = LONGEST - then.len();
    if name.chars().count() <= room {
        return format!("{name}{then}");
    }
    name.chars().take(room - 1).chain(['…']).chain(then.chars()).collect()
}

/// Of each service the name of its object: no two have the same.
fn names<'a>(services: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, String> {
    let mut names = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for service in services.collect::<BTreeSet<_>>() {
        let name = object_name(service);
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| taken.insert(name.clone()));
        names.extend(free.map(|name| (service, name)));
    }
    names
}

/// Names of objects are labels of DNS (RFC 1123): lower-case letters, digits and inner hyphens. What a name loses so is in
/// its `displayName`.
fn object_name(text: &str) -> String {
    let letters = text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    let name: String = letters.collect::<String>().trim_matches('-').chars().take(ROOM).collect();
    let name = name.trim_end_matches('-');
    if name.is_empty() { "service".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, names, object_name, open_slo, shown};
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
        assert_eq!(object_name(&"x".repeat(300)).len(), 34);
    }

    #[test]
    fn no_two_services_have_one_name() {
        let all = names(["a.b", "a-b", "a b", "c"].into_iter());
        assert_eq!(all.values().collect::<Vec<_>>(), ["a-b", "a-b-2", "a-b-3", "c"]);
    }

    #[test]
    fn long_names_are_cut_before_what_they_are_of() {
        assert_eq!(shown("shop", ": latency"), "shop: latency");
        let cut = shown(&"ü".repeat(100), ": latency");
        assert!(cut.ends_with("ü…: latency") && cut.chars().count() == LONGEST, "{cut}");
    }
}
