//! What the shell knows of links and addresses, and whether an instance can work on them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netif::{Address, Link};

use crate::spec::{Family, Heartbeat, InstanceSpec, VirtualAddress};

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

    /// Keeps the order: a renewed address stays the first one. Whether anything is new that
    /// matters here.
    pub(super) fn set_address(&mut self, address: Address) -> bool {
        match self.addresses.iter_mut().find(|known| is_same(known, &address)) {
            Some(known) => {
                let changes = known.tentative != address.tentative;
                *known = address;
                changes
            }
            None => {
                self.addresses.push(address);
                true
            }
        }
    }

    pub(super) fn remove_address(&mut self, gone: &Address) {
        self.addresses.retain(|address| !is_same(address, gone));
    }

    /// Index of the interface with this name.
    pub(super) fn index(&self, name: &str) -> Option<u32> {
        self.links.values().find(|link| link.name == name).map(|link| link.index)
    }

    /// What this process has added need not wait for the kernel's news of it.
    pub(super) fn note_added(&mut self, own: &VirtualAddress) {
        if let Some(address) = self.on_link(own) {
            self.set_address(address);
        }
    }

    /// What this process has removed.
    pub(super) fn note_removed(&mut self, own: &VirtualAddress) {
        if let Some(address) = self.on_link(own) {
            self.remove_address(&address);
        }
    }

    fn on_link(&self, own: &VirtualAddress) -> Option<Address> {
        Some(Address {
            index: self.index(&own.interface)?,
            address: own.address,
            prefix: own.prefix,
            label: own.label.clone(),
            tentative: false,
        })
    }

    /// Whether the address is on its interface.
    pub(super) fn has(&self, wanted: &VirtualAddress) -> bool {
        let index = self.index(&wanted.interface);
        self.addresses.iter().any(|address| {
            (address.address, address.prefix) == (wanted.address, wanted.prefix)
                && Some(address.index) == index
        })
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
    ) -> Result<(u32, IpAddr), String> {
        let name = &spec.interface;
        let link = self.working(name)?;
        let is_missing = |interface: &String| {
            Some(interface) != spec.vmac.as_ref() && self.index(interface).is_none()
        };
        if let Some(own) = spec.all_addresses().find(|own| is_missing(&own.interface)) {
            return Err(format!(
                "there is no interface {}, where {} goes",
                own.interface, own.address
            ));
        }
        let family = spec.family();
        let mut own = self.own(link.index);
        let source = match (spec.source, family) {
            (Some(source), _) => own
                .any(|address| address == source)
                .then_some(source)
                .ok_or_else(|| format!("{name} has no address {source}, the source_address")),
            // A virtual address would change sides in the middle of a conversation.
            (None, Family::Ipv4) => self.source(link, Family::Ipv4, false, is_virtual),
            // RFC 9568 §5.1.2.1: multicast comes from a link-local address.
            (None, Family::Ipv6) => {
                let local = spec.unicast_peers.first().is_none_or(|&peer| is_link_local(peer));
                self.source(link, Family::Ipv6, local, is_virtual)
            }
        };
        Ok((link.index, source?))
    }

    /// The same for a second heartbeat path.
    pub(super) fn path(
        &self,
        path: &Heartbeat,
        is_virtual: impl Fn(IpAddr) -> bool,
    ) -> Result<(u32, IpAddr), String> {
        let link = self.working(&path.interface)?;
        let local = is_link_local(path.peer);
        let source = self.source(link, Family::of(path.peer), local, is_virtual)?;
        Ok((link.index, source))
    }

    /// The interface's own address to ask its neighbours from; link-local for IPv6, as every
    /// interface has one.
    pub(super) fn asker(
        &self,
        name: &str,
        family: Family,
        is_virtual: impl Fn(IpAddr) -> bool,
    ) -> Option<IpAddr> {
        let link = self.working(name).ok()?;
        self.source(link, family, family == Family::Ipv6, is_virtual).ok()
    }

    /// The first address of that kind that is the interface's own. `local` is for IPv6 alone.
    fn source(
        &self,
        link: &Link,
        family: Family,
        local: bool,
        is_virtual: impl Fn(IpAddr) -> bool,
    ) -> Result<IpAddr, String> {
        let suits = |&own: &IpAddr| Family::of(own) == family && is_link_local(own) == local;
        let own: Vec<IpAddr> = self.own(link.index).filter(suits).collect();
        own.iter().copied().find(|&own| !is_virtual(own)).ok_or_else(|| {
            let scope = match (family, local) {
                (Family::Ipv4, _) => "",
                (Family::Ipv6, true) => "link-local ",
                (Family::Ipv6, false) => "global ",
            };
            let why = match own[..] {
                [] => "",
                _ => ": all that it has are virtual addresses here; set `source_address`",
            };
            format!("{} has no {scope}{family} address of its own{why}", link.name)
        })
    }

    /// The addresses of an interface that can be used.
    fn own(&self, index: u32) -> impl Iterator<Item = IpAddr> {
        let usable = move |a: &&Address| a.index == index && !a.tentative;
        self.addresses.iter().filter(usable).map(|a| a.address)
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

fn is_same(a: &Address, b: &Address) -> bool {
    (a.index, a.address, a.prefix) == (b.index, b.address, b.prefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    use crate::spec::Vrid;

    const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100));

    fn spec(source: Option<IpAddr>) -> InstanceSpec {
        InstanceSpec { source, ..speaking(VIP) }
    }

    fn speaking(address: IpAddr) -> InstanceSpec {
        InstanceSpec {
            addresses: vec![VirtualAddress::new(address, 24, "eth0")],
            ..InstanceSpec::new("VI_1", "eth0", Vrid::new(51).unwrap())
        }
    }

    fn is_vip(address: IpAddr) -> bool {
        address == VIP || address == "fe80::100".parse::<IpAddr>().unwrap()
    }

    fn link(up: bool, running: bool) -> Link {
        Link { index: 7, name: "eth0".to_owned(), mac: None, parent: None, up, running }
    }

    fn address(text: &str, prefix: u8) -> Address {
        let address = text.parse().unwrap();
        Address { index: 7, address, prefix, label: None, tentative: false }
    }

    #[test]
    fn the_source_is_an_own_address_and_never_a_virtual_one() {
        let mut interfaces = Interfaces::new(vec![link(true, true)], vec![address("fe80::1", 64)]);
        let none = "eth0 has no IPv4 address of its own";
        assert_eq!(interfaces.readiness(&spec(None), is_vip), Err(none.to_owned()));
        interfaces.set_address(address("10.0.0.100", 24));
        let virtual_alone =
            format!("{none}: all that it has are virtual addresses here; set `source_address`");
        assert_eq!(interfaces.readiness(&spec(None), is_vip), Err(virtual_alone));
        interfaces.set_address(address("10.0.0.2", 24));
        assert_eq!(interfaces.readiness(&spec(None), is_vip), Ok((7, IpAddr::from([10, 0, 0, 2]))));
        // A renewal tells the address anew; it stays the first.
        interfaces.set_address(address("10.0.0.9", 24));
        interfaces.set_address(address("10.0.0.2", 24));
        assert_eq!(interfaces.readiness(&spec(None), is_vip), Ok((7, IpAddr::from([10, 0, 0, 2]))));
        let other = Some(IpAddr::from([10, 0, 0, 3]));
        assert_eq!(
            interfaces.readiness(&spec(other), is_vip),
            Err("eth0 has no address 10.0.0.3, the source_address".to_owned())
        );
        interfaces.set_address(address("10.0.0.3", 24));
        assert_eq!(
            interfaces.readiness(&spec(other), is_vip),
            Ok((7, IpAddr::from([10, 0, 0, 3])))
        );
        interfaces.remove_address(&address("10.0.0.3", 24));
        assert!(interfaces.readiness(&spec(other), is_vip).is_err());
    }

    #[test]
    fn each_address_needs_its_interface() {
        let interfaces = Interfaces::new(
            vec![link(true, true)],
            vec![address("10.0.0.2", 24), address("10.0.0.100", 24)],
        );
        let elsewhere = VirtualAddress::new("10.1.0.100".parse().unwrap(), 24, "eth1");
        let spec = InstanceSpec { excluded_addresses: vec![elsewhere.clone()], ..spec(None) };
        assert_eq!(
            interfaces.readiness(&spec, is_vip),
            Err("there is no interface eth1, where 10.1.0.100 goes".to_owned())
        );
        assert!(interfaces.has(&spec.addresses[0]) && !interfaces.has(&elsewhere));
    }

    #[test]
    fn over_ipv6_the_source_is_link_local_and_beyond_doubt() {
        let spec = speaking("2001:db8::100".parse().unwrap());
        let tentative = Address { tentative: true, ..address("fe80::1", 64) };
        let mut interfaces = Interfaces::new(
            vec![link(true, true)],
            vec![address("10.0.0.2", 24), address("2001:db8::2", 64), tentative],
        );
        let none = Err("eth0 has no link-local IPv6 address of its own".to_owned());
        assert_eq!(interfaces.readiness(&spec, is_vip), none);
        interfaces.set_address(address("fe80::100", 64));
        assert!(interfaces.readiness(&spec, is_vip).unwrap_err().contains("all that it has"));
        interfaces.set_address(address("fe80::1", 64));
        let source = "fe80::1".parse().unwrap();
        assert_eq!(interfaces.readiness(&spec, is_vip), Ok((7, source)));
        let routed = "2001:db8::2".parse().unwrap();
        let unicast =
            InstanceSpec { unicast_peers: vec!["2001:db8::3".parse().unwrap()], ..spec.clone() };
        assert_eq!(interfaces.readiness(&unicast, is_vip), Ok((7, routed)));
        let spec = InstanceSpec { source: Some(routed), ..spec };
        assert_eq!(interfaces.readiness(&spec, is_vip), Ok((7, routed)));
    }

    #[test]
    fn neighbours_are_asked_from_an_own_address_of_the_family() {
        let addresses = vec![
            address("10.0.0.100", 24),
            address("10.0.0.2", 24),
            address("2001:db8::2", 64),
            address("fe80::100", 64),
            address("fe80::1", 64),
        ];
        let mut interfaces = Interfaces::new(vec![link(true, true)], addresses);
        let ask = |interfaces: &Interfaces, family| interfaces.asker("eth0", family, is_vip);
        assert_eq!(ask(&interfaces, Family::Ipv4), Some(IpAddr::from([10, 0, 0, 2])));
        let local = "fe80::1".parse().unwrap();
        assert_eq!(ask(&interfaces, Family::Ipv6), Some(local));
        interfaces.remove_address(&address("fe80::1", 64));
        assert_eq!(ask(&interfaces, Family::Ipv6), None);
        assert_eq!(interfaces.asker("eth1", Family::Ipv4, is_vip), None);
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
