use std::net::IpAddr;

/// Bytes of a ClientHello that are looked at; those of browsers, with a post-quantum key share, have two thousand.
pub const LONGEST: usize = 16 * 1024;
/// Protocols of one ClientHello that are kept.
const MOST_PROTOCOLS: usize = 8;
/// Longest name of a host (RFC 1035 §2.3.4).
const LONGEST_NAME: usize = 253;
/// Longest name of a protocol that is kept; those that are registered have less than twenty.
const LONGEST_PROTOCOL: usize = 32;

/// Bytes of a record's header (RFC 8446 §5.1).
const RECORD_HEADER: usize = 5;
const HANDSHAKE: u8 = 22;
/// Type of the message, and bytes of its header (RFC 8446 §4).
const CLIENT_HELLO: u8 = 1;
const MESSAGE_HEADER: usize = 4;

/// Extensions, by IANA's numbers.
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;

/// What a client says in the clear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// What no other session has (RFC 8446 §4.1.2).
    pub random: Option<[u8; 32]>,
    /// Whom it wants (RFC 6066 §3), in lower case. Of an encrypted one (RFC 9849) it is the outer name: whoever is in front.
    pub server_name: Option<String>,
    /// What it wants to speak (RFC 7301), the first first.
    pub protocols: Vec<String>,
    /// The newest version that it offers: 0x0304 is TLS 1.3.
    pub version: u16,
    /// The name is the outer one of an encrypted ClientHello, or one that is to look so (RFC 9849 §6.2).
    pub encrypted: bool,
}

/// What the beginning of a stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// All of it is there.
    Whole(ClientHello),
    /// It is not all there: what is, and how many bytes there must be before it is worth another look.
    Part(ClientHello, usize),
    /// This is no ClientHello.
    Other,
}

impl Reading {
    /// What was said, as far as it is known.
    pub fn into_hello(self) -> Option<ClientHello> {
        match self {
            Self::Whole(hello) | Self::Part(hello, _) => Some(hello),
            Self::Other => None,
        }
    }
}

/// Reads a ClientHello from the first bytes that a client sends, however many records it is spread over.
pub fn of_records(bytes: &[u8]) -> Reading {
    let bytes = bytes.get(..LONGEST).unwrap_or(bytes);
    let mut message = Vec::new();
    let mut rest = bytes;
    loop {
        let missing = match record(rest) {
            Record::Whole(content, after) => {
                message.extend_from_slice(content);
                rest = after;
                0
            }
            Record::Part(content, missing) => {
                message.extend_from_slice(content);
                missing
            }
            Record::Other => return Reading::Other,
        };
        match client_hello(&message) {
            Reading::Part(hello, _) if missing > 0 => return Reading::Part(hello, bytes.len() + missing),
            Reading::Part(..) => {}
            told @ (Reading::Whole(_) | Reading::Other) => return told,
        }
    }
}

enum Record<'a> {
    Whole(&'a [u8], &'a [u8]),
    /// What is there of its content, and how many bytes are not.
    Part(&'a [u8], usize),
    Other,
}

/// A record of the handshake. Empty ones are not allowed (RFC 8446 §5.1).
fn record(bytes: &[u8]) -> Record<'_> {
    let plausible = match bytes {
        [] => true,
        [kind] => *kind == HANDSHAKE,
        [kind, major, ..] => *kind == HANDSHAKE && *major == 3,
    };
    if !plausible {
        return Record::Other;
    }
    let Some((header, rest)) = bytes.split_first_chunk::<RECORD_HEADER>() else {
        return Record::Part(&[], RECORD_HEADER - bytes.len());
    };
    let [_, _, _, high, low] = *header;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length == 0 || length > 1 << 14 {
        return Record::Other;
    }
    match rest.split_at_checked(length) {
        Some((content, after)) => Record::Whole(content, after),
        None => Record::Part(rest, length - rest.len()),
    }
}

/// Reads a ClientHello as a message of the handshake, without records (as QUIC carries it, RFC 9001 §4.1.3).
pub fn client_hello(message: &[u8]) -> Reading {
    let Some((header, body)) = message.split_first_chunk::<MESSAGE_HEADER>() else {
        return match message.first() {
            None | Some(&CLIENT_HELLO) => Reading::Part(ClientHello::default(), MESSAGE_HEADER),
            Some(_) => Reading::Other,
        };
    };
    let [kind, a, b, c] = *header;
    if kind != CLIENT_HELLO {
        return Reading::Other;
    }
    let length = u32::from_be_bytes([0, a, b, c]) as usize;
    let body = body.get(..length).unwrap_or(body);
    let mut hello = ClientHello::default();
    // What is cut off has said what came before.
    let _ = Input(body).hello(&mut hello);
    if body.len() == length { Reading::Whole(hello) } else { Reading::Part(hello, MESSAGE_HEADER + length) }
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
    }

    /// A list of which the length comes first, or as much of it as there is.
    fn list(&mut self, length: usize) -> Input<'a> {
        let (list, rest) = self.0.split_at_checked(length).unwrap_or((self.0, &[]));
        self.0 = rest;
        Input(list)
    }

    fn hello(&mut self, hello: &mut ClientHello) -> Option<()> {
        hello.version = self.u16()?;
        hello.random = self.take(32)?.first_chunk().copied();
        let session = self.u8()?;
        self.take(session.into())?;
        let suites = self.u16()?;
        self.take(suites.into())?;
        let compressions = self.u8()?;
        self.take(compressions.into())?;
        let length = self.u16()?;
        let mut extensions = self.list(length.into());
        loop {
            let (kind, length) = (extensions.u16()?, extensions.u16()?);
            // One that is cut off says nothing: half a name is another name.
            let mut data = Input(extensions.take(length.into())?);
            match kind {
                SERVER_NAME => hello.server_name = hello.server_name.take().or_else(|| data.server_name()),
                ALPN => data.protocols(&mut hello.protocols),
                SUPPORTED_VERSIONS => hello.version = data.newest().unwrap_or(hello.version),
                ENCRYPTED_CLIENT_HELLO => hello.encrypted = true,
                _ => {}
            }
        }
    }

    /// ServerNameList (RFC 6066 §3): there is only one type of name.
    fn server_name(&mut self) -> Option<String> {
        let length = self.u16()?;
        let mut names = self.list(length.into());
        loop {
            let (kind, length) = (names.u8()?, names.u16()?);
            let name = names.take(length.into())?;
            if kind == 0 {
                return host(name);
            }
        }
    }

    /// ProtocolNameList (RFC 7301 §3.1).
    fn protocols(&mut self, into: &mut Vec<String>) {
        let length = self.u16().unwrap_or_default();
        let mut names = self.list(length.into());
        while let Some(name) = names.u8().and_then(|length| names.take(length.into())) {
            let printable = name.iter().all(u8::is_ascii_graphic);
            if printable && !name.is_empty() && name.len() <= LONGEST_PROTOCOL && into.len() < MOST_PROTOCOLS
            {
                into.push(String::from_utf8_lossy(name).into_owned());
            }
        }
    }

    /// ClientHello's `supported_versions` (RFC 8446 §4.2.1), without the reserved ones (RFC 8701).
    fn newest(&mut self) -> Option<u16> {
        let length = self.u8()?;
        let mut versions = self.list(length.into());
        std::iter::from_fn(|| versions.u16()).filter(|version| version >> 8 == 3).max()
    }
}

/// A DNS name, as hosts have it. Addresses are not allowed there (RFC 6066 §3), and say nothing new.
fn host(name: &[u8]) -> Option<String> {
    let name = name.strip_suffix(b".").unwrap_or(name);
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > LONGEST_NAME || !name.iter().all(plain) {
        return None;
    }
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    name.parse::<IpAddr>().is_err().then_some(name)
}
