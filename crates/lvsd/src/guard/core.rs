//! What the guard decides. Pure: `now` is an argument, and what is to be done is an output.
//!
//! After each call of [`Guard::handle`] or [`Guard::handle_timeout`], carry out what
//! [`Guard::poll_output`] gives, in its order, until it gives nothing.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use vrrp::standing::{Holding, Packet, Standing, patience};

use super::text::Event;

/// Ends of workers within [`WINDOW`] that make a crash loop.
const MANY: usize = 5;
/// The time in which they are counted.
const WINDOW: Duration = Duration::from_secs(30);
/// Pauses before a restart in a crash loop: from the first, doubled each time, to the last.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// A worker that lived so long ends a crash loop.
const SOUND: Duration = Duration::from_secs(60);
/// How long the guard sends a master's adverts until the next worker does.
const COVER: Duration = Duration::from_secs(5);
/// How long a worker that replaces another one may take until its VRRP loop runs.
const START: Duration = Duration::from_secs(60);
/// How long a worker that stops may hold addresses.
const STOP: Duration = Duration::from_secs(10);
/// How long a worker may take to end for an upgrade.
const HAND_OVER: Duration = Duration::from_secs(10);
/// A guard that comes later than this to its own timer was left waiting by the machine.
const LATE: Duration = Duration::from_millis(20);

/// What happens to the guard.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    /// The VRRP loop lives.
    Alive,
    /// An instance stands otherwise than before.
    Standing(Box<Standing>),
    /// An instance is no more.
    Gone(String),
    /// The worker has started whole.
    Ready,
    /// The worker stops because it was told to.
    Stopping,
    /// The worker asks for an upgrade; the new program was tried.
    Upgrade,
    /// The new program could not be started, for this reason.
    NotReplaced(String),
    /// The worker's process has ended.
    Ended(End),
    /// The guard shall stop.
    Stop,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With this exit code.
    Code(u8),
    /// By this signal.
    Signal(i32),
    /// It could not be started.
    NotStarted,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// Start a worker that goes on where these stand.
    Start(Vec<Standing>),
    /// Send SIGTERM to the worker.
    Terminate,
    /// Send SIGKILL to the worker.
    Kill,
    /// Ask the worker to end and to leave everything as it is.
    HandOver,
    /// Remove what these hold, give up mastership of it, and undo what was raised for them.
    Fence(Vec<Standing>),
    /// Send these packets.
    Send(Vec<Packet>),
    /// Become the new program, which goes on where these stand.
    Replace(Vec<Standing>),
    /// Log it.
    Say(Event),
    /// End with this exit code.
    Exit(u8),
}

/// What the worker does, as far as the guard knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It starts; its VRRP loop has not been heard yet.
    Starting { until: Option<Instant> },
    /// Its loop was last heard then. `grace` is for a guard that was late itself.
    Running { heard: Instant, grace: Duration },
    /// It ends by itself.
    Stopping { until: Instant },
    /// It ends for an upgrade.
    HandingOver { heard: Instant, until: Instant },
    /// It was killed; its end is waited for.
    Killed,
    /// There is none until then.
    Pausing { until: Instant },
    /// There is none, and the new program takes over.
    Replacing,
}

/// The guard of one worker.
#[derive(Debug)]
pub(crate) struct Guard {
    phase: Phase,
    /// No worker has been ready yet: what goes wrong is the user's to know, not to be repeated.
    first: bool,
    /// The guard ends with the worker.
    stop: bool,
    standings: BTreeMap<String, Standing>,
    /// The masters whose adverts the guard sends, and when the next one is due.
    covered: BTreeMap<String, Instant>,
    cover_until: Instant,
    /// When workers ended.
    ends: VecDeque<Instant>,
    /// Before the next restart; zero unless there is a crash loop.
    pause: Duration,
    started: Instant,
    outputs: VecDeque<Output>,
}

impl Guard {
    /// A guard at its start; it starts a worker.
    pub(crate) fn new(now: Instant) -> Self {
        let mut guard = Self {
            phase: Phase::Starting { until: None },
            first: true,
            stop: false,
            standings: BTreeMap::new(),
            covered: BTreeMap::new(),
            cover_until: now,
            ends: VecDeque::new(),
            pause: Duration::ZERO,
            started: now,
            outputs: VecDeque::new(),
        };
        guard.outputs.push_back(Output::Start(Vec::new()));
        guard
    }

    /// A guard that goes on for the one before the upgrade.
    pub(crate) fn after_upgrade(standings: Vec<Standing>, now: Instant) -> Self {
        let mut guard = Self::new(now);
        guard.outputs.clear();
        guard.first = false;
        guard.standings = standings.into_iter().map(|one| (one.instance.clone(), one)).collect();
        guard.resume(now);
        guard
    }

    /// Takes an input.
    pub(crate) fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Alive => self.heard(now),
            Input::Standing(standing) => {
                self.heard(now);
                self.covered.remove(&standing.instance);
                self.standings.insert(standing.instance.clone(), *standing);
            }
            Input::Gone(instance) => {
                self.heard(now);
                self.covered.remove(&instance);
                self.standings.remove(&instance);
            }
            Input::Ready => self.first = false,
            Input::Stopping => {
                self.stop = true;
                self.stopping(now);
            }
            Input::Upgrade => {
                if let Phase::Running { heard, .. } = self.phase {
                    self.phase = Phase::HandingOver { heard, until: now + HAND_OVER };
                    self.outputs.push_back(Output::HandOver);
                }
            }
            Input::NotReplaced(reason) => {
                self.say(Event::NotReplaced(reason));
                self.resume(now);
            }
            Input::Ended(end) => self.ended(end, now),
            Input::Stop => self.stop(now),
        }
    }

    /// Does what is due at `now`.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.cover(now);
        match self.phase {
            Phase::Starting { until: Some(until) } if now >= until => {
                self.end_worker(Event::StartHangs(START), now);
            }
            Phase::Running { heard, grace } if now >= heard + self.patience() + grace => {
                let late = now - (heard + self.patience() + grace);
                if grace.is_zero() && late > LATE {
                    // The worker waited for the machine just as long.
                    self.phase = Phase::Running { heard, grace: late + late.min(self.patience()) };
                } else {
                    self.end_worker(Event::Hangs(now - heard), now);
                }
            }
            Phase::Stopping { until } if now >= until && self.holds() => {
                self.end_worker(Event::StopHangs(STOP), now);
            }
            Phase::HandingOver { heard, .. } if now >= heard + self.patience() => {
                self.end_worker(Event::Hangs(now - heard), now);
            }
            Phase::HandingOver { until, .. } if now >= until => {
                // What it holds is taken over from a worker that was killed just as well.
                self.say(Event::HandOverHangs(HAND_OVER));
                self.outputs.push_back(Output::Kill);
                self.phase = Phase::HandingOver { heard: now, until: now + HAND_OVER };
            }
            Phase::Pausing { until } if now >= until => self.start(Vec::new(), now),
            _ => {}
        }
    }

    /// When [`Guard::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Starting { until } => until,
            Phase::Running { heard, grace } => Some(heard + self.patience() + grace),
            Phase::Stopping { until } => self.holds().then_some(until),
            Phase::HandingOver { heard, until } => Some(until.min(heard + self.patience())),
            Phase::Pausing { until } => Some(until),
            Phase::Killed | Phase::Replacing => None,
        };
        let cover = self.covered.values().min().map(|&next| next.min(self.cover_until));
        phase.into_iter().chain(cover).min()
    }

    /// The next thing to do.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn patience(&self) -> Duration {
        patience(self.holdings().map(|holding| holding.interval))
    }

    fn holdings(&self) -> impl Iterator<Item = &Holding> {
        self.standings.values().filter_map(Standing::holding)
    }

    fn holds(&self) -> bool {
        self.holdings().next().is_some()
    }

    fn heard(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Starting { .. } => {
                self.phase = Phase::Running { heard: now, grace: Duration::ZERO };
            }
            Phase::Running { heard, grace } => (*heard, *grace) = (now, Duration::ZERO),
            Phase::HandingOver { heard, .. } => *heard = now,
            // What it said before it was killed.
            Phase::Stopping { .. } | Phase::Killed | Phase::Pausing { .. } | Phase::Replacing => {}
        }
    }

    fn stop(&mut self, now: Instant) {
        self.stop = true;
        match self.phase {
            Phase::Starting { .. }
            | Phase::Running { .. }
            | Phase::HandingOver { .. }
            | Phase::Stopping { .. } => {
                self.outputs.push_back(Output::Terminate);
                self.stopping(now);
            }
            Phase::Killed => {}
            Phase::Pausing { .. } | Phase::Replacing => {
                self.fence();
                self.outputs.push_back(Output::Exit(0));
            }
        }
    }

    fn stopping(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Stopping { .. } | Phase::Killed) {
            self.phase = Phase::Stopping { until: now + STOP };
        }
    }

    /// Ends a worker that does not do its work, and its roles with it. Killed first: what is
    /// removed must not come back.
    fn end_worker(&mut self, why: Event, now: Instant) {
        self.say(why);
        self.outputs.push_back(Output::Kill);
        self.fence();
        self.count_end(now);
        self.phase = Phase::Killed;
    }

    fn fence(&mut self) {
        let leaves = |one: &Standing| one.holding().is_some() || !one.raised.is_empty();
        let standings = std::mem::take(&mut self.standings).into_values().filter(leaves);
        let standings: Vec<Standing> = standings.collect();
        self.covered.clear();
        if !standings.is_empty() {
            self.outputs.push_back(Output::Fence(standings));
        }
    }

    fn ended(&mut self, end: End, now: Instant) {
        let phase = self.phase;
        if self.stop || end == End::Code(0) && !matches!(phase, Phase::HandingOver { .. }) {
            // A worker that stopped holds nothing any more.
            self.fence();
            let code = match end {
                End::Code(code) => code,
                End::Signal(_) | End::NotStarted => u8::from(phase != Phase::Killed),
            };
            self.outputs.push_back(Output::Exit(code));
            return;
        }
        if self.first {
            if !matches!(end, End::Code(_)) {
                self.say(Event::Ended(end));
            }
            let code = if let End::Code(code) = end { code } else { 1 };
            self.fence();
            self.outputs.push_back(Output::Exit(code));
            return;
        }
        match phase {
            Phase::HandingOver { .. } => {
                self.phase = Phase::Replacing;
                self.begin_cover(now);
                self.cover(now);
                let standings = self.standings.values().cloned().collect();
                self.outputs.push_back(Output::Replace(standings));
            }
            Phase::Killed => self.restart(now),
            _ => {
                self.say(Event::Ended(end));
                self.count_end(now);
                self.restart(now);
            }
        }
    }

    fn count_end(&mut self, now: Instant) {
        self.ends.push_back(now);
        while self.ends.front().is_some_and(|&at| now > at + WINDOW) {
            self.ends.pop_front();
        }
        if now >= self.started + SOUND {
            self.pause = Duration::ZERO;
        }
        if self.ends.len() >= MANY || !self.pause.is_zero() {
            self.pause = (self.pause * 2).clamp(PAUSES.0, PAUSES.1);
        }
    }

    fn restart(&mut self, now: Instant) {
        if self.pause.is_zero() {
            self.resume(now);
        } else {
            self.say(Event::CrashLoop { pause: self.pause, held: self.holds() });
            self.fence();
            self.phase = Phase::Pausing { until: now + self.pause };
        }
    }

    /// Starts a worker that goes on where the last one stood.
    fn resume(&mut self, now: Instant) {
        self.begin_cover(now);
        self.cover(now);
        let standings: Vec<Standing> = self.standings.values().cloned().collect();
        self.start(standings, now);
    }

    fn start(&mut self, standings: Vec<Standing>, now: Instant) {
        self.started = now;
        let until = (!self.first).then(|| now + START);
        self.phase = Phase::Starting { until };
        self.outputs.push_back(Output::Start(standings));
    }

    fn begin_cover(&mut self, now: Instant) {
        self.cover_until = now + COVER;
        self.covered = self
            .standings
            .iter()
            .filter(|(_, standing)| standing.holding().is_some())
            .map(|(name, _)| (name.clone(), now))
            .collect();
    }

    /// Speaks for the masters that no worker speaks for.
    fn cover(&mut self, now: Instant) {
        if !self.covered.is_empty() && now >= self.cover_until {
            if self.phase == Phase::Replacing {
                self.fence();
            } else {
                self.end_worker(Event::NotResumed(COVER), now);
            }
            return;
        }
        for (name, next) in &mut self.covered {
            if now < *next {
                continue;
            }
            let Some(holding) = self.standings.get(name).and_then(Standing::holding) else {
                continue;
            };
            *next = now + holding.interval.duration();
            self.outputs.push_back(Output::Send(holding.adverts.clone()));
        }
    }

    fn say(&mut self, event: Event) {
        self.outputs.push_back(Output::Say(event));
    }
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
