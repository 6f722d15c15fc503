//! Netlink messages, written and read.
//!
//! Only the header and the error message are taken apart by hand, a dozen lines: neli's own reader
//! of them subtracts lengths it has not compared.

use std::io::Cursor;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use neli::consts::nl::{NlmF, Nlmsg};
use neli::consts::rtnl::{Ifa, IfaF, Iff, Ifla, IflaInfo, RtAddrFamily, RtScope, RtaType, Rtm};
use neli::nl::{NlPayload, NlmsghdrBuilder};
use neli::rtnl::{Ifaddrmsg, IfaddrmsgBuilder, Ifinfomsg, IfinfomsgBuilder, Rtattr, RtattrBuilder};
use neli::types::{Buffer, RtBuffer};
use neli::{FromBytesWithInput, Size, ToBytes};

use crate::{Address, Link, NewAddress, Scope};

/// Size of `struct nlmsghdr` (linux/netlink.h).
const HEADER: usize = 16;
/// `NLMSGERR_ATTR_MSG` (linux/netlink.h).
const ATTRIBUTE_TEXT: u16 = 1;

/// `IFLA_MACVLAN_MODE` and `MACVLAN_MODE_BRIDGE` (linux/if_link.h).
const MACVLAN_MODE: u16 = 1;
const MACVLAN_MODE_BRIDGE: u32 = 4;
/// `IFA_F_TENTATIVE` and `IFA_F_OPTIMISTIC` (linux/if_addr.h).
const TENTATIVE: u32 = 0x40;
const OPTIMISTIC: u32 = 0x04;

/// `struct ifa_cacheinfo` (linux/if_addr.h): preferred for no time, valid for ever; the kernel sets
/// the two stamps.
const DEPRECATED: [u8; 16] = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];

/// One message in a datagram of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) payload: &'a [u8],
}

/// The messages of a datagram, or what is wrong with it.
pub(crate) fn messages(
    mut datagram: &[u8],
) -> impl Iterator<Item = Result<Message<'_>, &'static str>> {
    std::iter::from_fn(move || {
        if datagram.is_empty() {
            return None;
        }
        let Some((message, rest)) = first(datagram) else {
            datagram = &[];
            return Some(Err("a netlink header with a wrong length"));
        };
        datagram = rest;
        Some(Ok(message))
    })
}

fn first(datagram: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let length = usize::try_from(u32_at(datagram, 0)?).ok()?;
    let message = Message {
        kind: u16_at(datagram, 4)?,
        flags: u16_at(datagram, 6)?,
        sequence: u32_at(datagram, 8)?,
        payload: datagram.get(HEADER..length)?,
    };
    let rest = datagram.get(length.checked_next_multiple_of(4)?..).unwrap_or_default();
    Some((message, rest))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// What the kernel answers at the end: an errno, 0 for done, and perhaps words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) errno: i32,
    pub(crate) text: Option<String>,
}

impl Message<'_> {
    pub(crate) fn is(&self, kind: Rtm) -> bool {
        self.kind == u16::from(kind)
    }

    /// The message is one of a dump that changed while it was read.
    pub(crate) fn interrupted(&self) -> bool {
        self.flags & NlmF::DUMP_INTR.bits() != 0
    }

    /// The outcome, if this message ends an answer: `NLMSG_ERROR` or `NLMSG_DONE`.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        let errno = u32_at(self.payload, 0).map_or(0, |number| number.cast_signed().wrapping_neg());
        if self.kind == u16::from(Nlmsg::Done) {
            return Some(Outcome { errno, text: text(self.payload.get(4..).unwrap_or_default()) });
        }
        if self.kind != u16::from(Nlmsg::Error) {
            return None;
        }
        // The kernel sends the request back, whole or only its header, before the attributes.
        let capped = self.flags & NlmF::CAPPED.bits() != 0;
        let echoed = match u32_at(self.payload, 4) {
            Some(length) if !capped => usize::try_from(length).unwrap_or(usize::MAX),
            _ => HEADER,
        };
        let attributes = echoed
            .checked_next_multiple_of(4)
            .and_then(|echoed| self.payload.get(4..)?.get(echoed..))
            .unwrap_or_default();
        Some(Outcome { errno, text: text(attributes) })
    }
}

/// The text among the attributes of an extended ACK.
fn text(mut attributes: &[u8]) -> Option<String> {
    loop {
        let length = usize::from(u16_at(attributes, 0)?);
        let payload = attributes.get(4..length)?;
        if u16_at(attributes, 2)? == ATTRIBUTE_TEXT {
            let text = String::from_utf8_lossy(payload);
            return Some(text.trim_end_matches('\0').to_owned());
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

/// The request as bytes, or why it cannot be written.
pub(crate) fn request<P: Size + ToBytes>(
    kind: Rtm,
    flags: NlmF,
    sequence: u32,
    payload: P,
) -> Result<Vec<u8>, String> {
    let message = NlmsghdrBuilder::default()
        .nl_type(kind)
        .nl_flags(NlmF::REQUEST | flags)
        .nl_seq(sequence)
        .nl_payload(NlPayload::Payload(payload))
        .build()
        .map_err(|error| error.to_string())?;
    let mut bytes = Cursor::new(Vec::new());
    message.to_bytes(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes.into_inner())
}

pub(crate) fn attribute<T: RtaType, P: Size + ToBytes>(
    kind: T,
    payload: P,
) -> Result<Rtattr<T, Buffer>, String> {
    RtattrBuilder::default()
        .rta_type(kind)
        .rta_payload(payload)
        .build()
        .map_err(|error| error.to_string())
}

/// Asks for the link of that name; for all links without.
pub(crate) fn link_request(name: Option<&str>) -> Result<Ifinfomsg, String> {
    let mut attributes = RtBuffer::new();
    if let Some(name) = name {
        attributes.push(attribute(Ifla::Ifname, name)?);
    }
    IfinfomsgBuilder::default()
        .ifi_family(RtAddrFamily::Unspecified)
        .rtattrs(attributes)
        .build()
        .map_err(|error| error.to_string())
}

/// The message for a macvlan to add.
pub(crate) fn macvlan(name: &str, parent: u32, mac: [u8; 6]) -> Result<Ifinfomsg, String> {
    let mut mode = RtBuffer::new();
    mode.push(attribute(Ifla::from(MACVLAN_MODE), MACVLAN_MODE_BRIDGE)?);
    let mut info = RtBuffer::new();
    info.push(attribute(IflaInfo::Kind, "macvlan")?);
    info.push(attribute(IflaInfo::Data, mode)?);
    let mut attributes = RtBuffer::new();
    attributes.push(attribute(Ifla::Ifname, name)?);
    attributes.push(attribute(Ifla::Link, parent)?);
    attributes.push(attribute(Ifla::Address, mac.as_slice())?);
    attributes.push(attribute(Ifla::Linkinfo, info)?);
    IfinfomsgBuilder::default()
        .ifi_family(RtAddrFamily::Unspecified)
        .rtattrs(attributes)
        .build()
        .map_err(|error| error.to_string())
}

/// The message for a link to delete, or to set up or down.
pub(crate) fn link_change(index: u32, up: Option<bool>) -> Result<Ifinfomsg, String> {
    let message = IfinfomsgBuilder::default()
        .ifi_family(RtAddrFamily::Unspecified)
        .ifi_index(i32::try_from(index).map_err(|error| error.to_string())?);
    let message = match up {
        None => message,
        Some(true) => message.up(),
        Some(false) => message.down(),
    };
    message.build().map_err(|error| error.to_string())
}

/// Asks for all addresses of both families.
pub(crate) fn addresses_request() -> Result<Ifaddrmsg, String> {
    IfaddrmsgBuilder::default()
        .ifa_family(RtAddrFamily::Unspecified)
        .ifa_prefixlen(0)
        .ifa_scope(RtScope::Universe)
        .ifa_index(0)
        .build()
        .map_err(|error| error.to_string())
}

/// The message for an address to add or delete; the label only where asked, since a delete with
/// a label spares the address if it has another one.
pub(crate) fn address(
    new: &NewAddress<'_>,
    index: u32,
    with_label: bool,
) -> Result<Ifaddrmsg, String> {
    let octets = match new.address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let mut attributes = RtBuffer::new();
    attributes.push(attribute(Ifa::Local, octets.as_slice())?);
    attributes.push(attribute(Ifa::Address, octets.as_slice())?);
    let (family, flags) = match new.address {
        IpAddr::V4(_) => {
            if let Some(label) = new.label.filter(|_| with_label) {
                attributes.push(attribute(Ifa::Label, label)?);
            }
            (RtAddrFamily::Inet, IfaF::empty())
        }
        // The address is used at once: while duplicate address detection runs it would be
        // tentative, and it would fail as long as another host still holds the address.
        IpAddr::V6(_) => {
            if new.deprecated {
                attributes.push(attribute(Ifa::Cacheinfo, DEPRECATED.as_slice())?);
            }
            (RtAddrFamily::Inet6, IfaF::NODAD)
        }
    };
    let loopback = matches!(new.address, IpAddr::V4(address) if address.is_loopback());
    let scope = match new.scope {
        None if loopback => RtScope::Host,
        None | Some(Scope::Global) => RtScope::Universe,
        Some(Scope::Site) => RtScope::Site,
        Some(Scope::Link) => RtScope::Link,
        Some(Scope::Host) => RtScope::Host,
    };
    IfaddrmsgBuilder::default()
        .ifa_family(family)
        .ifa_prefixlen(new.prefix)
        .ifa_flags(flags)
        .ifa_scope(scope)
        .ifa_index(index)
        .rtattrs(attributes)
        .build()
        .map_err(|error| error.to_string())
}

/// A link out of `RTM_NEWLINK` or `RTM_DELLINK`; `None` for a message that is not about a link
/// itself but about its place in a bridge (`AF_BRIDGE`).
pub(crate) fn read_link(payload: &[u8]) -> Result<Option<Link>, String> {
    let message = Ifinfomsg::from_bytes_with_input(&mut Cursor::new(payload), payload.len())
        .map_err(|error| error.to_string())?;
    if *message.ifi_family() != RtAddrFamily::Unspecified {
        return Ok(None);
    }
    let flags = *message.ifi_flags();
    let attributes = message.rtattrs();
    let find = |kind| attributes.iter().find(|a| *a.rta_type() == kind).map(bytes);
    Ok(Some(Link {
        index: u32::try_from(*message.ifi_index()).map_err(|_| "a negative interface index")?,
        name: find(Ifla::Ifname).map(string).ok_or("a link without a name")?,
        mac: find(Ifla::Address).and_then(|mac| mac.try_into().ok()),
        parent: find(Ifla::Link).and_then(|parent| u32_at(parent, 0)),
        up: flags.contains(Iff::UP),
        running: flags.contains(Iff::RUNNING) || flags.contains(Iff::LOWERUP),
    }))
}

/// The whole message of an `RTM_NEWADDR`, which adds the address again as it was: the kernel heeds
/// label, scope, broadcast, peer, lifetimes and metric, and finds the rest by itself.
pub(crate) fn address_as_told(payload: &[u8]) -> Result<Ifaddrmsg, String> {
    Ifaddrmsg::from_bytes_with_input(&mut Cursor::new(payload), payload.len())
        .map_err(|error| error.to_string())
}

/// An address out of `RTM_NEWADDR` or `RTM_DELADDR`; `None` for families other than IP.
pub(crate) fn read_address(payload: &[u8]) -> Result<Option<Address>, String> {
    let message = address_as_told(payload)?;
    let attributes = message.rtattrs();
    let find = |kind| attributes.iter().find(|a| *a.rta_type() == kind).map(bytes);
    // The kernel leaves IFA_LOCAL out where it equals IFA_ADDRESS: most of IPv6.
    let octets = find(Ifa::Local).or_else(|| find(Ifa::Address)).unwrap_or_default();
    let address = match message.ifa_family() {
        RtAddrFamily::Inet => octets.try_into().ok().map(|o: [u8; 4]| Ipv4Addr::from(o).into()),
        RtAddrFamily::Inet6 => octets.try_into().ok().map(|o: [u8; 16]| Ipv6Addr::from(o).into()),
        _ => return Ok(None),
    };
    // The header has room for the lowest eight only.
    let flags = find(Ifa::Flags).and_then(|flags| u32_at(flags, 0)).unwrap_or_default();
    Ok(Some(Address {
        index: *message.ifa_index(),
        address: address.ok_or("an address of the wrong length")?,
        prefix: *message.ifa_prefixlen(),
        label: find(Ifa::Label).map(string),
        tentative: flags & (TENTATIVE | OPTIMISTIC) == TENTATIVE,
    }))
}

pub(crate) fn bytes<T>(attribute: &Rtattr<T, Buffer>) -> &[u8] {
    attribute.rta_payload().as_ref()
}

pub(crate) fn string(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).trim_end_matches('\0').to_owned()
}

#[cfg(test)]
mod tests;
