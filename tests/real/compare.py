#!/usr/bin/env python3
"""What was inferred of a real program beside what it publishes and what its client said and heard.

    compare.py PUBLISHED.json INFERRED.json TRAFFIC.har

Prints one JSON object: under `counts` the figures, under `details` every single difference, by kind.

operations   published; exercised: some call of it did more than refuse (401, 403, 404, 405, 501); of those found or missed.
             inferred beyond that: undocumented where its calls fit nothing published, wrong where they do. Beyond OpenAPI
             is what was called with slashes in one placeholder
parameters   of the operations found: placeholders with the published name and type; query parameters that were sent
fields       every place in a JSON body, as the client saw it, in an operation found: published and inferred (found); published and
             not inferred (missed); inferred, and left open or not told of by what is published (undocumented); inferred but
             never seen (invented)
types        of the fields inferred: right where exactly those types were seen; not as published where the program says otherwise
"""

import collections
import json
import re
import sys
from urllib.parse import parse_qsl, unquote, urlsplit

from published import Document, alternatives, json_type, step, types

PLACEHOLDER = r"\{([^{}]*)\}"
REFUSED = {401, 403, 404, 405, 501}


class Comparison:
    def __init__(self, published, inferred, entries):
        self.published, self.inferred = Document(published), Document(inferred)
        self.calls = collections.defaultdict(list)
        self.entries, self.values = collections.defaultdict(list), collections.defaultdict(set)
        #: Of each published operation the inferred one that is the same.
        self.same = {}
        #: Published operations of which a placeholder was filled with several segments, which no OpenAPI template means.
        self.several = set()
        self.counts, self.details = collections.Counter(), collections.defaultdict(list)
        for entry in entries:
            path = unquote(urlsplit(entry["request"]["url"]).path)
            self.calls[entry["request"]["method"], path].append(entry)

    def run(self):
        exercised, guessed = self.route()
        self.pair()
        self.operations(exercised, guessed)
        for key in sorted(set(self.same) & exercised):
            self.placeholders(key)
            self.query(key)
            self.bodies(key)
        return {"counts": dict(self.counts), "details": {kind: sorted(set(said)) for kind, said in self.details.items()}}

    def route(self):
        """The published operations that were exercised, and to which each inferred one belongs."""
        exercised, guessed = set(), collections.defaultdict(set)
        for (method, path), entries in self.calls.items():
            key, guess = self.published.route(method, path), self.inferred.route(method, path)
            if key and self.published.operations[key].greedy(path):
                self.several.add(key)
            elif key:
                self.entries[key, guess] += entries
                for prefix, value in filled(key[1], path):
                    self.values[prefix].add(value)
            if guess:
                guessed[guess].add(key)
            if key and any(entry["response"]["status"] not in REFUSED for entry in entries):
                exercised.add(key)
        return exercised, guessed

    def pair(self):
        """Operations are the same where their templates are; where a placeholder only ever had one value, no traffic can
        tell it from a word of the path."""
        known = {(key[0], self.constant(key[1])): key for key in reversed(sorted(self.published.operations))}
        for key in self.inferred.operations:
            if key in self.published.operations:
                self.same[key] = key
            elif key in known and known[key] not in self.inferred.operations:
                self.same[known[key]] = key

    def constant(self, template):
        """A published template with every placeholder filled that only ever had one value."""
        prefix, told = "", ""
        for part in template.split("/")[1:]:
            values = self.values.get(prefix + "/" + part, set())
            told += "/" + (min(values) if part == "{}" and len(values) == 1 else part)
            prefix += "/" + part
        return told or "/"

    def of(self, key):
        """The calls of a published operation, but for those that have another inferred one: that is told once, there."""
        return self.entries[key, self.same[key]] + self.entries[key, None]

    def tell(self, kind, *said):
        self.counts[kind] += 1
        self.details[kind].append(" ".join(map(str, said)))

    def operations(self, exercised, guessed):
        self.counts["calls"] = sum(map(len, self.calls.values()))
        self.counts["operations published"] = len(self.published.operations)
        self.counts["operations exercised"] = len(exercised)
        for key in sorted(exercised):
            if key not in self.same:
                self.tell("operations beyond OpenAPI" if key in self.several else "operations missed", *key)
            elif self.same[key] == key:
                self.counts["operations found"] += 1
            else:
                self.tell("operations found but for a constant", *self.same[key], "is", key[1])
        for key in sorted(set(self.inferred.operations) - set(self.same.values())):
            belongs = guessed.get(key, set()) - {None}
            if belongs and belongs <= self.several:
                self.details["operations of several segments"].append("%s %s" % key)
            elif belongs:
                self.tell("operations wrong", *key, "is", ", ".join(sorted(name for _, name in belongs)))
            else:
                self.tell("operations undocumented", *key)

    def placeholders(self, key):
        ours, theirs = self.inferred.operations[self.same[key]], self.published.operations[key]
        for mine, name in zip(ours.placeholders(), varied_names(ours.template, theirs.template)):
            self.counts["path parameters"] += 1
            if plain(mine) == plain(name):
                self.counts["path parameter names"] += 1
            else:
                self.details["path parameter names"].append("%s: %s is published as %s" % (key[1], mine, name))
            got, want = ours.type_of("path", mine), theirs.type_of("path", name)
            if not want or fits(got, want):
                self.counts["path parameter types"] += 1
            else:
                self.details["path parameter types"].append("%s %s: %s, published %s" % (key[1], name, words(got), words(want)))

    def query(self, key):
        ours, theirs = self.inferred.operations[self.same[key]], self.published.operations[key]
        sent = {name for entry in self.of(key) for name, _ in parse_qsl(urlsplit(entry["request"]["url"]).query, True)}
        mine, published = bare(ours.names("query")), bare(theirs.names("query"))
        for name in bare(sent) & published:
            if name in mine:
                self.counts["query parameters found"] += 1
            else:
                self.tell("query parameters missed", *key, name)
        for name in mine - published:
            self.tell("query parameters extra" if name in bare(sent) else "query parameters invented", *key, name)
        for name in bare(sent) - published - mine:
            self.tell("query parameters missed, not published", *key, name)

    def bodies(self, key):
        ours, theirs = self.inferred.operations[self.same[key]], self.published.operations[key]
        seen = collections.defaultdict(list)
        for entry in self.of(key):
            post, content = entry["request"].get("postData") or {}, entry["response"]["content"]
            seen["request"] += parse(post.get("mimeType"), post.get("text"))
            seen[str(entry["response"]["status"])] += parse(content.get("mimeType"), content.get("text"))
        for place, values in sorted(seen.items()):
            if not values:
                continue
            if place == "request":
                told, want, got = theirs.request() is not None, theirs.request(), ours.request()
            else:
                (told, want), (_, got) = theirs.response(place), ours.response(place)
            if not told:
                self.tell("bodies not published", *key, place)
            if got is None:
                self.tell("bodies missed", *key, place)
            self.fields(key + (place,), values, want, got)

    def fields(self, where, values, want, got):
        walk = Walk(self.published, self.inferred)
        for value in values:
            walk.value(value, Place("", "", [] if want is None else [want], None if got is None else [got]))
        for pointer, (place, kinds) in sorted(walk.places.items()):
            if place.mine:
                kind = "found" if place.theirs else "undocumented" if place.theirs is None else "left open"
            else:
                kind = "missed" if place.theirs else "missed, not published"
            if kind == "found":
                self.counts["fields found"] += 1
            else:
                self.tell("fields " + kind, *where, pointer or "/")
            self.kinds(where, place, kinds)
        for pointer in sorted(declared(self.inferred, got) - walk.reached):
            self.tell("fields invented", *where, pointer)

    def kinds(self, where, place, kinds):
        if not place.mine:
            return
        got = set().union(*(types(self.inferred, schema) for schema in place.mine))
        want = set().union(*(types(self.published, schema) for schema in place.theirs or []))
        if joined(got) == joined(kinds):
            self.counts["types right"] += 1
        else:
            self.tell("types wrong", *where, place.pointer or "/", words(got), "seen", words(kinds))
        if want and not fits(got, want):
            self.tell("types not as published", *where, place.pointer or "/", "published", words(want), "seen", words(kinds))


def filled(template, path):
    """(the template up to a placeholder, its value) for each that is a whole segment."""
    parts, values, found = template.split("/"), path.rstrip("/").split("/"), []
    if len(parts) == len(values):
        found = [("/".join(parts[: at + 1]), value) for at, value in enumerate(values) if parts[at] == "{}"]
    return found


def varied_names(mine, theirs):
    """The published names of those placeholders that are placeholders in the inferred template too."""
    if len(mine.rstrip("/").split("/")) != len(theirs.rstrip("/").split("/")):
        return re.findall(PLACEHOLDER, theirs)
    names = []
    for my_part, their_part in zip(mine.rstrip("/").split("/"), theirs.rstrip("/").split("/")):
        if re.search(PLACEHOLDER, my_part):
            names += re.findall(PLACEHOLDER, their_part)
    return names


class Place:
    """Where a value stands: as the published document names it, as the inferred one does, and the schemas that both have
    for it; None where there is no such place, empty where it is left open."""

    def __init__(self, pointer, name, theirs, mine):
        self.pointer, self.name, self.theirs, self.mine = pointer, name, theirs, mine


class Walk:
    """Every place in a value, with the types seen there."""

    def __init__(self, published, inferred):
        self.published, self.inferred = published, inferred
        self.places, self.reached = {}, set()

    def value(self, value, place):
        self.places.setdefault(place.pointer, (place, set()))[1].add(json_type(value))
        self.reached.add(place.name)
        for key, child in children(value):
            theirs, mine = advance(self.published, place.theirs, key), advance(self.inferred, place.mine, key)
            # A name says more than a map does, whichever of the two has it.
            shown = theirs[0] if theirs[1] and (theirs[0] != "{}" or not mine[1]) else mine[0]
            self.value(child, Place("%s/%s" % (place.pointer, shown), "%s/%s" % (place.name, mine[0]), theirs[1], mine[1]))


def children(value):
    if isinstance(value, dict):
        return value.items()
    return (("[]", item) for item in value) if isinstance(value, list) else ()


def advance(document, schemas, key):
    """One step in all of the schemas that a place has."""
    if schemas is None:
        return key, None
    found, name, is_open = [], key, not schemas
    for schema in schemas:
        taken = step(document, schema, key)
        if taken is not None:
            name = taken[0] if taken[1] else name
            found += taken[1]
            is_open = is_open or not taken[1]
    return name, found if found or is_open else None


def declared(document, schema, pointer="", depth=0):
    """Every place a schema has."""
    found = set()
    if schema is None or depth > 8:
        return found
    for part in alternatives(document, schema):
        for name, child in (part.get("properties") or {}).items():
            found |= {"%s/%s" % (pointer, name)} | declared(document, child, "%s/%s" % (pointer, name), depth + 1)
        for keyword, name in (("items", "[]"), ("additionalProperties", "{}")):
            if isinstance(part.get(keyword), dict):
                found |= {"%s/%s" % (pointer, name)} | declared(document, part[keyword], "%s/%s" % (pointer, name), depth + 1)
    return found


def parse(media, text):
    if not text or "json" not in (media or ""):
        return []
    try:
        return [json.loads(text)]
    except ValueError:
        return []


def bare(names):
    """`filter[limit]` and `filter` are one parameter, told in two styles."""
    return {name.split("[")[0] for name in names}


def plain(name):
    return name.replace("_", "").replace("-", "").lower()


def joined(kinds):
    return kinds - {"integer"} if "number" in kinds else set(kinds)


def fits(got, want):
    """Nothing that the published document does not allow."""
    return not (got - want - ({"integer"} if "number" in want else set()))


def words(kinds):
    return "/".join(sorted(kinds)) or "anything"


def main():
    published, inferred = (json.load(open(path, encoding="utf-8")) for path in sys.argv[1:3])
    with open(sys.argv[3], encoding="utf-8") as file:
        entries = json.load(file)["log"]["entries"]
    json.dump(Comparison(published, inferred, entries).run(), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
