//! Whether an instance may run, and with which priority: its interface, what it tracks, and its
//! group.

use std::time::Instant;

use super::Instance;
use crate::event::{EventKind, State};
use crate::group::{Hold, Member, Order};
use crate::spec::Priority;
use crate::timer::Timer;
use crate::track::{Condition, Thing};

impl Instance {
    /// The priority that it has now.
    pub(super) fn priority(&self) -> Priority {
        self.tracker.priority(self.spec.priority, &self.spec.track)
    }

    /// How that comes about.
    pub(super) fn arithmetic(&self) -> String {
        self.tracker.arithmetic(self.spec.priority, &self.spec.track)
    }

    /// What its group sees of it.
    pub(crate) fn as_member(&self) -> Member {
        let master = self.master.filter(|master| master.priority != 0);
        Member {
            name: self.spec.name.clone(),
            state: self.state,
            obstacle: self.own_obstacle(),
            hold: self.hold.clone(),
            wants: self.wants.clone(),
            follows: self.state == State::Backup && self.wants.is_none() && master.is_some(),
        }
    }

    /// Whether another member of its group decides between equals.
    pub(crate) fn set_led(&mut self, is_led: bool) {
        self.is_led = is_led;
    }

    pub(super) fn tracked(&mut self, thing: Thing, condition: Condition, now: Instant) {
        if !self.spec.track.iter().any(|track| track.thing == thing) {
            return;
        }
        let before = self.priority();
        self.revision = self.revision.wrapping_add(1);
        self.tracker.set(thing, condition);
        self.review(now);
        self.tell_priority(before, now);
    }

    /// Makes a changed priority known: a master's at once, for a better backup waits for it.
    pub(super) fn tell_priority(&mut self, before: Priority, now: Instant) {
        let priority = self.priority();
        if priority == before {
            return;
        }
        let arithmetic = self.arithmetic();
        self.event(EventKind::Priority { priority: priority.get(), arithmetic });
        if self.state == State::Master {
            self.master = self.source.map(|source| self.myself(source));
            self.send_advert(priority.get());
            self.timers.set(Timer::Advert, now + self.spec.advert_interval.duration());
        }
    }

    pub(super) fn order(&mut self, order: Order, now: Instant) {
        match order {
            Order::Hold(hold) => {
                self.hold = hold;
                self.review(now);
            }
            Order::TakeOver(reason) if self.state == State::Backup => {
                self.become_master(reason, now);
            }
            Order::StepDown(reason) if self.state == State::Master => {
                self.give_up();
                self.master = None;
                self.listen(reason, now);
            }
            Order::TakeOver(_) | Order::StepDown(_) => {}
        }
    }

    /// The master is silent, or worse. In a group the others have to agree.
    pub(super) fn take_over(&mut self, reason: String, now: Instant) {
        if self.spec.group.is_some() {
            self.wants = Some(reason);
        } else {
            self.become_master(reason, now);
        }
    }

    /// Goes where it has to be: into Fault, or out of it.
    pub(super) fn review(&mut self, now: Instant) {
        let waits = matches!(self.state, State::Initialize | State::Fault);
        match self.obstacle() {
            Hold::Fault(reason) if self.state == State::Fault => self.reason = reason,
            Hold::Fault(reason) => self.fail(reason, now),
            Hold::Wait(reason) if waits => self.reason = reason,
            Hold::Free if waits => self.start(now),
            Hold::Wait(_) | Hold::Free => {}
        }
    }

    /// What stands in its way.
    fn obstacle(&self) -> Hold {
        match (self.own_obstacle(), &self.hold) {
            (fault @ Hold::Fault(_), _) => fault,
            (_, fault @ Hold::Fault(_)) => fault.clone(),
            (Hold::Free, hold) => hold.clone(),
            (wait, _) => wait,
        }
    }

    fn own_obstacle(&self) -> Hold {
        if let Some(reason) = &self.down {
            return Hold::Fault(reason.clone());
        }
        if let Some(reason) = self.tracker.fault(&self.spec.track) {
            return Hold::Fault(reason);
        }
        if self.source.is_none() {
            return Hold::Wait("not started yet".to_owned());
        }
        if self.timers.get(Timer::Start).is_some() {
            return Hold::Wait("its start_delay is not over".to_owned());
        }
        match self.tracker.waits_for(&self.spec.track) {
            Some(thing) => Hold::Wait(format!("no result yet of {thing}")),
            None => Hold::Free,
        }
    }
}
