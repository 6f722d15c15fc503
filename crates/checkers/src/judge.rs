//! The judgement of one monitor: from results in a row to a verdict, with its reasons. Pure.

use std::collections::VecDeque;
use std::fmt;
use std::time::Instant;

use crate::history::History;
use crate::outcome::{Advice, Cause, Outcome, ProbeResult};
use crate::spec::{Damping, Timing};

/// The verdict on a server by one monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// No result yet.
    Unknown,
    /// Fit for traffic.
    Up,
    /// Not fit for traffic.
    Down,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

/// What is known of a server when its monitor begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Start {
    /// Nothing: the first result decides alone.
    Unknown,
    /// It is in service: `fall` failures in a row take it down, as for any server that is up.
    Up,
    /// It was taken out of service: `rise` successes in a row bring it up.
    Down,
}

impl From<Start> for State {
    fn from(start: Start) -> Self {
        match start {
            Start::Unknown => Self::Unknown,
            Start::Up => Self::Up,
            Start::Down => Self::Down,
        }
    }
}

impl From<State> for Start {
    fn from(state: State) -> Self {
        match state {
            State::Unknown => Self::Unknown,
            State::Up => Self::Up,
            State::Down => Self::Down,
        }
    }
}

/// A change of the verdict. `from` and `to` are equal when its results say for the first time what
/// the monitor was started with, and when another weight is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The verdict until now.
    pub from: State,
    /// The verdict from now on; never [`State::Unknown`].
    pub to: State,
}

/// How many results of each sort there were since the monitor began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Successes.
    pub passed: u64,
    /// Failures.
    pub failed: u64,
    /// Runs that local trouble prevented.
    pub local: u64,
}

/// Judges the results of one monitor.
#[derive(Debug, Clone)]
pub struct Judge {
    kind: &'static str,
    rise: u32,
    fall: u32,
    state: State,
    /// Whether a result has said so; until then it is what the monitor was started with.
    confirmed: bool,
    since: Instant,
    passes: u32,
    failures: u32,
    totals: Totals,
    /// What the last success asked for.
    advice: Option<Advice>,
    damping: Option<Damping>,
    /// The last falls, if they count.
    falls: VecDeque<Instant>,
    /// It stays down until then.
    held_until: Option<Instant>,
    history: History,
}

impl Judge {
    /// A judge that knows `start` at `now`. `kind` is the check's name and opens its words. A rise
    /// or fall of 0 counts as 1.
    pub fn new(kind: &'static str, timing: &Timing, start: Start, now: Instant) -> Self {
        Self {
            kind,
            rise: timing.rise.max(1),
            fall: timing.fall.max(1),
            state: start.into(),
            confirmed: false,
            since: now,
            passes: 0,
            failures: 0,
            totals: Totals::default(),
            advice: None,
            damping: timing.damping,
            falls: VecDeque::new(),
            held_until: None,
            history: History::new(now),
        }
    }

    /// Takes the outcome that is known at `now`; gives the change of the verdict or of the weight
    /// that is asked for, or the verdict's first confirmation, if it is one.
    ///
    /// Local trouble is remembered and changes nothing else: neither the verdict nor a count.
    pub fn record(&mut self, outcome: &Outcome, now: Instant) -> Option<Change> {
        let mut advised = false;
        let verdict = match outcome.result {
            ProbeResult::Passed => {
                self.totals.passed += 1;
                self.passes = self.passes.saturating_add(1);
                self.failures = 0;
                advised = self.advice != outcome.advice;
                self.advice = outcome.advice;
                let enough = self.passes >= self.rise && !self.is_held(now);
                (self.state == State::Unknown || enough).then_some(State::Up)
            }
            ProbeResult::Failed(ref failure) => {
                self.totals.failed += 1;
                self.failures = self.failures.saturating_add(1);
                self.passes = 0;
                // What is meant is no slip.
                let enough = self.failures >= self.fall || failure.cause == Cause::Maintenance;
                (self.state == State::Unknown || enough).then_some(State::Down)
            }
            ProbeResult::Local(_) => {
                self.totals.local += 1;
                None
            }
        };
        self.history.push(outcome);

        let Some(to) = verdict.filter(|&to| to != self.state || !self.confirmed) else {
            let up = self.confirmed && self.state == State::Up;
            return (advised && up).then_some(Change { from: State::Up, to: State::Up });
        };
        self.confirmed = true;
        let from = std::mem::replace(&mut self.state, to);
        if from != to {
            self.since = now;
        }
        if (from, to) == (State::Up, State::Down) {
            self.note_fall(now);
        }
        Some(Change { from, to })
    }

    fn note_fall(&mut self, now: Instant) {
        let Some(damping) = self.damping else { return };
        self.falls.push_back(now);
        self.falls.retain(|&fall| now.saturating_duration_since(fall) <= damping.within);
        let falls = u32::try_from(self.falls.len()).unwrap_or(u32::MAX);
        if falls >= damping.falls {
            self.held_until = now.checked_add(damping.hold);
        }
    }

    fn is_held(&self, now: Instant) -> bool {
        self.held_until.is_some_and(|until| now < until)
    }

    /// Whether the next results may change the verdict at `now`, or are the first to say it.
    pub fn is_changing(&self, now: Instant) -> bool {
        let against = match self.state {
            State::Unknown => true,
            State::Up => self.failures > 0,
            State::Down => self.passes > 0 && !self.is_held(now),
        };
        against || !self.confirmed
    }

    /// The verdict.
    pub fn state(&self) -> State {
        self.state
    }

    /// Since when the verdict stands.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Successes in a row up to now.
    pub fn passes(&self) -> u32 {
        self.passes
    }

    /// Failures in a row up to now.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Counts of all results.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// The last outcomes, the oldest first; at most [`HISTORY`](crate::HISTORY).
    pub fn history(&self) -> impl DoubleEndedIterator<Item = Outcome> {
        self.history.outcomes()
    }

    /// What the last run found.
    pub fn last(&self) -> Option<&ProbeResult> {
        self.history.last()
    }

    /// The weight that the last success asked for.
    pub fn advice(&self) -> Option<Advice> {
        self.advice
    }

    /// The verdict's reason at `now` in words: `http_get: status 500 (expected 200-299), 3 failures
    /// in a row`.
    pub fn words(&self, now: Instant) -> String {
        let words = self.words_of_results();
        match (self.held_until, self.damping) {
            (Some(until), Some(damping)) if self.state == State::Down && now < until => format!(
                "{words}; fell {} times within {:?}, held down for {}s more",
                self.falls.len(),
                damping.within,
                until.saturating_duration_since(now).as_secs_f64().ceil(),
            ),
            _ => words,
        }
    }

    fn words_of_results(&self) -> String {
        let kind = self.kind;
        let Some(last) = self.last() else {
            return match self.state {
                State::Unknown => format!("{kind}: not checked yet"),
                state => format!("{kind}: taken over as {state}, not checked yet"),
            };
        };
        match (last, self.state) {
            (ProbeResult::Failed(failure), State::Up) => {
                format!("{kind}: {failure}, failure {} of {}", self.failures, self.fall)
            }
            (ProbeResult::Failed(failure), _) if self.failures == 1 => format!("{kind}: {failure}"),
            (ProbeResult::Failed(failure), _) => {
                format!("{kind}: {failure}, {} failures in a row", self.failures)
            }
            (ProbeResult::Passed, State::Down) => {
                format!("{kind}: passed, success {} of {}", self.passes.min(self.rise), self.rise)
            }
            (ProbeResult::Passed, State::Up) if let Some(advice) = self.advice => {
                format!("{kind}: passed, asks for {advice}")
            }
            (result @ (ProbeResult::Passed | ProbeResult::Local(_)), _) => {
                format!("{kind}: {result}")
            }
        }
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
