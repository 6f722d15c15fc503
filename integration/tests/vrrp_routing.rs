//! Routes and rules that follow the master. What the kernel has is what `ip` says.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use integration::addresses::{CLIENT, CLIENT6, VIP, VIP6};
use integration::router::{Definition, Pair};
use integration::wait::{FAR, wait_until};
use integration::{Host, Lvsd};
use nix::sys::signal::{Signal, kill};

const ADDRESS: IpAddr = IpAddr::V4(VIP);

/// Adverts each 100 ms; nothing moves within this.
const CALM: Duration = Duration::from_millis(600);

/// What `ip` shows of [`definition`]'s.
const ROUTES: [&str; 3] = [
    "default via 10.77.0.9 dev eth0 table 100 src 10.77.0.100",
    "10.1.0.0/16 via 10.77.0.9 dev eth0 metric 7",
    "fd00:1::/64 via fd00:77::9 dev eth0 metric 1024 pref medium",
];
const RULES: [&str; 1] = ["1000: from 10.77.0.100 lookup 100 proto 112"];

fn definition(priority: u8, lines: &str) -> String {
    let mut one = Definition::new(priority, ADDRESS);
    one.lvsd_lines = format!("excluded_addresses = [\"{VIP6}/64\"]\n{lines}");
    one.lvsd()
}

fn lines() -> String {
    format!(
        "virtual_routes = [\n\
         {{ to = \"default\", via = \"{CLIENT}\", source = \"{VIP}\", table = 100 }},\n\
         {{ to = \"10.1.0.0/16\", via = \"{CLIENT}\", metric = 7 }},\n\
         {{ to = \"fd00:1::/64\", via = \"{CLIENT6}\" }},\n\
         ]\n\
         virtual_rules = [{{ from = \"{VIP}\", table = 100, priority = 1000 }}]\n"
    )
}

fn words(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn routes(host: &Host) -> Result<Vec<String>> {
    let mut found = words(&host.exec("ip -4 route show table all proto 112")?);
    found.extend(words(&host.exec("ip -6 route show table all proto 112")?));
    Ok(found)
}

fn rules(host: &Host) -> Result<Vec<String>> {
    let mut found = words(&host.exec("ip -4 rule show")?);
    found.extend(words(&host.exec("ip -6 rule show")?));
    found.retain(|line| line.ends_with("proto 112"));
    Ok(found)
}

/// Waits until this host, and not the other one, is master and has everything.
fn wait_master(pair: &Pair, index: usize) -> Result<()> {
    pair.wait_master(index, ADDRESS, CALM, FAR)?;
    let (master, backup) = (&pair.hosts[index], &pair.hosts[1 - index]);
    let found = (routes(master)?, rules(master)?);
    ensure!(
        found == (ROUTES.map(str::to_owned).into(), RULES.map(str::to_owned).into()),
        "{found:?}"
    );
    let found = (routes(backup)?, rules(backup)?);
    ensure!(found == (vec![], vec![]), "on the backup: {found:?}");
    Ok(())
}

#[test]
fn they_move_with_the_address() -> Result<()> {
    let pair = Pair::new()?;
    let host = &pair.hosts[0];
    let worse = Lvsd::start(&pair.hosts[1], &definition(100, &lines()))?;
    let better = Lvsd::start(host, &definition(150, &lines()))?;
    wait_master(&pair, 0)?;
    let way = host.exec(&format!("ip route get 203.0.113.1 from {VIP}"))?;
    ensure!(way.contains("via 10.77.0.9") && way.contains("table 100"), "{way}");
    let status = better.lvsctl("status")?;
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    ensure!(status.contains("VI_1: route 10.1.0.0/16 via 10.77.0.9 metric 7: here"), "{status}");
    let theirs = worse.status()?;
    ensure!(theirs["vrrp_instances"][0]["routing"][0]["held"] == false, "{theirs}");

    better.stop()?;
    wait_master(&pair, 1)?;
    let better = Lvsd::start_again(host)?;
    wait_master(&pair, 0)?;

    // The guard's fence takes them away too.
    kill(better.worker()?, Signal::SIGSTOP)?;
    wait_until("the fence", FAR, || Ok(routes(host)?.is_empty() && rules(host)?.is_empty()))?;
    wait_until("the other one's routes", FAR, || Ok(routes(&pair.hosts[1])? == ROUTES))?;
    // Another worker goes on, as the better router.
    wait_until("the return", FAR, || Ok(routes(host)? == ROUTES))?;
    wait_master(&pair, 0)
}

#[test]
fn a_crash_of_the_worker_leaves_them_and_a_start_removes_what_is_left() -> Result<()> {
    let pair = Pair::new()?;
    let host = &pair.hosts[0];
    let lvsd = Lvsd::start(host, &definition(150, &lines()))?;
    wait_master(&pair, 0)?;
    let old = lvsd.worker()?;
    kill(old, Signal::SIGKILL)?;
    wait_until("another worker", FAR, || Ok(lvsd.worker().is_ok_and(|now| now != old)))?;
    wait_until("its status", FAR, || Ok(lvsd.status().is_ok()))?;
    wait_master(&pair, 0)?;

    lvsd.kill()?;
    ensure!(routes(host)? == ROUTES && rules(host)? == RULES, "nobody has removed them");
    // The definitions have changed meanwhile, and it is no master.
    host.exec("ip address flush to 10.77.0.100")?;
    let _other = Lvsd::start(&pair.hosts[1], &definition(200, ""))?;
    pair.wait_master(1, ADDRESS, Duration::ZERO, FAR)?;
    let _lvsd = Lvsd::start(host, &definition(150, ""))?;
    let found = (routes(host)?, rules(host)?);
    ensure!(found == (vec![], vec![]), "{found:?}");
    Ok(())
}

#[test]
fn a_reload_changes_the_difference() -> Result<()> {
    let pair = Pair::new()?;
    let host = &pair.hosts[0];
    let lvsd = Lvsd::start(host, &definition(150, &lines()))?;
    wait_master(&pair, 0)?;
    let changed = format!(
        "virtual_routes = [\n\
         {{ to = \"default\", via = \"{CLIENT}\", source = \"{VIP}\", table = 100 }},\n\
         {{ to = \"10.1.0.0/16\", type = \"blackhole\", metric = 7 }},\n\
         {{ to = \"10.2.0.0/16\", via = \"10.77.1.1\" }},\n\
         ]\n"
    );
    lvsd.reload(&definition(150, &changed))?;
    let wanted = [ROUTES[0], "blackhole 10.1.0.0/16 metric 7"];
    wait_until("the new routes", FAR, || Ok(routes(host)? == wanted && rules(host)?.is_empty()))?;
    // No way leads to that router.
    let status = lvsd.status()?;
    let instance = &status["vrrp_instances"][0];
    let trouble = instance["troubles"][0].as_str().unwrap_or_default();
    ensure!(instance["state"] == "master", "{status}");
    ensure!(trouble.starts_with("netif: add route 10.2.0.0/16 via 10.77.1.1: "), "{status}");
    host.exec("ip address add 10.77.1.2/24 dev eth0")?;
    wait_until("the refused route", FAR, || Ok(routes(host)?.len() == 3))?;
    let status = lvsd.status()?;
    ensure!(status["vrrp_instances"][0]["troubles"] == serde_json::json!([]), "{status}");
    Ok(())
}
