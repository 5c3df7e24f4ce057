//! What is learned of messages: counts per field, so that the sum of two is what one would have learned of all. What a
//! field *is* gets decided when it is asked for.

use super::wire::{Fields, Value, is_message, varints};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use std::collections::BTreeMap;

/// Messages in messages; deeper ones are bytes.
const DEEPEST: usize = 12;
/// Fields of one message: those with the lowest numbers.
const MOST_FIELDS: usize = 256;
/// Fields of a message and of all messages in it, beyond which nothing new is kept apart. The one bound that goes by
/// order.
pub(super) const MOST_TOGETHER: usize = 4_096;

/// Messages of one kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Messages {
    #[serde(rename = "n")]
    pub(super) seen: u64,
    #[serde(
        rename = "f",
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "numbered"
    )]
    pub(super) fields: BTreeMap<u32, Field>,
}

/// Numbers are text where JSON has them as keys, and stay that in whatever is flattened into what holds them.
fn numbered<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<u32, Field>, D::Error> {
    let fields = BTreeMap::<String, Field>::deserialize(from)?.into_iter();
    fields.map(|(number, field)| Ok((number.parse().map_err(D::Error::custom)?, field))).collect()
}

/// A field of them, by how it was written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Field {
    /// Messages that have it.
    #[serde(rename = "p")]
    pub(super) present: u64,
    /// Most of them in one message.
    #[serde(rename = "m")]
    pub(super) most: u64,
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub(super) varints: Option<Varints>,
    #[serde(rename = "8", default, skip_serializing_if = "Option::is_none")]
    pub(super) fixed64: Option<Fixed>,
    #[serde(rename = "4", default, skip_serializing_if = "Option::is_none")]
    pub(super) fixed32: Option<Fixed>,
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub(super) bytes: Option<Box<Bytes>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Varints {
    pub(super) seen: u64,
    /// Written in ten bytes: negative numbers are, of types that are not zigzag.
    pub(super) negative: u64,
    /// Greater than 32 bits with a sign can hold.
    pub(super) wide: u64,
    /// Neither 0 nor 1.
    pub(super) other: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Fixed {
    pub(super) seen: u64,
    /// A number that makes sense as a floating-point one: of usual size, or zero.
    pub(super) usual: u64,
}

/// Length-delimited values: what they could be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Bytes {
    /// Those that are not empty; an empty one may be anything.
    pub(super) seen: u64,
    pub(super) empty: u64,
    pub(super) text: u64,
    /// As packed varints.
    pub(super) packed: u64,
    pub(super) messages: Messages,
}

impl Messages {
    /// Learns a message; false where it is none.
    pub(super) fn learn(&mut self, bytes: &[u8], room: &mut usize) -> bool {
        if !bytes.is_empty() && !is_message(bytes) {
            return false;
        }
        self.add(bytes, 0, room);
        true
    }

    fn add(&mut self, bytes: &[u8], depth: usize, room: &mut usize) {
        self.seen = self.seen.saturating_add(1);
        let mut times = BTreeMap::<u32, u64>::new();
        for (number, value) in Fields(bytes).map_while(Result::ok) {
            if !self.fields.contains_key(&number) {
                if *room == 0 {
                    continue;
                }
                *room -= 1;
            }
            self.fields.entry(number).or_default().learn(value, depth, room);
            *times.entry(number).or_default() += 1;
        }
        for (number, times) in times {
            if let Some(field) = self.fields.get_mut(&number) {
                field.present = field.present.saturating_add(1);
                field.most = field.most.max(times);
            }
        }
        self.keep_lowest();
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.seen = self.seen.saturating_add(other.seen);
        for (number, field) in &other.fields {
            self.fields.entry(*number).or_default().merge(field);
        }
        self.keep_lowest();
    }

    /// Fields, with those of the messages in it.
    pub(super) fn size(&self) -> usize {
        let below = self.fields.values().filter_map(|field| field.bytes.as_ref());
        self.fields.len() + below.map(|bytes| bytes.messages.size()).sum::<usize>()
    }

    /// Within bounds, whatever it was loaded from.
    pub(super) fn is_bounded(&self, depth: usize) -> bool {
        let below = self.fields.values().filter_map(|field| field.bytes.as_ref());
        depth <= DEEPEST + 1
            && self.fields.len() <= MOST_FIELDS
            && below.into_iter().all(|bytes| bytes.messages.is_bounded(depth + 1))
    }

    fn keep_lowest(&mut self) {
        while self.fields.len() > MOST_FIELDS {
            self.fields.pop_last();
        }
    }
}

impl Field {
    fn learn(&mut self, value: Value<'_>, depth: usize, room: &mut usize) {
        match value {
            Value::Varint(number) => self.varints.get_or_insert_default().learn(number),
            Value::Fixed64(bits) => {
                self.fixed64.get_or_insert_default().learn(bits == 0 || is_usual(f64::from_bits(bits)));
            }
            Value::Fixed32(bits) => {
                self.fixed32
                    .get_or_insert_default()
                    .learn(bits == 0 || is_usual(f32::from_bits(bits).into()));
            }
            Value::Bytes(bytes) => self.bytes.get_or_insert_default().learn(bytes, depth, room),
        }
    }

    fn merge(&mut self, other: &Self) {
        self.present = self.present.saturating_add(other.present);
        self.most = self.most.max(other.most);
        if let Some(more) = &other.varints {
            self.varints.get_or_insert_default().merge(*more);
        }
        if let Some(more) = &other.fixed64 {
            self.fixed64.get_or_insert_default().merge(*more);
        }
        if let Some(more) = &other.fixed32 {
            self.fixed32.get_or_insert_default().merge(*more);
        }
        if let Some(more) = &other.bytes {
            self.bytes.get_or_insert_default().merge(more);
        }
    }
}

impl Varints {
    fn learn(&mut self, number: u64) {
        self.seen = self.seen.saturating_add(1);
        self.negative = self.negative.saturating_add(u64::from(number >> 63 == 1));
        self.wide = self.wide.saturating_add(u64::from(number >> 31 != 0 && number >> 63 == 0));
        self.other = self.other.saturating_add(u64::from(number > 1));
    }

    const fn merge(&mut self, other: Self) {
        self.seen = self.seen.saturating_add(other.seen);
        self.negative = self.negative.saturating_add(other.negative);
        self.wide = self.wide.saturating_add(other.wide);
        self.other = self.other.saturating_add(other.other);
    }
}

impl Fixed {
    fn learn(&mut self, usual: bool) {
        self.merge(Self { seen: 1, usual: usual.into() });
    }

    const fn merge(&mut self, other: Self) {
        self.seen = self.seen.saturating_add(other.seen);
        self.usual = self.usual.saturating_add(other.usual);
    }
}

impl Bytes {
    fn learn(&mut self, bytes: &[u8], depth: usize, room: &mut usize) {
        if bytes.is_empty() {
            self.empty = self.empty.saturating_add(1);
            return;
        }
        let count = |counter: &mut u64, is: bool| *counter = counter.saturating_add(is.into());
        let message = is_message(bytes);
        count(&mut self.seen, true);
        count(&mut self.text, is_text(bytes, message));
        count(&mut self.packed, varints(bytes).is_some());
        if message && depth < DEEPEST {
            self.messages.add(bytes, depth + 1, room);
        }
    }

    fn merge(&mut self, other: &Self) {
        let add = |counter: &mut u64, more: u64| *counter = counter.saturating_add(more);
        add(&mut self.seen, other.seen);
        add(&mut self.empty, other.empty);
        add(&mut self.text, other.text);
        add(&mut self.packed, other.packed);
        self.messages.merge(&other.messages);
    }
}

/// Text as people and programs write it. A message whose first field is a string begins like a line break.
fn is_text(bytes: &[u8], message: bool) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let printable = text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    printable && !(message && text.starts_with(char::is_control))
}

fn is_usual(number: f64) -> bool {
    number.is_finite() && (1e-9..1e15).contains(&number.abs())
}
