//! The kernel programs, their compiled objects and the records they emit.
//!
//! The programs are C (`src/bpf/`, CO-RE); `cargo xtask bpf` compiles them into `objects/`, which is committed, so that
//! building Overhear needs no clang. [`record`] is the user-space half of the one ABI between them.

pub mod datagram;
pub mod record;

/// The object that hears stream sockets by two tracepoints of their own (kernel 6.3 and later), for the architecture this
/// is built for.
#[cfg(target_arch = "x86_64")]
pub const SOCKET_OBJECT: &[u8] = include_bytes!("../objects/x86_64/socket.bpf.o");
/// The object that hears stream sockets by two tracepoints of their own (kernel 6.3 and later). Compiled and
/// layout-checked only on this architecture.
#[cfg(target_arch = "aarch64")]
pub const SOCKET_OBJECT: &[u8] = include_bytes!("../objects/aarch64/socket.bpf.o");
/// There are no objects for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub const SOCKET_OBJECT: &[u8] = &[];

/// The object that hears stream sockets by the system calls (kernel 5.8 and later), for the architecture this is built
/// for. An object of its own: maps are made whether they are used or not, and old kernels lack kinds of them.
#[cfg(target_arch = "x86_64")]
pub const SYSCALLS_OBJECT: &[u8] = include_bytes!("../objects/x86_64/syscalls.bpf.o");
/// The object that hears stream sockets by the system calls (kernel 5.8 and later). Compiled and layout-checked only on
/// this architecture.
#[cfg(target_arch = "aarch64")]
pub const SYSCALLS_OBJECT: &[u8] = include_bytes!("../objects/aarch64/syscalls.bpf.o");
/// There are no objects for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub const SYSCALLS_OBJECT: &[u8] = &[];
