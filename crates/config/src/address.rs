//! The addresses of services, of which one string can name many, and of real servers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::leaf;
use crate::reader::Value;

/// Addresses that follow each other, all with the same port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Addresses {
    first: IpAddr,
    /// How many come after the first one.
    more: u128,
    port: u16,
}

impl Addresses {
    /// How many there are.
    pub(crate) fn count(self) -> u128 {
        self.more.saturating_add(1)
    }

    /// All of them.
    pub(crate) fn iter(self) -> impl Iterator<Item = SocketAddr> {
        let start = bits(self.first);
        let end = start.saturating_add(self.more);
        (start..=end).filter_map(move |bits| {
            Some(SocketAddr::new(address(bits, self.first.is_ipv4())?, self.port))
        })
    }
}

/// The address or addresses of a service: `"192.0.2.10:80"`, `"192.0.2.10-20:80"`,
/// `"192.0.2.10-192.0.3.20:80"`, `"192.0.2.16/28:80"`; IPv6 in brackets. As in keepalived's
/// groups, a short end is the last octet (IPv4, decimal) or the last 16 bits (IPv6, hexadecimal),
/// and every address of a network counts, the first and the last one too.
pub(crate) fn of_service(value: Value<'_>) -> Option<Addresses> {
    let text = value.string()?;
    let Some(range) = Range::split(text) else {
        let address = leaf::socket_address(value)?;
        return Some(Addresses { first: address.ip(), more: 0, port: address.port() });
    };
    range.addresses().map_or_else(
        |(label, help)| value.refuse(format!("`{text}` is no range with port"), label, help),
        Some,
    )
}

/// The address of a real server: one, with or without port.
pub(crate) fn of_real_server(value: Value<'_>) -> Option<SocketAddr> {
    if let Some(text) = value.as_str().filter(|text| Range::split(text).is_some()) {
        let help = "write an entry for each real server; services alone have ranges".to_owned();
        return value.refuse(format!("`{text}` is a range"), "expected one address", Some(help));
    }
    leaf::address_maybe_port(value)
}

/// What is wrong, for the caret and for the help.
type Wrong = (&'static str, Option<String>);

/// The parts of `FIRST-LAST:PORT` and `FIRST/LENGTH:PORT`.
#[derive(Debug, Clone, Copy)]
struct Range<'a> {
    text: &'a str,
    first: IpAddr,
    is_network: bool,
    end: &'a str,
    /// `:PORT`, or whatever stands in its place.
    port: &'a str,
}

impl<'a> Range<'a> {
    /// `None` if it does not start with an address and `-` or `/`.
    fn split(text: &'a str) -> Option<Self> {
        let brackets = text.strip_prefix('[');
        let (host, port) = match brackets {
            Some(inner) => inner.split_once(']')?,
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let is_network = host.contains('/');
        let (first, end) = host.split_once(if is_network { '/' } else { '-' })?;
        let first: IpAddr = first.parse().ok()?;
        (first.is_ipv6() == brackets.is_some()).then_some(Self {
            text,
            first,
            is_network,
            end,
            port,
        })
    }

    fn addresses(self) -> Result<Addresses, Wrong> {
        let more = if self.is_network { self.rest_of_network() } else { self.up_to_end() }?;
        if self.port.is_empty() {
            let help = format!("write \"{}:80\"", self.text);
            return Err(("the port is missing", Some(help)));
        }
        let port = self.port.strip_prefix(':').and_then(|port| number(port, 10));
        let port = port
            .and_then(|port| u16::try_from(port).ok())
            .ok_or(("the port is not a number from 0 to 65535", None))?;
        Ok(Addresses { first: self.first, more, port })
    }

    /// How many addresses of the network come after the first one.
    fn rest_of_network(self) -> Result<u128, Wrong> {
        let (width, label) = match self.first {
            IpAddr::V4(_) => (32, "expected 0 to 32 after the `/`"),
            IpAddr::V6(_) => (128, "expected 0 to 128 after the `/`"),
        };
        let length = number(self.end, 10).filter(|length| *length <= width).ok_or((label, None))?;
        let more = u128::MAX.checked_shr(128 - (width - length)).unwrap_or(0);
        match bits(self.first) & more {
            0 => Ok(more),
            _ => {
                let network = address(bits(self.first) & !more, self.first.is_ipv4());
                let help = network.map(|network| self.rewritten(network, &format!("/{length}")));
                Err(("the address is not the first of its network", help))
            }
        }
    }

    /// How many addresses come after the first one, up to the written end.
    fn up_to_end(self) -> Result<u128, Wrong> {
        let start = bits(self.first);
        let (radix, low_bits, label) = match self.first {
            IpAddr::V4(_) => (10, 0xff, "expected an address or the last octet after the `-`"),
            IpAddr::V6(_) => (16, 0xffff, "expected an address or the last group after the `-`"),
        };
        let end = match self.end.parse::<IpAddr>() {
            Ok(end) => Some(end).filter(|end| end.is_ipv4() == self.first.is_ipv4()).map(bits),
            Err(_) => number(self.end, radix)
                .map(u128::from)
                .filter(|end| *end <= low_bits)
                .map(|end| start & !low_bits | end),
        };
        let end = end.ok_or((label, None))?;
        end.checked_sub(start).ok_or_else(|| {
            let last = address(end, self.first.is_ipv4());
            let help = last.map(|last| self.rewritten(last, &format!("-{}", self.first)));
            ("the end is before the start", help)
        })
    }

    /// The advice to write another range with the same port.
    fn rewritten(self, first: IpAddr, end: &str) -> String {
        match first {
            IpAddr::V4(first) => format!("write \"{first}{end}{}\"", self.port),
            IpAddr::V6(first) => format!("write \"[{first}{end}]{}\"", self.port),
        }
    }
}

/// Digits alone: no sign.
fn number(digits: &str, radix: u32) -> Option<u32> {
    let all_digits = digits.chars().all(|c| c.is_digit(radix));
    all_digits.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn address(bits: u128, is_ipv4: bool) -> Option<IpAddr> {
    if is_ipv4 {
        return Some(Ipv4Addr::from_bits(u32::try_from(bits).ok()?).into());
    }
    Some(Ipv6Addr::from_bits(bits).into())
}
