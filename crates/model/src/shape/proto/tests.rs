use super::{
    Calls,
    message::Messages,
    schema::{ProtoKind, ProtoMessage},
};
use crate::shape::Content;
use overhear_exchange::{Messages as Counted, Rpc, RpcStatus};

/// Fields as a sketch would have them, messages in braces.
fn told(message: &ProtoMessage) -> String {
    let fields = message.fields.iter().map(|field| {
        let kind = if let ProtoKind::Message(message) = &field.kind {
            format!("{{{}}}", told(message))
        } else {
            format!("{:?}", field.kind).to_lowercase()
        };
        let repeated = if field.repeated { "repeated " } else { "" };
        format!("{}:{repeated}{kind}{}", field.number, if field.packed { " packed" } else { "" })
    });
    fields.collect::<Vec<_>>().join(" ")
}

fn learn(messages: &[&[u8]]) -> String {
    let (mut all, mut room) = (Messages::default(), 1000);
    for message in messages {
        assert!(all.learn(message, &mut room), "{}", message.escape_ascii());
    }
    told(&(&all).into())
}

#[test]
fn types_are_those_that_read_all_that_was_seen() {
    assert_eq!(learn(&[b"\x08\x01", b"\x08\x00", b"\x08\x01", b"\x08\x01"]), "1:bool");
    assert_eq!(learn(&[b"\x08\x01", b"\x08\x00"]), "1:int32");
    assert_eq!(learn(&[b"\x08\x01", b"\x08\x07"]), "1:int32");
    assert_eq!(learn(&[b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"]), "1:int64");
    assert_eq!(learn(&[b"\x08\x80\x80\x80\x80\x20"]), "1:int64");
    assert_eq!(learn(&[b"\x12\x05hello", "\x12\x03\u{e9}\n".as_bytes()]), "2:text");
    assert_eq!(learn(&[b"\x12\x05hello", b"\x12\x02\xff\xfe"]), "2:bytes");
    assert_eq!(learn(&[b"\x12\x00"]), "2:text", "nothing speaks against it");
    assert_eq!(learn(&[b"\x09\x9a\x99\x99\x99\x99\x99\xf1\x3f"]), "1:double");
    assert_eq!(learn(&[b"\x09\x01\0\0\0\0\0\0\0"]), "1:fixed64");
    assert_eq!(learn(&[b"\x0d\xcd\xcc\x8c\x3f"]), "1:float");
    assert_eq!(learn(&[b"\x0d\x01\0\0\0"]), "1:fixed32");
}

#[test]
fn messages_lie_in_messages() {
    assert_eq!(learn(&[b"\x0a\x04\x08\x07\x12\x00", b"\x0a\x07\x08\x01\x12\x03abc"]), "1:{1:int32 2:text}");
    // A line break and a length are not the beginning of a text.
    assert_eq!(learn(&[b"\x0a\x22\x0a\x20aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]), "1:{1:text}");
    assert_eq!(learn(&[b"\x0a\x02\x08\x01\x0a\x02\x08\x02"]), "1:repeated {1:int32}");
}

#[test]
fn numbers_that_lie_together_are_packed() {
    // As a message the first could be read, the others not.
    assert_eq!(
        learn(&[b"\x22\x02\x08\x01", b"\x22\x03\x01\x02\x03", b"\x22\x01\x05"]),
        "4:repeated int64 packed"
    );
    assert_eq!(learn(&[b"\x20\x01\x20\x02"]), "4:repeated int32");
}

#[test]
fn order_and_parts_do_not_matter() {
    let all: [&[u8]; 4] = [b"\x08\x01\x12\x02ab", b"\x08\x07", b"\x12\x02\x08\x01", b"\x1a\x02\x01\x02"];
    let of = |part: &[&[u8]]| {
        let mut messages = Messages::default();
        part.iter().for_each(|bytes| assert!(messages.learn(bytes, &mut 1000)));
        messages
    };
    let whole = of(&all);
    let (mut left, right) = (of(&all[2..]), of(&all[..2]));
    left.merge(&right);
    assert_eq!(left, whole);
    let text = serde_json::to_string(&whole).unwrap();
    assert_eq!(serde_json::from_str::<Messages>(&text).unwrap(), whole);
}

#[test]
fn what_is_no_message_is_counted_and_changes_nothing() {
    let mut calls = Calls::default();
    let rpc = Rpc {
        status: Some(RpcStatus::Ok),
        sent: Counted { count: 1, partial: false },
        received: Counted { count: 3, partial: false },
        deadline: None,
    };
    let content = |bytes| Some(Content { bytes, complete: true });
    calls.learn(
        &rpc,
        content(b"\0\0\0\0\x02\x08\x07"),
        content(b"\x01\0\0\0\x01x\0\0\0\0\x01\x07\0\0\0\0\x02\x08\x01\x80\0\0\0\0"),
    );
    let told = calls.procedure();
    assert_eq!((told.request.seen, told.request.unread, told.request.streams), (1, 0, false));
    assert_eq!((told.response.seen, told.response.unread, told.response.streams), (1, 2, true));
}

#[test]
fn hostile_messages_are_bounded() {
    let (mut messages, mut room) = (Messages::default(), super::MOST_TOGETHER);
    for number in 1..20_000_u32 {
        let tag = number << 3;
        let mut bytes = Vec::new();
        let mut rest = tag;
        while rest >= 0x80 {
            bytes.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        bytes.extend([rest as u8, 1]);
        messages.learn(&bytes, &mut room);
    }
    assert!(messages.size() <= 256, "{}", messages.size());
    // Messages in messages, as deep as the length allows.
    let mut deep = b"\x08\x01".to_vec();
    for _ in 0..60 {
        deep = [&[0x0a, u8::try_from(deep.len()).unwrap()], &*deep].concat();
    }
    assert!(Messages::default().learn(&deep, &mut 1000));
}
