//! What the engine is told, what it has done, and what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use checkers::{Monitor, Start};
use config::{Script, VirtualServer};
use ipvs::ServiceKey;

use super::Settings;
use crate::drain::Leaving;
use crate::operator::{Action, Override, ServerName};
use crate::plan::Step;
use crate::standing::Snapshot;
use crate::wanted::Health;

/// What the engine is told.
#[derive(Debug)]
pub enum Input {
    /// What the kernel holds, or why it could not be read: answer to [`Output::ReadTable`].
    Table(Result<Snapshot, String>),
    /// What became of each step of [`Output::Apply`], in order.
    Applied(Vec<(Step, Result<(), String>)>),
    /// Monitors changed their states; those that did at about the same time together, because
    /// each input makes a plan of the whole table.
    Health(Vec<(Monitor, Health)>),
    /// A VRRP instance is master now, or is not.
    Role {
        /// Name of the instance.
        instance: String,
        /// Whether it is master.
        master: bool,
    },
    /// New definitions.
    Define(Vec<VirtualServer>, Settings),
    /// The operator asks something of a server.
    Override(Override),
    /// The operator takes back what was asked of a server.
    Clear(ServerName),
    /// The servers that are named in the maintenance directory: they are drained.
    Maintenance(BTreeSet<ServerName>),
    /// lvsd stops: nothing is watched any more; the table stays unless `on_stop = "remove"`.
    Stop,
}

/// What the shell has to do.
#[derive(Debug, Clone)]
pub enum Output {
    /// Read the kernel's table and hand it in.
    ReadTable,
    /// Carry out these steps in order, each whether or not one before it failed, and hand in what
    /// became of them. They are one stage of a plan: steps that depend on these follow after that.
    Apply(Vec<Step>),
    /// Watch exactly these monitors. A monitor that is watched already keeps its state.
    Watch(Vec<(Monitor, Start)>),
    /// Keep this across restarts: the services that lvsd may remove, and whether it may stop the
    /// sync daemons.
    SaveOwned(BTreeSet<ServiceKey>, bool),
    /// Keep across restarts: the operator's wishes, the servers that are still leaving, and since
    /// when the files in the maintenance directory are known.
    SaveWishes(Vec<Override>, Vec<Leaving>, BTreeMap<ServerName, Instant>),
    /// Run a script of the definitions; nothing waits for its end.
    Run {
        /// The script.
        script: Script,
        /// Its environment: names and values.
        environment: Vec<(&'static str, String)>,
    },
    /// Something to log.
    Event(Event),
}

/// Something to log.
#[derive(Debug, Clone)]
pub enum Event {
    /// The table was read for the first time.
    Adopted {
        /// Services that were there and are defined.
        managed: usize,
        /// Services that were there and are not defined.
        unmanaged: usize,
    },
    /// A step was carried out.
    Done(Step),
    /// A step failed. It is tried again.
    Failed(Step, String),
    /// A step was not done: what was to come in its place could not be brought in, and its service
    /// would have been left without a server. It is planned again.
    Held(Step),
    /// The table could not be read. It is tried again.
    Unreadable(String),
    /// A wish of the operator's has come into force.
    Overridden(Override),
    /// A wish of the operator's is over: its time is up.
    Expired(Override),
    /// The operator took back what was asked of a server.
    Cleared(ServerName),
    /// A virtual server has its quorum, or has lost it.
    Quorum {
        /// Its name.
        name: String,
        /// Whether it has it.
        up: bool,
        /// The live weight against the quorum, in words.
        words: String,
    },
    /// The panic policy of a virtual server came into force, or is no longer.
    Panic {
        /// Its name.
        name: String,
        /// Why it is in force; `None` when it no longer is.
        reason: Option<String>,
    },
}

/// What an earlier run has kept.
#[derive(Debug, Default)]
pub struct Kept {
    /// As [`Output::SaveOwned`] gave it.
    pub owned: BTreeSet<ServiceKey>,
    /// As [`Output::SaveOwned`] gave it.
    pub owns_daemons: bool,
    /// As [`Output::SaveWishes`] gave it.
    pub overrides: Vec<Override>,
    /// As [`Output::SaveWishes`] gave it.
    pub leaving: Vec<Leaving>,
    /// As [`Output::SaveWishes`] gave it.
    pub maintenance_since: BTreeMap<ServerName, Instant>,
    /// What the maintenance directory holds already.
    pub maintenance: BTreeSet<ServerName>,
}

impl Kept {
    /// The moments were kept by the wall clock. Where that has been set back since, they lie
    /// ahead: what was asked in the future was asked now, and no drain gets longer than it was.
    pub(super) fn seen_from(mut self, virtual_servers: &[VirtualServer], now: Instant) -> Self {
        for wish in &mut self.overrides {
            let ahead = wish.since.saturating_duration_since(now);
            wish.since -= ahead;
            wish.until = wish.until.map(|until| until - ahead);
            if let Action::Drain { deadline: Some(deadline) } = &mut wish.action {
                *deadline -= ahead;
            }
        }
        for one in &mut self.leaving {
            let service = virtual_servers.iter().find(|v| v.keys.contains(&one.service));
            let drain = service.map_or(one.policy, |service| service.drain);
            one.deadline = one.deadline.min(now + drain.deadline);
        }
        let known = std::mem::take(&mut self.maintenance_since);
        let since = |name: &ServerName| known.get(name).map_or(now, |since| now.min(*since));
        let files = self.maintenance.iter();
        self.maintenance_since = files.map(|name| (name.clone(), since(name))).collect();
        self
    }
}
