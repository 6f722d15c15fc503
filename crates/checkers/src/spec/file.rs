//! `file_check`.

use std::path::PathBuf;

/// `file_check`: a number in a file of this machine. What is not there, cannot be read or is no
/// such number is local trouble, which changes nothing. keepalived: `FILE_CHECK`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileCheck {
    /// The file; a regular one.
    pub path: PathBuf,
    /// What the number in it means.
    pub value: FileValue,
}

/// What the number in a file means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileValue {
    /// The weight of the server, 0 to 2147483647; passes.
    Weight,
    /// A share of its configured weight in per cent, 0 to 10000; passes.
    Percent,
    /// 0 passes, any other number fails. keepalived: weight 0.
    Verdict,
}
