//! Probes of many places of a file behind one link (`BPF_TRACE_UPROBE_MULTI`, Linux 6.6).
//!
//! Unlike probes by perf_event_open(2), which want CAP_SYS_ADMIN, they are attached by whoever holds the program: nothing
//! needs to be allowed any more for what is attached later. And they are detached together: the kernel waits once for all
//! of a link, not for each probe with everybody's probes locked.

use super::{
    bpf,
    object::{Error, Programs},
};
use std::{
    collections::HashMap,
    ffi::CString,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
};

/// Programs that are attached by such links.
pub(super) struct Multi {
    programs: HashMap<&'static str, OwnedFd>,
}

impl Multi {
    /// Loads these programs of the object.
    pub(super) fn load(object: &Programs<'_>, names: &[&'static str]) -> Result<Self, Error> {
        let load = |name: &&'static str| Ok((*name, object.uprobes(name)?));
        Ok(Self { programs: names.iter().map(load).collect::<Result<_, Error>>()? })
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
        let program = self.programs.get(program).ok_or_else(|| Error::object(&program))?;
        let path = CString::new(file.as_os_str().as_bytes()).map_err(|error| Error::object(&error))?;
        Ok(bpf::attach_uprobes(program, &path, offsets, returns)?)
    }
}
