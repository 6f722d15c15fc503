//! Definitions and questions that several test files share.
#![allow(dead_code, reason = "each test binary uses its share")]

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use integration::addresses::{SERVICE, VIP};
use integration::wait::{FAR, wait_until};
use integration::{Cluster, Host, Load, Lvsd};
use serde_json::Value;

/// A check of every server in the table: quick, because the tests wait for its verdicts.
pub(crate) const HTTP_CHECK: &str = "interval = \"500ms\"\ntimeout = \"500ms\"\nrise = 2\nfall = 3\n\
                              http_get = { path = \"/healthz\" }\n";

/// `fall` x (`interval` + `timeout`) of [`HTTP_CHECK`].
pub(crate) const HTTP_CHECK_FALL: Duration = Duration::from_secs(3);

/// The weights that [`web`] gives to rs1, rs2 and rs3.
pub(crate) const WEIGHTS: [u32; 3] = [1, 3, 2];

/// The virtual server `web` on the cluster's VIP with its three real servers and this check.
pub(crate) fn web(check: &str) -> String {
    let mut toml = format!(
        "[ipvs]\nresync_interval = \"1s\"\n\n\
         [virtual_server.web]\naddress = \"{SERVICE}\"\nscheduler = \"wrr\"\n\n"
    );
    if !check.is_empty() {
        toml.push_str(&format!("[[virtual_server.web.checks]]\n{check}\n"));
    }
    for (server, weight) in integration::addresses::SERVERS.iter().zip(WEIGHTS) {
        toml.push_str(&format!(
            "[[virtual_server.web.real_servers]]\naddress = \"{server}:80\"\nweight = {weight}\n\n"
        ));
    }
    toml
}

/// A VRRP instance that holds the VIP, with further lines of its table.
pub(crate) fn vrrp(priority: u8, lines: &str) -> String {
    format!(
        "[vrrp_instance.VI_1]\ninterface = \"eth0\"\nvirtual_router_id = 51\n\
         priority = {priority}\nadvert_interval = \"1s\"\nvirtual_addresses = [\"{VIP}/24\"]\n{lines}\n"
    )
}

/// All three real servers in the kernel with their weights.
pub(crate) fn all_weights(cluster: &Cluster) -> BTreeMap<SocketAddrV4, u32> {
    cluster.servers.iter().map(integration::nginx::Server::address).zip(WEIGHTS).collect()
}

/// Waits until the table of `host` has exactly these weights for the VIP's service.
pub(crate) fn wait_weights(
    host: &Host,
    expected: &BTreeMap<SocketAddrV4, u32>,
    deadline: Duration,
) -> Result<Duration> {
    wait_until(&format!("weights {expected:?} on {}", host.name()), deadline, || {
        Ok(host.weights(SERVICE)?.as_ref() == Some(expected))
    })
}

/// Starts lvsd on lb1, whose VIP is fixed, and waits until all real servers are in.
pub(crate) fn fixed_director(cluster: &Cluster, toml: &str) -> Result<Lvsd> {
    cluster.lb1.exec(&format!("ip addr add {VIP}/32 dev eth0"))?;
    let lvsd = Lvsd::start(&cluster.lb1, toml)?;
    wait_weights(&cluster.lb1, &all_weights(cluster), FAR)?;
    Ok(lvsd)
}

/// Whether `host` holds the VIP.
pub(crate) fn holds_vip(host: &Host) -> Result<bool> {
    host.has_address(IpAddr::V4(VIP))
}

/// Waits until `host` holds the VIP, and tells how long that took since `from`.
pub(crate) fn wait_vip(host: &Host, from: Instant) -> Result<Duration> {
    wait_until(&format!("the VIP on {}", host.name()), FAR, || holds_vip(host))?;
    Ok(from.elapsed())
}

/// Waits until `master` holds the VIP and `backup` does not.
pub(crate) fn wait_settled(master: &Host, backup: &Host) -> Result<()> {
    let what = format!("the VIP on {} alone", master.name());
    wait_until(&what, FAR, || Ok(holds_vip(master)? && !holds_vip(backup)?))?;
    Ok(())
}

/// The status of the real server `address` of the virtual server `web`.
pub(crate) fn real_server(lvsd: &Lvsd, address: impl Into<SocketAddr>) -> Result<Value> {
    let (status, address) = (lvsd.status()?, address.into());
    let servers = status["virtual_servers"][0]["real_servers"].as_array().cloned();
    let found = servers
        .unwrap_or_default()
        .into_iter()
        .find(|server| server["address"] == address.to_string());
    found.with_context(|| format!("{address} in {status}"))
}

/// Lets so many more requests pass; none that started after `from` may have failed.
pub(crate) fn no_failure_since(load: &Load, from: Instant, count: usize) -> Result<()> {
    load.wait_requests(count, FAR)?;
    let report = load.so_far().since(from);
    ensure!(report.failures() == 0, "requests failed: {report}");
    Ok(())
}

/// Plays an event until it takes no longer than `bar`, three times at most: a machine that is busy
/// with something else may spoil one try, but a program that is too slow is so each time. Every
/// time is printed. Returns the moment at which the last one was over.
pub(crate) fn within(
    what: &str,
    bar: Duration,
    mut event: impl FnMut() -> Result<Duration>,
) -> Result<Instant> {
    let mut times = Vec::new();
    while times.len() < 3 {
        let took = event()?;
        println!("{what}: {took:?}, bar {bar:?}");
        times.push(took);
        if took <= bar {
            return Ok(Instant::now());
        }
    }
    anyhow::bail!("{what}: {times:?}, the bar is {bar:?}");
}

/// The lines of a log that tell of operations on the kernel's table: command, object, reason.
pub(crate) fn operations(log: &str) -> Vec<String> {
    let commands =
        ["NEW_SERVICE", "SET_SERVICE", "DEL_SERVICE", "NEW_DEST", "SET_DEST", "DEL_DEST"];
    log.lines()
        .filter_map(|line| {
            let start = commands.iter().find_map(|command| line.find(&format!("{command} ")))?;
            Some(line[start..].to_owned())
        })
        .collect()
}
