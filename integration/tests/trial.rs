//! New definitions on trial, with the table and a VRRP instance.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddrV4;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use common::{HTTP_CHECK, all_weights, fixed_director, wait_weights, web};
use integration::director::configuration;
use integration::wait::{FAR, wait_until};
use integration::{Cluster, Lvsd};
use serde_json::Value;

/// The definitions of [`web`] with another weight of rs2.
fn other() -> String {
    web(HTTP_CHECK).replace("weight = 3", "weight = 9")
}

fn other_weights(cluster: &Cluster) -> BTreeMap<SocketAddrV4, u32> {
    let mut weights = all_weights(cluster);
    weights.insert(cluster.servers[1].address(), 9);
    weights
}

/// A file of the operator's, beside lvsd's own.
fn operators_file(cluster: &Cluster, toml: &str) -> Result<PathBuf> {
    let path = cluster.lb1.folder().join("new.toml");
    fs::write(&path, toml)?;
    Ok(path)
}

/// Runs lvsctl, which must end with this status, and returns what it printed everywhere.
fn lvsctl(lvsd: &Lvsd, arguments: &str, status: i32) -> Result<String> {
    let output = lvsd.lvsctl(arguments)?;
    ensure!(output.status.code() == Some(status), "lvsctl {arguments}: {output:?}");
    Ok(String::from_utf8([output.stdout, output.stderr].concat())?)
}

fn daemon(lvsd: &Lvsd) -> Result<Value> {
    Ok(lvsd.status()?["daemon"].clone())
}

fn ensure_contains(text: &str, words: &[&str]) -> Result<()> {
    for words in words {
        ensure!(text.contains(words), "`{words}` in:\n{text}");
    }
    Ok(())
}

#[test]
fn what_nobody_confirms_is_rolled_back() {
    Cluster::run(|cluster| {
        let mut lvsd = fixed_director(cluster, &web(HTTP_CHECK))?;
        let file = operators_file(cluster, &other())?;
        let file = file.display();
        let shown = lvsctl(&lvsd, &format!("apply {file} --confirm 8s"), 0)?;
        print!("{shown}");
        ensure_contains(&shown, &["weight 3 -> 9", "on trial until", "is not rewritten"])?;
        wait_weights(&cluster.lb1, &other_weights(cluster), FAR)?;
        let shown = lvsctl(&lvsd, "status", 0)?;
        ensure_contains(&shown, &["ON TRIAL until", "`lvsctl confirm` keeps it", "by root"])?;

        // lvsctl is long gone.
        wait_weights(&cluster.lb1, &all_weights(cluster), FAR)?;
        lvsd.wait_log("rolled back, not confirmed in time", FAR)?;
        let shown = lvsctl(&lvsd, "status", 0)?;
        ensure_contains(&shown, &["ROLLED BACK", "not confirmed in time"])?;
        let late = lvsctl(&lvsd, "confirm", 1)?;
        ensure_contains(&late, &["nothing is on trial any more"])
    });
}

#[test]
fn what_is_confirmed_stays() {
    Cluster::run(|cluster| {
        let lvsd = fixed_director(cluster, &web(HTTP_CHECK))?;
        // The usual way: the edited file is lvsd's own.
        let own = configuration(&cluster.lb1);
        fs::write(&own, fs::read_to_string(&own)?.replace("weight = 3", "weight = 9"))?;
        let document = lvsctl(&lvsd, &format!("apply {} --confirm 1h --json", own.display()), 0)?;
        let document: Value = serde_json::from_str(&document)?;
        ensure!(document["plan"]["operations"][0]["reason"] == "weight 3 -> 9", "{document:#}");
        ensure!(document["trial"]["seconds_left"].as_u64() > Some(3000), "{document:#}");
        let confirmed = lvsctl(&lvsd, "confirm", 0)?;
        ensure!(confirmed == format!("confirmed: {} is in force\n", own.display()), "{confirmed}");
        wait_weights(&cluster.lb1, &other_weights(cluster), FAR)?;
        ensure!(daemon(&lvsd)?["definitions"]["trial"].is_null());
        let again = lvsctl(&lvsd, "confirm", 1)?;
        ensure_contains(&again, &["nothing is on trial: "])?;

        // Without --socket, the file names the socket of the lvsd that is asked.
        let program = integration::paths::program("lvsctl")?;
        let plan = format!("env -u LVSD_SOCKET {} plan {}", program.display(), own.display());
        let plan = cluster.lb1.output(&plan)?;
        ensure!(plan.status.code() == Some(0) && plan.stderr.is_empty(), "{plan:?}");
        Ok(())
    });
}

#[test]
fn a_trial_and_reloads_applies_and_restarts() {
    Cluster::run(|cluster| {
        let mut lvsd = fixed_director(cluster, &web(HTTP_CHECK))?;
        let file = operators_file(cluster, &other())?;
        lvsctl(&lvsd, &format!("apply {} --confirm 1h", file.display()), 0)?;
        wait_weights(&cluster.lb1, &other_weights(cluster), FAR)?;

        // A reload is no confirmation.
        lvsd.reload(&web(HTTP_CHECK))?;
        lvsd.wait_log("reload: nothing changes: ", FAR)?;
        ensure!(
            cluster.lb1.weights(integration::addresses::SERVICE)? == Some(other_weights(cluster))
        );

        // A second trial; a rollback goes back before the first.
        fs::write(&file, other().replace("weight = 9", "weight = 11"))?;
        lvsctl(&lvsd, &format!("apply {} --confirm 1h", file.display()), 0)?;
        let mut third = all_weights(cluster);
        third.insert(cluster.servers[1].address(), 11);
        wait_weights(&cluster.lb1, &third, FAR)?;
        let shown = lvsctl(&lvsd, "rollback", 0)?;
        ensure_contains(&shown, &["rolled back: ", "lvsd.toml is in force"])?;
        wait_weights(&cluster.lb1, &all_weights(cluster), FAR)?;

        // A stop leaves the table; a start loads lvsd's own file.
        lvsctl(&lvsd, &format!("apply {} --confirm 1h", file.display()), 0)?;
        wait_weights(&cluster.lb1, &third, FAR)?;
        lvsd.stop()?;
        ensure!(cluster.lb1.weights(integration::addresses::SERVICE)? == Some(third));
        let lvsd = Lvsd::start_again(&cluster.lb1)?;
        wait_weights(&cluster.lb1, &all_weights(cluster), FAR)?;
        ensure!(daemon(&lvsd)?["definitions"]["by"] == "start");

        // Without --confirm it is for good.
        lvsctl(&lvsd, &format!("apply {}", file.display()), 0)?;
        let shown = lvsctl(&lvsd, "status", 0)?;
        ensure_contains(&shown, &["in force: ", "new.toml, applied ", " ago by root"])?;
        lvsctl(&lvsd, "confirm", 1)?;

        // What is wrong is refused with all its errors, and nothing changes.
        fs::write(&file, other().replace("scheduler =", "schedular ="))?;
        let refused = lvsctl(&lvsd, &format!("apply {} --confirm 1m", file.display()), 1)?;
        let checked = lvsctl(&lvsd, &format!("check {}", file.display()), 1)?;
        ensure!(refused == checked && refused.contains("schedular"), "{refused}");
        ensure!(daemon(&lvsd)?["definitions"]["trial"].is_null());
        Ok(())
    });
}

#[test]
fn virtual_addresses_are_on_trial_too() {
    const INSTANCE: &str = "[vrrp_instance.VI_1]\ninterface = \"eth0\"\nvirtual_router_id = 51\n\
                            priority = 255\nadvert_interval = \"100ms\"\n";
    let with = |address: &str| format!("{INSTANCE}virtual_addresses = [\"{address}/24\"]\n");
    Cluster::run(|cluster| {
        let (before, after) = ("10.77.0.110", "10.77.0.111");
        let lvsd = Lvsd::start(&cluster.lb1, &with(before))?;
        let holds = |address: &str| -> Result<()> {
            let (here, gone) = if address == before { (before, after) } else { (after, before) };
            let address = |text: &str| text.parse().context("an address");
            let (here, gone) = (address(here)?, address(gone)?);
            wait_until(&format!("{here} and not {gone}"), FAR, || {
                Ok(cluster.lb1.has_address(here)? && !cluster.lb1.has_address(gone)?)
            })?;
            Ok(())
        };
        holds(before)?;
        let file = operators_file(cluster, &with(after))?;
        let shown = lvsctl(&lvsd, &format!("apply {} --confirm 5s", file.display()), 0)?;
        let words = format!("{before}/24 dev eth0 -> {after}/24 dev eth0");
        ensure_contains(&shown, &["~ vrrp_instance VI_1", &words])?;
        holds(after)?;
        holds(before)
    });
}

#[test]
fn only_root_may_apply() {
    Cluster::run(|cluster| {
        let lvsd = fixed_director(cluster, &web(HTTP_CHECK))?;
        let file = operators_file(cluster, &other())?;
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
        for arguments in [&format!("apply {}", file.display()), "confirm", "rollback"] {
            let output = as_nobody(arguments)?;
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            ensure!(output.status.code() == Some(1) && errors.contains("only root"), "{output:?}");
        }
        // Whoever may look may ask what would change.
        let plan = as_nobody(&format!("plan {}", file.display()))?;
        ensure!(plan.status.code() == Some(2), "{plan:?}");
        ensure!(daemon(&lvsd)?["definitions"]["by"] == "start");
        Ok(())
    });
}
