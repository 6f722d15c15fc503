//! Loops that keep cores busy.

use std::fmt;
use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Running loops. They end when dropped.
pub(crate) struct Busy {
    stop: Arc<AtomicBool>,
    cores: Vec<usize>,
}

impl Busy {
    /// Starts so many, each bound to its core.
    pub(crate) fn start(count: u32) -> Result<Self> {
        let all = thread::available_parallelism().context("counting the cores")?.get();
        let stop = Arc::new(AtomicBool::new(false));
        let mut cores = Vec::new();
        for core in (0..all).rev().cycle().take(usize::try_from(count)?) {
            let mut only = CpuSet::new();
            only.set(core).context("naming a core")?;
            let ended = Arc::clone(&stop);
            thread::spawn(move || {
                if let Err(error) = sched_setaffinity(Pid::from_raw(0), &only) {
                    eprintln!("binding a busy loop to core {core}: {error}");
                }
                while !ended.load(Ordering::Relaxed) {
                    spin_loop();
                }
            });
            cores.push(core);
        }
        Ok(Self { stop, cores })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cores.as_slice() {
            [] => f.write_str("nothing runs beside it"),
            cores => write!(f, "busy loops beside it on the cores {cores:?}"),
        }
    }
}
