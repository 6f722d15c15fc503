//! Regular expressions over what servers send.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use regex::bytes::{Regex, RegexBuilder};

/// The most memory that one compiled expression may take, in bytes.
const COMPILED_LIMIT: usize = 1 << 20;
/// The most memory that one search may take, in bytes.
const SEARCH_LIMIT: usize = 256 << 10;
/// An expression that takes no more memory than this when it is compiled, in bytes, ...
const LIGHT: usize = 16 << 10;
/// ... is searched for in so many bytes within a few milliseconds.
const SHORT: usize = 4 << 10;

/// A regular expression over bytes, in the syntax of the `regex` crate: no look-around and no back
/// references, and therefore a search in a time linear to the text.
///
/// Equal expressions share their compiled form as long as one of them lives.
#[derive(Clone)]
pub struct Pattern(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    regex: Regex,
    is_light: bool,
}

/// Why a text is no [`Pattern`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is no regular expression.
    #[error("{0}")]
    Syntax(String),
    /// It is one, but too large a one.
    #[error("compiled, it takes more than {COMPILED_LIMIT} bytes")]
    TooLarge,
}

/// The expressions in use, by their texts.
type Pool = HashMap<String, Weak<Compiled>, BuildHasherDefault<DefaultHasher>>;

static POOL: Mutex<Pool> = Mutex::new(HashMap::with_hasher(BuildHasherDefault::new()));

impl Pattern {
    /// Compiles `text`, or finds it compiled already.
    ///
    /// # Errors
    /// When it is no regular expression, or one that takes too much memory.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = pool.get(text).and_then(Weak::upgrade) {
            return Ok(Self(known));
        }
        let compile =
            |limit| RegexBuilder::new(text).size_limit(limit).dfa_size_limit(SEARCH_LIMIT).build();
        let regex = compile(COMPILED_LIMIT).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => PatternError::TooLarge,
            error => PatternError::Syntax(last_line(&error.to_string())),
        })?;
        let compiled = Arc::new(Compiled { regex, is_light: compile(LIGHT).is_ok() });
        if pool.len() == pool.capacity() {
            pool.retain(|_, known| known.strong_count() > 0);
        }
        pool.insert(text.to_owned(), Arc::downgrade(&compiled));
        Ok(Self(compiled))
    }

    /// The expression.
    pub fn as_str(&self) -> &str {
        self.0.regex.as_str()
    }

    /// Whether some part of `bytes` matches.
    pub fn is_match(&self, bytes: &[u8]) -> bool {
        self.0.regex.is_match(bytes)
    }

    /// Whether [`Self::is_match`] takes a few milliseconds at most for this many bytes. It takes at
    /// the worst a time that grows with the bytes and with the compiled size: seconds for a
    /// megabyte and `a.{1000}b`.
    pub fn is_quick(&self, length: usize) -> bool {
        self.0.is_light && length <= SHORT
    }
}

/// The lines before the last draw the place in the expression.
fn last_line(text: &str) -> String {
    let line = text.lines().next_back().unwrap_or(text);
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.as_str())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pattern {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_patterns_are_compiled_once_and_forgotten_when_unused() {
        let first = Pattern::new("^once$").unwrap();
        let second = Pattern::new("^once$").unwrap();
        assert!(Arc::ptr_eq(&first.0, &second.0));
        let weak = Arc::downgrade(&first.0);
        drop((first, second));
        assert!(weak.upgrade().is_none());
        assert!(Pattern::new("^once$").unwrap().is_match(b"once"));
    }

    #[test]
    fn bytes_that_are_no_text_are_searched_too() {
        assert!(Pattern::new("ok").unwrap().is_match(b"\xff\0ok\xfe"));
        assert!(Pattern::new(r"(?-u)^\xff").unwrap().is_match(b"\xff\0"));
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_its_reason() {
        assert_eq!(
            Pattern::new("a(b").unwrap_err(),
            PatternError::Syntax("unclosed group".to_owned())
        );
        assert_eq!(Pattern::new(r"\w{1000}{100}").unwrap_err(), PatternError::TooLarge);
    }

    #[test]
    fn what_may_take_long_is_told_by_its_sizes() {
        for (text, length, is_quick) in [
            ("ready", SHORT, true),
            ("ready", SHORT + 1, false),
            (r"\d+ of \d+", 0, true),
            ("a.{1000}b", 0, false),
            ("(?s-u)a.{5000}b", 0, false),
        ] {
            assert_eq!(Pattern::new(text).unwrap().is_quick(length), is_quick, "{text} {length}");
        }
    }
}
