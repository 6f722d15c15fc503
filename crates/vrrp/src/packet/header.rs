//! The IP header of a packet.

use std::net::{IpAddr, Ipv4Addr};

use super::{PROTOCOL, Refusal};

/// What the IP header of a received packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpHeader {
    /// Source.
    pub source: IpAddr,
    /// Destination, of the same family.
    pub destination: IpAddr,
    /// Time to live, or hop limit.
    pub ttl: u8,
}

impl IpHeader {
    /// Splits what a raw IPv4 socket received into header and payload. The header has the length
    /// that it says, not always 20 bytes. A raw IPv6 socket gives no header: there the kernel
    /// tells its fields.
    ///
    /// # Errors
    /// [`Refusal::IpHeader`] when it is no IPv4 packet of VRRP.
    pub fn split(packet: &[u8]) -> Result<(Self, &[u8]), Refusal> {
        let &[first, _, _, _, _, _, _, _, ttl, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3, ..] =
            packet
        else {
            return Err(Refusal::IpHeader);
        };
        let length = usize::from(first & 0x0f) * 4;
        if first >> 4 != 4 || length < 20 || protocol != PROTOCOL {
            return Err(Refusal::IpHeader);
        }
        // The payload ends where the header says: a short packet is padded on Ethernet.
        let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
        let payload = packet.get(length..total).ok_or(Refusal::IpHeader)?;
        let header = Self {
            source: Ipv4Addr::new(s0, s1, s2, s3).into(),
            destination: Ipv4Addr::new(d0, d1, d2, d3).into(),
            ttl,
        };
        Ok((header, payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ip_header_has_the_length_that_it_says() {
        let mut packet = vec![
            0x46, 0xc0, 0, 26, 0, 0, 0, 0, 255, 112, 0, 0, 10, 0, 0, 1, 224, 0, 0, 18, 1, 1, 1, 1,
        ];
        packet.extend([1, 2, 9, 9]);
        let (header, payload) = IpHeader::split(&packet).unwrap();
        let expected = IpHeader {
            source: Ipv4Addr::new(10, 0, 0, 1).into(),
            destination: Ipv4Addr::new(224, 0, 0, 18).into(),
            ttl: 255,
        };
        assert_eq!((header, payload), (expected, &[1, 2][..]));
        for (at, value) in [(0, 0x66), (0, 0x44), (9, 17), (3, 29), (3, 23)] {
            let mut bad = packet.clone();
            bad[at] = value;
            assert_eq!(IpHeader::split(&bad), Err(Refusal::IpHeader), "byte {at} = {value}");
        }
        assert_eq!(IpHeader::split(&packet[..19]), Err(Refusal::IpHeader));
    }
}
