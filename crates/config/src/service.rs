//! `[virtual_server.NAME]`.

use std::net::SocketAddr;
use std::time::Duration;

use ipvs::{Family, Protocol, Scheduler, ServiceFlags, ServiceKey};

use crate::address::{self, Addresses};
use crate::availability::Availability;
use crate::check::check;
use crate::error::Finding;
use crate::leaf;
use crate::model::{Persistence, VirtualServer};
use crate::names;
use crate::reader::{Entry, Report, Table, Value};
use crate::real_server::{self, Forwarding, Inherited, Method};
use crate::source::{At, Place};
use crate::unique::Unique;

/// What keepalived's bare `persistence_timeout` means, in seconds.
const PERSISTENCE_TIMEOUT: u32 = 360;
/// keepalived's limit. The kernel's own depends on its tick rate.
const LONGEST_PERSISTENCE: Duration = Duration::from_secs(31 * 86_400);

/// Each is a service with all real servers in the kernel. A range that is wider is more likely a
/// slip, and a mark serves it better.
const MOST_SERVICES: u128 = 4096;

/// Reads all virtual servers, beside a sync daemon if one is defined.
pub(crate) fn virtual_servers(
    entries: &[Entry<'_>],
    sync_daemon: Option<Place>,
) -> Vec<VirtualServer> {
    let mut seen = Unique::default();
    entries.iter().filter_map(|entry| virtual_server(entry, sync_daemon, &mut seen)).collect()
}

fn virtual_server(
    entry: &Entry<'_>,
    sync_daemon: Option<Place>,
    seen: &mut Unique<ServiceKey>,
) -> Option<VirtualServer> {
    entry.value.table("a virtual server", |t| {
        let services = services(t);
        let keys = services.as_deref().map(first_keys);
        let scheduling = scheduling(t);
        let one_packet = t.or("one_packet", false, Value::bool);
        let persistence = t.optional("persistence", |v| persistence(v, keys.as_deref()));
        let engine = t.optional("persistence_engine", module_name);
        let has_persistence = t.value("persistence").is_some();
        let availability = Availability::read(t, has_persistence);
        let direct = At { value: Method::DirectRoute, place: t.place };
        let forwarding = Forwarding::read(t, Some(direct));
        let checks = t.optional("checks", |v| v.list(check));
        let checks = checks.map_or_else(Vec::new, |checks| checks.value);
        let inherited = Inherited {
            keys: keys.as_deref(),
            forwarding,
            name: entry.name,
            checks: &checks,
            sync_daemon,
        };
        let mut seen_servers = Unique::default();
        let real_servers =
            t.required("real_servers", |v| real_server::all(v, &inherited, &mut seen_servers));
        let sorry_servers =
            t.or("sorry_servers", Vec::new(), |v| real_server::sorry(v, &inherited, &seen_servers));

        let real_servers = real_servers.map(|servers| servers.value);
        let sorry_servers = sorry_servers.map(|servers| servers.value);
        if let (Some(real), Some(sorry)) = (&real_servers, &sorry_servers) {
            let real = real.iter().map(|server| &server.destination);
            inherited.forwarding.check_used(real.chain(sorry), t.report);
        }
        let scheduler = scheduling.as_ref().map(|(scheduler, _)| scheduler);
        availability.check_scheduler(scheduler, t.report);
        let availability =
            availability.finish(real_servers.as_deref(), sorry_servers.as_deref(), t.report);
        if let Some(engine) = engine.as_ref().filter(|_| !has_persistence) {
            let message = "`persistence_engine` without `persistence`";
            let finding = Finding::new(engine.place, message, "has no effect");
            t.report.add(finding.help("add `persistence = { timeout = \"6m\" }`"));
        }
        let services = services?;
        for At { value: keys, place } in &services {
            for &key in keys {
                let message = || format!("the service {key} is defined twice");
                if !seen.add(key, *place, t.report, message) {
                    // Two ranges that overlap are one error, not one for each address.
                    break;
                }
            }
        }
        check_keys(&keys?, has_persistence, one_packet, engine.as_ref(), t.report);
        let (scheduler, mut flags) = scheduling?;
        if one_packet?.value {
            flags |= ServiceFlags::ONE_PACKET;
        }
        let availability = availability?;
        Some(VirtualServer {
            name: entry.name.to_owned(),
            keys: services.into_iter().flat_map(|keys| keys.value).collect(),
            scheduler: scheduler.value,
            flags,
            persistence: persistence.map(|persistence| persistence.value),
            persistence_engine: engine.map(|engine| engine.value),
            real_servers: real_servers?.into(),
            quorum: availability.quorum,
            hysteresis: availability.hysteresis,
            quorum_up: availability.quorum_up,
            quorum_down: availability.quorum_down,
            sorry_servers: sorry_servers?,
            on_failure: availability.on_failure,
            panic: availability.panic,
            max_ejected: availability.max_ejected,
            slow_start: availability.slow_start,
            drain: availability.drain,
        })
    })
}

fn protocol(value: Value<'_>) -> Option<Protocol> {
    value.choice(&[("tcp", Protocol::Tcp), ("udp", Protocol::Udp), ("sctp", Protocol::Sctp)])
}

/// What a service may be defined by.
const KEYS: [&str; 3] = ["address", "addresses", "fwmark"];

/// The services of one address, range or mark as it is written; never none.
type Services = At<Vec<ServiceKey>>;

/// The services, of `address`, `addresses` or `fwmark`.
fn services(t: &mut Table<'_>) -> Option<Vec<Services>> {
    let written_protocol = t.value("protocol").map(|value| value.place);
    let protocol = t.or("protocol", Protocol::Tcp, protocol);
    let address = t.optional("address", address::of_service);
    let addresses = t.optional("addresses", |v| {
        if v.is_empty_array() {
            return v.refuse("`addresses` is empty", "expected at least one address", None);
        }
        v.list(address::of_service)
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
        if let Some(protocol) = written_protocol {
            let finding = Finding::new(protocol, "`protocol` beside `fwmark`", "has no effect");
            let help = "the firewall's rule chooses the protocol: remove `protocol`";
            t.report.add(finding.related(place, "marked packets").help(help));
        }
        let family = family.map_or(Family::Inet, |family| family.value);
        return Some(vec![At { value: vec![ServiceKey::Fwmark { mark, family }], place }]);
    }
    if let Some(family) = family {
        let finding = Finding::new(family.place, "`family` without `fwmark`", "has no effect");
        t.report.add(finding.help("an address has its family: remove `family`"));
    }
    let addresses =
        addresses.map(|addresses| addresses.value).or_else(|| address.map(|a| vec![a]))?;
    let mut total = 0_u128;
    for At { value: range, place } in &addresses {
        total = total.saturating_add(range.count());
        if total > MOST_SERVICES {
            let message = format!("more than {MOST_SERVICES} services in one virtual server");
            let finding = Finding::new(*place, message, "too many");
            let help = "mark the packets in the firewall: one `fwmark` serves any number of \
                        addresses";
            t.report.add(finding.help(help));
            return None;
        }
        let bad = |address: SocketAddr| Some((address.ip(), leaf::not_a_host(address.ip())?));
        if let Some((address, what)) = range.iter().find_map(bad) {
            let message = format!("a service cannot be at {address}");
            t.report.add(Finding::new(*place, message, what));
        }
    }
    let protocol = protocol?.value;
    let keys = |range: Addresses| range.iter().map(|a| ServiceKey::address(protocol, a)).collect();
    Some(addresses.into_iter().map(|at| At { value: keys(at.value), place: at.place }).collect())
}

/// The first service of each entry: those of a range differ in nothing that a rule looks at.
fn first_keys(services: &[Services]) -> Vec<At<ServiceKey>> {
    let first =
        |services: &Services| Some(At { value: *services.value.first()?, place: services.place });
    services.iter().filter_map(first).collect()
}

/// The rules between a service's key and its other settings.
fn check_keys(
    keys: &[At<ServiceKey>],
    persistence: bool,
    one_packet: Option<At<bool>>,
    engine: Option<&At<Scheduler>>,
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
        let sip = engine.filter(|engine| engine.value.as_str() == "sip");
        if let Some(engine) = sip.filter(|_| *protocol != Protocol::Udp) {
            let message = format!("the engine `sip` for {protocol}");
            let finding = Finding::new(engine.place, message, "is for UDP and marks");
            let help = "the kernel finds a call's identifier in UDP packets alone: write \
                        `protocol = \"udp\"`";
            report.add(finding.related(*place, format!("a {protocol} service")).help(help));
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
fn scheduling(t: &mut Table<'_>) -> Option<(At<Scheduler>, ServiceFlags)> {
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
    Some((scheduler, all))
}

fn persistence(value: Value<'_>, keys: Option<&[At<ServiceKey>]>) -> Option<Persistence> {
    value.table("`persistence`", |t| {
        let range = Duration::from_secs(1)..=LONGEST_PERSISTENCE;
        let timeout = t.or("timeout", PERSISTENCE_TIMEOUT, leaf::seconds(range));
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

        Some(Persistence {
            timeout: timeout?.value,
            netmask: netmask.map_or(32, |bits| bits.value),
            prefix: prefix.map_or(128, |bits| bits.value),
        })
    })
}
