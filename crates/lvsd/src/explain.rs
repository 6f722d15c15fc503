//! `GET /v1/explain`: all about single real servers.

use std::net::IpAddr;
use std::time::Instant;

use api::{CheckExplanation, CheckResult, Explanation, ServerExplanation};
use checkers::{MonitorStatus, Outcome, ProbeResult, State};
use engine::{ServerName, ServerView, View};

use crate::clock::since;
use crate::report::real_server;

/// The servers that `name` fits: an address, or the name of a virtual server.
pub(crate) fn explain(name: &str, view: View, monitors: &[MonitorStatus]) -> Explanation {
    let address = name.parse::<ServerName>().ok();
    let mut servers = Vec::new();
    for service in view.services {
        for server in service.servers {
            let fits = match &address {
                Some(address) => address.matches(&service.name, &server.destination.key),
                None => service.name == name,
            };
            if fits {
                servers.push(ServerExplanation {
                    virtual_server: service.name.clone(),
                    service: service.key.to_string(),
                    configured_weight: server.weighing.configured.get(),
                    weight_steps: api::weight_steps(&server.weighing),
                    hint: hint(&own(&server, monitors)),
                    checks: own(&server, monitors).into_iter().map(check).collect(),
                    status: real_server(server),
                });
            }
        }
    }
    Explanation { servers }
}

/// The checks of one server.
fn own<'a>(server: &ServerView, monitors: &'a [MonitorStatus]) -> Vec<&'a MonitorStatus> {
    monitors.iter().filter(|status| server.monitors.contains(&*status.monitor)).collect()
}

fn virtual_address(status: &MonitorStatus) -> Option<IpAddr> {
    let (address, _) = status.monitor.check.kind.connect()?.path()?;
    Some(address)
}

/// The checks that go straight to the server pass, and one through it to the virtual address fails.
fn hint(checks: &[&MonitorStatus]) -> Option<String> {
    let (paths, straight): (Vec<&MonitorStatus>, Vec<&MonitorStatus>) =
        checks.iter().copied().partition(|status| virtual_address(status).is_some());
    let works = !straight.is_empty() && straight.iter().all(|one| one.state == State::Up);
    let failing = paths.into_iter().find(|one| one.state == State::Down)?;
    let address = virtual_address(failing)?;
    works.then(|| {
        format!(
            "application up, but it does not answer for the VIP {address} (VIP on lo? \
             arp_ignore/arp_announce? see `lvsctl real-server status {address}` on the real server)"
        )
    })
}

fn check(status: &MonitorStatus) -> CheckExplanation {
    let next = status.next_run.map(|at| at.saturating_duration_since(Instant::now()));
    CheckExplanation {
        kind: status.monitor.check.kind.name().to_owned(),
        via: virtual_address(status),
        state: status.state.into(),
        since: since(status.since),
        why: status.words.clone(),
        next_run_milliseconds: next.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        results: status.history.iter().map(result).collect(),
    }
}

fn result(outcome: &Outcome) -> CheckResult {
    CheckResult {
        started: since(outcome.started),
        latency_microseconds: u64::try_from(outcome.latency.as_micros()).unwrap_or(u64::MAX),
        result: outcome.result.to_string(),
        passed: outcome.result == ProbeResult::Passed,
        note: outcome.note.clone(),
    }
}
