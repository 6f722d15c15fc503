//! Times and thresholds of a check.

use std::time::Duration;

use checkers::{Damping, Initial, Timing};

use crate::error::Finding;
use crate::leaf;
use crate::reader::{Report, Table, Value};
use crate::source::At;

const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(86_400);

const INITIAL: [(&str, Initial); 3] =
    [("adopt", Initial::Adopt), ("up", Initial::Up), ("down", Initial::Down)];

/// Reads the keys beside the check's kind.
pub(super) fn timing(t: &mut Table<'_>) -> Option<Timing> {
    let default = Timing::default();
    let interval = t.or("interval", default.interval, leaf::duration(SHORTEST..=LONGEST));
    let fast_interval = t.optional("fast_interval", leaf::duration(SHORTEST..=LONGEST));
    let down_interval = t.optional("down_interval", leaf::duration(SHORTEST..=LONGEST));
    let timeout = t.optional("timeout", leaf::duration(SHORTEST..=LONGEST));
    let count = |value: Value<'_>| value.integer(1..=i64::from(u32::MAX), "");
    let rise = t.or("rise", default.rise, count);
    let fall = t.or("fall", default.fall, count);
    let percent = |value: Value<'_>| value.integer(0..=50, ", in per cent of the interval");
    let jitter_percent = t.or("jitter", default.jitter_percent, percent);
    let initial = t.or("initial", default.initial, |value| value.choice(&INITIAL));
    let damping = t.optional("flap_damping", damping);

    let interval = interval?;
    timeout_fits(timeout.as_ref(), &interval, t.report);
    if let Some(fast) = fast_interval.as_ref().filter(|fast| fast.value > interval.value) {
        let (long, short) = (fast.value, interval.value);
        let (long, short) = (leaf::show_duration(long), leaf::show_duration(short));
        let message = format!("a fast interval of {long} is longer than the interval of {short}");
        let finding = Finding::new(fast.place, message, "not faster");
        let help = "it is for the runs while the state is changing: shorten it, or remove it";
        t.report.add(finding.related(interval.place, "the interval").help(help));
    }
    let shortest = [&fast_interval, &down_interval].into_iter().flatten().map(|at| at.value);
    let shortest = shortest.chain([interval.value]).min().unwrap_or(interval.value);
    if let (Some(damping), Some(rise), Some(jitter)) = (&damping, &rise, &jitter_percent) {
        can_fall(damping, shortest / 100 * (100 - u32::from(jitter.value)), rise.value, t.report);
    }
    Some(Timing {
        interval: interval.value,
        fast_interval: fast_interval.map(value),
        down_interval: down_interval.map(value),
        timeout: timeout
            .map_or_else(|| default.timeout.min(interval.value), |timeout| timeout.value),
        rise: rise?.value,
        fall: fall?.value,
        jitter_percent: jitter_percent?.value,
        initial: initial?.value,
        damping: damping.map(value),
    })
}

/// Refuses a run that may still be going when the next one is due.
pub(crate) fn timeout_fits(
    timeout: Option<&At<Duration>>,
    interval: &At<Duration>,
    report: &Report,
) {
    let Some(timeout) = timeout.filter(|timeout| timeout.value > interval.value) else { return };
    let (long, short) = (leaf::show_duration(timeout.value), leaf::show_duration(interval.value));
    let message = format!("a timeout of {long} is longer than the interval of {short}");
    let finding = Finding::new(timeout.place, message, "longer than the interval");
    let help = "a run ends before the next one starts: shorten `timeout` or lengthen `interval`";
    report.add(finding.related(interval.place, "the interval").help(help));
}

fn value<T>(at: At<T>) -> T {
    at.value
}

/// Refuses a number of falls that cannot be, with `shortest` between two runs: between one fall and
/// the next are `rise` successes and a failure (one, for some failures count at once).
fn can_fall(damping: &At<Damping>, shortest: Duration, rise: u32, report: &Report) {
    let Damping { falls, within, .. } = damping.value;
    let needs = shortest.saturating_mul(rise.saturating_add(1)).saturating_mul(falls - 1);
    if needs > within {
        let message = format!(
            "{falls} falls within {} cannot be: with these intervals they take {} at least",
            leaf::show_duration(within),
            leaf::show_duration(needs)
        );
        let finding = Finding::new(damping.place, message, "never comes into force");
        report.add(finding.help("lower `falls`, or lengthen `within`"));
    }
}

/// `flap_damping`: all of its keys are needed, for none has a value that fits most.
fn damping(value: Value<'_>) -> Option<Damping> {
    value.table("`flap_damping`", |t| {
        let falls = t.required("falls", |value| value.integer(2..=1000, ""));
        let within = t.required("within", leaf::duration(SHORTEST..=LONGEST));
        let hold = t.required("hold", leaf::duration(SHORTEST..=LONGEST));
        Some(Damping { falls: falls?.value, within: within?.value, hold: hold?.value })
    })
}
