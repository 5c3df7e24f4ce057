//! Bytes of one direction into frames (RFC 9113 §4).
//!
//! Content goes by in pieces; every other frame is given whole, out of the input where it lies there whole, else out of a
//! buffer with a bound.

use super::resync::Search;
use overhear_exchange::Timestamp;

/// What a client sends first (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame's head.
pub(super) const HEAD: usize = 9;

/// Types of frames (RFC 9113 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Headers,
    Priority,
    Reset,
    Settings,
    Push,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// An extension (RFC 7838, 8336, 9218 …), which means nothing here.
    Other,
}

/// The head of a frame (RFC 9113 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) length: u32,
    pub(super) kind: Kind,
    flags: u8,
    pub(super) stream: u32,
}

impl Head {
    pub(super) const END_STREAM: u8 = 0x1;
    pub(super) const END_HEADERS: u8 = 0x4;
    const PADDED: u8 = 0x8;
    const PRIORITY: u8 = 0x20;

    /// Absent when no sender may write this.
    pub(super) fn parse(bytes: [u8; HEAD]) -> Option<Self> {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = bytes;
        let kind = match kind {
            0 => Kind::Data,
            1 => Kind::Headers,
            2 => Kind::Priority,
            3 => Kind::Reset,
            4 => Kind::Settings,
            5 => Kind::Push,
            6 => Kind::Ping,
            7 => Kind::GoAway,
            8 => Kind::WindowUpdate,
            9 => Kind::Continuation,
            _ => Kind::Other,
        };
        let head = Self {
            length: u32::from_be_bytes([0, l0, l1, l2]),
            kind,
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff,
        };
        head.is_possible().then_some(head)
    }

    /// What is a connection error otherwise: lengths, and on which stream what may be.
    const fn is_possible(&self) -> bool {
        let on_stream = self.stream != 0;
        match self.kind {
            Kind::Data | Kind::Headers | Kind::Continuation => on_stream,
            Kind::Push => on_stream && self.length >= 4,
            Kind::Priority => on_stream && self.length == 5,
            Kind::Reset => on_stream && self.length == 4,
            Kind::Settings => {
                !on_stream && self.length.is_multiple_of(6) && (!self.has(1) || self.length == 0)
            }
            Kind::Ping => !on_stream && self.length == 8,
            Kind::GoAway => !on_stream && self.length >= 8,
            Kind::WindowUpdate => self.length == 4,
            Kind::Other => true,
        }
    }

    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Flags that mean nothing here are not set by anybody (RFC 9113 §4.1), nor the reserved bit.
    pub(super) const fn is_regular(&self, first_of_stream: u8) -> bool {
        let defined = match self.kind {
            Kind::Data => Self::END_STREAM | Self::PADDED,
            Kind::Headers => Self::END_STREAM | Self::END_HEADERS | Self::PADDED | Self::PRIORITY,
            Kind::Settings | Kind::Ping => 0x1,
            Kind::Push => Self::END_HEADERS | Self::PADDED,
            Kind::Continuation => Self::END_HEADERS,
            Kind::Priority | Kind::Reset | Kind::GoAway | Kind::WindowUpdate => 0,
            Kind::Other => return false,
        };
        first_of_stream & 0x80 == 0 && self.flags & !defined == 0
    }

    /// What lies between padding and priority (RFC 9113 §6.2, §6.6).
    pub(super) fn fragment<'a>(&self, payload: &'a [u8]) -> Option<&'a [u8]> {
        let (mut rest, mut padding) = (payload, 0);
        if self.has(Self::PADDED) && self.kind != Kind::Continuation {
            let (length, after) = payload.split_first()?;
            (padding, rest) = (usize::from(*length), after);
        }
        if self.kind == Kind::Headers && self.has(Self::PRIORITY) {
            rest = rest.get(5..)?;
        }
        rest.get(..rest.len().checked_sub(padding)?)
    }
}

/// What comes next in a direction.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    NeedMore,
    Preface,
    /// Content of a stream.
    Content {
        stream: u32,
        content: &'a [u8],
    },
    /// A DATA frame is over, and with it the stream's content where it says so.
    ContentEnd {
        stream: u32,
        end_stream: bool,
    },
    /// Any other frame, with its payload. Its first byte came at `started`.
    Whole {
        head: Head,
        payload: &'a [u8],
        started: Timestamp,
    },
    /// A frame that is too long to be kept, or of which something was not seen.
    Passed {
        head: Head,
    },
    /// These bytes are no frame.
    Broken,
}

/// What a gap falls into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skip {
    /// So many bytes of a stream's content; the place stays known.
    Content { stream: u32, length: u64 },
    /// The rest of one frame, or a part of it: the place stays known.
    Frame,
    /// The place is lost.
    Lost,
}

/// One direction.
#[derive(Debug)]
pub(super) struct Lane {
    state: State,
    /// What came of a frame that is given whole, with its head.
    held: Vec<u8>,
    /// When the first byte of the frame came that is under way.
    started: Timestamp,
}

#[derive(Debug)]
enum State {
    Preface {
        seen: usize,
    },
    /// At the head of a frame, some of which may be in `held`.
    Head,
    /// Collecting a payload in `held`.
    Payload(Head),
    /// `held` was given out.
    Given,
    /// The length of the padding comes first.
    Padding(Head),
    Content {
        head: Head,
        content: u32,
        padding: u32,
    },
    /// The rest of a frame that is not kept.
    Passing {
        head: Head,
        left: u32,
    },
    Lost(Box<Search>),
}

impl Lane {
    /// A client's, from its first byte on.
    pub(super) const fn with_preface() -> Self {
        Self { state: State::Preface { seen: 0 }, held: Vec::new(), started: Timestamp::from_nanos(0) }
    }

    /// At the head of a frame.
    pub(super) const fn at_head() -> Self {
        Self { state: State::Head, held: Vec::new(), started: Timestamp::from_nanos(0) }
    }

    /// Mid-stream.
    pub(super) fn lost() -> Self {
        Self { state: State::Lost(Box::default()), held: Vec::new(), started: Timestamp::from_nanos(0) }
    }

    pub(super) fn lose(&mut self) {
        *self = Self::lost();
    }

    pub(super) const fn is_lost(&self) -> bool {
        matches!(self.state, State::Lost(_))
    }

    /// Where the place is lost: looks for the head of a frame in all that came since. What came from there on is to be
    /// read next.
    pub(super) fn search(&mut self, input: &[u8], limit: usize) -> Option<Vec<u8>> {
        let State::Lost(search) = &mut self.state else { return None };
        let found = search.add(input, limit)?;
        *self = Self::at_head();
        Some(found)
    }

    /// Takes the next thing off `input`. Frames over `limit` are passed over.
    pub(super) fn next<'s, 'i: 's>(
        &'s mut self,
        time: Timestamp,
        input: &mut &'i [u8],
        limit: usize,
    ) -> Frame<'s> {
        if matches!(self.state, State::Given) {
            self.rest();
        }
        loop {
            match &mut self.state {
                State::Preface { seen } => {
                    let expected = PREFACE.get(*seen..).unwrap_or_default();
                    let length = expected.len().min(input.len());
                    let (start, rest) = input.split_at_checked(length).unwrap_or((input, &[]));
                    if !expected.starts_with(start) {
                        return Frame::Broken;
                    }
                    *input = rest;
                    *seen += length;
                    if *seen < PREFACE.len() {
                        return Frame::NeedMore;
                    }
                    self.state = State::Head;
                    return Frame::Preface;
                }
                State::Head => match self.head(time, input) {
                    Some(Ok(head)) => self.begin(head, limit),
                    Some(Err(())) => return Frame::Broken,
                    None => return Frame::NeedMore,
                },
                State::Payload(head) => {
                    let head = *head;
                    return self.payload(head, input);
                }
                State::Padding(head) => {
                    let Some((padding, rest)) = input.split_first() else { return Frame::NeedMore };
                    *input = rest;
                    let padding = u32::from(*padding);
                    let Some(content) = head.length.checked_sub(1 + padding) else { return Frame::Broken };
                    self.state = State::Content { head: *head, content, padding };
                }
                State::Content { head, content: content @ 1.., .. } => {
                    if input.is_empty() {
                        return Frame::NeedMore;
                    }
                    let piece = take(content, input);
                    return Frame::Content { stream: head.stream, content: piece };
                }
                State::Content { head, padding, .. } => {
                    take(padding, input);
                    if *padding > 0 {
                        return Frame::NeedMore;
                    }
                    let (stream, end_stream) = (head.stream, head.has(Head::END_STREAM));
                    self.state = State::Head;
                    return Frame::ContentEnd { stream, end_stream };
                }
                State::Passing { head, left } => {
                    take(left, input);
                    if *left > 0 {
                        return Frame::NeedMore;
                    }
                    let head = *head;
                    self.state = State::Head;
                    return Frame::Passed { head };
                }
                State::Given | State::Lost(_) => return Frame::NeedMore,
            }
        }
    }

    /// Passes over bytes that were not seen.
    pub(super) fn skip(&mut self, length: Option<u64>) -> Skip {
        let Some(length) = length.and_then(|length| u32::try_from(length).ok()) else { return Skip::Lost };
        match &mut self.state {
            State::Content { head, content, padding } if length <= *content + *padding => {
                let lost = length.min(*content);
                *content -= lost;
                *padding -= length - lost;
                Skip::Content { stream: head.stream, length: lost.into() }
            }
            State::Passing { left, .. } if length <= *left => {
                *left -= length;
                Skip::Frame
            }
            State::Payload(head) => {
                let came = u32::try_from(self.held.len().saturating_sub(HEAD)).unwrap_or(u32::MAX);
                let Some(left) = head.length.checked_sub(came).and_then(|left| left.checked_sub(length))
                else {
                    return Skip::Lost;
                };
                let head = *head;
                self.held = Vec::new();
                self.state = State::Passing { head, left };
                Skip::Frame
            }
            State::Given
            | State::Head
            | State::Preface { .. }
            | State::Padding(_)
            | State::Content { .. }
            | State::Passing { .. }
            | State::Lost(_) => Skip::Lost,
        }
    }

    pub(super) fn retained(&self) -> usize {
        let search =
            if let State::Lost(search) = &self.state { size_of::<Search>() + search.retained() } else { 0 };
        self.held.capacity() + search
    }

    /// The head of the next frame, once it is there.
    fn head(&mut self, time: Timestamp, input: &mut &[u8]) -> Option<Result<Head, ()>> {
        if self.held.is_empty() {
            if input.is_empty() {
                return None;
            }
            self.started = time;
            if let Some((bytes, rest)) = input.split_first_chunk::<HEAD>() {
                *input = rest;
                return Some(Head::parse(*bytes).ok_or(()));
            }
        }
        let wanted = HEAD.saturating_sub(self.held.len()).min(input.len());
        let (bytes, rest) = input.split_at_checked(wanted).unwrap_or((input, &[]));
        self.held.extend_from_slice(bytes);
        *input = rest;
        let head = Head::parse(*self.held.first_chunk::<HEAD>()?).ok_or(());
        self.held.clear();
        Some(head)
    }

    fn begin(&mut self, head: Head, limit: usize) {
        self.state = match head.kind {
            Kind::Data if head.has(Head::PADDED) => State::Padding(head),
            Kind::Data => State::Content { head, content: head.length, padding: 0 },
            // Nothing of these is wanted.
            Kind::Other | Kind::Priority | Kind::Settings | Kind::Ping | Kind::WindowUpdate => {
                State::Passing { head, left: head.length }
            }
            Kind::Headers | Kind::Push | Kind::Continuation | Kind::Reset | Kind::GoAway => {
                if usize::try_from(head.length).is_ok_and(|length| length <= limit) {
                    State::Payload(head)
                } else {
                    State::Passing { head, left: head.length }
                }
            }
        };
    }

    /// A payload that is wanted whole.
    fn payload<'s, 'i: 's>(&'s mut self, head: Head, input: &mut &'i [u8]) -> Frame<'s> {
        let length = usize::try_from(head.length).unwrap_or(usize::MAX);
        let started = self.started;
        if self.held.is_empty()
            && let Some((payload, rest)) = input.split_at_checked(length)
        {
            *input = rest;
            self.state = State::Head;
            return Frame::Whole { head, payload, started };
        }
        if self.held.is_empty() {
            // So that what came of it can be told from nothing.
            self.held.extend_from_slice(&[0; HEAD]);
        }
        let wanted = (HEAD + length).saturating_sub(self.held.len()).min(input.len());
        let (bytes, rest) = input.split_at_checked(wanted).unwrap_or((input, &[]));
        self.held.extend_from_slice(bytes);
        *input = rest;
        if self.held.len() < HEAD + length {
            return Frame::NeedMore;
        }
        self.state = State::Given;
        Frame::Whole { head, payload: self.held.get(HEAD..).unwrap_or_default(), started }
    }

    /// What was given out is over; a large buffer is not kept for small frames.
    fn rest(&mut self) {
        self.state = State::Head;
        self.held.clear();
        if self.held.capacity() > 1024 {
            self.held = Vec::new();
        }
    }
}

fn take<'a>(left: &mut u32, input: &mut &'a [u8]) -> &'a [u8] {
    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    let (piece, rest) = input.split_at_checked(length).unwrap_or((input, &[]));
    *input = rest;
    *left -= u32::try_from(length).unwrap_or(*left);
    piece
}

#[cfg(test)]
mod tests {
    use super::{Frame, HEAD, Head, Kind, Lane, Skip};
    use overhear_exchange::Timestamp;

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
    }

    /// What a lane says, content joined.
    fn told(lane: &mut Lane, input: &[u8]) -> Vec<String> {
        let (mut rest, mut told) = (input, Vec::new());
        loop {
            told.push(match lane.next(Timestamp::default(), &mut rest, 1000) {
                Frame::NeedMore => return told,
                Frame::Whole { head, payload, .. } => {
                    let fragment = head.fragment(payload).map(|bytes| bytes.escape_ascii().to_string());
                    format!("{:?} {} {}", head.kind, head.stream, fragment.unwrap_or("bad".into()))
                }
                Frame::Broken => {
                    told.push("broken".into());
                    return told;
                }
                other @ (Frame::Preface
                | Frame::Content { .. }
                | Frame::ContentEnd { .. }
                | Frame::Passed { .. }) => format!("{other:?}"),
            });
        }
    }

    #[test]
    fn takes_padding_and_priority_off() {
        let padded = frame(1, 0x2c, 1, b"\x02\0\0\0\0\x10block\0\0");
        assert_eq!(told(&mut Lane::at_head(), &padded), ["Headers 1 block"]);
        let too_much = frame(1, 0x0c, 1, b"\x09block");
        assert_eq!(told(&mut Lane::at_head(), &too_much), ["Headers 1 bad"]);
        let data = frame(0, 0x09, 3, b"\x02abc\0\0");
        let content = format!("{:?}", Frame::Content { stream: 3, content: b"abc" });
        let end = format!("{:?}", Frame::ContentEnd { stream: 3, end_stream: true });
        assert_eq!(told(&mut Lane::at_head(), &data), [content, end]);
        assert_eq!(told(&mut Lane::at_head(), &frame(0, 0x08, 3, b"\x03ab")), ["broken"]);
    }

    #[test]
    fn a_frame_is_the_same_however_it_is_cut() {
        let frames = [frame(1, 4, 1, b"abc"), frame(3, 0, 1, b"\0\0\0\x08"), frame(1, 5, 3, b"")].concat();
        let whole = told(&mut Lane::at_head(), &frames);
        assert_eq!(whole.len(), 3);
        let (mut lane, mut cut) = (Lane::at_head(), Vec::new());
        for byte in &frames {
            cut.extend(told(&mut lane, std::slice::from_ref(byte)));
        }
        assert_eq!(cut, whole);
    }

    #[test]
    fn what_nobody_may_send_is_broken() {
        for (kind, stream, length) in [
            (0, 0, 1),
            (1, 0, 1),
            (2, 1, 4),
            (3, 1, 5),
            (3, 0, 4),
            (4, 1, 6),
            (4, 0, 5),
            (6, 0, 7),
            (7, 0, 4),
            (8, 1, 5),
        ] {
            let head = Head::parse([0, 0, length, kind, 0, 0, 0, 0, stream]);
            assert_eq!(head, None, "{kind} on {stream} of {length}");
        }
        assert_eq!(Head::parse([0, 0, 1, 0xfa, 0, 0, 0, 0, 0]).map(|head| head.kind), Some(Kind::Other));
    }

    #[test]
    fn a_gap_within_one_frame_keeps_the_place() {
        let mut lane = Lane::at_head();
        let data = frame(0, 0, 1, b"abcdefgh");
        let mut input = data.get(..HEAD + 2).unwrap();
        assert!(matches!(lane.next(Timestamp::default(), &mut input, 99), Frame::Content { .. }));
        assert_eq!(lane.skip(Some(6)), Skip::Content { stream: 1, length: 6 });
        let end = format!("{:?}", Frame::ContentEnd { stream: 1, end_stream: false });
        assert_eq!(told(&mut lane, &frame(1, 4, 3, b"x")), [end, "Headers 3 x".into()]);
        assert_eq!(told(&mut lane, b"\0\0\x05\x01\x04\0\0\0\x05ab"), Vec::<String>::new());
        assert_eq!(lane.skip(Some(4)), Skip::Lost);
        assert_eq!(lane.skip(Some(2)), Skip::Frame);
        assert_eq!(told(&mut lane, b"e").len(), 1, "the frame is passed");
        assert_eq!(lane.skip(Some(1)), Skip::Lost, "a head may have begun");
        assert_eq!(lane.skip(None), Skip::Lost);
    }
}
