//! `file_check`: a number in a file of this machine.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;

use super::threads::HUNG;
use super::{Context, Deadline, Passed, Stop, socket};
use crate::spec::{FileCheck, Monitor};
use crate::wire::file;

/// Reads the file on a thread where a slow file system delays no other probe.
pub(super) async fn run(
    monitor: &Monitor,
    check: &FileCheck,
    deadline: &Deadline,
    context: &Context,
) -> Result<Passed, Stop> {
    let path = check.path.clone();
    let doing = format!("read {}", path.display());
    let reading = context.threads.run(monitor, (&doing, HUNG), deadline, move || read(&path));
    let content = reading.await?;
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
