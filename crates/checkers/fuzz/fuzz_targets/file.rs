//! The number in a file.
#![no_main]

use checkers::FileValue;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    for value in [FileValue::Weight, FileValue::Percent, FileValue::Verdict] {
        let _ = checkers::wire::file::judge(value, content);
    }
});
