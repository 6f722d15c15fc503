//! What the instances ask for, carried out.

use std::net::IpAddr;

use super::worker::Worker;
use crate::event::{Event, EventKind};
use crate::instance::Output;

impl Worker {
    pub(super) fn drain(&mut self, at: usize) {
        while let Some(output) = self.runners[at].instance.poll_output() {
            match output {
                Output::Send { destination, payload, .. } => self.send(at, destination, &payload),
                Output::SetVirtualMac { up } => self.set_vmac(at, up),
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
