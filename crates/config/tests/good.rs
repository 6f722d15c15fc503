//! What good files mean.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use checkers::{
    Check, Connect, Damping, Header, HttpGet, HttpRequest, Initial, Kind, Limits, MiscCheck,
    Secret, StatusRange, TcpCheck, Timing, Tls,
};
use config::{
    Config, Drain, DrainPolicy, Global, Ipvs, OnFailure, Panic, Persistence, Policy, RealServer,
    Script, SyncDaemon, SyncRole,
};
use ipvs::{
    Destination, DestinationKey, Family, Forward, Protocol, ServiceFlags, ServiceKey, Timeouts,
    Tunnel, TunnelChecksum, TunnelKind, Weight,
};
use vrrp::{
    Announce, Authentication, Centiseconds, Checksum, Heartbeat, InstanceSpec, Mark, Network,
    OnSilentMaster, Priority, Route, Routing, Rule, Target, Verdict, Version, VirtualAddress, Vrid,
};

fn load(path: impl AsRef<Path>) -> Config {
    config::load(path.as_ref()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn destination(address: &str, forward: Forward) -> Destination {
    Destination {
        key: DestinationKey::new(address.parse().expect("an address")),
        forward,
        weight: Weight::ONE,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

fn server(address: &str, forward: Forward, checks: Vec<Check>) -> RealServer {
    let checks = checks.into_iter().map(Arc::new).collect();
    RealServer { destination: destination(address, forward), checks }
}

/// The keys of a virtual server at `addresses`, an array of TOML.
fn keys(addresses: &str) -> Vec<String> {
    let text = format!(
        "[virtual_server.web]\naddresses = {addresses}\nforward = \"nat\"\nreal_servers = []\n"
    );
    let config = config::parse(Path::new("keys.toml"), text);
    let config = config.unwrap_or_else(|errors| panic!("{errors}"));
    config.virtual_servers[0].keys.iter().map(ToString::to_string).collect()
}

fn check(kind: Kind) -> Check {
    Check { kind, timing: Timing::default() }
}

#[test]
fn settings_of_the_daemon() {
    let config = load("tests/good/everything.toml");
    let global = Global {
        router_id: Some("lb1".to_owned()),
        control_socket: PathBuf::from("/run/other.sock"),
        state_dir: PathBuf::from("/srv/lvsd"),
        maintenance_dir: Some(PathBuf::from("/run/lvsd/maintenance")),
        notify_fifo: None,
    };
    assert_eq!(config.global, global);
    let ipvs = Ipvs {
        unmanaged: Policy::Remove,
        on_stop: Policy::Remove,
        resync_interval: Duration::from_millis(500),
        timeouts: Some(Timeouts { tcp: 7200, tcp_fin: 0, udp: 90 }),
        path_marks: 0x0100_0000,
        sync_daemon: None,
    };
    assert_eq!(config.ipvs, ipvs);
    let checks = Limits { total: 300, per_host: 7, first_runs: Duration::from_millis(200) };
    assert_eq!(config.checks, checks);
    assert_eq!(config.files, [PathBuf::from("tests/good/everything.toml")]);
}

#[test]
fn an_empty_file_is_all_defaults() {
    let config = config::parse(Path::new("empty.toml"), "").unwrap();
    let global = Global {
        router_id: None,
        control_socket: PathBuf::from("/run/lvsd/lvsd.sock"),
        state_dir: PathBuf::from("/var/lib/lvsd"),
        maintenance_dir: None,
        notify_fifo: None,
    };
    assert_eq!(config.global, global);
    let ipvs = Ipvs {
        unmanaged: Policy::Keep,
        on_stop: Policy::Keep,
        resync_interval: Duration::from_secs(10),
        timeouts: None,
        path_marks: 0x4c56_0000,
        sync_daemon: None,
    };
    assert_eq!(config.ipvs, ipvs);
    let checks = Limits { total: 16_384, per_host: 64, first_runs: Duration::from_secs(1) };
    assert_eq!(config.checks, checks);
    assert!(config.virtual_servers.is_empty() && config.vrrp_instances.is_empty());
}

#[test]
fn a_virtual_server_with_every_key() {
    let config = load("tests/good/everything.toml");
    let web = &config.virtual_servers[0];
    assert_eq!(web.name, "web");
    let key = |address: &str| ServiceKey::address(Protocol::Sctp, address.parse().unwrap());
    assert_eq!(web.keys, [key("192.0.2.10:80"), key("[2001:db8::10]:80")]);
    assert_eq!(web.scheduler.as_str(), "mh");
    assert_eq!(web.flags, ServiceFlags::SCHED_1 | ServiceFlags::SCHED_3);
    assert_eq!(web.persistence, Some(Persistence { timeout: 600, netmask: 24, prefix: 64 }));
    assert_eq!(web.persistence_engine.as_ref().unwrap().as_str(), "own-engine");

    let services: Vec<_> = web.services().collect();
    assert_eq!(services.len(), 2);
    assert_eq!(services[0].key, key("192.0.2.10:80"));
    assert_eq!(services[0].persistence, Some(ipvs::Persistence { timeout: 600, prefix: 24 }));
    assert_eq!(services[1].key, key("[2001:db8::10]:80"));
    assert_eq!(services[1].persistence, Some(ipvs::Persistence { timeout: 600, prefix: 64 }));

    let marked = &config.virtual_servers[1];
    assert_eq!(marked.keys, [ServiceKey::Fwmark { mark: 7, family: Family::Inet6 }]);
    assert_eq!(marked.scheduler.as_str(), "wlc");
    assert_eq!(marked.flags, ServiceFlags::ONE_PACKET);
    assert_eq!(marked.persistence, None);

    let calls = &config.virtual_servers[2];
    let udp = |address: &str| ServiceKey::address(Protocol::Udp, address.parse().unwrap());
    let expected =
        ["192.0.2.16:5060", "192.0.2.17:5060", "192.0.2.18:5060", "192.0.2.19:5060"].map(udp);
    assert_eq!(calls.keys, expected);
    assert_eq!(calls.persistence, Some(Persistence { timeout: 360, netmask: 32, prefix: 128 }));
    assert_eq!(calls.persistence_engine.as_ref().unwrap().as_str(), "sip");
}

#[test]
fn when_a_service_is_up_and_who_stands_in() {
    let config = load("tests/good/everything.toml");
    let web = &config.virtual_servers[0];
    assert_eq!((web.quorum, web.hysteresis), (6, 3));
    let command = |word: &str| vec!["/bin/tell".to_owned(), word.to_owned()];
    assert_eq!(web.quorum_up, Some(Script { command: command("up"), user: None }));
    let down = Script { command: command("down"), user: Some("teller".to_owned()) };
    assert_eq!(web.quorum_down, Some(down));
    let gue =
        Tunnel { kind: TunnelKind::Gue { port: 6080 }, checksum: TunnelChecksum::RemoteOffload };
    let gre = Tunnel { kind: TunnelKind::Gre, checksum: TunnelChecksum::None };
    let second = Destination {
        weight: Weight::new(2).unwrap(),
        upper_threshold: 9,
        lower_threshold: 8,
        ..destination("198.51.100.91:80", Forward::Tunnel(gre))
    };
    let sorry = [destination("198.51.100.90:80", Forward::Tunnel(gue)), second];
    assert_eq!(web.sorry_servers, sorry);
    assert_eq!(web.on_failure, OnFailure::WeightZero);
    assert_eq!((web.panic, web.max_ejected), (Panic::All, Some(50)));
    assert_eq!(web.slow_start, None);
    let drain = Drain {
        deadline: Duration::from_secs(300),
        udp: DrainPolicy::Wait,
        persistent: DrainPolicy::Wait,
    };
    assert_eq!(web.drain, drain);

    let marked = &config.virtual_servers[1];
    assert_eq!(marked.sorry_servers, [destination("[2001:db8::90]:0", Forward::Masquerade)]);
    assert_eq!((marked.panic, marked.max_ejected), (Panic::Sorry, None));
    assert_eq!(marked.slow_start, Some(Duration::from_secs(30)));
}

#[test]
fn a_service_is_up_with_one_server_unless_it_says_more() {
    let config = load("tests/good/everything.toml");
    let calls = &config.virtual_servers[2];
    assert_eq!((calls.quorum, calls.hysteresis), (1, 0));
    assert_eq!((&calls.quorum_up, &calls.quorum_down), (&None, &None));
    assert_eq!(calls.sorry_servers, []);
    assert_eq!((calls.on_failure, calls.panic), (OnFailure::Remove, Panic::KeepLast));
    assert_eq!((calls.max_ejected, calls.slow_start), (None, None));
    let drain = Drain {
        deadline: Duration::from_secs(600),
        udp: DrainPolicy::Ignore,
        persistent: DrainPolicy::Ignore,
    };
    assert_eq!(calls.drain, drain);
}

/// No word of `panic`: where there are sorry servers they take over.
#[test]
fn sorry_servers_take_over_by_default() {
    let text = "[virtual_server.web]\naddress = \"192.0.2.10:80\"\nreal_servers = []\n\
                sorry_servers = [\"198.51.100.90:80\"]\n";
    let config = config::parse(Path::new("sorry.toml"), text).unwrap();
    assert_eq!(config.virtual_servers[0].panic, Panic::Sorry);
}

/// A quorum of 1 is the default, and so right everywhere, also if it is written.
#[test]
fn a_quorum_may_be_all_that_there_is() {
    let web = "[virtual_server.web]\naddress = \"192.0.2.10:80\"\n";
    for text in [
        "quorum = 1\nreal_servers = []",
        "quorum = 1\nreal_servers = [{ address = \"198.51.100.11:80\", weight = 0 }]",
        "quorum = 3\nreal_servers = [{ address = \"198.51.100.11:80\", weight = 3 }]",
        "quorum = 2\nhysteresis = 1\nmax_ejected = \"0%\"\n\
         real_servers = [{ address = \"198.51.100.11:80\", weight = 3 }]",
    ] {
        if let Err(errors) = config::parse(Path::new("quorum.toml"), format!("{web}{text}")) {
            panic!("{errors}");
        }
    }
}

#[test]
fn one_string_can_name_many_services() {
    let expected = ["tcp 192.0.2.9:80", "tcp 192.0.2.10:80", "tcp 192.0.2.11:80"];
    assert_eq!(keys("[\"192.0.2.9-11:80\"]"), expected);
    assert_eq!(keys("[\"192.0.2.9-192.0.2.11:80\"]"), expected);
    let expected = ["tcp 192.0.2.255:80", "tcp 192.0.3.0:80"];
    assert_eq!(keys("[\"192.0.2.255-192.0.3.0:80\"]"), expected);
    assert_eq!(keys("[\"192.0.2.10-10:80\"]"), ["tcp 192.0.2.10:80"]);
    assert_eq!(keys("[\"192.0.2.10/32:80\"]"), ["tcp 192.0.2.10:80"]);
    assert_eq!(keys("[\"192.0.2.10/31:80\"]"), ["tcp 192.0.2.10:80", "tcp 192.0.2.11:80"]);
    // The short end of an IPv6 range is hexadecimal.
    let expected = ["tcp [2001:db8::f]:80", "tcp [2001:db8::10]:80", "tcp [2001:db8::11]:80"];
    assert_eq!(keys("[\"[2001:db8::f-11]:80\"]"), expected);
    assert_eq!(keys("[\"[2001:db8::f-2001:db8::11]:80\"]"), expected);
    let expected = ["tcp [2001:db8::10]:80", "tcp [2001:db8::11]:80"];
    assert_eq!(keys("[\"[2001:db8::10/127]:80\"]"), expected);
    let expected = ["tcp 192.0.2.20:80", "tcp 192.0.2.21:80", "tcp [2001:db8::1]:81"];
    assert_eq!(keys("[\"192.0.2.20/31:80\", \"[2001:db8::1]:81\"]"), expected);
    let all = keys("[\"10.1.0.0/20:80\"]");
    assert_eq!(all.len(), 4096);
    assert_eq!(all.last().unwrap(), "tcp 10.1.15.255:80");
}

#[test]
fn a_scheduler_that_looks_like_a_slip_is_doubted_and_taken() {
    for (scheduler, near) in
        [("wlc", None), ("twos", None), ("my-own", None), ("wlcc", Some("wlc"))]
    {
        let text = format!(
            "[virtual_server.web]\naddress = \"192.0.2.10:80\"\nscheduler = \"{scheduler}\"\n\
             real_servers = []\n"
        );
        let config = config::parse(Path::new("slip.toml"), text).unwrap();
        let doubts = config.virtual_servers[0].doubts();
        assert_eq!(config.virtual_servers[0].scheduler.as_str(), scheduler);
        let expected = near.map(|near| {
            format!(
                "virtual server web: the kernel itself has no scheduler `{scheduler}`; did you \
                 mean `{near}`?"
            )
        });
        assert_eq!(doubts, expected.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_sync_daemon_with_every_key() {
    let text = "[ipvs.sync_daemon]\ninterface = \"eth1\"\nid = 7\nrole = \"backup\"\n\
                group = \"224.0.0.82\"\nport = 8849\nttl = 2\nmax_length = 65507\n\
                [virtual_server.web]\naddress = \"192.0.2.10:80\"\nforward = \"tunnel\"\n\
                real_servers = [{ address = \"198.51.100.11:80\" }]\n";
    let config = config::parse(Path::new("sync.toml"), text).unwrap();
    let expected = SyncDaemon {
        interface: "eth1".to_owned(),
        sync_id: 7,
        follows: None,
        role: Some(SyncRole::Backup),
        group: Some(ip("224.0.0.82")),
        port: Some(8849),
        ttl: Some(2),
        max_length: Some(65_507),
    };
    assert_eq!(config.ipvs.sync_daemon, Some(expected));
}

#[test]
fn a_sync_daemon_has_the_number_of_the_instance_that_it_follows() {
    let instance = "[vrrp_instance.VI_1]\ninterface = \"eth0\"\nvirtual_router_id = 51\n\
                    virtual_addresses = [\"192.0.2.10/24\"]\n";
    let daemon = |rest: &str| {
        let text = format!("[ipvs.sync_daemon]\ninterface = \"eth1\"\n{rest}\n{instance}");
        config::parse(Path::new("sync.toml"), text).unwrap().ipvs.sync_daemon.unwrap()
    };
    let plain = SyncDaemon {
        interface: "eth1".to_owned(),
        sync_id: 0,
        follows: None,
        role: Some(SyncRole::Both),
        group: None,
        port: None,
        ttl: None,
        max_length: None,
    };
    let follower =
        SyncDaemon { sync_id: 51, follows: Some("VI_1".to_owned()), role: None, ..plain.clone() };
    assert_eq!(daemon("role = \"both\""), plain);
    assert_eq!(daemon("follows = \"VI_1\""), follower);
    let zero = SyncDaemon { sync_id: 0, ..follower };
    assert_eq!(daemon("follows = \"VI_1\"\nid = 0"), zero);
    let master = SyncDaemon { role: Some(SyncRole::Master), ..plain.clone() };
    assert_eq!(daemon("role = \"master\""), master);
    let backup = SyncDaemon { role: Some(SyncRole::Backup), ..plain };
    assert_eq!(daemon("role = \"backup\""), backup);
}

/// Whether small weights do any good: `ip_vs_*.c` of the kernel.
#[test]
fn a_slow_start_is_for_schedulers_that_share_by_weight() {
    for (scheduler, is_right) in [
        ("rr", false),
        ("wrr", true),
        ("lc", false),
        ("wlc", true),
        ("lblc", true),
        ("lblcr", true),
        ("dh", false),
        ("sh", false),
        ("mh", false),
        ("sed", true),
        ("nq", true),
        ("fo", false),
        ("ovf", false),
        ("twos", true),
        ("own-scheduler", true),
    ] {
        let text = format!(
            "[virtual_server.web]\naddress = \"192.0.2.10:80\"\nscheduler = \"{scheduler}\"\n\
             slow_start = \"1m\"\nreal_servers = []\n"
        );
        let result = config::parse(Path::new("slow.toml"), text);
        assert_eq!(result.is_ok(), is_right, "{scheduler}");
    }
}

#[test]
fn real_servers_inherit_what_they_do_not_say() {
    let config = load("tests/good/everything.toml");
    let gue =
        Tunnel { kind: TunnelKind::Gue { port: 6080 }, checksum: TunnelChecksum::RemoteOffload };
    let gre = Tunnel { kind: TunnelKind::Gre, checksum: TunnelChecksum::Checksum };
    let tcp = TcpCheck {
        connect: Connect {
            address: Some(ip("203.0.113.1")),
            port: Some(81),
            source: Some(ip("203.0.113.2")),
            interface: Some("eth1".to_owned()),
            mark: Some(255),
            via: checkers::Via::Server,
        },
        ..TcpCheck::default()
    };
    let tcp_timing = Timing {
        interval: Duration::from_secs(60),
        timeout: Duration::from_secs(10),
        rise: 4,
        fall: 5,
        jitter_percent: 50,
        fast_interval: Some(Duration::from_secs(1)),
        down_interval: Some(Duration::from_secs(300)),
        initial: Initial::Down,
        damping: Some(Damping {
            falls: 3,
            within: Duration::from_secs(600),
            hold: Duration::from_secs(1800),
        }),
    };
    let http = HttpGet {
        connect: Connect { port: Some(8080), ..Connect::default() },
        tls: Some(Tls {
            verify: false,
            server_name: Some("sni.example.com".to_owned()),
            ..Tls::VERIFIED
        }),
        requests: vec![HttpRequest {
            path: "/healthz?x=1".to_owned(),
            host: Some("www.example.com".to_owned()),
            headers: vec![Header { name: "X-One".to_owned(), value: Secret::new("1") }],
            status: vec![
                StatusRange { first: 200, last: 204 },
                StatusRange { first: 301, last: 301 },
                StatusRange { first: 404, last: 404 },
            ],
            ..HttpRequest::default()
        }],
        ..HttpGet::default()
    };
    let inherited =
        vec![Check { kind: Kind::Tcp(tcp), timing: tcp_timing }, check(Kind::Http(http))];
    let mut first = server("198.51.100.11:80", Forward::Tunnel(gue), inherited);
    first.destination.weight = Weight::new(7).unwrap();
    first.destination.upper_threshold = 100;
    first.destination.lower_threshold = 50;

    let second = server("198.51.100.12:80", Forward::Tunnel(gre), Vec::new());

    let command = vec!["/bin/check".to_owned(), "--fast".to_owned()];
    let misc = MiscCheck {
        command,
        user: Some("checker".to_owned()),
        group: Some("disk".to_owned()),
        directory: Some("/var/lib/checker".into()),
        dynamic_weight: true,
        virtual_server: "web".to_owned(),
        weight: 1,
    };
    let https = HttpGet { tls: Some(Tls::VERIFIED), ..HttpGet::default() };
    // The default timeout, 1 s, would be longer than the interval.
    let half_a_second = Duration::from_millis(500);
    let timing = Timing { interval: half_a_second, timeout: half_a_second, ..Timing::default() };
    let own = vec![check(Kind::Misc(misc)), Check { kind: Kind::Http(https), timing }];
    let third = server("[2001:db8::13]:80", Forward::Tunnel(gue), own);
    assert_eq!(config.virtual_servers[0].real_servers[..], [first, second, third]);

    let fourth = server("[2001:db8::14]:0", Forward::Masquerade, Vec::new());
    let fifth = server("[2001:db8::15]:81", Forward::DirectRoute, Vec::new());
    assert_eq!(config.virtual_servers[1].real_servers[..], [fourth, fifth]);
}

/// Of the first instance in `everything.toml`.
fn routing() -> Routing {
    let network = |text: &str, prefix| Network { address: ip(text), prefix };
    let full = Route {
        via: Some(ip("192.0.2.1")),
        interface: Some("eth1".to_owned()),
        source: Some(ip("10.0.0.1")),
        metric: 100,
        table: 1000,
        scope: Some(vrrp::Scope::Link),
        on_link: true,
        mtu: Some(1400),
        ..Route::new(network("0.0.0.0", 0))
    };
    let direct =
        Route { interface: Some("eth1".to_owned()), ..Route::new(network("10.2.0.0", 16)) };
    let none = Route { verdict: Some(Verdict::Prohibit), ..Route::new(network("10.3.0.1", 32)) };
    let six = Route { via: Some(ip("2001:db8::1")), ..Route::new(network("::", 0)) };
    let plain = Rule {
        priority: 1000,
        from: network("192.0.2.10", 32),
        to: None,
        iif: None,
        oif: None,
        mark: None,
        target: Target::Table(1000),
    };
    let whole = Rule {
        priority: 1001,
        from: network("::", 0),
        to: Some(network("2001:db8:1::", 48)),
        iif: Some("eth0".to_owned()),
        oif: Some("eth1".to_owned()),
        mark: Some(Mark { value: 0x10, mask: 0xff }),
        target: Target::Table(100),
    };
    let marked = Rule {
        priority: 1002,
        from: network("0.0.0.0", 0),
        mark: Some(Mark { value: 7, mask: u32::MAX }),
        target: Target::Refuse(Verdict::Blackhole),
        ..plain.clone()
    };
    Routing { routes: vec![full, direct, none, six], rules: vec![plain, whole, marked] }
}

#[test]
fn vrrp_instances_with_every_key_and_with_few() {
    let config = load("tests/good/everything.toml");
    let address = |address, prefix, interface: &str, label: Option<&str>| VirtualAddress {
        label: label.map(str::to_owned),
        ..VirtualAddress::new(ip(address), prefix, interface)
    };
    let all = InstanceSpec {
        name: "VI_1".to_owned(),
        interface: "eth0".to_owned(),
        vrid: Vrid::new(51).unwrap(),
        priority: Priority::new(150).unwrap(),
        version: Version::V2,
        advert_interval: Centiseconds::new(300),
        preempt: true,
        preempt_delay: Duration::from_secs(300),
        start_delay: Duration::from_secs(10),
        source: Some("10.0.0.1".parse().unwrap()),
        unicast_peers: vec!["10.0.0.2".parse().unwrap(), "10.0.0.3".parse().unwrap()],
        min_ttl: 254,
        checksum: Checksum::PseudoHeader,
        authentication: Some(Authentication::Pass(*b"1111\0\0\0\0")),
        addresses: vec![
            address("192.0.2.10", 24, "eth0", None),
            address("192.0.2.11", 32, "eth1", Some("eth1:1")),
        ],
        excluded_addresses: vec![
            address("2001:db8::10", 64, "eth0", None),
            VirtualAddress {
                scope: Some(vrrp::Scope::Link),
                ..address("192.0.2.13", 24, "eth0", None)
            },
        ],
        routing: routing(),
        accept: false,
        vmac: None,
        announce: Announce { repeat: 3, delay: Duration::ZERO, refresh: Duration::from_secs(3600) },
        heartbeats: vec![Heartbeat {
            interface: "eth1".to_owned(),
            peer: "10.9.0.2".parse().unwrap(),
        }],
        on_silent_master: OnSilentMaster::Hold,
        track: Vec::new(),
        group: None,
    };
    let few = InstanceSpec {
        name: "VI_2".to_owned(),
        interface: "eth0".to_owned(),
        vrid: Vrid::new(52).unwrap(),
        priority: Priority::new(100).unwrap(),
        version: Version::V3,
        advert_interval: Centiseconds::new(25),
        preempt: false,
        preempt_delay: Duration::ZERO,
        start_delay: Duration::ZERO,
        source: None,
        unicast_peers: Vec::new(),
        min_ttl: 255,
        checksum: Checksum::Plain,
        authentication: None,
        addresses: vec![address("192.0.2.12", 24, "vrrp.52", None)],
        excluded_addresses: Vec::new(),
        routing: Routing::default(),
        accept: true,
        vmac: Some("vrrp.52".to_owned()),
        announce: Announce { repeat: 5, delay: Duration::from_secs(5), refresh: Duration::ZERO },
        heartbeats: Vec::new(),
        on_silent_master: OnSilentMaster::TakeOver,
        track: Vec::new(),
        group: None,
    };
    assert_eq!(config.vrrp_instances, [all, few]);
}

/// The family of the adverts is that of the addresses; a keepalived peer's hop limit suits.
#[test]
fn an_instance_over_ipv6() {
    let text = "[vrrp_instance.VI_6]\ninterface = \"eth0\"\nvirtual_router_id = 51\n\
                source_address = \"2001:db8::1\"\nunicast_peers = [\"2001:db8::2\"]\n\
                virtual_addresses = [\"fe80::10/64\", \"2001:db8::10/64\"]\n";
    let config = config::parse(Path::new("lvsd.toml"), text).unwrap();
    let instance = &config.vrrp_instances[0];
    assert_eq!(instance.family(), vrrp::Family::Ipv6);
    assert_eq!(instance.addresses.len(), 2);
    assert_eq!((instance.source, instance.min_ttl), (Some(ip("2001:db8::1")), 1));
}

/// Not that of the alphabet, in which `toml` has its tables.
#[test]
fn the_order_is_that_of_the_file() {
    let service = |name: &str, port: u16| {
        format!("[virtual_server.{name}]\naddress = \"192.0.2.10:{port}\"\nreal_servers = []\n")
    };
    let text = [service("b", 1), service("c", 2), service("a", 3)].concat();
    let config = config::parse(Path::new("order.toml"), text).unwrap();
    let names: Vec<_> = config.virtual_servers.iter().map(|server| &*server.name).collect();
    assert_eq!(names, ["b", "c", "a"]);
}

#[test]
fn includes_are_relative_to_their_file_and_in_alphabetical_order() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let service = |name: &str, mark: u32| {
        format!("[virtual_server.{name}]\nfwmark = {mark}\nreal_servers = []\n")
    };
    write("lvsd.toml", "[global]\ninclude = [\"conf.d/*.toml\", \"none.d/*.toml\"]");
    write("conf.d/b.toml", &service("b", 1));
    write("conf.d/a.toml", &format!("[global]\ninclude = [\"more/c.toml\"]\n{}", service("a", 2)));
    write("conf.d/more/c.toml", &service("c", 3));
    write("conf.d/.hidden.toml", "not TOML");
    write("conf.d/a.toml.bak", "not TOML");

    let config = load(directory.path().join("lvsd.toml"));
    let names: Vec<_> = config.virtual_servers.iter().map(|server| &*server.name).collect();
    assert_eq!(names, ["a", "c", "b"]);
    let expected = ["lvsd.toml", "conf.d/a.toml", "conf.d/more/c.toml", "conf.d/b.toml"];
    assert_eq!(config.files, expected.map(|name| directory.path().join(name)));

    // The texts mean the same where the files are not.
    let read = config::load_with_sources(&directory.path().join("lvsd.toml"));
    let (same, mut sources) = read.unwrap();
    assert_eq!(same, config);
    drop(directory);
    let includes = sources.split_off(1);
    let first = sources.remove(0);
    assert_eq!(config::parse_sources(first.clone(), includes).unwrap(), config);
    // No include is followed.
    assert!(config::parse_sources(first, Vec::new()).unwrap().virtual_servers.is_empty());
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_without_position() {
    let errors = config::load(Path::new("tests/no-such-file.toml")).unwrap_err();
    assert_eq!(errors.len(), 1);
    let error = errors.iter().next().unwrap();
    assert_eq!(
        (error.file.as_path(), error.position),
        (Path::new("tests/no-such-file.toml"), None)
    );
    assert!(error.message.starts_with("cannot read the file: No such file"), "{error}");
    assert!(errors.to_string().contains("tests/no-such-file.toml"), "{errors}");
}

#[test]
fn a_file_that_is_not_utf_8_is_an_error_at_the_first_wrong_byte() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("latin1.toml");
    // `ä` in UTF-8, then in Latin-1.
    std::fs::write(&path, b"# caf\n# \xc3\xa4\xe4\n").unwrap();
    let errors = config::load(&path).unwrap_err();
    let position = errors.iter().next().unwrap().position.unwrap();
    assert_eq!((position.line, position.column), (2, 4));
    assert!(errors.to_string().contains("latin1.toml:2:4"), "{errors}");
}

#[test]
fn an_agent_on_the_port_of_the_service_is_doubted_and_taken() {
    let doubts = |check: &str| {
        let text = format!(
            "[virtual_server.web]\naddress = \"192.0.2.10:80\"\nchecks = [{{ {check} }}]\n\
             real_servers = [{{ address = \"198.51.100.1:80\" }}]\n"
        );
        config::parse(Path::new("agent.toml"), text).unwrap().virtual_servers[0].doubts()
    };
    assert_eq!(
        doubts("agent_check = {}"),
        [
            "virtual server web: agent_check asks 198.51.100.1:80, the real server's own port; agents \
          have one of their own, which is `port`"
        ]
    );
    assert!(doubts("agent_check = { port = 9990 }").is_empty());
    assert!(doubts("tcp_check = {}").is_empty());
}
