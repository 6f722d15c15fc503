//! The thread's loop.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use netif::{Monitor, Netlink, NewAddress};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::arp::Announcer;
use super::interfaces::Interfaces;
use super::socket::{AdvertReceiver, AdvertSender, LONGEST_PACKET};
use super::{Command, Error};
use crate::event::{Event, EventKind, State};
use crate::instance::{Input, Instance, Output};
use crate::packet::{Advert, IpHeader};
use crate::spec::{InstanceSpec, VirtualAddress};

/// Packets that wait for the loop; more are dropped, as a full socket buffer would.
const PACKETS: usize = 1024;

/// After an error, until it is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// A packet with its IP header, as it came in on an interface.
struct Received {
    interface: String,
    bytes: Vec<u8>,
}

/// An instance with what it needs.
struct Runner {
    instance: Instance,
    sender: Option<AdvertSender>,
    /// What the instance was last told of its interface: its index and the adverts' source.
    readiness: Option<Result<(u32, Ipv4Addr), String>>,
    /// The last advert could not be sent, and that was said.
    send_failed: bool,
}

/// A receiving task; it ends when dropped.
struct Receiver {
    index: u32,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) struct Worker {
    runners: Vec<Runner>,
    receivers: BTreeMap<String, Receiver>,
    interfaces: Interfaces,
    netlink: Netlink,
    monitor: Monitor,
    announcer: Option<Announcer>,
    packets: (mpsc::Sender<Received>, mpsc::Receiver<Received>),
    commands: mpsc::UnboundedReceiver<Command>,
    events: Sender<Event>,
    /// When to look at the interfaces without news of them: something did not work.
    look_again_at: Option<Instant>,
    /// Until then the kernel's news are not asked for.
    monitor_paused: bool,
}

impl Worker {
    /// Needs the context of the thread's runtime.
    pub(super) fn new(
        specs: Vec<InstanceSpec>,
        events: Sender<Event>,
        commands: mpsc::UnboundedReceiver<Command>,
    ) -> Result<Self, Error> {
        // Before the first look, so that nothing falls between.
        let monitor = Monitor::open()?;
        let mut netlink = Netlink::open()?;
        let interfaces = Interfaces::new(netlink.links()?, netlink.addresses()?);
        let mut worker = Self {
            runners: Vec::new(),
            receivers: BTreeMap::new(),
            interfaces,
            netlink,
            monitor,
            announcer: None,
            packets: mpsc::channel(PACKETS),
            commands,
            events,
            look_again_at: None,
            monitor_paused: false,
        };
        worker.add(specs);
        Ok(worker)
    }

    pub(super) async fn run(mut self) {
        self.look_at_interfaces();
        loop {
            let timers = self.runners.iter().filter_map(|r| r.instance.poll_timeout());
            let next = timers.chain(self.look_again_at).min();
            let timeout = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = timeout => self.timeouts(),
                command = self.commands.recv() => match command {
                    Some(Command::Reload(specs)) => self.reload(specs),
                    // Who asked may be gone; then nobody misses the answer.
                    Some(Command::Status(answer)) => {
                        let _ = answer.send(self.runners.iter().map(|r| r.instance.status()).collect());
                    }
                    Some(Command::Stop(stopped)) => {
                        self.stop();
                        // Who waited may have given up.
                        let _ = stopped.send(());
                        return;
                    }
                    None => return self.stop(),
                },
                // Before the packets, so that a flood of them cannot hide a lost link.
                news = self.monitor.next(), if !self.monitor_paused => self.news(news),
                Some(packet) = self.packets.1.recv() => self.packet(&packet),
            }
        }
    }

    fn add(&mut self, specs: Vec<InstanceSpec>) {
        let now = Instant::now();
        self.runners.extend(specs.into_iter().map(|spec| Runner {
            instance: Instance::new(spec, now),
            sender: None,
            readiness: None,
            send_failed: false,
        }));
    }

    fn timeouts(&mut self) {
        let now = Instant::now();
        for at in 0..self.runners.len() {
            self.runners[at].instance.handle_timeout(now);
            self.drain(at);
        }
        if self.look_again_at.is_some_and(|at| at <= now) {
            self.look_again_at = None;
            self.monitor_paused = false;
            self.look_again();
            self.look_at_interfaces();
        }
    }

    fn packet(&mut self, packet: &Received) {
        let split = IpHeader::split(&packet.bytes);
        let vrid = split.as_ref().ok().and_then(|(_, payload)| Advert::peek_vrid(payload));
        let mut of_interface = (0..self.runners.len())
            .filter(|&at| self.runners[at].instance.spec().interface == packet.interface);
        // What belongs to no instance is counted by the first one of the interface.
        let first = of_interface.clone().next();
        let matching =
            of_interface.find(|&at| Some(self.runners[at].instance.spec().vrid.get()) == vrid);
        let Some(at) = matching.or(first) else { return };
        let input = match split {
            Ok((header, payload)) => Input::Packet(header, payload.to_vec()),
            Err(_) => Input::Malformed,
        };
        self.handle(at, input);
    }

    fn news(&mut self, news: Result<netif::Event, netif::Error>) {
        match news {
            Ok(netif::Event::Link(link)) => self.interfaces.set_link(link),
            Ok(netif::Event::LinkGone { index }) => self.interfaces.remove_link(index),
            Ok(netif::Event::Address(address)) => self.interfaces.set_address(address),
            Ok(netif::Event::AddressGone(address)) => {
                self.interfaces.remove_address(&address);
                self.put_back(&address);
            }
            Ok(netif::Event::Resync) => self.look_again(),
            Err(error) => {
                self.trouble_everywhere(&format!("watching the interfaces: {error}"));
                self.monitor_paused = true;
                self.look_again_at = Some(Instant::now() + PAUSE);
            }
        }
        self.look_at_interfaces();
    }

    /// A master's address that another program has removed comes back.
    fn put_back(&mut self, gone: &netif::Address) {
        for at in 0..self.runners.len() {
            let instance = &self.runners[at].instance;
            if instance.state() != State::Master {
                continue;
            }
            let own = instance.spec().addresses.iter().find(|own| {
                (own.address, own.prefix) == (gone.address, gone.prefix)
                    && self.interfaces.index(&own.interface) == Some(gone.index)
            });
            let Some(own) = own.cloned() else { continue };
            match self.netlink.add_address(&netif_address(&own)) {
                // The news was of a removal before the address was added.
                Ok(false) => {}
                Ok(true) => {
                    let text = format!(
                        "{}/{} was removed from {} by another program; it is put back",
                        own.address, own.prefix, own.interface
                    );
                    self.trouble(at, text);
                    self.announce(at, &[own]);
                }
                Err(error) => self.trouble(at, error.to_string()),
            }
        }
    }

    /// News were lost.
    fn look_again(&mut self) {
        let looked = self.netlink.links().and_then(|links| Ok((links, self.netlink.addresses()?)));
        match looked {
            Ok((links, addresses)) => self.interfaces = Interfaces::new(links, addresses),
            Err(error) => self.trouble_everywhere(&format!("reading the interfaces: {error}")),
        }
    }

    /// Opens and closes sockets as interfaces come and go, and tells the instances.
    fn look_at_interfaces(&mut self) {
        let names: Vec<String> =
            self.runners.iter().map(|r| r.instance.spec().interface.clone()).collect();
        let interfaces = &self.interfaces;
        self.receivers.retain(|name, receiver| {
            names.contains(name) && interfaces.index(name) == Some(receiver.index)
        });
        for at in 0..self.runners.len() {
            let is_virtual = |address| {
                let mut specs = self.runners.iter().map(|runner| runner.instance.spec());
                specs.any(|spec| spec.addresses.iter().any(|v| v.address == address))
            };
            let spec = self.runners[at].instance.spec();
            let mut readiness = self.interfaces.readiness(spec, is_virtual);
            if Some(&readiness) == self.runners[at].readiness.as_ref() {
                continue;
            }
            if let Ok((index, source)) = readiness
                && let Err(error) = self.open_sockets(at, index, source)
            {
                readiness = Err(error);
                self.look_again_at = Some(Instant::now() + PAUSE);
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
    }

    fn open_sockets(&mut self, at: usize, index: u32, source: Ipv4Addr) -> Result<(), String> {
        let interface = self.runners[at].instance.spec().interface.clone();
        if !self.receivers.contains_key(&interface) {
            let receiver = AdvertReceiver::open(&interface, index)
                .map_err(|error| format!("listening for adverts on {interface}: {error}"))?;
            let task = tokio::spawn(receive(receiver, interface.clone(), self.packets.0.clone()));
            self.receivers.insert(interface.clone(), Receiver { index, task });
        }
        let sender = AdvertSender::open(&interface, source)
            .map_err(|error| format!("sending adverts from {source} on {interface}: {error}"))?;
        self.runners[at].sender = Some(sender);
        Ok(())
    }

    fn reload(&mut self, mut specs: Vec<InstanceSpec>) {
        let same = |old: &InstanceSpec, new: &InstanceSpec| {
            (&old.name, &old.interface, old.vrid) == (&new.name, &new.interface, new.vrid)
        };
        // What goes, goes first: its addresses may be wanted by another instance.
        for at in (0..self.runners.len()).rev() {
            if !specs.iter().any(|new| same(self.runners[at].instance.spec(), new)) {
                self.handle(at, Input::Shutdown);
                self.runners.remove(at);
            }
        }
        for at in 0..self.runners.len() {
            let old = self.runners[at].instance.spec();
            if let Some(found) = specs.iter().position(|new| same(old, new)) {
                let new = specs.remove(found);
                if new != *old {
                    let reconfigure = Input::Reconfigure(Box::new(new));
                    self.runners[at].instance.handle(reconfigure, Instant::now());
                }
            }
        }
        // Only now: an address may have moved from one instance to another.
        for at in 0..self.runners.len() {
            self.drain(at);
        }
        self.add(specs);
        self.look_at_interfaces();
    }

    fn stop(&mut self) {
        for at in 0..self.runners.len() {
            self.handle(at, Input::Shutdown);
        }
    }

    fn handle(&mut self, at: usize, input: Input) {
        self.runners[at].instance.handle(input, Instant::now());
        self.drain(at);
    }

    fn drain(&mut self, at: usize) {
        while let Some(output) = self.runners[at].instance.poll_output() {
            match output {
                Output::Send { destination, payload, .. } => self.send(at, destination, &payload),
                Output::AddAddresses(addresses) => self.add_addresses(at, &addresses),
                Output::RemoveAddresses(addresses) => self.remove_addresses(at, &addresses),
                Output::Announce(addresses) => self.announce(at, &addresses),
                Output::Event(event) => self.say(event),
            }
        }
    }

    fn send(&mut self, at: usize, destination: Ipv4Addr, payload: &[u8]) {
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
                instance.state() == State::Master && instance.spec().addresses.contains(address)
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

    fn announce(&mut self, at: usize, addresses: &[VirtualAddress]) {
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

    fn trouble(&self, at: usize, text: String) {
        let instance = self.runners[at].instance.spec().name.clone();
        self.say(Event { instance, kind: EventKind::Trouble(text) });
    }

    fn trouble_everywhere(&self, text: &str) {
        for at in 0..self.runners.len() {
            self.trouble(at, text.to_owned());
        }
    }

    fn say(&self, event: Event) {
        // Whoever listened is gone; VRRP goes on.
        let _ = self.events.send(event);
    }
}

fn netif_address(address: &VirtualAddress) -> NewAddress<'_> {
    NewAddress {
        interface: &address.interface,
        address: address.address,
        prefix: address.prefix,
        label: address.label.as_deref(),
    }
}

async fn receive(receiver: AdvertReceiver, interface: String, packets: mpsc::Sender<Received>) {
    let mut buffer = [0; LONGEST_PACKET];
    loop {
        match receiver.receive(&mut buffer).await {
            Ok(length) => {
                let bytes = buffer[..length].to_vec();
                // A full queue drops the packet, as a full socket buffer would.
                let _ = packets.try_send(Received { interface: interface.clone(), bytes });
            }
            // The link is down or gone; the kernel's news tell when it is back.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
