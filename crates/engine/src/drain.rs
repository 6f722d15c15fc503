//! Real servers that leave: how many connections they still have, and when they have left.

use std::time::{Duration, Instant};

use config::{Drain, DrainPolicy};
use ipvs::{DestinationKey, ServiceKey};

use crate::standing::StandingDestination;

/// While a server drains, the table is read this often.
pub(crate) const LOOK: Duration = Duration::from_secs(1);

/// How far it is before the first look.
pub(crate) const UNCOUNTED: &str = "its connections are being counted";

/// A destination that drains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Draining {
    /// At the latest then it is taken out.
    pub(crate) deadline: Instant,
    /// What is waited for.
    pub(crate) policy: Drain,
    /// Connections that are waited for; `None` before the first look.
    pub(crate) left: Option<u64>,
    /// It has left, once and for all: with so many connections cut.
    pub(crate) done: Option<u64>,
}

impl Draining {
    pub(crate) fn new(deadline: Instant, policy: Drain) -> Self {
        Self { deadline, policy, left: None, done: None }
    }

    /// Looks at the kernel's entry.
    pub(crate) fn look(&mut self, found: Option<&StandingDestination>, now: Instant) {
        if self.done.is_some() {
            return;
        }
        let left = found.map_or(0, |found| {
            let counted = |policy, count| match policy {
                DrainPolicy::Wait => u64::from(count),
                DrainPolicy::Ignore => 0,
            };
            u64::from(found.active)
                + counted(self.policy.udp, found.inactive)
                + counted(self.policy.persistent, found.persistent)
        });
        self.left = Some(left);
        if left == 0 || now >= self.deadline {
            self.done = Some(left);
        }
    }

    /// How far it is, in words.
    pub(crate) fn words(&self, now: Instant) -> String {
        match (self.done, self.left) {
            (Some(cut), _) => done_words(cut),
            (None, None) => UNCOUNTED.to_owned(),
            (None, Some(left)) => {
                let rest = self.deadline.saturating_duration_since(now).as_secs();
                let rest = humantime::format_duration(Duration::from_secs(rest));
                format!("{left} connections left, at most {rest} more")
            }
        }
    }
}

/// Of a server that leaves, in words, with the number of connections that are cut.
pub(crate) fn done_words(cut: u64) -> String {
    match cut {
        0 => "no connections left".to_owned(),
        cut => format!("deadline reached with {cut} connections left"),
    }
}

/// A destination that no file defines any more and that has not left yet. It is kept across
/// restarts.
///
/// It takes new connections until a server of the definitions serves in its place, if one may come;
/// in a service that is no longer defined either it takes none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// Name of the virtual server that the service belongs to, or last belonged to.
    pub virtual_server: String,
    /// The service.
    pub service: ServiceKey,
    /// The destination.
    pub destination: DestinationKey,
    /// At the latest then it is taken out, unless its service waits for another server.
    pub deadline: Instant,
    /// What is waited for.
    pub policy: Drain,
}
