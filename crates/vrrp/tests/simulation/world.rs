//! The segments between the directors, time, and everything that goes wrong.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use testkit::Random;
use vrrp::{
    Centiseconds, Heartbeat, Input, InstanceSpec, IpHeader, Network, Priority, Route, Routing,
    Thing, Track, Version, VirtualAddress, Vrid,
};

use crate::node::{Node, SCRIPTS, Sent, path_to};

/// A packet under way: to which node, on which line.
type Packet = (usize, usize, IpHeader, Vec<u8>);

pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) now: Instant,
    pub(crate) nodes: Vec<Node>,
    /// When they arrive.
    wire: BTreeMap<(Instant, u64), Packet>,
    sent: u64,
    /// Whether packets from one node do not reach another, by line.
    pub(crate) cut: Vec<Vec<Vec<bool>>>,
    pub(crate) bad: bool,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        #[expect(clippy::disallowed_methods, reason = "a test chooses its first moment")]
        let now = Instant::now();
        let count = 2 + random.below(4);
        let segments = random.pick(&[1, 1, 2, 3]);
        let grouped = segments > 1 && random.chance(75);
        let version = if random.chance(30) { Version::V2 } else { Version::V3 };
        let interval = if version == Version::V2 { 100 } else { random.pick(&[1, 10, 100]) };
        let preempt = random.chance(70);
        let has_paths = random.chance(50);
        let nodes = (0..count)
            .map(|number| {
                let priority = random.pick(&[100, 100, 150, 254]);
                let specs = (0..segments).map(|segment| InstanceSpec {
                    priority: Priority::new(priority).unwrap(),
                    version,
                    advert_interval: Centiseconds::new(interval),
                    preempt,
                    addresses: vec![VirtualAddress::new(
                        address(segment, 100),
                        24,
                        &format!("eth{segment}"),
                    )],
                    routing: routing(segment),
                    track: tracks(),
                    heartbeats: if has_paths { paths(number, count) } else { Vec::new() },
                    group: grouped.then(|| "G".to_owned()),
                    ..spec(number, segment)
                });
                // The order of the addresses is not the same everywhere.
                let host = |segment: usize| match segment {
                    1 => count - number,
                    _ => number + 1,
                };
                let addresses = (0..segments).map(|segment| address(segment, host(segment)));
                let drift = random.pick(&[0, 0, 100, -100, 5000, -5000]);
                Node::new(specs.collect(), addresses.collect(), path_address(number), drift, now)
            })
            .collect();
        let cut = vec![vec![vec![false; count]; count]; segments + 1];
        Self { random, now, nodes, wire: BTreeMap::new(), sent: 0, cut, bad: true }
    }

    pub(crate) fn interval(&self) -> Duration {
        self.nodes[0].specs[0].advert_interval.duration()
    }

    pub(crate) fn start_all(&mut self) {
        for at in 0..self.nodes.len() {
            if self.nodes[at].running.is_none() {
                self.start(at);
            }
        }
    }

    pub(crate) fn start(&mut self, at: usize) {
        self.act(at, Node::start);
    }

    fn act(&mut self, at: usize, act: impl FnOnce(&mut Node, Instant) -> Vec<Sent>) {
        let sent = act(&mut self.nodes[at], self.now);
        for (segment, header, payload) in sent {
            self.transmit(at, segment, header, &payload);
        }
    }

    fn transmit(&mut self, from: usize, segment: usize, header: IpHeader, payload: &[u8]) {
        for to in 0..self.nodes.len() {
            let cable = self.nodes[from].links[segment] && self.nodes[to].links[segment];
            let is_path = segment == self.nodes[to].path_line();
            if is_path && self.nodes[to].path_address != header.destination {
                continue;
            }
            if to == from || self.cut[segment][from][to] || !cable {
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
                let at = self.now + self.random.time(worst);
                self.sent += 1;
                self.wire.insert((at, self.sent), (to, segment, header, payload.to_vec()));
            }
        }
    }

    /// Lets time pass: timers and packets in their order.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timers = self.nodes.iter().enumerate();
            let timer = timers.filter_map(|(at, node)| Some((node.next()?, at))).min();
            let packet = self.wire.keys().next().copied();
            let (timer_at, packet_at) =
                (timer.map_or(end, |(time, _)| time), packet.map_or(end, |(time, _)| time));
            let next = timer_at.min(packet_at);
            if next >= end {
                break;
            }
            self.now = self.now.max(next);
            match (packet, timer) {
                (Some(key), _) if packet_at <= timer_at => self.arrive(key),
                (_, Some((_, at))) => self.turn(at),
                _ => unreachable!("one of them is due"),
            }
        }
        self.now = end;
    }

    fn turn(&mut self, at: usize) {
        self.nodes[at].frozen = None;
        self.act(at, Node::timeouts);
        self.nodes[at].invariants();
    }

    fn arrive(&mut self, key: (Instant, u64)) {
        let (to, segment, header, payload) = self.wire.remove(&key).unwrap();
        if let Some(until) = self.nodes[to].frozen.filter(|&until| until > self.now) {
            // It waits in the socket; of many, in their order.
            self.sent += 1;
            self.wire.insert((until, self.sent), (to, segment, header, payload));
            return;
        }
        self.act(to, |node, now| match segment == node.path_line() {
            true => node.path_packet(header, payload, now),
            false => node.handle(segment, Input::Packet(header, payload), now),
        });
        self.nodes[to].invariants();
    }

    pub(crate) fn trouble(&mut self) {
        let count = self.nodes.len();
        let (at, to) = (self.random.below(count), self.random.below(count));
        let segment = self.random.below(self.cut.len());
        let what = self.random.below(12);
        if self.nodes[at].frozen.is_some_and(|until| until > self.now) && what != 0 {
            return;
        }
        match what {
            0 => self.nodes[at].running = None,
            1 => self.act(at, Node::stop),
            2 if self.nodes[at].running.is_none() => self.act(at, Node::start),
            3 => {
                let cut = &mut self.cut[segment][at][to];
                *cut = !*cut;
            }
            4 => {
                for other in 0..count {
                    self.cut[segment][at][other] = true;
                    self.cut[segment][other][at] = true;
                }
            }
            5 => self.set_link(at, segment, !self.nodes[at].links[segment]),
            6 => self.mend_cuts(),
            7 => self.set_script(at, 0, !self.nodes[at].works[0]),
            8 => self.set_script(at, 1, !self.nodes[at].works[1]),
            9 => {
                let priority = self.random.pick(&[50, 100, 150, 254]);
                self.act(at, |node, now| node.reconfigure(priority, now));
            }
            10 => {
                let time = self.random.time(self.interval() * 6);
                self.nodes[at].frozen = Some(self.now + time);
            }
            11 => self.act(at, Node::resume),
            _ => {}
        }
    }

    pub(crate) fn set_link(&mut self, at: usize, segment: usize, link: bool) {
        self.nodes[at].links[segment] = link;
        self.act(at, |node, now| node.tell_link(segment, now));
    }

    fn set_script(&mut self, at: usize, script: usize, works: bool) {
        self.nodes[at].works[script] = works;
        self.act(at, |node, now| node.tell_script(script, now));
    }

    pub(crate) fn mend_cuts(&mut self) {
        for row in self.cut.iter_mut().flatten() {
            row.fill(false);
        }
    }

    /// Everything works again, and everybody runs. Priorities stay as they are.
    pub(crate) fn heal(&mut self) {
        self.bad = false;
        self.wire.clear();
        self.mend_cuts();
        for at in 0..self.nodes.len() {
            self.nodes[at].frozen = None;
            for segment in 0..self.cut.len() {
                if !self.nodes[at].links[segment] {
                    self.set_link(at, segment, true);
                }
            }
            for script in 0..SCRIPTS.len() {
                if !self.nodes[at].works[script] {
                    self.set_script(at, script, true);
                }
            }
            if self.nodes[at].running.is_none() {
                self.act(at, Node::start);
            }
        }
    }

    /// Who holds the address of each segment.
    pub(crate) fn masters(&self) -> Vec<Vec<usize>> {
        let holders = |segment: usize| {
            let all = 0..self.nodes.len();
            all.filter(|&at| self.nodes[at].holds[segment]).collect()
        };
        (0..self.nodes[0].path_line()).map(holders).collect()
    }
}

fn address(segment: usize, host: usize) -> IpAddr {
    IpAddr::from([10, u8::try_from(segment).unwrap(), 0, u8::try_from(host).unwrap()])
}

fn path_address(number: usize) -> IpAddr {
    address(9, number + 1)
}

/// A second path to each of the others.
pub(crate) fn paths(number: usize, count: usize) -> Vec<Heartbeat> {
    let others = (0..count).filter(|&other| other != number);
    others.map(|other| path_to(path_address(other))).collect()
}

fn spec(number: usize, segment: usize) -> InstanceSpec {
    let vrid = Vrid::new(u8::try_from(7 + segment).unwrap()).unwrap();
    InstanceSpec::new(&format!("n{number}s{segment}"), &format!("eth{segment}"), vrid)
}

/// A route from the virtual address of the segment.
fn routing(segment: usize) -> Routing {
    let everything = Network::everything(address(segment, 100));
    let route = Route { source: Some(address(segment, 100)), ..Route::new(everything) };
    Routing { routes: vec![route], rules: Vec::new() }
}

fn tracks() -> Vec<Track> {
    let script = |name: &str, weight| {
        let thing = Thing::Script(name.to_owned());
        Track { thing, weight, reverse: false }
    };
    vec![script(SCRIPTS[0], -60), script(SCRIPTS[1], 0)]
}
