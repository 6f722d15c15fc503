//! The guard: a small process of one thread that starts the worker, watches it, and holds what it
//! takes to end the worker's roles in its place.
//!
//! ```text
//!  signals ──┐                ┌─> start, SIGTERM, SIGKILL ─────> worker (all else of lvsd)
//!  SIGCHLD ──┼─> shell ─> Guard ─> adverts, priority 0, addresses     │
//!  timers ───┘   (mod)  (core, pure)                                  │
//!     ^                                                               │
//!     └────── heartbeats and the standing of each instance <──────────┘
//! ```
//!
//! It knows no configuration, no checks and no kernel table: there is little in it to fail. It
//! only holds a copy of what the worker has in force, and reads nothing in it.
//!
//! It is a program of its own, `lvsd-guard`, which `lvsd run` becomes: what a process has touched
//! of a large program stays in its memory. Where that program is not beside `lvsd`, `lvsd` itself is
//! the guard.

mod core;
pub mod in_force;
pub mod link;
mod lock;
pub mod logging;
mod process;
mod setup;
mod text;

use std::io;
use std::os::fd::AsFd;
use std::process::{Child, ExitCode};
use std::time::Instant;

use anyhow::Context;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::Signal;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeSpec;
use sd_notify::NotifyState;
use vrrp::shell::Fencer;

use self::core::{End, Guard, Input, Output};
use self::in_force::Keepsake;
use self::link::{Begin, FromWorker, Link, ToWorker};
pub use self::setup::{Setup, version};

/// Runs until the worker has stopped for good.
///
/// # Errors
/// When the guard cannot start: another lvsd runs in this network namespace, or the operating
/// system refuses what it takes.
pub fn run(setup: &Setup) -> anyhow::Result<ExitCode> {
    // Signals that arrive from here on are kept until they are asked for, over an upgrade too.
    let mask = process::guarded_signals();
    mask.thread_block().context("blocking signals")?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let signals = SignalFd::with_flags(&mask, flags).context("listening for signals")?;
    let (standings, in_force) = match setup.resume {
        Some(number) => {
            let (standings, in_force) = process::take_over(number)?;
            (Some(standings), in_force)
        }
        None => (None, None),
    };
    let _only = lock::only_one()?;
    let now = Instant::now();
    let resumes = standings.is_some();
    let guard = match standings {
        Some(standings) => Guard::after_upgrade(standings, now),
        None => Guard::new(now),
    };
    let shell = Shell {
        guard,
        setup,
        signals,
        worker: None,
        fencer: Fencer::default(),
        in_force: Keepsake::new(in_force),
        starts: 0,
        last_end: None,
    };
    if resumes {
        tracing::info!("upgrade: lvsd {} goes on", env!("CARGO_PKG_VERSION"));
    }
    shell.run()
}

/// The running worker.
struct Worker {
    child: Child,
    /// `None` when it has closed its end.
    link: Option<Link>,
}

struct Shell<'a> {
    guard: Guard,
    setup: &'a Setup,
    signals: SignalFd,
    worker: Option<Worker>,
    fencer: Fencer,
    /// What the next worker puts in force.
    in_force: Keepsake,
    /// Workers so far.
    starts: u64,
    last_end: Option<String>,
}

impl Shell<'_> {
    fn run(mut self) -> anyhow::Result<ExitCode> {
        loop {
            while let Some(output) = self.guard.poll_output() {
                if let Some(code) = self.carry_out(output) {
                    return Ok(code);
                }
            }
            self.wait().context("waiting for news of the worker")?;
            self.read_link();
            self.read_signals();
            self.guard.handle_timeout(Instant::now());
        }
    }

    /// Until there is news, or something is due.
    fn wait(&self) -> nix::Result<()> {
        let timeout = self
            .guard
            .poll_timeout()
            .map(|at| TimeSpec::from_duration(at.saturating_duration_since(Instant::now())));
        let link = self.worker.as_ref().and_then(|worker| worker.link.as_ref());
        let sources = [Some(self.signals.as_fd()), link.map(AsFd::as_fd)];
        let mut sources: Vec<PollFd<'_>> =
            sources.into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        match ppoll(&mut sources, timeout, None) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes everything that the worker has said.
    fn read_link(&mut self) {
        let Some(worker) = &mut self.worker else { return };
        while let Some(link) = &mut worker.link {
            let message = match link.receive::<FromWorker>() {
                Ok(Some(message)) => message,
                Ok(None) => {
                    worker.link = None;
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!("guard: what the worker says cannot be read: {error}");
                    // A socket that fails for good must not keep the loop busy; a worker that
                    // is not heard is ended as one that hangs.
                    worker.link = None;
                    break;
                }
            };
            let input = match message {
                FromWorker::Alive => Input::Alive,
                FromWorker::Standing(standing) => {
                    self.fencer.prepare(&standing);
                    Input::Standing(standing)
                }
                FromWorker::Gone(instance) => {
                    self.fencer.forget(&instance);
                    Input::Gone(instance)
                }
                FromWorker::Ready => {
                    notify(&[NotifyState::Ready]);
                    Input::Ready
                }
                FromWorker::Reloading => {
                    notify_reloading();
                    continue;
                }
                FromWorker::InForce(piece) => {
                    self.in_force.take(&piece);
                    continue;
                }
                FromWorker::Stopping => {
                    notify(&[NotifyState::Stopping]);
                    Input::Stopping
                }
                FromWorker::Upgrade => {
                    notify_reloading();
                    Input::Upgrade
                }
            };
            self.guard.handle(input, Instant::now());
        }
    }

    fn read_signals(&mut self) {
        while let Ok(Some(info)) = self.signals.read_signal() {
            let Ok(signal) = i32::try_from(info.ssi_signo)
                .map_or(Err(nix::errno::Errno::EINVAL), Signal::try_from)
            else {
                continue;
            };
            match signal {
                Signal::SIGCHLD => self.reap(),
                Signal::SIGTERM | Signal::SIGINT => self.guard.handle(Input::Stop, Instant::now()),
                other => self.signal(other),
            }
        }
    }

    fn reap(&mut self) {
        // Its last words are read before its end is told.
        self.read_link();
        let Some(worker) = &mut self.worker else { return };
        let status = match worker.child.try_wait() {
            Ok(None) => return,
            Ok(Some(status)) => status,
            Err(error) => {
                tracing::error!("guard: waiting for the worker: {error}");
                return;
            }
        };
        self.worker = None;
        self.in_force.forget_half();
        let end = process::end(status);
        self.last_end = Some(end.to_string());
        self.guard.handle(Input::Ended(end), Instant::now());
    }

    fn signal(&self, signal: Signal) {
        if let Some(worker) = &self.worker
            && let Err(error) = process::signal(&worker.child, signal)
        {
            tracing::error!("guard: sending {signal} to the worker: {error}");
        }
    }

    /// Carries one output out; an exit code ends the guard.
    fn carry_out(&mut self, output: Output) -> Option<ExitCode> {
        match output {
            Output::Start(standings) => self.start(&standings),
            Output::Terminate => self.signal(Signal::SIGTERM),
            Output::Kill => self.signal(Signal::SIGKILL),
            Output::HandOver => {
                let link = self.worker.as_ref().and_then(|worker| worker.link.as_ref());
                if let Some(link) = link
                    && let Err(error) = link.send(&ToWorker::HandOver)
                {
                    tracing::error!("guard: asking the worker to hand over: {error}");
                }
            }
            Output::Fence(standings) => {
                for error in self.fencer.fence(&standings) {
                    tracing::error!("guard: {error}");
                }
            }
            Output::Send(packets) => {
                for error in self.fencer.send(&packets) {
                    tracing::error!("guard: {error}");
                }
            }
            Output::Replace(standings) => {
                let error = process::replace(self.setup, &standings, self.in_force.whole());
                let reason = format!("starting {}: {error:#}", self.setup.program.display());
                self.guard.handle(Input::NotReplaced(reason), Instant::now());
            }
            Output::Say(event) => tracing::error!("guard: {event}"),
            Output::Exit(code) => return Some(ExitCode::from(code)),
        }
        None
    }

    fn start(&mut self, standings: &[vrrp::standing::Standing]) {
        let begin = Begin {
            guard: std::process::id(),
            program: self.setup.program.clone(),
            restarts: self.starts,
            last_end: self.last_end.clone(),
        };
        self.starts += 1;
        match process::start(self.setup, standings, self.in_force.whole(), begin) {
            Ok((child, link)) => self.worker = Some(Worker { child, link: Some(link) }),
            Err(error) => {
                tracing::error!("guard: starting the worker: {error:#}");
                self.guard.handle(Input::Ended(End::NotStarted), Instant::now());
            }
        }
    }
}

fn notify_reloading() {
    let now = NotifyState::monotonic_usec_now().unwrap_or(NotifyState::Reloading);
    notify(&[NotifyState::Reloading, now]);
}

/// systemd may not be there; then nobody misses the message.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("telling systemd: {error}");
    }
}
