//! `via = "vip"`: the way of a client's packet, to the virtual address through one real server.

use std::net::IpAddr;

use ipvs::{Destination, Forward, ServiceKey};

use crate::error::Finding;
use crate::reader::Report;
use crate::source::{At, Place};

/// The virtual address that a check with `via = "vip"` at `place` connects to: the first of the
/// service that is of the real server's family. `None` if there is no such way to `destination`.
pub(super) fn virtual_address(
    place: Place,
    keys: &[At<ServiceKey>],
    destination: &Destination,
    report: &Report,
) -> Option<IpAddr> {
    if destination.forward == Forward::Masquerade {
        let message = "`via = \"vip\"` with `forward = \"nat\"`";
        let help = "a real server behind NAT does not have the virtual address, and its own address \
                    is the whole way: remove `via`";
        report.add(Finding::new(place, message, "no such way").help(help));
        return None;
    }
    let addresses = keys.iter().filter_map(|key| match key.value {
        ServiceKey::Address { address, .. } => Some(address.ip()),
        ServiceKey::Fwmark { .. } => None,
    });
    let addresses: Vec<IpAddr> = addresses.collect();
    if addresses.is_empty() {
        let message = "`via = \"vip\"` in a service by `fwmark`";
        let finding = Finding::new(place, message, "no virtual address is known");
        let help = "give the virtual server an `address`, or remove `via`";
        report.add(finding.help(help));
        return None;
    }
    let server = destination.key.address;
    let found = addresses.into_iter().find(|address| address.is_ipv4() == server.is_ipv4());
    if found.is_none() {
        let message = "`via = \"vip\"` with a real server of another address family";
        let label = format!("the service has no virtual address of the family of {server}");
        report.add(Finding::new(place, message, label).help("remove `via`"));
    }
    found
}
