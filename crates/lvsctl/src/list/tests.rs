//! Against what ipvsadm 1.31 printed for real tables on Linux 6.1.

use ipvs::{
    Daemon, DaemonRole, Destination, DestinationEntry, DestinationKey, Forward, Info, Persistence,
    Service, ServiceEntry, ServiceFlags, Stats, Table, TableService, Timeouts, Tunnel, Weight,
};

use super::names::Names;
use super::settings::{render_daemons, render_timeouts};
use super::table::{Columns, Options, render};

const SESSION: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../ipvs/tests/vectors/ipvsadm-session.txt"));

const INFO: Info = Info { version: 0x0001_0201, connection_table_size: 4096 };

/// What the session's command printed.
fn printed(command: &str) -> String {
    let start = SESSION.find(&format!("{command}\n")).unwrap() + command.len() + 1;
    let text = &SESSION[start..];
    let end = text.find("$ ").unwrap_or(text.len());
    text[..end].trim_end_matches('$').to_owned()
}

fn destination(address: &str, forward: Forward, weight: u32) -> DestinationEntry {
    DestinationEntry {
        destination: Destination {
            key: DestinationKey::new(address.parse().unwrap()),
            forward,
            weight: Weight::new(weight).unwrap(),
            upper_threshold: 0,
            lower_threshold: 0,
        },
        active_connections: 0,
        inactive_connections: 0,
        persistent_connections: 0,
        stats: Stats::default(),
    }
}

fn service(key: &str, scheduler: &str, destinations: Vec<DestinationEntry>) -> TableService {
    let service = Service {
        key: key.parse().unwrap(),
        scheduler: scheduler.parse().unwrap(),
        flags: ServiceFlags::NONE,
        persistence: None,
        persistence_engine: None,
    };
    TableService { entry: ServiceEntry { service, stats: Stats::default() }, destinations }
}

/// The table of the session's first part, in the kernel's order: services by hash, destinations
/// with the newest first.
fn table() -> Table {
    let tunnel = Forward::Tunnel(Tunnel::IPIP);
    let mut limited = destination("198.51.100.2:8080", Forward::Masquerade, 2);
    limited.destination.upper_threshold = 1000;
    limited.destination.lower_threshold = 800;
    let web = service(
        "tcp 192.0.2.10:80",
        "rr",
        vec![
            destination("198.51.100.5:80", tunnel, 1),
            destination("198.51.100.4:80", tunnel, 1),
            destination("198.51.100.3:80", tunnel, 1),
            limited,
            destination("198.51.100.1:80", Forward::DirectRoute, 0),
        ],
    );
    let mut dns = service("udp 192.0.2.10:53", "rr", Vec::new());
    dns.entry.service.flags = ServiceFlags::ONE_PACKET;
    let mut sip = service("udp 192.0.2.12:5060", "rr", Vec::new());
    sip.entry.service.flags = ServiceFlags::ONE_PACKET;
    sip.entry.service.persistence_engine = Some("sip".parse().unwrap());
    let sctp = service("sctp 192.0.2.11:9999", "rr", Vec::new());
    let mut https = service(
        "tcp [2001:db8::10]:443",
        "sh",
        vec![destination("[2001:db8:1::1]:443", Forward::DirectRoute, 1)],
    );
    https.entry.service.flags = ServiceFlags::SCHED_1 | ServiceFlags::SCHED_2;
    https.entry.service.persistence = Some(Persistence { timeout: 600, prefix: 64 });
    let mut marked =
        service("fwmark 7", "mh", vec![destination("198.51.100.9:0", Forward::DirectRoute, 1)]);
    marked.entry.service.flags = ServiceFlags::SCHED_2;
    marked.entry.service.persistence = Some(Persistence { timeout: 300, prefix: 24 });
    let marked6 = service("fwmark 8 IPv6", "rr", Vec::new());
    Table { services: vec![sip, sctp, web, https, dns, marked, marked6] }
}

/// The table of the session's second part, with traffic.
fn table_with_traffic() -> Table {
    let mut near = destination("10.0.0.2:80", Forward::DirectRoute, 1);
    near.active_connections = 1;
    near.inactive_connections = 7;
    near.persistent_connections = 1;
    near.stats = Stats {
        connections: 8,
        packets_in: 44,
        bytes_in: 2870,
        connection_rate: 1,
        packet_rate_in: 4,
        byte_rate_in: 260,
        ..Stats::default()
    };
    let mut far = destination("10.0.0.2:81", Forward::DirectRoute, 1);
    far.inactive_connections = 1;
    far.stats = Stats {
        connections: 1,
        packets_in: 12169,
        bytes_in: 130_632_796,
        packet_rate_in: 1324,
        byte_rate_in: 14_309_174,
        ..Stats::default()
    };
    let (near_stats, far_stats) = (near.stats, far.stats);
    let mut first = service("tcp 10.0.0.100:80", "rr", vec![near]);
    first.entry.service.persistence = Some(Persistence { timeout: 300, prefix: 32 });
    first.entry.stats = near_stats;
    let mut second = service("tcp 10.0.0.100:81", "rr", vec![far]);
    second.entry.stats = far_stats;
    Table { services: vec![second, first] }
}

fn options(columns: Columns, exact: bool) -> Options {
    Options { columns, exact, ..Options::default() }
}

#[test]
fn every_mode_equals_ipvsadm() {
    for (command, columns, exact) in [
        ("$$ ipvsadm -Ln", Columns::Settings, false),
        ("$$ ipvsadm -Ln --stats", Columns::Stats, false),
        ("$$ ipvsadm -Ln --stats --exact", Columns::Stats, true),
        ("$$ ipvsadm -Ln --rate", Columns::Rate, false),
        ("$$ ipvsadm -Ln --thresholds", Columns::Thresholds, false),
        ("$$ ipvsadm -Ln --persistent-conn", Columns::PersistentConnections, false),
    ] {
        let text = render(&table(), INFO, &options(columns, exact), &Names::none());
        pretty_equal(&text, &printed(command), command);
    }
}

#[test]
fn traffic_is_counted_as_ipvsadm_counts() {
    for (command, columns, exact) in [
        ("\n$ ipvsadm -Ln", Columns::Settings, false),
        ("\n$ ipvsadm -Ln --stats", Columns::Stats, false),
        ("\n$ ipvsadm -Ln --stats --exact", Columns::Stats, true),
        ("\n$ ipvsadm -Ln --rate", Columns::Rate, false),
        ("\n$ ipvsadm -Ln --persistent-conn", Columns::PersistentConnections, false),
    ] {
        let text = render(&table_with_traffic(), INFO, &options(columns, exact), &Names::none());
        pretty_equal(&text, &printed(command), command);
    }
}

#[test]
fn one_service_has_no_line_on_the_version() {
    let mut table = table();
    table.services.retain(|s| s.entry.service.key.to_string() == "tcp 192.0.2.10:80");
    let options = Options { one_service: true, ..Options::default() };
    let command = "$$ ipvsadm -Ln -t 192.0.2.10:80";
    pretty_equal(&render(&table, INFO, &options, &Names::none()), &printed(command), command);
}

#[test]
fn nosort_keeps_the_kernels_order() {
    let options = Options { unsorted: true, ..Options::default() };
    let text = render(&table(), INFO, &options, &Names::none());
    let order: Vec<&str> =
        text.lines().skip(3).filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(
        order,
        [
            "192.0.2.12:5060",
            "192.0.2.11:9999",
            "192.0.2.10:80",
            "198.51.100.5:80",
            "198.51.100.4:80",
            "198.51.100.3:80",
            "198.51.100.2:8080",
            "198.51.100.1:80",
            "[2001:db8::10]:443",
            "[2001:db8:1::1]:443",
            "192.0.2.10:53",
            "7",
            "198.51.100.9:0",
            "8"
        ]
    );
}

/// What ipvsadm 1.31 printed for services that were made with these options.
#[test]
fn settings_are_written_in_ipvsadms_order() {
    let line = |key: &str, scheduler: &str, change: &dyn Fn(&mut Service)| {
        let mut entry = service(key, scheduler, Vec::new());
        change(&mut entry.entry.service);
        let options = Options { one_service: true, ..Options::default() };
        let text = render(&Table { services: vec![entry] }, INFO, &options, &Names::none());
        text.lines().last().unwrap().to_owned()
    };
    let all = ServiceFlags::SCHED_1 | ServiceFlags::SCHED_2 | ServiceFlags::SCHED_3;
    let persistent = |timeout, prefix| Some(Persistence { timeout, prefix });
    let sip = || Some("sip".parse().unwrap());
    // -A -u 172.16.0.3:6 -s sh -b sh-port -o -p 90 -M 255.255.255.0 --pe sip
    assert_eq!(
        line("udp 172.16.0.3:6", "sh", &|service| {
            service.flags = ServiceFlags::SCHED_2 | ServiceFlags::ONE_PACKET;
            service.persistence = persistent(90, 24);
            service.persistence_engine = sip();
        }),
        "UDP  172.16.0.3:6 sh (sh-port) persistent 90 mask 255.255.255.0 pe sip ops"
    );
    // -A -u 172.16.0.3:5 -s rr --pe sip
    assert_eq!(
        line("udp 172.16.0.3:5", "rr", &|service| service.persistence_engine = sip()),
        "UDP  172.16.0.3:5 rr"
    );
    // -A -t 172.16.0.3:2 -s mh -b flag-1,flag-2,flag-3 -p 600 -M 0.0.0.0
    assert_eq!(
        line("tcp 172.16.0.3:2", "mh", &|service| {
            service.flags = all;
            service.persistence = persistent(600, 0);
        }),
        "TCP  172.16.0.3:2 mh (mh-fallback,mh-port) persistent 600 mask 0.0.0.0"
    );
    // -A -t 172.16.0.2:0 -s wlc -b flag-1,flag-2,flag-3 -p 60
    assert_eq!(
        line("tcp 172.16.0.2:0", "wlc", &|service| {
            service.flags = all;
            service.persistence = persistent(60, 32);
        }),
        "TCP  172.16.0.2:0 wlc (flag-1,flag-2,flag-3) persistent 60"
    );
    // The third flag, which sh does not name.
    assert_eq!(
        line("fwmark 879263346", "sh", &|service| service.flags = ServiceFlags::SCHED_3),
        "FWM  879263346 sh ()"
    );
    // -A -f 4294967295 -s rr
    assert_eq!(line("fwmark 4294967295", "rr", &|_| ()), "FWM  -1 rr");
}

#[test]
fn daemons_and_timeouts_equal_ipvsadm() {
    let daemon = |role, max_length| Daemon {
        role,
        interface: "lo".into(),
        sync_id: 5,
        max_length: Some(max_length),
        group: Some("224.0.0.81".parse().unwrap()),
        port: Some(8848),
        ttl: Some(1),
    };
    let daemons = [daemon(DaemonRole::Master, 1472), daemon(DaemonRole::Backup, 65507)];
    assert_eq!(render_daemons(&daemons), printed("$$ ipvsadm -L --daemon"));
    let timeouts = Timeouts { tcp: 900, tcp_fin: 120, udp: 300 };
    assert_eq!(render_timeouts(timeouts), printed("$$ ipvsadm -L --timeout"));
}

/// Shows the first line that differs, with its blanks.
fn pretty_equal(ours: &str, theirs: &str, command: &str) {
    for (ours, theirs) in ours.lines().zip(theirs.lines()) {
        assert_eq!(ours, theirs, "{command}");
    }
    assert_eq!(ours, theirs, "{command}");
}
