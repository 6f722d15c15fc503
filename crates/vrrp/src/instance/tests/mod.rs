//! Each rule of the state machine, with virtual time. Times are computed by hand from the RFCs.

#![expect(clippy::disallowed_methods, reason = "a test chooses its first moment")]

mod election;
mod lifecycle;
mod receive;
mod resume;
mod standing;

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use crate::event::State;
use crate::instance::{Input, Instance, Output};
use crate::packet::{Advert, DropCause, GROUP, IpHeader};
use crate::spec::{
    Announce, Centiseconds, Checksum, InstanceSpec, Priority, Version, VirtualAddress, Vrid,
};
use crate::timer::Timer;

const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const LOWER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const HIGHER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 3));

fn spec(priority: u8) -> InstanceSpec {
    InstanceSpec {
        priority: Priority::new(priority).unwrap(),
        addresses: vec![vip("10.0.0.100")],
        ..InstanceSpec::new("VI_1", "eth0", Vrid::new(51).unwrap())
    }
}

fn vip(address: &str) -> VirtualAddress {
    VirtualAddress::new(address.parse().unwrap(), 24, "eth0")
}

struct Bench {
    instance: Instance,
    start: Instant,
    now: Instant,
}

/// What came out, in short words.
type Words = Vec<String>;

impl Bench {
    fn new(spec: InstanceSpec) -> Self {
        let start = Instant::now();
        Self { instance: Instance::new(spec, start), start, now: start }
    }

    /// Started, and in Backup or, for the owner, Master.
    fn started(spec: InstanceSpec) -> Self {
        let mut bench = Self::new(spec);
        bench.input(Input::Up(OWN));
        bench
    }

    fn master(spec: InstanceSpec) -> Self {
        let mut bench = Self::started(spec);
        bench.pass(5000);
        assert_eq!(bench.instance.state(), State::Master);
        bench
    }

    fn input(&mut self, input: Input) -> Words {
        self.instance.handle(input, self.now);
        self.words()
    }

    /// An advert as another director would send it.
    fn advert(&mut self, from: IpAddr, priority: u8) -> Words {
        self.advert_with(from, |advert| advert.priority = priority)
    }

    fn advert_with(&mut self, from: IpAddr, change: impl FnOnce(&mut Advert)) -> Words {
        let spec = self.instance.spec();
        let mut advert = Advert {
            version: spec.version,
            vrid: spec.vrid,
            priority: 100,
            interval: spec.advert_interval,
            addresses: vec![Ipv4Addr::new(10, 0, 0, 100).into()],
            authentication: spec.authentication.clone(),
            quick: false,
        };
        change(&mut advert);
        let header = IpHeader { source: from, destination: GROUP.into(), ttl: 255 };
        let payload = advert.encode(from, GROUP.into(), Checksum::PseudoHeader);
        self.input(Input::Packet(header, payload))
    }

    /// Lets so many milliseconds pass, timer by timer.
    fn pass(&mut self, milliseconds: u64) -> Words {
        let end = self.now + Duration::from_millis(milliseconds);
        let mut words = Words::new();
        while let Some(at) = self.instance.poll_timeout().filter(|&at| at <= end) {
            self.now = at;
            self.instance.handle_timeout(at);
            words.extend(self.words());
        }
        self.now = end;
        words
    }

    /// Milliseconds from the start to the next timer, questions who has the addresses aside.
    fn next(&self) -> Option<u128> {
        let timers = Timer::ALL.into_iter().filter(|timer| *timer != Timer::Probe);
        let next = timers.filter_map(|timer| self.instance.timers.get(timer)).min();
        next.map(|at| at.duration_since(self.start).as_millis())
    }

    fn words(&mut self) -> Words {
        std::iter::from_fn(|| self.instance.poll_output())
            .filter(|output| !matches!(output, Output::Probe(_)))
            .map(|output| match output {
                Output::Probe(_) => unreachable!("left out"),
                Output::SendOver { path, source, payload } => {
                    let header = IpHeader { source, destination: path.peer, ttl: 255 };
                    let advert = Advert::decode(&payload, &header).unwrap();
                    format!("advert {} over {path}", advert.priority)
                }
                Output::Send { source, destination, payload } => {
                    let header = IpHeader { source, destination, ttl: 255 };
                    let advert = Advert::decode(&payload, &header).unwrap();
                    format!("advert {} to {destination}", advert.priority)
                }
                Output::SetVirtualMac { up } => format!("virtual MAC up: {up}"),
                Output::AddAddresses(a) => format!("add {}", list(&a)),
                Output::RemoveAddresses(a) => format!("remove {}", list(&a)),
                Output::AddRouting(r) => {
                    format!("add {}", r.words().collect::<Vec<_>>().join(", "))
                }
                Output::RemoveRouting(r) => {
                    format!("remove {}", r.words().collect::<Vec<_>>().join(", "))
                }
                Output::Announce(a) => format!("announce {}", list(&a)),
                Output::Event(event) => event.to_string(),
            })
            .collect()
    }

    fn dropped(&self, cause: DropCause) -> u64 {
        self.instance.counters.dropped.get(&cause).copied().unwrap_or(0)
    }
}

fn list(addresses: &[VirtualAddress]) -> String {
    addresses.iter().map(|a| a.address.to_string()).collect::<Vec<_>>().join(" ")
}
