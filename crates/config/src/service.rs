//! `[virtual_server.NAME]`.

use std::time::Duration;

use ipvs::{Family, Protocol, Scheduler, ServiceFlags, ServiceKey};

use crate::check::check;
use crate::error::Finding;
use crate::leaf;
use crate::model::{Persistence, VirtualServer};
use crate::names;
use crate::reader::{Entry, Report, Table, Value};
use crate::real_server::{self, Forwarding, Inherited, Method};
use crate::source::At;
use crate::unique::Unique;

/// What keepalived's bare `persistence_timeout` means.
const PERSISTENCE_TIMEOUT: Duration = Duration::from_secs(360);
/// keepalived's limit. The kernel's own depends on its tick rate.
const LONGEST_PERSISTENCE: Duration = Duration::from_secs(31 * 86_400);

/// Reads all virtual servers.
pub(crate) fn virtual_servers(entries: &[Entry<'_>]) -> Vec<VirtualServer> {
    let mut seen = Unique::default();
    entries.iter().filter_map(|entry| virtual_server(entry, &mut seen)).collect()
}

fn virtual_server(entry: &Entry<'_>, seen: &mut Unique<ServiceKey>) -> Option<VirtualServer> {
    entry.value.table("a virtual server", |t| {
        let protocol = t.optional("protocol", protocol);
        let keys = keys(t, protocol);
        let scheduler = scheduling(t);
        let one_packet = t.or("one_packet", false, Value::bool);
        let persistence = t.optional("persistence", |v| persistence(v, keys.as_deref()));
        let engine = t.optional("persistence_engine", module_name);
        let has_persistence = t.value("persistence").is_some();
        let direct = At { value: Method::DirectRoute, place: t.place };
        let forwarding = Forwarding::read(t, Some(direct));
        let checks = t.optional("checks", |v| v.list(check));
        let checks = checks.map_or_else(Vec::new, |checks| checks.value);
        let inherited = Inherited { keys: keys.as_deref(), forwarding, checks: &checks };
        let real_servers = t.required("real_servers", |v| real_server::all(v, &inherited));
        if let Some(real_servers) = &real_servers {
            inherited.forwarding.check_used(&real_servers.value, t.report);
        }

        if let Some(engine) = engine.as_ref().filter(|_| !has_persistence) {
            let message = "`persistence_engine` without `persistence`";
            let finding = Finding::new(engine.place, message, "has no effect");
            t.report.add(finding.help("add `persistence = { timeout = \"6m\" }`"));
        }
        let keys = keys?;
        for At { value: key, place } in &keys {
            seen.add(*key, *place, t.report, || format!("the service {key} is defined twice"));
        }
        check_keys(&keys, has_persistence, one_packet, t.report);
        let (scheduler, mut flags) = scheduler?;
        if one_packet?.value {
            flags |= ServiceFlags::ONE_PACKET;
        }
        Some(VirtualServer {
            name: entry.name.to_owned(),
            keys: keys.iter().map(|key| key.value).collect(),
            scheduler,
            flags,
            persistence: persistence.map(|persistence| persistence.value),
            persistence_engine: engine.map(|engine| engine.value),
            real_servers: real_servers?.value.into_iter().map(|at| at.value).collect(),
        })
    })
}

fn protocol(value: Value<'_>) -> Option<Protocol> {
    value.choice(&[("tcp", Protocol::Tcp), ("udp", Protocol::Udp), ("sctp", Protocol::Sctp)])
}

/// What a service may be defined by.
const KEYS: [&str; 3] = ["address", "addresses", "fwmark"];

/// The services' keys, of `address`, `addresses` or `fwmark`.
fn keys(t: &mut Table<'_>, protocol: Option<At<Protocol>>) -> Option<Vec<At<ServiceKey>>> {
    let address = t.optional("address", leaf::socket_address);
    let addresses = t.optional("addresses", |v| {
        if v.is_empty_array() {
            return v.refuse("`addresses` is empty", "expected at least one address", None);
        }
        v.list(leaf::socket_address)
    });
    let mark = t.optional("fwmark", |v| v.integer(1..=i64::from(u32::MAX), ""));
    let families = [("ipv4", Family::Inet), ("ipv6", Family::Inet6)];
    let family = t.optional("family", |v| v.choice(&families));

    let mut written = KEYS.into_iter().filter_map(|key| Some((key, t.value(key)?.place)));
    match (written.next(), written.next()) {
        // Whatever it is that is misspelt.
        (None, _) if t.unknown().any(|entry| names::nearest(entry.name, &KEYS).is_some()) => {
            return None;
        }
        (None, _) => {
            let message = "a virtual server needs `address`, `addresses` or `fwmark`";
            let finding = Finding::new(t.place, message, "serves nothing");
            t.report.add(finding.help("for example `address = \"192.0.2.10:80\"`"));
            return None;
        }
        (Some((first, first_place)), Some((second, place))) => {
            let message = format!("a virtual server has `{first}` or `{second}`, not both");
            let finding = Finding::new(place, message, "the second one");
            t.report.add(finding.related(first_place, "the first one"));
            return None;
        }
        (Some(_), None) => {}
    }

    if let Some(At { value: mark, place }) = mark {
        if let Some(protocol) = protocol {
            let finding =
                Finding::new(protocol.place, "`protocol` beside `fwmark`", "has no effect");
            let help = "the firewall's rule chooses the protocol: remove `protocol`";
            t.report.add(finding.related(place, "marked packets").help(help));
        }
        let family = family.map_or(Family::Inet, |family| family.value);
        return Some(vec![At { value: ServiceKey::Fwmark { mark, family }, place }]);
    }
    if let Some(family) = family {
        let finding = Finding::new(family.place, "`family` without `fwmark`", "has no effect");
        t.report.add(finding.help("an address has its family: remove `family`"));
    }
    let addresses =
        addresses.map(|addresses| addresses.value).or_else(|| address.map(|a| vec![a]))?;
    let protocol = protocol.map_or(Protocol::Tcp, |protocol| protocol.value);
    for At { value: address, place } in &addresses {
        if let Some(what) = leaf::not_a_host(address.ip()) {
            let message = format!("a service cannot be at {}", address.ip());
            t.report.add(Finding::new(*place, message, what));
        }
    }
    let key = |At { value, place }| At { value: ServiceKey::address(protocol, value), place };
    Some(addresses.into_iter().map(key).collect())
}

/// The rules between a service's key and its other settings.
fn check_keys(
    keys: &[At<ServiceKey>],
    persistence: bool,
    one_packet: Option<At<bool>>,
    report: &Report,
) {
    for At { value: key, place } in keys {
        let ServiceKey::Address { protocol, address } = key else { continue };
        if address.port() == 0 && !persistence {
            let message = format!("the service {key} without persistence");
            let finding = Finding::new(*place, message, "port 0 is every port");
            let help = "every port needs `persistence = { timeout = \"6m\" }`; else name one port";
            report.add(finding.help(help));
        }
        if let Some(one_packet) = one_packet.filter(|on| on.value && *protocol != Protocol::Udp) {
            let message = format!("`one_packet` for {protocol}");
            let finding = Finding::new(one_packet.place, message, "is for UDP and marks");
            report.add(finding.related(*place, format!("a {protocol} service")));
        }
    }
}

fn module_name(value: Value<'_>) -> Option<Scheduler> {
    let name = value.string()?;
    name.parse().ok().or_else(|| {
        let message = format!("`{name}` cannot be a `{}`", value.key);
        value.refuse(message, "expected 1 to 15 visible ASCII characters", None)
    })
}

/// A scheduler flag: the scheduler that it needs, if it needs one, and its bit.
type Flag = (Option<&'static str>, ServiceFlags);

const FLAGS: [(&str, Flag); 7] = [
    ("sh-fallback", (Some("sh"), ServiceFlags::SCHED_1)),
    ("sh-port", (Some("sh"), ServiceFlags::SCHED_2)),
    ("mh-fallback", (Some("mh"), ServiceFlags::SCHED_1)),
    ("mh-port", (Some("mh"), ServiceFlags::SCHED_2)),
    ("flag-1", (None, ServiceFlags::SCHED_1)),
    ("flag-2", (None, ServiceFlags::SCHED_2)),
    ("flag-3", (None, ServiceFlags::SCHED_3)),
];

/// `scheduler` and `scheduler_flags`. keepalived has one-packet scheduling among the flags of a
/// scheduler; it concerns every scheduler and so has its own key here.
fn scheduling(t: &mut Table<'_>) -> Option<(Scheduler, ServiceFlags)> {
    let default = "wlc".parse().ok()?;
    let scheduler = t.or("scheduler", default, module_name);
    let flags = t.optional("scheduler_flags", |v| v.list(|flag| flag.choice(&FLAGS)));
    let scheduler = scheduler?;
    let mut all = ServiceFlags::NONE;
    for At { value: (needs, flag), place } in flags.map_or_else(Vec::new, |flags| flags.value) {
        all |= flag;
        if let Some(needs) = needs.filter(|needs| scheduler.value.as_str() != *needs) {
            let message =
                format!("a flag of the scheduler `{needs}`, not of `{}`", scheduler.value);
            let finding = Finding::new(place, message, "has another meaning or none");
            let help = format!("remove it, or write `scheduler = \"{needs}\"`");
            t.report.add(finding.related(scheduler.place, "the scheduler").help(help));
        }
    }
    Some((scheduler.value, all))
}

fn persistence(value: Value<'_>, keys: Option<&[At<ServiceKey>]>) -> Option<Persistence> {
    value.table("`persistence`", |t| {
        let range = Duration::from_secs(1)..=LONGEST_PERSISTENCE;
        let timeout = t.or("timeout", PERSISTENCE_TIMEOUT, leaf::duration(range));
        let netmask = t.optional("netmask", |v| v.integer(1..=32, " bits"));
        let prefix = t.optional("prefix", |v| v.integer(1..=128, " bits"));

        let unused = |at: Option<&At<u8>>, family, message: &str, help: &str| {
            let Some((at, keys)) = at.zip(keys) else { return };
            if !keys.iter().any(|key| key.value.family() == family) {
                t.report.add(Finding::new(at.place, message, "has no effect").help(help));
            }
        };
        let message = "`netmask` without an IPv4 service";
        unused(netmask.as_ref(), Family::Inet, message, "IPv6 clients: write `prefix`");
        let message = "`prefix` without an IPv6 service";
        unused(prefix.as_ref(), Family::Inet6, message, "IPv4 clients: write `netmask`");

        let timeout = timeout?;
        if timeout.value.subsec_nanos() != 0 {
            let finding = Finding::new(timeout.place, "`timeout` is not in seconds", "has a rest");
            t.report.add(finding.help("persistence counts whole seconds"));
        }
        Some(Persistence {
            timeout: u32::try_from(timeout.value.as_secs()).ok()?,
            netmask: netmask.map_or(32, |bits| bits.value),
            prefix: prefix.map_or(128, |bits| bits.value),
        })
    })
}
