//! A shape as the lines of an API reference: one per field, indented below what holds it.

use overhear_model::{
    Descriptors,
    descriptors::{KnownField, KnownKind},
    shape::schema::{Format, Number, Object, ProtoField, ProtoKind, ProtoMessage, Record, Schema, Text},
};

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct OutlineRow {
    /// How deep it is nested.
    pub depth: usize,
    /// Key; `{key}` for the values of a map; empty for the body itself.
    pub name: String,
    /// `string uuid`, `array of integer`, `map of object`, `boolean or null`.
    pub kind: String,
    /// How often it is there, 0..=1, where what holds it is.
    pub presence: f64,
    /// It is always there.
    pub required: bool,
    /// Values, range or length, as seen.
    pub notes: String,
}

/// Most lines of one outline; a longer one is read as a document.
const MOST_ROWS: usize = 2_000;

/// The lines of a schema, its own first.
pub fn outline(schema: &Schema) -> Vec<OutlineRow> {
    let mut rows = Vec::new();
    line(&mut rows, Place { depth: 0, name: "", seen: 1, of: 1, required: true }, schema);
    rows
}

/// The lines of messages in protocol buffers, by number, for the wire has no names; by name where the descriptors know the
/// message by this one.
pub fn outline_of_messages(
    message: &ProtoMessage,
    (names, of): (&Descriptors, Option<&str>),
) -> Vec<OutlineRow> {
    let mut rows = Vec::new();
    numbered(&mut rows, 0, message, (names, of));
    rows
}

fn numbered(
    rows: &mut Vec<OutlineRow>,
    depth: usize,
    message: &ProtoMessage,
    (names, of): (&Descriptors, Option<&str>),
) {
    let known = of.and_then(|of| names.message(of));
    for field in &message.fields {
        if rows.len() >= MOST_ROWS {
            return;
        }
        let ProtoField { number, present, repeated, packed, kind } = field;
        let told = known.and_then(|known| known.fields.get(number));
        let repeated = if *repeated { "repeated " } else { "" };
        rows.push(OutlineRow {
            depth,
            name: told.map_or_else(|| format!("field_{number}"), |told| told.name.clone()),
            kind: format!("{repeated}{}", kind.as_str()),
            presence: share(*present, message.seen),
            required: *present == message.seen,
            notes: if *packed { "packed".to_owned() } else { String::new() },
        });
        if let ProtoKind::Message(inner) = kind {
            let of = match told.and_then(KnownField::kind) {
                Some(KnownKind::Message(name)) => Some(name),
                Some(KnownKind::Scalar(_) | KnownKind::Enum(_)) | None => None,
            };
            numbered(rows, depth + 1, inner, (names, of));
        }
    }
}

/// What a schema is, in a few words.
fn kind(schema: &Schema) -> String {
    let mut kinds = Vec::new();
    if schema.booleans > 0 {
        kinds.push("boolean".to_owned());
    }
    kinds.extend(schema.number.as_ref().map(number));
    kinds.extend(schema.string.as_ref().map(|text| with_format("string", text.format)));
    if let Some(array) = &schema.array {
        let items = array.items.as_deref().map(kind);
        kinds.push(items.map_or_else(|| "array".to_owned(), |items| format!("array of {items}")));
    }
    kinds.extend(schema.object.as_ref().map(object));
    if schema.nulls > 0 {
        kinds.push("null".to_owned());
    }
    kinds.join(" or ")
}

/// Values, ranges and lengths that were seen.
fn notes(schema: &Schema) -> String {
    let mut notes = Vec::new();
    if let Some(number) = &schema.number {
        notes.push(range(number));
    }
    notes.extend(schema.string.as_ref().and_then(text));
    if let Some(array) = &schema.array {
        notes.push(format!("{} items", span(array.fewest, array.most)));
        let items = array.items.as_deref().map(self::notes).filter(|notes| !notes.is_empty());
        notes.extend(items);
    }
    notes.join(", ")
}

/// Where a line stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    depth: usize,
    name: &'a str,
    seen: u64,
    of: u64,
    required: bool,
}

fn line(rows: &mut Vec<OutlineRow>, place: Place<'_>, schema: &Schema) {
    if rows.len() >= MOST_ROWS {
        return;
    }
    rows.push(OutlineRow {
        depth: place.depth,
        name: place.name.to_owned(),
        kind: kind(schema),
        presence: share(place.seen, place.of),
        required: place.required,
        notes: notes(schema),
    });
    below(rows, place.depth + 1, schema);
}

/// The fields of the objects in a place, whether they stand there or in an array.
fn below(rows: &mut Vec<OutlineRow>, depth: usize, schema: &Schema) {
    if let Some(items) = schema.array.as_ref().and_then(|array| array.items.as_deref()) {
        below(rows, depth, items);
    }
    match &schema.object {
        Some(Object::Record(record)) => fields(rows, depth, record),
        Some(Object::Map(map)) => {
            let always = Place { depth, name: "{key}", seen: 1, of: 1, required: false };
            line(rows, always, &map.values);
        }
        Some(Object::Union(union)) => {
            for (value, record) in &union.variants {
                rows.push(OutlineRow {
                    depth,
                    name: format!("{} = {value}", union.discriminator),
                    kind: String::new(),
                    presence: share(record.seen, union.seen),
                    required: false,
                    notes: String::new(),
                });
                fields(rows, depth + 1, record);
            }
        }
        Some(Object::Recursive { .. }) | None => {}
    }
}

fn fields(rows: &mut Vec<OutlineRow>, depth: usize, record: &Record) {
    for field in &record.fields {
        let place =
            Place { depth, name: &field.name, seen: field.seen, of: record.seen, required: field.required };
        line(rows, place, &field.schema);
    }
}

fn number(number: &Number) -> String {
    with_format(if number.integer { "integer" } else { "number" }, number.format)
}

fn with_format(kind: &str, format: Option<Format>) -> String {
    format.map_or_else(|| kind.to_owned(), |format| format!("{kind} {}", format.as_str()))
}

fn object(object: &Object) -> String {
    match object {
        Object::Record(_) => "object".to_owned(),
        Object::Map(map) => format!("map of {}", kind(&map.values)),
        Object::Union(union) => {
            let names: Vec<&str> = union.variants.iter().map(|(value, _)| value.as_str()).collect();
            format!("one of {} by {}", names.join(", "), union.discriminator)
        }
        Object::Recursive { above: 1, .. } => "the object around it".to_owned(),
        Object::Recursive { above, .. } => format!("the object {above} levels above"),
    }
}

fn range(number: &Number) -> String {
    let (low, high) = (number.minimum, number.maximum);
    if low >= high { format!("{low}") } else { format!("{low} … {high}") }
}

fn text(text: &Text) -> Option<String> {
    if !text.values.is_empty() {
        return Some(text.values.join(" | "));
    }
    // The length of a date says nothing.
    text.format.is_none().then(|| format!("{} characters", span(text.shortest, text.longest)))
}

fn span(fewest: u64, most: u64) -> String {
    if fewest >= most { format!("{most}") } else { format!("{fewest} … {most}") }
}

#[expect(clippy::cast_precision_loss, reason = "a share is shown in percent")]
fn share(seen: u64, of: u64) -> f64 {
    seen as f64 / of.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::{Descriptors, outline, outline_of_messages};
    use overhear_model::shape::schema::{
        Array, Field, Format, Number, Object, ProtoField, ProtoKind, ProtoMessage, Record, Schema, Text,
    };

    #[test]
    fn messages_read_like_it_too() {
        let field =
            |number, present, kind| ProtoField { number, present, repeated: false, packed: false, kind };
        let line = ProtoMessage {
            seen: 8,
            fields: vec![field(1, 8, ProtoKind::Text), field(3, 2, ProtoKind::Bool)],
        };
        let lines = ProtoField { repeated: true, ..field(2, 3, ProtoKind::Message(line)) };
        let codes = ProtoField { repeated: true, packed: true, ..field(7, 4, ProtoKind::Int64) };
        let order = ProtoMessage { seen: 4, fields: vec![field(1, 4, ProtoKind::Int32), lines, codes] };
        let rows: Vec<String> = outline_of_messages(&order, (&Descriptors::default(), None))
            .iter()
            .map(|row| {
                format!(
                    "{}|{}|{}|{}|{}|{}",
                    row.depth, row.name, row.kind, row.presence, row.required, row.notes
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                "0|field_1|int32|1|true|",
                "0|field_2|repeated message|0.75|false|",
                "1|field_1|string|1|true|",
                "1|field_3|bool|0.25|false|",
                "0|field_7|repeated int64|1|true|packed",
            ]
        );
    }

    fn string(format: Option<Format>, values: &[&str]) -> Schema {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        let string = Some(Text { seen: 4, shortest: 2, longest: 9, distinct: 3, format, values });
        Schema { seen: 4, string, ..Schema::default() }
    }

    fn record(fields: &[(&str, u64, Schema)]) -> Schema {
        let fields = fields.iter().map(|(name, seen, schema)| Field {
            name: (*name).to_owned(),
            seen: *seen,
            required: *seen == 4,
            schema: schema.clone(),
        });
        let object = Some(Object::Record(Record { seen: 4, fields: fields.collect(), more: false }));
        Schema { seen: 4, object, ..Schema::default() }
    }

    #[test]
    fn reads_like_a_reference() {
        let number = Some(Number { seen: 4, integer: true, minimum: 1.0, maximum: 9.0, format: None });
        let count = Schema { seen: 4, nulls: 1, number, ..Schema::default() };
        let lines = record(&[("count", 3, count)]);
        let array = Some(Array { seen: 4, fewest: 0, most: 3, items: Some(Box::new(lines)) });
        let order = record(&[
            ("id", 4, string(Some(Format::Uuid), &[])),
            ("lines", 4, Schema { seen: 4, array, ..Schema::default() }),
            ("state", 2, string(None, &["open", "paid"])),
        ]);
        let rows: Vec<String> = outline(&order)
            .iter()
            .map(|row| {
                format!("{}|{}|{}|{:.0}|{}", row.depth, row.name, row.kind, row.presence * 100.0, row.notes)
            })
            .collect();
        assert_eq!(
            rows,
            [
                "0||object|100|",
                "1|id|string uuid|100|",
                "1|lines|array of object|100|0 … 3 items",
                "2|count|integer or null|75|1 … 9",
                "1|state|string|50|open | paid",
            ]
        );
    }
}
