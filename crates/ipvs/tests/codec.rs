//! Everything that can be written can be read again, and nothing that arrives makes the reader
//! panic.
#![allow(dead_code, reason = "each test binary uses its share of the common module")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::net::{IpAddr, SocketAddr};

use ipvs::codec::{Command, CommandAttribute, DecodeError, Message, Nest, Place, ServiceAttribute};
use ipvs::{
    Daemon, DaemonRole, Destination, DestinationKey, Family, Forward, Operation, Persistence,
    Protocol, Scheduler, Service, ServiceFlags, ServiceKey, Timeouts, Tunnel, TunnelChecksum,
    TunnelKind, Weight,
};
use netlink_packet_core::DefaultNla;
use proptest::option;
use proptest::prelude::*;

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::Inet), Just(Family::Inet6)]
}

fn service_key() -> impl Strategy<Value = ServiceKey> {
    let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp), Just(Protocol::Sctp)];
    prop_oneof![
        (protocol, any::<IpAddr>(), any::<u16>())
            .prop_map(|(p, address, port)| ServiceKey::address(p, SocketAddr::new(address, port))),
        (1..=u32::MAX, family()).prop_map(|(mark, family)| ServiceKey::Fwmark { mark, family }),
    ]
}

fn name() -> impl Strategy<Value = Scheduler> {
    "[!-~]{1,15}".prop_map(|name| name.parse().unwrap())
}

fn service() -> impl Strategy<Value = Service> {
    let persistence = |family: Family| {
        (any::<u32>(), 1..=family.bits())
            .prop_map(|(timeout, prefix)| Persistence { timeout, prefix })
    };
    service_key().prop_flat_map(move |key| {
        let settings =
            (name(), any::<u32>(), option::of(persistence(key.family())), option::of(name()));
        settings.prop_map(move |(scheduler, flags, persistence, persistence_engine)| Service {
            key,
            scheduler,
            flags: ServiceFlags::from_bits_truncate(flags),
            persistence,
            persistence_engine,
        })
    })
}

fn destination_key() -> impl Strategy<Value = DestinationKey> {
    (any::<IpAddr>(), any::<u16>())
        .prop_map(|(address, port)| DestinationKey::new(SocketAddr::new(address, port)))
}

fn forward() -> impl Strategy<Value = Forward> {
    let kind = prop_oneof![
        Just(TunnelKind::Ipip),
        (1..=u16::MAX).prop_map(|port| TunnelKind::Gue { port }),
        Just(TunnelKind::Gre),
    ];
    let checksum = prop_oneof![
        Just(TunnelChecksum::None),
        Just(TunnelChecksum::Checksum),
        Just(TunnelChecksum::RemoteOffload),
    ];
    prop_oneof![
        Just(Forward::Masquerade),
        Just(Forward::Local),
        Just(Forward::DirectRoute),
        Just(Forward::Bypass),
        (kind, checksum).prop_map(|(kind, checksum)| Forward::Tunnel(Tunnel { kind, checksum })),
    ]
}

fn destination() -> impl Strategy<Value = Destination> {
    let weight = (0..=Weight::MAX.get()).prop_map(|weight| Weight::new(weight).unwrap());
    (destination_key(), forward(), weight, any::<u32>(), any::<u32>()).prop_map(
        |(key, forward, weight, upper_threshold, lower_threshold)| Destination {
            key,
            forward,
            weight,
            upper_threshold,
            lower_threshold,
        },
    )
}

fn role() -> impl Strategy<Value = DaemonRole> {
    prop_oneof![Just(DaemonRole::Master), Just(DaemonRole::Backup)]
}

fn daemon() -> impl Strategy<Value = Daemon> {
    let interface = "[a-z0-9.]{1,15}";
    (
        role(),
        interface,
        any::<u32>(),
        any::<(Option<u16>, Option<IpAddr>, Option<u16>, Option<u8>)>(),
    )
        .prop_map(|(role, interface, sync_id, (max_length, group, port, ttl))| Daemon {
            role,
            interface,
            sync_id,
            max_length,
            group,
            port,
            ttl,
        })
}

/// What the message of `operation` says, after a way over the wire.
fn over_the_wire(operation: &Operation) -> Message {
    let mut request = Vec::new();
    operation.append_request(&mut request);
    let message = Message::decode(&request).unwrap();
    assert_eq!(message.clone().encode(), request, "written in two ways");
    message
}

proptest! {
    #[test]
    fn a_service_survives(service in service()) {
        for operation in [Operation::NewService(service.clone()), Operation::SetService(service.clone())] {
            prop_assert_eq!(over_the_wire(&operation).service().unwrap().service, service.clone());
        }
    }

    #[test]
    fn a_key_survives(key in service_key()) {
        for operation in [Operation::DelService(key), Operation::Zero(Some(key))] {
            prop_assert_eq!(over_the_wire(&operation).service_key(), Ok(key));
        }
        let message = Message::decode(&Message::get_service(&key).encode()).unwrap();
        prop_assert_eq!(message.service_key(), Ok(key));
    }

    #[test]
    fn a_destination_survives(key in service_key(), destination in destination()) {
        for operation in [
            Operation::NewDestination(key, destination),
            Operation::SetDestination(key, destination),
        ] {
            let message = over_the_wire(&operation);
            prop_assert_eq!(message.service_key(), Ok(key));
            prop_assert_eq!(message.destination(key.family()).unwrap().destination, destination);
        }
        let message = over_the_wire(&Operation::DelDestination(key, destination.key));
        prop_assert_eq!(message.destination_key(key.family()), Ok(destination.key));
    }

    #[test]
    fn a_daemon_survives(daemon in daemon()) {
        prop_assert_eq!(over_the_wire(&Operation::NewDaemon(daemon.clone())).daemon(), Ok(daemon));
    }

    #[test]
    fn timeouts_survive(tcp: u32, tcp_fin: u32, udp: u32) {
        let timeouts = Timeouts { tcp, tcp_fin, udp };
        prop_assert_eq!(over_the_wire(&Operation::SetTimeouts(timeouts)).timeouts(), Ok(timeouts));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_everything(&bytes);
    }

    /// Nearer to the truth than arbitrary bytes: real messages with some bytes changed, or cut.
    #[test]
    fn damaged_messages_never_panic(
        which: prop::sample::Index,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        length: prop::sample::Index,
    ) {
        let vectors = common::vectors();
        let mut bytes = which.get(&vectors).bytes.clone();
        for (index, byte) in damage {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        bytes.truncate(length.index(bytes.len() + 1));
        read_everything(&bytes);
    }

    /// Attributes that are unknown, at every level, are there again after a way through the
    /// typed form.
    #[test]
    fn unknown_attributes_survive(kind in 100_u16..0x3fff, value: Vec<u8>) {
        let unknown = || DefaultNla::new(kind, value.clone());
        let message = Message::Command(Command::NewService, vec![
            CommandAttribute::Other(unknown()),
            CommandAttribute::Service(Nest {
                flagged: false,
                attributes: vec![ServiceAttribute::Other(unknown()), ServiceAttribute::Family(2)],
            }),
        ]);
        let bytes = message.clone().encode();
        prop_assert_eq!(Message::decode(&bytes), Ok(message.clone()));
        // Type, length and value stand in the bytes as the kernel would write them.
        let mut expected = u16::try_from(value.len() + 4).unwrap().to_ne_bytes().to_vec();
        expected.extend(kind.to_ne_bytes());
        expected.extend(&value);
        prop_assert_eq!(&bytes[4..4 + expected.len()], &expected);
    }
}

/// Reads `bytes` as each kind of reply. Whatever was read can be written and read again.
fn read_everything(bytes: &[u8]) {
    let Ok(message) = Message::decode(bytes) else { return };
    let _ = message.service_key();
    let _ = message.service();
    let _ = message.destination_key(Family::Inet);
    let _ = message.destination(Family::Inet6);
    let _ = message.daemon();
    let _ = message.timeouts();
    let _ = message.info();
    assert_eq!(Message::decode(&message.clone().encode()), Ok(message));
}

/// A captured message with one attribute of its service or destination taken out or replaced.
fn changed(direction: &str, command: &str, change: impl Fn(&mut Vec<CommandAttribute>)) -> Message {
    let mut message = common::messages(direction, command).remove(0);
    let Message::Command(_, attributes) = &mut message else { panic!("{message:?}") };
    change(attributes);
    message
}

fn without(kind: u16) -> Message {
    use netlink_packet_core::Nla;
    changed("reply", "NEW_SERVICE", |attributes| {
        let CommandAttribute::Service(nest) = &mut attributes[0] else { panic!() };
        nest.attributes.retain(|attribute| attribute.kind() != kind);
    })
}

#[test]
fn a_missing_attribute_is_named() {
    let missing = |attribute| Err(DecodeError::Missing(Place { space: "service", attribute }));
    for (kind, attribute) in [
        (1, "Family"),
        (2, "Protocol"),
        (3, "Address"),
        (4, "Port"),
        (6, "Scheduler"),
        (7, "Flags"),
        (8, "Timeout"),
        (9, "Netmask"),
    ] {
        assert_eq!(without(kind).service(), missing(attribute), "attribute {kind}");
    }
    // Neither statistics nor a persistence engine are needed.
    for kind in [10, 11, 12] {
        assert!(without(kind).service().is_ok(), "attribute {kind}");
    }
}

#[test]
fn a_short_address_is_named() {
    // DEL_SERVICE of `tcp 192.0.2.10:80` with an address of four bytes.
    let bytes = [
        &[3, 1, 0, 0][..],
        &[0x24, 0, 1, 0],
        &[6, 0, 1, 0, 2, 0, 0, 0],
        &[6, 0, 2, 0, 6, 0, 0, 0],
        &[8, 0, 3, 0, 192, 0, 2, 10],
        &[6, 0, 4, 0, 0, 80, 0, 0],
    ]
    .concat();
    let error = Message::decode(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "service attribute Address has 4 bytes instead of 16");
}

#[test]
fn values_out_of_range_are_named() {
    let service = |attribute: ServiceAttribute| {
        changed("reply", "NEW_SERVICE", |attributes| {
            let CommandAttribute::Service(nest) = &mut attributes[0] else { panic!() };
            nest.attributes.insert(0, attribute.clone());
        })
        .service()
        .unwrap_err()
        .to_string()
    };
    assert_eq!(
        service(ServiceAttribute::Family(7)),
        "service attribute Family has the unknown value 7"
    );
    assert_eq!(
        service(ServiceAttribute::Protocol(47)),
        "service attribute Protocol has the unknown value 47"
    );
    assert_eq!(
        service(ServiceAttribute::Scheduler(String::new())),
        "service attribute Scheduler has the unknown value \"\""
    );
    // An attribute whose two flags exclude each other: it could not be written again.
    let both_flags = [1, 1, 0, 0, 4, 0, 200, 0xc0];
    assert_eq!(Message::decode(&both_flags), Err(DecodeError::Malformed { space: "command" }));
    assert_eq!(Message::decode(&[99, 1, 0, 0]), Err(DecodeError::Command(99)));
    assert_eq!(Message::decode(&[1, 1]), Err(DecodeError::Header(2)));
}

/// Kernels before 4.1 have only the narrow statistics.
#[test]
fn narrow_statistics_are_read_where_there_are_no_wide_ones() {
    use ipvs::codec::{Stats64Attribute, StatsAttribute};
    let wide = ServiceAttribute::Stats64(Nest {
        flagged: false,
        attributes: vec![Stats64Attribute::Connections(1 << 40), Stats64Attribute::ByteRateOut(5)],
    });
    let narrow = ServiceAttribute::Stats(Nest {
        flagged: false,
        attributes: vec![StatsAttribute::Connections(7), StatsAttribute::ByteRateOut(6)],
    });
    let read = |stats: &[&ServiceAttribute]| {
        let message = changed("request", "NEW_SERVICE", |attributes| {
            let CommandAttribute::Service(nest) = &mut attributes[0] else { panic!() };
            nest.attributes.extend(stats.iter().map(|&attribute| attribute.clone()));
        });
        let stats = message.service().unwrap().stats;
        (stats.connections, stats.byte_rate_out)
    };
    assert_eq!(read(&[&narrow, &wide]), (1 << 40, 5));
    assert_eq!(read(&[&narrow]), (7, 6));
    assert_eq!(read(&[]), (0, 0));
}
