//! The kernel's news of links and addresses.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::interfaces::Interfaces;
use super::paths;
use super::socket::{AdvertReceiver, AdvertSender};
use super::worker::{PAUSE, Place, Receiver, Worker, receive};
use crate::instance::Input;

impl Worker {
    pub(super) fn news(&mut self, news: Result<netif::Event, netif::Error>) {
        if let (Ok(netif::Event::Link(_) | netif::Event::LinkGone { .. }), Some(announcer)) =
            (&news, &mut self.announcer)
        {
            announcer.forget_links();
        }
        match news {
            Ok(netif::Event::Link(link)) => self.interfaces.set_link(link),
            Ok(netif::Event::LinkGone { index }) => self.interfaces.remove_link(index),
            Ok(netif::Event::Address(address)) => {
                // Most news are of what this process has just done itself.
                if !self.interfaces.set_address(address) {
                    return;
                }
            }
            Ok(netif::Event::AddressGone(address)) => {
                self.interfaces.remove_address(&address);
                self.put_back(&address);
            }
            Ok(netif::Event::RoutingGone) => {}
            Ok(netif::Event::Resync) => self.look_again(),
            Err(error) => {
                self.trouble_everywhere(&format!("watching the interfaces: {error}"));
                self.monitor_paused = true;
                self.look_again_before(Instant::now() + PAUSE);
            }
        }
        self.look_at_interfaces();
        self.look_at_routing_soon();
    }

    /// News were lost.
    pub(super) fn look_again(&mut self) {
        let looked = self.netlink.links().and_then(|links| Ok((links, self.netlink.addresses()?)));
        match looked {
            Ok((links, addresses)) => {
                self.interfaces = Interfaces::new(links, addresses);
                self.restore_addresses();
            }
            Err(error) => self.trouble_everywhere(&format!("reading the interfaces: {error}")),
        }
    }

    /// Looks at the interfaces without news of them, at the latest then.
    pub(super) fn look_again_before(&mut self, at: Instant) {
        self.look_again_at = Some(self.look_again_at.map_or(at, |before| before.min(at)));
    }

    /// Opens and closes sockets as interfaces come and go, and tells the instances.
    pub(super) fn look_at_interfaces(&mut self) {
        let specs = self.runners.iter().map(|runner| runner.instance.spec());
        let places: Vec<Place> = specs
            .flat_map(|spec| paths::places(spec).chain([(spec.interface.clone(), spec.family())]))
            .collect();
        let interfaces = &self.interfaces;
        self.receivers.retain(|place, receiver| {
            places.contains(place) && interfaces.index(&place.0) == Some(receiver.index)
        });
        let now = Instant::now();
        for at in 0..self.runners.len() {
            // First, so that what happens to the link can be told there.
            self.look_at_paths(at);
            let vmac = self.ensure_vmac(at);
            let spec = self.runners[at].instance.spec();
            let mut readiness = match &self.runners[at].unfit {
                Some(unfit) if now < unfit.until => Err(unfit.reason.clone()),
                _ => self.interfaces.readiness(spec, |own| self.is_virtual(own)),
            };
            if let (Ok(_), Err(reason)) = (&readiness, vmac) {
                readiness = Err(reason);
                self.look_again_before(now + PAUSE);
            }
            if Some(&readiness) == self.runners[at].readiness.as_ref() {
                continue;
            }
            if let Ok((index, source)) = readiness
                && let Err(error) = self.open_sockets(at, index, source)
            {
                readiness = Err(error);
                self.look_again_before(Instant::now() + PAUSE);
            }
            self.runners[at].readiness = Some(readiness.clone());
            match readiness {
                Ok((_, source)) => {
                    self.runners[at].send_failed = false;
                    self.handle(at, Input::Up(source));
                }
                Err(reason) => {
                    // The last advert gives mastership up where it can still be sent.
                    self.runners[at].send_failed = true;
                    self.handle(at, Input::Down(reason));
                    self.runners[at].sender = None;
                }
            }
        }
        self.look_at_tracked_interfaces();
    }

    /// Takes in the adverts of a place, if that is not so already.
    pub(super) fn listen(&mut self, place: Place, index: u32) -> io::Result<()> {
        if !self.receivers.contains_key(&place) {
            let socket = Arc::new(AdvertReceiver::open(&place.0, index, place.1)?);
            let packets = self.packets.0.clone();
            let task = tokio::spawn(receive(Arc::clone(&socket), place.clone(), packets));
            self.receivers.insert(place, Receiver { index, socket, task });
        }
        Ok(())
    }

    fn open_sockets(&mut self, at: usize, index: u32, source: IpAddr) -> Result<(), String> {
        let spec = self.runners[at].instance.spec();
        let (interface, family) = (spec.interface.clone(), spec.family());
        self.listen((interface.clone(), family), index)
            .map_err(|error| format!("listening for adverts on {interface}: {error}"))?;
        let leaves_by = self.runners[at].instance.spec().advert_interface();
        let same = |sender: &&Arc<AdvertSender>| sender.serves(leaves_by, source);
        let opened = self.runners.iter().filter_map(|runner| runner.sender.as_ref()).find(same);
        let sender = match opened {
            Some(opened) => Arc::clone(opened),
            None => AdvertSender::open(leaves_by, source).map(Arc::new).map_err(|error| {
                format!("sending adverts from {source} on {leaves_by}: {error}")
            })?,
        };
        self.runners[at].sender = Some(sender);
        Ok(())
    }
}
