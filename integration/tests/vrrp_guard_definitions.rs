//! After a crash of the worker the next one goes on with what ran, whatever the files say.

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use integration::Lvsd;
use integration::addresses::VIP;
use integration::director::configuration;
use integration::router::{Definition, Pair};
use integration::wait::{FAR, wait_for, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const ADDRESS: IpAddr = IpAddr::V4(VIP);

/// More than one message between worker and guard.
fn definition(priority: u8) -> String {
    let filler = "# a line that says nothing\n".repeat(10_000);
    let mut one = Definition::new(priority, ADDRESS);
    // The guard bears nearly twice that without a sign of life, however slow the machine is.
    one.interval = Duration::from_secs(1);
    format!("{}{filler}", one.lvsd())
}

fn run(lvsd: &Lvsd, arguments: &str) -> Result<()> {
    let output = lvsd.lvsctl(arguments)?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "lvsctl {arguments}: {errors}");
    Ok(())
}

fn pid(status: &Value) -> Result<Pid> {
    let id = status.pointer("/daemon/pid").and_then(Value::as_i64).context("no process id")?;
    Ok(Pid::from_raw(i32::try_from(id)?))
}

/// Kills the worker and gives the status of the next one.
fn crash(lvsd: &Lvsd) -> Result<Value> {
    let old = pid(&lvsd.status()?)?;
    kill(old, Signal::SIGKILL)?;
    wait_for("another worker", FAR, || {
        // Its socket is gone for a moment.
        let Ok(status) = lvsd.status() else { return Ok(None) };
        Ok((pid(&status)? != old).then_some(status))
    })
}

fn priority(status: &Value) -> &Value {
    &status["vrrp_instances"][0]["priority"]
}

#[test]
fn a_broken_file_does_not_end_a_role() {
    let play = || -> Result<()> {
        let pair = Pair::new()?;
        let lvsd = Lvsd::start(&pair.hosts[0], &definition(150))?;
        pair.wait_held(0, ADDRESS, FAR)?;
        break_its_file(&lvsd).with_context(|| lvsd.log())
    };
    play().unwrap();
}

fn break_its_file(lvsd: &Lvsd) -> Result<()> {
    let own = configuration(lvsd.host());
    let text = fs::read_to_string(&own)?;
    fs::write(&own, format!("{text}\n[virtual_server.web]\nadress = \"x\"\n"))?;
    let status = crash(lvsd)?;
    ensure!(status["vrrp_instances"][0]["state"] == "master", "{status}");
    wait_until("the trouble with the file", FAR, || {
        let status = lvsd.status()?;
        let error = status["daemon"]["last_reload"]["error"].as_str().unwrap_or_default();
        Ok(error.contains("what ran before this worker goes on") && error.contains("adress"))
    })?;

    // A file that is right, but was not loaded by anybody's order, is not loaded either.
    fs::write(&own, text.replace("priority = 150", "priority = 120"))?;
    let status = crash(lvsd)?;
    ensure!(*priority(&status) == 150, "{status}");
    Ok(())
}

#[test]
fn a_trial_survives_a_crash_and_an_upgrade() {
    let play = || -> Result<()> {
        let pair = Pair::new()?;
        let mut lvsd = Lvsd::start(&pair.hosts[0], &definition(150))?;
        pair.wait_held(0, ADDRESS, FAR)?;
        let file = pair.hosts[0].folder().join("new.toml");
        let own = fs::read_to_string(configuration(&pair.hosts[0]))?;
        fs::write(&file, own.replace("priority = 150", "priority = 120"))?;
        let trial = Duration::from_secs(20);
        run(&lvsd, &format!("apply {} --confirm {}s", file.display(), trial.as_secs()))?;

        for end in ["a crash", "an upgrade"] {
            let status = if end == "a crash" {
                crash(&lvsd)?
            } else {
                run(&lvsd, "upgrade")?;
                lvsd.status()?
            };
            ensure!(*priority(&status) == 120, "after {end}: {status}");
            let definitions = &status["daemon"]["definitions"];
            let left = definitions["trial"]["seconds_left"].as_u64();
            let left = left.with_context(|| format!("after {end} no trial: {status}"))?;
            ensure!(left <= trial.as_secs(), "after {end}: {definitions}");
            ensure!(definitions["file"] == file.display().to_string(), "{definitions}");
        }
        lvsd.wait_log("rolled back, not confirmed in time", FAR)?;
        let status = lvsd.status()?;
        ensure!(*priority(&status) == 150, "{status}");
        Ok(())
    };
    play().unwrap();
}
