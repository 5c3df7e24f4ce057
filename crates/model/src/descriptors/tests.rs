use super::{Descriptors, MOST, wire};
use crate::Model;
use overhear_exchange::Timestamp;
use proptest::prelude::*;
use prost::Message as _;

/// A file with one message of one field, and one method that takes it, as reflection sends it.
fn reflected(package: &str, message: &str, field: &str) -> Vec<u8> {
    let name = |text: &str| Some(text.to_owned());
    let fields =
        vec![wire::Field { name: name(field), number: Some(1), kind: Some(9), ..Default::default() }];
    let full = name(&format!(".{package}.{message}"));
    let method = wire::Method { name: name("Get"), input: full.clone(), output: full, ..Default::default() };
    let file = wire::File {
        package: name(package),
        messages: vec![wire::Kind { name: name(message), fields, nested: Vec::new() }],
        services: vec![wire::Service { name: name(message), methods: vec![method] }],
    };
    let files = wire::Files { file: vec![file.encode_to_vec()] };
    wire::Reflected { files: Some(files) }.encode_to_vec()
}

fn heard(words: &[(u64, u8, u8)]) -> Descriptors {
    let mut descriptors = Descriptors::default();
    for (at, message, field) in words {
        let told = reflected("shop", &format!("M{message}"), &format!("f{field}"));
        descriptors.add_reflected(Timestamp::from_nanos(*at), &told);
    }
    descriptors
}

#[test]
fn the_later_word_holds_and_what_is_given_goes_before() {
    let field = |descriptors: &Descriptors| {
        descriptors.message(".shop.M1").unwrap().fields.values().next().unwrap().name.clone()
    };
    let mut descriptors = heard(&[(7, 1, 2), (5, 1, 9)]);
    assert_eq!(field(&descriptors), "f2");
    let file =
        wire::Reflected::decode(&*reflected("shop", "M1", "given")).unwrap().files.unwrap().file.remove(0);
    let set = wire::Set { file: vec![wire::File::decode(&*file).unwrap()] };
    descriptors.add_set(&set.encode_to_vec()).unwrap();
    descriptors.merge(&heard(&[(9, 1, 3)]));
    assert_eq!(field(&descriptors), "given");
    assert_eq!(descriptors.method("shop.M1/Get").unwrap().input, ".shop.M1");
}

#[test]
fn a_method_leads_to_its_messages_alone() {
    let part = heard(&[(1, 1, 1), (1, 2, 2)]).of_method("shop.M2/Get");
    assert!(part.message(".shop.M2").is_some() && part.message(".shop.M1").is_none());
    assert!(heard(&[(1, 1, 1)]).of_method("shop.Other/Get").is_empty());
}

#[test]
fn strangers_fill_no_more_than_the_bound_and_only_with_names() {
    let mut descriptors = Descriptors::default();
    for number in 0..MOST + 100 {
        descriptors.add_reflected(Timestamp::default(), &reflected("a", &format!("M{number}"), "f"));
    }
    assert_eq!((descriptors.messages.len(), descriptors.methods.len()), (MOST, MOST));
    for odd in ["a b", "<script>", "\u{e9}", "", &"x".repeat(300)] {
        let mut descriptors = Descriptors::default();
        descriptors.add_reflected(Timestamp::default(), &reflected("shop", odd, "f"));
        assert!(odd.is_empty() || descriptors.is_empty(), "{odd}");
    }
    descriptors.add_reflected(Timestamp::default(), b"\xff\xff no message");
}

#[test]
fn a_model_keeps_them() {
    let mut model = Model::new(7);
    model.descriptors.merge(&heard(&[(3, 1, 2)]));
    let mut saved = Vec::new();
    model.save(&mut saved).unwrap();
    let loaded = Model::load(&*saved).unwrap();
    assert_eq!(loaded.descriptors(), model.descriptors());
    let mut sum = Model::new(7);
    sum.merge(&loaded);
    assert_eq!(sum.joined(&Default::default()).descriptors(), model.descriptors());
}

proptest! {
    #[test]
    fn order_and_parts_do_not_matter(
        words in proptest::collection::vec((0..4_u64, 0..4_u8, 0..4_u8), 0..12),
        at in 0..12_usize,
    ) {
        let (first, second) = words.split_at(at.min(words.len()));
        let (mut sum, mut other) = (heard(first), heard(second));
        let copy = sum.clone();
        sum.merge(&other);
        other.merge(&copy);
        prop_assert_eq!(&sum, &other);
        prop_assert_eq!(sum, heard(&words.iter().rev().copied().collect::<Vec<_>>()));
    }
}
