//! Sources: the live kernel, pcap and pcapng files, HAR.

mod elf;
pub mod file;
pub mod har;
pub mod live;
pub mod process;
pub mod tls;
