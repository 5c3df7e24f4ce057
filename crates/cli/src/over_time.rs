//! Questions over time: answers of the store, or of files as if they had been heard.

use crate::{
    arguments::{Period, Question},
    choice::Choice,
    fault::Fault,
    from, keeping,
    knowledge::Knowledge,
    output::tell,
    time,
};
use overhear_exchange::Timestamp;
use overhear_model::shape::Effort;
use overhear_pipeline::{Monitor, Within, within};
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
    let monitor = keeping::monitor(&path, &knowledge)?;
    Ok(Answering { monitor, asked: asked(question.period), fault: None })
}

/// What the store knows of the time that is asked about; says which time that is.
pub(crate) fn model(question: &Question, knowledge: &Knowledge) -> Result<Within, Fault> {
    let path = keeping::existing(&question.at).ok_or_else(|| Fault::new("there is no store to ask"))?;
    let Asked { since, until, .. } = asked(question.period);
    let (since, until) = (since.unwrap_or_default(), until.unwrap_or_else(keeping::now));
    let said = (&knowledge.names(), &knowledge.hints());
    let known = within(&keeping::reader(&path)?, said, (since, until)).map_err(Fault::new)?;
    let Within { counted, shaped, .. } = known;
    let is_it = |(from, to): (Timestamp, Timestamp)| {
        let apart = |a: Timestamp, b: Timestamp| a.as_nanos().abs_diff(b.as_nanos()) >= MINUTE;
        !apart(from, since) && !apart(to, until)
    };
    if shaped != Some(counted) || !is_it(counted) {
        let shapes =
            shaped.map_or_else(|| "of all time: they are not kept apart so far back".to_owned(), covered);
        tell(&format!("overhear: counts {}; shapes {shapes}", covered(counted)));
    }
    Ok(known)
}

/// Nanoseconds; less is not told.
const MINUTE: u64 = 60_000_000_000;

fn covered((from, until): (Timestamp, Timestamp)) -> String {
    if from == Timestamp::default() {
        return format!("until {}", time::rfc3339(until));
    }
    format!("from {} until {}", time::rfc3339(from), time::rfc3339(until))
}

/// The time a question is about.
pub(crate) fn asked(period: Period) -> Asked {
    let at = |moment: Option<time::Moment>| moment.map(|moment| moment.0);
    Asked { since: at(period.since), until: at(period.until), beside: Beside::WindowBefore }
}

/// The files, read into a store in memory.
fn files(question: &Question, knowledge: &Knowledge) -> Result<Answering, Fault> {
    let choice = Choice::new(&question.scope, question.period)?;
    let key = from::key(&question.from).unwrap_or_default();
    let mut memory = Memory::new(key);
    let mut take = |counted: Vec<_>, shaped: Vec<_>| {
        memory.append(&counted).and_then(|()| memory.look(&shaped, true)).map_err(Fault::new)
    };
    let keep = from::Keep { key, take: Some(&mut take) };
    let said = (&knowledge.hints(), &knowledge.names());
    let answer = from::learn_keeping(&question.from, &choice, said, Effort::Nothing, keep);
    memory.learn(&answer.model).map_err(Fault::new)?;
    let seen = answer.model.endpoints().into_iter().filter_map(|(_, endpoint)| endpoint.seen);
    let (from, until) = seen
        .fold((Timestamp::from_nanos(u64::MAX), Timestamp::default()), |(from, until), seen| {
            (from.min(seen.0), until.max(seen.1))
        });
    let until = Timestamp::from_nanos(until.as_nanos().saturating_add(1));
    let monitor = Monitor::new(Box::new(memory), knowledge.hints());
    let monitor = monitor.saying(knowledge.names()).over(from.min(until), until);
    Ok(Answering { monitor, asked: asked(question.period), fault: answer.fault })
}
