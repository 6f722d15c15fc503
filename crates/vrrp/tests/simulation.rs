//! Several directors on a bad link, with virtual time: random loss, delay, duplicates, cuts,
//! one-way cuts, crashes, stops and lost interfaces, from a seed. After the link heals there is
//! one master, the right one, within the RFC's bound, and the addresses are there alone.
//!
//! `LVS_SIM_SEEDS` sets how many seeds run (default 400), `LVS_SIM_SEED` runs one alone.

#![allow(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]
#![expect(clippy::disallowed_methods, reason = "a test chooses its clock and reads its size")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use vrrp::{
    Centiseconds, Input, Instance, InstanceSpec, IpHeader, Output, Priority, State, Version,
    VirtualAddress, Vrid,
};

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn pick<T: Copy, const N: usize>(&mut self, of: [T; N]) -> T {
        of[usize::try_from(self.below(N as u64)).unwrap()]
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

struct Node {
    instance: Option<Instance>,
    spec: InstanceSpec,
    address: IpAddr,
    /// Whether the virtual address is on its interface.
    holds: bool,
    link: bool,
}

struct World {
    random: Random,
    now: Instant,
    nodes: Vec<Node>,
    /// Packets under way: when they arrive, where, and what.
    wire: BTreeMap<(Instant, u64), (usize, IpHeader, Vec<u8>)>,
    sent: u64,
    /// Whether packets from one node reach another.
    cut: Vec<Vec<bool>>,
    bad: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let now = Instant::now();
        let count = usize::try_from(2 + random.below(3)).unwrap();
        let version = if random.chance(30) { Version::V2 } else { Version::V3 };
        let interval = if version == Version::V2 { 100 } else { random.pick([1, 10, 100]) };
        let preempt = random.chance(70);
        let nodes: Vec<Node> = (0..count)
            .map(|number| {
                let address = IpAddr::from([10, 0, 0, u8::try_from(number + 1).unwrap()]);
                let priority = random.pick([100, 100, 150, 254]);
                Node {
                    instance: None,
                    spec: InstanceSpec {
                        priority: Priority::new(priority).unwrap(),
                        version,
                        advert_interval: Centiseconds::new(interval),
                        preempt,
                        addresses: vec![VirtualAddress::new(
                            "10.0.0.100".parse().unwrap(),
                            24,
                            "eth0",
                        )],
                        ..InstanceSpec::new(&format!("n{number}"), "eth0", Vrid::new(7).unwrap())
                    },
                    address,
                    holds: false,
                    link: true,
                }
            })
            .collect();
        let cut = vec![vec![false; count]; count];
        Self { random, now, nodes, wire: BTreeMap::new(), sent: 0, cut, bad: true }
    }

    fn interval(&self) -> Duration {
        self.nodes[0].spec.advert_interval.duration()
    }

    fn start(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.instance = Some(Instance::new(node.spec.clone(), self.now));
        let input =
            if node.link { Input::Up(node.address) } else { Input::Down("no link".to_owned()) };
        self.handle(at, input);
    }

    fn handle(&mut self, at: usize, input: Input) {
        let now = self.now;
        if let Some(instance) = &mut self.nodes[at].instance {
            instance.handle(input, now);
        }
        self.drain(at);
    }

    fn drain(&mut self, at: usize) {
        let Some(instance) = &mut self.nodes[at].instance else { return };
        let outputs: Vec<Output> = std::iter::from_fn(|| instance.poll_output()).collect();
        for output in outputs {
            match output {
                Output::Send { source, destination, payload } => {
                    let header = IpHeader { source, destination, ttl: 255 };
                    self.transmit(at, header, &payload);
                }
                Output::AddAddresses(_) => self.nodes[at].holds = true,
                Output::RemoveAddresses(_) => self.nodes[at].holds = false,
                Output::Announce(_) | Output::Event(_) => {}
            }
        }
    }

    fn transmit(&mut self, from: usize, header: IpHeader, payload: &[u8]) {
        for to in 0..self.nodes.len() {
            let cable = self.nodes[from].link && self.nodes[to].link;
            if to == from || self.cut[from][to] || !cable {
                continue;
            }
            let copies = if !self.bad {
                1
            } else if self.random.chance(15) {
                0
            } else {
                1 + usize::from(self.random.chance(5))
            };
            for _ in 0..copies {
                let worst = if self.bad { self.interval() } else { self.interval() / 50 };
                let micros = u64::try_from(worst.as_micros()).unwrap();
                let delay = Duration::from_micros(1 + self.random.below(micros.max(2)));
                self.sent += 1;
                self.wire.insert((self.now + delay, self.sent), (to, header, payload.to_vec()));
            }
        }
    }

    /// Lets time pass: timers and packets in their order.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timer = self
                .nodes
                .iter()
                .filter_map(|node| node.instance.as_ref()?.poll_timeout())
                .min()
                .unwrap_or(end);
            let packet = self.wire.keys().next().map_or(end, |key| key.0);
            let next = timer.min(packet);
            if next >= end {
                break;
            }
            self.now = self.now.max(next);
            if packet <= timer {
                let (_, (to, header, payload)) = self.wire.pop_first().unwrap();
                self.handle(to, Input::Packet(header, payload));
            } else {
                let now = self.now;
                for at in 0..self.nodes.len() {
                    if let Some(instance) = &mut self.nodes[at].instance {
                        instance.handle_timeout(now);
                    }
                    self.drain(at);
                }
            }
            self.invariants();
        }
        self.now = end;
    }

    /// A running instance holds the address exactly while it is master.
    fn invariants(&self) {
        for node in &self.nodes {
            if let Some(instance) = &node.instance {
                let master = instance.state() == State::Master;
                assert_eq!(node.holds, master, "{} holds the address wrongly", node.address);
                let waits = instance.poll_timeout().is_some();
                let works = matches!(instance.state(), State::Master | State::Backup);
                assert_eq!(waits, works, "{} lost its timer", node.address);
            }
        }
    }

    fn trouble(&mut self) {
        let at = usize::try_from(self.random.next()).unwrap_or(0) % self.nodes.len();
        let to = usize::try_from(self.random.below(self.nodes.len() as u64)).unwrap();
        match self.random.below(7) {
            0 => self.nodes[at].instance = None,
            1 => {
                self.handle(at, Input::Shutdown);
                self.nodes[at].instance = None;
            }
            2 => {
                if self.nodes[at].instance.is_none() {
                    self.start(at);
                }
            }
            3 => self.cut[at][to] = !self.cut[at][to],
            4 => {
                for other in 0..self.nodes.len() {
                    self.cut[at][other] = true;
                    self.cut[other][at] = true;
                }
            }
            5 => self.set_link(at, !self.nodes[at].link),
            _ => {
                for row in &mut self.cut {
                    row.fill(false);
                }
            }
        }
    }

    fn set_link(&mut self, at: usize, link: bool) {
        self.nodes[at].link = link;
        let address = self.nodes[at].address;
        let input = if link { Input::Up(address) } else { Input::Down("no link".to_owned()) };
        self.handle(at, input);
    }

    fn heal(&mut self) {
        self.bad = false;
        self.wire.clear();
        for row in &mut self.cut {
            row.fill(false);
        }
        for at in 0..self.nodes.len() {
            if !self.nodes[at].link {
                self.set_link(at, true);
            }
            if self.nodes[at].instance.is_none() {
                self.start(at);
            }
        }
    }

    fn masters(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&at| self.nodes[at].holds).collect()
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    for at in 0..world.nodes.len() {
        world.start(at);
    }
    for _ in 0..40 {
        let intervals = u32::try_from(world.random.below(6)).unwrap();
        world.pass(world.interval() * intervals + Duration::from_millis(1));
        if world.random.chance(50) {
            world.trouble();
        }
    }
    let already = world.masters();
    world.heal();
    // The longest down interval: three intervals, a skew of at most one (one second in version
    // 2), and the delays of the wire.
    let bound = world.interval() * 5 + Duration::from_secs(1);
    world.pass(bound);
    let masters = world.masters();
    assert_eq!(masters.len(), 1, "masters {masters:?}, before the healing {already:?}");
    let master = &world.nodes[masters[0]];
    if world.nodes[0].spec.preempt {
        let rank = |node: &Node| (node.spec.priority, node.address);
        let best = world.nodes.iter().map(rank).max().unwrap();
        assert_eq!(rank(master), best, "the best director is master");
    }
    // It stays.
    world.pass(world.interval() * 20);
    assert_eq!(world.masters(), masters);
    // All others follow it.
    for node in &world.nodes {
        let known = node.instance.as_ref().unwrap().status().master.unwrap();
        assert_eq!(known.address, world.nodes[masters[0]].address);
    }
}

/// Of equals that are cut off from each other, the one with the higher address wins.
#[test]
fn of_equals_the_higher_address_wins_after_a_split() {
    let mut world = World::new(1);
    world.bad = false;
    for node in &mut world.nodes {
        node.spec.priority = Priority::DEFAULT;
    }
    for row in &mut world.cut {
        row.fill(true);
    }
    for at in 0..world.nodes.len() {
        world.start(at);
    }
    world.pass(world.interval() * 10);
    assert_eq!(world.masters().len(), world.nodes.len());
    for row in &mut world.cut {
        row.fill(false);
    }
    world.pass(world.interval() * 2);
    assert_eq!(world.masters(), [world.nodes.len() - 1]);
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn one_master_after_the_link_heals() {
    let seeds: Vec<u64> = match variable("LVS_SIM_SEED") {
        Some(seed) => vec![seed],
        None => (0..variable("LVS_SIM_SEEDS").unwrap_or(400)).collect(),
    };
    for seed in seeds {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
            eprintln!("LVS_SIM_SEED={seed} fails");
            std::panic::resume_unwind(panic);
        }
    }
}
