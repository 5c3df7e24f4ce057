//! Remote procedures as they are told: plain data, derived from what was learned.

use super::message::{Bytes, Field, Fixed, Messages, Varints};

/// Fewer zeros and ones than this may be any numbers.
const FEW: u64 = 4;

/// What a remote procedure takes and gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Procedure {
    /// Calls.
    pub calls: u64,
    /// What the client sends.
    pub request: Sent,
    /// What the server answers with.
    pub response: Sent,
}

/// The messages that go one way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sent {
    /// There were calls with more or fewer than one.
    pub streams: bool,
    /// Messages that were read.
    pub seen: u64,
    /// Messages that are none in this format, or encoded in a way that is not read.
    pub unread: u64,
    /// What they are made of.
    pub message: ProtoMessage,
}

/// A kind of message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProtoMessage {
    /// How many of it were seen.
    pub seen: u64,
    /// By number.
    pub fields: Vec<ProtoField>,
}

/// One field.
#[derive(Clone, Debug, PartialEq)]
pub struct ProtoField {
    /// What it is known by on the wire.
    pub number: u32,
    /// Messages that have it.
    pub present: u64,
    /// There was more than one in a message, or they are packed.
    pub repeated: bool,
    /// The numbers of one message lie together.
    pub packed: bool,
    /// What it holds.
    pub kind: ProtoKind,
}

/// Types that can be told apart without a schema. Each reads all that was seen.
#[derive(Clone, Debug, PartialEq)]
pub enum ProtoKind {
    /// Nothing but 0 and 1 was seen.
    Bool,
    /// Varints that fit into 32 bits; enums are among them.
    Int32,
    /// Wider or negative varints.
    Int64,
    /// Eight bytes that are usual as a number with a point.
    Double,
    /// Eight bytes.
    Fixed64,
    /// Four bytes that are usual as a number with a point.
    Float,
    /// Four bytes.
    Fixed32,
    /// UTF-8.
    Text,
    /// Anything.
    Bytes,
    /// A message in the message.
    Message(ProtoMessage),
}

impl ProtoKind {
    /// The type, as the protocol buffers language has it; `message` for one in the message.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Double => "double",
            Self::Fixed64 => "fixed64",
            Self::Float => "float",
            Self::Fixed32 => "fixed32",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::Message(_) => "message",
        }
    }
}

impl From<&Messages> for ProtoMessage {
    fn from(messages: &Messages) -> Self {
        let fields = messages.fields.iter().map(|(number, field)| ProtoField::new(*number, field));
        Self { seen: messages.seen, fields: fields.collect() }
    }
}

impl ProtoField {
    fn new(number: u32, field: &Field) -> Self {
        let (kind, packed) = field.kind();
        Self { number, present: field.present, repeated: packed || field.most > 1, packed, kind }
    }
}

impl Field {
    /// What it holds, and whether packed. Where it was written in several ways the one that reads most of them.
    fn kind(&self) -> (ProtoKind, bool) {
        let varints = self.varints.map_or(0, |varints| varints.seen);
        let fixed64 = self.fixed64.map_or(0, |fixed| fixed.seen);
        let fixed32 = self.fixed32.map_or(0, |fixed| fixed.seen);
        let bytes = self.bytes.as_ref().map_or(0, |bytes| bytes.seen + bytes.empty);
        // Numbers may be written packed and singly: readers take both.
        let most = varints.max(fixed64).max(fixed32).max(bytes);
        match (&self.bytes, &self.varints, &self.fixed64, &self.fixed32) {
            (Some(bytes), ..) if self.bytes_lead(most) => bytes.kind(),
            (_, Some(varints), ..) if varints.seen == most => (varints.kind(), false),
            (_, _, Some(fixed), _) if fixed.seen == most => {
                (fixed.kind(ProtoKind::Double, ProtoKind::Fixed64), false)
            }
            (_, _, _, Some(fixed)) => (fixed.kind(ProtoKind::Float, ProtoKind::Fixed32), false),
            _ => (ProtoKind::Bytes, false),
        }
    }

    fn bytes_lead(&self, most: u64) -> bool {
        self.bytes.as_ref().is_some_and(|bytes| bytes.seen + bytes.empty == most)
    }
}

impl Varints {
    const fn kind(&self) -> ProtoKind {
        match (self.negative, self.wide, self.other) {
            (0, 0, 0) if self.seen >= FEW => ProtoKind::Bool,
            (0, 0, _) => ProtoKind::Int32,
            (_, _, _) => ProtoKind::Int64,
        }
    }
}

impl Fixed {
    fn kind(&self, float: ProtoKind, fixed: ProtoKind) -> ProtoKind {
        if self.usual == self.seen { float } else { fixed }
    }
}

impl Bytes {
    fn kind(&self) -> (ProtoKind, bool) {
        if self.text == self.seen {
            return (ProtoKind::Text, false);
        }
        if self.messages.seen == self.seen {
            return (ProtoKind::Message((&self.messages).into()), false);
        }
        if self.packed == self.seen {
            return (ProtoKind::Int64, true);
        }
        (ProtoKind::Bytes, false)
    }
}
