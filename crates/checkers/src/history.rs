//! The last outcomes of one monitor, in little memory: thousands of monitors have one each, and
//! most of their outcomes are alike. Pure.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::outcome::{Advice, Outcome, ProbeResult};

/// So many outcomes are remembered per monitor.
pub const HISTORY: usize = 16;

/// The last outcomes. Times are kept to the microsecond.
#[derive(Debug, Clone)]
pub(crate) struct History {
    /// Starts are counted from here.
    epoch: Instant,
    records: VecDeque<Record>,
}

#[derive(Debug, Clone)]
struct Record {
    /// Microseconds from the epoch.
    started: u64,
    latency: u32,
    /// Shared with the record before when that found the same; `None`: passed, and no more to say.
    found: Option<Arc<Found>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Found {
    result: ProbeResult,
    advice: Option<Advice>,
    note: Option<String>,
    warning: Option<String>,
}

impl History {
    pub(crate) fn new(epoch: Instant) -> Self {
        Self { epoch, records: VecDeque::new() }
    }

    /// Adds an outcome; the oldest one goes if there are [`HISTORY`].
    pub(crate) fn push(&mut self, outcome: &Outcome) {
        let Outcome { started, latency, result, advice, note, warning } = outcome;
        let silent = advice.is_none() && note.is_none() && warning.is_none();
        let plain = *result == ProbeResult::Passed && silent;
        let last = self.records.back().and_then(|record| record.found.as_ref());
        let found = match last {
            _ if plain => None,
            Some(last) if last.is(outcome) => Some(Arc::clone(last)),
            _ => Some(Arc::new(Found {
                result: result.clone(),
                advice: *advice,
                note: note.clone(),
                warning: warning.clone(),
            })),
        };
        if self.records.len() == HISTORY {
            self.records.pop_front();
        }
        // All that it will take at once: thousands that grow would leave their smaller selves behind.
        self.records.reserve_exact(HISTORY - self.records.len());
        let started = started.saturating_duration_since(self.epoch).as_micros();
        self.records.push_back(Record {
            started: u64::try_from(started).unwrap_or(u64::MAX),
            latency: u32::try_from(latency.as_micros()).unwrap_or(u32::MAX),
            found,
        });
    }

    /// All outcomes, the oldest first.
    pub(crate) fn outcomes(&self) -> impl DoubleEndedIterator<Item = Outcome> {
        self.records.iter().map(|record| Outcome {
            started: self.epoch + Duration::from_micros(record.started),
            latency: Duration::from_micros(record.latency.into()),
            result: record.result().clone(),
            advice: record.found.as_ref().and_then(|found| found.advice),
            note: record.found.as_ref().and_then(|found| found.note.clone()),
            warning: record.found.as_ref().and_then(|found| found.warning.clone()),
        })
    }

    /// What the last run found.
    pub(crate) fn last(&self) -> Option<&ProbeResult> {
        self.records.back().map(Record::result)
    }
}

impl Record {
    fn result(&self) -> &ProbeResult {
        self.found.as_ref().map_or(&ProbeResult::Passed, |found| &found.result)
    }
}

impl Found {
    fn is(&self, outcome: &Outcome) -> bool {
        let Self { result, advice, note, warning } = self;
        *result == outcome.result
            && *advice == outcome.advice
            && *note == outcome.note
            && *warning == outcome.warning
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an instant to count from")]
mod tests {
    use super::*;
    use crate::outcome::{Cause, Failure};

    #[test]
    fn outcomes_come_back_as_they_were() {
        let epoch = Instant::now();
        let mut history = History::new(epoch);
        let mut outcomes = Vec::new();
        for number in 0..u64::try_from(HISTORY).unwrap() + 3 {
            let result = match number % 3 {
                0 => ProbeResult::Passed,
                1 => ProbeResult::Failed(Failure::new(Cause::Refused, "connection refused")),
                _ => ProbeResult::Local(format!("no port {number}")),
            };
            let started = epoch + Duration::from_micros(1_000_003 * number);
            let outcome = Outcome {
                advice: (number % 2 == 0).then_some(Advice::Percent(50)),
                note: (number % 5 == 0).then(|| format!("note {number}")),
                warning: (number % 7 == 0).then(|| format!("warning {number}")),
                ..Outcome::new(started, Duration::from_micros(17 * number), result)
            };
            history.push(&outcome);
            outcomes.push(outcome);
        }
        assert_eq!(history.last(), outcomes.last().map(|outcome| &outcome.result));
        let outcomes = outcomes.split_off(3);
        assert_eq!(history.outcomes().collect::<Vec<_>>(), outcomes);
    }

    #[test]
    fn equal_findings_in_a_row_are_kept_once() {
        let mut history = History::new(Instant::now());
        let failed = ProbeResult::Failed(Failure::new(Cause::Refused, "connection refused"));
        for _ in 0..2 {
            history.push(&Outcome::new(Instant::now(), Duration::ZERO, failed.clone()));
        }
        let [first, second] = [0, 1].map(|at| history.records[at].found.clone().unwrap());
        assert!(Arc::ptr_eq(&first, &second));
    }
}
