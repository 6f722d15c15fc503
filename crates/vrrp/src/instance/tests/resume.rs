//! A process ends without giving its roles up, and the next one goes on with them.

use super::*;
use crate::standing::{Packet, Role, Standing};
use crate::track::{Condition, Thing, Track};

/// The instance in the next process, on an interface that works.
fn resumed(standing: Standing, spec: InstanceSpec) -> (Bench, Words) {
    let mut bench = Bench::new(spec);
    assert_eq!(bench.input(Input::Resume(Box::new(standing))), Words::new());
    let words = bench.input(Input::Up(OWN));
    (bench, words)
}

#[test]
fn a_master_goes_on_and_its_addresses_stay() {
    let standing = Bench::master(spec(150)).instance.standing();
    let (mut bench, words) = resumed(standing, spec(150));
    assert_eq!(
        words,
        [
            "advert 150 to 224.0.0.18",
            "add 10.0.0.100",
            "announce 10.0.0.100",
            "vrrp VI_1: initialize -> master: goes on after a restart of the worker",
        ]
    );
    assert_eq!(bench.pass(2500), ["advert 150 to 224.0.0.18", "advert 150 to 224.0.0.18"]);
}

/// The process that went on was not quick enough.
#[test]
fn a_master_that_goes_on_gives_way_to_a_better_one_only() {
    let standing = Bench::master(spec(150)).instance.standing();
    let (mut bench, _) = resumed(standing.clone(), spec(150));
    assert_eq!(
        bench.advert(HIGHER, 200),
        [
            "remove 10.0.0.100",
            "vrrp VI_1: master -> backup: 10.0.0.3 is master: priority 200 against 150",
        ]
    );
    let (mut bench, _) = resumed(standing, spec(150));
    assert_eq!(bench.advert(HIGHER, 100)[0], "advert 150 to 224.0.0.18");
    assert_eq!(bench.instance.state(), State::Master);
}

#[test]
fn a_backup_goes_on_with_what_it_has_learnt() {
    let mut before = Bench::started(spec(100));
    before.advert_with(HIGHER, |advert| {
        advert.priority = 150;
        advert.interval = Centiseconds::new(200);
    });
    let (mut bench, words) = resumed(before.instance.standing(), spec(100));
    assert_eq!(
        words,
        [
            "remove 10.0.0.100",
            "vrrp VI_1: initialize -> backup: goes on after a restart of the worker",
        ]
    );
    // Three intervals of 2 s, and (256 - 100) / 256 of one.
    assert_eq!(bench.next(), Some(7218));
    assert_eq!(
        bench.pass(8000).last().map(String::as_str),
        Some("vrrp VI_1: backup -> master: no advert from 10.0.0.3 in time")
    );
}

#[test]
fn a_master_whose_interface_is_gone_does_not_go_on() {
    let standing = Bench::master(spec(150)).instance.standing();
    let mut bench = Bench::new(spec(150));
    bench.input(Input::Resume(Box::new(standing)));
    assert_eq!(
        bench.input(Input::Down("eth0 has no link".to_owned())),
        ["remove 10.0.0.100", "vrrp VI_1: initialize -> fault: eth0 has no link"]
    );
    bench.input(Input::Up(OWN));
    assert_eq!(bench.instance.state(), State::Backup);
}

/// A script's first result takes a while; until then its last one stands.
#[test]
fn what_is_tracked_stands_as_it_stood() {
    let script = Thing::Script("nginx".to_owned());
    let tracking = || InstanceSpec {
        track: vec![Track { thing: script.clone(), weight: 50, reverse: false }],
        ..spec(100)
    };
    let mut before = Bench::new(tracking());
    before.input(Input::Tracked(script.clone(), Condition::Works));
    before.input(Input::Up(OWN));
    before.pass(5000);
    let (mut bench, words) = resumed(before.instance.standing(), tracking());
    assert_eq!(words[0], "advert 150 to 224.0.0.18");
    let fails = Condition::Fails("exit status 1".to_owned());
    let words = bench.input(Input::Tracked(script, fails));
    assert!(words.contains(&"advert 100 to 224.0.0.18".to_owned()), "{words:?}");
}

/// What a guard sends for the instance is what the instance itself would send.
#[test]
fn a_masters_standing_has_its_packets() {
    let mut bench = Bench::master(InstanceSpec { unicast_peers: vec![LOWER, HIGHER], ..spec(150) });
    let Role::Master(holding) = bench.instance.standing().role else { panic!("no master") };
    bench.instance.handle_timeout(bench.now + Duration::from_secs(1));
    bench.instance.handle(Input::Shutdown, bench.now);
    let sent: Vec<Packet> = std::iter::from_fn(|| bench.instance.poll_output())
        .filter_map(|output| match output {
            Output::Send { source, destination, payload } => {
                Some(Packet { interface: "eth0".to_owned(), source, destination, payload })
            }
            _ => None,
        })
        .collect();
    assert_eq!([holding.adverts, holding.farewells].concat(), sent);
    assert_eq!(sent.len(), 4);
    assert_eq!(bench.instance.standing().role, Role::None);
}
