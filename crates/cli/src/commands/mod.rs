//! One file per command.

pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod endpoints;
pub(crate) mod export;
pub(crate) mod man;
pub(crate) mod map;
pub(crate) mod overlay;
pub(crate) mod read;
pub(crate) mod requests;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod spec;
pub(crate) mod watch;
