use super::{Version, document, to_json, to_yaml};
use overhear_exchange::Timestamp;
use overhear_model::shape::schema::{
    Array, Field, Format, Map, Number, Object, Operation, Parameter, Payload, Place, Record, Response,
    Schema, Scheme, SchemeUse, Security, Style, Text, Union,
};
use overhear_query::{Api, ApiOperation, Owner, PathParameter};
use serde_json::{Value, json};

fn text(format: Option<Format>, values: &[&str]) -> Schema {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    let string = Some(Text { seen: 9, shortest: 1, longest: 9, distinct: 9, format, values });
    Schema { seen: 9, string, ..Schema::default() }
}

fn integer(maximum: f64) -> Schema {
    let number = Some(Number { seen: 9, integer: true, minimum: 0.0, maximum, format: None });
    Schema { seen: 9, number, ..Schema::default() }
}

fn list(items: Option<Schema>) -> Schema {
    let array = Some(Array { seen: 9, fewest: 0, most: 3, items: items.map(Box::new) });
    Schema { seen: 9, array, ..Schema::default() }
}

fn object(object: Object) -> Schema {
    Schema { seen: 9, object: Some(object), ..Schema::default() }
}

fn fields(fields: &[(&str, bool, Schema)]) -> Record {
    let fields = fields.iter().map(|(name, required, schema)| Field {
        name: (*name).to_owned(),
        seen: if *required { 9 } else { 4 },
        required: *required,
        schema: schema.clone(),
    });
    Record { seen: 9, fields: fields.collect(), more: false }
}

fn record(entries: &[(&str, bool, Schema)]) -> Schema {
    object(Object::Record(fields(entries)))
}

fn nullable(schema: Schema) -> Schema {
    Schema { nulls: 2, ..schema }
}

fn operation(method: &str, route: &str, answer: Option<Schema>) -> ApiOperation {
    let payload = |schema| Payload {
        media_type: "application/json".to_owned(),
        seen: 9,
        partial: 0,
        schema: Some(schema),
    };
    let response = Response {
        status: 200,
        seen: 9,
        headers: Vec::new(),
        payloads: answer.map(payload).into_iter().collect(),
    };
    let path = route
        .split('{')
        .skip(1)
        .map(|part| PathParameter { name: part.split('}').next().unwrap().to_owned(), schema: integer(7.0) });
    ApiOperation {
        method: method.into(),
        route: route.into(),
        requests: 9,
        first_seen: Timestamp::from_nanos(1_760_000_000_000_000_000),
        last_seen: Timestamp::from_nanos(1_760_000_060_000_000_000),
        confidence: 0.987_654,
        path: path.collect(),
        shape: Operation { requests: 9, responses: vec![response], ..Operation::default() },
    }
}

fn api(operations: Vec<ApiOperation>) -> Api {
    Api {
        owner: Owner::Service("shop".into()),
        servers: vec!["http://shop.example".to_owned()],
        operations,
        elsewhere: 3,
    }
}

#[test]
fn a_document_of_somebody_elses_api_says_who_asks() {
    let owner =
        Owner::Server { name: "api.stripe.com".into(), callers: vec!["billing".into(), "shop".into()] };
    let info = document(&Api { owner, ..api(Vec::new()) }, Version::default())["info"].take();
    assert_eq!(info["title"], "api.stripe.com");
    assert_eq!(info["x-overhear"]["callers"], json!(["billing", "shop"]));
    assert!(info["description"].as_str().unwrap().contains("Only what was called"));
}

/// The schema of the only answer, in each version.
fn written(schema: &Schema, version: Version) -> Value {
    let document = document(&api(vec![operation("GET", "/things", Some(schema.clone()))]), version);
    document["paths"]["/things"]["get"]["responses"]["200"]["content"]["application/json"]["schema"].clone()
}

#[test]
fn a_document_reads_as_a_person_would_write_it() {
    let order = record(&[
        ("id", true, text(Some(Format::Uuid), &[])),
        ("state", true, text(None, &["open", "paid"])),
        ("note", false, nullable(text(None, &[]))),
        ("lines", true, list(Some(record(&[("sku", true, text(None, &[])), ("count", true, integer(3.0))])))),
    ]);
    let mut list_orders = operation("GET", "/orders", Some(list(Some(order.clone()))));
    list_orders.shape.parameters = vec![
        Parameter {
            name: "state".to_owned(),
            place: Place::Query,
            style: Style::Commas,
            seen: 3,
            of: 9,
            required: false,
            schema: list(Some(text(None, &["open", "paid"]))),
        },
        Parameter {
            name: "X-Tenant".to_owned(),
            place: Place::Header,
            style: Style::Single,
            seen: 9,
            of: 9,
            required: true,
            schema: text(None, &[]),
        },
    ];
    list_orders.shape.security = Security {
        schemes: vec![
            SchemeUse { scheme: Scheme::Bearer { jwt: true }, seen: 5 },
            SchemeUse {
                scheme: Scheme::ApiKey { place: Place::Header, name: "X-Api-Key".to_owned() },
                seen: 2,
            },
        ],
        open: true,
    };
    let mut create = operation("POST", "/orders", Some(order.clone()));
    create.shape.with_request_body = 9;
    create.shape.request = vec![Payload {
        media_type: "application/json".to_owned(),
        seen: 9,
        partial: 0,
        schema: Some(record(&[("lines", true, list(None))])),
    }];
    let operations = vec![
        list_orders,
        create,
        operation("GET", "/orders/{orderId}", Some(order)),
        operation("PURGE", "/cache", None),
    ];
    insta::assert_snapshot!(to_yaml(&document(&api(operations), Version::V3_1)).unwrap());
}

#[test]
fn null_in_each_dialect() {
    let (old, new) = (Version::V3_0, Version::V3_1);
    let values = nullable(text(None, &["a", "b"]));
    assert_eq!(written(&values, new), json!({"type": ["string", "null"], "enum": ["a", "b", null]}));
    assert_eq!(written(&values, old), json!({"type": "string", "enum": ["a", "b", null], "nullable": true}));
    assert_eq!(written(&nullable(Schema::default()), new), json!({"type": "null"}));
    assert_eq!(written(&nullable(Schema::default()), old), json!({"nullable": true}));
}

#[test]
fn places_of_mixed_types() {
    let plain = Schema { booleans: 2, ..text(None, &[]) };
    assert_eq!(written(&plain, Version::V3_1), json!({"type": ["boolean", "string"]}));
    assert_eq!(written(&plain, Version::V3_0), json!({"anyOf": [{"type": "boolean"}, {"type": "string"}]}));
    let rich = nullable(Schema { string: text(Some(Format::Date), &[]).string, ..integer(1e12) });
    assert_eq!(
        written(&rich, Version::V3_1),
        json!({"anyOf": [{"type": "integer", "format": "int64"}, {"type": "string", "format": "date"}, {"type": "null"}]})
    );
}

#[test]
fn arrays_that_were_always_empty() {
    assert_eq!(written(&list(None), Version::V3_1), json!({"type": "array"}));
    assert_eq!(written(&list(None), Version::V3_0), json!({"type": "array", "items": {}}));
}

#[test]
fn maps_say_what_their_keys_are() {
    let Some(keys) = text(Some(Format::Uuid), &[]).string else { unreachable!() };
    let map = object(Object::Map(Map { seen: 9, keys, values: Box::new(integer(1.0)) }));
    assert_eq!(
        written(&map, Version::V3_1),
        json!({"type": "object", "propertyNames": {"format": "uuid"}, "additionalProperties": {"type": "integer"}})
    );
}

#[test]
fn unions_have_a_discriminator_and_named_variants() {
    let card = fields(&[("kind", true, text(None, &[])), ("digits", true, text(None, &[]))]);
    let cash = fields(&[("kind", true, text(None, &[]))]);
    let union = Union {
        seen: 9,
        discriminator: "kind".to_owned(),
        variants: vec![("card".to_owned(), card), ("cash".to_owned(), cash)],
    };
    let answer = record(&[("method", true, nullable(object(Object::Union(union))))]);
    let document = document(&api(vec![operation("GET", "/payments/{id}", Some(answer))]), Version::V3_1);
    assert_eq!(
        document["paths"]["/payments/{id}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
            ["properties"]["method"],
        json!({"anyOf": [
            {
                "oneOf": [{"$ref": "#/components/schemas/CardMethod"}, {"$ref": "#/components/schemas/CashMethod"}],
                "discriminator": {
                    "propertyName": "kind",
                    "mapping": {"card": "#/components/schemas/CardMethod", "cash": "#/components/schemas/CashMethod"}
                }
            },
            {"type": "null"}
        ]})
    );
    assert_eq!(
        document["components"]["schemas"]["CashMethod"],
        json!({"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string", "const": "cash"}}})
    );
}

#[test]
fn what_holds_itself_has_a_name() {
    let again = object(Object::Recursive { seen: 9, above: 1 });
    let node = record(&[("name", true, text(None, &[])), ("children", true, list(Some(again)))]);
    let document = document(&api(vec![operation("GET", "/nodes/{id}", Some(node))]), Version::V3_1);
    assert_eq!(
        document["components"]["schemas"]["Node"]["properties"]["children"],
        json!({"type": "array", "items": {"$ref": "#/components/schemas/Node"}})
    );
}

#[test]
fn equal_templates_are_one_path() {
    let operations =
        vec![operation("GET", "/users/{userId}", None), operation("DELETE", "/users/{id}", None)];
    let document = document(&api(operations), Version::V3_1);
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths.len(), 1);
    let item = &document["paths"][paths[0]];
    assert_eq!(item["get"]["parameters"][0]["name"], item["delete"]["parameters"][0]["name"]);
}

#[test]
fn methods_of_later_versions_have_their_place() {
    let places = |version| {
        let document =
            document(&api(vec![operation("QUERY", "/a", None), operation("PURGE", "/a", None)]), version);
        document["paths"]["/a"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(places(Version::V3_1), ["x-additionalOperations"]);
    assert_eq!(places(Version::V3_2), ["query", "additionalOperations"]);
}

#[test]
fn ends_with_one_newline() {
    let document = document(&api(Vec::new()), Version::V3_0);
    assert!(to_json(&document).ends_with("}\n"));
    let yaml = to_yaml(&document).unwrap();
    assert!(yaml.ends_with('\n') && !yaml.ends_with("\n\n"), "{yaml:?}");
}
