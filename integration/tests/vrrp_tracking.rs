//! What a director tracks moves its priority, a group moves together, and scripts and a pipe hear
//! of it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use integration::Lvsd;
use integration::addresses::VIP;
use integration::router::{Definition, Pair};
use integration::wait::{FAR, wait_for, wait_until};
use serde_json::Value;

const ADDRESS: IpAddr = IpAddr::V4(VIP);

fn definition(priority: u8, lines: &str) -> String {
    Definition { lvsd_lines: lines.to_owned(), ..Definition::new(priority, ADDRESS) }.lvsd()
}

/// Longer than a master may be silent at the interval of the definitions.
const CALM: Duration = Duration::from_millis(600);

fn instance(lvsd: &Lvsd, index: usize) -> Result<Value> {
    let status = lvsd.status()?;
    Ok(status["vrrp_instances"][index].clone())
}

/// The lines of a pipe as they come. A thread waits for them, and goes with the test.
fn lines(path: &Path) -> Result<Receiver<String>> {
    let pipe = fs::OpenOptions::new().read(true).write(true).open(path);
    let pipe = pipe.with_context(|| format!("opening {}", path.display()))?;
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

fn expect_lines(receiver: &Receiver<String>, expected: &[&str]) -> Result<()> {
    for expected in expected {
        let line = receiver.recv_timeout(FAR).with_context(|| format!("no line {expected}"))?;
        ensure!(line == *expected, "{line} instead of {expected}");
    }
    Ok(())
}

#[test]
fn a_script_takes_the_address_away_and_brings_it_back() -> Result<()> {
    let pair = Pair::new()?;
    let [first, second] = &pair.hosts;
    let well = first.folder().join("well");
    let (pipe, told) = (first.folder().join("pipe"), first.folder().join("told"));
    fs::write(&well, "")?;
    let text = format!(
        "[global]\nnotify_fifo = {pipe:?}\n\
         [track_script.app]\ncommand = [\"/usr/bin/test\", \"-e\", {well:?}]\n\
         interval = \"50ms\"\nweight = -60\n{}",
        definition(
            150,
            &format!(
                "track = {{ scripts = [\"app\"] }}\n[vrrp_instance.VI_1.notify]\n\
                 any = {{ command = [\"/bin/sh\", \"-c\", 'echo \"$@\" >> {}', \"sh\"], \
                 user = \"root\" }}\n",
                told.display()
            )
        )
    );
    let lvsd = Lvsd::start(first, &text)?;
    let heard = lines(&pipe)?;
    let _other = Lvsd::start(second, &definition(100, ""))?;
    pair.wait_master(0, ADDRESS, CALM, FAR).context("the better one is master")?;

    fs::remove_file(&well)?;
    pair.wait_master(1, ADDRESS, CALM, FAR).context("the app is dead")?;
    let status = instance(&lvsd, 0)?;
    ensure!(status["priority"] == 90, "{status}");
    let arithmetic = "90 = 150 - 60 (script app: exit status 1)";
    ensure!(status["priority_arithmetic"] == arithmetic, "{status}");
    let output = lvsd.lvsctl("status")?;
    let output = String::from_utf8_lossy(&output.stdout);
    ensure!(output.contains(&format!("VI_1: priority {arithmetic}")), "{output}");

    fs::write(&well, "")?;
    pair.wait_master(0, ADDRESS, CALM, FAR).context("the app is back")?;
    lvsd.stop()?;
    let expected = [
        "INSTANCE \"VI_1\" BACKUP 150",
        "INSTANCE \"VI_1\" MASTER 150",
        "INSTANCE \"VI_1\" BACKUP 90",
        "INSTANCE \"VI_1\" MASTER 150",
        "INSTANCE \"VI_1\" STOP 150",
    ];
    expect_lines(&heard, &expected)?;
    // The stop has waited for its script.
    let told = fs::read_to_string(&told)?;
    let expected: Vec<_> = expected.iter().map(|line| line.replace('"', "")).collect();
    ensure!(told.lines().eq(expected.iter().map(String::as_str)), "{told}");
    Ok(())
}

/// Without a weight its failure is a fault, from the start on; and a script that hangs is a
/// failed one.
#[test]
fn a_script_without_weight_is_a_condition() -> Result<()> {
    let pair = Pair::new()?;
    let [first, second] = &pair.hosts;
    let slow = first.folder().join("slow");
    let text = format!(
        "[track_script.app]\ncommand = [\"/bin/sh\", \"-c\", '[ ! -e {} ] || sleep 1000']\n\
         interval = \"200ms\"\n{}",
        slow.display(),
        definition(150, "track.scripts = [\"app\"]")
    );
    fs::write(&slow, "")?;
    let lvsd = Lvsd::start(first, &text)?;
    let _other = Lvsd::start(second, &definition(100, ""))?;
    pair.wait_master(1, ADDRESS, CALM, FAR).context("the script hangs")?;
    let status = instance(&lvsd, 0)?;
    ensure!(status["state"] == "fault", "{status}");
    let why = status["why"].as_str().unwrap_or_default();
    ensure!(why.starts_with("script app: timed out after 200ms"), "{status}");
    fs::remove_file(&slow)?;
    pair.wait_master(0, ADDRESS, CALM, FAR).context("the script is done").map(drop)
}

#[test]
fn a_file_and_a_process_change_the_priority() -> Result<()> {
    let pair = Pair::new()?;
    let [first, second] = &pair.hosts;
    let number = first.folder().join("number");
    let text = format!(
        "[track_file.load]\npath = {number:?}\ninterval = \"50ms\"\nweight = -10\n\
         [track_process.sleep]\nprocess = \"sleep\"\narguments = [\"{seconds}\"]\n\
         interval = \"50ms\"\nweight = 100\n{}",
        definition(150, "track = { files = [\"load\"], processes = [\"sleep\"] }"),
        // No other process on this machine sleeps so long.
        seconds = 100_000 + std::process::id(),
    );
    let lvsd = Lvsd::start(first, &text)?;
    let _other = Lvsd::start(second, &definition(100, ""))?;
    pair.wait_master(0, ADDRESS, CALM, FAR).context("without a file")?;
    fs::write(&number, "7\n")?;
    pair.wait_master(1, ADDRESS, CALM, FAR).context("150 - 70")?;
    let mut command = std::process::Command::new("sleep");
    command.arg((100_000 + std::process::id()).to_string());
    let mut sleep = first.spawn("sleep", command)?;
    pair.wait_master(0, ADDRESS, CALM, FAR).context("150 - 70 + 100")?;
    ensure!(instance(&lvsd, 0)?["priority"] == 180);
    sleep.kill()?;
    pair.wait_master(1, ADDRESS, CALM, FAR).context("150 - 70").map(drop)
}

/// Outside, the directors hear each other; inside they do not, yet the group stays whole.
#[test]
fn a_group_is_master_on_both_sides_or_on_none() -> Result<()> {
    let pair = Pair::new()?;
    let inside: IpAddr = "10.78.0.100".parse()?;
    for (number, host) in pair.hosts.iter().enumerate() {
        // A cable that ends in itself: it has a link, and nobody is at the other end.
        host.exec("ip link add in0 type veth peer name in1")?;
        host.exec(&format!("ip address add 10.78.0.{}/24 dev in0", number + 2))?;
        host.exec("ip link set in0 up")?;
        host.exec("ip link set in1 up")?;
    }
    let group = |priority| {
        format!(
            "{}[vrrp_instance.inside]\ninterface = \"in0\"\nvirtual_router_id = 52\n\
             priority = {priority}\nadvert_interval = \"100ms\"\n\
             virtual_addresses = [\"{inside}/24\"]\n\
             [vrrp_sync_group.both]\ninstances = [\"VI_1\", \"inside\"]\n",
            definition(priority, "")
        )
    };
    let pipe = pair.hosts[1].folder().join("pipe");
    let second = format!("[global]\nnotify_fifo = {pipe:?}\n{}", group(100));
    let _first = Lvsd::start(&pair.hosts[0], &group(150))?;
    pair.wait_master(0, ADDRESS, CALM, FAR)?;
    let second = Lvsd::start(&pair.hosts[1], &second)?;
    let heard = lines(&pipe)?;
    let whole = |index| -> Result<()> {
        pair.wait_master(index, ADDRESS, CALM, FAR).context("outside")?;
        pair.wait_master(index, inside, CALM, FAR).context("inside").map(drop)
    };
    whole(0)?;
    // Inside nobody is heard, and the second one stays backup for that is so outside alone.
    let waits = wait_for("the instance inside waits for its group", FAR, || {
        let status = instance(&second, 1)?;
        let why = status["why"].as_str().unwrap_or_default().to_owned();
        Ok(why.ends_with("but its group waits").then_some(status))
    })?;
    ensure!(waits["state"] == "backup" && waits["group"] == "both", "{waits}");
    whole(0)?;
    pair.hosts[0].exec("ip link set in1 down")?;
    whole(1).context("a fault inside is one outside too")?;
    pair.hosts[0].exec("ip link set in1 up")?;
    whole(0).context("mended")?;
    let status = second.status()?;
    let groups = &status["vrrp_groups"];
    ensure!(groups[0]["state"] == "backup", "{groups}");
    ensure!(groups[0]["instances"] == serde_json::json!(["VI_1", "inside"]), "{groups}");
    wait_until("the group's lines", FAR, || {
        let line = heard.recv_timeout(FAR)?;
        Ok(line == "GROUP \"both\" MASTER 0")
    })?;
    Ok(())
}
