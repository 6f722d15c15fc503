//! The line of an agent.
#![no_main]

use checkers::Advice;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|answer: &[u8]| {
    match checkers::wire::agent::judge(answer) {
        Ok(report) => assert!(!matches!(report.advice, Some(Advice::Percent(10_001..)))),
        Err(failure) => assert!(failure.text.len() < 2000),
    }
});
