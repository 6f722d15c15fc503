//! The lab's own test: with a table made by `ipvsadm`, before anything of this project is in it.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, ensure};
use integration::addresses::{CLIENT, SERVICE, VIP};
use integration::kernel::require_ipvs;
use integration::namespace::Namespace;
use integration::wait::{FAR, wait_until};
use integration::{Cluster, Held, Load, Network, load};

/// A table for direct routing on `lb1`, which gets the virtual address too.
fn direct_routing(cluster: &Cluster) -> Result<()> {
    cluster.lb1.exec(&format!("ip addr add {VIP}/32 dev eth0"))?;
    cluster.lb1.exec(&format!("ipvsadm -A -t {SERVICE} -s rr"))?;
    for server in &cluster.servers {
        cluster.lb1.exec(&format!("ipvsadm -a -t {SERVICE} -r {} -g", server.address()))?;
    }
    Ok(())
}

#[test]
fn direct_routing_reaches_every_server_without_a_failure() {
    Cluster::run(|cluster| {
        direct_routing(cluster)?;
        let held = Held::open(&cluster.client, SERVICE, 6)?;
        let load = Load::start(&cluster.client, SERVICE, load::Options::default())?;
        load.wait_requests(120, FAR)?;
        let report = load.stop()?;
        println!("{report}");
        ensure!(report.failures() == 0, "{report}");
        ensure!(report.answers().keys().copied().eq(["rs1", "rs2", "rs3"]), "{report}");
        let held = held.close()?;
        ensure!(held.broken.is_empty() && held.opened == 6, "{held:?}");
        let weights = cluster.lb1.weights(SERVICE)?.unwrap_or_default();
        let expected = cluster.servers.each_ref().map(|server| (server.address(), 1));
        ensure!(weights == expected.into(), "{weights:?}");
        Ok(())
    });
}

#[test]
fn the_load_sees_a_dead_server_and_a_cut_cable() {
    Cluster::run(|cluster| {
        direct_routing(cluster)?;
        let load = Load::start(&cluster.client, SERVICE, load::Options::default())?;
        load.wait_requests(60, FAR)?;
        ensure!(load.so_far().failures() == 0, "{}", load.so_far());

        cluster.server("rs2")?.stop()?;
        load.wait_report("refused connections", FAR, |report| report.failures() >= 10)?;
        cluster.server("rs2")?.start()?;

        load.wait_requests(30, FAR)?;
        let before = Instant::now();
        cluster.network.unplug(&cluster.lb1)?;
        load.wait_report("an outage", FAR, |report| {
            report.since(before).requests().iter().filter(|one| one.outcome.is_err()).count() >= 10
        })?;
        cluster.network.plug(&cluster.lb1)?;
        let plugged = Instant::now();
        load.wait_report("service again", FAR, |report| {
            report.since(plugged).requests().iter().filter(|one| one.outcome.is_ok()).count() >= 30
        })?;
        let report = load.stop()?;
        println!("{report}");
        ensure!(report.outage() >= load::Options::default().deadline, "{report}");
        Ok(())
    });
}

#[test]
fn a_health_page_can_fail_while_the_server_serves() {
    Cluster::run(|cluster| {
        let server = cluster.server("rs1")?;
        let status = |path: &str| {
            let url = format!("http://{}{path}", server.address());
            server.host.exec(&format!("curl -s -o /dev/null -w %{{http_code}} {url}"))
        };
        ensure!(status("/healthz")? == "200");
        server.fail_health()?;
        ensure!(status("/healthz")? == "500" && status("/")? == "200");
        server.heal()?;
        ensure!(status("/healthz")? == "200");
        Ok(())
    });
}

#[test]
fn a_host_leaves_no_process_behind() -> Result<()> {
    require_ipvs()?;
    let network = Network::new()?;
    let [host] = network.add_hosts([("host", CLIENT)])?;
    let mut command = Command::new("bash");
    command.args(["-c", "sleep 1000 & sleep 1000 & wait"]);
    let script = host.spawn("script", command)?;
    let sleeping = || {
        let mut all = host.namespace().processes()?;
        all.retain(|(_, line)| line == "sleep 1000");
        Ok::<_, anyhow::Error>(all)
    };
    wait_until("the script's children", FAR, || Ok(sleeping()?.len() == 2))?;
    drop(script);
    let orphans = sleeping()?;
    ensure!(orphans.len() == 2, "{orphans:?}");
    drop(host);
    wait_until("the end of the orphans", FAR, || {
        Ok(!orphans.iter().any(|(id, _)| Path::new(&format!("/proc/{id}/cmdline")).exists()))
    })?;
    Ok(())
}

#[test]
fn what_a_killed_test_left_is_swept() -> Result<()> {
    require_ipvs()?;
    // The name of a process that cannot be: the greatest id is 4194304.
    let name = "lab4194305-0-lb1";
    let left = std::mem::ManuallyDrop::new(Namespace::new(name)?);
    let mut process = left.enter(|| Ok(Command::new("sleep").arg("1000").spawn()?))?;
    wait_until("the process inside", FAR, || Ok(left.processes()?.len() == 1))?;
    let _network = Network::new()?;
    ensure!(!Path::new("/run/netns").join(name).exists());
    ensure!(process.wait()?.signal() == Some(9));
    Ok(())
}
