//! The commands of bpf(2) that load and attach programs.

#![expect(unsafe_code, reason = "bpf(2) has commands that no crate wraps")]

use aya_obj::{Function, generated::bpf_insn};
use std::{
    ffi::CStr,
    fs::File,
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

// enum bpf_cmd, bpf_prog_type, bpf_attach_type and the flag of linux/bpf.h.
const BPF_MAP_UPDATE_ELEM: u32 = 2;
const BPF_PROG_LOAD: u32 = 5;
const BPF_RAW_TRACEPOINT_OPEN: u32 = 17;
const BPF_BTF_LOAD: u32 = 18;
const BPF_LINK_CREATE: u32 = 28;
const BPF_ITER_CREATE: u32 = 33;
const BPF_PROG_TYPE_KPROBE: u32 = 2;
const BPF_PROG_TYPE_TRACING: u32 = 26;
const BPF_TRACE_RAW_TP: u32 = 23;
const BPF_TRACE_ITER: u32 = 28;
const BPF_TRACE_UPROBE_MULTI: u32 = 48;
const BPF_F_UPROBE_MULTI_RETURN: u32 = 1;

/// What a program is loaded for.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A tracepoint with typed arguments: the type of its handler in the kernel's BTF.
    Tracepoint(u32),
    /// An iterator: its function in the kernel's BTF.
    Iterator(u32),
    /// Many places of a file behind one link.
    Uprobes,
}

impl Kind {
    const fn codes(self) -> (u32, u32, u32) {
        match self {
            Self::Tracepoint(id) => (BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP, id),
            Self::Iterator(id) => (BPF_PROG_TYPE_TRACING, BPF_TRACE_ITER, id),
            Self::Uprobes => (BPF_PROG_TYPE_KPROBE, BPF_TRACE_UPROBE_MULTI, 0),
        }
    }
}

/// Gives the kernel the types of an object.
pub(super) fn load_types(bytes: &[u8]) -> io::Result<OwnedFd> {
    let load = BtfLoad {
        btf: bytes.as_ptr() as u64,
        log: 0,
        size: count(bytes.len()),
        log_size: 0,
        log_level: 0,
        padding: 0,
    };
    // SAFETY: the types it points to live until the call returns.
    unsafe { bpf(BPF_BTF_LOAD, &load) }
}

/// Has the kernel verify and keep a program, whose types it was given.
pub(super) fn load_program(
    kind: Kind,
    function: &Function,
    license: &CStr,
    types: &OwnedFd,
) -> io::Result<OwnedFd> {
    let (functions, lines) = (function.func_info.func_info_bytes(), function.line_info.line_info_bytes());
    let instructions: &[bpf_insn] = &function.instructions;
    let (prog_type, expected_attach_type, attach_btf_id) = kind.codes();
    let mut load = ProgLoad {
        prog_type,
        instruction_count: count(instructions.len()),
        instructions: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name: name(&function.name),
        ifindex: 0,
        expected_attach_type,
        btf_fd: raw(types),
        function_record: count(function.func_info_rec_size),
        functions: functions.as_ptr() as u64,
        function_count: count(function.func_info.len()),
        line_record: count(function.line_info_rec_size),
        lines: lines.as_ptr() as u64,
        line_count: count(function.line_info.len()),
        attach_btf_id,
    };
    // SAFETY: instructions, license and both tables live until the call returns.
    let loaded = unsafe { bpf(BPF_PROG_LOAD, &load) };
    let error = match loaded {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EACCES | libc::EINVAL)) => error,
        loaded => return loaded,
    };
    // The verifier says why, if it is asked: that costs time, so not at first.
    let mut log = vec![0_u8; LOG];
    (load.log_level, load.log_size, load.log) = (1, count(log.len()), log.as_mut_ptr() as u64);
    // SAFETY: as above, and so does the log.
    unsafe { bpf(BPF_PROG_LOAD, &load) }.map_err(|_| match objection(&log) {
        Some(why) => io::Error::new(error.kind(), format!("{error}: {why}")),
        None => error,
    })
}

/// Bytes of what the verifier says; its end is kept since 6.4, else its beginning.
const LOG: usize = 1 << 20;

/// What the verifier said last before it counts what it has done.
fn objection(log: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(log.split(|byte| *byte == 0).next()?).into_owned();
    let line = text.lines().rfind(|line| !line.trim().is_empty() && !line.starts_with("processed "))?;
    Some(line.trim().to_owned())
}

/// Attaches a program of [`Kind::Tracepoint`]. Closing the link detaches it, as all that follow.
pub(super) fn attach_tracepoint(program: &OwnedFd) -> io::Result<OwnedFd> {
    let open = RawTracepointOpen { name: 0, prog_fd: raw(program), padding: 0 };
    // SAFETY: it points to nothing.
    unsafe { bpf(BPF_RAW_TRACEPOINT_OPEN, &open) }
}

/// Attaches a program of [`Kind::Uprobes`] to these places (offsets in the file): where they are reached, or where the
/// functions that begin there return.
pub(super) fn attach_uprobes(
    program: &OwnedFd,
    path: &CStr,
    offsets: &[u64],
    returns: bool,
) -> io::Result<OwnedFd> {
    let link = UprobesCreate {
        prog_fd: raw(program),
        target_fd: 0,
        attach_type: BPF_TRACE_UPROBE_MULTI,
        flags: 0,
        path: path.as_ptr() as u64,
        offsets: offsets.as_ptr() as u64,
        ref_ctr_offsets: 0,
        cookies: 0,
        count: count(offsets.len()),
        multi_flags: if returns { BPF_F_UPROBE_MULTI_RETURN } else { 0 },
        pid: 0,
        padding: 0,
    };
    // SAFETY: the path and the offsets it points to live until the call returns.
    unsafe { bpf(BPF_LINK_CREATE, &link) }
}

/// A file that runs a program of [`Kind::Iterator`] as it is read.
pub(super) fn iterate(program: &OwnedFd) -> io::Result<File> {
    let link = IteratorLink {
        prog_fd: raw(program),
        target_fd: 0,
        attach_type: BPF_TRACE_ITER,
        flags: 0,
        info: [0; 2],
    };
    // SAFETY: it points to nothing.
    let link = unsafe { bpf(BPF_LINK_CREATE, &link) }?;
    let create = IteratorCreate { link_fd: raw(&link), flags: 0 };
    // SAFETY: it points to nothing.
    Ok(unsafe { bpf(BPF_ITER_CREATE, &create) }?.into())
}

/// Puts what a descriptor stands for into an array.
pub(super) fn put(map: BorrowedFd<'_>, index: u32, value: BorrowedFd<'_>) -> io::Result<()> {
    let value = value.as_raw_fd();
    let update = MapUpdate {
        map_fd: u32::try_from(map.as_raw_fd()).unwrap_or(u32::MAX),
        padding: 0,
        key: std::ptr::from_ref(&index) as u64,
        value: std::ptr::from_ref(&value) as u64,
        flags: 0,
    };
    // SAFETY: key and value are of the array's sizes, and live until the call returns.
    unsafe { call(BPF_MAP_UPDATE_ELEM, &update) }.map(drop)
}

fn raw(fd: &OwnedFd) -> u32 {
    u32::try_from(fd.as_raw_fd()).unwrap_or(u32::MAX)
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or_default()
}

/// As much of a name as the kernel keeps: 15 letters and a zero.
fn name(of: &str) -> [u8; 16] {
    let mut name = [0; 16];
    name.iter_mut().zip(of.bytes().take(15)).for_each(|(to, from)| *to = from);
    name
}

// What bpf(2) takes (union bpf_attr), as far as it is used: the kernel takes the rest for zero.

#[repr(C)]
struct ProgLoad {
    prog_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    ifindex: u32,
    expected_attach_type: u32,
    btf_fd: u32,
    function_record: u32,
    functions: u64,
    function_count: u32,
    line_record: u32,
    lines: u64,
    line_count: u32,
    attach_btf_id: u32,
}

#[repr(C)]
struct BtfLoad {
    btf: u64,
    log: u64,
    size: u32,
    log_size: u32,
    log_level: u32,
    padding: u32,
}

#[repr(C)]
struct RawTracepointOpen {
    name: u64,
    prog_fd: u32,
    padding: u32,
}

#[repr(C)]
struct UprobesCreate {
    prog_fd: u32,
    target_fd: u32,
    attach_type: u32,
    flags: u32,
    path: u64,
    offsets: u64,
    ref_ctr_offsets: u64,
    cookies: u64,
    count: u32,
    multi_flags: u32,
    pid: u32,
    padding: u32,
}

#[repr(C)]
struct IteratorLink {
    prog_fd: u32,
    target_fd: u32,
    attach_type: u32,
    flags: u32,
    /// Address and length of what narrows the iteration: nothing.
    info: [u64; 2],
}

#[repr(C)]
struct IteratorCreate {
    link_fd: u32,
    flags: u32,
}

#[repr(C)]
struct MapUpdate {
    map_fd: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Calls bpf(2) with a command that answers with a new file descriptor.
///
/// # Safety
///
/// As [`call`].
unsafe fn bpf<T>(command: u32, attributes: &T) -> io::Result<OwnedFd> {
    // SAFETY: the caller's word.
    let fd = unsafe { call(command, attributes) }?;
    // SAFETY: the kernel just made it, for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Calls bpf(2).
///
/// # Safety
///
/// `attributes` is the beginning of what the command takes, and every address in it stays valid during the call.
unsafe fn call<T>(command: u32, attributes: &T) -> io::Result<i32> {
    // SAFETY: the kernel reads `size_of::<T>()` bytes from the reference, and the addresses in it are valid.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>()) };
    i32::try_from(result).ok().filter(|result| *result >= 0).ok_or_else(io::Error::last_os_error)
}

#[cfg(test)]
mod tests {
    use super::objection;

    #[test]
    fn the_verifier_says_last_what_it_minds() {
        let log = b"0: R1=ctx()\ncombined stack size of 3 calls is 544. Too large\nprocessed 9 insns (limit 1000000)\n\0\0";
        assert_eq!(objection(log).as_deref(), Some("combined stack size of 3 calls is 544. Too large"));
        assert_eq!(objection(b"processed 0 insns\n\0"), None);
        assert_eq!(objection(&[0; 8]), None);
    }
}
