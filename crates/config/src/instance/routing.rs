//! `virtual_routes` and `virtual_rules`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vrrp::{Family, MAIN_TABLE, Mark, Network, Route, RouteKey, Routing, Rule, Target, Verdict};

use super::addresses::{Addresses, SCOPES};
use crate::error::Finding;
use crate::leaf;
use crate::reader::{Report, Table, Value};
use crate::source::At;
use crate::unique::Unique;

/// The largest number of a table, a metric, a priority and a mark.
const MOST: i64 = u32::MAX as i64;
/// What IPv4 asks of every link, and what `lo` has (RFC 791).
const MTUS: std::ops::RangeInclusive<i64> = 68..=65_536;

const REFUSING: [(&str, Verdict); 3] = [
    ("blackhole", Verdict::Blackhole),
    ("unreachable", Verdict::Unreachable),
    ("prohibit", Verdict::Prohibit),
];

const ROUTE_TYPES: [(&str, Option<Verdict>); 4] = [
    ("unicast", None),
    ("blackhole", Some(Verdict::Blackhole)),
    ("unreachable", Some(Verdict::Unreachable)),
    ("prohibit", Some(Verdict::Prohibit)),
];

/// The routes and rules of all instances: no two may be taken for each other.
#[derive(Default)]
pub(super) struct Seen {
    routes: Unique<RouteKey>,
    rules: Vec<At<Rule>>,
}

/// What names no address is of the family of the instance's addresses, which are `None` if they
/// are refused.
pub(super) fn read(
    t: &mut Table<'_>,
    addresses: Option<&Addresses>,
    accept: Option<At<bool>>,
    seen: &mut Seen,
) -> Routing {
    let family = addresses.map_or(Family::Ipv4, Addresses::family);
    let routes = t.optional("virtual_routes", |v| v.list(|v| route(v, family)));
    let rules = t.optional("virtual_rules", |v| v.list(|v| rule(v, family)));
    let (routes, rules) = (routes.map(|at| at.value), rules.map(|at| at.value));
    let (routes, rules) = (routes.unwrap_or_default(), rules.unwrap_or_default());
    for At { value, place } in &routes {
        let key = value.key();
        seen.routes.add(key, *place, t.report, || {
            let table = key.table;
            format!("a route to {} with this metric is in table {table} already", key.to)
        });
    }
    for rule in &rules {
        seen.add_rule(rule, t.report);
    }
    if let (Some(addresses), Some(accept)) = (addresses, accept.filter(|accept| !accept.value)) {
        let is_own = |source: &IpAddr| addresses.all().any(|own| own.value.address == *source);
        for At { value, place } in &routes {
            if let Some(source) = value.source.filter(is_own) {
                let message = format!("a route from {source}, which takes nothing in");
                let finding = Finding::new(*place, message, "the answers are dropped");
                let help = "name a source of the director's own, or remove `accept = false`";
                t.report.add(finding.related(accept.place, "`accept = false`").help(help));
            }
        }
    }
    Routing {
        routes: routes.into_iter().map(|at| at.value).collect(),
        rules: rules.into_iter().map(|at| at.value).collect(),
    }
}

impl Seen {
    fn add_rule(&mut self, new: &At<Rule>, report: &Report) {
        let like = |old: &&At<Rule>| old.value.covers(&new.value) || new.value.covers(&old.value);
        if let Some(old) = self.rules.iter().find(like) {
            let finding = if old.value == new.value {
                Finding::new(new.place, "the rule is there twice", "the second time")
                    .related(old.place, "the first time")
            } else {
                let message = "one of two rules with equal priority holds the other";
                Finding::new(new.place, message, "cannot be deleted without the other")
                    .related(old.place, "the other")
                    .help("give them different priorities")
            };
            report.add(finding);
        }
        self.rules.push(At { value: new.value.clone(), place: new.place });
    }
}

fn route(value: Value<'_>, family: Family) -> Option<Route> {
    value.table("a virtual route", |t| {
        let to = t.required("to", destination);
        let via = t.optional("via", host);
        let interface = t.optional("interface", leaf::interface);
        let source = t.optional("source", host);
        let metric = t.or("metric", 0, |v| v.integer(0..=MOST, ""));
        let table = t.or("table", MAIN_TABLE, |v| v.integer(1..=MOST, ""));
        let scope = t.optional("scope", |v| v.choice(&SCOPES));
        let verdict = t.or("type", None, |v| v.choice(&ROUTE_TYPES));
        let on_link = t.or("on_link", false, Value::bool);
        let mtu = t.optional("mtu", |v| v.integer(MTUS, " bytes"));

        let (verdict, on_link) = (verdict?.value, on_link?);
        match verdict {
            Some(verdict) => {
                let places = [
                    ("via", via.map(|at| at.place)),
                    ("interface", interface.as_ref().map(|at| at.place)),
                    ("source", source.map(|at| at.place)),
                    ("mtu", mtu.map(|at| at.place)),
                ];
                for (key, place) in places {
                    if let Some(place) = place {
                        let message = format!("`{key}` with the type `{verdict}`");
                        let finding = Finding::new(place, message, "has no effect");
                        t.report.add(finding.help("such a packet goes nowhere"));
                    }
                }
            }
            None if t.has_none(&["via", "interface"]) => {
                let message = "a virtual route needs `via` or `interface`";
                let finding = Finding::new(t.place, message, "leads nowhere");
                let help = "write the next router as `via`, or the `interface` whose link has the \
                            destination, or `type = \"blackhole\"`";
                t.report.add(finding.help(help));
            }
            None => {}
        }
        let is_local = |via: &At<IpAddr>| {
            matches!(via.value, IpAddr::V6(address) if address.is_unicast_link_local())
        };
        if let Some(via) = via.filter(|via| is_local(via) && interface.is_none()) {
            let message = format!("{} without `interface`", via.value);
            let finding = Finding::new(via.place, message, "is on every link");
            t.report.add(finding.help("name the `interface` that leads to it"));
        }
        if on_link.value && (via.is_none() || interface.is_none()) {
            let message = "`on_link` without `via` and `interface`";
            t.report.add(Finding::new(on_link.place, message, "has no effect"));
        }
        let to = to?;
        let network = to.value.map(|network| At { value: network.address, place: to.place });
        let family = one_family([network, via, source], family, t.report)?;
        if let Some(scope) = scope.filter(|_| family == Family::Ipv6) {
            let message = "a scope for an IPv6 route";
            t.report.add(Finding::new(scope.place, message, "the kernel has none"));
        }
        Some(Route {
            to: to.value.unwrap_or_else(|| Network::everything(family.unspecified())),
            via: via.map(|at| at.value),
            interface: interface.map(|at| at.value),
            source: source.map(|at| at.value),
            metric: metric?.value,
            table: table?.value,
            scope: scope.map(|at| at.value),
            verdict,
            on_link: on_link.value,
            mtu: mtu.map(|at| at.value),
        })
    })
}

fn rule(value: Value<'_>, family: Family) -> Option<Rule> {
    value.table("a virtual rule", |t| {
        let priority = t.required("priority", |v| v.integer(1..=MOST, ""));
        let from = t.optional("from", network);
        let to = t.optional("to", network);
        let iif = t.optional("iif", leaf::interface);
        let oif = t.optional("oif", leaf::interface);
        let mark = t.optional("fwmark", |v| v.integer(0..=MOST, ""));
        let mask = t.optional("fwmask", |v| v.integer(1..=MOST, ""));
        let table = t.optional("table", |v| v.integer(1..=MOST, ""));
        let verdict = t.optional("type", |v| v.choice(&REFUSING));

        if let Some(mask) = mask.filter(|_| t.has_none(&["fwmark"])) {
            let message = "`fwmask` without `fwmark`";
            t.report.add(Finding::new(mask.place, message, "has no effect"));
        }
        if let (Some(table), Some(verdict)) = (table, verdict) {
            let message = format!("`table` with the type `{}`", verdict.value);
            let finding = Finding::new(table.place, message, "has no effect");
            t.report.add(finding.related(verdict.place, "such a packet goes nowhere"));
        }
        if t.has_none(&["table", "type"]) {
            let message = "a virtual rule needs `table`";
            let finding = Finding::new(t.place, message, "leads nowhere");
            t.report.add(finding.help("write the `table` to look at, or `type = \"blackhole\"`"));
        }
        let address =
            |at: Option<At<Network>>| at.map(|at| At { value: at.value.address, place: at.place });
        let family = one_family([address(from), address(to)], family, t.report)?;
        let everything = Network::everything(family.unspecified());
        let mark = mark.map(|at| At {
            value: Mark { value: at.value, mask: mask.map_or(u32::MAX, |mask| mask.value) },
            place: at.place,
        });
        if let Some(mark) = mark.filter(|mark| mark.value.value & !mark.value.mask != 0) {
            let message = format!("the mark {:#x} has bits outside of its mask", mark.value.value);
            let label = format!("the mask is {:#x}: no packet has this mark", mark.value.mask);
            t.report.add(Finding::new(mark.place, message, label));
        }
        let table = table.map(|at| Target::Table(at.value));
        Some(Rule {
            priority: priority?.value,
            from: from.map_or(everything, |at| at.value),
            to: to.map(|at| at.value).filter(|to| to.prefix != 0),
            iif: iif.map(|at| at.value),
            oif: oif.map(|at| at.value),
            mark: mark.map(|at| at.value),
            target: table.or_else(|| verdict.map(|at| Target::Refuse(at.value)))?,
        })
    })
}

/// The family of all these addresses; `default` if there are none.
fn one_family<const N: usize>(
    addresses: [Option<At<IpAddr>>; N],
    default: Family,
    report: &Report,
) -> Option<Family> {
    let mut all = addresses.into_iter().flatten();
    let Some(first) = all.next() else { return Some(default) };
    let family = Family::of(first.value);
    let mut agree = true;
    for At { value: other, place } in all.filter(|other| Family::of(other.value) != family) {
        let message = format!("{other} is no {family} address");
        let finding = Finding::new(place, message, format!("expected {family}"));
        report.add(finding.related(first.place, format!("{family} here")));
        agree = false;
    }
    agree.then_some(family)
}

/// A network, or `None` for `"default"`.
fn destination(value: Value<'_>) -> Option<Option<Network>> {
    if value.as_str() == Some("default") { Some(None) } else { network(value).map(Some) }
}

/// `"10.1.0.0/16"`, or one address.
fn network(value: Value<'_>) -> Option<Network> {
    let expected = "a network such as \"10.1.0.0/16\"";
    let Some(text) = value.as_str() else { return value.wrong_type(expected, None) };
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        let message = format!("`{text}` is no network");
        return value.refuse(message, format!("expected {expected}"), None);
    };
    let bits = ipvs::Family::of(address).bits();
    let prefix = match prefix.map(|prefix| (prefix, prefix.parse::<u8>())) {
        None => bits,
        Some((_, Ok(prefix))) if prefix <= bits => prefix,
        Some((prefix, _)) => {
            let message = format!("`{prefix}` is no prefix length");
            return value.refuse(message, format!("expected 0 to {bits} after the `/`"), None);
        }
    };
    let first = first_address(address, prefix);
    if first != address {
        let message = format!("{address} has bits beyond the prefix of {prefix}");
        let help = format!("write \"{first}/{prefix}\", or \"{address}\" for this address alone");
        return value.refuse(message, "no address of a network", Some(help));
    }
    Some(Network { address, prefix })
}

/// The address with the bits beyond the prefix cleared.
fn first_address(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

/// The address of a router, or of this host.
fn host(value: Value<'_>) -> Option<IpAddr> {
    let address = leaf::address(value)?;
    match leaf::not_a_host(address) {
        Some(what) => value.refuse(format!("no host is at {address}"), what, None),
        None => Some(address),
    }
}
