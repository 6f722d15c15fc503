//! `lvsd run`: puts the parts together, and takes them apart in the right order.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Instant;

use anyhow::{Context, anyhow};
use checkers::Monitor;
use config::{Config, Global};
use engine::{Engine, Health, Kept};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};
use vrrp::{EventKind, State};

use crate::RunArguments;
use crate::director::{self, Director, Message, Parts};
use crate::owned::OwnedFile;
use crate::report::Reporter;
use crate::socket::ControlSocket;
use crate::wishes::WishesFile;
use crate::{maintenance, server, socket};

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(arguments: &RunArguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    runtime.block_on(async {
        // Signals that arrive from here on are kept until they are asked for: first of all, so
        // that a stop during the start is a clean one.
        let signals = Signals::new()?;
        let config = load(&arguments.config)?;
        let socket_path =
            arguments.socket.clone().unwrap_or_else(|| config.global.control_socket.clone());
        let _only = socket::only_one()?;
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
        let daemon = Daemon::start(arguments, config, client)?;
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(server::serve(listener, daemon.reporter.clone(), stopped));
        notify(&[NotifyState::Ready]);
        tracing::info!(
            "ready: {}, control socket {}",
            daemon.reporter.router_id,
            socket_path.display()
        );
        signals.serve(&daemon).await;
        notify(&[NotifyState::Stopping]);
        tracing::info!("stopping");
        daemon.stop().await;
        let _ = stop.send(());
        // An open connection must not hold up the end.
        server.abort();
        tracing::info!("stopped");
        Ok(())
    })
}

/// The running parts.
struct Daemon {
    config_path: PathBuf,
    /// As it was at the start.
    global: Global,
    director: Director,
    director_thread: thread::JoinHandle<()>,
    maintenance: watch::Sender<Option<PathBuf>>,
    vrrp: vrrp::shell::Handle,
    reporter: Arc<Reporter>,
}

impl Daemon {
    fn start(
        arguments: &RunArguments,
        config: Config,
        client: Option<ipvs::Client>,
    ) -> anyhow::Result<Self> {
        let global = config.global.clone();
        let (director, messages) = mpsc::channel();
        let health = director.clone();
        let checkers = checkers::runner::spawn(move |event| report_health(&health, event))
            .context("starting the checkers")?;
        let owned = OwnedFile::new(&config.global.state_dir);
        let wishes = WishesFile::new(&config.global.state_dir);
        let (overrides, leaving) = wishes.load();
        let maintenance = maintenance::at_start(config.global.maintenance_dir.as_deref());
        let kept = Kept { owned: owned.load(), overrides, leaving, maintenance };
        let engine = Engine::new(config.virtual_servers, config.ipvs, kept, Instant::now());
        let runtime = tokio::runtime::Handle::current();
        let parts = Parts { engine, client, checkers, owned, wishes, runtime };
        let director_thread = director::spawn(parts, messages)?;

        let maintenance =
            maintenance::watch(config.global.maintenance_dir.clone(), director.clone());
        let (events, vrrp_events) = mpsc::channel();
        let roles = director.clone();
        let vrrp = vrrp::shell::spawn(config.vrrp_instances, events)?;
        thread::Builder::new()
            .name("vrrp-log".to_owned())
            .spawn(move || vrrp_events.iter().for_each(|event| report_vrrp(&roles, &event)))
            .context("starting the log thread of VRRP")?;

        let reporter = Arc::new(Reporter {
            director: director.clone(),
            vrrp: vrrp.status_reader(),
            router_id: config.global.router_id.map_or_else(host_name, Ok)?,
            config_file: arguments.config.clone(),
            started: Instant::now(),
            last_reload: Mutex::new(None),
        });
        Ok(Self {
            config_path: arguments.config.clone(),
            global,
            director,
            director_thread,
            maintenance,
            vrrp,
            reporter,
        })
    }

    /// Takes the new definitions, if the file is right; otherwise nothing changes.
    async fn reload(&self) {
        notify(&[
            NotifyState::Reloading,
            NotifyState::monotonic_usec_now().unwrap_or(NotifyState::Reloading),
        ]);
        let path = self.config_path.clone();
        let loaded = tokio::task::spawn_blocking(move || load(&path)).await;
        let error = match loaded.map_err(anyhow::Error::from).and_then(|result| result) {
            Ok(config) => {
                tracing::info!("reload: {} is valid", self.config_path.display());
                let fixed = |global: &Global| {
                    let Global { router_id, control_socket, state_dir, .. } = global.clone();
                    (router_id, control_socket, state_dir)
                };
                if fixed(&config.global) != fixed(&self.global) {
                    tracing::warn!(
                        "reload: router_id, control_socket and state_dir take effect at the next \
                         start"
                    );
                }
                // The director is gone only when lvsd stops.
                let _ = self.director.send(Message::Define(config.virtual_servers, config.ipvs));
                self.vrrp.reload(config.vrrp_instances);
                // The watching task is gone only when lvsd stops.
                let _ = self.maintenance.send(config.global.maintenance_dir);
                None
            }
            Err(error) => {
                tracing::error!("reload: nothing changes: {error:#}");
                Some(format!("{error:#}"))
            }
        };
        self.reporter.reloaded(error);
        notify(&[NotifyState::Ready]);
    }

    /// Addresses first, so that the other director takes over while the rest ends.
    async fn stop(self) {
        self.vrrp.stop();
        let (done, stopped) = oneshot::channel();
        if self.director.send(Message::Stop(done)).is_ok() {
            // An error means that the thread has ended.
            let _ = stopped.await;
        }
        if self.director_thread.join().is_err() {
            tracing::error!("the director's thread had panicked");
        }
    }
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

    /// Reloads on SIGHUP; returns on SIGTERM and SIGINT.
    async fn serve(mut self, daemon: &Daemon) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => {
                    // A file system that hangs must not hold up a stop.
                    tokio::select! {
                        () = daemon.reload() => {}
                        _ = self.terminate.recv() => return,
                        _ = self.interrupt.recv() => return,
                    }
                }
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.user_1.recv() => tracing::info!("SIGUSR1: `lvsctl status` shows the state"),
                _ = self.user_2.recv() => tracing::info!("SIGUSR2: `lvsctl status` shows the state"),
            }
        }
    }
}

fn load(path: &Path) -> anyhow::Result<Config> {
    config::load(path).map_err(|errors| anyhow!("{errors}"))
}

fn host_name() -> anyhow::Result<String> {
    let name = nix::unistd::gethostname().context("reading the host name")?;
    Ok(name.to_string_lossy().into_owned())
}

fn report_health(director: &Director, event: checkers::Event) {
    match event {
        checkers::Event::Transition(transition) => {
            let health = Health {
                state: transition.to,
                since: transition.at,
                why: transition.reason,
                advice: transition.outcome.advice,
            };
            // The director is gone only when lvsd stops.
            let monitor = Box::new(Monitor::clone(&transition.monitor));
            let _ = director.send(Message::Health(monitor, health));
        }
        checkers::Event::LocalTrouble { monitor, text, .. } => tracing::warn!(
            "check {} of {}: {text}; the server's state stays",
            monitor.check.kind.name(),
            monitor.target
        ),
    }
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

/// systemd may not be there; then nobody misses the message.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("telling systemd: {error}");
    }
}
