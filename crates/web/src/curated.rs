//! What is told, without the endpoints that people said are to be left out.

use crate::{Shared, people::Editor};
use overhear_exchange::{Exchange, Statistics};
use overhear_model::Hints;
use overhear_query::{
    Api, EndpointDetail, EndpointId, Link, Links, LiveRow, LiveSource, Metric, OpenStream,
    monitor::{
        Asked, Change, Covered, Deploy, EndpointFigures, EndpointHistory, Health, History, Map,
        ServiceFigures, Unanswered,
    },
};
use std::sync::Arc;

/// Lists endpoints and changes without them; sums of services and of the map hold them, as their calls were made.
pub(crate) struct Curated {
    pub(crate) all: Shared,
    pub(crate) editor: Arc<Editor>,
}

impl History for Curated {
    fn endpoints(&self, asked: Asked, points: usize) -> Result<Covered<Vec<EndpointFigures>>, Unanswered> {
        let mut covered = self.all.endpoints(asked, points)?;
        let hidden = self.editor.hidden(covered.what.iter().map(|row| &row.id));
        if !hidden.is_empty() {
            covered.what.retain(|row| !hidden.contains(&row.id));
        }
        Ok(covered)
    }

    fn services(&self, asked: Asked, points: usize) -> Result<Covered<Vec<ServiceFigures>>, Unanswered> {
        self.all.services(asked, points)
    }

    fn endpoint(
        &self,
        id: &EndpointId,
        asked: Asked,
        points: usize,
    ) -> Result<Option<Covered<EndpointHistory>>, Unanswered> {
        History::endpoint(&*self.all, id, asked, points)
    }

    fn map(&self, asked: Asked) -> Result<Covered<Map>, Unanswered> {
        self.all.map(asked)
    }

    fn changes(&self, asked: Asked) -> Result<Covered<Vec<Change>>, Unanswered> {
        let mut covered = self.all.changes(asked)?;
        let hidden = self.editor.hidden(covered.what.iter().map(|change| &change.endpoint));
        if !hidden.is_empty() {
            covered.what.retain(|change| !hidden.contains(&change.endpoint));
        }
        Ok(covered)
    }

    fn health(&self) -> Health {
        self.all.health()
    }

    fn metrics(&self) -> Vec<Metric> {
        self.all.metrics()
    }

    fn running(&self) -> Vec<Deploy> {
        self.all.running()
    }

    fn describe(&self, id: &EndpointId) -> Result<Option<EndpointDetail>, Unanswered> {
        self.all.describe(id)
    }

    fn apis(&self, service: &str, hints: Hints) -> Result<Vec<Api>, Unanswered> {
        self.all.apis(service, hints)
    }

    fn know(&self, hints: Hints) {
        self.all.know(hints);
    }
}

impl LiveSource for Curated {
    fn rows(&self) -> Vec<LiveRow> {
        self.all.rows()
    }

    fn endpoint(&self, id: &EndpointId) -> Option<EndpointDetail> {
        LiveSource::endpoint(&*self.all, id)
    }

    fn recent(&self, id: Option<&EndpointId>, limit: usize) -> Vec<Arc<Exchange>> {
        self.all.recent(id, limit)
    }

    fn open(&self) -> Vec<OpenStream> {
        let mut open = LiveSource::open(&*self.all);
        let hidden = self.editor.hidden(open.iter().map(|stream| &*stream.id));
        open.retain(|stream| !hidden.contains(&stream.id));
        open
    }

    fn route(&self, exchange: &Exchange) -> Option<Arc<str>> {
        self.all.route(exchange)
    }

    fn links(&self, id: &EndpointId) -> Option<Links> {
        let mut links = self.all.links(id)?;
        let hidden = self.editor.hidden(links.calls.iter().chain(&links.callers).map(|link| &*link.id));
        let shown = |link: &Link| !hidden.contains(&link.id);
        links.calls.retain(shown);
        links.callers.retain(shown);
        Some(links)
    }

    fn statistics(&self) -> Statistics {
        self.all.statistics()
    }
}
