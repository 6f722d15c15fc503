//! lvsd on a director.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::host::Host;
use crate::paths;
use crate::process::Process;
use crate::wait::{FAR, wait_for};

/// A running lvsd with its own configuration, control socket and state. Killed when dropped.
#[derive(Debug)]
pub struct Lvsd {
    host: Host,
    process: Process,
}

impl Lvsd {
    /// Starts lvsd on `host` with the definitions `toml` and waits until its control socket
    /// answers. Whatever is particular to the lab is filled in under `[global]`; a table of that
    /// name in `toml` is kept.
    ///
    /// # Errors
    /// When lvsd is not built, or ends instead of answering: its log goes with the error.
    pub fn start(host: &Host, toml: &str) -> Result<Self> {
        write_configuration(host, toml)?;
        Self::start_again(host)
    }

    /// Starts lvsd on `host` with the configuration that it had before.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_again(host: &Host) -> Result<Self> {
        Self::start_program(host, &paths::program("lvsd")?)
    }

    /// Starts this file as lvsd on `host` with the configuration that it had before.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_program(host: &Host, program: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["run", "--config"]).arg(configuration(host));
        let process = host.spawn("lvsd", command)?;
        let mut lvsd = Self { host: host.clone(), process };
        lvsd.wait_ready()?;
        Ok(lvsd)
    }

    fn wait_ready(&mut self) -> Result<()> {
        let socket = socket(&self.host);
        let name = self.host.name().to_owned();
        wait_for(&format!("control socket of lvsd on {name}"), FAR, || {
            let ended = self.process.has_ended()?;
            ensure!(!ended, "lvsd on {name} has ended:\n{}", self.process.log());
            Ok(answers(&socket).is_ok().then_some(()))
        })
    }

    /// Where it runs.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The process, for its signals and its log.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Waits until a line of the log contains `text`, and returns it.
    ///
    /// # Errors
    /// When there is none within `deadline`.
    pub fn wait_log(&mut self, text: &str, deadline: Duration) -> Result<String> {
        self.process.wait_log(text, deadline)
    }

    /// Replaces the configuration and sends SIGHUP. What comes of it is to be waited for.
    ///
    /// # Errors
    /// When the file cannot be written or lvsd has ended.
    pub fn reload(&self, toml: &str) -> Result<()> {
        write_configuration(&self.host, toml)?;
        self.process.signal(Signal::SIGHUP)
    }

    /// The worker: the process that does everything but watch it.
    ///
    /// # Errors
    /// When there is none at the moment.
    pub fn worker(&self) -> Result<Pid> {
        // Asking lvsctl would take a good part of an advert's interval on a slow machine.
        let guard = self.process.id();
        let path = format!("/proc/{guard}/task/{guard}/children");
        let children = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let worker = children.split_whitespace().next().context("the guard has no worker")?;
        Ok(Pid::from_raw(worker.parse().context("the worker's process id")?))
    }

    /// Stops lvsd with SIGTERM and waits for its end.
    ///
    /// # Errors
    /// When it has ended before or does not end.
    pub fn stop(mut self) -> Result<ExitStatus> {
        self.process.stop(FAR)
    }

    /// Ends lvsd with SIGKILL, guard and worker at once: nothing is cleaned up.
    ///
    /// # Errors
    /// When it has no worker, or cannot be waited for.
    pub fn kill(mut self) -> Result<()> {
        let worker = self.worker()?;
        // The guard is frozen first: it must not start another worker.
        self.process.signal(Signal::SIGSTOP)?;
        kill(worker, Signal::SIGKILL).context("killing the worker")?;
        self.process.kill()
    }

    /// Runs lvsctl with `arguments` (split at blanks) against this lvsd, whatever its exit status.
    ///
    /// # Errors
    /// When lvsctl cannot be started.
    pub fn lvsctl(&self, arguments: &str) -> Result<Output> {
        lvsctl(&self.host, arguments)
    }

    /// The document that `lvsctl status --json` prints.
    ///
    /// # Errors
    /// When lvsctl fails or prints something else.
    pub fn status(&self) -> Result<serde_json::Value> {
        let output = self.lvsctl("status --json")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "lvsctl status: {}: {errors}", output.status);
        serde_json::from_slice(&output.stdout).context("reading what lvsctl status --json printed")
    }
}

/// Whether lvsd answers on its socket: the file is there before anybody serves it.
fn answers(socket: &Path) -> std::io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(FAR))?;
    stream.write_all(b"GET /v1/status HTTP/1.1\r\nHost: lvsd\r\nConnection: close\r\n\r\n")?;
    stream.read_exact(&mut [0; "HTTP/1.1 200".len()])
}

/// Runs lvsctl on `host` with `arguments` (split at blanks) and the socket of the lvsd that the
/// lab starts there, whatever its exit status.
///
/// # Errors
/// When lvsctl cannot be started.
pub fn lvsctl(host: &Host, arguments: &str) -> Result<Output> {
    let mut command = Command::new(paths::program("lvsctl")?);
    command.env("LVSD_SOCKET", socket(host)).args(arguments.split_whitespace());
    host.output_of(command)
}

/// The configuration file of the lvsd on `host`.
#[must_use]
pub fn configuration(host: &Host) -> PathBuf {
    host.folder().join("lvsd.toml")
}

/// The control socket of the lvsd on `host`.
#[must_use]
pub fn socket(host: &Host) -> PathBuf {
    host.folder().join("lvsd.sock")
}

fn write_configuration(host: &Host, toml: &str) -> Result<()> {
    let path = configuration(host);
    let text = localized(toml, host.name(), &socket(host), &host.folder().join("state"));
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}

/// `toml` with the names and paths of one host in its table `[global]`.
fn localized(toml: &str, router_id: &str, socket: &Path, state: &Path) -> String {
    let mut global = format!(
        "[global]\ncontrol_socket = \"{}\"\nstate_dir = \"{}\"\n",
        socket.display(),
        state.display()
    );
    if !toml.lines().any(|line| line.starts_with("router_id")) {
        global += &format!("router_id = \"{router_id}\"\n");
    }
    if toml.contains("[global]\n") {
        toml.replacen("[global]\n", &global, 1)
    } else {
        format!("{global}\n{toml}")
    }
}
