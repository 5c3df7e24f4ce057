"""Holds OpenSLO v1 documents (a stream of YAML on standard input) to what OpenSLO's own go-sdk checks of a Service and of an
SLO with a ratio (https://github.com/OpenSLO/go-sdk, pkg/openslo/v1): fields, names, lengths, bounds, and that what is named
is there."""

import sys

import jsonschema
import yaml

LABEL = {"type": "string", "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}
DESCRIPTION = {"type": "string", "maxLength": 1050}


def only(required, **properties):
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


METADATA = only(["name"], name=LABEL, displayName={"type": "string", "maxLength": 63})
QUERY = only(["query"], query={"type": "string", "minLength": 1})
METRIC = only(["metricSource"], metricSource=only(["type", "spec"], type={"const": "Prometheus"}, spec=QUERY))
RATIO = only(["counter", "good", "total"], counter={"type": "boolean"}, good=METRIC, total=METRIC)
WINDOW = only(["duration", "isRolling"], duration={"pattern": "^[1-9][0-9]*[mhdwMQY]$"}, isRolling={"const": True})
# `op` and `value` are of thresholds alone.
TARGET = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}
OBJECTIVE = only(["target"], displayName={"type": "string"}, target=TARGET)
SPECS = {
    "Service": only([], description=DESCRIPTION),
    "SLO": only(
        ["service", "indicator", "budgetingMethod", "objectives"],
        description=DESCRIPTION,
        service={"type": "string", "minLength": 1},
        indicator=only(["metadata", "spec"], metadata=METADATA, spec=only(["ratioMetric"], ratioMetric=RATIO)),
        timeWindow={"type": "array", "minItems": 1, "maxItems": 1, "items": WINDOW},
        budgetingMethod={"enum": ["Occurrences", "Timeslices", "RatioTimeslices"]},
        objectives={"type": "array", "minItems": 1, "items": OBJECTIVE},
    ),
}

names = {kind: [] for kind in SPECS}
documents = [document for document in yaml.safe_load_all(sys.stdin) if document is not None]
for document in documents:
    kind = document.get("kind")
    document_schema = only(
        ["apiVersion", "kind", "metadata", "spec"],
        apiVersion={"const": "openslo/v1"}, kind={"enum": list(SPECS)}, metadata=METADATA, spec=SPECS.get(kind, {}),
    )
    jsonschema.validate(document, document_schema)
    names[kind].append(document["metadata"]["name"])
for kind, all_of_kind in names.items():
    assert len(set(all_of_kind)) == len(all_of_kind), f"{kind}: one name twice: {all_of_kind}"
for document in documents:
    if document["kind"] == "SLO":
        assert document["spec"]["service"] in names["Service"], f"{document['spec']['service']} is no service"
print(len(documents))
