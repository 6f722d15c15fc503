//! Adverts of keepalived 2.2.7, captured with tcpdump on a veth pair: 10.77.0.1 has VRID 51 and
//! priority 150. Each is decoded and encoded again.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::net::Ipv4Addr;

use proptest::prelude::*;
use vrrp::{Advert, Authentication, Centiseconds, DropCause, IpHeader, Version, Vrid};

const SENDER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const VIP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);

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
    }
}

#[track_caller]
fn check(hex: &str, destination: Ipv4Addr, expected: &Advert) {
    let packet = bytes(hex);
    let (header, payload) = IpHeader::split(&packet).unwrap();
    assert_eq!(header, IpHeader { source: SENDER, destination, ttl: 255 });
    assert_eq!(Advert::decode(payload, &header).as_ref(), Ok(expected));
    assert_eq!(expected.encode(SENDER, destination), payload);
}

#[test]
fn version_2() {
    let advert = advert(Version::V2, 150);
    check(
        "45c0 0028 0001 0000 ff70 d044 0a4d 0001 e000 0012
         2133 9601 0001 3e19 0a4d 0064 0000 0000 0000 0000",
        vrrp::packet::GROUP,
        &advert,
    );
}

#[test]
fn version_2_gives_up() {
    check(
        "45c0 0028 0005 0000 ff70 d040 0a4d 0001 e000 0012
         2133 0001 0001 d419 0a4d 0064 0000 0000 0000 0000",
        vrrp::packet::GROUP,
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
        vrrp::packet::GROUP,
        &advert,
    );
}

#[test]
fn version_3_with_two_addresses_every_half_second() {
    let mut advert = advert(Version::V3, 150);
    advert.interval = Centiseconds::new(50);
    advert.addresses.push(Ipv4Addr::new(10, 77, 0, 101));
    check(
        "45c0 0024 0001 0000 ff70 d048 0a4d 0001 e000 0012
         3133 9602 0032 3854 0a4d 0064 0a4d 0065",
        vrrp::packet::GROUP,
        &advert,
    );
    advert.priority = 0;
    check(
        "45c0 0024 0006 0000 ff70 d043 0a4d 0001 e000 0012
         3133 0002 0032 ce54 0a4d 0064 0a4d 0065",
        vrrp::packet::GROUP,
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

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic(packet: Vec<u8>) {
        if let Ok((header, payload)) = IpHeader::split(&packet) {
            let _ = Advert::decode(payload, &header);
        }
        let header = IpHeader { source: SENDER, destination: PEER, ttl: 255 };
        let _ = Advert::decode(&packet, &header);
    }

    #[test]
    fn every_flipped_bit_is_noticed(byte in 0_usize..16, bit in 0_u8..8) {
        let mut advert = advert(Version::V3, 150);
        advert.addresses.push(PEER);
        let mut packet = advert.encode(SENDER, PEER);
        packet[byte] ^= 1 << bit;
        let header = IpHeader { source: SENDER, destination: PEER, ttl: 255 };
        let cause = Advert::decode(&packet, &header).unwrap_err();
        prop_assert!(matches!(
            cause,
            DropCause::Version | DropCause::Type | DropCause::Checksum | DropCause::Length
        ));
    }
}
