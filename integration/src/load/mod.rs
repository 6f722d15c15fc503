//! A steady client load, and what became of each request.

mod held;
mod http;
mod report;

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::net::TcpStream;

use crate::host::Host;
use crate::wait::wait_until;

pub use held::{Held, HeldReport};
pub use report::{PROMPT, Report, Request};

/// How the load is made.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Requests per second, each on a new connection.
    pub rate: u32,
    /// A request that is not answered by then has failed.
    pub deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { rate: 60, deadline: Duration::from_secs(3) }
    }
}

/// A running load. It is open: a slow answer does not hold back the next request. Stopped when
/// dropped.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
    began: Instant,
}

#[derive(Debug, Default)]
struct Shared {
    requests: Mutex<Requests>,
    stop: AtomicBool,
}

#[derive(Debug, Default)]
struct Requests {
    ended: Vec<Request>,
    /// The start of each request that has not ended, by its number.
    under_way: BTreeMap<u64, Instant>,
}

impl Shared {
    /// A panic of the load's thread is reported by the join; the lists stay good.
    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Load {
    /// Starts sending `GET /` from `client` to `target`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(client: &Host, target: SocketAddrV4, options: Options) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let (client, of_thread) = (client.clone(), Arc::clone(&shared));
        let thread = std::thread::Builder::new()
            .name("load".to_owned())
            .spawn(move || {
                client.namespace().enter_on_this_thread()?;
                runtime()?.block_on(send(&of_thread, target, options));
                Ok(())
            })
            .context("starting the load's thread")?;
        Ok(Self { shared, thread: Some(thread), began: Instant::now() })
    }

    /// What has become of the requests that have ended so far.
    #[must_use]
    pub fn so_far(&self) -> Report {
        Report::new(self.shared.requests().ended.clone(), self.began)
    }

    /// Waits until `count` requests that were started after this call have ended, and all that
    /// were started before it.
    ///
    /// # Errors
    /// When they have not within `deadline`, or the load has broken down.
    pub fn wait_requests(&self, count: usize, deadline: Duration) -> Result<()> {
        let from = Instant::now();
        self.wait_report(&format!("{count} more requests"), deadline, |report| {
            let oldest = self.shared.requests().under_way.values().next().copied();
            oldest.is_none_or(|start| start >= from) && report.since(from).count() >= count
        })
    }

    /// Waits until what is known of the requests meets `condition`.
    ///
    /// # Errors
    /// When it does not within `deadline`, or the load has broken down.
    pub fn wait_report(
        &self,
        what: &str,
        deadline: Duration,
        condition: impl Fn(&Report) -> bool,
    ) -> Result<()> {
        wait_until(what, deadline, || {
            let is_met = condition(&self.so_far());
            let ended = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
            ensure!(is_met || !ended, "{what}: the load has broken down");
            Ok(is_met)
        })?;
        Ok(())
    }

    /// Sends no more, waits for the answers that are due, and reports.
    ///
    /// # Errors
    /// When the load broke down.
    pub fn stop(mut self) -> Result<Report> {
        self.shared.stop.store(true, Ordering::Relaxed);
        join(&mut self.thread)?;
        Ok(self.so_far())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

/// Waits for the end of a load's thread, and hands on how that ended.
fn join(thread: &mut Option<JoinHandle<Result<()>>>) -> Result<()> {
    match thread.take().map(JoinHandle::join) {
        None | Some(Ok(Ok(()))) => Ok(()),
        Some(Ok(Err(error))) => Err(error.context("the load broke down")),
        Some(Err(_)) => bail!("the load's thread panicked"),
    }
}

/// One thread for all: a socket belongs to the namespace of the thread that opens it.
fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the load's runtime")
}

async fn send(shared: &Arc<Shared>, target: SocketAddrV4, options: Options) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / options.rate);
    let mut under_way = tokio::task::JoinSet::new();
    let mut number = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        while under_way.try_join_next().is_some() {}
        let shared = Arc::clone(shared);
        number += 1;
        let start = Instant::now();
        shared.requests().under_way.insert(number, start);
        under_way.spawn(async move {
            let outcome = match tokio::time::timeout(options.deadline, request(target)).await {
                Ok(Ok(server)) => Ok(server.into()),
                Ok(Err(error)) => Err(format!("{error:#}").into()),
                Err(_) => Err(format!("no answer within {:?}", options.deadline).into()),
            };
            let mut requests = shared.requests();
            requests.under_way.remove(&number);
            requests.ended.push(Request { start, took: start.elapsed(), outcome });
        });
    }
    while under_way.join_next().await.is_some() {}
}

/// One request on a connection of its own; the answer is the server's name.
async fn request(target: SocketAddrV4) -> Result<String> {
    let mut stream = TcpStream::connect(target).await.context("connecting")?;
    http::get(&mut stream, "close").await
}
