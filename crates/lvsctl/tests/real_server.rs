//! `lvsctl real-server` against the running kernel, each test in a network namespace of its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Output};
use std::sync::mpsc;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::gettid;

/// Far beyond what any of this takes; the kernel gives up on ARP after three seconds.
const DEADLINE: Duration = Duration::from_secs(60);
const ARP: [&str; 4] = ["all/arp_ignore", "all/arp_announce", "lo/arp_ignore", "lo/arp_announce"];

/// Runs `test` on a thread of its own, since a network namespace belongs to a thread.
fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(|| {
        new_namespace();
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn new_namespace() {
    unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace of its own needs root");
    ip("link set lo up");
}

fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn lvsctl(arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lvsctl"))
        .arg("real-server")
        .args(arguments.split(' '))
        .output()
        .unwrap()
}

/// Runs it, expects that exit status and returns what it printed.
#[track_caller]
fn run(arguments: &str, status: i32) -> String {
    let output = lvsctl(arguments);
    assert_eq!(output.status.code(), Some(status), "{arguments}: {output:?}");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

fn arp(key: &str) -> String {
    fs::read_to_string(format!("/proc/sys/net/ipv4/conf/{key}")).unwrap().trim().to_owned()
}

fn set_arp(key: &str, value: &str) {
    fs::write(format!("/proc/sys/net/ipv4/conf/{key}"), value).unwrap();
}

fn all_arp() -> [String; 4] {
    ARP.map(arp)
}

#[test]
fn start_and_stop_make_and_undo_the_set_up() {
    in_namespace(|| {
        assert_eq!(all_arp(), ["0", "0", "0", "0"]);
        assert_eq!(
            run("start 192.0.2.10 192.0.2.11 2001:db8::10", 0),
            "192.0.2.10: added to lo\n192.0.2.11: added to lo\n2001:db8::10: added to lo\n"
        );
        assert_eq!(all_arp(), ["1", "2", "1", "2"]);
        let shown = ip("address show dev lo");
        assert!(shown.contains("inet 192.0.2.10/32 scope global lo:0"), "{shown}");
        assert!(shown.contains("inet 192.0.2.11/32 scope global lo:1"), "{shown}");
        assert!(shown.contains("inet6 2001:db8::10/128 scope global"), "{shown}");
        let routes = ip("route show table local");
        assert!(routes.contains("local 192.0.2.10 dev lo proto kernel scope host"), "{routes}");

        let again = run("start 192.0.2.10 2001:db8::10", 0);
        assert_eq!(again, "192.0.2.10: on lo already\n2001:db8::10: on lo already\n");

        run("stop 192.0.2.10", 0);
        assert_eq!(all_arp(), ["1", "2", "1", "2"], "192.0.2.11 still needs them");
        run("stop 192.0.2.11 2001:db8::10", 0);
        assert_eq!(all_arp(), ["0", "0", "0", "0"]);
        let shown = ip("address show dev lo");
        assert!(!shown.contains("192.0.2.") && !shown.contains("2001:db8"), "{shown}");
        assert!(shown.contains("127.0.0.1/8") && shown.contains("::1/128"), "{shown}");
        assert_eq!(run("stop 192.0.2.10", 0), "192.0.2.10: not on lo\n");
    });
}

#[test]
fn stricter_settings_of_the_administrator_stay() {
    in_namespace(|| {
        set_arp("all/arp_ignore", "2");
        run("start 192.0.2.10", 0);
        assert_eq!(all_arp(), ["2", "2", "1", "2"]);
        run("stop 192.0.2.10", 0);
        assert_eq!(all_arp(), ["2", "0", "0", "0"]);
    });
}

#[test]
fn ipv6_alone_leaves_arp_as_it_is() {
    in_namespace(|| {
        run("start 2001:db8::10", 0);
        assert_eq!(all_arp(), ["0", "0", "0", "0"]);
        assert!(run("status 2001:db8::10", 0).contains("not needed"));
        set_arp("all/arp_ignore", "1");
        run("stop 2001:db8::10", 0);
        assert_eq!(arp("all/arp_ignore"), "1");
    });
}

#[test]
fn status_finds_every_fault() {
    in_namespace(|| {
        assert!(run("status", 1).contains("no VIP on lo"));
        assert!(run("status 192.0.2.10", 1).contains("missing"));
        run("start 192.0.2.10", 0);
        let expected = [
            "192.0.2.10                          OK, on lo",
            "net.ipv4.conf.all.arp_ignore = 1    OK",
            "net.ipv4.conf.all.arp_announce = 2  OK",
            "net.ipv4.conf.lo.arp_ignore = 1     OK",
            "net.ipv4.conf.lo.arp_announce = 2   OK",
        ];
        assert_eq!(run("status", 0).lines().collect::<Vec<_>>(), expected);
        for (key, good) in ARP.into_iter().zip(["1", "2", "1", "2"]) {
            set_arp(key, "0");
            let text = run("status 192.0.2.10", 1);
            let name = format!("net.ipv4.conf.{}", key.replace('/', "."));
            assert!(text.contains(&format!("`sysctl -w {name}={good}`")), "{text}");
            set_arp(key, good);
        }
        run("status 192.0.2.10", 0);
        assert!(run("status 192.0.2.10 192.0.2.11", 1).contains("start 192.0.2.11"));
        ip("link add v0 type veth peer name v1");
        ip("address add 192.0.2.10/24 dev v0");
        assert!(run("status", 1).contains("ip address del 192.0.2.10 dev v0"));
    });
}

#[test]
fn addresses_no_client_reaches_are_refused() {
    for bad in ["127.0.0.1", "::1", "0.0.0.0", "224.0.0.18", "www.example.com"] {
        let output = lvsctl(&format!("start {bad}"));
        assert_eq!(output.status.code(), Some(2), "{bad}");
    }
    assert_eq!(lvsctl("start").status.code(), Some(2), "which VIP?");
}

#[test]
fn without_root_it_says_so_and_adds_nothing() {
    use std::os::unix::process::CommandExt;
    in_namespace(|| {
        // A copy where any user can reach it.
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        let program = directory.path().join("lvsctl");
        fs::copy(env!("CARGO_BIN_EXE_lvsctl"), &program).unwrap();
        let as_nobody = |arguments: &[&str]| {
            Command::new(&program).args(arguments).uid(65_534).gid(65_534).output().unwrap()
        };
        let output = as_nobody(&["real-server", "start", "192.0.2.10", "2001:db8::10"]);
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("not permitted: run as root"), "{text}");
        assert!(text.contains("2001:db8::10") && text.contains("CAP_NET_ADMIN"), "{text}");
        let shown = ip("address show dev lo");
        assert!(!shown.contains("192.0.2.10") && !shown.contains("2001:db8"), "{shown}");
        assert_eq!(as_nobody(&["real-server", "status"]).status.code(), Some(1), "no VIP");
    });
}

/// Another host on the same network: a namespace whose connections this one asks for.
struct Neighbour {
    thread: nix::unistd::Pid,
    orders: mpsc::Sender<Order>,
    results: mpsc::Receiver<ErrorKind>,
}

enum Order {
    Ip(String),
    Connect(SocketAddr),
}

impl Neighbour {
    fn new() -> Self {
        let (sender, orders) = mpsc::channel();
        let (answer, results) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            new_namespace();
            tell.send(gettid()).unwrap();
            for order in orders {
                let result = match order {
                    Order::Ip(arguments) => {
                        ip(&arguments);
                        ErrorKind::Other
                    }
                    Order::Connect(target) => {
                        TcpStream::connect_timeout(&target, DEADLINE).unwrap_err().kind()
                    }
                };
                answer.send(result).unwrap();
            }
        });
        Self { thread: told.recv_timeout(DEADLINE).unwrap(), orders: sender, results }
    }

    fn ip(&self, arguments: &str) {
        self.orders.send(Order::Ip(arguments.to_owned())).unwrap();
        self.results.recv_timeout(2 * DEADLINE).unwrap();
    }

    /// Why a connection to a port where nobody listens fails: refused by the host, or the host
    /// cannot be found.
    fn connect(&self, target: &str) -> ErrorKind {
        self.orders.send(Order::Connect(target.parse().unwrap())).unwrap();
        self.results.recv_timeout(2 * DEADLINE).unwrap()
    }
}

#[test]
fn the_vip_is_accepted_but_never_announced() {
    in_namespace(|| {
        let neighbour = Neighbour::new();
        ip("link add v0 address 02:00:00:00:00:07 type veth peer name v1");
        ip(&format!("link set v1 netns {}", neighbour.thread));
        ip("link set v0 up");
        ip("address add 10.0.0.1/24 dev v0");
        ip("address add fd00::1/64 dev v0 nodad");
        neighbour.ip("link set v1 up");
        neighbour.ip("address add 10.0.0.2/24 dev v1");
        neighbour.ip("address add fd00::2/64 dev v1 nodad");
        neighbour.ip("route add 192.0.2.0/24 dev v1");
        neighbour.ip("route add 2001:db8::/64 dev v1");

        // An address on lo without any settings is answered for.
        ip("address add 192.0.2.99/32 dev lo");
        assert_eq!(neighbour.connect("192.0.2.99:7"), ErrorKind::ConnectionRefused);

        run("start 192.0.2.10 2001:db8::10", 0);
        assert_eq!(neighbour.connect("10.0.0.1:7"), ErrorKind::ConnectionRefused);
        assert_eq!(neighbour.connect("192.0.2.10:7"), ErrorKind::HostUnreachable);
        assert_eq!(neighbour.connect("[2001:db8::10]:7"), ErrorKind::HostUnreachable);

        // A director sends to the MAC address of the real server.
        neighbour.ip("neighbour replace 192.0.2.10 lladdr 02:00:00:00:00:07 dev v1");
        neighbour.ip("neighbour replace 2001:db8::10 lladdr 02:00:00:00:00:07 dev v1");
        assert_eq!(neighbour.connect("192.0.2.10:7"), ErrorKind::ConnectionRefused);
        assert_eq!(neighbour.connect("[2001:db8::10]:7"), ErrorKind::ConnectionRefused);
    });
}
