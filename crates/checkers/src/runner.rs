//! All monitors, running: a thread of its own that starts the probes when the
//! [`Supervisor`] wants them, and reports what it decides.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the runner has the crate's thread, clock and seed"
)]

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::{Sleep, sleep_until};

use crate::judge::{Start, State};
use crate::outcome::{Outcome, ProbeResult};
use crate::probe::{self, Context};
use crate::schedule::Limits;
use crate::spec::Monitor;
use crate::supervisor::{Event, Input, MonitorId, MonitorStatus, Output, Statistics, Supervisor};
use crate::trouble::Trouble;

/// A two-hundredth of a second is nothing to a check, and five thousand checks each second then take
/// two hundred wake-ups.
const TICK: Duration = Duration::from_millis(5);
/// Descriptors that one probe holds: a connection, or the output of a program and the program.
const DESCRIPTORS_PER_PROBE: u64 = 2;
/// A stop waits so long for programs that are just being started.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Why the runner could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The operating system gave no thread.
    #[error("checkers: start a thread: {0}")]
    Thread(#[source] io::Error),
    /// The operating system gave no event queue.
    #[error("checkers: start a runtime: {0}")]
    Runtime(#[source] io::Error),
}

/// Starts a runner without monitors. It calls `report` from its own thread for every [`Event`];
/// `report` must be quick, for probes wait meanwhile. The limits are the default ones, see
/// [`Handle::set_limits`].
///
/// # Errors
/// When the operating system has no thread or descriptor for it.
pub fn spawn(report: impl Fn(Event) + Send + 'static) -> Result<Handle, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("checkers-files")
        .build()
        .map_err(StartError::Runtime)?;
    let limits = Limits::default();
    let shared = Arc::new(Shared {
        context: Context::new(),
        wake: Notify::new(),
        inner: Mutex::new(Inner {
            supervisor: Supervisor::new(seed(), TICK, attainable(limits), Instant::now()),
            limits,
            stopping: false,
        }),
    });
    let on_thread = Arc::clone(&shared);
    let thread = thread::Builder::new()
        .name("checkers".into())
        .spawn(move || {
            // A task of its own is woken without a system call, unlike what `block_on` runs.
            let work = runtime.spawn(work(on_thread, report));
            if let Err(error) = runtime.block_on(work) {
                std::panic::resume_unwind(error.into_panic());
            }
            runtime.shutdown_timeout(STOP_GRACE);
        })
        .map_err(StartError::Thread)?;
    Ok(Handle { shared, thread: Mutex::new(Some(thread)) })
}

/// A running runner. Dropping it stops it.
#[derive(Debug)]
pub struct Handle {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Handle {
    /// Makes these the monitors; see [`Input::Set`]. Files of trusted authorities are read anew.
    pub fn set(&self, monitors: Vec<(Monitor, Start)>) {
        self.shared.context.refresh();
        let mut inner = self.shared.lock();
        let attained = attainable(inner.limits).total;
        if attained < inner.limits.total.min(monitors.len()) {
            tracing::warn!(
                "checks: no more than {attained} of {} run at a time, for this process may open \
                 {} descriptors: raise LimitNOFILE of this service",
                monitors.len(),
                descriptors()
            );
        }
        inner.supervisor.handle(Input::Set(monitors), Instant::now());
        drop(inner);
        self.shared.wake.notify_one();
    }

    /// These limits hold from now on. Of what they let run at a time, at most a quarter of the
    /// number of descriptors that this process may open runs.
    pub fn set_limits(&self, limits: Limits) {
        let mut inner = self.shared.lock();
        inner.limits = limits;
        inner.supervisor.handle(Input::Limits(attainable(limits)), Instant::now());
        drop(inner);
        self.shared.wake.notify_one();
    }

    /// The status of every monitor, now.
    pub fn snapshot(&self) -> Vec<MonitorStatus> {
        self.shared.lock().supervisor.statuses(Instant::now())
    }

    /// How the monitors as a whole get on, now.
    pub fn statistics(&self) -> Statistics {
        self.shared.lock().supervisor.statistics(Instant::now())
    }

    /// What somebody should look at, now.
    pub fn troubles(&self) -> Vec<Trouble> {
        self.shared.lock().supervisor.troubles()
    }

    /// Ends all probes, kills their programs and waits for the thread. Must not be called from
    /// `report`. A second call does nothing.
    pub fn stop(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        self.shared.lock().stopping = true;
        self.shared.wake.notify_one();
        if thread.join().is_err() {
            tracing::error!("the checkers' thread had panicked");
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop();
    }
}

#[derive(Debug)]
struct Shared {
    context: Context,
    /// Told when `inner` has changed from outside the thread.
    wake: Notify,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    supervisor: Supervisor,
    /// As they were asked for.
    limits: Limits,
    stopping: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn work(shared: Arc<Shared>, report: impl Fn(Event)) {
    let mut alarm = Alarm::new();
    let mut probes = Probes::default();
    let mut finished = Vec::new();
    loop {
        let (outputs, timeout) = {
            let mut inner = shared.lock();
            if inner.stopping {
                return;
            }
            let now = Instant::now();
            for (id, outcome) in finished.drain(..) {
                inner.supervisor.handle(Input::Finished { id, outcome }, now);
            }
            inner.supervisor.handle_timeout(now);
            let outputs: Vec<_> = std::iter::from_fn(|| inner.supervisor.poll_output()).collect();
            (outputs, inner.supervisor.poll_timeout())
        };
        for output in outputs {
            match output {
                Output::StartProbe { id, monitor, state } => {
                    probes.start(id, monitor, state, &shared);
                }
                Output::CancelProbe { id } => probes.cancel(id),
                Output::Report(event) => report(event),
            }
        }
        tokio::select! {
            () = shared.wake.notified() => {}
            () = alarm.wait(timeout) => {}
            one = probes.next() => finished.extend(one),
        }
        // Those that have ended meanwhile are judged together.
        finished.extend(std::iter::from_fn(|| probes.try_next()).flatten());
    }
}

/// Wakes the loop when the supervisor is due.
///
/// A timer that is set to an earlier moment than all others makes tokio wake its own thread by a
/// system call, although that thread is awake: at each tick for this one, and for each probe's
/// deadline that is set while no other timer is. So there is always a second timer, one tick behind
/// the first, and what is set when the first one has fired is later than that. Without it half of
/// the loop's turns are such wake-ups, at 500 checks per second.
struct Alarm {
    due: Pin<Box<Sleep>>,
    behind: Pin<Box<Sleep>>,
}

impl Alarm {
    fn new() -> Self {
        let now = tokio::time::Instant::now();
        Self { due: Box::pin(sleep_until(now)), behind: Box::pin(sleep_until(now)) }
    }

    /// Waits until then. Safe to drop and call again.
    async fn wait(&mut self, until: Option<Instant>) {
        match until {
            // The probes that run have their turn first.
            Some(at) if at <= Instant::now() => tokio::task::yield_now().await,
            Some(at) => {
                let at = at.into();
                if self.due.deadline() != at || self.due.is_elapsed() {
                    self.due.as_mut().reset(at);
                    self.behind.as_mut().reset(at + TICK);
                }
                self.due.as_mut().await;
            }
            None => std::future::pending().await,
        }
    }
}

/// The probes that run.
#[derive(Debug, Default)]
struct Probes {
    tasks: JoinSet<(MonitorId, Outcome)>,
    running: HashMap<MonitorId, (AbortHandle, Instant)>,
}

impl Probes {
    fn start(&mut self, id: MonitorId, monitor: Arc<Monitor>, state: State, shared: &Arc<Shared>) {
        let shared = Arc::clone(shared);
        let task = self
            .tasks
            .spawn(async move { (id, probe::run(&monitor, state, &shared.context).await) });
        self.running.insert(id, (task, Instant::now()));
    }

    fn cancel(&mut self, id: MonitorId) {
        if let Some((task, _)) = self.running.remove(&id) {
            task.abort();
        }
    }

    /// The next result. Waits for ever while no probe runs. Safe to drop and call again.
    async fn next(&mut self) -> Option<(MonitorId, Outcome)> {
        match self.tasks.join_next().await {
            Some(joined) => self.ended(joined),
            None => std::future::pending().await,
        }
    }

    /// The next result, if there is one already; `None` inside is no news.
    fn try_next(&mut self) -> Option<Option<(MonitorId, Outcome)>> {
        let joined = self.tasks.try_join_next()?;
        Some(self.ended(joined))
    }

    fn ended(
        &mut self,
        joined: Result<(MonitorId, Outcome), JoinError>,
    ) -> Option<(MonitorId, Outcome)> {
        match joined {
            Ok((id, outcome)) => {
                self.running.remove(&id);
                Some((id, outcome))
            }
            Err(error) => self.ended_without_result(&error),
        }
    }

    /// A cancelled probe is no news. A probe that panicked is a defect of ours, not of the server.
    fn ended_without_result(&mut self, error: &JoinError) -> Option<(MonitorId, Outcome)> {
        let (&id, &(_, started)) =
            self.running.iter().find(|(_, (task, _))| task.id() == error.id())?;
        self.running.remove(&id);
        let result = ProbeResult::Local(format!("the probe ended without a result: {error}"));
        Some((id, Outcome::new(started, started.elapsed(), result)))
    }
}

/// A different number at every start.
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Probes take at most half of the descriptors that this process may open: of 1024, the usual
/// soft limit, there is room for 256 probes; `LimitNOFILE=65536` gives room for 16384.
fn attainable(limits: Limits) -> Limits {
    let probes = usize::try_from(descriptors() / 2 / DESCRIPTORS_PER_PROBE).unwrap_or(usize::MAX);
    Limits { total: limits.total.min(probes.max(1)), ..limits }
}

/// So many descriptors may this process open.
fn descriptors() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft)
}
