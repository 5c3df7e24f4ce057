//! Frames of one direction into messages (RFC 6455 §5.4): fragments together, control frames between them apart.

use super::{
    frame::{Frame, Header, Lane, Opcode, PIECE, Skip},
    inflate::{Context, Inflating},
};

/// One direction.
#[derive(Debug)]
pub(super) struct Direction {
    lane: Lane,
    context: Context,
    /// The frame that is underway.
    frame: Option<Header>,
    message: Option<Partial>,
    /// The payload of a Close frame, as far as it matters.
    code: Code,
    /// Payloads mean something else: an extension is not known.
    is_opaque: bool,
    /// Bytes kept of a message.
    limit: usize,
}

/// A message of which the end did not come yet.
#[derive(Debug)]
struct Partial {
    is_text: bool,
    content: Vec<u8>,
    /// All of it so far is in `content`.
    complete: bool,
    /// Bytes of payload on the wire.
    size: u64,
    compression: Compression,
}

#[derive(Debug)]
enum Compression {
    None,
    Reading(Box<Inflating>),
    /// It is compressed and cannot be read.
    Unreadable,
}

/// Status code of a Close frame (§5.5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Code {
    #[default]
    None,
    First(u8),
    Whole(u16),
    /// Its bytes were not seen.
    Unseen,
}

/// What was understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// A message.
    Message { is_text: bool, content: &'a [u8], complete: bool, size: u64 },
    /// The end closes the connection, with this code where that was seen.
    Close(Option<u16>),
    /// The place was lost: messages may be missing.
    Lost,
}

impl Direction {
    pub(super) const fn new(masked: bool, context: Context, is_opaque: bool, limit: usize) -> Self {
        let (frame, message) = (None, None);
        Self { lane: Lane::new(masked), context, frame, message, code: Code::None, is_opaque, limit }
    }

    /// Reads what was delivered at once.
    pub(super) fn read(&mut self, mut input: &[u8], out: &mut dyn FnMut(Heard<'_>)) {
        let mut scratch = [0; PIECE];
        let mut arrival = true;
        loop {
            match self.lane.next(&mut input, arrival, &mut scratch) {
                Frame::NeedMore => return,
                Frame::Begin(header) => self.begin(header, out),
                Frame::Payload(length) => self.payload(scratch.get(..length).unwrap_or_default()),
                Frame::End => self.end(out),
                Frame::Invalid => self.lose(out),
            }
            arrival = false;
        }
    }

    /// Passes over bytes that were not seen.
    pub(super) fn gap(&mut self, length: Option<u64>, out: &mut dyn FnMut(Heard<'_>)) {
        match self.lane.skip(length) {
            Skip::Nothing => {}
            Skip::Lost => self.lose(out),
            Skip::Payload => {
                if self.frame.is_some_and(|frame| frame.opcode.is_control()) {
                    self.code = Code::Unseen;
                } else if let Some(message) = &mut self.message {
                    message.lose(length.unwrap_or(0));
                }
                if self.lane.is_at_end() {
                    self.read(&[], out);
                }
            }
        }
    }

    pub(super) fn retained(&self) -> usize {
        let message = self.message.as_ref().map_or(0, |message| {
            let inflating = match &message.compression {
                Compression::Reading(inflating) => inflating.retained(),
                Compression::None | Compression::Unreadable => 0,
            };
            message.content.capacity() + inflating
        });
        message + self.context.retained()
    }

    fn begin(&mut self, header: Header, out: &mut dyn FnMut(Heard<'_>)) {
        self.frame = Some(header);
        match header.opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong => self.code = Code::None,
            Opcode::Continuation => {
                // The beginning was not seen: it is a message all the same.
                self.message.get_or_insert_with(|| Partial::unreadable(false));
            }
            opcode @ (Opcode::Text | Opcode::Binary) => {
                // The one before was not finished, which nobody may do.
                if self.message.is_some() {
                    self.finish(out);
                }
                let is_text = opcode == Opcode::Text;
                let compression = match (header.compressed, self.is_opaque) {
                    (false, false) => Compression::None,
                    (_, true) => Compression::Unreadable,
                    (true, false) => match self.context.begin() {
                        Some(inflating) => Compression::Reading(Box::new(inflating)),
                        None => Compression::Unreadable,
                    },
                };
                let complete = !matches!(compression, Compression::Unreadable);
                self.message = Some(Partial { is_text, content: Vec::new(), complete, size: 0, compression });
            }
        }
    }

    fn payload(&mut self, bytes: &[u8]) {
        match self.frame {
            Some(Header { opcode: Opcode::Close, .. }) => bytes.iter().for_each(|byte| self.code.push(*byte)),
            Some(Header { opcode: Opcode::Ping | Opcode::Pong, .. }) | None => {}
            Some(Header { opcode: Opcode::Continuation | Opcode::Text | Opcode::Binary, .. }) => {
                if let Some(message) = &mut self.message {
                    message.push(bytes, self.limit);
                }
            }
        }
    }

    fn end(&mut self, out: &mut dyn FnMut(Heard<'_>)) {
        let Some(frame) = self.frame.take() else { return };
        match frame.opcode {
            Opcode::Close => out(Heard::Close(match self.code {
                Code::Whole(code) => Some(code),
                // RFC 6455 §7.1.5: no status code is 1005.
                Code::None | Code::First(_) => Some(1005),
                Code::Unseen => None,
            })),
            Opcode::Ping | Opcode::Pong => {}
            Opcode::Continuation | Opcode::Text | Opcode::Binary if frame.last => self.finish(out),
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {}
        }
    }

    /// The message is over.
    fn finish(&mut self, out: &mut dyn FnMut(Heard<'_>)) {
        let Some(mut message) = self.message.take() else { return };
        match std::mem::replace(&mut message.compression, Compression::None) {
            Compression::None => {}
            Compression::Unreadable => self.context.end(None),
            Compression::Reading(mut inflating) => {
                let Partial { content, complete, .. } = &mut message;
                let read =
                    inflating.finish(&mut |bytes| *complete &= keep(content, bytes, self.limit)).is_ok();
                message.complete &= read;
                self.context.end(read.then_some(*inflating));
            }
        }
        let Partial { is_text, content, complete, size, .. } = &message;
        out(Heard::Message { is_text: *is_text, content, complete: *complete, size: *size });
    }

    fn lose(&mut self, out: &mut dyn FnMut(Heard<'_>)) {
        self.lane.lose();
        (self.frame, self.message) = (None, None);
        self.context.lose();
        out(Heard::Lost);
    }
}

impl Partial {
    fn unreadable(is_text: bool) -> Self {
        let (content, compression) = (Vec::new(), Compression::None);
        Self { is_text, content, complete: false, size: 0, compression }
    }

    fn push(&mut self, bytes: &[u8], limit: usize) {
        self.size += bytes.len() as u64;
        let Self { content, complete, compression, .. } = self;
        match compression {
            Compression::None if *complete => *complete = keep(content, bytes, limit),
            Compression::None | Compression::Unreadable => {}
            Compression::Reading(inflating) => {
                if inflating.push(bytes, &mut |bytes| *complete &= keep(content, bytes, limit)).is_err() {
                    *complete = false;
                    *compression = Compression::Unreadable;
                }
            }
        }
    }

    /// So much of it was not seen.
    fn lose(&mut self, length: u64) {
        self.size = self.size.saturating_add(length);
        self.complete = false;
        if matches!(self.compression, Compression::Reading(_)) {
            self.compression = Compression::Unreadable;
        }
    }
}

/// Keeps as much as there is room for; true where that is all.
fn keep(content: &mut Vec<u8>, bytes: &[u8], limit: usize) -> bool {
    let room = limit.saturating_sub(content.len());
    content.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    bytes.len() <= room
}

impl Code {
    const fn push(&mut self, byte: u8) {
        *self = match *self {
            Self::None => Self::First(byte),
            Self::First(first) => Self::Whole(u16::from_be_bytes([first, byte])),
            known @ (Self::Whole(_) | Self::Unseen) => known,
        };
    }
}
