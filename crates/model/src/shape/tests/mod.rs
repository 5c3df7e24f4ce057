//! Helpers: calls made of little, and a checker of values against what was derived.

mod bodies;
mod checker;
mod fields;
mod hostile;
mod news;
mod properties;

use super::{
    Call, Content, Effort, Scratch, Shapes,
    schema::{Object, Operation, Payload, Record, Schema},
};
use overhear_exchange::{Headers, Timestamp};

const KEY: u64 = 0x5eed;

/// A call in the making.
#[derive(Clone, Debug)]
struct Sent {
    query: Option<String>,
    request_headers: Vec<(String, String)>,
    request: Option<(String, Vec<u8>)>,
    status: u16,
    response_headers: Vec<(String, String)>,
    response: Option<(String, Vec<u8>)>,
    complete: bool,
    effort: Effort,
    at: Timestamp,
}

impl Default for Sent {
    fn default() -> Self {
        Self {
            query: None,
            request_headers: Vec::new(),
            request: None,
            status: 200,
            response_headers: Vec::new(),
            response: None,
            complete: true,
            effort: Effort::Whole,
            at: Timestamp::default(),
        }
    }
}

impl Sent {
    fn answered(body: &str) -> Self {
        Self { response: Some(("application/json".into(), body.into())), ..Self::default() }
    }

    fn asked(query: &str) -> Self {
        Self { query: Some(query.into()), ..Self::default() }
    }

    fn posted(media: &str, body: &[u8]) -> Self {
        Self { request: Some((media.into(), body.into())), ..Self::default() }
    }

    fn learn(&self, shapes: &mut Shapes, scratch: &mut Scratch) {
        let (request_headers, response_headers) =
            (headers(&self.request_headers, &self.request), headers(&self.response_headers, &self.response));
        let content = |body: &'_ Option<(String, Vec<u8>)>| body.as_ref().map(|(_, body)| body.clone());
        let (request, response) = (content(&self.request), content(&self.response));
        let call = Call {
            query: self.query.as_deref(),
            request_headers: &request_headers,
            request_body: request.as_deref().map(|bytes| Content { bytes, complete: self.complete }),
            status: Some(self.status),
            response_headers: &response_headers,
            response_body: response.as_deref().map(|bytes| Content { bytes, complete: self.complete }),
            stream: None,
            gen_ai: None,
            effort: self.effort,
            at: self.at,
        };
        shapes.learn(KEY, &call, scratch);
    }
}

fn headers(fields: &[(String, String)], body: &Option<(String, Vec<u8>)>) -> Headers {
    let media =
        body.iter().map(|(media, _)| ("Content-Type", media.as_str())).filter(|(_, media)| !media.is_empty());
    let own = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Headers::new(own.chain(media).map(|(name, value)| (name.as_bytes(), value.as_bytes())))
}

fn learn<'a>(calls: impl IntoIterator<Item = &'a Sent>) -> Shapes {
    let (mut shapes, mut scratch) = (Shapes::default(), Scratch::default());
    calls.into_iter().for_each(|call| call.learn(&mut shapes, &mut scratch));
    shapes
}

fn operation(calls: &[Sent]) -> Operation {
    learn(calls).operation()
}

/// What responses with these JSON bodies look like.
fn response(bodies: &[&str]) -> Schema {
    let calls: Vec<_> = bodies.iter().map(|body| Sent::answered(body)).collect();
    payload(&operation(&calls)).schema.clone().unwrap_or_default()
}

fn payload(operation: &Operation) -> &Payload {
    &operation.responses[0].payloads[0]
}

fn record(schema: &Schema) -> &Record {
    match &schema.object {
        Some(Object::Record(record)) => record,
        other => panic!("no record: {other:?}"),
    }
}

fn field<'a>(schema: &'a Schema, name: &str) -> &'a Schema {
    let field = record(schema).fields.iter().find(|field| field.name == name);
    &field.unwrap_or_else(|| panic!("no field {name}: {schema:?}")).schema
}

fn required(schema: &Schema) -> Vec<&str> {
    record(schema).fields.iter().filter(|field| field.required).map(|field| field.name.as_str()).collect()
}
