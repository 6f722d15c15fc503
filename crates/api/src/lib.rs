//! The control socket: the documents that lvsd serves, and the client that reads them.
//!
//! HTTP/1.1 with JSON over a Unix socket. Every path starts with the version, `/v1`; a document
//! gains fields within a version and loses none.

mod client;
mod document;

pub use client::{Client, Error};
pub use document::{
    CheckExplanation, CheckHealth, CheckResult, CheckState, Counter, DaemonStatus, Explanation,
    FailingOperation, OverrideAction, OverrideAnswer, OverrideRequest, PlannedAction, PlannedWish,
    Planning, Problem, RealServerStatus, ReloadStatus, ServerExplanation, Since, Status,
    UnmanagedDestination, UnmanagedService, VirtualAddressStatus, VirtualServerStatus, VrrpStatus,
};

/// Where lvsd listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/lvsd/lvsd.sock";

/// Path of [`Status`].
pub const STATUS: &str = "/v1/status";

/// Path to which an [`OverrideRequest`] is posted.
pub const OVERRIDE: &str = "/v1/override";

/// Path of [`Explanation`]; the query's `name` is a real server's address or a virtual server.
pub const EXPLAIN: &str = "/v1/explain";

/// Path of [`Planning`].
pub const PLANNING: &str = "/v1/planning";
