//! The two stages of a plan, and what a refusal in the first means for the second.

use std::collections::{BTreeMap, BTreeSet};

use ipvs::{DestinationKey, Operation, ServiceKey, Weight};

use crate::plan::Step;
use crate::standing::Standing;

/// Operations in the order in which they are to be done.
///
/// Everything that brings a server in comes before anything that takes one out, so that a service
/// that has a server before and after has one in between. When the kernel refuses a part of the
/// first stage, the second no longer keeps that promise by its order alone: each of its steps
/// depends on what the first has left of its service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What is added and changed.
    pub first: Vec<Step>,
    /// What takes servers out, by removal or by weight 0, and what is removed.
    pub last: Vec<Step>,
}

impl Plan {
    /// Every step in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.first.iter().chain(&self.last)
    }

    /// Every step in order.
    pub(crate) fn steps_mut(&mut self) -> impl Iterator<Item = &mut Step> {
        self.first.iter_mut().chain(&mut self.last)
    }
}

/// The service in which a step would have brought a server in.
pub(crate) fn brings_in(operation: &Operation) -> Option<ServiceKey> {
    match operation {
        Operation::NewDestination(service, destination)
        | Operation::SetDestination(service, destination) => {
            (destination.weight != Weight::ZERO).then_some(*service)
        }
        _ => None,
    }
}

/// Parts the second stage: what may be done, and what has to wait. `standing` is the table after
/// the first stage, `lacking` the services into which it could not bring a server.
///
/// The removals of such a service wait if they would leave it without a server that takes new
/// connections. Otherwise they go on: one that fails must not stay for the sake of another.
pub(crate) fn part(
    last: Vec<Step>,
    standing: &Standing,
    lacking: &BTreeSet<ServiceKey>,
) -> (Vec<Step>, Vec<Step>) {
    let mut leaving: BTreeMap<ServiceKey, BTreeSet<DestinationKey>> = BTreeMap::new();
    for (service, destination) in last.iter().filter_map(|step| taken_out(&step.operation)) {
        if lacking.contains(&service) {
            leaving.entry(service).or_default().insert(destination);
        }
    }
    leaving.retain(|service, destinations| !keeps_one(standing, service, destinations));
    last.into_iter().partition(|step| {
        taken_out(&step.operation).is_none_or(|(service, _)| !leaving.contains_key(&service))
    })
}

/// What a step of the second stage takes out of its service.
fn taken_out(operation: &Operation) -> Option<(ServiceKey, DestinationKey)> {
    match operation {
        Operation::DelDestination(service, destination) => Some((*service, *destination)),
        Operation::SetDestination(service, destination) => Some((*service, destination.key)),
        _ => None,
    }
}

/// Whether a service has a server that takes new connections besides those that leave.
fn keeps_one(
    standing: &Standing,
    service: &ServiceKey,
    leaving: &BTreeSet<DestinationKey>,
) -> bool {
    standing.services.get(service).is_some_and(|service| {
        let mut found = service.destinations.iter();
        found.any(|(key, one)| one.destination.weight != Weight::ZERO && !leaving.contains(key))
    })
}
