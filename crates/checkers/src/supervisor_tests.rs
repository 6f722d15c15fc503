#![allow(clippy::disallowed_methods, reason = "an instant to count from")]

use std::net::SocketAddr;

use super::*;
use crate::outcome::{Cause, Failure};
use crate::spec::{Check, Connect, Kind, TcpCheck, Timing, Via};
use crate::trouble::TroubleKind;

const SECOND: Duration = Duration::from_secs(1);

fn limits(total: usize, per_host: usize) -> Limits {
    Limits { total, per_host, ..Limits::default() }
}

fn timing() -> Timing {
    Timing { interval: 10 * SECOND, jitter_percent: 0, ..Timing::default() }
}

fn monitor(number: u16, timing: Timing) -> Monitor {
    let target = SocketAddr::from(([192, 0, 2, 1], number));
    let check = Check { kind: Kind::Tcp(TcpCheck::default()), timing };
    Monitor { target, check: check.into() }
}

/// A supervisor in virtual time.
struct World {
    supervisor: Supervisor,
    t0: Instant,
    now: Instant,
    running: BTreeMap<MonitorId, Arc<Monitor>>,
    cancelled: Vec<MonitorId>,
    events: Vec<Event>,
}

impl World {
    fn new(max_in_flight: usize) -> Self {
        Self::limited(max_in_flight, 100_000)
    }

    fn limited(total: usize, per_host: usize) -> Self {
        let t0 = Instant::now();
        Self {
            supervisor: Supervisor::new(7, Duration::ZERO, limits(total, per_host), t0),
            t0,
            now: t0,
            running: BTreeMap::new(),
            cancelled: Vec::new(),
            events: Vec::new(),
        }
    }

    fn set(&mut self, monitors: Vec<(Monitor, Start)>) {
        self.supervisor.handle(Input::Set(monitors), self.now);
        self.drain();
    }

    /// Goes to the next moment at which something is due, if it is within `limit` from the start.
    fn step(&mut self, limit: Duration) -> bool {
        let Some(at) = self.supervisor.poll_timeout() else { return false };
        if at > self.t0 + limit {
            return false;
        }
        self.now = self.now.max(at);
        while self.supervisor.poll_timeout().is_some_and(|at| at <= self.now) {
            self.supervisor.handle_timeout(self.now);
        }
        self.drain();
        true
    }

    /// Ends a running probe that started `latency` ago.
    fn finish(&mut self, id: MonitorId, latency: Duration, result: ProbeResult) {
        self.running.remove(&id);
        let started = self.now;
        self.now += latency;
        let outcome = Outcome::new(started, latency, result);
        self.supervisor.handle(Input::Finished { id, outcome }, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.supervisor.poll_output() {
            match output {
                Output::StartProbe { id, monitor, .. } => {
                    let overlap = self.running.insert(id, monitor);
                    assert!(overlap.is_none(), "two runs of {id:?} at a time");
                }
                Output::CancelProbe { id } => self.cancelled.push(id),
                Output::Report(event) => self.events.push(event),
            }
        }
    }

    fn only_running(&self) -> MonitorId {
        assert_eq!(self.running.len(), 1);
        *self.running.keys().next().unwrap()
    }

    /// Runs the only monitor once, with a result at once; gives when it started, from the start.
    fn run_once(&mut self, result: ProbeResult) -> Duration {
        assert!(self.step(10 * LONGEST_INTERVAL));
        let at = self.now - self.t0;
        self.finish(self.only_running(), Duration::ZERO, result);
        at
    }

    fn transitions(&self) -> Vec<(State, State, String)> {
        let transition = |event: &Event| match event {
            Event::Transition(t) => Some((t.from, t.to, t.reason.clone())),
            Event::Trouble(_) | Event::TroubleOver(_) => None,
        };
        self.events.iter().filter_map(transition).collect()
    }
}

fn failed() -> ProbeResult {
    ProbeResult::Failed(Failure::new(Cause::Refused, "connection refused"))
}

#[test]
fn transitions_are_reported_with_their_reason() {
    let mut world = World::new(10);
    world.set(vec![(monitor(1, timing()), Start::Unknown)]);
    for result in [ProbeResult::Passed, failed(), failed(), failed()] {
        world.run_once(result);
    }
    assert_eq!(
        world.transitions(),
        [
            (State::Unknown, State::Up, "tcp_check: passed".into()),
            (
                State::Up,
                State::Down,
                "tcp_check: connection refused, 3 failures in a row".to_owned()
            ),
        ]
    );
}

#[test]
fn runs_are_one_interval_apart_from_start_to_start() {
    let mut world = World::new(10);
    world.set(vec![(monitor(1, timing()), Start::Unknown)]);
    world.run_once(ProbeResult::Passed);
    let mut last = world.run_once(ProbeResult::Passed);
    for _ in 0..5 {
        assert!(world.step(1000 * SECOND));
        let started = world.now - world.t0;
        assert_eq!(started - last, 10 * SECOND);
        last = started;
        world.finish(world.only_running(), 3 * SECOND, ProbeResult::Passed);
    }
}

#[test]
fn a_run_longer_than_the_interval_is_followed_by_the_next_and_never_overlapped() {
    let mut world = World::new(10);
    world.set(vec![(monitor(1, timing()), Start::Unknown)]);
    for _ in 0..3 {
        assert!(world.step(1000 * SECOND));
        assert_eq!(world.supervisor.poll_timeout(), None, "nothing is due while it runs");
        world.finish(world.only_running(), 25 * SECOND, failed());
        assert_eq!(world.supervisor.poll_timeout(), Some(world.now));
    }
}

#[test]
fn jitter_stays_within_its_share_of_the_interval() {
    let mut world = World::new(10);
    let timing = Timing { jitter_percent: 20, ..timing() };
    world.set(vec![(monitor(1, timing), Start::Unknown)]);
    world.run_once(ProbeResult::Passed);
    let mut last = world.run_once(ProbeResult::Passed);
    let (mut shortest, mut longest) = (Duration::MAX, Duration::ZERO);
    for _ in 0..1000 {
        let at = world.run_once(ProbeResult::Passed);
        shortest = shortest.min(at - last);
        longest = longest.max(at - last);
        last = at;
    }
    assert!(shortest >= 8 * SECOND && longest <= 12 * SECOND, "{shortest:?} {longest:?}");
    // A thousand even choices come within 5 % of both ends (chance to miss: 0.975^1000).
    assert!(shortest < Duration::from_millis(8200), "{shortest:?}");
    assert!(longest > Duration::from_millis(11800), "{longest:?}");
}

#[test]
fn the_verdict_decides_which_interval_follows() {
    let timing = Timing {
        fast_interval: Some(SECOND),
        down_interval: Some(30 * SECOND),
        rise: 2,
        fall: 2,
        ..timing()
    };
    let mut world = World::new(10);
    world.set(vec![(monitor(1, timing), Start::Unknown)]);
    // Up at once; its second run comes at its own place in the interval.
    let mut last = world.run_once(ProbeResult::Passed);
    let mut after = |result| {
        let at = world.run_once(result);
        std::mem::replace(&mut last, at).abs_diff(at)
    };
    assert!((SECOND..=10 * SECOND).contains(&after(ProbeResult::Passed)));
    assert_eq!(after(ProbeResult::Passed), 10 * SECOND);
    assert_eq!(after(failed()), 10 * SECOND);
    assert_eq!(after(failed()), SECOND, "about to fall");
    assert!((SECOND..=30 * SECOND).contains(&after(failed())), "down");
    assert_eq!(after(failed()), 30 * SECOND, "down");
    assert_eq!(after(ProbeResult::Passed), 30 * SECOND, "down");
    assert_eq!(after(ProbeResult::Passed), SECOND, "about to rise");
    assert!((SECOND..=10 * SECOND).contains(&after(ProbeResult::Passed)), "up");
    assert_eq!(after(ProbeResult::Passed), 10 * SECOND, "up");
}

/// A thousand monitors that have all just come from their fast interval do not keep its beat.
#[test]
fn runs_are_spread_again_after_a_fast_interval() {
    let timing = Timing { fast_interval: Some(SECOND), rise: 2, ..timing() };
    let mut world = World::new(100_000);
    world.set((0..10_000).map(|number| (monitor(number, timing), Start::Up)).collect());
    let mut starts: BTreeMap<MonitorId, Vec<Duration>> = BTreeMap::new();
    while world.step(100 * SECOND) && world.now - world.t0 < 15 * SECOND {
        let at = world.now - world.t0;
        for id in world.running.keys().copied().collect::<Vec<_>>() {
            starts.entry(id).or_default().push(at);
            world.finish(id, Duration::ZERO, ProbeResult::Passed);
        }
    }
    // Confirmed by the second run, which is a second after the first.
    let third: Vec<Duration> = starts.values().map(|at| at[2] - 2 * SECOND).collect();
    assert_eq!(third.len(), 10_000);
    // The first tenth is 1000 less what the second of the first runs holds back, the middle 1000.
    for count in &slots(&third, 10 * SECOND, 10)[1..9] {
        assert!((850..=1400).contains(count), "{count}");
    }
}

/// How many of `moments` fall into each of `slots` equal parts of `span`.
fn slots(moments: &[Duration], span: Duration, slots: u32) -> Vec<usize> {
    let part = span / slots;
    (0..slots)
        .map(|slot| {
            moments.iter().filter(|&&at| at >= part * slot && at < part * (slot + 1)).count()
        })
        .collect()
}

#[test]
fn first_runs_are_spread_over_a_second_and_second_runs_over_the_interval() {
    let mut world = World::new(100_000);
    let monitors = (0..10_000).map(|number| (monitor(number, timing()), Start::Unknown));
    world.set(monitors.collect());
    let (mut first, mut second) = (Vec::new(), Vec::new());
    while second.len() < 10_000 && world.step(100 * SECOND) {
        let at = world.now - world.t0;
        for id in world.running.keys().copied().collect::<Vec<_>>() {
            let runs = &world.supervisor.entries[&id].judge.totals().passed;
            if *runs == 0 {
                first.push(at);
            } else {
                second.push(at - SECOND);
            }
            world.finish(id, Duration::ZERO, ProbeResult::Passed);
        }
    }
    assert_eq!((first.len(), second.len()), (10_000, 10_000));
    // 1000 are expected in each tenth; five standard deviations of such a count are 150.
    for count in slots(&first, SECOND, 10).into_iter().chain(slots(&second, 10 * SECOND, 10)) {
        assert!((850..=1150).contains(&count), "{count}");
    }
}

#[test]
fn a_set_keeps_what_stays_and_ends_what_goes() {
    let mut world = World::new(10);
    let [a, b, c] = [1, 2, 3].map(|number| monitor(number, timing()));
    world.set(vec![(a.clone(), Start::Unknown), (b.clone(), Start::Unknown)]);
    assert!(world.step(SECOND) && world.step(SECOND));
    let id_of = |world: &World, monitor: &Monitor| world.supervisor.ids[monitor];
    let (id_a, id_b) = (id_of(&world, &a), id_of(&world, &b));
    world.finish(id_a, Duration::ZERO, ProbeResult::Passed);
    let status = |world: &World| {
        let status =
            world.supervisor.statuses(world.now).into_iter().find(|s| *s.monitor == a).unwrap();
        (status.state, status.since, status.history, status.next_run)
    };
    let before = status(&world);

    world.set(vec![(a.clone(), Start::Down), (c.clone(), Start::Up), (c.clone(), Start::Down)]);
    assert_eq!(world.cancelled, [id_b]);
    assert_eq!(status(&world), before);
    let statuses = world.supervisor.statuses(world.now);
    assert_eq!(statuses.len(), 2);
    assert_eq!(statuses[1].state, State::Up, "of equal monitors the first counts");

    // The late result of the one that is gone is no news, even if its like is back.
    world.set(vec![(a, Start::Unknown), (b.clone(), Start::Unknown)]);
    let events = world.events.len();
    world.finish(id_b, Duration::ZERO, ProbeResult::Passed);
    assert_eq!(world.events.len(), events);
    let statuses = world.supervisor.statuses(world.now);
    assert_eq!((statuses[1].state, statuses[1].history.len()), (State::Unknown, 0));
    assert_ne!(id_of(&world, &b), id_b);
}

#[test]
fn a_result_counts_once() {
    let mut world = World::new(10);
    world.set(vec![(monitor(1, timing()), Start::Up)]);
    assert!(world.step(SECOND));
    let id = world.only_running();
    for _ in 0..5 {
        world.finish(id, Duration::ZERO, failed());
    }
    let status = &world.supervisor.statuses(world.now)[0];
    assert_eq!((status.state, status.failures), (State::Up, 1));
}

#[test]
fn local_trouble_is_reported_when_it_begins_and_changes_nothing() {
    let mut world = World::new(10);
    world.set(vec![(monitor(1, timing()), Start::Up)]);
    let local = |text: &str| ProbeResult::Local(text.into());
    for result in [
        local("no port"),
        local("no port"),
        local("no memory"),
        ProbeResult::Passed,
        local("no memory"),
        failed(),
        local("no memory"),
        failed(),
    ] {
        world.run_once(result);
    }
    let told: Vec<_> = world.events.iter().map(trouble_text).collect();
    let memory = ["no memory", "over: no memory"];
    assert_eq!(told, [&["no port"], &memory[..], &memory, &memory].concat());
    let status = &world.supervisor.statuses(world.now)[0];
    assert_eq!((status.state, status.failures), (State::Up, 2));
}

fn trouble_text(event: &Event) -> String {
    match event {
        Event::Trouble(trouble) => trouble.text.clone(),
        Event::TroubleOver(trouble) => format!("over: {}", trouble.text),
        Event::Transition(_) => panic!("{event:?}"),
    }
}

#[test]
fn trouble_is_seen_while_it_lasts_and_counts_from_its_begin() {
    let mut world = World::new(10);
    let troubled = monitor(1, timing());
    world.set(vec![(troubled.clone(), Start::Up)]);
    world.run_once(ProbeResult::Local("no port".into()));
    let began = world.now;
    world.run_once(ProbeResult::Local("no memory".into()));
    let expected = Trouble {
        monitor: Arc::new(troubled),
        kind: TroubleKind::CannotRun,
        since: began,
        text: "no memory".into(),
    };
    assert_eq!(world.supervisor.troubles(), std::slice::from_ref(&expected));
    world.run_once(failed());
    assert_eq!(world.supervisor.troubles(), []);
    assert_eq!(world.events.last(), Some(&Event::TroubleOver(expected)));
}

#[test]
fn a_warning_is_told_until_a_run_passes_without_it() {
    let mut world = World::new(10);
    world.set(vec![(monitor(1, Timing { rise: 1, ..timing() }), Start::Up)]);
    world.run_once(ProbeResult::Passed); // Confirms what it was started with.
    world.events.clear();
    let expires = |days: u32| Some(format!("expires in {days} days"));
    for (result, warning) in [
        (ProbeResult::Passed, expires(14)),
        (ProbeResult::Passed, expires(14)),
        (failed(), None),
        (ProbeResult::Passed, expires(13)),
        (ProbeResult::Passed, None),
        (ProbeResult::Passed, None),
    ] {
        assert!(world.step(10 * LONGEST_INTERVAL));
        let id = world.only_running();
        world.running.clear();
        let outcome = Outcome { warning, ..Outcome::new(world.now, Duration::ZERO, result) };
        world.supervisor.handle(Input::Finished { id, outcome }, world.now);
        world.drain();
    }
    let told: Vec<_> = world.events.iter().map(trouble_text).collect();
    assert_eq!(told, ["expires in 14 days", "expires in 13 days", "over: expires in 13 days"]);
}

#[test]
fn no_more_probes_than_allowed_run_at_a_time_and_the_longest_due_goes_first() {
    let mut world = World::new(3);
    let monitors = (0..10).map(|number| (monitor(number, timing()), Start::Unknown));
    world.set(monitors.collect());
    world.now += 2 * SECOND;
    let entries = &world.supervisor.entries;
    let mut order: Vec<MonitorId> = entries.keys().copied().collect();
    order.sort_by_key(|id| entries[id].due);
    let mut started: Vec<MonitorId> = Vec::new();
    while started.len() < 10 {
        world.step(10 * SECOND);
        assert!(world.running.len() <= 3);
        assert!(started.len() > 7 || world.supervisor.poll_timeout().is_none());
        let ids: Vec<_> =
            order.iter().copied().filter(|id| world.running.contains_key(id)).collect();
        started.extend(&ids);
        for id in ids {
            world.finish(id, Duration::ZERO, ProbeResult::Passed);
        }
    }
    assert_eq!(started, order);
}

/// Many servers have the same virtual address: a check that goes to it counts for its server.
#[test]
fn the_limit_of_a_host_is_that_of_the_server_behind_the_virtual_address() {
    let through = |server: u8, port| {
        let connect = Connect {
            address: Some([203, 0, 113, 1].into()),
            mark: Some(server.into()),
            via: Via::VirtualAddress,
            ..Connect::default()
        };
        let kind = Kind::Tcp(TcpCheck { connect, ..TcpCheck::default() });
        let check = Check { kind, timing: timing() };
        Monitor { target: ([192, 0, 2, server], port).into(), check: check.into() }
    };
    let mut world = World::limited(100, 1);
    let monitors = [through(1, 80), through(1, 81), through(2, 80), through(3, 80)];
    world.set(monitors.into_iter().map(|monitor| (monitor, Start::Unknown)).collect());
    while world.step(SECOND) {}
    let mut hosts: Vec<_> = world.running.values().map(|monitor| monitor.target.ip()).collect();
    hosts.sort_unstable();
    assert_eq!(hosts, [1, 2, 3].map(|server| std::net::IpAddr::from([192, 0, 2, server])));
}

#[test]
fn removing_a_running_monitor_frees_its_place() {
    let mut world = World::new(1);
    world.set(vec![(monitor(1, timing()), Start::Unknown)]);
    assert!(world.step(SECOND));
    world.set(vec![(monitor(2, timing()), Start::Unknown)]);
    world.running.clear();
    assert!(world.step(2 * SECOND));
    assert_eq!(world.running.values().next().unwrap().target.port(), 2);
}

#[test]
fn absurd_times_do_no_harm() {
    let mut world = World::new(1);
    for interval in [Duration::MAX, Duration::ZERO] {
        let timing = Timing { interval, jitter_percent: u8::MAX, ..timing() };
        world.set(vec![(monitor(1, timing), Start::Unknown)]);
        for _ in 0..3 {
            world.run_once(ProbeResult::Passed);
        }
    }
}
