//! What the instances ask for, carried out.

use std::net::IpAddr;
use std::time::Instant;

use super::addresses::announcer;
use super::worker::Worker;
use crate::event::{Event, EventKind};
use crate::instance::{Input, Output};
use crate::neighbour::Claim;
use crate::spec::{Family, VirtualAddress};

impl Worker {
    pub(super) fn drain(&mut self, at: usize) {
        while let Some(output) = self.runners[at].instance.poll_output() {
            match output {
                Output::Send { destination, payload, .. } => self.send(at, destination, &payload),
                Output::SetVirtualMac { up } => self.set_vmac(at, up),
                Output::SendOver { path, payload, .. } => self.send_over(at, &path, &payload),
                Output::Probe(addresses) => self.probe(at, &addresses),
                Output::AddAddresses(addresses) => self.add_addresses(at, &addresses),
                Output::RemoveAddresses(addresses) => self.remove_addresses(at, &addresses),
                Output::AddRouting(routing) => self.add_routing(at, &routing),
                Output::RemoveRouting(routing) => self.remove_routing(at, &routing),
                Output::Announce(addresses) => self.announce(at, &addresses),
                Output::Event(event) => self.say(event),
            }
        }
        self.schedule.set(at, self.runners[at].instance.poll_timeout());
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

    /// Asks on the instance's own link: what has its addresses elsewhere may be no Ethernet. The
    /// interface with the virtual MAC is on that link too, and down where somebody else is master.
    fn probe(&mut self, at: usize, addresses: &[VirtualAddress]) {
        let spec = self.runners[at].instance.spec();
        let (interface, vmac) = (spec.interface.clone(), spec.vmac.clone());
        for family in [Family::Ipv4, Family::Ipv6] {
            let asked: Vec<IpAddr> = addresses
                .iter()
                .filter(|one| one.interface == interface || Some(&one.interface) == vmac.as_ref())
                .map(|one| one.address)
                .filter(|&address| Family::of(address) == family)
                .collect();
            if asked.is_empty() {
                continue;
            }
            let asker = self.interfaces.asker(&interface, family, |own| self.is_virtual(own));
            // Without an address of its own the director has none to be answered at.
            let Some(source) = asker else { continue };
            let asked = announcer(&mut self.announcer)
                .and_then(|announcer| announcer.link(&interface))
                .and_then(|link| self.prober.ask(link, source, &asked, Instant::now()));
            if let Err(error) = asked {
                self.trouble(at, format!("asking who has the addresses: {error}"));
            }
        }
    }

    pub(super) fn answer(&mut self, claim: Claim) {
        for at in 0..self.runners.len() {
            self.listen_to_its_owner(at, claim.address);
            self.handle(at, Input::Answer(claim.address, claim.mac));
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
