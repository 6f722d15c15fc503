//! Ends roles, and speaks for them, in the place of a loop that cannot.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use netif::{Netlink, NewAddress, sysctl};

use super::routing;
use super::socket::AdvertSender;
use crate::standing::{Holding, Packet, Standing};

/// Holds, from the moment at which an instance becomes master, what it takes to end its role: a
/// process in trouble may get no descriptor any more.
#[derive(Debug, Default)]
pub struct Fencer {
    netlink: Option<Netlink>,
    /// The sockets of each instance that is master, by interface and source.
    senders: BTreeMap<String, Vec<(Route, Arc<AdvertSender>)>>,
}

/// Where a packet leaves, and under which address.
type Route = (String, IpAddr);

impl Fencer {
    /// Opens what it takes to end this role.
    pub fn prepare(&mut self, standing: &Standing) {
        let Some(holding) = standing.holding() else {
            self.forget(&standing.instance);
            return;
        };
        if self.netlink.is_none() {
            self.netlink = Netlink::open().ok();
        }
        let mut senders = Vec::new();
        for route in holding.farewells.iter().map(route) {
            // Every instance that sends from there shares the socket.
            let mut all = self.senders.values().flatten().chain(&senders);
            let opened =
                all.find(|(known, sender)| *known == route && sender.serves(&route.0, route.1));
            let sender = match opened {
                Some((_, sender)) => Ok(Arc::clone(sender)),
                None => AdvertSender::open(&route.0, route.1).map(Arc::new),
            };
            if let Ok(sender) = sender {
                senders.push((route, sender));
            }
        }
        self.senders.insert(standing.instance.clone(), senders);
    }

    /// Closes what was opened for an instance.
    pub fn forget(&mut self, instance: &str) {
        self.senders.remove(instance);
    }

    /// Removes addresses, routes and rules and gives mastership up, in this order: a backup with a
    /// high priority takes over within milliseconds. Then nothing leaves with the virtual MAC any
    /// more, and what was raised for the instances is as it was. Returns what did not work, in
    /// words.
    pub fn fence(&mut self, standings: &[Standing]) -> Vec<String> {
        let mut failed = Vec::new();
        let holdings: Vec<&Holding> = standings.iter().filter_map(Standing::holding).collect();
        match self.netlink() {
            Ok(netlink) => {
                for holding in &holdings {
                    failed.extend(remove(netlink, holding));
                }
            }
            Err(error) => failed.push(error.to_string()),
        }
        for holding in &holdings {
            failed.extend(self.send(&holding.farewells));
        }
        for vmac in holdings.iter().filter_map(|holding| holding.vmac.as_ref()) {
            let set = self.netlink().and_then(|netlink| netlink.set_link(vmac, false));
            failed.extend(set.err().map(|error| error.to_string()));
        }
        for (key, before) in standings.iter().flat_map(|standing| &standing.raised) {
            failed.extend(sysctl::ensure(key, before).err().map(|error| error.to_string()));
        }
        failed
    }

    fn netlink(&mut self) -> Result<&mut Netlink, netif::Error> {
        match &mut self.netlink {
            Some(netlink) => Ok(netlink),
            none => Ok(none.insert(Netlink::open()?)),
        }
    }

    /// Sends packets. Returns what did not work, in words.
    pub fn send(&self, packets: &[Packet]) -> Vec<String> {
        packets.iter().filter_map(|packet| self.send_one(packet).err()).collect()
    }

    fn send_one(&self, packet: &Packet) -> Result<(), String> {
        let route = route(packet);
        let mut prepared = self.senders.values().flatten();
        let prepared = prepared.find(|(known, _)| *known == route);
        let send = |sender: &AdvertSender| sender.send(packet.destination, &packet.payload);
        let sent = prepared.map(|(_, sender)| send(sender));
        if matches!(sent, Some(Ok(()))) {
            return Ok(());
        }
        // The interface may have been made anew under its name.
        AdvertSender::open(&route.0, route.1).and_then(|sender| send(&sender)).map_err(|error| {
            format!(
                "sending an advert from {} to {} on {}: {error}",
                packet.source, packet.destination, packet.interface
            )
        })
    }
}

/// Removes the routes and rules, and the addresses. Returns what did not work, in words.
fn remove(netlink: &mut Netlink, holding: &Holding) -> Vec<String> {
    let mut failed = routing::delete(netlink, &holding.routing);
    for held in &holding.addresses {
        let address = NewAddress::new(&held.interface, held.address, held.prefix);
        failed.extend(netlink.delete_address_alone(&address).err().map(|error| error.to_string()));
    }
    failed
}

fn route(packet: &Packet) -> Route {
    (packet.interface.clone(), packet.source)
}
