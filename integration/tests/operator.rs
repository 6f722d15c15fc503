//! What the operator asks with lvsctl, under load.

mod common;

use std::fs;
use std::time::Instant;

use anyhow::{Result, ensure};
use common::{
    HTTP_CHECK, all_weights, fixed_director, no_failure_since, real_server, wait_weights, web,
};
use integration::addresses::SERVICE;
use integration::wait::{FAR, wait_until};
use integration::{Cluster, Held, Load, Lvsd, load};

/// Runs lvsctl, which must succeed, and returns what it printed.
fn lvsctl(lvsd: &Lvsd, arguments: &str) -> Result<String> {
    let output = lvsd.lvsctl(arguments)?;
    ensure!(output.status.success(), "lvsctl {arguments}: {output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn a_drain_waits_for_open_connections_and_survives_a_restart() {
    Cluster::run(|cluster| {
        let lvsd = fixed_director(cluster, &web(HTTP_CHECK))?;
        let rs2 = cluster.servers[1].address();
        let held = Held::open(&cluster.client, SERVICE, 12)?;
        let load = Load::start(&cluster.client, SERVICE, load::Options::default())?;
        load.wait_requests(30, FAR)?;

        let shown = lvsctl(&lvsd, &format!("drain {} --reason new-kernel", rs2.ip()))?;
        ensure!(shown == format!("web {rs2}: draining\n"), "{shown}");
        let mut drained = all_weights(cluster);
        drained.insert(rs2, 0);
        wait_weights(&cluster.lb1, &drained, FAR)?;
        let why = real_server(&lvsd, rs2)?["why"].to_string();
        ensure!(why.contains("drained by root: new-kernel"), "{why}");

        lvsd.stop()?;
        let lvsd = Lvsd::start_again(&cluster.lb1)?;
        let begun = Instant::now();
        no_failure_since(&load, begun, 60)?;
        let report = load.so_far().since(begun);
        ensure!(!report.answers().contains_key("rs2"), "a drained server gets nothing: {report}");
        ensure!(cluster.lb1.weights(SERVICE)? == Some(drained.clone()), "it waits");

        // The held connections end; the server leaves, and none of them was broken.
        let held = held.close()?;
        ensure!(held.broken.is_empty(), "{held:?}");
        let mut without = drained;
        without.remove(&rs2);
        wait_weights(&cluster.lb1, &without, FAR)?;
        let why = real_server(&lvsd, rs2)?["why"].to_string();
        ensure!(why.contains("no connections left"), "{why}");

        let shown = lvsctl(&lvsd, &format!("enable {}", rs2.ip()))?;
        ensure!(shown == format!("web {rs2}: enabled\n"), "{shown}");
        wait_weights(&cluster.lb1, &all_weights(cluster), FAR)?;
        Ok(())
    });
}

/// lvsctl says that the server is still held, and how that ends.
fn not_enabled(lvsd: &Lvsd, arguments: &str, words: &str) -> Result<()> {
    let output = lvsd.lvsctl(arguments)?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let says = errors.contains("not enabled") && errors.contains(words);
    ensure!(output.status.code() == Some(1) && says, "lvsctl {arguments}: {output:?}");
    Ok(())
}

#[test]
fn whoever_takes_out_all_or_takes_back_too_little_hears_of_it() {
    Cluster::run(|cluster| {
        let lvsd = fixed_director(cluster, &web(HTTP_CHECK))?;
        let [rs1, rs2, rs3] = cluster.servers.each_ref().map(integration::nginx::Server::address);
        for server in [rs1, rs2] {
            let shown = lvsctl(&lvsd, &format!("drain {}", server.ip()))?;
            ensure!(shown == format!("web {server}: draining\n"), "{shown}");
        }
        let shown = lvsctl(&lvsd, &format!("disable {rs3}"))?;
        ensure!(shown.contains("nobody takes new connections"), "{shown}");
        lvsctl(&lvsd, &format!("enable {rs3}"))?;
        let words = format!("`lvsctl enable {}` takes it back", rs1.ip());
        not_enabled(&lvsd, &format!("enable {rs1} --service web"), &words)?;
        lvsctl(&lvsd, &format!("enable {}", rs1.ip()))?;
        lvsctl(&lvsd, &format!("enable {}", rs2.ip()))?;
        wait_weights(&cluster.lb1, &all_weights(cluster), FAR)?;
        Ok(())
    });
}

#[test]
fn a_removed_server_drains_and_a_reload_cuts_no_connection() {
    Cluster::run(|cluster| {
        let mut lvsd = fixed_director(cluster, &web(HTTP_CHECK))?;
        let rs3 = cluster.servers[2].address();
        let held = Held::open(&cluster.client, SERVICE, 12)?;
        let toml = web(HTTP_CHECK);
        let last = toml.rfind("[[virtual_server.web.real_servers]]").unwrap_or(toml.len());
        lvsd.reload(&toml[..last])?;
        let mut drained = all_weights(cluster);
        drained.insert(rs3, 0);
        wait_weights(&cluster.lb1, &drained, FAR)?;
        lvsd.wait_log("no longer defined", FAR)?;
        let held = held.close()?;
        ensure!(held.broken.is_empty() && held.opened == 12, "{held:?}");
        drained.remove(&rs3);
        wait_weights(&cluster.lb1, &drained, FAR)?;
        Ok(())
    });
}

/// It goes on after a restart, though no file defines anything then.
#[test]
fn a_removed_virtual_server_drains_too() {
    Cluster::run(|cluster| {
        let lvsd = fixed_director(cluster, &web(HTTP_CHECK))?;
        let held = Held::open(&cluster.client, SERVICE, 12)?;
        lvsd.reload("# no virtual server\n")?;
        let drained = all_weights(cluster).into_keys().map(|server| (server, 0)).collect();
        wait_weights(&cluster.lb1, &drained, FAR)?;

        lvsd.stop()?;
        let mut lvsd = Lvsd::start_again(&cluster.lb1)?;
        lvsd.wait_log("adopted the standing table", FAR)?;
        ensure!(cluster.lb1.weights(SERVICE)? == Some(drained), "it waits");
        let held = held.close()?;
        ensure!(held.broken.is_empty() && held.opened == 12, "{held:?}");
        wait_until("the end of the service", FAR, || Ok(cluster.lb1.weights(SERVICE)?.is_none()))?;
        Ok(())
    });
}

#[test]
fn other_weights_disabling_and_the_maintenance_directory() {
    Cluster::run(|cluster| {
        let directory = cluster.lb1.folder().join("maintenance");
        fs::create_dir(&directory)?;
        let global = format!("[global]\nmaintenance_dir = \"{}\"\n\n", directory.display());
        let lvsd = fixed_director(cluster, &format!("{global}{}", web(HTTP_CHECK)))?;
        let [rs1, rs2, rs3] = cluster.servers.each_ref().map(integration::nginx::Server::address);

        lvsctl(&lvsd, &format!("weight {rs1} 7 --for 2s"))?;
        let mut weights = all_weights(cluster);
        weights.insert(rs1, 7);
        wait_weights(&cluster.lb1, &weights, FAR)?;
        wait_weights(&cluster.lb1, &all_weights(cluster), FAR)?;

        lvsctl(&lvsd, &format!("disable {rs2} --service web"))?;
        let mut without = all_weights(cluster);
        without.remove(&rs2);
        wait_weights(&cluster.lb1, &without, FAR)?;
        let shown = lvsctl(&lvsd, &format!("explain {}", rs2.ip()))?;
        print!("{shown}");
        for words in [
            "out of service",
            "disabled by root",
            "no weight; in the table it would have 3 = configured 3",
            "passed",
        ] {
            ensure!(shown.contains(words), "{words} in:\n{shown}");
        }
        lvsctl(&lvsd, &format!("enable {rs2}"))?;
        wait_weights(&cluster.lb1, &all_weights(cluster), FAR)?;

        let file = directory.join(rs3.ip().to_string());
        fs::write(&file, "")?;
        let mut without = all_weights(cluster);
        without.remove(&rs3);
        wait_weights(&cluster.lb1, &without, FAR)?;
        // A weight does not bring it back, and nobody is told that it were enabled.
        let shown = lvsctl(&lvsd, &format!("weight {rs3} 5"))?;
        let note = format!("note: web {rs3}: drained by the file {} in the maint", rs3.ip());
        ensure!(shown.contains(&note), "{shown}");
        ensure!(cluster.lb1.weights(SERVICE)? == Some(without));
        not_enabled(&lvsd, &format!("enable {rs3}"), "it ends when the file is removed")?;
        fs::remove_file(&file)?;
        wait_weights(&cluster.lb1, &all_weights(cluster), FAR)?;

        for (arguments, words) in [
            ("drain 192.0.2.77", "no virtual server has a real server 192.0.2.77"),
            ("drain rs1", "`rs1` names no real server"),
            ("explain nothing", "neither the address of a real server nor the name"),
        ] {
            let output = lvsd.lvsctl(arguments)?;
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            ensure!(output.status.code() == Some(1) && errors.contains(words), "{errors}");
        }
        Ok(())
    });
}

/// The socket's group may look, root alone may change.
#[test]
fn only_root_may_change() {
    Cluster::run(|cluster| {
        let lvsd = fixed_director(cluster, &web(HTTP_CHECK))?;
        let socket = integration::director::socket(&cluster.lb1);
        let program = integration::paths::program("lvsctl")?;
        cluster.lb1.exec(&format!("chgrp nogroup {}", socket.display()))?;
        let as_nobody = |arguments: &str| {
            cluster.lb1.output(&format!(
                "setpriv --reuid=65534 --regid=65534 --clear-groups {} --socket {} {arguments}",
                program.display(),
                socket.display()
            ))
        };
        let status = as_nobody("status")?;
        ensure!(status.status.success(), "{status:?}");
        let drain = as_nobody(&format!("drain {}", cluster.servers[0].address()))?;
        let errors = String::from_utf8_lossy(&drain.stderr).into_owned();
        ensure!(drain.status.code() == Some(1) && errors.contains("only root"), "{drain:?}");
        wait_until("nothing has changed", FAR, || {
            Ok(cluster.lb1.weights(SERVICE)? == Some(all_weights(cluster)))
        })?;
        lvsd.stop()?;
        Ok(())
    });
}
