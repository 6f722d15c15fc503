//! Connections that stay open for as long as the test likes.

use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::net::TcpStream;

use super::{http, join, runtime};
use crate::host::Host;
use crate::wait::{FAR, wait_until};

/// Between two requests on the same connection.
const PAUSE: Duration = Duration::from_millis(200);
/// An answer that takes longer breaks the connection. Repetitions of lost segments fit in.
const DEADLINE: Duration = Duration::from_secs(10);

/// Connections that were opened once and carry a request every 200 ms. A connection that breaks
/// is not opened again.
#[derive(Debug)]
pub struct Held {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
}

/// What became of the connections.
#[derive(Debug, Clone)]
pub struct HeldReport {
    /// How many were opened.
    pub opened: usize,
    /// Why each of those that broke did so.
    pub broken: Vec<String>,
    /// Requests that were answered.
    pub answers: usize,
}

#[derive(Debug, Default)]
struct Shared {
    opened: AtomicUsize,
    answers: AtomicUsize,
    broken: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl Held {
    /// Opens `count` connections from `client` to `target` and waits until each has carried a
    /// request.
    ///
    /// # Errors
    /// When one of them breaks meanwhile.
    pub fn open(client: &Host, target: SocketAddrV4, count: usize) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let (client, of_thread) = (client.clone(), Arc::clone(&shared));
        let thread = std::thread::Builder::new()
            .name("held".to_owned())
            .spawn(move || {
                client.namespace().enter_on_this_thread()?;
                runtime()?.block_on(hold_all(&of_thread, target, count));
                Ok(())
            })
            .context("starting the connections' thread")?;
        let held = Self { shared, thread: Some(thread) };
        wait_until("opening connections", FAR, || {
            let report = held.so_far();
            ensure!(report.broken.is_empty(), "a connection broke at once: {:?}", report.broken);
            Ok(report.opened == count)
        })?;
        Ok(held)
    }

    /// What has become of the connections so far.
    #[must_use]
    pub fn so_far(&self) -> HeldReport {
        let broken = self.shared.broken.lock().unwrap_or_else(PoisonError::into_inner);
        HeldReport {
            opened: self.shared.opened.load(Ordering::Relaxed),
            broken: broken.clone(),
            answers: self.shared.answers.load(Ordering::Relaxed),
        }
    }

    /// Sends one more request on each connection, closes them and reports.
    ///
    /// # Errors
    /// When the thread broke down.
    pub fn close(mut self) -> Result<HeldReport> {
        self.shared.stop.store(true, Ordering::Relaxed);
        join(&mut self.thread)?;
        Ok(self.so_far())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

async fn hold_all(shared: &Arc<Shared>, target: SocketAddrV4, count: usize) {
    let mut connections = tokio::task::JoinSet::new();
    for number in 1..=count {
        let shared = Arc::clone(shared);
        connections.spawn(async move {
            if let Err(error) = hold(&shared, target).await {
                let mut broken = shared.broken.lock().unwrap_or_else(PoisonError::into_inner);
                broken.push(format!("connection {number}: {error:#}"));
            }
        });
    }
    while connections.join_next().await.is_some() {}
}

async fn hold(shared: &Shared, target: SocketAddrV4) -> Result<()> {
    let mut stream = TcpStream::connect(target).await.context("connecting")?;
    let mut is_first = true;
    loop {
        // Read before the request, so that one more follows what the test did last.
        let last = shared.stop.load(Ordering::Relaxed);
        let answer = tokio::time::timeout(DEADLINE, http::get(&mut stream, "keep-alive")).await;
        answer.with_context(|| format!("no answer within {DEADLINE:?}"))??;
        shared.answers.fetch_add(1, Ordering::Relaxed);
        if std::mem::take(&mut is_first) {
            shared.opened.fetch_add(1, Ordering::Relaxed);
        }
        if last {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
