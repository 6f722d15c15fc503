//! Looks after the things that VRRP instances track, far from VRRP: it only gets the results.

mod file;
mod process;
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use config::{Config, TrackFile, TrackProcess, TrackScript};
use tokio::task::AbortHandle;
use tokio::time::{Interval, MissedTickBehavior};
use vrrp::shell::TrackWriter;
use vrrp::{Condition, Thing};

/// What there is to look after.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Definition {
    Script(TrackScript),
    File(TrackFile),
    Process(TrackProcess),
    /// The director tells its state.
    VirtualServer,
}

/// The tasks that look after tracked things.
#[derive(Debug)]
pub(crate) struct Trackers {
    writer: TrackWriter,
    running: BTreeMap<Thing, Running>,
}

/// It ends when dropped.
#[derive(Debug)]
struct Running {
    definition: Definition,
    task: Option<AbortHandle>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Trackers {
    pub(crate) fn new(writer: TrackWriter) -> Self {
        Self { writer, running: BTreeMap::new() }
    }

    /// Looks after what these definitions track; what was so before goes on as it is. Is to be
    /// called when VRRP has the definitions, in a tokio runtime.
    pub(crate) fn set(&mut self, config: &Config) {
        let wanted = wanted(config);
        let gone: Vec<Thing> =
            self.running.keys().filter(|thing| !wanted.contains_key(thing)).cloned().collect();
        for thing in gone {
            self.running.remove(&thing);
            self.writer.forget(thing);
        }
        for (thing, definition) in wanted {
            let same = |running: &Running| running.definition == definition;
            if !self.running.get(&thing).is_some_and(same) {
                // The old task ends before the new one starts.
                self.running.remove(&thing);
                let task = self.start(definition.clone(), thing.clone());
                self.running.insert(thing, Running { definition, task });
            }
        }
    }

    fn start(&self, definition: Definition, thing: Thing) -> Option<AbortHandle> {
        let teller = Teller { thing, writer: self.writer.clone(), said: None };
        let task = match definition {
            Definition::Script(script) => tokio::spawn(script::watch(script, teller)),
            Definition::File(file) => tokio::spawn(file::watch(file, teller)),
            Definition::Process(process) => tokio::spawn(process::watch(process, teller)),
            Definition::VirtualServer => return None,
        };
        Some(task.abort_handle())
    }
}

/// What runs, runs for somebody. Virtual servers are known whether tracked or not.
fn wanted(config: &Config) -> BTreeMap<Thing, Definition> {
    let tracks = config.vrrp_instances.iter().flat_map(|instance| &instance.track);
    let tracked: BTreeSet<&Thing> = tracks.map(|track| &track.thing).collect();
    let all = &config.tracked;
    let scripts = all
        .scripts
        .iter()
        .map(|script| (Thing::Script(script.name.clone()), Definition::Script(script.clone())));
    let files = all
        .files
        .iter()
        .map(|file| (Thing::File(file.name.clone()), Definition::File(file.clone())));
    let processes = all.processes.iter().map(|process| {
        (Thing::Process(process.name.clone()), Definition::Process(process.clone()))
    });
    let servers = config
        .virtual_servers
        .iter()
        .map(|server| (Thing::VirtualServer(server.name.clone()), Definition::VirtualServer));
    let watched = scripts.chain(files).chain(processes);
    watched.filter(|(thing, _)| tracked.contains(thing)).chain(servers).collect()
}

/// Tells VRRP of one thing, and the log of trouble with it.
#[derive(Debug)]
struct Teller {
    thing: Thing,
    writer: TrackWriter,
    /// The trouble that was last told.
    said: Option<String>,
}

impl Teller {
    fn tell(&mut self, condition: Condition) {
        if let Condition::Unclear(text) = &condition {
            self.trouble(text);
        } else {
            self.said = None;
        }
        self.writer.set(self.thing.clone(), condition);
    }

    /// Once while it is the same.
    fn trouble(&mut self, text: &str) {
        if self.said.as_deref() != Some(text) {
            tracing::warn!("tracked {}: {text}", self.thing);
            self.said = Some(text.to_owned());
        }
    }
}

/// The first tick is at once; a late one does not hurry the next ones.
fn every(interval: Duration) -> Interval {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
