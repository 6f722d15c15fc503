//! Times and thresholds of a check.

use std::time::Duration;

use checkers::Timing;

use crate::error::Finding;
use crate::leaf;
use crate::reader::{Table, Value};

const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(86_400);

/// Reads the keys beside the check's kind.
pub(super) fn timing(t: &mut Table<'_>) -> Option<Timing> {
    let default = Timing::default();
    let interval = t.or("interval", default.interval, leaf::duration(SHORTEST..=LONGEST));
    let timeout = t.optional("timeout", leaf::duration(SHORTEST..=LONGEST));
    let count = |value: Value<'_>| value.integer(1..=i64::from(u32::MAX), "");
    let rise = t.or("rise", default.rise, count);
    let fall = t.or("fall", default.fall, count);
    let percent = |value: Value<'_>| value.integer(0..=50, ", in per cent of the interval");
    let jitter_percent = t.or("jitter", default.jitter_percent, percent);

    let interval = interval?;
    if let Some(timeout) = timeout.filter(|timeout| timeout.value > interval.value) {
        let (long, short) = (timeout.value, interval.value);
        let (long, short) = (leaf::show_duration(long), leaf::show_duration(short));
        let message = format!("a timeout of {long} is longer than the interval of {short}");
        let finding = Finding::new(timeout.place, message, "longer than the interval");
        let help =
            "a run ends before the next one starts: shorten `timeout` or lengthen `interval`";
        t.report.add(finding.related(interval.place, "the interval").help(help));
    }
    Some(Timing {
        interval: interval.value,
        timeout: timeout
            .map_or_else(|| default.timeout.min(interval.value), |timeout| timeout.value),
        rise: rise?.value,
        fall: fall?.value,
        jitter_percent: jitter_percent?.value,
    })
}
