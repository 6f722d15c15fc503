//! What the operator asks, and servers that leave; every expected line by hand.

#![allow(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod common;

use std::time::Duration;

use checkers::State;
use common::{Bench, checked, destination, table, unchecked, virtual_server};
use config::VirtualServer;
use engine::{Action, Engine, Input, Kept, Override, ServerName, Settings};
use ipvs::Weight;

const WEB: &str = "tcp 192.0.2.10:80";
const A: &str = "198.51.100.1:80";
const B: &str = "198.51.100.2:80";
const SECOND: Duration = Duration::from_secs(1);

fn web() -> Vec<VirtualServer> {
    vec![virtual_server("web", WEB, vec![checked(A, 3), checked(B, 1)])]
}

/// Both servers in and up, A with five connections.
fn bench() -> Bench {
    let standing = table(&[(WEB, "wlc", &[destination(A, 3), destination(B, 1)])]);
    let mut bench = Bench::new(web(), standing);
    bench.health(A, State::Up, "passed");
    bench.health(B, State::Up, "passed");
    bench.connections(A, 5);
    bench.connections(B, 0);
    assert_eq!(bench.lines(), [""; 0]);
    bench
}

fn wish(bench: &Bench, server: &str, action: Action) -> Override {
    Override {
        server: server.parse().unwrap(),
        action,
        by: "root".to_owned(),
        reason: Some("new kernel".to_owned()),
        since: bench.now,
        until: None,
    }
}

fn ask(bench: &mut Bench, server: &str, action: Action) -> Vec<String> {
    let wish = wish(bench, server, action);
    bench.input(Input::Override(wish));
    bench.lines()
}

fn clear(bench: &mut Bench, server: &str) -> Vec<String> {
    bench.input(Input::Clear(server.parse().unwrap()));
    bench.lines()
}

#[test]
fn a_drained_server_leaves_when_its_connections_have_ended() {
    let mut bench = bench();
    assert_eq!(
        ask(&mut bench, "198.51.100.1", Action::Drain { deadline: None }),
        ["SET_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 0: weight 3 -> 0: \
          drained by root: new kernel; 5 connections left, at most 10m more"]
    );
    // Health goes up and down; the server stays where the operator wants it.
    bench.health(A, State::Down, "refused");
    bench.health(A, State::Up, "passed");
    bench.connections(A, 2);
    bench.after(SECOND);
    assert_eq!(bench.lines(), [""; 0]);
    bench.connections(A, 0);
    bench.after(SECOND);
    assert_eq!(
        bench.lines(),
        ["DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80: \
          drained by root: new kernel; no connections left"]
    );
    // It stays out, whatever its checks say.
    bench.health(A, State::Down, "refused");
    bench.health(A, State::Up, "passed");
    bench.after(10 * SECOND);
    assert_eq!(bench.lines(), [""; 0]);
    assert_eq!(
        clear(&mut bench, "198.51.100.1"),
        ["NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 3: passed"]
    );
    assert_eq!(bench.wishes.0, []);
}

#[test]
fn a_drain_ends_at_its_deadline() {
    let mut bench = bench();
    let deadline = Some(bench.now + 5 * SECOND);
    ask(&mut bench, A, Action::Drain { deadline });
    bench.after(4 * SECOND);
    assert_eq!(bench.lines(), [""; 0]);
    bench.after(SECOND);
    assert_eq!(
        bench.lines(),
        ["DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80: \
          drained by root: new kernel; deadline reached with 5 connections left"]
    );
}

#[test]
fn a_drain_without_connections_is_over_at_once() {
    let mut bench = bench();
    assert_eq!(
        ask(&mut bench, B, Action::Drain { deadline: None }),
        ["DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.2:80: \
          drained by root: new kernel; no connections left"]
    );
}

/// The drain that an earlier run began goes on; the kernel's weight 0 is not taken for a wish of
/// its own when the drain is taken back.
#[test]
fn a_drain_survives_a_restart() {
    let mut before = bench();
    ask(&mut before, "198.51.100.1", Action::Drain { deadline: None });
    let kept = Kept { overrides: before.wishes.0.clone(), leaving: Vec::new(), ..Kept::default() };
    let mut after = bench();
    after.table = before.table.clone();
    after.engine = Engine::new(web(), Settings::default(), kept, after.now);
    after.after(Duration::ZERO);
    assert_eq!(after.lines(), [""; 0]);
    after.health(A, State::Up, "passed");
    assert_eq!(after.lines(), [""; 0]);
    assert_eq!(
        clear(&mut after, "198.51.100.1"),
        ["SET_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 3: weight 0 -> 3: passed"]
    );
}

#[test]
fn a_disabled_server_leaves_at_once_and_comes_back_by_itself_in_time() {
    let mut bench = bench();
    let mut wish = wish(&bench, A, Action::Disable);
    wish.until = Some(bench.now + 60 * SECOND);
    bench.input(Input::Override(wish));
    assert_eq!(
        bench.lines(),
        ["DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80: disabled by root: new kernel"]
    );
    assert_eq!(bench.wishes.0.len(), 1);
    bench.after(59 * SECOND);
    assert_eq!(bench.lines(), [""; 0]);
    assert!(bench.engine.poll_timeout() <= bench.now + SECOND);
    bench.after(SECOND);
    assert_eq!(bench.lines(), ["NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 3: passed"]);
    assert_eq!(bench.wishes.0, []);
}

#[test]
fn another_weight_counts_while_the_server_is_healthy() {
    let mut bench = bench();
    let nine = Action::Weight(Weight::new(9).unwrap());
    assert_eq!(
        ask(&mut bench, A, nine),
        ["SET_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 9: weight 3 -> 9: \
          passed; weight 9 set by root: new kernel"]
    );
    bench.health(A, State::Down, "refused");
    bench.health(A, State::Up, "passed");
    let lines = bench.lines();
    assert_eq!(lines[0], "DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80: refused");
    assert!(lines[1].contains(" dr 9: "), "{lines:?}");
}

/// The operator's wish for one virtual server leaves the server's others alone.
#[test]
fn a_wish_can_be_for_one_virtual_server() {
    let mut both = web();
    both.push(virtual_server("api", "tcp 192.0.2.11:80", vec![unchecked(A, 1)]));
    let mut bench = Bench::new(both, table(&[]));
    bench.health(A, State::Up, "passed");
    bench.steps.clear();
    let mut wish = wish(&bench, A, Action::Disable);
    wish.server = ServerName { virtual_server: Some("api".to_owned()), ..wish.server };
    bench.input(Input::Override(wish));
    assert_eq!(
        bench.lines(),
        ["DEL_DEST tcp 192.0.2.11:80 -> 198.51.100.1:80: disabled by root: new kernel"]
    );
    let name: ServerName = "198.51.100.1".parse().unwrap();
    let named: Vec<&str> = bench.engine.named(&name).map(|(name, _)| name).collect();
    assert_eq!(named, ["web", "api"]);
    assert_eq!(clear(&mut bench, "198.51.100.1").len(), 1);
}

/// When the operator has taken all others out, the last one that fails is kept.
#[test]
fn servers_that_the_operator_took_out_do_not_count_in_a_panic() {
    let mut bench = bench();
    ask(&mut bench, B, Action::Disable);
    bench.health(A, State::Down, "refused");
    assert_eq!(bench.lines(), [""; 0]);
}

#[test]
fn a_file_in_the_maintenance_directory_drains() {
    let mut bench = bench();
    bench.input(Input::Maintenance(["198.51.100.2".parse().unwrap()].into()));
    assert_eq!(
        bench.lines(),
        ["DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.2:80: \
          drained by the file 198.51.100.2 in the maintenance directory; no connections left"]
    );
    bench.input(Input::Maintenance([].into()));
    assert_eq!(bench.lines().len(), 1);
}

#[test]
fn a_server_that_is_no_longer_defined_drains_first() {
    let mut bench = bench();
    let without = vec![virtual_server("web", WEB, vec![checked(B, 1)])];
    bench.define(without.clone());
    assert_eq!(
        bench.lines(),
        ["SET_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 0: weight 3 -> 0: \
          no longer defined; 5 connections left, at most 10m more"]
    );
    assert_eq!(bench.wishes.1.len(), 1);

    // It goes on after a restart.
    let kept = Kept { leaving: bench.wishes.1.clone(), ..Kept::default() };
    bench.engine = Engine::new(without, Settings::default(), kept, bench.now);
    bench.after(Duration::ZERO);
    assert_eq!(bench.lines(), [""; 0]);
    bench.connections(A, 0);
    bench.after(SECOND);
    assert_eq!(
        bench.lines(),
        ["DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80: \
          no longer defined; no connections left"]
    );
    assert_eq!(bench.wishes.1, []);
}

#[test]
fn a_server_that_is_defined_again_stays() {
    let mut bench = bench();
    bench.define(vec![virtual_server("web", WEB, vec![checked(B, 1)])]);
    bench.steps.clear();
    bench.define(web());
    assert_eq!(
        bench.lines(),
        ["SET_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 3: weight 0 -> 3"]
    );
    assert_eq!(bench.wishes.1, []);
}
