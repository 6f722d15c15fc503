//! Adverts on the wire.

use std::net::Ipv4Addr;

use crate::spec::{Authentication, Centiseconds, Version, Vrid};

/// IP protocol number of VRRP.
pub const PROTOCOL: u8 = 112;

/// Multicast group of adverts over IPv4 (RFC 9568 §5.1.1.2).
pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// TTL of every advert; a packet with another came through a router (RFC 9568 §5.1.1.3).
pub const TTL: u8 = 255;

const HEADER: usize = 8;
const ADVERTISEMENT: u8 = 1;
const AUTHENTICATION: usize = 8;

/// An advert.
///
/// Version 3 (RFC 9568 §5.1):
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |Version| Type  | Virtual Rtr ID|   Priority    |  IPvX Addr #  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |Reserve| Max Advertise Interval|          Checksum             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                         addresses ...                         |
/// ```
///
/// Version 2 (RFC 3768 §5.1; the authentication data of RFC 2338):
/// ```text
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |Version| Type  | Virtual Rtr ID|   Priority    | Count IP Addrs|
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Auth Type   |   Adver Int   |          Checksum             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                         addresses ...                         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |               authentication data, two words                  |
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// Protocol version.
    pub version: Version,
    /// Virtual router.
    pub vrid: Vrid,
    /// The sender's priority; 0 says that it gives up mastership.
    pub priority: u8,
    /// The sender's interval; whole seconds in version 2.
    pub interval: Centiseconds,
    /// The virtual addresses, at most 255.
    pub addresses: Vec<Ipv4Addr>,
    /// The password of version 2.
    pub authentication: Option<Authentication>,
}

/// Why a received packet was dropped. Each cause has its counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DropCause {
    /// The IP header is malformed, or the packet is not VRRP at all.
    #[error("IP header malformed")]
    IpHeader,
    /// The packet ends too early, or is longer than its address count says.
    #[error("wrong length")]
    Length,
    /// The TTL is not 255: the packet was routed, which VRRP's never are.
    #[error("TTL is not 255")]
    Ttl,
    /// The version is not the instance's.
    #[error("other version")]
    Version,
    /// The type is not 1, the only one there is.
    #[error("unknown type")]
    Type,
    /// The checksum is wrong.
    #[error("wrong checksum")]
    Checksum,
    /// The VRID belongs to no instance of the interface.
    #[error("unknown VRID")]
    Vrid,
    /// The password or its type is not the instance's (version 2).
    #[error("authentication does not match")]
    Authentication,
    /// The interval is not the instance's (version 2), or it is 0.
    #[error("advert interval does not match")]
    Interval,
    /// The sender is none of the instance's unicast peers, or a multicast packet came to an
    /// instance with unicast peers.
    #[error("sender is no peer")]
    Peer,
    /// The source address is this director's own.
    #[error("own packet")]
    Own,
}

impl DropCause {
    /// Every cause, in the order of the counters.
    pub const ALL: [Self; 11] = [
        Self::IpHeader,
        Self::Length,
        Self::Ttl,
        Self::Version,
        Self::Type,
        Self::Checksum,
        Self::Vrid,
        Self::Authentication,
        Self::Interval,
        Self::Peer,
        Self::Own,
    ];
}

/// What the IP header of a received packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpHeader {
    /// Source.
    pub source: Ipv4Addr,
    /// Destination.
    pub destination: Ipv4Addr,
    /// Time to live.
    pub ttl: u8,
}

impl IpHeader {
    /// Splits what a raw socket received into header and payload. The header has the length that
    /// it says, not always 20 bytes.
    ///
    /// # Errors
    /// [`DropCause::IpHeader`] when it is no IPv4 packet of VRRP.
    pub fn split(packet: &[u8]) -> Result<(Self, &[u8]), DropCause> {
        let &[first, _, _, _, _, _, _, _, ttl, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3, ..] =
            packet
        else {
            return Err(DropCause::IpHeader);
        };
        let length = usize::from(first & 0x0f) * 4;
        if first >> 4 != 4 || length < 20 || protocol != PROTOCOL {
            return Err(DropCause::IpHeader);
        }
        // The payload ends where the header says: a short packet is padded on Ethernet.
        let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
        let payload = packet.get(length..total).ok_or(DropCause::IpHeader)?;
        let header = Self {
            source: Ipv4Addr::new(s0, s1, s2, s3),
            destination: Ipv4Addr::new(d0, d1, d2, d3),
            ttl,
        };
        Ok((header, payload))
    }
}

impl Advert {
    /// The VRID of a VRRP packet, before anything else is looked at.
    pub fn peek_vrid(payload: &[u8]) -> Option<u8> {
        payload.get(1).copied()
    }

    /// The bytes after the IP header. `source` and `destination` enter version 3's checksum.
    ///
    /// # Panics
    /// Never for what [`crate::InstanceSpec`] allows: more than 255 addresses are cut off.
    pub fn encode(&self, source: Ipv4Addr, destination: Ipv4Addr) -> Vec<u8> {
        let count = u8::try_from(self.addresses.len()).unwrap_or(u8::MAX);
        let (version, interval) = match self.version {
            Version::V2 => {
                let seconds = u8::try_from(self.interval.get() / 100).unwrap_or(u8::MAX);
                (2, [u8::from(self.authentication.is_some()), seconds])
            }
            Version::V3 => (3, self.interval.get().min(Centiseconds::MAX_V3.get()).to_be_bytes()),
        };
        let mut bytes = vec![version << 4 | ADVERTISEMENT, self.vrid.get(), self.priority, count];
        bytes.extend(interval);
        bytes.extend([0, 0]);
        for address in self.addresses.iter().take(usize::from(count)) {
            bytes.extend(address.octets());
        }
        if self.version == Version::V2 {
            let data = match self.authentication {
                Some(Authentication::Pass(password)) => password,
                None => [0; AUTHENTICATION],
            };
            bytes.extend(data);
        }
        let sum = match self.version {
            Version::V2 => checksum(&[&bytes]),
            Version::V3 => checksum(&[&pseudo_header(source, destination, bytes.len()), &bytes]),
        };
        bytes[6..8].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    /// Reads the bytes after the IP header and verifies length and checksum.
    ///
    /// Both readings of RFC 5798 are taken for version 3 over IPv4: a checksum with the pseudo
    /// header, which RFC 9568 settled on, and one without, which some routers send.
    ///
    /// # Errors
    /// What is wrong with the packet itself; whether it suits an instance is the instance's
    /// question.
    pub fn decode(payload: &[u8], header: &IpHeader) -> Result<Self, DropCause> {
        let &[first, vrid, priority, count, high, low, _, _, ref rest @ ..] = payload else {
            return Err(DropCause::Length);
        };
        let version = match first >> 4 {
            2 => Version::V2,
            3 => Version::V3,
            _ => return Err(DropCause::Version),
        };
        if first & 0x0f != ADVERTISEMENT {
            return Err(DropCause::Type);
        }
        let addresses = usize::from(count) * 4;
        let trailer = if version == Version::V2 { AUTHENTICATION } else { 0 };
        if rest.len() != addresses + trailer {
            return Err(DropCause::Length);
        }
        let pseudo = pseudo_header(header.source, header.destination, HEADER + rest.len());
        let plain = checksum(&[payload]) == 0;
        if !plain && (version == Version::V2 || checksum(&[&pseudo, payload]) != 0) {
            return Err(DropCause::Checksum);
        }
        let vrid = Vrid::new(vrid).ok_or(DropCause::Vrid)?;
        let (list, data) = rest.split_at(addresses);
        let (interval, authentication) = match version {
            Version::V3 => (Centiseconds::new(u16::from_be_bytes([high & 0x0f, low])), None),
            Version::V2 => {
                let authentication = match high {
                    0 => None,
                    1 => {
                        let password = data.try_into().map_err(|_| DropCause::Length)?;
                        Some(Authentication::Pass(password))
                    }
                    _ => return Err(DropCause::Authentication),
                };
                (Centiseconds::new(u16::from(low) * 100), authentication)
            }
        };
        let addresses = list.chunks_exact(4).map(|a| Ipv4Addr::new(a[0], a[1], a[2], a[3]));
        Ok(Self {
            version,
            vrid,
            priority,
            interval,
            addresses: addresses.collect(),
            authentication,
        })
    }
}

fn pseudo_header(source: Ipv4Addr, destination: Ipv4Addr, length: usize) -> [u8; 12] {
    let [s0, s1, s2, s3] = source.octets();
    let [d0, d1, d2, d3] = destination.octets();
    // At most 8 + 255 * 4 + 8 bytes.
    let [high, low] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    [s0, s1, s2, s3, d0, d1, d2, d3, 0, PROTOCOL, high, low]
}

/// The Internet checksum (RFC 1071) of `parts`, each of even length: the complement of the ones'
/// complement sum. Over data that carries its checksum it is 0.
fn checksum(parts: &[&[u8]]) -> u16 {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> IpHeader {
        IpHeader { source: Ipv4Addr::new(10, 0, 0, 1), destination: GROUP, ttl: 255 }
    }

    fn advert(version: Version) -> Advert {
        Advert {
            version,
            vrid: Vrid::new(51).unwrap(),
            priority: 150,
            interval: Centiseconds::SECOND,
            addresses: vec![Ipv4Addr::new(10, 0, 0, 100)],
            authentication: None,
        }
    }

    /// Sums by hand. Words of the packet: 3133 9601 0064 0000 0a00 0064 = d1fc; of the pseudo
    /// header: 0a00 0001 e000 0012 0070 000c = ea8f; together 1bc8b -> bc8c, complement 4373.
    #[test]
    fn version_3_by_hand() {
        let bytes = advert(Version::V3).encode(header().source, GROUP);
        assert_eq!(bytes, [0x31, 51, 150, 1, 0, 100, 0x43, 0x73, 10, 0, 0, 100]);
        assert_eq!(Advert::decode(&bytes, &header()), Ok(advert(Version::V3)));
        // Without the pseudo header: the complement of d1fc.
        let plain = [0x31, 51, 150, 1, 0, 100, 0x2e, 0x03, 10, 0, 0, 100];
        assert_eq!(Advert::decode(&plain, &header()), Ok(advert(Version::V3)));
    }

    /// Words: 2133 9601 0101 0000 0a00 0064 3131 3131 0000 0000 = 124fb -> 24fc, complement db03.
    #[test]
    fn version_2_with_a_password_by_hand() {
        let mut advert = advert(Version::V2);
        advert.authentication = Some(Authentication::Pass(*b"1111\0\0\0\0"));
        let bytes = advert.encode(header().source, GROUP);
        assert_eq!(
            bytes,
            [0x21, 51, 150, 1, 1, 1, 0xdb, 0x03, 10, 0, 0, 100, b'1', b'1', b'1', b'1', 0, 0, 0, 0]
        );
        assert_eq!(Advert::decode(&bytes, &header()), Ok(advert));
    }

    #[test]
    fn each_fault_has_its_cause() {
        let good = advert(Version::V3).encode(header().source, GROUP);
        let with = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            Advert::decode(&bytes, &header())
        };
        assert_eq!(Advert::decode(&good[..7], &header()), Err(DropCause::Length));
        assert_eq!(Advert::decode(&good[..11], &header()), Err(DropCause::Length));
        assert_eq!(Advert::decode(&[], &header()), Err(DropCause::Length));
        assert_eq!(with(0, 0x41), Err(DropCause::Version));
        assert_eq!(with(0, 0x32), Err(DropCause::Type));
        assert_eq!(with(2, 151), Err(DropCause::Checksum));
        assert_eq!(with(3, 2), Err(DropCause::Length));
    }

    #[test]
    fn the_ip_header_has_the_length_that_it_says() {
        let mut packet = vec![
            0x46, 0xc0, 0, 26, 0, 0, 0, 0, 255, 112, 0, 0, 10, 0, 0, 1, 224, 0, 0, 18, 1, 1, 1, 1,
        ];
        packet.extend([1, 2, 9, 9]);
        let (header, payload) = IpHeader::split(&packet).unwrap();
        assert_eq!((header, payload), (self::header(), &[1, 2][..]));
        for (at, value) in [(0, 0x66), (0, 0x44), (9, 17), (3, 29), (3, 23)] {
            let mut bad = packet.clone();
            bad[at] = value;
            assert_eq!(IpHeader::split(&bad), Err(DropCause::IpHeader), "byte {at} = {value}");
        }
        assert_eq!(IpHeader::split(&packet[..19]), Err(DropCause::IpHeader));
    }
}
