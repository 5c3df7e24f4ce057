//! Twenty seconds of the shop, for listening without any rights.

use crate::{Role, roles};

/// First of the six ports in [`RECORDING`].
pub const RECORDED_BASE_PORT: u16 = 8300;

/// About twenty seconds of the shop as a packet capture (pcap, compressed with zstd).
///
/// Recorded on loopback, whole packets, nothing but the shop's own ports, by
/// `crates/demo/record.sh` (needs root, tcpdump and zstd); run it again after a change of the shop.
pub const RECORDING: &[u8] = include_bytes!("../assets/shop.pcap.zst");

/// Who listened on this port when [`RECORDING`] was made: a capture has no process names.
pub fn service_of_port(port: u16) -> Option<&'static str> {
    let index = port.checked_sub(RECORDED_BASE_PORT)?;
    roles().iter().find(|role| role.port_index() == Some(index)).copied().map(Role::service)
}

#[cfg(test)]
mod tests {
    use super::{RECORDED_BASE_PORT, RECORDING, service_of_port};

    #[test]
    fn ports_have_names() {
        assert_eq!(service_of_port(RECORDED_BASE_PORT), Some("shop-gateway"));
        assert_eq!(service_of_port(RECORDED_BASE_PORT + 5), Some("shop-inventory"));
        assert_eq!(service_of_port(RECORDED_BASE_PORT + 6), None);
        assert_eq!(service_of_port(80), None);
    }

    #[test]
    fn the_recording_is_whole_and_of_this_shop() {
        assert!(RECORDING.len() < 300_000, "{}", RECORDING.len());
        let pcap = zstd::decode_all(RECORDING).expect("zstd");
        assert_eq!(
            pcap.get(..4),
            Some(&[0xd4, 0xc3, 0xb2, 0xa1][..]),
            "a little-endian pcap in microseconds"
        );
        let count = |what: &[u8]| pcap.windows(what.len()).filter(|window| *window == what).count();
        assert!(count(b"GET /kv/") > 100);
        assert!(count(b"POST /api/orders HTTP/1.1") > 5);
        assert!(count(b"HTTP/1.1 404") > 0 && count(b"HTTP/1.1 500") > 0 && count(b"HTTP/1.1 502") > 0);
        assert!(count(b"transfer-encoding: chunked") > 0 && count(b"content-encoding: gzip") > 0);
    }
}
