//! VRRP adverts: as they come, and with a checksum that lets them in.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;
use vrrp::{Advert, IpHeader};

fuzz_target!(|payload: &[u8]| {
    let four = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), IpAddr::V4(vrrp::packet::GROUP));
    let six = (IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V6(vrrp::packet::GROUP_V6));
    for (source, destination) in [four, six] {
        let header = IpHeader { source, destination, ttl: 255 };
        let _ = Advert::decode(payload, &header);
        // The checksum that makes the sum of the whole packet 0 (RFC 1071), without the pseudo
        // header, which decoding accepts over IPv4.
        let mut fixed = payload.to_vec();
        if let Some(sum) = fixed.get_mut(6..8) {
            sum.fill(0);
            let mut total: u64 = 0;
            for pair in fixed.chunks(2) {
                let pair = [pair[0], pair.get(1).copied().unwrap_or(0)];
                total += u64::from(u16::from_be_bytes(pair));
            }
            while total > 0xffff {
                total = (total & 0xffff) + (total >> 16);
            }
            let sum = !u16::try_from(total).unwrap_or(0);
            fixed[6..8].copy_from_slice(&sum.to_be_bytes());
        }
        let _ = Advert::decode(&fixed, &header);
        let _ = IpHeader::split(&fixed);
    }
});
