//! What good files mean: tracked things, sync groups and notifications.

use std::path::{Path, PathBuf};
use std::time::Duration;

use checkers::{Initial, Timing};
use config::{Config, Notify, Script, TrackFile, TrackProcess, TrackScript};
use vrrp::{Thing, Track};

fn load() -> Config {
    config::load(Path::new("tests/good/tracking.toml")).unwrap_or_else(|errors| panic!("{errors}"))
}

fn script(words: &[&str], user: Option<&str>) -> Script {
    let command = words.iter().map(|&word| word.to_owned()).collect();
    Script { command, user: user.map(str::to_owned) }
}

fn milliseconds(number: u64) -> Duration {
    Duration::from_millis(number)
}

#[test]
fn tracked_things_with_every_key_and_with_few() {
    let config = load();
    let timing = |interval, timeout, rise, fall, initial| Timing {
        interval: milliseconds(interval),
        timeout: milliseconds(timeout),
        rise,
        fall,
        initial,
        ..Timing::default()
    };
    assert_eq!(
        config.tracked.scripts,
        [
            TrackScript {
                name: "nginx".to_owned(),
                script: script(&["/usr/local/bin/nginx-alive", "--quick"], Some("www-data")),
                timing: timing(2000, 500, 2, 3, Initial::Down),
            },
            TrackScript {
                name: "plain".to_owned(),
                script: script(&["/bin/true"], None),
                timing: timing(1000, 1000, 1, 1, Initial::Adopt),
            },
        ]
    );
    let file = |name: &str, path: &str, interval| TrackFile {
        name: name.to_owned(),
        path: PathBuf::from(path),
        interval: milliseconds(interval),
    };
    assert_eq!(
        config.tracked.files,
        [file("load", "/run/lvsd/priority", 100), file("plain", "/run/plain", 500)]
    );
    let process = |name: &str, process: &str, quorum, quorum_max| TrackProcess {
        name: name.to_owned(),
        process: process.to_owned(),
        arguments: None,
        quorum,
        quorum_max,
        interval: milliseconds(1000),
    };
    assert_eq!(
        config.tracked.processes,
        [
            TrackProcess {
                arguments: Some(vec!["-W".to_owned()]),
                interval: milliseconds(5000),
                ..process("haproxy", "/usr/sbin/haproxy", 2, Some(3))
            },
            process("plain", "nginx", 1, None),
            process("absent", "rival", 0, Some(0)),
        ]
    );
    assert_eq!(config.global.notify_fifo, Some(PathBuf::from("/run/lvsd/notify")));
}

fn tracks(config: &Config, instance: &str) -> Vec<(Thing, i16, bool)> {
    let mut specs = config.vrrp_instances.iter();
    let spec = specs.find(|spec| spec.name == instance).expect(instance);
    let words = |track: &Track| (track.thing.clone(), track.weight, track.reverse);
    spec.track.iter().map(words).collect()
}

/// A weight is that of the entry, else that of the definition. A group's members track together
/// what it and all of them name.
#[test]
fn instances_track_with_the_nearest_weight_and_groups_track_together() {
    let config = load();
    let name = str::to_owned;
    assert_eq!(
        tracks(&config, "alone"),
        [
            (Thing::File(name("load")), 2, false),
            (Thing::File(name("plain")), 1, false),
            (Thing::Process(name("haproxy")), 0, false),
            (Thing::Process(name("plain")), 0, false),
        ]
    );
    let together = [
        (Thing::VirtualServer(name("web")), -50, false),
        (Thing::Interface { name: name("eth2"), address: None }, 0, false),
        (Thing::Interface { name: name("eth3"), address: "10.0.0.1".parse().ok() }, 5, true),
        (Thing::Script(name("nginx")), -20, false),
        (Thing::Script(name("plain")), 0, true),
    ];
    assert_eq!(tracks(&config, "outside"), together);
    assert_eq!(tracks(&config, "inside"), together);
    let groups: Vec<_> = config.vrrp_instances.iter().map(|spec| spec.group.as_deref()).collect();
    assert_eq!(groups, [Some("both"), Some("both"), None]);
}

#[test]
fn notifications_with_every_key() {
    let config = load();
    let none = Notify {
        master: None,
        backup: None,
        fault: None,
        stop: None,
        any: None,
        trouble: None,
        timeout: Duration::from_secs(60),
    };
    let inside = Notify {
        master: Some(script(&["/bin/m"], None)),
        backup: Some(script(&["/bin/b"], None)),
        timeout: Duration::from_secs(5),
        ..none.clone()
    };
    let both = Notify {
        fault: Some(script(&["/bin/f"], None)),
        stop: Some(script(&["/bin/s"], None)),
        any: Some(script(&["/bin/any", "x"], Some("root"))),
        ..none
    };
    assert_eq!(config.notifications.instances, [("inside".to_owned(), inside)].into());
    assert_eq!(config.notifications.groups, [("both".to_owned(), both)].into());
}
