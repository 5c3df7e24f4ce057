use serde_json::Value;

/// A document could not be written as YAML.
#[derive(Debug, thiserror::Error)]
#[error("the document cannot be written as YAML: {0}")]
pub struct YamlError(String);

pub(crate) fn yaml(document: &Value) -> Result<String, YamlError> {
    serde_saphyr::to_string(document).map_err(|error| YamlError(error.to_string()))
}
