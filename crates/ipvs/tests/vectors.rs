//! Real messages, in both directions: `vectors/ipvs-netlink.txt` was captured while ipvsadm 1.31
//! ran the commands of `vectors/ipvsadm-session.txt` on a little-endian machine. The expected
//! values are written by hand from those commands.
#![cfg(target_endian = "little")]
#![allow(dead_code, reason = "each test binary uses its share of the common module")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{messages, vectors};
use ipvs::codec::{Command, CommandAttribute, Message};
use ipvs::{
    Daemon, DaemonRole, Destination, DestinationKey, Family, Forward, Info, Operation, Persistence,
    Service, ServiceFlags, ServiceKey, Stats, Timeouts, Tunnel, TunnelChecksum, TunnelKind, Weight,
};

fn key(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

fn service(text: &str, scheduler: &str) -> Service {
    Service {
        key: key(text),
        scheduler: scheduler.parse().unwrap(),
        flags: ServiceFlags::NONE,
        persistence: None,
        persistence_engine: None,
    }
}

fn destination(address: &str, forward: Forward, weight: u32) -> Destination {
    Destination {
        key: DestinationKey::new(address.parse().unwrap()),
        forward,
        weight: Weight::new(weight).unwrap(),
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

/// The services that the session adds, in its order; all are there at the end but the scheduler
/// of the first is rr then.
fn services() -> Vec<Service> {
    let web = service("tcp 192.0.2.10:80", "wlc");
    let mut dns = service("udp 192.0.2.10:53", "rr");
    dns.flags = ServiceFlags::ONE_PACKET;
    let mut https = service("tcp [2001:db8::10]:443", "sh");
    https.flags = ServiceFlags::SCHED_1 | ServiceFlags::SCHED_2;
    https.persistence = Some(Persistence { timeout: 600, prefix: 64 });
    let mut marked = service("fwmark 7", "mh");
    marked.flags = ServiceFlags::SCHED_2;
    marked.persistence = Some(Persistence { timeout: 300, prefix: 24 });
    let marked6 = service("fwmark 8 IPv6", "rr");
    let sctp = service("sctp 192.0.2.11:9999", "rr");
    let mut sip = service("udp 192.0.2.12:5060", "rr");
    sip.flags = ServiceFlags::ONE_PACKET;
    sip.persistence_engine = Some("sip".parse().unwrap());
    vec![web, dns, https, marked, marked6, sctp, sip]
}

/// The destinations that the session adds, in its order.
fn destinations() -> Vec<(ServiceKey, Destination)> {
    let web = key("tcp 192.0.2.10:80");
    let tunnel = |kind, checksum| Forward::Tunnel(Tunnel { kind, checksum });
    let mut limited = destination("198.51.100.2:8080", Forward::Masquerade, 2);
    limited.upper_threshold = 1000;
    limited.lower_threshold = 800;
    vec![
        (web, destination("198.51.100.1:80", Forward::DirectRoute, 3)),
        (web, limited),
        (web, destination("198.51.100.3:80", Forward::Tunnel(Tunnel::IPIP), 1)),
        (
            web,
            destination(
                "198.51.100.4:80",
                tunnel(TunnelKind::Gue { port: 6080 }, TunnelChecksum::None),
                1,
            ),
        ),
        (web, destination("198.51.100.5:80", tunnel(TunnelKind::Gre, TunnelChecksum::Checksum), 1)),
        (
            key("tcp [2001:db8::10]:443"),
            destination("[2001:db8:1::1]:443", Forward::DirectRoute, 1),
        ),
        (key("fwmark 7"), destination("198.51.100.9:0", Forward::DirectRoute, 1)),
    ]
}

#[test]
fn every_message_is_written_as_it_was_read() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 59, "the file has 59 messages");
    for vector in vectors {
        let message = vector.message();
        assert_eq!(message.command().to_string(), vector.command);
        assert_eq!(message.encode(), vector.bytes, "{} {}", vector.direction, vector.command);
    }
}

#[test]
fn no_attribute_of_the_capture_is_unknown() {
    for vector in vectors() {
        let text = format!("{:?}", vector.message());
        assert!(!text.contains("Other("), "{text}");
    }
}

#[test]
fn service_requests_mean_what_the_commands_say() {
    let mut read: Vec<Service> = messages("request", "NEW_SERVICE")
        .iter()
        .map(|message| message.service().unwrap().service)
        .collect();
    // The last one is the session's attempt with a scheduler that does not exist.
    assert_eq!(read.pop(), Some(service("tcp 192.0.2.99:80", "nosuch")));
    assert_eq!(read, services());

    let set = messages("request", "SET_SERVICE");
    let set: Vec<Service> = set.iter().map(|m| m.service().unwrap().service).collect();
    assert_eq!(set, [service("tcp 192.0.2.10:80", "rr")]);

    let deleted = messages("request", "DEL_SERVICE");
    let deleted: Vec<_> = deleted.iter().map(|m| m.service_key().unwrap()).collect();
    assert_eq!(deleted, [key("udp 192.0.2.10:53"), key("tcp 9.9.9.9:1")]);
}

#[test]
fn service_replies_mean_what_the_table_shows() {
    let mut read: Vec<Service> = Vec::new();
    for message in messages("reply", "NEW_SERVICE") {
        let entry = message.service().unwrap();
        assert_eq!(entry.stats, Stats::default(), "no traffic in that session");
        read.push(entry.service);
    }
    // The answer to the single GET_SERVICE repeats the first service.
    assert_eq!(read.pop().map(|s| s.key), Some(key("tcp 192.0.2.10:80")));
    let mut expected = services();
    expected[0].scheduler = "rr".parse().unwrap();
    read.sort_by_key(|s| s.key);
    expected.sort_by_key(|s| s.key);
    assert_eq!(read, expected);
}

#[test]
fn destination_requests_mean_what_the_commands_say() {
    let read = |message: &Message| {
        let key = message.service_key().unwrap();
        let entry = message.destination(key.family()).unwrap();
        (key, entry.destination)
    };
    let mut added: Vec<_> = messages("request", "NEW_DEST").iter().map(read).collect();
    // The last one is the session's attempt to add a destination again, with the default weight.
    let (_, again) = added.pop().unwrap();
    assert_eq!(again, destination("198.51.100.1:80", Forward::DirectRoute, 1));
    assert_eq!(added, destinations());

    let set: Vec<_> = messages("request", "SET_DEST").iter().map(read).collect();
    let changed = destination("198.51.100.1:80", Forward::DirectRoute, 0);
    assert_eq!(set, [(key("tcp 192.0.2.10:80"), changed)]);

    let deleted = messages("request", "DEL_DEST");
    let deleted: Vec<_> =
        deleted.iter().map(|m| m.destination_key(Family::Inet).unwrap().to_string()).collect();
    assert_eq!(deleted, ["198.51.100.3:80"]);
}

#[test]
fn destination_replies_mean_what_the_table_shows() {
    let mut expected: Vec<Destination> = destinations().into_iter().map(|(_, d)| d).collect();
    expected[0].weight = Weight::ZERO;
    let mut read: Vec<Destination> = Vec::new();
    for message in messages("reply", "NEW_DEST") {
        // Every reply names its family, so that the service's must not matter.
        let entry = message.destination(Family::Inet6).unwrap();
        assert_eq!(message.destination(Family::Inet), Ok(entry.clone()));
        assert_eq!(
            (entry.active_connections, entry.inactive_connections, entry.persistent_connections),
            (0, 0, 0)
        );
        read.push(entry.destination);
    }
    read.sort_by_key(|d| d.key);
    expected.sort_by_key(|d| d.key);
    assert_eq!(read, expected);
}

#[test]
fn daemons_timeouts_and_info_mean_what_ipvsadm_printed() {
    let started: Vec<Daemon> =
        messages("request", "NEW_DAEMON").iter().map(|m| m.daemon().unwrap()).collect();
    let daemon = |role| Daemon {
        role,
        interface: "lo".into(),
        sync_id: 5,
        max_length: None,
        group: None,
        port: None,
        ttl: None,
    };
    assert_eq!(started, [daemon(DaemonRole::Master), daemon(DaemonRole::Backup)]);

    let running: Vec<Daemon> =
        messages("reply", "NEW_DAEMON").iter().map(|m| m.daemon().unwrap()).collect();
    let full = |role, max_length| Daemon {
        max_length: Some(max_length),
        group: Some("224.0.0.81".parse().unwrap()),
        port: Some(8848),
        ttl: Some(1),
        ..daemon(role)
    };
    assert_eq!(running, [full(DaemonRole::Master, 1472), full(DaemonRole::Backup, 65507)]);

    for direction in ["request", "reply"] {
        let config: Vec<_> =
            messages(direction, "SET_CONFIG").iter().map(|m| m.timeouts().unwrap()).collect();
        assert_eq!(config, [Timeouts { tcp: 900, tcp_fin: 120, udp: 300 }], "{direction}");
    }

    let info = messages("reply", "SET_INFO")[0].info().unwrap();
    assert_eq!(info, Info { version: 0x0001_0201, connection_table_size: 4096 });
}

/// Where ipvsadm sends only what the kernel needs, the requests are the same bytes.
fn request(operation: &Operation) -> Message {
    let mut payload = Vec::new();
    operation.append_request(&mut payload);
    Message::decode(&payload).unwrap()
}

#[test]
fn requests_equal_those_of_ipvsadm() {
    let captured = |command: &str| messages("request", command);
    let ours =
        |operations: Vec<Operation>| -> Vec<Message> { operations.iter().map(request).collect() };
    let mut added = captured("NEW_SERVICE");
    added.truncate(services().len());
    assert_eq!(ours(services().into_iter().map(Operation::NewService).collect()), added);
    assert_eq!(
        ours(vec![Operation::SetService(service("tcp 192.0.2.10:80", "rr"))]),
        captured("SET_SERVICE")
    );
    let timeouts = Timeouts { tcp: 900, tcp_fin: 120, udp: 300 };
    assert_eq!(ours(vec![Operation::SetTimeouts(timeouts)]), captured("SET_CONFIG"));
    let daemons = captured("NEW_DAEMON").iter().map(|m| m.daemon().unwrap()).collect::<Vec<_>>();
    assert_eq!(
        ours(daemons.into_iter().map(Operation::NewDaemon).collect()),
        captured("NEW_DAEMON")
    );
    assert_eq!(ours(vec![Operation::Zero(None)]), captured("ZERO"));
    assert_eq!(ours(vec![Operation::Flush]), captured("FLUSH"));
    assert_eq!(vec![Message::get_info()], captured("GET_INFO"));
    assert_eq!(vec![Message::get_daemons()], captured("GET_DAEMON"));
    assert_eq!(vec![Message::get_timeouts()], captured("GET_CONFIG"));
    assert_eq!(Message::get_services(), captured("GET_SERVICE")[0]);
    for message in captured("GET_DEST") {
        assert_eq!(Message::get_destinations(&message.service_key().unwrap()), message);
    }
}

/// ipvsadm adds settings to the service's key in these; the part about the destination is equal.
#[test]
fn destination_requests_equal_those_of_ipvsadm() {
    let part = |message: &Message| {
        let Message::Command(command, attributes) = message else { panic!("{message:?}") };
        let nest = attributes.iter().find(|a| matches!(a, CommandAttribute::Destination(_)));
        (*command, nest.unwrap().clone())
    };
    let ours: Vec<(Command, CommandAttribute)> = destinations()
        .into_iter()
        .map(|(key, d)| part(&request(&Operation::NewDestination(key, d))))
        .collect();
    let captured: Vec<_> = messages("request", "NEW_DEST").iter().map(part).collect();
    assert_eq!(ours, captured[..ours.len()]);
}
