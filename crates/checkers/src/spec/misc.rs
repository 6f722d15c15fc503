//! `misc_check`.

use std::path::PathBuf;

/// `misc_check`: passes when the program exits with status 0. At the timeout its whole process
/// group is killed.
///
/// The program is told for whom it runs: `LVSD_VIRTUAL_SERVER`, `LVSD_SERVER`, `LVSD_PORT`,
/// `LVSD_WEIGHT` (the configured one) and `LVSD_STATE` (`up`, `down` or `unknown`) are its
/// environment. So two virtual servers that have the same program for the same server run it twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MiscCheck {
    /// Program (an absolute path) and its arguments; no shell is involved.
    pub command: Vec<String>,
    /// User to run as; the default is `nobody`. Never root unless written here.
    pub user: Option<String>,
    /// Group to run as; the default is the user's.
    pub group: Option<String>,
    /// Working directory; the default is `/`.
    pub directory: Option<PathBuf>,
    /// Exit statuses from 2 on pass and ask for the weight that is 2 less; 0 leaves the weight as
    /// it is, 1 fails. keepalived: `misc_dynamic`.
    pub dynamic_weight: bool,
    /// Name of the virtual server, for `LVSD_VIRTUAL_SERVER`.
    pub virtual_server: String,
    /// Configured weight of the server, for `LVSD_WEIGHT`.
    pub weight: u32,
}
