//! Random definitions.

use std::sync::Arc;
use std::time::Duration;

use checkers::{Check, Damping, Kind, TcpCheck, Timing};
use config::{Drain, OnFailure, Panic, RealServer, VirtualServer};
use ipvs::{Destination, DestinationKey, Forward, Service, ServiceFlags, ServiceKey, Weight};
use testkit::Random;

/// A server that falls twice within a minute stays down for 20 seconds.
const DAMPING: Damping =
    Damping { falls: 2, within: Duration::from_secs(60), hold: Duration::from_secs(20) };

/// Hosts of the real servers.
pub(crate) const HOSTS: u64 = 4;

/// A service that is none of lvsd's business.
pub(crate) fn foreign() -> ServiceKey {
    "tcp 203.0.113.1:22".parse().unwrap()
}

pub(crate) fn service(key: ServiceKey, scheduler: &str) -> Service {
    Service {
        key,
        scheduler: scheduler.parse().unwrap(),
        flags: ServiceFlags::NONE,
        persistence: None,
        persistence_engine: None,
    }
}

pub(crate) fn destination(host: u64, port: u16, weight: u32) -> Destination {
    Destination {
        key: DestinationKey::new(format!("198.51.100.{host}:{port}").parse().unwrap()),
        forward: Forward::DirectRoute,
        weight: Weight::new(weight).unwrap(),
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

pub(crate) fn definitions(random: &mut Random) -> Vec<VirtualServer> {
    let mut defined = Vec::new();
    for number in 0..3 {
        if random.chance(30) {
            continue;
        }
        let texts = [
            vec!["tcp 192.0.2.10:80".to_owned()],
            vec!["fwmark 7".to_owned(), "udp 192.0.2.10:80".to_owned()],
            vec!["tcp 192.0.2.11:80".to_owned()],
        ];
        let mut real_servers = Vec::new();
        for host in 1..=HOSTS {
            if random.chance(40) {
                continue;
            }
            let count = random.below(3);
            let checks = (0..count).map(|fall| Check {
                kind: Kind::Tcp(TcpCheck::default()),
                timing: Timing {
                    fall: fall + 1,
                    interval: Duration::from_secs(random.pick(&[1, 2, 5])),
                    damping: random.chance(20).then_some(DAMPING),
                    ..Timing::default()
                },
            });
            real_servers.push(RealServer {
                checks: checks.map(Arc::new).collect(),
                destination: destination(host, 80, 1 + random.below(3)),
            });
        }
        let scheduler = random.pick(&["wlc", "rr", "sh"]);
        let sorry = random.chance(40);
        let quorum = 1 + random.below(4);
        let slow_start = random.chance(40).then(|| Duration::from_secs(20));
        let on_failure = if random.chance(30) { OnFailure::WeightZero } else { OnFailure::Remove };
        defined.push(VirtualServer {
            name: format!("v{number}"),
            keys: texts[number].iter().map(|text| text.parse().unwrap()).collect(),
            scheduler: scheduler.parse().unwrap(),
            flags: ServiceFlags::NONE,
            persistence: None,
            persistence_engine: None,
            real_servers: real_servers.into(),
            quorum,
            hysteresis: random.below(quorum),
            quorum_up: None,
            quorum_down: None,
            sorry_servers: if sorry { vec![destination(200, 80, 1)] } else { Vec::new() },
            on_failure,
            panic: if sorry { Panic::Sorry } else { Panic::KeepLast },
            max_ejected: None,
            slow_start,
            drain: Drain::default(),
        });
    }
    defined
}
