//! The messages of routes and rules. A rule's header (`struct fib_rule_hdr`) has the layout of a
//! route's (`struct rtmsg`), with the action in the place of the type.

use std::io::Cursor;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use neli::FromBytesWithInput;
use neli::consts::rtnl::{RtAddrFamily, RtScope, RtTable, Rta, RtmF, Rtn, Rtprot};
use neli::rtnl::{Rtmsg, RtmsgBuilder};
use neli::types::{Buffer, RtBuffer};

use super::{Mark, Network, PROTOCOL, Route, RouteKey, Rule, Target, Verdict};
use crate::Scope;
use crate::message::{attribute, bytes, string, u32_at};

/// `RTAX_MTU` (linux/rtnetlink.h).
const METRIC_MTU: u16 = 2;
/// `RTNH_F_ONLINK` (linux/rtnetlink.h), here among the route's own flags.
const ON_LINK: u32 = 4;

/// `FRA_*` (linux/fib_rules.h).
const RULE_TO: u16 = 1;
const RULE_FROM: u16 = 2;
const RULE_IIF: u16 = 3;
const RULE_PRIORITY: u16 = 6;
const RULE_MARK: u16 = 10;
const RULE_TABLE: u16 = 15;
const RULE_MASK: u16 = 16;
const RULE_OIF: u16 = 17;
const RULE_PROTOCOL: u16 = 21;
/// `FR_ACT_TO_TBL` (linux/fib_rules.h). The actions that refuse have the numbers of the types of
/// routes that refuse.
const LOOK_UP: u8 = 1;

/// `AF_INET` and `AF_INET6`.
const IPV4: u8 = 2;
const IPV6: u8 = 10;
/// Where `struct rtmsg` has its protocol, and how long it is.
const PROTOCOL_AT: usize = 5;
const HEADER: usize = 12;

type Attributes = RtBuffer<Rta, Buffer>;

/// The fixed part of a message.
struct Header {
    family: RtAddrFamily,
    to: u8,
    from: u8,
    protocol: Rtprot,
    scope: RtScope,
    kind: Rtn,
    flags: RtmF,
}

impl Header {
    fn new(family: RtAddrFamily) -> Self {
        Self {
            family,
            to: 0,
            from: 0,
            protocol: Rtprot::Unspec,
            scope: RtScope::Universe,
            kind: Rtn::Unspec,
            flags: RtmF::empty(),
        }
    }

    fn with(self, attributes: Attributes) -> Result<Rtmsg, String> {
        RtmsgBuilder::default()
            .rtm_family(self.family)
            .rtm_dst_len(self.to)
            .rtm_src_len(self.from)
            .rtm_tos(0)
            // Eight bits are not enough for a table: it is an attribute.
            .rtm_table(RtTable::Unspec)
            .rtm_protocol(self.protocol)
            .rtm_scope(self.scope)
            .rtm_type(self.kind)
            .rtm_flags(self.flags)
            .rtattrs(attributes)
            .build()
            .map_err(|error| error.to_string())
    }
}

fn family(address: IpAddr) -> RtAddrFamily {
    match address {
        IpAddr::V4(_) => RtAddrFamily::Inet,
        IpAddr::V6(_) => RtAddrFamily::Inet6,
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn put(attributes: &mut Attributes, kind: Rta, payload: &[u8]) -> Result<(), String> {
    attributes.push(attribute(kind, payload)?);
    Ok(())
}

fn put_number(attributes: &mut Attributes, kind: Rta, number: u32) -> Result<(), String> {
    put(attributes, kind, &number.to_ne_bytes())
}

fn put_key(
    attributes: &mut Attributes,
    to: Network,
    table: u32,
    metric: u32,
) -> Result<(), String> {
    if to.prefix != 0 {
        put(attributes, Rta::Dst, &octets(to.address))?;
    }
    put_number(attributes, Rta::Table, table)?;
    if metric != 0 {
        put_number(attributes, Rta::Priority, metric)?;
    }
    Ok(())
}

/// The message for a route to add; `index` is that of its interface.
pub(super) fn route(route: &Route, index: Option<u32>) -> Result<Rtmsg, String> {
    let mut attributes = Attributes::new();
    put_key(&mut attributes, route.to, route.table, route.metric)?;
    if let Some(via) = route.via {
        put(&mut attributes, Rta::Gateway, &octets(via))?;
    }
    if let Some(index) = index {
        put_number(&mut attributes, Rta::Oif, index)?;
    }
    if let Some(source) = route.source {
        put(&mut attributes, Rta::Prefsrc, &octets(source))?;
    }
    if let Some(mtu) = route.mtu {
        let mut metrics = Attributes::new();
        put_number(&mut metrics, Rta::from(METRIC_MTU), mtu)?;
        attributes.push(attribute(Rta::Metrics, metrics)?);
    }
    let direct = route.via.is_none() && route.verdict.is_none() && route.to.address.is_ipv4();
    let header = Header {
        to: route.to.prefix,
        protocol: Rtprot::from(PROTOCOL),
        scope: match route.scope {
            None if direct => RtScope::Link,
            None | Some(Scope::Global) => RtScope::Universe,
            Some(Scope::Site) => RtScope::Site,
            Some(Scope::Link) => RtScope::Link,
            Some(Scope::Host) => RtScope::Host,
        },
        kind: route.verdict.map_or(Rtn::Unicast, refusing),
        flags: RtmF::from_bits_retain(if route.on_link { ON_LINK } else { 0 }),
        ..Header::new(family(route.to.address))
    };
    header.with(attributes)
}

/// The message for a route to delete, whatever its interface is by now.
pub(super) fn route_to_delete(key: &RouteKey) -> Result<Rtmsg, String> {
    let mut attributes = Attributes::new();
    put_key(&mut attributes, key.to, key.table, key.metric)?;
    let header = Header {
        to: key.to.prefix,
        protocol: Rtprot::from(PROTOCOL),
        // Of any scope.
        scope: RtScope::Nowhere,
        ..Header::new(family(key.to.address))
    };
    header.with(attributes)
}

/// Asks for the routes with [`PROTOCOL`] of all tables. A kernel before 4.20 tells all routes.
pub(super) fn routes_request() -> Result<Rtmsg, String> {
    let protocol = Rtprot::from(PROTOCOL);
    Header { protocol, ..Header::new(RtAddrFamily::Unspecified) }.with(Attributes::new())
}

/// The message for a rule to add or to delete.
pub(super) fn rule(rule: &Rule) -> Result<Rtmsg, String> {
    let mut attributes = Attributes::new();
    put_number(&mut attributes, Rta::from(RULE_PRIORITY), rule.priority)?;
    put(&mut attributes, Rta::from(RULE_PROTOCOL), &[PROTOCOL])?;
    for (kind, network) in [(RULE_FROM, Some(rule.from)), (RULE_TO, rule.to)] {
        if let Some(network) = network.filter(|network| network.prefix != 0) {
            put(&mut attributes, Rta::from(kind), &octets(network.address))?;
        }
    }
    for (kind, interface) in [(RULE_IIF, &rule.iif), (RULE_OIF, &rule.oif)] {
        if let Some(interface) = interface {
            attributes.push(attribute(Rta::from(kind), interface.as_str())?);
        }
    }
    if let Some(Mark { value, mask }) = rule.mark {
        put_number(&mut attributes, Rta::from(RULE_MARK), value)?;
        put_number(&mut attributes, Rta::from(RULE_MASK), mask)?;
    }
    let kind = match rule.target {
        Target::Table(table) => {
            put_number(&mut attributes, Rta::from(RULE_TABLE), table)?;
            Rtn::from(LOOK_UP)
        }
        Target::Refuse(verdict) => refusing(verdict),
    };
    let header = Header {
        to: rule.to.map_or(0, |to| to.prefix),
        from: rule.from.prefix,
        kind,
        ..Header::new(family(rule.from.address))
    };
    header.with(attributes)
}

/// Asks for the rules of all families.
pub(super) fn rules_request() -> Result<Rtmsg, String> {
    Header::new(RtAddrFamily::Unspecified).with(Attributes::new())
}

fn refusing(verdict: Verdict) -> Rtn {
    match verdict {
        Verdict::Blackhole => Rtn::Blackhole,
        Verdict::Unreachable => Rtn::Unreachable,
        Verdict::Prohibit => Rtn::Prohibit,
    }
}

/// Whether the payload of `RTM_DELROUTE` is a route of this program's, or that of `RTM_DELRULE` a
/// rule of its. The news of all others are not taken apart.
pub(crate) fn is_ours(payload: &[u8], is_rule: bool) -> Result<bool, String> {
    Ok(if is_rule {
        read_own_rule(payload)?.is_some()
    } else {
        payload.get(PROTOCOL_AT) == Some(&PROTOCOL) && read_own_route(payload)?.is_some()
    })
}

fn read(payload: &[u8]) -> Result<Option<Rtmsg>, String> {
    if payload.len() < HEADER {
        return Err("a route or rule without a header".to_owned());
    }
    // Also of what is neither IPv4 nor IPv6 the header has the family in front.
    if !matches!(payload.first(), Some(&(IPV4 | IPV6))) {
        return Ok(None);
    }
    Rtmsg::from_bytes_with_input(&mut Cursor::new(payload), payload.len())
        .map(Some)
        .map_err(|error| error.to_string())
}

fn find(message: &Rtmsg, kind: Rta) -> Option<&[u8]> {
    message.rtattrs().iter().find(|attribute| *attribute.rta_type() == kind).map(bytes)
}

fn number(message: &Rtmsg, kind: Rta) -> Option<u32> {
    find(message, kind).and_then(|bytes| u32_at(bytes, 0))
}

/// A network out of its attribute; without one it is everything.
fn network(message: &Rtmsg, kind: Rta, prefix: u8) -> Result<Network, String> {
    let ipv4 = *message.rtm_family() == RtAddrFamily::Inet;
    let address = match find(message, kind) {
        None if ipv4 => Some(Ipv4Addr::UNSPECIFIED.into()),
        None => Some(Ipv6Addr::UNSPECIFIED.into()),
        Some(octets) if ipv4 => octets.try_into().ok().map(|o: [u8; 4]| Ipv4Addr::from(o).into()),
        Some(octets) => octets.try_into().ok().map(|o: [u8; 16]| Ipv6Addr::from(o).into()),
    };
    Ok(Network { address: address.ok_or("a network of the wrong length")?, prefix })
}

/// The table: an attribute where eight bits are not enough, and from most kernels always.
fn table(message: &Rtmsg, kind: Rta) -> u32 {
    number(message, kind).unwrap_or_else(|| u8::from(*message.rtm_table()).into())
}

/// A route of this program's out of `RTM_NEWROUTE` or `RTM_DELROUTE`; `None` for all others.
pub(super) fn read_own_route(payload: &[u8]) -> Result<Option<RouteKey>, String> {
    let Some(message) = read(payload)? else { return Ok(None) };
    if *message.rtm_protocol() != Rtprot::from(PROTOCOL) {
        return Ok(None);
    }
    Ok(Some(RouteKey {
        to: network(&message, Rta::Dst, *message.rtm_dst_len())?,
        table: table(&message, Rta::Table),
        metric: number(&message, Rta::Priority).unwrap_or_default(),
    }))
}

/// A rule of this program's out of `RTM_NEWRULE` or `RTM_DELRULE`; `None` for all others.
pub(super) fn read_own_rule(payload: &[u8]) -> Result<Option<Rule>, String> {
    let Some(message) = read(payload)? else { return Ok(None) };
    if find(&message, Rta::from(RULE_PROTOCOL)) != Some(&[PROTOCOL]) {
        return Ok(None);
    }
    let to = network(&message, Rta::from(RULE_TO), *message.rtm_dst_len())?;
    let name = |kind| find(&message, Rta::from(kind)).map(string);
    let (mark, mask) =
        (number(&message, Rta::from(RULE_MARK)), number(&message, Rta::from(RULE_MASK)));
    let target = match message.rtm_type() {
        Rtn::Blackhole => Target::Refuse(Verdict::Blackhole),
        Rtn::Unreachable => Target::Refuse(Verdict::Unreachable),
        Rtn::Prohibit => Target::Refuse(Verdict::Prohibit),
        _ => Target::Table(table(&message, Rta::from(RULE_TABLE))),
    };
    Ok(Some(Rule {
        priority: number(&message, Rta::from(RULE_PRIORITY)).unwrap_or_default(),
        from: network(&message, Rta::from(RULE_FROM), *message.rtm_src_len())?,
        to: (to.prefix != 0).then_some(to),
        iif: name(RULE_IIF),
        oif: name(RULE_OIF),
        mark: mask.map(|mask| Mark { value: mark.unwrap_or_default(), mask }),
        target,
    }))
}
