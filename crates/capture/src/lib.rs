//! Sources: the live kernel, pcap and pcapng files, HAR.

pub mod live;
