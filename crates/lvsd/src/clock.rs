//! Monotonic moments for the operator's eye and for the state files, which outlive the monotonic
//! clock. Decisions never use the wall clock.

use std::time::{Duration, Instant, SystemTime};

/// How long ago `moment` was, and what the wall clock would have shown then.
pub(crate) fn since(moment: Instant) -> api::Since {
    api::Since {
        seconds_ago: moment.elapsed().as_secs(),
        at: humantime::format_rfc3339_seconds(to_wall(moment)).to_string(),
    }
}

/// How long it is until `moment`, and what the wall clock will show then.
pub(crate) fn until(moment: Instant) -> api::Until {
    api::Until {
        seconds_left: moment.saturating_duration_since(Instant::now()).as_secs(),
        at: humantime::format_rfc3339_seconds(to_wall(moment)).to_string(),
    }
}

/// The wall clock's time of a moment, past or to come.
pub(crate) fn to_wall(moment: Instant) -> SystemTime {
    let (now, wall) = (Instant::now(), SystemTime::now());
    let moved =
        if moment >= now { wall.checked_add(moment - now) } else { wall.checked_sub(now - moment) };
    moved.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The moment of a wall clock's time. One that is too long ago for the monotonic clock is now.
pub(crate) fn from_wall(time: SystemTime) -> Instant {
    let (now, wall) = (Instant::now(), SystemTime::now());
    match time.duration_since(wall) {
        Ok(ahead) => now.checked_add(ahead.min(Duration::from_secs(u64::from(u32::MAX)))),
        Err(behind) => now.checked_sub(behind.duration()),
    }
    .unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_survives_the_way_there_and_back() {
        let now = Instant::now();
        for moment in [now, now + Duration::from_secs(600)] {
            let back = from_wall(to_wall(moment));
            let error = back.max(moment) - back.min(moment);
            assert!(error < Duration::from_secs(5), "{error:?}");
        }
        assert!(from_wall(SystemTime::UNIX_EPOCH) <= Instant::now());
    }
}
