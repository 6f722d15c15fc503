//! `[[virtual_server.NAME.real_servers]]`.

use std::net::SocketAddr;

use ipvs::{
    Destination, DestinationKey, Forward, ServiceKey, Tunnel, TunnelChecksum, TunnelKind, Weight,
};

use crate::check::{CheckDraft, check};
use crate::error::Finding;
use crate::leaf;
use crate::model::RealServer;
use crate::reader::{Report, Table, Value};
use crate::source::At;
use crate::unique::Unique;

/// What a virtual server's real servers have from it.
#[derive(Debug)]
pub(crate) struct Inherited<'a> {
    /// `None` if they are refused.
    pub(crate) keys: Option<&'a [At<ServiceKey>]>,
    pub(crate) forwarding: Forwarding,
    pub(crate) checks: &'a [At<CheckDraft>],
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

    /// Refuses tunnel settings that none of `real_servers` uses.
    pub(crate) fn check_used(&self, real_servers: &[At<RealServer>], report: &Report) {
        let is_tunnel = |server: &At<RealServer>| {
            matches!(server.value.destination.forward, Forward::Tunnel(_))
        };
        if let (Some(tunnel), Some(method)) = (self.tunnel, self.method)
            && method.value != Method::Tunnel
            && !real_servers.iter().any(is_tunnel)
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

/// Reads `real_servers`. The places are those of the addresses.
pub(crate) fn all(value: Value<'_>, inherited: &Inherited<'_>) -> Option<Vec<At<RealServer>>> {
    let mut seen = Unique::default();
    let real_servers = value.list(|v| real_server(v, inherited, &mut seen))?;
    Some(real_servers.into_iter().map(|server| server.value).collect())
}

fn real_server(
    value: Value<'_>,
    inherited: &Inherited<'_>,
    seen: &mut Unique<DestinationKey>,
) -> Option<At<RealServer>> {
    value.table("a real server", |t| {
        let address = t.required("address", leaf::address_maybe_port);
        let weight = t.or("weight", 1, |v| v.integer(0..=i64::from(Weight::MAX.get()), ""));
        let count = |v: Value<'_>| v.integer(0..=i64::from(u32::MAX), " connections");
        let upper = t.or("upper_threshold", 0, count);
        let lower = t.or("lower_threshold", 0, count);
        let forwarding = Forwarding::read(t, inherited.forwarding.method);
        let checks = t.optional("checks", |v| v.list(check));

        check_thresholds(upper, lower, t.report);
        let address = address?;
        let key = DestinationKey::new(address.value);
        let address = At { value: key.socket_addr(), place: address.place };
        seen.add(key, address.place, t.report, || {
            format!("the real server {key} is defined twice in one virtual server")
        });
        let checks = checks.as_ref().map_or(inherited.checks, |checks| &checks.value);
        let checks = checks.iter().map(|check| check.value.resolve(&address, t.report)).collect();
        if let Some(what) = leaf::not_a_host(key.address) {
            let message = format!("a real server cannot be {}", key.address);
            t.report.add(Finding::new(address.place, message, what));
        }
        let method = forwarding.method?;
        check_against_service(&address, method, inherited.keys?, t.report);
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
        let server = At { value: RealServer { destination, checks }, place: address.place };
        forwarding.check_used(std::slice::from_ref(&server), t.report);
        Some(server)
    })
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
    method: At<Method>,
    keys: &[At<ServiceKey>],
    report: &Report,
) {
    let address = server.value;
    for At { value: key, place } in keys {
        let is_ipv4 = key.family() == ipvs::Family::Inet;
        if is_ipv4 != address.is_ipv4() && method.value != Method::Tunnel {
            let message = format!("{} is not of the address family of its service", address.ip());
            let finding = Finding::new(server.place, message, "another address family");
            let help = "only `forward = \"tunnel\"` reaches a real server of the other family";
            report.add(finding.related(*place, format!("the service {key}")).help(help));
        }
        let ServiceKey::Address { address: service, .. } = key else { continue };
        if service.port() == address.port() {
            continue;
        }
        let (service_port, label) = (service.port(), format!("the service {key}"));
        let suggestion = format!("write \"{}\"", SocketAddr::new(address.ip(), service_port));
        if method.value != Method::Masquerade {
            let message = match address.port() {
                0 => format!("the real server {} has no port", address.ip()),
                port => {
                    format!("the real server's port {port} is not the service's {service_port}")
                }
            };
            let finding = Finding::new(server.place, message, "another port than the service's");
            let help = format!("only `forward = \"nat\"` changes ports: {suggestion}");
            report.add(finding.related(*place, label).help(help));
        } else if address.port() == 0 {
            let message = format!("the real server {} has no port", address.ip());
            let finding = Finding::new(server.place, message, "the port is missing");
            report.add(finding.related(*place, label).help(suggestion));
        }
    }
}
