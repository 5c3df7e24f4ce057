use crate::{Endpoint, EndpointId, Why, route::build::View, service::Found, shape::schema::Parameter};
use std::{borrow::Cow, sync::Arc};

/// An endpoint and how its route was decided.
#[derive(Clone, Debug)]
pub struct Described<'a> {
    /// Which.
    pub id: Arc<EndpointId>,
    /// What is known of it.
    pub endpoint: Cow<'a, Endpoint>,
    /// The parameters in its path, in their order.
    pub parameters: Vec<Parameter>,
    /// Why its segments are parameters or literals: those for which there was something to weigh, with the route up to
    /// there.
    pub why: Vec<(Arc<str>, Why)>,
}

impl<'a> Described<'a> {
    pub(crate) fn new((id, node, endpoint): Found<'a>, view: &View<'_>) -> Self {
        let way = node.map(|node| view.routes.way_to(node)).unwrap_or_default();
        let parameters = way.iter().filter_map(|node| node.parameter.as_ref());
        let parameters = parameters.map(|values| values.parameter(endpoint.requests)).collect();
        let why = way.iter().filter_map(|node| Some((Arc::clone(&node.route), node.why.clone()?))).collect();
        Self { id: Arc::new(id), endpoint, parameters, why }
    }

    /// How likely it is that the route is right, 0.5..=1: that of its least certain segment.
    pub fn confidence(&self) -> f64 {
        let certain = |why: &Why| 1.0 / (1.0 + (-why.log_odds.abs()).exp());
        self.why.iter().map(|(_, why)| certain(why)).fold(1.0, f64::min)
    }
}
