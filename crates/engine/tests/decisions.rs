//! What the engine decides, case by case; every expected operation is written by hand.

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use checkers::{Start, State};
use common::{Bench, checked, destination, key, monitor, table, unchecked, virtual_server};
use config::Policy;
use engine::{Input, Placement, Settings};

const WEB: &str = "tcp 192.0.2.10:80";
const A: &str = "198.51.100.1:80";
const B: &str = "198.51.100.2:80";
const RESYNC: Duration = Duration::from_secs(10);

fn web(real_servers: Vec<config::RealServer>) -> Vec<config::VirtualServer> {
    vec![virtual_server("web", WEB, real_servers)]
}

#[test]
fn an_empty_table_gets_the_services_and_waits_for_the_checks() {
    let mut bench = Bench::new(web(vec![unchecked(A, 3), checked(B, 1)]), table(&[]));
    assert_eq!(
        bench.lines(),
        [
            "NEW_SERVICE tcp 192.0.2.10:80 wlc: virtual server web is defined",
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 3: no checks",
        ]
    );
    assert_eq!(bench.watched, [(monitor(B), Start::Unknown)]);

    bench.health(B, State::Up, "tcp_check: passed");
    assert_eq!(
        bench.lines(),
        ["NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.2:80 dr 1: tcp_check: passed"]
    );
}

#[test]
fn a_failed_server_leaves_and_comes_back_with_its_weight() {
    let standing = table(&[(WEB, "wlc", &[destination(A, 3), destination(B, 1)])]);
    let mut bench = Bench::new(web(vec![checked(A, 3), checked(B, 1)]), standing);
    assert_eq!(bench.lines(), [""; 0]);
    assert_eq!(bench.watched, [(monitor(A), Start::Up), (monitor(B), Start::Up)]);

    bench.health(A, State::Down, "tcp_check: connection refused, 3 failures in a row");
    assert_eq!(bench.steps[0].connections, 5);
    assert_eq!(
        bench.lines(),
        ["DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80: \
          tcp_check: connection refused, 3 failures in a row"]
    );
    bench.health(A, State::Up, "tcp_check: passed");
    assert_eq!(
        bench.lines(),
        ["NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 3: tcp_check: passed"]
    );
}

/// A weight 0 that stands in the kernel at start is not taken for an operator's wish.
#[test]
fn the_standing_table_is_adopted_and_put_right() {
    let standing = table(&[
        (WEB, "rr", &[destination(A, 0), destination("198.51.100.9:80", 1)]),
        ("tcp 192.0.2.99:22", "rr", &[destination("198.51.100.1:22", 1)]),
    ]);
    let mut bench = Bench::new(web(vec![checked(A, 3), checked(B, 1)]), standing);
    assert_eq!(
        bench.lines(),
        [
            "SET_SERVICE tcp 192.0.2.10:80 wlc: scheduler rr -> wlc",
            "SET_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 3: weight 0 -> 3",
            "DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.9:80: no longer defined",
        ]
    );
    assert_eq!(bench.watched, [(monitor(A), Start::Up), (monitor(B), Start::Unknown)]);
    let view = bench.engine.view(&bench.table, bench.now);
    assert_eq!(view.unmanaged.len(), 1);
    assert_eq!(view.unmanaged[0].entry.service.key, key("tcp 192.0.2.99:22"));
    assert_eq!(view.services[0].servers[0].state.placement, Placement::In);
    assert_eq!(view.services[0].servers[1].state.placement, Placement::Out);
}

#[test]
fn a_reload_does_exactly_the_difference_adds_first() {
    let mut bench = Bench::new(
        vec![
            virtual_server("web", WEB, vec![unchecked(A, 1), unchecked(B, 1)]),
            virtual_server("old", "tcp 192.0.2.10:81", vec![unchecked("198.51.100.1:81", 1)]),
        ],
        table(&[]),
    );
    bench.steps.clear();
    let mut web =
        virtual_server("web", WEB, vec![unchecked(B, 5), unchecked("198.51.100.3:80", 1)]);
    web.scheduler = "rr".parse().unwrap();
    bench.define(vec![
        web,
        virtual_server("new", "udp 192.0.2.10:53", vec![unchecked("198.51.100.1:53", 1)]),
    ]);
    assert_eq!(
        bench.lines(),
        [
            "SET_SERVICE tcp 192.0.2.10:80 rr: scheduler wlc -> rr",
            "SET_DEST tcp 192.0.2.10:80 -> 198.51.100.2:80 dr 5: weight 1 -> 5",
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.3:80 dr 1: no checks",
            "NEW_SERVICE udp 192.0.2.10:53 wlc: virtual server new is defined",
            "NEW_DEST udp 192.0.2.10:53 -> 198.51.100.1:53 dr 1: no checks",
            "DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80: no longer defined; no connections left",
            "DEL_SERVICE tcp 192.0.2.10:81: no longer defined; no connections left",
        ]
    );
    let saved = bench.saved.unwrap();
    assert_eq!(saved, BTreeSet::from([key(WEB), key("udp 192.0.2.10:53")]));
}

#[test]
fn a_reload_that_changes_nothing_does_nothing() {
    let servers = web(vec![unchecked(A, 1), checked(B, 1)]);
    let mut bench = Bench::new(servers.clone(), table(&[]));
    bench.health(B, State::Down, "tcp_check: timed out");
    bench.steps.clear();
    bench.define(servers);
    assert_eq!(bench.lines(), [""; 0]);
    bench.health(B, State::Up, "tcp_check: passed");
    assert_eq!(bench.lines().len(), 1);
}

/// A server that is down stays down over a reload, one that is up stays in, and a new check of a
/// server starts from what it replaces.
#[test]
fn health_outlives_a_reload() {
    let mut bench = Bench::new(web(vec![checked(A, 1), checked(B, 1)]), table(&[]));
    bench.health(A, State::Up, "tcp_check: passed");
    bench.health(B, State::Down, "tcp_check: timed out");
    bench.steps.clear();

    let mut stricter = vec![checked(A, 1), checked(B, 1)];
    for server in &mut stricter {
        std::sync::Arc::make_mut(&mut server.checks[0]).timing.fall = 7;
    }
    bench.define(web(stricter));
    assert_eq!(bench.lines(), [""; 0]);
    let starts: Vec<Start> = bench.watched.iter().map(|(_, start)| *start).collect();
    assert_eq!(starts, [Start::Up, Start::Down]);
}

#[test]
fn drift_is_repaired_on_the_interval_and_named() {
    let standing = table(&[(WEB, "wlc", &[destination(A, 1), destination(B, 1)])]);
    let mut bench = Bench::new(web(vec![unchecked(A, 1), unchecked(B, 1)]), standing.clone());
    assert_eq!((bench.reads, bench.lines().len()), (1, 0));

    bench.table = table(&[(WEB, "wlc", &[destination(A, 7), destination("198.51.100.9:80", 1)])]);
    bench.after(RESYNC - Duration::from_millis(1));
    assert_eq!(bench.reads, 1);
    bench.after(Duration::from_millis(1));
    assert_eq!(
        bench.lines(),
        [
            "SET_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 1: \
             changed by another program: weight 7 -> 1",
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.2:80 dr 1: \
             changed by another program: the destination was removed",
            "DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.9:80: \
             changed by another program: the destination was added, no file defines it",
        ]
    );

    bench.table = table(&[]);
    bench.after(RESYNC);
    assert_eq!(
        bench.lines(),
        [
            "NEW_SERVICE tcp 192.0.2.10:80 wlc: \
             changed by another program: the service was removed",
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 1: \
             changed by another program: the destination was removed",
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.2:80 dr 1: \
             changed by another program: the destination was removed",
        ]
    );

    bench.table = standing;
    bench.after(RESYNC);
    assert_eq!(bench.lines(), [""; 0]);
}

/// `ipvsadm -C` does not make lvsd forget which servers were in service before their first check.
#[test]
fn drift_before_the_first_check_is_repaired_too() {
    let standing = table(&[(WEB, "wlc", &[destination(A, 1)])]);
    let mut bench = Bench::new(web(vec![checked(A, 1)]), standing);
    bench.table = table(&[]);
    bench.after(RESYNC);
    assert_eq!(bench.lines().len(), 2);
}

/// The kernel reports `Local` for a destination that is the director itself.
#[test]
fn a_local_destination_is_no_drift() {
    let mut local = destination(A, 1);
    local.forward = ipvs::Forward::Local;
    let mut bench = Bench::new(web(vec![unchecked(A, 1)]), table(&[(WEB, "wlc", &[local])]));
    assert_eq!(bench.lines(), [""; 0]);
}

#[test]
fn a_service_of_another_program_is_removed_only_on_request() {
    let foreign = "tcp 192.0.2.99:22";
    let standing = table(&[(foreign, "rr", &[])]);
    let mut bench = Bench::new(web(vec![]), standing);
    bench.steps.clear();
    bench.after(RESYNC);
    assert!(bench.lines().iter().all(|line| !line.contains(foreign)));

    let settings = Settings { unmanaged: Policy::Remove, ..Settings::default() };
    bench.input(Input::Define(web(vec![]), settings));
    assert_eq!(
        bench.lines(),
        ["DEL_SERVICE tcp 192.0.2.99:22: not defined and unmanaged = \"remove\""]
    );
}

/// The file lost the service while lvsd was not running.
#[test]
fn a_service_that_lvsd_created_in_an_earlier_run_is_removed() {
    let mine = "tcp 192.0.2.10:81";
    let standing = table(&[(mine, "rr", &[]), ("tcp 192.0.2.99:22", "rr", &[])]);
    let mut bench =
        Bench::with_owned(web(vec![]), standing, BTreeSet::from([key(mine), key("fwmark 9")]));
    assert_eq!(
        bench.lines(),
        [
            "NEW_SERVICE tcp 192.0.2.10:80 wlc: virtual server web is defined",
            "DEL_SERVICE tcp 192.0.2.10:81: no longer defined",
        ]
    );
    assert_eq!(bench.saved.unwrap(), BTreeSet::from([key(WEB)]));
}

#[test]
fn a_refused_operation_is_tried_again_and_the_rest_goes_on() {
    let mut bench = Bench::new(Vec::new(), table(&[]));
    bench.refuse = Some(A);
    bench.define(web(vec![unchecked(A, 1), unchecked(B, 1)]));
    assert_eq!(bench.lines().len(), 3);
    let failing = bench.engine.view(&bench.table, bench.now).failing;
    assert_eq!(
        failing,
        [("NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80".to_owned(), "refused".to_owned())]
    );

    bench.table = table(&[(WEB, "wlc", &[destination(B, 1)])]);
    for pause in [1, 2, 4] {
        bench.after(Duration::from_secs(pause));
        assert_eq!(
            bench.lines(),
            ["NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 1: tried again after: refused"],
            "after {pause} s more"
        );
    }
    bench.refuse = None;
    bench.after(Duration::from_secs(8));
    assert_eq!(bench.lines().len(), 1);
    assert_eq!(bench.engine.view(&bench.table, bench.now).failing, []);
}

/// Its destinations fail with it, which nobody needs to read one by one.
#[test]
fn a_service_that_cannot_be_made_is_one_line() {
    let mut bench = Bench::new(Vec::new(), table(&[]));
    bench.refuse = Some(WEB);
    let other = virtual_server("dns", "udp 192.0.2.11:53", vec![unchecked("198.51.100.9:53", 1)]);
    let mut defined = web(vec![unchecked(A, 1), checked(B, 1)]);
    defined.push(other);
    bench.define(defined);
    let failing = |bench: &Bench| bench.engine.view(&bench.table, bench.now).failing;
    let line = [("NEW_SERVICE tcp 192.0.2.10:80".to_owned(), "refused".to_owned())];
    assert_eq!(failing(&bench), line);
    // A plan for this service alone and one for all leave it at that.
    bench.health(B, State::Up, "passed");
    assert_eq!(failing(&bench), line);
    bench.after(RESYNC);
    assert_eq!(failing(&bench), line);

    bench.refuse = None;
    bench.lines();
    bench.after(RESYNC);
    assert_eq!(
        bench.lines(),
        [
            "NEW_SERVICE tcp 192.0.2.10:80 wlc: tried again after: refused",
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 1: tried again after: refused",
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.2:80 dr 1: tried again after: refused",
        ]
    );
    assert_eq!(failing(&bench), []);
}

/// What failed for one service is not forgotten when another is planned.
#[test]
fn a_plan_of_one_service_leaves_the_failures_of_others() {
    let dns = virtual_server("dns", "udp 192.0.2.11:53", vec![checked("198.51.100.9:53", 1)]);
    let mut defined = web(vec![unchecked(A, 1)]);
    defined.push(dns);
    let mut bench = Bench::new(Vec::new(), table(&[]));
    bench.refuse = Some(A);
    bench.define(defined);
    bench.lines();
    bench.health("198.51.100.9:53", State::Up, "passed");
    assert_eq!(
        bench.lines(),
        ["NEW_DEST udp 192.0.2.11:53 -> 198.51.100.9:53 dr 1: passed"],
        "the other service is not even looked at"
    );
    let failing = bench.engine.view(&bench.table, bench.now).failing;
    assert_eq!(
        failing,
        [("NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80".to_owned(), "refused".to_owned())]
    );
}

#[test]
fn a_stop_leaves_the_table_unless_told_otherwise() {
    let mut bench = Bench::new(web(vec![unchecked(A, 1)]), table(&[("fwmark 7", "rr", &[])]));
    bench.steps.clear();
    bench.input(Input::Stop);
    assert_eq!(bench.lines(), [""; 0]);
    assert_eq!(bench.watched, []);

    let mut bench = Bench::new(web(vec![unchecked(A, 1)]), table(&[("fwmark 7", "rr", &[])]));
    bench.steps.clear();
    let settings = Settings { on_stop: Policy::Remove, ..Settings::default() };
    bench.input(Input::Define(web(vec![unchecked(A, 1)]), settings));
    bench.input(Input::Stop);
    assert_eq!(
        bench.lines(),
        ["DEL_SERVICE tcp 192.0.2.10:80: lvsd stops and on_stop = \"remove\""]
    );
}
