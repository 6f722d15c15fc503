//! The worker: puts the parts together, and takes them apart in the right order.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use config::VirtualServer;
use engine::{Engine, Kept};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use vrrp::{EventKind, State};

use crate::RunArguments;
use crate::accept::Accept;
use crate::definitions::{Keeper, Request};
use crate::director::{self, Director, Message, Parts};
use crate::kept::{Keeping, Loaded};
use crate::notify::Notifier;
use crate::owned::{Owned, OwnedFile};
use crate::report::Reporter;
use crate::saver::Saver;
use crate::socket::ControlSocket;
use crate::trial::InForce;
use crate::wishes::{Wishes, WishesFile};
use crate::{health, kept, maintenance, server, worker};
use lvsd_guard::link::{Begin, FromWorker, Link};

/// Runs until SIGTERM or SIGINT, or until the guard wants another worker to go on.
pub(crate) fn run(arguments: &RunArguments) -> anyhow::Result<()> {
    worker::begin()?;
    worker::raise_descriptors();
    let mut link = Link::of_worker().context("`lvsd worker` is what `lvsd run` starts")?;
    let worker::Start { begin, standings, in_force } = worker::hear_start(&mut link)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let ended = runtime.block_on(async {
        // First of all, so that a stop during the start is a clean one: the guard has kept what
        // arrived until now.
        let signals = Signals::new()?;
        worker::unblock_signals()?;
        let guard = worker::Guard::new(link)?;
        let orders = guard.orders()?;
        let goes_on = in_force.is_some();
        let in_force = put_in_force(&arguments.config, in_force)?;
        let config = &in_force.config().config;
        let socket_path =
            arguments.socket.clone().unwrap_or_else(|| config.global.control_socket.clone());
        let (_socket, listener) = ControlSocket::bind(&socket_path)?;
        let client = match ipvs::Client::open() {
            Ok(client) => Some(client),
            // A director that only moves addresses needs no IPVS.
            Err(error) if config.virtual_servers.is_empty() => {
                tracing::info!("{error}; not needed now: no virtual server is defined");
                None
            }
            Err(error) => return Err(error.into()),
        };
        let (sender, requests) = mpsc::channel(1);
        let watched = vrrp::shell::Watched { watch: Box::new(guard.clone()), standings };
        // Before the addresses.
        let accept = Accept::start(config, !watched.standings.is_empty()).await;
        let parts = (guard.clone(), begin, accept);
        let mut daemon = Daemon::start(arguments, in_force, client, sender, parts, watched).await?;
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(server::serve(listener, daemon.reporter.clone(), stopped));
        guard.tell(&FromWorker::Ready);
        if goes_on {
            daemon.keeper.look_at_own_file();
        }
        tracing::info!(
            "ready: {}, control socket {}",
            daemon.reporter.router_id,
            socket_path.display()
        );
        let ending = tokio::select! {
            ending = signals.serve(&mut daemon, requests) => ending,
            ending = worker::serve(orders) => ending,
        };
        match ending {
            Ending::Stop => {
                guard.tell(&FromWorker::Stopping);
                tracing::info!("stopping");
                daemon.stop().await;
                let _ = stop.send(());
                // An open connection must not hold up the end.
                server.abort();
                tracing::info!("stopped");
            }
            Ending::HandOver => {
                // Who asked for the upgrade gets the answer.
                let _ = stop.send(());
                let _ = tokio::time::timeout(LAST_ANSWERS, server).await;
                daemon.hand_over().await;
                tracing::info!("handed over to the next worker");
            }
        }
        Ok(())
    });
    // A thread that hangs in a file system must not hold up the end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

/// How long open connections may take when another worker is to go on.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// Why the worker ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// lvsd stops.
    Stop,
    /// Another worker goes on.
    HandOver,
}

/// A stop waits so long for notify scripts.
const STOP_NOTIFY: Duration = Duration::from_secs(5);

/// The running parts.
struct Daemon {
    keeper: Keeper,
    director: Director,
    director_thread: thread::JoinHandle<()>,
    reporter: Arc<Reporter>,
    guard: worker::Guard,
    notifier: Notifier,
    accept: Accept,
    /// VRRP has ended, and everybody has been told.
    all_told: oneshot::Receiver<()>,
}

impl Daemon {
    async fn start(
        arguments: &RunArguments,
        in_force: InForce<Loaded>,
        client: Option<ipvs::Client>,
        requests: mpsc::Sender<Request>,
        (guard, begin, accept): (worker::Guard, Begin, Accept),
        watched: vrrp::shell::Watched,
    ) -> anyhow::Result<Self> {
        let config = in_force.config().config.clone();
        let (director, messages) = std::sync::mpsc::channel();
        let sender = director.clone();
        let checkers = checkers::runner::spawn(move |event| health::report(&sender, event))
            .context("starting the checkers")?;
        checkers.set_limits(config.checks);
        let mut owned_file = OwnedFile::new(&config.global.state_dir);
        let mut wishes_file = WishesFile::new(&config.global.state_dir);
        let Owned { services: owned, sync_daemons: owns_daemons } = owned_file.load();
        let Wishes { overrides, leaving, maintenance_since } = wishes_file.load();
        let saver = Saver::spawn(owned_file, wishes_file)?;
        let maintenance_dir = config.global.maintenance_dir.clone();
        // What was out stays out if the directory cannot be read now.
        let known = maintenance_since.keys().cloned().collect();
        let maintenance = maintenance::at_start(maintenance_dir.clone(), known).await;
        let watch_from = maintenance.clone();
        let kept = Kept { owned, owns_daemons, overrides, leaving, maintenance_since, maintenance };
        let (servers, settings) = (config.virtual_servers.clone(), config.ipvs.clone());
        let engine = Engine::new(servers, settings, kept, Instant::now());
        let runtime = tokio::runtime::Handle::current();
        let (events, vrrp_events) = std::sync::mpsc::channel();
        let notifier = Notifier::new(runtime.clone());
        notifier.set(&config);
        let vrrp = vrrp::shell::spawn(config.vrrp_instances.clone(), events, Some(watched))?;
        let tracks = vrrp.track_writer();
        let parts = Parts { engine, client, checkers, saver, tracks, runtime };
        let director_thread = director::spawn(parts, messages)?;

        let maintenance = maintenance::watch(maintenance_dir, watch_from, director.clone());
        let roles = director.clone();
        let telling = notifier.clone();
        let (told, all_told) = oneshot::channel();
        thread::Builder::new()
            .name("vrrp-log".to_owned())
            .spawn(move || {
                for event in vrrp_events {
                    report_vrrp(&roles, &event);
                    telling.tell(&event);
                }
                // Nobody waits for it when the start fails.
                let _ = told.send(());
            })
            .context("starting the log thread of VRRP")?;

        let status_reader = vrrp.status_reader();
        let router_id = config.global.router_id.clone();
        let keeper = Keeper::new(
            (in_force, Keeping::start(guard.clone())),
            &arguments.config,
            director.clone(),
            vrrp,
            notifier.clone(),
            maintenance,
            accept.setter(),
        );
        let reporter = Arc::new(Reporter {
            director: director.clone(),
            requests,
            vrrp: status_reader,
            router_id: router_id.map_or_else(host_name, Ok)?,
            config_file: arguments.config.clone(),
            started: Instant::now(),
            shown: keeper.shown(),
            guard: guard.clone(),
            begin,
            accept: accept.trouble(),
        });
        Ok(Self { keeper, director, director_thread, reporter, guard, notifier, accept, all_told })
    }

    /// Takes the new definitions, if the file is right; otherwise nothing changes.
    async fn reload(&mut self) {
        self.guard.tell(&FromWorker::Reloading);
        // A trial goes on and ends in time even if the file system hangs.
        let loaded = match self.keeper.may_reload() {
            Ok(()) => {
                let path = self.keeper.own_file().to_owned();
                let loaded = tokio::task::spawn_blocking(move || load(&path)).await;
                loaded.map_err(anyhow::Error::from).and_then(|result| result)
            }
            Err(refusal) => Err(refusal),
        };
        self.keeper.reload(loaded);
        self.guard.tell(&FromWorker::Ready);
    }

    /// Addresses first, so that the other director takes over while the rest ends.
    async fn stop(self) {
        self.keeper.stop();
        let notified = async move {
            // If VRRP hangs there is nothing to be told.
            let _ = tokio::time::timeout(STOP_NOTIFY, self.all_told).await;
            self.notifier.finish(STOP_NOTIFY).await;
        };
        let notified = tokio::spawn(notified);
        end_director(&self.director, self.director_thread, Message::Stop).await;
        self.accept.stop().await;
        // An error means that it panicked, which was printed.
        let _ = notified.await;
    }

    /// VRRP last: it speaks for this director until the next worker does.
    async fn hand_over(self) {
        end_director(&self.director, self.director_thread, Message::HandOver).await;
        self.keeper.hand_over();
    }
}

async fn end_director(
    director: &Director,
    thread: thread::JoinHandle<()>,
    how: impl FnOnce(oneshot::Sender<()>) -> Message,
) {
    let (done, ended) = oneshot::channel();
    if director.send(how(done)).is_ok() {
        // An error means that the thread has ended.
        let _ = ended.await;
    }
    // A panic in it would have ended the whole worker.
    let _ = thread.join();
}

/// The signals that lvsd serves.
struct Signals {
    hangup: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    /// keepalived's signals for dumps; unhandled they would end the process.
    user_1: tokio::signal::unix::Signal,
    user_2: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals");
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            user_1: listen(SignalKind::user_defined1())?,
            user_2: listen(SignalKind::user_defined2())?,
        })
    }

    /// Reloads on SIGHUP, does what operators ask, ends trials; returns on SIGTERM and SIGINT.
    async fn serve(mut self, daemon: &mut Daemon, mut requests: mpsc::Receiver<Request>) -> Ending {
        loop {
            let wake = daemon.keeper.poll_timeout();
            let wait = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wait => daemon.keeper.handle_timeout(),
                Some(request) = requests.recv() => daemon.keeper.request(request),
                _ = self.hangup.recv() => {
                    // A file system that hangs must not hold up a stop.
                    tokio::select! {
                        () = daemon.reload() => {}
                        _ = self.terminate.recv() => return Ending::Stop,
                        _ = self.interrupt.recv() => return Ending::Stop,
                    }
                }
                _ = self.terminate.recv() => return Ending::Stop,
                _ = self.interrupt.recv() => return Ending::Stop,
                _ = self.user_1.recv() => tracing::info!("SIGUSR1: `lvsctl status` shows the state"),
                _ = self.user_2.recv() => tracing::info!("SIGUSR2: `lvsctl status` shows the state"),
            }
        }
    }
}

pub(crate) fn load(path: &Path) -> anyhow::Result<Loaded> {
    let loaded = config::load_with_sources(path);
    let (config, sources) = loaded.map_err(|errors| anyhow!("{errors}"))?;
    for doubt in config.virtual_servers.iter().flat_map(VirtualServer::doubts) {
        tracing::warn!("{}: {doubt}", path.display());
    }
    Ok(Loaded { config, sources: sources.into() })
}

/// What the worker before this one had in force, or what the file says.
fn put_in_force(file: &Path, in_force: Option<String>) -> anyhow::Result<InForce<Loaded>> {
    match in_force.map(|text| kept::read(&text)) {
        Some(Ok(in_force)) => return Ok(in_force),
        Some(Err(error)) => tracing::error!("{error:#}; {} is loaded instead", file.display()),
        None => {}
    }
    // An operator names it from another directory.
    let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    Ok(InForce::new(load(file)?, absolute, Instant::now()))
}

fn host_name() -> anyhow::Result<String> {
    let name = nix::unistd::gethostname().context("reading the host name")?;
    Ok(name.to_string_lossy().into_owned())
}

fn report_vrrp(director: &Director, event: &vrrp::Event) {
    if let EventKind::Transition { to, .. } = event.kind {
        // The director is gone only when lvsd stops.
        let _ = director.send(Message::Role(event.instance.clone(), to == State::Master));
    }
    if event.is_warning() {
        tracing::warn!("{event}");
    } else {
        tracing::info!("{event}");
    }
}
