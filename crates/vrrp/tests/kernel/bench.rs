//! Directors in network namespaces of their own, on one link.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use vrrp::shell::{Handle, Heard, News, Watch, Watched, spawn};
use vrrp::standing::Standing;
use vrrp::{
    Centiseconds, Event, EventKind, InstanceSpec, InstanceStatus, Priority, State, VirtualAddress,
    Vrid,
};

/// Far beyond what any of this takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Runs a program and returns what it prints.
pub(crate) fn run(command: &str) -> String {
    let mut words = command.split_ascii_whitespace();
    let program = words.next().expect("a program");
    let output = Command::new(program).args(words).output().expect("it can be run");
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8(output.stdout).expect("a text")
}

/// Two namespaces with `v0` on both sides of a cable, 10.0.0.1/24 and 10.0.0.2/24, and link-local
/// IPv6 addresses that can be used at once.
pub(crate) struct Link {
    names: [String; 2],
}

impl Link {
    pub(crate) fn new(test: &str) -> Self {
        let names = ["a", "b"].map(|side| format!("vrrp-{test}-{side}-{}", std::process::id()));
        for name in &names {
            run(&format!("ip netns add {name}"));
            for key in ["net.ipv6.conf.default.accept_dad=0", "net.ipv4.conf.all.rp_filter=0"] {
                run(&format!("ip netns exec {name} sysctl -qw {key}"));
            }
            run(&format!("ip -n {name} link set lo up"));
        }
        let [a, b] = &names;
        run(&format!(
            "ip link add v0 netns {a} address 02:00:00:00:00:01 type veth \
             peer name v0 netns {b} address 02:00:00:00:00:02"
        ));
        let link = Self { names };
        for side in [0, 1] {
            link.ip(side, "link set v0 up");
            link.ip(side, &format!("address add 10.0.0.{}/24 dev v0", side + 1));
            link.ip(side, &format!("address add 2001:db8::{}/64 dev v0 nodad", side + 1));
        }
        link
    }

    /// Runs `ip` on one side.
    pub(crate) fn ip(&self, side: usize, arguments: &str) -> String {
        run(&format!("ip -n {} {arguments}", self.names[side]))
    }

    /// Runs any program on one side.
    pub(crate) fn exec(&self, side: usize, command: &str) -> String {
        run(&format!("ip netns exec {} {command}", self.names[side]))
    }

    /// Whether the address is on an interface there.
    pub(crate) fn has(&self, side: usize, address: &str) -> bool {
        self.ip(side, "-o address show").contains(&format!(" {address}"))
    }

    /// Tries to connect; who refuses has the address.
    pub(crate) fn connect(&self, side: usize, address: &str) {
        let address: IpAddr = address.parse().expect("an address");
        let connected = self.within(side, move || TcpStream::connect((address, 9)));
        let kind = connected.expect_err("nobody listens").kind();
        assert_eq!(kind, ErrorKind::ConnectionRefused, "{address}");
    }

    /// Sends a datagram from a source address.
    pub(crate) fn send_from(&self, side: usize, source: &str, destination: &str) {
        let ends = [source, destination].map(|text| text.parse::<IpAddr>().expect("an address"));
        self.within(side, move || {
            let socket = UdpSocket::bind((ends[0], 0)).expect("the address is there");
            socket.send_to(&[0], (ends[1], 9)).expect("there is a way");
        });
    }

    /// Starts a director on one side.
    pub(crate) fn start(&self, side: usize, spec: InstanceSpec) -> Director {
        self.start_all(side, vec![spec])
    }

    /// The same with several instances.
    pub(crate) fn start_all(&self, side: usize, specs: Vec<InstanceSpec>) -> Director {
        self.start_watched(side, specs, None)
    }

    /// The same with a guard that remembers where the instances stand, and with what it remembers
    /// from the process before.
    pub(crate) fn start_guarded(&self, side: usize, spec: InstanceSpec, guard: &Guard) -> Director {
        let standings = guard.standings();
        let watched = Watched { watch: Box::new(guard.clone()), standings };
        self.start_watched(side, vec![spec], Some(watched))
    }

    fn start_watched(
        &self,
        side: usize,
        specs: Vec<InstanceSpec>,
        watched: Option<Watched>,
    ) -> Director {
        let (sender, events) = channel();
        let start = move || spawn(specs, sender, watched).expect("it starts");
        Director { handle: Some(self.within(side, start)), events, heard: Vec::new() }
    }

    /// Runs something on one side, on a thread of its own since a namespace belongs to a thread.
    pub(crate) fn within<T: Send + 'static>(
        &self,
        side: usize,
        what: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let namespace =
            File::open(format!("/run/netns/{}", self.names[side])).expect("it is there");
        let thread = std::thread::spawn(move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("entering a namespace needs root");
            what()
        });
        thread.join().expect("it worked")
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for name in &self.names {
            run(&format!("ip netns delete {name}"));
        }
    }
}

/// What a guard would know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guard(Arc<Mutex<BTreeMap<String, Standing>>>);

impl Guard {
    pub(crate) fn standings(&self) -> Vec<Standing> {
        self.0.lock().expect("nobody has panicked").values().cloned().collect()
    }
}

impl Watch for Guard {
    fn tell(&mut self, news: News<'_>) -> Heard {
        let mut all = self.0.lock().expect("nobody has panicked");
        match news {
            News::Alive => {}
            News::Standing(one) => drop(all.insert(one.instance.clone(), one.clone())),
            News::Gone(instance) => drop(all.remove(instance)),
        }
        Heard::Yes
    }
}

/// A running director; it stops cleanly when dropped.
pub(crate) struct Director {
    handle: Option<Handle>,
    events: Receiver<Event>,
    heard: Vec<String>,
}

impl Director {
    /// Waits for a state.
    pub(crate) fn wait_for(&mut self, state: State) -> String {
        self.wait(|kind| match kind {
            EventKind::Transition { to, reason, .. } if *to == state => Some(reason.clone()),
            _ => None,
        })
    }

    /// Waits for an event that `pick` takes.
    pub(crate) fn wait<T>(&mut self, pick: impl Fn(&EventKind) -> Option<T>) -> T {
        loop {
            let Ok(event) = self.events.recv_timeout(DEADLINE) else {
                panic!("it never comes; until now: {:#?}", self.heard);
            };
            self.heard.push(event.to_string());
            if let Some(found) = pick(&event.kind) {
                return found;
            }
        }
    }

    pub(crate) fn status(&self) -> InstanceStatus {
        let reader = self.handle.as_ref().expect("it runs").status_reader();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let mut statuses = runtime.expect("a runtime").block_on(reader.read());
        statuses.instances.remove(0)
    }

    /// A counter by its name.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        let counters = self.status().counters;
        counters.into_iter().find(|(known, _)| known == name).expect("it is counted").1
    }

    /// Ends it as a crash does: everything stays as it is.
    pub(crate) fn hand_over(mut self) {
        self.handle.take().expect("it runs").hand_over();
    }

    pub(crate) fn stop(mut self) {
        self.handle.take().expect("it runs").stop();
    }
}

impl Drop for Director {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.stop();
        }
    }
}

/// Adverts every 50 ms, and these addresses.
pub(crate) fn spec(priority: u8, addresses: &[&str]) -> InstanceSpec {
    let address = |text: &&str| {
        let (address, prefix) = text.split_once('/').expect("a prefix");
        let address: IpAddr = address.parse().expect("an address");
        VirtualAddress::new(address, prefix.parse().expect("a number"), "v0")
    };
    InstanceSpec {
        priority: Priority::new(priority).expect("a priority"),
        advert_interval: Centiseconds::new(5),
        addresses: addresses.iter().map(address).collect(),
        ..InstanceSpec::new("VI_1", "v0", Vrid::new(51).expect("a VRID"))
    }
}
