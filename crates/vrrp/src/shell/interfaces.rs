//! What the shell knows of links and addresses, and whether an instance can work on them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use netif::{Address, Link};

use crate::spec::InstanceSpec;

/// Links and addresses, kept up by the kernel's news.
#[derive(Debug, Default)]
pub(super) struct Interfaces {
    links: BTreeMap<u32, Link>,
    addresses: Vec<Address>,
}

impl Interfaces {
    pub(super) fn new(links: Vec<Link>, addresses: Vec<Address>) -> Self {
        Self { links: links.into_iter().map(|link| (link.index, link)).collect(), addresses }
    }

    pub(super) fn set_link(&mut self, link: Link) {
        self.links.insert(link.index, link);
    }

    pub(super) fn remove_link(&mut self, index: u32) {
        self.links.remove(&index);
        self.addresses.retain(|address| address.index != index);
    }

    /// Keeps the order: a renewed address stays the first one.
    pub(super) fn set_address(&mut self, address: Address) {
        match self.addresses.iter_mut().find(|known| is_same(known, &address)) {
            Some(known) => *known = address,
            None => self.addresses.push(address),
        }
    }

    pub(super) fn remove_address(&mut self, gone: &Address) {
        let same =
            |a: &Address| (a.index, a.address, a.prefix) == (gone.index, gone.address, gone.prefix);
        self.addresses.retain(|address| !same(address));
    }

    /// Index of the interface with this name.
    pub(super) fn index(&self, name: &str) -> Option<u32> {
        self.links.values().find(|link| link.name == name).map(|link| link.index)
    }

    /// The interface, or why it does not work, in words.
    fn working(&self, name: &str) -> Result<&Link, String> {
        let link = self.links.values().find(|link| link.name == name);
        let link = link.ok_or_else(|| format!("there is no interface {name}"))?;
        if !link.up {
            return Err(format!("{name} is down"));
        }
        if !link.running {
            return Err(format!("{name} has no link"));
        }
        Ok(link)
    }

    /// Why the interface does not work or has not this address, in words, if that is so.
    pub(super) fn trouble(&self, name: &str, address: Option<IpAddr>) -> Option<String> {
        let link = match self.working(name) {
            Ok(link) => link,
            Err(reason) => return Some(reason),
        };
        let has =
            |wanted| self.addresses.iter().any(|a| (a.index, a.address) == (link.index, wanted));
        let missing = address.filter(|&address| !has(address))?;
        Some(format!("{name} has no address {missing}"))
    }

    /// The interface's index and the source of the instance's adverts, or why there is none, in
    /// words. An interface that was made anew under the same name has another index, and needs
    /// other sockets. `is_virtual` tells the virtual addresses of all instances.
    pub(super) fn readiness(
        &self,
        spec: &InstanceSpec,
        is_virtual: impl Fn(IpAddr) -> bool,
    ) -> Result<(u32, Ipv4Addr), String> {
        let name = &spec.interface;
        let link = self.working(name)?;
        let mut own =
            self.addresses.iter().filter(|a| a.index == link.index).filter_map(|a| {
                match a.address {
                    IpAddr::V4(address) => Some(address),
                    IpAddr::V6(_) => None,
                }
            });
        let source = match spec.source {
            Some(source) => own
                .any(|address| address == source)
                .then_some(source)
                .ok_or_else(|| format!("{name} has no address {source}, the source_address")),
            // A virtual address would change sides in the middle of a conversation.
            None => own
                .find(|own| !is_virtual(IpAddr::V4(*own)))
                .ok_or_else(|| format!("{name} has no IPv4 address of its own")),
        };
        Ok((link.index, source?))
    }
}

fn is_same(a: &Address, b: &Address) -> bool {
    (a.index, a.address, a.prefix) == (b.index, b.address, b.prefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Announce, Centiseconds, Priority, Version, VirtualAddress, Vrid};

    fn spec(source: Option<Ipv4Addr>) -> InstanceSpec {
        InstanceSpec {
            name: "VI_1".to_owned(),
            interface: "eth0".to_owned(),
            vrid: Vrid::new(51).unwrap(),
            priority: Priority::DEFAULT,
            version: Version::V3,
            advert_interval: Centiseconds::SECOND,
            preempt: true,
            preempt_delay: std::time::Duration::ZERO,
            source,
            unicast_peers: Vec::new(),
            authentication: None,
            addresses: vec![VirtualAddress {
                address: "10.0.0.100".parse().unwrap(),
                prefix: 24,
                interface: "eth0".to_owned(),
                label: None,
            }],
            announce: Announce::default(),
            track: Vec::new(),
            group: None,
        }
    }

    fn is_vip(address: IpAddr) -> bool {
        address == IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100))
    }

    fn link(up: bool, running: bool) -> Link {
        Link { index: 7, name: "eth0".to_owned(), mac: None, up, running }
    }

    fn address(text: &str, prefix: u8) -> Address {
        Address { index: 7, address: text.parse().unwrap(), prefix, label: None }
    }

    #[test]
    fn the_source_is_an_own_address_and_never_a_virtual_one() {
        let mut interfaces = Interfaces::new(
            vec![link(true, true)],
            vec![address("fe80::1", 64), address("10.0.0.100", 24)],
        );
        assert_eq!(
            interfaces.readiness(&spec(None), is_vip),
            Err("eth0 has no IPv4 address of its own".to_owned())
        );
        interfaces.set_address(address("10.0.0.2", 24));
        assert_eq!(interfaces.readiness(&spec(None), is_vip), Ok((7, Ipv4Addr::new(10, 0, 0, 2))));
        // A renewal tells the address anew; it stays the first.
        interfaces.set_address(address("10.0.0.9", 24));
        interfaces.set_address(address("10.0.0.2", 24));
        assert_eq!(interfaces.readiness(&spec(None), is_vip), Ok((7, Ipv4Addr::new(10, 0, 0, 2))));
        let other = Some(Ipv4Addr::new(10, 0, 0, 3));
        assert_eq!(
            interfaces.readiness(&spec(other), is_vip),
            Err("eth0 has no address 10.0.0.3, the source_address".to_owned())
        );
        interfaces.set_address(address("10.0.0.3", 24));
        assert_eq!(interfaces.readiness(&spec(other), is_vip), Ok((7, Ipv4Addr::new(10, 0, 0, 3))));
        interfaces.remove_address(&address("10.0.0.3", 24));
        assert!(interfaces.readiness(&spec(other), is_vip).is_err());
    }

    #[test]
    fn a_link_must_be_there_up_and_connected() {
        let addresses = vec![address("10.0.0.2", 24)];
        let with = |links: Vec<Link>| {
            Interfaces::new(links, addresses.clone()).readiness(&spec(None), is_vip).unwrap_err()
        };
        assert_eq!(with(vec![]), "there is no interface eth0");
        assert_eq!(with(vec![link(false, false)]), "eth0 is down");
        assert_eq!(with(vec![link(true, false)]), "eth0 has no link");
        let mut interfaces = Interfaces::new(vec![link(true, true)], addresses);
        assert_eq!(interfaces.index("eth0"), Some(7));
        interfaces.remove_link(7);
        assert_eq!(interfaces.index("eth0"), None);
    }
}
