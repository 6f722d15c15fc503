//! What the content of an answer has to be like.

use std::fmt;

use super::Pattern;

/// What the body of an answer has to be like. An answer passes when it meets all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expectation {
    /// This text is somewhere in it.
    Contains(String),
    /// This text is nowhere in it.
    ContainsNot(String),
    /// Some part of it matches. keepalived: `regex`.
    Matches(Pattern),
    /// No part of it matches. keepalived: `regex` with `regex_no_match`.
    MatchesNot(Pattern),
    /// All of it has this digest. keepalived: `digest`.
    Digest(Digest),
}

/// A digest of a body.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Digest {
    /// RFC 1321; as `md5sum` and keepalived's `genhash` write it.
    Md5([u8; 16]),
    /// FIPS 180-4; as `sha256sum` writes it.
    Sha256([u8; 32]),
}

impl Digest {
    /// Its name as the configuration writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5(_) => "md5",
            Self::Sha256(_) => "sha256",
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: &[u8] = match self {
            Self::Md5(bytes) => bytes,
            Self::Sha256(bytes) => bytes,
        };
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{self}", self.name())
    }
}
