//! When a check is done, and how its results count.

use std::time::Duration;

/// Times and thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timing {
    /// From the start of one run to the start of the next. keepalived: `delay_loop`.
    pub interval: Duration,
    /// The same while the verdict is about to change or not sure yet; `None`: as ever. keepalived:
    /// `delay_before_retry`; HAProxy: `fastinter`.
    pub fast_interval: Option<Duration>,
    /// The same while the server is down and does not answer; `None`: as ever. HAProxy:
    /// `downinter`.
    pub down_interval: Option<Duration>,
    /// A run that takes longer has failed. keepalived: `connect_timeout`, `misc_timeout`.
    pub timeout: Duration,
    /// So many successes in a row bring a server up; at least 1.
    pub rise: u32,
    /// So many failures in a row take it down; at least 1. keepalived: `retry` + 1.
    pub fall: u32,
    /// Each run starts up to this share of the interval earlier or later: 0 to 50 per cent.
    pub jitter_percent: u8,
    /// What a server counts as before its first results.
    pub initial: Initial,
    /// What becomes of a server that goes up and down all the time; `None`: nothing.
    pub damping: Option<Damping>,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(2),
            fast_interval: None,
            down_interval: None,
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
            jitter_percent: 5,
            initial: Initial::Adopt,
            damping: None,
        }
    }
}

/// What a server counts as before its first results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Initial {
    /// Whoever is in service stays; of anyone else the first result decides.
    #[default]
    Adopt,
    /// Up. keepalived: a checker without `alpha`.
    Up,
    /// Down, even if it is in service. keepalived: `alpha`.
    Down,
}

/// A server that falls too often is held down for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Damping {
    /// So many falls...
    pub falls: u32,
    /// ... within this time...
    pub within: Duration,
    /// ... and the server stays down for this time at least, from the last fall on.
    pub hold: Duration,
}
