//! Starting, ending and replacing processes.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, anyhow};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use vrrp::standing::Standing;

use crate::Setup;
use crate::core::End;
use crate::in_force;
use crate::link::{Begin, Link, ToWorker};

/// The signals that the guard reads; a worker has them blocked at its start.
pub(super) fn guarded_signals() -> SigSet {
    [
        Signal::SIGCHLD,
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
    ]
    .into_iter()
    .collect()
}

/// The name under which this program was started, if it still means this file: behind a symbolic
/// link an upgrade may bring another file. Else the file's own name.
pub(super) fn own_path() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("reading this program's own path")?;
    let called = std::env::args_os().next().map(PathBuf::from);
    let called = called.filter(|path| path.components().count() > 1);
    let called = called.and_then(|path| std::path::absolute(path).ok());
    let same = |path: &PathBuf| path.canonicalize().is_ok_and(|found| found == own);
    Ok(called.filter(same).unwrap_or(own))
}

/// Starts a worker that goes on where `standings` stand, with the definitions `in_force`.
pub(super) fn start(
    setup: &Setup,
    standings: &[Standing],
    in_force: Option<&str>,
    begin: Begin,
) -> anyhow::Result<(Child, Link)> {
    let (link, theirs) = Link::pair().context("making the socket to it")?;
    for standing in standings {
        // It starts as backup there, and removes what its predecessor held.
        if let Err(error) = link.send(&ToWorker::Standing(standing.clone())) {
            tracing::error!("guard: handing {} over: {error}", standing.instance);
        }
    }
    for piece in in_force.into_iter().flat_map(in_force::pieces) {
        // The worker goes without what is not whole, and loads its file.
        if let Err(error) = link.send(&ToWorker::InForce(piece)) {
            tracing::error!("guard: handing over the definitions in force: {error}");
            break;
        }
    }
    link.send(&ToWorker::Begin(begin)).context("speaking to it")?;
    let child = Command::new(descriptor_path(setup.worker.as_raw_fd()))
        .arg0("lvsd")
        .arg("worker")
        .args(&setup.words)
        .stdin(Stdio::from(theirs))
        // systemd listens to the guard; what scripts say there would confuse it.
        .env_remove("NOTIFY_SOCKET")
        .spawn()
        .context("starting the process")?;
    Ok((child, link))
}

/// The file of a descriptor, as a path for this process and those that it starts.
pub(super) fn descriptor_path(number: RawFd) -> String {
    format!("/proc/self/fd/{number}")
}

/// The file that the program before left open for this one, which is closed in those after it.
pub(super) fn inherited(number: RawFd) -> io::Result<File> {
    let file = File::open(descriptor_path(number))?;
    nix::unistd::close(number)?;
    Ok(file)
}

/// How a process ended.
pub(super) fn end(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (_, Some(signal)) => End::Signal(signal),
        // Exit codes have eight bits.
        (code, None) => End::Code(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
    }
}

/// Sends a signal. The process is not reaped yet, so the number is still its own.
pub(super) fn signal(child: &Child, signal: Signal) -> nix::Result<()> {
    let id = i32::try_from(child.id()).map_err(|_| nix::errno::Errno::ESRCH)?;
    kill(Pid::from_raw(id), signal)
}

/// What one program leaves to the next.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Legacy {
    Whole {
        standings: Vec<Standing>,
        in_force: Option<String>,
    },
    /// Of a program that left nothing else.
    Standings(Vec<Standing>),
}

/// Becomes `program`, which goes on where `standings` stand. Returns only when it cannot.
pub(super) fn replace(
    setup: &Setup,
    standings: &[Standing],
    in_force: Option<&str>,
) -> anyhow::Error {
    let write = || -> anyhow::Result<File> {
        // Without the close-on-exec flag: the new program reads it.
        let mut file = File::from(memfd_create("lvsd-standings", MFdFlags::empty())?);
        let (standings, in_force) = (standings.to_vec(), in_force.map(str::to_owned));
        file.write_all(&serde_json::to_vec(&Legacy::Whole { standings, in_force })?)?;
        Ok(file)
    };
    match write().context("writing down what is held") {
        Ok(file) => anyhow!(
            Command::new(&setup.program)
                .arg("run")
                .args(&setup.words)
                .arg("--resume")
                .arg(file.as_raw_fd().to_string())
                .exec()
        ),
        Err(error) => error,
    }
}

/// Reads what the guard before the upgrade held, and what it knew of the definitions in force, and
/// closes that file.
pub(super) fn take_over(number: RawFd) -> anyhow::Result<(Vec<Standing>, Option<String>)> {
    let read = || -> anyhow::Result<Legacy> {
        Ok(serde_json::from_reader(BufReader::new(inherited(number)?))?)
    };
    let legacy = read().context("reading what the program before the upgrade held")?;
    Ok(match legacy {
        Legacy::Whole { standings, in_force } => (standings, in_force),
        Legacy::Standings(standings) => (standings, None),
    })
}
