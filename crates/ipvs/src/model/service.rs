//! Virtual servers ("services" in the kernel's words).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::{BitOr, BitOrAssign};
use std::str::FromStr;

use super::Stats;

/// Address family of a service or destination (`AF_INET`, `AF_INET6`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
}

impl Family {
    /// The family of `address`.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Inet,
            IpAddr::V6(_) => Self::Inet6,
        }
    }

    /// Number of bits in an address of this family: 32 or 128.
    pub fn bits(self) -> u8 {
        match self {
            Self::Inet => 32,
            Self::Inet6 => 128,
        }
    }
}

/// Transport protocol of a service (`IPPROTO_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP, number 6; `ipvsadm -t`.
    Tcp,
    /// UDP, number 17; `ipvsadm -u`.
    Udp,
    /// SCTP, number 132; `ipvsadm --sctp-service`.
    Sctp,
}

impl Protocol {
    /// The IP protocol number.
    pub fn number(self) -> u16 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// The protocol with this IP protocol number, if IPVS balances it.
    pub fn from_number(number: u16) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            132 => Some(Self::Sctp),
            _ => None,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// What makes a service unique in one kernel table.
///
/// Two services differ when the protocol, the address, the port, the mark or the family differ.
/// A key without one of these confuses services (as fwmark services of other tools have been).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKey {
    /// A virtual address with protocol and port; `ipvsadm -t`, `-u`, `--sctp-service`. Port 0
    /// means every port and needs persistence.
    Address {
        /// Transport protocol.
        protocol: Protocol,
        /// Virtual address and port.
        address: SocketAddr,
    },
    /// A firewall mark; `ipvsadm -f MARK`, with `-6` for IPv6. The mark is never 0.
    Fwmark {
        /// The packet mark, 1 to 4294967295.
        mark: u32,
        /// Family of the marked packets.
        family: Family,
    },
}

impl ServiceKey {
    /// The service of `protocol` at `address`.
    ///
    /// An IPv6 address's flow label and scope are dropped: IPVS knows neither.
    pub fn address(protocol: Protocol, address: SocketAddr) -> Self {
        Self::Address { protocol, address: SocketAddr::new(address.ip(), address.port()) }
    }

    /// Family of the service.
    pub fn family(&self) -> Family {
        match self {
            Self::Address { address, .. } => Family::of(address.ip()),
            Self::Fwmark { family, .. } => *family,
        }
    }
}

/// `tcp 192.0.2.10:80`, `udp [2001:db8::10]:53`, `fwmark 7`, `fwmark 8 IPv6`.
impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { protocol, address } => write!(f, "{protocol} {address}"),
            Self::Fwmark { mark, family: Family::Inet } => write!(f, "fwmark {mark}"),
            Self::Fwmark { mark, family: Family::Inet6 } => write!(f, "fwmark {mark} IPv6"),
        }
    }
}

/// The text is no service key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no service: write it as `tcp 192.0.2.10:80`, `fwmark 7` or `fwmark 8 IPv6`")]
pub struct InvalidKey(String);

/// Reads what `Display` writes.
impl FromStr for ServiceKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let invalid = || InvalidKey(text.to_owned());
        let words: Vec<&str> = text.split(' ').collect();
        let protocol = match words.as_slice() {
            ["fwmark", mark, family @ ..] => {
                let mark = mark.parse().ok().filter(|&mark| mark != 0).ok_or_else(invalid)?;
                let family = match family {
                    [] => Family::Inet,
                    ["IPv6"] => Family::Inet6,
                    _ => return Err(invalid()),
                };
                return Ok(Self::Fwmark { mark, family });
            }
            ["tcp", _] => Protocol::Tcp,
            ["udp", _] => Protocol::Udp,
            ["sctp", _] => Protocol::Sctp,
            _ => return Err(invalid()),
        };
        words[1].parse().map(|address| Self::address(protocol, address)).map_err(|_| invalid())
    }
}

/// Name of a scheduler, such as `wlc`: 1 to 15 bytes without NUL (`IP_VS_SCHEDNAME_MAXLEN`).
///
/// Any name is passed to the kernel, which loads the module `ip_vs_NAME`; so schedulers that this
/// crate has never heard of work too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scheduler(String);

impl Scheduler {
    /// Longest name in bytes: `IP_VS_SCHEDNAME_MAXLEN` less the closing NUL.
    pub const MAX_LEN: usize = 15;

    /// The name as the kernel knows it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is no scheduler or persistence engine name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no module name: it needs 1 to 15 printable ASCII characters without blanks")]
pub struct InvalidName(String);

impl FromStr for Scheduler {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        let valid =
            (1..=Self::MAX_LEN).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
        if valid { Ok(Self(name.to_owned())) } else { Err(InvalidName(name.to_owned())) }
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Service flags that a user may set (`IP_VS_SVC_F_*`).
///
/// `PERSISTENT` is not among them: it follows from [`Service::persistence`]. `HASHED` is the
/// kernel's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceFlags(u32);

impl ServiceFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// One-packet scheduling for UDP; `ipvsadm -o`.
    pub const ONE_PACKET: Self = Self(0x0004);
    /// `flag-1`: `sh-fallback` for the scheduler sh, `mh-fallback` for mh.
    pub const SCHED_1: Self = Self(0x0008);
    /// `flag-2`: `sh-port` for the scheduler sh, `mh-port` for mh.
    pub const SCHED_2: Self = Self(0x0010);
    /// `flag-3`: no scheduler of the kernel uses it.
    pub const SCHED_3: Self = Self(0x0020);
    /// Every flag that a user may set.
    pub const ALL: Self = Self(0x003c);

    /// The user's flags among the kernel's `bits`.
    pub fn from_bits_truncate(bits: u32) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// The flags as the kernel's bits.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Whether every flag of `other` is set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for ServiceFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for ServiceFlags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// The flags' neutral names: `ops,flag-1`; `none` without any.
impl fmt::Display for ServiceFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::ONE_PACKET, "ops"),
            (Self::SCHED_1, "flag-1"),
            (Self::SCHED_2, "flag-2"),
            (Self::SCHED_3, "flag-3"),
        ];
        let set: Vec<&str> =
            names.iter().filter(|(flag, _)| self.contains(*flag)).map(|(_, name)| *name).collect();
        f.write_str(if set.is_empty() { "none" } else { "" })?;
        f.write_str(&set.join(","))
    }
}

/// Session persistence; `ipvsadm -p TIMEOUT -M MASK`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Persistence {
    /// Life of a persistence template in seconds, at least 1.
    pub timeout: u32,
    /// Clients whose first `prefix` address bits agree share a template: 1 to 32 for IPv4, where
    /// the kernel takes 0 too, 1 to 128 for IPv6. For IPv4 the kernel holds a mask; only
    /// contiguous masks exist here.
    pub prefix: u8,
}

/// A virtual server: its key and its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// What makes it unique.
    pub key: ServiceKey,
    /// Scheduler. The kernel reports `none` where a service has none.
    pub scheduler: Scheduler,
    /// Flags that a user may set.
    pub flags: ServiceFlags,
    /// Session persistence, if any.
    pub persistence: Option<Persistence>,
    /// Persistence engine, such as `sip`; `ipvsadm --pe`.
    pub persistence_engine: Option<Scheduler>,
}

/// A service as the kernel reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceEntry {
    /// The service.
    pub service: Service,
    /// Its counters and rates.
    pub stats: Stats,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_what_it_writes() {
        for text in [
            "tcp 192.0.2.10:80",
            "udp [2001:db8::10]:53",
            "sctp 192.0.2.11:9999",
            "fwmark 7",
            "fwmark 8 IPv6",
        ] {
            assert_eq!(text.parse::<ServiceKey>().unwrap().to_string(), text);
        }
        for text in ["", "tcp", "tcp 192.0.2.10", "icmp 192.0.2.10:1", "fwmark 0", "fwmark 7 IPv4"]
        {
            assert_eq!(text.parse::<ServiceKey>(), Err(InvalidKey(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn flags_have_names() {
        assert_eq!(ServiceFlags::NONE.to_string(), "none");
        assert_eq!((ServiceFlags::SCHED_2 | ServiceFlags::ONE_PACKET).to_string(), "ops,flag-2");
    }
}
