//! What the instances track, and the groups that they are in.

use std::collections::BTreeMap;
use std::time::Instant;

use super::worker::Worker;
use crate::event::Event;
use crate::group::{Group, GroupStatus};
use crate::instance::{Input, Instance};
use crate::track::{Condition, Thing};

/// What is known of everything that is tracked, for instances that come later.
pub(super) type Conditions = BTreeMap<Thing, Condition>;

impl Worker {
    /// Tells the instances that track it.
    pub(super) fn tracked(&mut self, thing: &Thing, condition: &Condition) {
        if self.conditions.get(thing) == Some(condition) {
            return;
        }
        self.conditions.insert(thing.clone(), condition.clone());
        for at in 0..self.runners.len() {
            if self.tracks(at, thing) {
                self.handle(at, Input::Tracked(thing.clone(), condition.clone()));
            }
        }
    }

    fn tracks(&self, at: usize, thing: &Thing) -> bool {
        self.runners[at].instance.spec().track.iter().any(|track| track.thing == *thing)
    }

    /// Tells new and changed instances what is known.
    pub(super) fn tell_conditions(&mut self) {
        let known: Vec<_> = self.conditions.clone().into_iter().collect();
        for at in 0..self.runners.len() {
            for (thing, condition) in &known {
                if self.tracks(at, thing) {
                    self.handle(at, Input::Tracked(thing.clone(), condition.clone()));
                }
            }
        }
    }

    /// The tracked interfaces as they are now.
    pub(super) fn look_at_tracked_interfaces(&mut self) {
        let tracks = self.runners.iter().flat_map(|runner| &runner.instance.spec().track);
        let mut found = Conditions::new();
        for track in tracks {
            if let Thing::Interface { name, address } = &track.thing {
                let condition = match self.interfaces.trouble(name, *address) {
                    None => Condition::Works,
                    Some(reason) => Condition::Fails(reason),
                };
                found.insert(track.thing.clone(), condition);
            }
        }
        for (thing, condition) in &found {
            self.tracked(thing, condition);
        }
    }

    /// The groups that the instances name; one that is there keeps its state.
    pub(super) fn regroup(&mut self) {
        let specs = self.runners.iter().map(|runner| runner.instance.spec());
        let names: Vec<String> = specs.filter_map(|spec| spec.group.clone()).collect();
        let groups = std::mem::take(&mut self.groups).into_iter();
        let (kept, gone): (_, Vec<_>) =
            groups.partition(|group| names.iter().any(|name| name == group.name()));
        self.groups = kept;
        for event in gone.into_iter().filter_map(Group::end) {
            self.say(event);
        }
        for name in names {
            if !self.groups.iter().any(|group| group.name() == name) {
                self.groups.push(Group::new(name, Instant::now()));
            }
        }
    }

    /// Lets each group tell its members what to do.
    pub(super) fn settle(&mut self) {
        self.for_groups(Group::settle);
    }

    /// Tells of the groups' changes and leaves them at that.
    pub(super) fn observe_groups(&mut self) {
        self.for_groups(|group, members, now| group.observe(members, now));
    }

    fn for_groups(
        &mut self,
        act: impl Fn(&mut Group, &mut [&mut Instance], Instant) -> Option<Event>,
    ) {
        for at in 0..self.groups.len() {
            let group = &mut self.groups[at];
            let mut members: Vec<&mut Instance> = self
                .runners
                .iter_mut()
                .map(|runner| &mut runner.instance)
                .filter(|instance| instance.spec().group.as_deref() == Some(group.name()))
                .collect();
            let event = act(group, &mut members, Instant::now());
            for at in 0..self.runners.len() {
                self.drain(at);
            }
            if let Some(event) = event {
                self.say(event);
            }
        }
    }

    pub(super) fn group_statuses(&self) -> Vec<GroupStatus> {
        self.groups.iter().map(Group::status).collect()
    }
}
