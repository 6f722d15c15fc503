//! Puts definitions in force: at a reload, when the operator applies them, and when a trial ends.
//!
//! It runs in the main task, beside the signals, so that a trial ends in time whoever has gone
//! away, and nothing here waits for a disk or for an answer.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use api::PlannedInstance;
use config::{Config, Global};
use tokio::sync::{oneshot, watch};

use crate::accept;
use crate::director::{Director, Message, PlanAnswer};
use crate::instances;
use crate::kept::{Keeping, Loaded};
use crate::notify::Notifier;
use crate::run::load;
use crate::track::Trackers;
use crate::trial::{Event, InForce, Input, Origin, Output, Rollback};

/// What the API asks of the main task.
#[derive(Debug)]
pub(crate) enum Request {
    /// What would these change?
    Plan(Box<Config>, PlanAnswer, oneshot::Sender<Vec<PlannedInstance>>),
    /// Put these in force.
    Apply(Box<Apply>, oneshot::Sender<Applied>),
    /// Keep what is on trial; asked by this user.
    Confirm(String, oneshot::Sender<Result<TrialEnd, String>>),
    /// End the trial; asked by this user.
    RollBack(String, oneshot::Sender<Result<TrialEnd, String>>),
}

/// Definitions that an operator applies.
#[derive(Debug)]
pub(crate) struct Apply {
    pub(crate) config: Loaded,
    pub(crate) file: PathBuf,
    pub(crate) by: String,
    pub(crate) confirm: Option<Duration>,
    /// Where the plan goes that is carried out.
    pub(crate) plan: PlanAnswer,
}

/// Definitions are in force.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) instances: Vec<PlannedInstance>,
    /// On trial until then.
    pub(crate) until: Option<Instant>,
    pub(crate) notes: Vec<String>,
}

/// A trial has ended.
#[derive(Debug)]
pub(crate) struct TrialEnd {
    /// In force now.
    pub(crate) file: PathBuf,
    pub(crate) notes: Vec<String>,
}

/// What the status shows of all this.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) origin: Origin,
    /// On trial until then.
    pub(crate) until: Option<Instant>,
    pub(crate) rollback: Option<Rollback>,
    /// Whether that was the configuration file of the command line.
    pub(crate) own_file: bool,
    pub(crate) last_reload: Option<Reload>,
}

/// The last reload.
#[derive(Debug, Clone)]
pub(crate) struct Reload {
    pub(crate) at: Instant,
    pub(crate) error: Option<String>,
}

/// Holds the definitions in force, and whatever they go to.
#[derive(Debug)]
pub(crate) struct Keeper {
    in_force: InForce<Loaded>,
    keeping: Keeping,
    /// The configuration file of the command line.
    own_file: PathBuf,
    /// As it was at the start.
    global: Global,
    shown: watch::Sender<Shown>,
    director: Director,
    vrrp: vrrp::shell::Handle,
    trackers: Trackers,
    notifier: Notifier,
    maintenance: watch::Sender<Option<PathBuf>>,
    accept: accept::Setter,
}

impl Keeper {
    /// These are in force already, but for what is tracked.
    pub(crate) fn new(
        (in_force, keeping): (InForce<Loaded>, Keeping),
        own_file: &Path,
        director: Director,
        vrrp: vrrp::shell::Handle,
        notifier: Notifier,
        maintenance: watch::Sender<Option<PathBuf>>,
        accept: accept::Setter,
    ) -> Self {
        let mut trackers = Trackers::new(vrrp.track_writer());
        trackers.set(&in_force.config().config);
        // An operator names it from another directory.
        let own_file = std::path::absolute(own_file).unwrap_or_else(|_| own_file.to_owned());
        let global = in_force.config().config.global.clone();
        keeping.keep(&in_force);
        let (origin, until) = (in_force.origin().clone(), in_force.poll_timeout());
        let shown = Shown { origin, until, rollback: None, own_file: false, last_reload: None };
        let shown = watch::Sender::new(shown);
        Self {
            in_force,
            keeping,
            own_file,
            global,
            shown,
            director,
            vrrp,
            trackers,
            notifier,
            maintenance,
            accept,
        }
    }

    /// What the status shows.
    pub(crate) fn shown(&self) -> watch::Receiver<Shown> {
        self.shown.subscribe()
    }

    /// The configuration file of the command line.
    pub(crate) fn own_file(&self) -> &Path {
        &self.own_file
    }

    /// When [`Self::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.in_force.poll_timeout()
    }

    /// Ends a trial whose time is up.
    pub(crate) fn handle_timeout(&mut self) {
        self.in_force.handle_timeout(Instant::now());
        self.carry_out(None);
    }

    /// Whether a reload would be refused now.
    pub(crate) fn may_reload(&self) -> anyhow::Result<()> {
        Ok(self.in_force.may_reload(Instant::now())?)
    }

    /// Takes the definitions of the configuration file, or the error that it has.
    pub(crate) fn reload(&mut self, loaded: anyhow::Result<Loaded>) {
        let taken = loaded.and_then(|config| {
            tracing::info!("reload: {} is valid", self.own_file.display());
            if let Some(note) = self.takes_a_restart(&config.config.global) {
                tracing::warn!("reload: {note}");
            }
            let input = Input::Reload { config, file: self.own_file.clone() };
            Ok(self.in_force.handle(input, Instant::now())?)
        });
        let error = taken.err().map(|error| {
            tracing::error!("reload: nothing changes: {error:#}");
            format!("{error:#}")
        });
        let reload = Reload { at: Instant::now(), error };
        self.shown.send_modify(|shown| shown.last_reload = Some(reload));
        self.carry_out(None);
    }

    /// This worker goes on with what the one before it had in force. Tells where the file says
    /// something else by now.
    pub(crate) fn look_at_own_file(&self) {
        let (file, shown) = (self.own_file.clone(), self.shown.clone());
        let runs = self.is_own(&self.in_force.origin().file);
        let runs = runs.then(|| self.in_force.config().clone());
        tokio::spawn(async move {
            let path = file.clone();
            // A file system may hang.
            let loaded = tokio::task::spawn_blocking(move || load(&path)).await;
            let file = file.display();
            match loaded.map_err(anyhow::Error::from).and_then(|loaded| loaded) {
                Ok(loaded) if runs.is_some_and(|runs| !runs.has_texts_of(&loaded)) => {
                    tracing::warn!(
                        "{file} has changed: what ran before this worker goes on until a reload"
                    );
                }
                Ok(_) => {}
                Err(error) => {
                    let words = "what ran before this worker goes on; a reload, or the next start \
                                 of lvsd, would fail";
                    tracing::error!("{words}: {error:#}");
                    let error = Some(format!("{words}: {error:#}"));
                    let reload = Reload { at: Instant::now(), error };
                    shown.send_modify(|shown| {
                        shown.last_reload.get_or_insert(reload);
                    });
                }
            }
        });
    }

    /// Does what the API asks. Who asked may have gone away since; then nobody misses the answer.
    pub(crate) fn request(&mut self, request: Request) {
        match request {
            Request::Plan(config, plan, answer) => {
                let _ = answer.send(self.compare(&config));
                let message = Message::Plan(config.virtual_servers, config.ipvs, plan);
                // The director is gone only when lvsd stops.
                let _ = self.director.send(message);
            }
            Request::Apply(apply, answer) => {
                let Apply { config, file, by, confirm, plan } = *apply;
                let instances = self.compare(&config.config);
                let notes = self.apply_notes(&config.config, &file, confirm);
                let input = Input::Apply { config, file, by, confirm };
                // Nothing forbids it.
                if self.in_force.handle(input, Instant::now()).is_ok() {
                    self.carry_out(Some(plan));
                    let until = self.in_force.poll_timeout();
                    let _ = answer.send(Applied { instances, until, notes });
                }
            }
            Request::Confirm(by, answer) => self.end_trial(Input::Confirm(by), answer),
            Request::RollBack(by, answer) => self.end_trial(Input::RollBack(by), answer),
        }
    }

    /// Gives up the virtual addresses, so that the other director takes over.
    pub(crate) fn stop(self) {
        if self.in_force.poll_timeout().is_some() {
            tracing::warn!(
                "{} is on trial: the next start loads {}",
                self.in_force.origin().file.display(),
                self.own_file.display()
            );
        }
        self.vrrp.stop();
    }

    /// Leaves the virtual addresses to the next worker.
    pub(crate) fn hand_over(self) {
        self.vrrp.hand_over();
    }

    fn end_trial(
        &mut self,
        input: Input<Loaded>,
        answer: oneshot::Sender<Result<TrialEnd, String>>,
    ) {
        let tried = self.in_force.origin().file.clone();
        let done = self.in_force.handle(input, Instant::now());
        self.carry_out(None);
        let file = self.in_force.origin().file.clone();
        let end = done.map_err(|refusal| refusal.to_string()).map(|()| {
            let notes = self.trial_notes(&tried, &file);
            TrialEnd { file, notes }
        });
        let _ = answer.send(end);
    }

    /// The particulars of a plan go to `plan` when definitions are put in force.
    fn carry_out(&mut self, mut plan: Option<PlanAnswer>) {
        let mut changes = false;
        while let Some(output) = self.in_force.poll_output() {
            changes = true;
            match output {
                Output::PutInForce(Loaded { config, .. }) => {
                    self.notifier.set(&config);
                    self.accept.set(&config);
                    self.vrrp.reload(config.vrrp_instances.clone());
                    self.trackers.set(&config);
                    // The director is gone only when lvsd stops.
                    let _ = self.director.send(Message::Define(
                        config.virtual_servers,
                        config.ipvs,
                        config.checks,
                        plan.take(),
                    ));
                    // The watching task is gone only when lvsd stops.
                    let _ = self.maintenance.send(config.global.maintenance_dir);
                }
                Output::Event(event) => log(&event),
            }
        }
        if changes {
            self.keeping.keep(&self.in_force);
        }
        self.shown.send_modify(|shown| {
            shown.origin = self.in_force.origin().clone();
            shown.until = self.in_force.poll_timeout();
            shown.rollback = self.in_force.rollback().cloned();
            shown.own_file = shown.rollback.as_ref().is_some_and(|one| self.is_own(&one.file));
        });
    }

    fn compare(&self, config: &Config) -> Vec<PlannedInstance> {
        instances::compare(&self.in_force.config().config.vrrp_instances, &config.vrrp_instances)
    }

    fn takes_a_restart(&self, new: &Global) -> Option<String> {
        let fixed = |global: &Global| {
            let Global { router_id, control_socket, state_dir, .. } = global.clone();
            (router_id, control_socket, state_dir)
        };
        (fixed(new) != fixed(&self.global)).then(|| {
            "router_id, control_socket and state_dir take effect at the next start".to_owned()
        })
    }

    fn apply_notes(&self, config: &Config, file: &Path, confirm: Option<Duration>) -> Vec<String> {
        let mut notes: Vec<String> = self.takes_a_restart(&config.global).into_iter().collect();
        let own = self.own_file.display();
        match (self.is_own(file), confirm) {
            (true, Some(_)) => notes.push(format!(
                "{own} is lvsd's own configuration file: a start of lvsd loads it, confirmed or not"
            )),
            (true, None) => {}
            (false, _) => notes.push(self.not_own()),
        }
        notes
    }

    fn trial_notes(&self, tried: &Path, in_force: &Path) -> Vec<String> {
        let mut notes = Vec::new();
        if tried != in_force && self.is_own(tried) {
            notes.push(format!(
                "{} still says what was rolled back: mend it before the next reload or start",
                tried.display()
            ));
        }
        if !self.is_own(in_force) {
            notes.push(self.not_own());
        }
        notes
    }

    fn not_own(&self) -> String {
        let own = self.own_file.display();
        format!(
            "lvsd's own configuration file, {own}, is another file and is not rewritten: a reload \
             or start of lvsd loads that one"
        )
    }

    /// Whether this is the configuration file of the command line, under any of its names.
    fn is_own(&self, file: &Path) -> bool {
        let same = || Some(file.canonicalize().ok()? == self.own_file.canonicalize().ok()?);
        file == self.own_file || same() == Some(true)
    }
}

fn log(event: &Event) {
    match event {
        Event::Applied { file, by, confirm: None } => {
            tracing::info!("{} applied by {by}", file.display());
        }
        Event::Applied { file, by, confirm: Some(time) } => tracing::warn!(
            "{} applied by {by}, on trial for {}: `lvsctl confirm` keeps it",
            file.display(),
            humantime::format_duration(*time)
        ),
        Event::Confirmed { file, by } => {
            tracing::info!("{} confirmed by {by}: in force for good", file.display());
        }
        Event::RolledBack(Rollback { file, why, .. }) => tracing::warn!(
            "{} rolled back, {why}: the definitions before it are in force again",
            file.display()
        ),
    }
}
