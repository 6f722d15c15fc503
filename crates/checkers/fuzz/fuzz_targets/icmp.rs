//! Packets on a raw ICMP socket.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use checkers::wire::icmp::{self, Echo};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, u16, &[u8])| {
    let (identifier, sequence, packet) = input;
    for host in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        icmp::reply(host, packet);
        // A request is no reply.
        let echo = Echo { identifier, sequence, data: packet };
        let mut request = echo.request(host);
        if host.is_ipv4() {
            request.splice(..0, [0x45; 20]);
        }
        assert_eq!(icmp::reply(host, &request), None);
    }
});
