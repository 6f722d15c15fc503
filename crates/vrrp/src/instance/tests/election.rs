//! Who is master, and when.

use super::*;
use crate::instance::Master;

/// 3 x 1 s + (256 - 100) / 256 x 1 s = 3.609375 s.
#[test]
fn a_lone_backup_becomes_master_after_the_down_interval() {
    let mut bench = Bench::new(spec(100));
    assert_eq!(
        bench.input(Input::Up(OWN)),
        ["remove 10.0.0.100", "vrrp VI_1: initialize -> backup: eth0 is up"]
    );
    assert_eq!(bench.next(), Some(3609));
    assert_eq!(bench.pass(3609), [""; 0]);
    assert_eq!(
        bench.pass(1),
        [
            "advert 100 to 224.0.0.18",
            "add 10.0.0.100",
            "announce 10.0.0.100",
            "vrrp VI_1: backup -> master: no master heard",
        ]
    );
    assert_eq!(bench.pass(1000), ["advert 100 to 224.0.0.18"]);
    // The second burst comes five seconds after the first.
    let words = bench.pass(4000);
    assert_eq!(words.iter().filter(|w| w.starts_with("announce")).count(), 1);
    assert_eq!(bench.pass(10_000).iter().filter(|w| w.starts_with("advert")).count(), 10);
}

/// Version 2 skews by (256 - 100) / 256 s whatever the interval: 3 x 2 s + 0.609375 s.
#[test]
fn version_2_skews_in_seconds() {
    let two =
        InstanceSpec { version: Version::V2, advert_interval: Centiseconds::new(200), ..spec(100) };
    assert_eq!(Bench::started(two).next(), Some(6609));
    // Version 3 scales it: 3 x 2 s + 156 / 256 x 2 s = 7.21875 s.
    let three = InstanceSpec { advert_interval: Centiseconds::new(200), ..spec(100) };
    assert_eq!(Bench::started(three).next(), Some(7218));
    // 10 ms adverts: 30 ms + 156 / 256 x 10 ms = 36.09 ms.
    let quick = InstanceSpec { advert_interval: Centiseconds::new(1), ..spec(100) };
    assert_eq!(Bench::started(quick).next(), Some(36));
}

#[test]
fn the_owner_is_master_at_once_and_keeps_its_addresses() {
    let mut bench = Bench::new(spec(255));
    assert_eq!(
        bench.input(Input::Up(OWN)),
        [
            "advert 255 to 224.0.0.18",
            "add 10.0.0.100",
            "announce 10.0.0.100",
            "vrrp VI_1: initialize -> master: owner of the addresses",
        ]
    );
    assert_eq!(bench.advert(HIGHER, 254)[0], "advert 255 to 224.0.0.18");
    assert_eq!(bench.instance.state(), State::Master);
    bench.pass(4000);
    assert_eq!(
        bench.advert(HIGHER, 255),
        [
            "announce 10.0.0.100",
            "vrrp VI_1: 10.0.0.3 claims to be master too, with priority 255: both are owners of the \
             addresses, which never give in; lower one of the priorities",
        ]
    );
    assert_eq!(bench.instance.state(), State::Master);
}

#[test]
fn a_backup_waits_while_it_hears_a_master() {
    let mut bench = Bench::started(spec(100));
    for _ in 0..5 {
        bench.pass(1000);
        assert_eq!(bench.advert(LOWER, 150), [""; 0]);
    }
    // Equal priority counts too.
    assert_eq!(bench.advert(HIGHER, 100), [""; 0]);
    assert_eq!(bench.next(), Some(5000 + 3609));
    assert_eq!(bench.instance.status().master, Some(Master { address: HIGHER, priority: 100 }));
    let words = bench.pass(3610);
    assert_eq!(
        words.last().unwrap(),
        "vrrp VI_1: backup -> master: no advert from 10.0.0.3 in time"
    );
}

/// RFC 9568 §6.4.2: of equals the one that is master stays, whoever has the higher address.
#[test]
fn at_equal_priorities_nobody_preempts() {
    for (preempt, master) in [(true, LOWER), (true, HIGHER), (false, LOWER)] {
        let mut bench = Bench::started(InstanceSpec { preempt, ..spec(100) });
        for _ in 0..10 {
            bench.advert(master, 100);
            bench.pass(1000);
        }
        assert_eq!(bench.instance.state(), State::Backup, "preempt = {preempt}, {master}");
    }
}

/// The type allows an interval of 0; adverts then go every 10 ms, not without end.
#[test]
fn an_interval_of_zero_is_ten_milliseconds() {
    let mut bench =
        Bench::started(InstanceSpec { advert_interval: Centiseconds::new(0), ..spec(100) });
    bench.pass(37);
    assert_eq!(bench.instance.state(), State::Master);
    assert_eq!(bench.pass(100).len(), 10);
}

/// RFC 9568 §6.4.2: `Active_Adver_Interval` is the master's. 3 x 0.5 s + 156 / 256 x 0.5 s.
#[test]
fn version_3_learns_the_masters_interval() {
    let mut bench = Bench::started(spec(100));
    bench.advert_with(LOWER, |advert| {
        advert.priority = 150;
        advert.interval = Centiseconds::new(50);
    });
    assert_eq!(bench.next(), Some(1804));
    // Its own adverts keep its own interval.
    bench.pass(1805);
    assert_eq!(bench.next(), Some(1804 + 1000));
}

/// 156 / 256 x 1 s after the master gave up.
#[test]
fn a_backup_takes_over_after_the_skew_when_the_master_gives_up() {
    let mut bench = Bench::started(spec(100));
    bench.advert(LOWER, 150);
    bench.pass(500);
    assert_eq!(bench.advert(LOWER, 0), [""; 0]);
    assert_eq!(bench.next(), Some(500 + 609));
    let words = bench.pass(610);
    assert_eq!(words.last().unwrap(), "vrrp VI_1: backup -> master: 10.0.0.1 gave up");
}

/// 156 / 256 x 1 s / 64.
#[test]
fn a_backup_takes_over_at_once_when_an_lvsd_gives_up() {
    let mut bench = Bench::started(spec(100));
    bench.advert(LOWER, 150);
    bench.pass(500);
    let farewell = |advert: &mut Advert| {
        advert.priority = 0;
        advert.quick = true;
    };
    assert_eq!(bench.advert_with(LOWER, farewell), [""; 0]);
    assert_eq!(bench.next(), Some(500 + 9));
    let words = bench.pass(10);
    assert_eq!(words.last().unwrap(), "vrrp VI_1: backup -> master: 10.0.0.1 gave up");
}

#[test]
fn a_better_backup_preempts() {
    let mut bench = Bench::started(spec(150));
    // 3 s + 106 / 256 s = 3.414 s from the start: a worse master's adverts do not count.
    for _ in 0..3 {
        bench.pass(1000);
        bench.advert(HIGHER, 100);
    }
    let words = bench.pass(415);
    assert_eq!(
        words.last().unwrap(),
        "vrrp VI_1: backup -> master: 10.0.0.3 has only priority 100"
    );
}

#[test]
fn without_preemption_a_better_backup_waits() {
    let mut bench = Bench::started(InstanceSpec { preempt: false, ..spec(150) });
    for _ in 0..20 {
        bench.pass(1000);
        assert_eq!(bench.advert(HIGHER, 100), [""; 0]);
    }
    bench.pass(3500);
    assert_eq!(bench.instance.state(), State::Master);
}

#[test]
fn preemption_waits_for_its_delay() {
    let delay = Duration::from_secs(10);
    let mut bench = Bench::started(InstanceSpec { preempt_delay: delay, ..spec(150) });
    bench.pass(500);
    // The first worse advert at 0.5 s; at 10.5 s the delay is over, and the timer last set at
    // 9.5 s runs out 3.414 s later.
    for _ in 0..14 {
        bench.advert(HIGHER, 100);
        if bench.instance.state() == State::Master {
            break;
        }
        bench.pass(1000);
    }
    assert_eq!(bench.instance.state(), State::Master);
    let became = bench.instance.status().since.duration_since(bench.start);
    assert_eq!(became.as_millis(), 9500 + 3414);
}

#[test]
fn a_master_yields_to_a_better_one_and_to_a_higher_address() {
    for (from, priority, words) in [
        (LOWER, 101, "10.0.0.1 is master: priority 101 against 100"),
        (HIGHER, 100, "10.0.0.3 is master: equal priority 100, higher address"),
    ] {
        let mut bench = Bench::master(spec(100));
        assert_eq!(
            bench.advert(from, priority),
            ["remove 10.0.0.100".to_owned(), format!("vrrp VI_1: master -> backup: {words}")]
        );
        assert_eq!(bench.next(), Some(5000 + 3609));
    }
}

#[test]
fn a_master_answers_a_worse_one_at_once_and_announces_again() {
    for (from, priority) in [(HIGHER, 99), (LOWER, 100)] {
        let mut bench = Bench::master(spec(100));
        assert_eq!(
            bench.advert(from, priority),
            [
                "advert 100 to 224.0.0.18".to_owned(),
                "announce 10.0.0.100".to_owned(),
                format!("vrrp VI_1: {from} claims to be master too, with priority {priority}"),
            ]
        );
        // A flood is not answered with a flood.
        assert_eq!(bench.advert(from, priority), [""; 0]);
        bench.pass(100);
        // The episode is reported once, and its end.
        assert_eq!(bench.advert(from, priority), ["advert 100 to 224.0.0.18"]);
        let words = bench.pass(3000);
        assert!(words.contains(&"announce 10.0.0.100".to_owned()), "{words:?}");
        assert_eq!(
            words.iter().filter(|word| word.contains("no longer claims")).count(),
            1,
            "{words:?}"
        );
        assert_eq!(bench.instance.state(), State::Master);
    }
}

#[test]
fn a_master_answers_one_that_gives_up() {
    let mut bench = Bench::master(spec(100));
    bench.pass(300);
    assert_eq!(bench.advert(LOWER, 0), ["advert 100 to 224.0.0.18"]);
    assert_eq!(bench.next(), Some(5300 + 1000));
}
