//! New definitions, for good or on trial: `POST /v1/apply`, `/v1/confirm` and `/v1/rollback`,
//! `lvsctl apply`, `confirm` and `rollback`. Root alone may.

use serde::{Deserialize, Serialize};

use crate::document::Since;
use crate::plan::{Definitions, Plan};

/// A moment to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Until {
    /// Seconds left, by the monotonic clock.
    pub seconds_left: u64,
    /// Wall clock time, RFC 3339, UTC. For display only.
    pub at: String,
}

/// Definitions to put in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyRequest {
    /// The definitions.
    pub definitions: Definitions,
    /// On trial: unless they are confirmed within so many seconds (1 to 86,400), those before
    /// them come back. `None`: for good.
    pub confirm_seconds: Option<u64>,
}

/// They are in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyAnswer {
    /// The file that they come from.
    pub file: String,
    /// What they change; `None` when that could not be foretold.
    pub plan: Option<Plan>,
    /// Why it could not be foretold.
    pub plan_error: Option<String>,
    /// On trial until then.
    pub trial: Option<Until>,
    /// What the operator ought to know besides.
    pub notes: Vec<String>,
}

/// Answer to a confirmation and to a rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialAnswer {
    /// The file whose definitions are in force now.
    pub file: String,
    /// What the operator ought to know besides.
    pub notes: Vec<String>,
}

/// The definitions in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinitionsStatus {
    /// The file that they come from.
    pub file: String,
    /// What put them in force.
    pub by: AppliedBy,
    /// When.
    pub when: Since,
    /// On trial until then.
    pub trial: Option<Until>,
}

/// What put definitions in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AppliedBy {
    /// lvsd started with them.
    Start,
    /// A reload.
    Reload,
    /// `lvsctl apply`, run by this user.
    User(String),
}

/// A trial that ended without a confirmation; shown until something else is put in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackStatus {
    /// The file that had been on trial.
    pub file: String,
    /// When the definitions before it came back.
    pub when: Since,
    /// Why, in words.
    pub why: String,
    /// Whether a reload or a start would put it in force again: it is lvsd's own configuration
    /// file.
    pub own_file: bool,
}
