//! Who else claims the addresses, and what is done about it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{Instance, Output};
use crate::event::{EventKind, State};
use crate::packet::Advert;
use crate::spec::{Centiseconds, OnSilentMaster};
use crate::timer::Timer;
use crate::trouble::{Subject, Trouble};

/// How often a master asks whether somebody else has its addresses.
const ASK: Duration = Duration::from_secs(30);

impl Instance {
    /// Asks who has the addresses shortly before a silent master's time is up, so that the answer
    /// is there by then.
    pub(super) fn plan_probe(&mut self) {
        if let Some(at) = self.timers.get(Timer::MasterDown) {
            let before = self.probe_before();
            self.timers.set(Timer::Probe, at.checked_sub(before).unwrap_or(at));
        }
    }

    pub(super) fn probe(&mut self, now: Instant) {
        let next = match self.state {
            State::Master => Some(now + ASK),
            // Its adverts do arrive; this director is better.
            State::Backup if self.hears_the_link(now) => return,
            State::Backup => None,
            State::Initialize | State::Fault => return,
        };
        self.answer = None;
        self.outputs.push_back(Output::Probe(self.spec.all_addresses().cloned().collect()));
        if let Some(next) = next {
            self.timers.set(Timer::Probe, next);
        }
    }

    /// A machine with this MAC address has answered for one of the addresses.
    pub(super) fn answered_for(&mut self, address: IpAddr, mac: [u8; 6], now: Instant) {
        if !self.spec.all_addresses().any(|own| own.address == address) {
            return;
        }
        match self.state {
            State::Backup => self.answer = Some((address, mac)),
            State::Master => {
                // Neighbours may have learnt the other's MAC.
                let trouble = Trouble::AddressTaken { address, mac };
                if self.open(trouble, ASK * 3, now) {
                    self.announce();
                }
            }
            State::Initialize | State::Fault => {}
        }
    }

    /// No advert has come in time. Whether this director has to leave the addresses alone because
    /// somebody still answers for them.
    pub(super) fn is_held_off(&mut self, now: Instant) -> bool {
        let Some((address, mac)) = self.answer.take() else { return false };
        let interval = self.master_interval.duration();
        self.open(Trouble::SilentMaster { address, mac }, self.master_down_interval() * 2, now);
        if self.spec.on_silent_master == OnSilentMaster::TakeOver {
            return false;
        }
        self.timers.set(Timer::MasterDown, now + interval);
        self.plan_probe();
        true
    }

    /// An advert came in on the link: do both directors mean the same?
    pub(super) fn compare_addresses(&mut self, peer: IpAddr, advert: &Advert, now: Instant) {
        let ours: Vec<IpAddr> = self.spec.addresses.iter().map(|own| own.address).collect();
        let only = |these: &[IpAddr], others: &[IpAddr]| -> Vec<IpAddr> {
            these.iter().filter(|one| !others.contains(one)).copied().collect()
        };
        let theirs = only(&advert.addresses, &ours);
        let ours = only(&ours, &advert.addresses);
        if !theirs.is_empty() || !ours.is_empty() {
            let lasts = advert.interval.duration().max(self.master_interval.duration()) * 5;
            self.open(Trouble::OtherAddresses { peer, theirs, ours }, lasts, now);
        }
    }

    /// A sign of trouble that lasts so long without another one. Whether it is the first sign.
    pub(super) fn open(&mut self, trouble: Trouble, lasts: Duration, now: Instant) -> bool {
        let first = self.episodes.open(trouble.clone(), lasts, now);
        if first {
            self.counters.troubles += u64::from(trouble.is_of_the_pair());
            self.event(EventKind::Begins(trouble));
        }
        self.arm_episodes();
        first
    }

    pub(super) fn close(&mut self, subject: &Subject) {
        let over = self.episodes.close(subject);
        self.tell_over(over);
    }

    /// A good advert of this one's: its packets are no longer dropped.
    pub(super) fn good_advert(&mut self, source: IpAddr, interval: Centiseconds, now: Instant) {
        let of_the_sender =
            |subject: &Subject| matches!(subject, Subject::Dropped(from, _) if *from == source);
        let over = self.episodes.calm(interval.duration(), now, of_the_sender);
        self.tell_over(over);
    }

    pub(super) fn end_troubles(&mut self, now: Instant) {
        let over = self.episodes.expire(now);
        self.tell_over(over);
    }

    pub(super) fn end_all_troubles(&mut self) {
        let over = self.episodes.end();
        self.tell_over(over);
    }

    pub(super) fn tell_over(&mut self, troubles: impl IntoIterator<Item = Trouble>) {
        for trouble in troubles {
            self.event(EventKind::Over(trouble));
        }
        self.arm_episodes();
    }

    pub(super) fn arm_episodes(&mut self) {
        match self.episodes.next() {
            Some(at) => self.timers.set(Timer::Episode, at),
            None => self.timers.stop(Timer::Episode),
        }
    }
}
