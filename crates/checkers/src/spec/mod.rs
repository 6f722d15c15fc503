//! What is checked, how, and how often. Plain data that compares, so that the same check of the
//! same server is one monitor, whoever asks for it.

mod connect;
mod http;
mod misc;
mod tcp;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use connect::Connect;
pub use http::{Header, HttpGet, StatusRange};
pub use misc::MiscCheck;
pub use tcp::TcpCheck;
pub use tls::Tls;

/// One check of one real server. Equal monitors are the same monitor: they run once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Monitor {
    /// The real server.
    pub target: SocketAddr,
    /// The check.
    pub check: Check,
}

/// A check: what is done, and the rules by which results become a verdict.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Check {
    /// What is done.
    pub kind: Kind,
    /// When it is done and how its results count.
    pub timing: Timing,
}

/// Times and thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timing {
    /// From the start of one run to the start of the next. keepalived: `delay_loop`.
    pub interval: Duration,
    /// A run that takes longer has failed. keepalived: `connect_timeout`, `misc_timeout`.
    pub timeout: Duration,
    /// So many successes in a row bring a server up; at least 1.
    pub rise: u32,
    /// So many failures in a row take it down; at least 1. keepalived: `retry` + 1.
    pub fall: u32,
    /// Each run starts up to this share of the interval earlier or later: 0 to 50 per cent.
    pub jitter_percent: u8,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
            jitter_percent: 5,
        }
    }
}

/// The kinds of check.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A TCP connection is made. keepalived: `TCP_CHECK`.
    Tcp(TcpCheck),
    /// An HTTP request is answered as expected. keepalived: `HTTP_GET`, `SSL_GET`.
    Http(HttpGet),
    /// A program exits with status 0. keepalived: `MISC_CHECK`.
    Misc(MiscCheck),
}

impl Kind {
    /// How its connection is made, if it makes one.
    pub fn connect(&self) -> Option<&Connect> {
        match self {
            Self::Tcp(check) => Some(&check.connect),
            Self::Http(check) => Some(&check.connect),
            Self::Misc(_) => None,
        }
    }

    /// Name of the kind as the configuration writes it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "tcp_check",
            Self::Http(_) => "http_get",
            Self::Misc(_) => "misc_check",
        }
    }
}
