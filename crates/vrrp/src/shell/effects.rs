//! What the instances ask for, carried out.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use super::addresses::announcer;
use super::probe;
use super::worker::Worker;
use crate::event::{Event, EventKind};
use crate::instance::{Input, Output};
use crate::spec::VirtualAddress;

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

    fn probe(&mut self, at: usize, addresses: &[VirtualAddress]) {
        let spec = self.runners[at].instance.spec();
        // Only there does the director have a source to ask from.
        let asked: Vec<Ipv4Addr> = addresses
            .iter()
            .filter(|address| address.interface == spec.interface)
            .filter_map(|address| match address.address {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            })
            .collect();
        let readiness = self.runners[at].readiness.as_ref();
        let Some(Ok((_, IpAddr::V4(source)))) = readiness else { return };
        if asked.is_empty() {
            return;
        }
        let asked = announcer(&mut self.announcer)
            .and_then(|announcer| announcer.link(&spec.interface))
            .and_then(|link| self.prober.ask(link, *source, &asked, Instant::now()));
        if let Err(error) = asked {
            self.trouble(at, format!("asking who has the addresses: {error}"));
        }
    }

    pub(super) fn answer(&mut self, (address, mac): probe::Answer) {
        for at in 0..self.runners.len() {
            self.handle(at, Input::Answer(address, mac));
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
