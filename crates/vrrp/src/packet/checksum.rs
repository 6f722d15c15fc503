//! The Internet checksum (RFC 1071).

use std::net::IpAddr;

/// The pseudo header of IPv4 (RFC 793 §3.1) or IPv6 (RFC 8200 §8.1); nothing for a source and a
/// destination of two families, which no packet has.
pub(crate) fn pseudo_header(
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    length: usize,
) -> Vec<u8> {
    // At most 8 + 255 * 16 bytes.
    let [high, low] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let rest = [0, protocol, high, low];
            [&source.octets()[..], &destination.octets(), &rest].concat()
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let rest = [0, 0, high, low, 0, 0, 0, protocol];
            [&source.octets()[..], &destination.octets(), &rest].concat()
        }
        _ => Vec::new(),
    }
}

/// The complement of the ones' complement sum of `parts`, each of even length. Over data that
/// carries its checksum it is 0.
pub(crate) fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum: u32 = 0;
    for part in parts {
        for word in part.chunks(2) {
            let low = word.get(1).copied().unwrap_or(0);
            sum += u32::from(u16::from_be_bytes([word[0], low]));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // Folded to sixteen bits above.
    !u16::try_from(sum).unwrap_or(u16::MAX)
}
