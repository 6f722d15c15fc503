//! A pair of directors whose VIP moves, under load.

mod common;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use common::{
    HTTP_CHECK, all_weights, holds_vip, vrrp, wait_settled, wait_vip, wait_weights, web, within,
};
use integration::addresses::{DIRECTORS, SERVICE, VIP};
use integration::wait::{FAR, wait_until};
use integration::{Cluster, Load, Lvsd, load};

/// Three intervals of 1 s, the skew of priority 100, (256 - 100) / 256 s, and 100 ms.
const LOST_MASTER: Duration = Duration::from_millis(3000 + 610 + 100);

/// lb1 is master with priority 150, lb2 backup with 100; both have all real servers.
fn pair(cluster: &Cluster) -> Result<(Lvsd, Lvsd)> {
    let lb2 = Lvsd::start(&cluster.lb2, &format!("{}{}", web(HTTP_CHECK), vrrp(100, "")))?;
    let lb1 = Lvsd::start(&cluster.lb1, &format!("{}{}", web(HTTP_CHECK), vrrp(150, "")))?;
    wait_weights(&cluster.lb1, &all_weights(cluster), FAR)?;
    wait_weights(&cluster.lb2, &all_weights(cluster), FAR)?;
    Ok((lb1, lb2))
}

/// Starts lvsd on lb1 again, and waits until it has taken over.
fn return_to_lb1(cluster: &Cluster) -> Result<Lvsd> {
    let lb1 = Lvsd::start_again(&cluster.lb1)?;
    wait_settled(&cluster.lb1, &cluster.lb2)?;
    Ok(lb1)
}

fn state(lvsd: &Lvsd) -> Result<(String, u64)> {
    let status = lvsd.status()?;
    let instance = &status["vrrp_instances"][0];
    let state = instance["state"].as_str().unwrap_or_default().to_owned();
    Ok((state, instance["since"]["seconds_ago"].as_u64().unwrap_or_default()))
}

#[test]
fn a_stopped_director_hands_over_within_a_second() {
    Cluster::run(|cluster| {
        let (lb1, lb2) = pair(cluster)?;
        wait_settled(&cluster.lb1, &cluster.lb2)?;
        let load = Load::start(&cluster.client, SERVICE, load::Options::default())?;
        load.wait_requests(60, FAR)?;

        let mut lb1 = Some(lb1);
        within("SIGTERM to the VIP on lb2", Duration::from_secs(1), || {
            let running = match lb1.take() {
                Some(running) => running,
                None => return_to_lb1(cluster)?,
            };
            let stopping = Instant::now();
            running.stop()?;
            wait_vip(&cluster.lb2, stopping)
        })?;
        ensure!(!holds_vip(&cluster.lb1)?, "lb1 has withdrawn the VIP");
        let moved = Instant::now();
        load.wait_requests(60, FAR)?;
        let report = load.stop()?;
        println!("{report}");
        ensure!(report.since(moved).failures() == 0, "{report}");
        ensure!(state(&lb2)?.0 == "master");
        let status = lb2.status()?;
        ensure!(status["vrrp_instances"][0]["master_address"] == DIRECTORS[1].to_string());
        // A stop leaves the kernel's table.
        ensure!(cluster.lb1.weights(SERVICE)? == Some(all_weights(cluster)));
        Ok(())
    });
}

#[test]
fn a_killed_director_is_replaced_after_three_intervals() {
    Cluster::run(|cluster| {
        let (lb1, _lb2) = pair(cluster)?;
        wait_settled(&cluster.lb1, &cluster.lb2)?;
        let load = Load::start(&cluster.client, SERVICE, load::Options::default())?;
        load.wait_requests(60, FAR)?;

        let mut lb1 = Some(lb1);
        within("SIGKILL to the VIP on lb2", LOST_MASTER, || {
            let running = match lb1.take() {
                Some(running) => running,
                None => return_to_lb1(cluster)?,
            };
            let killing = Instant::now();
            running.kill()?;
            cluster.lb1.exec(&format!("ip addr del {VIP}/24 dev eth0"))?;
            wait_vip(&cluster.lb2, killing)
        })?;
        let moved = Instant::now();
        load.wait_requests(60, FAR)?;
        let report = load.stop()?;
        println!("{report}");
        ensure!(report.since(moved).failures() == 0, "{report}");

        // The better director comes back and takes over again.
        return_to_lb1(cluster).map(drop)
    });
}

#[test]
fn a_cut_link_moves_the_vip_and_its_return_moves_it_back() {
    Cluster::run(|cluster| {
        let (lb1, _lb2) = pair(cluster)?;
        wait_settled(&cluster.lb1, &cluster.lb2)?;
        let load = Load::start(&cluster.client, SERVICE, load::Options::default())?;
        load.wait_requests(60, FAR)?;

        within("cut link to the VIP on lb2", LOST_MASTER, || {
            if !holds_vip(&cluster.lb1)? {
                cluster.network.plug(&cluster.lb1)?;
                wait_settled(&cluster.lb1, &cluster.lb2)?;
            }
            let cutting = Instant::now();
            cluster.network.unplug(&cluster.lb1)?;
            wait_vip(&cluster.lb2, cutting)
        })?;
        wait_until("lb1 without the VIP", FAR, || Ok(!holds_vip(&cluster.lb1)?))?;
        ensure!(state(&lb1)?.0 == "fault", "{:?}", state(&lb1)?);
        let moved = Instant::now();
        load.wait_requests(60, FAR)?;
        ensure!(load.so_far().since(moved).failures() == 0, "{}", load.so_far());

        cluster.network.plug(&cluster.lb1)?;
        wait_settled(&cluster.lb1, &cluster.lb2)?;
        println!("{}", load.stop()?);
        Ok(())
    });
}

#[test]
fn without_preemption_the_better_director_stays_backup() {
    Cluster::run(|cluster| {
        let toml = |priority, lines| format!("{}{}", web(HTTP_CHECK), vrrp(priority, lines));
        let _lb2 = Lvsd::start(&cluster.lb2, &toml(100, ""))?;
        wait_settled(&cluster.lb2, &cluster.lb1)?;
        // lb2 was there first, and lb1 leaves it the VIP.
        let lb1 = Lvsd::start(&cluster.lb1, &toml(150, "preempt = false"))?;
        wait_until("lb1 backup for longer than the master could be silent", FAR, || {
            let (state, seconds) = state(&lb1)?;
            ensure!(state == "backup" || state == "initialize", "lb1 is {state}");
            Ok(seconds > LOST_MASTER.as_secs() + 1)
        })?;
        ensure!(holds_vip(&cluster.lb2)? && !holds_vip(&cluster.lb1)?);

        // It does take over from a dead one.
        cluster.network.unplug(&cluster.lb2)?;
        wait_settled(&cluster.lb1, &cluster.lb2)?;
        Ok(())
    });
}

/// After a time in which both claimed it the higher address wins.
#[test]
fn at_equal_priorities_the_first_stays() {
    Cluster::run(|cluster| {
        let toml = format!("{}{}", web(""), vrrp(100, ""));
        for round in 0..3 {
            let hosts = if round % 2 == 0 {
                [&cluster.lb1, &cluster.lb2]
            } else {
                [&cluster.lb2, &cluster.lb1]
            };
            let first = Lvsd::start(hosts[0], &toml)?;
            wait_settled(hosts[0], hosts[1])?;
            let second = Lvsd::start(hosts[1], &toml)?;
            wait_settled(hosts[0], hosts[1])?;

            // Both claim it while they cannot hear each other.
            cluster.network.isolate(&cluster.lb1)?;
            wait_until("two masters", FAR, || {
                Ok(holds_vip(&cluster.lb1)? && holds_vip(&cluster.lb2)?)
            })?;
            cluster.network.join(&cluster.lb1)?;
            wait_settled(&cluster.lb2, &cluster.lb1)?;
            first.stop()?;
            second.stop()?;
            ensure!(!holds_vip(&cluster.lb1)? && !holds_vip(&cluster.lb2)?);
        }
        Ok(())
    });
}
