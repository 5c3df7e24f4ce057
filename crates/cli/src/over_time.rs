//! Questions over time: answers of the store, or of files as if they had been heard.

use crate::{
    arguments::{Period, Question},
    choice::Choice,
    fault::Fault,
    from, keeping,
    knowledge::Knowledge,
};
use overhear_exchange::Timestamp;
use overhear_model::shape::Effort;
use overhear_pipeline::Monitor;
use overhear_query::monitor::{Asked, Beside};
use overhear_store::{Memory, Store};

/// Who answers, and what went wrong on the way.
pub(crate) struct Answering {
    pub(crate) monitor: Monitor,
    pub(crate) asked: Asked,
    /// To be told after everything else.
    pub(crate) fault: Option<Fault>,
}

impl Answering {
    /// Reports what went wrong, if anything did.
    pub(crate) fn finish(self) -> Result<i32, Fault> {
        self.fault.map_or(Ok(0), Err)
    }
}

/// Whether the store is asked about a stretch of time.
pub(crate) fn is_asked(question: &Question) -> bool {
    let period = question.period;
    question.from.is_empty()
        && question.socket.socket.is_none()
        && (period.since.is_some() || period.until.is_some())
        && keeping::existing(&question.at).is_some()
}

/// Who answers a question: the files it names, else the store.
pub(crate) fn answering(question: &Question) -> Result<Answering, Fault> {
    let knowledge = Knowledge::read(&question.known)?;
    if !question.from.is_empty() {
        return files(question, &knowledge);
    }
    let path = keeping::existing(&question.at).ok_or_else(|| {
        Fault::new("there is no store yet: `overhear watch` writes one as it listens, or name captures with --from FILE")
    })?;
    let monitor = keeping::monitor(&path, knowledge.hints())?;
    Ok(Answering { monitor, asked: asked(question.period), fault: None })
}

/// The time a question is about.
pub(crate) fn asked(period: Period) -> Asked {
    let at = |moment: Option<crate::time::Moment>| moment.map(|moment| moment.0);
    Asked { since: at(period.since), until: at(period.until), beside: Beside::WindowBefore }
}

/// The files, read into a store in memory.
fn files(question: &Question, knowledge: &Knowledge) -> Result<Answering, Fault> {
    let choice = Choice::new(&question.scope, question.period)?;
    let mut memory = Memory::new(0);
    let mut take = |counted: Vec<_>| memory.append(&counted).map_err(Fault::new);
    let keep = from::Keep { key: 0, take: &mut take };
    let said = (&knowledge.hints(), &knowledge.names());
    let answer = from::learn_keeping(&question.from, &choice, said, Effort::Nothing, keep);
    memory.learn(&answer.model).map_err(Fault::new)?;
    let seen = answer.model.endpoints().into_iter().filter_map(|(_, endpoint)| endpoint.seen);
    let (from, until) = seen
        .fold((Timestamp::from_nanos(u64::MAX), Timestamp::default()), |(from, until), seen| {
            (from.min(seen.0), until.max(seen.1))
        });
    let until = Timestamp::from_nanos(until.as_nanos().saturating_add(1));
    let monitor = Monitor::new(Box::new(memory), knowledge.hints()).over(from.min(until), until);
    Ok(Answering { monitor, asked: asked(question.period), fault: answer.fault })
}
