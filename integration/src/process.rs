//! Processes that a test started: followed by their log, ended with their handle.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::wait_for;

/// A running program whose output goes to a log file. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its output appended to `log`. Its network namespace is the calling
    /// thread's: use [`crate::Host::spawn`].
    ///
    /// # Errors
    /// When the program cannot be started.
    pub(crate) fn start(name: &str, mut command: Command, log: PathBuf) -> Result<Self> {
        let open = || File::options().create(true).append(true).open(&log);
        let (output, errors) = open()
            .and_then(|output| Ok((output.try_clone()?, output)))
            .with_context(|| format!("opening {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("starting {:?}", command.get_program()))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it has printed so far, and what earlier processes printed to the same log.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Where its output goes.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Waits until a line of the log contains `text`, and returns that line.
    ///
    /// # Errors
    /// When there is none within `deadline`, or the process has ended without printing it.
    pub fn wait_log(&mut self, text: &str, deadline: Duration) -> Result<String> {
        let mut ended = false;
        let what = format!("{:?} in the log of {}", text, self.name);
        wait_for(&what, deadline, || {
            // Whether it has ended is asked first: what it printed last is then in the log.
            let was_ended = std::mem::replace(&mut ended, self.has_ended()?);
            let log = self.log();
            match log.lines().find(|line| line.contains(text)) {
                Some(line) => Ok(Some(line.to_owned())),
                None if was_ended => bail!("{} has ended without it", self.name),
                None => Ok(None),
            }
        })
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = Pid::from_raw(i32::try_from(self.id()).context("process id")?);
        kill(id, signal).with_context(|| format!("sending {signal} to {}", self.name))
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Errors
    /// When it has ended before, or goes on after `deadline`.
    pub fn stop(&mut self, deadline: Duration) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.wait(deadline)
    }

    /// Sends SIGKILL and waits for the end.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().with_context(|| format!("killing {}", self.name))?;
        self.child.wait().with_context(|| format!("waiting for {}", self.name))?;
        Ok(())
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// When it goes on after `deadline`.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let name = self.name.clone();
        wait_for(&format!("the end of {name}"), deadline, || {
            self.child.try_wait().with_context(|| format!("waiting for {name}"))
        })
    }

    /// Whether it has ended, however that came.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub fn has_ended(&mut self) -> Result<bool> {
        let status = self.child.try_wait();
        Ok(status.with_context(|| format!("waiting for {}", self.name))?.is_some())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
