//! `ping_check` of this machine. Needs CAP_NET_RAW, as the daemon has it.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test of sockets, whose helpers may panic"
)]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use checkers::{Cause, Connect, Kind, Outcome, PingCheck, ProbeResult};
use common::{LONG, failure, local, run};

const HOSTS: [&str; 2] = ["127.0.0.1", "::1"];

/// Pings `host`. Without the capability that is local trouble, and the tests can see no more.
async fn ping(host: &str, check: PingCheck) -> Option<Outcome> {
    let target = SocketAddr::new(host.parse().unwrap(), 0);
    let outcome = run(target, Kind::Ping(check), LONG).await;
    if !nix::unistd::geteuid().is_root() {
        assert!(local(&outcome).contains("a missing capability"), "{outcome:?}");
        eprintln!("this test needs root to see whether a ping passes");
        return None;
    }
    Some(outcome)
}

#[tokio::test]
async fn an_answer_passes_and_its_time_is_noted() {
    for host in HOSTS {
        let Some(outcome) = ping(host, PingCheck::default()).await else { return };
        assert_eq!(outcome.result, ProbeResult::Passed);
        let note = outcome.note.unwrap();
        assert!(note.starts_with("1 of 1 echo requests answered in "), "{note}");
    }
}

#[tokio::test]
async fn several_requests_are_spaced() {
    let spacing = Duration::from_millis(20);
    let check = PingCheck { count: 5, spacing, ..PingCheck::default() };
    for host in HOSTS {
        let Some(outcome) = ping(host, check.clone()).await else { return };
        assert_eq!(outcome.result, ProbeResult::Passed);
        assert!(outcome.latency >= 4 * spacing, "{outcome:?}");
        assert!(outcome.note.unwrap().starts_with("5 of 5 "));
    }
}

#[tokio::test]
async fn runs_at_the_same_time_do_not_take_each_others_answers() {
    let pings = (0..20).map(|_| tokio::spawn(ping("127.0.0.1", PingCheck::default())));
    for ping in pings.collect::<Vec<_>>() {
        let Some(outcome) = ping.await.unwrap() else { return };
        assert_eq!(outcome.result, ProbeResult::Passed);
    }
}

#[tokio::test]
async fn a_slow_answer_fails() {
    let max_latency = Some(Duration::from_nanos(1));
    let check = PingCheck { max_latency, ..PingCheck::default() };
    let Some(outcome) = ping("127.0.0.1", check).await else { return };
    let text = failure(&outcome, Cause::Slow);
    assert!(text.ends_with(" (at most 1ns)"), "{text}");
}

#[tokio::test]
async fn no_such_source_address_is_local_trouble() {
    for (host, source) in [("127.0.0.1", "192.0.2.1"), ("::1", "2001:db8::1")] {
        let source = Some(source.parse().unwrap());
        let check =
            PingCheck { connect: Connect { source, ..Connect::default() }, ..PingCheck::default() };
        let Some(outcome) = ping(host, check).await else { return };
        assert!(local(&outcome).starts_with("bind to source address "), "{outcome:?}");
    }
}
