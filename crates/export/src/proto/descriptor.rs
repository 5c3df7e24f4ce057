//! Descriptor sets (`google/protobuf/descriptor.proto`), of which only names and types are read.

use prost::Message;
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, Message)]
struct Set {
    #[prost(message, repeated, tag = "1")]
    file: Vec<File>,
}

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(string, optional, tag = "2")]
    package: Option<String>,
    #[prost(message, repeated, tag = "4")]
    messages: Vec<Kind>,
    #[prost(message, repeated, tag = "6")]
    services: Vec<Service>,
}

#[derive(Clone, PartialEq, Message)]
struct Kind {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(message, repeated, tag = "2")]
    fields: Vec<Field>,
    #[prost(message, repeated, tag = "3")]
    nested: Vec<Kind>,
}

#[derive(Clone, PartialEq, Message)]
struct Field {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(int32, optional, tag = "3")]
    number: Option<i32>,
    /// Optional 1, required 2, repeated 3.
    #[prost(int32, optional, tag = "4")]
    label: Option<i32>,
    #[prost(int32, optional, tag = "5")]
    kind: Option<i32>,
    #[prost(string, optional, tag = "6")]
    type_name: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Service {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(message, repeated, tag = "2")]
    methods: Vec<Method>,
}

#[derive(Clone, PartialEq, Message)]
struct Method {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    input: Option<String>,
    #[prost(string, optional, tag = "3")]
    output: Option<String>,
    #[prost(bool, optional, tag = "5")]
    client_streaming: Option<bool>,
    #[prost(bool, optional, tag = "6")]
    server_streaming: Option<bool>,
}

/// What a server says of itself (`grpc.reflection.v1.ServerReflectionResponse`).
#[derive(Clone, PartialEq, Message)]
struct Reflected {
    #[prost(message, optional, tag = "4")]
    files: Option<Files>,
}

#[derive(Clone, PartialEq, Message)]
struct Files {
    #[prost(bytes = "vec", repeated, tag = "1")]
    file: Vec<Vec<u8>>,
}

/// What descriptors say of names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Descriptors {
    /// By their full name, with a dot before.
    messages: BTreeMap<String, Known>,
    /// By `package.Service/Method`.
    methods: BTreeMap<String, KnownMethod>,
}

/// A message of a descriptor.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Known {
    pub(super) name: String,
    /// By number.
    pub(super) fields: BTreeMap<u32, KnownField>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct KnownField {
    pub(super) name: String,
    pub(super) repeated: bool,
    pub(super) kind: KnownKind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum KnownKind {
    /// By its word in a `.proto` file.
    Scalar(&'static str),
    Enum(String),
    /// By its full name.
    Message(String),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct KnownMethod {
    pub(super) input: String,
    pub(super) output: String,
    pub(super) streams: [bool; 2],
}

/// It is no descriptor set.
#[derive(Debug, thiserror::Error)]
#[error("is no descriptor set ({0}): protoc writes one with --descriptor_set_out=FILE --include_imports")]
pub struct NotDescriptors(#[from] prost::DecodeError);

impl Descriptors {
    /// Reads a `FileDescriptorSet`.
    ///
    /// # Errors
    /// When it is none, or has nothing in it.
    pub fn add_set(&mut self, bytes: &[u8]) -> Result<(), NotDescriptors> {
        Set::decode(bytes)?.file.into_iter().for_each(|file| self.add(file));
        Ok(())
    }

    /// Reads one `FileDescriptorProto`, as server reflection sends them.
    ///
    /// # Errors
    /// When it is none.
    pub fn add_file(&mut self, bytes: &[u8]) -> Result<(), NotDescriptors> {
        self.add(File::decode(bytes)?);
        Ok(())
    }

    /// Reads an answer of server reflection; one that is none says nothing.
    pub fn add_reflected(&mut self, message: &[u8]) {
        let files = Reflected::decode(message).ok().and_then(|reflected| reflected.files);
        for file in files.map(|files| files.file).unwrap_or_default() {
            // Anybody can call a service by that name.
            let _ = self.add_file(&file);
        }
    }

    /// How many messages and methods are known.
    pub fn len(&self) -> usize {
        self.messages.len() + self.methods.len()
    }

    /// Nothing is known of any name.
    pub fn is_empty(&self) -> bool {
        self.methods.is_empty() && self.messages.is_empty()
    }

    pub(super) fn method(&self, name: &str) -> Option<&KnownMethod> {
        self.methods.get(name)
    }

    pub(super) fn message(&self, name: &str) -> Option<&Known> {
        self.messages.get(name)
    }

    fn add(&mut self, file: File) {
        let scope = match file.package.as_deref() {
            None | Some("") => String::new(),
            Some(package) => format!(".{package}"),
        };
        file.messages.into_iter().for_each(|message| self.add_message(&scope, message));
        for service in file.services {
            let service_name = service.name.unwrap_or_default();
            let full = format!("{scope}.{service_name}");
            for method in service.methods {
                let name = format!("{}/{}", full.trim_start_matches('.'), method.name.unwrap_or_default());
                let known = KnownMethod {
                    input: method.input.unwrap_or_default(),
                    output: method.output.unwrap_or_default(),
                    streams: [
                        method.client_streaming.unwrap_or_default(),
                        method.server_streaming.unwrap_or_default(),
                    ],
                };
                self.methods.insert(name, known);
            }
        }
    }

    fn add_message(&mut self, scope: &str, message: Kind) {
        let name = message.name.unwrap_or_default();
        let full = format!("{scope}.{name}");
        message.nested.into_iter().for_each(|nested| self.add_message(&full, nested));
        let fields = message.fields.into_iter().filter_map(|field| {
            let number = u32::try_from(field.number?).ok()?;
            let known = KnownField {
                name: field.name?,
                repeated: field.label == Some(3),
                kind: kind(field.kind?, field.type_name)?,
            };
            Some((number, known))
        });
        let known = Known { name, fields: fields.collect() };
        self.messages.insert(full, known);
    }
}

/// Types by their number (`FieldDescriptorProto.Type`); groups are none.
fn kind(number: i32, name: Option<String>) -> Option<KnownKind> {
    Some(KnownKind::Scalar(match number {
        1 => "double",
        2 => "float",
        3 => "int64",
        4 => "uint64",
        5 => "int32",
        6 => "fixed64",
        7 => "fixed32",
        8 => "bool",
        9 => "string",
        11 => return Some(KnownKind::Message(name?)),
        12 => "bytes",
        13 => "uint32",
        14 => return Some(KnownKind::Enum(name?)),
        15 => "sfixed32",
        16 => "sfixed64",
        17 => "sint32",
        18 => "sint64",
        _ => return None,
    }))
}
