//! How late probes start: the share of each lateness over the last one to two minutes. Pure.

use std::time::{Duration, Instant};

/// So long results are gathered before the older ones are forgotten.
const WINDOW: Duration = Duration::from_secs(60);
/// Each power of two has so many buckets, as a power of two: a value is known to within an eighth.
const BITS: u32 = 3;
/// Up to 2^36 microseconds, which is 19 hours.
const BUCKETS: usize = (37 - BITS as usize) << BITS;

/// What there is to know of the starts of the last one to two minutes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lateness {
    /// How many probes started.
    pub starts: u64,
    /// Half of them were at most this late, to within an eighth.
    pub median: Duration,
    /// 99 of 100 were at most this late, to within an eighth.
    pub p99: Duration,
    /// None was later.
    pub longest: Duration,
}

/// Counts of two windows of time.
#[derive(Debug)]
pub(crate) struct Meter {
    since: Instant,
    current: Counts,
    previous: Counts,
}

#[derive(Debug)]
struct Counts {
    buckets: Box<[u32; BUCKETS]>,
    longest: Duration,
}

impl Default for Counts {
    fn default() -> Self {
        Self { buckets: Box::new([0; BUCKETS]), longest: Duration::ZERO }
    }
}

impl Meter {
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, current: Counts::default(), previous: Counts::default() }
    }

    /// A probe started so late; known at `now`.
    pub(crate) fn record(&mut self, late: Duration, now: Instant) {
        self.turn(now);
        let count = &mut self.current.buckets[bucket(late)];
        *count = count.saturating_add(1);
        self.current.longest = self.current.longest.max(late);
    }

    pub(crate) fn summary(&mut self, now: Instant) -> Lateness {
        self.turn(now);
        let both = || self.current.buckets.iter().zip(self.previous.buckets.iter());
        let counts = || both().map(|(&new, &old)| u64::from(new) + u64::from(old));
        let starts: u64 = counts().sum();
        let at_most = |share: u64| {
            let wanted = (starts * share).div_ceil(100);
            let mut seen = 0;
            let found = counts().position(|count| {
                seen += count;
                seen >= wanted && wanted > 0
            });
            found.map_or(Duration::ZERO, highest)
        };
        let longest = self.current.longest.max(self.previous.longest);
        Lateness {
            starts,
            median: at_most(50).min(longest),
            p99: at_most(99).min(longest),
            longest,
        }
    }

    fn turn(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.since);
        if age >= WINDOW {
            self.previous = std::mem::take(&mut self.current);
            self.since = now;
        }
        if age >= 2 * WINDOW {
            self.previous = Counts::default();
        }
    }
}

/// The bucket of a lateness: exact up to 2^BITS microseconds, then an eighth of a power of two.
fn bucket(late: Duration) -> usize {
    let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
    let power = (micros >> BITS).checked_ilog2().map_or(0, |power| power + 1);
    let shift = power.saturating_sub(1);
    let within = micros >> shift;
    let base = u64::from(shift) << BITS;
    usize::try_from(base + within).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

/// The longest lateness in a bucket.
fn highest(bucket: usize) -> Duration {
    let exact = 1 << BITS;
    let (shift, within) = match bucket.checked_sub(exact) {
        Some(above) => (above / exact, above % exact + exact),
        None => (0, bucket),
    };
    let next = (u64::try_from(within).unwrap_or(u64::MAX) + 1) << shift;
    Duration::from_micros(next - 1)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an instant to count from")]
mod tests {
    use super::*;

    fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    /// Buckets follow one another without a gap, and none is wider than an eighth of its values.
    #[test]
    fn buckets_are_narrow_and_have_no_gaps() {
        let mut last = 0;
        for value in (0..5000).chain((5000..3_600_000_000).step_by(999_983)) {
            let found = bucket(micros(value));
            assert!(found >= last, "{value}");
            last = found;
            let top = u64::try_from(highest(found).as_micros()).unwrap();
            assert!(top >= value && top - value <= value / 8, "{value}: up to {top}");
            assert!(found == 0 || highest(found - 1) < micros(value), "{value}");
        }
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn median_and_p99_are_those_of_the_starts() {
        let now = Instant::now();
        let mut meter = Meter::new(now);
        assert_eq!(meter.summary(now), Lateness::default());
        for value in 1..=1000 {
            meter.record(micros(value * 100), now);
        }
        let summary = meter.summary(now);
        assert_eq!((summary.starts, summary.longest), (1000, micros(100_000)));
        assert!((micros(50_000)..micros(56_250)).contains(&summary.median), "{summary:?}");
        assert!((micros(99_000)..=micros(100_000)).contains(&summary.p99), "{summary:?}");
    }

    #[test]
    fn what_is_older_than_two_minutes_is_forgotten() {
        let t0 = Instant::now();
        let mut meter = Meter::new(t0);
        meter.record(micros(7), t0);
        let at = |seconds| t0 + Duration::from_secs(seconds);
        meter.record(micros(8), at(60));
        assert_eq!(meter.summary(at(119)).starts, 2);
        assert_eq!(meter.summary(at(120)).starts, 1);
        assert_eq!(meter.summary(at(120)).longest, micros(8));
        meter.record(micros(8), at(130));
        assert_eq!(meter.summary(at(400)), Lateness::default());
    }
}
