//! Programs of the configuration.
//!
//! A program runs in a process group of its own, which is killed when the run ends, however it
//! ends: nothing that it started stays, unless that made itself a session or group of its own.

use std::hash::Hash;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Gid, Group, Pid, Uid, User, geteuid};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

use super::threads::{HUNG, Threads};
use super::{Deadline, Stop, socket};
use crate::outcome::Cause;

/// The user of programs for which none is configured.
const DEFAULT_USER: &str = "nobody";
/// The program's search path; the rest of the daemon's environment is not its business.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// So much of the end of the output is kept.
const TAIL_BYTES: usize = 512;
/// So many of its last lines are shown.
const TAIL_LINES: usize = 3;
/// A killed program that does not go within this time hangs in the kernel; it is left to it.
const KILL_GRACE: Duration = Duration::from_secs(1);

/// A program to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    /// The program, an absolute path, and its arguments.
    pub command: Vec<String>,
    /// User to run as; `None` is `nobody`.
    pub user: Option<String>,
    /// Group to run as; `None` is the user's.
    pub group: Option<String>,
    /// Working directory; `None` is `/`.
    pub directory: Option<PathBuf>,
    /// Its environment besides `PATH`: names and values.
    pub environment: Vec<(&'static str, String)>,
}

/// How a program ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its exit status, or the signal that killed it.
    pub(super) status: ExitStatus,
    /// The last lines of its output, if there are any.
    pub(super) output: Option<String>,
}

/// Runs a program for `owner` to its end; one that is not done by the deadline has failed.
pub(super) async fn run<K: Clone + Eq + Hash + Send + 'static>(
    program: Program,
    deadline: &Deadline,
    threads: &Threads<K>,
    owner: &K,
) -> Result<Ended, Stop> {
    // A slow user database or file system delays no other probe. If the start takes too long, the
    // thread kills the program as soon as it has started it.
    let doing = format!("start {}", program.command.first().map_or("", String::as_str));
    let starting = threads.run(owner, (&doing, HUNG), deadline, move || start(&program));
    let mut program = starting.await??;
    let mut tail = Tail::default();
    let ended = deadline.within("the program ran", program.wait(&mut tail)).await;
    program.group.kill();
    let status = match ended {
        Ok(status) => status,
        Err(late) => {
            // Only to leave no zombie: how a killed program ended says nothing.
            let _ = tokio::time::timeout(KILL_GRACE, program.child.wait()).await;
            program.drain(&mut tail);
            return Err(explained(late, tail.lines()));
        }
    };
    program.drain(&mut tail);
    let status = status
        .map_err(|error| Stop::Local(socket::doing_failed("wait for the program's end", &error)))?;
    Ok(Ended { status, output: tail.lines() })
}

impl Ended {
    /// The last lines of the output of a program that exited with 0; any other end is a failure.
    pub(super) fn succeeded(self) -> Result<Option<String>, Stop> {
        let Self { status, output } = self;
        if status.success() {
            return Ok(output);
        }
        let stop = if let Some(code) = status.code() {
            Stop::failed(Cause::Exit(code), format!("exit status {code}"))
        } else {
            let number = status.signal().unwrap_or_default();
            let name = Signal::try_from(number).map_or("an unknown signal", Signal::as_str);
            Stop::failed(Cause::Signal(number), format!("killed by {name}"))
        };
        Err(explained(stop, output))
    }
}

/// The failure with the last lines of the output.
fn explained(mut stop: Stop, output: Option<String>) -> Stop {
    if let (Stop::Failed(failure), Some(output)) = (&mut stop, output) {
        failure.text = format!("{}: {output}", failure.text);
    }
    stop
}

/// A running program. Dropping it kills its group.
#[derive(Debug)]
struct Running {
    child: Child,
    group: ProcessGroup,
    output: pipe::Receiver,
}

impl Running {
    /// Waits for the program itself, reading its output: a full pipe must not stop it, and a
    /// child in the background that keeps the pipe open must not hold us.
    async fn wait(&mut self, tail: &mut Tail) -> io::Result<ExitStatus> {
        let mut buffer = [0; 4096];
        let mut open = true;
        loop {
            tokio::select! {
                biased;
                status = self.child.wait() => return status,
                read = self.output.read(&mut buffer), if open => match read {
                    Ok(0) | Err(_) => open = false,
                    Ok(size) => tail.push(&buffer[..size]),
                },
            }
        }
    }

    /// Takes what is left in the pipe, at most what a pipe holds, without waiting for more.
    fn drain(&self, tail: &mut Tail) {
        let mut buffer = [0; 4096];
        for _ in 0..16 {
            match self.output.try_read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(size) => tail.push(&buffer[..size]),
            }
        }
    }
}

/// The process group of a program.
#[derive(Debug)]
struct ProcessGroup(Pid);

impl ProcessGroup {
    /// The group's number stays taken while it has a member, even after its leader was waited
    /// for; killing an empty group fails with ESRCH, which is as good.
    fn kill(&self) {
        let _ = killpg(self.0, Signal::SIGKILL);
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.kill();
    }
}

fn start(program: &Program) -> Result<Running, Stop> {
    let user = program.user.as_deref().unwrap_or(DEFAULT_USER);
    let [name, arguments @ ..] = program.command.as_slice() else {
        return Err(Stop::Local("there is no program to start".into()));
    };
    let directory = program.directory.as_deref();
    let place = directory.map_or_else(String::new, |path| format!(" in {}", path.display()));
    let doing = format!("start {name} as user {user}{place}");
    let failed = |error: io::Error| Stop::Local(socket::doing_failed(&doing, &error));

    let (reader, writer) = io::pipe().map_err(failed)?;
    let output = pipe::Receiver::from_owned_fd(reader.into()).map_err(failed)?;
    let mut command = Command::new(name);
    command
        .args(arguments)
        .current_dir(directory.unwrap_or_else(|| Path::new("/")))
        .env_clear()
        .env("PATH", PATH)
        .envs(program.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(writer.try_clone().map_err(failed)?)
        .stderr(writer)
        .process_group(0);
    if let Some((uid, gid)) = identity(user, program.group.as_deref())? {
        // With `uid`, std also empties the list of supplementary groups (documented at
        // std::os::unix::process::CommandExt::uid).
        command.gid(gid.as_raw()).uid(uid.as_raw());
    }
    let child = command.spawn().map_err(failed)?;
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let Some(id) = id else {
        return Err(Stop::Local(format!("{doing}: it has no process id")));
    };
    Ok(Running { child, group: ProcessGroup(Pid::from_raw(id)), output })
}

/// Whom to become to be `user` in `group`; `None` when that is who we are.
fn identity(user: &str, group: Option<&str>) -> Result<Option<(Uid, Gid)>, Stop> {
    let found = User::from_name(user)
        .map_err(|errno| Stop::Local(format!("look up user {user}: {}", errno.desc())))?
        .ok_or_else(|| Stop::Local(format!("look up user {user}: no such user")))?;
    let Some(group) = group else {
        return Ok((found.uid != geteuid()).then_some((found.uid, found.gid)));
    };
    let group = Group::from_name(group)
        .map_err(|errno| Stop::Local(format!("look up group {group}: {}", errno.desc())))?
        .ok_or_else(|| Stop::Local(format!("look up group {group}: no such group")))?;
    Ok(Some((found.uid, group.gid)))
}

/// The end of a program's output.
#[derive(Debug, Default)]
struct Tail(Vec<u8>);

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        let excess = self.0.len().saturating_sub(TAIL_BYTES);
        self.0.drain(..excess);
    }

    /// The last lines, on one line.
    fn lines(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.0);
        let mut lines: Vec<String> = text
            .lines()
            .rev()
            .map(|line| line.trim().replace(char::is_control, "?"))
            .filter(|line| !line.is_empty())
            .take(TAIL_LINES)
            .collect();
        lines.reverse();
        (!lines.is_empty()).then(|| lines.join(" / "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept() {
        let mut tail = Tail::default();
        assert_eq!(tail.lines(), None);
        tail.push(b"one\ntwo\n\nthree\x07\r\nfo");
        tail.push(b"ur\n");
        assert_eq!(tail.lines().unwrap(), "two / three? / four");
    }

    #[test]
    fn endless_output_is_bounded() {
        let mut tail = Tail::default();
        for _ in 0..1000 {
            tail.push(&[b'x'; 4096]);
        }
        assert_eq!(tail.0.len(), TAIL_BYTES);
        tail.push(&[0xff; 100]);
        assert!(tail.lines().unwrap().len() < 2 * TAIL_BYTES);
    }
}
