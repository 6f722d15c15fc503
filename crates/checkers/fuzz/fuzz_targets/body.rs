//! The rules for a body, which comes in pieces.
#![no_main]

use checkers::wire::content::Received;
use checkers::{Digest, Expectation, Pattern};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static PATTERN: LazyLock<Pattern> =
    LazyLock::new(|| Pattern::new(r"(?i)status:\s*(ok|up)\b").expect("a valid expression"));

fuzz_target!(|input: (u32, u8, &[u8])| {
    let (limit, piece, body) = input;
    let all = [
        Expectation::Contains("ok".into()),
        Expectation::ContainsNot("error".into()),
        Expectation::Matches(PATTERN.clone()),
        Expectation::MatchesNot(PATTERN.clone()),
        Expectation::Digest(Digest::Md5([0; 16])),
        Expectation::Digest(Digest::Sha256([0; 32])),
    ];
    for wanted in &all {
        let wanted = std::slice::from_ref(wanted);
        let judge = |size: usize| {
            let mut received = Received::new(wanted, limit % 4096);
            for piece in body.chunks(size) {
                received.add(piece);
            }
            received.judge(wanted)
        };
        // The pieces that a body comes in do not matter.
        assert_eq!(judge(usize::from(piece).max(1)), judge(body.len().max(1)));
    }
});
