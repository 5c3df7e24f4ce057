//! The programs of an object, made ready for this kernel with the maps that aya made, and loaded as they are.
//!
//! aya loads programs too, but under `lockdown=confidentiality` it takes the refusal of `bpf_probe_read_kernel` for a kernel
//! that has no `bpf_probe_read_user` either, and has the programs ask for what is refused ([why]). Nor does it know links of
//! many probes.
//!
//! [why]: https://docs.rs/aya-obj/0.3.0/aya_obj/struct.Object.html#method.sanitize_functions

use super::bpf::{self, Kind};
use aya::{
    Btf, Ebpf, features,
    maps::{Map, MapData},
};
use aya_obj::{
    Object,
    btf::{BtfError, BtfKind},
};
use std::{
    collections::{HashMap, HashSet},
    fmt, io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
};

/// Why a program cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// What it wants to be attached to is not in this kernel.
    #[error("the kernel has no {0}")]
    Absent(String),
    #[error("the embedded object: {0}")]
    Object(String),
    /// Its words are those of the kernel, which is no cause to be told once more.
    #[error("the kernel: {0}")]
    Kernel(io::Error),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Kernel(error)
    }
}

impl Error {
    pub(super) fn object(what: &dyn fmt::Display) -> Self {
        Self::Object(what.to_string())
    }
}

/// An object that is ready for this kernel.
pub(super) struct Programs<'a> {
    object: Object,
    types: OwnedFd,
    kernel: &'a Btf,
}

impl<'a> Programs<'a> {
    /// Of the object that `ebpf` was made of, whose maps are all still there.
    pub(super) fn of(bytes: &[u8], ebpf: &Ebpf, kernel: &'a Btf) -> Result<Self, Error> {
        let mut object = Object::parse(bytes).map_err(|error| Error::object(&error))?;
        let known = features().btf().ok_or_else(|| Error::object(&"no BTF"))?;
        let types = object.fixup_and_sanitize_btf(known).map_err(|error| Error::object(&error))?;
        let types = bpf::load_types(&types.ok_or_else(|| Error::object(&"no types"))?.to_bytes())?;
        object.relocate_btf(kernel).map_err(|error| Error::object(&error))?;
        let maps = std::mem::take(&mut object.maps);
        let fds: HashMap<&str, i32> =
            ebpf.maps().filter_map(|(name, map)| Some((name, data(map)?.fd().as_fd().as_raw_fd()))).collect();
        let both = maps.iter().filter_map(|(name, map)| Some((name.as_str(), *fds.get(name.as_str())?, map)));
        let sections: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
        object.relocate_maps(both, &sections).map_err(|error| Error::object(&error))?;
        object.relocate_calls(&sections).map_err(|error| Error::object(&error))?;
        Ok(Self { object, types, kernel })
    }

    /// For a tracepoint of the kernel, with its typed arguments.
    pub(super) fn tracepoint(&self, program: &str, tracepoint: &str) -> Result<OwnedFd, Error> {
        let handler = self.type_id(&format!("btf_trace_{tracepoint}"), BtfKind::Typedef)?;
        self.load(program, Kind::Tracepoint(handler))
    }

    /// For an iterator over all that the kernel has of a kind.
    pub(super) fn iterator(&self, program: &str, over: &str) -> Result<OwnedFd, Error> {
        let function = self.type_id(&format!("bpf_iter_{over}"), BtfKind::Func)?;
        self.load(program, Kind::Iterator(function))
    }

    /// For many places of a file (Linux 6.6).
    pub(super) fn uprobes(&self, program: &str) -> Result<OwnedFd, Error> {
        self.load(program, Kind::Uprobes)
    }

    fn load(&self, name: &str, kind: Kind) -> Result<OwnedFd, Error> {
        let absent = || Error::object(&format!("no program {name}"));
        let program = self.object.programs.get(name).ok_or_else(absent)?;
        let function = self.object.functions.get(&program.function_key()).ok_or_else(absent)?;
        Ok(bpf::load_program(kind, function, &program.license, &self.types)?)
    }

    fn type_id(&self, name: &str, kind: BtfKind) -> Result<u32, Error> {
        self.kernel
            .id_by_type_name_kind(name, kind)
            .map_err(|error: BtfError| Error::Absent(error.to_string()))
    }
}

/// Of the kinds of maps that our objects have.
#[expect(clippy::wildcard_enum_match_arm, reason = "kinds that they have not")]
fn data(map: &Map) -> Option<&MapData> {
    match map {
        Map::Array(data)
        | Map::HashMap(data)
        | Map::LruHashMap(data)
        | Map::PerCpuArray(data)
        | Map::PerCpuHashMap(data)
        | Map::PerfEventArray(data)
        | Map::RingBuf(data)
        | Map::SkStorage(data)
        | Map::Unsupported(data) => Some(data),
        _ => None,
    }
}
