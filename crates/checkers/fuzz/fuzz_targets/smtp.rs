//! Replies of a mail server.
#![no_main]

use checkers::wire::smtp::reply;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(Some(found)) = reply(bytes) else { return };
    assert!(found.length <= bytes.len() && !found.lines.is_empty());
    // What follows does not matter, and less than all of it is no reply yet.
    assert_eq!(reply(&bytes[..found.length]), Ok(Some(found.clone())));
    assert_eq!(reply(&bytes[..found.length - 1]), Ok(None));
    found.offers("STARTTLS");
    assert!(found.words().len() < 1000);
});
