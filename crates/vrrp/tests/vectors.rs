//! Adverts of keepalived 2.2.7, captured with tcpdump on a veth pair: 10.77.0.1 has VRID 51 and
//! priority 150. Each is decoded and encoded again.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use vrrp::{Advert, Authentication, Centiseconds, Checksum, DropCause, IpHeader, Version, Vrid};

const SENDER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2));
const SENDER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 1));
const PEER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 2));
const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 100));

/// The frame's IP packet.
fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn advert(version: Version, priority: u8) -> Advert {
    Advert {
        version,
        vrid: Vrid::new(51).unwrap(),
        priority,
        interval: Centiseconds::SECOND,
        addresses: vec![VIP],
        authentication: None,
        quick: false,
    }
}

#[track_caller]
fn check(hex: &str, destination: IpAddr, expected: &Advert) {
    let packet = bytes(hex);
    let (header, payload) = IpHeader::split(&packet).unwrap();
    assert_eq!(header, IpHeader { source: SENDER, destination, ttl: 255 });
    assert_eq!(Advert::decode(payload, &header).as_ref(), Ok(expected));
    assert_eq!(expected.encode(SENDER, destination, Checksum::PseudoHeader), payload);
}

#[test]
fn version_2() {
    let advert = advert(Version::V2, 150);
    check(
        "45c0 0028 0001 0000 ff70 d044 0a4d 0001 e000 0012
         2133 9601 0001 3e19 0a4d 0064 0000 0000 0000 0000",
        vrrp::packet::GROUP.into(),
        &advert,
    );
}

#[test]
fn version_2_gives_up() {
    check(
        "45c0 0028 0005 0000 ff70 d040 0a4d 0001 e000 0012
         2133 0001 0001 d419 0a4d 0064 0000 0000 0000 0000",
        vrrp::packet::GROUP.into(),
        &advert(Version::V2, 0),
    );
}

#[test]
fn version_2_with_a_password() {
    let mut advert = advert(Version::V2, 150);
    advert.authentication = Some(Authentication::Pass(*b"1111\0\0\0\0"));
    check(
        "45c0 0028 0001 0000 ff70 d044 0a4d 0001 e000 0012
         2133 9601 0101 dab6 0a4d 0064 3131 3131 0000 0000",
        vrrp::packet::GROUP.into(),
        &advert,
    );
}

#[test]
fn version_3_with_two_addresses_every_half_second() {
    let mut advert = advert(Version::V3, 150);
    advert.interval = Centiseconds::new(50);
    advert.addresses.push(IpAddr::from([10, 77, 0, 101]));
    check(
        "45c0 0024 0001 0000 ff70 d048 0a4d 0001 e000 0012
         3133 9602 0032 3854 0a4d 0064 0a4d 0065",
        vrrp::packet::GROUP.into(),
        &advert,
    );
    advert.priority = 0;
    check(
        "45c0 0024 0006 0000 ff70 d043 0a4d 0001 e000 0012
         3133 0002 0032 ce54 0a4d 0064 0a4d 0065",
        vrrp::packet::GROUP.into(),
        &advert,
    );
}

#[test]
fn version_3_unicast() {
    check(
        "45c0 0020 0001 0000 ff70 a610 0a4d 0001 0a4d 0002
         3133 9601 0064 189d 0a4d 0064",
        PEER,
        &advert(Version::V3, 150),
    );
}

/// A whole IPv6 packet, as no raw socket gives it.
#[track_caller]
fn check_v6(hex: &str, source: &str, destination: &str, ttl: u8, expected: &Advert) {
    let packet = bytes(hex);
    let address = |at: usize| {
        let octets: [u8; 16] = packet[at..at + 16].try_into().unwrap();
        IpAddr::from(octets)
    };
    let header = IpHeader { source: address(8), destination: address(24), ttl: packet[7] };
    let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
    assert_eq!(header, IpHeader { source, destination, ttl });
    assert_eq!(Advert::decode(&packet[40..], &header).as_ref(), Ok(expected));
    // IPv6 knows one checksum only.
    for reading in [Checksum::PseudoHeader, Checksum::Plain] {
        assert_eq!(expected.encode(source, destination, reading), packet[40..]);
    }
}

fn advert_v6(priority: u8, addresses: &[&str]) -> Advert {
    Advert {
        interval: Centiseconds::new(50),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        ..advert(Version::V3, priority)
    }
}

#[test]
fn version_3_over_ipv6() {
    let addresses = ["fe80::77", "2001:db8:77::100"];
    let (source, group) = ("fe80::ff:fe00:1", "ff02::12");
    check_v6(
        "6c00 1eeb 0028 70ff fe80 0000 0000 0000 0000 00ff fe00 0001
         ff02 0000 0000 0000 0000 0000 0000 0012 3133 9602 0032 0d41
         fe80 0000 0000 0000 0000 0000 0000 0077 2001 0db8 0077 0000 0000 0000 0000 0100",
        source,
        group,
        255,
        &advert_v6(150, &addresses),
    );
    check_v6(
        "6c00 1eeb 0028 70ff fe80 0000 0000 0000 0000 00ff fe00 0001
         ff02 0000 0000 0000 0000 0000 0000 0012 3133 0002 0032 a341
         fe80 0000 0000 0000 0000 0000 0000 0077 2001 0db8 0077 0000 0000 0000 0000 0100",
        source,
        group,
        255,
        &advert_v6(0, &addresses),
    );
}

/// keepalived 2.2.7 sends these with the host's hop limit.
#[test]
fn version_3_over_ipv6_unicast() {
    check_v6(
        "6c00 141b 0018 7040 2001 0db8 0077 0000 0000 0000 0000 0001
         2001 0db8 0077 0000 0000 0000 0000 0002 3133 9601 0032 ac7d
         2001 0db8 0077 0000 0000 0000 0000 0100",
        "2001:db8:77::1",
        "2001:db8:77::2",
        64,
        &advert_v6(150, &["2001:db8:77::100"]),
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic(packet: Vec<u8>) {
        if let Ok((header, payload)) = IpHeader::split(&packet) {
            let _ = Advert::decode(payload, &header);
        }
        for (source, destination) in [(SENDER, PEER), (SENDER_V6, PEER_V6), (SENDER, PEER_V6)] {
            let _ = Advert::decode(&packet, &IpHeader { source, destination, ttl: 255 });
        }
    }

    #[test]
    fn what_is_decoded_is_encoded_to_the_same_bytes(
        vrid in 1_u8..,
        priority: u8,
        interval in 1_u16..=4095,
        six: bool,
        addresses in proptest::collection::vec(any::<[u8; 16]>(), 1..=255),
    ) {
        let (source, destination) = if six { (SENDER_V6, PEER_V6) } else { (SENDER, PEER) };
        let address = |octets: &[u8; 16]| match six {
            true => IpAddr::from(*octets),
            false => IpAddr::from([octets[0], octets[1], octets[2], octets[3]]),
        };
        let advert = Advert {
            vrid: Vrid::new(vrid).unwrap(),
            interval: Centiseconds::new(interval),
            addresses: addresses.iter().map(address).collect(),
            ..advert(Version::V3, priority)
        };
        let header = IpHeader { source, destination, ttl: 255 };
        let bytes = advert.encode(source, destination, Checksum::PseudoHeader);
        prop_assert_eq!(Advert::decode(&bytes, &header), Ok(advert));
    }

    #[test]
    fn every_flipped_bit_is_noticed(byte in 0_usize..16, bit in 0_u8..8) {
        let mut advert = advert(Version::V3, 150);
        advert.addresses.push(PEER);
        let mut packet = advert.encode(SENDER, PEER, Checksum::PseudoHeader);
        packet[byte] ^= 1 << bit;
        let header = IpHeader { source: SENDER, destination: PEER, ttl: 255 };
        let cause = Advert::decode(&packet, &header).unwrap_err().cause();
        prop_assert!(matches!(
            cause,
            DropCause::Version | DropCause::Type | DropCause::Checksum | DropCause::Length
        ));
    }
}
