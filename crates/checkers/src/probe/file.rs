//! `file_check`: a number in a file of this machine.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use nix::fcntl::OFlag;

use super::{Context, Deadline, Passed, Stop, socket};
use crate::spec::{FileCheck, Monitor};
use crate::wire::file;

/// The monitors whose files are being read. A thread that hangs in a file system cannot be ended,
/// so a monitor whose last read has not come back starts no other: each would take a thread more.
#[derive(Debug, Default)]
pub(super) struct Reads(Arc<Mutex<HashSet<Monitor>>>);

impl Reads {
    /// `None` while the monitor's last read has not come back.
    fn begin(&self, monitor: &Monitor) -> Option<Reading> {
        let mut reads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = reads.insert(monitor.clone());
        new.then(|| Reading { reads: Arc::clone(&self.0), monitor: monitor.clone() })
    }
}

/// A read that is under way. Dropped when it has come back.
#[derive(Debug)]
struct Reading {
    reads: Arc<Mutex<HashSet<Monitor>>>,
    monitor: Monitor,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.monitor);
    }
}

/// Reads the file on a thread where a slow file system delays no other probe.
pub(super) async fn run(
    monitor: &Monitor,
    check: &FileCheck,
    deadline: &Deadline,
    context: &Context,
) -> Result<Passed, Stop> {
    let path = check.path.clone();
    let doing = format!("read {}", path.display());
    let Some(under_way) = context.reads.begin(monitor) else {
        let text = format!("{doing}: the last read has not come back (does its file system hang?)");
        return Err(Stop::Local(text));
    };
    let reading = tokio::task::spawn_blocking(move || {
        let content = read(&path);
        drop(under_way);
        content
    });
    let content = match deadline.within("the file was read", reading).await {
        Ok(Ok(content)) => content,
        Ok(Err(error)) => return Err(Stop::Local(format!("{doing}: {error}"))),
        Err(_) => return Err(Stop::Local(format!("{doing}: not done within the timeout"))),
    };
    let content = content.map_err(|error| Stop::Local(socket::doing_failed(&doing, &error)))?;
    match file::judge(check.value, &content) {
        Ok(Ok(advice)) => Ok(Passed { advice, ..Passed::default() }),
        Ok(Err(failure)) => Err(Stop::Failed(failure)),
        Err(error) => Err(Stop::Local(format!("{doing}: {error}"))),
    }
}

/// The first bytes of a regular file. The opening of a pipe without a writer must not wait.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut content = Vec::new();
    // One byte more than a number can have tells a longer file.
    file.take(file::LIMIT as u64 + 1).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::outcome::ProbeResult;
    use crate::spec::{Check, FileValue, Kind, Timing};
    use crate::{State, probe};

    fn monitor(target: &str) -> Monitor {
        let kind = Kind::File(FileCheck { path: "/dev/null".into(), value: FileValue::Verdict });
        let timing = Timing { timeout: Duration::from_secs(60), ..Timing::default() };
        Monitor { target: target.parse().unwrap(), check: Arc::new(Check { kind, timing }) }
    }

    async fn words(monitor: &Monitor, context: &Context) -> String {
        match probe::run(monitor, State::Unknown, context).await.result {
            ProbeResult::Local(text) => text,
            result => panic!("expected local trouble, got {result:?}"),
        }
    }

    #[tokio::test]
    async fn a_read_that_hangs_is_the_only_one_of_its_monitor() {
        let context = Context::new();
        let (hung, other) = (monitor("192.0.2.1:80"), monitor("192.0.2.2:80"));
        let reading = context.reads.begin(&hung).unwrap();
        let regular = "read /dev/null: not a regular file";
        for _ in 0..2 {
            assert_eq!(
                words(&hung, &context).await,
                "read /dev/null: the last read has not come back (does its file system hang?)"
            );
            assert_eq!(words(&other, &context).await, regular);
        }
        drop(reading);
        for _ in 0..2 {
            assert_eq!(words(&hung, &context).await, regular);
        }
    }
}
