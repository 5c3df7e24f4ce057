//! A saved model: zstd over JSON, `{"overhear_model": 3, …}`. The same model gives the same bytes.

mod paths;

use crate::{
    Callers, Descriptors, Endpoint, Hints, Histogram, Model, OTHER, Way, callers::Calls, service::Service,
    shape::Shapes,
};
use overhear_exchange::{ErrorType, Http2Code, RpcStatus, Timestamp};
use paths::SavedTree;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

const VERSION: u32 = 3;
/// More than the largest model within bounds takes; a bomb takes more.
const MAX_BYTES: u64 = 512 << 20;
const COMPRESSION: i32 = 3;

/// Why a model was not saved.
#[derive(Debug, thiserror::Error)]
#[error("the model could not be written: {0}")]
pub struct SaveError(#[from] io::Error);

/// Why a model was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is something else.
    #[error("this is not a saved model")]
    NotAModel,
    /// It is of a version that came after this program.
    #[error("the model has format version {0}; this program reads version {VERSION}: use a newer overhear")]
    Newer(u32),
    /// It is of a version that this program no longer reads: it did not hold all that is told apart now.
    #[error(
        "the model has format version {0}; this program reads version {VERSION}: learn it again from its captures"
    )]
    Older(u32),
    /// It began as a model and is cut off or altered.
    #[error("the saved model is damaged: {0}")]
    Damaged(String),
    /// It is larger than any model within bounds.
    #[error("the saved model is larger than {} MB", MAX_BYTES >> 20)]
    TooLarge,
    /// Reading failed.
    #[error("the model could not be read: {0}")]
    Io(io::Error),
}

impl Model {
    /// Writes the model.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn save(&self, out: impl Write) -> Result<(), SaveError> {
        let mut encoder = zstd::Encoder::new(out, COMPRESSION)?;
        encoder.include_checksum(true)?;
        let mut buffered = io::BufWriter::new(encoder);
        serde_json::to_writer(&mut buffered, &SavedModel::from(self)).map_err(io::Error::from)?;
        let encoder = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
        encoder.finish()?.flush()?;
        Ok(())
    }

    /// Reads a model that [`Self::save`] wrote.
    ///
    /// # Errors
    /// When it is no model, of another version, damaged or too large, or the reader fails.
    pub fn load(mut input: impl Read) -> Result<Self, LoadError> {
        let text = decompress(&mut input)?;
        let header: Header = serde_json::from_slice(&text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => LoadError::NotAModel,
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof => damaged(error),
        })?;
        match header.overhear_model {
            VERSION => {}
            older @ 0..VERSION => return Err(LoadError::Older(older)),
            newer => return Err(LoadError::Newer(newer)),
        }
        let saved: SavedModel = serde_json::from_slice(&text).map_err(damaged)?;
        drop(text);
        saved.restore()
    }
}

/// The key that a text stands for.
pub fn key(text: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}

impl Model {
    /// The key of a saved model, without reading all of it; none where it is something else.
    pub fn key_of(mut input: impl Read) -> Option<u64> {
        let mut magic = [0; 4];
        input.read_exact(&mut magic).ok()?;
        if magic != MAGIC {
            return None;
        }
        let mut text = String::new();
        zstd::Decoder::new(magic.chain(input)).ok()?.take(64).read_to_string(&mut text).ok()?;
        let rest = text.strip_prefix("{\"overhear_model\":")?.split_once("\"key\":")?.1;
        rest.split_once(',')?.0.parse().ok()
    }
}

impl Shapes {
    /// As it is kept apart from its model.
    ///
    /// # Errors
    /// None that is known.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SaveError> {
        Ok(zstd::bulk::compress(&self.to_text()?, COMPRESSION)?)
    }

    /// What [`Self::to_bytes`] gave.
    ///
    /// # Errors
    /// When it is damaged or too large.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LoadError> {
        Self::from_text(&decompress(&mut &*bytes)?)
    }

    /// The same before it is compressed, for whoever does that better: texts of one endpoint differ in little.
    ///
    /// # Errors
    /// None that is known.
    pub fn to_text(&self) -> Result<Vec<u8>, SaveError> {
        Ok(serde_json::to_vec(self).map_err(io::Error::from)?)
    }

    /// What [`Self::to_text`] gave.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn from_text(text: &[u8]) -> Result<Self, LoadError> {
        serde_json::from_slice(text).map_err(damaged)
    }
}

/// The first four bytes of a zstd frame (RFC 8878 §3.1.1).
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

fn decompress(input: &mut impl Read) -> Result<Vec<u8>, LoadError> {
    let mut magic = [0; 4];
    match input.read_exact(&mut magic) {
        Ok(()) if magic == MAGIC => {}
        Ok(()) => return Err(LoadError::NotAModel),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(LoadError::NotAModel),
        Err(error) => return Err(LoadError::Io(error)),
    }
    let mut text = Vec::new();
    zstd::Decoder::new(magic.chain(input))
        .map_err(LoadError::Io)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(damaged)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(LoadError::TooLarge);
    }
    Ok(text)
}

fn damaged(why: impl ToString) -> LoadError {
    LoadError::Damaged(why.to_string())
}

#[derive(Deserialize)]
struct Header {
    overhear_model: u32,
}

#[derive(Serialize, Deserialize)]
struct SavedModel {
    overhear_model: u32,
    key: u64,
    services: Vec<SavedService>,
    #[serde(default, skip_serializing_if = "Descriptors::is_empty")]
    descriptors: Descriptors,
}

#[derive(Serialize, Deserialize)]
struct SavedService {
    name: String,
    /// Where it answers: address, requests, errors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<(String, u64, u64)>,
    #[serde(default, skip_serializing_if = "SavedTree::is_empty")]
    inbound: SavedTree,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    outbound: Vec<SavedServer>,
}

/// What a service asks of one server.
#[derive(Serialize, Deserialize)]
struct SavedServer {
    name: String,
    tree: SavedTree,
}

#[derive(Serialize, Deserialize)]
struct SavedEndpoint {
    requests: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    errors: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    errors_hidden: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    bytes_in: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    bytes_out: u64,
    /// First and last, nanoseconds since the Unix epoch.
    seen: Option<(u64, u64)>,
    latency: SavedHistogram,
    time_to_first_byte: SavedHistogram,
    statuses: Vec<(Option<u16>, u64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    error_types: Vec<(String, u64)>,
    /// Name, requests, errors.
    callers: Vec<(String, u64, u64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    servers: Vec<(String, u64, u64)>,
    #[serde(default, skip_serializing_if = "Shapes::is_empty")]
    shapes: Shapes,
}

/// Scale 5 of OTLP's exponential histogram, seconds.
#[derive(Serialize, Deserialize)]
struct SavedHistogram {
    sum_nanos: u64,
    /// Index and count.
    buckets: Vec<(i16, u64)>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde asks for")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl From<&Model> for SavedModel {
    fn from(model: &Model) -> Self {
        let saved = model.all_services().map(|service| SavedService::new(service, model.hints()));
        let mut services: Vec<_> =
            saved.filter(|s| !(s.inbound.is_empty() && s.outbound.is_empty())).collect();
        services.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let descriptors = model.descriptors().clone();
        Self { overhear_model: VERSION, key: model.key(), services, descriptors }
    }
}

impl SavedService {
    fn new(service: &Service, hints: &Hints) -> Self {
        let mut saved = Self {
            name: service.name.to_string(),
            addresses: saved_callers(&service.addresses),
            inbound: SavedTree::default(),
            outbound: Vec::new(),
        };
        for branch in service.branches() {
            let tree = SavedTree::new(&branch.tree, hints);
            match &branch.way {
                Way::Inbound => saved.inbound = tree,
                Way::Outbound(_) if tree.is_empty() => {}
                Way::Outbound(server) => saved.outbound.push(SavedServer { name: server.to_string(), tree }),
            }
        }
        saved.outbound.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        saved
    }
}

impl SavedEndpoint {
    fn new(endpoint: &Endpoint) -> Self {
        Self {
            requests: endpoint.requests,
            errors: endpoint.errors,
            errors_hidden: endpoint.errors_hidden,
            bytes_in: endpoint.bytes_in,
            bytes_out: endpoint.bytes_out,
            seen: endpoint.seen.map(|(first, last)| (first.as_nanos(), last.as_nanos())),
            latency: (&endpoint.latency).into(),
            time_to_first_byte: (&endpoint.time_to_first_byte).into(),
            statuses: endpoint.statuses().collect(),
            error_types: endpoint.error_types().map(|(error, n)| (error.to_string(), n)).collect(),
            callers: saved_callers(&endpoint.callers),
            servers: saved_callers(&endpoint.servers),
            shapes: endpoint.shapes.clone(),
        }
    }

    fn restore(&self, key: u64) -> Result<Endpoint, LoadError> {
        let mut endpoint = Endpoint {
            requests: self.requests,
            errors: self.errors,
            errors_hidden: self.errors_hidden,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            seen: self.seen.map(|(a, b)| (Timestamp::from_nanos(a), Timestamp::from_nanos(b))),
            latency: self.latency.restore()?,
            time_to_first_byte: self.time_to_first_byte.restore()?,
            ..Endpoint::default()
        };
        for (status, count) in &self.statuses {
            endpoint.statuses.add(*status, *count);
        }
        for (name, count) in &self.error_types {
            let error = error_type(name).ok_or_else(|| damaged(format!("unknown error type {name:?}")))?;
            endpoint.error_types.add(error, *count);
        }
        for (name, requests, errors) in &self.callers {
            endpoint.callers.add(key, name, Calls { requests: *requests, errors: *errors });
        }
        for (name, requests, errors) in &self.servers {
            endpoint.servers.add(key, name, Calls { requests: *requests, errors: *errors });
        }
        endpoint.shapes = self.shapes.clone();
        self.check(&endpoint)?;
        Ok(endpoint)
    }

    /// What holds for every model that was learned.
    fn check(&self, endpoint: &Endpoint) -> Result<(), LoadError> {
        let sum = |counts: &mut dyn Iterator<Item = u64>| counts.fold(0, u64::saturating_add);
        let consistent = self.errors <= self.requests
            && self.errors_hidden <= self.requests
            && self.seen.is_none_or(|(first, last)| first <= last)
            && endpoint.latency.count() <= self.requests
            && endpoint.time_to_first_byte.count() <= self.requests
            && sum(&mut endpoint.statuses().map(|(_, n)| n)) == self.requests
            && sum(&mut endpoint.error_types().map(|(_, n)| n)) == self.errors
            && sum(&mut self.callers.iter().map(|(_, n, _)| *n)) == self.requests;
        consistent.then_some(()).ok_or_else(|| damaged("the counts of an endpoint disagree"))
    }
}

fn saved_callers(callers: &Callers) -> Vec<(String, u64, u64)> {
    let mut saved: Vec<_> = callers.iter().map(|(name, c)| (name.to_owned(), c.requests, c.errors)).collect();
    saved.sort_unstable();
    saved
}

impl SavedModel {
    fn restore(self) -> Result<Model, LoadError> {
        let key = self.key;
        let mut model = Model::new(key);
        model.descriptors.merge(&self.descriptors);
        for saved in self.services {
            model.make_service(&saved.name);
            let (service, bounds) =
                model.service_mut(&saved.name).ok_or_else(|| damaged("more services than bounds allow"))?;
            for (address, requests, errors) in &saved.addresses {
                service.addresses.add(key, address, Calls { requests: *requests, errors: *errors });
            }
            service.merge_tree(bounds, Way::Inbound, &saved.inbound.restore(key)?);
            for SavedServer { name, tree } in saved.outbound {
                let beyond = service.merge_tree(bounds, Way::Outbound(&name), &tree.restore(key)?);
                if beyond && name != OTHER {
                    return Err(damaged("more servers than bounds allow"));
                }
            }
        }
        Ok(model)
    }
}

impl From<&Histogram> for SavedHistogram {
    fn from(histogram: &Histogram) -> Self {
        Self { sum_nanos: histogram.sum_nanos(), buckets: histogram.indexed().collect() }
    }
}

impl SavedHistogram {
    fn restore(&self) -> Result<Histogram, LoadError> {
        Histogram::from_parts(self.buckets.iter().copied(), std::time::Duration::from_nanos(self.sum_nanos))
            .ok_or_else(|| damaged("a histogram is out of range"))
    }
}

/// From what `Display` of [`ErrorType`] writes.
fn error_type(name: &str) -> Option<ErrorType> {
    const NAMED: [ErrorType; 7] = [
        ErrorType::ConnectionRefused,
        ErrorType::ConnectionReset,
        ErrorType::Timeout,
        ErrorType::HostUnreachable,
        ErrorType::ClientClosed,
        ErrorType::ServerClosed,
        ErrorType::InvalidResponse,
    ];
    if let Some(code) = name.strip_prefix("websocket_") {
        return code.parse().ok().map(ErrorType::WebSocketClose);
    }
    match name.parse() {
        Ok(status) => Some(ErrorType::Status(status)),
        Err(_) => {
            let http2 = Http2Code::named(name).map(ErrorType::Http2);
            let rpc = RpcStatus::named(name).map(ErrorType::Rpc);
            http2.or(rpc).or_else(|| NAMED.into_iter().find(|error| error.to_string() == name))
        }
    }
}
