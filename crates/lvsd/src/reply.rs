//! Lets the answers in that checks with `via = "vip"` get.
//!
//! They come from the virtual address. Where the director holds it itself, the kernel drops
//! IPv4 packets that come in from one of its own addresses, unless `accept_local` is set
//! (Documentation/networking/ip-sysctl.rst). IPv6 has no such rule.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::Context;
use checkers::{Monitor, source_towards};
use netif::{Netlink, sysctl};

/// Sets `accept_local` on the interfaces towards the real servers of such checks. It stays when
/// the checks are gone: another program may rely on it by then.
pub(crate) fn let_in<'a>(monitors: impl IntoIterator<Item = &'a Monitor>) {
    let targets: BTreeSet<IpAddr> = monitors
        .into_iter()
        .filter(|monitor| monitor.check.kind.connect().is_some_and(|c| c.path().is_some()))
        .map(|monitor| monitor.target.ip())
        .filter(IpAddr::is_ipv4)
        .collect();
    if targets.is_empty() {
        return;
    }
    if let Err(error) = accept_local(&targets) {
        tracing::warn!(
            "checks with via = \"vip\" may get no answers where this director holds the VIP: \
             {error:#}; set net.ipv4.conf.INTERFACE.accept_local = 1 by hand"
        );
    }
}

fn accept_local(targets: &BTreeSet<IpAddr>) -> anyhow::Result<()> {
    let mut netlink = Netlink::open()?;
    let (links, addresses) = (netlink.links()?, netlink.addresses()?);
    let mut interfaces = BTreeSet::new();
    for target in targets {
        let source =
            source_towards(*target).with_context(|| format!("finding the route to {target}"))?;
        let address = addresses.iter().find(|address| address.address == source);
        let link = address.and_then(|address| links.iter().find(|l| l.index == address.index));
        let link = link.with_context(|| format!("no interface has {source}"))?;
        interfaces.insert(link.name.as_str());
    }
    for interface in interfaces {
        let key = format!("net/ipv4/conf/{interface}/accept_local");
        if sysctl::read(&key)? != "1" {
            sysctl::write(&key, "1")?;
            tracing::info!("{key} set to 1, for the answers to checks with via = \"vip\"");
        }
    }
    Ok(())
}
