//! The virtual addresses on the interfaces.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use netif::NewAddress;

use super::announcer::Announcer;
use super::worker::{Runner, Worker};
use crate::event::{Event, EventKind, State};
use crate::instance::Input;
use crate::spec::{Priority, VirtualAddress};
use crate::standing::{Role, Standing};

/// After all addresses were refused, until it is tried again: another director may serve meanwhile,
/// and must not be disturbed again and again.
const RETRY: Duration = Duration::from_secs(30);

/// Why an instance cannot be master, and until when that is believed.
#[derive(Debug)]
pub(super) struct Unfit {
    pub(super) reason: String,
    pub(super) until: Instant,
}

impl Worker {
    pub(super) fn add_addresses(&mut self, at: usize, addresses: &[VirtualAddress]) {
        let mut refused = Vec::new();
        for address in addresses {
            if let Err(error) = self.add_address(at, address) {
                refused.push((words(address), error));
            }
        }
        let all = self.runners[at].instance.spec().all_addresses().count();
        if all > 0 && refused.len() == all {
            let until = Instant::now() + RETRY;
            let (_, reason) = refused.swap_remove(0);
            self.runners[at].unfit = Some(Unfit { reason: reason.clone(), until });
            self.look_again_before(until);
            return self.handle(at, Input::Down(reason));
        }
        for (words, error) in refused {
            self.is_refused(at, words, error);
        }
    }

    /// Whether it was not there; or why it cannot be, in words.
    fn add_address(&mut self, at: usize, own: &VirtualAddress) -> Result<bool, String> {
        let added = self.netlink.add_address(&netif_address(own));
        let is_new = added.map_err(|error| error.to_string())?;
        self.interfaces.note_added(own);
        self.is_not_refused(at, &words(own));
        if is_new {
            self.added.insert(own.into());
        }
        Ok(is_new)
    }

    pub(super) fn remove_addresses(&mut self, at: usize, addresses: &[VirtualAddress]) {
        if let Some(announcer) = &mut self.announcer {
            let gone: Vec<IpAddr> = addresses.iter().map(|own| own.address).collect();
            announcer.withdraw(&self.runners[at].instance.spec().name, &gone);
        }
        for address in addresses {
            self.is_not_refused(at, &words(address));
            let wanted = |runner: &Runner| {
                let instance = &runner.instance;
                instance.state() == State::Master
                    && instance.spec().all_addresses().any(|a| a == address)
            };
            let others = self.runners.iter().enumerate().filter(|(other, _)| *other != at);
            if others.map(|(_, runner)| runner).any(wanted) || self.is_the_machines(at, address) {
                continue;
            }
            match self.netlink.delete_address_alone(&netif_address(address)) {
                Ok(_) => {
                    self.interfaces.note_removed(address);
                    self.added.remove(&address.into());
                }
                Err(error) => self.trouble(at, error.to_string()),
            }
        }
        self.lower(at, &accept_local(&self.runners[at].instance.spec().interface.clone()));
        // The kernel takes the routes away whose source they were.
        self.look_at_routing_soon();
    }

    /// Another machine has an address of this instance. If that is the owner, and has come back, its
    /// adverts may come from that very address, and then the kernel of a master drops them as lies.
    pub(super) fn listen_to_its_owner(&mut self, at: usize, address: IpAddr) {
        let instance = &self.runners[at].instance;
        let spec = instance.spec();
        let is_own = spec.addresses.iter().any(|own| own.address == address);
        if is_own && address.is_ipv4() && instance.state() == State::Master {
            self.raise(at, accept_local(&spec.interface.clone()), 1);
        }
    }

    /// Whether the address was there without this program. Only what an owner finds is: what any
    /// other instance finds has been left by a crash.
    fn is_the_machines(&self, at: usize, address: &VirtualAddress) -> bool {
        self.runners[at].instance.spec().priority == Priority::OWNER
            && !self.added.contains(&address.into())
    }

    /// Where an instance stands: what is the machine's own is no successor's and no guard's to
    /// remove.
    pub(super) fn standing(&self, at: usize) -> Standing {
        let mut standing = self.runners[at].instance.standing();
        standing.raised = self.raised_on(&standing.interface);
        if let Role::Master(holding) = &mut standing.role
            && self.runners[at].instance.spec().priority == Priority::OWNER
        {
            holding.addresses.retain(|held| self.added.contains(held));
        }
        standing
    }

    /// A master's address that another program has removed comes back.
    pub(super) fn put_back(&mut self, gone: &netif::Address) {
        for at in self.masters() {
            let own = self.runners[at].instance.spec().all_addresses().find(|own| {
                (own.address, own.prefix) == (gone.address, gone.prefix)
                    && self.interfaces.index(&own.interface) == Some(gone.index)
            });
            if let Some(own) = own.cloned() {
                self.restore_address(at, own);
            }
        }
    }

    /// The masters' addresses that are not there come back: news were lost, or one was refused.
    pub(super) fn restore_addresses(&mut self) {
        for at in self.masters() {
            let spec = self.runners[at].instance.spec();
            let missing = spec.all_addresses().filter(|own| !self.interfaces.has(own));
            for own in missing.cloned().collect::<Vec<_>>() {
                self.restore_address(at, own);
            }
        }
    }

    fn restore_address(&mut self, at: usize, own: VirtualAddress) {
        match self.add_address(at, &own) {
            // The news was of a removal before the address was added.
            Ok(false) => {}
            Ok(true) => self.handle(at, Input::PutBack(own)),
            Err(error) => self.is_refused(at, words(&own), error),
        }
    }

    pub(super) fn masters(&self) -> Vec<usize> {
        let is_master = |at: &usize| self.runners[*at].instance.state() == State::Master;
        (0..self.runners.len()).filter(is_master).collect()
    }

    pub(super) fn announce(&mut self, at: usize, addresses: &[VirtualAddress]) {
        let mut of_interface: BTreeMap<&str, Vec<IpAddr>> = BTreeMap::new();
        for address in addresses {
            of_interface.entry(&address.interface).or_default().push(address.address);
        }
        let spec = self.runners[at].instance.spec();
        let now = Instant::now();
        for (interface, addresses) in of_interface {
            let queued = announcer(&mut self.announcer).and_then(|announcer| {
                announcer.announce(&spec.name, interface, &addresses, spec.announce.repeat, now)
            });
            if let Err(error) = queued {
                self.trouble(at, not_told(interface, &error));
            }
        }
        self.send_announcements(now);
    }

    /// Sends what waits for room in an interface's queue.
    pub(super) fn send_announcements(&mut self, now: Instant) {
        let Some(announcer) = &mut self.announcer else { return };
        for (burst, error) in announcer.send(now) {
            let kind = EventKind::Trouble(not_told(&burst.interface, &error));
            self.say(Event { instance: burst.instance.clone(), kind });
        }
    }

    /// When [`Worker::send_announcements`] is due.
    pub(super) fn announcements_at(&self) -> Option<Instant> {
        self.announcer.as_ref().and_then(Announcer::again_at)
    }
}

fn accept_local(interface: &str) -> String {
    format!("net/ipv4/conf/{interface}/accept_local")
}

/// Opened when it is needed first.
pub(super) fn announcer(opened: &mut Option<Announcer>) -> io::Result<&mut Announcer> {
    match opened {
        Some(announcer) => Ok(announcer),
        None => Ok(opened.insert(Announcer::open()?)),
    }
}

fn not_told(interface: &str, error: &io::Error) -> String {
    format!("telling the neighbours on {interface}: {error}")
}

fn words(address: &VirtualAddress) -> String {
    format!("address {}", netif_address(address))
}

/// A virtual address is no source of what this host begins: it may leave at any moment.
fn netif_address(address: &VirtualAddress) -> NewAddress<'_> {
    NewAddress {
        label: address.label.as_deref(),
        scope: address.scope,
        deprecated: true,
        ..NewAddress::new(&address.interface, address.address, address.prefix)
    }
}
