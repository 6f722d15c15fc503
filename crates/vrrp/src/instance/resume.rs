//! From one process to the next: where the instance stands, and how it goes on there.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use super::{Instance, Master};
use crate::event::State;
use crate::spec::{Centiseconds, Heartbeat};
use crate::standing::{HeldAddress, Holding, Packet, Role, Standing};
use crate::timer::Timer;

/// What a [`Standing`] depends on, to see cheaply whether there is a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vitals {
    state: State,
    source: Option<IpAddr>,
    master: Option<Master>,
    interval: Centiseconds,
    revision: u32,
}

impl Instance {
    pub(crate) fn vitals(&self) -> Vitals {
        Vitals {
            state: self.state,
            source: self.source,
            master: self.master,
            interval: self.master_interval,
            revision: self.revision,
        }
    }

    /// Where it stands. What was raised for it the shell knows.
    pub fn standing(&self) -> Standing {
        Standing {
            instance: self.spec.name.clone(),
            interface: self.spec.interface.clone(),
            vrid: self.spec.vrid.get(),
            conditions: self.tracker.conditions(),
            raised: BTreeMap::new(),
            role: match self.state {
                State::Initialize | State::Fault => Role::None,
                State::Backup => {
                    Role::Backup { master: self.master, interval: self.master_interval }
                }
                State::Master => Role::Master(self.holding()),
            },
        }
    }

    fn holding(&self) -> Holding {
        let packets = |priority| {
            let packet = |(source, destination, payload)| Packet {
                interface: self.spec.advert_interface().to_owned(),
                source,
                destination,
                payload,
            };
            let over_path = |(path, source, payload): (Heartbeat, _, _)| Packet {
                interface: path.interface,
                source,
                destination: path.peer,
                payload,
            };
            let over_paths = self.path_adverts(priority).into_iter().map(over_path);
            self.adverts(priority).into_iter().map(packet).chain(over_paths).collect()
        };
        Holding {
            addresses: self.spec.all_addresses().map(HeldAddress::from).collect(),
            routing: self.spec.routing.clone(),
            vmac: self.spec.vmac.clone(),
            interval: self.spec.advert_interval,
            adverts: packets(self.priority().get()),
            farewells: packets(0),
        }
    }

    pub(super) fn will_resume(&mut self, standing: Standing) {
        if self.state == State::Initialize {
            for (thing, condition) in standing.conditions {
                self.tracker.set(thing, condition);
            }
            self.tracker.keep(&self.spec.track);
            self.timers.stop(Timer::Start);
            self.resumes = Some(standing.role);
        }
    }

    /// Goes on: a master at once, with its addresses where they are. If another one has taken over
    /// meanwhile, the rules for two masters decide. What it tracks stands as it stood, until there
    /// are new results; so does its group.
    pub(super) fn resume(&mut self, now: Instant) {
        let reason = "goes on after a restart of the worker".to_owned();
        match self.resumes.take() {
            Some(Role::Master(_)) => self.become_master(reason, now),
            Some(Role::Backup { master, interval }) if !self.is_owner() => {
                self.remove_leftovers();
                self.master = master;
                self.master_interval = interval;
                self.become_backup(reason, now);
            }
            _ => {
                self.remove_leftovers();
                self.review(now);
            }
        }
    }
}
