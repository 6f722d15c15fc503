//! The messages are written by hand after linux/rtnetlink.h and linux/fib_rules.h.

use super::message::{is_ours, read_own_route, read_own_rule};
use super::*;

fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 4).unwrap();
    let mut bytes = [&length.to_ne_bytes(), &kind.to_ne_bytes(), payload].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// `struct rtmsg`: family, prefix lengths of destination and source, TOS, table, protocol, scope,
/// type, flags.
fn route(protocol: u8) -> Vec<u8> {
    let mut bytes = vec![2, 16, 0, 0, 0, protocol, 0, 1, 0, 0, 0, 0];
    bytes.extend(attribute(1, &[10, 1, 0, 0]));
    bytes.extend(attribute(15, &1000_u32.to_ne_bytes()));
    bytes.extend(attribute(6, &7_u32.to_ne_bytes()));
    bytes
}

fn rule(protocol: u8) -> Vec<u8> {
    let mut bytes = vec![10, 0, 32, 0, 100, 0, 0, 1, 0, 0, 0, 0];
    let from: Ipv6Addr = "2001:db8::".parse().unwrap();
    bytes.extend(attribute(2, &from.octets()));
    bytes.extend(attribute(6, &1000_u32.to_ne_bytes()));
    bytes.extend(attribute(21, &[protocol]));
    bytes.extend(attribute(17, b"eth1\0"));
    bytes
}

fn network(text: &str) -> Network {
    let (address, prefix) = text.split_once('/').unwrap();
    Network { address: address.parse().unwrap(), prefix: prefix.parse().unwrap() }
}

#[test]
fn own_routes_are_told_from_others() {
    let key = RouteKey { to: network("10.1.0.0/16"), table: 1000, metric: 7 };
    assert_eq!(read_own_route(&route(112)), Ok(Some(key)));
    assert_eq!(is_ours(&route(112), false), Ok(true));
    for others in [18, 3] {
        assert_eq!(read_own_route(&route(others)), Ok(None));
        assert_eq!(is_ours(&route(others), false), Ok(false));
    }
    // A multicast route (RTNL_FAMILY_IPMR).
    let multicast = [&[128][..], &route(112)[1..]].concat();
    assert_eq!(read_own_route(&multicast), Ok(None));
}

#[test]
fn own_rules_are_told_from_others() {
    let read = read_own_rule(&rule(112)).unwrap().unwrap();
    assert_eq!(read.from, network("2001:db8::/32"));
    assert_eq!((read.priority, read.target), (1000, Target::Table(100)));
    assert_eq!((read.to, read.iif, read.oif.as_deref()), (None, None, Some("eth1")));
    assert_eq!(is_ours(&rule(112), true), Ok(true));
    assert_eq!(is_ours(&rule(18), true), Ok(false));
}

#[test]
fn no_damage_to_a_message_makes_the_reader_panic() {
    for whole in [route(112), rule(112)] {
        for length in 0..whole.len() {
            let _ = read_own_route(&whole[..length]);
            let _ = read_own_rule(&whole[..length]);
        }
        for at in 0..whole.len() {
            for value in 0..=u8::MAX {
                let mut bad = whole.clone();
                bad[at] = value;
                let _ = (read_own_route(&bad), read_own_rule(&bad));
            }
        }
    }
    assert!(read_own_route(&[]).is_err());
    assert!(read_own_route(&route(112)[..14]).is_err());
}

#[test]
fn they_are_written_as_ip_writes_them() {
    let one = Route {
        via: Some("192.0.2.1".parse().unwrap()),
        interface: Some("eth1".to_owned()),
        source: Some("192.0.2.10".parse().unwrap()),
        metric: 100,
        table: 7,
        ..Route::new(network("10.1.0.0/16"))
    };
    assert_eq!(
        one.to_string(),
        "10.1.0.0/16 via 192.0.2.1 dev eth1 table 7 src 192.0.2.10 metric 100"
    );
    let none = Route { verdict: Some(Verdict::Blackhole), ..Route::new(network("::/0")) };
    assert_eq!(none.to_string(), "blackhole default");
    let mut rule = Rule {
        priority: 1000,
        from: network("0.0.0.0/0"),
        to: Some(network("10.1.0.0/16")),
        iif: Some("eth0".to_owned()),
        oif: None,
        mark: Some(Mark { value: 7, mask: 0xff }),
        target: Target::Table(100),
    };
    assert_eq!(
        rule.to_string(),
        "1000: from all to 10.1.0.0/16 fwmark 0x7/0xff iif eth0 lookup 100"
    );
    rule.target = Target::Refuse(Verdict::Prohibit);
    assert!(rule.to_string().ends_with("iif eth0 prohibit"));
}

#[test]
fn a_rule_covers_what_says_more() {
    let wide = Rule {
        priority: 1000,
        from: network("0.0.0.0/0"),
        to: None,
        iif: None,
        oif: None,
        mark: None,
        target: Target::Table(100),
    };
    let narrow = Rule { from: network("10.1.0.0/16"), ..wide.clone() };
    assert!(wide.covers(&narrow) && wide.covers(&wide) && !narrow.covers(&wide));
    assert!(!wide.covers(&Rule { priority: 1001, ..narrow.clone() }));
    assert!(!wide.covers(&Rule { target: Target::Table(101), ..narrow.clone() }));
    assert!(!narrow.covers(&Rule { from: network("10.2.0.0/16"), ..wide.clone() }));
    assert!(!wide.covers(&Rule { from: network("2001:db8::/32"), ..wide.clone() }));
}
