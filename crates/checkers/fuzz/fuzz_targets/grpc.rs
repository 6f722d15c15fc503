//! The answer to a health check.
#![no_main]

use checkers::wire::grpc;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Option<&[u8]>, Option<&[u8]>, &[u8])| {
    let (status, message, body) = input;
    let _ = grpc::judge(status, message, body);
    let _ = grpc::judge(Some(b"0"), None, body);
    // As the content of a proper frame.
    let mut framed = vec![0];
    framed.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend(body);
    let _ = grpc::judge(Some(b"0"), None, &framed);
});
