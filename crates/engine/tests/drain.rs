//! What a drain waits for, and other traps that load balancers have fallen into; by hand.

#![allow(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod common;

use std::time::Duration;

use checkers::{Advice, State};
use common::{Bench, checked, destination, key, monitor, table, unchecked, virtual_server};
use config::{Drain, DrainPolicy, VirtualServer};
use engine::{Action, Input, Override};

const A: &str = "198.51.100.1:80";
const B: &str = "198.51.100.2:80";
const SECOND: Duration = Duration::from_secs(1);

/// Connections of a server: active, others (all of UDP are such), persistence templates.
type Counts = (u32, u32, u32);

/// What the operator asks of the first server.
fn drain(bench: &Bench) -> Override {
    Override {
        server: "198.51.100.1".parse().unwrap(),
        action: Action::Drain { deadline: None },
        by: "root".to_owned(),
        reason: None,
        since: bench.now,
        until: None,
    }
}

/// Drains a server that has these, and tells whether it is waited for.
fn waits(udp: DrainPolicy, persistent: DrainPolicy, counts: Counts) -> bool {
    let mut defined =
        virtual_server("dns", "udp 192.0.2.10:53", vec![unchecked(A, 1), unchecked(B, 1)]);
    defined.drain = Drain { udp, persistent, ..Drain::default() };
    let standing = table(&[("udp 192.0.2.10:53", "wlc", &[destination(A, 1), destination(B, 1)])]);
    let mut bench = Bench::new(vec![defined], standing);
    let entry = &mut bench.table.services[0].destinations[0];
    (entry.active_connections, entry.inactive_connections, entry.persistent_connections) = counts;
    let wish = drain(&bench);
    bench.input(Input::Override(wish));
    let lines = bench.lines();
    let waits = lines[0].starts_with("SET_DEST udp 192.0.2.10:53 -> 198.51.100.1:80 dr 0");
    assert_ne!(waits, lines[0].starts_with("DEL_DEST"), "{lines:?}");
    waits
}

/// From the manual: active ones always, the others where the file says so.
#[test]
fn a_drain_waits_for_what_the_file_says() {
    use DrainPolicy::{Ignore, Wait};
    for (udp, persistent, counts, expected) in [
        (Ignore, Ignore, (1, 0, 0), true),
        (Ignore, Ignore, (0, 7, 7), false),
        (Wait, Ignore, (0, 7, 0), true),
        (Wait, Ignore, (0, 0, 7), false),
        (Ignore, Wait, (0, 0, 7), true),
        (Ignore, Wait, (0, 7, 0), false),
        (Wait, Wait, (0, 0, 0), false),
    ] {
        assert_eq!(waits(udp, persistent, counts), expected, "{udp:?} {persistent:?} {counts:?}");
    }
}

/// A server that is removed drains as its virtual server said last.
#[test]
fn a_server_that_leaves_is_waited_for_by_the_same_rule() {
    const DNS: &str = "udp 192.0.2.10:53";
    let mut defined = virtual_server("dns", DNS, vec![unchecked(A, 1)]);
    defined.drain.udp = DrainPolicy::Wait;
    let mut bench = Bench::new(vec![defined], table(&[(DNS, "wlc", &[destination(A, 1)])]));
    bench.connections(A, 0);
    bench.define(Vec::new());
    assert_eq!(
        bench.lines(),
        ["SET_DEST udp 192.0.2.10:53 -> 198.51.100.1:80 dr 0: weight 1 -> 0: \
          the service is no longer defined; 3 connections left, at most 10m more"]
    );
    bench.table.services[0].destinations[0].inactive_connections = 0;
    bench.after(SECOND);
    assert_eq!(
        bench.lines(),
        ["DEL_SERVICE udp 192.0.2.10:53: no longer defined; no connections left"]
    );
}

/// Health, the operator and a file want three weights of one server. Whoever comes first: from the
/// drain on nothing but weight 0 is written, and all orders end in the same table.
#[test]
fn the_order_of_health_drain_and_reload_does_not_matter() {
    const WEB: &str = "tcp 192.0.2.10:80";
    let defined =
        |weight| vec![virtual_server("web", WEB, vec![checked(A, weight), checked(B, 1)])];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let standing = table(&[(WEB, "wlc", &[destination(A, 3), destination(B, 1)])]);
        let mut bench = Bench::new(defined(3), standing);
        bench.health(B, State::Up, "passed");
        let mut written = Vec::new();
        for what in order {
            match what {
                0 => {
                    let half = Some(Advice::Percent(50));
                    bench.monitor_is(monitor(A), State::Up, "passed", half);
                }
                1 => bench.define(defined(9)),
                _ => {
                    let wish = drain(&bench);
                    bench.input(Input::Override(wish));
                    // What was written before it does not matter.
                    written.clear();
                    bench.steps.clear();
                    let weight = bench.table.services[0].destinations[0].destination.weight;
                    assert_eq!(weight.get(), 0, "{order:?}");
                }
            }
            written.append(&mut bench.lines());
        }
        assert_eq!(written, [""; 0], "{order:?}");
        bench.after(10 * SECOND);
        assert_eq!(bench.lines(), [""; 0], "{order:?}");
    }
}

/// The same address in two protocols and the same mark in two families are four services.
#[test]
fn services_that_differ_in_one_part_of_their_keys_are_not_mixed_up() {
    const A6: &str = "[2001:db8::1]:80";
    let services = [
        ("tcp 192.0.2.10:80", A),
        ("udp 192.0.2.10:80", A),
        ("fwmark 7", A),
        ("fwmark 7 IPv6", A6),
    ];
    let defined: Vec<VirtualServer> = services
        .iter()
        .enumerate()
        .map(|(at, (service, server))| {
            let weight = u32::try_from(at).unwrap() + 1;
            virtual_server(service, service, vec![unchecked(server, weight)])
        })
        .collect();
    let mut bench = Bench::new(defined.clone(), table(&[]));
    assert_eq!(bench.lines().len(), 8);
    for (at, (service, server)) in services.iter().enumerate() {
        let found = bench.table.services.iter().find(|one| one.entry.service.key == key(service));
        let destinations = &found.unwrap().destinations;
        assert_eq!(destinations.len(), 1, "{service}");
        assert_eq!(destinations[0].destination.weight.get() as usize, at + 1, "{service}");

        let mut others = defined.clone();
        others.remove(at);
        bench.define(others);
        assert_eq!(
            bench.lines(),
            [format!("DEL_SERVICE {service}: no longer defined; no connections left")]
        );
        bench.define(defined.clone());
        let lines = bench.lines();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[1].starts_with(&format!("NEW_DEST {service} -> {server} ")), "{lines:?}");
    }
}
