//! `tcp_check`.

use serde::{Deserialize, Serialize};

use super::Connect;

/// `tcp_check`: passes when the connection is made.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TcpCheck {
    /// How the connection is made.
    pub connect: Connect,
}
