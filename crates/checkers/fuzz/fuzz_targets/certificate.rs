//! What a certificate says of its end and of whom it is for.
#![no_main]

use checkers::wire::certificate::Certificate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|der: &[u8]| {
    if let Ok(certificate) = Certificate::read(der) {
        assert!(!certificate.subject.chars().any(char::is_control));
        assert!(certificate.not_after.to_string().ends_with('Z'));
    }
});
