//! Checks that go to the virtual address through one real server have a service by mark each.
#![allow(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod common;

use std::sync::Arc;

use checkers::{Check, Connect, Kind, Monitor, State, TcpCheck, Timing, Via};
use common::{Bench, destination, table, tcp_check, virtual_server};
use config::{RealServer, VirtualServer};
use ipvs::ServiceFlags;

const WEB: &str = "tcp 192.0.2.10:80";
const A: &str = "198.51.100.1:80";
const B: &str = "198.51.100.2:80";

fn path_check(mark: u32) -> Check {
    let connect = Connect {
        address: Some("192.0.2.10".parse().unwrap()),
        mark: Some(mark),
        via: Via::VirtualAddress,
        ..Connect::default()
    };
    let check = TcpCheck { connect, ..TcpCheck::default() };
    Check { kind: Kind::Tcp(check), timing: Timing::default() }
}

fn with_path(address: &str, mark: u32) -> RealServer {
    RealServer {
        destination: destination(address, 3),
        checks: vec![tcp_check().into(), path_check(mark).into()],
    }
}

fn path_monitor(address: &str, mark: u32) -> Monitor {
    Monitor { target: address.parse().unwrap(), check: path_check(mark).into() }
}

fn web(servers: Vec<RealServer>) -> Vec<VirtualServer> {
    vec![virtual_server("web", WEB, servers)]
}

#[test]
fn each_server_has_its_service_and_keeps_it_while_it_is_down() {
    let mut bench = Bench::new(web(vec![with_path(A, 101), with_path(B, 102)]), table(&[]));
    assert_eq!(
        bench.lines(),
        [
            "NEW_SERVICE tcp 192.0.2.10:80 wlc: virtual server web is defined",
            "NEW_SERVICE fwmark 101 rr: virtual server web is defined",
            "NEW_DEST fwmark 101 -> 198.51.100.1:0 dr 1: the way of the checks of virtual server web",
            "NEW_SERVICE fwmark 102 rr: virtual server web is defined",
            "NEW_DEST fwmark 102 -> 198.51.100.2:0 dr 1: the way of the checks of virtual server web",
        ]
    );
    let flags: Vec<ServiceFlags> =
        bench.table.services.iter().map(|one| one.entry.service.flags).collect();
    let path = ServiceFlags::ONE_PACKET;
    assert_eq!(flags, [ServiceFlags::NONE, path, path], "no entry that another's datagram meets");
    let view = bench.engine.view(&bench.table, bench.now);
    assert_eq!(view.services.len(), 1, "they are no virtual servers");
    assert!(view.unmanaged.is_empty(), "and not a stranger's");

    for address in [A, B] {
        bench.health(address, State::Up, "tcp_check: passed");
    }
    bench.monitor_is(path_monitor(A, 101), State::Up, "tcp_check: passed", None);
    bench.monitor_is(path_monitor(B, 102), State::Up, "tcp_check: passed", None);
    assert_eq!(bench.lines().len(), 2);
    bench.monitor_is(path_monitor(A, 101), State::Down, "tcp_check: connection refused", None);
    assert_eq!(
        bench.lines(),
        ["DEL_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80: tcp_check: connection refused"]
    );
}

#[test]
fn they_go_with_the_checks() {
    let mut bench = Bench::new(web(vec![with_path(A, 101)]), table(&[]));
    bench.lines();
    let mut servers = web(vec![with_path(A, 101)]);
    Arc::make_mut(&mut servers[0].real_servers)[0].checks.truncate(1);
    bench.define(servers);
    assert_eq!(bench.lines(), ["DEL_SERVICE fwmark 101: no longer defined"]);
}
