//! The answers that `udp_check` takes.

use memchr::memmem;

use super::excerpt;
use crate::outcome::{Cause, Failure};
use crate::spec::UdpReply;

/// Judges a datagram that came as the answer.
///
/// # Errors
/// When it is not the wanted one.
pub fn judge(wanted: &UdpReply, answer: &[u8]) -> Result<(), Failure> {
    let (found, wanted) = match wanted {
        UdpReply::Optional | UdpReply::Required => return Ok(()),
        UdpReply::Bytes(bytes) => (memmem::find(answer, bytes).is_some(), excerpt(bytes)),
        UdpReply::Matches(pattern) => (pattern.is_match(answer), format!("a match of `{pattern}`")),
        UdpReply::Hex(pattern) => (pattern.begins(answer), pattern.to_string()),
    };
    if found {
        return Ok(());
    }
    let text = format!("answer {} (expected {wanted})", excerpt(answer));
    Err(Failure::new(Cause::Content, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Pattern;

    fn words(wanted: &UdpReply, answer: &[u8]) -> String {
        judge(wanted, answer).unwrap_err().text
    }

    #[test]
    fn any_answer_will_do_unless_one_is_wanted() {
        for wanted in [UdpReply::Optional, UdpReply::Required] {
            assert_eq!(judge(&wanted, b""), Ok(()));
            assert_eq!(judge(&wanted, b"\xff"), Ok(()));
        }
    }

    #[test]
    fn bytes_are_found_anywhere() {
        let wanted = UdpReply::Bytes(b"pong".to_vec());
        assert_eq!(judge(&wanted, b"\x00\x01pong\xff"), Ok(()));
        assert_eq!(words(&wanted, b"pon"), r#"answer "pon" (expected "pong")"#);
        assert_eq!(words(&wanted, b""), r#"answer "" (expected "pong")"#);
    }

    #[test]
    fn an_expression_is_found_anywhere() {
        let wanted = UdpReply::Matches(Pattern::new("p.ng$").unwrap());
        assert_eq!(judge(&wanted, b"\xffping"), Ok(()));
        assert_eq!(words(&wanted, b"pings"), r#"answer "pings" (expected a match of `p.ng$`)"#);
    }

    #[test]
    fn a_pattern_is_found_at_the_beginning() {
        let wanted = UdpReply::Hex("80 ?? 01".parse().unwrap());
        assert_eq!(judge(&wanted, b"\x80\x07\x01\x02"), Ok(()));
        assert_eq!(words(&wanted, b"\x80\x07\x02"), r#"answer "\x80\x07\x02" (expected 80 ?? 01)"#);
        assert!(words(&wanted, &[0xff; 60_000]).len() < 1000);
    }
}
