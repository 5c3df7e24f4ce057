//! What the probes say and what they are told: the mirror of `bpf/record.h`.
//!
//! Integers are in the host's byte order, addresses and ports in network order until they become [`SocketAddr`]s.
//! A record that is too short or of an unknown kind parses to `None`.

use crate::datagram::Peer;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of the head that every record begins with.
pub const RECORD_SIZE: usize = 48;
/// Bytes of an OPEN record.
pub const OPEN_RECORD_SIZE: usize = 128;
/// Bytes of an EXEC record.
pub const EXEC_RECORD_SIZE: usize = 64;
/// Bytes of what the iterator writes for each socket.
pub const EXISTING_RECORD_SIZE: usize = 80;
/// Bytes of the settings map's value.
pub const SETTINGS_SIZE: usize = 72;
/// Ports one filter can hold.
pub const MAX_PORTS: usize = 16;
/// Entries of the loss counters.
pub const LOSS_REASONS: u32 = 8;

/// TCP_LISTEN of the kernel's socket states.
pub const TCP_LISTEN: u8 = 10;

/// A kernel socket cookie: names a socket for as long as the machine runs. Or a TLS session, numbered by the probes, which
/// no cookie is equal to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cookie(pub u64);

/// `TLS_MOVES` of the header.
const MOVES: u64 = 1 << 62;

impl Cookie {
    /// It is a TLS session that its program moves in memory, and that then has another number.
    pub const fn moves(self) -> bool {
        self.0 >> 63 == 1 && self.0 & MOVES != 0
    }
}

/// Which way bytes went, seen from the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the ways are their names")]
pub enum Way {
    Sent,
    Received,
}

impl Way {
    /// 0 for sent, 1 for received.
    pub const fn index(self) -> usize {
        match self {
            Self::Sent => 0,
            Self::Received => 1,
        }
    }
}

/// Which part the socket had in opening its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It was there before us.
    Unknown,
    /// It called `connect`.
    Client,
    /// It came out of `accept`.
    Server,
}

/// Why payload bytes were not copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loss {
    /// The ring buffer had no room.
    RingFull,
    /// Beyond the cap for one call.
    OverCap,
    /// sendfile, splice, io_uring: in no user buffer of the call.
    NoBuffer,
    /// A guard refused: the buffer might be another file's.
    Guarded,
    /// Reading user memory failed.
    Fault,
    /// The ring was nearly full: heads only.
    Shed,
    /// Beyond what is copied before the socket is judged.
    Undecided,
}

impl Loss {
    /// Every reason, by its index in the loss counters.
    pub const ALL: [(u32, Self); 7] = [
        (1, Self::RingFull),
        (2, Self::OverCap),
        (3, Self::NoBuffer),
        (4, Self::Guarded),
        (5, Self::Fault),
        (6, Self::Shed),
        (7, Self::Undecided),
    ];

    fn from_index(index: u8) -> Option<Self> {
        Self::ALL.iter().find(|(at, _)| *at == u32::from(index)).map(|(_, loss)| *loss)
    }
}

/// A process id and a thread id, both in the initial pid namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "explained above")]
pub struct Thread {
    pub tgid: u32,
    pub tid: u32,
}

/// One record out of the ring buffer.
#[derive(Clone, Debug, PartialEq)]
pub struct Record<'a> {
    /// CLOCK_MONOTONIC, nanoseconds.
    pub time: u64,
    /// The thread that made it happen, where that means something.
    pub thread: Option<Thread>,
    /// What happened.
    pub what: What<'a>,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "explained per variant")]
pub enum What<'a> {
    /// A socket is first seen.
    Open(Box<Open>),
    /// `size` bytes moved, `offset` bytes into this direction of the socket. `bytes` are the first of them; why the
    /// rest is missing says `loss`. Without any it says how far the direction is.
    /// `comes`: what is missing comes by packets, or has come.
    Data {
        socket: Cookie,
        way: Way,
        offset: u64,
        size: u32,
        bytes: &'a [u8],
        loss: Option<Loss>,
        comes: bool,
    },
    /// What this direction moves in no buffer comes by packets from now on. The next byte that it moves is at `offset`, and
    /// `sequence` is TCP's number of it.
    ByPackets { socket: Cookie, way: Way, offset: u64, sequence: u32 },
    /// The payload of one TCP packet, `size` bytes, of which `bytes` were copied. `sequence` is TCP's number of its first.
    Packet { socket: Cookie, way: Way, sequence: u32, size: u32, bytes: &'a [u8] },
    /// Nothing more comes in this direction.
    End { socket: Cookie, way: Way },
    /// The socket is over, with the kernel's error of it (0 = none).
    Close { socket: Cookie, errno: u32 },
    /// A call on it failed.
    Error { socket: Cookie, way: Way, errno: u32 },
    /// A TLS session is first seen, or the socket that carries it is. Its plaintext then comes as `Data` of `session`, its
    /// end as `Close`. `from_start`: its plaintext was heard from the first byte on.
    Tls { session: Cookie, socket: Option<Cookie>, from_start: bool },
    /// A name server answered a process of this machine, by UDP.
    Answer { message: &'a [u8] },
    /// A UDP socket speaks QUIC. `from_start`: nothing moved on it before that could be heard. Said more than once.
    Quic { open: Box<Open>, from_start: bool },
    /// A datagram of such a socket, or several at once, of which `bytes` are the beginning: one that opens a connection, or the first that is
    /// sent to `peer`.
    Datagram { socket: Cookie, way: Way, size: u32, peer: Option<Peer>, bytes: &'a [u8] },
    /// The thread is done with a call into this session, whose socket is not known, that moved no plaintext.
    TlsTouch { session: Cookie },
    /// The process is a new program.
    Exec { comm: String },
    /// The process is gone.
    Exit,
}

/// Where a socket's ends are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "explained per variant")]
pub enum Ends {
    /// TCP.
    Ip { local: SocketAddr, remote: SocketAddr },
    /// A unix socket: inode numbers of both ends, 0 = unknown.
    Unix { inode: u64, peer: u64 },
}

/// A socket's first record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its cookie.
    pub socket: Cookie,
    /// Where it goes.
    pub ends: Ends,
    /// Inode number of its network namespace.
    pub netns: u32,
    /// Its part in opening the connection.
    pub role: Role,
    /// Name of the process's main thread.
    pub comm: String,
}

/// A socket that was there before us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Existing {
    /// Its owner; several processes can hold the same socket.
    pub tgid: u32,
    /// File descriptor in that process.
    pub fd: u32,
    /// Inode, as in `/proc/PID/fd`.
    pub inode: u64,
    /// Where it goes.
    pub ends: Ends,
    /// Inode number of its network namespace.
    pub netns: u32,
    /// TCP state.
    pub state: u8,
    /// SOCK_STREAM is 1.
    pub kind: u8,
}

impl<'a> Record<'a> {
    /// Reads one record.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut head = Fields(bytes);
        let time = head.u64()?;
        let socket = Cookie(head.u64()?);
        let offset = head.u64()?;
        let (size, length, tgid, tid) = (head.u32()?, head.u32()?, head.u32()?, head.u32()?);
        let (kind, way, loss, comes) = (head.u8()?, head.u8()?, head.u8()?, head.u8()?);
        let _syscall = head.u32()?;
        let way = if way == 0 { Way::Sent } else { Way::Received };
        let rest = head;
        let what = match kind {
            1 => What::Open(Box::new(Open::parse(socket, rest)?)),
            2 => {
                let payload = rest.0.get(..length as usize)?;
                What::Data {
                    socket,
                    way,
                    offset,
                    size,
                    bytes: payload,
                    loss: Loss::from_index(loss),
                    comes: comes != 0,
                }
            }
            3 => What::End { socket, way },
            4 => What::Close { socket, errno: size },
            5 => What::Error { socket, way, errno: size },
            6 => What::Exec { comm: comm(rest.0.get(..16)?) },
            7 => What::Exit,
            8 => {
                let carrier = (offset != 0).then_some(Cookie(offset));
                What::Tls { session: socket, socket: carrier, from_start: size != 0 }
            }
            9 => What::TlsTouch { session: socket },
            13 => What::ByPackets { socket, way, offset, sequence: size },
            14 => {
                let (sequence, bytes) = payload(rest.0.get(..length as usize)?, offset)?;
                let size = (size - length.min(size)).saturating_add(bytes.len() as u32);
                What::Packet { socket, way, sequence, size, bytes }
            }
            10 => What::Answer { message: rest.0.get(..length as usize)? },
            11 => What::Quic { open: Box::new(Open::parse(socket, rest)?), from_start: size != 0 },
            12 => {
                let (peer, payload) = rest.0.split_first_chunk::<24>()?;
                let bytes = payload.get(..length as usize)?;
                What::Datagram { socket, way, size, peer: Peer::parse(peer), bytes }
            }
            _ => return None,
        };
        Some(Self { time, thread: (tgid != 0).then_some(Thread { tgid, tid }), what })
    }
}

/// TCP's number of the first byte of payload, and the payload, of a packet whose TCP header (RFC 9293 §3.1) begins at
/// `header`. Nothing of one that opens a connection, whose number is that of the opening.
fn payload(packet: &[u8], header: u64) -> Option<(u32, &[u8])> {
    const SYN: u8 = 2;
    let segment = packet.get(usize::try_from(header).ok()?..)?;
    let sequence = u32::from_be_bytes(*segment.get(4..)?.first_chunk()?);
    let length = usize::from(segment.get(12)? >> 4) * 4;
    let opens = segment.get(13)? & SYN != 0;
    (length >= 20 && !opens).then_some((sequence, segment.get(length..)?))
}

impl Open {
    fn parse(socket: Cookie, mut rest: Fields<'_>) -> Option<Self> {
        let (inode, peer) = (rest.u64()?, rest.u64()?);
        let netns = rest.u32()?;
        let family = rest.u16()?;
        let role = match rest.u8()? {
            1 => Role::Client,
            2 => Role::Server,
            _ => Role::Unknown,
        };
        rest.u8()?;
        let (local_port, remote_port) = (rest.port()?, rest.port()?);
        rest.u32()?;
        let (local, remote) = (rest.address(family)?, rest.address(family)?);
        let ends = ends(family, (local, local_port), (remote, remote_port), (inode, peer));
        Some(Self { socket, ends, netns, role, comm: comm(rest.0.get(..16)?) })
    }
}

impl Existing {
    /// Reads one socket from the iterator's output.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = Fields(bytes);
        rest.u64()?;
        let (inode, peer) = (rest.u64()?, rest.u64()?);
        let (tgid, fd, netns) = (rest.u32()?, rest.u32()?, rest.u32()?);
        let family = rest.u16()?;
        let (state, kind) = (rest.u8()?, rest.u8()?);
        let (local_port, remote_port) = (rest.port()?, rest.port()?);
        rest.u32()?;
        let (local, remote) = (rest.address(family)?, rest.address(family)?);
        let ends = ends(family, (local, local_port), (remote, remote_port), (inode, peer));
        Some(Self { tgid, fd, inode, ends, netns, state, kind })
    }
}

/// What the probes are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Our own thread group in the initial pid namespace: never heard.
    pub own: u32,
    /// Raised when a verdict is taken back, so that cached ones are looked up again.
    pub epoch: u32,
    /// Bytes copied per call.
    pub cap: u32,
    /// Bytes copied per socket and direction before it is judged.
    pub undecided: u32,
    /// Bytes copied per call when only heads are wanted.
    pub head: u32,
    /// Hear only the processes in the `targets` map, and their children.
    pub only_targets: bool,
    /// Libraries of TLS are probed.
    pub tls: bool,
    /// What calls were under way when the probes were attached is known.
    pub knows_calls: bool,
    /// Packets can be copied, when somebody needs them.
    pub packets: bool,
    /// They are.
    pub packets_attached: bool,
    /// Waiting ring bytes that wake the reader.
    pub high_water: u32,
    /// Waiting ring bytes above which only heads are copied.
    pub shed_water: u32,
    /// Hear only these ports (at either end); all when empty. At most [`MAX_PORTS`].
    pub ports: Vec<u16>,
}

impl Settings {
    /// The value of the settings map.
    pub fn to_bytes(&self) -> [u8; SETTINGS_SIZE] {
        const FILTER_PORTS: u32 = 1;
        const FILTER_PIDS: u32 = 2;
        const FOLLOW_FORKS: u32 = 4;
        const HEAR_TLS: u32 = 8;
        const KNOW_MESSAGES: u32 = 16;
        const HEAR_PACKETS: u32 = 32;
        const PACKETS_ATTACHED: u32 = 64;
        let ports = if self.ports.is_empty() { 0 } else { FILTER_PORTS };
        let pids = if self.only_targets { FILTER_PIDS | FOLLOW_FORKS } else { 0 };
        let tls = if self.tls { HEAR_TLS } else { 0 };
        let calls = if self.knows_calls { KNOW_MESSAGES } else { 0 };
        let packets = if self.packets { HEAR_PACKETS } else { 0 };
        let attached = if self.packets_attached { PACKETS_ATTACHED } else { 0 };
        let count = self.ports.len().min(MAX_PORTS) as u32;
        let words = [
            self.own,
            self.epoch,
            self.cap,
            self.undecided,
            self.head,
            ports | pids | tls | calls | packets | attached,
            count,
            self.high_water,
            self.shed_water,
        ];
        let mut bytes = [0; SETTINGS_SIZE];
        let mut at = 0;
        let mut put = |part: &[u8]| {
            if let Some(place) = bytes.get_mut(at..at + part.len()) {
                place.copy_from_slice(part);
            }
            at += part.len();
        };
        words.iter().for_each(|word| put(&word.to_ne_bytes()));
        self.ports.iter().take(MAX_PORTS).for_each(|port| put(&port.to_be_bytes()));
        bytes
    }
}

/// How much of a socket is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Up to the cap of each call.
    Full,
    /// The beginning of each call.
    Head,
    /// Nothing.
    Ignore,
    /// It is encrypted: how much moved and in which thread, no bytes.
    Sealed,
    /// It is encrypted, and its plaintext is heard: no more than its end.
    Carries,
    /// It is encrypted and stays so: how much moved, now and then.
    Tally,
}

impl Verdict {
    /// The value of the verdicts map.
    pub const fn code(self) -> u8 {
        match self {
            Self::Full => 1,
            Self::Head => 2,
            Self::Ignore => 3,
            Self::Sealed => 4,
            Self::Carries => 5,
            Self::Tally => 6,
        }
    }
}

fn ends(family: u16, local: (IpAddr, u16), remote: (IpAddr, u16), inodes: (u64, u64)) -> Ends {
    const AF_UNIX: u16 = 1;
    if family == AF_UNIX {
        return Ends::Unix { inode: inodes.0, peer: inodes.1 };
    }
    Ends::Ip { local: SocketAddr::new(local.0, local.1), remote: SocketAddr::new(remote.0, remote.1) }
}

fn comm(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// Takes fields off the front of a record.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_ne_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_ne_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_ne_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_ne_bytes)
    }

    fn port(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    /// IPv4-mapped IPv6 addresses become IPv4, so that both ends of one connection look alike.
    fn address(&mut self, family: u16) -> Option<IpAddr> {
        const AF_INET6: u16 = 10;
        let bytes: [u8; 16] = self.take()?;
        if family == AF_INET6 {
            return Some(Ipv6Addr::from(bytes).to_canonical());
        }
        let four: [u8; 4] = *bytes.first_chunk()?;
        Some(Ipv4Addr::from(four).into())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::{path::Path, process::Command};

    /// What a C program over the header says.
    pub(crate) fn said_by(name: &str, source: &str) -> String {
        const BEFORE: &str = "#include <stddef.h>\n#include <stdio.h>\ntypedef unsigned char __u8; typedef unsigned short __u16; \
            typedef unsigned int __u32; typedef unsigned long long __u64;\n#include \"record.h\"\n";
        let folder = std::env::temp_dir().join(format!("overhear-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("layout.c"), format!("{BEFORE}{source}")).unwrap();
        let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bpf");
        let compiled = Command::new("cc")
            .args(["-I".as_ref(), include.as_os_str(), "-o".as_ref(), folder.join("layout").as_os_str()])
            .arg(folder.join("layout.c"))
            .status()
            .unwrap();
        assert!(compiled.success());
        let output = Command::new(folder.join("layout")).output().unwrap().stdout;
        std::fs::remove_dir_all(&folder).unwrap();
        String::from_utf8(output).unwrap()
    }

    /// Compiles a C program over the header and compares what it says with our constants and field places.
    #[test]
    fn layout_is_the_headers() {
        let source = r#"
            int main(void) {
                printf("%zu %zu %zu %zu %zu\n", sizeof(struct record), sizeof(struct open_record), sizeof(struct exec_record),
                    sizeof(struct existing_record), sizeof(struct settings));
                struct open_record o = { .head = { .time = 1, .socket = 2, .offset = 3, .size = 4, .length = 5, .tgid = 6, .tid = 7,
                    .kind = RECORD_OPEN, .way = WAY_RECEIVED, .loss = LOSS_SHED, .syscall = 9 }, .inode = 10, .peer_inode = 11,
                    .netns = 12, .family = 2, .role = ROLE_SERVER, .local_port = 0x901f, .remote_port = 0x0050, .comm = "nginx" };
                o.local[0] = 127; o.local[3] = 1; o.remote[0] = 10; o.remote[3] = 9;
                for (size_t i = 0; i < sizeof(o); i++) printf("%02x", ((unsigned char *)&o)[i]);
                struct existing_record e = { .socket = 1, .inode = 2, .peer_inode = 3, .tgid = 4, .fd = 5, .netns = 6, .family = 1,
                    .state = 10, .type = 1 };
                printf("\n");
                for (size_t i = 0; i < sizeof(e); i++) printf("%02x", ((unsigned char *)&e)[i]);
                struct settings s = { .self = 1, .epoch = 2, .cap = 3, .undecided = 4, .head = 5, .flags = FILTER_PORTS | FILTER_PIDS | FOLLOW_FORKS | HEAR_TLS | KNOW_MESSAGES | HEAR_PACKETS | PACKETS_ATTACHED,
                    .port_count = 1, .high_water = 7, .shed_water = 8 };
                ((unsigned char *)s.ports)[1] = 80;
                struct record t = { .time = 1, .socket = TLS_SESSION | TLS_MOVES | 2, .offset = 3, .size = 1, .tgid = 6, .tid = 7, .kind = RECORD_TLS };
                printf("\n");
                for (size_t i = 0; i < sizeof(s); i++) printf("%02x", ((unsigned char *)&s)[i]);
                printf("\n");
                for (size_t i = 0; i < sizeof(t); i++) printf("%02x", ((unsigned char *)&t)[i]);
                return 0;
            }"#;
        let text = said_by("layout", source);
        let lines: Vec<&str> = text.lines().collect();
        let sizes = [RECORD_SIZE, OPEN_RECORD_SIZE, EXEC_RECORD_SIZE, EXISTING_RECORD_SIZE, SETTINGS_SIZE]
            .map(|n| n.to_string());
        assert_eq!(lines[0], sizes.join(" "));

        let bytes = unhex(lines[1]);
        let record = Record::parse(&bytes).unwrap();
        assert_eq!((record.time, record.thread), (1, Some(Thread { tgid: 6, tid: 7 })));
        let What::Open(open) = record.what else { panic!("not an OPEN record") };
        assert_eq!((open.socket, open.netns, open.role), (Cookie(2), 12, Role::Server));
        assert_eq!(open.comm, "nginx");
        let (local, remote) = ("127.0.0.1:8080".parse().unwrap(), "10.0.0.9:20480".parse().unwrap());
        assert_eq!(open.ends, Ends::Ip { local, remote });

        let existing = Existing::parse(&unhex(lines[2])).unwrap();
        assert_eq!((existing.tgid, existing.fd, existing.inode, existing.netns), (4, 5, 2, 6));
        assert_eq!((existing.state, existing.kind, existing.ends), (10, 1, Ends::Unix { inode: 2, peer: 3 }));

        let settings = Settings {
            own: 1,
            epoch: 2,
            cap: 3,
            undecided: 4,
            head: 5,
            only_targets: true,
            tls: true,
            knows_calls: true,
            packets: true,
            packets_attached: true,
            high_water: 7,
            shed_water: 8,
            ports: vec![80],
        };
        assert_eq!(settings.to_bytes().to_vec(), unhex(lines[3]));

        let bytes = unhex(lines[4]);
        let session = Cookie(1 << 63 | 1 << 62 | 2);
        assert!(session.moves() && !Cookie(1 << 63 | 2).moves() && !Cookie(2).moves());
        let expected = What::Tls { session, socket: Some(Cookie(3)), from_start: true };
        assert_eq!(Record::parse(&bytes).unwrap().what, expected);
    }

    #[test]
    fn a_short_or_unknown_record_is_none() {
        assert_eq!(Record::parse(&[]), None);
        assert_eq!(Record::parse(&[0; RECORD_SIZE]), None);
        let mut data = vec![0; RECORD_SIZE];
        data[40] = 2;
        data[28] = 1; // one byte of payload is promised, none follows
        assert_eq!(Record::parse(&data), None);
    }

    pub(crate) fn unhex(text: &str) -> Vec<u8> {
        text.as_bytes()
            .chunks(2)
            .map(|c| u8::from_str_radix(std::str::from_utf8(c).unwrap(), 16).unwrap())
            .collect()
    }
}
