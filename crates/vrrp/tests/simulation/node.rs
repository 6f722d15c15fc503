//! One director: its instances, one on each segment, its clock and its scripts.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use vrrp::{
    Condition, Group, Heartbeat, Input, Instance, InstanceSpec, IpHeader, Output, Priority, State,
    Thing,
};

/// A script with a weight, and one without.
pub(crate) const SCRIPTS: [&str; 2] = ["weighted", "condition"];

/// A packet that leaves: line, header, payload. The lines are the segments, and after them the
/// one of the second heartbeat paths.
pub(crate) type Sent = (usize, IpHeader, Vec<u8>);

pub(crate) struct Node {
    pub(crate) specs: Vec<InstanceSpec>,
    pub(crate) addresses: Vec<IpAddr>,
    /// Its address on the line of the paths.
    pub(crate) path_address: IpAddr,
    /// Whether each line's cable is in.
    pub(crate) links: Vec<bool>,
    /// Whether each script works.
    pub(crate) works: [bool; 2],
    /// Whether each segment's virtual address is on its interface.
    pub(crate) holds: Vec<bool>,
    /// Whether each segment's routes are there.
    routes: Vec<bool>,
    /// Until then the process gets no turn.
    pub(crate) frozen: Option<Instant>,
    /// `None`: it does not run.
    pub(crate) running: Option<Running>,
    /// How much faster its clock is, in millionths.
    drift: i64,
    epoch: Instant,
}

pub(crate) struct Running {
    pub(crate) instances: Vec<Instance>,
    group: Option<Group>,
}

impl Node {
    pub(crate) fn new(
        specs: Vec<InstanceSpec>,
        addresses: Vec<IpAddr>,
        path_address: IpAddr,
        drift: i64,
        epoch: Instant,
    ) -> Self {
        let segments = specs.len();
        Self {
            specs,
            addresses,
            path_address,
            links: vec![true; segments + 1],
            works: [true; 2],
            holds: vec![false; segments],
            routes: vec![false; segments],
            frozen: None,
            running: None,
            drift,
            epoch,
        }
    }

    /// The line of the paths.
    pub(crate) fn path_line(&self) -> usize {
        self.specs.len()
    }

    pub(crate) fn is_grouped(&self) -> bool {
        self.specs[0].group.is_some()
    }

    /// What its own clock shows.
    fn local(&self, now: Instant) -> Instant {
        self.epoch + scaled(now - self.epoch, 1_000_000 + self.drift, 1_000_000)
    }

    /// When its own clock shows that, or just after.
    fn world(&self, local: Instant) -> Instant {
        let elapsed = scaled(local - self.epoch, 1_000_000, 1_000_000 + self.drift);
        self.epoch + elapsed + Duration::from_nanos(2)
    }

    /// When it wants its next turn.
    pub(crate) fn next(&self) -> Option<Instant> {
        let instances = &self.running.as_ref()?.instances;
        let at = instances.iter().filter_map(Instance::poll_timeout).min()?;
        Some(self.world(at).max(self.frozen.unwrap_or(self.epoch)))
    }

    pub(crate) fn start(&mut self, now: Instant) -> Vec<Sent> {
        self.begin(now);
        let mut sent = Vec::new();
        for script in 0..SCRIPTS.len() {
            sent.extend(self.tell_script(script, now));
        }
        for line in (0..=self.path_line()).rev() {
            sent.extend(self.tell_link(line, now));
        }
        sent
    }

    fn begin(&mut self, now: Instant) {
        let local = self.local(now);
        let instances = self.specs.iter().map(|spec| Instance::new(spec.clone(), local));
        let group = self.is_grouped().then(|| Group::new("G".to_owned(), local));
        self.running = Some(Running { instances: instances.collect(), group });
    }

    /// The worker crashes, and the next one goes on where it stood: the addresses stay, and what
    /// scripts say comes later. Its first look at the links is one for all, as the shell's is.
    pub(crate) fn resume(&mut self, now: Instant) -> Vec<Sent> {
        let Some(running) = &self.running else { return Vec::new() };
        let standings: Vec<_> = running.instances.iter().map(Instance::standing).collect();
        self.begin(now);
        let mut sent = Vec::new();
        for (segment, standing) in standings.into_iter().enumerate() {
            sent.extend(self.deliver(segment, Input::Resume(Box::new(standing)), now));
        }
        for line in (0..=self.path_line()).rev() {
            sent.extend(self.link(line, now));
        }
        sent.extend(self.settle(now));
        self.invariants();
        for script in 0..SCRIPTS.len() {
            sent.extend(self.tell_script(script, now));
        }
        sent
    }

    pub(crate) fn tell_link(&mut self, line: usize, now: Instant) -> Vec<Sent> {
        let mut sent = self.link(line, now);
        sent.extend(self.settle(now));
        sent
    }

    fn link(&mut self, line: usize, now: Instant) -> Vec<Sent> {
        if line == self.path_line() {
            return self.paths(now);
        }
        let input = match self.links[line] {
            true => Input::Up(self.addresses[line]),
            false => Input::Down("no link".to_owned()),
        };
        self.deliver(line, input, now)
    }

    fn paths(&mut self, now: Instant) -> Vec<Sent> {
        let mut sent = Vec::new();
        for segment in 0..self.specs.len() {
            for path in self.specs[segment].heartbeats.clone() {
                let input = match self.links[self.path_line()] {
                    true => Input::PathUp(path, self.path_address),
                    false => Input::PathDown(path, "no link".to_owned()),
                };
                sent.extend(self.deliver(segment, input, now));
            }
        }
        sent
    }

    /// A packet over a path, for the instance with its VRID.
    pub(crate) fn path_packet(
        &mut self,
        header: IpHeader,
        payload: Vec<u8>,
        now: Instant,
    ) -> Vec<Sent> {
        let vrid = payload[1];
        let segment = self.specs.iter().position(|spec| spec.vrid.get() == vrid).unwrap();
        self.handle(segment, Input::PathPacket(path_to(header.source), header, payload), now)
    }

    pub(crate) fn tell_script(&mut self, script: usize, now: Instant) -> Vec<Sent> {
        let thing = Thing::Script(SCRIPTS[script].to_owned());
        let condition = match self.works[script] {
            true => Condition::Works,
            false => Condition::Fails("it fails".to_owned()),
        };
        self.all(&Input::Tracked(thing, condition), now)
    }

    pub(crate) fn reconfigure(&mut self, priority: u8, now: Instant) -> Vec<Sent> {
        let mut sent = Vec::new();
        for segment in 0..self.specs.len() {
            self.specs[segment].priority = Priority::new(priority).unwrap();
            let spec = Box::new(self.specs[segment].clone());
            sent.extend(self.deliver(segment, Input::Reconfigure(spec), now));
        }
        sent.extend(self.settle(now));
        sent
    }

    /// The same to each instance, as the shell does before it lets the groups decide.
    pub(crate) fn all(&mut self, input: &Input, now: Instant) -> Vec<Sent> {
        let mut sent = Vec::new();
        for segment in 0..self.specs.len() {
            sent.extend(self.deliver(segment, input.clone(), now));
        }
        sent.extend(self.settle(now));
        sent
    }

    pub(crate) fn handle(&mut self, segment: usize, input: Input, now: Instant) -> Vec<Sent> {
        let mut sent = self.deliver(segment, input, now);
        sent.extend(self.settle(now));
        sent
    }

    pub(crate) fn timeouts(&mut self, now: Instant) -> Vec<Sent> {
        let local = self.local(now);
        let mut sent = Vec::new();
        for segment in 0..self.specs.len() {
            if let Some(running) = &mut self.running {
                running.instances[segment].handle_timeout(local);
            }
            sent.extend(self.drain(segment));
        }
        sent.extend(self.settle(now));
        sent
    }

    pub(crate) fn stop(&mut self, now: Instant) -> Vec<Sent> {
        let mut sent = Vec::new();
        for segment in 0..self.specs.len() {
            sent.extend(self.deliver(segment, Input::Shutdown, now));
        }
        self.running = None;
        sent
    }

    fn deliver(&mut self, segment: usize, input: Input, now: Instant) -> Vec<Sent> {
        let local = self.local(now);
        if let Some(running) = &mut self.running {
            running.instances[segment].handle(input, local);
        }
        self.drain(segment)
    }

    fn settle(&mut self, now: Instant) -> Vec<Sent> {
        let local = self.local(now);
        if let Some(Running { instances, group: Some(group) }) = &mut self.running {
            let mut members: Vec<&mut Instance> = instances.iter_mut().collect();
            group.settle(&mut members, local);
        }
        (0..self.specs.len()).flat_map(|segment| self.drain(segment)).collect()
    }

    fn drain(&mut self, segment: usize) -> Vec<Sent> {
        let Some(running) = &mut self.running else { return Vec::new() };
        let mut sent = Vec::new();
        while let Some(output) = running.instances[segment].poll_output() {
            match output {
                Output::Send { source, destination, payload } => {
                    sent.push((segment, IpHeader { source, destination, ttl: 255 }, payload));
                }
                Output::SendOver { path, source, payload } => {
                    let header = IpHeader { source, destination: path.peer, ttl: 255 };
                    sent.push((self.specs.len(), header, payload));
                }
                Output::AddAddresses(_) => self.holds[segment] = true,
                Output::RemoveAddresses(_) => {
                    assert!(!self.routes[segment], "an address goes before the route from it");
                    self.holds[segment] = false;
                }
                Output::AddRouting(_) => {
                    assert!(self.holds[segment], "a route comes before the address it is from");
                    self.routes[segment] = true;
                }
                Output::RemoveRouting(_) => self.routes[segment] = false,
                Output::SetVirtualMac { .. } | Output::Announce(_) | Output::Probe(_) => {}
                Output::Event(_) => {}
            }
        }
        sent
    }

    /// It holds each address exactly while it is master there, a group is never half-way, and no
    /// instance is without a timer that should have one.
    pub(crate) fn invariants(&self) {
        let Some(Running { instances, .. }) = &self.running else { return };
        let states: Vec<State> = instances.iter().map(Instance::state).collect();
        let address = self.addresses[0];
        if self.is_grouped() {
            assert!(states.iter().all(|state| *state == states[0]), "{address}: {states:?}");
        }
        for (segment, instance) in instances.iter().enumerate() {
            let master = states[segment] == State::Master;
            assert_eq!(self.holds[segment], master, "{address} holds segment {segment} wrongly");
            assert_eq!(self.routes[segment], master, "{address} routes segment {segment} wrongly");
            let waits = instance.poll_timeout().is_some();
            let works = matches!(states[segment], State::Master | State::Backup);
            let asks = || {
                states[segment] == State::Backup
                    && instance.status().reason.ends_with("but its group waits")
            };
            assert!(waits == works || asks(), "{address} lost its timer on segment {segment}");
        }
        let all_ask = states.iter().all(|state| *state == State::Backup)
            && instances.iter().all(|instance| instance.poll_timeout().is_none());
        assert!(!all_ask, "{address}: nobody of the group waits for anything");
    }
}

/// The second path to the director with that address.
pub(crate) fn path_to(peer: IpAddr) -> Heartbeat {
    Heartbeat { interface: "path".to_owned(), peer }
}

fn scaled(time: Duration, by: i64, of: i64) -> Duration {
    let nanos = time.as_nanos() * u128::try_from(by).unwrap() / u128::try_from(of).unwrap();
    Duration::from_nanos(u64::try_from(nanos).unwrap())
}
