//! Monotonic moments for the operator's eye. Decisions never use the wall clock.

use std::time::{Instant, SystemTime};

/// How long ago `moment` was, and what the wall clock would have shown then.
pub(crate) fn since(moment: Instant) -> api::Since {
    let ago = moment.elapsed();
    let at = SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH);
    api::Since { seconds_ago: ago.as_secs(), at: humantime::format_rfc3339_seconds(at).to_string() }
}
