use crate::{Error, Resolution, Retention, Window};
use overhear_exchange::{Statistics, Timestamp};
use overhear_model::{Counted, Ending, Model, Series, Shaped, Slot, Sum, Tally, shape::Shapes};
use std::sync::Arc;

/// Callers told apart of what is called as a whole; the others are [`overhear_model::OTHER`].
pub const EDGES: usize = 64;
/// Statuses and callers whose first time is kept, of a series.
pub const FIRSTS: usize = 256;

/// What was counted of each series over a window.
pub type Totals = Vec<(Arc<Series>, Tally)>;

/// What was counted of each series, step by step; ascending by time, steps without calls left out.
pub type Timeline = Vec<(Arc<Series>, Vec<(Slot, Tally)>)>;

/// What was counted of each series over a window, callers and endings added up.
pub type Sums = Vec<(Arc<Series>, Sum)>;

/// The same step by step; ascending by time, steps without calls left out. Without latencies, which are most of what there
/// is to add up: of one endpoint [`Questions::timeline`] has them.
pub type SumLine = Vec<(Arc<Series>, Vec<(Slot, Sum)>)>;

/// Both, over a window and over all steps that some of it is in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lined {
    /// As [`Questions::sums`] has them.
    pub sums: Recorded<Sums>,
    /// The steps.
    pub line: Recorded<SumLine>,
}

/// What was counted between two who talk.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// What is called, as a whole ([`Series::whole`]).
    pub whole: Arc<Series>,
    /// Who calls.
    pub caller: Arc<str>,
    /// How much.
    pub sum: Sum,
}

/// Windows of parts of all series: each series is counted in one of them, or in none.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// Of each part.
    pub windows: &'a [Window],
    /// Which part a series is in.
    pub of: &'a dyn Fn(&Series) -> Option<usize>,
}

/// When a series first had something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct First {
    /// Which.
    pub series: Arc<Series>,
    /// What.
    pub what: Trait,
    /// When.
    pub slot: Slot,
}

/// What a call may be the first to have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trait {
    /// Response status; none without a response.
    Status(Option<u16>),
    /// Who calls.
    Caller(Arc<str>),
}

impl Trait {
    /// Both of calls that are counted together.
    pub(crate) fn of(caller: &Arc<str>, ending: Ending) -> [Self; 2] {
        [Self::Status(ending.status), Self::Caller(Arc::clone(caller))]
    }
}
/// What calls of each series looked like over a window.
pub type Looks = Vec<(Arc<Series>, Shapes)>;

/// All that is asked of a store.
pub trait Questions {
    /// The key that decides, with the names, what is kept beyond the bounds of a model: every model of a store has it.
    fn key(&self) -> u64;

    /// All that was learned of routes and shapes.
    ///
    /// # Errors
    /// When it cannot be read.
    fn evidence(&self) -> Result<Model, Error>;

    /// Changes whenever [`Self::evidence`] may have.
    ///
    /// # Errors
    /// When it cannot be read.
    fn evidence_version(&self) -> Result<u64, Error>;

    /// Every series there is, in no particular order.
    ///
    /// # Errors
    /// When it cannot be read.
    fn series(&self) -> Result<Vec<Arc<Series>>, Error>;

    /// What was counted of all series over a window of each part, in no particular order; series without calls left out.
    /// Where the ends are older than is kept so fine, a window is made wider: see [`Recorded::window`].
    ///
    /// # Errors
    /// When it cannot be read.
    fn sums_of(&self, parts: Parts<'_>) -> Result<Vec<Recorded<Sums>>, Error>;

    /// The same of all series over one window.
    ///
    /// # Errors
    /// When it cannot be read.
    fn sums(&self, window: Window) -> Result<Recorded<Sums>, Error> {
        self.sums_of(Parts::one(&window)).map(only)
    }

    /// The same, and step by step, with a length of steps for each part. Where so fine steps are no longer kept they are
    /// longer: see [`Recorded::resolution`].
    ///
    /// # Errors
    /// When it cannot be read.
    fn sum_lines(&self, parts: Parts<'_>, steps: &[Resolution]) -> Result<Vec<Lined>, Error>;

    /// The same of all series over one window.
    ///
    /// # Errors
    /// When it cannot be read.
    fn sum_line(&self, window: Window, step: Resolution) -> Result<Lined, Error> {
        let mut lines = self.sum_lines(Parts::one(&window), &[step])?;
        // There is one for each window.
        Ok(lines.pop().unwrap_or_default())
    }

    /// Who called what over a window of each part, in no particular order. Of each called whole at most [`EDGES`] callers are
    /// told apart.
    ///
    /// # Errors
    /// When it cannot be read.
    fn edges_of(&self, parts: Parts<'_>) -> Result<Vec<Recorded<Vec<Edge>>>, Error>;

    /// The same of all series over one window.
    ///
    /// # Errors
    /// When it cannot be read.
    fn edges(&self, window: Window) -> Result<Recorded<Vec<Edge>>, Error> {
        self.edges_of(Parts::one(&window)).map(only)
    }

    /// What was there when for the first time, of all series, in no particular order; of each series at most [`FIRSTS`].
    ///
    /// # Errors
    /// When it cannot be read.
    fn firsts(&self) -> Result<Vec<First>, Error>;

    /// What was counted of some series or of all over a window, by caller and ending, like [`Self::sums`]; far more to
    /// read.
    ///
    /// # Errors
    /// When it cannot be read.
    fn totals(&self, window: Window, of: Option<&[Series]>) -> Result<Recorded<Totals>, Error>;

    /// The same step by step.
    ///
    /// # Errors
    /// When it cannot be read.
    fn timeline(
        &self,
        window: Window,
        step: Resolution,
        of: Option<&[Series]>,
    ) -> Result<Recorded<Timeline>, Error>;

    /// What calls of each series looked like over a window, in no particular order. Hours are the finest, days where
    /// hours are no longer kept: the window is made wider. Where it begins later than was asked for, nothing is kept apart
    /// of before: of that there is [`Self::evidence`] alone.
    ///
    /// # Errors
    /// When it cannot be read.
    fn looks(&self, window: Window) -> Result<Recorded<Looks>, Error>;

    /// Who wrote and what they could not hear, those that overlap a window, oldest first.
    ///
    /// # Errors
    /// When it cannot be read.
    fn sessions(&self, window: Window) -> Result<Vec<Session>, Error>;

    /// Deploys within a window, oldest first.
    ///
    /// # Errors
    /// When it cannot be read.
    fn deploys(&self, window: Window) -> Result<Vec<Deployed>, Error>;

    /// How large it is and how far back it goes.
    ///
    /// # Errors
    /// When it cannot be read.
    fn about(&self) -> Result<About, Error>;
}

/// All that is told to a store. One process does.
pub trait Store: Questions {
    /// Adds what was counted.
    ///
    /// # Errors
    /// When it cannot be written; it is then kept, for an hour or so, and written with what comes next.
    fn append(&mut self, counted: &[Counted]) -> Result<(), Error>;

    /// Replaces what this session said before of what it has learned since it began.
    ///
    /// # Errors
    /// When it cannot be written; what was there stays.
    fn learn(&mut self, model: &Model) -> Result<(), Error>;

    /// Replaces what this session said before of what calls looked like hour by hour, as far as that was not over.
    /// `is_over`: what is said next is of other calls.
    ///
    /// # Errors
    /// When it cannot be written; what was there stays.
    fn look(&mut self, shaped: &[Shaped], is_over: bool) -> Result<(), Error>;

    /// Replaces what this session said before of itself.
    ///
    /// # Errors
    /// When it cannot be written; what was there stays.
    fn session(&mut self, at: Timestamp, statistics: &Statistics) -> Result<(), Error>;

    /// Adds a deploy; one that is known already is no other.
    ///
    /// # Errors
    /// When it cannot be written.
    fn deploy(&mut self, deployed: &Deployed) -> Result<(), Error>;

    /// Makes room: sums up what is old, forgets what is older than is kept. To be called now and then.
    ///
    /// # Errors
    /// When it cannot be written; what was there stays.
    fn tidy(&mut self, now: Timestamp) -> Result<(), Error>;
}

impl<'a> Parts<'a> {
    /// All series are one part.
    pub fn one(window: &'a Window) -> Self {
        Self { windows: std::slice::from_ref(window), of: &|_| Some(0) }
    }
}

/// The answer about the only part.
fn only<T: Default>(mut answers: Vec<Recorded<T>>) -> Recorded<T> {
    // There is one for each window.
    answers.pop().unwrap_or_default()
}

/// An answer and what it covers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recorded<T> {
    /// What was counted.
    pub what: T,
    /// When: what was asked for, or more.
    pub window: Window,
    /// How fine: as was asked for, or less.
    pub resolution: Resolution,
}

/// A time somebody listened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Counts up.
    pub number: i64,
    /// When it began to write.
    pub started: Timestamp,
    /// When it last wrote.
    pub last: Timestamp,
    /// What it heard and what it lost, by the names of the reasons.
    pub heard: Heard,
}

/// A service began to run another build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// `service.name`.
    pub service: Arc<str>,
    /// When its first process started.
    pub at: Timestamp,
    /// A git commit, an image, a build id; none of these: a restart.
    pub version: Option<Arc<str>>,
}

/// What a session heard.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Heard {
    /// Socket calls or packets.
    pub events: u64,
    /// Payload bytes, copied or not.
    pub bytes: u64,
    /// Connections.
    pub connections: u64,
    /// Exchanges.
    pub exchanges: u64,
    /// Connections that speak nothing we read, by what they look like.
    pub unreadable: Vec<(String, u64)>,
    /// Reason, events, bytes.
    pub lost: Vec<(String, u64, u64)>,
}

impl From<&Statistics> for Heard {
    fn from(statistics: &Statistics) -> Self {
        let unreadable = statistics.unreadable.iter().map(|(what, count)| ((*what).to_owned(), *count));
        let lost = statistics.lost.iter();
        Self {
            events: statistics.events,
            bytes: statistics.bytes,
            connections: statistics.connections,
            exchanges: statistics.exchanges,
            unreadable: unreadable.collect(),
            lost: lost.map(|(reason, loss)| (reason.as_str().to_owned(), loss.events, loss.bytes)).collect(),
        }
    }
}

/// A store about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    /// On disk, in bytes; in memory, nothing.
    pub bytes: u64,
    /// How long what is kept.
    pub retention: Retention,
    /// Series with calls.
    pub series: u64,
    /// The oldest calls that are kept.
    pub oldest: Option<Timestamp>,
}
