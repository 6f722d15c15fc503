//! Tracked things and groups, with virtual time.

use super::*;
use crate::group::{Hold, Order};
use crate::track::{Condition, Thing, Track};

fn script() -> Thing {
    Thing::Script("nginx".to_owned())
}

fn tracking(priority: u8, weight: i16) -> InstanceSpec {
    let track = vec![Track { thing: script(), weight, reverse: false }];
    InstanceSpec { track, ..spec(priority) }
}

fn works() -> Input {
    Input::Tracked(script(), Condition::Works)
}

fn fails() -> Input {
    Input::Tracked(script(), Condition::Fails("exit status 1".to_owned()))
}

#[test]
fn a_masters_lower_priority_is_in_its_next_advert_which_goes_at_once() {
    let mut bench = Bench::master(tracking(150, -20));
    bench.pass(300);
    assert_eq!(
        bench.input(fails()),
        [
            "vrrp VI_1: priority 130 = 150 - 20 (script nginx: exit status 1)",
            "advert 130 to 224.0.0.18",
        ]
    );
    assert_eq!(bench.next(), Some(5300 + 1000));
    // The same again changes nothing, and neither does a thing that it does not track.
    assert_eq!(bench.input(fails()), [""; 0]);
    let other = Thing::Script("other".to_owned());
    assert_eq!(bench.input(Input::Tracked(other, Condition::Works)), [""; 0]);
    let status = bench.instance.status();
    assert_eq!(status.priority, 130);
    assert_eq!(status.arithmetic, "130 = 150 - 20 (script nginx: exit status 1)");
    assert_eq!(status.master.unwrap().priority, 130);
    // A peer with 140 is better now.
    bench.advert(LOWER, 140);
    assert_eq!(bench.instance.state(), State::Backup);
}

/// 3 x 1 s + (256 - 140) / 256 s = 3.453 s after the start, though the master goes on.
#[test]
fn a_backup_whose_priority_rises_preempts() {
    let mut bench = Bench::started(tracking(100, 40));
    bench.advert(HIGHER, 120);
    bench.pass(500);
    assert_eq!(bench.next(), Some(3609));
    assert_eq!(bench.input(works()), ["vrrp VI_1: priority 140 = 100 + 40 (script nginx: ok)"]);
    for _ in 0..4 {
        bench.advert(HIGHER, 120);
        bench.pass(1000);
    }
    assert_eq!(bench.instance.state(), State::Master);
    // The skew follows the priority: (256 - 140) / 256 s.
    bench.advert(HIGHER, 200);
    assert_eq!(bench.next(), Some(4500 + 3453));
}

#[test]
fn a_condition_that_fails_is_a_fault_until_it_works_again() {
    let mut bench = Bench::new(tracking(100, 0));
    assert_eq!(bench.input(Input::Up(OWN)), ["remove 10.0.0.100"]);
    assert_eq!(bench.instance.state(), State::Initialize);
    assert_eq!(bench.instance.status().reason, "no result yet of script nginx");
    assert_eq!(bench.input(works()), ["vrrp VI_1: initialize -> backup: eth0 is up"]);
    bench.pass(4000);
    assert_eq!(
        bench.input(fails()),
        [
            "remove 10.0.0.100",
            "advert 0 to 224.0.0.18",
            "vrrp VI_1: master -> fault: script nginx: exit status 1",
        ]
    );
    assert_eq!(bench.next(), None);
    assert_eq!(bench.advert(LOWER, 0), [""; 0]);
    // The interface alone does not end it, nor does the script while the interface is down.
    assert_eq!(bench.input(Input::Up(OWN)), [""; 0]);
    assert_eq!(bench.input(Input::Down("eth0 has no link".to_owned())), [""; 0]);
    assert_eq!(bench.instance.status().reason, "eth0 has no link");
    assert_eq!(bench.input(works()), [""; 0]);
    assert_eq!(bench.input(Input::Up(OWN)), ["vrrp VI_1: fault -> backup: eth0 is up"]);
}

#[test]
fn the_owner_keeps_its_priority_and_obeys_conditions() {
    let mut bench = Bench::master(tracking(255, -20));
    assert_eq!(bench.input(fails()), [""; 0]);
    let mut bench = Bench::new(tracking(255, 0));
    bench.input(Input::Up(OWN));
    assert_eq!(bench.instance.state(), State::Initialize);
    bench.input(works());
    assert_eq!(bench.instance.state(), State::Master);
    bench.input(fails());
    assert_eq!(bench.instance.state(), State::Fault);
}

/// A reload that tracks something new must not stop what runs.
#[test]
fn a_running_instance_does_not_wait_for_what_a_reload_adds() {
    let mut bench = Bench::master(spec(100));
    bench.input(Input::Reconfigure(Box::new(tracking(100, 0))));
    assert_eq!(bench.instance.state(), State::Master);
    bench.input(fails());
    assert_eq!(bench.instance.state(), State::Fault);
    // What is no longer tracked is no fault.
    bench.input(Input::Reconfigure(Box::new(spec(100))));
    assert_eq!(bench.instance.state(), State::Backup);
}

/// In a group the instance asks, goes on asking, and stops when it hears a better one.
#[test]
fn in_a_group_it_wants_to_be_master_until_it_hears_a_better_one() {
    let mut bench = Bench::started(InstanceSpec { group: Some("G".to_owned()), ..spec(100) });
    assert_eq!(bench.instance.status().reason, "group G is not ready");
    bench.input(Input::Group(Order::Hold(Hold::Free)));
    assert_eq!(bench.pass(20_000), [""; 0]);
    assert_eq!(bench.instance.as_member().wants.as_deref(), Some("no master heard"));
    // A worse one changes nothing; a better one does.
    bench.advert(HIGHER, 90);
    assert!(bench.instance.as_member().wants.is_some());
    bench.advert(HIGHER, 150);
    assert_eq!(bench.instance.as_member().wants, None);
    assert!(bench.instance.as_member().follows);
    bench.pass(4000);
    let words = bench.input(Input::Group(Order::TakeOver("why".to_owned())));
    assert_eq!(words.last().unwrap(), "vrrp VI_1: backup -> master: why");
    assert_eq!(
        bench.input(Input::Group(Order::StepDown("the other".to_owned()))),
        ["remove 10.0.0.100", "advert 0 to 224.0.0.18", "vrrp VI_1: master -> backup: the other",]
    );
    // Without its group it is free to go.
    bench.pass(4000);
    bench.input(Input::Reconfigure(Box::new(spec(100))));
    assert_eq!(bench.instance.state(), State::Master);
}

#[test]
fn the_owner_in_a_group_asks_too() {
    let mut bench = Bench::started(InstanceSpec { group: Some("G".to_owned()), ..spec(255) });
    bench.input(Input::Group(Order::Hold(Hold::Free)));
    assert_eq!(bench.instance.state(), State::Backup);
    assert_eq!(bench.instance.as_member().wants.as_deref(), Some("owner of the addresses"));
    // Another owner does not change its mind (RFC 9568 §7.1).
    bench.advert(HIGHER, 255);
    assert_eq!(bench.instance.as_member().wants.as_deref(), Some("owner of the addresses"));
}
