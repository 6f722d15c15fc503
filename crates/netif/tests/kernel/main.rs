//! Against the running kernel, each test in a network namespace of its own. Expected values are
//! what `ip` says.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod routing;

use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use netif::{Event, Macvlan, Monitor, Netlink, NewAddress, Scope, sysctl};
use nix::sched::{CloneFlags, unshare};

/// Far beyond what any of this takes.
const DEADLINE: Duration = Duration::from_secs(30);

/// Runs `test` in a fresh network namespace, on a thread of its own since a namespace belongs to a
/// thread.
fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace of its own needs root");
        ip("link set lo up");
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn ip(arguments: &str) -> String {
    run(&format!("ip {arguments}"))
}

fn run(command: &str) -> String {
    let mut words = command.split(' ');
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn ip_json(arguments: &str) -> serde_json::Value {
    serde_json::from_str(&ip(&format!("-json {arguments}"))).unwrap()
}

/// The entries of `ip address show` for an address.
fn shown(interface: &str, address: &str) -> Vec<serde_json::Value> {
    let json = ip_json(&format!("address show dev {interface}"));
    let all = json[0]["addr_info"].as_array().unwrap().clone();
    all.into_iter().filter(|a| a["local"] == address).collect()
}

fn new<'a>(interface: &'a str, address: &str, prefix: u8) -> NewAddress<'a> {
    NewAddress::new(interface, address.parse().unwrap(), prefix)
}

#[test]
fn links_are_those_of_ip() {
    in_namespace(|| {
        ip("link add v0 address 02:00:00:00:00:07 type veth peer name v1");
        let mut netlink = Netlink::open().unwrap();
        let json = ip_json("link show");
        let expected: Vec<(u64, &str)> = json
            .as_array()
            .unwrap()
            .iter()
            .map(|l| (l["ifindex"].as_u64().unwrap(), l["ifname"].as_str().unwrap()))
            .collect();
        let links = netlink.links().unwrap();
        let ours: Vec<(u64, &str)> =
            links.iter().map(|l| (u64::from(l.index), l.name.as_str())).collect();
        assert_eq!(ours, expected);

        let v0 = netlink.link("v0").unwrap().unwrap();
        assert_eq!(v0.mac, Some([2, 0, 0, 0, 0, 7]));
        assert!(!v0.up && !v0.running);
        ip("link set v0 up");
        let v0 = netlink.link("v0").unwrap().unwrap();
        assert!(v0.up && !v0.running, "its peer is down: {v0:?}");
        ip("link set v1 up");
        let v0 = netlink.link("v0").unwrap().unwrap();
        assert!(v0.up && v0.running, "{v0:?}");
        let lo = netlink.link("lo").unwrap().unwrap();
        assert!(lo.up && lo.running, "{lo:?}");
    });
}

#[test]
fn a_name_nobody_has_is_none() {
    in_namespace(|| {
        let mut netlink = Netlink::open().unwrap();
        for name in ["eth9", "", "a-name-of-more-than-fifteen-bytes"] {
            assert_eq!(netlink.link(name).unwrap(), None, "{name:?}");
        }
    });
}

#[test]
fn ipv4_addresses_come_and_go() {
    in_namespace(|| {
        ip("link add v0 type veth peer name v1");
        let mut netlink = Netlink::open().unwrap();
        let vip = NewAddress { label: Some("v0:vip"), ..new("v0", "10.0.0.1", 24) };
        assert!(netlink.add_address(&vip).unwrap());
        assert!(!netlink.add_address(&vip).unwrap(), "the second time it is there already");

        let entry = &shown("v0", "10.0.0.1")[0];
        assert_eq!(entry["prefixlen"], 24);
        assert_eq!(entry["label"], "v0:vip");
        assert_eq!(entry["scope"], "global");
        assert_eq!(entry.get("broadcast"), None);

        let index = netlink.link("v0").unwrap().unwrap().index;
        let ours: Vec<_> =
            netlink.addresses().unwrap().into_iter().filter(|a| a.index == index).collect();
        assert_eq!(ours.len(), 1);
        assert_eq!(ours[0].address, "10.0.0.1".parse::<IpAddr>().unwrap());
        assert_eq!(ours[0].prefix, 24);
        assert_eq!(ours[0].label.as_deref(), Some("v0:vip"));

        assert!(!netlink.delete_address(&new("v0", "10.0.0.1", 32)).unwrap(), "another prefix");
        assert!(!netlink.delete_address(&new("v0", "10.0.0.2", 24)).unwrap(), "another address");
        assert_eq!(shown("v0", "10.0.0.1").len(), 1);
        assert!(netlink.delete_address(&new("v0", "10.0.0.1", 24)).unwrap(), "whatever its label");
        assert!(!netlink.delete_address(&vip).unwrap());
        assert!(shown("v0", "10.0.0.1").is_empty());
    });
}

#[test]
fn ipv6_addresses_are_usable_at_once() {
    in_namespace(|| {
        ip("link add v0 type veth peer name v1");
        ip("link set v0 up");
        ip("link set v1 up");
        let mut netlink = Netlink::open().unwrap();
        let vip = new("v0", "2001:db8::1", 64);
        assert!(netlink.add_address(&vip).unwrap());
        assert!(!netlink.add_address(&vip).unwrap());
        let entry = &shown("v0", "2001:db8::1")[0];
        assert_eq!(entry["prefixlen"], 64);
        assert_eq!(entry["nodad"], true, "{entry}");
        assert_eq!(entry.get("tentative"), None, "{entry}");
        assert!(
            netlink
                .addresses()
                .unwrap()
                .iter()
                .any(|a| { a.address == vip.address && a.prefix == 64 && a.label.is_none() })
        );
        assert!(netlink.delete_address(&vip).unwrap());
        assert!(!netlink.delete_address(&vip).unwrap());
        assert!(shown("v0", "2001:db8::1").is_empty());
    });
}

#[test]
fn scope_and_preference_are_those_of_ip() {
    in_namespace(|| {
        ip("link add v0 type veth peer name v1");
        ip("link set v0 up");
        let mut netlink = Netlink::open().unwrap();
        for (scope, word) in [
            (Scope::Global, "global"),
            (Scope::Site, "site"),
            (Scope::Link, "link"),
            (Scope::Host, "host"),
        ] {
            let vip = NewAddress { scope: Some(scope), ..new("v0", "10.0.0.1", 24) };
            assert!(netlink.add_address(&vip).unwrap());
            assert_eq!(shown("v0", "10.0.0.1")[0]["scope"], word);
            assert!(netlink.delete_address(&vip).unwrap());
        }
        let vip = NewAddress { deprecated: true, ..new("v0", "2001:db8::1", 64) };
        assert!(netlink.add_address(&vip).unwrap());
        let entry = &shown("v0", "2001:db8::1")[0];
        assert_eq!(entry["deprecated"], true, "{entry}");
        assert_eq!(entry["valid_life_time"], u32::MAX, "{entry}");
    });
}

/// The first address of a network is its primary; deleting it deletes the others where
/// `promote_secondaries` is 0.
#[test]
fn an_address_is_deleted_without_those_of_its_network() {
    in_namespace(|| {
        ip("link add v0 type veth peer name v1");
        let key = "net/ipv4/conf/v0/promote_secondaries";
        let mut netlink = Netlink::open().unwrap();
        for promote in ["0", "1"] {
            sysctl::write(key, promote).unwrap();
            for address in ["10.0.0.1/24", "10.0.0.2/24", "10.0.1.1/24", "10.0.0.3/32"] {
                ip(&format!("address add {address} dev v0"));
            }
            assert!(netlink.delete_address_alone(&new("v0", "10.0.0.1", 24)).unwrap());
            assert!(shown("v0", "10.0.0.1").is_empty());
            for rest in ["10.0.0.2", "10.0.1.1", "10.0.0.3"] {
                assert_eq!(shown("v0", rest).len(), 1, "{rest} with {promote}");
            }
            assert_eq!(sysctl::read(key).unwrap(), promote);
            ip("address flush dev v0");
        }
        assert!(!netlink.delete_address_alone(&new("v0", "10.0.0.1", 24)).unwrap());
        assert!(!netlink.delete_address_alone(&new("v9", "10.0.0.1", 24)).unwrap());
    });
}

/// Where `promote_secondaries` cannot be set, as in a container, the others are added again as they
/// were.
#[test]
fn with_a_read_only_proc_the_addresses_of_the_network_come_back_as_they_were() {
    in_namespace(|| {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        run("mount --make-rprivate /");
        run("mount --bind /proc/sys /proc/sys");
        ip("link add v0 type veth peer name v1");
        sysctl::write("net/ipv4/conf/v0/promote_secondaries", "0").unwrap();
        run("mount -o remount,bind,ro /proc/sys");
        ip("address add 10.0.0.1/24 dev v0 scope link");
        ip("address add 10.0.0.2/24 brd 10.0.0.255 dev v0 label v0:x scope link metric 7");
        ip("address add 10.0.0.3/24 dev v0 scope link valid_lft 9000 preferred_lft 8000");
        let without = |key: &str, mut entry: serde_json::Value| {
            entry.as_object_mut().unwrap().remove(key);
            entry
        };
        let before = without("secondary", shown("v0", "10.0.0.2")[0].clone());
        let mut netlink = Netlink::open().unwrap();
        assert!(netlink.delete_address_alone(&new("v0", "10.0.0.1", 24)).unwrap());
        assert!(shown("v0", "10.0.0.1").is_empty());
        assert_eq!(without("secondary", shown("v0", "10.0.0.2")[0].clone()), before);
        let lives = shown("v0", "10.0.0.3")[0]["valid_life_time"].as_u64().unwrap();
        assert!((8000..=9000).contains(&lives), "{lives}");
    });
}

#[test]
fn the_permission_is_that_of_the_process() {
    in_namespace(|| Netlink::open().unwrap().check_permission().unwrap());
    let this = std::env::current_exe().unwrap();
    let output = Command::new("setpriv")
        .args(["--bounding-set", "-net_admin"])
        .arg(this)
        .args(["--ignored", "--exact", "without_the_capability"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("1 passed"));
}

#[test]
#[ignore = "the test above runs it without CAP_NET_ADMIN"]
fn without_the_capability() {
    let error = Netlink::open().unwrap().check_permission().unwrap_err().to_string();
    assert!(error.contains("CAP_NET_ADMIN is needed"), "{error}");
}

#[test]
fn a_macvlan_is_made_once_set_up_and_deleted() {
    in_namespace(|| {
        ip("link add v0 type veth peer name v1");
        ip("link set v0 up");
        let mut netlink = Netlink::open().unwrap();
        let wanted = Macvlan { name: "vrrp.51", parent: "v0", mac: [0, 0, 0x5e, 0, 1, 51] };
        let (made, new) = netlink.ensure_macvlan(&wanted).unwrap();
        assert!(new && !made.up);
        let shown = ip_json("-details link show dev vrrp.51");
        assert_eq!(shown[0]["address"], "00:00:5e:00:01:33");
        assert_eq!(shown[0]["link"], "v0");
        assert_eq!(shown[0]["linkinfo"]["info_kind"], "macvlan");
        assert_eq!(shown[0]["linkinfo"]["info_data"]["mode"], "bridge");
        assert_eq!(netlink.ensure_macvlan(&wanted).unwrap(), (made, false));
        let other = Macvlan { mac: [0, 0, 0x5e, 0, 1, 52], ..wanted };
        assert_eq!(
            netlink.ensure_macvlan(&other).unwrap_err().to_string(),
            "netif: add macvlan vrrp.51 on v0: file exists: an interface of another kind has this \
             name"
        );
        netlink.set_link("vrrp.51", true).unwrap();
        assert!(netlink.link("vrrp.51").unwrap().unwrap().up);
        netlink.set_link("vrrp.51", false).unwrap();
        assert!(!netlink.link("vrrp.51").unwrap().unwrap().up);
        assert!(netlink.delete_link("vrrp.51").unwrap());
        assert!(!netlink.delete_link("vrrp.51").unwrap());
        let nowhere = Macvlan { parent: "v9", ..wanted };
        assert!(netlink.ensure_macvlan(&nowhere).is_err() && netlink.set_link("v9", true).is_err());
    });
}

#[test]
fn a_peers_address_is_not_ours() {
    in_namespace(|| {
        ip("address add 10.1.0.1 peer 10.1.0.2/32 dev lo");
        let addresses = Netlink::open().unwrap().addresses().unwrap();
        let has =
            |text: &str| addresses.iter().any(|a| a.address == text.parse::<IpAddr>().unwrap());
        assert!(has("10.1.0.1") && !has("10.1.0.2"), "{addresses:?}");
    });
}

#[test]
fn many_addresses_are_all_listed() {
    in_namespace(|| {
        let mut netlink = Netlink::open().unwrap();
        // Far more than fits into one datagram of 32 KiB.
        for third in 0..8 {
            for last in 1..=250 {
                assert!(
                    netlink.add_address(&new("lo", &format!("10.9.{third}.{last}"), 32)).unwrap()
                );
            }
        }
        let addresses = netlink.addresses().unwrap();
        assert_eq!(
            addresses.iter().filter(|a| a.address.is_ipv4() && a.prefix == 32).count(),
            2000
        );
    });
}

#[test]
fn refusals_name_the_object_and_the_reason() {
    in_namespace(|| {
        let mut netlink = Netlink::open().unwrap();
        let error = netlink.add_address(&new("eth9", "10.0.0.1", 24)).unwrap_err();
        assert_eq!(error.to_string(), "netif: add address 10.0.0.1/24 on eth9: no such interface");
        assert_eq!(error.errno(), Some(nix::errno::Errno::ENODEV as i32));
        assert!(!netlink.delete_address(&new("eth9", "10.0.0.1", 24)).unwrap());

        let error = netlink.add_address(&new("lo", "10.0.0.1", 33)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "netif: add address 10.0.0.1/33 on lo: invalid argument: ipv4: Invalid prefix length"
        );
        let long = NewAddress { label: Some("lo:123456789012345"), ..new("lo", "10.0.0.1", 32) };
        let error = netlink.add_address(&long).unwrap_err();
        assert_eq!(error.errno(), Some(nix::errno::Errno::ERANGE as i32), "{error}");
        // And the connection is as good as before.
        assert!(netlink.add_address(&new("lo", "10.0.0.1", 32)).unwrap());
    });
}

/// The first event that `pick` takes, or a failed test.
async fn event<T>(monitor: &mut Monitor, pick: impl Fn(Event) -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(found) = pick(monitor.next().await.unwrap()) {
                return found;
            }
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.expect("the event comes")
}

fn with_runtime<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { test().await });
}

#[test]
fn the_monitor_tells_of_addresses_and_links() {
    in_namespace(|| {
        with_runtime(|| async {
            ip("link add v0 type veth peer name v1");
            ip("link set v1 up");
            let mut netlink = Netlink::open().unwrap();
            let index = netlink.link("v0").unwrap().unwrap().index;
            let mut monitor = Monitor::open().unwrap();

            ip("link set v0 up");
            let v0 = |up: bool| {
                move |e| match e {
                    Event::Link(l) if l.name == "v0" && l.up == up && l.running == up => Some(l),
                    _ => None,
                }
            };
            assert_eq!(event(&mut monitor, v0(true)).await.index, index);

            for (address, prefix) in [("10.0.0.1", 24), ("2001:db8::1", 64)] {
                let vip = new("v0", address, prefix);
                assert!(netlink.add_address(&vip).unwrap());
                let added = event(&mut monitor, |e| match e {
                    Event::Address(a) if a.address == vip.address => Some(a),
                    _ => None,
                })
                .await;
                assert_eq!((added.index, added.prefix), (index, prefix));
                ip(&format!("address del {address}/{prefix} dev v0"));
                let gone = event(&mut monitor, |e| match e {
                    Event::AddressGone(a) if a.address == vip.address => Some(a),
                    _ => None,
                })
                .await;
                assert_eq!(gone, added);
            }

            ip("link set v0 down");
            event(&mut monitor, v0(false)).await;
            ip("link del v0");
            let gone = |e| match e {
                Event::LinkGone { index } => Some(index),
                _ => None,
            };
            let both = [event(&mut monitor, gone).await, event(&mut monitor, gone).await];
            assert!(both.contains(&index), "{both:?}");
        });
    });
}

#[test]
fn leaving_a_bridge_is_not_the_end_of_a_link() {
    in_namespace(|| {
        with_runtime(|| async {
            ip("link add br0 type bridge");
            ip("link add v0 type veth peer name v1");
            ip("link set v0 master br0");
            let mut monitor = Monitor::open().unwrap();
            ip("link set v0 nomaster");
            ip("link add last type bridge");
            let gone = event(&mut monitor, |e| match e {
                Event::LinkGone { .. } => Some(true),
                Event::Link(l) if l.name == "last" => Some(false),
                _ => None,
            })
            .await;
            assert!(!gone, "v0 still exists");
        });
    });
}

#[test]
fn a_flood_ends_in_resync_and_the_monitor_goes_on() {
    in_namespace(|| {
        with_runtime(|| async {
            let mut monitor = Monitor::open().unwrap();
            let mut netlink = Netlink::open().unwrap();
            // More news than a receive buffer of 1 MiB (or less, capped) can hold: one takes up
            // some 800 bytes of it.
            let vip = new("lo", "10.0.0.1", 32);
            for _ in 0..4000 {
                assert!(netlink.add_address(&vip).unwrap());
                assert!(netlink.delete_address(&vip).unwrap());
            }
            event(&mut monitor, |e| (e == Event::Resync).then_some(())).await;
            ip("link add last type bridge");
            event(&mut monitor, |e| matches!(e, Event::Link(l) if l.name == "last").then_some(()))
                .await;
        });
    });
}

#[test]
fn sysctls_are_those_of_the_namespace() {
    in_namespace(|| {
        let key = "net/ipv4/conf/lo/arp_ignore";
        assert_eq!(sysctl::read(key).unwrap(), "0");
        sysctl::write(key, "1").unwrap();
        assert_eq!(sysctl::read(key).unwrap(), "1");
        let error = sysctl::write(key, "many").unwrap_err().to_string();
        assert_eq!(error, format!("netif: set sysctl {key} to many: invalid argument"));
    });
}
