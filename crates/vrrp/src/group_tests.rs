//! Groups of real instances: what their members do at each turn.

#![expect(clippy::disallowed_methods, reason = "a test chooses its first moment")]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::*;
use crate::instance::Output;
use crate::packet::{Advert, GROUP, IpHeader};
use crate::spec::{Checksum, InstanceSpec, VirtualAddress, Vrid};
use crate::track::{Condition, Thing, Track};

const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 3));

fn spec(name: &str, vrid: u8) -> InstanceSpec {
    InstanceSpec {
        addresses: vec![VirtualAddress::new(Ipv4Addr::new(10, 0, 0, 100 + vrid).into(), 24, name)],
        group: Some("G".to_owned()),
        ..InstanceSpec::new(name, name, Vrid::new(vrid).unwrap())
    }
}

struct Bench {
    group: Group,
    members: Vec<Instance>,
    now: Instant,
}

impl Bench {
    /// Members `in` and `out`, not started.
    fn new() -> Self {
        let now = Instant::now();
        let members = ["out", "in"].into_iter().zip([2, 1]);
        let members = members.map(|(name, vrid)| Instance::new(spec(name, vrid), now)).collect();
        Self { group: Group::new("G".to_owned(), now), members, now }
    }

    fn backup() -> Self {
        let mut bench = Self::new();
        bench.input("in", Input::Up(OWN));
        bench.input("out", Input::Up(OWN));
        bench.expect(State::Backup);
        bench
    }

    fn master() -> Self {
        let mut bench = Self::backup();
        bench.pass(5000);
        bench.expect(State::Master);
        bench
    }

    fn expect(&self, state: State) {
        assert_eq!(self.states(), vec![state; self.members.len()]);
        assert_eq!(self.group.status().state, state);
    }

    fn states(&self) -> Vec<State> {
        self.members.iter().map(Instance::state).collect()
    }

    fn input(&mut self, name: &str, input: Input) -> Vec<String> {
        let member = self.members.iter_mut().find(|m| m.spec().name == name).unwrap();
        member.handle(input, self.now);
        self.settle()
    }

    fn settle(&mut self) -> Vec<String> {
        let mut members: Vec<&mut Instance> = self.members.iter_mut().collect();
        let event = self.group.settle(&mut members, self.now);
        let mut words = Vec::new();
        for member in &mut self.members {
            while let Some(output) = member.poll_output() {
                words.push(match output {
                    Output::Send { source, destination, payload } => {
                        let header = IpHeader { source, destination, ttl: 255 };
                        let advert = Advert::decode(&payload, &header).unwrap();
                        format!("{}: advert {}", member.spec().name, advert.priority)
                    }
                    Output::Event(event) => event.to_string(),
                    _ => continue,
                });
            }
        }
        words.extend(event.map(|event| event.to_string()));
        words
    }

    /// An advert of the peer, to the member of that name.
    fn advert(&mut self, name: &str, priority: u8) -> Vec<String> {
        let spec = self.members.iter().find(|m| m.spec().name == name).unwrap().spec();
        let advert = Advert {
            version: spec.version,
            vrid: spec.vrid,
            priority,
            interval: spec.advert_interval,
            addresses: spec.addresses.iter().map(|own| own.address).collect(),
            authentication: None,
            quick: false,
        };
        let header = IpHeader { source: PEER, destination: GROUP.into(), ttl: 255 };
        let payload = advert.encode(PEER, GROUP.into(), Checksum::PseudoHeader);
        self.input(name, Input::Packet(header, payload))
    }

    fn pass(&mut self, milliseconds: u64) -> Vec<String> {
        let end = self.now + Duration::from_millis(milliseconds);
        let mut words = Vec::new();
        loop {
            let next = self.members.iter().filter_map(Instance::poll_timeout).min();
            let Some(at) = next.filter(|&at| at <= end) else { break };
            self.now = at;
            for member in &mut self.members {
                member.handle_timeout(at);
            }
            words.extend(self.settle());
        }
        self.now = end;
        words
    }
}

#[test]
fn the_group_starts_when_all_can_and_takes_over_when_all_want() {
    let mut bench = Bench::new();
    assert_eq!(bench.input("in", Input::Up(OWN)), [""; 0]);
    assert_eq!(bench.states(), [State::Initialize, State::Initialize]);
    assert_eq!(
        bench.members[1].status().reason,
        "out of its group: not started yet",
        "{:?}",
        bench.members[1]
    );
    bench.input("out", Input::Up(OWN));
    bench.expect(State::Backup);
    // Only one of them hears a master: the group stays where it is, for as long as it takes.
    for _ in 0..20 {
        bench.advert("out", 150);
        bench.pass(1000);
        bench.expect(State::Backup);
    }
    assert_eq!(bench.members[1].status().reason, "no master heard, but its group waits");
    // 3.609 s after that master's last advert, 1 s of which has passed.
    bench.pass(2600);
    bench.expect(State::Backup);
    let words = bench.pass(10);
    bench.expect(State::Master);
    assert_eq!(words.last().unwrap(), "vrrp group G: backup -> master: no master heard");
}

#[test]
fn a_fault_of_one_is_a_fault_of_all() {
    let mut bench = Bench::master();
    let words = bench.input("out", Input::Down("out has no link".to_owned()));
    assert_eq!(
        words,
        [
            "out: advert 0",
            "vrrp out: master -> fault: out has no link",
            "in: advert 0",
            "vrrp in: master -> fault: out of its group: out has no link",
            "vrrp group G: master -> fault: out of its group: out has no link",
        ]
    );
    bench.expect(State::Fault);
    // The other one too: both have to come back.
    bench.input("in", Input::Down("in has no link".to_owned()));
    bench.input("out", Input::Up(OWN));
    bench.expect(State::Fault);
    bench.input("in", Input::Up(OWN));
    bench.expect(State::Backup);
    bench.pass(5000);
    bench.expect(State::Master);
}

#[test]
fn who_is_pushed_down_takes_the_others_along() {
    let mut bench = Bench::master();
    let words = bench.advert("in", 150);
    assert_eq!(
        words,
        [
            "out: advert 0",
            "vrrp out: master -> backup: in of its group follows another master",
            "vrrp in: master -> backup: 10.0.0.3 is master: priority 150 against 100",
            "vrrp group G: master -> backup: 10.0.0.3 is master with priority 150",
        ]
    );
    bench.expect(State::Backup);
    // Nobody answers on the other link, but as long as there is a master here nothing moves.
    for _ in 0..20 {
        bench.pass(1000);
        bench.advert("in", 150);
        bench.expect(State::Backup);
    }
}

/// keepalived forgets that a member wanted to be master when the others were not ready yet, and
/// may hang there.
#[test]
fn a_master_that_gives_up_on_one_link_and_dies_on_the_other_is_replaced_on_both() {
    let mut bench = Bench::backup();
    bench.advert("in", 150);
    bench.advert("out", 150);
    bench.pass(500);
    bench.advert("in", 0);
    bench.pass(3000);
    bench.expect(State::Backup);
    // 3.609 s after the last advert.
    bench.pass(200);
    bench.expect(State::Master);
}

#[test]
fn a_condition_of_one_member_holds_up_all_and_stops_all() {
    let mut bench = Bench::new();
    let script = Thing::Script("nginx".to_owned());
    let track = vec![Track { thing: script.clone(), weight: 0, reverse: false }];
    let changed = InstanceSpec { track, ..spec("in", 1) };
    bench.input("in", Input::Reconfigure(Box::new(changed)));
    bench.input("in", Input::Up(OWN));
    bench.input("out", Input::Up(OWN));
    bench.pass(10_000);
    assert_eq!(bench.states(), [State::Initialize, State::Initialize]);
    bench.input("in", Input::Tracked(script.clone(), Condition::Works));
    bench.expect(State::Backup);
    bench.pass(5000);
    bench.expect(State::Master);
    bench.input("in", Input::Tracked(script, Condition::Fails("no".to_owned())));
    bench.expect(State::Fault);
}

/// An instance that a reload adds to a master group: the group does not go down for it.
#[test]
fn who_joins_masters_becomes_one() {
    let mut bench = Bench::master();
    bench.members.push(Instance::new(spec("dmz", 3), bench.now));
    bench.settle();
    assert_eq!(bench.states(), [State::Master, State::Master, State::Initialize]);
    bench.input("dmz", Input::Up(OWN));
    bench.expect(State::Master);
    // Unless somebody better is there.
    let mut bench = Bench::master();
    bench.members.push(Instance::new(spec("dmz", 3), bench.now));
    bench.input("dmz", Input::Up(OWN));
    bench.advert("dmz", 150);
    bench.expect(State::Backup);
}

#[test]
fn a_member_that_leaves_frees_the_rest() {
    let mut bench = Bench::master();
    bench.input("out", Input::Down("out has no link".to_owned()));
    bench.expect(State::Fault);
    let alone = InstanceSpec { group: None, ..spec("in", 1) };
    bench.members.remove(0);
    bench.settle();
    bench.expect(State::Backup);
    bench.input("in", Input::Reconfigure(Box::new(alone)));
    bench.pass(5000);
    assert_eq!(bench.states(), [State::Master]);
}

/// Every input to every member in every state of the group: it is never left half-way.
#[test]
fn never_half_way() {
    let reach: [fn() -> Bench; 5] = [
        Bench::new,
        Bench::backup,
        Bench::master,
        || {
            let mut bench = Bench::backup();
            bench.input("out", Input::Down("out is down".to_owned()));
            bench
        },
        || {
            let mut bench = Bench::backup();
            bench.pass(3000);
            bench.advert("out", 150);
            bench.pass(3000);
            bench
        },
    ];
    let inputs: [fn(&mut Bench, &str); 10] = [
        |bench, name| drop(bench.input(name, Input::Up(OWN))),
        |bench, name| drop(bench.input(name, Input::Down("gone".to_owned()))),
        |bench, name| drop(bench.input(name, Input::Malformed)),
        |bench, name| drop(bench.advert(name, 0)),
        |bench, name| drop(bench.advert(name, 1)),
        |bench, name| drop(bench.advert(name, 100)),
        |bench, name| drop(bench.advert(name, 255)),
        |bench, name| {
            let stray = Order::TakeOver("stray".to_owned());
            drop(bench.input(name, Input::Group(stray)));
        },
        |bench, name| drop(bench.input(name, Input::Group(Order::StepDown("stray".to_owned())))),
        |bench, _| drop(bench.pass(20_000)),
    ];
    for (start, reach) in reach.iter().enumerate() {
        for (first, input) in inputs.iter().enumerate() {
            for name in ["in", "out"] {
                for (second, next) in inputs.iter().enumerate() {
                    let mut bench = reach();
                    input(&mut bench, name);
                    next(&mut bench, "in");
                    let states = bench.states();
                    let case = format!("{start} {first} {second} {name}: {states:?}");
                    assert_eq!(states[0], states[1], "{case}");
                    // It does not hang: with working links and nobody else, it becomes master.
                    bench.input("in", Input::Up(OWN));
                    bench.input("out", Input::Up(OWN));
                    bench.pass(5000);
                    bench.expect(State::Master);
                }
            }
        }
    }
}

/// In each of two links another director has the higher address: the first link decides, and what
/// it cannot decide the second one does.
#[test]
fn between_equals_the_first_member_decides() {
    let mut bench = Bench::master();
    bench.advert("out", 100);
    bench.expect(State::Master);
    bench.pass(1000);
    bench.advert("out", 100);
    bench.expect(State::Master);
    // Where it is the first one it gives in at once.
    bench.advert("in", 100);
    bench.expect(State::Backup);

    let mut bench = Bench::master();
    for _ in 0..3 {
        bench.advert("out", 100);
        bench.expect(State::Master);
        bench.pass(1000);
    }
    // 3 x 1 s after the first one, and nothing was heard on the first link.
    bench.advert("out", 100);
    bench.expect(State::Backup);

    // A better priority is better everywhere.
    let mut bench = Bench::master();
    bench.advert("out", 101);
    bench.expect(State::Backup);
}

#[test]
fn a_group_that_is_no_longer_defined_tells_so_once() {
    let event = Bench::master().group.end().unwrap();
    assert_eq!(event.to_string(), "vrrp group G: master -> initialize: no longer defined");
    assert_eq!(Bench::new().group.end(), None);
}
