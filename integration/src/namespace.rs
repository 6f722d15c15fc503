//! Network namespaces, as `ip netns` knows them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::{self, ScopedJoinHandle};

use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A network namespace of its own. When dropped, the processes in it are killed and its name
/// goes; the kernel ends it with its last socket.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    handle: File,
}

impl Namespace {
    /// Makes a namespace; `ip netns exec NAME` reaches it too.
    ///
    /// # Errors
    /// When the caller is not root, or the name is taken.
    pub fn new(name: &str) -> Result<Self> {
        let path = path(name);
        let make = || -> io::Result<File> {
            fs::create_dir_all("/run/netns")?;
            File::create_new(&path)?;
            let pin = || -> io::Result<()> {
                unshare(CloneFlags::CLONE_NEWNET)?;
                let own = Some("/proc/thread-self/ns/net");
                Ok(mount(own, &path, None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
            };
            on_thread(pin)?;
            File::open(&path)
        };
        let handle = make().with_context(|| format!("making network namespace {name}"))?;
        Ok(Self { name: name.to_owned(), handle })
    }

    /// Ends the namespaces, with their processes, whose names begin with `prefix`, a process id
    /// and `-`, where that process is gone: it was killed before it could do so itself.
    ///
    /// # Errors
    /// When the namespaces cannot be listed or opened.
    pub(crate) fn sweep(prefix: &str) -> Result<()> {
        let Ok(entries) = fs::read_dir("/run/netns") else { return Ok(()) };
        for entry in entries {
            let entry = entry.context("listing network namespaces")?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let maker = name.strip_prefix(prefix).and_then(|rest| rest.split_once('-'));
            let Some(maker) = maker.and_then(|(id, _)| id.parse::<u32>().ok()) else { continue };
            if !Path::new("/proc").join(maker.to_string()).exists() {
                let opened = File::open(entry.path());
                let handle = opened.with_context(|| format!("opening network namespace {name}"))?;
                drop(Self { name, handle });
            }
        }
        Ok(())
    }

    /// The name under `/run/netns`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` on a new thread inside the namespace. Sockets that it opens and processes that
    /// it starts belong there and stay there.
    ///
    /// # Errors
    /// When the namespace cannot be entered, or `work` fails.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        on_thread(|| {
            self.enter_on_this_thread()?;
            work()
        })
    }

    /// Moves the calling thread into the namespace for good.
    ///
    /// # Errors
    /// When the caller is not root.
    pub fn enter_on_this_thread(&self) -> Result<()> {
        setns(&self.handle, CloneFlags::CLONE_NEWNET)
            .with_context(|| format!("entering network namespace {}", self.name))
    }

    /// The processes whose namespace this is, each with its command line.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn processes(&self) -> Result<Vec<(Pid, String)>> {
        let own = self.handle.metadata().context("reading the namespace's number")?;
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").context("reading /proc")? {
            let folder = entry.context("reading /proc")?.path();
            let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Ok(id) = name.parse() else { continue };
            // A process may end at any moment; what is gone is not in the namespace.
            let Ok(of_process) = fs::metadata(folder.join("ns/net")) else { continue };
            if (of_process.dev(), of_process.ino()) == (own.dev(), own.ino()) {
                let line = fs::read(folder.join("cmdline")).unwrap_or_default();
                let line = String::from_utf8_lossy(&line).replace('\0', " ");
                found.push((Pid::from_raw(id), line.trim_end().to_owned()));
            }
        }
        Ok(found)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        for (process, _) in self.processes().unwrap_or_default() {
            // An error means that it has ended by itself meanwhile.
            let _ = kill(process, Signal::SIGKILL);
        }
        let path = path(&self.name);
        let gone = umount2(&path, MntFlags::MNT_DETACH)
            .map_err(io::Error::from)
            .and_then(|()| fs::remove_file(&path));
        if let Err(error) = gone {
            eprintln!("removing network namespace {}: {error}", self.name);
        }
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from("/run/netns").join(name)
}

/// Runs `work` on a thread of its own.
fn on_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| joined(scope.spawn(work)))
}

/// What a thread returned; its panic is handed on.
pub fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
