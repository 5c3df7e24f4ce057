//! From evidence to shapes: every decision is taken here, when somebody asks.

use super::{
    format, maps,
    node::{Arrays, BOOLEAN, NUMBER, Node, Texts, Types},
    objects::{Child, Objects},
    recursion,
    scalar::{Numbers, Strings},
    schema::{
        Array, Field, Format, Map, Number, Object, Parameter, Place, Record, Schema, Style, Text, Union,
    },
    tags::TagValue,
    unions,
};

/// Fewer messages are too few to say that something is always there.
const ENOUGH: u64 = 3;
/// More different values are no enum.
const MOST_VALUES: usize = 12;

/// What the values in one place look like. `name` is what the place is called.
pub(super) fn schema(node: &Node, name: &str, depth: usize) -> Schema {
    if let (Some(texts), Some(strings)) = (&node.texts, &node.strings) {
        return text_schema(texts, strings, name);
    }
    Schema {
        seen: node.seen(),
        nulls: node.nulls,
        booleans: node.booleans,
        number: node.numbers.as_deref().map(|numbers| number(numbers, name)),
        string: node.strings.as_deref().map(|strings| text(strings, name)),
        array: node.arrays.as_deref().map(|arrays| array(arrays, name, depth)),
        object: node.objects.as_deref().map(|objects| object(objects, name, depth)),
    }
}

fn number(numbers: &Numbers, name: &str) -> Number {
    let integer = numbers.integers == numbers.seen;
    Number {
        seen: numbers.seen,
        integer,
        minimum: numbers.minimum,
        maximum: numbers.maximum,
        format: number_format(numbers, integer, name),
    }
}

/// What numbers mean: two decimals always, or times by their size and name.
fn number_format(numbers: &Numbers, integer: bool, name: &str) -> Option<Format> {
    if numbers.examined < 3 {
        return None;
    }
    if !integer {
        return (numbers.cents == numbers.examined).then_some(Format::Decimal);
    }
    // 2001-09-09 to 2100-01-01.
    let within = |unit: f64| numbers.minimum >= 1e9 * unit && numbers.maximum < 4_102_444_800.0 * unit;
    let name = name.to_ascii_lowercase();
    let is_time = [
        "time", "date", "created", "updated", "modified", "expire", "since", "until", "start", "end", "seen",
    ]
    .iter()
    .any(|part| name.contains(part))
        || ["at", "on", "ts", "iat", "exp", "nbf"]
            .iter()
            .any(|word| name == *word || name.ends_with(&format!("_{word}")))
        || name.ends_with("at");
    match is_time {
        true if within(1.0) => Some(Format::EpochSeconds),
        true if within(1000.0) => Some(Format::EpochMilliseconds),
        _ => None,
    }
}

fn text(strings: &Strings, name: &str) -> Text {
    let distinct = strings.sketch.distinct();
    let format = format::choose(strings.formats, name, strings.examined, distinct);
    let words = strings.tally.words().filter(|words| {
        words.len() <= MOST_VALUES
            && format
                .is_none_or(|format| matches!(format, Format::Currency | Format::Country | Format::Language))
    });
    Text {
        seen: strings.seen,
        shortest: strings.shortest.min(strings.longest),
        longest: strings.longest,
        distinct,
        format,
        values: words.unwrap_or_default(),
    }
}

/// Values without a type of their own are what all of them read as.
fn text_schema(texts: &Texts, strings: &Strings, name: &str) -> Schema {
    let seen = strings.seen;
    let mut schema = Schema { seen, ..Schema::default() };
    if texts.booleans == seen {
        schema.booleans = seen;
    } else if texts.numbers.seen == seen {
        schema.number = Some(number(&texts.numbers, name));
    } else {
        schema.string = Some(text(strings, name));
    }
    schema
}

fn array(arrays: &Arrays, name: &str, depth: usize) -> Array {
    Array {
        seen: arrays.seen,
        fewest: arrays.fewest.min(arrays.most),
        most: arrays.most,
        items: arrays.items.as_deref().map(|items| Box::new(schema(items, name, depth + 1))),
    }
}

fn object(objects: &Objects, name: &str, depth: usize) -> Object {
    if objects.above > 0 {
        return Object::Recursive { seen: objects.seen, above: objects.above };
    }
    if maps::is_map(objects) {
        let (keys, values) = maps::fold(objects, depth);
        let values = Box::new(schema(&values, name, depth + 1));
        return Object::Map(Map { seen: objects.seen, keys: text(&keys, ""), values });
    }
    let mut folded = objects.clone();
    recursion::fold(&mut folded, depth);
    match unions::discriminator(&folded) {
        Some((child, values)) => Object::Union(union(&folded, child, values, depth)),
        None => Object::Record(record(&folded, depth)),
    }
}

fn record(objects: &Objects, depth: usize) -> Record {
    let named = objects.children.iter().filter_map(|child| Some((child.name.as_deref()?, child)));
    let mut fields: Vec<_> = named
        .map(|(name, child)| Field {
            name: name.to_owned(),
            seen: child.present,
            required: objects.always(child),
            schema: schema(&child.node, name, depth + 1),
        })
        .collect();
    fields.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let more = objects.rest.is_some() || fields.len() < objects.children.len();
    Record { seen: objects.seen, fields, more }
}

fn union(objects: &Objects, tag: &Child, values: &[TagValue], depth: usize) -> Union {
    let all = record(objects, depth);
    let mut variants: Vec<_> = values
        .iter()
        .map(|value| (value.text.as_deref().unwrap_or_default().to_owned(), variant(objects, &all, value)))
        .collect();
    variants.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    Union { seen: objects.seen, discriminator: tag.name.as_deref().unwrap_or_default().to_owned(), variants }
}

/// The fields of all kinds, as far as this one has them, with the types it has.
fn variant(objects: &Objects, all: &Record, value: &TagValue) -> Record {
    let has = |field: &Field| {
        let child = objects.children.iter().find(|child| child.name.as_deref() == Some(&field.name))?;
        let at = value.fields.binary_search_by_key(&child.hash, |(hash, ..)| *hash).ok()?;
        value.fields.get(at).map(|(_, seen, types)| (*seen, *types))
    };
    let fields = all.fields.iter().filter_map(|field| {
        let (seen, types) = has(field)?;
        let schema = narrow(&field.schema, types);
        Some(Field { name: field.name.clone(), seen, required: seen >= value.seen, schema })
    });
    Record { seen: value.seen, fields: fields.collect(), more: all.more }
}

/// A schema without the types that were not seen.
fn narrow(schema: &Schema, types: Types) -> Schema {
    use super::node::{ARRAY, INTEGER, NULL, OBJECT, STRING};
    let has = |bit: Types| types & bit != 0;
    let mut narrowed = Schema {
        seen: 0,
        nulls: if has(NULL) { schema.nulls } else { 0 },
        booleans: if has(BOOLEAN) { schema.booleans } else { 0 },
        number: schema.number.clone().filter(|_| has(INTEGER | NUMBER)),
        string: schema.string.clone().filter(|_| has(STRING)),
        array: schema.array.clone().filter(|_| has(ARRAY)),
        object: schema.object.clone().filter(|_| has(OBJECT)),
    };
    if let Some(number) = &mut narrowed.number {
        number.integer |= !has(NUMBER);
    }
    let object = narrowed.object.as_ref().map_or(0, |object| match object {
        Object::Record(record) => record.seen,
        Object::Map(map) => map.seen,
        Object::Union(union) => union.seen,
        Object::Recursive { seen, .. } => *seen,
    });
    let parts = [
        narrowed.nulls,
        narrowed.booleans,
        narrowed.number.as_ref().map_or(0, |number| number.seen),
        narrowed.string.as_ref().map_or(0, |string| string.seen),
        narrowed.array.as_ref().map_or(0, |array| array.seen),
        object,
    ];
    narrowed.seen = parts.into_iter().fold(0, u64::saturating_add);
    narrowed
}

/// The named values of messages, of which there were so many.
pub(super) fn parameters(root: &Node, place: Place, of: u64) -> Vec<Parameter> {
    let children = root.objects.iter().flat_map(|objects| &objects.children);
    let named = children.filter_map(|child| Some((child.name.as_deref()?, child)));
    let mut parameters: Vec<_> = named
        .map(|(name, child)| {
            let (style, schema) = parameter(&child.node, name);
            let (seen, required) = (child.present, child.present >= of && of >= ENOUGH);
            Parameter { name: name.to_owned(), place, style, seen, of, required, schema }
        })
        .collect();
    parameters.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    parameters
}

fn parameter(node: &Node, name: &str) -> (Style, Schema) {
    if node.objects.is_some() && node.strings.is_none() && node.arrays.is_none() {
        return (Style::DeepObject, schema(node, name, 1));
    }
    if let Some(arrays) = &node.arrays {
        return (Style::Repeated, repeated(node, arrays, name));
    }
    match &node.texts {
        Some(texts) if texts.lists.seen >= 2 && texts.commas == 0 => {
            (Style::Commas, commas(node, texts, name))
        }
        _ => (Style::Single, schema(node, name, 1)),
    }
}

/// One value is a list of one.
fn repeated(node: &Node, arrays: &Arrays, name: &str) -> Schema {
    let mut arrays = arrays.clone();
    if let Some(strings) = &node.strings {
        arrays.seen = arrays.seen.saturating_add(strings.seen);
        arrays.fewest = arrays.fewest.min(1);
        let single = Node { strings: node.strings.clone(), texts: node.texts.clone(), ..Node::default() };
        arrays.items.get_or_insert_default().merge(&single, 2);
    }
    let array = array(&arrays, name, 1);
    Schema { seen: array.seen, array: Some(array), ..Schema::default() }
}

/// The parts of lists, and what was no list as one part. Lists are among the strings too, so that of the others
/// only the counts are known apart.
fn commas(node: &Node, texts: &Texts, name: &str) -> Schema {
    let seen = node.strings.as_ref().map_or(0, |strings| strings.seen);
    let single = seen.saturating_sub(texts.lists.seen);
    let mut lists = texts.lists.clone();
    lists.seen = seen;
    if let (true, Some(items), Some(strings)) = (single > 0, &mut lists.items, &node.strings) {
        lists.fewest = 1;
        let parts = items.strings.get_or_insert_default();
        parts.count(single);
        parts.formats &= strings.formats;
        parts.shortest = parts.shortest.min(strings.shortest);
        parts.longest = parts.longest.max(strings.longest);
        parts.tally.close();
        let all = items.texts.get_or_insert_default();
        all.booleans = all.booleans.saturating_add(texts.booleans);
        all.numbers.merge(&texts.numbers);
    }
    let array = array(&lists, name, 1);
    Schema { seen, array: Some(array), ..Schema::default() }
}
