//! What a master holds, and is not there.
//!
//! An address, route or rule that cannot be added ends no role while there are others: they may
//! serve without it. It is said, shown, and tried again.

use std::time::{Duration, Instant};

use super::worker::Worker;

/// From the first news of a change until it is looked what is missing: whoever deletes one route
/// deletes more.
const SETTLE: Duration = Duration::from_millis(20);

/// After one was refused, until it is tried again.
pub(super) const RETRY: Duration = Duration::from_secs(5);

impl Worker {
    /// One was added, or is not wanted any more.
    pub(super) fn is_not_refused(&mut self, at: usize, words: &str) {
        self.runners[at].refused.remove(words);
    }

    /// One was refused.
    pub(super) fn is_refused(&mut self, at: usize, words: String, error: String) {
        let before = self.runners[at].refused.insert(words, error.clone());
        if before.as_ref() != Some(&error) {
            self.trouble(at, error);
        }
        self.restore_before(Instant::now() + RETRY);
    }

    /// Something has changed that what they hold depends on.
    pub(super) fn restore_soon(&mut self) {
        self.restore_before(Instant::now() + SETTLE);
    }

    /// Looks what is missing, at the latest then.
    pub(super) fn restore_before(&mut self, at: Instant) {
        self.restore_at = Some(self.restore_at.map_or(at, |before| before.min(at)));
    }

    /// What is missing comes back.
    pub(super) fn restore(&mut self) {
        self.restore_at = None;
        self.restore_addresses();
        self.restore_routing();
    }
}
