use super::shape::Shape;
use crate::Endpoint;
use std::sync::Arc;

/// A node's calls of one method.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) method: Arc<str>,
    pub(crate) endpoint: Endpoint,
    pub(crate) shape: Shape,
}

impl Place {
    pub(crate) fn new(method: &str) -> Self {
        Self { method: method.into(), endpoint: Endpoint::default(), shape: Shape::default() }
    }

    pub(crate) fn merge(&mut self, key: u64, more: &Self) {
        self.endpoint.merge(key, &more.endpoint);
        self.shape.merge(&more.shape);
    }
}
