//! Quorum, sorry servers, panic, weight zero and slow start; every expected line by hand.

#![allow(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use checkers::State;
use common::{Bench, checked, destination, lines, table, virtual_server};
use config::{OnFailure, Panic, Policy, Script, SyncDaemon, VirtualServer};
use engine::{Engine, Input, Kept, Settings};
use ipvs::{Daemon, DaemonRole};

const WEB: &str = "tcp 192.0.2.10:80";
const A: &str = "198.51.100.1:80";
const B: &str = "198.51.100.2:80";
const C: &str = "198.51.100.3:80";
const SORRY: &str = "198.51.100.99:80";

/// Three servers with weights 2, 1, 1, all of them up; changed by `change`.
fn three_up(change: impl FnOnce(&mut VirtualServer)) -> Bench {
    let servers = vec![checked(A, 2), checked(B, 1), checked(C, 1)];
    let mut web = virtual_server("web", WEB, servers);
    change(&mut web);
    let standing =
        table(&[(WEB, "wlc", &[destination(A, 2), destination(B, 1), destination(C, 1)])]);
    let mut bench = Bench::new(vec![web], standing);
    for server in [A, B, C] {
        bench.health(server, State::Up, "passed");
    }
    assert_eq!(bench.lines(), [""; 0]);
    bench
}

fn with_sorry(web: &mut VirtualServer) {
    web.sorry_servers = vec![destination(SORRY, 1)];
    web.panic = Panic::Sorry;
}

impl Bench {
    fn down(&mut self, server: &str) -> Vec<String> {
        self.now += Duration::from_millis(1);
        self.health(server, State::Down, "refused");
        self.lines()
    }

    fn up(&mut self, server: &str) -> Vec<String> {
        self.now += Duration::from_millis(1);
        self.health(server, State::Up, "passed");
        self.lines()
    }
}

#[test]
fn the_last_server_is_kept_and_the_first_to_recover_relieves_it() {
    let mut bench = three_up(|_| {});
    assert_eq!(bench.down(A), ["DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80: refused"]);
    assert_eq!(bench.down(B), ["DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.2:80: refused"]);
    assert_eq!(bench.down(C), [""; 0]);
    let view = bench.engine.view(&bench.table, bench.now);
    assert_eq!(view.services[0].condition.panic.as_deref(), Some("all 3 real servers fail"));
    assert_eq!(view.services[0].servers[2].why, "kept in panic (all 3 real servers fail): refused");
    assert_eq!(
        bench.up(A),
        [
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 2: passed",
            "DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.3:80: refused",
        ]
    );
}

/// Half of three, rounded down, is one: the second to fail is kept.
#[test]
fn no_more_than_max_ejected_leave() {
    let mut bench = three_up(|web| web.max_ejected = Some(50));
    assert_eq!(bench.down(B).len(), 1);
    assert_eq!(bench.down(A), [""; 0]);
    let view = bench.engine.view(&bench.table, bench.now);
    assert_eq!(
        view.services[0].servers[0].why,
        "kept in panic (2 of 3 real servers fail, max_ejected is 50%): refused"
    );
}

#[test]
fn panic_all_brings_every_server_in() {
    let mut bench = three_up(|web| web.panic = Panic::All);
    bench.down(A);
    bench.down(B);
    assert_eq!(
        bench.down(C),
        [
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 2: \
             kept in panic (all 3 real servers fail): refused",
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.2:80 dr 1: \
             kept in panic (all 3 real servers fail): refused",
        ]
    );
}

/// Servers that never were in do not come in by failing.
#[test]
fn a_cold_start_with_dead_servers_keeps_nobody() {
    let web = virtual_server("web", WEB, vec![checked(A, 1), checked(B, 1)]);
    let mut bench = Bench::new(vec![web], table(&[]));
    assert_eq!(bench.lines().len(), 1);
    assert_eq!(bench.down(A), [""; 0]);
    assert_eq!(bench.down(B), [""; 0]);
}

#[test]
fn sorry_servers_come_before_the_last_one_leaves_and_leave_after_the_first_is_back() {
    let mut bench = three_up(with_sorry);
    bench.down(A);
    bench.down(B);
    assert_eq!(
        bench.down(C),
        [
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.99:80 dr 1: all 3 real servers fail",
            "DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.3:80: refused",
        ]
    );
    assert_eq!(
        bench.up(B),
        [
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.2:80 dr 1: passed",
            "DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.99:80: the real servers suffice",
        ]
    );
}

/// keepalived's edges: with quorum 3 and hysteresis 1 the service goes down below 2 and comes up
/// at 4.
#[test]
fn the_quorum_has_a_hysteresis() {
    let script = |name: &str| Some(Script { command: vec![name.to_owned()], user: None });
    let mut bench = three_up(|web| {
        with_sorry(web);
        (web.quorum, web.hysteresis) = (3, 1);
        (web.quorum_up, web.quorum_down) = (script("/up"), script("/down"));
    });
    let started = vec!["/up".to_owned()];
    assert_eq!(std::mem::take(&mut bench.scripts), started);
    // Live weight 4 -> 2: not below 2.
    assert_eq!(bench.down(A), ["DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80: refused"]);
    assert_eq!(bench.scripts, [""; 0]);
    // 1: below.
    assert_eq!(
        bench.down(B),
        [
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.99:80 dr 1: \
             quorum lost: live weight 1 of 3",
            "DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.2:80: refused",
            "DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.3:80: quorum lost: live weight 1 of 3",
        ]
    );
    assert_eq!(std::mem::take(&mut bench.scripts), ["/down"]);
    // 3: not yet 4.
    assert_eq!(bench.up(A), [""; 0]);
    assert_eq!(
        bench.up(B),
        [
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 2: passed",
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.2:80 dr 1: passed",
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.3:80 dr 1: passed",
            "DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.99:80: the real servers suffice",
        ]
    );
    assert_eq!(bench.scripts, ["/up"]);
}

/// Without sorry servers the quorum is told, and forwarding goes on.
#[test]
fn a_lost_quorum_alone_changes_nothing_in_the_table() {
    let mut bench = three_up(|web| web.quorum = 3);
    assert_eq!(bench.down(A), ["DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80: refused"]);
    let view = bench.engine.view(&bench.table, bench.now);
    assert_eq!(view.services[0].condition.quorum, Some(false));
}

#[test]
fn a_cold_start_does_not_send_clients_to_the_sorry_server() {
    let mut web = virtual_server("web", WEB, vec![checked(A, 1), checked(B, 1)]);
    with_sorry(&mut web);
    let mut bench = Bench::new(vec![web], table(&[]));
    assert_eq!(bench.lines().len(), 1, "the service alone");
    assert_eq!(bench.down(A), [""; 0]);
    assert_eq!(
        bench.down(B),
        ["NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.99:80 dr 1: all 2 real servers fail"]
    );
}

#[test]
fn a_failed_server_can_stay_with_weight_zero() {
    let mut bench = three_up(|web| web.on_failure = OnFailure::WeightZero);
    assert_eq!(
        bench.down(A),
        ["SET_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 0: weight 2 -> 0: refused"]
    );
    // Another program's removal is repaired to weight 0, not to life.
    bench.table = table(&[(WEB, "wlc", &[destination(B, 1), destination(C, 1)])]);
    bench.after(Duration::from_secs(10));
    assert_eq!(
        bench.lines(),
        ["NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 0: \
          changed by another program: the destination was removed"]
    );
    assert_eq!(
        bench.up(A),
        ["SET_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 2: weight 0 -> 2: passed"]
    );
}

/// A restart does not take weight 0 for health: the server waits for its first check as it is.
#[test]
fn a_failed_server_with_weight_zero_stays_so_over_a_restart() {
    let mut web = virtual_server("web", WEB, vec![checked(A, 2), checked(B, 1)]);
    web.on_failure = OnFailure::WeightZero;
    let standing = table(&[(WEB, "wlc", &[destination(A, 0), destination(B, 1)])]);
    let mut bench = Bench::new(vec![web], standing);
    assert_eq!(bench.lines(), [""; 0]);
    assert_eq!(bench.down(A), [""; 0]);
    assert_eq!(
        bench.up(A),
        ["SET_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 2: weight 0 -> 2: passed"]
    );
}

/// A restart while the sorry server serves does not empty the service.
#[test]
fn a_standing_sorry_server_serves_until_the_first_checks_have_decided() {
    let mut web = virtual_server("web", WEB, vec![checked(A, 1)]);
    with_sorry(&mut web);
    let standing = table(&[(WEB, "wlc", &[destination(SORRY, 1)])]);
    let mut bench = Bench::new(vec![web], standing);
    assert_eq!(bench.lines(), [""; 0]);
    assert_eq!(bench.down(A), [""; 0]);
    assert_eq!(
        bench.up(A),
        [
            "NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 1: passed",
            "DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.99:80: the real servers suffice",
        ]
    );
}

/// Ten steps, one a second: 5 x step / 10, at least 1. Step 4 begins at 3 s, step 10 at 9 s.
#[test]
fn a_recovered_server_gets_its_weight_step_by_step() {
    let slow = |web: &mut VirtualServer| {
        web.slow_start = Some(Duration::from_secs(10));
        Arc::make_mut(&mut web.real_servers)[0].destination = destination(A, 5);
    };
    let servers = vec![checked(A, 2), checked(B, 1)];
    let mut web = virtual_server("web", WEB, servers);
    slow(&mut web);
    let standing = table(&[(WEB, "wlc", &[destination(A, 5), destination(B, 1)])]);
    let mut bench = Bench::new(vec![web], standing);
    bench.up(A);
    bench.up(B);
    bench.down(A);
    assert_eq!(
        bench.up(A),
        ["NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80 dr 1: \
          passed; slow start, step 1 of 10"]
    );
    // The table that the engine reads meanwhile is what it has written.
    let mut weights = Vec::new();
    for second in 1..=10 {
        bench.after(Duration::from_secs(1));
        for step in std::mem::take(&mut bench.steps) {
            if let ipvs::Operation::SetDestination(_, d) = step.operation {
                weights.push((second, d.weight.get()));
                bench.table = table(&[(WEB, "wlc", &[d, destination(B, 1)])]);
            }
        }
        if second == 1 {
            bench.table = table(&[(WEB, "wlc", &[destination(A, 1), destination(B, 1)])]);
        }
    }
    assert_eq!(weights, [(3, 2), (5, 3), (7, 4), (9, 5)]);
}

/// 0 leaves a timeout as it is; what another program changed is put back.
#[test]
fn timeouts_are_set_where_they_differ() {
    let mut bench = Bench::new(Vec::new(), table(&[]));
    bench.kernel.timeouts = Some(ipvs::Timeouts { tcp: 900, tcp_fin: 120, udp: 300 });
    bench.after(Duration::from_secs(10));
    let timeouts = Some(ipvs::Timeouts { tcp: 900, tcp_fin: 60, udp: 0 });
    let settings = Settings { timeouts, ..Settings::default() };
    bench.input(Input::Define(Vec::new(), settings));
    assert_eq!(
        bench.lines(),
        ["SET_CONFIG tcp 900 tcpfin 60 udp 0: timeouts: tcp_fin 120 s -> 60 s"]
    );
    bench.kernel.timeouts = Some(ipvs::Timeouts { tcp: 900, tcp_fin: 60, udp: 300 });
    bench.after(Duration::from_secs(10));
    assert_eq!(bench.lines(), [""; 0]);
}

/// Settings with a sync daemon that follows an instance, or else sends and receives.
fn sync_daemon(follows: Option<&str>) -> Settings {
    let sync_daemon = Some(SyncDaemon {
        interface: "eth1".to_owned(),
        sync_id: 51,
        follows: follows.map(str::to_owned),
        role: None,
        group: None,
        port: None,
        ttl: None,
        max_length: None,
    });
    Settings { sync_daemon, ..Settings::default() }
}

/// The daemons that the kernel of a [`Bench`] runs, as it would tell them.
fn daemons(roles: &[DaemonRole]) -> Option<Vec<Daemon>> {
    let daemon = |role: &DaemonRole| Daemon {
        role: *role,
        interface: "eth1".to_owned(),
        sync_id: 51,
        max_length: Some(1472),
        group: Some("224.0.0.81".parse().unwrap()),
        port: Some(8848),
        ttl: Some(1),
    };
    Some(roles.iter().map(daemon).collect())
}

const BOTH: [DaemonRole; 2] = [DaemonRole::Master, DaemonRole::Backup];

#[test]
fn a_sync_daemon_that_no_file_defines_any_more_stops() {
    let mut bench = Bench::new(Vec::new(), table(&[]));
    bench.kernel.daemons = daemons(&[]);
    bench.after(Duration::from_secs(10));
    bench.input(Input::Define(Vec::new(), sync_daemon(None)));
    bench.kernel.daemons = daemons(&BOTH);
    bench.steps.clear();
    assert!(bench.owns_daemons);

    // `lvsctl plan` tells it before.
    let snapshot = bench.kernel.clone();
    let preview = bench.engine.preview(Vec::new(), Settings::default(), &snapshot, bench.now);
    let gone = [
        "DEL_DAEMON Master: the sync daemon is no longer defined",
        "DEL_DAEMON Backup: the sync daemon is no longer defined",
    ];
    assert_eq!(lines(&preview.steps), gone);

    bench.input(Input::Define(Vec::new(), Settings::default()));
    assert_eq!(bench.lines(), gone);
    // One that somebody starts later is not lvsd's.
    bench.kernel.daemons = daemons(&[]);
    bench.after(Duration::from_secs(10));
    assert!(!bench.owns_daemons);
    bench.kernel.daemons = daemons(&BOTH);
    bench.after(Duration::from_secs(10));
    assert_eq!(bench.lines(), [""; 0]);
}

/// It may be taken out of the file while lvsd does not run.
#[test]
fn a_sync_daemon_of_an_earlier_run_stops_and_one_of_somebody_else_runs_on() {
    for owns_daemons in [false, true] {
        let mut bench = Bench::new(Vec::new(), table(&[]));
        bench.kernel.daemons = daemons(&[DaemonRole::Master]);
        let kept = Kept { owns_daemons, ..Kept::default() };
        bench.engine = Engine::new(Vec::new(), Settings::default(), kept, bench.now);
        bench.after(Duration::ZERO);
        let expected: &[&str] = if owns_daemons {
            &["DEL_DAEMON Master: the sync daemon is no longer defined"]
        } else {
            &[]
        };
        assert_eq!(bench.lines(), expected);
    }
}

#[test]
fn a_stop_that_removes_stops_the_sync_daemon_too() {
    for on_stop in [Policy::Keep, Policy::Remove] {
        let mut bench = Bench::new(Vec::new(), table(&[]));
        bench.kernel.daemons = daemons(&[]);
        bench.after(Duration::from_secs(10));
        let settings = Settings { on_stop, ..sync_daemon(Some("VI_1")) };
        bench.input(Input::Define(Vec::new(), settings));
        bench.steps.clear();
        bench.input(Input::Stop);
        let expected: &[&str] = match on_stop {
            Policy::Keep => &[],
            Policy::Remove => &["DEL_DAEMON Backup: lvsd stops and on_stop = \"remove\""],
        };
        assert_eq!(bench.lines(), expected);
    }
}

/// The kernel raises a backup's 512 to 1024: that is no other setting.
#[test]
fn a_backup_with_short_messages_is_left_alone() {
    let mut bench = Bench::new(Vec::new(), table(&[]));
    bench.kernel.daemons = daemons(&[]);
    bench.after(Duration::from_secs(10));
    let mut settings = sync_daemon(None);
    settings.sync_daemon.as_mut().unwrap().max_length = Some(512);
    bench.input(Input::Define(Vec::new(), settings));
    assert_eq!(bench.lines().len(), 2);
    bench.kernel.daemons = daemons(&BOTH);
    for daemon in bench.kernel.daemons.iter_mut().flatten() {
        daemon.max_length = Some(if daemon.role == DaemonRole::Backup { 1024 } else { 512 });
    }
    bench.after(Duration::from_secs(10));
    assert_eq!(bench.lines(), [""; 0]);
}

#[test]
fn the_sync_daemon_follows_its_instance() {
    let mut bench = Bench::new(Vec::new(), table(&[]));
    bench.kernel.daemons = Some(Vec::new());
    bench.after(Duration::from_secs(10));
    bench.input(Input::Define(Vec::new(), sync_daemon(Some("VI_1"))));
    assert_eq!(bench.lines(), ["NEW_DAEMON Backup on eth1: the sync daemon has this role"]);
    let mut role = |master| {
        bench.input(Input::Role { instance: "VI_1".to_owned(), master });
        bench.lines()
    };
    assert_eq!(
        role(true),
        [
            "NEW_DAEMON Master on eth1: the sync daemon has this role",
            "DEL_DAEMON Backup: the sync daemon no longer has this role",
        ]
    );
    assert_eq!(role(true), [""; 0]);
    assert_eq!(
        role(false),
        [
            "NEW_DAEMON Backup on eth1: the sync daemon has this role",
            "DEL_DAEMON Master: the sync daemon no longer has this role",
        ]
    );
}
