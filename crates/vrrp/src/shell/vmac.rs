//! The virtual MAC: an interface of its own on top of the instance's, up exactly while the instance
//! is master. While it is down nothing can leave with that MAC, so that no switch looks for it at
//! a backup.

use std::collections::BTreeMap;

use netif::{Macvlan, sysctl};

use super::worker::Worker;
use crate::event::State;
use crate::spec::{Family, InstanceSpec};

/// What makes a neighbour see one MAC for a virtual IPv4 address: `(key, least value)` on the
/// interface below. It answers for its own addresses only, and asks in the name of those only;
/// else it would tell its own MAC for a virtual address. Higher values do the same and more.
const BELOW: [(&str, u8); 2] = [("arp_ignore", 1), ("arp_announce", 2)];

/// On the virtual interface. The way back to a client leads through the interface below, which the
/// strict check of sources (1) would take for a lie; 2 also overrides 1 of `all`.
const IPV4: [(&str, &str); 2] = [("arp_ignore", "1"), ("rp_filter", "2")];

/// It has the virtual addresses and no others.
const IPV6: [(&str, &str); 3] = [("addr_gen_mode", "1"), ("accept_ra", "0"), ("autoconf", "0")];

/// RFC 9568 §7.3.
fn mac(spec: &InstanceSpec) -> [u8; 6] {
    let family = match spec.family() {
        Family::Ipv4 => 1,
        Family::Ipv6 => 2,
    };
    [0, 0, 0x5e, 0, family, spec.vrid.get()]
}

impl Worker {
    /// Makes the interface if it is not there. One that a crash has left is taken over.
    pub(super) fn ensure_vmac(&mut self, at: usize) -> Result<(), String> {
        let spec = self.runners[at].instance.spec().clone();
        let Some(name) = &spec.vmac else { return Ok(()) };
        let known = self.runners[at].vmac;
        if known.is_some() && known == self.interfaces.index(name) {
            return Ok(());
        }
        let wanted = Macvlan { name, parent: &spec.interface, mac: mac(&spec) };
        let (link, _) = self.netlink.ensure_macvlan(&wanted).map_err(|error| error.to_string())?;
        self.runners[at].vmac = Some(link.index);
        // The sockets of an interface that was made anew are of no use any more.
        self.runners[at].readiness = None;
        self.interfaces.set_link(link);
        let has_ipv6 =
            spec.all_addresses().any(|own| own.interface == *name && own.address.is_ipv6());
        for (key, value) in IPV4 {
            self.set(at, &format!("net/ipv4/conf/{name}/{key}"), value);
        }
        if has_ipv6 {
            for (key, value) in IPV6 {
                self.set(at, &format!("net/ipv6/conf/{name}/{key}"), value);
            }
        } else {
            self.set(at, &format!("net/ipv6/conf/{name}/disable_ipv6"), "1");
        }
        for (key, least) in BELOW {
            self.raise(at, format!("net/ipv4/conf/{}/{key}", spec.interface), least);
        }
        if self.runners[at].instance.state() == State::Master {
            self.set_vmac(at, true);
            self.restore_addresses();
            self.look_at_routing_soon();
        }
        Ok(())
    }

    /// Up for a master, down for all others.
    pub(super) fn set_vmac(&mut self, at: usize, up: bool) {
        let Some(name) = self.runners[at].instance.spec().vmac.clone() else { return };
        if !up && self.interfaces.index(&name).is_none() {
            return;
        }
        if let Err(error) = self.netlink.set_link(&name, up) {
            self.trouble(at, error.to_string());
        }
    }

    /// After a clean end nothing of it is left.
    pub(super) fn remove_vmac(&mut self, at: usize) {
        let spec = self.runners[at].instance.spec().clone();
        let Some(name) = &spec.vmac else { return };
        if self.runners[at].vmac.take().is_none() {
            return;
        }
        if let Err(error) = self.netlink.delete_link(name) {
            self.trouble(at, error.to_string());
        }
        let mut others = self.runners.iter().filter(|other| other.vmac.is_some());
        if others.any(|other| other.instance.spec().interface == spec.interface) {
            return;
        }
        for key in self.raised_on(&spec.interface).into_keys() {
            self.lower(at, &key);
        }
    }

    /// What was raised on an interface, with what it was.
    pub(super) fn raised_on(&self, interface: &str) -> BTreeMap<String, String> {
        let prefix = format!("net/ipv4/conf/{interface}/");
        let of_it = self.raised.iter().filter(|(key, _)| key.starts_with(&prefix));
        of_it.map(|(key, before)| (key.clone(), before.clone())).collect()
    }

    /// Sets a key that was lower, and remembers what it was.
    pub(super) fn raise(&mut self, at: usize, key: String, least: u8) {
        let before = sysctl::read(&key).unwrap_or_default();
        if before.parse::<u8>().is_ok_and(|before| before >= least) {
            return;
        }
        self.set(at, &key, &least.to_string());
        self.raised.entry(key).or_insert(before);
        // The guard is told what it was.
        self.runners[at].told = None;
    }

    /// Sets a key to what it was before it was raised, if it was.
    pub(super) fn lower(&mut self, at: usize, key: &str) {
        if let Some(before) = self.raised.remove(key) {
            self.set(at, key, &before);
        }
    }

    fn set(&self, at: usize, key: &str, value: &str) {
        if let Err(error) = sysctl::ensure(key, value) {
            self.trouble(at, error.to_string());
        }
    }
}
