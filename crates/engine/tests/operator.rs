//! What the operator asks, and servers that leave; every expected line by hand.

#![allow(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod common;

use std::time::Duration;

use checkers::State;
use common::{Bench, checked, destination, table, unchecked, virtual_server};
use config::{Drain, DrainPolicy, VirtualServer};
use engine::{Action, Answer, Engine, Input, Kept, Override, ServerName, Settings};
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

/// The operator is in a hurry after all.
#[test]
fn a_drain_can_be_given_another_deadline() {
    let mut bench = bench();
    ask(&mut bench, A, Action::Drain { deadline: None });
    let deadline = Some(bench.now + 5 * SECOND);
    ask(&mut bench, A, Action::Drain { deadline });
    bench.steps.clear();
    bench.after(5 * SECOND);
    let lines = bench.lines();
    assert!(lines[0].starts_with("DEL_DEST ") && lines.len() == 1, "{lines:?}");
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

/// lvsd ends and begins again with what was kept; the table stays as it is.
fn restart(bench: &mut Bench) {
    let kept = Kept {
        overrides: bench.wishes.0.clone(),
        leaving: bench.wishes.1.clone(),
        maintenance: bench.files.keys().cloned().collect(),
        maintenance_since: bench.files.clone(),
        ..Kept::default()
    };
    bench.engine = Engine::new(web(), Settings::default(), kept, bench.now);
    bench.after(Duration::ZERO);
}

/// The default deadline is ten minutes from when it was asked, however often lvsd begins anew.
#[test]
fn a_restart_makes_no_drain_longer() {
    for file in [false, true] {
        let mut bench = bench();
        if file {
            bench.input(Input::Maintenance(["198.51.100.1".parse().unwrap()].into()));
        } else {
            ask(&mut bench, "198.51.100.1", Action::Drain { deadline: None });
        }
        bench.steps.clear();
        for _ in 0..9 {
            bench.after(60 * SECOND);
            restart(&mut bench);
        }
        bench.after(59 * SECOND);
        assert_eq!(bench.lines(), [""; 0], "file {file}");
        bench.after(SECOND);
        let lines = bench.lines();
        assert_eq!(lines.len(), 1, "file {file}: {lines:?}");
        assert!(lines[0].ends_with("deadline reached with 5 connections left"), "{lines:?}");
    }
}

/// The files of `state_dir` have the wall clock's times. When that was set back by a day, what was
/// kept lies a day ahead of the monotonic clock.
#[test]
fn a_wall_clock_that_is_set_back_makes_no_drain_longer() {
    const DAY: Duration = Duration::from_secs(86_400);
    for deadline in [None, Some(600 * SECOND)] {
        let mut bench = bench();
        let deadline = deadline.map(|deadline| bench.now + deadline);
        ask(&mut bench, A, Action::Drain { deadline });
        let mut disabled = wish(&bench, B, Action::Disable);
        disabled.until = Some(bench.now + 60 * SECOND);
        bench.input(Input::Override(disabled));
        for wish in &mut bench.wishes.0 {
            wish.since += DAY;
            wish.until = wish.until.map(|until| until + DAY);
            if let Action::Drain { deadline: Some(deadline) } = &mut wish.action {
                *deadline += DAY;
            }
        }
        restart(&mut bench);
        bench.health(B, State::Up, "passed");
        bench.steps.clear();
        bench.after(60 * SECOND);
        assert_eq!(
            bench.lines(),
            ["NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.2:80 dr 1: passed"],
            "what was asked for a minute is over"
        );
        bench.after(540 * SECOND);
        assert_eq!(
            bench.lines(),
            ["DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80: \
              drained by root: new kernel; deadline reached with 5 connections left"]
        );
    }
}

#[test]
fn a_wall_clock_that_is_set_back_keeps_no_server_that_leaves() {
    let mut bench = bench();
    let without = vec![virtual_server("web", WEB, vec![checked(B, 1)])];
    bench.define(without.clone());
    let mut leaving = bench.wishes.1.clone();
    leaving[0].deadline += Duration::from_secs(86_400);
    let kept = Kept { leaving, ..Kept::default() };
    bench.engine = Engine::new(without, Settings::default(), kept, bench.now);
    bench.steps.clear();
    bench.after(600 * SECOND);
    assert_eq!(
        bench.lines(),
        ["DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80: \
          no longer defined; deadline reached with 5 connections left"]
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

/// A file in the maintenance directory takes its server out, whatever weight is asked for it.
#[test]
fn a_weight_brings_nobody_back_from_maintenance() {
    let file = || Input::Maintenance(["198.51.100.2".parse().unwrap()].into());
    let five = Action::Weight(Weight::new(5).unwrap());
    let mut bench = bench();
    bench.input(file());
    bench.steps.clear();
    assert_eq!(ask(&mut bench, B, five), [""; 0]);
    assert_eq!(
        bench.engine.answer_override(&B.parse().unwrap()).notes,
        ["web 198.51.100.2:80: drained by the file 198.51.100.2 in the maintenance directory, \
          whatever its weight"]
    );
    // The weight counts when the file is gone, and the file counts when it comes back.
    bench.input(Input::Maintenance([].into()));
    let lines = bench.lines();
    assert!(lines[0].starts_with("NEW_DEST ") && lines[0].contains(" dr 5: "), "{lines:?}");
    bench.connections(B, 0);
    bench.input(file());
    let lines = bench.lines();
    assert!(lines[0].starts_with("DEL_DEST ") && lines.len() == 1, "{lines:?}");
    // The operator's own words for the same come first.
    ask(&mut bench, B, Action::Disable);
    assert_eq!(
        clear_answer(&mut bench, B).held,
        ["web 198.51.100.2:80: drained by the file 198.51.100.2 in the maintenance directory; \
          it ends when the file is removed"]
    );
}

/// As the director does it.
fn clear_answer(bench: &mut Bench, server: &str) -> Answer {
    let server: ServerName = server.parse().unwrap();
    let taken: Vec<Override> = bench.engine.taken_back_by(&server).cloned().collect();
    bench.input(Input::Clear(server.clone()));
    bench.engine.answer_clear(&server, &taken).unwrap()
}

#[test]
fn whoever_takes_back_too_little_hears_of_it() {
    let mut bench = bench();
    ask(&mut bench, "198.51.100.1", Action::Drain { deadline: None });
    let answer = clear_answer(&mut bench, A);
    assert_eq!(answer.servers, [""; 0]);
    assert_eq!(
        answer.held,
        ["web 198.51.100.1:80: drained by root: new kernel; \
          `lvsctl enable 198.51.100.1` takes it back"]
    );
    assert_eq!(answer.notes, ["nothing had been asked for 198.51.100.1:80"]);

    let answer = clear_answer(&mut bench, "198.51.100.1");
    assert_eq!(answer, Answer { servers: vec![format!("web {A}")], ..Answer::default() });

    let mut in_web = wish(&bench, A, Action::Disable);
    in_web.server.virtual_server = Some("web".to_owned());
    bench.input(Input::Override(in_web));
    let mut other = ServerName { virtual_server: Some("api".to_owned()), ..A.parse().unwrap() };
    assert_eq!(bench.engine.answer_clear(&other, &[]), None, "no such server");
    other.virtual_server = None;
    assert!(
        bench.engine.answer_clear(&other, &[]).unwrap().held[0]
            .ends_with("`lvsctl enable 198.51.100.1:80 --service web` takes it back")
    );
}

#[test]
fn a_wish_for_a_server_that_is_gone_can_be_taken_back() {
    let mut bench = bench();
    ask(&mut bench, B, Action::Disable);
    bench.define(vec![virtual_server("web", WEB, vec![checked(A, 3)])]);
    assert_eq!(
        clear_answer(&mut bench, B),
        Answer {
            notes: vec![
                "taken back: disabled by root: new kernel, for 198.51.100.2:80, which no file \
                 defines"
                    .to_owned()
            ],
            ..Answer::default()
        }
    );
    assert_eq!(bench.wishes.0, []);
    let nobody = "198.51.100.77".parse().unwrap();
    assert_eq!(bench.engine.answer_clear(&nobody, &[]), None);
}

/// Of wishes that overlap the last one counts; one that ends uncovers the one before.
#[test]
fn the_last_wish_counts() {
    let mut bench = bench();
    let nine = Action::Weight(Weight::new(9).unwrap());
    let weight = |line: &str, weight: &str| {
        assert!(line.contains(&format!("198.51.100.1:80 dr {weight}: ")), "{line}");
    };
    // A narrow one after a wide one, and back.
    ask(&mut bench, "198.51.100.1", Action::Drain { deadline: None });
    weight(&ask(&mut bench, A, nine)[0], "9");
    weight(&clear(&mut bench, A)[0], "0");
    // A wide one after a narrow one takes its place for good.
    ask(&mut bench, A, nine);
    weight(&ask(&mut bench, "198.51.100.1", Action::Drain { deadline: None })[0], "0");
    assert_eq!(bench.wishes.0.len(), 1);
    weight(&clear(&mut bench, "198.51.100.1")[0], "3");

    // One for a time takes the place of the lasting one for the same server: after it, health
    // decides.
    ask(&mut bench, A, Action::Drain { deadline: None });
    let mut short = wish(&bench, A, nine);
    short.until = Some(bench.now + 5 * SECOND);
    bench.input(Input::Override(short));
    assert_eq!(bench.wishes.0.len(), 1);
    bench.steps.clear();
    bench.after(5 * SECOND);
    weight(&bench.lines()[0], "3");
    assert_eq!(bench.wishes.0, []);
}

/// Nobody has to read the log to learn that he has taken out the last one.
#[test]
fn whoever_takes_out_the_last_healthy_server_hears_of_it() {
    let name = |text: &str| text.parse::<ServerName>().unwrap();
    let mut bench = bench();
    ask(&mut bench, B, Action::Disable);
    let answer = bench.engine.answer_override(&name(B));
    assert_eq!(answer, Answer { servers: vec![format!("web {B}")], ..Answer::default() });
    ask(&mut bench, "198.51.100.1", Action::Drain { deadline: None });
    assert_eq!(
        bench.engine.answer_override(&name("198.51.100.1")).notes,
        ["virtual server web is without quorum, live weight 0 of 1; there is no sorry server: \
          nobody takes new connections"]
    );
    // With a sorry server, and with a quorum above what is left.
    let mut sorry = web();
    sorry[0].sorry_servers.push(destination("198.51.100.99:80", 1));
    bench.define(sorry);
    let notes = bench.engine.answer_override(&name(A)).notes;
    assert!(notes[0].ends_with("live weight 0 of 1; the sorry servers answer"), "{notes:?}");
    let mut two = web();
    two[0].quorum = 2;
    bench.define(two);
    clear(&mut bench, B);
    let notes = bench.engine.answer_override(&name(A)).notes;
    assert!(notes[0].ends_with("there is no sorry server: the rest answers"), "{notes:?}");
    // The last one that fails is kept.
    bench.health(B, State::Down, "refused");
    let notes = bench.engine.answer_override(&name(A)).notes;
    assert!(
        notes[0].ends_with("the panic policy is in force, all 1 real servers fail"),
        "{notes:?}"
    );
}

/// What `drain.udp` and `drain.persistent` wait for: inactive connections, which those of UDP are,
/// and persistence templates.
#[test]
fn a_drain_waits_for_what_its_policy_names() {
    let none = DrainPolicy::Ignore;
    for (udp, persistent, left) in [
        (none, none, None),
        (DrainPolicy::Wait, none, Some("3 connections left")),
        (none, DrainPolicy::Wait, Some("4 connections left")),
        (DrainPolicy::Wait, DrainPolicy::Wait, Some("7 connections left")),
    ] {
        let mut service = virtual_server("web", WEB, vec![unchecked(A, 3), unchecked(B, 1)]);
        service.drain = Drain { udp, persistent, ..Drain::default() };
        let standing = table(&[(WEB, "wlc", &[destination(A, 3), destination(B, 1)])]);
        let mut bench = Bench::new(vec![service], standing);
        let entry = |bench: &mut Bench, inactive, persistent| {
            let found = &mut bench.table.services[0].destinations[0];
            (found.active_connections, found.inactive_connections) = (0, inactive);
            found.persistent_connections = persistent;
        };
        entry(&mut bench, 3, 4);
        let line = ask(&mut bench, A, Action::Drain { deadline: None }).remove(0);
        match left {
            None => assert!(line.starts_with("DEL_DEST "), "{line}"),
            Some(left) => {
                assert!(line.starts_with("SET_DEST ") && line.contains(left), "{line}");
                bench.after(SECOND);
                assert_eq!(bench.lines(), [""; 0]);
                entry(&mut bench, 0, 0);
                bench.after(SECOND);
                assert!(bench.lines()[0].starts_with("DEL_DEST "));
            }
        }
    }
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
