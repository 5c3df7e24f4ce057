use super::{Descriptors, sketches};
use overhear_query::{
    ApiProcedure,
    shape::{Procedure, ProtoField, ProtoKind, ProtoMessage, Sent},
};

fn field(number: u32, kind: ProtoKind, repeated: bool) -> ProtoField {
    ProtoField { number, present: 3, repeated, packed: false, kind }
}

fn sent(fields: Vec<ProtoField>, streams: bool) -> Sent {
    Sent { streams, seen: 4, unread: 0, message: ProtoMessage { seen: 4, fields } }
}

fn procedures() -> Vec<ApiProcedure> {
    let line = ProtoMessage {
        seen: 9,
        fields: vec![field(1, ProtoKind::Text, false), field(2, ProtoKind::Double, false)],
    };
    let order = vec![
        field(1, ProtoKind::Int64, false),
        field(2, ProtoKind::Message(line), true),
        field(5, ProtoKind::Bool, false),
        field(19_500, ProtoKind::Bytes, false),
    ];
    let procedure = |name: &str, request, response| ApiProcedure {
        name: name.into(),
        procedure: Procedure { calls: 4, request, response },
    };
    vec![
        procedure("grpc.health.v1.Health/Check", sent(vec![], false), sent(vec![], false)),
        procedure("other.Thing/Do", sent(vec![], false), sent(vec![], false)),
        procedure(
            "shop.v1.Orders/Get",
            sent(vec![field(1, ProtoKind::Int32, false)], false),
            sent(order.clone(), false),
        ),
        procedure("shop.v1.Orders/Watch", sent(vec![], false), sent(order, true)),
    ]
}

#[test]
fn a_sketch_reads_as_a_person_would_write_it() {
    let all = sketches(&procedures(), &Descriptors::default());
    assert_eq!(all.keys().collect::<Vec<_>>(), ["other", "shop.v1"]);
    insta::assert_snapshot!(all["shop.v1"]);
}

/// `package shop.v1; message GetOrder { int64 id = 1; } message Order { int64 id = 1; repeated Line lines = 2;
/// State state = 5; string note = 7; message Line { string title = 1; double price = 2; } }`, as protoc writes it.
fn set() -> Vec<u8> {
    let field = |name: &str, number: u8, label: u8, kind: u8, of: &str| {
        let mut bytes = tagged(1, name.as_bytes());
        bytes.extend([0x18, number, 0x20, label, 0x28, kind]);
        if !of.is_empty() {
            bytes.extend(tagged(6, of.as_bytes()));
        }
        tagged(2, &bytes)
    };
    let line = [tagged(1, b"Line"), field("title", 1, 1, 9, ""), field("price", 2, 1, 1, "")].concat();
    let order = [
        tagged(1, b"Order"),
        field("id", 1, 1, 3, ""),
        field("lines", 2, 3, 11, ".shop.v1.Order.Line"),
        field("state", 5, 1, 14, ".shop.v1.State"),
        field("note", 7, 1, 9, ""),
        tagged(3, &line),
    ];
    let get = [tagged(1, b"GetOrder"), field("id", 1, 1, 3, "")].concat();
    let method = |name: &str, input: &str| {
        let names = [tagged(1, name.as_bytes()), tagged(2, input.as_bytes()), tagged(3, b".shop.v1.Order")];
        tagged(2, &names.concat())
    };
    let service =
        [tagged(1, b"Orders"), method("Get", ".shop.v1.GetOrder"), method("Watch", ".shop.v1.GetOrder")]
            .concat();
    let file = [
        tagged(1, b"shop.proto"),
        tagged(2, b"shop.v1"),
        tagged(4, &get),
        tagged(4, &order.concat()),
        tagged(6, &service),
    ];
    tagged(1, &file.concat())
}

fn tagged(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut length = Vec::new();
    let mut rest = bytes.len();
    while rest >= 0x80 {
        length.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    length.push(rest as u8);
    [&[number << 3 | 2][..], &length, bytes].concat()
}

#[test]
fn descriptors_give_names() {
    let mut descriptors = Descriptors::default();
    descriptors.add_set(&set()).unwrap();
    insta::assert_snapshot!(sketches(&procedures(), &descriptors)["shop.v1"]);
}

#[test]
fn what_is_no_descriptor_set_is_told() {
    assert!(Descriptors::default().add_set(b"syntax = \"proto3\";").is_err());
}
