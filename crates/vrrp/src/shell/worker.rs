//! The thread's loop.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use netif::{Monitor, Netlink};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::addresses::Unfit;
use super::announcer::Announcer;
use super::guarded::Teller;
use super::interfaces::Interfaces;
use super::paths::PathRunner;
use super::probe::Prober;
use super::schedule::Schedule;
use super::socket::{AdvertReceiver, AdvertSender, Packet};
use super::{Command, Error, Statuses, Watched, tracking};
use crate::event::Event;
use crate::group::Group;
use crate::instance::{Input, Instance, Vitals};
use crate::packet::Advert;
use crate::spec::{Family, Heartbeat, InstanceSpec, Priority};
use crate::standing::HeldAddress;

/// Packets that wait for the loop; more are dropped, as a full socket buffer would.
const PACKETS: usize = 1024;

/// After an error, until it is tried again.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// What a receiving task listens to.
pub(super) type Place = (String, Family);

/// A packet, and where it came in.
type Received = (Place, Packet);

/// An instance with what it needs.
pub(super) struct Runner {
    pub(super) instance: Instance,
    /// Shared by all that send from the same place: each raw socket is one more that the kernel
    /// looks at for every packet of the protocol.
    pub(super) sender: Option<Arc<AdvertSender>>,
    /// What the instance was last told of its interface: its index and the adverts' source.
    pub(super) readiness: Option<Result<(u32, IpAddr), String>>,
    /// The number of the interface with the virtual MAC.
    pub(super) vmac: Option<u32>,
    /// All its addresses were refused.
    pub(super) unfit: Option<Unfit>,
    /// Which of its addresses, routes and rules were refused, in words, and why.
    pub(super) refused: BTreeMap<String, String>,
    /// The last advert could not be sent, and that was said.
    pub(super) send_failed: bool,
    pub(super) paths: BTreeMap<Heartbeat, PathRunner>,
    /// What the guard knows of it.
    pub(super) told: Option<Vitals>,
}

/// A receiving task; it ends when dropped.
pub(super) struct Receiver {
    pub(super) index: u32,
    pub(super) socket: Arc<AdvertReceiver>,
    pub(super) task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) struct Worker {
    pub(super) runners: Vec<Runner>,
    pub(super) schedule: Schedule,
    /// Which instances have a VRID.
    by_vrid: BTreeMap<u8, Vec<usize>>,
    /// The virtual addresses of all instances that do not own them.
    virtual_addresses: BTreeSet<IpAddr>,
    /// The addresses that are there because this program has added them.
    pub(super) added: BTreeSet<HeldAddress>,
    pub(super) groups: Vec<Group>,
    pub(super) conditions: tracking::Conditions,
    pub(super) receivers: BTreeMap<Place, Receiver>,
    pub(super) interfaces: Interfaces,
    pub(super) netlink: Netlink,
    pub(super) monitor: Monitor,
    pub(super) announcer: Option<Announcer>,
    pub(super) packets: (mpsc::Sender<Received>, mpsc::Receiver<Received>),
    /// Who has an address, as the link says.
    pub(super) prober: Prober,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    pub(super) events: Sender<Event>,
    /// When to look at the interfaces without news of them: something did not work.
    pub(super) look_again_at: Option<Instant>,
    /// When to look whether what the masters hold is there.
    pub(super) restore_at: Option<Instant>,
    /// The monitor tells of routes and rules.
    pub(super) watches_routing: bool,
    /// Until then the kernel's news are not asked for.
    pub(super) monitor_paused: bool,
    /// Keys of `/proc/sys` that were raised, with what they were.
    pub(super) raised: BTreeMap<String, String>,
    /// The guard, if there is one.
    pub(super) teller: Option<Teller>,
}

impl Worker {
    /// Needs the context of the thread's runtime.
    pub(super) fn new(
        specs: Vec<InstanceSpec>,
        events: Sender<Event>,
        commands: mpsc::UnboundedReceiver<Command>,
        watched: Option<Watched>,
    ) -> Result<Self, Error> {
        // Before the first look, so that nothing falls between.
        let monitor = Monitor::open()?;
        let mut netlink = Netlink::open()?;
        let interfaces = Interfaces::new(netlink.links()?, netlink.addresses()?);
        let mut worker = Self {
            runners: Vec::new(),
            schedule: Schedule::default(),
            by_vrid: BTreeMap::new(),
            virtual_addresses: BTreeSet::new(),
            added: BTreeSet::new(),
            groups: Vec::new(),
            conditions: tracking::Conditions::new(),
            receivers: BTreeMap::new(),
            interfaces,
            netlink,
            monitor,
            announcer: None,
            packets: mpsc::channel(PACKETS),
            prober: Prober::default(),
            commands,
            events,
            look_again_at: None,
            restore_at: None,
            watches_routing: false,
            monitor_paused: false,
            raised: BTreeMap::new(),
            teller: None,
        };
        worker.add(specs);
        let standings = watched.as_ref().map_or(&[][..], |watched| &watched.standings);
        worker.remove_stale_routing(standings);
        if let Some(watched) = watched {
            worker.resume(watched);
        }
        Ok(worker)
    }

    pub(super) async fn run(mut self) {
        self.look_at_interfaces();
        loop {
            self.settle();
            let beat = self.teller.as_ref().map(Teller::beat_at);
            let others =
                [self.look_again_at, self.restore_at, self.announcements_at(), beat].into_iter();
            let next = others.flatten().chain(self.schedule.next()).min();
            let timeout = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = timeout => {
                    self.timeouts();
                    if self.is_alone() {
                        return self.stop();
                    }
                }
                command = self.commands.recv() => match command {
                    Some(Command::Reload(specs)) => self.reload(specs),
                    Some(Command::Tracked(thing, condition)) => self.tracked(&thing, &condition),
                    Some(Command::Forget(thing)) => drop(self.conditions.remove(&thing)),
                    // Who asked may be gone; then nobody misses the answer.
                    Some(Command::Status(answer)) => {
                        let _ = answer.send(self.statuses());
                    }
                    Some(Command::Stop(stopped)) => {
                        self.stop();
                        // Who waited may have given up.
                        let _ = stopped.send(());
                        return;
                    }
                    Some(Command::HandOver(done)) => {
                        // As above.
                        let _ = done.send(());
                        return;
                    }
                    None => return self.stop(),
                },
                // Before the packets, so that a flood of them cannot hide a lost link.
                news = self.monitor.next(), if !self.monitor_paused => self.news(news),
                Some((place, packet)) = self.packets.1.recv() => {
                    self.packet(&place, packet);
                    self.waiting_packets();
                }
                claim = self.prober.next() => self.answer(claim),
            }
        }
    }

    fn add(&mut self, specs: Vec<InstanceSpec>) {
        let now = Instant::now();
        self.runners.extend(specs.into_iter().map(|spec| Runner {
            instance: Instance::new(spec, now),
            sender: None,
            readiness: None,
            vmac: None,
            unfit: None,
            refused: BTreeMap::new(),
            send_failed: false,
            paths: BTreeMap::new(),
            told: None,
        }));
        self.number_anew();
        self.regroup();
        self.tell_conditions();
    }

    /// Whether this is a virtual address of one of the instances. What an owner has found on its
    /// interface is the machine's own.
    pub(super) fn is_virtual(&self, address: IpAddr) -> bool {
        self.virtual_addresses.contains(&address)
            || self.added.iter().any(|added| added.address == address)
    }

    /// The instances have other numbers than before, or other addresses.
    fn number_anew(&mut self) {
        self.schedule.clear();
        self.by_vrid.clear();
        self.virtual_addresses.clear();
        for (at, runner) in self.runners.iter().enumerate() {
            self.schedule.set(at, runner.instance.poll_timeout());
            let spec = runner.instance.spec();
            self.by_vrid.entry(spec.vrid.get()).or_default().push(at);
            if spec.priority != Priority::OWNER {
                self.virtual_addresses.extend(spec.all_addresses().map(|own| own.address));
            }
        }
    }

    /// The instances with the VRID of this packet, on whatever link.
    pub(super) fn with_vrid_of(&self, packet: &Packet) -> &[usize] {
        let vrid = Advert::peek_vrid(&packet.payload);
        vrid.and_then(|vrid| self.by_vrid.get(&vrid)).map_or(&[], Vec::as_slice)
    }

    fn timeouts(&mut self) {
        self.packets_before_timeouts();
        let now = Instant::now();
        for at in self.schedule.due(now) {
            self.runners[at].instance.handle_timeout(now);
            self.drain(at);
            self.beat_amid_work();
        }
        self.prober.handle_timeout(now);
        if self.look_again_at.is_some_and(|at| at <= now) {
            self.look_again_at = None;
            self.monitor_paused = false;
            self.look_again();
            self.look_at_interfaces();
        }
        if self.restore_at.is_some_and(|at| at <= now) {
            self.restore();
        }
        if self.announcements_at().is_some_and(|at| at <= now) {
            self.send_announcements(now);
        }
        self.beat(now);
    }

    /// After a pause of this process the timer of a backup is over, while the adverts that should
    /// have set it wait: what came in counts first.
    fn packets_before_timeouts(&mut self) {
        if self.schedule.next().is_none_or(|at| at > Instant::now()) {
            return;
        }
        self.waiting_packets();
        let places: Vec<Place> = self.receivers.keys().cloned().collect();
        for place in places {
            for _ in 0..PACKETS {
                let socket =
                    self.receivers.get(&place).map(|receiver| Arc::clone(&receiver.socket));
                let Some(Ok(packet)) = socket.map(|socket| socket.read()) else { break };
                self.packet(&place, packet);
            }
        }
    }

    /// Takes what the receiving tasks have read; the rest of the loop may wait so long.
    fn waiting_packets(&mut self) {
        for _ in 0..PACKETS {
            let Ok((place, packet)) = self.packets.1.try_recv() else { break };
            self.packet(&place, packet);
        }
    }

    fn statuses(&self) -> Statuses {
        let instances = self.runners.iter().map(|runner| {
            let mut status = runner.instance.status();
            for address in &mut status.addresses {
                address.held = self.interfaces.has(&address.address);
            }
            for one in &mut status.routing {
                one.held &= !runner.refused.contains_key(&one.what);
            }
            status.troubles.extend(runner.refused.values().cloned());
            status
        });
        Statuses { instances: instances.collect(), groups: self.group_statuses() }
    }

    fn packet(&mut self, place: &Place, packet: Packet) {
        if self.path_packet(place, &packet) {
            return;
        }
        let is_of_place = |at: &usize| {
            let spec = self.runners[*at].instance.spec();
            (&spec.interface, spec.family()) == (&place.0, place.1)
        };
        let matching = self.with_vrid_of(&packet).iter().copied().find(is_of_place);
        // What belongs to no instance is counted by the first one of the interface.
        let first = || (0..self.runners.len()).find(is_of_place);
        let Some(at) = matching.or_else(first) else { return };
        let input = match packet.header {
            Some(header) => Input::Packet(header, packet.payload),
            None => Input::Malformed,
        };
        self.handle(at, input);
    }

    fn reload(&mut self, mut specs: Vec<InstanceSpec>) {
        let same = |old: &InstanceSpec, new: &InstanceSpec| {
            (&old.name, &old.interface, old.vrid, old.family(), &old.vmac)
                == (&new.name, &new.interface, new.vrid, new.family(), &new.vmac)
        };
        // What goes, goes first: its addresses may be wanted by another instance.
        for at in (0..self.runners.len()).rev() {
            if !specs.iter().any(|new| same(self.runners[at].instance.spec(), new)) {
                self.handle(at, Input::Shutdown);
                self.remove_vmac(at);
                let runner = self.runners.remove(at);
                self.number_anew();
                self.tell_gone(&runner.instance.spec().name);
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
        for at in 0..self.runners.len() {
            self.remove_vmac(at);
        }
        self.observe_groups();
    }

    pub(super) fn handle(&mut self, at: usize, input: Input) {
        self.runners[at].instance.handle(input, Instant::now());
        self.drain(at);
    }
}

pub(super) async fn receive(
    receiver: Arc<AdvertReceiver>,
    place: Place,
    packets: mpsc::Sender<Received>,
) {
    loop {
        match receiver.receive().await {
            Ok(packet) => {
                // A full queue drops the packet, as a full socket buffer would.
                let _ = packets.try_send((place.clone(), packet));
            }
            // The link is down or gone; the kernel's news tell when it is back.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
