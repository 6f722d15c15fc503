//! Replies of SMTP servers (RFC 5321 §4.2).

use super::excerpt;

/// The longest line, with its end. RFC 5321 §4.5.3.1.5 allows 512 bytes; servers are seen to write
/// longer ones.
pub const LINE: usize = 2048;
/// Bytes of a reply's code, with which each of its lines begins (RFC 5321 §4.2).
pub const CODE: usize = 3;
/// The most lines of one reply.
pub const LINES: usize = 64;

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its code, 100 to 599.
    pub code: u16,
    /// The text of each of its lines; at least one.
    pub lines: Vec<String>,
    /// So many bytes it took.
    pub length: usize,
}

/// Why bytes are no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// A line that does not begin with a code; how it begins, quoted.
    #[error("a line without a reply code: {0}")]
    NoCode(String),
    /// The lines of one reply have different codes.
    #[error("a reply with the codes {0} and {1}")]
    TwoCodes(u16, u16),
    /// A line without an end.
    #[error("a line of more than {LINE} bytes")]
    LongLine,
    /// A reply without an end.
    #[error("a reply of more than {LINES} lines")]
    ManyLines,
}

impl ReplyError {
    fn no_code(line: &[u8]) -> Self {
        Self::NoCode(excerpt(line))
    }
}

/// The reply at the beginning of `bytes`; `None` as long as it is not complete.
///
/// # Errors
/// When it cannot become one, whatever follows.
pub fn reply(bytes: &[u8]) -> Result<Option<Reply>, ReplyError> {
    let mut rest = bytes;
    let mut lines = Vec::new();
    let mut first = None;
    loop {
        let Some(end) = rest.iter().take(LINE).position(|byte| *byte == b'\n') else {
            // What is no code will not become one, however long its line gets.
            if !rest.iter().take(CODE).all(u8::is_ascii_digit) {
                return Err(ReplyError::no_code(rest));
            }
            return if rest.len() >= LINE { Err(ReplyError::LongLine) } else { Ok(None) };
        };
        let (line, after) = rest.split_at(end + 1);
        rest = after;
        let text = String::from_utf8_lossy(line);
        let (code, last, text) =
            split(text.trim_end_matches(['\r', '\n'])).ok_or_else(|| ReplyError::no_code(line))?;
        let first = *first.get_or_insert(code);
        if code != first {
            return Err(ReplyError::TwoCodes(first, code));
        }
        lines.push(text.to_owned());
        if last {
            return Ok(Some(Reply { code, lines, length: bytes.len() - rest.len() }));
        }
        if lines.len() == LINES {
            return Err(ReplyError::ManyLines);
        }
    }
}

/// The code of a line, whether it is the last one, and its text.
fn split(line: &str) -> Option<(u16, bool, &str)> {
    let digits = line.get(..3).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    let code = digits.parse().ok().filter(|code| (100..=599).contains(code))?;
    match line.as_bytes().get(3) {
        None => Some((code, true, "")),
        Some(b' ') => Some((code, true, &line[4..])),
        Some(b'-') => Some((code, false, &line[4..])),
        Some(_) => None,
    }
}

impl Reply {
    /// Whether an answer to EHLO offers this extension (RFC 5321 §4.1.1.1).
    pub fn offers(&self, keyword: &str) -> bool {
        let lines = self.lines.iter().skip(1);
        let mut words = lines.filter_map(|line| line.split_ascii_whitespace().next());
        words.any(|word| word.eq_ignore_ascii_case(keyword))
    }

    /// The code and the first line, for an operator: `554 no service here`.
    pub fn words(&self) -> String {
        let text = self.lines.first().map_or("", String::as_str);
        let text: String =
            text.chars().take(120).map(|c| if c.is_control() { '?' } else { c }).collect();
        format!("{} {text}", self.code).trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(bytes: &[u8]) -> Reply {
        reply(bytes).unwrap().unwrap()
    }

    #[test]
    fn a_reply_has_one_line_or_several() {
        let one = parsed(b"220 mx.example.com ESMTP\r\nmore");
        assert_eq!((one.code, one.length), (220, 26));
        assert_eq!(one.lines, ["mx.example.com ESMTP"]);
        // RFC 5321 §4.2.1 and appendix D.1.
        let bytes = b"250-foo.com greets bar.com\r\n250-8BITMIME\r\n250-starttls x\r\n250 HELP\r\n";
        let several = parsed(bytes);
        assert_eq!(several.lines, ["foo.com greets bar.com", "8BITMIME", "starttls x", "HELP"]);
        assert_eq!(several.length, bytes.len());
        assert!(several.offers("STARTTLS") && several.offers("help"));
        assert!(!several.offers("foo.com") && !several.offers("x"));
        for end in 0..bytes.len() {
            assert_eq!(reply(&bytes[..end]), Ok(None), "{end}");
        }
        assert_eq!(parsed(b"354\n").lines, [""]);
        assert_eq!(parsed(b"554 no\x07\xff\r\n").words(), "554 no?\u{fffd}");
    }

    #[test]
    fn what_is_no_reply_is_named() {
        for line in ["HTTP/1.1 400\r\n", "22 x\n", "2200 x\n", "220x\n", "\r\n", "600 x\n", "é22\n"]
        {
            assert_eq!(reply(line.as_bytes()), Err(ReplyError::no_code(line.as_bytes())));
        }
        // At once, and not at the end of the line.
        assert_eq!(reply(b"SS\xff"), Err(ReplyError::NoCode("\"SS\\xff\"".to_owned())));
        assert_eq!(reply(b"250-a\r\n220 b\r\n"), Err(ReplyError::TwoCodes(250, 220)));
    }

    #[test]
    fn endless_replies_are_refused() {
        assert_eq!(reply(&[b'2'; LINE - 1]), Ok(None));
        assert_eq!(reply(&[b'2'; LINE]), Err(ReplyError::LongLine));
        assert_eq!(reply(&b"220-x\r\n".repeat(LINES - 1)), Ok(None));
        assert_eq!(reply(&b"220-x\r\n".repeat(LINES)), Err(ReplyError::ManyLines));
    }
}
