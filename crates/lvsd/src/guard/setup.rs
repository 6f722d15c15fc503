//! What a guard is told, on the command line that `lvsd run` writes for it.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use crate::link;
use crate::process::{inherited, own_path};

/// The program that is the guard alone, beside `lvsd`.
const PROGRAM: &str = "lvsd-guard";

/// What a guard is told.
#[derive(Debug)]
pub struct Setup {
    /// What the worker is told, and the program after an upgrade: pairs of an option and its value.
    pub(crate) words: Vec<OsString>,
    /// The file that an upgrade starts.
    pub(crate) program: PathBuf,
    /// The file of the worker, even where another one has taken its name since.
    pub(crate) worker: File,
    /// The descriptor of what the guard before an upgrade left.
    pub(crate) resume: Option<RawFd>,
}

impl Setup {
    /// For a guard whose worker is this very program, started with `words`, which are pairs of an
    /// option and its value.
    ///
    /// # Errors
    /// When this program's own file cannot be found.
    pub fn of_this_program(words: Vec<OsString>, resume: Option<RawFd>) -> anyhow::Result<Self> {
        let worker = File::open("/proc/self/exe").context("opening this program's own file")?;
        Ok(Self { words, program: own_path()?, worker, resume })
    }

    /// Becomes `lvsd-guard`. Returns only when it cannot: when that is not installed beside this
    /// program, as a rule.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn become_guard(&self) -> anyhow::Result<Infallible> {
        let guard = std::env::current_exe()?.with_file_name(PROGRAM);
        // In a folder like /tmp somebody else could have put it there.
        let (owner, own) = (fs::metadata(&guard)?.uid(), self.worker.metadata()?.uid());
        ensure!(owner == own, "{} is of user {owner}, lvsd of {own}", guard.display());
        let (says, version) = (asked_version(&guard)?, version());
        // Files of two versions lie there in the middle of an installation.
        ensure!(says == version, "{} is not {}", guard.display(), version.trim());
        let name = std::env::args_os().next().unwrap_or_else(|| "lvsd".into());
        let mut command = Command::new(&guard);
        command.arg0(name).arg("run").args(&self.words);
        command.arg("--program").arg(&self.program);
        if let Some(number) = self.resume {
            command.arg("--resume").arg(number.to_string());
        }
        // Without the close-on-exec flag, which all files of std have.
        fcntl(&self.worker, FcntlArg::F_SETFD(FdFlag::empty()))?;
        let error = command.arg("--worker").arg(self.worker.as_raw_fd().to_string()).exec();
        fcntl(&self.worker, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        Err(error.into())
    }

    /// What [`Self::become_guard`] has written on this process's command line; `None`: it was
    /// somebody else.
    pub fn of_command_line() -> Option<Self> {
        let words: Vec<OsString> = std::env::args_os().skip(1).collect();
        let Received { words, program, worker, resume } = Received::read(&words)?;
        Some(Self { words, program, worker: inherited(worker).ok()?, resume })
    }

    /// The least level or the filter of the log.
    pub fn log(&self) -> &str {
        let mut pairs = self.words.chunks(2);
        let value = pairs.find_map(|pair| (pair[0] == "--log").then(|| pair.get(1)?.to_str()));
        value.flatten().unwrap_or("info")
    }
}

/// What `lvsd-guard --version` says: a worker understands the guard that says the same.
pub fn version() -> String {
    format!("lvsd-guard {} (link {})\n", env!("CARGO_PKG_VERSION"), link::FORMAT)
}

/// What a program says to `--version`. It is not waited for long: after an upgrade nobody holds the
/// roles until there is a guard.
fn asked_version(program: &Path) -> anyhow::Result<String> {
    const PATIENCE: Duration = Duration::from_secs(1);
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let begun = Instant::now();
    while child.try_wait()?.is_none() {
        if begun.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            bail!("{} does not answer within {PATIENCE:?}", program.display());
        }
        thread::sleep(Duration::from_millis(1));
    }
    let mut says = vec![0; 256];
    let length = child.stdout.take().map_or(Ok(0), |mut stdout| stdout.read(&mut says))?;
    Ok(String::from_utf8_lossy(&says[..length]).into_owned())
}

/// The words of a command line.
#[derive(Debug, PartialEq, Eq)]
struct Received {
    words: Vec<OsString>,
    program: PathBuf,
    worker: RawFd,
    resume: Option<RawFd>,
}

impl Received {
    fn read(words: &[OsString]) -> Option<Self> {
        let (role, pairs) = words.split_first()?;
        let (mut words, mut program, mut worker, mut resume) = (Vec::new(), None, None, None);
        for pair in pairs.chunks(2) {
            let [name, value] = pair else { return None };
            let number = || value.to_str()?.parse().ok();
            match name.to_str()? {
                "--program" => program = Some(PathBuf::from(value)),
                "--worker" => worker = Some(number()?),
                "--resume" => resume = Some(number()?),
                _ => words.extend_from_slice(pair),
            }
        }
        (role == "run").then_some(Self { words, program: program?, worker: worker?, resume })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_guard_reads_what_was_written_for_it() {
        let text = "run --config /a --log warn,x=debug --program /b/lvsd --resume 7 --worker 5";
        let expected = Received {
            words: words("--config /a --log warn,x=debug"),
            program: "/b/lvsd".into(),
            worker: 5,
            resume: Some(7),
        };
        assert_eq!(Received::read(&words(text)), Some(expected));
    }

    #[test]
    fn a_program_that_does_not_answer_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let ask = |text: &str| {
            let script = directory.path().join("script");
            fs::write(&script, text).unwrap();
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
            asked_version(&script)
        };
        assert_eq!(ask("#!/bin/sh\necho $1\n").unwrap(), "--version\n");
        let error = ask("#!/bin/sh\nexec sleep 600\n").unwrap_err().to_string();
        assert!(error.ends_with("does not answer within 1s"), "{error}");
        assert!(asked_version(&directory.path().join("none")).is_err());
    }

    #[test]
    fn what_people_write_is_not_for_it() {
        for text in ["", "run", "run --config /a", "--help", "check --program /a --worker 5"] {
            assert_eq!(Received::read(&words(text)), None, "{text}");
        }
    }
}
