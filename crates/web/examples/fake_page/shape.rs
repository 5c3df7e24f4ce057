//! What the bodies of the made-up shop look like.

use overhear_query::{
    EndpointId,
    shape::{
        Array, Field, Number, Object, Operation, Parameter, Payload, Place, Record, Response, Schema, Style,
        Text,
    },
};

/// Whole numbers.
pub(super) fn number(minimum: f64, maximum: f64) -> Schema {
    let number = Number { seen: 900, integer: true, minimum, maximum, format: None };
    Schema { seen: 900, number: Some(number), ..Schema::default() }
}

fn text(values: &[&str]) -> Schema {
    let text = Text {
        seen: 900,
        shortest: 4,
        longest: 36,
        distinct: values.len() as u64,
        format: None,
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    Schema { seen: 900, string: Some(text), ..Schema::default() }
}

fn record(fields: Vec<(&str, u64, Schema)>) -> Schema {
    let fields = fields.into_iter().map(|(name, seen, schema)| Field {
        name: name.into(),
        seen,
        required: seen == 900,
        schema,
    });
    let record = Record { seen: 900, fields: fields.collect(), more: false };
    Schema { seen: 900, object: Some(Object::Record(record)), ..Schema::default() }
}

/// What was learned of an endpoint.
pub(super) fn operation(id: &EndpointId) -> Operation {
    let item = record(vec![("sku", 900, text(&[])), ("count", 880, number(1.0, 60.0))]);
    let items = Array { seen: 160, fewest: 1, most: 60, items: Some(Box::new(item)) };
    let body = record(vec![
        ("id", 900, text(&[])),
        ("status", 900, text(&["cancelled", "open", "paid", "shipped"])),
        ("total", 900, number(0.0, 4210.0)),
        ("customer", 900, record(vec![("id", 900, number(1.0, 90_000.0)), ("email", 870, text(&[]))])),
        ("items", 160, Schema { seen: 160, array: Some(items), ..Schema::default() }),
        ("note", 370, Schema { nulls: 300, ..text(&[]) }),
    ]);
    let payload = |schema: Option<Schema>| Payload {
        media_type: "application/json".into(),
        seen: 900,
        partial: 2,
        schema,
    };
    let limit = Parameter {
        name: "limit".into(),
        place: Place::Query,
        style: Style::Single,
        seen: 300,
        of: 900,
        required: false,
        schema: number(1.0, 100.0),
    };
    let error = record(vec![("error", 900, text(&["not found"]))]);
    let response = |status, seen, schema| Response {
        status,
        seen,
        headers: Vec::new(),
        payloads: vec![payload(Some(schema))],
    };
    Operation {
        requests: 900,
        parameters: vec![limit],
        with_request_body: 900,
        request: if &*id.method == "GET" { Vec::new() } else { vec![payload(Some(body.clone()))] },
        responses: vec![response(200, 880, body), response(404, 20, error)],
        security: Default::default(),
        ..Operation::default()
    }
}
