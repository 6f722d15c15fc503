//! What is checked, how, and how often. Plain data that compares, so that the same check of the
//! same server is one monitor, whoever asks for it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

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
    /// Name of the kind as the configuration writes it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "tcp_check",
            Self::Http(_) => "http_get",
            Self::Misc(_) => "misc_check",
        }
    }
}

/// How a probe's connection is made. The default goes to the real server's own address and port
/// from whatever address the route gives.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Connect {
    /// Another address than the server's. keepalived: `connect_ip`.
    pub address: Option<IpAddr>,
    /// Another port than the server's. keepalived: `connect_port`.
    pub port: Option<u16>,
    /// Source address. keepalived: `bindto`.
    pub source: Option<IpAddr>,
    /// Interface to leave through (`SO_BINDTODEVICE`). keepalived: `bind_if`.
    pub interface: Option<String>,
    /// Mark of the packets (`SO_MARK`). keepalived: `fwmark`.
    pub mark: Option<u32>,
}

impl Connect {
    /// Where a probe of `target` connects to.
    pub fn destination(&self, target: SocketAddr) -> SocketAddr {
        SocketAddr::new(
            self.address.unwrap_or_else(|| target.ip()),
            self.port.unwrap_or_else(|| target.port()),
        )
    }
}

/// `tcp_check`: passes when the connection is made.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TcpCheck {
    /// How the connection is made.
    pub connect: Connect,
}

/// `http_get`: passes when the answer's status is in one of the ranges. Redirects are answers,
/// never followed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HttpGet {
    /// How the connection is made.
    pub connect: Connect,
    /// HTTPS settings; `None` is plain HTTP.
    pub tls: Option<Tls>,
    /// Path and query, starting with `/`.
    pub path: String,
    /// `Host`; the default is the address and port connected to. keepalived: `virtualhost`.
    pub host: Option<String>,
    /// Additional request headers.
    pub headers: Vec<Header>,
    /// Passing statuses; never empty. keepalived: `status_code`.
    pub status: Vec<StatusRange>,
}

/// A request header.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Header {
    /// Name; valid as an HTTP token.
    pub name: String,
    /// Value; visible ASCII and blanks.
    pub value: String,
}

/// HTTPS settings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tls {
    /// Whether the certificate must be valid for the name and signed by a known authority.
    pub verify: bool,
    /// Name sent as SNI and expected in the certificate; the default is `host` without its port,
    /// or the address.
    pub server_name: Option<String>,
    /// PEM file of the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// An inclusive range of HTTP statuses, 100 to 599.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StatusRange {
    /// First passing status.
    pub first: u16,
    /// Last passing status.
    pub last: u16,
}

impl StatusRange {
    /// 200 to 299.
    pub const SUCCESS: Self = Self { first: 200, last: 299 };

    /// Whether `status` is in the range.
    pub fn contains(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// `misc_check`: passes when the program exits with status 0. At the timeout its whole process
/// group is killed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MiscCheck {
    /// Program (an absolute path) and its arguments; no shell is involved.
    pub command: Vec<String>,
    /// User to run as; the default is `nobody`. Never root unless written here.
    pub user: Option<String>,
}
