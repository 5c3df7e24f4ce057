//! Which shapes get a name: those that stand in several places, variants of unions, and what holds itself.
//!
//! First a census over all operations counts equal records and collects what each could be called; then the document
//! is written with references to the names that were given.

use super::{
    Version,
    names::{nouns, pascal, singular, singular_words, words},
    paths::{Placed, subject},
    schema::Writer,
};
use overhear_model::shape::schema::{Object, Record, Schema};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
};

/// Fields a record needs before it is worth a name of its own.
const WORTH_A_NAME: usize = 2;

/// The named schemas of a document.
pub(super) struct Components {
    version: Version,
    names: HashMap<String, String>,
    schemas: BTreeMap<String, Value>,
}

impl Components {
    /// Decides on names.
    pub(super) fn plan(placed: &[Placed<'_>], version: Version) -> Self {
        let mut census = Census::default();
        for one in placed {
            census.operation(one);
        }
        Self { version, names: census.names(), schemas: BTreeMap::new() }
    }

    /// A schema, with references to what has a name.
    pub(super) fn schema(&mut self, schema: &Schema) -> Value {
        Writer::new(self.version, self).schema(schema)
    }

    /// The name of an object of this key, if it has one.
    pub(super) fn name(&self, key: &str) -> Option<&str> {
        self.names.get(key).map(String::as_str)
    }

    /// Whether the schema of a name still has to be written. Says so once, so that what holds itself ends.
    pub(super) fn claim(&mut self, name: &str) -> bool {
        if self.schemas.contains_key(name) {
            return false;
        }
        self.schemas.insert(name.to_owned(), Value::Null);
        true
    }

    pub(super) fn define(&mut self, name: &str, schema: Value) {
        self.schemas.insert(name.to_owned(), schema);
    }

    /// The Components Object.
    pub(super) fn finish(self, security_schemes: Map<String, Value>) -> Map<String, Value> {
        let mut components = Map::new();
        if !self.schemas.is_empty() {
            components.insert("schemas".to_owned(), self.schemas.into_iter().collect::<Map<_, _>>().into());
        }
        if !security_schemes.is_empty() {
            components.insert("securitySchemes".to_owned(), security_schemes.into());
        }
        components
    }
}

/// What is known of equal objects.
#[derive(Default)]
struct Entry {
    places: usize,
    fields: usize,
    /// Has a name whether or not it stands in several places.
    needed: bool,
    /// It refers to something above itself, so it cannot stand alone.
    open: bool,
    /// How good (smaller is better) and how often a name was suggested.
    suggestions: BTreeMap<String, (Suggestion, usize)>,
}

/// Where a suggestion comes from, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Suggestion {
    /// What a path is about.
    Noun,
    /// The value of a discriminator.
    Variant,
    /// A field that holds it.
    Field,
    /// The operation it is part of.
    Operation,
}

/// What a schema suggests for the objects in it.
#[derive(Clone)]
struct Hint(String, Suggestion);

#[derive(Default)]
struct Census {
    entries: BTreeMap<String, Entry>,
}

impl Census {
    fn operation(&mut self, placed: &Placed<'_>) {
        let shape = &placed.operation.shape;
        let id = pascal(&words(&placed.id));
        let noun = noun(&placed.path);
        for payload in shape.request.iter().filter_map(|payload| payload.schema.as_ref()) {
            self.schema(payload, &Hint(format!("{id}Request"), Suggestion::Operation));
        }
        for response in &shape.responses {
            let hint = match response.status {
                400.. => Hint("Error".to_owned(), Suggestion::Noun),
                _ if noun.is_empty() => Hint(format!("{id}Response"), Suggestion::Operation),
                _ if is_collection(&placed.path) => Hint(format!("{noun}List"), Suggestion::Noun),
                _ => Hint(noun.clone(), Suggestion::Noun),
            };
            for payload in response.payloads.iter().filter_map(|payload| payload.schema.as_ref()) {
                let bare = payload.object.is_none() && is_collection(&placed.path);
                let items = Hint(noun.clone(), Suggestion::Noun);
                self.schema(payload, if bare && !noun.is_empty() { &items } else { &hint });
            }
        }
    }

    fn schema(&mut self, schema: &Schema, hint: &Hint) {
        if let Some(items) = schema.array.as_ref().and_then(|array| array.items.as_deref()) {
            self.schema(items, &Hint(pascal(&singular_words(words(&hint.0))), hint.1));
        }
        match &schema.object {
            Some(Object::Record(record)) => self.record(record, hint, false),
            Some(Object::Map(map)) => {
                if recurs(&map.values, 1) {
                    self.needed(object_key(schema), hint, 0);
                }
                self.schema(&map.values, &Hint(pascal(&singular_words(words(&hint.0))), hint.1));
            }
            Some(Object::Union(union)) => {
                if union.variants.iter().any(|(_, record)| holds_itself(record)) {
                    self.needed(object_key(schema), hint, 0);
                }
                for (value, record) in &union.variants {
                    let name = format!("{}{}", pascal(&words(value)), hint.0);
                    self.record(record, &Hint(name, Suggestion::Variant), true);
                }
            }
            Some(Object::Recursive { .. }) | None => {}
        }
    }

    fn record(&mut self, record: &Record, hint: &Hint, needed: bool) {
        let needed = needed || holds_itself(record);
        let key = record_key(record);
        let open = record.fields.iter().any(|field| reaches(&field.schema, 2));
        let entry = self.entries.entry(key).or_default();
        entry.places += 1;
        entry.fields = record.fields.len();
        entry.needed |= needed;
        entry.open |= open;
        entry.suggest(hint);
        if entry.places > 1 {
            return; // what is in it stands there once, however often it is referred to
        }
        for field in &record.fields {
            self.schema(&field.schema, &Hint(pascal(&words(&field.name)), Suggestion::Field));
        }
    }

    fn needed(&mut self, key: String, hint: &Hint, fields: usize) {
        let entry = self.entries.entry(key).or_default();
        entry.places += 1;
        entry.fields = fields;
        entry.needed = true;
        entry.suggest(hint);
    }

    /// One name for each shape that deserves one, best suggestions first.
    fn names(self) -> HashMap<String, String> {
        let deserving = self.entries.into_iter().filter(|(_, entry)| {
            entry.needed || (entry.places > 1 && entry.fields >= WORTH_A_NAME && !entry.open)
        });
        let mut wanted: Vec<_> = deserving
            .map(|(key, entry)| {
                let mut names: Vec<_> = entry.suggestions.into_iter().collect();
                names.sort_by(|(a, (good, times)), (b, (better, more))| {
                    (good, std::cmp::Reverse(times), a).cmp(&(better, std::cmp::Reverse(more), b))
                });
                (names, key)
            })
            .collect();
        let best = |names: &[(String, (Suggestion, usize))]| {
            names.first().map(|(name, (suggestion, _))| (*suggestion, name.clone()))
        };
        wanted.sort_by(|(a, a_key), (b, b_key)| (best(a), a_key).cmp(&(best(b), b_key)));
        let mut taken = BTreeSet::new();
        let mut given = HashMap::new();
        for (names, key) in wanted {
            let first = names.first().map_or("Object", |(name, _)| name.as_str());
            let numbered = (2..).map(|number: usize| format!("{first}{number}"));
            let name = names.iter().map(|(name, _)| name.clone()).chain(numbered);
            let name = name.filter(|name| !name.is_empty()).find(|name| taken.insert(name.clone()));
            given.extend(name.map(|name| (key, name)));
        }
        given
    }
}

impl Entry {
    fn suggest(&mut self, Hint(name, suggestion): &Hint) {
        // Component names are limited to these characters (OpenAPI, Components Object).
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let name = if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            format!("Object{name}")
        } else {
            name
        };
        let (best, times) = self.suggestions.entry(name).or_insert((*suggestion, 0));
        *best = (*best).min(*suggestion);
        *times += 1;
    }
}

/// `Order` for `/orders` and `/users/{userId}/orders/{orderId}`.
fn noun(path: &str) -> String {
    let last = nouns(path).last().map(|noun| singular_words(words(noun))).unwrap_or_default();
    if last.len() == 1 && last.first().is_some_and(|word| word.len() < 3) {
        return pascal(&subject(path, false));
    }
    pascal(&last)
}

/// Ends in a plural noun: what it gives is likely a list of them.
fn is_collection(path: &str) -> bool {
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let last = words(last).pop().unwrap_or_default();
    !path.ends_with('}') && singular(&last) != last
}

fn holds_itself(record: &Record) -> bool {
    record.fields.iter().any(|field| recurs(&field.schema, 1))
}

/// Whether something in a schema is like the object `above` it.
fn recurs(schema: &Schema, above: usize) -> bool {
    any_reference(schema, above, &|up, here| up == here)
}

/// Whether something in a schema is like an object so far above or further.
fn reaches(schema: &Schema, above: usize) -> bool {
    any_reference(schema, above, &|up, here| up >= here)
}

fn any_reference(schema: &Schema, depth: usize, hit: &dyn Fn(usize, usize) -> bool) -> bool {
    let items = schema.array.as_ref().and_then(|array| array.items.as_deref());
    let below = |schema: &Schema| any_reference(schema, depth + 1, hit);
    items.is_some_and(|items| any_reference(items, depth, hit))
        || match &schema.object {
            Some(Object::Record(record)) => record.fields.iter().any(|field| below(&field.schema)),
            Some(Object::Map(map)) => below(&map.values),
            Some(Object::Union(union)) => union
                .variants
                .iter()
                .any(|(_, record)| record.fields.iter().any(|field| below(&field.schema))),
            Some(Object::Recursive { above, .. }) => hit(*above, depth),
            None => false,
        }
}

/// The same for records that are written the same, whatever was counted.
pub(super) fn record_key(record: &Record) -> String {
    let mut key = String::new();
    write_record(&mut key, record);
    key
}

/// The key of the object of a schema.
pub(super) fn object_key(schema: &Schema) -> String {
    let mut key = String::new();
    if let Some(object) = &schema.object {
        write_object(&mut key, object);
    }
    key
}

// Writing to a String does not fail.
fn write_record(key: &mut String, record: &Record) {
    key.push('{');
    for field in &record.fields {
        let _ = write!(key, "{:?}{}:", field.name, if field.required { "" } else { "?" });
        write_schema(key, &field.schema);
        key.push(',');
    }
    key.push('}');
}

fn write_schema(key: &mut String, schema: &Schema) {
    for (there, mark) in [(schema.nulls > 0, 'n'), (schema.booleans > 0, 'b')] {
        key.extend(there.then_some(mark));
    }
    if let Some(number) = &schema.number {
        let _ = write!(key, "{}{:?}", if number.integer { 'i' } else { 'f' }, number.format);
    }
    if let Some(text) = &schema.string {
        let _ = write!(key, "s{:?}{:?}", text.format, text.values);
    }
    if let Some(array) = &schema.array {
        key.push('[');
        if let Some(items) = &array.items {
            write_schema(key, items);
        }
        key.push(']');
    }
    if let Some(object) = &schema.object {
        write_object(key, object);
    }
}

fn write_object(key: &mut String, object: &Object) {
    match object {
        Object::Record(record) => write_record(key, record),
        Object::Map(map) => {
            let _ = write!(key, "<{:?}", map.keys.format);
            write_schema(key, &map.values);
            key.push('>');
        }
        Object::Union(union) => {
            let _ = write!(key, "({:?}", union.discriminator);
            for (value, record) in &union.variants {
                let _ = write!(key, "|{value:?}");
                write_record(key, record);
            }
            key.push(')');
        }
        Object::Recursive { above, .. } => {
            let _ = write!(key, "^{above}");
        }
    }
}
