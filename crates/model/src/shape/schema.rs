//! Shapes as they are shown: decided from the evidence, plain, in a stable order.
//!
//! Everything observed satisfies what is said here: what came from samples (ranges, lengths, enums) is told as seen,
//! and it is for the exporter to tell it as an annotation, not as a constraint.

/// What the requests and responses of one endpoint look like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Operation {
    /// Exchanges it was learned from.
    pub requests: u64,
    /// Query parameters, custom headers and cookies, by place and name. Path parameters belong to the route.
    pub parameters: Vec<Parameter>,
    /// Exchanges that had a request body.
    pub with_request_body: u64,
    /// Request bodies, by media type.
    pub request: Vec<Payload>,
    /// Responses, by status.
    pub responses: Vec<Response>,
    /// What it asks for to let somebody in.
    pub security: Security,
    /// What went over it in messages; absent where nothing did.
    pub messages: Option<Messages>,
    /// Models that were called, the most called first.
    pub models: Vec<ModelUse>,
}

/// What streams carried: the messages of WebSockets, the events of streams.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Messages {
    /// What clients sent after their requests.
    pub client: Said,
    /// What servers sent.
    pub server: Said,
    /// WebSockets by the subprotocol that was agreed on, by name.
    pub subprotocols: Vec<(String, u64)>,
    /// WebSockets by the code they were closed with (RFC 6455 §7.4).
    pub closed: Vec<(u16, u64)>,
}

/// What one end said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// Messages.
    pub messages: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Of the messages: those that could not be read, or not all of it.
    pub unread: u64,
    /// Times that something was not seen, so that messages may be missing.
    pub gaps: u64,
    /// What they are, the most frequent kind first. `media_type` is the kind: the name of an event, `type = tick` for what a
    /// member at the top tells, `text`, `binary`.
    pub kinds: Vec<Payload>,
    /// Messages of kinds beyond the bound.
    pub other: u64,
}

/// Calls of one generative model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelUse {
    /// `gen_ai.request.model`.
    pub name: String,
    /// Calls.
    pub calls: u64,
    /// `gen_ai.usage.input_tokens`, together.
    pub input_tokens: u64,
    /// `gen_ai.usage.output_tokens`, together.
    pub output_tokens: u64,
    /// Median and 95th percentile of `gen_ai.server.time_to_first_token`, seconds; absent where no answer streamed.
    pub first_token: Option<(f64, f64)>,
}

/// One status and what came with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Responses with it.
    pub seen: u64,
    /// Custom response headers, by name.
    pub headers: Vec<Parameter>,
    /// Bodies, by media type.
    pub payloads: Vec<Payload>,
}

/// Where a parameter is (OpenAPI `in`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A segment of the path.
    Path,
    /// The query of the target.
    Query,
    /// A header of the request or response.
    Header,
    /// A cookie of the request.
    Cookie,
}

impl Place {
    /// OpenAPI `in`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
        }
    }
}

/// How a parameter that holds more than one value is written (OpenAPI `style`, `explode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Style {
    /// One value.
    #[default]
    Single,
    /// `a=1&a=2`, also `a[]=1&a[]=2` (the name then ends with `[]`): `form`, exploded.
    Repeated,
    /// `a=1,2`: `form`, not exploded.
    Commas,
    /// `a[x]=1&a[y]=2`: `deepObject`.
    DeepObject,
}

/// One named value beside the body.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// As it is written.
    pub name: String,
    /// Where.
    pub place: Place,
    /// How.
    pub style: Style,
    /// Messages that had it…
    pub seen: u64,
    /// …of so many that could have. Decided from both: [`Self::required`].
    pub of: u64,
    /// Always there, where there were messages enough to say so.
    pub required: bool,
    /// What its values look like; an array or object for the styles that hold several.
    pub schema: Schema,
}

/// Bodies of one media type.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    /// Type and subtype, lower case, without parameters; `application/octet-stream` where none was told.
    pub media_type: String,
    /// Bodies seen.
    pub seen: u64,
    /// Of those, how many were cut, lost in part, or not what their type says; presence is told over the others.
    pub partial: u64,
    /// What is in them: JSON, one NDJSON line, or the fields of a form. Absent for text and binary bodies.
    pub schema: Option<Schema>,
}

/// The shape of the values in one place. Several kinds at once are a place of mixed types.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schema {
    /// Values seen, nulls among them.
    pub seen: u64,
    /// Of those, nulls.
    pub nulls: u64,
    /// Of those, booleans.
    pub booleans: u64,
    /// Of those, numbers.
    pub number: Option<Number>,
    /// Of those, strings.
    pub string: Option<Text>,
    /// Of those, arrays.
    pub array: Option<Array>,
    /// Of those, objects.
    pub object: Option<Object>,
}

/// Numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    /// How many.
    pub seen: u64,
    /// All of them were written as integers.
    pub integer: bool,
    /// Smallest value.
    pub minimum: f64,
    /// Largest value.
    pub maximum: f64,
    /// What they mean, where all of them agree.
    pub format: Option<Format>,
}

/// Strings.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// How many.
    pub seen: u64,
    /// Fewest characters.
    pub shortest: u64,
    /// Most characters.
    pub longest: u64,
    /// Distinct values, estimated beyond the bounds of the sketch.
    pub distinct: u64,
    /// What they mean, where all of them agree.
    pub format: Option<Format>,
    /// Every value that was seen, where those are few, repeat, and are words that give nobody away; else empty.
    pub values: Vec<String>,
}

/// Arrays.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// How many.
    pub seen: u64,
    /// Fewest items.
    pub fewest: u64,
    /// Most items.
    pub most: u64,
    /// What all their items look like together; absent when all were empty.
    pub items: Option<Box<Schema>>,
}

/// Objects.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// Keys are names.
    Record(Record),
    /// Keys are data: one shape for all the values.
    Map(Map),
    /// One of several records, told apart by a field (OpenAPI `discriminator`).
    Union(Union),
    /// Like the object so many objects above this one: 1 is the one that holds this one.
    Recursive {
        /// How many.
        seen: u64,
        /// Objects above.
        above: usize,
    },
}

/// An object whose keys are names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// How many.
    pub seen: u64,
    /// By name.
    pub fields: Vec<Field>,
    /// Keys beyond the bounds were left out, so there are more than `fields`.
    pub more: bool,
}

/// One named value of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its key.
    pub name: String,
    /// Objects that had it, of [`Record::seen`].
    pub seen: u64,
    /// Every object had it.
    pub required: bool,
    /// What it holds.
    pub schema: Schema,
}

/// An object whose keys are data.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// How many.
    pub seen: u64,
    /// What the keys look like.
    pub keys: Text,
    /// What all the values look like together.
    pub values: Box<Schema>,
}

/// Records told apart by the value of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Union {
    /// How many.
    pub seen: u64,
    /// The field that tells.
    pub discriminator: String,
    /// Its values and the records that have them.
    pub variants: Vec<(String, Record)>,
}

/// What a value means, beyond its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Format {
    /// RFC 3339 full-date.
    Date,
    /// RFC 3339 date-time.
    DateTime,
    /// RFC 3339 full-time.
    Time,
    /// ISO 8601 duration.
    Duration,
    /// RFC 9562.
    Uuid,
    /// RFC 5321 mailbox.
    Email,
    /// RFC 3986 with a scheme.
    Uri,
    /// RFC 2673 §3.2.
    Ipv4,
    /// RFC 4291 §2.2.
    Ipv6,
    /// RFC 1123.
    Hostname,
    /// RFC 7519.
    Jwt,
    /// RFC 4648 §4 or §5.
    Base64,
    /// Hexadecimal digits of a usual digest length.
    HexDigest,
    /// E.164, with its plus.
    Phone,
    /// ISO 4217.
    Currency,
    /// ISO 3166-1 alpha-2.
    Country,
    /// BCP 47.
    Language,
    /// Semantic Versioning 2.0.
    SemVer,
    /// Seconds since 1970.
    EpochSeconds,
    /// Milliseconds since 1970.
    EpochMilliseconds,
    /// A decimal number with exactly two decimals.
    Decimal,
    /// Payment card number (Luhn).
    CardNumber,
    /// An integer written as a string.
    IntegerString,
}

impl Format {
    /// JSON Schema 2020-12 §7.3 where it has the format, then the OpenAPI format registry, then what is usual.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::DateTime => "date-time",
            Self::Time => "time",
            Self::Duration => "duration",
            Self::Uuid => "uuid",
            Self::Email => "email",
            Self::Uri => "uri",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Hostname => "hostname",
            Self::Jwt => "jwt",
            Self::Base64 => "byte",
            Self::HexDigest => "hex",
            Self::Phone => "phone",
            Self::Currency => "currency-code",
            Self::Country => "country-code",
            Self::Language => "language-tag",
            Self::SemVer => "semver",
            Self::EpochSeconds => "unixtime",
            Self::EpochMilliseconds => "unixtime-ms",
            Self::Decimal => "decimal",
            Self::CardNumber => "card-number",
            Self::IntegerString => "int64",
        }
    }
}

/// What an endpoint asks for, from what succeeded and failed with and without it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// What was presented, by scheme.
    pub schemes: Vec<SchemeUse>,
    /// Calls that presented nothing succeeded.
    pub open: bool,
}

/// One way to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemeUse {
    /// Which.
    pub scheme: Scheme,
    /// Calls that presented it.
    pub seen: u64,
}

/// Ways to be let in (OpenAPI Security Scheme Object).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// `Authorization: Bearer` (RFC 6750).
    Bearer {
        /// All tokens were JWTs (RFC 7519).
        jwt: bool,
    },
    /// `Authorization: Basic` (RFC 7617).
    Basic,
    /// `Authorization` with another scheme (RFC 9110 §11), lower case.
    Http(String),
    /// A key in a header, the query or a cookie. A session cookie is one of these.
    ApiKey {
        /// Where.
        place: Place,
        /// Its name.
        name: String,
    },
}
