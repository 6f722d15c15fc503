//! What definitions would change: `POST /v1/plan`, `lvsctl plan`, and within the answer to
//! `POST /v1/apply`.

use std::fmt;

use engine::{Placement, Preview};
use ipvs::{Destination, Operation, Service};
use serde::{Deserialize, Serialize};

/// Definitions, as texts: lvsd need not be able to read the operator's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definitions {
    /// The file that they start from.
    pub file: SourceText,
    /// Everything that it includes, in the order of reading.
    pub includes: Vec<SourceText>,
}

/// A configuration file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceText {
    /// Its absolute path.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// The text may hold passwords.
impl fmt::Debug for SourceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceText").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What definitions would change now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Operations on the kernel's table, in order; none when it would stay as it is.
    pub operations: Vec<PlannedOperation>,
    /// Real servers that would be out of the table, with the reason.
    pub out: Vec<PlannedOut>,
    /// VRRP instances that would change. Known to a running lvsd only.
    #[serde(default)]
    pub vrrp_instances: Vec<PlannedInstance>,
}

/// One operation of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedOperation {
    /// The operation with its object, as errors and log lines name it.
    pub operation: String,
    /// What becomes of the object.
    pub action: PlannedAction,
    /// A service, or a destination of one.
    pub object: String,
    /// Its new settings, in words; empty for a removal.
    pub settings: String,
    /// Why.
    pub reason: String,
    /// Live connections that it touches.
    pub connections: u64,
}

/// What becomes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlannedAction {
    /// It is new.
    Add,
    /// Its settings change.
    Change,
    /// It goes.
    Remove,
    /// A setting of the whole table.
    Set,
}

/// A real server that would be out of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedOut {
    /// Service and destination.
    pub object: String,
    /// Why.
    pub why: String,
}

/// A VRRP instance that would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedInstance {
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub action: PlannedAction,
    /// The particulars, in words.
    pub words: String,
}

impl Plan {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty() && self.vrrp_instances.is_empty()
    }
}

/// The part about the kernel's table.
impl From<&Preview> for Plan {
    fn from(preview: &Preview) -> Self {
        let operations = preview.steps.iter().map(|step| {
            let (action, object, settings) = described(&step.operation);
            PlannedOperation {
                operation: step.operation.to_string(),
                action,
                object,
                settings,
                reason: step.reason.to_string(),
                connections: step.connections,
            }
        });
        let out = preview.wanted.services.iter().flat_map(|(key, service)| {
            let servers = service.servers.iter();
            let out = servers.filter(|(_, server)| server.verdict.placement == Placement::Out);
            out.map(move |(server_key, server)| PlannedOut {
                object: format!("{key} -> {server_key}"),
                why: server.verdict.why.to_string(),
            })
        });
        Self { operations: operations.collect(), out: out.collect(), vrrp_instances: Vec::new() }
    }
}

fn described(operation: &Operation) -> (PlannedAction, String, String) {
    use PlannedAction::{Add, Change, Remove, Set};
    match operation {
        Operation::NewService(s) => (Add, s.key.to_string(), service_settings(s)),
        Operation::SetService(s) => (Change, s.key.to_string(), service_settings(s)),
        Operation::DelService(key) => (Remove, key.to_string(), String::new()),
        Operation::NewDestination(key, d) => {
            (Add, format!("{key} -> {}", d.key), destination_settings(d))
        }
        Operation::SetDestination(key, d) => {
            (Change, format!("{key} -> {}", d.key), destination_settings(d))
        }
        Operation::DelDestination(key, d) => (Remove, format!("{key} -> {d}"), String::new()),
        other => (Set, other.to_string(), String::new()),
    }
}

fn service_settings(service: &Service) -> String {
    service.scheduler.to_string()
}

fn destination_settings(destination: &Destination) -> String {
    format!("{} weight {}", destination.forward, destination.weight)
}
