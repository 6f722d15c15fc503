//! The virtual addresses on the interfaces.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use netif::NewAddress;

use super::announcer::Announcer;
use super::worker::{Runner, Worker};
use crate::event::State;
use crate::instance::Input;
use crate::spec::{Priority, VirtualAddress};
use crate::standing::{Role, Standing};

/// After all addresses were refused, until it is tried again: another director may serve meanwhile,
/// and must not be disturbed again and again.
const RETRY: Duration = Duration::from_secs(30);

/// Why an instance cannot be master, and until when that is believed.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) reason: String,
    pub(super) until: Instant,
}

impl Worker {
    pub(super) fn add_addresses(&mut self, at: usize, addresses: &[VirtualAddress]) {
        let mut refused = Vec::new();
        for address in addresses {
            match self.netlink.add_address(&netif_address(address)) {
                Ok(is_new) => {
                    self.interfaces.note_added(address);
                    if is_new {
                        self.added.insert(address.into());
                    }
                }
                Err(error) => refused.push(error.to_string()),
            }
        }
        let all = self.runners[at].instance.spec().all_addresses().count();
        if all > 0 && refused.len() == all {
            let until = Instant::now() + RETRY;
            let reason = refused.swap_remove(0);
            self.runners[at].refused = Some(Refused { reason: reason.clone(), until });
            self.look_again_before(until);
            return self.handle(at, Input::Down(reason));
        }
        for error in refused {
            self.trouble(at, error);
        }
    }

    pub(super) fn remove_addresses(&mut self, at: usize, addresses: &[VirtualAddress]) {
        for address in addresses {
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
                self.restore(at, own);
            }
        }
    }

    /// The masters' addresses that are not there come back: news were lost, or one was refused.
    pub(super) fn restore_missing(&mut self) {
        for at in self.masters() {
            let spec = self.runners[at].instance.spec();
            let missing = spec.all_addresses().filter(|own| !self.interfaces.has(own));
            for own in missing.cloned().collect::<Vec<_>>() {
                self.restore(at, own);
            }
        }
    }

    fn restore(&mut self, at: usize, own: VirtualAddress) {
        match self.netlink.add_address(&netif_address(&own)) {
            // The news was of a removal before the address was added.
            Ok(false) => {}
            Ok(true) => {
                self.interfaces.note_added(&own);
                self.added.insert((&own).into());
                self.handle(at, Input::PutBack(own));
            }
            Err(error) => self.trouble(at, error.to_string()),
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
        let repeat = self.runners[at].instance.spec().announce.repeat;
        for (interface, addresses) in of_interface {
            let sent = announcer(&mut self.announcer)
                .and_then(|announcer| announcer.announce(interface, &addresses, repeat));
            if let Err(error) = sent {
                self.trouble(at, format!("telling the neighbours on {interface}: {error}"));
            }
        }
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

/// A virtual address is no source of what this host begins: it may leave at any moment.
fn netif_address(address: &VirtualAddress) -> NewAddress<'_> {
    NewAddress {
        label: address.label.as_deref(),
        scope: address.scope,
        deprecated: true,
        ..NewAddress::new(&address.interface, address.address, address.prefix)
    }
}
