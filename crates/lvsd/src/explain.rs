//! `GET /v1/explain`: all about single real servers.

use std::net::IpAddr;
use std::time::Instant;

use api::{CheckExplanation, CheckResult, Explanation, ServerExplanation};
use checkers::{Cause, Monitor, MonitorStatus, Outcome, ProbeResult, State};
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

pub(crate) fn virtual_address(monitor: &Monitor) -> Option<IpAddr> {
    let (address, _) = monitor.check.kind.connect()?.path()?;
    Some(address)
}

/// A check through the server to the virtual address gets no answer, while one of the same kind gets
/// its answer straight from the same port.
fn hint(checks: &[&MonitorStatus]) -> Option<String> {
    let failing = checks.iter().find(|one| {
        virtual_address(&one.monitor).is_some()
            && one.state == State::Down
            && unanswered(one)
            && checks.iter().any(|other| is_straight_twin(other, one) && works(other))
    })?;
    let address = virtual_address(&failing.monitor)?;
    Some(format!(
        "application up, but it does not answer for the VIP {address} (VIP on lo? \
         arp_ignore/arp_announce? see `lvsctl real-server status {address}` on the real server)"
    ))
}

/// Whether the last run that could be made got no answer. Another failure is one of the
/// application, which does answer.
fn unanswered(status: &MonitorStatus) -> bool {
    let mut results = status.history.iter().rev().map(|outcome| &outcome.result);
    let last = results.find(|result| !matches!(result, ProbeResult::Local(_)));
    let Some(ProbeResult::Failed(failure)) = last else { return false };
    matches!(failure.cause, Cause::TimedOut | Cause::Refused | Cause::Unreachable | Cause::Reset)
}

/// Whether `other` asks the server itself for what `path` asks of the virtual address.
fn is_straight_twin(other: &MonitorStatus, path: &MonitorStatus) -> bool {
    let kinds = [other, path].map(|status| status.monitor.check.kind.name());
    let [straight, asked] = [other, path].map(|status| {
        let Monitor { target, check } = &*status.monitor;
        check.kind.connect().map(|connect| (connect.host(*target), connect.destination(*target)))
    });
    let (Some((host, straight)), Some((server, asked))) = (straight, asked) else { return false };
    kinds[0] == kinds[1]
        && virtual_address(&other.monitor).is_none()
        && host == server
        && straight.port() == asked.port()
}

fn works(status: &MonitorStatus) -> bool {
    status.state == State::Up && status.passes > 0
}

fn check(status: &MonitorStatus) -> CheckExplanation {
    let next = status.next_run.map(|at| at.saturating_duration_since(Instant::now()));
    CheckExplanation {
        kind: status.monitor.check.kind.name().to_owned(),
        via: virtual_address(&status.monitor),
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
        cause: outcome.result.name().to_owned(),
        passed: outcome.result == ProbeResult::Passed,
        note: outcome.note.clone(),
        warning: outcome.warning.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use checkers::judge::Totals;
    use checkers::{
        Check, Connect, Failure, FileCheck, FileValue, HttpGet, Kind, PingCheck, TcpCheck, Timing,
        Via,
    };

    use super::*;

    fn connect(via: Via, port: Option<u16>) -> Connect {
        match via {
            Via::Server => Connect { port, ..Connect::default() },
            Via::VirtualAddress => Connect {
                address: Some([192, 0, 2, 10].into()),
                mark: Some(1),
                port,
                via,
                ..Connect::default()
            },
        }
    }

    fn http(via: Via, port: Option<u16>) -> Kind {
        Kind::Http(HttpGet { connect: connect(via, port), ..HttpGet::default() })
    }

    /// A check of 198.51.100.1:80 after these results, the last one decides.
    fn after(kind: Kind, results: &[Option<Cause>]) -> MonitorStatus {
        let now = Instant::now();
        let result = |cause: &Option<Cause>| {
            cause.map_or(ProbeResult::Passed, |cause| {
                ProbeResult::Failed(Failure::new(cause, cause.name()))
            })
        };
        let last = results.last().copied().flatten();
        MonitorStatus {
            monitor: Monitor {
                target: ([198, 51, 100, 1], 80).into(),
                check: Check { kind, timing: Timing::default() }.into(),
            }
            .into(),
            state: if last.is_none() { State::Up } else { State::Down },
            since: now,
            words: String::new(),
            passes: u32::from(last.is_none() && !results.is_empty()),
            failures: u32::from(last.is_some()),
            totals: Totals::default(),
            history: results
                .iter()
                .map(|cause| Outcome::new(now, Duration::ZERO, result(cause)))
                .collect(),
            next_run: None,
        }
    }

    fn hinted(checks: &[&MonitorStatus]) -> bool {
        let hint = hint(checks);
        if let Some(hint) = &hint {
            let begin = "application up, but it does not answer for the VIP 192.0.2.10 (";
            assert!(hint.starts_with(begin), "{hint}");
        }
        hint.is_some()
    }

    #[test]
    fn the_application_is_up_where_the_same_check_passes_straight() {
        let path = after(http(Via::VirtualAddress, None), &[None, Some(Cause::TimedOut)]);
        let up = [None];
        for (kind, results, expected) in [
            (http(Via::Server, None), &up[..], true),
            (http(Via::Server, Some(80)), &up, true),
            // Nothing is known of the application yet, or it is down itself.
            (http(Via::Server, None), &[], false),
            (http(Via::Server, None), &[Some(Cause::Refused)], false),
            // Of another application.
            (http(Via::Server, Some(81)), &up, false),
            (Kind::Ping(PingCheck::default()), &up, false),
            (Kind::Tcp(TcpCheck::default()), &up, false),
            (
                Kind::File(FileCheck { path: "/run/up".into(), value: FileValue::Verdict }),
                &up,
                false,
            ),
            // Proves nothing of the server itself.
            (http(Via::VirtualAddress, None), &up, false),
        ] {
            let name = format!("{kind:?}");
            assert_eq!(hinted(&[&after(kind, results), &path]), expected, "{name}");
        }
        let elsewhere = Connect { address: Some([203, 0, 113, 1].into()), ..Connect::default() };
        let other = Kind::Http(HttpGet { connect: elsewhere, ..HttpGet::default() });
        assert!(!hinted(&[&after(other, &up), &path]), "of another host");
    }

    #[test]
    fn who_answers_wrongly_for_the_virtual_address_does_answer() {
        let straight = after(http(Via::Server, None), &[None]);
        for (results, expected) in [
            (&[Some(Cause::TimedOut)][..], true),
            (&[Some(Cause::Refused)], true),
            (&[Some(Cause::Unreachable)], true),
            (&[Some(Cause::Reset)], true),
            (&[Some(Cause::TimedOut), Some(Cause::Status(404))], false),
            (&[Some(Cause::Content)], false),
            (&[Some(Cause::TimedOut), None], false),
            (&[], false),
        ] {
            let mut path = after(http(Via::VirtualAddress, None), results);
            path.state = State::Down;
            assert_eq!(hinted(&[&straight, &path]), expected, "{results:?}");
        }
    }

    #[test]
    fn trouble_of_this_machine_hides_no_failure() {
        let straight = after(http(Via::Server, None), &[None]);
        let mut path = after(http(Via::VirtualAddress, None), &[Some(Cause::TimedOut)]);
        let local = ProbeResult::Local("no port".into());
        path.history.push(Outcome::new(Instant::now(), Duration::ZERO, local));
        assert!(hinted(&[&straight, &path]));
    }
}
