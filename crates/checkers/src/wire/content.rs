//! Judges the content of an answer, of which no more is kept than is looked at.

use md5::Md5;
use memchr::memmem;
use sha2::{Digest as _, Sha256};

use super::excerpt;
use crate::outcome::{Cause, Failure};
use crate::spec::{Digest, Expectation};

/// What was received of a body.
#[derive(Debug)]
pub struct Received {
    /// For texts and patterns; empty if there are none.
    kept: Option<Vec<u8>>,
    md5: Option<Md5>,
    sha256: Option<Sha256>,
    size: usize,
    limit: usize,
    /// Whether the body went on after the limit.
    cut: bool,
}

impl Received {
    /// Nothing received yet. At most `limit` bytes will be looked at.
    pub fn new(expectations: &[Expectation], limit: u32) -> Self {
        let mut received = Self {
            kept: None,
            md5: None,
            sha256: None,
            size: 0,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            cut: false,
        };
        for expectation in expectations {
            match expectation {
                Expectation::Digest(Digest::Md5(_)) => received.md5 = Some(Md5::new()),
                Expectation::Digest(Digest::Sha256(_)) => received.sha256 = Some(Sha256::new()),
                Expectation::Contains(_)
                | Expectation::ContainsNot(_)
                | Expectation::Matches(_)
                | Expectation::MatchesNot(_) => received.kept = Some(Vec::new()),
            }
        }
        received
    }

    /// Takes the next bytes, as far as the limit allows.
    pub fn add(&mut self, data: &[u8]) -> &mut Self {
        let room = self.limit - self.size;
        self.cut |= data.len() > room;
        let data = data.get(..room).unwrap_or(data);
        self.size += data.len();
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(data);
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(data);
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(data);
        }
        self
    }

    /// Whether there was more than the limit allows.
    pub fn is_full(&self) -> bool {
        self.cut
    }

    /// Whether [`Self::judge`] takes a few milliseconds at most.
    pub fn is_quick(&self, expectations: &[Expectation]) -> bool {
        let length = self.kept.as_ref().map_or(0, Vec::len);
        expectations.iter().all(|expectation| match expectation {
            Expectation::Matches(pattern) | Expectation::MatchesNot(pattern) => {
                pattern.is_quick(length)
            }
            Expectation::Contains(_) | Expectation::ContainsNot(_) | Expectation::Digest(_) => true,
        })
    }

    /// Judges what was received. What can only be said of a whole body fails a longer one.
    ///
    /// # Errors
    /// When it does not meet one of the expectations.
    pub fn judge(self, expectations: &[Expectation]) -> Result<(), Failure> {
        let kept = self.kept.as_deref().unwrap_or_default();
        let md5 = self.md5.map(|md5| md5.finalize().into());
        let sha256 = self.sha256.map(|sha256| sha256.finalize().into());
        for expectation in expectations {
            let (passed, whole, text) = match expectation {
                Expectation::Contains(text) => (
                    memmem::find(kept, text.as_bytes()).is_some(),
                    false,
                    format!("the body does not contain {text:?}"),
                ),
                Expectation::ContainsNot(text) => (
                    memmem::find(kept, text.as_bytes()).is_none(),
                    true,
                    format!("the body contains {text:?}"),
                ),
                Expectation::Matches(pattern) => {
                    (pattern.is_match(kept), false, format!("the body does not match `{pattern}`"))
                }
                Expectation::MatchesNot(pattern) => {
                    (!pattern.is_match(kept), true, format!("the body matches `{pattern}`"))
                }
                Expectation::Digest(wanted) => {
                    let found = match wanted {
                        Digest::Md5(_) => md5.map(Digest::Md5),
                        Digest::Sha256(_) => sha256.map(Digest::Sha256),
                    };
                    let text = found.map_or_else(String::new, |found| {
                        format!("the {} of the body is {found}, not {wanted}", wanted.name())
                    });
                    (self.cut || found == Some(*wanted), true, text)
                }
            };
            if !passed {
                let start = if kept.is_empty() { "" } else { "; it starts with " };
                let shown = if kept.is_empty() { String::new() } else { excerpt(kept) };
                let searched = if self.cut && !whole {
                    format!(" in its first {} bytes", self.limit)
                } else {
                    String::new()
                };
                return Err(Failure::new(
                    Cause::Content,
                    format!("{text}{searched}{start}{shown}"),
                ));
            }
            if whole && self.cut {
                let text = format!("the body is longer than body_limit, {} bytes", self.limit);
                return Err(Failure::new(Cause::Content, text));
            }
        }
        Ok(())
    }
}
