//! One run of one check. Everything here talks to the world; what a run found is an [`Outcome`].
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "probes are the part of this crate that has sockets, processes and a clock"
)]

mod agent;
mod dns;
mod file;
mod grpc;
mod http;
mod misc;
mod ping;
mod ports;
mod program;
mod smtp;
mod socket;
mod stream;
mod tcp;
mod threads;
pub mod tls;
mod udp;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::Pin;
use std::time::{Duration, Instant};

pub use http::is_request_target;
pub use program::Program;
pub use socket::source_towards;
use threads::Threads;

use crate::judge::State;
use crate::outcome::{Advice, Cause, Failure, Outcome, ProbeResult};
use crate::spec::{Kind, Monitor};
use crate::wire::excerpt;

/// What probes share: the TLS configurations, which are costly to build, and what they do on other
/// threads.
#[derive(Debug, Default)]
pub struct Context {
    tls: tls::Configs,
    threads: Threads<Monitor>,
}

impl Context {
    /// Nothing built yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets what was read from files, so that the next probes read the authorities' files anew.
    pub fn refresh(&self) {
        self.tls.clear();
    }
}

/// One run of one kind.
type Run<'a> = Pin<Box<dyn Future<Output = Result<Passed, Stop>> + Send + 'a>>;

/// Runs the monitor's check once. Takes no longer than the check's timeout (a program that cannot
/// even be killed: one second more). Dropping the future ends the run: connections are reset,
/// programs are killed.
///
/// `state` is the verdict up to now, which a program is told.
///
/// Must run inside a tokio runtime with I/O and time.
pub async fn run(monitor: &Monitor, state: State, context: &Context) -> Outcome {
    let started = Instant::now();
    let deadline = Deadline::new(started, monitor.check.timing.timeout);
    // Boxed, so that each run takes the memory that its own kind needs, not the largest one's.
    let run: Run<'_> = match &monitor.check.kind {
        Kind::Tcp(check) => Box::pin(tcp::run(monitor, check, &deadline, context)),
        Kind::Http(check) => Box::pin(http::run(monitor, check, &deadline, context)),
        Kind::Misc(check) => Box::pin(misc::run(monitor, state, check, &deadline, context)),
        Kind::Dns(check) => Box::pin(dns::run(monitor.target, check, &deadline)),
        Kind::Udp(check) => Box::pin(udp::run(monitor.target, check, &deadline)),
        Kind::Ping(check) => Box::pin(ping::run(monitor.target, check, &deadline)),
        Kind::Smtp(check) => Box::pin(smtp::run(monitor.target, check, &deadline, context)),
        Kind::File(check) => Box::pin(file::run(monitor, check, &deadline, context)),
        Kind::Agent(check) => Box::pin(agent::run(monitor.target, check, &deadline)),
        Kind::Grpc(check) => Box::pin(grpc::run(monitor.target, check, &deadline, context)),
    };
    let result = run.await;
    let latency = started.elapsed();
    match result {
        Ok(Passed { advice, note, warning }) => {
            Outcome { started, latency, result: ProbeResult::Passed, advice, note, warning }
        }
        Err(stop) => Outcome::new(started, latency, stop.into()),
    }
}

/// Runs a program that is no check, such as a notification, under the rules of `misc_check`: no
/// shell, a user of its own, and nothing of it left after the timeout.
///
/// Must run inside a tokio runtime with I/O and time.
pub async fn run_program(program: Program, timeout: Duration) -> ProbeResult {
    let deadline = Deadline::new(Instant::now(), timeout);
    let ended = program::run(program, &deadline, &Threads::default(), &()).await;
    let ended = ended.and_then(program::Ended::succeeded);
    ended.map_or_else(ProbeResult::from, |_| ProbeResult::Passed)
}

/// A number that nobody else can foresee: std's hash keys are random in every process, and
/// different at every call.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// What a passing run has to say.
#[derive(Debug, Default)]
struct Passed {
    advice: Option<Advice>,
    note: Option<String>,
    warning: Option<String>,
}

/// Why a run ended without passing.
#[derive(Debug)]
enum Stop {
    Failed(Failure),
    Local(String),
}

impl From<Stop> for ProbeResult {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Failed(failure) => Self::Failed(failure),
            Stop::Local(text) => Self::Local(text),
        }
    }
}

impl Stop {
    /// The same, with what has come of an answer until then.
    fn having(self, received: &[u8]) -> Self {
        match self {
            Self::Failed(Failure { cause, text }) if !received.is_empty() => {
                Self::failed(cause, format!("{text}; got {}", excerpt(received)))
            }
            stop => stop,
        }
    }

    fn failed(cause: Cause, text: impl Into<String>) -> Self {
        Self::Failed(Failure::new(cause, text))
    }
}

/// The end of a run, one for all its steps.
#[derive(Debug)]
struct Deadline {
    at: tokio::time::Instant,
    timeout: Duration,
}

impl Deadline {
    fn new(started: Instant, timeout: Duration) -> Self {
        let far = Duration::from_secs(24 * 3600);
        Self { at: (started + timeout.min(far)).into(), timeout }
    }

    /// The step's result, unless the run ends first: then a failure that names the step.
    async fn within<F: Future>(&self, step: &str, future: F) -> Result<F::Output, Stop> {
        tokio::time::timeout_at(self.at, future).await.map_err(|_| self.passed(step))
    }

    fn passed(&self, step: &str) -> Stop {
        let text = format!("timed out after {:?} while {step}", self.timeout);
        Stop::failed(Cause::TimedOut, text)
    }
}
