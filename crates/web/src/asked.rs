//! What the query of a request asks for.

use crate::respond::Refusal;
use overhear_exchange::{Direction, Timestamp};
use overhear_query::{
    EndpointId, Filter, Way,
    monitor::{Asked, Beside},
};
use serde::Deserialize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Most steps of a time line.
const MOST_POINTS: usize = 500;
/// Most exchanges of one answer.
const MOST_EXCHANGES: usize = 2_000;

/// Every parameter there is; each question looks at its own.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Query {
    since: Option<String>,
    until: Option<String>,
    beside: Option<String>,
    points: Option<String>,
    limit: Option<String>,
    offset: Option<String>,
    list: Option<String>,
    find: Option<String>,
    under: Option<String>,
    sort: Option<String>,
    order: Option<String>,
    service: Option<String>,
    way: Option<String>,
    server: Option<String>,
    protocol: Option<String>,
    method: Option<String>,
    route: Option<String>,
    #[serde(rename = "where")]
    condition: Option<String>,
}

/// Protocols that endpoints have.
const PROTOCOLS: [&str; 6] = ["http", "graphql", "jsonrpc", "mcp", "grpc", "connectrpc"];

impl Query {
    /// The window.
    pub(crate) fn asked(&self) -> Result<Asked, Refusal> {
        let now = now();
        let time = |text: &Option<String>| text.as_deref().map(|text| time(text, now)).transpose();
        let beside = match self.beside.as_deref() {
            None | Some("" | "window") => Beside::WindowBefore,
            Some("deploy") => Beside::DeployBefore,
            Some(other) => {
                return Err(Refusal::bad(format!("beside is {other:?}: it is \"window\" or \"deploy\".")));
            }
        };
        let asked = Asked { since: time(&self.since)?, until: time(&self.until)?, beside };
        if asked.since.is_some_and(|since| since >= asked.until.unwrap_or(now)) {
            return Err(Refusal::bad("The window ends before it begins: since is not before until."));
        }
        Ok(asked)
    }

    /// Steps of time lines.
    pub(crate) fn points(&self, default: usize) -> Result<usize, Refusal> {
        number("points", self.points.as_deref(), default, MOST_POINTS)
    }

    /// How many at most.
    pub(crate) fn limit(&self, default: usize) -> Result<usize, Refusal> {
        number("limit", self.limit.as_deref(), default, MOST_EXCHANGES)
    }

    /// How many before the first.
    pub(crate) fn offset(&self) -> Result<usize, Refusal> {
        number("offset", self.offset.as_deref(), 0, usize::MAX)
    }

    /// Which of the lists that were told before.
    pub(crate) fn list(&self) -> Option<u64> {
        self.list.as_deref()?.parse().ok()
    }

    /// Words that have to be found.
    pub(crate) fn find(&self) -> &str {
        self.find.as_deref().unwrap_or_default()
    }

    pub(crate) fn sort(&self) -> &str {
        self.sort.as_deref().unwrap_or_default()
    }

    pub(crate) fn order(&self) -> &str {
        self.order.as_deref().unwrap_or_default()
    }

    /// Of this service only.
    pub(crate) fn service(&self) -> Option<&str> {
        self.service.as_deref().filter(|name| !name.is_empty())
    }

    /// Of routes that begin with this path only.
    pub(crate) fn under(&self) -> Option<&str> {
        self.under.as_deref().filter(|path| !path.is_empty())
    }

    /// Which exchanges; all of them where nothing is said.
    pub(crate) fn filter(&self) -> Result<Option<Filter>, Refusal> {
        let text = self.condition.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let filter = text.map(Filter::compile).transpose();
        filter.map_err(|error| Refusal::bad(format!("where: {error}")))
    }

    /// Whether an endpoint is asked for.
    pub(crate) fn names_endpoint(&self) -> bool {
        self.service.is_some() || self.method.is_some() || self.route.is_some()
    }

    /// Which endpoint.
    pub(crate) fn endpoint(&self) -> Result<EndpointId, Refusal> {
        let protocol = match self.protocol.as_deref() {
            None | Some("") => "http",
            Some(name) => PROTOCOLS
                .into_iter()
                .find(|known| *known == name)
                .ok_or_else(|| Refusal::bad(format!("protocol is one of {}.", PROTOCOLS.join(", "))))?,
        };
        let of = |name: &str, value: &Option<String>| {
            value.as_deref().map(Into::into).ok_or_else(|| {
                Refusal::bad(format!("{name} is missing: an endpoint is named by service, method and route."))
            })
        };
        Ok(EndpointId {
            service: of("service", &self.service)?,
            way: self.way()?,
            protocol,
            method: of("method", &self.method)?,
            route: of("route", &self.route)?,
        })
    }

    fn way(&self) -> Result<Way, Refusal> {
        match (self.way.as_deref(), self.server.as_deref()) {
            (None, None | Some("")) => Ok(Way::Inbound),
            (Some(way), _) if way == Direction::Inbound.as_str() => Ok(Way::Inbound),
            (None, Some(server)) => Ok(Way::Outbound(server.into())),
            (Some(way), Some(server)) if way == Direction::Outbound.as_str() => {
                Ok(Way::Outbound(server.into()))
            }
            (Some(way), None) if way == Direction::Outbound.as_str() => {
                Err(Refusal::bad("server is missing: outbound endpoints are told apart by whom they ask."))
            }
            (Some(way), _) => {
                Err(Refusal::bad(format!("way is {way:?}: it is \"inbound\" or \"outbound\".")))
            }
        }
    }
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(nanos(since))
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// `15m`, `1h`, `7d` ago; milliseconds since the epoch; or RFC 3339.
fn time(text: &str, now: Timestamp) -> Result<Timestamp, Refusal> {
    let ago = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let unit = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return None,
        };
        let seconds = number.parse::<u64>().ok()?.checked_mul(unit)?;
        Some(now.as_nanos().saturating_sub(seconds.saturating_mul(1_000_000_000)))
    };
    let milliseconds = || text.parse::<u64>().ok()?.checked_mul(1_000_000);
    let written = || u64::try_from(text.parse::<jiff::Timestamp>().ok()?.as_nanosecond()).ok();
    let nanos = ago().or_else(milliseconds).or_else(written);
    nanos.map(Timestamp::from_nanos).ok_or_else(|| {
        let forms = "\"15m\", \"1h\", \"7d\", milliseconds since 1970, or 2026-01-31T10:00:00Z";
        Refusal::bad(format!("{text:?} is no time: write {forms}."))
    })
}

fn number(name: &str, text: Option<&str>, default: usize, most: usize) -> Result<usize, Refusal> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(default) };
    let number = text.parse::<usize>().ok().filter(|number| *number <= most);
    number.ok_or_else(|| Refusal::bad(format!("{name} is {text:?}: it is a number from 0 to {most}.")))
}

#[cfg(test)]
mod tests {
    use super::{Timestamp, time};

    #[test]
    fn times_are_read_in_three_ways() {
        let now = Timestamp::from_nanos(1_000_000_000_000_000_000);
        for (text, nanos) in [
            ("15m", Some(999_999_100_000_000_000)),
            ("1w", Some(999_395_200_000_000_000)),
            ("1700000000000", Some(1_700_000_000_000_000_000)),
            ("1970-01-01T00:00:01Z", Some(1_000_000_000)),
            ("yesterday", None),
            ("", None),
            ("-5m", None),
            ("5é", None),
            ("99999999999999999999s", None),
            ("1900-01-01T00:00:00Z", None),
        ] {
            assert_eq!(time(text, now).ok().map(Timestamp::as_nanos), nanos, "{text}");
        }
    }
}
