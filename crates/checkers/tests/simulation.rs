//! The supervisor against a model that is too simple to be wrong, over random results, random sets
//! of monitors and random lateness, in virtual time.
//!
//! `LVS_SIM_SEEDS` (default 100): how many seeds. `LVS_SIM_SEED`: only this one, as a failure names
//! it.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "an instant to count from, the seed's variable, and a model that may panic"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use checkers::supervisor::{Input, MonitorId, Output, Supervisor};
use checkers::{
    Cause, Check, Event, Failure, Kind, Monitor, Outcome, ProbeResult, Start, State, TcpCheck,
    Timing,
};

const STEPS: usize = 1000;

#[test]
fn the_supervisor_does_as_the_model() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seeds = match number("LVS_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("LVS_SIM_SEEDS").unwrap_or(100),
    };
    let (mut runs, mut transitions) = (0, 0);
    for seed in seeds {
        let mut world = World::new(seed);
        let result = catch_unwind(AssertUnwindSafe(|| (0..STEPS).for_each(|_| world.step())));
        if let Err(panic) = result {
            eprintln!("the simulation failed; repeat it with LVS_SIM_SEED={seed}");
            resume_unwind(panic);
        }
        runs += world.runs;
        transitions += world.transitions;
    }
    assert!(runs > 0 && transitions > 0, "{runs} runs, {transitions} transitions");
}

/// Xorshift (Marsaglia, 2003).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn millis(&mut self, limit: u64) -> Duration {
        Duration::from_millis(self.below(limit))
    }
}

/// What the model knows of one monitor's life.
struct Shadow {
    start: Start,
    begun: Instant,
    state: State,
    since: Instant,
    /// Every result, local trouble included.
    results: Vec<ProbeResult>,
    starts: Vec<Instant>,
    /// The last run's end, once it has ended.
    idle_since: Option<Instant>,
}

impl Shadow {
    /// Whether each run passed, without those that local trouble prevented.
    fn real(&self) -> Vec<bool> {
        self.results
            .iter()
            .filter(|result| !matches!(result, ProbeResult::Local(_)))
            .map(|result| *result == ProbeResult::Passed)
            .collect()
    }

    /// Whether the results alone ever reached a threshold.
    fn decided(&self, timing: &Timing) -> bool {
        let real = self.real();
        let row = |count: u32, wanted: bool| {
            real.windows(count as usize).any(|run| run.iter().all(|&passed| passed == wanted))
        };
        (self.start == Start::Unknown && !real.is_empty())
            || row(timing.rise, true)
            || row(timing.fall, false)
    }

    /// The verdict by reading back over all results.
    fn verdict(&self, timing: &Timing) -> State {
        let real = self.real();
        let mut state = match self.start {
            Start::Unknown => State::Unknown,
            Start::Up => State::Up,
            Start::Down => State::Down,
        };
        for end in 1..=real.len() {
            let last = |count: u32, wanted: bool| {
                let count = count as usize;
                end >= count && real[end - count..end].iter().all(|&passed| passed == wanted)
            };
            state = match state {
                State::Unknown if real[end - 1] => State::Up,
                State::Unknown => State::Down,
                _ if last(timing.rise, true) => State::Up,
                _ if last(timing.fall, false) => State::Down,
                state => state,
            };
        }
        state
    }

    /// The earliest and the latest moment of the next start by the rules, while idle.
    fn window(&self, timing: &Timing) -> (Instant, Instant) {
        let first_runs = timing.interval.min(Duration::from_secs(1));
        let jitter = timing.interval * u32::from(timing.jitter_percent) / 100;
        let (earliest, latest) = match *self.starts.as_slice() {
            [] => (self.begun, self.begun + first_runs),
            [first] => (first + first_runs, first + timing.interval),
            [.., last] => (last + timing.interval - jitter, last + timing.interval + jitter),
        };
        let idle_since = self.idle_since.unwrap_or(self.begun);
        (earliest, latest.max(idle_since))
    }
}

struct Running {
    monitor: Monitor,
    started: Instant,
    ends: Instant,
}

struct World {
    dice: Dice,
    supervisor: Supervisor,
    limit: usize,
    now: Instant,
    /// Up to here the clock was moved without a look at the supervisor.
    late_until: Instant,
    shadows: BTreeMap<Monitor, Shadow>,
    running: BTreeMap<MonitorId, Running>,
    /// Runs of monitors that are gone; their results may still come.
    orphans: Vec<MonitorId>,
    seen: BTreeSet<MonitorId>,
    runs: usize,
    transitions: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let limit = if dice.below(3) == 0 { 3 } else { 1000 };
        let now = Instant::now();
        let mut world = Self {
            supervisor: Supervisor::new(dice.below(u64::MAX), limit),
            dice,
            limit,
            now,
            late_until: now,
            shadows: BTreeMap::new(),
            running: BTreeMap::new(),
            orphans: Vec::new(),
            seen: BTreeSet::new(),
            runs: 0,
            transitions: 0,
        };
        world.set();
        world
    }

    fn step(&mut self) {
        match self.dice.below(100) {
            0..2 => self.set(),
            2..5 => {
                // The thread was held up.
                self.now += self.dice.millis(5000);
                self.late_until = self.now;
            }
            5..10 => {
                // Calls at odd moments change nothing.
                if let Some(id) = self.orphans.pop() {
                    let outcome = self.outcome(self.now);
                    self.supervisor.handle(Input::Finished { id, outcome }, self.now);
                }
                assert_eq!(self.supervisor.poll_output(), None);
            }
            _ => self.next_event(),
        }
        self.supervisor.handle_timeout(self.now);
        self.take_starts();
        self.compare();
    }

    fn next_event(&mut self) {
        let ends = self.running.iter().map(|(&id, running)| (running.ends, id)).min();
        let due = self.supervisor.poll_timeout();
        match ends {
            Some((at, id)) if due.is_none_or(|due| at <= due) => {
                self.now = self.now.max(at);
                self.finish(id);
            }
            _ => self.now = due.map_or(self.now, |due| self.now.max(due)),
        }
    }

    fn finish(&mut self, id: MonitorId) {
        let run = self.running.remove(&id).unwrap();
        let outcome = self.outcome(run.started);
        let shadow = self.shadows.get_mut(&run.monitor).unwrap();
        let last = shadow.results.last();
        let news =
            matches!(&outcome.result, ProbeResult::Local(_)) && last != Some(&outcome.result);
        let timing = &run.monitor.check.timing;
        let decided_before = shadow.decided(timing);
        shadow.results.push(outcome.result.clone());
        shadow.idle_since = Some(self.now);
        let (from, to) = (shadow.state, shadow.verdict(timing));
        let confirmed = !decided_before && shadow.decided(timing);
        if from != to {
            shadow.state = to;
            shadow.since = self.now;
        }
        self.supervisor.handle(Input::Finished { id, outcome: outcome.clone() }, self.now);

        if news {
            let Some(Output::Report(Event::LocalTrouble { monitor, at, text })) =
                self.supervisor.poll_output()
            else {
                panic!("local trouble was not reported");
            };
            assert_eq!((&*monitor, at), (&run.monitor, self.now));
            assert_eq!(ProbeResult::Local(text), outcome.result);
        }
        if from != to || confirmed {
            let Some(Output::Report(Event::Transition(transition))) = self.supervisor.poll_output()
            else {
                panic!("{from} -> {to} was not reported");
            };
            assert_eq!(*transition.monitor, run.monitor);
            assert_eq!((transition.from, transition.to, transition.at), (from, to, self.now));
            assert_eq!(transition.outcome, outcome);
            self.transitions += 1;
        }
        assert_eq!(self.supervisor.poll_output(), None);
    }

    fn outcome(&mut self, started: Instant) -> Outcome {
        let result = match self.dice.below(10) {
            0..5 => ProbeResult::Passed,
            5..9 => ProbeResult::Failed(Failure::new(Cause::Refused, "connection refused")),
            _ => ProbeResult::Local(format!("trouble {}", self.dice.below(2))),
        };
        Outcome::new(started, self.now - started, result)
    }

    /// A random choice of the monitors there are.
    fn set(&mut self) {
        let mut wanted = Vec::new();
        for number in 0..20_u16 {
            let start = match self.dice.below(6) {
                0 => Start::Up,
                1 => Start::Down,
                2 | 3 => Start::Unknown,
                _ => continue,
            };
            wanted.push((monitor(number), start));
        }
        let mut before = std::mem::take(&mut self.shadows);
        for (monitor, start) in &wanted {
            let shadow = before.remove(monitor).unwrap_or_else(|| Shadow {
                start: *start,
                begun: self.now,
                state: (*start).into(),
                since: self.now,
                results: Vec::new(),
                starts: Vec::new(),
                idle_since: None,
            });
            self.shadows.insert(monitor.clone(), shadow);
        }
        let ended = self.running.iter().filter(|(_, run)| before.contains_key(&run.monitor));
        let ended: BTreeSet<MonitorId> = ended.map(|(&id, _)| id).collect();
        self.running.retain(|id, _| !ended.contains(id));

        self.supervisor.handle(Input::Set(wanted), self.now);
        let mut cancelled = BTreeSet::new();
        while let Some(output) = self.supervisor.poll_output() {
            let Output::CancelProbe { id } = output else { panic!("{output:?}") };
            assert!(cancelled.insert(id));
        }
        assert_eq!(cancelled, ended);
        self.orphans.extend(ended);
    }

    fn take_starts(&mut self) {
        while let Some(output) = self.supervisor.poll_output() {
            let Output::StartProbe { id, monitor, .. } = output else { panic!("{output:?}") };
            let shadow = self.shadows.get_mut(&*monitor).unwrap();
            assert!(shadow.starts.is_empty() || shadow.idle_since.is_some(), "overlapping runs");
            assert!(self.seen.insert(id) == shadow.starts.is_empty(), "one id, one life");
            let (earliest, _) = shadow.window(&monitor.check.timing);
            assert!(self.now >= earliest, "{:?} early", earliest - self.now);
            shadow.starts.push(self.now);
            shadow.idle_since = None;
            self.runs += 1;
            let latency = self.dice.millis(3000);
            let run = Running {
                monitor: (*monitor).clone(),
                started: self.now,
                ends: self.now + latency,
            };
            self.running.insert(id, run);
        }
    }

    fn compare(&self) {
        assert!(self.running.len() <= self.limit);
        let statuses = self.supervisor.statuses(self.now);
        assert!(statuses.iter().map(|status| &*status.monitor).eq(self.shadows.keys()));
        let full = self.running.len() == self.limit;
        assert!(!full || self.supervisor.poll_timeout().is_none());
        for (status, (monitor, shadow)) in statuses.iter().zip(&self.shadows) {
            assert_eq!((status.state, status.since), (shadow.state, shadow.since));
            let last = shadow.results.iter().rev().take(16).rev();
            assert!(status.history.iter().map(|outcome| &outcome.result).eq(last));
            let totals = status.totals;
            assert_eq!(totals.passed + totals.failed + totals.local, shadow.results.len() as u64);
            let runs = self.running.values().any(|run| run.monitor == *monitor);
            assert_eq!(status.next_run.is_none(), runs);
            let (_, latest) = shadow.window(&monitor.check.timing);
            assert!(
                runs || full || latest.max(self.late_until) >= self.now,
                "{monitor:?} was not started in time"
            );
        }
    }
}

/// The universe's monitors, no two with the same times.
fn monitor(number: u16) -> Monitor {
    let timing = Timing {
        interval: Duration::from_millis(200 + 317 * u64::from(number)),
        timeout: Duration::from_secs(1),
        rise: 1 + u32::from(number % 3),
        fall: 1 + u32::from(number % 4),
        jitter_percent: u8::try_from(number * 3 % 51).unwrap(),
        ..Timing::default()
    };
    let target = SocketAddr::from(([192, 0, 2, 1], number));
    let check = Check { kind: Kind::Tcp(TcpCheck::default()), timing };
    Monitor { target, check: check.into() }
}
