//! Patterns of bytes: what is shown of one reads as the same.
#![no_main]

use checkers::HexPattern;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &[u8])| {
    let (text, bytes) = input;
    if let Ok(pattern) = text.parse::<HexPattern>() {
        assert_eq!(pattern.to_string().parse::<HexPattern>().as_ref(), Ok(&pattern));
        pattern.begins(bytes);
    }
});
