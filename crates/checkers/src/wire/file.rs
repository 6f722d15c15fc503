//! The number in the file of a `file_check`.

use crate::outcome::{Advice, Cause, Failure};
use crate::spec::FileValue;

/// So many bytes of a file are read.
pub const LIMIT: usize = 64;

/// Why the content of a file says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It is longer than any number.
    #[error("longer than {LIMIT} bytes")]
    Long,
    /// There is no number in it, or more than that.
    #[error("`{0}` is no whole number")]
    NoNumber(String),
    /// It cannot be a weight, or a share of one.
    #[error("{number} is out of range (0 to {last})")]
    Range {
        /// The number.
        number: i64,
        /// The largest one.
        last: u32,
    },
}

/// What the content of a file says: the weight that is asked for, if one is, or a failure.
///
/// # Errors
/// When it says nothing.
pub fn judge(
    value: FileValue,
    content: &[u8],
) -> Result<Result<Option<Advice>, Failure>, FileError> {
    if content.len() > LIMIT {
        return Err(FileError::Long);
    }
    let text = String::from_utf8_lossy(content);
    let text = text.trim();
    let number: i64 = text.parse().map_err(|_| {
        FileError::NoNumber(text.chars().map(|c| if c.is_control() { '?' } else { c }).collect())
    })?;
    let within = |last: u32| {
        let found = u32::try_from(number).ok().filter(|found| *found <= last);
        found.ok_or(FileError::Range { number, last })
    };
    Ok(match value {
        FileValue::Weight => Ok(Some(Advice::Weight(within(i32::MAX.unsigned_abs())?))),
        FileValue::Percent => Ok(Some(Advice::Percent(within(10_000)?))),
        FileValue::Verdict if number == 0 => Ok(None),
        FileValue::Verdict => {
            Err(Failure::new(Cause::Reported, format!("the file says {number} (expected 0)")))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_weight_a_share_or_a_verdict() {
        use FileValue::{Percent, Verdict, Weight};
        assert_eq!(judge(Weight, b"7\n"), Ok(Ok(Some(Advice::Weight(7)))));
        assert_eq!(judge(Weight, b" 2147483647 "), Ok(Ok(Some(Advice::Weight(2_147_483_647)))));
        assert_eq!(judge(Percent, b"0"), Ok(Ok(Some(Advice::Percent(0)))));
        assert_eq!(judge(Verdict, b"0\n"), Ok(Ok(None)));
        for number in ["1", "-1", "9223372036854775807"] {
            let failure = judge(Verdict, number.as_bytes()).unwrap().unwrap_err();
            assert_eq!(failure.cause, Cause::Reported);
            assert_eq!(failure.text, format!("the file says {number} (expected 0)"));
        }
    }

    #[test]
    fn anything_else_says_nothing() {
        for content in ["", "\n", "x", "1 2", "1.5", "0x1", "9223372036854775808"] {
            let error = judge(FileValue::Verdict, content.as_bytes()).unwrap_err();
            assert_eq!(error, FileError::NoNumber(content.trim().to_owned()));
        }
        let number = -1;
        let last = 2_147_483_647;
        assert_eq!(judge(FileValue::Weight, b"-1"), Err(FileError::Range { number, last }));
        assert!(judge(FileValue::Weight, b"2147483648").is_err());
        assert!(judge(FileValue::Percent, b"10001").is_err());
        assert_eq!(judge(FileValue::Weight, &[b'0'; 65]), Err(FileError::Long));
    }
}
