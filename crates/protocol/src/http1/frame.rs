//! The bytes of one direction into frames.

use super::{
    body::{BlankLine, Defect, Framer, Framing, Piece},
    head::{EndScan, NotAHead, RequestHead, ResponseHead},
    resync,
};
use overhear_exchange::Timestamp;

/// Which messages a direction carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Requests,
    Responses,
}

/// One direction: where in its messages the next byte lies.
#[derive(Debug)]
pub(super) struct Lane {
    kind: Kind,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// Between messages, or within a head.
    Head(PartialHead),
    /// Within a head that is too long.
    LongHead(BlankLine),
    Body(Framer),
    /// After a loss.
    Lost(PartialHead),
}

/// As much of a head as has come, when it did not come at once.
#[derive(Debug, Default)]
struct PartialHead {
    bytes: Vec<u8>,
    scan: EndScan,
    started: Timestamp,
}

/// What the next bytes of a direction are.
#[derive(Debug)]
pub(super) enum Frame<'a> {
    /// All input is used up.
    NeedMore,
    /// A head, and when its first byte came. The lane has to be told how the body [ends](Lane::expect).
    Head { head: Head, started: Timestamp },
    /// The first lines of a head that is longer than allowed. The lane is lost after its end.
    LongHead { head: Head, started: Timestamp },
    /// Content of the body.
    Content(&'a [u8]),
    /// The message is over.
    End,
    /// No message starts where one should. The lane is lost.
    Junk,
    /// The body's framing is broken. The lane is lost.
    Broken(Defect),
}

/// A message head.
#[derive(Debug)]
pub(super) enum Head {
    Request(Box<RequestHead>),
    Response(Box<ResponseHead>),
}

impl Lane {
    /// A direction of which the next byte starts a message.
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, phase: Phase::Head(PartialHead::default()) }
    }

    /// The next frame. `arrival`: `input` starts with the first byte of what was delivered at once.
    pub(super) fn next<'a>(
        &mut self,
        time: Timestamp,
        input: &mut &'a [u8],
        arrival: bool,
        limit: usize,
    ) -> Frame<'a> {
        match &mut self.phase {
            Phase::Head(partial) => match partial.next(self.kind, time, input, limit) {
                Step::NeedMore => Frame::NeedMore,
                Step::Head(head, started) => Frame::Head { head, started },
                Step::Long(head, started, rest) => {
                    self.phase = Phase::LongHead(rest);
                    Frame::LongHead { head, started }
                }
                Step::Junk => {
                    self.lose();
                    Frame::Junk
                }
            },
            Phase::LongHead(blank) => {
                if blank.skip(input) {
                    self.lose();
                }
                *input = &[];
                Frame::NeedMore
            }
            Phase::Body(framer) => match framer.next(input) {
                Piece::NeedMore => Frame::NeedMore,
                Piece::Content(content) => Frame::Content(content),
                Piece::End => {
                    self.phase = Phase::Head(PartialHead::default());
                    Frame::End
                }
                Piece::Broken(defect) => {
                    self.lose();
                    Frame::Broken(defect)
                }
            },
            Phase::Lost(partial) => partial.search(self.kind, time, input, arrival, limit),
        }
    }

    /// How the body of the message whose head came last ends.
    pub(super) fn expect(&mut self, framing: Framing) {
        self.phase = Phase::Body(Framer::new(framing));
    }

    /// Passes over unseen bytes of a body; `None` when they are not all within it.
    pub(super) fn skip(&mut self, length: Option<u64>) -> Skip {
        match (&mut self.phase, length) {
            (Phase::Body(Framer::UntilClose), None) => Skip::SomeContent,
            (Phase::Body(framer), Some(length)) => match (framer.skip(length), framer) {
                (Some(content), _) => Skip::Content(content),
                (None, Framer::Length(left)) => Skip::PastEnd(*left),
                (None, Framer::Chunked(_) | Framer::UntilClose) => Skip::Lost { within: true },
            },
            (Phase::Body(_), None) => Skip::Lost { within: true },
            (Phase::Head(_) | Phase::LongHead(_) | Phase::Lost(_), _) => Skip::Lost { within: false },
        }
    }

    /// The place is lost: wait for an arrival that starts with a message.
    pub(super) fn lose(&mut self) {
        self.phase = Phase::Lost(PartialHead::default());
    }

    pub(super) const fn is_lost(&self) -> bool {
        matches!(self.phase, Phase::Lost(_) | Phase::LongHead(_))
    }

    /// Between two messages, with nothing of the next.
    pub(super) fn is_at_boundary(&self) -> bool {
        matches!(&self.phase, Phase::Head(partial) if partial.bytes.is_empty())
    }

    /// Within a body that the end of the connection ends.
    pub(super) const fn is_until_close(&self) -> bool {
        matches!(self.phase, Phase::Body(Framer::UntilClose))
    }

    /// At the end of a body of known length, which was not said yet.
    pub(super) const fn is_complete(&self) -> bool {
        matches!(self.phase, Phase::Body(Framer::Length(0)))
    }

    pub(super) fn retained(&self) -> usize {
        match &self.phase {
            Phase::Head(partial) | Phase::Lost(partial) => partial.bytes.capacity(),
            Phase::LongHead(_) | Phase::Body(_) => 0,
        }
    }
}

/// What unseen bytes were to a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skip {
    /// So much content; the place is still known.
    Content(u64),
    /// Content, nobody knows how much; the place is still known.
    SomeContent,
    /// The last bytes of the body and then more.
    PastEnd(u64),
    /// The place is lost, `within` a body or where a message was to start.
    Lost { within: bool },
}

enum Step {
    NeedMore,
    Head(Head, Timestamp),
    Long(Head, Timestamp, BlankLine),
    Junk,
}

impl PartialHead {
    /// In step: the input goes on with a head, or starts one.
    fn next(&mut self, kind: Kind, time: Timestamp, input: &mut &[u8], limit: usize) -> Step {
        if self.bytes.is_empty() {
            // Empty lines before a message are noise (RFC 9112 §2.2).
            *input = input.get(leading_newlines(input)..).unwrap_or_default();
            if input.is_empty() {
                return Step::NeedMore;
            }
            self.started = time;
            self.scan = EndScan::default();
        }
        let had = self.scan.whole_lines();
        match self.take(input, limit) {
            Taken::Whole(head) => match kind.parse(&head) {
                Ok(head) => Step::Head(head, self.started),
                Err(NotAHead) => Step::Junk,
            },
            Taken::Partial if kind.may_go_on(&self.bytes) && !self.has_wrong_first_line(kind, had) => {
                Step::NeedMore
            }
            Taken::Partial => Step::Junk,
            Taken::TooLong(lines, rest) => match kind.parse(&lines) {
                Ok(head) => Step::Long(head, self.started, rest),
                Err(NotAHead) => Step::Junk,
            },
        }
    }

    /// Out of step: an arrival may start with a head.
    fn search<'a>(
        &mut self,
        kind: Kind,
        time: Timestamp,
        input: &mut &'a [u8],
        arrival: bool,
        limit: usize,
    ) -> Frame<'a> {
        let whole = *input;
        if !self.bytes.is_empty() {
            if let Some(frame) = self.search_on(kind, input, limit) {
                return frame;
            }
            // What was held was no head; these bytes may still start one.
            *input = whole;
        }
        self.bytes = Vec::new();
        self.scan = EndScan::default();
        self.started = time;
        if arrival
            && kind.may_start(input)
            && let Some(frame) = self.search_on(kind, input, limit)
        {
            return frame;
        }
        self.bytes = Vec::new();
        *input = &[];
        Frame::NeedMore
    }

    fn search_on<'a>(&mut self, kind: Kind, input: &mut &'a [u8], limit: usize) -> Option<Frame<'a>> {
        let had = self.scan.whole_lines();
        match self.take(input, limit) {
            Taken::Whole(head) => {
                let head = kind.parse(&head).ok().filter(Head::is_convincing)?;
                Some(Frame::Head { head, started: self.started })
            }
            Taken::Partial if kind.may_start(&self.bytes) && !self.has_wrong_first_line(kind, had) => {
                Some(Frame::NeedMore)
            }
            Taken::Partial | Taken::TooLong(..) => None,
        }
    }

    /// Looks at the first line once, when it is complete: when there were no whole lines (`had`) before.
    fn has_wrong_first_line(&self, kind: Kind, had: usize) -> bool {
        if had > 0 {
            return false;
        }
        let lines = self.bytes.get(..self.scan.whole_lines()).unwrap_or_default();
        let first = lines.split_inclusive(|b| *b == b'\n').next();
        first.is_some_and(|line| !kind.is_first_line(line))
    }

    /// Takes the head, or what there is of it, off the input.
    fn take<'a>(&mut self, input: &mut &'a [u8], limit: usize) -> Taken<'a> {
        if self.bytes.is_empty() {
            // The usual case: the head is all there and is read in place.
            if let Some(end) = self.scan.find(input).filter(|end| *end <= limit) {
                let (head, rest) = input.split_at_checked(end).unwrap_or((input, &[]));
                *input = rest;
                return Taken::Whole(std::borrow::Cow::Borrowed(head));
            }
            self.scan = EndScan::default();
        }
        let before = self.bytes.len();
        let room = limit.saturating_sub(before);
        let fits = input.get(..room).unwrap_or(input);
        self.bytes.extend_from_slice(fits);
        if let Some(end) = self.scan.find(&self.bytes) {
            *input = input.get(end.saturating_sub(before)..).unwrap_or_default();
            let mut head = std::mem::take(&mut self.bytes);
            head.truncate(end);
            return Taken::Whole(head.into());
        }
        *input = input.get(fits.len()..).unwrap_or_default();
        if input.is_empty() && self.bytes.len() < limit {
            return Taken::Partial;
        }
        let mut lines = std::mem::take(&mut self.bytes);
        let last = lines.split_off(self.scan.whole_lines().min(lines.len()));
        let mut rest = BlankLine::default();
        rest.skip(&mut last.as_slice());
        Taken::TooLong(lines, rest)
    }
}

enum Taken<'a> {
    Whole(std::borrow::Cow<'a, [u8]>),
    Partial,
    /// The whole lines that were kept, and the place in the next.
    TooLong(Vec<u8>, BlankLine),
}

impl Kind {
    fn parse(self, head: &[u8]) -> Result<Head, NotAHead> {
        match self {
            Self::Requests => RequestHead::parse(head).map(|head| Head::Request(Box::new(head))),
            Self::Responses => ResponseHead::parse(head).map(|head| Head::Response(Box::new(head))),
        }
    }

    fn may_start(self, bytes: &[u8]) -> bool {
        match self {
            Self::Requests => resync::may_start_request(bytes),
            Self::Responses => resync::may_start_response(bytes),
        }
    }

    /// As [`Self::may_start`], where a message has to be anyway.
    fn may_go_on(self, bytes: &[u8]) -> bool {
        match self {
            Self::Requests => super::head::may_be_request_line(bytes),
            Self::Responses => resync::may_start_response(bytes),
        }
    }

    fn is_first_line(self, line: &[u8]) -> bool {
        match self {
            Self::Requests => super::head::request_line(line).is_some(),
            Self::Responses => super::head::is_status_line(line),
        }
    }
}

impl Head {
    fn is_convincing(&self) -> bool {
        match self {
            Self::Request(head) => resync::is_convincing_request(head),
            Self::Response(head) => resync::is_convincing_response(head),
        }
    }
}

fn leading_newlines(input: &[u8]) -> usize {
    input.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count()
}
