//! VRRP adverts, and what neighbours claim: as they come, and with a checksum that lets them in.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;
use vrrp::neighbour::Claim;
use vrrp::{Advert, IpHeader};

/// The checksum of what has none yet (RFC 1071).
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let mut total: u64 = 0;
    for pair in bytes.chunks(2) {
        let pair = [pair[0], pair.get(1).copied().unwrap_or(0)];
        total += u64::from(u16::from_be_bytes(pair));
    }
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    (!u16::try_from(total).unwrap_or(0)).to_be_bytes()
}

/// A frame with this ICMPv6 message: those of its headers that a claim's have.
fn frame(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(0).to_be_bytes();
    let mut message = message.to_vec();
    let addresses = [0x20; 32];
    if let Some(sum) = message.get_mut(2..4) {
        sum.fill(0);
        let covered = [&addresses[..], &length, &[0, 58], &message].concat();
        message[2..4].copy_from_slice(&checksum(&covered));
    }
    let ethernet = [&[2; 12][..], &[0x86, 0xdd]].concat();
    let ip = [&[0x60, 0, 0, 0][..], &length, &[58, 255], &addresses].concat();
    [ethernet, ip, message].concat()
}

fuzz_target!(|payload: &[u8]| {
    let four = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), IpAddr::V4(vrrp::packet::GROUP));
    let six = (IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V6(vrrp::packet::GROUP_V6));
    for (source, destination) in [four, six] {
        let header = IpHeader { source, destination, ttl: 255 };
        let _ = Advert::decode(payload, &header);
        // The checksum that makes the sum of the whole packet 0, without the pseudo header, which
        // decoding accepts over IPv4.
        let mut fixed = payload.to_vec();
        if let Some(sum) = fixed.get_mut(6..8) {
            sum.fill(0);
            let sum = checksum(&fixed);
            fixed[6..8].copy_from_slice(&sum);
        }
        let _ = Advert::decode(&fixed, &header);
        let _ = IpHeader::split(&fixed);
    }
    let _ = Claim::decode(payload);
    let _ = Claim::decode(&frame(payload));
});
