//! Messages of the kernel's table.
#![no_main]

use ipvs::Family;
use ipvs::codec::Message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::decode(bytes) else { return };
    let _ = message.service();
    let _ = message.service_key();
    for family in [Family::Inet, Family::Inet6] {
        let _ = message.destination(family);
        let _ = message.destination_key(family);
    }
    let _ = message.daemon();
    let _ = message.timeouts();
    let _ = message.info();
    // What was read can be written, and then reads as the same.
    let written = message.clone().encode();
    assert_eq!(Message::decode(&written).as_ref(), Ok(&message));
});
