//! The supervisor against a model that is too simple to be wrong, over random results, random sets
//! of monitors and random lateness, in virtual time.
//!
//! `LVS_SIM_SEEDS` and `LVS_SIM_SEED`: see [`testkit::for_each_seed`].
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "an instant to count from, the seed's variable, and a model that may panic"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use checkers::supervisor::{Input, MonitorId, Output, Supervisor};
use checkers::{
    Advice, Cause, Check, Damping, Event, Failure, Kind, Limits, Monitor, Outcome, ProbeResult,
    Start, State, TcpCheck, Timing,
};
use testkit::{Random, for_each_seed};

const STEPS: usize = 1000;

#[test]
fn the_supervisor_does_as_the_model() {
    for_each_seed(100, |seed| {
        let mut world = World::new(seed);
        (0..STEPS).for_each(|_| world.step());
        assert!(world.runs > 0 && world.transitions > 0, "nothing happened");
    });
}

/// What the model knows of one monitor's life.
struct Shadow {
    start: Start,
    begun: Instant,
    state: State,
    since: Instant,
    /// Every result and when it was known, local trouble included.
    results: Vec<(Instant, ProbeResult)>,
    /// What the last success asked for.
    advice: Option<Advice>,
    /// When the next run may start, while idle: the earliest and the latest moment by the rules.
    window: (Instant, Instant),
    /// The interval that its runs are spread over.
    rhythm: Duration,
    started: Option<Instant>,
    /// Whether a run is under way.
    busy: bool,
}

impl Shadow {
    fn new(start: Start, timing: &Timing, first_runs: Duration, now: Instant) -> Self {
        let rhythm = timing.interval.min(first_runs);
        Self {
            start,
            begun: now,
            state: start.into(),
            since: now,
            results: Vec::new(),
            advice: None,
            window: (now, now + rhythm),
            rhythm,
            started: None,
            busy: false,
        }
    }

    /// Whether each run passed, and when, without those that local trouble prevented.
    fn real(&self) -> Vec<(Instant, bool)> {
        self.results
            .iter()
            .filter(|(_, result)| !matches!(result, ProbeResult::Local(_)))
            .map(|(at, result)| (*at, *result == ProbeResult::Passed))
            .collect()
    }

    /// Whether the results alone ever reached a threshold.
    fn decided(&self, timing: &Timing) -> bool {
        let real = self.real();
        let row = |count: u32, wanted: bool| {
            real.windows(count as usize).any(|run| run.iter().all(|&(_, passed)| passed == wanted))
        };
        (self.start == Start::Unknown && !real.is_empty())
            || row(timing.rise, true)
            || row(timing.fall, false)
    }

    /// Whether the last run timed out.
    fn is_silent(&self) -> bool {
        let last = self.results.last().map(|(_, result)| result);
        matches!(last, Some(ProbeResult::Failed(failure)) if failure.cause == Cause::TimedOut)
    }

    /// The verdict by reading back over all results, and until when it is held.
    fn verdict(&self, timing: &Timing) -> (State, Option<Instant>) {
        let real = self.real();
        let mut state = State::from(self.start);
        let mut falls: Vec<Instant> = Vec::new();
        let mut held = None;
        for end in 1..=real.len() {
            let (at, passed) = real[end - 1];
            let last = |count: u32, wanted: bool| {
                let count = count as usize;
                end >= count && real[end - count..end].iter().all(|&(_, passed)| passed == wanted)
            };
            let may_rise = held.is_none_or(|until| at >= until);
            let before = state;
            state = match state {
                State::Unknown if passed => State::Up,
                State::Unknown => State::Down,
                _ if last(timing.rise, true) && may_rise => State::Up,
                _ if last(timing.fall, false) => State::Down,
                state => state,
            };
            if let (State::Up, State::Down, Some(damping)) = (before, state, timing.damping) {
                falls.push(at);
                let recent = falls.iter().filter(|&&fall| at - fall <= damping.within).count();
                if recent >= damping.falls as usize {
                    held = Some(at + damping.hold);
                }
            }
        }
        (state, held)
    }

    /// Sets when the next run may start, after one that was known at `now`.
    fn rest(&mut self, timing: &Timing, now: Instant) {
        let (state, held) = self.verdict(timing);
        let passed = self.real().last().map(|&(_, passed)| passed);
        let changing = !self.decided(timing)
            || (state == State::Up && passed == Some(false))
            || (state == State::Down
                && passed == Some(true)
                && held.is_none_or(|until| now >= until));
        let interval = match state {
            _ if changing => timing.fast_interval,
            State::Down => timing.down_interval,
            _ => None,
        };
        let interval = interval.unwrap_or(timing.interval);
        let started = self.started.expect("it ran");
        let (earliest, latest) = if self.rhythm < interval {
            (self.rhythm, interval)
        } else {
            let jitter = interval * u32::from(timing.jitter_percent) / 100;
            (interval - jitter, interval + jitter)
        };
        self.window = (started + earliest, (started + latest).max(now));
        self.rhythm = interval;
        self.busy = false;
    }
}

struct Running {
    monitor: Monitor,
    started: Instant,
    ends: Instant,
    /// Whether the run before it timed out.
    silent: bool,
}

fn limits(random: &mut Random) -> Limits {
    let (total, per_host) = match random.below(4) {
        0 => (3, 1000),
        1 => (1000, 2),
        _ => (1000, 1000),
    };
    let first_runs = Duration::from_millis(random.below(3) * 1000);
    Limits { total, per_host, first_runs }
}

struct World {
    random: Random,
    supervisor: Supervisor,
    tick: Duration,
    limits: Limits,
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
        let mut random = Random::new(seed);
        let tick = Duration::from_millis(random.below(2) * 5);
        let limits = limits(&mut random);
        let now = Instant::now();
        let mut world = Self {
            supervisor: Supervisor::new(random.below(u64::MAX), tick, limits, now),
            random,
            tick,
            limits,
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
        match self.random.below(100) {
            0..2 => self.set(),
            2 => {
                self.limits = limits(&mut self.random);
                self.supervisor.handle(Input::Limits(self.limits), self.now);
            }
            3..6 => {
                // The thread was held up.
                self.now += self.random.millis(5000);
                self.late_until = self.now;
            }
            6..10 => {
                // Calls at odd moments change nothing.
                if let Some(id) = self.orphans.pop() {
                    let outcome = self.outcome(self.now);
                    self.supervisor.handle(Input::Finished { id, outcome }, self.now);
                }
                assert_eq!(self.supervisor.poll_output(), None);
            }
            _ => self.next_event(),
        }
        while self.supervisor.poll_timeout().is_some_and(|at| at <= self.now) {
            self.supervisor.handle_timeout(self.now);
        }
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
        let last = shadow.results.last().map(|(_, result)| result.clone());
        let was_local = matches!(&last, Some(ProbeResult::Local(_)));
        let is_local = matches!(&outcome.result, ProbeResult::Local(_));
        let trouble = (is_local || was_local) && last.as_ref() != Some(&outcome.result);
        let timing = &run.monitor.check.timing;
        let decided_before = shadow.decided(timing);
        shadow.results.push((self.now, outcome.result.clone()));
        let (from, to) = (shadow.state, shadow.verdict(timing).0);
        let mut news = from != to || (!decided_before && shadow.decided(timing));
        if outcome.result == ProbeResult::Passed {
            let advised = outcome.advice != shadow.advice;
            news |= advised && decided_before && to == State::Up;
            shadow.advice = outcome.advice;
        }
        if from != to {
            shadow.state = to;
            shadow.since = self.now;
        }
        shadow.rest(timing, self.now);
        self.supervisor.handle(Input::Finished { id, outcome: outcome.clone() }, self.now);

        if trouble {
            let (told, words) = match self.supervisor.poll_output() {
                Some(Output::Report(Event::Trouble(told))) if is_local => (told, &outcome.result),
                Some(Output::Report(Event::TroubleOver(told))) if !is_local => {
                    (told, last.as_ref().expect("it was local"))
                }
                other => panic!("local trouble: {other:?}"),
            };
            assert_eq!(*told.monitor, run.monitor);
            assert_eq!(told.since == self.now, !was_local);
            assert_eq!(&ProbeResult::Local(told.text), words);
        }
        if news {
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
        let result = match self.random.below(10) {
            0..5 => ProbeResult::Passed,
            5..8 => ProbeResult::Failed(Failure::new(Cause::Refused, "connection refused")),
            8 => ProbeResult::Failed(Failure::new(Cause::TimedOut, "timed out")),
            _ => ProbeResult::Local(format!("trouble {}", self.random.below(2))),
        };
        let advice = match self.random.below(4) {
            0 if result == ProbeResult::Passed => Some(Advice::Weight(1)),
            1 if result == ProbeResult::Passed => Some(Advice::Percent(50)),
            _ => None,
        };
        Outcome { advice, ..Outcome::new(started, self.now - started, result) }
    }

    /// A random choice of the monitors there are.
    fn set(&mut self) {
        let mut wanted = Vec::new();
        for number in 0..20_u16 {
            let start = match self.random.below(6) {
                0 => Start::Up,
                1 => Start::Down,
                2 | 3 => Start::Unknown,
                _ => continue,
            };
            wanted.push((monitor(number), start));
        }
        let mut before = std::mem::take(&mut self.shadows);
        for (monitor, start) in &wanted {
            let timing = &monitor.check.timing;
            let new = || Shadow::new(*start, timing, self.limits.first_runs, self.now);
            let shadow = before.remove(monitor).unwrap_or_else(new);
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
            assert!(!shadow.busy, "overlapping runs");
            assert!(self.seen.insert(id) == shadow.started.is_none(), "one id, one life");
            // A run that had waited for the end of its tick leaves that out of the next pause.
            let earliest = shadow.window.0 - self.tick * 2;
            assert!(self.now >= earliest, "{:?} early", earliest - self.now);
            assert!(shadow.window.0 >= shadow.begun);
            shadow.started = Some(self.now);
            shadow.busy = true;
            self.runs += 1;
            let latency = self.random.millis(3000);
            let run = Running {
                monitor: (*monitor).clone(),
                started: self.now,
                ends: self.now + latency,
                silent: shadow.is_silent(),
            };
            // Those that ran already when the limits became lower may be more. All monitors are of
            // one host.
            let Limits { total, per_host, .. } = self.limits;
            assert!(self.running.len() < total.min(per_host));
            let silent = self.running.values().filter(|run| run.silent).count();
            assert!(!run.silent || silent < total * 3 / 4);
            self.running.insert(id, run);
        }
    }

    fn compare(&self) {
        let Limits { total, per_host, .. } = self.limits;
        let silent = self.running.values().filter(|run| run.silent).count();
        let statuses = self.supervisor.statuses(self.now);
        assert!(statuses.iter().map(|status| &*status.monitor).eq(self.shadows.keys()));
        let full = self.running.len() >= total;
        assert!(!full || self.supervisor.poll_timeout().is_none());
        for (status, (monitor, shadow)) in statuses.iter().zip(&self.shadows) {
            assert_eq!((status.state, status.since), (shadow.state, shadow.since));
            let last = shadow.results.iter().rev().take(16).rev().map(|(_, result)| result);
            assert!(status.history.iter().map(|outcome| &outcome.result).eq(last));
            let totals = status.totals;
            assert_eq!(totals.passed + totals.failed + totals.local, shadow.results.len() as u64);
            let runs = self.running.values().any(|run| run.monitor == *monitor);
            assert_eq!(status.next_run.is_none(), runs);
            let latest = shadow.window.1 + self.tick;
            assert!(
                runs || self.running.len() >= total.min(per_host)
                    || (shadow.is_silent() && silent >= total * 3 / 4)
                    || latest.max(self.late_until) >= self.now,
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
        fast_interval: (number % 3 == 1).then_some(Duration::from_millis(100)),
        down_interval: (number % 4 == 2).then_some(Duration::from_millis(1500)),
        damping: (number % 5 == 3).then_some(Damping {
            falls: 2,
            within: Duration::from_secs(60),
            hold: Duration::from_secs(20),
        }),
        ..Timing::default()
    };
    let target = SocketAddr::from(([192, 0, 2, 1], number));
    let check = Check { kind: Kind::Tcp(TcpCheck::default()), timing };
    Monitor { target, check: check.into() }
}
