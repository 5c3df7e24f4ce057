//! Models as bytes.

use overhear_model::Model;

pub(crate) fn encode(model: &Model) -> Result<Vec<u8>, String> {
    let mut blob = Vec::new();
    model.save(&mut blob).map_err(|error| error.to_string())?;
    Ok(blob)
}

pub(crate) fn decode(blob: &[u8]) -> Result<Model, String> {
    Model::load(blob).map_err(|error| error.to_string())
}

/// The sum of models of one key.
pub(crate) fn sum(key: u64, models: impl IntoIterator<Item = Model>) -> Model {
    let mut models = models.into_iter();
    let Some(mut sum) = models.next() else { return Model::new(key) };
    models.for_each(|model| sum.merge(&model));
    sum
}
