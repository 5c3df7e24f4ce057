//! Probes of many places of a file behind one link (`BPF_TRACE_UPROBE_MULTI`, Linux 6.6), which aya does not know yet.
//!
//! Unlike probes by perf_event_open(2), which want CAP_SYS_ADMIN, they are attached by whoever holds the program: nothing
//! needs to be allowed any more for what is attached later. And they are detached together: the kernel waits once for all
//! of a link, not for each probe with everybody's probes locked.

#![expect(unsafe_code, reason = "bpf(2) has commands that no crate wraps")]

use aya::{
    Btf, Ebpf, features,
    maps::{Map, MapData},
};
use aya_obj::{Function, Object, generated::bpf_insn};
use std::{
    collections::{HashMap, HashSet},
    ffi::{CStr, CString},
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

// enum bpf_cmd, bpf_prog_type, bpf_attach_type and the flag of linux/bpf.h.
const BPF_MAP_UPDATE_ELEM: u32 = 2;
const BPF_PROG_LOAD: u32 = 5;
const BPF_RAW_TRACEPOINT_OPEN: u32 = 17;
const BPF_BTF_LOAD: u32 = 18;
const BPF_LINK_CREATE: u32 = 28;
const BPF_PROG_TYPE_KPROBE: u32 = 2;
const BPF_TRACE_UPROBE_MULTI: u32 = 48;
const BPF_F_UPROBE_MULTI_RETURN: u32 = 1;

/// Why the programs cannot be loaded this way.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the embedded object: {0}")]
    Object(String),
    #[error("the kernel: {0}")]
    Kernel(#[from] io::Error),
}

/// Programs that are attached by such links.
pub(super) struct Multi {
    programs: HashMap<&'static str, OwnedFd>,
}

impl Multi {
    /// Loads these programs of the object. They share the maps of `ebpf`, which are all still there.
    pub(super) fn load(object: &[u8], names: &[&'static str], ebpf: &Ebpf, btf: &Btf) -> Result<Self, Error> {
        let (object, btf) = prepare(object, ebpf, btf)?;
        let mut programs = HashMap::new();
        for name in names {
            let program = object.programs.get(*name).ok_or_else(|| broken(name))?;
            let function = object.functions.get(&program.function_key()).ok_or_else(|| broken(name))?;
            programs.insert(*name, load(function, &program.license, &btf)?);
        }
        Ok(Self { programs })
    }

    /// Attaches a program to these places (offsets in the file): where they are reached, or where the functions that begin
    /// there return. Closing the link detaches it.
    pub(super) fn attach(
        &self,
        program: &str,
        file: &Path,
        offsets: &[u64],
        returns: bool,
    ) -> Result<OwnedFd, Error> {
        let program = self.programs.get(program).ok_or_else(|| broken(&program))?;
        let path = CString::new(file.as_os_str().as_bytes()).map_err(|error| broken(&error))?;
        let link = LinkCreate {
            prog_fd: raw(program),
            target_fd: 0,
            attach_type: BPF_TRACE_UPROBE_MULTI,
            flags: 0,
            path: path.as_ptr() as u64,
            offsets: offsets.as_ptr() as u64,
            ref_ctr_offsets: 0,
            cookies: 0,
            count: u32::try_from(offsets.len()).unwrap_or_default(),
            multi_flags: if returns { BPF_F_UPROBE_MULTI_RETURN } else { 0 },
            pid: 0,
            padding: 0,
        };
        // SAFETY: the path and the offsets it points to live until the call returns.
        Ok(unsafe { bpf(BPF_LINK_CREATE, &link) }?)
    }
}

/// As aya prepares an object, with the maps that aya made of it.
fn prepare(bytes: &[u8], ebpf: &Ebpf, kernel: &Btf) -> Result<(Object, OwnedFd), Error> {
    let mut object = Object::parse(bytes).map_err(|error| broken(&error))?;
    let known = features().btf().ok_or_else(|| broken(&"no BTF"))?;
    let types = object.fixup_and_sanitize_btf(known).map_err(|error| broken(&error))?;
    let btf = load_btf(&types.ok_or_else(|| broken(&"no types"))?.to_bytes())?;
    object.relocate_btf(kernel).map_err(|error| broken(&error))?;
    let maps = std::mem::take(&mut object.maps);
    let fds: HashMap<&str, i32> =
        ebpf.maps().filter_map(|(name, map)| Some((name, data(map)?.fd().as_fd().as_raw_fd()))).collect();
    let both = maps.iter().filter_map(|(name, map)| Some((name.as_str(), *fds.get(name.as_str())?, map)));
    let sections: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
    object.relocate_maps(both, &sections).map_err(|error| broken(&error))?;
    object.relocate_calls(&sections).map_err(|error| broken(&error))?;
    object.sanitize_functions(features());
    Ok((object, btf))
}

/// Of the kinds of maps that our object has.
#[expect(clippy::wildcard_enum_match_arm, reason = "kinds that it has not")]
fn data(map: &Map) -> Option<&MapData> {
    match map {
        Map::Array(data)
        | Map::HashMap(data)
        | Map::LruHashMap(data)
        | Map::PerCpuArray(data)
        | Map::PerfEventArray(data)
        | Map::RingBuf(data)
        | Map::SkStorage(data)
        | Map::Unsupported(data) => Some(data),
        _ => None,
    }
}

fn load_btf(bytes: &[u8]) -> Result<OwnedFd, Error> {
    let load = BtfLoad {
        btf: bytes.as_ptr() as u64,
        log: 0,
        size: u32::try_from(bytes.len()).unwrap_or_default(),
        log_size: 0,
        log_level: 0,
        padding: 0,
    };
    // SAFETY: the types it points to live until the call returns.
    Ok(unsafe { bpf(BPF_BTF_LOAD, &load) }?)
}

fn load(function: &Function, license: &CStr, btf: &OwnedFd) -> Result<OwnedFd, Error> {
    let (functions, lines) = (function.func_info.func_info_bytes(), function.line_info.line_info_bytes());
    let number = |count: usize| u32::try_from(count).unwrap_or_default();
    let instructions: &[bpf_insn] = &function.instructions;
    let load = ProgLoad {
        prog_type: BPF_PROG_TYPE_KPROBE,
        instruction_count: number(instructions.len()),
        instructions: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name: [0; 16],
        ifindex: 0,
        expected_attach_type: BPF_TRACE_UPROBE_MULTI,
        btf_fd: raw(btf),
        function_record: number(function.func_info_rec_size),
        functions: functions.as_ptr() as u64,
        function_count: number(function.func_info.len()),
        line_record: number(function.line_info_rec_size),
        lines: lines.as_ptr() as u64,
        line_count: number(function.line_info.len()),
        attach_btf_id: 0,
    };
    // SAFETY: instructions, license and both tables live until the call returns.
    Ok(unsafe { bpf(BPF_PROG_LOAD, &load) }?)
}

fn raw(fd: &OwnedFd) -> u32 {
    u32::try_from(fd.as_raw_fd()).unwrap_or(u32::MAX)
}

fn broken(what: &dyn std::fmt::Display) -> Error {
    Error::Object(what.to_string())
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
struct LinkCreate {
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

/// Attaches a loaded program to the tracepoint that it was loaded for. Closing the link detaches it.
pub(super) fn attach_tracepoint(program: &OwnedFd) -> io::Result<OwnedFd> {
    let open = RawTracepointOpen { name: 0, prog_fd: raw(program), padding: 0 };
    // SAFETY: there is no address in it.
    unsafe { bpf(BPF_RAW_TRACEPOINT_OPEN, &open) }
}

/// Puts what a descriptor stands for into an array.
pub(super) fn update(map: BorrowedFd<'_>, index: u32, value: BorrowedFd<'_>) -> io::Result<()> {
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

#[repr(C)]
struct RawTracepointOpen {
    name: u64,
    prog_fd: u32,
    padding: u32,
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
