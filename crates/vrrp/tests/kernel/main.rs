//! The shell on the running kernel. What the kernel has is what `ip` says.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a namespace belongs to a thread, and somebody has to speak in it"
)]

mod bench;
mod guarded;
mod owner;
mod routing;

use std::time::{Duration, Instant};

use vrrp::{Announce, Centiseconds, EventKind, InstanceSpec, State, VirtualAddress};

use bench::{Link, spec};

#[test]
fn a_pair_over_ipv6() {
    let link = Link::new("six");
    let addresses = ["fe80::100/64", "2001:db8::100/64"];
    let mut worse = link.start(1, spec(100, &addresses));
    worse.wait_for(State::Master);
    let better = link.start(0, spec(200, &addresses));
    let reason = worse.wait_for(State::Backup);
    assert_eq!(reason, "fe80::ff:fe00:1 is master: priority 200 against 100");
    assert!(!link.has(1, addresses[1]));
    for address in addresses {
        assert!(link.has(0, address), "{address}");
    }
    assert_eq!(
        better.status().master.unwrap().address,
        "fe80::ff:fe00:1".parse::<std::net::IpAddr>().unwrap()
    );
    better.stop();
    assert_eq!(worse.wait_for(State::Master), "fe80::ff:fe00:1 gave up");
    assert!(link.has(1, addresses[1]) && !link.has(0, addresses[1]));
    assert_eq!(worse.counter("dropped: wrong checksum"), 0);
}

#[test]
fn a_pair_over_ipv6_unicast() {
    let link = Link::new("six-unicast");
    let with = |priority, peer: &str| InstanceSpec {
        unicast_peers: vec![peer.parse().unwrap()],
        ..spec(priority, &["2001:db8::100/64"])
    };
    let mut worse = link.start(1, with(100, "2001:db8::1"));
    worse.wait_for(State::Master);
    let mut better = link.start(0, with(200, "2001:db8::2"));
    better.wait_for(State::Master);
    let reason = worse.wait_for(State::Backup);
    assert_eq!(reason, "2001:db8::1 is master: priority 200 against 100");
}

/// Both families at once, the IPv6 address beyond the packet: whoever knew another MAC learns the
/// master's.
#[test]
fn the_neighbours_learn_the_masters_mac() {
    let link = Link::new("neighbour");
    let addresses = ["10.0.0.100", "2001:db8::100"];
    let mac = |address: &str| link.ip(1, &format!("neighbour show {address} dev v0"));
    for address in addresses {
        link.ip(1, &format!("neighbour add {address} lladdr 02:00:00:00:00:99 dev v0 nud stale"));
        assert!(mac(address).contains("02:00:00:00:00:99"));
    }
    let beyond = VirtualAddress::new(addresses[1].parse().unwrap(), 64, "v0");
    let spec = InstanceSpec { excluded_addresses: vec![beyond], ..spec(100, &["10.0.0.100/24"]) };
    let mut director = link.start(0, spec);
    director.wait_for(State::Master);
    for address in addresses {
        assert!(mac(address).contains("02:00:00:00:00:01"), "{}", mac(address));
    }
    // Who refuses a connection has the address, and the kernel begins nothing with it.
    for address in addresses {
        link.connect(1, address);
    }
    assert!(link.ip(0, "address show dev v0 deprecated").contains("2001:db8::100/64"));
}

/// More announcements at once than the interface's queue takes.
#[test]
fn a_full_queue_delays_announcements_and_loses_none() {
    let link = Link::new("queue");
    // Tokens for 47 frames of ARP, and room for 23 more; then one each third of a millisecond.
    link.exec(0, "tc qdisc add dev v0 root tbf rate 1mbit burst 2000 limit 1000");
    let addresses: Vec<String> = (100..220).map(|last| format!("10.0.0.{last}")).collect();
    for address in &addresses {
        link.ip(1, &format!("neighbour add {address} lladdr 02:00:00:00:00:99 dev v0 nud stale"));
    }
    let prefixed: Vec<String> = addresses.iter().map(|address| format!("{address}/24")).collect();
    let prefixed: Vec<&str> = prefixed.iter().map(String::as_str).collect();
    let once = Announce { repeat: 1, delay: Duration::ZERO, refresh: Duration::ZERO };
    let spec = InstanceSpec {
        announce: once,
        advert_interval: Centiseconds::SECOND,
        ..spec(100, &prefixed)
    };
    let mut director = link.start(0, spec);
    director.wait_for(State::Master);
    let start = Instant::now();
    while link.ip(1, "neighbour show dev v0").contains("02:00:00:00:00:99") {
        assert!(start.elapsed() < bench::DEADLINE, "not all of them are told");
    }
}

#[test]
fn what_another_program_removes_is_put_back() {
    let link = Link::new("put-back");
    let addresses = ["10.0.0.100/24", "10.0.0.101/24"];
    let mut director = link.start(0, spec(100, &addresses));
    director.wait_for(State::Master);
    let held = |director: &bench::Director| {
        director.status().addresses.iter().map(|address| address.held).collect::<Vec<_>>()
    };
    assert_eq!(held(&director), [true, true]);
    link.ip(0, "address delete 10.0.0.101/24 dev v0");
    director.wait(|kind| matches!(kind, EventKind::PutBack { .. }).then_some(()));
    assert!(link.has(0, addresses[1]));
    // The primary goes, and the addresses of its network with it.
    link.ip(0, "address delete 10.0.0.1/24 dev v0");
    director.wait_for(State::Fault);
    link.ip(0, "address add 10.0.0.1/24 dev v0");
    director.wait_for(State::Master);
    assert_eq!(held(&director), [true, true]);
    assert!(director.counter("addresses put back") >= 1);
}

/// An address for an interface that takes none of its family.
fn refused_address(link: &Link) -> VirtualAddress {
    link.ip(0, "link add d0 type bridge");
    link.ip(0, "link set d0 up");
    link.exec(0, "sysctl -qw net.ipv6.conf.d0.disable_ipv6=1");
    VirtualAddress::new("2001:db8:1::100".parse().expect("an address"), 64, "d0")
}

#[test]
fn without_its_addresses_nobody_is_master() {
    let link = Link::new("refused");
    let elsewhere = refused_address(&link);
    let spec = InstanceSpec { addresses: vec![elsewhere], ..spec(100, &[]) };
    let mut director = link.start(0, spec);
    let reason = director.wait_for(State::Fault);
    assert!(reason.starts_with("netif: add address 2001:db8:1::100/64 on d0: "), "{reason}");
    link.ip(0, "link delete d0");
    let reason = director.status().reason;
    assert!(reason.starts_with("netif: ") || reason.contains("d0"), "{reason}");
}

/// The others serve meanwhile.
#[test]
fn an_address_that_is_refused_is_tried_again() {
    let link = Link::new("refused-one");
    let elsewhere = refused_address(&link);
    let spec =
        InstanceSpec { excluded_addresses: vec![elsewhere], ..spec(100, &["10.0.0.100/24"]) };
    let mut director = link.start(0, spec);
    let trouble = director.wait(|kind| match kind {
        EventKind::Trouble(text) => Some(text.clone()),
        _ => None,
    });
    director.wait_for(State::Master);
    let status = director.status();
    assert_eq!(status.troubles, [trouble]);
    assert!(status.troubles[0].starts_with("netif: add address 2001:db8:1::100/64 on d0: "));
    assert_eq!(status.addresses.iter().map(|one| one.held).collect::<Vec<_>>(), [true, false]);
    link.exec(0, "sysctl -qw net.ipv6.conf.d0.disable_ipv6=0");
    director.wait(|kind| matches!(kind, EventKind::PutBack { .. }).then_some(()));
    assert!(link.has(0, "2001:db8:1::100/64"));
    assert_eq!(director.status().troubles, Vec::<String>::new());
}

/// What a neighbour sees of the address is one MAC, whichever director is master; a clean end
/// leaves nothing of it.
#[test]
fn a_virtual_mac_moves_with_the_addresses() {
    let link = Link::new("vmac");
    let with = |priority| with_vmac(spec(priority, &[]), &["10.0.0.100/24"]);
    let mac = || link.ip(1, "neighbour show 10.0.0.100 dev v0");
    let mut director = link.start(0, with(100));
    director.wait_for(State::Master);
    link.connect(1, "10.0.0.100");
    assert!(mac().contains("00:00:5e:00:01:33"), "{}", mac());
    let shown = link.ip(0, "-d -o link show dev vrrp.51");
    assert!(shown.contains("macvlan mode bridge") && shown.contains(",UP,"), "{shown}");
    // The interface below never tells its own MAC for it: neither answering nor asking.
    let asked = link.exec(0, "sysctl -n net.ipv4.conf.v0.arp_ignore net.ipv4.conf.v0.arp_announce");
    assert_eq!(asked, "1\n2\n");
    link.ip(0, "neighbour flush dev v0");
    link.send_from(0, "10.0.0.100", "10.0.0.2");
    link.connect(0, "10.0.0.2");
    assert!(mac().contains("00:00:5e:00:01:33"), "{}", mac());

    // Another program deletes it.
    link.ip(0, "link delete vrrp.51");
    director.wait(|kind| matches!(kind, EventKind::PutBack { .. }).then_some(()));
    link.connect(1, "10.0.0.100");

    director.stop();
    assert!(!link.ip(0, "-o link show").contains("vrrp.51"));
    let asked = link.exec(0, "sysctl -n net.ipv4.conf.v0.arp_ignore net.ipv4.conf.v0.arp_announce");
    assert_eq!(asked, "0\n0\n");
}

/// A backup's is down: nothing leaves with that MAC but the master's adverts and answers.
#[test]
fn a_backup_with_a_virtual_mac_keeps_it_down() {
    let link = Link::new("vmac-pair");
    for addresses in [&["10.0.0.100/24"][..], &["fe80::100/64", "2001:db8::100/64"]] {
        let with = |priority| with_vmac(spec(priority, &[]), addresses);
        let mut worse = link.start(1, with(100));
        worse.wait_for(State::Master);
        let mut better = link.start(0, with(200));
        better.wait_for(State::Master);
        worse.wait_for(State::Backup);
        assert!(link.ip(0, "-o link show dev vrrp.51").contains(",UP,"));
        assert!(!link.ip(1, "-o link show dev vrrp.51").contains("UP"));
        link.connect(1, addresses[addresses.len() - 1].split('/').next().unwrap());
        better.stop();
        worse.wait_for(State::Master);
        assert!(link.ip(1, "-o link show dev vrrp.51").contains(",UP,"));
        link.connect(0, addresses[addresses.len() - 1].split('/').next().unwrap());
    }
}

fn with_vmac(spec: InstanceSpec, addresses: &[&str]) -> InstanceSpec {
    let mut with = InstanceSpec { vmac: Some("vrrp.51".to_owned()), ..spec };
    with.addresses = bench::spec(1, addresses).addresses;
    for address in &mut with.addresses {
        address.interface = "vrrp.51".to_owned();
    }
    with
}
