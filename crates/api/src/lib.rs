//! The control socket: the documents that lvsd serves, and the client that reads them.
//!
//! HTTP/1.1 with JSON over a Unix socket. Every path starts with the version, `/v1`; a document
//! gains fields within a version and loses none.

mod apply;
mod client;
mod document;
mod plan;
mod weight;

pub use apply::{
    AppliedBy, ApplyAnswer, ApplyRequest, DefinitionsStatus, RollbackStatus, TrialAnswer, Until,
};
pub use client::{Client, Error};
pub use document::{
    CheckExplanation, CheckResult, CheckState, CheckTrouble, ChecksStatus, Counter, DaemonStatus,
    Explanation, FailingOperation, GuardStatus, OverrideAction, OverrideAnswer, OverrideRequest,
    Problem, RealServerStatus, ReloadStatus, ServerExplanation, Since, Status, TrackedStatus,
    UnmanagedDestination, UnmanagedService, UpgradeAnswer, VirtualAddressStatus,
    VirtualRoutingStatus, VirtualServerStatus, VrrpGroupStatus, VrrpStatus,
};
pub use plan::{
    Definitions, Plan, PlannedAction, PlannedInstance, PlannedOperation, PlannedOut, SourceText,
};
pub use weight::{WeightCause, WeightStepStatus, weight_steps};

/// Where lvsd listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/lvsd/lvsd.sock";

/// Path of [`Status`].
pub const STATUS: &str = "/v1/status";

/// Path to which an [`OverrideRequest`] is posted.
pub const OVERRIDE: &str = "/v1/override";

/// Path to which an upgrade is posted, without a document; it answers [`UpgradeAnswer`].
pub const UPGRADE: &str = "/v1/upgrade";

/// Path of [`Explanation`]; the query's `name` is a real server's address or a virtual server.
pub const EXPLAIN: &str = "/v1/explain";

/// Path to which [`Definitions`] are posted for their [`Plan`].
pub const PLAN: &str = "/v1/plan";

/// Path to which an [`ApplyRequest`] is posted.
pub const APPLY: &str = "/v1/apply";

/// Path to which nothing is posted: keep the definitions that are on trial.
pub const CONFIRM: &str = "/v1/confirm";

/// Path to which nothing is posted: end a trial now, with the definitions before it.
pub const ROLLBACK: &str = "/v1/rollback";
