//! Sync groups: instances that are master together, or not at all. Pure.
//!
//! A group decides by what its members are now, not by what happened, so that no message that came
//! at the wrong moment leaves it half-way:
//!
//! 1. While one member is in trouble, all are in Fault.
//! 2. No member starts before all can.
//! 3. The group takes over when all members want to. A member that wants to goes on wanting until
//!    it hears a better master.
//! 4. A master whose neighbour in the group follows somebody else steps down, with priority 0.
//! 5. A member that joins masters and has heard nobody becomes master too.
//!
//! 6. Between two masters of equal priority, which the address decides, the first member decides
//!    for all, if it hears the other one at all.
//!
//! Members are ranked by their VRID, which is equal on all directors; names need not be.

use std::time::Instant;

use crate::event::{Event, EventKind, State};
use crate::instance::{Input, Instance};

/// What a group tells a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// How far another member lets it go.
    Hold(Hold),
    /// Become master, for this reason.
    TakeOver(String),
    /// Give mastership up, for this reason.
    StepDown(String),
}

/// How far the group lets a member go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Hold {
    /// As it likes.
    #[default]
    Free,
    /// It must not start: another member cannot yet.
    Wait(String),
    /// It has to be in Fault: another member is.
    Fault(String),
}

impl Hold {
    /// Where a member of that group begins.
    pub(crate) fn until_its_group_agrees(group: Option<&str>) -> Self {
        group.map_or(Self::Free, |group| Self::Wait(format!("group {group} is not ready")))
    }
}

/// What a group sees of a member.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) state: State,
    /// What stands in its way, the group aside.
    pub(crate) obstacle: Hold,
    pub(crate) hold: Hold,
    /// Why it wants to be master, if it does.
    pub(crate) wants: Option<String>,
    /// Whether it hears a master that it accepts.
    pub(crate) follows: bool,
}

/// A sync group.
#[derive(Debug)]
pub struct Group {
    name: String,
    state: State,
    since: Instant,
}

/// What an operator sees of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStatus {
    /// Name in the configuration.
    pub name: String,
    /// State of all members; the last common one while they differ.
    pub state: State,
    /// Since when.
    pub since: Instant,
}

/// Enough for: release, start, take over.
const ROUNDS: usize = 8;

impl Group {
    /// A group whose members are not started yet.
    pub fn new(name: String, now: Instant) -> Self {
        Self { name, state: State::Initialize, since: now }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What an operator sees.
    pub fn status(&self) -> GroupStatus {
        GroupStatus { name: self.name.clone(), state: self.state, since: self.since }
    }

    /// Tells the members what to do until all is well, and gives the group's change of state, if
    /// there is one. The members' outputs are to be carried out afterwards.
    pub fn settle(&mut self, members: &mut [&mut Instance], now: Instant) -> Option<Event> {
        members.sort_by_key(|member| member.spec().vrid);
        for (at, member) in members.iter_mut().enumerate() {
            member.set_led(at > 0);
        }
        for _ in 0..ROUNDS {
            let views: Vec<Member> = members.iter().map(|member| member.as_member()).collect();
            let orders = orders(&views);
            if orders.is_empty() {
                break;
            }
            for (at, order) in orders {
                members[at].handle(Input::Group(order), now);
            }
        }
        self.observe(members, now)
    }

    /// Its last change of state: it is no longer defined. `None` if it never had another.
    pub(crate) fn end(self) -> Option<Event> {
        let (from, to) = (self.state, State::Initialize);
        let reason = "no longer defined".to_owned();
        let kind = EventKind::GroupTransition { from, to, reason };
        (from != to).then_some(Event { instance: self.name, kind })
    }

    /// The group's change of state, if there is one, whatever it may wish.
    pub fn observe(&mut self, members: &[&mut Instance], now: Instant) -> Option<Event> {
        let leader = members.first()?;
        let to = leader.state();
        if to == self.state || members.iter().any(|member| member.state() != to) {
            return None;
        }
        self.since = now;
        let from = std::mem::replace(&mut self.state, to);
        let reason = leader.status().reason;
        let kind = EventKind::GroupTransition { from, to, reason };
        Some(Event { instance: self.name.clone(), kind })
    }
}

fn orders(members: &[Member]) -> Vec<(usize, Order)> {
    let holds = holds(members);
    if !holds.is_empty() {
        return holds;
    }
    let masters = in_state(members, State::Master);
    let backups = in_state(members, State::Backup);
    let follower = backups.iter().map(|&at| &members[at]).find(|member| member.follows);
    if !masters.is_empty() && !backups.is_empty() {
        return match follower {
            Some(Member { name, .. }) => {
                let reason = format!("{name} of its group follows another master");
                all(&masters, |_| Order::StepDown(reason.clone()))
            }
            None => all(&backups, |_| Order::TakeOver("its group is master".to_owned())),
        };
    }
    if backups.len() == members.len() && members.iter().all(|member| member.wants.is_some()) {
        return all(&backups, |at| Order::TakeOver(members[at].wants.clone().unwrap_or_default()));
    }
    Vec::new()
}

/// Rules 1 and 2, as far as they are not in force yet.
fn holds(members: &[Member]) -> Vec<(usize, Order)> {
    let wanted = |at: usize| {
        let others = members.iter().enumerate().filter(|(other, _)| *other != at);
        let mut wanted = Hold::Free;
        for (_, other) in others {
            let words = |reason: &str| format!("{} of its group: {reason}", other.name);
            match &other.obstacle {
                Hold::Fault(reason) => return Hold::Fault(words(reason)),
                Hold::Wait(reason) if wanted == Hold::Free => wanted = Hold::Wait(words(reason)),
                Hold::Wait(_) | Hold::Free => {}
            }
        }
        wanted
    };
    let holds = (0..members.len()).map(|at| (at, wanted(at)));
    holds
        .filter(|(at, hold)| members[*at].hold != *hold)
        .map(|(at, hold)| (at, Order::Hold(hold)))
        .collect()
}

fn in_state(members: &[Member], state: State) -> Vec<usize> {
    (0..members.len()).filter(|&at| members[at].state == state).collect()
}

fn all(members: &[usize], order: impl Fn(usize) -> Order) -> Vec<(usize, Order)> {
    members.iter().map(|&at| (at, order(at))).collect()
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
