use std::net::IpAddr;

use vrrp::Centiseconds;
use vrrp::standing::{HeldAddress, Role};

use super::*;

const MS: Duration = Duration::from_millis(1);

fn packet(priority: u8) -> Packet {
    Packet {
        interface: "eth0".to_owned(),
        source: "10.0.0.2".parse().unwrap(),
        destination: "224.0.0.18".parse().unwrap(),
        payload: vec![0x31, 51, priority],
    }
}

fn holding(interval: u16) -> Holding {
    Holding {
        routing: vrrp::Routing::default(),
        vmac: None,
        addresses: vec![HeldAddress {
            address: IpAddr::from([10, 0, 0, 100]),
            prefix: 24,
            interface: "eth0".to_owned(),
        }],
        interval: Centiseconds::new(interval),
        adverts: vec![packet(150)],
        farewells: vec![packet(0)],
    }
}

fn standing(role: Role) -> Standing {
    Standing {
        instance: "VI_1".to_owned(),
        interface: "eth0".to_owned(),
        vrid: 51,
        conditions: Vec::new(),
        raised: BTreeMap::new(),
        role,
    }
}

fn backup() -> Standing {
    standing(Role::Backup { master: None, interval: Centiseconds::SECOND })
}

fn master() -> Standing {
    standing(Role::Master(holding(100)))
}

fn stands(standing: Standing) -> Input {
    Input::Standing(Box::new(standing))
}

/// A guard with a clock.
struct Test {
    guard: Guard,
    now: Instant,
}

impl Test {
    /// A worker that started whole, and whose instance stands so.
    fn running(standing: Standing) -> Self {
        let now = Instant::now();
        let mut test = Self { guard: Guard::new(now), now };
        assert_eq!(test.outputs(), [Output::Start(Vec::new())]);
        test.give([stands(standing), Input::Ready]);
        assert_eq!(test.outputs(), []);
        test
    }

    fn give(&mut self, inputs: impl IntoIterator<Item = Input>) {
        for input in inputs {
            self.guard.handle(input, self.now);
        }
    }

    /// Everything until then, each with its time from now.
    fn pass(&mut self, time: Duration) -> Vec<(Duration, Output)> {
        let (start, end) = (self.now, self.now + time);
        let mut all = Vec::new();
        while let Some(at) = self.guard.poll_timeout().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.guard.handle_timeout(self.now);
            let outputs = self.outputs();
            all.extend(outputs.into_iter().map(|output| (self.now - start, output)));
        }
        self.now = end;
        all
    }

    /// The same with a heartbeat on each of so many steps.
    fn beat(&mut self, step: Duration, times: u32) {
        for _ in 0..times {
            assert_eq!(self.pass(step), []);
            self.give([Input::Alive]);
        }
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.guard.poll_output()).collect()
    }
}

const KILLED: Input = Input::Ended(End::Signal(9));

#[test]
fn a_crashed_master_is_resumed_and_spoken_for() {
    let mut test = Test::running(master());
    test.beat(200 * MS, 10);
    test.give([KILLED]);
    assert_eq!(
        test.outputs(),
        [
            Output::Say(Event::Ended(End::Signal(9))),
            Output::Send(vec![packet(150)]),
            Output::Start(vec![master()]),
        ]
    );
    // Until the new worker says that it has taken over.
    let adverts = vec![
        (1000 * MS, Output::Send(vec![packet(150)])),
        (2000 * MS, Output::Send(vec![packet(150)])),
    ];
    assert_eq!(test.pass(2500 * MS), adverts);
    test.give([stands(standing(Role::None)), stands(master()), Input::Ready]);
    test.beat(200 * MS, 20);
    assert_eq!(test.outputs(), []);
}

#[test]
fn a_crashed_backup_is_resumed_in_silence() {
    let mut test = Test::running(backup());
    test.give([KILLED]);
    let said = Output::Say(Event::Ended(End::Signal(9)));
    assert_eq!(test.outputs(), [said, Output::Start(vec![backup()])]);
    assert_eq!(test.pass(COVER * 2), []);
}

/// The other director takes over three intervals after the last advert, and that may be one
/// interval older than the last sign of life.
#[test]
fn a_silent_master_is_fenced_before_the_peer_takes_over() {
    for (interval, deadline) in [(100, 2000 * MS), (10, 200 * MS), (50, 1000 * MS)] {
        let mut test = Test::running(standing(Role::Master(holding(interval))));
        test.beat(5 * MS, 100);
        let done = test.pass(deadline);
        let [(killed, Output::Say(Event::Hangs(_))), (_, Output::Kill), (fenced, fence)] =
            done.as_slice()
        else {
            panic!("{done:?}")
        };
        assert_eq!(*fence, Output::Fence(vec![standing(Role::Master(holding(interval)))]));
        assert_eq!(killed, fenced);
        assert!(*fenced >= deadline / 2, "{interval}: {fenced:?}");
        // It comes back as backup.
        test.give([KILLED]);
        assert_eq!(test.outputs(), [Output::Start(Vec::new())]);
    }
}

#[test]
fn what_a_fenced_worker_said_last_changes_nothing() {
    let mut test = Test::running(master());
    assert_eq!(test.pass(2000 * MS).len(), 3);
    test.give([Input::Alive, KILLED]);
    assert_eq!(test.outputs(), [Output::Start(Vec::new())]);
}

#[test]
fn a_guard_that_was_late_itself_waits_a_little_longer() {
    let mut test = Test::running(master());
    let due = test.guard.poll_timeout().unwrap();
    // The machine stood still, for both.
    test.now = due + 500 * MS;
    test.guard.handle_timeout(test.now);
    assert_eq!(test.outputs(), []);
    test.give([Input::Alive]);
    assert_eq!(test.pass(1500 * MS), []);
    // Late again, and the worker is really gone.
    let due = test.guard.poll_timeout().unwrap();
    test.now = due + 500 * MS;
    test.guard.handle_timeout(test.now);
    assert_eq!(test.outputs(), []);
    let done = test.pass(600 * MS);
    assert_eq!(done.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [500 * MS; 3]);
}

#[test]
fn addresses_that_nobody_takes_up_are_given_up() {
    let mut test = Test::running(master());
    test.give([KILLED]);
    test.outputs();
    let done = test.pass(COVER);
    let last: Vec<_> = done.into_iter().filter(|(at, _)| *at == COVER).map(|(_, o)| o).collect();
    assert_eq!(
        last,
        [Output::Say(Event::NotResumed(COVER)), Output::Kill, Output::Fence(vec![master()])]
    );
}

#[test]
fn a_crash_loop_gives_the_role_up_and_slows_down() {
    let mut test = Test::running(master());
    for _ in 0..4 {
        test.give([KILLED]);
        assert_eq!(test.outputs().last(), Some(&Output::Start(vec![master()])));
        test.give([stands(master())]);
        test.beat(500 * MS, 4);
    }
    test.give([KILLED]);
    assert_eq!(
        test.outputs(),
        [
            Output::Say(Event::Ended(End::Signal(9))),
            Output::Say(Event::CrashLoop { pause: 1000 * MS, held: true }),
            Output::Fence(vec![master()]),
        ]
    );
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let done = test.pass(PAUSES.1);
        let [(pause, Output::Start(resumed))] = done.as_slice() else { panic!("{done:?}") };
        assert_eq!(*resumed, []);
        pauses.push(pause.as_secs());
        test.now -= PAUSES.1 - *pause;
        test.give([stands(backup()), Input::Ended(End::Code(101))]);
        test.outputs();
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    // After a minute of sound work the next crash is one crash.
    let done = test.pass(PAUSES.1);
    assert_eq!(done.len(), 1);
    test.give([stands(backup())]);
    test.beat(1000 * MS, 61);
    test.give([KILLED]);
    assert_eq!(test.outputs().last(), Some(&Output::Start(vec![backup()])));
}

#[test]
fn what_goes_wrong_at_the_first_start_is_the_exit_code() {
    let start = || {
        let now = Instant::now();
        let mut test = Test { guard: Guard::new(now), now };
        test.outputs();
        test
    };
    let mut test = start();
    assert_eq!(test.guard.poll_timeout(), None);
    test.give([Input::Ended(End::Code(1))]);
    assert_eq!(test.outputs(), [Output::Exit(1)]);
    // VRRP ran already; IPVS was not there.
    let mut test = start();
    test.give([stands(master()), Input::Ended(End::Code(1))]);
    assert_eq!(test.outputs(), [Output::Fence(vec![master()]), Output::Exit(1)]);
    let mut test = start();
    test.give([Input::Ended(End::NotStarted)]);
    assert_eq!(test.outputs(), [Output::Say(Event::Ended(End::NotStarted)), Output::Exit(1)]);
}

#[test]
fn a_stop_is_the_workers_and_its_exit_code_the_guards() {
    let mut test = Test::running(master());
    test.give([Input::Stop, Input::Stopping, stands(standing(Role::None))]);
    assert_eq!(test.outputs(), [Output::Terminate]);
    assert_eq!(test.pass(STOP * 3), [], "a slow check's end is nobody's emergency");
    test.give([Input::Ended(End::Code(0))]);
    assert_eq!(test.outputs(), [Output::Exit(0)]);

    // It crashes while it stops.
    let mut test = Test::running(master());
    test.give([Input::Stop, KILLED]);
    assert_eq!(test.outputs(), [Output::Terminate, Output::Fence(vec![master()]), Output::Exit(1)]);

    // It hangs while it stops.
    let mut test = Test::running(master());
    test.give([Input::Stop]);
    test.outputs();
    assert_eq!(
        test.pass(STOP).into_iter().map(|(_, output)| output).collect::<Vec<_>>(),
        [Output::Say(Event::StopHangs(STOP)), Output::Kill, Output::Fence(vec![master()])]
    );
    test.give([KILLED]);
    assert_eq!(test.outputs(), [Output::Exit(0)]);
}

#[test]
fn a_stop_in_a_pause_is_at_once() {
    let mut test = Test::running(backup());
    for _ in 0..MANY {
        test.give([KILLED, stands(backup())]);
    }
    test.outputs();
    test.give([Input::Stop]);
    assert_eq!(test.outputs(), [Output::Exit(0)]);
}

#[test]
fn an_upgrade_keeps_what_is_held() {
    let mut test = Test::running(master());
    test.give([Input::Upgrade]);
    assert_eq!(test.outputs(), [Output::HandOver]);
    test.beat(200 * MS, 5);
    test.give([Input::Ended(End::Code(0))]);
    let advert = Output::Send(vec![packet(150)]);
    assert_eq!(test.outputs(), [advert.clone(), Output::Replace(vec![master()])]);

    let now = test.now;
    let mut new = Test { guard: Guard::after_upgrade(vec![master()], now), now };
    assert_eq!(new.outputs(), [advert.clone(), Output::Start(vec![master()])]);
    assert_eq!(new.pass(1000 * MS), [(1000 * MS, advert.clone())]);

    // The file is no program after all.
    test.give([Input::NotReplaced("no such file".to_owned())]);
    assert_eq!(
        test.outputs(),
        [
            Output::Say(Event::NotReplaced("no such file".to_owned())),
            advert,
            Output::Start(vec![master()])
        ]
    );
}

#[test]
fn a_worker_that_does_not_hand_over_is_killed_and_succeeded() {
    let mut test = Test::running(master());
    test.give([Input::Upgrade]);
    test.outputs();
    test.beat(500 * MS, 19);
    assert_eq!(
        test.pass(500 * MS).into_iter().map(|(_, output)| output).collect::<Vec<_>>(),
        [Output::Say(Event::HandOverHangs(HAND_OVER)), Output::Kill]
    );
    test.give([KILLED]);
    assert_eq!(test.outputs(), [Output::Send(vec![packet(150)]), Output::Replace(vec![master()])]);
}
