//! Real servers that fail and come back, under load.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddrV4;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use anyhow::{Result, ensure};
use common::{
    HTTP_CHECK, HTTP_CHECK_FALL, all_weights, fixed_director, no_failure_since, real_server,
    wait_weights, web, within,
};
use integration::addresses::{SERVICE, VIP};
use integration::wait::{FAR, wait_for, wait_until};
use integration::{Cluster, Load, Lvsd, load};

#[test]
fn a_stopped_server_leaves_in_time_and_comes_back_with_its_weight() {
    Cluster::run(|cluster| {
        let mut lvsd = fixed_director(cluster, &web(HTTP_CHECK))?;
        let load = Load::start(&cluster.client, SERVICE, load::Options::default())?;
        load.wait_requests(60, FAR)?;
        let rs2 = cluster.servers[1].address();
        let mut without = all_weights(cluster);
        without.remove(&rs2);

        let out = within("out of the table", HTTP_CHECK_FALL, || {
            if !cluster.server("rs2")?.is_running()? {
                cluster.server("rs2")?.start()?;
                wait_weights(&cluster.lb1, &all_weights(cluster), FAR)?;
            }
            let stopping = Instant::now();
            cluster.server("rs2")?.stop()?;
            wait_weights(&cluster.lb1, &without, FAR)?;
            Ok(stopping.elapsed())
        })?;
        no_failure_since(&load, out, 120)?;
        let why = real_server(&lvsd, rs2)?["why"].to_string();
        ensure!(why.contains("connection refused") && why.contains("3 failures"), "{why}");
        lvsd.wait_log(&format!("DEL_DEST tcp {VIP}:80 -> {rs2}: http_get"), FAR)?;

        let starting = Instant::now();
        cluster.server("rs2")?.start()?;
        wait_weights(&cluster.lb1, &all_weights(cluster), FAR)?;
        println!("in the table again after {:?}", starting.elapsed());
        let back = Instant::now();
        no_failure_since(&load, out, 120)?;
        let report = load.stop()?.since(back);
        println!("{report}");
        ensure!(report.answers().contains_key("rs2"), "rs2 answers again: {report}");
        let server = real_server(&lvsd, rs2)?;
        ensure!(server["state"] == "up" && server["kernel_weight"] == 3, "{server}");
        Ok(())
    });
}

#[test]
fn status_500_is_down_for_http_get_and_up_for_tcp_check() {
    Cluster::run(|cluster| {
        let rs1 = cluster.servers[0].address();
        let second = format!(
            "[virtual_server.tcp]\naddress = \"10.77.0.101:80\"\n\
             [[virtual_server.tcp.checks]]\ninterval = \"500ms\"\ntimeout = \"500ms\"\n\
             tcp_check = {{}}\n\
             [[virtual_server.tcp.real_servers]]\naddress = \"{rs1}\"\n"
        );
        let lvsd = fixed_director(cluster, &format!("{}{second}", web(HTTP_CHECK)))?;
        let tcp = SocketAddrV4::new([10, 77, 0, 101].into(), 80);
        wait_until("rs1 in by tcp_check", FAR, || {
            Ok(cluster.lb1.weights(tcp)?.is_some_and(|weights| weights.contains_key(&rs1)))
        })?;

        let load = Load::start(&cluster.client, SERVICE, load::Options::default())?;
        cluster.server("rs1")?.fail_health()?;
        let mut without = all_weights(cluster);
        without.remove(&rs1);
        wait_weights(&cluster.lb1, &without, FAR)?;
        let out = Instant::now();
        let why = real_server(&lvsd, rs1)?["why"].to_string();
        ensure!(why.contains("status 500"), "{why}");
        // The TCP check has had as many chances to fail as the other one.
        no_failure_since(&load, out, 120)?;
        let weights = cluster.lb1.weights(tcp)?.unwrap_or_default();
        ensure!(weights == [(rs1, 1)].into(), "{weights:?}");

        cluster.server("rs1")?.heal()?;
        wait_weights(&cluster.lb1, &all_weights(cluster), FAR)?;
        let back = Instant::now();
        no_failure_since(&load, back, 60)?;
        println!("{}", load.stop()?);
        Ok(())
    });
}

/// The script hangs with children; a mark in its command line finds them all.
#[test]
fn a_hanging_script_is_killed_with_its_children() {
    Cluster::run(|cluster| {
        let folder = cluster.lb1.folder().to_owned();
        let script = folder.join("check");
        let hang = folder.join("hang");
        fs::write(
            &script,
            format!(
                "#!/bin/bash\n[ -e {} ] || exit 0\nsleep 4242 &\n(trap '' TERM; sleep 4242) &\n\
                 sleep 4242\n",
                hang.display()
            ),
        )?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        let check = format!(
            "interval = \"1s\"\ntimeout = \"1s\"\nrise = 1\nfall = 2\n\
             misc_check = {{ command = [\"{}\"] }}\n",
            script.display()
        );
        let lvsd = fixed_director(cluster, &web(&check))?;
        let load = Load::start(&cluster.client, SERVICE, load::Options::default())?;
        let hanging = || -> Result<usize> {
            let processes = cluster.lb1.namespace().processes()?;
            Ok(processes.iter().filter(|(_, line)| line.contains("sleep 4242")).count())
        };

        fs::write(&hang, "")?;
        wait_until("a hanging script", FAR, || Ok(hanging()? > 0))?;
        // The service does not lose its last server; which one that is, chance decides.
        wait_until("one server left", FAR, || {
            Ok(cluster.lb1.weights(SERVICE)?.is_some_and(|weights| weights.len() == 1))
        })?;
        for server in &cluster.servers {
            // The one that is left may have failed once less so far.
            let status = wait_for("the verdict on each server", FAR, || {
                let status = real_server(&lvsd, server.address())?;
                Ok((status["state"] == "down").then_some(status))
            })?;
            let why = status["why"].to_string();
            ensure!(why.contains("misc_check") && why.contains("timed out after 1s"), "{why}");
        }

        fs::remove_file(&hang)?;
        wait_weights(&cluster.lb1, &all_weights(cluster), FAR)?;
        let up = Instant::now();
        wait_until("no script left", FAR, || Ok(hanging()? == 0))?;
        no_failure_since(&load, up, 60)?;
        Ok(())
    });
}

/// When the last real server has failed the sorry server answers, and the service is never empty
/// on the way there and back.
#[test]
fn a_sorry_server_takes_over_without_a_gap() {
    Cluster::run(|cluster| {
        let [rs1, rs2, rs3] = cluster.servers.each_ref().map(integration::nginx::Server::address);
        let toml = format!(
            "[virtual_server.web]\naddress = \"{SERVICE}\"\nscheduler = \"rr\"\n\
             sorry_servers = [\"{rs3}\"]\n\n\
             [[virtual_server.web.checks]]\n{HTTP_CHECK}\n\
             [[virtual_server.web.real_servers]]\naddress = \"{rs1}\"\n\
             [[virtual_server.web.real_servers]]\naddress = \"{rs2}\"\n"
        );
        cluster.lb1.exec(&format!("ip addr add {VIP}/32 dev eth0"))?;
        let mut lvsd = Lvsd::start(&cluster.lb1, &toml)?;
        let real = [(rs1, 1), (rs2, 1)].into();
        wait_weights(&cluster.lb1, &real, FAR)?;
        let load = Load::start(&cluster.client, SERVICE, load::Options::default())?;
        for server in &cluster.servers[..2] {
            server.fail_health()?;
        }
        let never_empty = |expected: &BTreeMap<SocketAddrV4, u32>| {
            wait_until(&format!("{expected:?}"), FAR, || {
                let weights = cluster.lb1.weights(SERVICE)?.unwrap_or_default();
                ensure!(!weights.is_empty(), "the service was empty");
                Ok(weights == *expected)
            })
        };
        never_empty(&[(rs3, 1)].into())?;
        lvsd.wait_log("virtual server web: quorum lost, live weight 0 of 1", FAR)?;
        let shown = String::from_utf8_lossy(&lvsd.lvsctl("status")?.stdout).into_owned();
        ensure!(shown.contains("QUORUM LOST"), "{shown}");
        let sorry = Instant::now();
        no_failure_since(&load, sorry, 60)?;
        ensure!(load.so_far().since(sorry).answers().keys().eq(["rs3"].iter()), "the sorry server");

        for server in &cluster.servers[..2] {
            server.heal()?;
        }
        never_empty(&real)?;
        let back = Instant::now();
        no_failure_since(&load, back, 60)?;
        println!("{}", load.stop()?);
        Ok(())
    });
}
