//! From one server to the next without a moment in which nobody serves, whatever the kernel
//! refuses; every expected line by hand.

#![allow(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod common;

use std::time::Duration;

use checkers::State;
use common::{Bench, checked, destination, table, unchecked, virtual_server};
use config::{RealServer, VirtualServer};
use engine::{Engine, Input, Kept, Placement, Settings};

const WEB: &str = "tcp 192.0.2.10:80";
const A: &str = "198.51.100.1:80";
const B: &str = "198.51.100.2:80";
const C: &str = "198.51.100.3:80";
const SORRY: &str = "198.51.100.99:80";
const SECOND: Duration = Duration::from_secs(1);

fn web(real_servers: Vec<RealServer>) -> Vec<VirtualServer> {
    vec![virtual_server("web", WEB, real_servers)]
}

fn with_sorry(real_servers: Vec<RealServer>, quorum: u32) -> Vec<VirtualServer> {
    let mut defined = web(real_servers);
    defined[0].sorry_servers = vec![destination(SORRY, 1)];
    defined[0].quorum = quorum;
    defined
}

#[test]
fn a_sorry_server_stays_while_the_kernel_refuses_who_comes_back() {
    let standing = table(&[(WEB, "wlc", &[destination(SORRY, 1)])]);
    let mut bench = Bench::new(with_sorry(vec![checked(A, 1)], 1), standing);
    bench.refuse = Some("NEW_DEST");
    bench.health(A, State::Up, "passed");
    assert_eq!(bench.lines(), ["NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 1: passed"]);
    let view = bench.engine.view(&bench.table, bench.now);
    let failing: Vec<&str> = view.failing.iter().map(|(operation, _)| operation.as_str()).collect();
    assert_eq!(
        failing,
        [
            "DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.99:80",
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80",
        ]
    );

    bench.refuse = None;
    bench.after(SECOND);
    assert_eq!(
        bench.lines(),
        [
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 1: tried again after: refused",
            "DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.99:80: tried again after: not done: what \
             comes in its place was refused, and the service would be empty",
        ]
    );
    assert_eq!(bench.engine.view(&bench.table, bench.now).failing, []);
}

#[test]
fn a_server_stays_below_the_quorum_while_the_kernel_refuses_the_sorry_server() {
    let standing = table(&[(WEB, "wlc", &[destination(A, 1), destination(B, 1)])]);
    let mut bench = Bench::new(with_sorry(vec![checked(A, 1), checked(B, 1)], 2), standing);
    bench.health(B, State::Up, "passed");
    bench.refuse = Some("NEW_DEST");
    bench.health(A, State::Down, "refused");
    assert_eq!(
        bench.lines(),
        ["NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.99:80 dr 1: quorum lost: live weight 1 of 2"]
    );
    bench.refuse = None;
    bench.after(SECOND);
    assert_eq!(bench.lines().len(), 3);
}

/// What fails must not stay because something else is refused.
#[test]
fn a_failed_server_leaves_where_others_serve() {
    let standing = table(&[(WEB, "wlc", &[destination(A, 1), destination(B, 1)])]);
    let mut bench = Bench::new(web(vec![checked(A, 1), checked(B, 1), checked(C, 1)]), standing);
    bench.refuse = Some("NEW_DEST");
    bench.health(C, State::Up, "passed");
    bench.steps.clear();
    bench.health(A, State::Down, "refused");
    assert_eq!(
        bench.lines(),
        [
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.3:80 dr 1: tried again after: refused",
            "DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80: refused",
        ]
    );
}

/// One service's trouble is not another's.
#[test]
fn each_service_waits_for_its_own_servers() {
    const API: &str = "tcp 192.0.2.11:80";
    let standing =
        table(&[(WEB, "wlc", &[destination(SORRY, 1)]), (API, "wlc", &[destination(SORRY, 1)])]);
    let mut defined = with_sorry(vec![checked(A, 1)], 1);
    defined.push(VirtualServer {
        name: "api".to_owned(),
        keys: vec![API.parse().unwrap()],
        ..defined[0].clone()
    });
    let mut bench = Bench::new(defined, standing);
    bench.refuse = Some("192.0.2.11:80 -> 198.51.100.1");
    bench.health(A, State::Up, "passed");
    assert_eq!(
        bench.lines(),
        [
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 1: passed",
            "NEW_DEST tcp 192.0.2.11:80 -> 198.51.100.1:80 dr 1: passed",
            "DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.99:80: the real servers suffice",
        ]
    );
}

#[test]
fn who_comes_in_comes_before_who_is_drained_leaves() {
    let standing = table(&[(WEB, "wlc", &[destination(A, 3)])]);
    let mut bench = Bench::new(web(vec![unchecked(A, 3)]), standing);
    bench.define(web(vec![unchecked(B, 3)]));
    assert_eq!(
        bench.lines(),
        [
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.2:80 dr 3: no checks",
            "SET_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 0: weight 3 -> 0: \
             no longer defined; 2 connections left, at most 10m more",
        ]
    );
}

#[test]
fn a_replaced_server_stays_until_the_new_one_has_passed_its_checks() {
    let standing = table(&[(WEB, "wlc", &[destination(A, 3)])]);
    let mut bench = Bench::new(web(vec![checked(A, 3)]), standing);
    bench.health(A, State::Up, "passed");
    bench.define(web(vec![checked(B, 3)]));
    // Not even when it has no connections: the next would find nobody.
    bench.connections(A, 0);
    bench.after(20 * SECOND);
    bench.health(B, State::Down, "refused");
    bench.after(700 * SECOND);
    assert_eq!(bench.lines(), [""; 0]);
    let view = bench.engine.view(&bench.table, bench.now);
    let leaving = &view.services[0].servers[0];
    assert_eq!(leaving.state.placement, Placement::In);
    assert_eq!(leaving.why, "no longer defined; it stays until another server serves");

    bench.connections(A, 2);
    bench.health(B, State::Up, "passed");
    assert_eq!(
        bench.lines(),
        [
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.2:80 dr 3: passed",
            "SET_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 0: weight 3 -> 0: \
             no longer defined; its connections are being counted",
        ]
    );
    bench.after(SECOND);
    assert_eq!(
        bench.lines(),
        ["DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80: \
          no longer defined; deadline reached with 2 connections left"]
    );
}

/// After a restart too.
#[test]
fn a_server_that_is_not_replaced_yet_stays_over_a_restart() {
    let standing = table(&[(WEB, "wlc", &[destination(A, 3)])]);
    let mut bench = Bench::new(web(vec![unchecked(A, 3)]), standing);
    bench.define(web(vec![checked(B, 3)]));
    let kept = Kept { leaving: bench.wishes.1.clone(), ..Kept::default() };
    bench.engine = Engine::new(web(vec![checked(B, 3)]), Settings::default(), kept, bench.now);
    bench.after(Duration::ZERO);
    assert_eq!(bench.lines(), [""; 0]);
    bench.health(B, State::Up, "passed");
    assert_eq!(bench.lines().len(), 2);
}

/// Nobody is to come in its place.
#[test]
fn the_last_server_of_a_service_leaves_when_no_file_defines_another() {
    let standing = table(&[(WEB, "wlc", &[destination(A, 3)])]);
    let mut bench = Bench::new(web(vec![unchecked(A, 3)]), standing);
    bench.define(web(Vec::new()));
    assert_eq!(
        bench.lines(),
        ["SET_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 0: weight 3 -> 0: \
          no longer defined; 2 connections left, at most 10m more"]
    );
}

/// The one that serves fails before the first check of the other.
#[test]
fn a_server_that_fails_stays_until_another_is_checked() {
    let standing = table(&[(WEB, "wlc", &[destination(A, 1)])]);
    let mut bench = Bench::new(web(vec![checked(A, 1), checked(B, 1)]), standing);
    bench.health(A, State::Down, "refused");
    assert_eq!(bench.lines(), [""; 0]);
    bench.health(B, State::Up, "passed");
    assert_eq!(
        bench.lines(),
        [
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.2:80 dr 1: passed",
            "DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80: refused",
        ]
    );
}

/// Who is out already does not count as the one that is kept.
#[test]
fn the_last_that_serves_is_kept_whoever_failed_first() {
    let standing = table(&[(WEB, "wlc", &[destination(A, 1)])]);
    let mut bench = Bench::new(web(vec![checked(A, 1), checked(B, 1)]), standing);
    bench.health(A, State::Down, "refused");
    bench.after(SECOND);
    bench.health(B, State::Down, "refused");
    assert_eq!(bench.lines(), [""; 0]);
}

/// Two servers of which one has no connections; the virtual server goes from the file.
fn removed() -> Bench {
    let standing = table(&[(WEB, "wlc", &[destination(A, 3), destination(B, 1)])]);
    let mut bench = Bench::new(web(vec![unchecked(A, 3), unchecked(B, 1)]), standing);
    bench.connections(B, 0);
    bench.define(Vec::new());
    bench
}

#[test]
fn the_servers_of_a_service_that_is_no_longer_defined_drain_first() {
    let mut bench = removed();
    assert_eq!(
        bench.lines(),
        [
            "SET_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 0: weight 3 -> 0: \
             the service is no longer defined; 2 connections left, at most 10m more",
            "SET_DEST tcp 192.0.2.10:80 -> 198.51.100.2:80 dr 0: weight 1 -> 0: \
             the service is no longer defined; no connections left",
        ]
    );
    let view = bench.engine.view(&bench.table, bench.now);
    assert_eq!((view.services[0].name.as_str(), view.unmanaged.len()), ("web", 0));

    // It goes on after a restart.
    let kept = Kept {
        owned: [WEB.parse().unwrap()].into(),
        leaving: bench.wishes.1.clone(),
        ..Kept::default()
    };
    bench.engine = Engine::new(Vec::new(), Settings::default(), kept, bench.now);
    assert!(bench.engine.needs_table());
    bench.after(SECOND);
    assert_eq!(bench.lines(), [""; 0]);
    bench.connections(A, 0);
    bench.after(SECOND);
    assert_eq!(
        bench.lines(),
        ["DEL_SERVICE tcp 192.0.2.10:80: no longer defined; no connections left"]
    );
    assert_eq!(bench.wishes.1, []);
    assert_eq!(bench.saved, Some([].into()));
    assert!(!bench.engine.needs_table());
}

#[test]
fn a_service_that_is_no_longer_defined_is_cut_at_the_deadline() {
    let mut bench = removed();
    bench.steps.clear();
    bench.after(599 * SECOND);
    assert_eq!(bench.lines(), [""; 0]);
    bench.after(SECOND);
    assert_eq!(
        bench.lines(),
        ["DEL_SERVICE tcp 192.0.2.10:80: no longer defined; \
          deadline reached with 2 connections left"]
    );
}

#[test]
fn a_service_that_is_defined_again_gets_its_servers_back() {
    let mut bench = removed();
    bench.steps.clear();
    bench.define(web(vec![checked(A, 3)]));
    assert_eq!(
        bench.lines(),
        [
            "SET_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 3: weight 0 -> 3",
            "DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.2:80: \
             no longer defined; no connections left",
        ]
    );
}

/// Of a virtual server with two addresses one goes.
#[test]
fn an_address_that_is_no_longer_defined_drains_too() {
    let mut both = web(vec![unchecked(A, 3)]);
    both[0].keys.push("tcp 192.0.2.11:80".parse().unwrap());
    let standing = table(&[
        (WEB, "wlc", &[destination(A, 3)]),
        ("tcp 192.0.2.11:80", "wlc", &[destination(A, 3)]),
    ]);
    let mut bench = Bench::new(both, standing);
    bench.define(web(vec![unchecked(A, 3)]));
    assert_eq!(
        bench.lines(),
        ["SET_DEST tcp 192.0.2.11:80 -> 198.51.100.1:80 dr 0: weight 3 -> 0: \
          the service is no longer defined; 2 connections left, at most 10m more"]
    );
}

/// A stop that removes the table waits for nobody.
#[test]
fn a_stop_removes_what_drains_too() {
    let mut bench = removed();
    bench.steps.clear();
    let settings = Settings { on_stop: config::Policy::Remove, ..Settings::default() };
    bench.input(Input::Define(Vec::new(), settings));
    bench.input(Input::Stop);
    assert_eq!(
        bench.lines(),
        ["DEL_SERVICE tcp 192.0.2.10:80: lvsd stops and on_stop = \"remove\""]
    );
    assert_eq!(bench.wishes.1, []);
}
