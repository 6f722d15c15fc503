//! Packets that do not suit.

use super::*;
use crate::event::{Event, EventKind};
use crate::packet::Refusal;
use crate::spec::Authentication;
use crate::trouble::Trouble;

#[test]
fn what_does_not_suit_is_dropped_and_counted_by_cause() {
    let pass = |password: &[u8; 8]| Some(Authentication::Pass(*password));
    let mut two = InstanceSpec { version: Version::V2, ..spec(100) };
    two.authentication = pass(b"right\0\0\0");
    let mut bench = Bench::started(two);
    let first = bench.advert_with(LOWER, |a| a.authentication = pass(b"wrong\0\0\0"));
    assert_eq!(
        first,
        ["vrrp VI_1: packet from 10.0.0.1 dropped: it has another password, expected the \
          configured one; more of these are only counted"]
    );
    assert_eq!(bench.advert_with(LOWER, |a| a.authentication = None), [""; 0]);
    assert_eq!(bench.dropped(DropCause::Authentication), 2);
    bench.advert_with(LOWER, |a| a.interval = Centiseconds::new(200));
    assert_eq!(bench.dropped(DropCause::Interval), 1);
    bench.advert_with(LOWER, |a| {
        a.version = Version::V3;
        a.authentication = None;
    });
    assert_eq!(bench.dropped(DropCause::Version), 1);
    bench.advert_with(LOWER, |a| a.vrid = Vrid::new(9).unwrap());
    assert_eq!(bench.dropped(DropCause::Vrid), 1);
    bench.advert(OWN, 200);
    assert_eq!(bench.dropped(DropCause::Own), 1);
    for (ttl, destination, cause) in [
        (254, GROUP.into(), DropCause::Ttl),
        (255, OWN, DropCause::Peer),
        (255, GROUP.into(), DropCause::Length),
    ] {
        let header = IpHeader { source: LOWER, destination, ttl };
        bench.input(Input::Packet(header, vec![0x21, 51, 200, 1, 0, 1, 0, 0]));
        assert_eq!(bench.dropped(cause), 1, "{cause}");
    }
    // None of them touched the timer.
    assert_eq!(bench.next(), Some(3609));
}

#[test]
fn unicast_goes_to_each_peer_and_comes_from_peers_alone() {
    let mut bench =
        Bench::started(InstanceSpec { unicast_peers: vec![LOWER, HIGHER], ..spec(100) });
    bench.advert(LOWER, 200);
    assert_eq!(bench.dropped(DropCause::Peer), 1);
    let words = bench.pass(3610);
    assert_eq!(words[..2], ["advert 100 to 10.0.0.1", "advert 100 to 10.0.0.3"]);
    let stranger = IpAddr::from([10, 0, 0, 9]);
    for (source, state) in [(stranger, State::Master), (HIGHER, State::Backup)] {
        let mut advert = Advert {
            version: Version::V3,
            vrid: Vrid::new(51).unwrap(),
            priority: 200,
            interval: Centiseconds::SECOND,
            addresses: Vec::new(),
            authentication: None,
            quick: false,
        };
        advert.addresses.push(IpAddr::from([10, 0, 0, 100]));
        let payload = advert.encode(source, OWN, Checksum::PseudoHeader);
        let header = IpHeader { source, destination: OWN, ttl: 255 };
        bench.input(Input::Packet(header, payload));
        assert_eq!(bench.instance.state(), state);
    }
}

/// Once per source and cause, until good adverts of it come. Other routers on the link are no
/// reason to warn.
#[test]
fn a_drop_is_reported_once_per_episode() {
    let mut bench = Bench::started(spec(100));
    let dropped = |bench: &mut Bench, from, vrid| {
        let words = bench.advert_with(from, |a| a.vrid = Vrid::new(vrid).unwrap());
        words.iter().filter(|word| word.contains("vrrp VI_1: packet from")).count()
    };
    assert_eq!(dropped(&mut bench, LOWER, 9), 1);
    assert_eq!(dropped(&mut bench, LOWER, 9), 0);
    assert_eq!(dropped(&mut bench, HIGHER, 9), 1);
    bench.pass(2000);
    assert_eq!(bench.advert(LOWER, 150), [""; 0]);
    bench.pass(3000);
    assert_eq!(
        bench.advert(LOWER, 150),
        ["vrrp VI_1: no longer: packets from 10.0.0.1 dropped: unknown VRID"]
    );
    assert_eq!(dropped(&mut bench, LOWER, 9), 1);
    assert_eq!(dropped(&mut bench, HIGHER, 9), 0);
    assert_eq!(bench.dropped(DropCause::Vrid), 5);
    // Invented sources fill neither memory nor log: two are there already.
    let invented = (0..=255).map(|last| IpAddr::from([10, 0, 1, last]));
    let reported: usize = invented.map(|source| dropped(&mut bench, source, 9)).sum();
    assert_eq!((reported, bench.instance.episodes.iter().count()), (30, 32));

    let source = LOWER;
    let event = |refusal| {
        let kind = EventKind::Begins(Trouble::Dropped { refusal, source });
        Event { instance: "VI_1".to_owned(), kind }
    };
    let vrid = event(Refusal::Vrid { found: 9 });
    assert!(!vrid.is_warning() && event(Refusal::Type { found: 2 }).is_warning());
    assert_eq!(
        vrid.to_string(),
        "vrrp VI_1: packet from 10.0.0.1 dropped: it has virtual router identifier 9, which no \
         instance here has; more of these are only counted"
    );
}

#[test]
fn a_drop_names_what_was_found_and_what_was_expected() {
    for (refusal, words) in [
        (Refusal::Ttl { found: 64, expected: 255 }, "its TTL is 64, expected at least 255"),
        (Refusal::Version { found: 2, expected: 3 }, "it has version 2, expected 3"),
        (
            Refusal::Length { found: 11, expected: 12 },
            "it has 11 bytes where its header asks for 12",
        ),
        (
            Refusal::Checksum { found: 0x0102, expected: 0xab00 },
            "its checksum is 0x0102, expected 0xab00",
        ),
        (
            Refusal::Interval { found: Centiseconds::new(250), expected: Centiseconds::SECOND },
            "its advert interval is 2.5 s, expected 1 s",
        ),
    ] {
        assert!(refusal.to_string().starts_with(words), "{refusal}");
    }
}

/// keepalived's unicast over IPv6 comes with the host's hop limit.
#[test]
fn unicast_may_come_with_a_smaller_ttl_where_that_is_allowed() {
    let mut bench =
        Bench::started(InstanceSpec { unicast_peers: vec![HIGHER], min_ttl: 64, ..spec(100) });
    let advert = Advert {
        version: Version::V3,
        vrid: Vrid::new(51).unwrap(),
        priority: 200,
        interval: Centiseconds::SECOND,
        addresses: vec![IpAddr::from([10, 0, 0, 100])],
        authentication: None,
        quick: false,
    };
    let payload = advert.encode(HIGHER, OWN, Checksum::Plain);
    for (ttl, received) in [(63, 0), (64, 1), (255, 2)] {
        let header = IpHeader { source: HIGHER, destination: OWN, ttl };
        bench.input(Input::Packet(header, payload.clone()));
        assert_eq!(bench.instance.counters.received, received, "{ttl}");
    }
    assert_eq!(bench.dropped(DropCause::Ttl), 1);
}

#[test]
fn an_interval_that_differs_is_said_once() {
    let mut bench = Bench::started(spec(100));
    let said = |bench: &mut Bench, centiseconds| {
        bench.advert_with(HIGHER, |a| {
            a.priority = 150;
            a.interval = Centiseconds::new(centiseconds);
        })
    };
    assert_eq!(
        said(&mut bench, 50),
        [
            "vrrp VI_1: 10.0.0.3 sends its adverts every 0.5 s, advert_interval here is 1 s: the master's \
          counts; make them equal"
        ]
    );
    assert_eq!(said(&mut bench, 50), [""; 0]);
    assert_eq!(said(&mut bench, 100), [""; 0]);
    assert_eq!(said(&mut bench, 40), [""; 0]);
    assert_eq!(
        bench.instance.status().troubles,
        [
            "10.0.0.3 sends its adverts every 0.4 s, advert_interval here is 1 s: the master's counts; make \
          them equal"
        ]
    );
    // As a master it has its own.
    bench.pass(2000);
    assert_eq!(bench.instance.state(), State::Master);
    assert_eq!(bench.instance.status().troubles, [""; 0]);
}

/// A reload makes them equal: that ends it without another advert.
#[test]
fn a_reload_ends_the_trouble_of_another_interval() {
    let mut bench = Bench::started(spec(100));
    bench.advert_with(HIGHER, |a| {
        a.priority = 150;
        a.interval = Centiseconds::new(200);
    });
    let reload = |centiseconds| {
        let advert_interval = Centiseconds::new(centiseconds);
        Input::Reconfigure(Box::new(InstanceSpec { advert_interval, ..spec(100) }))
    };
    assert_eq!(bench.input(reload(300)), [""; 0]);
    assert_eq!(
        bench.input(reload(200)),
        [
            "vrrp VI_1: no longer: 10.0.0.3 sends its adverts every 2 s, advert_interval here is 1 s: the \
          master's counts; make them equal"
        ]
    );
    assert_eq!(bench.instance.status().troubles, [""; 0]);
}

/// Peers with other addresses, each with another list in each advert: one trouble for each peer, and
/// no more than 32 of them.
#[test]
fn invented_address_lists_fill_neither_memory_nor_log() {
    let mut bench = Bench::started(spec(100));
    let mut begun = 0;
    for round in 0..10 {
        for peer in 10..=255 {
            let words = bench.advert_with(IpAddr::from([10, 0, 1, peer]), |a| {
                a.priority = 200;
                a.addresses = vec![IpAddr::from([10, 0, round, peer])];
            });
            begun += words.len();
        }
    }
    assert_eq!((begun, bench.instance.episodes.iter().count()), (32, 32));
    // A sender of the longest interval keeps it open for five of its intervals, not for ever.
    let ended = bench.pass(5001).iter().filter(|word| word.contains("no longer")).count();
    assert_eq!(ended, 32);
}

/// An address whose MAC changes with each answer is one trouble, and announced once.
#[test]
fn invented_mac_addresses_are_one_trouble() {
    let mut bench = Bench::master(spec(100));
    let address = IpAddr::from([10, 0, 0, 100]);
    let words: Vec<String> = (0..50)
        .flat_map(|last| bench.input(Input::Answer(address, [2, 0, 0, 0, 0, last])))
        .collect();
    assert_eq!(
        words,
        [
            "vrrp VI_1: 02:00:00:00:00:00 answers for 10.0.0.100 too: another machine has this address",
            "announce 10.0.0.100",
        ]
    );
    assert_eq!(
        bench.instance.status().troubles,
        ["02:00:00:00:00:31 answers for 10.0.0.100 too: another machine has this address"]
    );
}
