//! Which probe runs when, for all monitors. Pure: inputs and `now` in, outputs out.
//!
//! ```text
//!   handle(Set / Finished, now) ┐
//!   handle_timeout(now)         ├─> [Supervisor] ──> poll_output(): StartProbe, CancelProbe, Report
//!   poll_timeout(): when next   ┘                    statuses(): everything, to look at
//! ```
//!
//! One monitor's runs never overlap: its next run is set when the last one is finished, one interval
//! (give or take the jitter) after that one's start, or at once if that moment has passed. Which of
//! its intervals that is depends on the verdict, see [`Timing`](crate::spec::Timing).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::judge::{Judge, Start, State, Totals};
use crate::lateness::{Lateness, Meter};
use crate::outcome::{Cause, Failure, Outcome, ProbeResult};
use crate::random::{SplitMix64, place};
use crate::schedule::{Limits, Schedule, Ticket};
use crate::spec::Monitor;
use crate::trouble::{Change, Trouble, Troubles};

/// So many probes start per call of [`Supervisor::handle_timeout`]: on a machine that cannot keep
/// up, those that run are to end before others start, or all of them would be under way at once.
pub const STARTS_PER_CALL: usize = 8;

/// A longer interval counts as this one, which keeps sums of times within their types.
pub const LONGEST_INTERVAL: Duration = Duration::from_secs(365 * 24 * 3600);

/// One life of a monitor in a supervisor. A monitor that is removed and set again later gets
/// another, so that a late result of the first life is not taken for one of the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonitorId(u64);

/// What happens to a supervisor.
#[derive(Debug)]
pub enum Input {
    /// These monitors are wanted from now on, and no others. One that is there already keeps its
    /// state and its schedule, whatever its [`Start`] says; of equal monitors the first counts.
    Set(Vec<(Monitor, Start)>),
    /// These limits hold from now on, for monitors that are set later too.
    Limits(Limits),
    /// A probe that [`Output::StartProbe`] asked for has ended.
    Finished {
        /// The monitor's id from [`Output::StartProbe`].
        id: MonitorId,
        /// What the probe found.
        outcome: Outcome,
    },
}

/// What a supervisor wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Run the monitor's probe, and answer with [`Input::Finished`].
    StartProbe {
        /// To be given back with the result.
        id: MonitorId,
        /// What to probe.
        monitor: Arc<Monitor>,
        /// The verdict up to now: programs are told.
        state: State,
    },
    /// End the running probe of a monitor that is gone. Its result is not wanted, but harmless.
    CancelProbe {
        /// The id from [`Output::StartProbe`].
        id: MonitorId,
    },
    /// Tell the owner.
    Report(Event),
}

/// News for whoever decides by the verdicts. After a [`Input::Set`] there may still be some of a
/// monitor that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A verdict has changed, or the one that the monitor was started with is confirmed, or a
    /// server that is up asks for another weight.
    Transition(Transition),
    /// Something that changes no verdict, and that somebody should look at. Reported when it begins
    /// and when its words change, not at every run.
    Trouble(Trouble),
    /// It is over, by the words of the last run that met it.
    TroubleOver(Trouble),
}

/// A changed verdict; a confirmed one, or another weight, where `from` and `to` are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The monitor.
    pub monitor: Arc<Monitor>,
    /// The verdict until now.
    pub from: State,
    /// The verdict from now on.
    pub to: State,
    /// When it changed.
    pub at: Instant,
    /// Why, in words: `tcp_check: connection refused, 3 failures in a row`.
    pub reason: String,
    /// The outcome that decided; its advice is the weight that is asked for from now on.
    pub outcome: Outcome,
}

/// All there is to say about one monitor.
#[derive(Debug, Clone)]
pub struct MonitorStatus {
    /// The monitor.
    pub monitor: Arc<Monitor>,
    /// The verdict.
    pub state: State,
    /// Since when the verdict stands.
    pub since: Instant,
    /// The verdict's reason in words.
    pub words: String,
    /// Successes in a row up to now.
    pub passes: u32,
    /// Failures in a row up to now.
    pub failures: u32,
    /// Counts of all results.
    pub totals: Totals,
    /// The last outcomes, the oldest first.
    pub history: Vec<Outcome>,
    /// When the next run is due; `None` while one is running.
    pub next_run: Option<Instant>,
}

/// How the monitors as a whole get on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// How many there are.
    pub monitors: usize,
    /// How many probes run.
    pub running: usize,
    /// How many are due and wait: too many run, or too many on their host.
    pub waiting: usize,
    /// How late probes started.
    pub lateness: Lateness,
}

#[derive(Debug)]
struct Entry {
    monitor: Arc<Monitor>,
    judge: Judge,
    /// When its next run is due, or when the one that runs was.
    due: Instant,
    running: bool,
    /// Whether the last run had no answer: it held its place until the timeout.
    silent: bool,
    /// The interval over which its runs are spread already.
    rhythm: Duration,
    troubles: Troubles,
}

/// Holds all monitors, starts their probes when they are due, and judges the results.
#[derive(Debug)]
pub struct Supervisor {
    entries: BTreeMap<MonitorId, Entry>,
    ids: BTreeMap<Arc<Monitor>, MonitorId>,
    schedule: Schedule<MonitorId>,
    lateness: Meter,
    outputs: VecDeque<Output>,
    last_id: u64,
    tick: Duration,
    /// Of [`Limits`].
    first_runs: Duration,
    seed: u64,
    random: SplitMix64,
}

impl Supervisor {
    /// A supervisor without monitors. Of the probes that `limits` lets run, those that have been due
    /// for longest go first; those that are due within the same `tick` start together. Two directors
    /// with different seeds do not probe a server at the same moments.
    pub fn new(seed: u64, tick: Duration, limits: Limits, now: Instant) -> Self {
        Self {
            entries: BTreeMap::new(),
            ids: BTreeMap::new(),
            schedule: Schedule::new(tick, limits, now),
            lateness: Meter::new(now),
            outputs: VecDeque::new(),
            last_id: 0,
            tick,
            first_runs: limits.first_runs,
            seed,
            random: SplitMix64::new(seed),
        }
    }

    /// Takes an input at `now`.
    pub fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Set(wanted) => self.set(wanted, now),
            Input::Limits(limits) => {
                self.first_runs = limits.first_runs;
                self.schedule.set_limits(limits);
            }
            Input::Finished { id, outcome } => self.finished(id, outcome, now),
        }
    }

    /// Starts what is due at `now`, at most [`STARTS_PER_CALL`] probes. If there are more,
    /// [`Self::poll_timeout`] is in the past.
    pub fn handle_timeout(&mut self, now: Instant) {
        for _ in 0..STARTS_PER_CALL {
            let Some(id) = self.schedule.start(now) else { return };
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            entry.running = true;
            let (monitor, state) = (Arc::clone(&entry.monitor), entry.judge.state());
            self.outputs.push_back(Output::StartProbe { id, monitor, state });
        }
    }

    /// When [`Self::handle_timeout`] has something to do, perhaps in the past. `None`: not before
    /// the next input.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.schedule.poll_timeout()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The status of every monitor at `now`, in the monitors' order.
    pub fn statuses(&self, now: Instant) -> Vec<MonitorStatus> {
        let entries = self.ids.values().filter_map(|id| self.entries.get(id));
        entries.map(|entry| entry.status(now)).collect()
    }

    /// What somebody should look at now, in the monitors' order.
    pub fn troubles(&self) -> Vec<Trouble> {
        let entries = self.ids.values().filter_map(|id| self.entries.get(id));
        entries.flat_map(|entry| entry.troubles.lasting(&entry.monitor)).collect()
    }

    /// How the monitors as a whole get on at `now`.
    pub fn statistics(&mut self, now: Instant) -> Statistics {
        Statistics {
            monitors: self.entries.len(),
            running: self.schedule.running(),
            waiting: self.schedule.waiting(now),
            lateness: self.lateness.summary(now),
        }
    }

    fn set(&mut self, wanted: Vec<(Monitor, Start)>, now: Instant) {
        let mut gone = std::mem::take(&mut self.ids);
        for (monitor, start) in wanted {
            if self.ids.contains_key(&monitor) {
                continue;
            }
            let (monitor, id) = match gone.remove_entry(&monitor) {
                Some(kept) => kept,
                None => self.begin(monitor, start, now),
            };
            self.ids.insert(monitor, id);
        }
        for id in gone.into_values() {
            self.end(id);
        }
    }

    fn begin(&mut self, monitor: Monitor, start: Start, now: Instant) -> (Arc<Monitor>, MonitorId) {
        self.last_id += 1;
        let id = MonitorId(self.last_id);
        let timing = &monitor.check.timing;
        let judge = Judge::new(monitor.check.kind.name(), timing, start, now);
        let rhythm = timing.interval.min(self.first_runs);
        let due = now + place(self.seed, &monitor, rhythm);
        let monitor = Arc::new(monitor);
        let entry = Entry {
            monitor: Arc::clone(&monitor),
            judge,
            due,
            running: false,
            silent: false,
            rhythm,
            troubles: Troubles::default(),
        };
        self.schedule.add(id, entry.ticket(), due);
        self.entries.insert(id, entry);
        (monitor, id)
    }

    fn end(&mut self, id: MonitorId) {
        let Some(entry) = self.entries.remove(&id) else { return };
        if entry.running {
            self.schedule.ended(entry.ticket());
            self.outputs.push_back(Output::CancelProbe { id });
        } else {
            self.schedule.remove(id, entry.ticket(), entry.due);
        }
    }

    fn finished(&mut self, id: MonitorId, outcome: Outcome, now: Instant) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if !entry.running {
            return; // Reported twice: the first report has counted.
        }
        self.schedule.ended(entry.ticket());
        let late = outcome.started.saturating_duration_since(entry.due);
        self.lateness.record(late, now);
        // What waited for the end of its tick keeps its rhythm.
        let begin = if late <= self.tick * 2 { entry.due } else { outcome.started };

        let monitor = Arc::clone(&entry.monitor);
        for (change, trouble) in entry.troubles.record(&monitor, &outcome, now) {
            self.outputs.push_back(Output::Report(match change {
                Change::Told => Event::Trouble(trouble),
                Change::Over => Event::TroubleOver(trouble),
            }));
        }
        entry.silent =
            matches!(outcome.result, ProbeResult::Failed(Failure { cause: Cause::TimedOut, .. }));
        if let Some(change) = entry.judge.record(&outcome, now) {
            self.outputs.push_back(Output::Report(Event::Transition(Transition {
                monitor,
                from: change.from,
                to: change.to,
                at: now,
                reason: entry.judge.words(now),
                outcome,
            })));
        }

        entry.due = (begin + entry.pause(now, self.seed, &mut self.random)).max(now);
        entry.running = false;
        self.schedule.add(id, entry.ticket(), entry.due);
    }
}

impl Entry {
    /// Programs count for the server that they ask about.
    fn ticket(&self) -> Ticket {
        let Monitor { target, check } = &*self.monitor;
        let host = check.kind.connect().map_or_else(|| target.ip(), |c| c.host(*target));
        Ticket { host, silent: self.silent }
    }

    /// From the start of the run that has just ended to that of the next.
    ///
    /// First runs are close together, and so are those of a fast interval. When a longer interval
    /// follows, its first run comes early, by the share that leads to the monitor's own place in it:
    /// from then on the runs are spread over all of it.
    fn pause(&mut self, now: Instant, seed: u64, random: &mut SplitMix64) -> Duration {
        let interval = self.interval(now).min(LONGEST_INTERVAL);
        let rhythm = std::mem::replace(&mut self.rhythm, interval);
        if rhythm < interval {
            return rhythm + place(seed, &*self.monitor, interval - rhythm);
        }
        let jitter = interval / 100 * u32::from(self.monitor.check.timing.jitter_percent.min(50));
        interval - jitter + random.up_to(jitter * 2)
    }

    fn interval(&self, now: Instant) -> Duration {
        let timing = &self.monitor.check.timing;
        let special = match self.judge.state() {
            _ if self.judge.is_changing(now) => timing.fast_interval,
            State::Down => timing.down_interval,
            State::Up | State::Unknown => None,
        };
        special.unwrap_or(timing.interval)
    }

    fn status(&self, now: Instant) -> MonitorStatus {
        let judge = &self.judge;
        MonitorStatus {
            monitor: Arc::clone(&self.monitor),
            state: judge.state(),
            since: judge.since(),
            words: judge.words(now),
            passes: judge.passes(),
            failures: judge.failures(),
            totals: judge.totals(),
            history: judge.history().collect(),
            next_run: (!self.running).then_some(self.due),
        }
    }
}

#[cfg(test)]
#[path = "supervisor_tests.rs"]
mod tests;
