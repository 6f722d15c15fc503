//! Priority 255 on the machine that has the address.

use vrrp::{EventKind, State};

use crate::bench::{Link, spec};

/// The machine's only address, and so that of its adverts.
const OWN: &str = "10.0.0.1/24";

#[test]
fn an_owner_speaks_from_its_address_and_keeps_it() {
    let link = Link::new("owner");
    let mut director = link.start(0, spec(255, &[OWN]));
    assert_eq!(director.wait_for(State::Master), "owner of the addresses");
    assert_eq!(director.status().master.map(|master| master.address), Some([10, 0, 0, 1].into()));
    link.ip(1, "link set v0 down");
    director.wait_for(State::Fault);
    assert!(link.has(0, OWN), "a lost link takes nothing away");
    link.ip(1, "link set v0 up");
    director.wait_for(State::Master);
    director.stop();
    assert!(link.has(0, OWN), "a stop takes nothing away");
}

/// The kernel of a master drops what comes from one of its own addresses.
#[test]
fn an_owner_that_comes_back_is_heard() {
    let link = Link::new("owner-back");
    let accept_local = || link.exec(1, "sysctl -n net.ipv4.conf.v0.accept_local");
    let mut backup = link.start(1, spec(100, &[OWN]));
    backup.wait_for(State::Master);
    let mut director = link.start(0, spec(255, &[OWN]));
    director.wait_for(State::Master);
    assert_eq!(backup.wait_for(State::Backup), "10.0.0.1 is master: priority 255 against 100");
    assert_eq!((link.has(1, OWN), accept_local().as_str()), (false, "0\n"));
    director.stop();
    backup.wait_for(State::Master);
}

/// An address that was not there before comes and goes as that of any other instance.
#[test]
fn an_owner_removes_what_it_has_added() {
    let link = Link::new("owner-added");
    let mut director = link.start(0, spec(255, &[OWN, "10.0.0.100/24"]));
    director.wait_for(State::Master);
    assert!(link.has(0, "10.0.0.100/24"));
    link.ip(0, "address delete 10.0.0.100/24 dev v0");
    director.wait(|kind| matches!(kind, EventKind::PutBack { .. }).then_some(()));
    assert!(link.has(0, "10.0.0.100/24"));
    director.stop();
    assert!(link.has(0, OWN) && !link.has(0, "10.0.0.100/24"));
}

/// Each of two machines owns its address and backs the other's (RFC 9568 section 4.2).
#[test]
fn two_owners_back_each_other() {
    let link = Link::new("owners");
    let of = |name: &str, vrid, priority, address| {
        let spec = spec(priority, &[address]);
        vrrp::InstanceSpec {
            name: name.to_owned(),
            vrid: vrrp::Vrid::new(vrid).expect("a VRID"),
            ..spec
        }
    };
    let other = "10.0.0.2/24";
    let mut one = link.start_all(0, vec![of("ONE", 1, 255, OWN), of("TWO", 2, 100, other)]);
    let mut two = link.start_all(1, vec![of("ONE", 1, 100, OWN), of("TWO", 2, 255, other)]);
    one.wait_for(State::Master);
    two.wait_for(State::Master);
    one.stop();
    assert_eq!(two.wait_for(State::Master), "10.0.0.1 gave up");
    two.stop();
    assert!(link.has(0, OWN) && link.has(1, other) && !link.has(1, OWN));
}
