//! Reading YAML 1.2 and JSON.

use crate::Error;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Nodes of a document; the largest published API descriptions have about a million.
const MOST_NODES: usize = 4_000_000;

/// Reads YAML, with the places of what is [`serde_saphyr::Spanned`]. JSON is YAML too.
pub(crate) fn read<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Error> {
    let options = serde_saphyr::options! {
        // In YAML 1.2 `y`, `no` and `on` are words.
        strict_booleans: true,
        budget: serde_saphyr::budget! {
            max_nodes: MOST_NODES,
            max_events: 3 * MOST_NODES,
            max_total_scalar_bytes: 256 << 20,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| Error::reading(file, &error))
}

/// Reads a document without places; large ones in JSON are read much faster so.
pub(crate) fn value(file: &str, text: &str) -> Result<Value, Error> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| {
            let what = error.to_string();
            let what = what.split(" at line ").next().unwrap_or(&what);
            Error::new(file, u64::try_from(error.line()).ok(), what)
        });
    }
    read(file, text)
}
