//! The packets of a schedule as a capture file, with the times at which they came.
//!
//! Written by the test, so no privilege is needed and no second clock is involved: what another program says about the
//! file is said about the same packets and the same arrivals that the relay has seen.

use std::path::Path;

use crate::truth::Arrived;

/// Where the packets of the file go.
pub(crate) const PORT: u16 = 40_000;

/// Nanoseconds, IPv4 without a link layer.
const MAGIC: u32 = 0xa1b2_3c4d;
const LINKTYPE_IPV4: u32 = 228;

/// Writes them in the order of arrival.
pub(crate) fn write(path: &Path, packets: &[Arrived<'_>]) {
    let mut file = Vec::new();
    file.extend(MAGIC.to_le_bytes());
    file.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend(0xffff_u32.to_le_bytes());
    file.extend(LINKTYPE_IPV4.to_le_bytes());
    for ((packet, arrival), serial) in packets.iter().zip(0..) {
        let bytes = datagram(&packet.bytes(serial), packet.tos);
        let time = arrival.middle();
        file.extend((time as u32).to_le_bytes());
        file.extend(((time.fract() * 1e9) as u32).to_le_bytes());
        file.extend((bytes.len() as u32).to_le_bytes().repeat(2));
        file.extend(bytes);
    }
    std::fs::write(path, file).unwrap();
}

/// An IPv4 packet with a UDP datagram.
fn datagram(payload: &[u8], tos: u8) -> Vec<u8> {
    let length = payload.len() as u16;
    let mut bytes = vec![0x45, tos];
    bytes.extend((28 + length).to_be_bytes());
    bytes.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    bytes.extend([192, 0, 2, 1, 192, 0, 2, 2]);
    let sum = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum::<u32>();
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    bytes.extend(PORT.to_be_bytes().repeat(2));
    bytes.extend((8 + length).to_be_bytes());
    // No checksum.
    bytes.extend([0, 0]);
    bytes.extend(payload);
    bytes
}

#[test]
fn a_datagram_is_what_rfc_791_and_768_say() {
    let bytes = datagram(b"hello", 0xb8);
    assert_eq!(bytes[..4], [0x45, 0xb8, 0, 33]);
    let sum: u32 = bytes[..20].chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
    assert_eq!(bytes[20..28], [156, 64, 156, 64, 0, 13, 0, 0]);
    assert_eq!(&bytes[28..], b"hello");
}
