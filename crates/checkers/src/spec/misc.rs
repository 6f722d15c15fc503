//! `misc_check`.

use serde::{Deserialize, Serialize};

/// `misc_check`: passes when the program exits with status 0. At the timeout its whole process
/// group is killed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MiscCheck {
    /// Program (an absolute path) and its arguments; no shell is involved.
    pub command: Vec<String>,
    /// User to run as; the default is `nobody`. Never root unless written here.
    pub user: Option<String>,
}
