//! TLS functions in running programs: which executables and libraries hold some, and where a probe belongs.
//!
//! [`find`] reads one ELF file. [`Scanner`] follows `/proc` and asks it once for every file that is mapped somewhere,
//! in whatever mount namespace, deleted or not.

mod code;
mod find;
mod go;
mod inner;
mod rustls;
mod scan;
mod survey;
mod symbols;
mod why;

pub use find::{Error, Unreadable, find, unreadable};
#[cfg(target_os = "linux")]
pub(crate) use inner::cheaper;
pub use scan::{Identity, Mapped, Scanner};
pub use survey::HeardTls;
pub(crate) use survey::TlsSurvey;
pub use why::{Finding, Inspected, Inspector};

use std::fmt;

/// A TLS implementation. Forks that keep its functions and their arguments count as the original: BoringSSL, AWS-LC
/// and LibreSSL are OpenSSL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the libraries are their names")]
pub enum Library {
    OpenSsl,
    GnuTls,
    Go,
    Rustls,
    Nss,
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A function that is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// `int SSL_read(SSL *, void *, int)`
    SslRead,
    /// `int SSL_write(SSL *, const void *, int)`
    SslWrite,
    /// `int SSL_read_ex(SSL *, void *, size_t, size_t *)`: 1 or 0, the length is behind the fourth argument. Called by
    /// `SSL_read_early_data` too, as `SSL_write_ex` is by `SSL_write_early_data`.
    SslReadEx,
    /// `int SSL_write_ex(SSL *, const void *, size_t, size_t *)`: as `SSL_read_ex`.
    SslWriteEx,
    /// `ossl_ssize_t SSL_sendfile(SSL *, int fd, off_t, size_t, int)`
    SslSendfile,
    /// `int SSL_do_handshake(SSL *)`
    SslDoHandshake,
    /// `void SSL_free(SSL *)`
    SslFree,
    /// `ssize_t gnutls_record_recv(gnutls_session_t, void *, size_t)`
    GnuTlsRecordRecv,
    /// `ssize_t gnutls_record_send(gnutls_session_t, const void *, size_t)`
    GnuTlsRecordSend,
    /// `void gnutls_deinit(gnutls_session_t)`
    GnuTlsDeinit,
    /// `func (*tls.Conn) Read([]byte) (int, error)`
    GoConnRead,
    /// `func (*tls.Conn) Write([]byte) (int, error)`
    GoConnWrite,
    /// `func (*tls.Conn) Close() error`
    GoConnClose,
    /// `fn CommonState::take_received_plaintext(&mut self, Payload)`
    RustlsReceived,
    /// `fn CommonState::send_appdata_encrypt(&mut self, OutboundChunks, Limit, …) -> usize`
    RustlsSend,
    /// `fn ExpectTraffic::handle(Box<Self>, &mut Context, Message) -> Result<…>`: of servers and of clients, of both versions
    /// of TLS.
    RustlsTraffic,
    /// `fn CommonState::send_some_plaintext(&mut self, &[u8]) -> usize`, before 0.23.
    RustlsSendSome,
    /// `fn CommonState::send_plain(&mut self, &[u8], Limit) -> usize`, before 0.23.
    RustlsSendPlain,
    /// `fn CommonState::send_msg(&mut self, Message, bool)`: of the handshake, or that it is over.
    RustlsMessage,
}

impl Function {
    /// Whose it is.
    pub fn library(self) -> Library {
        match self {
            Self::SslRead
            | Self::SslWrite
            | Self::SslReadEx
            | Self::SslWriteEx
            | Self::SslSendfile
            | Self::SslDoHandshake
            | Self::SslFree => Library::OpenSsl,
            Self::GnuTlsRecordRecv | Self::GnuTlsRecordSend | Self::GnuTlsDeinit => Library::GnuTls,
            Self::GoConnRead | Self::GoConnWrite | Self::GoConnClose => Library::Go,
            Self::RustlsReceived
            | Self::RustlsSend
            | Self::RustlsTraffic
            | Self::RustlsSendSome
            | Self::RustlsSendPlain
            | Self::RustlsMessage => Library::Rustls,
        }
    }
}

/// Where one function is probed. All offsets are into the file, as uprobes take them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Which.
    pub function: Function,
    /// Its first byte.
    pub start: u64,
    /// Where the uprobe belongs: the first instruction that the kernel emulates, at which the registers of the
    /// arguments still hold them and to which every call gets exactly once; else `start`.
    pub entry: u64,
    /// Bytes between the stack pointer at `entry` and the return address. A uretprobe may sit at `entry` only if this
    /// is 0; else it belongs to `start`.
    pub pushed: u32,
    /// The instruction at `entry` is not emulated: a call costs several microseconds more on virtual machines.
    pub single_stepped: bool,
    /// Its `RET` instructions. Only for Go, whose stacks move: never a uretprobe there.
    pub returns: Vec<u64>,
}

/// The TLS functions of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The library of the first site. A file may hold several; each site's function says whose it is.
    pub library: Library,
    /// As far as the file tells: `3.2` for OpenSSL, `go1.22.1` for Go.
    pub version: Option<String>,
    /// `NT_GNU_BUILD_ID`, else Go's.
    pub build_id: Option<Vec<u8>>,
    /// At least one, each function at most a few times (a program may hold two copies).
    pub sites: Vec<Site>,
    /// How the Go program passes arguments.
    pub go: Option<Go>,
}

/// What the probes of a Go program need to know. All else has been the same since Go 1.10: `conn`, the first field of
/// `tls.Conn`, is an interface, whose second word points to a `net.TCPConn`, whose first word points to a `netFD`, in
/// which `Sysfd` is at 16. Of `g`, the first two words are the bounds of its stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Go {
    /// Arguments are in registers (Go 1.17 on x86_64, 1.18 on aarch64): rax, rbx, rcx, rdi and `g` in r14, or x0 to x3
    /// and x28. Before, they are on the stack.
    pub registers: bool,
}

#[cfg(test)]
mod tests;
