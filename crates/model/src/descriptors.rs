//! What protocol buffers call the messages and fields that the wire has by number: out of descriptor sets that somebody gives,
//! and out of what servers answer when somebody asks them by gRPC server reflection.
//!
//! It is part of the sum that a model is: of each name the later word holds, and of two at the same time the greater one, so
//! that order does not matter. Beyond the bound the names that come first in the alphabet stay.

mod wire;

use overhear_exchange::{Http, Timestamp};
use prost::Message as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wire::{Field, File, Kind, Reflected, Set};

/// Messages, and as many methods, that are remembered: anybody can answer by the name of that service.
const MOST: usize = 2_048;
/// Fields of one message.
const MOST_FIELDS: usize = 128;
/// Bytes of a name with its package.
const LONGEST: usize = 256;

/// Names by descriptors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Descriptors {
    /// By their full name, with a dot before.
    messages: BTreeMap<String, Word<KnownMessage>>,
    /// By `package.Service/Method`.
    methods: BTreeMap<String, Word<KnownMethod>>,
}

/// What was said of one name, and when (nanoseconds since the Unix epoch).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Word<T> {
    at: u64,
    said: T,
}

/// A message of a descriptor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KnownMessage {
    /// Without what it is in.
    pub name: String,
    /// By number.
    pub fields: BTreeMap<u32, KnownField>,
}

/// A field of a message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KnownField {
    /// Its name.
    pub name: String,
    /// There may be several.
    pub repeated: bool,
    /// `FieldDescriptorProto.Type`.
    number: i32,
    /// Of a message or an enumeration, its full name.
    of: Option<String>,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownKind<'a> {
    /// By its word in a `.proto` file.
    Scalar(&'static str),
    /// By its full name.
    Enum(&'a str),
    /// By its full name.
    Message(&'a str),
}

/// A method of a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KnownMethod {
    /// The full name of what it takes…
    pub input: String,
    /// …and of what it gives.
    pub output: String,
    /// Whether each is a stream.
    pub streams: [bool; 2],
}

/// It is no descriptor set.
#[derive(Debug, thiserror::Error)]
#[error("is no descriptor set ({0}): protoc writes one with --descriptor_set_out=FILE --include_imports")]
pub struct NotDescriptors(#[from] prost::DecodeError);

impl Descriptors {
    /// Reads a `FileDescriptorSet` that somebody gives: its words go before all that was heard.
    ///
    /// # Errors
    /// When it is none, or has nothing in it.
    pub fn add_set(&mut self, bytes: &[u8]) -> Result<(), NotDescriptors> {
        Set::decode(bytes)?.file.into_iter().for_each(|file| self.add(u64::MAX, file));
        Ok(())
    }

    /// Reads a message of server reflection; one that is none says nothing.
    pub fn add_reflected(&mut self, at: Timestamp, message: &[u8]) {
        let files = Reflected::decode(message).ok().and_then(|reflected| reflected.files);
        for file in files.map(|files| files.file).unwrap_or_default() {
            // Anybody can call a service by that name.
            if let Ok(file) = File::decode(&*file) {
                self.add(at.as_nanos(), file);
            }
        }
    }

    /// Adds what others heard.
    pub fn merge(&mut self, other: &Self) {
        for (name, word) in &other.messages {
            keep(&mut self.messages, name, word.clone());
        }
        for (name, word) in &other.methods {
            keep(&mut self.methods, name, word.clone());
        }
    }

    /// Nothing is known of any name.
    pub fn is_empty(&self) -> bool {
        self.methods.is_empty() && self.messages.is_empty()
    }

    /// A method, by `package.Service/Method`.
    pub fn method(&self, name: &str) -> Option<&KnownMethod> {
        Some(&self.methods.get(name)?.said)
    }

    /// A message, by its full name.
    pub fn message(&self, name: &str) -> Option<&KnownMessage> {
        Some(&self.messages.get(name)?.said)
    }

    /// What one method leads to, and nothing else.
    #[must_use]
    pub fn of_method(&self, name: &str) -> Self {
        let mut part = Self::default();
        let Some(word) = self.methods.get(name) else { return part };
        let mut wanted = vec![word.said.input.as_str(), word.said.output.as_str()];
        part.methods.insert(name.to_owned(), word.clone());
        while let Some(name) = wanted.pop() {
            let Some(word) = self.messages.get(name).filter(|_| !part.messages.contains_key(name)) else {
                continue;
            };
            part.messages.insert(name.to_owned(), word.clone());
            wanted.extend(word.said.fields.values().filter_map(|field| field.of.as_deref()));
        }
        part
    }

    fn add(&mut self, at: u64, file: File) {
        let scope = match file.package.as_deref() {
            None | Some("") => String::new(),
            Some(package) => format!(".{package}"),
        };
        file.messages.into_iter().for_each(|message| self.add_message(at, &scope, message));
        for service in file.services {
            let service_name = service.name.unwrap_or_default();
            let full = format!("{scope}.{service_name}");
            for method in service.methods {
                let name = format!("{}/{}", full.trim_start_matches('.'), method.name.unwrap_or_default());
                let [input, output] = [method.input, method.output].map(Option::unwrap_or_default);
                let streams = [method.client_streaming, method.server_streaming];
                let said = KnownMethod { input, output, streams: streams.map(Option::unwrap_or_default) };
                if are_names(&[&name, &said.input, &said.output]) {
                    keep(&mut self.methods, &name, Word { at, said });
                }
            }
        }
    }

    fn add_message(&mut self, at: u64, scope: &str, message: Kind) {
        let name = message.name.unwrap_or_default();
        let full = format!("{scope}.{name}");
        if !are_names(&[&full]) {
            return;
        }
        message.nested.into_iter().for_each(|nested| self.add_message(at, &full, nested));
        let fields = message.fields.into_iter().filter_map(field).collect::<BTreeMap<_, _>>();
        let said = KnownMessage { name, fields: fields.into_iter().take(MOST_FIELDS).collect() };
        keep(&mut self.messages, &full, Word { at, said });
    }
}

/// Learns the descriptors that an exchange carries, if it is one of reflection.
pub(crate) fn learn(descriptors: &mut Descriptors, at: Timestamp, http: &Http, response: &[u8]) {
    let is_reflection = http.call.as_ref().is_some_and(|call| {
        let service = call.name.strip_suffix(".ServerReflection/ServerReflectionInfo");
        matches!(service, Some("grpc.reflection.v1" | "grpc.reflection.v1alpha"))
    });
    if is_reflection {
        let messages = crate::shape::envelopes(response).filter(|(compressed, _)| !compressed);
        messages.for_each(|(_, message)| descriptors.add_reflected(at, message));
    }
}

/// The later word of a name holds; beyond the bound the first names.
fn keep<T: Ord>(words: &mut BTreeMap<String, Word<T>>, name: &str, word: Word<T>) {
    match words.get_mut(name) {
        Some(known) if *known < word => *known = word,
        Some(_) => {}
        None => {
            words.insert(name.to_owned(), word);
            if words.len() > MOST {
                words.pop_last();
            }
        }
    }
}

/// Names of protocol buffers are words of letters, digits and underscores, with dots and one slash between.
fn are_names(names: &[&str]) -> bool {
    let is_name = |name: &&str| {
        (1..=LONGEST).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/'))
    };
    names.iter().all(is_name)
}

fn field(field: Field) -> Option<(u32, KnownField)> {
    let number = u32::try_from(field.number?).ok()?;
    let repeated = field.label == Some(3);
    let known = KnownField { name: field.name?, repeated, number: field.kind?, of: field.type_name };
    let is_known = known.kind().is_some() && are_names(&[&known.name]);
    let of = known.of.as_deref().is_none_or(|of| are_names(&[of]));
    (is_known && of).then_some((number, known))
}

impl KnownField {
    /// What it holds; groups are nothing that is known.
    pub fn kind(&self) -> Option<KnownKind<'_>> {
        Some(KnownKind::Scalar(match self.number {
            1 => "double",
            2 => "float",
            3 => "int64",
            4 => "uint64",
            5 => "int32",
            6 => "fixed64",
            7 => "fixed32",
            8 => "bool",
            9 => "string",
            11 => return self.of.as_deref().map(KnownKind::Message),
            12 => "bytes",
            13 => "uint32",
            14 => return self.of.as_deref().map(KnownKind::Enum),
            15 => "sfixed32",
            16 => "sfixed64",
            17 => "sint32",
            18 => "sint64",
            _ => return None,
        }))
    }
}

#[cfg(test)]
mod tests;
