//! Compressed messages (RFC 7692): each a piece of one deflate stream, or a stream of its own.
//!
//! With context takeover a message may refer to the last bytes of those before it, up to the agreed window. Those bytes are
//! what is kept between messages, and nothing else: a decoder is made for each and given them first, as a stored block.
//! Where some of them were not seen, nothing that comes later can be read; it is counted.

use flate2::{Decompress, FlushDecompress, Status};

/// More out of one message is no message but a bomb.
const MOST: u64 = 64 << 20;
/// Ends each message (§7.2.2): an empty stored block, left out on the wire.
const TAIL: &[u8] = &[0, 0, 0xff, 0xff];

/// What is known of the messages before.
#[derive(Debug)]
pub(super) enum Context {
    /// Messages are not compressed, as far as was agreed.
    None,
    /// Each message stands alone.
    Alone,
    /// The last bytes, at most so many.
    Kept { window: usize, history: Vec<u8> },
    /// Some of the last bytes are not known.
    Lost,
}

/// A message that is being read.
pub(super) struct Inflating {
    decoder: Decompress,
    /// What was decoded last, at most a window; nothing where the next message does not need it.
    history: Vec<u8>,
    window: usize,
    produced: u64,
}

impl std::fmt::Debug for Inflating {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflating").field("produced", &self.produced).finish_non_exhaustive()
    }
}

/// These bytes are not what was agreed on, or a bomb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

type Out<'a> = &'a mut dyn FnMut(&[u8]);

impl Context {
    /// For the agreed parameters.
    pub(super) const fn new(takeover: bool, window_bits: u8) -> Self {
        if takeover { Self::Kept { window: 1 << window_bits, history: Vec::new() } } else { Self::Alone }
    }

    /// Begins a message; nothing where it cannot be read.
    pub(super) fn begin(&mut self) -> Option<Inflating> {
        match self {
            Self::None | Self::Lost => None,
            Self::Alone => Inflating::new(Vec::new(), 1 << 15),
            Self::Kept { window, history } => Inflating::new(std::mem::take(history), *window),
        }
    }

    /// A message was read to its end, or not.
    pub(super) fn end(&mut self, read: Option<Inflating>) {
        if let Self::Kept { history, window } = self {
            match read {
                Some(read) => {
                    let start = read.history.len().saturating_sub(*window);
                    *history = read.history.get(start..).unwrap_or_default().to_vec();
                }
                None => *self = Self::Lost,
            }
        }
    }

    /// Something was not seen.
    pub(super) fn lose(&mut self) {
        if matches!(self, Self::Kept { .. }) {
            *self = Self::Lost;
        }
    }

    pub(super) fn retained(&self) -> usize {
        match self {
            Self::Kept { history, .. } => history.capacity(),
            Self::None | Self::Alone | Self::Lost => 0,
        }
    }
}

impl Inflating {
    fn new(history: Vec<u8>, window: usize) -> Option<Self> {
        let mut new = Self { decoder: Decompress::new(false), history: Vec::new(), window, produced: 0 };
        new.prime(&history).ok()?;
        new.history = history;
        Some(new)
    }

    /// Decodes more of the message.
    pub(super) fn push(&mut self, input: &[u8], out: Out<'_>) -> Result<(), Damaged> {
        let mut rest = input;
        loop {
            let (status, used) = self.step(rest, out)?;
            rest = rest.get(used..).unwrap_or_default();
            match status {
                // A block may say that it is the last (§7.2.3.4): what follows is a stream of its own, with the same
                // window.
                Status::StreamEnd if !rest.is_empty() => {
                    self.decoder.reset(false);
                    let history = std::mem::take(&mut self.history);
                    self.prime(&history)?;
                    self.history = history;
                }
                Status::StreamEnd => {
                    self.decoder.reset(false);
                    let history = std::mem::take(&mut self.history);
                    self.prime(&history)?;
                    self.history = history;
                    return Ok(());
                }
                Status::Ok | Status::BufError if rest.is_empty() => return Ok(()),
                Status::Ok => {}
                Status::BufError => return Err(Damaged),
            }
        }
    }

    /// The message is over.
    pub(super) fn finish(&mut self, out: Out<'_>) -> Result<(), Damaged> {
        self.push(TAIL, out)
    }

    pub(super) fn retained(&self) -> usize {
        43 * 1024 + self.history.capacity()
    }

    /// Decodes until the input is used up and no output waits.
    fn step(&mut self, input: &[u8], out: Out<'_>) -> Result<(Status, usize), Damaged> {
        let mut buffer = [0; 4096];
        let mut used = 0;
        loop {
            let (before_in, before_out) = (self.decoder.total_in(), self.decoder.total_out());
            let rest = input.get(used..).unwrap_or_default();
            let status =
                self.decoder.decompress(rest, &mut buffer, FlushDecompress::None).map_err(|_| Damaged)?;
            let read = usize::try_from(self.decoder.total_in() - before_in).unwrap_or(0);
            let made = usize::try_from(self.decoder.total_out() - before_out).unwrap_or(0);
            used += read;
            let decoded = buffer.get(..made).unwrap_or_default();
            self.produced += made as u64;
            if self.produced > MOST {
                return Err(Damaged);
            }
            self.remember(decoded);
            out(decoded);
            let full = made == buffer.len();
            if status == Status::StreamEnd || (!full && (used >= input.len() || (read == 0 && made == 0))) {
                return Ok((status, used));
            }
        }
    }

    fn remember(&mut self, decoded: &[u8]) {
        let start = decoded.len().saturating_sub(self.window);
        self.history.extend_from_slice(decoded.get(start..).unwrap_or(decoded));
        if self.history.len() > 2 * self.window.max(4096) {
            self.history.drain(..self.history.len() - self.window);
        }
    }

    /// Lets the decoder know what came before, as a stored block (RFC 1951 §3.2.4) of it.
    fn prime(&mut self, history: &[u8]) -> Result<(), Damaged> {
        let start = history.len().saturating_sub(self.window.min(1 << 15));
        let known = history.get(start..).unwrap_or(history);
        let Some(length) = u16::try_from(known.len()).ok().filter(|length| *length > 0) else {
            return Ok(());
        };
        let [low, high] = length.to_le_bytes();
        let block = [&[0, low, high, !low, !high], known].concat();
        let produced = self.produced;
        self.step(&block, &mut |_| {})?;
        self.produced = produced;
        self.history.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Context, Damaged};
    use flate2::{Compress, Compression, FlushCompress};

    /// Compresses messages as an endpoint does, each without its tail.
    struct Deflate(Compress, bool);

    impl Deflate {
        fn message(&mut self, text: &[u8]) -> Vec<u8> {
            if !self.1 {
                self.0.reset();
            }
            let mut out = Vec::with_capacity(text.len() + 1024);
            self.0.compress_vec(text, &mut out, FlushCompress::Sync).unwrap();
            assert!(out.ends_with(super::TAIL));
            out.truncate(out.len() - 4);
            out
        }
    }

    fn read(context: &mut Context, message: &[u8], sizes: usize) -> Result<Vec<u8>, Damaged> {
        let mut out = Vec::new();
        let mut inflating = context.begin().ok_or(Damaged)?;
        let mut sink = |bytes: &[u8]| out.extend_from_slice(bytes);
        let read = message
            .chunks(sizes)
            .try_for_each(|piece| inflating.push(piece, &mut sink))
            .and_then(|()| inflating.finish(&mut sink));
        context.end(read.is_ok().then_some(inflating));
        read.map(|()| out)
    }

    fn text(n: u32) -> Vec<u8> {
        (0..300)
            .map(|i| format!("{{\"type\":\"tick\",\"n\":{}}}", n.wrapping_mul(i * 31) % 97))
            .collect::<String>()
            .into()
    }

    /// The examples of RFC 7692 §7.2.3.
    #[test]
    fn the_examples_of_the_standard() {
        let mut context = Context::new(true, 15);
        let one = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
        assert_eq!(read(&mut context, one, 99), Ok(b"Hello".to_vec()));
        assert_eq!(read(&mut context, b"\xf2\x00\x11\x00\x00", 99), Ok(b"Hello".to_vec()), "the same again");
        let mut context = Context::new(false, 15);
        assert_eq!(
            read(&mut context, b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 1),
            Ok(b"Hello".to_vec())
        );
        assert_eq!(
            read(&mut context, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 1),
            Ok(b"Hello".to_vec()),
            "BFINAL"
        );
        let two_blocks = b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00";
        assert_eq!(read(&mut context, two_blocks, 3), Ok(b"Hello".to_vec()));
    }

    #[test]
    fn messages_go_on_from_those_before() {
        for takeover in [true, false] {
            let mut deflate = Deflate(Compress::new(Compression::default(), false), takeover);
            let mut context = Context::new(takeover, 15);
            let mut sizes = Vec::new();
            for n in 0..40 {
                let (plain, message) = (text(n), deflate.message(&text(n)));
                sizes.push(message.len());
                assert_eq!(
                    read(&mut context, &message, 1 + n as usize * 7).as_ref(),
                    Ok(&plain),
                    "{takeover} {n}"
                );
            }
            assert!(context.retained() <= 80 << 10, "{}", context.retained());
        }
    }

    #[test]
    fn a_lost_context_reads_nothing_more_and_a_message_alone_does() {
        let mut deflate = Deflate(Compress::new(Compression::default(), false), true);
        let mut context = Context::new(true, 15);
        assert!(read(&mut context, &deflate.message(&text(1)), 99).is_ok());
        context.lose();
        assert_eq!(read(&mut context, &deflate.message(&text(2)), 99), Err(Damaged));
        let mut deflate = Deflate(Compress::new(Compression::default(), false), false);
        let mut context = Context::new(false, 15);
        context.lose();
        assert!(read(&mut context, &deflate.message(&text(2)), 99).is_ok());
    }

    #[test]
    fn junk_and_bombs_are_damage() {
        let mut context = Context::new(true, 15);
        assert_eq!(read(&mut context, b"\xff\xff\xff", 99), Err(Damaged));
        assert!(matches!(context, Context::Lost));
        let mut deflate = Deflate(Compress::new(Compression::best(), false), false);
        let mut context = Context::new(false, 15);
        let zeros = vec![0; 70 << 20];
        let mut out = Vec::with_capacity(1 << 20);
        deflate.0.compress_vec(&zeros, &mut out, FlushCompress::Sync).unwrap();
        assert_eq!(read(&mut context, &out, 99), Err(Damaged));
    }
}
