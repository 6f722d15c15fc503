//! Waiting for something to become true.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// A deadline for what should take no time at all: far enough for a slow, busy machine.
pub const FAR: Duration = Duration::from_secs(30);

/// How often a condition is looked at.
const STEP: Duration = Duration::from_millis(10);

/// Asks `probe` again and again until it gives a value.
///
/// # Errors
/// When `probe` fails, or gave nothing within `deadline`: the error names `what`.
pub fn wait_for<T>(
    what: &str,
    deadline: Duration,
    mut probe: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let until = Instant::now() + deadline;
    loop {
        if let Some(value) = probe()? {
            return Ok(value);
        }
        if Instant::now() > until {
            bail!("{what}: not within {deadline:?}");
        }
        thread::sleep(STEP);
    }
}

/// Waits until `condition` is true, and returns how long that took.
///
/// # Errors
/// When `condition` fails, or is not true within `deadline`: the error names `what`.
pub fn wait_until(
    what: &str,
    deadline: Duration,
    mut condition: impl FnMut() -> Result<bool>,
) -> Result<Duration> {
    let start = Instant::now();
    wait_for(what, deadline, || Ok(condition()?.then(|| start.elapsed())))
}
