//! Which exchanges and endpoints are meant: `--where`, `--service`, `--since`, `--until`.

use crate::{
    arguments::{Period, Scope, SharedFilter},
    fault::Fault,
};
use overhear_exchange::{Detail, Exchange};
use overhear_model::{Way, route, server_asked};
use overhear_query::{Filter, Selection, filter::FilterError};
use std::sync::Arc;

/// The exchanges that are meant.
#[derive(Clone, Default)]
pub(crate) struct Choice {
    filter: Option<SharedFilter>,
    service: Option<String>,
    period: Period,
}

impl Choice {
    pub(crate) fn new(scope: &Scope, period: Period) -> Result<Self, Fault> {
        let filter = scope.expression.as_deref().map(|text| Filter::compile(text).map_err(wrong));
        Ok(Self { filter: filter.transpose()?.map(Arc::new), service: scope.service.clone(), period })
    }

    /// Whether this exchange is meant.
    pub(crate) fn includes(&self, exchange: &Exchange, routes: Routes<'_>) -> bool {
        let in_time = self.period.since.is_none_or(|since| exchange.time >= since.0)
            && self.period.until.is_none_or(|until| exchange.time < until.0);
        let asks = |name: &str| server_asked(exchange).is_some_and(|server| Way::Outbound(server).asks(name));
        let of_service = self.service.as_deref().is_none_or(|name| *exchange.service == *name || asks(name));
        in_time
            && of_service
            && self.filter.as_ref().is_none_or(|filter| filter.matches(exchange, Some(&of(exchange, routes))))
    }

    /// The same for endpoints of which single exchanges are not known.
    pub(crate) fn selection(&self) -> Result<Selection, Fault> {
        if self.period.since.is_some() || self.period.until.is_some() {
            return Err(Fault::new(
                "--since and --until: a saved model has no single exchanges: leave them out, or ask a capture",
            ));
        }
        let filter = self.filter.as_ref().map(|filter| filter.for_endpoints().map_err(wrong)).transpose()?;
        Ok(Selection { service: self.service.clone(), filter, ..Selection::default() })
    }

    /// True when exchanges may be chosen by what only shows at the end: their route, or what their service is called.
    pub(crate) const fn asks_for_all(&self) -> bool {
        self.filter.is_some() || self.service.is_some()
    }

    /// True when everything is meant.
    pub(crate) const fn is_all(&self) -> bool {
        self.filter.is_none()
            && self.service.is_none()
            && self.period.since.is_none()
            && self.period.until.is_none()
    }
}

/// Where routes are looked up.
pub(crate) type Routes<'a> = &'a dyn Fn(&Exchange) -> Option<Arc<str>>;

/// While nothing is learned yet.
pub(crate) const NO_ROUTES: Routes<'static> = &|_| None;

/// The route of an exchange; where none is known, by what its path looks like.
pub(crate) fn of(exchange: &Exchange, routes: Routes<'_>) -> Arc<str> {
    let Detail::Http(http) = &exchange.detail;
    routes(exchange).unwrap_or_else(|| route::template_of(http).as_str().into())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn wrong(error: FilterError) -> Fault {
    Fault::new(format_args!("--where: {error}"))
}
