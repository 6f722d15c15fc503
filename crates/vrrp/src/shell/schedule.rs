//! When each instance's timer is due.

use std::collections::BTreeSet;
use std::time::Instant;

/// The instances, by number, in the order in which their timers are due: with hundreds of them,
/// only those are looked at that have something to do.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    of: Vec<Option<Instant>>,
    order: BTreeSet<(Instant, usize)>,
}

impl Schedule {
    /// The instance is due then, or never.
    pub(super) fn set(&mut self, at: usize, due: Option<Instant>) {
        if self.of.len() <= at {
            self.of.resize(at + 1, None);
        }
        let before = std::mem::replace(&mut self.of[at], due);
        if before == due {
            return;
        }
        if let Some(before) = before {
            self.order.remove(&(before, at));
        }
        if let Some(due) = due {
            self.order.insert((due, at));
        }
    }

    /// Forgets everything: the instances have other numbers.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// When the first one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(due, _)| *due)
    }

    /// The instances that are due at `now`, the earliest first.
    pub(super) fn due(&self, now: Instant) -> Vec<usize> {
        self.order.range(..=(now, usize::MAX)).map(|(_, at)| *at).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn instances_are_due_in_the_order_of_their_timers() {
        let start = Instant::now();
        let after = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut schedule = Schedule::default();
        assert_eq!(schedule.next(), None);
        schedule.set(2, Some(after(30)));
        schedule.set(0, Some(after(10)));
        schedule.set(1, Some(after(20)));
        assert_eq!(schedule.next(), Some(after(10)));
        assert_eq!(schedule.due(after(9)), []);
        assert_eq!(schedule.due(after(20)), [0, 1]);
        schedule.set(0, Some(after(40)));
        schedule.set(1, None);
        assert_eq!(schedule.due(after(40)), [2, 0]);
        schedule.clear();
        assert_eq!((schedule.next(), schedule.due(after(99))), (None, vec![]));
    }
}
