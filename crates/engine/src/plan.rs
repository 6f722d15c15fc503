//! The operations that turn the standing table into the wanted one, each with its reason.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use ipvs::{
    Daemon, DaemonRole, Destination, Forward, Operation, Persistence, Service, ServiceKey, Weight,
};

use crate::diff::{Change, diff};
use crate::stages::Plan;
use crate::standing::{Standing, StandingDestination, StandingService};
use crate::wanted::{Placement, Wanted, WantedServer, WantedService};

/// What made the plan necessary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// lvsd started.
    Start,
    /// The definitions changed.
    Definitions,
    /// A real server's health changed.
    Health,
    /// The next step of a slow start is due.
    SlowStart,
    /// The kernel's table differs from what lvsd left there.
    Drift,
    /// An operation failed before and is tried again.
    Retry,
    /// The operator asked for it, or a wish of the operator's ended.
    Operator,
    /// A server that drains has no connections left, or its deadline is reached.
    Drained,
    /// A VRRP instance changed its role.
    Role,
    /// lvsd stops.
    Stop,
}

/// Why an operation is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What made it necessary.
    pub cause: Cause,
    /// The particulars, in words.
    pub words: Cow<'static, str>,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            Cause::Drift => write!(f, "changed by another program: {}", self.words),
            Cause::Retry => write!(f, "tried again after: {}", self.words),
            Cause::Start
            | Cause::Definitions
            | Cause::Health
            | Cause::SlowStart
            | Cause::Operator
            | Cause::Drained
            | Cause::Role
            | Cause::Stop => f.write_str(&self.words),
        }
    }
}

/// One operation of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub operation: Operation,
    /// Why.
    pub reason: Reason,
    /// Connections that the destination, or the whole removed service, had at the last dump.
    pub connections: u64,
}

impl AsRef<Operation> for Step {
    fn as_ref(&self) -> &Operation {
        &self.operation
    }
}

/// What lvsd may remove.
#[derive(Debug, Clone, Copy)]
pub struct Ownership<'a> {
    /// Services that lvsd created or that its files have defined.
    pub owned: &'a BTreeSet<ServiceKey>,
    /// Whether services of others are removed too (`unmanaged = "remove"`).
    pub remove_unmanaged: bool,
}

/// The operations that turn `standing` into `wanted`; empty when nothing differs. Without
/// `ownership`, `wanted` is a part of a table, and no service is removed.
pub fn plan(
    standing: &Standing,
    wanted: &Wanted,
    ownership: Option<Ownership<'_>>,
    cause: Cause,
) -> Plan {
    let mut steps = Steps { cause, first: Vec::new(), last: Vec::new() };
    for (key, change) in diff(&standing.services, &wanted.services) {
        match change {
            Change::Missing(wanted) => steps.new_service(wanted),
            Change::Extra(standing) => match (wanted.paths.get(key), ownership) {
                (Some(path), _) => steps.both_services(standing, path),
                (None, Some(ownership)) => steps.extra_service(key, standing, ownership),
                (None, None) => {}
            },
            Change::Both(standing, wanted) => steps.both_services(standing, wanted),
        }
    }
    for (key, path) in &wanted.paths {
        if !standing.services.contains_key(key) {
            steps.new_service(path);
        }
    }
    steps.timeouts(standing, wanted);
    steps.daemons(standing, wanted);
    let Steps { first, last, .. } = steps;
    Plan { first, last }
}

struct Steps {
    cause: Cause,
    first: Vec<Step>,
    last: Vec<Step>,
}

impl Steps {
    fn step(
        &self,
        operation: Operation,
        connections: u64,
        words: impl Into<Cow<'static, str>>,
    ) -> Step {
        Step { operation, reason: Reason { cause: self.cause, words: words.into() }, connections }
    }

    fn new_service(&mut self, wanted: &WantedService) {
        let words = match self.cause {
            Cause::Drift => Cow::Borrowed("the service was removed"),
            _ => format!("virtual server {} is defined", wanted.name).into(),
        };
        let step = self.step(Operation::NewService(wanted.service.clone()), 0, words);
        self.first.push(step);
        for server in wanted.servers.values() {
            self.missing_server(&wanted.service.key, server);
        }
    }

    fn extra_service(
        &mut self,
        key: &ServiceKey,
        standing: &StandingService,
        ownership: Ownership<'_>,
    ) {
        let words = match (self.cause, ownership.owned.contains(key)) {
            (Cause::Stop, true) => "lvsd stops and on_stop = \"remove\"",
            (Cause::Stop, false) => return,
            (_, true) => "no longer defined",
            (_, false) if ownership.remove_unmanaged => "not defined and unmanaged = \"remove\"",
            (_, false) => return,
        };
        let connections =
            standing.destinations.values().map(StandingDestination::connections).sum();
        let step = self.step(Operation::DelService(*key), connections, words);
        self.last.push(step);
    }

    fn both_services(&mut self, standing: &StandingService, wanted: &WantedService) {
        if let Some(words) = service_difference(&standing.service, &wanted.service) {
            let step = self.step(Operation::SetService(wanted.service.clone()), 0, words);
            self.first.push(step);
        }
        let service = &wanted.service.key;
        for (key, change) in diff(&standing.destinations, &wanted.servers) {
            match change {
                Change::Missing(server) => self.missing_server(service, server),
                Change::Extra(found) => {
                    let words = match self.cause {
                        Cause::Drift => "the destination was added, no file defines it",
                        _ => "no longer defined",
                    };
                    let operation = Operation::DelDestination(*service, *key);
                    let step = self.step(operation, found.connections(), words);
                    self.last.push(step);
                }
                Change::Both(found, server) => self.both_servers(service, found, server),
            }
        }
    }

    fn timeouts(&mut self, standing: &Standing, wanted: &Wanted) {
        let (Some(found), Some(wanted)) = (standing.timeouts, wanted.timeouts) else { return };
        let pairs = [
            ("tcp", found.tcp, wanted.tcp),
            ("tcp_fin", found.tcp_fin, wanted.tcp_fin),
            ("udp", found.udp, wanted.udp),
        ];
        // 0 leaves a timeout as it is.
        let changed = pairs.iter().filter(|(_, found, wanted)| *wanted != 0 && found != wanted);
        let words: Vec<String> = changed
            .map(|(name, found, wanted)| format!("{name} {found} s -> {wanted} s"))
            .collect();
        if !words.is_empty() {
            let operation = Operation::SetTimeouts(wanted);
            let step = self.step(operation, 0, format!("timeouts: {}", words.join(", ")));
            self.first.push(step);
        }
    }

    /// A role that is new starts before one that is gone stops, so that no update is lost.
    fn daemons(&mut self, standing: &Standing, wanted: &Wanted) {
        let (Some(found), Some(wanted)) = (&standing.daemons, &wanted.daemons) else { return };
        let gone = match self.cause {
            Cause::Stop => "lvsd stops and on_stop = \"remove\"",
            _ if wanted.is_empty() => "the sync daemon is no longer defined",
            _ => "the sync daemon no longer has this role",
        };
        for role in [DaemonRole::Master, DaemonRole::Backup] {
            let found = found.iter().find(|daemon| daemon.role == role);
            let wanted = wanted.iter().find(|daemon| daemon.role == role);
            match (found, wanted) {
                (None, Some(wanted)) => {
                    let operation = Operation::NewDaemon(wanted.clone());
                    let step = self.step(operation, 0, "the sync daemon has this role");
                    self.first.push(step);
                }
                (Some(_), None) => {
                    let step = self.step(Operation::DelDaemon(role), 0, gone);
                    self.last.push(step);
                }
                (Some(found), Some(wanted)) if !is_as_wanted(found, wanted) => {
                    let words = "the sync daemon's settings differ";
                    let stop = self.step(Operation::DelDaemon(role), 0, words);
                    let start = self.step(Operation::NewDaemon(wanted.clone()), 0, words);
                    self.last.extend([stop, start]);
                }
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
    }

    fn missing_server(&mut self, service: &ServiceKey, server: &WantedServer) {
        if server.verdict.placement == Placement::Out {
            return;
        }
        let words = match self.cause {
            Cause::Drift => "the destination was removed".into(),
            _ => server.verdict.why.clone(),
        };
        let step = self.step(Operation::NewDestination(*service, server.destination), 0, words);
        self.first.push(step);
    }

    fn both_servers(
        &mut self,
        service: &ServiceKey,
        found: &StandingDestination,
        server: &WantedServer,
    ) {
        if server.verdict.placement == Placement::Out {
            let words = match self.cause {
                Cause::Drift => format!("the destination was added: {}", server.verdict.why).into(),
                _ => server.verdict.why.clone(),
            };
            let operation = Operation::DelDestination(*service, found.destination.key);
            let step = self.step(operation, found.connections(), words);
            self.last.push(step);
        } else if let Some(words) = destination_difference(&found.destination, &server.destination)
        {
            let words = match self.cause {
                Cause::Drift | Cause::Start => words,
                Cause::Definitions if server.verdict.placement == Placement::In => words,
                _ => format!("{words}: {}", server.verdict.why),
            };
            let operation = Operation::SetDestination(*service, server.destination);
            let step = self.step(operation, found.connections(), words);
            // To those who connect, weight 0 is as good as a removal.
            let stops = server.destination.weight == Weight::ZERO
                && found.destination.weight != Weight::ZERO;
            let stage = if stops { &mut self.last } else { &mut self.first };
            stage.push(step);
        }
    }
}

/// Whether a running daemon has every setting that is not left to the kernel.
fn is_as_wanted(found: &Daemon, wanted: &Daemon) -> bool {
    fn same<T: PartialEq>(found: Option<T>, wanted: Option<T>) -> bool {
        wanted.is_none() || found == wanted
    }
    found.interface == wanted.interface
        && found.sync_id == wanted.sync_id
        && same(found.max_length, wanted.max_length)
        && same(found.group, wanted.group)
        && same(found.port, wanted.port)
        && same(found.ttl, wanted.ttl)
}

/// What differs between a standing and a wanted service, in words; `None` if nothing does.
fn service_difference(standing: &Service, wanted: &Service) -> Option<String> {
    let mut words = Vec::new();
    if standing.scheduler != wanted.scheduler {
        words.push(format!("scheduler {} -> {}", standing.scheduler, wanted.scheduler));
    }
    if standing.flags != wanted.flags {
        words.push(format!("flags {} -> {}", standing.flags, wanted.flags));
    }
    if standing.persistence != wanted.persistence {
        words.push(format!(
            "persistence {} -> {}",
            persistence_words(standing.persistence),
            persistence_words(wanted.persistence)
        ));
    }
    if standing.persistence_engine != wanted.persistence_engine {
        let name = |pe: &Option<ipvs::Scheduler>| {
            pe.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string)
        };
        words.push(format!(
            "persistence engine {} -> {}",
            name(&standing.persistence_engine),
            name(&wanted.persistence_engine)
        ));
    }
    (!words.is_empty()).then(|| words.join(", "))
}

fn persistence_words(persistence: Option<Persistence>) -> String {
    persistence.map_or_else(|| "none".to_owned(), |p| format!("{} s /{}", p.timeout, p.prefix))
}

/// What differs between a standing and a wanted destination, in words; `None` if nothing does.
fn destination_difference(standing: &Destination, wanted: &Destination) -> Option<String> {
    let mut words = Vec::new();
    if standing.weight != wanted.weight {
        words.push(format!("weight {} -> {}", standing.weight, wanted.weight));
    }
    // The kernel reports `Local` whatever was asked for when the address is the director's own.
    if standing.forward != wanted.forward && standing.forward != Forward::Local {
        words.push(format!("forward {} -> {}", standing.forward, wanted.forward));
    }
    if standing.upper_threshold != wanted.upper_threshold {
        words.push(format!(
            "upper threshold {} -> {}",
            standing.upper_threshold, wanted.upper_threshold
        ));
    }
    if standing.lower_threshold != wanted.lower_threshold {
        words.push(format!(
            "lower threshold {} -> {}",
            standing.lower_threshold, wanted.lower_threshold
        ));
    }
    (!words.is_empty()).then(|| words.join(", "))
}
