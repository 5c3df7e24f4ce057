"""Reads a dashboard (file) as Grafana's own types have it, and tells what these do not know of: of a dashboard that Grafana
understands, nothing."""

import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

# How Grafana's Prometheus shows what an annotation found: its own, beside what all annotations have.
PROMETHEUS = {"useValueForTime", "titleFormat", "textFormat", "tagKeys"}


def lost(written, read, where=""):
    if isinstance(written, dict):
        for key, value in written.items():
            if key in PROMETHEUS and where.startswith("/annotations"):
                continue
            if not isinstance(read, dict) or key not in read:
                yield f"{where}/{key}: {value!r} is not known"
            else:
                yield from lost(value, read[key], f"{where}/{key}")
    elif isinstance(written, list):
        if not isinstance(read, list) or len(read) != len(written):
            yield f"{where}: {written!r} became {read!r}"
        else:
            for number, pair in enumerate(zip(written, read)):
                yield from lost(*pair, f"{where}/{number}")
    elif written != read:
        yield f"{where}: {written!r} became {read!r}"


register_default_plugins()
written = json.load(open(sys.argv[1]))
dashboard = Dashboard.from_json(written)
found = list(lost(written, json.loads(JSONEncoder().encode(dashboard))))
kinds = {type(panel).__name__ for panel in dashboard.panels}
if found or not dashboard.panels:
    sys.exit("\n".join(found) or "no panels")
print(len(dashboard.panels), *sorted(kinds))
