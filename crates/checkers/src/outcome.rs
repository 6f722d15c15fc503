//! What one run of a probe found.

use std::fmt;
use std::time::{Duration, Instant};

/// One finished run of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// When the run started (monotonic).
    pub started: Instant,
    /// How long it took.
    pub latency: Duration,
    /// What it found.
    pub result: ProbeResult,
    /// The weight that the server, or a program, asks for.
    pub advice: Option<Advice>,
    /// What an operator may want to know although it decides nothing: what a program printed.
    pub note: Option<String>,
    /// What somebody has to do something about before it decides: a certificate expires in a
    /// week. Only with [`ProbeResult::Passed`].
    pub warning: Option<String>,
}

impl Outcome {
    /// An outcome without advice, note and warning.
    pub fn new(started: Instant, latency: Duration, result: ProbeResult) -> Self {
        Self { started, latency, result, advice: None, note: None, warning: None }
    }
}

/// The weight that a check asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Advice {
    /// This weight instead of the configured one. keepalived: `misc_dynamic`.
    Weight(u32),
    /// This share of the configured weight, in per cent: 0 to 100 or above. HAProxy: `75%` of the
    /// agent check.
    Percent(u32),
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weight(weight) => write!(f, "weight {weight}"),
            Self::Percent(percent) => write!(f, "{percent} % of the weight"),
        }
    }
}

/// What a run found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeResult {
    /// The server does what the check asks for.
    Passed,
    /// It does not.
    Failed(Failure),
    /// The run could not be made for a reason on this machine, which says nothing about the
    /// server: no descriptor, no port, no memory, a program that cannot be executed.
    Local(String),
}

impl ProbeResult {
    /// A fixed name: `passed`, `local`, or that of the [`Cause`].
    pub fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(failure) => failure.cause.name(),
            Self::Local(_) => "local",
        }
    }
}

impl fmt::Display for ProbeResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Failed(failure) => failure.fmt(f),
            Self::Local(text) => write!(f, "cannot check: {text}"),
        }
    }
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The kind of failure, to count and to compare.
    pub cause: Cause,
    /// The same in words for an operator, with what was expected: `status 500 (expected 200-299)`.
    pub text: String,
}

impl Failure {
    /// A failure with its words.
    pub fn new(cause: Cause, text: impl Into<String>) -> Self {
        Self { cause, text: text.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Nothing listens on the port (ECONNREFUSED).
    Refused,
    /// Not done within the check's timeout.
    TimedOut,
    /// Somebody on the way to the host, or nobody there, says so (EHOSTUNREACH, ENETUNREACH,
    /// EHOSTDOWN): ICMP, or no answer to ARP. Without a route here it is local trouble.
    Unreachable,
    /// The connection was reset (ECONNRESET, ECONNABORTED, EPIPE).
    Reset,
    /// The connection was closed before the answer was complete.
    Closed,
    /// The answer is not of the protocol that the check speaks, or exceeds its bounds.
    Protocol,
    /// A status that is not among the passing ones: of HTTP, SMTP or gRPC, or a
    /// response code of DNS.
    Status(u16),
    /// The answer is complete and of the right protocol, but does not say what it should.
    Content,
    /// The server says of itself that it is not fit, or somebody says so in a file.
    Reported,
    /// The server says that it is in maintenance. Takes it down at once, whatever `fall` is.
    Maintenance,
    /// Too many requests went unanswered, or answers got lost.
    Loss,
    /// The server answers, but takes longer than it may.
    Slow,
    /// The certificate is not for the expected name.
    NameMismatch,
    /// The certificate is expired, is not valid yet, or expires too soon.
    CertificateExpired,
    /// The certificate is not signed by a trusted authority.
    CertificateUntrusted,
    /// Any other failure of TLS.
    Tls,
    /// A program ended with this exit status.
    Exit(i32),
    /// A program was killed by this signal.
    Signal(i32),
}

impl Cause {
    /// A fixed name, fit for a metric's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::Protocol => "protocol",
            Self::Status(_) => "status",
            Self::Content => "content",
            Self::Reported => "reported",
            Self::Maintenance => "maintenance",
            Self::Loss => "loss",
            Self::Slow => "slow",
            Self::NameMismatch => "name_mismatch",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateUntrusted => "certificate_untrusted",
            Self::Tls => "tls",
            Self::Exit(_) => "exit",
            Self::Signal(_) => "signal",
        }
    }
}
