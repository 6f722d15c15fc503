//! Start, stop, faults and changed settings.

use netif::{Network, Route, Rule, Target};

use super::*;
use crate::group::{Hold, Order};
use crate::routing::Routing;
use crate::standing::Role;
use crate::track::{Condition, Thing, Track};

/// A live master with a longer interval is not lost by a reload of something else, and a dead one
/// is noticed however often there is a reload.
#[test]
fn a_reload_leaves_the_down_timer_alone() {
    let quick = InstanceSpec { advert_interval: Centiseconds::new(10), ..spec(100) };
    let mut bench = Bench::started(quick.clone());
    bench.advert_with(HIGHER, |advert| {
        advert.priority = 150;
        advert.interval = Centiseconds::SECOND;
    });
    for second in 1..=3 {
        bench.pass(1000);
        let announce = Announce { repeat: second, ..Announce::default() };
        let changed = InstanceSpec { announce, ..quick.clone() };
        assert_eq!(bench.input(Input::Reconfigure(Box::new(changed))), [""; 0]);
        assert_eq!(bench.next(), Some(3609));
    }
    bench.pass(610);
    assert_eq!(bench.instance.state(), State::Master);
}

#[test]
fn a_stopped_master_removes_its_addresses_and_gives_up() {
    let mut bench = Bench::master(spec(100));
    assert_eq!(
        bench.input(Input::Shutdown),
        ["remove 10.0.0.100", "advert 0 to 224.0.0.18", "vrrp VI_1: master -> initialize: stopped",]
    );
    assert_eq!(bench.next(), None);
    assert_eq!(bench.input(Input::Shutdown), [""; 0]);
}

#[test]
fn a_stopped_backup_says_nothing() {
    let mut bench = Bench::started(spec(100));
    assert_eq!(bench.input(Input::Shutdown), ["vrrp VI_1: backup -> initialize: stopped"]);
}

#[test]
fn a_lost_interface_is_a_fault_and_its_return_a_backup() {
    let mut bench = Bench::master(spec(100));
    assert_eq!(
        bench.input(Input::Down("eth0 has no link".to_owned())),
        [
            "remove 10.0.0.100",
            "advert 0 to 224.0.0.18",
            "vrrp VI_1: master -> fault: eth0 has no link",
        ]
    );
    assert_eq!(bench.next(), None);
    assert_eq!(bench.advert(LOWER, 0), [""; 0]);
    assert_eq!(bench.input(Input::Up(OWN)), ["vrrp VI_1: fault -> backup: eth0 is up"]);
    assert_eq!(bench.next(), Some(5000 + 3609));
}

/// Every input in every state: nothing panics, and the addresses are held by masters alone.
#[test]
fn every_input_in_every_state() {
    let reach: [fn(&mut Bench); 4] = [
        |_| {},
        |bench| drop(bench.input(Input::Up(OWN))),
        |bench| {
            bench.input(Input::Up(OWN));
            bench.pass(5000);
        },
        |bench| drop(bench.input(Input::Down("gone".to_owned()))),
    ];
    let inputs: [fn(&mut Bench) -> Words; 16] = [
        |bench| bench.input(Input::Up(OWN)),
        |bench| bench.input(Input::Down("gone".to_owned())),
        |bench| bench.input(Input::Shutdown),
        |bench| bench.input(Input::Malformed),
        |bench| bench.advert(LOWER, 0),
        |bench| bench.advert(LOWER, 1),
        |bench| bench.advert(HIGHER, 255),
        |bench| bench.input(Input::Reconfigure(Box::new(spec(200)))),
        |bench| bench.input(Input::Reconfigure(Box::new(spec(255)))),
        |bench| bench.pass(20_000),
        |bench| {
            let script = Thing::Script("nginx".to_owned());
            bench.input(Input::Tracked(script, Condition::Fails("no".to_owned())))
        },
        |bench| bench.input(Input::Group(Order::Hold(Hold::Free))),
        |bench| bench.input(Input::Group(Order::Hold(Hold::Wait("why".to_owned())))),
        |bench| bench.input(Input::Group(Order::Hold(Hold::Fault("why".to_owned())))),
        |bench| bench.input(Input::Group(Order::TakeOver("why".to_owned()))),
        |bench| bench.input(Input::Group(Order::StepDown("why".to_owned()))),
    ];
    let after = |priority: u8| -> Vec<Vec<State>> {
        reach
            .iter()
            .map(|reach| {
                inputs
                    .iter()
                    .map(|input| {
                        let thing = Thing::Script("nginx".to_owned());
                        let track = vec![Track { thing, weight: -20, reverse: false }];
                        let mut bench = Bench::new(InstanceSpec { track, ..spec(priority) });
                        reach(&mut bench);
                        let was_master = bench.instance.state() == State::Master;
                        let words = input(&mut bench);
                        let is_master = bench.instance.state() == State::Master;
                        let has = |word: &str| words.iter().any(|w| w.starts_with(word));
                        assert_eq!(has("add 10"), !was_master && is_master, "{words:?}");
                        if was_master && !is_master {
                            assert!(has("remove 10.0.0.100"), "{words:?}");
                        }
                        bench.instance.state()
                    })
                    .collect()
            })
            .collect()
    };
    use State::{Backup as B, Fault as F, Initialize as I, Master as M};
    // Columns: Up, Down, Shutdown, malformed, priority 0, worse, better (255), changed to 200,
    // changed to 255, twenty seconds; a script with a weight fails; the group: free, wait, fault,
    // take over, step down.
    assert_eq!(
        after(100),
        [
            [B, F, I, I, I, I, I, I, I, I, I, I, I, F, I, I],
            [B, F, I, B, B, B, B, B, M, M, B, B, B, F, M, B],
            [M, F, I, M, M, M, B, M, M, M, M, M, M, F, M, B],
            [B, F, I, F, F, F, F, F, F, F, F, F, F, F, F, F],
        ]
    );
    // The owner yields to no one (RFC 9568 §7.1).
    assert_eq!(
        after(255),
        [
            [M, F, I, I, I, I, I, I, I, I, I, I, I, F, I, I],
            [M, F, I, M, M, M, M, M, M, M, M, M, M, F, M, B],
            [M, F, I, M, M, M, M, M, M, M, M, M, M, F, M, B],
            [M, F, I, F, F, F, F, F, F, F, F, F, F, F, F, F],
        ]
    );
}

#[test]
fn changed_addresses_of_a_master_are_a_difference() {
    let mut bench = Bench::master(InstanceSpec {
        addresses: vec![vip("10.0.0.100"), vip("10.0.0.101")],
        ..spec(100)
    });
    let changed =
        InstanceSpec { addresses: vec![vip("10.0.0.101"), vip("10.0.0.102")], ..spec(120) };
    assert_eq!(
        bench.input(Input::Reconfigure(Box::new(changed))),
        ["remove 10.0.0.100", "advert 120 to 224.0.0.18", "add 10.0.0.102", "announce 10.0.0.102",]
    );
    assert_eq!(bench.instance.state(), State::Master);
}

#[test]
fn addresses_are_announced_again_on_the_refresh_interval() {
    let announce = Announce { repeat: 1, delay: Duration::ZERO, refresh: Duration::from_secs(60) };
    let mut bench = Bench::master(InstanceSpec { announce, ..spec(100) });
    let words = bench.pass(180_000);
    assert_eq!(words.iter().filter(|word| word.starts_with("announce")).count(), 3);
}

/// Neither the owner nor a fault meanwhile shortens it.
#[test]
fn nothing_happens_before_the_start_delay_is_over() {
    let start_delay = Duration::from_secs(10);
    for priority in [100, 255] {
        let mut bench = Bench::new(InstanceSpec { start_delay, ..spec(priority) });
        let words = bench.input(Input::Up(OWN));
        assert!(words.iter().all(|word| word == "remove 10.0.0.100"), "{words:?}");
        assert_eq!(bench.instance.status().reason, "its start_delay is not over");
        assert_eq!(bench.advert(LOWER, 0), [""; 0]);
        bench.pass(5000);
        bench.input(Input::Down("eth0 has no link".to_owned()));
        bench.input(Input::Up(OWN));
        assert_eq!(bench.pass(4999), [""; 0]);
        assert_eq!(bench.instance.state(), State::Fault);
        bench.pass(1);
        let state = if priority == 255 { State::Master } else { State::Backup };
        assert_eq!(bench.instance.state(), state);
        // Only after lvsd's start.
        bench.input(Input::Down("eth0 has no link".to_owned()));
        bench.input(Input::Up(OWN));
        assert_eq!(bench.instance.state(), state);
    }
}

#[test]
fn excluded_addresses_move_but_are_in_no_packet() {
    let mut bench = Bench::started(InstanceSpec {
        excluded_addresses: vec![vip("2001:db8::100")],
        ..spec(100)
    });
    bench.instance.handle_timeout(bench.start + Duration::from_secs(4));
    let outputs: Vec<Output> = std::iter::from_fn(|| bench.instance.poll_output()).collect();
    let payload = outputs.iter().find_map(|output| match output {
        Output::Send { payload, .. } => Some(payload),
        _ => None,
    });
    let header = IpHeader { source: OWN, destination: GROUP.into(), ttl: 255 };
    let advert = Advert::decode(payload.unwrap(), &header).unwrap();
    assert_eq!(advert.addresses, [IpAddr::from([10, 0, 0, 100])]);
    let both = vec![vip("10.0.0.100"), vip("2001:db8::100")];
    assert!(outputs.contains(&Output::AddAddresses(both.clone())));
    assert!(outputs.contains(&Output::Announce(both)));
    assert_eq!(bench.input(Input::Shutdown)[0], "remove 10.0.0.100 2001:db8::100");
}

#[test]
fn an_address_that_is_put_back_is_announced_and_said_once_a_minute() {
    let mut bench = Bench::master(spec(100));
    let said = "vrrp VI_1: 10.0.0.100/24 was missing on eth0, and is put back; more of these within \
                a minute are only counted";
    let put_back = Input::PutBack(vip("10.0.0.100"));
    assert_eq!(bench.input(put_back.clone()), [said, "announce 10.0.0.100"]);
    assert_eq!(bench.input(put_back.clone()), ["announce 10.0.0.100"]);
    bench.pass(60_000);
    assert_eq!(bench.input(put_back).len(), 2);
    assert_eq!(bench.instance.counters.put_back, 3);
}

fn routing(routes: &[&str]) -> Routing {
    let route = |to: &&str| {
        let to = Network { address: to.parse().unwrap(), prefix: 16 };
        Route { source: Some("10.0.0.100".parse().unwrap()), ..Route::new(to) }
    };
    let rule = Rule {
        priority: 1000,
        from: Network { address: "10.0.0.100".parse().unwrap(), prefix: 32 },
        to: None,
        iif: None,
        oif: None,
        mark: None,
        target: Target::Table(100),
    };
    Routing { routes: routes.iter().map(route).collect(), rules: vec![rule] }
}

/// A route from an address can be there only while the address is.
#[test]
fn routes_come_after_the_addresses_and_go_before_them() {
    let all = "route 10.1.0.0/16 src 10.0.0.100, rule 1000: from 10.0.0.100/32 lookup 100";
    let mut bench = Bench::new(InstanceSpec { routing: routing(&["10.1.0.0"]), ..spec(100) });
    let before = [format!("remove {all}"), "remove 10.0.0.100".to_owned()];
    assert_eq!(bench.input(Input::Up(OWN))[..2], before);
    let words = bench.pass(5000);
    let after = ["add 10.0.0.100", &format!("add {all}"), "announce 10.0.0.100"];
    assert_eq!(words[1..4], after);
    let Role::Master(holding) = bench.instance.standing().role else { panic!("no master") };
    assert_eq!(holding.routing, bench.instance.spec().routing);
    let words = bench.input(Input::Shutdown);
    assert_eq!(words[..2], before);
    assert_eq!(words[2], "advert 0 to 224.0.0.18");
}

#[test]
fn changed_routes_of_a_master_are_a_difference() {
    let with = |routes: &[&str]| InstanceSpec { routing: routing(routes), ..spec(100) };
    let mut bench = Bench::master(with(&["10.1.0.0", "10.2.0.0"]));
    assert_eq!(
        bench.input(Input::Reconfigure(Box::new(with(&["10.2.0.0", "10.3.0.0"])))),
        [
            "remove route 10.1.0.0/16 src 10.0.0.100",
            "advert 100 to 224.0.0.18",
            "add route 10.3.0.0/16 src 10.0.0.100",
        ]
    );
    assert_eq!(
        bench.input(Input::Reconfigure(Box::new(spec(100)))),
        [
            "remove route 10.2.0.0/16 src 10.0.0.100, route 10.3.0.0/16 src 10.0.0.100, rule 1000: \
             from 10.0.0.100/32 lookup 100",
            "advert 100 to 224.0.0.18",
        ]
    );
}

#[test]
fn a_route_that_is_put_back_is_said_once_a_minute() {
    let mut bench = Bench::master(InstanceSpec { routing: routing(&["10.1.0.0"]), ..spec(100) });
    let put_back = Input::RoutingPutBack("route 10.1.0.0/16".to_owned());
    assert_eq!(
        bench.input(put_back.clone()),
        ["vrrp VI_1: the route 10.1.0.0/16 was missing, and is put back; more of these within \
             a minute are only counted"]
    );
    assert_eq!(bench.input(put_back), [""; 0]);
    assert_eq!(bench.instance.counters.routing_put_back, 2);
}
