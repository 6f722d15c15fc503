//! A configuration file's text, and places in it.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Line and column, both counted from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Character within the line.
    pub column: usize,
}

/// `LINE:COLUMN`.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A configuration file with its text.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// Its path, as errors name it.
    pub path: PathBuf,
    /// The text, which may hold passwords.
    pub text: String,
}

/// The text may hold passwords.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Source {
    /// Where the byte `offset` is; past the end counts as the end.
    pub(crate) fn position(&self, offset: usize) -> Position {
        position(self.text.as_bytes(), offset)
    }

    /// The part of `place` that is on its first line: what a caret can point at.
    pub(crate) fn first_line(&self, place: Place) -> Place {
        let piece = self.text.get(place.start..place.end).unwrap_or_default();
        let line = piece.split(['\r', '\n']).next().unwrap_or_default();
        Place { end: place.start + line.len(), ..place }
    }

    /// The whole lines that `range` is on.
    pub(crate) fn lines_around(&self, range: Range<usize>) -> Range<usize> {
        let text = self.text.as_bytes();
        let before = text.get(..range.start).unwrap_or(text);
        let after = text.get(range.end..).unwrap_or_default();
        let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        let end = after
            .iter()
            .position(|&byte| byte == b'\n')
            .map_or(text.len(), |newline| range.end + newline + 1);
        start..end
    }

    /// The directory that relative patterns start from.
    pub(crate) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or_else(|| Path::new(""))
    }
}

/// Where the byte `offset` of `text` is. Characters are counted by their first bytes, so that the
/// text need not be valid UTF-8 after `offset`.
pub(crate) fn position(text: &[u8], offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |newline| newline + 1);
    let is_first_byte = |b: &&u8| **b & 0xc0 != 0x80;
    Position {
        line: before.iter().filter(|&&b| b == b'\n').count() + 1,
        column: before.iter().skip(line_start).filter(is_first_byte).count() + 1,
    }
}

/// A range of bytes in one of the files that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Index among the files, in the order of reading.
    pub(crate) file: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Place {
    pub(crate) fn new(file: usize, span: Range<usize>) -> Self {
        Self { file, start: span.start, end: span.end }
    }
}

/// A value with its place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_not_bytes() {
        let source = Source { path: PathBuf::new(), text: "a\nb\u{e4}\u{20ac}c\n".to_owned() };
        // Line 2: `b` is byte 2, `ä` bytes 3 and 4, `€` bytes 5 to 7, `c` byte 8.
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.position(2), Position { line: 2, column: 1 });
        assert_eq!(source.position(8), Position { line: 2, column: 4 });
        assert_eq!(source.position(1000), Position { line: 3, column: 1 });
    }
}
