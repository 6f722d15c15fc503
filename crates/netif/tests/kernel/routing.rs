//! Routes and rules.

use netif::{Event, Mark, Monitor, Netlink, Network, Route, Rule, Scope, Target, Verdict};

use super::{event, in_namespace, ip, ip_json, with_runtime};

fn network(text: &str) -> Network {
    let (address, prefix) = text.split_once('/').unwrap();
    Network { address: address.parse().unwrap(), prefix: prefix.parse().unwrap() }
}

fn to(text: &str) -> Route {
    Route::new(network(text))
}

/// What `ip route show` or `ip rule show` tells, without trailing blanks.
fn lines(arguments: &str) -> Vec<String> {
    ip(arguments).lines().map(|line| line.trim_end().to_owned()).collect()
}

/// A cable with the addresses 192.0.2.2/24 and 2001:db8::2/64.
fn cable() -> Netlink {
    ip("link add v0 type veth peer name v1");
    ip("address add 192.0.2.2/24 dev v0");
    ip("address add 2001:db8::2/64 dev v0 nodad");
    ip("link set v1 up");
    ip("link set v0 up");
    Netlink::open().unwrap()
}

#[test]
fn routes_are_those_of_ip() {
    in_namespace(|| {
        let mut netlink = cable();
        let via = |text: &str| Some(text.parse().unwrap());
        let interface = || Some("v0".to_owned());
        let plain = Route { via: via("192.0.2.1"), ..to("10.1.0.0/16") };
        let full = Route {
            via: via("192.0.2.1"),
            interface: interface(),
            source: via("192.0.2.2"),
            metric: 100,
            table: 1000,
            mtu: Some(1400),
            ..to("10.2.0.0/16")
        };
        let direct = Route { interface: interface(), ..to("10.3.0.0/16") };
        let scoped = Route {
            scope: Some(Scope::Host),
            ..Route { interface: interface(), ..to("10.4.0.0/16") }
        };
        let far = Route {
            via: via("203.0.113.1"),
            interface: interface(),
            on_link: true,
            ..to("0.0.0.0/0")
        };
        let hole = Route { verdict: Some(Verdict::Blackhole), ..to("10.5.0.0/16") };
        let routes6 = [
            Route { via: via("2001:db8::1"), ..to("2001:db8:1::/48") },
            Route {
                interface: interface(),
                metric: 7,
                source: via("2001:db8::2"),
                ..to("2001:db8:2::/48")
            },
            Route { verdict: Some(Verdict::Unreachable), table: 300, ..to("::/0") },
        ];
        let routes4 = [plain, full, direct, scoped, far, hole];
        for route in routes4.iter().chain(&routes6) {
            assert!(netlink.add_route(route).unwrap(), "{route}");
            assert!(!netlink.add_route(route).unwrap(), "the second time it is there: {route}");
        }
        assert_eq!(
            lines("-4 route show table main proto 112"),
            [
                "default via 203.0.113.1 dev v0 onlink",
                "10.1.0.0/16 via 192.0.2.1 dev v0",
                "10.3.0.0/16 dev v0 scope link",
                "10.4.0.0/16 dev v0 scope host",
                "blackhole 10.5.0.0/16",
            ]
        );
        assert_eq!(
            lines("-4 route show table 1000"),
            ["10.2.0.0/16 via 192.0.2.1 dev v0 proto 112 src 192.0.2.2 metric 100 mtu 1400"]
        );
        assert_eq!(
            lines("-6 route show table main proto 112"),
            [
                "2001:db8:1::/48 via 2001:db8::1 dev v0 metric 1024 pref medium",
                "2001:db8:2::/48 dev v0 src 2001:db8::2 metric 7 pref medium",
            ]
        );
        let other = &ip_json("-6 route show table 300")[0];
        assert_eq!((&other["type"], &other["dst"]), (&"unreachable".into(), &"default".into()));

        let mut own = netlink.own_routes().unwrap();
        let mut expected: Vec<_> = routes4.iter().chain(&routes6).map(Route::key).collect();
        own.sort();
        expected.sort();
        assert_eq!(own, expected);
        for key in expected {
            assert!(netlink.delete_route(&key).unwrap(), "{key:?}");
            assert!(!netlink.delete_route(&key).unwrap(), "{key:?}");
        }
        assert!(netlink.own_routes().unwrap().is_empty());
        assert!(lines("route show table all proto 112").is_empty());
    });
}

#[test]
fn another_programs_route_is_left_alone() {
    in_namespace(|| {
        let mut netlink = cable();
        for (text, via) in [("10.1.0.0/16", "192.0.2.1"), ("2001:db8:1::/48", "2001:db8::1")] {
            ip(&format!("route add {text} via {via}"));
            let ours = Route { interface: Some("v0".to_owned()), ..to(text) };
            assert_eq!(
                netlink.add_route(&ours).unwrap_err().to_string(),
                format!(
                    "netif: add route {text} dev v0: file exists: another program has a route to \
                     the same destination with the same metric"
                )
            );
            assert!(!netlink.delete_route(&ours.key()).unwrap());
        }
        assert!(netlink.own_routes().unwrap().is_empty());
        assert_eq!(lines("-4 route show 10.1.0.0/16").len(), 1);
        assert_eq!(lines("-6 route show 2001:db8:1::/48").len(), 1);
    });
}

#[test]
fn refused_routes_say_why() {
    in_namespace(|| {
        let mut netlink = cable();
        let mut refused = |route: Route| netlink.add_route(&route).unwrap_err().to_string();
        let nowhere = Route { interface: Some("v9".to_owned()), ..to("10.1.0.0/16") };
        assert_eq!(refused(nowhere), "netif: add route 10.1.0.0/16 dev v9: no such interface");
        let far = Route { via: "203.0.113.1".parse().ok(), ..to("10.1.0.0/16") };
        assert_eq!(
            refused(far),
            "netif: add route 10.1.0.0/16 via 203.0.113.1: network is unreachable: Nexthop has \
             invalid gateway"
        );
        let source = Route {
            via: "192.0.2.1".parse().ok(),
            source: "192.0.2.99".parse().ok(),
            ..to("10.1.0.0/16")
        };
        let text = refused(source);
        assert!(text.contains("src 192.0.2.99: invalid argument"), "{text}");
    });
}

#[test]
fn rules_are_those_of_ip() {
    in_namespace(|| {
        let mut netlink = Netlink::open().unwrap();
        let plain = Rule {
            priority: 1000,
            from: network("192.0.2.10/32"),
            to: None,
            iif: None,
            oif: None,
            mark: None,
            target: Target::Table(100),
        };
        let rules = [
            plain.clone(),
            Rule {
                priority: 1001,
                from: network("0.0.0.0/0"),
                to: Some(network("10.1.0.0/16")),
                iif: Some("eth0".to_owned()),
                oif: Some("eth1".to_owned()),
                mark: Some(Mark { value: 7, mask: 0xff }),
                target: Target::Table(70_000),
            },
            Rule { priority: 1002, target: Target::Refuse(Verdict::Prohibit), ..plain.clone() },
            Rule { priority: 1003, mark: Some(Mark { value: 9, mask: u32::MAX }), ..plain.clone() },
            Rule { from: network("2001:db8::/32"), ..plain.clone() },
            Rule { priority: 1005, from: network("::/0"), ..plain.clone() },
        ];
        for rule in &rules {
            assert!(netlink.add_rule(rule).unwrap(), "{rule}");
            assert!(!netlink.add_rule(rule).unwrap(), "the second time it is there: {rule}");
        }
        let own = |show: &str| -> Vec<String> {
            lines(show).into_iter().filter(|line| line.ends_with("proto 112")).collect()
        };
        assert_eq!(
            own("-4 rule show"),
            [
                "1000:\tfrom 192.0.2.10 lookup 100 proto 112",
                "1001:\tfrom all to 10.1.0.0/16 fwmark 0x7/0xff iif eth0 [detached] oif eth1 \
                 [detached] lookup 70000 proto 112",
                "1002:\tfrom 192.0.2.10 prohibit proto 112",
                "1003:\tfrom 192.0.2.10 fwmark 0x9 lookup 100 proto 112",
            ]
        );
        assert_eq!(
            own("-6 rule show"),
            [
                "1000:\tfrom 2001:db8::/32 lookup 100 proto 112",
                "1005:\tfrom all lookup 100 proto 112",
            ]
        );
        let mut own = netlink.own_rules().unwrap();
        own.sort();
        let mut expected = rules.to_vec();
        expected.sort();
        assert_eq!(own, expected);
        for rule in &rules {
            assert!(netlink.delete_rule(rule).unwrap(), "{rule}");
            assert!(!netlink.delete_rule(rule).unwrap(), "{rule}");
        }
        assert!(netlink.own_rules().unwrap().is_empty());

        // The same rule of another program's.
        ip("rule add from 192.0.2.10 priority 1000 lookup 100");
        assert!(!netlink.delete_rule(&plain).unwrap());
        assert_eq!(lines("-4 rule show priority 1000").len(), 1);
    });
}

#[test]
fn the_monitor_tells_when_routes_and_rules_of_ours_go() {
    in_namespace(|| {
        with_runtime(|| async {
            let mut netlink = cable();
            let mut monitor = Monitor::open().unwrap();
            monitor.watch_routing().unwrap();
            let route = Route { via: "192.0.2.1".parse().ok(), ..to("10.1.0.0/16") };
            let rule = Rule {
                priority: 1000,
                from: network("192.0.2.10/32"),
                to: None,
                iif: None,
                oif: None,
                mark: None,
                target: Target::Table(100),
            };
            let mut gone = async || {
                event(&mut monitor, |e| match e {
                    Event::RoutingGone => Some(true),
                    Event::Link(l) if l.name == "last" => Some(false),
                    _ => None,
                })
                .await
            };
            netlink.add_route(&route).unwrap();
            ip("route del 10.1.0.0/16");
            assert!(gone().await, "a route");
            netlink.add_rule(&rule).unwrap();
            ip("rule del priority 1000");
            assert!(gone().await, "a rule");
            // Others' are nobody's business.
            ip("route add 10.1.0.0/16 via 192.0.2.1");
            ip("route del 10.1.0.0/16");
            ip("rule add priority 1000 lookup 100");
            ip("rule del priority 1000");
            ip("link add last type bridge");
            assert!(!gone().await, "another program's");
        });
    });
}
