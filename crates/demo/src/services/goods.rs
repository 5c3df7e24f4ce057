//! What the shop sells: the same goods in every process.

use crate::chance::Chance;
use serde::Serialize;

/// Something to buy.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) slug: String,
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) category: &'static str,
    pub(crate) price: f64,
    pub(crate) tags: Vec<&'static str>,
    pub(crate) discontinued: bool,
}

/// Categories with what is in them.
const KINDS: [(&str, [&str; 4]); 5] = [
    ("kitchen", ["teapot", "pan", "kettle", "bowl"]),
    ("garden", ["spade", "rake", "bucket", "bench"]),
    ("office", ["lamp", "stapler", "chair", "shelf"]),
    ("toys", ["kite", "train", "puzzle", "robot"]),
    ("sport", ["ball", "racket", "rope", "helmet"]),
];
const ADJECTIVES: [&str; 3] = ["blue", "oak", "travel"];

/// All goods, the popular ones first.
pub(crate) fn goods() -> Vec<Product> {
    let mut chance = Chance::new(0x5409);
    let mut goods = Vec::new();
    for adjective in ADJECTIVES {
        for (category, things) in KINDS {
            for thing in things {
                goods.push(product(adjective, thing, category, &mut chance));
            }
        }
    }
    goods
}

fn product(adjective: &str, thing: &str, category: &'static str, chance: &mut Chance) -> Product {
    let number = 1000 + chance.below(9000);
    Product {
        id: chance.uuid(),
        slug: format!("{adjective}-{thing}"),
        sku: format!("{}-{number}", thing.to_uppercase()),
        name: format!("{adjective} {thing}"),
        category,
        price: f64::from(u32::try_from(199 + chance.below(9800)).unwrap_or(199)) / 100.0,
        tags: if chance.one_in(3) { vec!["sale"] } else { Vec::new() },
        discontinued: chance.one_in(20),
    }
}
