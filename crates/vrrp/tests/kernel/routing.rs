//! Routes and rules that follow the master.

use vrrp::{EventKind, InstanceSpec, Network, Route, Routing, Rule, State, Target};

use crate::bench::{Director, Link, spec};

fn network(text: &str) -> Network {
    let (address, prefix) = text.split_once('/').expect("a prefix");
    Network {
        address: address.parse().expect("an address"),
        prefix: prefix.parse().expect("a number"),
    }
}

fn via(to: &str, router: &str) -> Route {
    Route { via: Some(router.parse().expect("an address")), ..Route::new(network(to)) }
}

fn with(routes: Vec<Route>) -> InstanceSpec {
    let rule = Rule {
        priority: 1000,
        from: network("10.0.0.100/32"),
        to: None,
        iif: None,
        oif: None,
        mark: None,
        target: Target::Table(100),
    };
    let routing = Routing { routes, rules: vec![rule] };
    InstanceSpec { routing, ..spec(100, &["10.0.0.100/24", "2001:db8::100/64"]) }
}

/// What of ours is there, as `ip` shows it.
fn routes(link: &Link) -> Vec<String> {
    let shown = ["-4", "-6"].map(|f| link.ip(0, &format!("{f} route show table all proto 112")));
    shown.concat().lines().map(|line| line.trim_end().to_owned()).collect()
}

fn rules(link: &Link) -> usize {
    link.ip(0, "rule show").matches("proto 112").count()
}

fn put_back(director: &mut Director) -> String {
    director.wait(|kind| match kind {
        EventKind::RoutingPutBack { what } => Some(what.clone()),
        _ => None,
    })
}

#[test]
fn they_come_and_go_with_the_role() {
    let link = Link::new("routing");
    let from = Route {
        source: Some("10.0.0.100".parse().unwrap()),
        table: 100,
        ..via("0.0.0.0/0", "10.0.0.2")
    };
    // A crash has left these, and a keepalived the third.
    link.ip(0, "route add 10.9.0.0/16 via 10.0.0.2 proto 112");
    link.ip(0, "rule add from 10.9.0.0/16 priority 900 protocol 112 lookup 9");
    link.ip(0, "route add 10.8.0.0/16 via 10.0.0.2 proto 18");
    let mut director = link.start(0, with(vec![from, via("2001:db8:1::/48", "2001:db8::2")]));
    assert!(routes(&link).is_empty() && rules(&link) == 0, "{:?}", routes(&link));
    director.wait_for(State::Master);
    let all = [
        "default via 10.0.0.2 dev v0 table 100 src 10.0.0.100",
        "2001:db8:1::/48 via 2001:db8::2 dev v0 metric 1024 pref medium",
    ];
    assert_eq!(routes(&link), all);
    assert_eq!(rules(&link), 1);
    assert!(director.status().routing.iter().all(|one| one.held));
    assert!(link.ip(0, "route show").contains("10.8.0.0/16 via 10.0.0.2"));

    link.ip(0, "route del default table 100");
    assert_eq!(put_back(&mut director), "route default via 10.0.0.2 table 100 src 10.0.0.100");
    assert_eq!(routes(&link), all);
    assert_eq!(director.counter("routes and rules put back"), 1);
    link.ip(0, "rule del priority 1000");
    link.ip(0, "-6 route del 2001:db8:1::/48");
    put_back_within(&director, 3);
    assert_eq!((routes(&link).len(), rules(&link)), (2, 1));

    link.ip(0, "link set v0 down");
    director.wait_for(State::Fault);
    assert!(routes(&link).is_empty() && rules(&link) == 0, "{:?}", routes(&link));
    link.ip(0, "address add 2001:db8::1/64 dev v0 nodad");
    link.ip(0, "link set v0 up");
    director.wait_for(State::Master);
    assert_eq!(routes(&link), all);
    director.stop();
    assert!(routes(&link).is_empty() && rules(&link) == 0, "{:?}", routes(&link));
}

/// The event is said once a minute; what is counted is seen in the status.
fn put_back_within(director: &Director, count: u64) {
    let until = std::time::Instant::now() + crate::bench::DEADLINE;
    while director.counter("routes and rules put back") < count {
        assert!(std::time::Instant::now() < until, "put back: not {count}");
        std::thread::yield_now();
    }
}

/// The kernel says nothing of the IPv4 routes that go with an interface or a source.
#[test]
fn what_goes_without_news_comes_back() {
    let link = Link::new("silent");
    link.ip(0, "link add d0 type bridge");
    link.ip(0, "link set d0 up");
    let direct = Route { interface: Some("d0".to_owned()), ..Route::new(network("10.1.0.0/16")) };
    let from = Route { source: Some("10.0.0.100".parse().unwrap()), ..direct.clone() };
    let from = Route { to: network("10.2.0.0/16"), ..from };
    let mut director = link.start(0, with(vec![direct, from]));
    director.wait_for(State::Master);
    assert_eq!(routes(&link).len(), 2);
    link.ip(0, "address delete 10.0.0.100/24 dev v0");
    assert_eq!(put_back(&mut director), "route 10.2.0.0/16 dev d0 src 10.0.0.100");
    assert_eq!(routes(&link).len(), 2);

    link.ip(0, "link set d0 down");
    let trouble = director.wait(|kind| match kind {
        EventKind::Trouble(text) => Some(text.clone()),
        _ => None,
    });
    assert_eq!(
        trouble,
        "netif: add route 10.1.0.0/16 dev d0: network is down: Device for nexthop is not up"
    );
    link.ip(0, "link set d0 up");
    put_back_within(&director, 3);
    assert_eq!(routes(&link).len(), 2);
}

#[test]
fn one_that_is_refused_ends_no_role() {
    let link = Link::new("refused-route");
    let mut director = link.start(0, with(vec![via("10.1.0.0/16", "192.0.2.1")]));
    director.wait_for(State::Master);
    let status = director.status();
    let trouble = "netif: add route 10.1.0.0/16 via 192.0.2.1: network is unreachable: Nexthop has \
                   invalid gateway";
    assert_eq!(status.troubles, [trouble]);
    assert_eq!((status.state, status.routing[0].held), (State::Master, false));
    // Now there is a way to it.
    link.ip(0, "address add 192.0.2.2/24 dev v0");
    assert_eq!(put_back(&mut director), "route 10.1.0.0/16 via 192.0.2.1");
    let status = director.status();
    assert!(status.troubles.is_empty() && status.routing[0].held);
}
