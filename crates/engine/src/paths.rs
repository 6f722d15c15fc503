//! The services of the director's own checks that go to a virtual address through one real server.

use std::net::SocketAddr;

use checkers::State;
use config::{RealServer, VirtualServer};
use ipvs::{Destination, DestinationKey, Family, Service, ServiceFlags, ServiceKey, Weight};

use crate::policy::Condition;
use crate::wanted::{Placement, Verdict, WantedServer, WantedService};
use crate::weight::Weighing;

/// One service by mark for each real server with such a check, in each virtual server: every
/// packet with that mark goes to that server, also while it is out of its virtual server, so that
/// a recovery is seen.
pub(crate) fn paths(
    virtual_server: &VirtualServer,
) -> impl Iterator<Item = (ServiceKey, WantedService)> + '_ {
    virtual_server.real_servers.iter().filter_map(|server| {
        let key = key(server)?;
        Some((key, service(key, virtual_server, server)?))
    })
}

/// The keys of [`paths`].
pub(crate) fn path_keys(virtual_server: &VirtualServer) -> impl Iterator<Item = ServiceKey> + '_ {
    virtual_server.real_servers.iter().filter_map(key)
}

fn key(server: &RealServer) -> Option<ServiceKey> {
    let paths = server.checks.iter().find_map(|check| check.kind.connect()?.path());
    paths.map(|(address, mark)| {
        let family = if address.is_ipv4() { Family::Inet } else { Family::Inet6 };
        ServiceKey::Fwmark { mark, family }
    })
}

fn service(
    key: ServiceKey,
    virtual_server: &VirtualServer,
    server: &RealServer,
) -> Option<WantedService> {
    let weight = Weight::new(1)?;
    let destination = Destination {
        // Without a port packets keep theirs.
        key: DestinationKey::new(SocketAddr::new(server.destination.key.address, 0)),
        weight,
        upper_threshold: 0,
        lower_threshold: 0,
        ..server.destination
    };
    let verdict = Verdict {
        placement: Placement::In,
        state: State::Unknown,
        why: format!("the way of the checks of virtual server {}", virtual_server.name).into(),
    };
    let weighing = Weighing::configured(weight);
    let wanted = WantedServer { destination, weighing, sorry: false, verdict };
    Some(WantedService {
        name: virtual_server.name.clone(),
        service: Service {
            key,
            scheduler: "rr".parse().ok()?,
            // IPVS finds a connection's entry by its addresses and ports alone, and those of all
            // servers differ in the source port alone: without an entry (IPVS keeps this to UDP) no
            // datagram goes where one from the same port went before.
            flags: ServiceFlags::ONE_PACKET,
            persistence: None,
            persistence_engine: None,
        },
        servers: [(destination.key, wanted)].into(),
        quorum: 0,
        condition: Condition { quorum: None, live_weight: 1, panic: None },
    })
}
