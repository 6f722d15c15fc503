//! Changed settings of a running instance.

use std::time::Instant;

use super::{Instance, Output, with_an_interval};
use crate::event::State;
use crate::group::Hold;
use crate::spec::{InstanceSpec, VirtualAddress};
use crate::timer::Timer;
use crate::trouble::{Subject, Trouble};

impl Instance {
    pub(super) fn reconfigure(&mut self, spec: InstanceSpec, now: Instant) {
        self.revision = self.revision.wrapping_add(1);
        let old = std::mem::replace(&mut self.spec, with_an_interval(spec));
        self.tracker.keep(&self.spec.track);
        self.keep_paths();
        if old.group != self.spec.group {
            self.is_led = false;
            self.hold = Hold::until_its_group_agrees(self.spec.group.as_deref());
        }
        let own = self.spec.advert_interval;
        let is_equal =
            |one: &Trouble| matches!(one, Trouble::OtherInterval { theirs, .. } if *theirs == own);
        if self.episodes.iter().any(is_equal) {
            self.close(&Subject::OtherInterval);
        }
        self.review(now);
        let wants = self.wants.clone().filter(|_| self.spec.group.is_none());
        match self.state {
            State::Initialize | State::Fault => {}
            _ if self.is_owner() && self.state == State::Backup => {
                self.take_over("owner of the addresses".to_owned(), now);
            }
            State::Backup if let Some(wants) = wants => self.become_master(wants, now),
            State::Backup => {
                // What was learnt from a live master stays true, and a reload must not put off
                // the moment at which a dead one is noticed.
                if self.master.is_none() || old.version != self.spec.version {
                    self.master_interval = self.spec.advert_interval;
                }
                let at = now + self.master_down_interval();
                let at = self.timers.get(Timer::MasterDown).map_or(at, |before| before.min(at));
                self.timers.set(Timer::MasterDown, at);
                self.plan_probe();
            }
            State::Master => {
                let missing = |from: &InstanceSpec, of: &InstanceSpec| -> Vec<VirtualAddress> {
                    let has =
                        |address: &&VirtualAddress| from.all_addresses().any(|a| a == *address);
                    of.all_addresses().filter(|address| !has(address)).cloned().collect()
                };
                let gone = missing(&self.spec, &old);
                let new = missing(&old, &self.spec);
                self.remove_routing(old.routing.without(&self.spec.routing));
                if !gone.is_empty() {
                    self.outputs.push_back(Output::RemoveAddresses(gone));
                }
                self.send_advert(self.priority().get());
                self.timers.set(Timer::Advert, now + self.spec.advert_interval.duration());
                if !new.is_empty() {
                    self.outputs.push_back(Output::AddAddresses(new.clone()));
                }
                self.add_routing(self.spec.routing.without(&old.routing));
                if !new.is_empty() {
                    self.outputs.push_back(Output::Announce(new));
                }
                self.timers.stop(Timer::Refresh);
                if !self.spec.announce.refresh.is_zero() {
                    self.timers.set(Timer::Refresh, now + self.spec.announce.refresh);
                }
                self.master = self.source.map(|source| self.myself(source));
            }
        }
    }
}
