//! Datagrams that are compared with what is expected.
#![no_main]

use std::sync::LazyLock;

use checkers::{Pattern, UdpReply};
use libfuzzer_sys::fuzz_target;

static WANTED: LazyLock<[UdpReply; 5]> = LazyLock::new(|| {
    [
        UdpReply::Optional,
        UdpReply::Required,
        UdpReply::Bytes(b"pong".to_vec()),
        UdpReply::Hex("80 ?? 4? ff".parse().expect("a valid pattern")),
        UdpReply::Matches(Pattern::new("(?i)p[io]ng+$").expect("a valid expression")),
    ]
});

fuzz_target!(|answer: &[u8]| {
    for wanted in &*WANTED {
        if let Err(failure) = checkers::wire::udp::judge(wanted, answer) {
            assert!(failure.text.len() < 1000);
        }
    }
});
