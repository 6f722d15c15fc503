//! What checks say beside up and down: the weight that they ask for, what a server counts as before
//! its first results, and what becomes of all that when checks change.

mod common;

use std::sync::Arc;
use std::time::Duration;

use checkers::{
    Advice, AgentCheck, Check, Initial, Kind, MiscCheck, Monitor, Start, State, Timing,
};
use common::{Bench, checked, destination, table, tcp_check, unchecked, virtual_server};
use config::{RealServer, VirtualServer};
use engine::{Action, Input, Override};
use ipvs::Weight;

const WEB: &str = "tcp 192.0.2.10:80";
const A: &str = "198.51.100.1:80";
const B: &str = "198.51.100.2:80";

fn with(timing: Timing) -> Check {
    Check { timing, ..tcp_check() }
}

fn misc_check() -> Check {
    let misc = MiscCheck { command: vec!["/bin/check".to_owned()], ..MiscCheck::default() };
    Check { kind: Kind::Misc(misc), timing: Timing::default() }
}

fn server(address: &str, weight: u32, checks: Vec<Check>) -> RealServer {
    let checks = checks.into_iter().map(Arc::new).collect();
    RealServer { destination: destination(address, weight), checks }
}

fn watching(address: &str, check: Check) -> Monitor {
    Monitor { target: address.parse().expect("an address"), check: check.into() }
}

fn web(servers: Vec<RealServer>) -> Vec<VirtualServer> {
    vec![virtual_server("web", WEB, servers)]
}

/// A with weight 4 and these checks, in the table and up; B beside it, without checks.
fn up(checks: Vec<Check>) -> Bench {
    let standing = table(&[(WEB, "wlc", &[destination(A, 4), destination(B, 1)])]);
    let servers = vec![server(A, 4, checks.clone()), unchecked(B, 1)];
    let mut bench = Bench::new(web(servers), standing);
    for check in checks {
        bench.monitor_is(watching(A, check), State::Up, "passed", None);
    }
    assert_eq!(bench.lines(), [""; 0]);
    bench
}

impl Bench {
    fn asks(&mut self, check: Check, advice: Advice) -> Vec<String> {
        let why = format!("passed, asks for {advice}");
        self.monitor_is(watching(A, check), State::Up, &why, Some(advice));
        self.lines()
    }
}

/// Shares are rounded up: only 0 % stops new connections.
#[test]
fn a_check_asks_for_a_weight() {
    let mut bench = up(vec![tcp_check()]);
    for (advice, weight, words) in [
        (Advice::Percent(50), 2, "50 % of the weight"),
        (Advice::Percent(26), 2, ""),
        (Advice::Percent(25), 1, "25 % of the weight"),
        (Advice::Percent(1), 1, ""),
        (Advice::Percent(0), 0, "0 % of the weight"),
        (Advice::Percent(200), 8, "200 % of the weight"),
        (Advice::Weight(7), 7, "weight 7"),
        (Advice::Weight(0), 0, "weight 0"),
        (Advice::Weight(u32::MAX), 2_147_483_647, "weight 4294967295"),
    ] {
        let lines = bench.asks(tcp_check(), advice);
        if words.is_empty() {
            assert_eq!(lines, [""; 0], "{advice}");
        } else {
            assert_eq!(lines.len(), 1, "{advice}");
            assert!(lines[0].contains(&format!("{A} dr {weight}: ")), "{lines:?}");
        }
        let view = bench.engine.view(&bench.table, bench.now);
        let server = &view.services[0].servers[0];
        assert_eq!(server.destination.weight.get(), weight, "{advice}");
        assert_eq!(server.weighing.configured.get(), 4);
        assert!(server.why.ends_with(words), "{}", server.why);
    }
}

/// What an agent asked of the lvsd before this one stands in the table: a server that asked for no new
/// connections gets none while this lvsd has not asked it yet.
#[test]
fn an_adopted_weight_stays_until_the_check_that_may_ask_for_one_has_run() {
    let agent = Check { kind: Kind::Agent(AgentCheck::default()), timing: Timing::default() };
    let servers = vec![server(A, 4, vec![agent.clone(), tcp_check()]), unchecked(B, 1)];
    let standing = table(&[(WEB, "wlc", &[destination(A, 0), destination(B, 1)])]);
    let mut bench = Bench::new(web(servers), standing);
    assert_eq!(bench.lines(), [""; 0]);
    bench.monitor_is(watching(A, tcp_check()), State::Up, "passed", None);
    assert_eq!(bench.lines(), [""; 0]);
    let view = bench.engine.view(&bench.table, bench.now);
    assert_eq!(view.services[0].servers[0].weighing.adopted, Some(Weight::ZERO));
    bench.monitor_is(watching(A, agent), State::Up, "passed", None);
    assert!(bench.lines()[0].contains(" dr 4: "));
}

/// A check that asks for nothing leaves the weight to the definitions.
#[test]
fn another_checks_server_gets_its_configured_weight_at_once() {
    let standing = table(&[(WEB, "wlc", &[destination(A, 9), destination(B, 1)])]);
    let servers = vec![server(A, 4, vec![tcp_check()]), unchecked(B, 1)];
    let mut bench = Bench::new(web(servers), standing);
    assert!(bench.lines()[0].contains(" dr 4: "));
}

#[test]
fn of_several_checks_the_lowest_weight_counts() {
    let (a, b) = (tcp_check(), misc_check());
    let mut bench = up(vec![a.clone(), b.clone()]);
    assert_eq!(bench.asks(a.clone(), Advice::Weight(9)).len(), 1);
    let lines = bench.asks(b.clone(), Advice::Percent(75));
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains(" dr 3: "), "{lines:?}");
    let view = bench.engine.view(&bench.table, bench.now);
    assert_eq!(
        view.services[0].servers[0].why,
        "all 2 checks pass, misc_check asks for 75 % of the weight"
    );
    assert!(bench.asks(a, Advice::Weight(2))[0].contains(" dr 2: "));
    // It is back to the other's wish, then to its own weight.
    bench.monitor_is(watching(A, tcp_check()), State::Up, "passed", None);
    assert!(bench.lines()[0].contains(" dr 3: "));
    bench.monitor_is(watching(A, b), State::Up, "passed", None);
    assert!(bench.lines()[0].contains(" dr 4: "));
}

#[test]
fn the_operators_weight_comes_first() {
    let mut bench = up(vec![tcp_check()]);
    bench.input(Input::Override(Override {
        server: A.parse().expect("a name"),
        action: Action::Weight(Weight::new(6).expect("small")),
        by: "root".to_owned(),
        reason: None,
        since: bench.now,
        until: None,
    }));
    assert!(bench.lines()[0].contains(" dr 6: "));
    assert_eq!(bench.asks(tcp_check(), Advice::Weight(1)), [""; 0]);
    bench.input(Input::Clear(A.parse().expect("a name")));
    assert!(bench.lines()[0].contains(" dr 1: "));
}

#[test]
fn the_live_weight_is_the_one_that_is_asked_for() {
    let mut bench = up(vec![tcp_check()]);
    bench.asks(tcp_check(), Advice::Percent(50));
    let view = bench.engine.view(&bench.table, bench.now);
    assert_eq!(view.services[0].condition.live_weight, 2 + 1);
}

#[test]
fn a_server_can_count_as_up_before_its_first_results() {
    let check = with(Timing { initial: Initial::Up, ..Timing::default() });
    let mut bench = Bench::new(web(vec![server(A, 4, vec![check.clone()])]), table(&[]));
    assert_eq!(
        bench.lines(),
        [
            "NEW_SERVICE tcp 192.0.2.10:80 wlc: virtual server web is defined",
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 4: counts as up until it is checked",
        ]
    );
    assert_eq!(bench.watched, [(watching(A, check), Start::Up)]);
}

#[test]
fn a_server_can_count_as_down_before_its_first_results() {
    let check = with(Timing { initial: Initial::Down, ..Timing::default() });
    let servers = || web(vec![server(A, 4, vec![check.clone()]), unchecked(B, 1)]);
    let bench = Bench::new(servers(), table(&[]));
    assert_eq!(bench.watched, [(watching(A, check.clone()), Start::Down)]);
    let view = bench.engine.view(&bench.table, bench.now);
    assert_eq!(view.services[0].servers[0].state.state, State::Unknown);
    assert_eq!(view.services[0].condition.panic, None, "it is not there yet, which is no failure");

    let standing = table(&[(WEB, "wlc", &[destination(A, 4), destination(B, 1)])]);
    let mut bench = Bench::new(servers(), standing);
    assert_eq!(
        bench.lines(),
        ["DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80: counts as down until it is checked"]
    );
}

/// Everybody changes the check's path, or its interval, at some time; nothing must happen to the
/// table by that.
#[test]
fn a_changed_check_starts_from_the_present_state() {
    let changed =
        |initial| with(Timing { interval: Duration::from_secs(7), initial, ..Timing::default() });
    for initial in [Initial::Adopt, Initial::Up, Initial::Down] {
        let new = changed(initial);
        for (state, start) in [(State::Up, Start::Up), (State::Down, Start::Down)] {
            let mut bench = up(vec![tcp_check()]);
            bench.health(A, state, "said so");
            bench.lines();
            bench.define(web(vec![server(A, 4, vec![new.clone()]), unchecked(B, 1)]));
            assert_eq!(bench.lines(), [""; 0], "{initial:?} {state}");
            assert_eq!(bench.watched, [(watching(A, new.clone()), start)]);
            let view = bench.engine.view(&bench.table, bench.now);
            assert_eq!(view.services[0].servers[0].state.state, state);
            assert_eq!(view.services[0].servers[0].why, format!("tcp_check: new, {state} before"));
        }
    }
}

#[test]
fn a_changed_check_keeps_the_weight_that_was_asked_for() {
    let mut bench = up(vec![tcp_check()]);
    bench.asks(tcp_check(), Advice::Weight(2));
    let new = with(Timing { fall: 7, ..Timing::default() });
    bench.define(web(vec![server(A, 4, vec![new]), unchecked(B, 1)]));
    assert_eq!(bench.lines(), [""; 0]);
}

/// Each new check takes over from the one that it replaces, whatever the others say.
#[test]
fn a_new_check_takes_over_from_its_kind_else_from_the_server() {
    let (tcp, misc) = (tcp_check(), misc_check());
    let mut bench = up(vec![tcp.clone(), misc.clone()]);
    bench.monitor_is(watching(A, misc.clone()), State::Down, "exit status 1", None);
    bench.lines();
    let slow = Timing { interval: Duration::from_secs(7), ..Timing::default() };
    let (slow_tcp, slow_misc) = (with(slow), Check { timing: slow, ..misc });
    let other = with(Timing { interval: Duration::from_secs(9), ..slow });
    let checks = vec![slow_tcp.clone(), slow_misc.clone(), other.clone()];
    bench.define(web(vec![server(A, 4, checks), unchecked(B, 1)]));
    let mut watched = bench.watched.clone();
    watched.sort_by_key(|(monitor, _)| {
        [&slow_tcp, &slow_misc, &other].iter().position(|one| **one == *monitor.check)
    });
    assert_eq!(
        watched,
        [
            (watching(A, slow_tcp), Start::Up),
            (watching(A, slow_misc), Start::Down),
            (watching(A, other), Start::Up),
        ]
    );
    assert_eq!(bench.lines(), [""; 0]);
}

#[test]
fn a_server_that_gets_its_first_check_stays() {
    let strict = with(Timing { initial: Initial::Down, ..Timing::default() });
    let mut bench = up(vec![]);
    bench.define(web(vec![server(A, 4, vec![strict.clone()]), checked(B, 1)]));
    assert_eq!(bench.lines(), [""; 0]);
    assert!(bench.watched.contains(&(watching(A, strict), Start::Up)));
}
