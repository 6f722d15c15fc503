//! Each rule of the state machine, with virtual time. Times are computed by hand from the RFCs.

#![expect(clippy::disallowed_methods, reason = "a test chooses its first moment")]

use super::*;
use crate::spec::{Announce, Authentication, Vrid};

const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const LOWER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const HIGHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);

fn spec(priority: u8) -> InstanceSpec {
    InstanceSpec {
        name: "VI_1".to_owned(),
        interface: "eth0".to_owned(),
        vrid: Vrid::new(51).unwrap(),
        priority: Priority::new(priority).unwrap(),
        version: Version::V3,
        advert_interval: Centiseconds::SECOND,
        preempt: true,
        preempt_delay: Duration::ZERO,
        source: None,
        unicast_peers: Vec::new(),
        authentication: None,
        addresses: vec![vip("10.0.0.100")],
        announce: Announce::default(),
    }
}

fn vip(address: &str) -> VirtualAddress {
    VirtualAddress {
        address: address.parse().unwrap(),
        prefix: 24,
        interface: "eth0".to_owned(),
        label: None,
    }
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
    fn advert(&mut self, from: Ipv4Addr, priority: u8) -> Words {
        self.advert_with(from, |advert| advert.priority = priority)
    }

    fn advert_with(&mut self, from: Ipv4Addr, change: impl FnOnce(&mut Advert)) -> Words {
        let spec = self.instance.spec();
        let mut advert = Advert {
            version: spec.version,
            vrid: spec.vrid,
            priority: 100,
            interval: spec.advert_interval,
            addresses: vec![Ipv4Addr::new(10, 0, 0, 100)],
            authentication: spec.authentication.clone(),
        };
        change(&mut advert);
        let header = IpHeader { source: from, destination: GROUP, ttl: 255 };
        let payload = advert.encode(from, GROUP);
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

    /// Milliseconds from the start to the next timer.
    fn next(&self) -> Option<u128> {
        self.instance.poll_timeout().map(|at| at.duration_since(self.start).as_millis())
    }

    fn words(&mut self) -> Words {
        std::iter::from_fn(|| self.instance.poll_output())
            .map(|output| match output {
                Output::Send { source, destination, payload } => {
                    let header = IpHeader { source, destination, ttl: 255 };
                    let advert = Advert::decode(&payload, &header).unwrap();
                    format!("advert {} to {destination}", advert.priority)
                }
                Output::AddAddresses(a) => format!("add {}", list(&a)),
                Output::RemoveAddresses(a) => format!("remove {}", list(&a)),
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

/// 3 x 1 s + (256 - 100) / 256 x 1 s = 3.609375 s.
#[test]
fn a_lone_backup_becomes_master_after_the_down_interval() {
    let mut bench = Bench::new(spec(100));
    assert_eq!(
        bench.input(Input::Up(OWN)),
        ["remove 10.0.0.100", "vrrp VI_1: initialize -> backup: eth0 is up"]
    );
    assert_eq!(bench.next(), Some(3609));
    assert_eq!(bench.pass(3609), [""; 0]);
    assert_eq!(
        bench.pass(1),
        [
            "advert 100 to 224.0.0.18",
            "add 10.0.0.100",
            "announce 10.0.0.100",
            "vrrp VI_1: backup -> master: no master heard",
        ]
    );
    assert_eq!(bench.pass(1000), ["advert 100 to 224.0.0.18"]);
    // The second burst comes five seconds after the first.
    let words = bench.pass(4000);
    assert_eq!(words.iter().filter(|w| w.starts_with("announce")).count(), 1);
    assert_eq!(bench.pass(10_000).iter().filter(|w| w.starts_with("advert")).count(), 10);
}

/// Version 2 skews by (256 - 100) / 256 s whatever the interval: 3 x 2 s + 0.609375 s.
#[test]
fn version_2_skews_in_seconds() {
    let two =
        InstanceSpec { version: Version::V2, advert_interval: Centiseconds::new(200), ..spec(100) };
    assert_eq!(Bench::started(two).next(), Some(6609));
    // Version 3 scales it: 3 x 2 s + 156 / 256 x 2 s = 7.21875 s.
    let three = InstanceSpec { advert_interval: Centiseconds::new(200), ..spec(100) };
    assert_eq!(Bench::started(three).next(), Some(7218));
    // 10 ms adverts: 30 ms + 156 / 256 x 10 ms = 36.09 ms.
    let quick = InstanceSpec { advert_interval: Centiseconds::new(1), ..spec(100) };
    assert_eq!(Bench::started(quick).next(), Some(36));
}

#[test]
fn the_owner_is_master_at_once_and_keeps_its_addresses() {
    let mut bench = Bench::new(spec(255));
    assert_eq!(
        bench.input(Input::Up(OWN)),
        [
            "advert 255 to 224.0.0.18",
            "add 10.0.0.100",
            "announce 10.0.0.100",
            "vrrp VI_1: initialize -> master: owner of the addresses",
        ]
    );
    assert_eq!(bench.advert(HIGHER, 254)[0], "advert 255 to 224.0.0.18");
    assert_eq!(bench.instance.state(), State::Master);
}

#[test]
fn a_backup_waits_while_it_hears_a_master() {
    let mut bench = Bench::started(spec(100));
    for _ in 0..5 {
        bench.pass(1000);
        assert_eq!(bench.advert(LOWER, 150), [""; 0]);
    }
    // Equal priority counts too if the master's address is the higher one.
    assert_eq!(bench.advert(HIGHER, 100), [""; 0]);
    assert_eq!(bench.next(), Some(5000 + 3609));
    assert_eq!(bench.instance.status().master, Some(Master { address: HIGHER, priority: 100 }));
    let words = bench.pass(3610);
    assert_eq!(
        words.last().unwrap(),
        "vrrp VI_1: backup -> master: no advert from 10.0.0.3 in time"
    );
}

/// The higher address is the better director; without preemption whoever was first stays.
#[test]
fn at_equal_priorities_the_higher_address_preempts() {
    for (preempt, state) in [(true, State::Master), (false, State::Backup)] {
        let mut bench = Bench::started(InstanceSpec { preempt, ..spec(100) });
        for _ in 0..4 {
            bench.advert(LOWER, 100);
            bench.pass(1000);
        }
        assert_eq!(bench.instance.state(), state, "preempt = {preempt}");
    }
}

/// A live master with a longer interval is not lost by a reload of something else, and a dead one
/// is noticed however often there is a reload.
#[test]
fn a_reload_leaves_the_down_timer_alone() {
    let quick = InstanceSpec { advert_interval: Centiseconds::new(10), ..spec(100) };
    let mut bench = Bench::started(quick.clone());
    bench.advert_with(HIGHER, |advert| {
        advert.priority = 150;
        advert.interval = Centiseconds::SECOND;
    });
    for second in 1..=3 {
        bench.pass(1000);
        let announce = Announce { repeat: second, ..Announce::default() };
        let changed = InstanceSpec { announce, ..quick.clone() };
        assert_eq!(bench.input(Input::Reconfigure(Box::new(changed))), [""; 0]);
        assert_eq!(bench.next(), Some(3609));
    }
    bench.pass(610);
    assert_eq!(bench.instance.state(), State::Master);
}

/// The type allows an interval of 0; adverts then go every 10 ms, not without end.
#[test]
fn an_interval_of_zero_is_ten_milliseconds() {
    let mut bench =
        Bench::started(InstanceSpec { advert_interval: Centiseconds::new(0), ..spec(100) });
    bench.pass(37);
    assert_eq!(bench.instance.state(), State::Master);
    assert_eq!(bench.pass(100).len(), 10);
}

/// RFC 9568 §6.4.2: `Active_Adver_Interval` is the master's. 3 x 0.5 s + 156 / 256 x 0.5 s.
#[test]
fn version_3_learns_the_masters_interval() {
    let mut bench = Bench::started(spec(100));
    bench.advert_with(LOWER, |advert| {
        advert.priority = 150;
        advert.interval = Centiseconds::new(50);
    });
    assert_eq!(bench.next(), Some(1804));
    // Its own adverts keep its own interval.
    bench.pass(1805);
    assert_eq!(bench.next(), Some(1804 + 1000));
}

/// 156 / 256 x 1 s after the master gave up.
#[test]
fn a_backup_takes_over_after_the_skew_when_the_master_gives_up() {
    let mut bench = Bench::started(spec(100));
    bench.advert(LOWER, 150);
    bench.pass(500);
    assert_eq!(bench.advert(LOWER, 0), [""; 0]);
    assert_eq!(bench.next(), Some(500 + 609));
    let words = bench.pass(610);
    assert_eq!(words.last().unwrap(), "vrrp VI_1: backup -> master: 10.0.0.1 gave up");
}

#[test]
fn a_better_backup_preempts() {
    let mut bench = Bench::started(spec(150));
    // 3 s + 106 / 256 s = 3.414 s from the start: a worse master's adverts do not count.
    for _ in 0..3 {
        bench.pass(1000);
        bench.advert(HIGHER, 100);
    }
    let words = bench.pass(415);
    assert_eq!(
        words.last().unwrap(),
        "vrrp VI_1: backup -> master: 10.0.0.3 has only priority 100"
    );
}

#[test]
fn without_preemption_a_better_backup_waits() {
    let mut bench = Bench::started(InstanceSpec { preempt: false, ..spec(150) });
    for _ in 0..20 {
        bench.pass(1000);
        assert_eq!(bench.advert(HIGHER, 100), [""; 0]);
    }
    bench.pass(3500);
    assert_eq!(bench.instance.state(), State::Master);
}

#[test]
fn preemption_waits_for_its_delay() {
    let delay = Duration::from_secs(10);
    let mut bench = Bench::started(InstanceSpec { preempt_delay: delay, ..spec(150) });
    bench.pass(500);
    // The first worse advert at 0.5 s; at 10.5 s the delay is over, and the timer last set at
    // 9.5 s runs out 3.414 s later.
    for _ in 0..14 {
        bench.advert(HIGHER, 100);
        if bench.instance.state() == State::Master {
            break;
        }
        bench.pass(1000);
    }
    assert_eq!(bench.instance.state(), State::Master);
    let became = bench.instance.status().since.duration_since(bench.start);
    assert_eq!(became.as_millis(), 9500 + 3414);
}

#[test]
fn a_master_yields_to_a_better_one_and_to_a_higher_address() {
    for (from, priority, words) in [
        (LOWER, 101, "10.0.0.1 is master: priority 101 against 100"),
        (HIGHER, 100, "10.0.0.3 is master: equal priority 100, higher address"),
    ] {
        let mut bench = Bench::master(spec(100));
        assert_eq!(
            bench.advert(from, priority),
            ["remove 10.0.0.100".to_owned(), format!("vrrp VI_1: master -> backup: {words}")]
        );
        assert_eq!(bench.next(), Some(5000 + 3609));
    }
}

#[test]
fn a_master_answers_a_worse_one_at_once_and_announces_again() {
    for (from, priority) in [(HIGHER, 99), (LOWER, 100)] {
        let mut bench = Bench::master(spec(100));
        assert_eq!(
            bench.advert(from, priority),
            [
                "advert 100 to 224.0.0.18".to_owned(),
                "announce 10.0.0.100".to_owned(),
                format!("vrrp VI_1: {from} claims to be master too, with priority {priority}"),
            ]
        );
        // A flood is not answered with a flood.
        assert_eq!(bench.advert(from, priority), [""; 0]);
        bench.pass(100);
        // The episode is reported once, and its end.
        assert_eq!(bench.advert(from, priority), ["advert 100 to 224.0.0.18"]);
        let words = bench.pass(3000);
        assert!(words.contains(&"announce 10.0.0.100".to_owned()), "{words:?}");
        assert_eq!(
            words.iter().filter(|word| word.contains("no longer claims")).count(),
            1,
            "{words:?}"
        );
        assert_eq!(bench.instance.state(), State::Master);
    }
}

#[test]
fn a_master_answers_one_that_gives_up() {
    let mut bench = Bench::master(spec(100));
    bench.pass(300);
    assert_eq!(bench.advert(LOWER, 0), ["advert 100 to 224.0.0.18"]);
    assert_eq!(bench.next(), Some(5300 + 1000));
}

#[test]
fn a_stopped_master_removes_its_addresses_and_gives_up() {
    let mut bench = Bench::master(spec(100));
    assert_eq!(
        bench.input(Input::Shutdown),
        ["remove 10.0.0.100", "advert 0 to 224.0.0.18", "vrrp VI_1: master -> initialize: stopped",]
    );
    assert_eq!(bench.next(), None);
    assert_eq!(bench.input(Input::Shutdown), [""; 0]);
}

#[test]
fn a_stopped_backup_says_nothing() {
    let mut bench = Bench::started(spec(100));
    assert_eq!(bench.input(Input::Shutdown), ["vrrp VI_1: backup -> initialize: stopped"]);
}

#[test]
fn a_lost_interface_is_a_fault_and_its_return_a_backup() {
    let mut bench = Bench::master(spec(100));
    assert_eq!(
        bench.input(Input::Down("eth0 has no link".to_owned())),
        [
            "remove 10.0.0.100",
            "advert 0 to 224.0.0.18",
            "vrrp VI_1: master -> fault: eth0 has no link",
        ]
    );
    assert_eq!(bench.next(), None);
    assert_eq!(bench.advert(LOWER, 0), [""; 0]);
    assert_eq!(bench.input(Input::Up(OWN)), ["vrrp VI_1: fault -> backup: eth0 is up"]);
    assert_eq!(bench.next(), Some(5000 + 3609));
}

/// Every input in every state: nothing panics, and the addresses are held by masters alone.
#[test]
fn every_input_in_every_state() {
    let reach: [fn(&mut Bench); 4] = [
        |_| {},
        |bench| drop(bench.input(Input::Up(OWN))),
        |bench| {
            bench.input(Input::Up(OWN));
            bench.pass(5000);
        },
        |bench| drop(bench.input(Input::Down("gone".to_owned()))),
    ];
    let inputs: [fn(&mut Bench) -> Words; 10] = [
        |bench| bench.input(Input::Up(OWN)),
        |bench| bench.input(Input::Down("gone".to_owned())),
        |bench| bench.input(Input::Shutdown),
        |bench| bench.input(Input::Malformed),
        |bench| bench.advert(LOWER, 0),
        |bench| bench.advert(LOWER, 1),
        |bench| bench.advert(HIGHER, 255),
        |bench| bench.input(Input::Reconfigure(Box::new(spec(200)))),
        |bench| bench.input(Input::Reconfigure(Box::new(spec(255)))),
        |bench| bench.pass(20_000),
    ];
    let after = |priority: u8| -> Vec<Vec<State>> {
        reach
            .iter()
            .map(|reach| {
                inputs
                    .iter()
                    .map(|input| {
                        let mut bench = Bench::new(spec(priority));
                        reach(&mut bench);
                        let was_master = bench.instance.state() == State::Master;
                        let words = input(&mut bench);
                        let is_master = bench.instance.state() == State::Master;
                        let has = |word: &str| words.iter().any(|w| w.starts_with(word));
                        assert_eq!(has("add 10"), !was_master && is_master, "{words:?}");
                        if was_master && !is_master {
                            assert!(has("remove 10.0.0.100"), "{words:?}");
                        }
                        bench.instance.state()
                    })
                    .collect()
            })
            .collect()
    };
    use State::{Backup as B, Fault as F, Initialize as I, Master as M};
    // Columns: Up, Down, Shutdown, malformed, priority 0, worse, better (255), changed to 200,
    // changed to 255, twenty seconds.
    assert_eq!(
        after(100),
        [
            [B, F, I, I, I, I, I, I, I, I],
            [B, F, I, B, B, B, B, B, M, M],
            [M, F, I, M, M, M, B, M, M, M],
            [B, F, I, F, F, F, F, F, F, F],
        ]
    );
    // The owner yields to no one but an owner with a higher address.
    assert_eq!(
        after(255),
        [
            [M, F, I, I, I, I, I, I, I, I],
            [M, F, I, M, M, M, B, M, M, M],
            [M, F, I, M, M, M, B, M, M, M],
            [M, F, I, F, F, F, F, F, F, F],
        ]
    );
}

#[test]
fn what_does_not_suit_is_dropped_and_counted_by_cause() {
    let pass = |password: &[u8; 8]| Some(Authentication::Pass(*password));
    let mut two = InstanceSpec { version: Version::V2, ..spec(100) };
    two.authentication = pass(b"right\0\0\0");
    let mut bench = Bench::started(two);
    let first = bench.advert_with(LOWER, |a| a.authentication = pass(b"wrong\0\0\0"));
    assert_eq!(
        first,
        ["vrrp VI_1: packet from 10.0.0.1 dropped: authentication does not match; \
          more of these are only counted"]
    );
    assert_eq!(bench.advert_with(LOWER, |a| a.authentication = None), [""; 0]);
    assert_eq!(bench.dropped(DropCause::Authentication), 2);
    bench.advert_with(LOWER, |a| a.interval = Centiseconds::new(200));
    assert_eq!(bench.dropped(DropCause::Interval), 1);
    bench.advert_with(LOWER, |a| {
        a.version = Version::V3;
        a.authentication = None;
    });
    assert_eq!(bench.dropped(DropCause::Version), 1);
    bench.advert_with(LOWER, |a| a.vrid = Vrid::new(9).unwrap());
    assert_eq!(bench.dropped(DropCause::Vrid), 1);
    bench.advert(OWN, 200);
    assert_eq!(bench.dropped(DropCause::Own), 1);
    for (ttl, destination, cause) in
        [(254, GROUP, DropCause::Ttl), (255, OWN, DropCause::Peer), (255, GROUP, DropCause::Length)]
    {
        let header = IpHeader { source: LOWER, destination, ttl };
        bench.input(Input::Packet(header, vec![0x21, 51, 200, 1, 0, 1, 0, 0]));
        assert_eq!(bench.dropped(cause), 1, "{cause}");
    }
    // None of them touched the timer.
    assert_eq!(bench.next(), Some(3609));
}

#[test]
fn unicast_goes_to_each_peer_and_comes_from_peers_alone() {
    let mut bench =
        Bench::started(InstanceSpec { unicast_peers: vec![LOWER, HIGHER], ..spec(100) });
    bench.advert(LOWER, 200);
    assert_eq!(bench.dropped(DropCause::Peer), 1);
    let words = bench.pass(3610);
    assert_eq!(words[..2], ["advert 100 to 10.0.0.1", "advert 100 to 10.0.0.3"]);
    let stranger = Ipv4Addr::new(10, 0, 0, 9);
    for (source, state) in [(stranger, State::Master), (HIGHER, State::Backup)] {
        let mut advert = Advert {
            version: Version::V3,
            vrid: Vrid::new(51).unwrap(),
            priority: 200,
            interval: Centiseconds::SECOND,
            addresses: Vec::new(),
            authentication: None,
        };
        advert.addresses.push(Ipv4Addr::new(10, 0, 0, 100));
        let payload = advert.encode(source, OWN);
        let header = IpHeader { source, destination: OWN, ttl: 255 };
        bench.input(Input::Packet(header, payload));
        assert_eq!(bench.instance.state(), state);
    }
}

#[test]
fn changed_addresses_of_a_master_are_a_difference() {
    let mut bench = Bench::master(InstanceSpec {
        addresses: vec![vip("10.0.0.100"), vip("10.0.0.101")],
        ..spec(100)
    });
    let changed =
        InstanceSpec { addresses: vec![vip("10.0.0.101"), vip("10.0.0.102")], ..spec(120) };
    assert_eq!(
        bench.input(Input::Reconfigure(Box::new(changed))),
        ["remove 10.0.0.100", "advert 120 to 224.0.0.18", "add 10.0.0.102", "announce 10.0.0.102",]
    );
    assert_eq!(bench.instance.state(), State::Master);
}

#[test]
fn addresses_are_announced_again_on_the_refresh_interval() {
    let announce = Announce { repeat: 1, delay: Duration::ZERO, refresh: Duration::from_secs(60) };
    let mut bench = Bench::master(InstanceSpec { announce, ..spec(100) });
    let words = bench.pass(180_000);
    assert_eq!(words.iter().filter(|word| word.starts_with("announce")).count(), 3);
}
