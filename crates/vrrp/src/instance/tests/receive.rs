//! Packets that do not suit.

use super::*;
use crate::spec::Authentication;

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
        };
        advert.addresses.push(IpAddr::from([10, 0, 0, 100]));
        let payload = advert.encode(source, OWN, Checksum::PseudoHeader);
        let header = IpHeader { source, destination: OWN, ttl: 255 };
        bench.input(Input::Packet(header, payload));
        assert_eq!(bench.instance.state(), state);
    }
}
