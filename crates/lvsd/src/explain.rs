//! `GET /v1/explain`: all about single real servers.

use std::time::Instant;

use api::{CheckExplanation, CheckResult, Explanation, ServerExplanation};
use checkers::{MonitorStatus, Outcome, ProbeResult};
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
                    checks: checks(&server, monitors),
                    status: real_server(server),
                });
            }
        }
    }
    Explanation { servers }
}

fn checks(server: &ServerView, monitors: &[MonitorStatus]) -> Vec<CheckExplanation> {
    let own = monitors.iter().filter(|status| server.monitors.contains(&*status.monitor));
    own.map(check).collect()
}

fn check(status: &MonitorStatus) -> CheckExplanation {
    let next = status.next_run.map(|at| at.saturating_duration_since(Instant::now()));
    CheckExplanation {
        kind: status.monitor.check.kind.name().to_owned(),
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
