//! What the worker has to do with its guard.

use std::io;
use std::os::unix::net::UnixDatagram as StdSocket;
use std::sync::Arc;

use anyhow::{Context, bail};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::SigSet;
use tokio::net::UnixDatagram;
use vrrp::shell::{Heard, News, Watch};
use vrrp::standing::Standing;

use crate::run::Ending;
use lvsd_guard::in_force::Keepsake;
use lvsd_guard::link::{Begin, FromWorker, Link, ToWorker};

/// Makes this process a worker: half a worker is worse than none, so a panic in any of its threads
/// ends it, and another one goes on.
pub(crate) fn begin() -> anyhow::Result<()> {
    nix::sys::prctl::set_name(c"lvsd-worker").context("naming the process")?;
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        std::process::abort();
    }));
    Ok(())
}

/// Lets this process open as many descriptors as the checks of a large table take, if it may. The
/// usual soft limit of 1024 is for programs that use select(2).
pub(crate) fn raise_descriptors() {
    const WANTED: u64 = 65_536;
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        let soft = soft.max(WANTED);
        // More than the hard limit only with CAP_SYS_RESOURCE.
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard.max(soft))
            .or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, soft.min(hard), hard))
    });
    if let Err(errno) = raised {
        tracing::warn!("raise the limit of open descriptors: {}", errno.desc());
    }
}

/// Lets the signals come that the guard had blocked; what runs from here on inherits that.
pub(crate) fn unblock_signals() -> anyhow::Result<()> {
    SigSet::empty().thread_set_mask().context("unblocking signals")
}

/// What the guard says first.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) begin: Begin,
    /// Where the instances of the last worker stood.
    pub(crate) standings: Vec<Standing>,
    /// What the last worker said of the definitions in force.
    pub(crate) in_force: Option<String>,
}

/// Hears what the guard says first.
pub(crate) fn hear_start(link: &mut Link) -> anyhow::Result<Start> {
    let mut standings = Vec::new();
    let mut in_force = Keepsake::default();
    loop {
        match link.receive().context("hearing the guard")? {
            Some(ToWorker::Standing(standing)) => standings.push(standing),
            Some(ToWorker::InForce(piece)) => in_force.take(&piece),
            Some(ToWorker::Begin(begin)) => {
                let in_force = in_force.whole().map(str::to_owned);
                return Ok(Start { begin, standings, in_force });
            }
            Some(ToWorker::HandOver) => {}
            None => bail!("the guard is gone"),
        }
    }
}

/// The guard, as the worker's threads speak to it. Nothing here waits for it.
#[derive(Debug, Clone)]
pub(crate) struct Guard(Arc<StdSocket>);

impl Guard {
    pub(crate) fn new(link: Link) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(link.into_socket().context("the socket to the guard")?)))
    }

    /// Where its orders come in.
    pub(crate) fn orders(&self) -> anyhow::Result<UnixDatagram> {
        let socket = self.0.try_clone().and_then(UnixDatagram::from_std);
        socket.context("the socket to the guard")
    }

    /// Tells the guard.
    pub(crate) fn tell(&self, message: &FromWorker) -> Heard {
        let sent = serde_json::to_vec(message)
            .map_err(io::Error::from)
            .and_then(|bytes| self.0.send(&bytes));
        match sent {
            Ok(_) => Heard::Yes,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Heard::Never,
            Err(_) => Heard::Later,
        }
    }
}

impl Watch for Guard {
    fn tell(&mut self, news: News<'_>) -> Heard {
        Self::tell(
            self,
            &match news {
                News::Alive => FromWorker::Alive,
                News::Standing(standing) => FromWorker::Standing(Box::new(standing.clone())),
                News::Gone(instance) => FromWorker::Gone(instance.to_owned()),
            },
        )
    }
}

/// Takes the guard's orders until one of them ends the worker.
pub(crate) async fn serve(orders: UnixDatagram) -> Ending {
    let mut buffer = [0; 64];
    loop {
        match orders.recv(&mut buffer).await {
            // Without its guard a worker must not hold addresses: nobody would take them away.
            Ok(0) => {
                tracing::error!("the guard is gone");
                return Ending::Stop;
            }
            Ok(length) => {
                if let Ok(ToWorker::HandOver) = serde_json::from_slice(&buffer[..length]) {
                    return Ending::HandOver;
                }
            }
            Err(error) => {
                tracing::error!("hearing the guard: {error}");
                return Ending::Stop;
            }
        }
    }
}
