//! Health checks of real servers: probes, and the pure judgement over their results.
//!
//! This crate knows nothing of IPVS or VRRP. [`spec`] says what is checked and how often;
//! [`judge`] turns results into a verdict with reasons, [`supervisor`] says which probe runs when
//! (both pure); [`probe`] performs one check; [`runner`] performs many of them, when they are due.

pub mod judge;
pub mod outcome;
pub mod probe;
mod random;
pub mod runner;
pub mod spec;
pub mod supervisor;

pub use judge::{Start, State};
pub use outcome::{Advice, Cause, Failure, Outcome, ProbeResult};
pub use spec::{
    Check, Connect, Damping, Header, HttpGet, Initial, Kind, MiscCheck, Monitor, StatusRange,
    TcpCheck, Timing, Tls,
};
pub use supervisor::{Event, MonitorStatus, Transition};
