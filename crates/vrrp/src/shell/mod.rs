//! The shell: a thread with sockets and timers around the state machines.
//!
//! The thread waits for nothing but packets, timers, the kernel's news of links and addresses, and
//! commands. It does not log: what there is to say goes out as [`Event`] over an unbounded channel.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the shell is where clock, sockets and thread live"
)]

mod addresses;
mod announcer;
mod effects;
mod fence;
mod guarded;
mod interfaces;
mod paths;
mod probe;
mod restore;
mod routing;
mod schedule;
mod socket;
mod tracking;
mod vmac;
mod watch;
mod worker;

use std::io;
use std::sync::mpsc::{Sender, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

pub use self::fence::Fencer;
pub use self::guarded::{Heard, News, Watch};

use crate::event::Event;
use crate::group::GroupStatus;
use crate::instance::InstanceStatus;
use crate::spec::InstanceSpec;
use crate::standing::Standing;
use crate::track::{Condition, Thing};

/// A stop sends a few packets and removes a few addresses; it takes milliseconds.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Why VRRP could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// This process may not open raw sockets.
    #[error("vrrp: opening a raw socket: permission denied; run lvsd as root or with CAP_NET_RAW")]
    NotPermitted,
    /// A socket could not be opened.
    #[error("vrrp: opening a raw socket")]
    Socket(#[source] io::Error),
    /// Links and addresses cannot be watched.
    #[error(transparent)]
    Interfaces(#[from] netif::Error),
    /// The thread could not be started.
    #[error("vrrp: starting the thread")]
    Thread(#[source] io::Error),
}

/// What the thread is told and asked.
enum Command {
    Reload(Vec<InstanceSpec>),
    Tracked(Thing, Condition),
    Forget(Thing),
    Status(oneshot::Sender<Statuses>),
    Stop(SyncSender<()>),
    HandOver(SyncSender<()>),
}

/// What a guarded loop is given.
#[derive(Debug)]
pub struct Watched {
    /// The way to the guard.
    pub watch: Box<dyn Watch>,
    /// Where the instances of the process before this one stood.
    pub standings: Vec<Standing>,
}

/// All instances and groups as they are now.
#[derive(Debug, Clone, Default)]
pub struct Statuses {
    /// The instances, in the order of the definitions.
    pub instances: Vec<InstanceStatus>,
    /// The sync groups.
    pub groups: Vec<GroupStatus>,
}

/// The running thread.
#[derive(Debug)]
pub struct Handle {
    commands: mpsc::UnboundedSender<Command>,
    thread: JoinHandle<()>,
}

/// Asks the running thread for its instances' status.
#[derive(Debug, Clone)]
pub struct StatusReader(mpsc::UnboundedSender<Command>);

/// Tells the running thread what is known of tracked things.
#[derive(Debug, Clone)]
pub struct TrackWriter(mpsc::UnboundedSender<Command>);

/// Starts the thread in the network namespace of the calling thread. News go to `events`, and to
/// the guard if there is one.
///
/// # Errors
/// [`Error`], each with what to do. A missing interface is none: the instance waits for it.
pub fn spawn(
    specs: Vec<InstanceSpec>,
    events: Sender<Event>,
    watched: Option<Watched>,
) -> Result<Handle, Error> {
    if !specs.is_empty() {
        socket::probe().map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => Error::NotPermitted,
            _ => Error::Socket(error),
        })?;
        // A master that cannot add its addresses would silence the one that can.
        netif::Netlink::open()?.check_permission()?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Thread)?;
    let (commands, receiver) = mpsc::unbounded_channel();
    let worker = {
        let _context = runtime.enter();
        worker::Worker::new(specs, events, receiver, watched)?
    };
    let thread = thread::Builder::new()
        .name("vrrp".to_owned())
        .spawn(move || runtime.block_on(worker.run()))
        .map_err(Error::Thread)?;
    Ok(Handle { commands, thread })
}

impl Handle {
    /// Changes to these instances. One with the same name, interface and VRID keeps its state; one
    /// that is gone gives up mastership and its addresses.
    pub fn reload(&self, specs: Vec<InstanceSpec>) {
        // The thread is gone only after a panic, which ends lvsd's watch over it anyway.
        let _ = self.commands.send(Command::Reload(specs));
    }

    /// A way to ask for the status.
    pub fn status_reader(&self) -> StatusReader {
        StatusReader(self.commands.clone())
    }

    /// A way to tell what is known of tracked things other than interfaces, which the thread
    /// watches itself.
    pub fn track_writer(&self) -> TrackWriter {
        TrackWriter(self.commands.clone())
    }

    /// Gives up mastership of every instance, removes the addresses, and ends the thread.
    pub fn stop(self) {
        self.end(Command::Stop);
    }

    /// Ends the thread and leaves everything as it is: another process goes on.
    pub fn hand_over(self) {
        self.end(Command::HandOver);
    }

    fn end(self, how: impl FnOnce(SyncSender<()>) -> Command) {
        let (stopped, wait) = sync_channel(1);
        if self.commands.send(how(stopped)).is_ok() && wait.recv_timeout(STOP_TIMEOUT).is_ok() {
            // It has nothing more to do; a panic in it was printed when it happened.
            let _ = self.thread.join();
        }
    }
}

impl TrackWriter {
    /// The thing is like this now. Only instances that track it take notice.
    pub fn set(&self, thing: Thing, condition: Condition) {
        // The thread is gone only when lvsd stops.
        let _ = self.0.send(Command::Tracked(thing, condition));
    }

    /// The thing is no longer defined; one that has its name later is another one.
    pub fn forget(&self, thing: Thing) {
        let _ = self.0.send(Command::Forget(thing));
    }
}

impl StatusReader {
    /// Everything as it is now; nothing if the thread does not answer within a second.
    pub async fn read(&self) -> Statuses {
        let (answer, receiver) = oneshot::channel();
        if self.0.send(Command::Status(answer)).is_err() {
            return Statuses::default();
        }
        match tokio::time::timeout(Duration::from_secs(1), receiver).await {
            Ok(Ok(statuses)) => statuses,
            Ok(Err(_)) | Err(_) => Statuses::default(),
        }
    }
}
