//! `--where`: a CEL expression over the attribute names.

mod names;

use crate::{Attribute, EndpointId, Value, near::nearest};
use cel::{
    Context, Env, ExecutionError, IdedExpr, Program,
    common::{
        types::{CelDouble, CelInt, CelString},
        value::CowVal,
    },
    context::VariableResolver,
};
use names::{PRESENT, Unknown};
use overhear_exchange::{Authority, Exchange};
use std::{collections::BTreeSet, fmt, sync::Arc};

/// A compiled expression: true or false for an exchange.
///
/// An attribute that an exchange does not have makes what depends on it false, not an error; `has(error.type)` asks
/// for it. Only the attributes the expression mentions are looked at.
#[derive(Clone)]
pub struct Filter {
    text: Arc<str>,
    expression: Arc<IdedExpr>,
    env: Arc<Env>,
    attributes: BTreeSet<Attribute>,
}

/// A [`Filter`] that asks for nothing but what identifies an endpoint.
#[derive(Clone, Debug)]
pub struct EndpointFilter(Filter);

/// Why an expression is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// It does not follow CEL's grammar.
    #[error("{message}\n  {line}\n  {:>column$}\nexample: {EXAMPLE}", "^")]
    Syntax {
        /// What was found or expected.
        message: String,
        /// The line it is in.
        line: String,
        /// Where in the line, from 1, in characters.
        column: usize,
    },
    /// It asks for an attribute or function that does not exist.
    #[error("there is no {kind} {name:?}{}", did_you_mean(near))]
    Unknown {
        /// `attribute` or `function`.
        kind: &'static str,
        /// As it is written.
        name: String,
        /// Names like it.
        near: Vec<&'static str>,
    },
    /// It compares what can not be compared, or is no condition.
    #[error("{0}\nexample: {EXAMPLE}")]
    Type(String),
    /// It asks for something that only single exchanges have.
    #[error("{0} is not known of a saved model, which has no single exchanges: ask for {known}", known = known_of_endpoints())]
    NotOfEndpoints(&'static str),
}

const EXAMPLE: &str = r#"http.response.status_code >= 500 && url.path.startsWith("/orders")"#;

/// What identifies an endpoint.
const OF_ENDPOINTS: [Attribute; 5] = [
    Attribute::ServiceName,
    Attribute::ServerAddress,
    Attribute::Method,
    Attribute::Route,
    Attribute::ProtocolName,
];

impl Filter {
    /// Compiles an expression such as `http.response.status_code >= 500 && duration > 0.5`.
    ///
    /// # Errors
    /// When it is no CEL, asks for what does not exist, or can not be true or false.
    pub fn compile(text: &str) -> Result<Self, FilterError> {
        if text.len() > MAX_LENGTH || nesting(text) > MAX_NESTING {
            return Err(FilterError::Type("the expression is too long or too deeply nested".to_owned()));
        }
        let program = Program::compile(text).map_err(|errors| syntax_error(text, &errors))?;
        let mut expression = program.expression().clone();
        let attributes = names::resolve(&mut expression).map_err(unknown)?;
        let filter = Self {
            text: text.into(),
            expression: Arc::new(expression),
            env: Arc::new(Env::stdlib()),
            attributes,
        };
        filter.check_types()?;
        Ok(filter)
    }

    /// Whether it holds for an exchange.
    pub fn matches(&self, exchange: &Exchange, route: Option<&str>) -> bool {
        self.evaluate(&|attribute| attribute.of(exchange, route)).unwrap_or(false)
    }

    /// The same filter for endpoints.
    ///
    /// # Errors
    /// When it asks for more than identifies an endpoint.
    pub fn for_endpoints(&self) -> Result<EndpointFilter, FilterError> {
        match self.attributes.iter().find(|attribute| !OF_ENDPOINTS.contains(attribute)) {
            Some(attribute) => Err(FilterError::NotOfEndpoints(attribute.name())),
            None => Ok(EndpointFilter(self.clone())),
        }
    }

    /// The attributes it asks for.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute> {
        self.attributes.iter().copied()
    }

    fn evaluate<'v>(
        &self,
        lookup: &(dyn Fn(Attribute) -> Option<Value<'v>> + Send + Sync),
    ) -> Result<bool, Failure> {
        let variables = Variables { lookup };
        let mut context = Context::with_env(Arc::clone(&self.env));
        context.set_variable_resolver(&variables);
        match cel::Value::resolve(&self.expression, &context) {
            Ok(cel::Value::Bool(holds)) => Ok(holds),
            Ok(_) => Err(Failure::NoCondition),
            Err(error) => Err(Failure::Error(error)),
        }
    }

    /// A dry run with every attribute there: what fails then, fails always.
    fn check_types(&self) -> Result<(), FilterError> {
        match self.evaluate(&|attribute| Some(sample_value(attribute))) {
            Ok(_) => Ok(()),
            Err(Failure::NoCondition) => {
                Err(FilterError::Type("the expression is neither true nor false".to_owned()))
            }
            Err(Failure::Error(
                error @ (ExecutionError::NoSuchOverload(_)
                | ExecutionError::ValuesNotComparable(..)
                | ExecutionError::UnsupportedBinaryOperator(..)),
            )) => Err(FilterError::Type(error.to_string())),
            // Such as a division by a number that is zero in the sample alone.
            Err(Failure::Error(_)) => Ok(()),
        }
    }
}

impl EndpointFilter {
    /// Whether it holds for an endpoint.
    pub fn matches(&self, id: &EndpointId) -> bool {
        let lookup = |attribute| {
            #[expect(
                clippy::wildcard_enum_match_arm,
                reason = "`Filter::for_endpoints` lets no other through"
            )]
            let text = match attribute {
                Attribute::ServiceName => &*id.service,
                Attribute::ServerAddress => Authority::parse(id.way.server()?).host,
                Attribute::Method => &*id.method,
                Attribute::Route => &*id.route,
                Attribute::ProtocolName => id.protocol,
                _ => return None,
            };
            Some(Value::String(text.into()))
        };
        self.0.evaluate(&lookup).unwrap_or(false)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filter").field(&self.text).finish()
    }
}

/// Longer ones come from programs, and the parser is recursive.
const MAX_LENGTH: usize = 4096;
const MAX_NESTING: usize = 32;

fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' | b'!' | b'-' | b'?' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

enum Failure {
    NoCondition,
    Error(ExecutionError),
}

struct Variables<'f, 'v> {
    lookup: &'f (dyn Fn(Attribute) -> Option<Value<'v>> + Send + Sync),
}

impl VariableResolver for Variables<'_, '_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        if let Some(name) = variable.strip_prefix(PRESENT) {
            let present = Attribute::named(name).and_then(self.lookup).is_some();
            return cel::Value::Bool(present).try_into().ok().map(CowVal::Owned);
        }
        Some(match (self.lookup)(Attribute::named(variable)?)? {
            Value::String(text) => CowVal::owned(CelString::from(text)),
            Value::Integer(number) => CowVal::owned(CelInt::from(number)),
            Value::Double(number) => CowVal::owned(CelDouble::from(number)),
        })
    }
}

fn sample_value(attribute: Attribute) -> Value<'static> {
    match attribute {
        Attribute::Duration
        | Attribute::TimeToFirstByte
        | Attribute::GenAiFirstToken
        | Attribute::StreamFirstMessage => Value::Double(1.0),
        Attribute::StatusCode
        | Attribute::ServerPort
        | Attribute::ClientPort
        | Attribute::RequestBodySize
        | Attribute::ResponseBodySize
        | Attribute::ProcessPid
        | Attribute::ClientProcessPid
        | Attribute::GenAiInputTokens
        | Attribute::GenAiOutputTokens
        | Attribute::StreamClientMessages
        | Attribute::StreamClientBytes
        | Attribute::StreamServerMessages
        | Attribute::StreamServerBytes
        | Attribute::StreamUnread
        | Attribute::StreamGaps
        | Attribute::WebSocketCloseCode => Value::Integer(1),
        Attribute::Time
        | Attribute::ProtocolName
        | Attribute::ProtocolVersion
        | Attribute::Method
        | Attribute::Scheme
        | Attribute::Path
        | Attribute::Query
        | Attribute::Route
        | Attribute::ServerAddress
        | Attribute::ClientAddress
        | Attribute::UserAgent
        | Attribute::ServiceName
        | Attribute::ErrorType
        | Attribute::GraphQlOperationName
        | Attribute::GraphQlOperationType
        | Attribute::RpcSystem
        | Attribute::RpcMethod
        | Attribute::McpMethod
        | Attribute::McpVersion
        | Attribute::GenAiOperation
        | Attribute::GenAiProvider
        | Attribute::GenAiRequestModel
        | Attribute::GenAiResponseModel
        | Attribute::GenAiTool
        | Attribute::GenAiPrompt
        | Attribute::StreamKind
        | Attribute::WebSocketSubprotocol
        | Attribute::WebSocketExtensions => Value::String("sample".into()),
    }
}

fn syntax_error(text: &str, errors: &cel::ParseErrors) -> FilterError {
    let first = errors.errors.first();
    let (line, column) = first.map_or((1, 1), |error| error.pos);
    let line = usize::try_from(line).unwrap_or(1).max(1);
    FilterError::Syntax {
        message: first.map_or_else(|| "this is no expression".to_owned(), |error| error.msg.clone()),
        line: text.lines().nth(line - 1).unwrap_or(text).to_owned(),
        column: usize::try_from(column).unwrap_or(1).max(1),
    }
}

fn unknown(unknown: Unknown) -> FilterError {
    let (kind, name, candidates): (_, _, Vec<&'static str>) = match unknown {
        Unknown::Attribute(name) => ("attribute", name, Attribute::ALL.iter().map(|a| a.name()).collect()),
        Unknown::Function(name) => ("function", name, names::FUNCTIONS.to_vec()),
    };
    let near = nearest(&name, candidates.into_iter().map(|c| (c, c)), 3);
    FilterError::Unknown { kind, name, near }
}

fn did_you_mean(near: &[&str]) -> String {
    if near.is_empty() {
        let names: Vec<_> = Attribute::ALL.iter().map(|attribute| attribute.name()).collect();
        return format!("; attributes are {}", names.join(", "));
    }
    format!("; did you mean {}?", near.join(" or "))
}

fn known_of_endpoints() -> String {
    OF_ENDPOINTS.map(Attribute::name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::{Filter, FilterError};
    use crate::{Way, sample};
    use overhear_exchange::ErrorType;

    fn error(text: &str) -> String {
        Filter::compile(text).unwrap_err().to_string()
    }

    #[test]
    fn holds_for_exchanges() {
        let mut exchange = sample::exchange("GET", "/orders/7", Some(503));
        exchange.error = None;
        for (text, expected) in [
            (r#"http.response.status_code >= 500 && url.path.startsWith("/orders")"#, true),
            ("http.response.status_code >= 504", false),
            (r#"service.name == "shop""#, true),
            (r#"service.name in ["shop", "cart"]"#, true),
            ("duration > 0.2 && duration < 1", true),
            ("duration > 1", false),
            (r#"http.request.method != "GET""#, false),
            ("has(error.type)", true),
            (r#"error.type == "503""#, true),
            (r#"http.route == "/orders/{orderId}""#, true),
            (r#"!(url.path.contains("orders"))"#, false),
            ("process.pid == 200 && client.process.pid == 100", true),
            (r#"time > "2024-05-01" && time < "2024-05-02""#, true),
            (r#"size(url.path) > 3 ? true : false"#, true),
            (r#"["/orders", "/x"].exists(p, url.path.startsWith(p))"#, true),
            ("http.response.body.size / 10 == 10", true),
        ] {
            let filter = Filter::compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(filter.matches(&exchange, Some("/orders/{orderId}")), expected, "{text}");
        }
    }

    #[test]
    fn what_is_absent_is_false_and_no_error() {
        let mut exchange = sample::exchange("GET", "/", None);
        exchange.duration = None;
        let holds = |text: &str| Filter::compile(text).unwrap().matches(&exchange, None);
        assert!(!holds("http.response.status_code >= 500"));
        assert!(!holds("http.response.status_code != 500"));
        assert!(!holds("has(http.response.status_code)"));
        assert!(!holds("duration >= 0.0"));
        assert!(holds("!has(error.type)"));
        assert!(holds(r#"duration > 1 || url.path == "/""#));
        assert!(holds(r#"url.path == "/" || duration > 1"#));
        exchange.error = Some(ErrorType::Timeout);
        assert!(Filter::compile(r#"error.type == "timeout""#).unwrap().matches(&exchange, None));
    }

    #[test]
    fn errors_help() {
        assert_eq!(
            error(r#"http.response.status == 500"#),
            "there is no attribute \"http.response.status\"; did you mean http.response.status_code?"
        );
        assert!(error("nope").contains("attributes are time, duration"));
        assert!(error(r#"url.path.beginsWith("/")"#).contains("no function \"beginsWith\""));
        assert!(error(r#"url.path.startWith("/")"#).contains("did you mean startsWith"));
        assert!(error("http").contains("no attribute \"http\""));
        assert!(error("url.path").contains("neither true nor false"));
        assert!(error(r#"http.response.status_code > "500""#).contains("no matching overload"));
        let syntax = error("duration >> 1");
        assert!(syntax.contains("\n  duration >> 1\n            ^\nexample: "), "{syntax}");
        assert!(matches!(Filter::compile(""), Err(FilterError::Syntax { .. })));
    }

    #[test]
    fn deep_nesting_is_refused_and_costs_no_stack() {
        for hostile in ["(".repeat(100_000), "!".repeat(4_000), "[".repeat(1_000), "-".repeat(4_000)] {
            assert!(Filter::compile(&hostile).is_err());
        }
    }

    #[test]
    fn endpoints_have_few_attributes() {
        let id = crate::EndpointId {
            service: "shop".into(),
            way: Way::Outbound("a.example:8080".into()),
            protocol: "http",
            method: "GET".into(),
            route: "/x".into(),
        };
        let filter = |text: &str| Filter::compile(text).unwrap().for_endpoints();
        assert!(filter(r#"service.name == "shop" && http.request.method == "GET""#).unwrap().matches(&id));
        assert!(filter(r#"server.address == "a.example""#).unwrap().matches(&id));
        assert!(!filter(r#"http.route.startsWith("/y")"#).unwrap().matches(&id));
        let error = filter("duration > 1").unwrap_err().to_string();
        assert!(error.starts_with("duration is not known of a saved model"), "{error}");
    }
}
