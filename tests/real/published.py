"""An OpenAPI document, 2.0 to 3.1, as plain questions: which operations, what they take, what stands in their bodies."""

import re
from urllib.parse import unquote, urlsplit

METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
#: Schemas may hold themselves; nothing real is nested deeper.
DEPTH = 16


class Document:
    """What is asked of the published and of the inferred document alike."""

    def __init__(self, document):
        self.document = document
        self.old = "swagger" in document
        self.operations = {}
        for path, item in document.get("paths", {}).items():
            item = self.resolve(item)
            for method in METHODS:
                if method in item:
                    template = self.base() + path.split("#")[0]
                    self.operations[method.upper(), blank(template)] = Operation(self, template, item, item[method])

    def base(self):
        if self.old:
            return self.document.get("basePath", "").rstrip("/")
        servers = self.document.get("servers") or [{}]
        return urlsplit(servers[0].get("url", "")).path.rstrip("/")

    def resolve(self, node):
        for _ in range(DEPTH):
            if not (isinstance(node, dict) and isinstance(node.get("$ref"), str)):
                break
            target = self.document
            for part in node["$ref"].lstrip("#/").split("/"):
                target = target.get(unquote(part).replace("~1", "/").replace("~0", "~"), {})
            node = target
        return node if isinstance(node, dict) else {}

    def route(self, method, path):
        """The operation a request is meant for: the one that tells most of its path."""
        fitting = [key for key, operation in self.operations.items() if key[0] == method and operation.matches(path)]
        if not fitting:
            return None
        return min(fitting, key=lambda key: (self.operations[key].greedy(path), -len(key[1].replace("{}", "")), key))


def blank(template):
    """A template without the names of its placeholders: they are no difference. Nor is a slash at the end."""
    return re.sub(r"\{[^{}]*\}", "{}", template).rstrip("/") or "/"


class Operation:
    def __init__(self, document, template, item, node):
        self.document, self.template, self.node = document, template, node
        parts = [re.escape(part) for part in re.split(r"\{[^{}]*\}", template.rstrip("/"))]
        self.strict = re.compile("[^/]+".join(parts) + "/?")
        # Some publish a placeholder for a path, though the specification has none for several segments.
        self.loose = re.compile("".join(self.pieces(template.rstrip("/"))) + "/?")
        shared = {(p.get("in"), p.get("name")): p for p in map(document.resolve, item.get("parameters") or [])}
        own = {(p.get("in"), p.get("name")): p for p in map(document.resolve, node.get("parameters") or [])}
        self.parameters = {**shared, **own}

    @staticmethod
    def pieces(template):
        for piece in re.split(r"(\{[^{}]*\})", template):
            is_placeholder = piece.startswith("{")
            yield (".+" if piece.endswith("path}") else "[^/]+") if is_placeholder else re.escape(piece)

    def matches(self, path):
        return bool(self.loose.fullmatch(path))

    def greedy(self, path):
        return not self.strict.fullmatch(path)

    def names(self, place):
        return {name for where, name in self.parameters if where == place}

    def placeholders(self):
        return re.findall(r"\{([^{}]*)\}", self.template)

    def type_of(self, place, name):
        parameter = self.parameters.get((place, name)) or {}
        schema = parameter if self.document.old else self.document.resolve(parameter.get("schema"))
        return types(self.document, schema)

    def request(self):
        if self.document.old:
            bodies = [p.get("schema") for (where, _), p in self.parameters.items() if where == "body"]
            return bodies[0] if bodies else None
        return json_schema(self.document.resolve(self.node.get("requestBody")).get("content"))

    def response(self, status):
        """(is this status told of, the schema of its JSON body)"""
        responses = {str(key): value for key, value in (self.node.get("responses") or {}).items()}
        for key in (status, status[0] + "XX", "default"):
            if key in responses:
                response = self.document.resolve(responses[key])
                schema = response.get("schema") if self.document.old else json_schema(response.get("content"))
                return True, schema
        return False, None


def json_schema(content):
    """One schema for all JSON media types; None where there is no JSON."""
    schemas = [body.get("schema", {}) for media, body in (content or {}).items() if "json" in media or media == "*/*"]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas} if schemas else None


def types(document, schema):
    """The JSON types a schema allows; empty where it leaves that open."""
    found = set()
    for part in alternatives(document, schema):
        kind = part.get("type")
        found |= {kind} if isinstance(kind, str) else set(kind or [])
        if "int" in found:  # no type of the specification, but a type to some
            found = found - {"int"} | {"integer"}
        if part.get("nullable") or part.get("x-nullable"):
            found.add("null")
        if not kind:
            if "properties" in part or isinstance(part.get("additionalProperties"), dict):
                found.add("object")
            found |= {json_type(value) for value in part.get("enum") or []}
            found |= {json_type(part["const"])} if "const" in part else set()
    return found


def json_type(value):
    names = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array"), (dict, "object"))
    return next((name for kind, name in names if isinstance(value, kind)), "null")


def alternatives(document, schema, depth=0):
    """The schema and everything that allOf, anyOf and oneOf put together in it."""
    schema = document.resolve(schema)
    if depth > DEPTH:
        return
    yield schema
    for keyword in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(keyword) or []:
            yield from alternatives(document, part, depth + 1)


def step(document, schema, key):
    """One step of a pointer into a schema, `[]` for items: the name of the step and the schemas it leads to; a step
    into a map is named `{}`. None where the schema has no such place, an empty list where it leaves it open."""
    named, mapped, is_open = [], [], True
    for part in alternatives(document, schema):
        if any(word in part for word in ("properties", "additionalProperties", "items", "type", "allOf", "anyOf", "oneOf")):
            closed = "properties" in part or "items" in part or part.get("type") not in (None, "object", "array")
            is_open = is_open and not closed
        if key == "[]":
            named += [part["items"]] if isinstance(part.get("items"), dict) else []
        elif key in (part.get("properties") or {}):
            named.append(part["properties"][key])
        elif isinstance(part.get("additionalProperties"), dict):
            mapped.append(part["additionalProperties"])
    if named:
        return key, named
    if mapped:
        return "{}", mapped
    return (key, []) if is_open else None
