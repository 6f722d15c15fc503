//! What an operator sees of an instance.

use std::collections::BTreeMap;
use std::time::Instant;

use super::{Instance, Master};
use crate::event::State;
use crate::packet::DropCause;
use crate::spec::VirtualAddress;
use crate::track::TrackStatus;

/// What an operator sees of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceStatus {
    /// Name in the configuration.
    pub name: String,
    /// Interface of the adverts.
    pub interface: String,
    /// Virtual router identifier.
    pub vrid: u8,
    /// Own priority, as it is now.
    pub priority: u8,
    /// How it comes about: `130 = 150 - 20 (script nginx: exit status 1)`.
    pub arithmetic: String,
    /// What it depends on.
    pub tracked: Vec<TrackStatus>,
    /// Name of the sync group.
    pub group: Option<String>,
    /// State.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// Why, in words.
    pub reason: String,
    /// The master: this director itself, or the one last heard.
    pub master: Option<Master>,
    /// The virtual addresses.
    pub addresses: Vec<AddressStatus>,
    /// The routes and rules.
    pub routing: Vec<RoutingStatus>,
    /// What should not be, in words.
    pub troubles: Vec<String>,
    /// Counters by name.
    pub counters: Vec<(String, u64)>,
}

/// A virtual address as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressStatus {
    /// The address.
    pub address: VirtualAddress,
    /// Whether it is on its interface. The instance only knows whether it should be; who knows the
    /// interface corrects it.
    pub held: bool,
}

/// A route or a rule as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutingStatus {
    /// Which, in words: `route 10.1.0.0/16 via 192.0.2.1`.
    pub what: String,
    /// Whether it is in the kernel; corrected as [`AddressStatus::held`] is.
    pub held: bool,
}

/// Packets and events since the instance was made.
#[derive(Debug, Clone, Default)]
pub(super) struct Counters {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) became_master: u64,
    pub(super) rivals: u64,
    pub(super) put_back: u64,
    pub(super) routing_put_back: u64,
    pub(super) received_over_paths: u64,
    pub(super) troubles: u64,
    pub(super) dropped: BTreeMap<DropCause, u64>,
}

impl Instance {
    /// What an operator sees.
    pub fn status(&self) -> InstanceStatus {
        let counters = &self.counters;
        let mut named = vec![
            ("adverts sent".to_owned(), counters.sent),
            ("adverts received".to_owned(), counters.received),
            ("became master".to_owned(), counters.became_master),
            ("two masters".to_owned(), counters.rivals),
            ("addresses put back".to_owned(), counters.put_back),
            ("routes and rules put back".to_owned(), counters.routing_put_back),
            ("adverts received over heartbeats".to_owned(), counters.received_over_paths),
            ("troubles".to_owned(), counters.troubles),
        ];
        for cause in DropCause::ALL {
            let count = counters.dropped.get(&cause).copied().unwrap_or(0);
            named.push((format!("dropped: {cause}"), count));
        }
        let held = self.state == State::Master;
        let addresses = self.spec.all_addresses().cloned();
        let addresses = addresses.map(|address| AddressStatus { address, held });
        InstanceStatus {
            name: self.spec.name.clone(),
            interface: self.spec.interface.clone(),
            vrid: self.spec.vrid.get(),
            priority: self.priority().get(),
            arithmetic: self.arithmetic(),
            tracked: self.tracker.status(&self.spec.track),
            group: self.spec.group.clone(),
            state: self.state,
            since: self.since,
            reason: match (self.state, self.master, &self.wants) {
                (State::Backup, _, Some(wants)) => format!("{wants}, but its group waits"),
                (State::Backup, Some(Master { address, priority }), None) => {
                    format!("{address} is master with priority {priority}")
                }
                _ => self.reason.clone(),
            },
            master: self.master,
            addresses: addresses.collect(),
            routing: self.spec.routing.words().map(|what| RoutingStatus { what, held }).collect(),
            troubles: self.troubles(),
            counters: named,
        }
    }

    fn troubles(&self) -> Vec<String> {
        let rival = self.rival.map(|rival| format!("{rival} claims to be master too"));
        let episodes = self.episodes.iter().filter(|trouble| trouble.is_warning());
        let episodes = episodes.map(ToString::to_string);
        rival.into_iter().chain(episodes).chain(self.path_troubles()).collect()
    }
}
