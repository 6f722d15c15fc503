//! Bytes with wildcards.

use std::fmt;
use std::str::FromStr;

/// Bytes of which single half bytes may be anything, written in hexadecimal with `?` for those:
/// `00 4? ??`. keepalived: the pattern of `require_reply`, with `X`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HexPattern(Vec<MaskedByte>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct MaskedByte {
    /// The bits that count.
    mask: u8,
    /// What they have to be; the others are 0.
    value: u8,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HexPatternError {
    /// A character that is neither a hexadecimal digit, nor `?`, nor a blank or `:` between bytes.
    #[error("`{0}` is no hexadecimal digit")]
    Digit(char),
    /// A byte of one digit.
    #[error("a byte has two digits")]
    HalfByte,
}

impl HexPattern {
    /// Whether `bytes` begin with this pattern.
    pub fn begins(&self, bytes: &[u8]) -> bool {
        bytes.len() >= self.0.len()
            && self.0.iter().zip(bytes).all(|(byte, found)| found & byte.mask == byte.value)
    }

    /// How many bytes it is about.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no byte in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for HexPattern {
    type Err = HexPatternError;

    fn from_str(text: &str) -> Result<Self, HexPatternError> {
        let mut bytes = Vec::new();
        let mut digits = text.chars().filter(|c| !matches!(c, ' ' | ':'));
        while let Some(high) = digits.next() {
            let low = digits.next().ok_or(HexPatternError::HalfByte)?;
            let (high, low) = (half_byte(high)?, half_byte(low)?);
            bytes.push(MaskedByte {
                mask: high.mask << 4 | low.mask,
                value: high.value << 4 | low.value,
            });
        }
        Ok(Self(bytes))
    }
}

/// The lower half of a byte.
fn half_byte(digit: char) -> Result<MaskedByte, HexPatternError> {
    if digit == '?' {
        return Ok(MaskedByte { mask: 0, value: 0 });
    }
    let value = digit.to_digit(16).and_then(|value| u8::try_from(value).ok());
    value.map(|value| MaskedByte { mask: 0xf, value }).ok_or(HexPatternError::Digit(digit))
}

impl fmt::Display for HexPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            for shift in [4, 0] {
                if byte.mask >> shift & 0xf == 0 {
                    f.write_str("?")?;
                } else {
                    write!(f, "{:x}", byte.value >> shift & 0xf)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HexPattern {
        text.parse().unwrap()
    }

    #[test]
    fn half_bytes_may_be_anything() {
        let pattern = pattern("004? ?f:??");
        for bytes in [&b"\x00\x40\x0f\x00"[..], b"\x00\x4f\xff\xff", b"\x00\x41\x1f\x01more"] {
            assert!(pattern.begins(bytes), "{bytes:02x?}");
        }
        for bytes in [&b""[..], b"\x00\x40\x0f", b"\x01\x40\x0f\x00", b"\x00\x50\x0f\x00"] {
            assert!(!pattern.begins(bytes), "{bytes:02x?}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_named() {
        assert_eq!("0".parse::<HexPattern>(), Err(HexPatternError::HalfByte));
        assert_eq!("0g".parse::<HexPattern>(), Err(HexPatternError::Digit('g')));
        assert_eq!("é1".parse::<HexPattern>(), Err(HexPatternError::Digit('é')));
        assert!(pattern(" ").is_empty());
    }

    #[test]
    fn it_is_shown_as_it_is_written() {
        assert_eq!(pattern("00AF?1??").to_string(), "00 af ?1 ??");
    }
}
