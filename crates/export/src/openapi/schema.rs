//! Schemas as JSON Schema 2020-12 (3.1, 3.2) or in the dialect of 3.0.

use super::{
    Version,
    components::{Components, object_key, record_key},
};
use overhear_model::shape::schema::{
    Array, Format, Map as MapShape, Number, Object, Record, Schema, Text, Union,
};
use serde_json::{Map, Value, json};

/// Largest integer of `int32`.
const INT32: f64 = 2_147_483_647.0;

/// Writes one schema; knows the objects around the place where it is.
pub(super) struct Writer<'a> {
    version: Version,
    components: &'a mut Components,
    /// The objects above, outermost first, with their names where they have one.
    above: Vec<Option<String>>,
}

/// What one kind of value looks like, apart from the others that may stand in the same place.
struct Branch {
    value: Map<String, Value>,
    /// Says `type` and nothing else.
    bare: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(version: Version, components: &'a mut Components) -> Self {
        Self { version, components, above: Vec::new() }
    }

    pub(super) fn schema(&mut self, schema: &Schema) -> Value {
        let mut branches = Vec::new();
        if schema.booleans > 0 {
            branches.push(branch("boolean"));
        }
        branches.extend(schema.number.as_ref().map(number));
        branches.extend(schema.string.as_ref().map(|text| self.text(text)));
        branches.extend(schema.array.as_ref().map(|array| self.array(array)));
        branches.extend(schema.object.as_ref().map(|object| self.object(schema, object)));
        self.together(branches, schema.nulls > 0)
    }

    fn together(&self, mut branches: Vec<Branch>, null: bool) -> Value {
        let modern = self.version > Version::V3_0;
        let mergeable = branches.iter().filter(|branch| !branch.bare).count() <= 1
            && branches.iter().all(|branch| branch.value.contains_key("type"));
        if branches.len() > 1 && !(modern && mergeable) {
            let any = branches.into_iter().map(|branch| branch.value.into()).collect();
            branches = vec![Branch {
                value: Map::from_iter([("anyOf".to_owned(), Value::Array(any))]),
                bare: false,
            }];
        }
        let mut types: Vec<Value> =
            branches.iter().filter_map(|branch| branch.value.get("type").cloned()).collect();
        let mut value = Map::new();
        value.insert("type".to_owned(), Value::Null); // `type` comes first
        value.extend(branches.into_iter().flat_map(|branch| branch.value));
        if null && modern {
            types.push("null".into());
        }
        match types.len() {
            0 => drop(value.remove("type")),
            1 => drop(value.insert("type".to_owned(), types.remove(0))),
            _ => drop(value.insert("type".to_owned(), types.into())),
        }
        if null { self.nullable(value) } else { value.into() }
    }

    /// Allows null in a schema of which the types are written already.
    fn nullable(&self, mut value: Map<String, Value>) -> Value {
        if let Some(values) = value.get_mut("enum").and_then(Value::as_array_mut) {
            values.push(Value::Null);
        }
        if self.version == Version::V3_0 {
            if let Some(reference) = value.remove("$ref") {
                value.insert("allOf".to_owned(), json!([{"$ref": reference}]));
            }
            value.insert("nullable".to_owned(), true.into());
            return value.into();
        }
        if let Some(any) = value.get_mut("anyOf").and_then(Value::as_array_mut) {
            value_push_null(any);
            value.remove("type");
            return value.into();
        }
        if value.contains_key("$ref") || value.contains_key("oneOf") {
            value.remove("type");
            return json!({"anyOf": [value, {"type": "null"}]});
        }
        value.into()
    }

    fn text(&self, text: &Text) -> Branch {
        let mut said = branch("string");
        if text.values.len() > 1 {
            said.set("enum", text.values.iter().map(|value| Value::from(value.as_str())).collect::<Vec<_>>());
        } else if let Some(format) = text.format {
            said.format(self.version, format);
        }
        said
    }

    fn array(&mut self, array: &Array) -> Branch {
        let mut said = branch("array");
        match &array.items {
            Some(items) => said.set("items", self.schema(items)),
            None if self.version == Version::V3_0 => said.set("items", json!({})), // there it is required
            None => {}
        }
        said
    }

    fn object(&mut self, schema: &Schema, object: &Object) -> Branch {
        match object {
            Object::Record(record) => self.record_or_reference(record, None),
            Object::Map(map) => self.named(&object_key(schema), &mut |writer| writer.map(map)),
            Object::Union(union) => self.named(&object_key(schema), &mut |writer| writer.union(union)),
            Object::Recursive { above, .. } => {
                let at = self.above.len().checked_sub(*above);
                let name = at.and_then(|at| self.above.get(at)).and_then(Option::as_deref);
                name.map_or_else(|| branch("object"), reference)
            }
        }
    }

    /// A record, with the value that its discriminator has.
    fn record_or_reference(&mut self, record: &Record, told_by: Option<(&str, &str)>) -> Branch {
        self.named(&record_key(record), &mut |writer| writer.record(record, told_by))
    }

    /// A reference where the object has a name, and its definition the first time; else the object itself.
    fn named(&mut self, key: &str, write: &mut dyn FnMut(&mut Self) -> Branch) -> Branch {
        let name = self.components.name(key).map(ToOwned::to_owned);
        let Some(name) = name else {
            return self.inside(None, write);
        };
        if self.components.claim(&name) {
            let definition = self.inside(Some(name.clone()), write);
            self.components.define(&name, definition.value.into());
        }
        reference(&name)
    }

    fn inside(&mut self, name: Option<String>, write: &mut dyn FnMut(&mut Self) -> Branch) -> Branch {
        self.above.push(name);
        let said = write(self);
        self.above.pop();
        said
    }

    fn record(&mut self, record: &Record, told_by: Option<(&str, &str)>) -> Branch {
        let mut said = branch("object");
        let required: Vec<_> =
            record.fields.iter().filter(|field| field.required).map(|field| &*field.name).collect();
        if !required.is_empty() {
            said.set("required", required);
        }
        let fields = record.fields.iter().map(|field| {
            let schema = match told_by {
                Some((name, value)) if name == field.name => self.constant(value),
                _ => self.schema(&field.schema),
            };
            (field.name.clone(), schema)
        });
        let fields: Map<String, Value> = fields.collect();
        if !fields.is_empty() {
            said.set("properties", fields);
        }
        said
    }

    fn constant(&self, value: &str) -> Value {
        if self.version == Version::V3_0 {
            json!({"type": "string", "enum": [value]})
        } else {
            json!({"type": "string", "const": value})
        }
    }

    fn map(&mut self, map: &MapShape) -> Branch {
        let mut said = branch("object");
        if let Some(format) = map.keys.format.filter(|_| self.version > Version::V3_0) {
            let mut keys = branch("string");
            keys.format(self.version, format);
            keys.value.remove("type");
            said.set("propertyNames", keys.value);
        }
        said.set("additionalProperties", self.schema(&map.values));
        said
    }

    fn union(&mut self, union: &Union) -> Branch {
        let mut mapping = Map::new();
        let mut variants = Vec::new();
        for (value, record) in &union.variants {
            let variant = self.record_or_reference(record, Some((&union.discriminator, value)));
            if let Some(reference) = variant.value.get("$ref") {
                mapping.insert(value.clone(), reference.clone());
            }
            variants.push(Value::Object(variant.value));
        }
        let mut said = Branch { value: Map::new(), bare: false };
        said.set("oneOf", variants);
        // A discriminator works with references only (OpenAPI, Discriminator Object).
        if mapping.len() == union.variants.len() {
            said.set("discriminator", json!({"propertyName": union.discriminator, "mapping": mapping}));
        }
        said
    }
}

impl Branch {
    fn set(&mut self, keyword: &str, value: impl Into<Value>) {
        self.bare = false;
        self.value.insert(keyword.to_owned(), value.into());
    }

    fn format(&mut self, version: Version, format: Format) {
        if format == Format::Base64 && version > Version::V3_0 {
            self.set("contentEncoding", "base64");
        } else {
            self.set("format", format.as_str());
        }
    }
}

fn value_push_null(any: &mut Vec<Value>) {
    any.push(json!({"type": "null"}));
}

fn branch(kind: &str) -> Branch {
    Branch { value: Map::from_iter([("type".to_owned(), kind.into())]), bare: true }
}

fn reference(name: &str) -> Branch {
    let reference = format!("#/components/schemas/{name}").into();
    Branch { value: Map::from_iter([("$ref".to_owned(), reference)]), bare: false }
}

fn number(number: &Number) -> Branch {
    let mut said = branch(if number.integer { "integer" } else { "number" });
    if let Some(format) = number.format {
        said.set("format", format.as_str());
    } else if number.integer && (number.maximum > INT32 || number.minimum < -INT32 - 1.0) {
        said.set("format", "int64");
    }
    said
}
