//! The rules of the manual, written down a second time for a world at rest.

use std::collections::BTreeSet;

use checkers::Monitor;
use config::{OnFailure, RealServer, VirtualServer};
use ipvs::{ServiceKey, Weight};

use crate::definitions::foreign;
use crate::kernel::{Kernel, Settled};

/// The monitors of a real server.
pub(crate) fn monitors(server: &RealServer) -> impl Iterator<Item = Monitor> + '_ {
    let target = server.destination.key.socket_addr();
    server.checks.iter().map(move |check| Monitor { target, check: check.clone() })
}

/// What must stand when nothing moves any more. `is_up` tells whether a real server passes.
pub(crate) fn require_table(
    kernel: &mut Kernel,
    defined: &[VirtualServer],
    is_up: impl Fn(&RealServer) -> bool,
) {
    let services = kernel.services();
    let keys: BTreeSet<ServiceKey> =
        defined.iter().flat_map(|one| one.keys.clone()).chain([foreign()]).collect();
    assert_eq!(services.keys().copied().collect::<BTreeSet<_>>(), keys);
    for virtual_server in defined {
        for key in &virtual_server.keys {
            let (service, found) = &services[key];
            assert_eq!(service.scheduler, virtual_server.scheduler);
            require_service(virtual_server, found, &is_up);
        }
    }
}

fn require_service(
    virtual_server: &VirtualServer,
    found: &Settled,
    is_up: &impl Fn(&RealServer) -> bool,
) {
    let of = |up: bool| -> Settled {
        let servers = virtual_server.real_servers.iter().filter(|server| is_up(server) == up);
        servers.map(|server| (server.destination.key, server.destination)).collect()
    };
    let (up, down) = (of(true), of(false));
    let (idle, busy): (Settled, Settled) =
        found.iter().partition(|(_, destination)| destination.weight == Weight::ZERO);
    let keeps_idle = virtual_server.on_failure == OnFailure::WeightZero;
    assert!(idle.keys().all(|key| keeps_idle && down.contains_key(key)), "{idle:?}");
    let live: u32 = up.values().map(|destination| destination.weight.get()).sum();
    let sorry = &virtual_server.sorry_servers;
    let serves_sorry = sorry.iter().any(|destination| busy.contains_key(&destination.key));
    let (quorum, hysteresis) = (virtual_server.quorum, virtual_server.hysteresis);
    // Between the two the past decides.
    let lost = match () {
        () if live + hysteresis < quorum => true,
        () if live >= quorum + hysteresis => false,
        () => serves_sorry,
    };
    if !sorry.is_empty() && (lost || live == 0) {
        assert_eq!(busy, sorry.iter().map(|one| (one.key, *one)).collect());
    } else if up.is_empty() {
        // The last one that served: one that fails, or those that no file defines any more.
        let one_fails = busy.len() <= 1 && busy.keys().all(|key| down.contains_key(key));
        let not_replaced = !down.is_empty() && busy.keys().all(|key| !down.contains_key(key));
        assert!(one_fails || not_replaced, "{busy:?}");
    } else {
        assert_eq!(busy, up);
    }
}
