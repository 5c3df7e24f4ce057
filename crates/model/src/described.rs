use crate::{Endpoint, Way, Why, route::build::View, service::Found, shape::schema::Parameter};
use std::{borrow::Cow, sync::Arc};

/// What one service answers, or what is asked of one server by all that ask it.
#[derive(Clone, Debug)]
pub struct Surface<'a> {
    /// Answered, or asked of which server.
    pub way: Way,
    /// The service that answers, or those that ask, by name.
    pub services: Vec<Arc<str>>,
    /// By route and method; where several services ask, of all of them together.
    pub endpoints: Vec<Described<'a>>,
}

/// An endpoint, whosever it is, and how its route was decided.
#[derive(Clone, Debug)]
pub struct Described<'a> {
    /// `network.protocol.name`.
    pub protocol: &'static str,
    /// Request method.
    pub method: Arc<str>,
    /// Route template with `{name}` placeholders.
    pub route: Arc<str>,
    /// What is known of it.
    pub endpoint: Cow<'a, Endpoint>,
    /// The parameters in its path, in their order.
    pub parameters: Vec<Parameter>,
    /// Why its segments are parameters or literals: those for which there was something to weigh, with the route up to
    /// there.
    pub why: Vec<(Arc<str>, Why)>,
}

impl<'a> Described<'a> {
    pub(crate) fn new(found: Found<'a>, view: &View<'_>) -> Self {
        let (protocol, method, route) = found.name();
        let Found { node, endpoint, .. } = found;
        let way = node.map(|node| view.routes.way_to(node)).unwrap_or_default();
        let parameters = way.iter().filter_map(|node| node.parameter.as_ref());
        let parameters = parameters.map(|values| values.parameter(endpoint.requests)).collect();
        let why = way.iter().filter_map(|node| Some((Arc::clone(&node.route), node.why.clone()?))).collect();
        Self { protocol, method, route, endpoint, parameters, why }
    }

    /// How likely it is that the route is right, 0.5..=1: that of its least certain segment.
    pub fn confidence(&self) -> f64 {
        let certain = |why: &Why| 1.0 / (1.0 + (-why.log_odds.abs()).exp());
        self.why.iter().map(|(_, why)| certain(why)).fold(1.0, f64::min)
    }
}
