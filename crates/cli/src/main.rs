//! The binary `overhear`.
fn main() {}
