//! Message heads (RFC 9112 §2–§6): a line scanner that is lenient in what it reads and strict in what it believes
//! about framing.

use super::body::Framing;
use memchr::{memchr, memchr_iter, memmem};
use overhear_exchange::{ContentCoding, Headers, HttpAnomaly, HttpVersion, Method, Scheme};
use smallvec::SmallVec;

/// No method in use is near as long; a longer token is junk.
const MAX_METHOD: usize = 64;

pub(super) type Codings = SmallVec<[ContentCoding; 1]>;
pub(super) type Anomalies = SmallVec<[HttpAnomaly; 1]>;

/// The head of a request.
#[derive(Clone, Debug)]
pub(super) struct RequestHead {
    pub(super) version: HttpVersion,
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) headers: Headers,
    pub(super) codings: Codings,
    pub(super) framing: Result<Framing, Ambiguous>,
    pub(super) anomalies: Anomalies,
    /// The protocol may change with the answer: CONNECT, or an Upgrade field.
    pub(super) may_switch: bool,
    pub(super) has_host: bool,
    /// Every field line has a token for its name.
    pub(super) regular: bool,
}

/// The target of a request (RFC 9112 §3.2), taken apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Target {
    pub(super) scheme: Option<Scheme>,
    pub(super) authority: Option<Box<str>>,
    pub(super) path: Box<str>,
    pub(super) query: Option<Box<str>>,
}

/// The head of a response.
#[derive(Debug)]
pub(super) struct ResponseHead {
    pub(super) status: u16,
    pub(super) headers: Headers,
    pub(super) codings: Codings,
    pub(super) anomalies: Anomalies,
    /// What an Upgrade field names.
    pub(super) upgrade: Option<&'static str>,
    /// Every field line has a token for its name.
    pub(super) regular: bool,
    framing: Result<Declared, Ambiguous>,
}

/// The framing can be read in two ways (RFC 9112 §6.3, §11.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ambiguous;

/// Not a message head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotAHead;

/// Finds the empty line that ends a head, remembering where the search stopped.
#[derive(Debug, Default)]
pub(super) struct EndScan {
    scanned: usize,
    line: usize,
}

impl EndScan {
    /// The length of the head that starts `bytes`, with its empty line. `bytes` only ever grows between calls.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        for at in memchr_iter(b'\n', bytes.get(self.scanned..)?) {
            let newline = self.scanned + at;
            let line = bytes.get(self.line..newline);
            self.line = newline + 1;
            if matches!(line, Some([] | [b'\r'])) {
                self.scanned = newline + 1;
                return Some(newline + 1);
            }
        }
        self.scanned = bytes.len();
        None
    }

    /// The end of the last whole line found so far.
    pub(super) const fn whole_lines(&self) -> usize {
        self.line
    }
}

impl RequestHead {
    /// Reads a head up to and with its empty line, or as much of one as there is.
    pub(super) fn parse(head: &[u8]) -> Result<Self, NotAHead> {
        let (line, _) = split_line(head);
        let (method, target, version) = request_line(line).ok_or(NotAHead)?;
        let fields = Fields::parse(head);
        let mut target = Target::parse(&method, target);
        if target.authority.is_none() {
            target.authority = fields.headers.get("host").filter(|host| !host.is_empty()).map(text);
        }
        let framing = match fields.framing.declared(version) {
            Ok(Declared::Nothing) => Ok(Framing::Empty),
            Ok(Declared::Length(length)) => Ok(Framing::Length(length)),
            Ok(Declared::Chunked) => Ok(Framing::Chunked),
            // A request whose last coding is not chunked has no end (RFC 9112 §6.3).
            Ok(Declared::Coded) | Err(Ambiguous) => Err(Ambiguous),
        };
        Ok(Self {
            may_switch: method == Method::Connect || fields.upgrade.is_some(),
            regular: !fields.irregular,
            has_host: fields.headers.get("host").is_some(),
            version,
            method,
            target,
            framing,
            headers: fields.headers,
            codings: fields.codings,
            anomalies: fields.anomalies,
        })
    }
}

impl Target {
    fn parse(method: &Method, target: &[u8]) -> Self {
        if *method == Method::Connect {
            return Self { authority: Some(text(target)), ..Self::default() };
        }
        let absolute = [(&b"http://"[..], Scheme::Http), (b"https://", Scheme::Https)]
            .into_iter()
            .find_map(|(start, scheme)| Some((strip_start(target, start)?, scheme)));
        let Some((rest, scheme)) = absolute else { return Self::origin(target) };
        let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        // User information is a credential, and no part of whom is asked.
        let host =
            memchr::memrchr(b'@', authority).and_then(|at| authority.get(at + 1..)).unwrap_or(authority);
        let mut parsed = Self::origin(path);
        if parsed.path.is_empty() {
            parsed.path = if *method == Method::Options && path.is_empty() { "*" } else { "/" }.into();
        }
        Self { scheme: Some(scheme), authority: Some(text(host)).filter(|host| !host.is_empty()), ..parsed }
    }

    fn origin(target: &[u8]) -> Self {
        match memchr(b'?', target).and_then(|at| target.split_at_checked(at)) {
            Some((path, query)) => {
                let query = text(query.get(1..).unwrap_or_default());
                Self { path: text(path), query: Some(query), ..Self::default() }
            }
            None => Self { path: text(target), ..Self::default() },
        }
    }
}

impl ResponseHead {
    /// Reads a head up to and with its empty line, or as much of one as there is.
    pub(super) fn parse(head: &[u8]) -> Result<Self, NotAHead> {
        let (line, _) = split_line(head);
        let (version, status) = status_line(line).ok_or(NotAHead)?;
        let fields = Fields::parse(head);
        Ok(Self {
            status,
            regular: !fields.irregular,
            framing: fields.framing.declared(version),
            headers: fields.headers,
            codings: fields.codings,
            anomalies: fields.anomalies,
            upgrade: fields.upgrade,
        })
    }

    /// 1xx: the final response comes later. (101 is final: it ends HTTP.)
    pub(super) const fn is_interim(&self) -> bool {
        matches!(self.status, 100..=199) && self.status != 101
    }

    /// How the body ends, as the answer to a request of this method (RFC 9112 §6.3).
    pub(super) fn framing(&self, method: &Method) -> Result<Framing, Ambiguous> {
        if *method == Method::Head || matches!(self.status, 100..=199 | 204 | 304) {
            return Ok(Framing::Empty);
        }
        self.framing.map(|declared| match declared {
            Declared::Length(length) => Framing::Length(length),
            Declared::Chunked => Framing::Chunked,
            Declared::Coded | Declared::Nothing => Framing::UntilClose,
        })
    }
}

/// Reads like `HTTP/1.1 200` and then a space or the end of the line.
pub(super) fn is_status_line(line: &[u8]) -> bool {
    status_line(split_line(line).0).is_some()
}

/// The line up to its LF without line ending, and what follows.
pub(super) fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (line, rest) = match memchr(b'\n', bytes) {
        Some(at) => (bytes.get(..at).unwrap_or_default(), bytes.get(at + 1..).unwrap_or_default()),
        None => (bytes, &[][..]),
    };
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

/// Method, target, version. The target is what lies between the first and the last space.
pub(super) fn request_line(line: &[u8]) -> Option<(Method, &[u8], HttpVersion)> {
    let line = line.trim_ascii_end();
    let method_end = memchr(b' ', line)?;
    let target_end = memchr::memrchr(b' ', line)?;
    let method = line.get(..method_end).filter(|token| token.len() <= MAX_METHOD && is_token(token))?;
    let target = line.get(method_end + 1..target_end)?.trim_ascii();
    let version = version(line.get(target_end + 1..)?)?;
    if target.is_empty() || memchr::memchr2(0, b'\r', target).is_some() {
        return None;
    }
    Some((Method::new(std::str::from_utf8(method).ok()?), target, version))
}

/// Could these be the first bytes of a request line? Knows less than [`request_line`], and sooner.
pub(super) fn may_be_request_line(bytes: &[u8]) -> bool {
    let method = bytes.get(..MAX_METHOD + 1).unwrap_or(bytes);
    let end = memchr(b' ', method).unwrap_or(method.len());
    end <= MAX_METHOD && method.get(..end).is_some_and(is_token)
}

fn status_line(line: &[u8]) -> Option<(HttpVersion, u16)> {
    let (version_text, rest) = line.split_at_checked(8)?;
    let version = version(version_text)?;
    let rest = rest.strip_prefix(b" ")?.trim_ascii_start();
    let (digits @ [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'], after) = rest.split_first_chunk()? else {
        return None;
    };
    let status = digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    matches!(after, [] | [b' ' | b'\t' | b'\r', ..]).then_some((version, status))
}

fn version(text: &[u8]) -> Option<HttpVersion> {
    match text {
        b"HTTP/1.0" => Some(HttpVersion::V1_0),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Some(HttpVersion::V1_1),
        _ => None,
    }
}

fn strip_start<'a>(bytes: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(start.len())?;
    head.eq_ignore_ascii_case(start).then_some(rest)
}

fn text(bytes: &[u8]) -> Box<str> {
    String::from_utf8_lossy(bytes).into()
}

/// The header fields of a head and what they say together.
#[derive(Default)]
struct Fields {
    headers: Headers,
    framing: FramingFields,
    codings: Codings,
    upgrade: Option<&'static str>,
    anomalies: Anomalies,
    irregular: bool,
}

type Pairs<'a> = SmallVec<[(&'a [u8], &'a [u8]); 32]>;

impl Fields {
    fn parse(head: &[u8]) -> Self {
        let (line, lines) = split_line(head);
        let mut fields = Self::default();
        let mut endings = Endings::default();
        endings.note(line, head.len() - lines.len());
        if fields.read(lines, &mut endings).is_err() {
            // Folding is rare enough to read everything again, from a copy without folds.
            let (unfolded, certain) = unfold(lines);
            fields = Self::default();
            fields.anomalies.push(HttpAnomaly::ObsoleteFolding);
            fields.framing.ambiguous |= !certain;
            endings.bare_line_feed = has_bare_line_feed(head);
            // A carriage return before the fold's line feed goes with the fold.
            let _folded = fields.read(&unfolded, &mut Endings::default());
        } else if memchr_iter(b'\r', head).count() > endings.carriage_returns {
            // Some software ends a line at a carriage return alone (RFC 9112 §2.2).
            fields.framing.ambiguous = true;
        }
        if endings.bare_line_feed {
            fields.anomalies.push(HttpAnomaly::BareLineFeed);
        }
        // Transfer codings lie around the content (RFC 9112 §6.1): they were applied last.
        fields.codings.extend(std::mem::take(&mut fields.framing.transfer_codings));
        fields
    }

    fn read(&mut self, mut lines: &[u8], endings: &mut Endings) -> Result<(), Folded> {
        let mut pairs = Pairs::new();
        while !lines.is_empty() {
            let (line, rest) = split_line(lines);
            endings.note(line, lines.len() - rest.len());
            lines = rest;
            if line.is_empty() {
                break;
            }
            if matches!(line, [b' ' | b'\t', ..]) && !pairs.is_empty() {
                return Err(Folded);
            }
            self.field(line, &mut pairs);
        }
        self.headers = Headers::new(pairs.iter().copied());
        Ok(())
    }

    fn field<'a>(&mut self, line: &'a [u8], pairs: &mut Pairs<'a>) {
        let colon = memchr(b':', line);
        let (name, value) = match colon {
            Some(at) => (line.get(..at).unwrap_or_default(), line.get(at + 1..).unwrap_or_default()),
            None => (line, &[][..]),
        };
        if colon.is_some() && is_token(name) {
            let value = value.trim_ascii();
            self.note(name, value);
            if name.len() <= usize::from(u16::MAX) {
                pairs.push((name, value));
            }
            return;
        }
        // Software differs on whether lines like these count.
        self.irregular = true;
        self.framing.ambiguous |= mentions_framing(line);
        let name = name.trim_ascii();
        if colon.is_some() && !name.is_empty() && name.len() <= usize::from(u16::MAX) {
            pairs.push((name, value.trim_ascii()));
        }
    }

    fn note(&mut self, name: &[u8], value: &[u8]) {
        match name.len() {
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.upgrade = Some(upgrade_name(value)),
            14 if name.eq_ignore_ascii_case(b"content-length") => self.framing.content_length(value),
            16 if name.eq_ignore_ascii_case(b"content-encoding") => {
                self.codings.extend(list(value).filter_map(content_coding));
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.framing.transfer_encoding(value),
            _ => {}
        }
    }
}

/// A field line goes on in the next (RFC 9112 §5.2).
struct Folded;

/// How the lines of a head end.
#[derive(Default)]
struct Endings {
    bare_line_feed: bool,
    carriage_returns: usize,
}

impl Endings {
    /// `line` without its ending, and its length with it.
    fn note(&mut self, line: &[u8], length: usize) {
        match length - line.len() {
            2 => self.carriage_returns += 1,
            1 => self.bare_line_feed = true,
            _ => {}
        }
    }
}

/// What the framing fields say, all of them together.
#[derive(Default)]
struct FramingFields {
    length: Option<u64>,
    transfer: Option<Transfer>,
    transfer_codings: Codings,
    ambiguous: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transfer {
    Chunked,
    /// `chunked` is not the last coding.
    Other,
}

/// How the body is framed, as far as the head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Declared {
    Nothing,
    Length(u64),
    Chunked,
    /// Transfer codings that do not end with chunked.
    Coded,
}

impl FramingFields {
    /// RFC 9110 §8.6: digits; a list of equal numbers is tolerated (RFC 9112 §6.3).
    fn content_length(&mut self, value: &[u8]) {
        let mut any = false;
        for part in value.split(|b| *b == b',') {
            any = true;
            match digits(trim_blank(part)) {
                Some(length) if self.length.is_none_or(|known| known == length) => self.length = Some(length),
                Some(_) | None => self.ambiguous = true,
            }
        }
        self.ambiguous |= !any;
    }

    /// RFC 9112 §6.1, the fields combined in order.
    fn transfer_encoding(&mut self, value: &[u8]) {
        if list(value).next().is_none() {
            self.ambiguous = true;
        }
        for coding in list(value) {
            // Nothing may follow chunked, itself included.
            self.ambiguous |= self.transfer == Some(Transfer::Chunked);
            if coding.eq_ignore_ascii_case(b"chunked") {
                self.transfer = Some(Transfer::Chunked);
                continue;
            }
            self.transfer = Some(Transfer::Other);
            match content_coding(coding) {
                Some(ContentCoding::Unknown) if coding.eq_ignore_ascii_case(b"compress") => {
                    self.transfer_codings.push(ContentCoding::Unknown);
                }
                Some(ContentCoding::Unknown | ContentCoding::Brotli | ContentCoding::Zstd) => {
                    self.ambiguous = true;
                }
                Some(known) => self.transfer_codings.push(known),
                None => {}
            }
        }
    }

    fn declared(&self, version: HttpVersion) -> Result<Declared, Ambiguous> {
        let old = version == HttpVersion::V1_0;
        if self.ambiguous || (self.transfer.is_some() && (self.length.is_some() || old)) {
            return Err(Ambiguous);
        }
        Ok(match (self.transfer, self.length) {
            (Some(Transfer::Chunked), _) => Declared::Chunked,
            (Some(Transfer::Other), _) => Declared::Coded,
            (None, Some(length)) => Declared::Length(length),
            (None, None) => Declared::Nothing,
        })
    }
}

fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// The non-empty elements of a comma-separated list (RFC 9110 §5.6.1).
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(trim_blank).filter(|element| !element.is_empty())
}

fn trim_blank(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// `None` for `identity`, which is no coding.
fn content_coding(name: &[u8]) -> Option<ContentCoding> {
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    if is("identity") {
        return None;
    }
    Some(if is("gzip") || is("x-gzip") {
        ContentCoding::Gzip
    } else if is("deflate") {
        ContentCoding::Deflate
    } else if is("br") {
        ContentCoding::Brotli
    } else if is("zstd") {
        ContentCoding::Zstd
    } else {
        ContentCoding::Unknown
    })
}

/// The protocol that an Upgrade field names first (RFC 9110 §7.8).
fn upgrade_name(value: &[u8]) -> &'static str {
    let first = list(value).next().unwrap_or_default();
    let name = first.split(|b| *b == b'/').next().unwrap_or_default();
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    if is("websocket") {
        "websocket"
    } else if is("h2c") || is("h2") {
        "http2"
    } else if is("tls") {
        "tls"
    } else if is("tcp") {
        "tcp"
    } else if is("spdy") {
        "spdy"
    } else {
        "unknown"
    }
}

fn is_token(name: &[u8]) -> bool {
    // RFC 9110 §5.6.2
    static TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0_u8;
        while byte < 128 {
            #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler; a u8 is within 256")]
            {
                table[byte as usize] = byte.is_ascii_alphanumeric()
                    || matches!(
                        byte,
                        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_'
                    )
                    || matches!(byte, b'`' | b'|' | b'~');
            }
            byte += 1;
        }
        table
    };
    !name.is_empty() && name.iter().all(|byte| TOKEN.get(usize::from(*byte)) == Some(&true))
}

fn mentions_framing(line: &[u8]) -> bool {
    let line = line.to_ascii_lowercase();
    memmem::find(&line, b"content-length").is_some() || memmem::find(&line, b"transfer-encoding").is_some()
}

fn has_bare_line_feed(head: &[u8]) -> bool {
    memchr_iter(b'\n', head).any(|at| at.checked_sub(1).and_then(|before| head.get(before)) != Some(&b'\r'))
}

/// Joins folded lines with spaces. False when a framing field is part of a fold: software differs on what it says then.
fn unfold(lines: &[u8]) -> (Vec<u8>, bool) {
    let mut joined: Vec<u8> = Vec::with_capacity(lines.len());
    let mut certain = true;
    let mut rest = lines;
    let mut field = 0;
    while !rest.is_empty() {
        let (line, next) = split_line(rest);
        rest = next;
        certain &= memchr(b'\r', line).is_none();
        if matches!(line, [b' ' | b'\t', ..]) && !joined.is_empty() {
            let kept = joined.trim_ascii_end().len();
            joined.truncate(kept);
            joined.push(b' ');
            joined.extend_from_slice(line.trim_ascii());
            certain &= !mentions_framing(line);
            certain &= !is_framing_field(joined.get(field..).unwrap_or_default());
        } else {
            field = joined.len();
            joined.extend_from_slice(line);
        }
        joined.extend_from_slice(b"\r\n");
    }
    (joined, certain)
}

fn is_framing_field(line: &[u8]) -> bool {
    strip_start(line, b"content-length").is_some() || strip_start(line, b"transfer-encoding").is_some()
}
