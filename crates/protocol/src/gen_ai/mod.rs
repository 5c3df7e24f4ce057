//! Calls of generative models, by the names that OpenTelemetry's conventions give what they say (`gen_ai.*`).
//!
//! Which interface is spoken shows in the path; that it is spoken at all, in the bodies. What has to be read of an answer
//! that streams is read event by event ([`Follower`]).

mod answer;
mod dialect;
mod member;

use answer::Answer;
use dialect::Dialect;
use overhear_exchange::{GenAi, Http, Method, Timestamp};

/// Longest name of a model that is kept, in bytes.
const LONGEST_MODEL: usize = 128;

/// Whether it may be a call of a model, by its method and path alone.
pub(crate) fn may_be(http: &Http) -> bool {
    Dialect::of(&http.method, &http.path).is_some()
}

/// What an exchange says of a call, from its bodies without content coding, and the events of its answer where it streams
/// (with when the request was whole); nothing where it is no call of a model.
pub(crate) fn of(
    http: &Http,
    request: &[u8],
    response: &[u8],
    events: Option<(&Follower, Timestamp)>,
) -> Option<GenAi> {
    let dialect = Dialect::of(&http.method, &http.path)?;
    let answer = match events {
        Some((follower, _)) => follower.answer.clone(),
        None => Answer::read(dialect, response),
    };
    if !dialect.is_asked_by(request) && !answer.is_telling() {
        return None;
    }
    let request_model = member::of(request, "model").and_then(member::text);
    let request_model = request_model.or_else(|| dialect::model_in(&http.path).map(Into::into));
    let first = events.and_then(|(follower, asked)| Some(follower.first_token?.since(asked)));
    Some(GenAi {
        operation: dialect.operation(),
        provider: dialect.provider(http.authority.as_deref().unwrap_or_default()),
        request_model: request_model.filter(|name| is_model(name)),
        response_model: answer.model.filter(|name| is_model(name)),
        input_tokens: answer.input,
        output_tokens: answer.output,
        time_to_first_token: first,
    })
}

/// Names of models are short and have no spaces.
fn is_model(name: &str) -> bool {
    (1..=LONGEST_MODEL).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic())
}

/// Reads the events of an answer while they come.
#[derive(Debug)]
pub(crate) struct Follower {
    dialect: Dialect,
    answer: Answer,
    first_token: Option<Timestamp>,
}

impl Follower {
    /// For the answer to this request.
    pub(crate) fn of(method: &Method, path: &str) -> Option<Self> {
        let dialect = Dialect::of(method, path)?;
        Some(Self { dialect, answer: Answer::default(), first_token: None })
    }

    /// One event or line.
    pub(crate) fn event(&mut self, time: Timestamp, data: &[u8]) {
        let part = Answer::read(self.dialect, data);
        if part.has_output {
            self.first_token.get_or_insert(time);
        }
        self.answer.go_on(part);
    }
}

#[cfg(test)]
mod tests;
