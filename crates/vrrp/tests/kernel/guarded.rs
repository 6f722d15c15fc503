//! What a process leaves to the next one, and to its guard.

use vrrp::shell::Fencer;
use vrrp::{InstanceSpec, State};

use crate::bench::{Guard, Link, spec};
use crate::with_vmac;

const VIP: &str = "10.0.0.100/24";

fn vmac() -> InstanceSpec {
    with_vmac(spec(100, &[]), &[VIP])
}

/// What a virtual MAC needs on the interface below; 0 unless somebody raised it.
fn raised(link: &Link) -> String {
    link.exec(0, "sysctl -n net.ipv4.conf.v0.arp_ignore net.ipv4.conf.v0.arp_announce")
}

fn fence(link: &Link, guard: &Guard) {
    let standings = guard.standings();
    let failed = link.within(0, move || Fencer::default().fence(&standings));
    assert_eq!(failed, Vec::<String>::new());
}

#[test]
fn a_virtual_mac_outlives_a_crash_and_a_stop_restores_everything() {
    let link = Link::new("vmac-crash");
    let guard = Guard::default();
    for _ in 0..2 {
        let mut director = link.start_guarded(0, vmac(), &guard);
        director.wait_for(State::Master);
        director.hand_over();
        assert!(link.has(0, VIP));
        assert!(link.ip(0, "-o link show dev vrrp.51").contains(",UP,"));
        assert_eq!(raised(&link), "1\n2\n");
    }
    let mut director = link.start_guarded(0, vmac(), &guard);
    director.wait_for(State::Master);
    link.connect(1, "10.0.0.100");
    director.stop();
    assert!(!link.ip(0, "-o link show").contains("vrrp.51"));
    assert_eq!(raised(&link), "0\n0\n");
}

/// While the interface is up it answers for the virtual MAC, beside that of the next master.
#[test]
fn a_fence_takes_the_virtual_mac_down() {
    let link = Link::new("vmac-fence");
    let guard = Guard::default();
    let mut director = link.start_guarded(0, vmac(), &guard);
    director.wait_for(State::Master);
    director.hand_over();
    fence(&link, &guard);
    assert!(!link.has(0, VIP));
    assert!(!link.ip(0, "-o link show dev vrrp.51").contains("UP"));
    assert_eq!(raised(&link), "0\n0\n");
}

/// One instance fewer, or one that needs no virtual MAC any more.
#[test]
fn what_the_next_process_does_not_want_is_gone() {
    let link = Link::new("vmac-left");
    for name in ["VI_1", "VI_2"] {
        let guard = Guard::default();
        let mut director = link.start_guarded(0, vmac(), &guard);
        director.wait_for(State::Master);
        director.hand_over();
        let next = InstanceSpec { name: name.to_owned(), ..spec(100, &[VIP]) };
        let mut director = link.start_guarded(0, next, &guard);
        director.wait_for(State::Master);
        assert!(!link.ip(0, "-o link show dev vrrp.51").contains("UP"));
        assert_eq!(link.ip(0, "-o address show dev vrrp.51"), "");
        assert_eq!(raised(&link), "0\n0\n");
    }
}

#[test]
fn an_owners_own_address_outlives_its_processes() {
    let link = Link::new("owner-fence");
    let guard = Guard::default();
    let (own, added) = ("10.0.0.1/24", "10.0.0.101/24");
    for _ in 0..2 {
        let mut director = link.start_guarded(0, spec(255, &[own, added]), &guard);
        director.wait_for(State::Master);
        director.hand_over();
    }
    fence(&link, &guard);
    assert!(link.has(0, own) && !link.has(0, added));

    let mut director = link.start_guarded(0, spec(255, &[own, added]), &guard);
    director.wait_for(State::Master);
    director.hand_over();
    let mut director = link.start_guarded(0, spec(255, &[own, added]), &guard);
    director.wait_for(State::Master);
    director.stop();
    assert!(link.has(0, own) && !link.has(0, added));
}
