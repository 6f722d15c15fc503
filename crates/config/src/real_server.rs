//! `[[virtual_server.NAME.real_servers]]` and `sorry_servers`.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use checkers::Check;
use ipvs::{
    Destination, DestinationKey, Forward, ServiceKey, Tunnel, TunnelChecksum, TunnelKind, Weight,
};

use crate::address;
use crate::check::{CheckDraft, check};
use crate::error::Finding;
use crate::leaf;
use crate::model::RealServer;
use crate::reader::{Entry, Report, Table, Value};
use crate::source::{At, Place};
use crate::unique::Unique;

/// What a virtual server's real servers and sorry servers have from it.
#[derive(Debug)]
pub(crate) struct Inherited<'a> {
    /// `None` if they are refused.
    pub(crate) keys: Option<&'a [At<ServiceKey>]>,
    pub(crate) forwarding: Forwarding,
    /// Name of the virtual server.
    pub(crate) name: &'a str,
    pub(crate) checks: &'a [At<CheckDraft>],
    /// Where a sync daemon is defined.
    pub(crate) sync_daemon: Option<Place>,
}

/// The word of `forward`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    DirectRoute,
    Masquerade,
    Tunnel,
}

/// `forward` and `tunnel`, of a virtual server or of a real server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Forwarding {
    /// `None` if it is refused.
    method: Option<At<Method>>,
    tunnel: Option<At<Tunnel>>,
}

impl Forwarding {
    /// Reads both keys; `method` stands in for an absent `forward`.
    pub(crate) fn read(t: &mut Table<'_>, method: Option<At<Method>>) -> Self {
        let words =
            [("dr", Method::DirectRoute), ("nat", Method::Masquerade), ("tunnel", Method::Tunnel)];
        let method = match t.value("forward") {
            Some(_) => t.optional("forward", |v| v.choice(&words)),
            None => method,
        };
        Self { method, tunnel: t.optional("tunnel", tunnel) }
    }

    /// Refuses tunnel settings that none of `destinations` uses.
    pub(crate) fn check_used<'a>(
        &self,
        destinations: impl IntoIterator<Item = &'a Destination>,
        report: &Report,
    ) {
        let is_tunnel =
            |destination: &Destination| matches!(destination.forward, Forward::Tunnel(_));
        if let (Some(tunnel), Some(method)) = (self.tunnel, self.method)
            && method.value != Method::Tunnel
            && !destinations.into_iter().any(is_tunnel)
        {
            let message = "`tunnel` without `forward = \"tunnel\"`";
            let finding = Finding::new(tunnel.place, message, "has no effect");
            report.add(finding.help("write `forward = \"tunnel\"`, or remove `tunnel`"));
        }
    }
}

fn tunnel(value: Value<'_>) -> Option<Tunnel> {
    #[derive(Clone, Copy, PartialEq)]
    enum Type {
        Ipip,
        Gue,
        Gre,
    }
    value.table("`tunnel`", |t| {
        let types = [("ipip", Type::Ipip), ("gue", Type::Gue), ("gre", Type::Gre)];
        let kind = t.or("type", Type::Ipip, |v| v.choice(&types));
        let has_port = t.value("port").is_some();
        let port = t.optional("port", |v| v.integer(1..=65_535, ""));
        let checksums = [
            ("none", TunnelChecksum::None),
            ("csum", TunnelChecksum::Checksum),
            ("remcsum", TunnelChecksum::RemoteOffload),
        ];
        let checksum = t.or("checksum", TunnelChecksum::None, |v| v.choice(&checksums));

        let (kind, checksum) = (kind?, checksum?);
        if let Some(port) = port.filter(|_| kind.value != Type::Gue) {
            let finding = Finding::new(port.place, "only a gue tunnel has a port", "has no effect");
            t.report.add(finding.help("write `type = \"gue\"`, or remove `port`"));
        }
        let allowed = match (kind.value, checksum.value) {
            (_, TunnelChecksum::None) | (Type::Gue, _) => true,
            (Type::Gre, TunnelChecksum::Checksum) => true,
            (Type::Gre, TunnelChecksum::RemoteOffload) | (Type::Ipip, _) => false,
        };
        if !allowed {
            let finding =
                Finding::new(checksum.place, "this tunnel has no such checksum", "has no effect");
            let help = "ipip has \"none\"; gre \"none\" and \"csum\"; gue also \"remcsum\"";
            t.report.add(finding.help(help));
        }
        let kind = match kind.value {
            Type::Ipip => TunnelKind::Ipip,
            Type::Gre => TunnelKind::Gre,
            Type::Gue => match port {
                Some(port) => TunnelKind::Gue { port: port.value },
                None => {
                    if !has_port {
                        let message = "a gue tunnel needs `port`";
                        let finding = Finding::new(kind.place, message, "`port` is missing");
                        t.report.add(finding.help("the UDP port that the real server receives on"));
                    }
                    return None;
                }
            },
        };
        Some(Tunnel { kind, checksum: checksum.value })
    })
}

/// A destination as its virtual server sees it.
#[derive(Debug, Clone, Copy)]
struct Role {
    name: &'static str,
    lowest_weight: i64,
}

const REAL: Role = Role { name: "real server", lowest_weight: 0 };
/// Its only work is to take connections, so it has a weight.
const SORRY: Role = Role { name: "sorry server", lowest_weight: 1 };

/// Reads `real_servers` into `seen` and the result. `None` if one of them is refused.
pub(crate) fn all(
    value: Value<'_>,
    inherited: &Inherited<'_>,
    seen: &mut Unique<DestinationKey>,
) -> Option<Vec<RealServer>> {
    // Servers with the same check share it in memory.
    let mut known_checks: HashSet<Arc<Check>> = HashSet::new();
    let servers = value.list(|v| {
        Some(v.table("a real server", |t| {
            let (address, destination) = destination(t, REAL, inherited, seen);
            let checks = t.optional("checks", |v| v.list(check));
            let address = address?;
            let checks = checks.as_ref().map_or(inherited.checks, |checks| &checks.value);
            let mut resolve = |check: &At<CheckDraft>| {
                let check =
                    check.value.resolve(&address, inherited, destination.as_ref(), t.report);
                if let Some(known) = known_checks.get(&check) {
                    return Arc::clone(known);
                }
                let check = Arc::new(check);
                known_checks.insert(Arc::clone(&check));
                check
            };
            let checks = checks.iter().map(&mut resolve).collect();
            Some(RealServer { destination: destination?, checks })
        }))
    });
    servers?.into_iter().map(|server| server.value).collect()
}

/// Reads `sorry_servers`; none of them is among the `real` ones. `None` if one is refused.
pub(crate) fn sorry(
    value: Value<'_>,
    inherited: &Inherited<'_>,
    real: &Unique<DestinationKey>,
) -> Option<Vec<Destination>> {
    let mut seen = Unique::default();
    let servers = value.list(|v| {
        // The string is the same as a table with nothing but `address`.
        let address = Entry { name: "address", place: v.place, value: v };
        let entries = if v.is_table() { v.entries()? } else { vec![address] };
        Some(Table::new(entries, v.place, v.report).read("a sorry server", |t| {
            let (address, destination) = destination(t, SORRY, inherited, &mut seen);
            let At { value: address, place } = address?;
            if let Some(first) = real.first(&DestinationKey::new(address)) {
                let message = format!("the sorry server {address} is a real server too");
                let finding = Finding::new(place, message, "stands in for itself");
                let help = "remove one of the two";
                t.report.add(finding.related(first, "the real server").help(help));
            }
            destination
        }))
    });
    servers?.into_iter().map(|server| server.value).collect()
}

/// The keys that both have; also gives the address of a destination that is refused.
fn destination(
    t: &mut Table<'_>,
    role: Role,
    inherited: &Inherited<'_>,
    seen: &mut Unique<DestinationKey>,
) -> (Option<At<SocketAddr>>, Option<Destination>) {
    let address = t.required("address", address::of_real_server);
    let weights = role.lowest_weight..=i64::from(Weight::MAX.get());
    let weight = t.or("weight", 1, |v| v.integer(weights, ""));
    // The kernel refuses more.
    let count = |v: Value<'_>| v.integer(0..=i64::from(i32::MAX), " connections");
    let upper = t.or("upper_threshold", 0, count);
    let lower = t.or("lower_threshold", 0, count);
    let forwarding = Forwarding::read(t, inherited.forwarding.method);

    check_thresholds(upper, lower, t.report);
    let Some(address) = address else { return (None, None) };
    let key = DestinationKey::new(address.value);
    let address = At { value: key.socket_addr(), place: address.place };
    seen.add(key, address.place, t.report, || {
        format!("the {} {key} is defined twice in one virtual server", role.name)
    });
    if let Some(what) = leaf::not_a_host(key.address) {
        let message = format!("a {} cannot be {}", role.name, key.address);
        t.report.add(Finding::new(address.place, message, what));
    }
    let destination = || {
        let method = forwarding.method?;
        check_against_service(&address, role, method, inherited, t.report)?;
        let tunnel = forwarding.tunnel.or(inherited.forwarding.tunnel);
        let forward = match method.value {
            Method::DirectRoute => Forward::DirectRoute,
            Method::Masquerade => Forward::Masquerade,
            Method::Tunnel => Forward::Tunnel(tunnel.map_or(Tunnel::IPIP, |tunnel| tunnel.value)),
        };
        let destination = Destination {
            key,
            forward,
            weight: Weight::new(weight?.value)?,
            upper_threshold: upper?.value,
            lower_threshold: lower?.value,
        };
        forwarding.check_used([&destination], t.report);
        Some(destination)
    };
    (Some(address), destination())
}

fn check_thresholds(upper: Option<At<u32>>, lower: Option<At<u32>>, report: &Report) {
    let (Some(upper), Some(lower)) = (upper, lower) else { return };
    if lower.value > upper.value {
        let message =
            format!("`lower_threshold` {} is above `upper_threshold` {}", lower.value, upper.value);
        let finding = Finding::new(lower.place, message, "above the upper one");
        let help = "at `upper_threshold` connections a server gets no new ones, until it has \
                    fewer than `lower_threshold`";
        let label = if upper.value == 0 { "0 is no limit" } else { "the upper one" };
        report.add(finding.related(upper.place, label).help(help));
    }
}

/// The kernel's rules between a destination and its services.
fn check_against_service(
    server: &At<SocketAddr>,
    role: Role,
    method: At<Method>,
    inherited: &Inherited<'_>,
    report: &Report,
) -> Option<()> {
    let address = server.value;
    let name = role.name;
    for At { value: key, place } in inherited.keys? {
        let is_ipv4 = key.family() == ipvs::Family::Inet;
        if is_ipv4 != address.is_ipv4() {
            let message = format!("{} is not of the address family of its service", address.ip());
            let finding = Finding::new(server.place, message, "another address family")
                .related(*place, format!("the service {key}"));
            if method.value != Method::Tunnel {
                let help =
                    format!("only `forward = \"tunnel\"` reaches a {name} of the other family");
                report.add(finding.help(help));
            } else if let Some(sync_daemon) = inherited.sync_daemon {
                let help = format!(
                    "the kernel has either a sync daemon or a {name} of the other family: its \
                     messages cannot tell such connections"
                );
                report.add(finding.related(sync_daemon, "the sync daemon").help(help));
            }
        }
        let ServiceKey::Address { address: service, .. } = key else { continue };
        if service.port() == address.port() {
            continue;
        }
        let (service_port, label) = (service.port(), format!("the service {key}"));
        let suggestion = format!("write \"{}\"", SocketAddr::new(address.ip(), service_port));
        if method.value != Method::Masquerade {
            let message = match address.port() {
                0 => format!("the {name} {} has no port", address.ip()),
                port => {
                    format!("the {name}'s port {port} is not the service's {service_port}")
                }
            };
            let finding = Finding::new(server.place, message, "another port than the service's");
            let help = format!("only `forward = \"nat\"` changes ports: {suggestion}");
            report.add(finding.related(*place, label).help(help));
        } else if address.port() == 0 {
            let message = format!("the {name} {} has no port", address.ip());
            let finding = Finding::new(server.place, message, "the port is missing");
            report.add(finding.related(*place, label).help(suggestion));
        }
    }
    Some(())
}
