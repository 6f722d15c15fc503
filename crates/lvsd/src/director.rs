//! The one thread that writes the kernel's table.
//!
//! Check results, reloads and questions come in over one channel; the engine decides; this thread
//! carries its outputs out, one after the other.

use std::collections::BTreeSet;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use checkers::{Limits, Monitor, MonitorStatus, Statistics, Trouble};
use config::VirtualServer;
use engine::{
    Engine, Event, Health, Input, Output, Override, Preview, ServerName, Settings, Snapshot, Step,
    View,
};
use ipvs::{Client, Table};
use tokio::sync::oneshot;
use vrrp::shell::TrackWriter;
use vrrp::{Condition, Thing};

use crate::owned::Owned;
use crate::saver::Saver;
use crate::wishes::Wishes;
use crate::{reply, script};

/// What the director is told and asked.
#[derive(Debug)]
pub(crate) enum Message {
    /// A monitor changed its state.
    Health(Box<Monitor>, Health),
    /// New definitions; the plan that is carried out goes to who asks for it.
    Define(Vec<VirtualServer>, Settings, Limits, Option<PlanAnswer>),
    /// What would new definitions do?
    Plan(Vec<VirtualServer>, Settings, PlanAnswer),
    /// What does an operator see?
    View(oneshot::Sender<Sight>),
    /// A VRRP instance is master now, or is not.
    Role(String, bool),
    /// The operator asks something of a server.
    Override(Override, Answer),
    /// The operator takes back what was asked of a server.
    Clear(ServerName, Answer),
    /// The names of the files in the maintenance directory.
    Maintenance(BTreeSet<ServerName>),
    /// What do the checks find, in particular?
    Checks(oneshot::Sender<(Sight, Vec<MonitorStatus>)>),
    /// Stop, and answer when the table is as it is to be left.
    Stop(oneshot::Sender<()>),
    /// End with the table as it is, and answer then: another worker goes on.
    HandOver(oneshot::Sender<()>),
}

/// What definitions do, or why that cannot be told.
pub(crate) type PlanAnswer = oneshot::Sender<Result<Preview, String>>;

/// What became of a wish, or why nothing did.
pub(crate) type Answer = oneshot::Sender<Result<engine::Answer, String>>;

/// What an operator sees.
#[derive(Debug)]
pub(crate) struct Sight {
    pub(crate) view: View,
    pub(crate) ipvs_error: Option<String>,
    pub(crate) statistics: Statistics,
    pub(crate) troubles: Vec<Trouble>,
}

/// The director's channel.
pub(crate) type Director = mpsc::Sender<Message>;

/// Everything that the thread owns.
pub(crate) struct Parts {
    pub(crate) engine: Engine,
    /// `None` where the kernel has no IPVS and nothing needed it so far.
    pub(crate) client: Option<Client>,
    pub(crate) checkers: checkers::runner::Handle,
    pub(crate) saver: Saver,
    /// Whom the quorums concern too.
    pub(crate) tracks: TrackWriter,
    /// Where scripts run.
    pub(crate) runtime: tokio::runtime::Handle,
}

/// Starts the thread. It ends after [`Message::Stop`] and
/// [`Message::HandOver`].
pub(crate) fn spawn(
    parts: Parts,
    messages: mpsc::Receiver<Message>,
) -> anyhow::Result<thread::JoinHandle<()>> {
    thread::Builder::new()
        .name("director".to_owned())
        .spawn(move || parts.run(&messages))
        .context("starting the director's thread")
}

impl Parts {
    fn run(mut self, messages: &mpsc::Receiver<Message>) {
        loop {
            let now = Instant::now();
            self.engine.handle_timeout(now);
            self.drain();
            let wait = self.engine.poll_timeout().saturating_duration_since(Instant::now());
            let mut next = match messages.recv_timeout(wait) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // What has come in meanwhile is decided about together: many servers may fail at once.
            let mut changes = Vec::new();
            while let Some(Message::Health(monitor, health)) = next {
                changes.push((*monitor, health));
                next = messages.try_recv().ok();
            }
            if !changes.is_empty() {
                self.input(Input::Health(changes));
            }
            match next {
                Some(Message::Stop(done)) => {
                    self.input(Input::Stop);
                    self.saver.finish();
                    // Nobody waits for the answer only when lvsd is going down anyway.
                    let _ = done.send(());
                    return;
                }
                Some(Message::HandOver(done)) => {
                    // The next worker reads it.
                    self.saver.finish();
                    // As above.
                    let _ = done.send(());
                    return;
                }
                Some(message) => self.message(message),
                None => {}
            }
        }
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::Role(instance, master) => self.input(Input::Role { instance, master }),
            Message::Maintenance(servers) => self.input(Input::Maintenance(servers)),
            Message::Override(wish, answer) => {
                // Who asked may have gone away since, here and below; then nobody misses it.
                let _ = answer.send(self.ask_for(wish));
            }
            Message::Clear(server, answer) => {
                let _ = answer.send(self.take_back(server));
            }
            Message::Checks(answer) => {
                let _ = answer.send((self.sight(), self.checkers.snapshot()));
            }
            Message::Define(servers, settings, limits, plan) => {
                if let Some(answer) = plan {
                    // What is told is then also what is done: definitions are compared with the
                    // table as it was last seen.
                    let snapshot = self.read_kernel(self.engine.needs_table());
                    self.input(Input::Table(snapshot));
                    let _ = answer.send(self.preview(servers.clone(), settings.clone()));
                }
                self.checkers.set_limits(limits);
                self.input(Input::Define(servers, settings));
            }
            Message::Plan(servers, settings, answer) => {
                let _ = answer.send(self.preview(servers, settings));
            }
            Message::View(answer) => {
                let _ = answer.send(self.sight());
            }
            Message::Health(..) | Message::Stop(_) | Message::HandOver(_) => {
                unreachable!("the loop takes them")
            }
        }
    }

    fn input(&mut self, input: Input) {
        self.engine.handle(input, Instant::now());
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::ReadTable => {
                    let snapshot = self.read_kernel(self.engine.needs_table());
                    self.engine.handle(Input::Table(snapshot), Instant::now());
                }
                Output::Apply(steps) => {
                    let results = self.apply(steps);
                    self.engine.handle(Input::Applied(results), Instant::now());
                }
                Output::Watch(monitors) => {
                    reply::let_in(monitors.iter().map(|(monitor, _)| monitor));
                    self.checkers.set(monitors);
                }
                Output::SaveOwned(services, sync_daemons) => {
                    self.saver.owned(Owned { services, sync_daemons });
                }
                Output::SaveWishes(overrides, leaving, maintenance_since) => {
                    self.saver.wishes(Wishes { overrides, leaving, maintenance_since });
                }
                Output::Run { script, environment } => {
                    let run = script::run_and_log(script, Vec::new(), environment, SCRIPT_TIMEOUT);
                    self.runtime.spawn(run);
                }
                Output::Event(event) => {
                    self.tell_vrrp(&event);
                    log(&event);
                }
            }
        }
    }

    fn preview(
        &mut self,
        servers: Vec<VirtualServer>,
        settings: Settings,
    ) -> Result<Preview, String> {
        let snapshot = self.read_kernel(!servers.is_empty())?;
        Ok(self.engine.preview(servers, settings, &snapshot, Instant::now()))
    }

    /// An instance may track the quorum of a virtual server.
    fn tell_vrrp(&self, event: &Event) {
        if let Event::Quorum { name, up, words } = event {
            let condition = match up {
                true => Condition::Works,
                false => Condition::Fails(format!("no quorum, {words}")),
            };
            self.tracks.set(Thing::VirtualServer(name.clone()), condition);
        }
    }

    /// The kernel's IPVS, opened when something needs it.
    fn client(&mut self, needed: bool) -> Result<Option<&mut Client>, ipvs::Error> {
        if self.client.is_none() && needed {
            self.client = Some(Client::open()?);
        }
        Ok(self.client.as_mut())
    }

    fn read_table(&mut self) -> Result<Table, ipvs::Error> {
        self.client(self.engine.needs_table())?.map_or_else(|| Ok(Table::default()), Client::table)
    }

    fn read_kernel(&mut self, needed: bool) -> Result<Snapshot, String> {
        let mut read = || -> Result<Snapshot, ipvs::Error> {
            let Some(client) = self.client(needed)? else { return Ok(Snapshot::default()) };
            Ok(Snapshot {
                table: client.table()?,
                timeouts: Some(client.timeouts()?),
                daemons: Some(client.daemons()?),
            })
        };
        read().map_err(|error| error.to_string())
    }

    fn apply(&mut self, steps: Vec<Step>) -> Vec<(Step, Result<(), String>)> {
        let Some(client) = &mut self.client else {
            let error = || Err("the kernel's IPVS is not open".to_owned());
            return steps.into_iter().map(|step| (step, error())).collect();
        };
        let results = client.execute(&steps);
        steps
            .into_iter()
            .zip(results)
            .map(|(step, result)| (step, result.map_err(|error| error.to_string())))
            .collect()
    }

    fn ask_for(&mut self, wish: Override) -> Result<engine::Answer, String> {
        let server = wish.server.clone();
        if self.engine.named(&server).next().is_none() {
            return Err(no_such(&server));
        }
        self.input(Input::Override(wish));
        Ok(self.engine.answer_override(&server))
    }

    fn take_back(&mut self, server: ServerName) -> Result<engine::Answer, String> {
        let taken: Vec<Override> = self.engine.taken_back_by(&server).cloned().collect();
        self.input(Input::Clear(server.clone()));
        self.engine.answer_clear(&server, &taken).ok_or_else(|| no_such(&server))
    }

    fn sight(&mut self) -> Sight {
        let (table, ipvs_error) = match self.read_table() {
            Ok(table) => (table, None),
            Err(error) => (Table::default(), Some(error.to_string())),
        };
        let view = self.engine.view(&table, Instant::now());
        let (statistics, troubles) = (self.checkers.statistics(), self.checkers.troubles());
        Sight { view, ipvs_error, statistics, troubles }
    }
}

fn no_such(server: &ServerName) -> String {
    format!("no virtual server has a real server {server}")
}

/// A script that takes longer is killed.
const SCRIPT_TIMEOUT: Duration = Duration::from_secs(60);

fn log(event: &Event) {
    match event {
        Event::Adopted { managed, unmanaged } => tracing::info!(
            "adopted the standing table: {managed} defined services, {unmanaged} unmanaged"
        ),
        Event::Done(Step { operation, reason, .. }) => tracing::info!("{operation}: {reason}"),
        Event::Failed(Step { reason, .. }, error) => {
            tracing::error!("{error} (wanted because: {reason}); it is tried again");
        }
        Event::Held(Step { operation, reason, .. }) => tracing::warn!(
            "{operation} is not done yet (wanted because: {reason}): what comes in its place was \
             refused, and the service would be empty"
        ),
        Event::Unreadable(error) => tracing::error!("{error}; it is tried again"),
        Event::Overridden(wish) => tracing::info!("real server {}: {wish}", wish.server),
        Event::Expired(wish) => tracing::info!("real server {}: no longer {wish}", wish.server),
        Event::Cleared(server) => tracing::info!("real server {server}: enabled by the operator"),
        Event::Quorum { name, up: true, words } => {
            tracing::info!("virtual server {name}: quorum reached, {words}");
        }
        Event::Quorum { name, up: false, words } => {
            tracing::warn!("virtual server {name}: quorum lost, {words}");
        }
        Event::Panic { name, reason: Some(reason) } => {
            tracing::error!("virtual server {name}: panic policy in force, {reason}");
        }
        Event::Panic { name, reason: None } => {
            tracing::info!("virtual server {name}: panic policy no longer in force");
        }
    }
}
