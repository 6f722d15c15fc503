//! The VRRP part of the status document.

use api::{
    Counter, TrackedStatus, VirtualAddressStatus, VirtualRoutingStatus, VrrpGroupStatus, VrrpStatus,
};
use vrrp::shell::Statuses;
use vrrp::{AddressStatus, GroupStatus, InstanceStatus, RoutingStatus, TrackStatus};

use crate::accept::Trouble;
use crate::clock::since;

/// `open` is why the addresses of some instances are open that should not be.
pub(super) fn instance(instance: &InstanceStatus, open: Option<&Trouble>) -> VrrpStatus {
    let open = open.filter(|open| open.instances.contains(&instance.name));
    let open = open.map(|open| open.text.clone());
    VrrpStatus {
        name: instance.name.clone(),
        state: instance.state.to_string(),
        since: since(instance.since),
        why: instance.reason.clone(),
        interface: instance.interface.clone(),
        virtual_router_id: instance.vrid,
        priority: instance.priority,
        priority_arithmetic: instance.arithmetic.clone(),
        tracked: instance.tracked.iter().map(tracked).collect(),
        group: instance.group.clone(),
        master_address: instance.master.map(|master| master.address.to_string()),
        master_priority: instance.master.map(|master| master.priority),
        addresses: instance
            .addresses
            .iter()
            .map(|AddressStatus { address, held }| VirtualAddressStatus {
                address: format!("{}/{}", address.address, address.prefix),
                interface: address.interface.clone(),
                held: *held,
            })
            .collect(),
        routing: instance
            .routing
            .iter()
            .map(|RoutingStatus { what, held }| VirtualRoutingStatus {
                what: what.clone(),
                held: *held,
            })
            .collect(),
        troubles: instance.troubles.iter().cloned().chain(open).collect(),
        counters: instance
            .counters
            .iter()
            .map(|(name, value)| Counter { name: name.clone(), value: *value })
            .collect(),
    }
}

pub(super) fn group(group: &GroupStatus, all: &Statuses) -> VrrpGroupStatus {
    let members = all.instances.iter().filter(|i| i.group.as_ref() == Some(&group.name));
    VrrpGroupStatus {
        name: group.name.clone(),
        state: group.state.to_string(),
        since: since(group.since),
        instances: members.map(|member| member.name.clone()).collect(),
    }
}

fn tracked(status: &TrackStatus) -> TrackedStatus {
    TrackedStatus {
        thing: status.thing.clone(),
        weight: status.weight,
        condition: status.condition.as_ref().map(ToString::to_string),
        adds: status.adds,
        is_fault: status.is_fault,
    }
}
