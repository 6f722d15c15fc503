//! Adverts on the wire.

pub(crate) mod checksum;
mod header;
mod refusal;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use self::checksum::{checksum, pseudo_header};
pub use self::header::IpHeader;
pub use self::refusal::{DropCause, Refusal};
use crate::spec::{Authentication, Centiseconds, Checksum, Family, Version, Vrid};

/// IP protocol number of VRRP.
pub const PROTOCOL: u8 = 112;

/// Multicast group of adverts over IPv4 (RFC 9568 §5.1.1.2).
pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// Multicast group of adverts over IPv6 (RFC 9568 §5.1.2.2).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// TTL or hop limit of every advert; a packet with another came through a router (RFC 9568
/// §5.1.1.3, §5.1.2.3).
pub const TTL: u8 = 255;

/// The first of the four bits that version 3 reserves: see [`Advert::quick`]. RFC 9568 §5.2.6 has
/// receivers ignore them, and keepalived does.
const QUICK: u8 = 0x80;

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
    /// The virtual addresses, at most 255, of the family of the packet.
    pub addresses: Vec<IpAddr>,
    /// The password of version 2.
    pub authentication: Option<Authentication>,
    /// The sender gives up mastership and knows that whoever understands this bit takes over
    /// within a fraction of its skew. It is lvsd's own, and of version 3.
    pub quick: bool,
}

impl Advert {
    /// The VRID of a VRRP packet, before anything else is looked at.
    pub fn peek_vrid(payload: &[u8]) -> Option<u8> {
        payload.get(1).copied()
    }

    /// The bytes after the IP header. `source` and `destination` enter version 3's checksum, over
    /// IPv6 whatever `reading` says. More than 255 addresses, and those of the other family, are
    /// left out.
    pub fn encode(&self, source: IpAddr, destination: IpAddr, reading: Checksum) -> Vec<u8> {
        let family = Family::of(source);
        let addresses: Vec<&IpAddr> = self
            .addresses
            .iter()
            .filter(|&&address| Family::of(address) == family)
            .take(usize::from(u8::MAX))
            .collect();
        let count = u8::try_from(addresses.len()).unwrap_or(u8::MAX);
        let (version, interval) = match self.version {
            Version::V2 => {
                let seconds = u8::try_from(self.interval.get() / 100).unwrap_or(u8::MAX);
                (2, [u8::from(self.authentication.is_some()), seconds])
            }
            Version::V3 => {
                let interval = self.interval.get().min(Centiseconds::MAX_V3.get());
                let [high, low] = interval.to_be_bytes();
                (3, [if self.quick { high | QUICK } else { high }, low])
            }
        };
        let mut bytes = vec![version << 4 | ADVERTISEMENT, self.vrid.get(), self.priority, count];
        bytes.extend(interval);
        bytes.extend([0, 0]);
        for address in addresses {
            match address {
                IpAddr::V4(address) => bytes.extend(address.octets()),
                IpAddr::V6(address) => bytes.extend(address.octets()),
            }
        }
        if self.version == Version::V2 {
            let data = match self.authentication {
                Some(Authentication::Pass(password)) => password,
                None => [0; AUTHENTICATION],
            };
            bytes.extend(data);
        }
        let plain = family == Family::Ipv4 && reading == Checksum::Plain;
        let sum = if self.version == Version::V2 || plain {
            checksum(&[&bytes])
        } else {
            checksum(&[&pseudo_header(source, destination, PROTOCOL, bytes.len()), &bytes])
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
    pub fn decode(payload: &[u8], header: &IpHeader) -> Result<Self, Refusal> {
        let &[first, vrid, priority, count, high, low, sum_high, sum_low, ref rest @ ..] = payload
        else {
            return Err(Refusal::Length { found: payload.len(), expected: HEADER });
        };
        let family = Family::of(header.source);
        let version = match (first >> 4, family) {
            (2, Family::Ipv4) => Version::V2,
            (3, _) => Version::V3,
            (found, _) => return Err(Refusal::Version { found, expected: 3 }),
        };
        if first & 0x0f != ADVERTISEMENT {
            return Err(Refusal::Type { found: first & 0x0f });
        }
        let addresses = usize::from(count) * family.address_length();
        let trailer = if version == Version::V2 { AUTHENTICATION } else { 0 };
        if rest.len() != addresses + trailer {
            let expected = HEADER + addresses + trailer;
            return Err(Refusal::Length { found: payload.len(), expected });
        }
        let pseudo = match version {
            Version::V2 => Vec::new(),
            Version::V3 => {
                pseudo_header(header.source, header.destination, PROTOCOL, payload.len())
            }
        };
        let plain = family == Family::Ipv4 && checksum(&[payload]) == 0;
        if !plain && checksum(&[&pseudo, payload]) != 0 {
            let found = u16::from_be_bytes([sum_high, sum_low]);
            let expected = checksum(&[&pseudo, &payload[..6], rest]);
            return Err(Refusal::Checksum { found, expected });
        }
        // RFC 9568 §5.2.5. RFC 3768 has no minimum, and keepalived sends such adverts in version 2.
        if version == Version::V3 && count == 0 {
            return Err(Refusal::NoAddress);
        }
        let vrid = Vrid::new(vrid).ok_or(Refusal::Vrid { found: vrid })?;
        let (list, data) = rest.split_at(addresses);
        let (interval, authentication) = match version {
            Version::V3 => (Centiseconds::new(u16::from_be_bytes([high & 0x0f, low])), None),
            Version::V2 => {
                let authentication = match (high, data.try_into()) {
                    (1, Ok(password)) => Some(Authentication::Pass(password)),
                    (0, _) => None,
                    _ => {
                        let (found, expected) =
                            ("another type of authentication", "a password or none");
                        return Err(Refusal::Authentication { found, expected });
                    }
                };
                (Centiseconds::new(u16::from(low) * 100), authentication)
            }
        };
        let addresses = match family {
            Family::Ipv4 => list.as_chunks::<4>().0.iter().map(|&a| IpAddr::from(a)).collect(),
            Family::Ipv6 => list.as_chunks::<16>().0.iter().map(|&a| IpAddr::from(a)).collect(),
        };
        let quick = version == Version::V3 && high & QUICK != 0;
        Ok(Self { version, vrid, priority, interval, addresses, authentication, quick })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> IpHeader {
        IpHeader { source: Ipv4Addr::new(10, 0, 0, 1).into(), destination: GROUP.into(), ttl: 255 }
    }

    fn advert(version: Version) -> Advert {
        Advert {
            version,
            vrid: Vrid::new(51).unwrap(),
            priority: 150,
            interval: Centiseconds::SECOND,
            addresses: vec![Ipv4Addr::new(10, 0, 0, 100).into()],
            authentication: None,
            quick: false,
        }
    }

    /// Sums by hand. Words of the packet: 3133 9601 0064 0000 0a00 0064 = d1fc; of the pseudo
    /// header: 0a00 0001 e000 0012 0070 000c = ea8f; together 1bc8b -> bc8c, complement 4373.
    #[test]
    fn version_3_by_hand() {
        let bytes =
            advert(Version::V3).encode(header().source, GROUP.into(), Checksum::PseudoHeader);
        assert_eq!(bytes, [0x31, 51, 150, 1, 0, 100, 0x43, 0x73, 10, 0, 0, 100]);
        assert_eq!(Advert::decode(&bytes, &header()), Ok(advert(Version::V3)));
        // Without the pseudo header: the complement of d1fc.
        let plain = [0x31, 51, 150, 1, 0, 100, 0x2e, 0x03, 10, 0, 0, 100];
        assert_eq!(Advert::decode(&plain, &header()), Ok(advert(Version::V3)));
        let encoded = advert(Version::V3).encode(header().source, GROUP.into(), Checksum::Plain);
        assert_eq!(encoded, plain);
    }

    /// The first bit after the count. Against the packet above a word has 0x9600 less and another
    /// 0x8000 more: 4373 + 9600 - 8000 = 5973.
    #[test]
    fn a_quick_farewell_has_a_reserved_bit() {
        let farewell = Advert { priority: 0, quick: true, ..advert(Version::V3) };
        let bytes = farewell.encode(header().source, GROUP.into(), Checksum::PseudoHeader);
        assert_eq!(bytes, [0x31, 51, 0, 1, 0x80, 100, 0x59, 0x73, 10, 0, 0, 100]);
        assert_eq!(Advert::decode(&bytes, &header()), Ok(farewell));
        // Version 2 has no such bits.
        let farewell = Advert { quick: true, ..advert(Version::V2) };
        let bytes = farewell.encode(header().source, GROUP.into(), Checksum::PseudoHeader);
        assert_eq!(Advert::decode(&bytes, &header()), Ok(advert(Version::V2)));
    }

    /// Words: 2133 9601 0101 0000 0a00 0064 3131 3131 0000 0000 = 124fb -> 24fc, complement db03.
    #[test]
    fn version_2_with_a_password_by_hand() {
        let mut advert = advert(Version::V2);
        advert.authentication = Some(Authentication::Pass(*b"1111\0\0\0\0"));
        let bytes = advert.encode(header().source, GROUP.into(), Checksum::PseudoHeader);
        assert_eq!(
            bytes,
            [0x21, 51, 150, 1, 1, 1, 0xdb, 0x03, 10, 0, 0, 100, b'1', b'1', b'1', b'1', 0, 0, 0, 0]
        );
        assert_eq!(Advert::decode(&bytes, &header()), Ok(advert));
    }

    #[test]
    fn each_fault_has_its_cause() {
        let good =
            advert(Version::V3).encode(header().source, GROUP.into(), Checksum::PseudoHeader);
        let with = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            Advert::decode(&bytes, &header())
        };
        let short = |found, expected| Err(Refusal::Length { found, expected });
        assert_eq!(Advert::decode(&good[..7], &header()), short(7, 8));
        assert_eq!(Advert::decode(&good[..11], &header()), short(11, 12));
        assert_eq!(Advert::decode(&[], &header()), short(0, 8));
        assert_eq!(with(0, 0x41), Err(Refusal::Version { found: 4, expected: 3 }));
        assert_eq!(with(0, 0x32), Err(Refusal::Type { found: 2 }));
        // One more in the high byte of a word takes 0x0100 from the checksum.
        let (found, expected) = (0x4373, 0x4273);
        assert_eq!(with(2, 151), Err(Refusal::Checksum { found, expected }));
        assert_eq!(with(3, 2), short(12, 16));
        assert_eq!(with(3, 2).unwrap_err().cause(), DropCause::Length);
    }
}
