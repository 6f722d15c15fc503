//! The state machine of one virtual router (RFC 9568 §6.4, RFC 3768 §6.4). Pure.
//!
//! After each call of [`Instance::handle`] or [`Instance::handle_timeout`], carry out what
//! [`Instance::poll_output`] gives, in its order, until it gives nothing.

mod conflict;
mod heartbeat;
mod input;
mod receive;
mod reconfigure;
mod resume;
mod standing;
mod status;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use self::heartbeat::Path;
pub use self::input::{Input, Master, Output};
pub(crate) use self::resume::Vitals;
use self::status::Counters;
pub use self::status::{AddressStatus, InstanceStatus, RoutingStatus};
use crate::episode::Episodes;
use crate::event::{Event, EventKind, State};
use crate::group::Hold;
use crate::packet::{Advert, Refusal};
use crate::routing::Routing;
use crate::spec::{Centiseconds, Heartbeat, InstanceSpec, Priority, Version, VirtualAddress};
use crate::standing::Role;
use crate::timer::{Timer, TimerTable};
use crate::track::Tracker;
use crate::trouble::Subject;

/// When a new master first asks whether somebody else has its addresses.
const FIRST_ASK: Duration = Duration::from_secs(2);

/// One virtual router on this director.
#[derive(Debug)]
pub struct Instance {
    spec: InstanceSpec,
    state: State,
    since: Instant,
    reason: String,
    /// Source of the adverts; `None` while the interface cannot carry them.
    source: Option<IpAddr>,
    /// Why it cannot, if it cannot.
    down: Option<String>,
    tracker: Tracker,
    hold: Hold,
    /// In a group: why it would be master if the others agreed.
    wants: Option<String>,
    master: Option<Master>,
    /// `Active_Adver_Interval`: the master's, learnt from its adverts in version 3.
    master_interval: Centiseconds,
    /// When a worse master was first heard, for `preempt_delay`.
    worse_master_since: Option<Instant>,
    rival: Option<IpAddr>,
    /// In a group: another member decides between equals, if it can.
    is_led: bool,
    /// When a master of equal priority was first heard about which that one is to decide.
    tie_since: Option<Instant>,
    /// When a worse master was last answered.
    answered: Option<Instant>,
    /// When the last advert came in on the instance's own link.
    heard: Option<Instant>,
    /// Since when adverts have come over the paths alone.
    paths_alone_since: Option<Instant>,
    /// The second heartbeat paths.
    paths: BTreeMap<Heartbeat, Path>,
    /// Who has answered for an address since the last question.
    answer: Option<(IpAddr, [u8; 6])>,
    /// What should not be.
    episodes: Episodes,
    /// The role of the process before this one, until the start.
    resumes: Option<Role>,
    /// How often the settings and the tracked things have changed.
    revision: u32,
    /// When it was last said that an address was put back.
    put_back_said: Option<Instant>,
    /// The same of a route or rule.
    routing_put_back_said: Option<Instant>,
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
            state: State::Initialize,
            since: now,
            reason: "not started yet".to_owned(),
            source: None,
            down: None,
            tracker: Tracker::default(),
            hold: Hold::until_its_group_agrees(spec.group.as_deref()),
            wants: None,
            master: None,
            worse_master_since: None,
            rival: None,
            is_led: false,
            tie_since: None,
            answered: None,
            heard: None,
            paths_alone_since: None,
            paths: BTreeMap::new(),
            answer: None,
            episodes: Episodes::default(),
            resumes: None,
            revision: 0,
            put_back_said: None,
            routing_put_back_said: None,
            timers: TimerTable::starting_at(spec.start_delay, now),
            spec,
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
            Input::Resume(standing) => self.will_resume(*standing),
            Input::Up(source) => self.up(source, now),
            Input::Down(reason) => self.down(reason, now),
            Input::Packet(header, payload) => {
                if let Err(refusal) = self.packet(&header, &payload, now) {
                    self.dropped(refusal, header.source, now);
                }
            }
            Input::PathUp(path, source) => self.path_up(path, source, now),
            Input::PathDown(path, reason) => self.path_down(path, reason),
            Input::PathPacket(path, header, payload) => {
                if let Err(refusal) = self.path_packet(&path, &header, &payload, now) {
                    self.dropped(refusal, header.source, now);
                }
            }
            Input::Answer(address, mac) => self.answered_for(address, mac, now),
            Input::Malformed => {
                self.dropped(Refusal::IpHeader, self.spec.family().unspecified(), now);
            }
            Input::Tracked(thing, condition) => self.tracked(thing, condition, now),
            Input::Group(order) => self.order(order, now),
            Input::PutBack(address) => self.put_back(address, now),
            Input::RoutingPutBack(what) => self.routing_put_back(what, now),
            Input::Reconfigure(spec) => self.reconfigure(*spec, now),
            Input::Shutdown => self.shutdown(now),
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expire(now) {
            match timer {
                Timer::Start => self.review(now),
                Timer::Advert => {
                    self.send_advert(self.priority().get());
                    self.timers.set(Timer::Advert, now + self.spec.advert_interval.duration());
                }
                Timer::Probe => self.probe(now),
                Timer::Episode => self.end_troubles(now),
                Timer::MasterDown if self.is_held_off(now) => {}
                Timer::MasterDown => self.take_over(self.takeover_reason(), now),
                Timer::SecondAnnounce => self.announce(),
                Timer::Refresh => {
                    self.announce();
                    self.timers.set(Timer::Refresh, now + self.spec.announce.refresh);
                }
                Timer::RivalGone => {
                    self.tie_since = None;
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

    /// Why the timer of a backup ran out, in words.
    fn takeover_reason(&self) -> String {
        let mine = self.priority().get();
        match self.master {
            Some(Master { address, priority: 0 }) => format!("{address} gave up"),
            Some(Master { address, priority }) if priority < mine => {
                format!("{address} has only priority {priority}")
            }
            Some(Master { address, .. }) => {
                format!("no advert from {address} in time")
            }
            None => "no master heard".to_owned(),
        }
    }

    fn is_owner(&self) -> bool {
        self.spec.priority == Priority::OWNER
    }

    /// `Skew_Time`: a better backup is quicker. Version 2 counts in seconds whatever the interval.
    fn skew(&self) -> Duration {
        self.skew_of(match self.spec.version {
            Version::V2 => Centiseconds::SECOND,
            Version::V3 => self.master_interval,
        })
    }

    fn skew_of(&self, interval: Centiseconds) -> Duration {
        let steps = 256 - u32::from(self.priority().get());
        interval.duration() * steps / 256
    }

    /// `Active_Down_Interval` (`Master_Down_Interval`).
    fn master_down_interval(&self) -> Duration {
        self.master_interval.duration() * 3 + self.skew()
    }

    fn up(&mut self, source: IpAddr, now: Instant) {
        self.down = None;
        if self.resumes.is_some() {
            self.source = Some(source);
            return self.resume(now);
        }
        if self.source.is_none() && !self.is_owner() {
            self.remove_leftovers();
        }
        self.source = Some(source);
        if self.state == State::Master {
            self.master = Some(self.myself(source));
        }
        self.review(now);
    }

    fn down(&mut self, reason: String, now: Instant) {
        self.down = Some(reason);
        self.review(now);
        self.source = None;
    }

    fn start(&mut self, now: Instant) {
        self.master_interval = self.spec.advert_interval;
        self.master = None;
        if self.is_owner() && self.spec.group.is_none() {
            return self.become_master("owner of the addresses".to_owned(), now);
        }
        self.become_backup(format!("{} is up", self.spec.interface), now);
        if self.is_owner() {
            self.take_over("owner of the addresses".to_owned(), now);
        }
    }

    fn fail(&mut self, reason: String, now: Instant) {
        self.resumes = None;
        self.remove_leftovers();
        self.give_up();
        self.master = None;
        self.transition(State::Fault, reason, now);
    }

    /// At the start: a crash may have left the addresses on the interface.
    fn remove_leftovers(&mut self) {
        if self.state == State::Initialize {
            self.remove_all();
            self.set_vmac(false);
        }
    }

    fn set_vmac(&mut self, up: bool) {
        if self.spec.vmac.is_some() {
            self.outputs.push_back(Output::SetVirtualMac { up });
        }
    }

    fn shutdown(&mut self, now: Instant) {
        self.give_up();
        self.source = None;
        self.down = None;
        self.master = None;
        match self.state {
            State::Initialize => self.end_all_troubles(),
            _ => self.transition(State::Initialize, "stopped".to_owned(), now),
        }
    }

    /// Leaves the state, and mastership with priority 0. The addresses go first: a backup with a
    /// high priority takes over within milliseconds.
    fn give_up(&mut self) {
        let was_master = self.state == State::Master;
        self.leave();
        if was_master {
            self.send_advert(0);
            self.set_vmac(false);
        }
    }

    /// Ends what a state has running, without entering another one.
    fn leave(&mut self) {
        self.timers.stop_all();
        self.worse_master_since = None;
        self.tie_since = None;
        self.wants = None;
        if self.state == State::Master {
            self.remove_all();
        }
    }

    /// A route may have one of the addresses as its source: it goes before them.
    fn remove_all(&mut self) {
        self.remove_routing(self.spec.routing.clone());
        let addresses = self.spec.all_addresses().cloned().collect();
        self.outputs.push_back(Output::RemoveAddresses(addresses));
    }

    fn add_routing(&mut self, routing: Routing) {
        if !routing.is_empty() {
            self.outputs.push_back(Output::AddRouting(routing));
        }
    }

    fn remove_routing(&mut self, routing: Routing) {
        if !routing.is_empty() {
            self.outputs.push_back(Output::RemoveRouting(routing));
        }
    }

    fn become_backup(&mut self, reason: String, now: Instant) {
        let was_master = self.state == State::Master;
        self.leave();
        if was_master {
            self.set_vmac(false);
        }
        self.listen(reason, now);
    }

    fn listen(&mut self, reason: String, now: Instant) {
        self.transition(State::Backup, reason, now);
        self.await_master(now);
    }

    fn become_master(&mut self, reason: String, now: Instant) {
        let Some(source) = self.source else { return };
        self.leave();
        self.master = Some(self.myself(source));
        self.counters.became_master += 1;
        self.set_vmac(true);
        self.send_advert(self.priority().get());
        self.outputs.push_back(Output::AddAddresses(self.spec.all_addresses().cloned().collect()));
        self.add_routing(self.spec.routing.clone());
        self.announce();
        self.transition(State::Master, reason, now);
        self.timers.set(Timer::Advert, now + self.spec.advert_interval.duration());
        self.timers.set(Timer::Probe, now + FIRST_ASK);
        if !self.spec.announce.delay.is_zero() {
            self.timers.set(Timer::SecondAnnounce, now + self.spec.announce.delay);
        }
        if !self.spec.announce.refresh.is_zero() {
            self.timers.set(Timer::Refresh, now + self.spec.announce.refresh);
        }
    }

    fn myself(&self, address: IpAddr) -> Master {
        Master { address, priority: self.priority().get() }
    }

    fn transition(&mut self, to: State, reason: String, now: Instant) {
        let from = std::mem::replace(&mut self.state, to);
        self.since = now;
        self.reason.clone_from(&reason);
        self.heard = None;
        self.paths_alone_since = None;
        self.answer = None;
        let priority = self.priority().get();
        self.event(EventKind::Transition { from, to, reason, priority });
        // Whoever waits for the state hears of it first.
        if let Some(address) = self.rival.take() {
            self.event(EventKind::RivalStays { address });
        }
        match to {
            State::Initialize | State::Fault => self.end_all_troubles(),
            // Now its own interval counts.
            State::Master => self.close(&Subject::OtherInterval),
            State::Backup => {}
        }
        self.arm_episodes();
    }

    fn send_advert(&mut self, priority: u8) {
        for (source, destination, payload) in self.adverts(priority) {
            self.outputs.push_back(Output::Send { source, destination, payload });
            self.counters.sent += 1;
        }
        self.send_over_paths(priority);
    }

    /// The advert for each receiver: source, destination and payload.
    fn adverts(&self, priority: u8) -> Vec<(IpAddr, IpAddr, Vec<u8>)> {
        let Some(source) = self.source else { return Vec::new() };
        let advert = self.advert(priority);
        let group = [self.spec.family().group()];
        let destinations =
            if self.spec.unicast_peers.is_empty() { &group[..] } else { &self.spec.unicast_peers };
        let packet = |&destination| {
            (source, destination, advert.encode(source, destination, self.spec.checksum))
        };
        destinations.iter().map(packet).collect()
    }

    fn advert(&self, priority: u8) -> Advert {
        Advert {
            version: self.spec.version,
            vrid: self.spec.vrid,
            priority,
            interval: self.spec.advert_interval,
            addresses: self.spec.addresses.iter().map(|own| own.address).collect(),
            authentication: self.spec.authentication.clone(),
            quick: priority == 0,
        }
    }

    fn announce(&mut self) {
        self.outputs.push_back(Output::Announce(self.spec.all_addresses().cloned().collect()));
    }

    /// Another program may take an address away again and again: it is said once a minute.
    fn put_back(&mut self, address: VirtualAddress, now: Instant) {
        // What is not held must not be announced, however late the report comes.
        if self.state != State::Master {
            return;
        }
        self.counters.put_back += 1;
        if is_due(&mut self.put_back_said, now) {
            self.event(EventKind::PutBack { address: address.clone() });
        }
        self.outputs.push_back(Output::Announce(vec![address]));
    }

    fn routing_put_back(&mut self, what: String, now: Instant) {
        self.counters.routing_put_back += 1;
        if is_due(&mut self.routing_put_back_said, now) {
            self.event(EventKind::RoutingPutBack { what });
        }
    }

    fn event(&mut self, kind: EventKind) {
        let instance = self.spec.name.clone();
        self.outputs.push_back(Output::Event(Event { instance, kind }));
    }
}

/// Whether it is to be said again what was said then.
fn is_due(said: &mut Option<Instant>, now: Instant) -> bool {
    let is_due = said.is_none_or(|at| now >= at + Duration::from_secs(60));
    if is_due {
        *said = Some(now);
    }
    is_due
}

/// An interval of 0 would be an endless stream of adverts; the shortest on the wire is 10 ms.
fn with_an_interval(mut spec: InstanceSpec) -> InstanceSpec {
    spec.advert_interval = spec.advert_interval.max(Centiseconds::new(1));
    spec
}
