//! `http_get`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Connect, Tls};

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
