//! The guard of lvsd: its worker crashes, hangs, and is replaced.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use integration::addresses::VIP;
use integration::router::{Definition, Pair, Pings};
use integration::wait::{FAR, wait_for, wait_until};
use integration::{Lvsd, paths};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const ADDRESS: IpAddr = IpAddr::V4(VIP);

/// What a client may miss when nothing moves, ten times the bar of `make bench-failover`.
const OUTAGE: Duration = Duration::from_millis(500);

/// A pair of which the first is master.
struct Playing {
    pair: Pair,
    master: Lvsd,
    backup: Lvsd,
}

fn definition(priority: u8, interval: Duration) -> String {
    let mut one = Definition::new(priority, ADDRESS);
    one.interval = interval;
    one.lvsd()
}

fn start(interval: Duration) -> Result<Playing> {
    start_with(interval, |priority| definition(priority, interval))
}

fn start_with(interval: Duration, definition: impl Fn(u8) -> String) -> Result<Playing> {
    let pair = Pair::new()?;
    let backup = Lvsd::start(&pair.hosts[1], &definition(100))?;
    let master = Lvsd::start(&pair.hosts[0], &definition(150))?;
    pair.wait_master(0, ADDRESS, interval * 2, FAR)?;
    Ok(Playing { pair, master, backup })
}

/// The same pair with the virtual MAC.
fn start_vmac() -> Result<Playing> {
    let interval = Duration::from_secs(1);
    start_with(interval, |priority| {
        let mut one = Definition::new(priority, ADDRESS);
        (one.interval, one.vmac) = (interval, true);
        one.lvsd()
    })
}

fn process(lvsd: &Lvsd, pointer: &str) -> Result<Pid> {
    let status = lvsd.status()?;
    let id =
        status.pointer(pointer).and_then(serde_json::Value::as_i64).context("no process id")?;
    Ok(Pid::from_raw(i32::try_from(id)?))
}

fn worker(lvsd: &Lvsd) -> Result<Pid> {
    process(lvsd, "/daemon/pid")
}

/// Waits until another worker has started whole.
fn wait_other(lvsd: &Lvsd, before: Pid) -> Result<Pid> {
    wait_for("another worker", FAR, || {
        // Its socket is gone for a moment.
        Ok(worker(lvsd).ok().filter(|&now| now != before))
    })
}

/// How often it has become master.
fn times_master(lvsd: &Lvsd) -> Result<u64> {
    let status = lvsd.status()?;
    let counters = status.pointer("/vrrp_instances/0/counters").and_then(|all| all.as_array());
    let counters = counters.context("no counters")?;
    let counter = counters.iter().find(|counter| counter["name"] == "became master");
    counter.and_then(|counter| counter["value"].as_u64()).context("no such counter")
}

fn crashes(interval: Duration) -> Result<()> {
    let Playing { pair, master, backup } = start(interval)?;
    let before = times_master(&backup)?;
    let guard = process(&master, "/daemon/guard/pid")?;
    let pings = Pings::start(&pair.client, ADDRESS)?;
    for (round, signal) in [Signal::SIGKILL, Signal::SIGABRT, Signal::SIGILL].iter().enumerate() {
        let old = worker(&master)?;
        kill(old, *signal)?;
        wait_other(&master, old)?;
        // Longer than the other would wait for a dead one.
        thread::sleep(interval * 4);
        let status = master.status()?;
        ensure!(status["vrrp_instances"][0]["state"] == "master", "{signal}: {status}");
        ensure!(status["daemon"]["guard"]["restarts"] == round + 1, "{status}");
    }
    let outage = pings.stop()?;
    println!("three crashes of the worker, adverts each {interval:?}: longest outage {outage:?}");
    ensure!(outage <= OUTAGE, "the client missed it for {outage:?}");
    ensure!(times_master(&backup)? == before, "the other director has noticed");
    ensure!(process(&master, "/daemon/guard/pid")? == guard, "the guard is the same");
    Ok(())
}

#[test]
fn a_crash_of_the_worker_is_not_noticed() {
    for interval in [Duration::from_secs(1), Duration::from_millis(100)] {
        crashes(interval).with_context(|| format!("adverts each {interval:?}")).unwrap();
    }
}

fn hangs(interval: Duration) -> Result<()> {
    let Playing { pair, master, backup: _backup } = start(interval)?;
    let old = worker(&master)?;
    let frozen = Instant::now();
    kill(old, Signal::SIGSTOP)?;
    let (mut both, mut last) = (Duration::ZERO, Instant::now());
    let moved = loop {
        let [one, other] = pair.holders(ADDRESS)?;
        let now = Instant::now();
        if one && other {
            both += now - last;
        }
        if other && !one {
            break now - frozen;
        }
        last = now;
        ensure!(now < frozen + FAR, "the address has not moved");
    };
    println!("a frozen worker, adverts each {interval:?}: moved after {moved:?}, twice {both:?}");
    // Ten times the bar of `make bench-failover`.
    ensure!(both <= Duration::from_secs(1), "two holders for {both:?}");
    // What is frozen does not come back to life; another worker does, as the better router.
    wait_until("the end of the frozen worker", FAR, || Ok(kill(old, None).is_err()))?;
    pair.wait_master(0, ADDRESS, interval * 2, FAR).map(drop)
}

#[test]
fn a_frozen_worker_never_makes_two_masters() {
    for interval in [Duration::from_secs(1), Duration::from_millis(100)] {
        hangs(interval).with_context(|| format!("adverts each {interval:?}")).unwrap();
    }
}

#[test]
fn without_its_guard_a_worker_lets_go() {
    let play = || -> Result<()> {
        let Playing { pair, mut master, backup: _backup } = start(Duration::from_secs(1))?;
        let old = worker(&master)?;
        let killed = Instant::now();
        master.process().kill()?;
        pair.wait_master(1, ADDRESS, Duration::ZERO, FAR)?;
        let moved = killed.elapsed();
        println!("a killed guard: moved after {moved:?}");
        ensure!(moved < Duration::from_secs(3), "the worker said nothing: {moved:?}");
        wait_until("the end of the worker", FAR, || Ok(kill(old, None).is_err())).map(drop)
    };
    play().unwrap();
}

/// The interface with the virtual MAC on the first host, and what it needs on the one below.
fn vmac(pair: &Pair) -> Result<(String, String)> {
    let host = &pair.hosts[0];
    let links = host.exec("ip -brief link show")?;
    let link = links.lines().find(|line| line.starts_with("vrrp.51@")).unwrap_or_default();
    let state = if link.is_empty() {
        "none"
    } else if link.contains(",UP") {
        "up"
    } else {
        "down"
    };
    let arp =
        host.exec("sysctl -n net.ipv4.conf.eth0.arp_ignore net.ipv4.conf.eth0.arp_announce")?;
    Ok((state.to_owned(), arp.split_whitespace().collect()))
}

#[test]
fn a_virtual_mac_outlives_a_crash_and_an_upgrade() {
    let play = || -> Result<()> {
        let Playing { pair, master, backup } = start_vmac()?;
        let before = times_master(&backup)?;
        let held = ("up".to_owned(), "12".to_owned());
        ensure!(vmac(&pair)? == held, "{:?}", vmac(&pair)?);
        let pings = Pings::start(&pair.client, ADDRESS)?;
        let old = worker(&master)?;
        kill(old, Signal::SIGKILL)?;
        let old = wait_other(&master, old)?;
        ensure!(vmac(&pair)? == held, "{:?}", vmac(&pair)?);
        let done = master.lvsctl("upgrade")?;
        ensure!(done.status.success(), "{done:?}");
        wait_other(&master, old)?;
        ensure!(vmac(&pair)? == held, "{:?}", vmac(&pair)?);
        let outage = pings.stop()?;
        println!("a crash and an upgrade with the virtual MAC: longest outage {outage:?}");
        ensure!(outage <= OUTAGE, "the client missed it for {outage:?}");
        ensure!(times_master(&backup)? == before, "the other director has noticed");
        // Only the first of three workers knew by itself what it had found.
        master.stop()?;
        ensure!(vmac(&pair)? == ("none".to_owned(), "00".to_owned()), "{:?}", vmac(&pair)?);
        Ok(())
    };
    play().unwrap();
}

/// Five ends within half a minute: the guard ends the role, and a worker that lives takes it again.
#[test]
fn a_crash_loop_gives_the_role_up() {
    let play = || -> Result<()> {
        let Playing { pair, mut master, backup: _backup } = start_vmac()?;
        let mut old = worker(&master)?;
        for _ in 1..5 {
            kill(old, Signal::SIGKILL)?;
            old = wait_other(&master, old)?;
            ensure!(pair.holders(ADDRESS)? == [true, false], "a crash moves nothing");
        }
        kill(old, Signal::SIGKILL)?;
        pair.wait_master(1, ADDRESS, Duration::ZERO, FAR)?;
        let (state, _) = vmac(&pair)?;
        ensure!(state == "down", "two hosts with the virtual MAC: {state}");
        master.process().wait_log("mastership is given up, and the next one starts in", FAR)?;
        wait_other(&master, old)?;
        pair.wait_master(0, ADDRESS, Duration::from_secs(2), FAR)?;
        master.stop()?;
        ensure!(vmac(&pair)? == ("none".to_owned(), "00".to_owned()), "{:?}", vmac(&pair)?);
        Ok(())
    };
    play().unwrap();
}

/// A copy of lvsd that the test may replace, beside the guard of another version.
fn copy(pair: &Pair) -> Result<PathBuf> {
    let folder = pair.hosts[0].folder();
    fs::copy(paths::program("lvsd")?, folder.join("lvsd")).context("copying lvsd")?;
    write_script(&folder.join("lvsd-guard"), "#!/bin/sh\necho lvsd-guard 0.0.0\n")?;
    Ok(folder.join("lvsd"))
}

fn write_script(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// The names of the program that a process runs, and of the process.
fn names(process: Pid) -> Result<[String; 2]> {
    let program = fs::read_link(format!("/proc/{process}/exe"))?;
    let program = program.file_name().context("a program without a name")?;
    let name = fs::read_to_string(format!("/proc/{process}/comm"))?;
    Ok([program.to_string_lossy().into_owned(), name.trim().to_owned()])
}

#[test]
fn an_upgrade_moves_nothing() {
    let play = || -> Result<()> {
        let Playing { pair, master, backup } = start(Duration::from_secs(1))?;
        master.stop()?;
        let program = copy(&pair)?;
        let master = Lvsd::start_program(&pair.hosts[0], &program)?;
        pair.wait_master(0, ADDRESS, Duration::from_secs(2), FAR)?;
        let before = times_master(&backup)?;
        let old = worker(&master)?;
        let guard = process(&master, "/daemon/guard/pid")?;
        ensure!(names(guard)? == ["lvsd", "lvsd"], "it guards itself: {:?}", names(guard)?);

        // What is no lvsd, or does not take the configuration, is refused.
        let new = pair.hosts[0].folder().join("new");
        for (script, error) in [
            ("#!/bin/sh\nexit 3\n", "exit status: 3"),
            ("#!/bin/sh\necho other 1.0\n", "is not lvsd"),
            (
                "#!/bin/sh\n[ $1 = --version ] && echo lvsd 9.9 || { echo no such key >&2; exit 1; }\n",
                "lvsd 9.9 does not take",
            ),
        ] {
            write_script(&new, script)?;
            fs::rename(&new, &program)?;
            let refused = master.lvsctl("upgrade")?;
            let text = String::from_utf8_lossy(&refused.stderr).into_owned();
            ensure!(!refused.status.success() && text.contains(error), "{error}: {text}");
        }
        ensure!(worker(&master)? == old, "nothing has changed");

        let pings = Pings::start(&pair.client, ADDRESS)?;
        for name in ["lvsd-guard", "lvsd"] {
            fs::copy(paths::program(name)?, &new)?;
            fs::rename(&new, program.with_file_name(name))?;
        }
        let done = master.lvsctl("upgrade")?;
        let text = String::from_utf8_lossy(&done.stderr).into_owned();
        ensure!(done.status.success(), "lvsctl upgrade: {text}");
        ensure!(worker(&master)? != old, "another worker");
        ensure!(process(&master, "/daemon/guard/pid")? == guard, "the guard keeps its process id");
        ensure!(names(guard)? == ["lvsd-guard", "lvsd"], "the small guard: {:?}", names(guard)?);
        thread::sleep(Duration::from_secs(4));
        let outage = pings.stop()?;
        println!("an upgrade: longest outage {outage:?}");
        ensure!(outage <= OUTAGE, "the client missed it for {outage:?}");
        ensure!(times_master(&backup)? == before, "the other director has noticed");
        ensure!(pair.holders(ADDRESS)? == [true, false]);

        // The new one stops as cleanly.
        let status = master.stop()?;
        ensure!(status.success(), "{status}");
        pair.wait_master(1, ADDRESS, Duration::ZERO, FAR).map(drop)
    };
    play().unwrap();
}

#[test]
fn a_start_that_fails_is_not_repeated() {
    let play = || -> Result<()> {
        let pair = Pair::new()?;
        let error = Lvsd::start(&pair.hosts[0], "[vrrp_instance.VI_1]\n").err();
        let text = format!("{:#}", error.context("it has started")?);
        ensure!(text.contains("`interface`"), "{text}");
        ensure!(text.matches("error").count() < 10 && !text.contains("guard"), "{text}");
        Ok(())
    };
    play().unwrap();
}
