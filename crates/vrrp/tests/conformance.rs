//! Plays the cases of `conformance/` against the state machine; its README says how they read.

#![allow(clippy::unwrap_used, reason = "a case that cannot be read is a defect of the case")]
#![allow(clippy::disallowed_methods, reason = "a test chooses its first moment")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use vrrp::standing::{Holding, Role, Standing};
use vrrp::{
    Advert, Authentication, Centiseconds, Checksum, Condition, EventKind, Heartbeat, Hold, Input,
    Instance, InstanceSpec, IpHeader, Master, OnSilentMaster, Order, Output, Priority, Routing,
    State, Thing, Track, Trouble, Version, VirtualAddress, Vrid,
};

/// What can happen to a router, for the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Up,
    Down,
    Shutdown,
    Better,
    Equal,
    Worse,
    GivesUp,
    Dropped,
    Resume,
    Reload,
    Answer,
    Script,
    Order,
    PathUp,
    PathDown,
    PathAdvert,
    PutBack,
}

const ALL: [Happening; 17] = [
    Happening::Up,
    Happening::Down,
    Happening::Shutdown,
    Happening::Better,
    Happening::Equal,
    Happening::Worse,
    Happening::GivesUp,
    Happening::Dropped,
    Happening::Resume,
    Happening::Reload,
    Happening::Answer,
    Happening::Script,
    Happening::Order,
    Happening::PathUp,
    Happening::PathDown,
    Happening::PathAdvert,
    Happening::PutBack,
];

#[test]
fn the_cases_go_as_written() {
    let mut cases = 0;
    let mut seen = BTreeSet::new();
    let mut wrong = String::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let lines: Vec<&str> = lines.collect();
        for case in lines.chunk_by(|_, next| !next.starts_with("case ")) {
            cases += 1;
            let played = play(case, &mut seen);
            if played != case {
                let file = path.file_name().unwrap().display();
                write!(wrong, "\n{file}: {}\n{}", case[0], difference(case, &played)).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "- as written, + as played{wrong}");
    assert!(cases >= 50, "only {cases} cases were found in {}", folder.display());
    // Every state meets everything that can happen to it.
    for state in [State::Initialize, State::Backup, State::Master, State::Fault] {
        for happening in ALL {
            assert!(seen.contains(&(state, happening)), "no case of {happening:?} in {state}");
        }
    }
}

fn difference(written: &[&str], played: &[String]) -> String {
    let mut text = String::new();
    for index in 0..written.len().max(played.len()) {
        let (written, played) = (written.get(index), played.get(index));
        if written.copied() == played.map(String::as_str) {
            continue;
        }
        for (sign, line) in [("-", written.copied()), ("+", played.map(String::as_str))] {
            if let Some(line) = line {
                writeln!(text, "{sign} {line}").unwrap();
            }
        }
    }
    text
}

/// The case with what really comes out.
fn play(case: &[&str], seen: &mut BTreeSet<(State, Happening)>) -> Vec<String> {
    let [title, settings, steps @ ..] = case else { panic!("not a whole case: {case:?}") };
    let settings = settings.strip_prefix("is ").unwrap_or_else(|| panic!("{title}: no settings"));
    let mut router = Router::new(settings);
    let mut played = vec![(*title).to_owned(), format!("is {settings}")];
    for step in steps.iter().filter_map(|line| line.strip_prefix("> ")) {
        let (time, action) = step.split_once(' ').unwrap_or((step, "pass"));
        played.push(format!("> {step}"));
        let at = router.start + Duration::from_secs_f64(time.parse().unwrap());
        played.extend(router.pass(at));
        let before = router.instance.state();
        let Some(input) = router.input(action) else { continue };
        seen.extend(router.happening(&input).map(|happening| (before, happening)));
        router.instance.handle(input, at);
        played.extend(router.outputs(at));
    }
    played
}

struct Router {
    instance: Instance,
    start: Instant,
    /// Whether the case has the questions who has the addresses.
    shows_questions: bool,
}

impl Router {
    fn new(settings: &str) -> Self {
        let start = Instant::now();
        let instance = Instance::new(spec(settings), start);
        Self { instance, start, shows_questions: settings.contains("questions shown") }
    }

    /// Lets the time pass, timer by timer.
    fn pass(&mut self, until: Instant) -> Vec<String> {
        let mut played = Vec::new();
        while let Some(at) = self.instance.poll_timeout().filter(|&at| at <= until) {
            self.instance.handle_timeout(at);
            played.extend(self.outputs(at));
        }
        played
    }

    fn input(&self, action: &str) -> Option<Input> {
        let words: Vec<&str> = action.split(' ').collect();
        Some(match words[..] {
            ["pass"] => return None,
            ["up", address] => Input::Up(address.parse().unwrap()),
            ["down"] => Input::Down("no carrier".to_owned()),
            ["shutdown"] => Input::Shutdown,
            ["advert", "from", source, ref rest @ ..] => {
                self.advert(source, rest, Checksum::PseudoHeader)
            }
            ["plain", "from", source, ref rest @ ..] => {
                // Over IPv6 the library always adds the pseudo header: here it is left out by hand.
                let Input::Packet(header, mut payload) = self.advert(source, rest, Checksum::Plain)
                else {
                    unreachable!("an advert is a packet");
                };
                payload[6..8].copy_from_slice(&[0, 0]);
                let sum =
                    payload.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
                let sum: u32 = sum.sum();
                let sum = (sum & 0xffff) + (sum >> 16);
                let sum = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
                payload[6..8].copy_from_slice(&(!sum).to_be_bytes());
                Input::Packet(header, payload)
            }
            ["bytes", "from", source, "ttl", ttl, ref hex @ ..] => {
                let bytes = hex.iter().map(|byte| u8::from_str_radix(byte, 16).unwrap());
                Input::Packet(self.header(source, ttl.parse().unwrap()), bytes.collect())
            }
            ["packet", "from", "nowhere"] => Input::Malformed,
            ["resume", ref role @ ..] => self.resume(role),
            ["reload", ..] => Input::Reconfigure(Box::new(spec(&action["reload ".len()..]))),
            ["answer", "for", address] => {
                Input::Answer(address.parse().unwrap(), [2, 0, 0, 0, 0, 7])
            }
            ["script", "works"] => Input::Tracked(script(), Condition::Works),
            ["script", "fails"] => {
                Input::Tracked(script(), Condition::Fails("exit status 1".to_owned()))
            }
            ["group", word] => Input::Group(order(word)),
            ["path", "up", address] => Input::PathUp(self.path(), address.parse().unwrap()),
            ["path", "down"] => Input::PathDown(self.path(), "no carrier".to_owned()),
            ["path", "advert", "from", source, ref rest @ ..] => {
                let rest = [rest, &["to", "198.51.100.1"]].concat();
                let Input::Packet(header, payload) =
                    self.advert(source, &rest, Checksum::PseudoHeader)
                else {
                    unreachable!("an advert is a packet");
                };
                Input::PathPacket(self.path(), header, payload)
            }
            ["put", "back"] => Input::PutBack(self.instance.spec().addresses[0].clone()),
            ["route", "put", "back"] => Input::RoutingPutBack("route 203.0.113.0/24".to_owned()),
            _ => panic!("unknown input: {action}"),
        })
    }

    fn advert(&self, source: &str, rest: &[&str], reading: Checksum) -> Input {
        let spec = self.instance.spec();
        let mut header = self.header(source, 255);
        let mut advert = Advert {
            version: spec.version,
            vrid: spec.vrid,
            priority: 100,
            interval: spec.advert_interval,
            addresses: vec![spec.addresses[0].address],
            authentication: None,
            quick: false,
        };
        for pair in rest.chunks(2) {
            match *pair {
                ["priority", value] => advert.priority = value.parse().unwrap(),
                ["interval", value] => advert.interval = interval(value),
                ["vrid", value] => advert.vrid = Vrid::new(value.parse().unwrap()).unwrap(),
                ["version", value] => advert.version = version(value),
                ["ttl", value] => header.ttl = value.parse().unwrap(),
                ["to", value] => header.destination = value.parse().unwrap(),
                ["password", value] => advert.authentication = Some(password(value)),
                ["address", value] => advert.addresses = vec![value.parse().unwrap()],
                _ => panic!("unknown part of an advert: {pair:?}"),
            }
        }
        let payload = advert.encode(header.source, header.destination, reading);
        Input::Packet(header, payload)
    }

    fn header(&self, source: &str, ttl: u8) -> IpHeader {
        let destination = self.instance.spec().family().group();
        IpHeader { source: source.parse().unwrap(), destination, ttl }
    }

    /// Where the process before this one stood.
    fn resume(&self, role: &[&str]) -> Input {
        let spec = self.instance.spec();
        let role = match *role {
            ["none"] => Role::None,
            ["backup", "of", address, "with", priority] => {
                let (address, priority) = (address.parse().unwrap(), priority.parse().unwrap());
                let master = Some(Master { address, priority });
                Role::Backup { master, interval: spec.advert_interval }
            }
            // What it held is for the guard; the instance has its own settings.
            ["master"] => Role::Master(Holding {
                addresses: Vec::new(),
                routing: Routing::default(),
                vmac: None,
                interval: spec.advert_interval,
                adverts: Vec::new(),
                farewells: Vec::new(),
            }),
            _ => panic!("unknown role: {role:?}"),
        };
        Input::Resume(Box::new(Standing {
            instance: spec.name.clone(),
            interface: spec.interface.clone(),
            vrid: spec.vrid.get(),
            conditions: Vec::new(),
            raised: BTreeMap::new(),
            role,
        }))
    }

    fn path(&self) -> Heartbeat {
        self.instance.spec().heartbeats[0].clone()
    }

    fn happening(&self, input: &Input) -> Option<Happening> {
        Some(match input {
            Input::Up(_) => Happening::Up,
            Input::Down(_) => Happening::Down,
            Input::Shutdown => Happening::Shutdown,
            Input::Packet(header, payload) => {
                let advert = Advert::decode(payload, header).ok().filter(|_| header.ttl == 255);
                let Some(Advert { priority: theirs, .. }) = advert else {
                    return Some(Happening::Dropped);
                };
                match theirs.cmp(&self.instance.spec().priority.get()) {
                    _ if theirs == 0 => Happening::GivesUp,
                    std::cmp::Ordering::Greater => Happening::Better,
                    std::cmp::Ordering::Equal => Happening::Equal,
                    std::cmp::Ordering::Less => Happening::Worse,
                }
            }
            Input::Malformed => Happening::Dropped,
            Input::Resume(_) => Happening::Resume,
            Input::Reconfigure(_) => Happening::Reload,
            Input::Answer(..) => Happening::Answer,
            Input::Tracked(..) => Happening::Script,
            Input::Group(_) => Happening::Order,
            Input::PathUp(..) => Happening::PathUp,
            Input::PathDown(..) => Happening::PathDown,
            Input::PathPacket(..) => Happening::PathAdvert,
            Input::PutBack(_) | Input::RoutingPutBack(_) => Happening::PutBack,
        })
    }

    fn outputs(&mut self, at: Instant) -> Vec<String> {
        let time = at.duration_since(self.start).as_millis();
        let outputs: Vec<Output> = std::iter::from_fn(|| self.instance.poll_output()).collect();
        let words = outputs.into_iter().filter_map(words);
        let words = words.filter(|words| self.shows_questions || *words != "ask");
        words.map(|words| format!("  {}.{:03} {words}", time / 1000, time % 1000)).collect()
    }
}

/// An output in words; `None` for what no RFC knows.
fn words(output: Output) -> Option<String> {
    Some(match output {
        Output::Send { source, destination, payload } => {
            let header = IpHeader { source, destination, ttl: 255 };
            format!(
                "advert {} to {destination}",
                Advert::decode(&payload, &header).unwrap().priority
            )
        }
        Output::AddAddresses(addresses) => format!("add {}", list(&addresses)),
        Output::RemoveAddresses(addresses) => format!("remove {}", list(&addresses)),
        Output::SendOver { path, source, payload } => {
            let header = IpHeader { source, destination: path.peer, ttl: 255 };
            let advert = Advert::decode(&payload, &header).unwrap();
            format!("advert {} over the path", advert.priority)
        }
        Output::Announce(_) => "announce".to_owned(),
        Output::Probe(_) => "ask".to_owned(),
        Output::Event(event) => match event.kind {
            EventKind::Transition { to, .. } => format!("state {to}"),
            EventKind::Begins(Trouble::Dropped { refusal, .. }) => {
                format!("drop {}", refusal.cause())
            }
            EventKind::Begins(trouble) => format!("trouble {}", name(&trouble)),
            EventKind::Over(trouble) => format!("over {}", name(&trouble)),
            EventKind::Rival { .. } => "trouble two masters".to_owned(),
            EventKind::RivalGone { .. } | EventKind::RivalStays { .. } => {
                "over two masters".to_owned()
            }
            _ => return None,
        },
        _ => return None,
    })
}

fn name(trouble: &Trouble) -> String {
    match trouble {
        Trouble::OtherAddresses { .. } => "other addresses".to_owned(),
        Trouble::OtherInterval { .. } => "other interval".to_owned(),
        Trouble::Dropped { refusal, .. } => refusal.cause().to_string(),
        Trouble::AddressTaken { .. } => "address taken".to_owned(),
        Trouble::SilentMaster { .. } => "silent master".to_owned(),
        Trouble::LinkSilent(_) => "silent link".to_owned(),
        Trouble::PathSilent(_) => "silent path".to_owned(),
    }
}

fn list(addresses: &[VirtualAddress]) -> String {
    addresses.iter().map(|one| one.address.to_string()).collect::<Vec<_>>().join(" ")
}

/// What a router is told to do.
fn spec(settings: &str) -> InstanceSpec {
    let mut spec = InstanceSpec::new("VI_1", "eth0", Vrid::new(51).unwrap());
    spec.announce.delay = Duration::ZERO;
    let mut address: IpAddr = "192.0.2.100".parse().unwrap();
    for setting in settings.split(", ") {
        let words: Vec<&str> = setting.split(' ').collect();
        match words[..] {
            ["version", version] => spec.version = self::version(version),
            ["priority", text] => spec.priority = Priority::new(text.parse().unwrap()).unwrap(),
            ["interval", seconds] => spec.advert_interval = interval(seconds),
            ["address", text] => address = text.parse().unwrap(),
            ["no", "preemption"] => spec.preempt = false,
            ["password", text] => spec.authentication = Some(password(text)),
            ["starts", "after", delay] => spec.start_delay = seconds(delay),
            ["announces", "after", delay] => spec.announce.delay = seconds(delay),
            ["announces", "every", refresh] => spec.announce.refresh = seconds(refresh),
            ["holds", "off"] => spec.on_silent_master = OnSilentMaster::Hold,
            ["script", weight] => {
                let weight = weight.parse().unwrap();
                spec.track = vec![Track { thing: script(), weight, reverse: false }];
            }
            ["path", peer] => {
                let interface = "eth1".to_owned();
                spec.heartbeats = vec![Heartbeat { interface, peer: peer.parse().unwrap() }];
            }
            ["questions", "shown"] => {}
            _ => panic!("unknown setting: {setting}"),
        }
    }
    spec.addresses = vec![VirtualAddress::new(address, 24, "eth0")];
    spec
}

fn script() -> Thing {
    Thing::Script("nginx".to_owned())
}

fn order(word: &str) -> Order {
    let why = "another member wants it".to_owned();
    match word {
        "free" => Order::Hold(Hold::Free),
        "wait" => Order::Hold(Hold::Wait(why)),
        "fault" => Order::Hold(Hold::Fault(why)),
        "master" => Order::TakeOver(why),
        "backup" => Order::StepDown(why),
        _ => panic!("unknown order: {word}"),
    }
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs_f64(text.parse().unwrap())
}

fn version(text: &str) -> Version {
    match text {
        "2" => Version::V2,
        "3" => Version::V3,
        _ => panic!("no version {text}"),
    }
}

fn interval(seconds: &str) -> Centiseconds {
    let (whole, part) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let whole: u16 = whole.parse().unwrap();
    Centiseconds::new(whole * 100 + format!("{part:0<2}").parse::<u16>().unwrap())
}

fn password(text: &str) -> Authentication {
    let mut bytes = [0; 8];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    Authentication::Pass(bytes)
}
