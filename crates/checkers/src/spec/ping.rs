//! `ping_check`.

use std::time::Duration;

use super::Connect;

/// `ping_check`: passes when enough ICMP echo requests are answered, soon enough. An ICMP error
/// fails at once. keepalived: `PING_CHECK`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PingCheck {
    /// How the socket is opened; the port does not matter.
    pub connect: Connect,
    /// So many requests are sent in one run; at least 1.
    pub count: u16,
    /// From one request to the next.
    pub spacing: Duration,
    /// So many per cent of them may stay unanswered until the timeout: 0 to 99.
    pub max_loss: u8,
    /// The mean of the round trips may be this long.
    pub max_latency: Option<Duration>,
}

impl Default for PingCheck {
    fn default() -> Self {
        Self {
            connect: Connect::default(),
            count: 1,
            spacing: Duration::from_millis(100),
            max_loss: 0,
            max_latency: None,
        }
    }
}
