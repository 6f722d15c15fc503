//! `via = "vip"`: the way of a client's packet, to the virtual address through one real server.

use std::net::IpAddr;

use ipvs::{Destination, Forward, ServiceKey};

use crate::error::Finding;
use crate::reader::Report;
use crate::source::{At, Place};

/// The virtual address that a check with `via = "vip"` at `place` connects to: the first of the
/// service. `None` if there is no such way to `destination`.
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
    let ipv4 = addresses.into_iter().find(IpAddr::is_ipv4);
    if ipv4.is_none() || !destination.key.address.is_ipv4() {
        let message = "`via = \"vip\"` is for IPv4 alone";
        let finding = Finding::new(place, message, "an IPv6 address is on the way");
        report.add(finding.help("remove `via`"));
        return None;
    }
    ipv4
}
