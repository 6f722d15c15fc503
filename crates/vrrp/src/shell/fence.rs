//! Ends roles, and speaks for them, in the place of a loop that cannot.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use netif::{Netlink, NewAddress};

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
    /// high priority takes over within milliseconds. Returns what did not work, in words.
    pub fn fence(&mut self, holdings: &[Holding]) -> Vec<String> {
        let mut failed = self.remove(holdings);
        for holding in holdings {
            failed.extend(self.send(&holding.farewells));
        }
        failed
    }

    /// Removes the routes and rules, and the addresses. Returns what did not work, in words.
    pub(super) fn remove(&mut self, holdings: &[Holding]) -> Vec<String> {
        let netlink = match &mut self.netlink {
            Some(netlink) => netlink,
            None => match Netlink::open() {
                Ok(netlink) => self.netlink.insert(netlink),
                Err(error) => return vec![error.to_string()],
            },
        };
        let mut failed = Vec::new();
        for holding in holdings {
            failed.extend(routing::delete(netlink, &holding.routing));
            for held in &holding.addresses {
                let address = NewAddress::new(&held.interface, held.address, held.prefix);
                if let Err(error) = netlink.delete_address_alone(&address) {
                    failed.push(error.to_string());
                }
            }
        }
        failed
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

fn route(packet: &Packet) -> Route {
    (packet.interface.clone(), packet.source)
}
