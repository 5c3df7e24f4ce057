//! Whether a value satisfies a schema.

use crate::shape::{
    format,
    schema::{Array, Format, Number, Object, Record, Schema, Text},
};
use serde_json::{Map, Value};

/// `whole`: every value was learned, so that ranges, lengths, formats and enums hold for all of them.
pub(super) fn satisfies(value: &Value, schema: &Schema, whole: bool) -> Result<(), String> {
    Checker { whole }.value(value, schema, &mut Vec::new())
}

struct Checker {
    whole: bool,
}

impl Checker {
    fn value<'a>(
        &self,
        value: &Value,
        schema: &'a Schema,
        above: &mut Vec<&'a Object>,
    ) -> Result<(), String> {
        let missing = |what: &str| Err(format!("{what} is not told: {value}"));
        match value {
            Value::Null if schema.nulls == 0 => missing("null"),
            Value::Bool(_) if schema.booleans == 0 => missing("boolean"),
            Value::Null | Value::Bool(_) => Ok(()),
            Value::Number(number) => match &schema.number {
                Some(told) => self.number(number.as_f64().unwrap(), !number.is_f64(), told),
                None => missing("number"),
            },
            Value::String(text) => match &schema.string {
                Some(told) => self.text(text, told),
                None => missing("string"),
            },
            Value::Array(items) => match &schema.array {
                Some(told) => self.array(items, told, above),
                None => missing("array"),
            },
            Value::Object(members) => match &schema.object {
                Some(told) => self.object(members, told, above),
                None => missing("object"),
            },
        }
    }

    fn number(&self, value: f64, integer: bool, told: &Number) -> Result<(), String> {
        let fits = !self.whole || (told.minimum..=told.maximum).contains(&value);
        (fits && (integer || !told.integer)).then_some(()).ok_or(format!("{value} is not of {told:?}"))
    }

    fn text(&self, value: &str, told: &Text) -> Result<(), String> {
        let length = value.chars().count() as u64;
        let satisfied = format::satisfied(format::ALL, value.as_bytes());
        let has = |wanted: Format| format::all(satisfied).any(|format| format == wanted);
        let fits = !self.whole
            || ((told.shortest..=told.longest).contains(&length)
                && told.format.is_none_or(has)
                && (told.values.is_empty() || told.values.iter().any(|one| one == value)));
        fits.then_some(()).ok_or(format!("{value:?} is not of {told:?}"))
    }

    fn array<'a>(&self, items: &[Value], told: &'a Array, above: &mut Vec<&'a Object>) -> Result<(), String> {
        if self.whole && !(told.fewest..=told.most).contains(&(items.len() as u64)) {
            return Err(format!("{} items are not of {told:?}", items.len()));
        }
        match &told.items {
            Some(schema) => items.iter().try_for_each(|item| self.value(item, schema, above)),
            None if items.is_empty() => Ok(()),
            None => Err("items are not told".into()),
        }
    }

    fn object<'a>(
        &self,
        members: &Map<String, Value>,
        told: &'a Object,
        above: &mut Vec<&'a Object>,
    ) -> Result<(), String> {
        match told {
            Object::Recursive { above: levels, .. } => {
                let kept = above.len() - levels;
                let target = above[kept];
                self.object(members, target, &mut above[..kept].to_vec())
            }
            Object::Map(map) => {
                above.push(told);
                let result = members.values().try_for_each(|value| self.value(value, &map.values, above));
                above.pop();
                result
            }
            Object::Record(record) => {
                above.push(told);
                let result = self.record(members, record, above);
                above.pop();
                result
            }
            Object::Union(union) => {
                let tag = members.get(&union.discriminator).and_then(Value::as_str);
                let variant = union.variants.iter().find(|(name, _)| tag == Some(name));
                let (_, record) = variant.ok_or(format!("{tag:?} is no variant"))?;
                above.push(told);
                let result = self.record(members, record, above);
                above.pop();
                result
            }
        }
    }

    fn record<'a>(
        &self,
        members: &Map<String, Value>,
        record: &'a Record,
        above: &mut Vec<&'a Object>,
    ) -> Result<(), String> {
        if let Some(field) =
            record.fields.iter().find(|field| field.required && !members.contains_key(&field.name))
        {
            return Err(format!("{} is required and not there: {members:?}", field.name));
        }
        members.iter().try_for_each(|(name, value)| {
            match record.fields.iter().find(|field| field.name == *name) {
                Some(field) => {
                    self.value(value, &field.schema, above).map_err(|why| format!("{name}: {why}"))
                }
                None if record.more => Ok(()),
                None => Err(format!("{name} is not told")),
            }
        })
    }
}
