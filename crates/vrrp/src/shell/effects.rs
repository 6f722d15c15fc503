//! What the instances ask for, carried out.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use netif::NewAddress;

use super::arp::Announcer;
use super::worker::{Runner, Worker};
use crate::event::{Event, EventKind, State};
use crate::instance::Output;
use crate::spec::VirtualAddress;

impl Worker {
    pub(super) fn drain(&mut self, at: usize) {
        while let Some(output) = self.runners[at].instance.poll_output() {
            match output {
                Output::Send { destination, payload, .. } => self.send(at, destination, &payload),
                Output::AddAddresses(addresses) => self.add_addresses(at, &addresses),
                Output::RemoveAddresses(addresses) => self.remove_addresses(at, &addresses),
                Output::Announce(addresses) => self.announce(at, &addresses),
                Output::Event(event) => self.say(event),
            }
        }
        self.tell_standing(at);
    }

    fn send(&mut self, at: usize, destination: IpAddr, payload: &[u8]) {
        let Some(sender) = &self.runners[at].sender else { return };
        let sent = sender.send(destination, payload);
        let failed_before = std::mem::replace(&mut self.runners[at].send_failed, sent.is_err());
        if let Err(error) = sent
            && !failed_before
        {
            self.trouble(at, format!("sending an advert to {destination}: {error}"));
        }
    }

    fn add_addresses(&mut self, at: usize, addresses: &[VirtualAddress]) {
        for address in addresses {
            if let Err(error) = self.netlink.add_address(&netif_address(address)) {
                self.trouble(at, error.to_string());
            }
        }
    }

    fn remove_addresses(&mut self, at: usize, addresses: &[VirtualAddress]) {
        for address in addresses {
            let wanted = |runner: &Runner| {
                let instance = &runner.instance;
                instance.state() == State::Master
                    && instance.spec().all_addresses().any(|a| a == address)
            };
            let others = self.runners.iter().enumerate().filter(|(other, _)| *other != at);
            if others.map(|(_, runner)| runner).any(wanted) {
                continue;
            }
            if let Err(error) = self.netlink.delete_address(&netif_address(address)) {
                self.trouble(at, error.to_string());
            }
        }
    }

    pub(super) fn announce(&mut self, at: usize, addresses: &[VirtualAddress]) {
        let mut of_interface: BTreeMap<&str, Vec<Ipv4Addr>> = BTreeMap::new();
        for address in addresses {
            if let IpAddr::V4(v4) = address.address {
                of_interface.entry(&address.interface).or_default().push(v4);
            }
        }
        let repeat = self.runners[at].instance.spec().announce.repeat;
        for (interface, addresses) in of_interface {
            let sent = match &mut self.announcer {
                Some(announcer) => announcer.announce(interface, &addresses, repeat),
                None => Announcer::open().and_then(|announcer| {
                    self.announcer.insert(announcer).announce(interface, &addresses, repeat)
                }),
            };
            if let Err(error) = sent {
                self.trouble(at, format!("gratuitous ARP on {interface}: {error}"));
            }
        }
    }

    pub(super) fn trouble(&self, at: usize, text: String) {
        let instance = self.runners[at].instance.spec().name.clone();
        self.say(Event { instance, kind: EventKind::Trouble(text) });
    }

    pub(super) fn trouble_everywhere(&self, text: &str) {
        for at in 0..self.runners.len() {
            self.trouble(at, text.to_owned());
        }
    }

    pub(super) fn say(&self, event: Event) {
        // Whoever listened is gone; VRRP goes on.
        let _ = self.events.send(event);
    }
}

pub(super) fn netif_address(address: &VirtualAddress) -> NewAddress<'_> {
    NewAddress {
        interface: &address.interface,
        address: address.address,
        prefix: address.prefix,
        label: address.label.as_deref(),
    }
}
