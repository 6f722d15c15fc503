//! ICMP echo (RFC 792, RFC 4443 §4).

use std::net::IpAddr;

/// Length of an echo message before its data.
const HEADER: usize = 8;
/// Types of an echo request and its reply.
const V4: (u8, u8) = (8, 0);
const V6: (u8, u8) = (128, 129);

/// An echo request, or the reply to it, which repeats all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo<'a> {
    /// Tells one sender of requests from another.
    pub identifier: u16,
    /// Tells the requests of a sender apart.
    pub sequence: u16,
    /// Anything.
    pub data: &'a [u8],
}

impl Echo<'_> {
    /// The request to a host of the family of `to`, as it is sent over a raw socket: without an
    /// IP header. The checksum of ICMPv6 is left to the kernel, which always computes it (RFC 3542
    /// §3.1).
    pub fn request(&self, to: IpAddr) -> Vec<u8> {
        let mut message = Vec::with_capacity(HEADER + self.data.len());
        message.extend([if to.is_ipv4() { V4.0 } else { V6.0 }, 0, 0, 0]);
        message.extend(self.identifier.to_be_bytes());
        message.extend(self.sequence.to_be_bytes());
        message.extend(self.data);
        if to.is_ipv4() {
            let checksum = checksum(&message).to_be_bytes();
            message[2..4].copy_from_slice(&checksum);
        }
        message
    }
}

/// The echo reply in what a raw socket received from a host of the family of `from`: with an IPv4
/// header, but without an IPv6 one. `None` if it is anything else.
pub fn reply(from: IpAddr, packet: &[u8]) -> Option<Echo<'_>> {
    let (message, kind) = if from.is_ipv4() {
        let length = usize::from(packet.first()? & 0xf) * 4;
        (packet.get(length..)?, V4.1)
    } else {
        (packet, V6.1)
    };
    let (header, data) = message.split_first_chunk::<HEADER>()?;
    let [found, code, _, _, identifier @ .., s0, s1] = header;
    if *found != kind || *code != 0 || (from.is_ipv4() && checksum(message) != 0) {
        return None;
    }
    let [i0, i1] = *identifier;
    Some(Echo {
        identifier: u16::from_be_bytes([i0, i1]),
        sequence: u16::from_be_bytes([*s0, *s1]),
        data,
    })
}

/// The Internet checksum (RFC 1071); 0 over a message that carries its own.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        let word = u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
        sum += u32::from(word);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const FOUR: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const SIX: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
    const ECHO: Echo<'static> = Echo { identifier: 0x1234, sequence: 1, data: b"abc" };

    /// The checksums by hand: 0800 + 1234 + 0001 + 6162 + 6300 = de97, its complement 2168; the
    /// reply has 0000 for 0800: d697, 2968.
    const REQUEST: &[u8] = b"\x08\x00\x21\x68\x12\x34\x00\x01abc";
    const REPLY: &[u8] = b"\x00\x00\x29\x68\x12\x34\x00\x01abc";

    fn with_header(words: u8, message: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; usize::from(words) * 4];
        packet[0] = 0x40 | words;
        packet.extend(message);
        packet
    }

    #[test]
    fn a_request_has_its_checksum() {
        assert_eq!(ECHO.request(FOUR), REQUEST);
        assert_eq!(ECHO.request(SIX), b"\x80\x00\x00\x00\x12\x34\x00\x01abc");
    }

    #[test]
    fn a_reply_is_read_behind_a_header_of_any_length() {
        for words in [5, 6, 15] {
            assert_eq!(reply(FOUR, &with_header(words, REPLY)), Some(ECHO));
        }
        assert_eq!(reply(SIX, b"\x81\x00\x00\x00\x12\x34\x00\x01abc"), Some(ECHO));
    }

    #[test]
    fn anything_else_is_no_reply() {
        let mut garbled = REPLY.to_vec();
        garbled[8] ^= 1;
        for message in [REQUEST, &garbled, &REPLY[..7], b""] {
            assert_eq!(reply(FOUR, &with_header(5, message)), None, "{message:02x?}");
        }
        assert_eq!(reply(FOUR, b""), None);
        assert_eq!(reply(FOUR, b"\x4f"), None);
        assert_eq!(reply(SIX, b"\x80\x00\x00\x00\x12\x34\x00\x01abc"), None);
        assert_eq!(reply(SIX, b"\x81\x01\x00\x00\x12\x34\x00\x01abc"), None);
    }
}
