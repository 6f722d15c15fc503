//! The state machine of one virtual router (RFC 9568 §6.4, RFC 3768 §6.4). Pure.
//!
//! After each call of [`Instance::handle`] or [`Instance::handle_timeout`], carry out what
//! [`Instance::poll_output`] gives, in its order, until it gives nothing.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use crate::event::{Event, EventKind, State};
use crate::packet::{Advert, DropCause, GROUP, IpHeader, TTL};
use crate::spec::{Centiseconds, InstanceSpec, Priority, Version, VirtualAddress};
use crate::timer::{Timer, TimerTable};

/// What happens to an instance.
#[derive(Debug, Clone)]
pub enum Input {
    /// The interface can carry adverts, from this address: the start, and the end of a fault.
    Up(Ipv4Addr),
    /// The interface cannot, for this reason.
    Down(String),
    /// A VRRP packet came in, with this instance's VRID or one that no instance has.
    Packet(IpHeader, Vec<u8>),
    /// A packet came in that has not even an IPv4 header.
    Malformed,
    /// Changed settings. Interface and VRID are what an instance is, so they do not change.
    Reconfigure(Box<InstanceSpec>),
    /// lvsd stops, or the instance is no longer defined.
    Shutdown,
}

/// What the shell has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes as VRRP packet.
    Send {
        /// Source address.
        source: Ipv4Addr,
        /// Destination address.
        destination: Ipv4Addr,
        /// What follows the IP header.
        payload: Vec<u8>,
    },
    /// Add these addresses; one that is there already is fine.
    AddAddresses(Vec<VirtualAddress>),
    /// Remove these addresses; one that is not there is fine.
    RemoveAddresses(Vec<VirtualAddress>),
    /// Send one burst of gratuitous ARP for these addresses.
    Announce(Vec<VirtualAddress>),
    /// Log it.
    Event(Event),
}

/// What is known of the master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Master {
    /// Source of its adverts.
    pub address: Ipv4Addr,
    /// Its priority.
    pub priority: u8,
}

/// What an operator sees of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceStatus {
    /// Name in the configuration.
    pub name: String,
    /// Interface of the adverts.
    pub interface: String,
    /// Virtual router identifier.
    pub vrid: u8,
    /// Own priority.
    pub priority: u8,
    /// State.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// Why, in words.
    pub reason: String,
    /// The master: this director itself, or the one last heard.
    pub master: Option<Master>,
    /// The virtual addresses; held while master.
    pub addresses: Vec<VirtualAddress>,
    /// Counters by name.
    pub counters: Vec<(String, u64)>,
}

/// Packets and events since the instance was made.
#[derive(Debug, Clone, Default)]
struct Counters {
    sent: u64,
    received: u64,
    became_master: u64,
    rivals: u64,
    dropped: BTreeMap<DropCause, u64>,
}

/// One virtual router on this director.
#[derive(Debug)]
pub struct Instance {
    spec: InstanceSpec,
    state: State,
    since: Instant,
    reason: String,
    /// Source of the adverts; `None` while the interface cannot carry them.
    source: Option<Ipv4Addr>,
    master: Option<Master>,
    /// `Active_Adver_Interval`: the master's, learnt from its adverts in version 3.
    master_interval: Centiseconds,
    /// When a worse master was first heard, for `preempt_delay`.
    worse_master_since: Option<Instant>,
    rival: Option<Ipv4Addr>,
    /// When a worse master was last answered.
    answered: Option<Instant>,
    /// Causes of drops that were reported since the last transition.
    reported: Vec<DropCause>,
    timers: TimerTable,
    counters: Counters,
    outputs: VecDeque<Output>,
}

impl Instance {
    /// An instance in Initialize; it starts with [`Input::Up`].
    pub fn new(spec: InstanceSpec, now: Instant) -> Self {
        let spec = with_an_interval(spec);
        Self {
            master_interval: spec.advert_interval,
            spec,
            state: State::Initialize,
            since: now,
            reason: "not started yet".to_owned(),
            source: None,
            master: None,
            worse_master_since: None,
            rival: None,
            answered: None,
            reported: Vec::new(),
            timers: TimerTable::default(),
            counters: Counters::default(),
            outputs: VecDeque::new(),
        }
    }

    /// What it was told to do.
    pub fn spec(&self) -> &InstanceSpec {
        &self.spec
    }

    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Takes an input.
    pub fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Up(source) => self.up(source, now),
            Input::Down(reason) => self.down(reason, now),
            Input::Packet(header, payload) => {
                if let Err(cause) = self.packet(&header, &payload, now) {
                    self.dropped(cause, header.source);
                }
            }
            Input::Malformed => self.dropped(DropCause::IpHeader, Ipv4Addr::UNSPECIFIED),
            Input::Reconfigure(spec) => self.reconfigure(*spec, now),
            Input::Shutdown => self.shutdown(now),
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expire(now) {
            match timer {
                Timer::Advert => {
                    self.send_advert(self.spec.priority.get());
                    self.timers.set(Timer::Advert, now + self.spec.advert_interval.duration());
                }
                Timer::MasterDown => {
                    let reason = match self.master {
                        Some(Master { address, priority: 0 }) => format!("{address} gave up"),
                        Some(Master { address, priority })
                            if priority < self.spec.priority.get() =>
                        {
                            format!("{address} has only priority {priority}")
                        }
                        Some(Master { address, priority })
                            if priority == self.spec.priority.get()
                                && self.source > Some(address) =>
                        {
                            format!("{address} has equal priority {priority}, lower address")
                        }
                        Some(Master { address, .. }) => {
                            format!("no advert from {address} in time")
                        }
                        None => "no master heard".to_owned(),
                    };
                    self.become_master(reason, now);
                }
                Timer::SecondAnnounce => self.announce(),
                Timer::Refresh => {
                    self.announce();
                    self.timers.set(Timer::Refresh, now + self.spec.announce.refresh);
                }
                Timer::RivalGone => {
                    if let Some(address) = self.rival.take() {
                        // Neighbours may have learnt the other's MAC while there were two.
                        self.announce();
                        self.event(EventKind::RivalGone { address });
                    }
                }
            }
        }
    }

    /// When [`Instance::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What an operator sees.
    pub fn status(&self) -> InstanceStatus {
        let counters = &self.counters;
        let mut named = vec![
            ("adverts sent".to_owned(), counters.sent),
            ("adverts received".to_owned(), counters.received),
            ("became master".to_owned(), counters.became_master),
            ("two masters".to_owned(), counters.rivals),
        ];
        for cause in DropCause::ALL {
            let count = counters.dropped.get(&cause).copied().unwrap_or(0);
            named.push((format!("dropped: {cause}"), count));
        }
        InstanceStatus {
            name: self.spec.name.clone(),
            interface: self.spec.interface.clone(),
            vrid: self.spec.vrid.get(),
            priority: self.spec.priority.get(),
            state: self.state,
            since: self.since,
            reason: match (self.state, self.master) {
                (State::Backup, Some(Master { address, priority })) => {
                    format!("{address} is master with priority {priority}")
                }
                _ => self.reason.clone(),
            },
            master: self.master,
            addresses: self.spec.addresses.clone(),
            counters: named,
        }
    }

    fn is_owner(&self) -> bool {
        self.spec.priority == Priority::OWNER
    }

    /// `Skew_Time`: a better backup is quicker. Version 2 counts in seconds whatever the interval.
    fn skew(&self) -> Duration {
        let steps = 256 - u32::from(self.spec.priority.get());
        let interval = match self.spec.version {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => self.master_interval.duration(),
        };
        interval * steps / 256
    }

    /// `Active_Down_Interval` (`Master_Down_Interval`).
    fn master_down_interval(&self) -> Duration {
        self.master_interval.duration() * 3 + self.skew()
    }

    fn up(&mut self, source: Ipv4Addr, now: Instant) {
        self.source = Some(source);
        match self.state {
            State::Backup => {}
            State::Master => self.master = Some(self.myself(source)),
            State::Initialize | State::Fault => {
                if !self.is_owner() {
                    self.remove_leftovers();
                }
                self.master_interval = self.spec.advert_interval;
                self.master = None;
                if self.is_owner() {
                    self.become_master("owner of the addresses".to_owned(), now);
                } else {
                    let reason = format!("{} is up", self.spec.interface);
                    self.become_backup(reason, now);
                }
            }
        }
    }

    fn down(&mut self, reason: String, now: Instant) {
        if self.state == State::Fault {
            self.reason = reason;
            return;
        }
        self.remove_leftovers();
        self.give_up();
        self.source = None;
        self.master = None;
        self.transition(State::Fault, reason, now);
    }

    /// At the start: a crash may have left the addresses on the interface.
    fn remove_leftovers(&mut self) {
        if self.state == State::Initialize {
            self.outputs.push_back(Output::RemoveAddresses(self.spec.addresses.clone()));
        }
    }

    fn shutdown(&mut self, now: Instant) {
        self.give_up();
        self.source = None;
        self.master = None;
        if self.state != State::Initialize {
            self.transition(State::Initialize, "stopped".to_owned(), now);
        }
    }

    /// Leaves the state, and mastership with priority 0. The addresses go first: a backup with a
    /// high priority takes over within milliseconds.
    fn give_up(&mut self) {
        let was_master = self.state == State::Master;
        self.leave();
        if was_master {
            self.send_advert(0);
        }
    }

    /// Ends what a state has running, without entering another one.
    fn leave(&mut self) {
        self.timers.stop_all();
        self.worse_master_since = None;
        self.rival = None;
        if self.state == State::Master {
            self.outputs.push_back(Output::RemoveAddresses(self.spec.addresses.clone()));
        }
    }

    fn become_backup(&mut self, reason: String, now: Instant) {
        self.leave();
        self.transition(State::Backup, reason, now);
        self.timers.set(Timer::MasterDown, now + self.master_down_interval());
    }

    fn become_master(&mut self, reason: String, now: Instant) {
        let Some(source) = self.source else { return };
        self.leave();
        self.master = Some(self.myself(source));
        self.counters.became_master += 1;
        self.send_advert(self.spec.priority.get());
        self.outputs.push_back(Output::AddAddresses(self.spec.addresses.clone()));
        self.announce();
        self.transition(State::Master, reason, now);
        self.timers.set(Timer::Advert, now + self.spec.advert_interval.duration());
        if !self.spec.announce.delay.is_zero() {
            self.timers.set(Timer::SecondAnnounce, now + self.spec.announce.delay);
        }
        if !self.spec.announce.refresh.is_zero() {
            self.timers.set(Timer::Refresh, now + self.spec.announce.refresh);
        }
    }

    fn myself(&self, address: Ipv4Addr) -> Master {
        Master { address, priority: self.spec.priority.get() }
    }

    fn transition(&mut self, to: State, reason: String, now: Instant) {
        let from = std::mem::replace(&mut self.state, to);
        self.since = now;
        self.reason.clone_from(&reason);
        self.reported.clear();
        self.event(EventKind::Transition { from, to, reason });
    }

    fn packet(&mut self, header: &IpHeader, payload: &[u8], now: Instant) -> Result<(), DropCause> {
        let Some(own) = self.source else { return Ok(()) };
        if header.source == own {
            return Err(DropCause::Own);
        }
        if header.ttl != TTL {
            return Err(DropCause::Ttl);
        }
        let peer = if self.spec.unicast_peers.is_empty() {
            header.destination == GROUP
        } else {
            self.spec.unicast_peers.contains(&header.source) && header.destination != GROUP
        };
        if !peer {
            return Err(DropCause::Peer);
        }
        let advert = Advert::decode(payload, header)?;
        if advert.version != self.spec.version {
            return Err(DropCause::Version);
        }
        if advert.vrid != self.spec.vrid {
            return Err(DropCause::Vrid);
        }
        if advert.authentication != self.spec.authentication {
            return Err(DropCause::Authentication);
        }
        let same_interval = advert.interval == self.spec.advert_interval;
        if advert.interval.get() == 0 || (advert.version == Version::V2 && !same_interval) {
            return Err(DropCause::Interval);
        }
        self.counters.received += 1;
        match self.state {
            State::Backup => self.advert_as_backup(own, header.source, &advert, now),
            State::Master => self.advert_as_master(own, header.source, &advert, now),
            State::Initialize | State::Fault => {}
        }
        Ok(())
    }

    /// RFC 9568 §6.4.2, but for equal priorities: there the RFC leaves mastership to whoever had
    /// it first, so that chance decides. Here the higher address is the better director in every
    /// state, as it is between two masters; `preempt = false` gives the RFC's behaviour.
    fn advert_as_backup(&mut self, own: Ipv4Addr, sender: Ipv4Addr, advert: &Advert, now: Instant) {
        if advert.priority == 0 {
            self.master = Some(Master { address: sender, priority: 0 });
            self.timers.set(Timer::MasterDown, now + self.skew());
            return;
        }
        self.master = Some(Master { address: sender, priority: advert.priority });
        if (advert.priority, sender) > (self.spec.priority.get(), own) {
            self.worse_master_since = None;
        } else if self.preempts(now) {
            // Its adverts do not count: the timer runs out and this director takes over.
            return;
        }
        self.master_interval = advert.interval;
        self.timers.set(Timer::MasterDown, now + self.master_down_interval());
    }

    /// Whether a worse master that was heard now may be displaced.
    fn preempts(&mut self, now: Instant) -> bool {
        let since = *self.worse_master_since.get_or_insert(now);
        self.is_owner() || (self.spec.preempt && now >= since + self.spec.preempt_delay)
    }

    /// RFC 9568 §6.4.3.
    fn advert_as_master(&mut self, own: Ipv4Addr, sender: Ipv4Addr, advert: &Advert, now: Instant) {
        let mine = self.spec.priority.get();
        if advert.priority == 0 {
            self.send_advert(mine);
            self.timers.set(Timer::Advert, now + self.spec.advert_interval.duration());
        } else if (advert.priority, sender) > (mine, own) {
            let why = if advert.priority > mine {
                format!("priority {} against {mine}", advert.priority)
            } else {
                format!("equal priority {mine}, higher address")
            };
            self.master = Some(Master { address: sender, priority: advert.priority });
            self.master_interval = advert.interval;
            self.become_backup(format!("{sender} is master: {why}"), now);
        } else {
            // Tell the other at once, so that two masters are one again soon; but a flood of
            // adverts is not answered with a flood.
            let interval = self.spec.advert_interval.duration();
            if self.answered.is_none_or(|at| now >= at + interval / 10) {
                self.answered = Some(now);
                self.send_advert(mine);
                self.timers.set(Timer::Advert, now + interval);
            }
            if self.rival.replace(sender).is_none() {
                self.counters.rivals += 1;
                self.announce();
                self.event(EventKind::Rival { address: sender, priority: advert.priority });
            }
            self.timers.set(Timer::RivalGone, now + advert.interval.duration() * 3);
        }
    }

    fn reconfigure(&mut self, spec: InstanceSpec, now: Instant) {
        let old = std::mem::replace(&mut self.spec, with_an_interval(spec));
        match self.state {
            State::Initialize | State::Fault => {}
            _ if self.is_owner() && self.state == State::Backup => {
                self.become_master("owner of the addresses".to_owned(), now);
            }
            State::Backup => {
                // What was learnt from a live master stays true, and a reload must not put off
                // the moment at which a dead one is noticed.
                if self.master.is_none() || old.version != self.spec.version {
                    self.master_interval = self.spec.advert_interval;
                }
                let at = now + self.master_down_interval();
                let at = self.timers.get(Timer::MasterDown).map_or(at, |before| before.min(at));
                self.timers.set(Timer::MasterDown, at);
            }
            State::Master => {
                let missing = |from: &[VirtualAddress], of: &[VirtualAddress]| -> Vec<_> {
                    of.iter().filter(|address| !from.contains(address)).cloned().collect()
                };
                let gone = missing(&self.spec.addresses, &old.addresses);
                let new = missing(&old.addresses, &self.spec.addresses);
                if !gone.is_empty() {
                    self.outputs.push_back(Output::RemoveAddresses(gone));
                }
                self.send_advert(self.spec.priority.get());
                self.timers.set(Timer::Advert, now + self.spec.advert_interval.duration());
                if !new.is_empty() {
                    self.outputs.push_back(Output::AddAddresses(new.clone()));
                    self.outputs.push_back(Output::Announce(new));
                }
                self.timers.stop(Timer::Refresh);
                if !self.spec.announce.refresh.is_zero() {
                    self.timers.set(Timer::Refresh, now + self.spec.announce.refresh);
                }
                self.master = self.source.map(|source| self.myself(source));
            }
        }
    }

    fn send_advert(&mut self, priority: u8) {
        let Some(source) = self.source else { return };
        let addresses = self.spec.addresses.iter().filter_map(|a| match a.address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        });
        let advert = Advert {
            version: self.spec.version,
            vrid: self.spec.vrid,
            priority,
            interval: self.spec.advert_interval,
            addresses: addresses.collect(),
            authentication: self.spec.authentication.clone(),
        };
        let group = [GROUP];
        let destinations =
            if self.spec.unicast_peers.is_empty() { &group[..] } else { &self.spec.unicast_peers };
        for &destination in destinations {
            let payload = advert.encode(source, destination);
            self.outputs.push_back(Output::Send { source, destination, payload });
            self.counters.sent += 1;
        }
    }

    fn announce(&mut self) {
        self.outputs.push_back(Output::Announce(self.spec.addresses.clone()));
    }

    fn dropped(&mut self, cause: DropCause, source: Ipv4Addr) {
        *self.counters.dropped.entry(cause).or_default() += 1;
        if !self.reported.contains(&cause) {
            self.reported.push(cause);
            self.event(EventKind::Dropped { cause, source });
        }
    }

    fn event(&mut self, kind: EventKind) {
        let instance = self.spec.name.clone();
        self.outputs.push_back(Output::Event(Event { instance, kind }));
    }
}

/// An interval of 0 would be an endless stream of adverts; the shortest on the wire is 10 ms.
fn with_an_interval(mut spec: InstanceSpec) -> InstanceSpec {
    spec.advert_interval = spec.advert_interval.max(Centiseconds::new(1));
    spec
}

#[cfg(test)]
#[path = "instance_tests.rs"]
mod tests;
