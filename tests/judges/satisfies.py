#!/usr/bin/env python3
"""Does the traffic satisfy the document that was made of it?

    satisfies.py TRAFFIC.har SPEC.json

Validates every JSON body of the archive (RFC 9110 content type with `json` in it) against the schema of its operation in
an OpenAPI 3.1 document, with JSON Schema 2020-12 (`jsonschema`), formats included, and every parameter that is required. Calls
that were turned away may be elsewhere, as many as the document says. Prints each kind of violation once and a last line with the counts; exit code 1 if there is a violation or a body without schema.
"""
import collections
import json
import re
import sys
from urllib.parse import parse_qsl, unquote, urlsplit

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

DOCUMENT = "urn:document"
# What was only ever turned away is in no operation; the document counts it.
REFUSED = {401, 403, 404, 405, 501}


class Document:
    """The operations of a document, by method and number of segments."""

    def __init__(self, document):
        resource = Resource(contents=document, specification=DRAFT202012)
        self.registry = Registry().with_resource(DOCUMENT, resource)
        self.elsewhere = document["info"].get("x-overhear", {}).get("callsElsewhere", 0)
        self.validators, self.routes = {}, collections.defaultdict(list)
        bases = [urlsplit(server.get("url", "")).path.rstrip("/") for server in document.get("servers", [])] or [""]
        for path, item in document.get("paths", {}).items():
            for method, operation in item.items():
                if isinstance(operation, dict) and "responses" in operation:
                    for base in bases:
                        template = (base + path).split("#")[0]
                        where = ["paths", path, method]
                        self.routes[method.upper()].append((template.count("{"), -len(template), matcher(template), where, operation))
        for routes in self.routes.values():
            routes.sort(key=lambda route: route[:2])

    def operations(self, method, path):
        """Those that a request may be: GraphQL and the like have several under one path."""
        found, best = [], None
        for holes, _, match, where, operation in self.routes[method]:
            if (best is None or best == holes) and match.fullmatch(path):
                best = holes
                found.append((where, operation))
        return found

    def validator(self, where):
        pointer = "/".join(part.replace("~", "~0").replace("/", "~1") for part in where)
        if pointer not in self.validators:
            schema = {"$ref": "%s#/%s" % (DOCUMENT, pointer)}
            self.validators[pointer] = Draft202012Validator(schema, registry=self.registry, format_checker=FormatChecker())
        return self.validators[pointer]


def matcher(template):
    parts = re.split(r"\{[^{}]*\}", template)
    return re.compile("[^/]+".join(re.escape(unquote(part)) for part in parts))


def body(media, text):
    if text is None or "json" not in (media or ""):
        return []
    if "ndjson" in media or "jsonl" in media:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    try:
        return [json.loads(text)]
    except ValueError:
        return []


def main():
    entries = json.load(open(sys.argv[1]))["log"]["entries"]
    document = Document(json.load(open(sys.argv[2])))
    violations, checked, unrouted, elsewhere = collections.Counter(), 0, 0, 0
    for entry in entries:
        request, response = entry["request"], entry["response"]
        url = urlsplit(request["url"])
        operations = document.operations(request["method"], unquote(url.path))
        if not operations:
            unrouted += 1
            continue
        if response["status"] in REFUSED and not any(str(response["status"]) in o["responses"] for _, o in operations):
            elsewhere += 1
            continue
        results = []
        for where, operation in operations:
            failed = list(violates(document, where, operation, request, response, url))
            results.append(failed)
        checked += 1
        for failure in min(results, key=len):
            violations[failure] += 1
    for (kind, where), count in violations.most_common(40):
        print("%6d  %s  %s" % (count, where, kind))
    told = document.elsewhere
    print("%d exchanges checked, %d elsewhere (%d told), %d violations" % (checked, unrouted + elsewhere, told, sum(violations.values())))
    sys.exit(1 if violations or unrouted + elsewhere > told else 0)


def violates(document, where, operation, request, response, url):
    name = "%s %s" % (where[2].upper(), where[1])
    given = {key.split("[")[0] for key, _ in parse_qsl(url.query, keep_blank_values=True)}
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "query" and parameter.get("required") and parameter["name"].split("[")[0] not in given:
            yield "query parameter %s is missing" % parameter["name"], name
    post = request.get("postData") or {}
    for value in body(post.get("mimeType"), post.get("text")):
        yield from check(document, where + ["requestBody"], operation.get("requestBody"), post["mimeType"], value, name + " request")
    status, content = str(response["status"]), response.get("content") or {}
    for value in body(content.get("mimeType"), content.get("text")):
        holder = operation["responses"].get(status)
        yield from check(document, where + ["responses", status], holder, content["mimeType"], value, "%s %s" % (name, status))


def check(document, where, holder, media, value, name):
    media = media.split(";")[0].strip().lower()
    if "schema" not in ((holder or {}).get("content") or {}).get(media, {}):
        yield "no schema for %s" % media, name
        return
    validator = document.validator(where + ["content", media, "schema"])
    for error in validator.iter_errors(value):
        yield "%s at /%s" % (error.validator, "/".join("[]" if isinstance(p, int) else str(p) for p in error.absolute_path)), name


if __name__ == "__main__":
    main()
