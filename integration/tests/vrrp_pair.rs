//! lvsd and keepalived as the two routers of a pair. `LVSD_ROUTERS=keepalived` plays the same
//! cases with two keepalived, `LVSD_ROUTERS=lvsd` with two lvsd.

use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use integration::addresses::{DIRECTORS, VIP, VIP6};
use integration::router::{Definition, Pair, Program, Router};
use integration::wait::{FAR, wait_until};

const ADDRESS: IpAddr = IpAddr::V4(VIP);

/// The two orders of the two programs, or what `LVSD_ROUTERS` says.
fn programs() -> Result<Vec<[Program; 2]>> {
    use Program::{Keepalived, Lvsd};
    Ok(match std::env::var("LVSD_ROUTERS").as_deref() {
        Err(_) => vec![[Lvsd, Keepalived], [Keepalived, Lvsd]],
        Ok("lvsd") => vec![[Lvsd; 2]],
        Ok("keepalived") => vec![[Keepalived; 2]],
        Ok(other) => bail!("LVSD_ROUTERS is {other:?}; it may be `lvsd` or `keepalived`"),
    })
}

/// Plays a case with each pair of programs, all at once.
fn play(case: impl Fn([Program; 2]) -> Result<()> + Sync) {
    let played = programs().and_then(|programs| {
        thread::scope(|scope| {
            let case = &case;
            let playing: Vec<_> = programs
                .into_iter()
                .map(|[one, other]| {
                    let what = format!("{one} and {other}");
                    scope.spawn(move || case([one, other]).context(what))
                })
                .collect();
            playing.into_iter().try_for_each(|case| {
                case.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
        })
    });
    if let Err(error) = played {
        panic!("{error:#}");
    }
}

/// Longer than a master may be silent, so that a state that stands so long stands.
fn calm(one: &Definition) -> Duration {
    one.interval * 4 + Duration::from_millis(200)
}

/// Two routers of which the first is better: it becomes master, gives the address away when it is
/// stopped, takes it again when it comes back, and is replaced when it dies.
fn better_and_worse(change: impl Fn(&mut Definition, [IpAddr; 2]) + Sync) {
    let definition = |priority, own, peer| {
        let mut one = Definition::new(priority, ADDRESS);
        change(&mut one, [own, peer]);
        one
    };
    let [first, second] = DIRECTORS.map(IpAddr::V4);
    let definitions = [definition(150, first, second), definition(100, second, first)];
    play(|programs| {
        let addresses = &definitions[0].addresses;
        let address = *addresses.last().context("an address")?;
        let pair = Pair::new()?;
        let start = |index: usize| {
            let definition = std::slice::from_ref(&definitions[index]);
            Router::start(programs[index], &pair.hosts[index], definition)
        };
        let again = |index: usize| Router::start_again(programs[index], &pair.hosts[index]);
        let settled = |index: usize, what: &'static str| {
            pair.wait_master(index, address, calm(&definitions[0]), FAR).context(what).map(drop)
        };

        let better = start(0)?;
        let worse = start(1)?;
        settled(0, "the better one is master")?;
        better.stop()?;
        settled(1, "the worse one is master after a stop")?;
        let better = again(0)?;
        settled(0, "the better one is back")?;
        better.cut_power(addresses)?;
        settled(1, "the worse one is master after a crash")?;
        let _better = again(0)?;
        settled(0, "the better one is back after a crash")?;
        worse.cut_power(addresses)?;
        settled(0, "the death of a backup changes nothing")
    });
}

#[test]
fn version_2() {
    better_and_worse(|one, _| {
        one.version = 2;
        one.interval = Duration::from_secs(1);
    });
}

#[test]
fn version_2_with_a_password() {
    better_and_worse(|one, _| {
        one.version = 2;
        one.interval = Duration::from_secs(1);
        one.authentication = Some("secret");
    });
}

#[test]
fn version_3() {
    better_and_worse(|_, _| {});
}

#[test]
fn version_3_over_ipv6() {
    better_and_worse(|one, _| one.addresses = vec!["fe80::5e00:251".parse().unwrap(), VIP6.into()]);
}

#[test]
fn unicast() {
    better_and_worse(|one, [own, peer]| one.unicast = Some((own, peer)));
}

#[test]
fn virtual_mac() {
    better_and_worse(|one, _| one.vmac = true);
}

/// Whoever has the address keeps it, though the other one is better.
#[test]
fn without_preemption() {
    play(|programs| {
        let pair = Pair::new()?;
        let with = |priority| {
            let mut one = Definition::new(priority, ADDRESS);
            one.preempt = false;
            one
        };
        let calm = calm(&with(100));
        let worse = Router::start(programs[1], &pair.hosts[1], &[with(100)])?;
        pair.wait_master(1, ADDRESS, Duration::ZERO, FAR)?;
        let _better = Router::start(programs[0], &pair.hosts[0], &[with(150)])?;
        pair.wait_master(1, ADDRESS, calm, FAR).context("the better one leaves it alone")?;
        worse.stop()?;
        pair.wait_master(0, ADDRESS, calm, FAR).map(drop)
    });
}

/// Two masters of equal priority that meet: the one with the higher address stays.
#[test]
fn equal_priorities() {
    play(|programs| {
        let pair = Pair::new()?;
        let one = [Definition::new(100, ADDRESS)];
        pair.network.isolate(&pair.hosts[0])?;
        let _first = Router::start(programs[0], &pair.hosts[0], &one)?;
        let _second = Router::start(programs[1], &pair.hosts[1], &one)?;
        wait_until("two masters", FAR, || Ok(pair.holders(ADDRESS)? == [true, true]))?;
        pair.network.join(&pair.hosts[0])?;
        pair.wait_master(1, ADDRESS, calm(&one[0]), FAR).map(drop)
    });
}
