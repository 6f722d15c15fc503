//! Where a measure runs.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use integration::namespace::Namespace;
use ipvs::{Client, Operation};

/// The kernel frees removed destinations and namespaces some time after it was told to: no
/// measure is to pay for the one before it.
const SETTLING: Duration = Duration::from_millis(500);

/// Runs `work` in a network namespace of its own with an empty table.
pub(crate) fn fresh<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let namespace = Namespace::new(&format!("bench{}-{number}", std::process::id()))?;
    let result = namespace.enter(|| {
        // Without an address of its own the kernel refuses every destination.
        let status = Command::new("ip").args(["link", "set", "lo", "up"]).status();
        ensure!(status.context("starting ip")?.success(), "`ip link set lo up` failed");
        let result = work()?;
        for flushed in Client::open()?.execute(&[Operation::Flush]) {
            flushed?;
        }
        Ok(result)
    });
    drop(namespace);
    thread::sleep(SETTLING);
    result
}
