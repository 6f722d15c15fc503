//! A random table, from a seed: everything that the kernel takes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use fastrand::Rng;
use ipvs::{
    Daemon, DaemonRole, Destination, DestinationKey, Family, Forward, Operation, Persistence,
    Protocol, Scheduler, Service, ServiceFlags, ServiceKey, Timeouts, Tunnel, TunnelChecksum,
    TunnelKind, Weight,
};

/// Some addresses of the tables have names.
pub(crate) const HOSTS: &str = "\
127.0.0.1 localhost
192.0.2.1 vip
192.0.2.2 a-name-that-fills-its-column.example.com
192.0.2.3 a-name-that-is-longer-than-every-column-and-than-every-buffer-of-any-program.example.com
198.51.100.1 rs1
198.51.100.2 real-server-two.of-the.rack.example.com
198.51.100.3 real-server-three.with-a-name-that-is-longer-than-every-buffer-of-any-program.example
2001:db8::1 six
2001:db8::2 a-name-that-fills-its-column.six.example.com
2001:db8::3 a-name-that-is-longer-than-every-column-and-than-every-buffer-of-any-program.six.example
";

const SCHEDULERS: [&str; 14] =
    ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf", "none"];

pub(crate) struct RandomTable {
    pub(crate) services: Vec<(Service, Vec<Destination>)>,
    pub(crate) daemons: Vec<Daemon>,
    pub(crate) timeouts: Option<Timeouts>,
}

impl RandomTable {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let mut keys = BTreeSet::new();
        // Now and then a large table: the order of many addresses.
        let count = if chance(rng, 5) { 60 } else { rng.usize(0..10) };
        for _ in 0..count {
            keys.insert(key(rng));
        }
        let mut services: Vec<_> = keys.into_iter().map(|key| service(rng, key)).collect();
        rng.shuffle(&mut services);
        let daemons = if chance(rng, 10) { daemons(rng) } else { Vec::new() };
        if !daemons.is_empty() {
            // The kernel refuses destinations of the other family beside a sync daemon.
            for (service, destinations) in &mut services {
                destinations.retain(|one| one.key.family() == service.key.family());
            }
        }
        let timeouts = chance(rng, 10).then(|| Timeouts {
            tcp: rng.u32(1..200_000),
            tcp_fin: rng.u32(1..200_000),
            udp: rng.u32(1..200_000),
        });
        Self { services, daemons, timeouts }
    }

    pub(crate) fn operations(&self) -> Vec<Operation> {
        let mut operations: Vec<Operation> =
            self.daemons.iter().cloned().map(Operation::NewDaemon).collect();
        operations.extend(self.timeouts.map(Operation::SetTimeouts));
        for (service, destinations) in &self.services {
            operations.push(Operation::NewService(service.clone()));
            operations
                .extend(destinations.iter().map(|&d| Operation::NewDestination(service.key, d)));
        }
        operations
    }

    /// Options of a listing.
    pub(crate) fn mode(&self, rng: &mut Rng, traffic: bool) -> String {
        let numeric = if chance(rng, 75) { "-n" } else { "" };
        if !self.daemons.is_empty() && chance(rng, 60) {
            return "--daemon".to_owned();
        }
        if self.timeouts.is_some() && chance(rng, 60) {
            return "--timeout".to_owned();
        }
        if chance(rng, if traffic { 40 } else { 5 }) {
            return format!("{numeric} -c {}", choice(rng, &["", "--persistent-conn"]));
        }
        let counters = ["--stats", "--rate", "--stats --exact", "--rate --exact"];
        let other = ["", "--thresholds", "--persistent-conn"];
        let columns = match chance(rng, if traffic { 70 } else { 30 }) {
            true => choice(rng, &counters),
            false => choice(rng, &other),
        };
        if !self.services.is_empty() && chance(rng, 20) {
            let (service, _) = &self.services[rng.usize(..self.services.len())];
            return format!("{numeric} {columns} {}", selector(&service.key));
        }
        format!("{numeric} {columns} {}", choice(rng, &["", "", "--nosort"]))
    }
}

/// Where so much goes that its counters are shortened; no random service is there.
pub(crate) const BULK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 250)), 9);

/// A service for [`BULK`] that takes every packet.
pub(crate) fn bulk() -> (Service, Vec<Destination>) {
    let service = Service {
        key: ServiceKey::address(Protocol::Udp, BULK),
        scheduler: "rr".parse().expect("a name"),
        flags: ServiceFlags::NONE,
        persistence: None,
        persistence_engine: None,
    };
    let destination = Destination {
        key: DestinationKey::new(SocketAddr::new([198, 51, 100, 250].into(), 9)),
        forward: Forward::DirectRoute,
        weight: Weight::new(1).expect("below the largest"),
        upper_threshold: 0,
        lower_threshold: 0,
    };
    (service, vec![destination])
}

fn selector(key: &ServiceKey) -> String {
    match key {
        ServiceKey::Address { protocol, address } => {
            let option = match protocol {
                Protocol::Tcp => "-t",
                Protocol::Udp => "-u",
                Protocol::Sctp => "--sctp-service",
            };
            format!("{option} {address}")
        }
        ServiceKey::Fwmark { mark, family: Family::Inet } => format!("-f {mark}"),
        ServiceKey::Fwmark { mark, family: Family::Inet6 } => format!("-f {mark} -6"),
    }
}

fn chance(rng: &mut Rng, percent: u8) -> bool {
    rng.u8(..100) < percent
}

fn choice<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.usize(..from.len())]
}

/// Mostly near each other, so that the order of equal parts shows; else anywhere.
fn address4(rng: &mut Rng, net: [u8; 3]) -> Ipv4Addr {
    let [a, b, c] = net;
    if chance(rng, 70) {
        return Ipv4Addr::new(a, b, c, rng.u8(1..=12));
    }
    // A destination on the loopback network would be the director itself, of another kind.
    let first = [1, 9, 10, 100, 126, 128, 172, 192, 203, 223][rng.usize(..10)];
    Ipv4Addr::new(first, rng.u8(..), rng.u8(..), rng.u8(1..=254))
}

fn address6(rng: &mut Rng) -> Ipv6Addr {
    if chance(rng, 60) {
        return Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, rng.u16(1..=12));
    }
    let mut words = [0; 8].map(|_: u16| if rng.bool() { rng.u16(..) } else { 0 });
    // Global unicast, or unique local.
    words[0] = if rng.bool() { rng.u16(0x2000..=0x3fff) } else { rng.u16(0xfd00..=0xfdff) };
    Ipv6Addr::from(words)
}

fn port(rng: &mut Rng) -> u16 {
    match rng.u8(..10) {
        // With names in /etc/services for some protocols.
        0..5 => [21, 22, 25, 53, 80, 443, 514, 5060, 8080][rng.usize(..9)],
        5..7 => rng.u16(1..100),
        _ => rng.u16(1..),
    }
}

fn protocol(rng: &mut Rng) -> Protocol {
    [Protocol::Tcp, Protocol::Tcp, Protocol::Udp, Protocol::Sctp][rng.usize(..4)]
}

fn key(rng: &mut Rng) -> ServiceKey {
    let protocol = protocol(rng);
    let port = if chance(rng, 5) { 0 } else { port(rng) };
    match rng.u8(..10) {
        0..5 => {
            let address = IpAddr::V4(address4(rng, [192, 0, 2]));
            ServiceKey::address(protocol, SocketAddr::new(address, port))
        }
        5..8 => ServiceKey::address(protocol, SocketAddr::new(address6(rng).into(), port)),
        _ => ServiceKey::Fwmark {
            mark: if rng.bool() { rng.u32(1..12) } else { rng.u32(1..) },
            family: if rng.bool() { Family::Inet } else { Family::Inet6 },
        },
    }
}

fn service(rng: &mut Rng, key: ServiceKey) -> (Service, Vec<Destination>) {
    let family = key.family();
    let scheduler: Scheduler = choice(rng, &SCHEDULERS).parse().expect("a name");
    let mut flags = ServiceFlags::NONE;
    for flag in [ServiceFlags::SCHED_1, ServiceFlags::SCHED_2, ServiceFlags::SCHED_3] {
        if chance(rng, 25) {
            flags |= flag;
        }
    }
    let udp = matches!(key, ServiceKey::Address { protocol: Protocol::Udp, .. });
    if chance(rng, if udp { 40 } else { 10 }) {
        flags |= ServiceFlags::ONE_PACKET;
    }
    let any_port = matches!(key, ServiceKey::Address { address, .. } if address.port() == 0);
    let persistence = (any_port || chance(rng, 35)).then(|| Persistence {
        timeout: if rng.bool() { rng.u32(1..1000) } else { rng.u32(1..3_000_000) },
        prefix: if rng.bool() { family.bits() } else { rng.u8(1..=family.bits()) },
    });
    let sip = udp && chance(rng, 30);
    let engine = sip.then(|| "sip".parse().expect("a name"));
    let service = Service { key, scheduler, flags, persistence, persistence_engine: engine };
    // With far apart weights of which the largest is at its limit, the kernel's wrr counts down
    // from the one to the other for minutes.
    let largest = if service.scheduler.as_str() == "wrr" { 1000 } else { Weight::MAX.get() };
    let count = if chance(rng, 5) { 40 } else { rng.usize(0..6) };
    let mut destinations = BTreeMap::new();
    for _ in 0..count {
        let one = destination(rng, &key, largest);
        destinations.insert(one.key, one);
    }
    let mut destinations: Vec<_> = destinations.into_values().collect();
    rng.shuffle(&mut destinations);
    (service, destinations)
}

fn destination(rng: &mut Rng, service: &ServiceKey, largest: u32) -> Destination {
    let forward = forward(rng);
    let own = service.family();
    let other = match own {
        Family::Inet => Family::Inet6,
        Family::Inet6 => Family::Inet,
    };
    // The other family takes a tunnel.
    let crosses = matches!(forward, Forward::Tunnel(_)) && chance(rng, 25);
    let address = match if crosses { other } else { own } {
        Family::Inet => IpAddr::V4(address4(rng, [198, 51, 100])),
        Family::Inet6 => address6(rng).into(),
    };
    let service_port = match service {
        ServiceKey::Address { address, .. } => address.port(),
        ServiceKey::Fwmark { .. } => 0,
    };
    let port = if forward == Forward::Masquerade { port(rng) } else { service_port };
    let weight = match rng.u8(..10) {
        0..7 => rng.u32(0..100),
        7..9 => rng.u32(0..1_000_000).min(largest),
        _ => rng.u32(0..=largest),
    };
    let upper = match rng.u8(..10) {
        0..6 => 0,
        6..9 => rng.u32(1..10_000),
        _ => rng.u32(1..=i32::MAX.cast_unsigned()),
    };
    Destination {
        key: DestinationKey::new(SocketAddr::new(address, port)),
        forward,
        weight: Weight::new(weight).expect("below the largest"),
        upper_threshold: upper,
        lower_threshold: if upper > 0 && rng.bool() { rng.u32(0..=upper) } else { 0 },
    }
}

fn forward(rng: &mut Rng) -> Forward {
    let checksum = match rng.u8(..3) {
        0 => TunnelChecksum::None,
        1 => TunnelChecksum::Checksum,
        _ => TunnelChecksum::RemoteOffload,
    };
    match rng.u8(..8) {
        0..3 => Forward::DirectRoute,
        3..5 => Forward::Masquerade,
        5 => Forward::Tunnel(Tunnel::IPIP),
        6 => {
            let kind = TunnelKind::Gue { port: rng.u16(1..) };
            Forward::Tunnel(Tunnel { kind, checksum })
        }
        _ => {
            let csum = rng.bool();
            let checksum = if csum { TunnelChecksum::Checksum } else { TunnelChecksum::None };
            Forward::Tunnel(Tunnel { kind: TunnelKind::Gre, checksum })
        }
    }
}

fn daemons(rng: &mut Rng) -> Vec<Daemon> {
    let mut daemons = Vec::new();
    for role in [DaemonRole::Master, DaemonRole::Backup] {
        if chance(rng, 30) {
            continue;
        }
        let group = match rng.u8(..3) {
            0 => None,
            1 => Some(IpAddr::V4(Ipv4Addr::new(rng.u8(225..=238), rng.u8(..), 1, rng.u8(1..)))),
            // `lo` has no way for the master's IPv6 multicast.
            _ if role == DaemonRole::Master => None,
            _ => Some(IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, rng.u16(1..)))),
        };
        daemons.push(Daemon {
            role,
            interface: "lo".to_owned(),
            sync_id: rng.u32(0..=255),
            max_length: rng.bool().then(|| rng.u16(200..9000)),
            group,
            port: rng.bool().then(|| rng.u16(1..)),
            ttl: rng.bool().then(|| rng.u8(1..)),
        });
    }
    daemons
}
