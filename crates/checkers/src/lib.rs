//! Health checks of real servers: probes, and the pure judgement over their results.
//!
//! This crate knows nothing of IPVS or VRRP. [`spec`] says what is checked and how often;
//! [`judge`] turns results into a verdict with reasons, [`supervisor`] says which probe runs when
//! (both pure); [`wire`] is what probes and servers say to each other (pure too); [`probe`] performs
//! one check; [`runner`] performs many of them, when they are due.

mod history;
pub mod judge;
mod lateness;
pub mod outcome;
pub mod probe;
mod random;
pub mod runner;
mod schedule;
pub mod spec;
pub mod supervisor;
mod trouble;
pub mod wire;

pub use history::HISTORY;
pub use judge::{Start, State};
pub use lateness::Lateness;
pub use outcome::{Advice, Cause, Failure, Outcome, ProbeResult};
pub use probe::source_towards;
pub use schedule::Limits;
pub use spec::{
    AgentCheck, BasicAuth, Check, ClientCertificate, Connect, Damping, Digest, DnsCheck,
    DnsTransport, Expect, Expectation, FileCheck, FileValue, GrpcCheck, Header, HexPattern,
    HexPatternError, HttpGet, HttpMethod, HttpRequest, HttpVersion, Initial, Kind, Matching,
    MiscCheck, Monitor, Pattern, PatternError, PingCheck, Rcode, RecordType, Secret, SmtpCheck,
    SmtpEncryption, StatusRange, TcpCheck, Timing, Tls, UdpCheck, UdpReply, Via,
};
pub use supervisor::{Event, MonitorStatus, Statistics, Transition};
pub use trouble::{Trouble, TroubleKind};
